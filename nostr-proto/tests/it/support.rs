//! Generators: events with awkward strings, and every spelling of their JSON.

use nostr_proto::{Event, EventTemplate, Keys, Kind, Timestamp};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

/// 64 characters that look like an event id.
pub(crate) const HEX64: &str = "d56beb302090d1ed710361a737ed51cd11b0c55c3c97f3710600c5ffc799fd49";

/// The plain fields of an event, from which oracles work.
#[derive(Clone, Debug)]
pub(crate) struct Fields {
    pub(crate) id: [u8; 32],
    pub(crate) pubkey: [u8; 32],
    pub(crate) created_at: u64,
    pub(crate) kind: u16,
    pub(crate) tags: Vec<Vec<String>>,
    pub(crate) content: String,
    pub(crate) sig: [u8; 64],
}

impl Fields {
    pub(crate) fn value(&self) -> Value {
        json!({
            "id": hex(&self.id),
            "pubkey": hex(&self.pubkey),
            "created_at": self.created_at,
            "kind": self.kind,
            "tags": self.tags,
            "content": self.content,
            "sig": hex(&self.sig),
        })
    }

    pub(crate) fn event(&self) -> Event {
        Event::from_json(&self.value().to_string()).unwrap()
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A character, often one that JSON treats in a special way.
pub(crate) fn character() -> impl Strategy<Value = char> {
    prop_oneof![
        4 => proptest::char::range('a', 'z'),
        2 => any::<char>(),
        1 => proptest::char::range('\0', '\u{1f}'),
        2 => proptest::sample::select(vec!['"', '\\', '/', '\u{7f}', '\u{2028}', 'é', '🦀', ',', ':', '{', '}', '[', ']', ' ']),
    ]
}

/// A string, sometimes one made to look like the fields around it.
pub(crate) fn string() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => vec(character(), 0..24).prop_map(String::from_iter),
        1 => Just(HEX64.to_owned()),
        1 => Just(format!("\",\"id\":\"{HEX64}\",\"x\":\"")),
        1 => Just("id".to_owned()),
        1 => "[a-z]{60,70}",
    ]
}

pub(crate) fn fields() -> impl Strategy<Value = Fields> {
    let number = prop_oneof![0..3_u64, Just(u64::MAX), any::<u64>()];
    let tag_name = prop_oneof![3 => "[a-f]", 1 => Just("id".to_owned()), 2 => string()];
    let tag = (proptest::option::weighted(0.95, tag_name), vec(string(), 0..4))
        .prop_map(|(name, values)| name.map_or_else(Vec::new, |name| [vec![name], values].concat()));
    let bytes = (any::<[u8; 32]>(), any::<[u8; 32]>(), any::<[u8; 32]>(), any::<[u8; 32]>());
    (bytes, number, any::<u16>(), vec(tag, 0..6), string()).prop_map(
        |((id, pubkey, low, high), created_at, kind, tags, content)| {
            let mut sig = [0; 64];
            sig[..32].copy_from_slice(&low);
            sig[32..].copy_from_slice(&high);
            Fields { id, pubkey, created_at, kind, tags, content, sig }
        },
    )
}

/// An endless source of small decisions, which proptest can shrink.
#[derive(Clone, Debug)]
pub(crate) struct Choices {
    bytes: Vec<u8>,
    at: usize,
}

impl Choices {
    pub(crate) fn any() -> impl Strategy<Value = Choices> {
        vec(any::<u8>(), 1..64).prop_map(|bytes| Choices { bytes, at: 0 })
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.at += 1;
        // The round number joins in, so that short lists don't repeat one decision forever.
        let round = self.at / self.bytes.len();
        (usize::from(self.bytes[self.at % self.bytes.len()]) + round) % bound
    }

    fn space(&mut self) -> &'static str {
        ["", "", "", " ", "\n", "\t\r ", "  "][self.below(7)]
    }
}

/// Which liberties a spelling takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Liberties {
    /// Unneeded escapes in strings, keys included.
    pub(crate) escapes: bool,
    /// Fields that NIP-01 does not know.
    pub(crate) extra_fields: bool,
    /// No unneeded escapes, after all, in the keys of an event, nor in its id and signature.
    pub(crate) plain_head: bool,
}

const PLAIN: Liberties = Liberties { escapes: false, extra_fields: false, plain_head: true };

/// Spells an event's JSON with any order of keys and any white space.
pub(crate) fn spell_event(fields: &Fields, liberties: Liberties, choices: &mut Choices) -> String {
    let value = fields.value();
    let mut members: Vec<(String, Value)> =
        value.as_object().unwrap().iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    if liberties.extra_fields {
        let nested = json!({"id": HEX64, "x": [[{"id": [HEX64, "\\\""]}], null, -1.5e3, true]});
        members.push(("relay".to_owned(), nested));
        members.push((String::new(), json!("]}\\")));
        members.push(("ids".to_owned(), json!([HEX64])));
    }
    let mut out = String::from("{");
    while !members.is_empty() {
        let (key, value) = members.swap_remove(choices.below(members.len()));
        if out.len() > 1 {
            out.push(',');
        }
        out.push_str(choices.space());
        let in_key = if liberties.plain_head { PLAIN } else { liberties };
        let in_value = if matches!(key.as_str(), "id" | "sig") { in_key } else { liberties };
        spell_string(&key, in_key, choices, &mut out);
        out.push_str(choices.space());
        out.push(':');
        spell(&value, in_value, choices, &mut out);
    }
    out.push('}');
    out
}

