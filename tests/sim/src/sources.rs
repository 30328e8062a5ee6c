//! What has to hold of where events come from: a relay that is named sent it, and whoever asked some relays alone gets
//! what one of those sent.

use std::collections::{BTreeMap, BTreeSet};

use nostr_pool_core::{EventItem, Item};
use nostr_proto::RelayUrl;
use serde_json::Value;

/// The most of a NOTICE that is kept, in bytes.
const NOTICE: usize = 1 << 10;

/// Which relays sent which ids to the pool, for whatever request.
#[derive(Debug, Default)]
pub(super) struct Sources {
    sent: BTreeMap<String, BTreeSet<RelayUrl>>,
    /// The ids that came for a request that ran.
    asked: BTreeSet<String>,
    notices: BTreeMap<RelayUrl, BTreeSet<String>>,
}

impl Sources {
    /// A relay's EVENT message with this id reaches the pool.
    pub(super) fn heard(&mut self, relay: &RelayUrl, id: &str) {
        let sent = self.sent.entry(id.to_owned()).or_default();
        if !sent.contains(relay) {
            sent.insert(relay.clone());
        }
    }

    /// It was for a request that runs.
    pub(super) fn asked(&mut self, id: &str) {
        if !self.asked.contains(id) {
            self.asked.insert(id.to_owned());
        }
    }

    /// A relay's NOTICE reaches the pool.
    pub(super) fn notice(&mut self, relay: &RelayUrl, text: &str) {
        self.notices.entry(relay.clone()).or_default().insert(text.to_owned());
    }

    /// Words of whatever kind reach the pool from a relay. A NOTICE among them is told with its control characters escaped.
    pub(super) fn words(&mut self, relay: &RelayUrl, words: &str) {
        let Ok(message) = serde_json::from_str::<Value>(words) else { return };
        if message[0] == "NOTICE" {
            let escaped = |c: char| if c.is_control() { c.escape_unicode().collect() } else { c.to_string() };
            let text: String = message[1].as_str().unwrap_or_default().chars().map(escaped).collect();
            self.notice(relay, &text);
        }
    }

    /// What is laid at a subscription's door was said by its relay.
    pub(super) fn attributed(&self, item: &Item) -> Result<(), &'static str> {
        match item {
            Item::Rejected { relay, event, .. } => {
                let (id, sent) = (event.to_string(), self.sent.get(&event.to_string()));
                let right = self.asked.contains(&id) && sent.is_some_and(|sent| sent.contains(relay));
                if right { Ok(()) } else { Err("an event that was dropped came for a request that runs") }
            }
            Item::Notice { relay, message } => {
                let said =
                    self.notices.get(relay).is_some_and(|said| said.iter().any(|said| said.starts_with(message)));
                if said && message.len() <= NOTICE { Ok(()) } else { Err("a NOTICE is what its relay said") }
            }
            _ => Ok(()),
        }
    }

    /// An event is delivered; `named`: to a subscription that asks these relays alone.
    pub(super) fn delivered(&self, item: &EventItem, named: Option<&[RelayUrl]>) -> Result<(), &'static str> {
        let sent = self.sent.get(&item.event.id().to_string());
        if !item.relays.iter().all(|relay| sent.is_some_and(|sent| sent.contains(relay))) {
            return Err("an event comes from relays that sent it");
        }
        if !self.asked.contains(&item.event.id().to_string()) {
            return Err("what is delivered came for a request that ran");
        }
        // A copy with a forged signature is one, too: its content is the event's.
        match named {
            Some(named) if !named.iter().any(|relay| sent.is_some_and(|sent| sent.contains(relay))) => {
                Err("a subscription gets what its own relays sent")
            }
            _ => Ok(()),
        }
    }
}
