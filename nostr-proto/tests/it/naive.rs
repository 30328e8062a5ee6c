//! The rules for events, filters and messages, written down once more over document trees: what is accepted, and what it
//! says, as JSON in one normal form. Slow and plain on purpose; shares no code with the crate. The fuzz targets include
//! this file, and `tree.rs`.

use crate::tree::Tree;
use serde_json::{Map, Value, json};

/// Depths and lengths, from the design and not from the crate.
const EVENT_DEPTH: usize = 8;
const FRAME_DEPTH: usize = 64;
const REASON_BYTES: usize = 1024;
const FILTERS: usize = 1024;

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'))
}

/// A member that must be there exactly once.
fn only<'t>(members: &'t [(String, Tree)], name: &str) -> Option<&'t Tree> {
    let mut found = members.iter().filter(|(key, _)| key == name);
    let (_, value) = found.next()?;
    found.next().is_none().then_some(value)
}

pub(crate) fn event(tree: &Tree) -> Option<Value> {
    let Tree::Map(members) = tree else { return None };
    let hex = |name, length| only(members, name)?.text().filter(|text| is_hex(text, length)).map(Value::from);
    let integer = |name, most: u64| match only(members, name)? {
        Tree::Integer(number) if *number <= most => Some(Value::from(*number)),
        _ => None,
    };
    let mut tags = Vec::new();
    for tag in only(members, "tags")?.list()? {
        let values: Option<Vec<&str>> = tag.list()?.iter().map(Tree::text).collect();
        tags.push(values?);
    }
    if tree.depth() > EVENT_DEPTH {
        return None;
    }
    Some(json!({
        "id": hex("id", 64)?,
        "pubkey": hex("pubkey", 64)?,
        "created_at": integer("created_at", u64::MAX)?,
        "kind": integer("kind", 65_535)?,
        "tags": tags,
        "content": only(members, "content")?.text()?,
        "sig": hex("sig", 128)?,
    }))
}

pub(crate) fn filter(tree: &Tree) -> Option<Value> {
    let Tree::Map(members) = tree else { return None };
    if tree.depth() > EVENT_DEPTH {
        return None;
    }
    let mut normal = Map::new();
    for (key, value) in members {
        let value = match key.as_str() {
            "ids" | "authors" => texts(value, true)?,
            "kinds" => integers(value)?,
            "since" | "until" => integer(value, u64::MAX)?.into(),
            "limit" => integer(value, u64::from(u32::MAX))?.into(),
            "search" => value.text()?.into(),
            _ => match key.strip_prefix('#').map(str::as_bytes) {
                Some([letter]) if letter.is_ascii_alphabetic() => texts(value, matches!(letter, b'e' | b'p'))?,
                _ => continue,
            },
        };
        if normal.insert(key.clone(), value).is_some() {
            return None;
        }
    }
    Some(Value::Object(normal))
}

fn integer(value: &Tree, most: u64) -> Option<u64> {
    if let Tree::Integer(number) = value { Some(*number).filter(|number| *number <= most) } else { None }
}

fn integers(value: &Tree) -> Option<Value> {
    let mut numbers = value.list()?.iter().map(|item| integer(item, 65_535)).collect::<Option<Vec<u64>>>()?;
    numbers.sort_unstable();
    numbers.dedup();
    Some(json!(numbers))
}

fn texts(value: &Tree, ids: bool) -> Option<Value> {
    let mut texts = value.list()?.iter().map(Tree::text).collect::<Option<Vec<&str>>>()?;
    texts.sort_unstable();
    texts.dedup();
    texts.iter().all(|text| !ids || is_hex(text, 64)).then(|| json!(texts))
}

