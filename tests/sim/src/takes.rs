//! What has to hold of requests where relays take only so much (NIP-11): no more of them than there is room for, none too long,
//! none with too many filters or too long a name.

use std::collections::BTreeMap;

use nostr_pool_core::{Config, SocketId};
use nostr_proto::RelayUrl;
use serde_json::Value;

use super::wire::Wire;

/// What a relay takes, as far as the pool was told. 0: nothing was said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Takes {
    pub(super) requests: usize,
    pub(super) filters: usize,
    pub(super) bytes: usize,
    pub(super) name: usize,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Taken {
    said: BTreeMap<RelayUrl, Takes>,
    /// The most that was ever said: what runs is not ended when less is said.
    most: BTreeMap<RelayUrl, usize>,
    unknown: Takes,
}

impl Taken {
    pub(super) fn new(config: &Config) -> Self {
        let unknown = Takes {
            requests: config.unknown_max_requests,
            filters: config.unknown_max_filters,
            bytes: config.unknown_max_message,
            name: 20,
        };
        Self { said: BTreeMap::new(), most: BTreeMap::new(), unknown }
    }

    /// The pool is told what a relay takes.
    pub(super) fn takes(&mut self, relay: &RelayUrl, says: Takes) {
        let most = self.most_requests(relay).max(says.requests);
        self.most.insert(relay.clone(), most);
        self.said.insert(relay.clone(), says);
    }

    /// The relay is another one from now on.
    pub(super) fn forgotten(&mut self, relay: &RelayUrl) {
        self.said.remove(relay);
    }

    fn of(&self, relay: &RelayUrl) -> Takes {
        let says = self.said.get(relay).copied().unwrap_or_default();
        let or = |said: usize, unknown: usize| if said == 0 { unknown } else { said };
        Takes {
            requests: or(says.requests, self.unknown.requests),
            filters: or(says.filters, self.unknown.filters),
            bytes: or(says.bytes, self.unknown.bytes),
            name: or(says.name, self.unknown.name),
        }
    }

    pub(super) fn most_requests(&self, relay: &RelayUrl) -> usize {
        self.most.get(relay).copied().unwrap_or_default().max(self.of(relay).requests)
    }

    /// The longest message that it takes.
    pub(super) fn bytes(&self, relay: &RelayUrl) -> usize {
        self.of(relay).bytes
    }

    /// The pool sends a frame.
    pub(super) fn sent(
        &self,
        socket: SocketId,
        relay: &RelayUrl,
        frame: &str,
        wire: &Wire,
    ) -> Result<(), &'static str> {
        let Ok(Value::Array(message)) = serde_json::from_str(frame) else { return Ok(()) };
        if message.first().is_none_or(|verb| verb != "REQ") {
            return Ok(());
        }
        let takes = self.of(relay);
        let name = message.get(1).and_then(Value::as_str).unwrap_or_default();
        if wire.running(socket) > takes.requests {
            return Err("no more requests run at a relay than it takes");
        }
        if message.len() - 2 > takes.filters {
            return Err("no request has more filters than its relay takes");
        }
        if frame.len() > takes.bytes {
            return Err("no request is longer than its relay takes");
        }
        if name.chars().count() > takes.name {
            return Err("no request has a longer name than its relay takes");
        }
        Ok(())
    }
}
