//! What has to hold of the memory of ids: each relay has a share of it that no other can take.

use std::collections::{BTreeMap, BTreeSet};

use nostr_proto::RelayUrl;

/// Which ids each relay ever sent. A relay that sent fewer than an equal share of what is remembered never holds the
/// most, so that nothing it brought has to make room.
#[derive(Debug)]
pub(super) struct Shares {
    sent: BTreeMap<RelayUrl, BTreeSet<String>>,
    share: usize,
}

impl Shares {
    pub(super) fn new(max_seen: usize, relays: usize) -> Self {
        Self { sent: BTreeMap::new(), share: max_seen / relays }
    }

    /// A relay's EVENT message with this id reaches the pool.
    pub(super) fn heard(&mut self, relay: &RelayUrl, id: &str) {
        let sent = self.sent.entry(relay.clone()).or_default();
        if sent.len() < self.share {
            sent.insert(id.to_owned());
        }
    }

    /// A relay is taken out of the pool: whose share its events count against can't be told from outside any more.
    pub(super) fn removed(&mut self) {
        const AMPLE: usize = 1_000;
        if self.share < AMPLE {
            self.share = 0;
        }
    }

    /// Whether the pool must remember what this relay brought, whatever others did since.
    pub(super) fn is_safe(&self, relay: &RelayUrl) -> bool {
        self.share > 0 && self.sent.get(relay).is_none_or(|sent| sent.len() < self.share)
    }
}