/// As many whole characters as fit.
fn cut(text: &str) -> &str {
    let mut end = text.len().min(REASON_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn reason(text: Option<&Tree>) -> String {
    const PREFIXES: [&str; 13] = [
        "duplicate",
        "pow",
        "blocked",
        "rate-limited",
        "invalid",
        "restricted",
        "mute",
        "error",
        "auth-required",
        "unsupported",
        "replaced",
        "deleted",
        "closed",
    ];
    let text = text.and_then(Tree::text).unwrap_or("");
    if let Some(colon) = text.find(':') {
        let is_space = |c: char| matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{c}');
        let word = text[..colon].trim_matches(is_space).to_ascii_lowercase();
        if PREFIXES.contains(&word.as_str()) {
            return format!("{word}: {}", cut(text[colon + 1..].trim_start_matches(is_space)));
        }
    }
    cut(text).to_owned()
}

/// Hex of whole bytes, in lower case.
fn payload(tree: &Tree) -> Option<String> {
    let text = tree.text()?;
    let good = text.len() % 2 == 0 && text.chars().all(|c| c.is_ascii_hexdigit());
    good.then(|| text.to_ascii_lowercase())
}

/// The elements of a message and its verb. `known` of them are read; the nesting of the others is bounded here.
fn open(tree: &Tree) -> Option<(&str, &[Tree])> {
    let items = tree.list()?;
    let verb = items.first()?.text()?;
    (tree.depth() <= FRAME_DEPTH).then_some((verb, &items[1..]))
}

pub(crate) fn relay_message(tree: &Tree) -> Option<Value> {
    let (verb, items) = open(tree)?;
    let text = |index: usize| items.get(index)?.text();
    Some(match verb {
        "EVENT" => json!(["EVENT", text(0)?, event(items.get(1)?)?]),
        "OK" => {
            let id = text(0).filter(|id| id.is_empty() || is_hex(id, 64))?;
            let Tree::Bool(accepted) = items.get(1)? else { return None };
            json!(["OK", id, accepted, reason(items.get(2))])
        }
        "EOSE" => {
            let hints = items.get(1).and_then(Tree::list).unwrap_or(&[]);
            let has = |hint: &&str| hints.iter().any(|item| item.text() == Some(hint));
            match ["finish", "more"].into_iter().filter(has).collect::<Vec<_>>() {
                none if none.is_empty() => json!(["EOSE", text(0)?]),
                hints => json!(["EOSE", text(0)?, hints]),
            }
        }
        "CLOSED" => json!(["CLOSED", text(0)?, reason(items.get(1))]),
        "NOTICE" => json!(["NOTICE", cut(text(0)?)]),
        "AUTH" => json!(["AUTH", text(0)?]),
        "COUNT" => json!(["COUNT", text(0)?, count(items.get(1)?)?]),
        "NEG-MSG" => json!(["NEG-MSG", text(0)?, payload(items.get(1)?)?]),
        "NEG-ERR" => match items.get(2) {
            Some(Tree::Integer(records)) => json!(["NEG-ERR", text(0)?, reason(items.get(1)), records]),
            _ => json!(["NEG-ERR", text(0)?, reason(items.get(1))]),
        },
        unknown => json!([unknown]),
    })
}

/// A bare number, or an object in which the last value of each field counts that is of its type.
fn count(tree: &Tree) -> Option<Value> {
    let members = match tree {
        Tree::Integer(number) => return Some(json!({"count": number})),
        Tree::Map(members) => members,
        _ => return None,
    };
    let mut normal = Map::new();
    for (key, value) in members {
        match (key.as_str(), value) {
            ("count", value) => drop(normal.insert("count".to_owned(), integer(value, u64::MAX)?.into())),
            ("approximate", Tree::Bool(true)) => drop(normal.insert("approximate".to_owned(), true.into())),
            ("approximate", Tree::Bool(false)) => drop(normal.remove("approximate")),
            ("hll", Tree::Text(hll)) if hll.len() == 512 && hll.chars().all(|c| c.is_ascii_hexdigit()) => {
                drop(normal.insert("hll".to_owned(), hll.to_ascii_lowercase().into()));
            }
            // Registers that are none leave none.
            ("hll", Tree::Text(_)) => drop(normal.remove("hll")),
            _ => {}
        }
    }
    normal.contains_key("count").then(|| normal.into())
}

pub(crate) fn client_message(tree: &Tree) -> Option<Value> {
    let (verb, items) = open(tree)?;
    let name = || items.first()?.text().filter(|name| !name.is_empty());
    Some(match verb {
        "EVENT" | "AUTH" => json!([verb, event(items.first()?)?]),
        "REQ" | "COUNT" => {
            let filters = items.get(1..)?.iter().map(filter).collect::<Option<Vec<Value>>>()?;
            if filters.is_empty() || filters.len() > FILTERS {
                return None;
            }
            let mut normal = vec![json!(verb), json!(name()?)];
            normal.extend(filters);
            Value::from(normal)
        }
        "CLOSE" | "NEG-CLOSE" => json!([verb, name()?]),
        "NEG-OPEN" => json!([verb, name()?, filter(items.get(1)?)?, payload(items.get(2)?)?]),
        "NEG-MSG" => json!([verb, name()?, payload(items.get(1)?)?]),
        _ => return None,
    })
}
