//! What a relay took, and when: what it owes to whom is told from that.

use std::collections::BTreeMap;

use nostr_model_relay::Relay;
use nostr_proto::{Event, EventId};
use serde_json::Value;

use super::sub::json;

/// An event that a relay took.
#[derive(Debug)]
pub(super) struct Taken {
    /// When, in true microseconds.
    pub(super) at: u64,
    /// The date of that, in true unix seconds.
    pub(super) date: u64,
    pub(super) event: Value,
}

impl Taken {
    /// The date that it bears.
    pub(super) fn created_at(&self) -> u64 {
        self.event["created_at"].as_u64().unwrap_or_default()
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Accepted {
    taken: BTreeMap<EventId, Taken>,
    /// How many the relay had counted.
    counted: u64,
}

impl Accepted {
    /// The relay took this event, without the wire.
    pub(super) fn took(&mut self, event: &Event, relay: &Relay, at: u64, date: u64) {
        self.counted = relay.stats().accepted;
        self.taken.entry(event.id()).or_insert_with(|| Taken { at, date, event: json(&event.to_json()) });
    }

    /// Something happened at the relay: it may have taken events.
    pub(super) fn look(&mut self, relay: &Relay, at: u64, date: u64) {
        let counted = relay.stats().accepted;
        if counted == self.counted {
            return;
        }
        self.counted = counted;
        for event in relay.events() {
            let id = event.id();
            self.taken.entry(id).or_insert_with(|| Taken { at, date, event: json(&event.to_json()) });
        }
    }

    /// What it took and still has.
    pub(super) fn held<'a>(&'a self, relay: &'a Relay) -> impl Iterator<Item = (&'a EventId, &'a Taken)> + 'a {
        self.taken.iter().filter(|(id, _)| relay.contains(id))
    }
}
