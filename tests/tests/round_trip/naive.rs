//! What relays keep of what they are sent, worked out again over `serde_json` and from the NIPs alone.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// An event, read apart from the code under test.
#[derive(Clone, Debug)]
pub(crate) struct Naive {
    pub(crate) id: String,
    pub(crate) author: String,
    pub(crate) kind: u64,
    pub(crate) created_at: u64,
    tags: Vec<Vec<String>>,
}

impl Naive {
    pub(crate) fn new(json: &str) -> Self {
        let event: Value = serde_json::from_str(json).unwrap();
        let text = |name: &str| event[name].as_str().unwrap().to_owned();
        Self {
            id: text("id"),
            author: text("pubkey"),
            kind: event["kind"].as_u64().unwrap(),
            created_at: event["created_at"].as_u64().unwrap(),
            tags: serde_json::from_value(event["tags"].clone()).unwrap(),
        }
    }

    pub(crate) fn is_ephemeral(&self) -> bool {
        (20_000..30_000).contains(&self.kind)
    }

    /// What newer versions of it have in common with it; `None` for events that nothing replaces.
    pub(crate) fn address(&self) -> Option<String> {
        let identifier = match self.kind {
            0 | 3 | 10_000..20_000 => "",
            30_000..40_000 => self.first("d").unwrap_or_default(),
            _ => return None,
        };
        Some(format!("{}:{}:{identifier}", self.kind, self.author))
    }

    /// The value of the first tag of that name.
    pub(crate) fn first<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.all(name).next()
    }

    /// The values of the tags of that name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.tags
            .iter()
            .filter(move |tag| tag.first().is_some_and(|first| first == name))
            .map(|tag| tag.get(1).map_or("", String::as_str))
    }

    /// Whether this version wins over the other: newer, or of the same second with the lower id.
    pub(crate) fn beats(&self, other: &Self) -> bool {
        (self.created_at, &other.id) > (other.created_at, &self.id)
    }
}

/// What a relay does with each event of a sequence.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// Ids of those that it holds in the end.
    pub(crate) stored: BTreeSet<String>,
    /// Ids of those that it takes and never holds.
    pub(crate) ephemeral: BTreeSet<String>,
    /// Ids of those that it takes at first and that a later one replaces.
    pub(crate) overwritten: BTreeSet<String>,
    /// Ids of those that come after a version that wins over them.
    pub(crate) too_late: BTreeSet<String>,
}

/// By NIP-01 alone: what is stored, what is overwritten, what is refused, in this order of arrival.
pub(crate) fn keep(arriving: &[Naive]) -> Kept {
    let mut kept = Kept::default();
    let mut latest: BTreeMap<String, Naive> = BTreeMap::new();
    for event in arriving {
        let id = event.id.clone();
        if event.is_ephemeral() {
            kept.ephemeral.insert(id);
            continue;
        }
        if let Some(address) = event.address() {
            match latest.get(&address) {
                Some(held) if held.id == id => continue,
                Some(held) if !event.beats(held) => {
                    kept.too_late.insert(id);
                    continue;
                }
                Some(held) => {
                    kept.stored.remove(&held.id);
                    kept.overwritten.insert(held.id.clone());
                }
                None => {}
            }
            latest.insert(address, event.clone());
        }
        kept.stored.insert(id);
    }
    kept
}
