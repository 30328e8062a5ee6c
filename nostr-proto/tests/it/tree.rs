//! JSON as a document tree that forgets nothing which matters here: keys that appear twice, the order of members, and
//! whether a number is a plain unsigned integer. Read by `serde_json`, so that no code is shared with what is tested.

use proptest::prelude::*;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use std::fmt;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Tree {
    Null,
    Bool(bool),
    Integer(u64),
    /// Any other number, in some spelling.
    Number(String),
    Text(String),
    List(Vec<Tree>),
    Map(Vec<(String, Tree)>),
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Tree, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Integer(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Number(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Number(format!("{value:e}")))
    }

    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Tree::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Tree, A::Error> {
        let mut map = Vec::new();
        while let Some(member) = members.next_entry()? {
            map.push(member);
        }
        Ok(Tree::Map(map))
    }
}

/// How a text reads.
pub(crate) enum Reading {
    Tree(Tree),
    /// No JSON.
    Refused,
    /// JSON, but with a number that `serde_json` can't hold. It says nothing about such a text.
    Beyond,
}

impl Tree {
    pub(crate) fn read(text: &str) -> Reading {
        match serde_json::from_str(text) {
            Ok(tree) => Reading::Tree(tree),
            Err(error) if error.to_string().starts_with("number out of range") => Reading::Beyond,
            Err(_) => Reading::Refused,
        }
    }

    pub(crate) fn of(text: &str) -> Tree {
        serde_json::from_str(text).unwrap()
    }

    /// How many arrays and objects are open at the deepest place.
    pub(crate) fn depth(&self) -> usize {
        match self {
            Tree::List(items) => 1 + items.iter().map(Tree::depth).max().unwrap_or(0),
            Tree::Map(members) => 1 + members.iter().map(|(_, value)| value.depth()).max().unwrap_or(0),
            _ => 0,
        }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        if let Tree::Text(text) = self { Some(text) } else { None }
    }

    pub(crate) fn list(&self) -> Option<&[Tree]> {
        if let Tree::List(items) = self { Some(items) } else { None }
    }

    pub(crate) fn to_json(&self) -> String {
        let quoted = |text: &str| serde_json::to_string(text).unwrap();
        match self {
            Tree::Null => "null".to_owned(),
            Tree::Bool(value) => value.to_string(),
            Tree::Integer(number) => number.to_string(),
            Tree::Number(number) => number.clone(),
            Tree::Text(text) => quoted(text),
            Tree::List(items) => format!("[{}]", items.iter().map(Tree::to_json).collect::<Vec<_>>().join(",")),
            Tree::Map(members) => {
                let member = |(key, value): &(String, Tree)| format!("{}:{}", quoted(key), value.to_json());
                format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(","))
            }
        }
    }

    /// This value and all within it, those further in after those around them.
    fn count(&self) -> usize {
        1 + match self {
            Tree::List(items) => items.iter().map(Tree::count).sum(),
            Tree::Map(members) => members.iter().map(|(_, value)| value.count()).sum(),
            _ => 0,
        }
    }

    /// The value at a position in that order.
    fn nth(&mut self, mut index: usize) -> &mut Tree {
        if index == 0 {
            return self;
        }
        index -= 1;
        let children: Vec<&mut Tree> = match self {
            Tree::List(items) => items.iter_mut().collect(),
            Tree::Map(members) => members.iter_mut().map(|(_, value)| value).collect(),
            _ => Vec::new(),
        };
        for child in children {
            let count = child.count();
            if index < count {
                return child.nth(index);
            }
            index -= count;
        }
        unreachable!("the index is below the count")
    }

    /// The same with one thing changed.
    pub(crate) fn changed(&self, change: &Change) -> Tree {
        let mut tree = self.clone();
        let place = tree.nth(change.place.index(tree.clone().count()));
        let at = |length: usize| change.item.index(length.max(1)).min(length.saturating_sub(1));
        match (change.what, &mut *place) {
            (What::Duplicate, Tree::Map(members)) if !members.is_empty() => {
                let member = members[at(members.len())].clone();
                members.push(member);
            }
            (What::Drop, Tree::Map(members)) if !members.is_empty() => drop(members.remove(at(members.len()))),
            (What::Rename, Tree::Map(members)) if !members.is_empty() => {
                let index = at(members.len());
                members[index].0.clone_from(&change.name);
            }
            (What::Add, Tree::Map(members)) => members.push((change.name.clone(), change.value.clone())),
            (What::Duplicate, Tree::List(items)) if !items.is_empty() => {
                let item = items[at(items.len())].clone();
                items.push(item);
            }
            (What::Drop, Tree::List(items)) if !items.is_empty() => drop(items.remove(at(items.len()))),
            (What::Add, Tree::List(items)) => items.push(change.value.clone()),
            (What::Wrap, _) => {
                for _ in 0..=change.item.index(70) {
                    *place = Tree::List(vec![place.clone()]);
                }
            }
            _ => *place = change.value.clone(),
        }
        tree
    }
}

