//! What has to hold of EVENT messages: none that has expired (NIP-40), none longer than the relay takes (NIP-11).

use std::collections::BTreeMap;

use nostr_proto::RelayUrl;
use serde_json::Value;

/// A relay that says it takes less does not mean it.
const LEAST: usize = 1_024;

/// What each relay takes, as the pool was told.
#[derive(Debug, Default)]
pub(super) struct Sending {
    takes: BTreeMap<RelayUrl, usize>,
}

impl Sending {
    /// The pool is told how long a message the relay takes.
    pub(super) fn takes(&mut self, relay: &RelayUrl, max: usize) {
        self.takes.remove(relay);
        if max >= LEAST {
            self.takes.insert(relay.clone(), max);
        }
    }

    /// The relay is another one from now on.
    pub(super) fn forgotten(&mut self, relay: &RelayUrl) {
        self.takes.remove(relay);
    }

    /// Whether the relay takes a message this long.
    pub(super) fn fits(&self, relay: &RelayUrl, bytes: usize) -> bool {
        self.takes.get(relay).is_none_or(|max| bytes <= *max)
    }

    /// A frame goes out. `unix`: the device's wall clock.
    pub(super) fn sent(&self, relay: &RelayUrl, frame: &str, unix: u64) -> Result<(), &'static str> {
        let Ok(message) = serde_json::from_str::<Value>(frame) else { return Ok(()) };
        if message[0] != "EVENT" {
            return Ok(());
        }
        if !self.fits(relay, frame.len()) {
            return Err("no event is sent to a relay that does not take as long a message");
        }
        let tags = message[1]["tags"].as_array();
        let expires = tags.and_then(|tags| tags.iter().find(|tag| tag[0] == "expiration"));
        let expires = expires.and_then(|tag| tag[1].as_str()?.parse::<u64>().ok());
        if expires.is_some_and(|at| at <= unix) { Err("no event is sent that has expired") } else { Ok(()) }
    }
}