/// Spells any JSON value, spaces around it included.
pub(crate) fn spell(value: &Value, liberties: Liberties, choices: &mut Choices, out: &mut String) {
    out.push_str(choices.space());
    match value {
        Value::String(text) => spell_string(text, liberties, choices, out),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                spell(item, liberties, choices, out);
            }
            out.push_str(choices.space());
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            for (index, (key, value)) in members.iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                out.push_str(choices.space());
                spell_string(key, liberties, choices, out);
                out.push_str(choices.space());
                out.push(':');
                spell(value, liberties, choices, out);
            }
            out.push('}');
        }
        other => out.push_str(&other.to_string()),
    }
    out.push_str(choices.space());
}

fn spell_string(text: &str, liberties: Liberties, choices: &mut Choices, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        let needed = character < '\u{20}' || matches!(character, '"' | '\\');
        let escaped = needed || (liberties.escapes && choices.below(8) == 0);
        if !escaped {
            out.push(character);
            continue;
        }
        let short = match character {
            '\n' => "\\n",
            '\r' => "\\r",
            '\t' => "\\t",
            '\u{8}' => "\\b",
            '\u{c}' => "\\f",
            '"' => "\\\"",
            '\\' => "\\\\",
            '/' => "\\/",
            _ => "",
        };
        if !short.is_empty() && choices.below(2) == 0 {
            out.push_str(short);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            let upper = choices.below(2) == 0;
            out.push_str(&if upper { format!("\\u{unit:04X}") } else { format!("\\u{unit:04x}") });
        }
    }
    out.push('"');
}

/// A change to the bytes of a text.
#[derive(Clone, Debug)]
pub(crate) struct Edit {
    what: u8,
    from: prop::sample::Index,
    to: prop::sample::Index,
    length: usize,
    token: &'static str,
}

/// A few changes, with pieces that matter to parsers of this protocol.
pub(crate) fn edits() -> impl Strategy<Value = Vec<Edit>> {
    const TOKENS: [&str; 46] = [
        "{",
        "}",
        "[",
        "]",
        "\"",
        ",",
        ":",
        "\\",
        "\\\\",
        "\\\"",
        "\\/",
        "\\u0000",
        "\\u0061",
        "\\ud83d",
        "\\ude00",
        "\\ud83e\\udd19",
        "\\uD8",
        "null",
        "true",
        "false",
        "-",
        "-1",
        "0",
        "1.0",
        "1e9",
        "E",
        "00",
        "65536",
        "18446744073709551616",
        "\"id\"",
        "\"id\":1,",
        "\"x\":[],",
        "\"tags\":[[]],",
        "[[]]",
        "[[[[[[[[]]]]]]]]",
        "\"EVENT\"",
        "\"#e\":",
        "\0",
        "\u{1f}",
        "\u{7f}",
        "é",
        "🤙",
        " ",
        "\n",
        "\t",
        "\u{feff}",
    ];
    let parts = (0_u8..8, any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0_usize..6);
    let edit = (parts, prop::sample::select(TOKENS.to_vec())).prop_map(|((what, from, to, length), token)| Edit {
        what,
        from,
        to,
        length,
        token,
    });
    vec(edit, 1..4)
}

/// The text with these changes; `None` where they leave no UTF-8.
pub(crate) fn mutated(text: &str, edits: &[Edit]) -> Option<String> {
    let mut bytes = text.as_bytes().to_vec();
    for edit in edits {
        let from = edit.from.index(bytes.len() + 1);
        let to = edit.to.index(bytes.len() + 1);
        let end = (from + edit.length).min(bytes.len());
        match edit.what {
            0 | 1 => drop(bytes.splice(from..from, edit.token.bytes())),
            2 => drop(bytes.splice(from..end, edit.token.bytes())),
            3 => drop(bytes.drain(from..end)),
            4 => bytes.truncate(from.max(1)),
            5 => {
                let piece = bytes[from.min(to)..from.max(to)].to_vec();
                drop(bytes.splice(from..from, piece));
            }
            // A letter or digit becomes its neighbour; hex often stays hex.
            6 => bytes.iter_mut().skip(from).find(|b| b.is_ascii_alphanumeric()).into_iter().for_each(|b| *b ^= 1),
            _ => bytes.iter_mut().skip(from).find(|b| b.is_ascii_alphabetic()).into_iter().for_each(|b| *b ^= 0x20),
        }
    }
    String::from_utf8(bytes).ok()
}

pub(crate) fn keys(number: u8) -> Keys {
    Keys::from_entropy([number.max(1); 32]).unwrap()
}

/// A signed event.
pub(crate) fn signed(content: &str) -> Event {
    let template = EventTemplate::new(Kind::TEXT_NOTE, content, Timestamp::new(1_700_000_000));
    keys(1).sign(&template.tag(["e", HEX64]).tag(["alt", "x"]), [0; 32])
}