#[derive(Clone, Copy, Debug)]
enum What {
    Replace,
    Duplicate,
    Drop,
    Rename,
    Add,
    Wrap,
}

/// A change to a tree.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    what: What,
    place: prop::sample::Index,
    item: prop::sample::Index,
    name: String,
    value: Tree,
}

/// Changes that keep a text JSON, and may or may not keep it what it was.
pub(crate) fn change() -> impl Strategy<Value = Change> {
    use What::{Add, Drop, Duplicate, Rename, Replace, Wrap};
    let what = prop::sample::select(vec![Replace, Replace, Duplicate, Drop, Rename, Add, Add, Wrap]);
    let names = [
        "id",
        "pubkey",
        "created_at",
        "kind",
        "tags",
        "content",
        "sig",
        "ids",
        "authors",
        "kinds",
        "since",
        "until",
        "limit",
        "search",
        "#e",
        "#E",
        "#p",
        "#t",
        "#",
        "#tt",
        "#1",
        "x",
        "",
        "ID",
        "count",
        "approximate",
        "hll",
    ];
    let hex64 = crate::support::HEX64.to_owned();
    let text = |text: &str| Tree::Text(text.to_owned());
    let values = vec![
        Tree::Null,
        Tree::Bool(true),
        Tree::Bool(false),
        Tree::Integer(0),
        Tree::Integer(65_535),
        Tree::Integer(65_536),
        Tree::Integer(u64::from(u32::MAX)),
        Tree::Integer(u64::from(u32::MAX) + 1),
        Tree::Integer(u64::MAX),
        Tree::Number("-1".to_owned()),
        Tree::Number("-0".to_owned()),
        Tree::Number("1.0".to_owned()),
        Tree::Number("1e2".to_owned()),
        Tree::Number("18446744073709551616".to_owned()),
        text(""),
        text("x"),
        text("0a"),
        text("0A"),
        text("finish"),
        text("blocked: no"),
        text(&hex64),
        text(&hex64.to_uppercase()),
        text(&hex64[1..]),
        text(&hex64.repeat(2)),
        Tree::List(vec![]),
        Tree::List(vec![text("more"), Tree::Null]),
        Tree::List(vec![text(&hex64), text(&hex64)]),
        Tree::List(vec![Tree::Integer(1), Tree::Integer(0), Tree::Integer(1)]),
        Tree::List(vec![Tree::List(vec![])]),
        Tree::Map(vec![]),
        Tree::Map(vec![("count".to_owned(), Tree::Integer(5))]),
        Tree::Map(vec![("x".to_owned(), Tree::List(vec![]))]),
    ];
    let parts = (what, any::<prop::sample::Index>(), any::<prop::sample::Index>());
    (parts, prop::sample::select(names.to_vec()), prop::sample::select(values))
        .prop_map(|((what, place, item), name, value)| Change { what, place, item, name: name.to_owned(), value })
}
