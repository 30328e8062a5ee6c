//! What has to hold of the number of pages: no more for one catch-up than it may have.

use std::collections::{BTreeMap, BTreeSet};

use nostr_pool_core::{Config, SocketId, SubId};
use nostr_proto::RelayUrl;

/// Pages that were answered since a catch-up began, where it is beyond doubt whose they are. One whose answer was no use is asked
/// for again in the same words, and counts once.
#[derive(Debug)]
pub(super) struct Budgets {
    answered: BTreeMap<(SubId, RelayUrl), BTreeSet<String>>,
    /// Pages that run: what they ask for, and whose they are.
    running: BTreeMap<(SocketId, String), (String, (SubId, RelayUrl))>,
    max: usize,
}

impl Budgets {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            answered: BTreeMap::new(),
            running: BTreeMap::new(),
            max: usize::try_from(config.max_pages).unwrap_or(usize::MAX),
        }
    }

    /// A catch-up begins, or the application wants more of it; at all relays, or at this one.
    pub(super) fn renewed(&mut self, sub: SubId, relay: Option<&RelayUrl>) {
        self.answered.retain(|(of, at), _| *of != sub || relay.is_some_and(|relay| at != relay));
    }

    /// A page is asked for.
    pub(super) fn begins(&mut self, page: (SocketId, String), asks: String, leg: (SubId, RelayUrl)) {
        self.running.insert(page, (asks, leg));
    }

    /// A request is answered.
    pub(super) fn answered(&mut self, socket: SocketId, name: &str) -> Result<(), &'static str> {
        let Some((asks, leg)) = self.running.remove(&(socket, name.to_owned())) else { return Ok(()) };
        let answered = self.answered.entry(leg).or_default();
        answered.insert(asks);
        if answered.len() > self.max { Err("a catch-up has no more pages than it may") } else { Ok(()) }
    }
}
