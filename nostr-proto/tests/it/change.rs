//! Changes to document trees, which keep a text JSON, and may or may not keep it what it was.

use crate::tree::Tree;
use proptest::prelude::*;

impl Tree {
    pub(crate) fn of(text: &str) -> Tree {
        serde_json::from_str(text).unwrap()
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
