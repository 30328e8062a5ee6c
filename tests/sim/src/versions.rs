//! What has to hold of replaceable and addressable events: of one address, no older version comes after a newer one.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use nostr_proto::Event;
use serde_json::Value;

/// Kind, author, and the value of the first `d` tag where it counts.
type Address = (u64, String, String);

/// The later the newer; in the same second, the lower the id.
type Version = (u64, Reverse<String>);

/// The newest version of each address.
#[derive(Debug, Default)]
pub(super) struct Versions {
    /// That reached the pool, signed by its author.
    heard: BTreeMap<Address, Version>,
    /// That the pool showed to the application.
    shown: BTreeMap<Address, Version>,
}

impl Versions {
    /// An event as a relay sent it, forged perhaps.
    pub(super) fn heard(&mut self, event: &Value) {
        let Some((address, version)) = read(event) else { return };
        if self.heard.get(&address).is_none_or(|newest| *newest < version) && is_good(event) {
            self.heard.insert(address, version);
        }
    }

    /// An event as the pool showed it.
    pub(super) fn shown(&mut self, event: &Value) -> Result<(), &'static str> {
        let Some((address, version)) = read(event) else { return Ok(()) };
        let newest = self.shown.entry(address).or_insert_with(|| version.clone());
        if version < *newest {
            return Err("no older version comes after a newer one");
        }
        *newest = version;
        Ok(())
    }

    /// Whether a newer version than this one reached the pool.
    pub(super) fn is_replaced(&self, event: &Value) -> bool {
        read(event).is_some_and(|(address, version)| self.heard.get(&address).is_some_and(|newest| version < *newest))
    }
}

fn read(event: &Value) -> Option<(Address, Version)> {
    let kind = event["kind"].as_u64()?;
    let text = |field: &str| Some(event[field].as_str()?.to_owned());
    let d = match kind {
        0 | 3 | 10_000..=19_999 => String::new(),
        30_000..=39_999 => {
            let mut tags = event["tags"].as_array()?.iter();
            tags.find(|tag| tag[0] == "d").and_then(|tag| tag[1].as_str()).unwrap_or_default().to_owned()
        }
        _ => return None,
    };
    Some(((kind, text("pubkey")?, d), (event["created_at"].as_u64()?, Reverse(text("id")?))))
}

fn is_good(event: &Value) -> bool {
    Event::from_json(&event.to_string()).is_ok_and(|event| nostr_proto::verify_event(event).is_ok())
}
