//! What has to hold of where events come from: a relay that is named sent it, and whoever asked some relays alone gets
//! what one of those sent.

use std::collections::{BTreeMap, BTreeSet};

use nostr_pool_core::EventItem;
use nostr_proto::RelayUrl;

/// Which relays sent which ids to the pool, for whatever request.
#[derive(Debug, Default)]
pub(super) struct Sources {
    sent: BTreeMap<String, BTreeSet<RelayUrl>>,
}

impl Sources {
    /// A relay's EVENT message with this id reaches the pool.
    pub(super) fn heard(&mut self, relay: &RelayUrl, id: &str) {
        let sent = self.sent.entry(id.to_owned()).or_default();
        if !sent.contains(relay) {
            sent.insert(relay.clone());
        }
    }

    /// An event is delivered; `named`: to a subscription that asks these relays alone.
    pub(super) fn delivered(&self, item: &EventItem, named: Option<&[RelayUrl]>) -> Result<(), &'static str> {
        let sent = self.sent.get(&item.event.id().to_string());
        if !item.relays.iter().all(|relay| sent.is_some_and(|sent| sent.contains(relay))) {
            return Err("an event comes from relays that sent it");
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
