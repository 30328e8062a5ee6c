//! Ids whose signature was verified: who has them, and which subscriptions got them.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use nostr_proto::EventId;

use crate::config::Config;
use crate::ids::{RelayIx, SubId};
use crate::map::Map;

/// Relays remembered per event. More than a pool usually has; it bounds the entry.
const MAX_RELAYS: usize = 32;

#[derive(Debug)]
struct Entry {
    /// Who brought it first: it counts against this relay's share.
    owner: RelayIx,
    /// Who has it, the first one first.
    relays: Vec<RelayIx>,
    /// Which subscriptions got it, in order.
    delivered: Vec<SubId>,
}

/// A bounded memory of ids. When it is full, the relay that holds the most of it loses its oldest entry, so that one
/// relay can't flush what the others brought.
#[derive(Debug)]
pub(crate) struct Seen {
    entries: Map<EventId, Entry>,
    by_owner: BTreeMap<RelayIx, VecDeque<EventId>>,
    deliveries: usize,
    max_ids: usize,
    max_deliveries: usize,
}

impl Seen {
    pub(crate) fn new(config: &Config, key: [u8; 16]) -> Self {
        Self {
            entries: Map::new(key),
            by_owner: BTreeMap::new(),
            deliveries: 0,
            max_ids: config.max_seen.max(1),
            max_deliveries: config.max_delivered.max(1),
        }
    }

    /// Remembers a verified id. Does nothing for one that is remembered.
    pub(crate) fn insert(&mut self, id: EventId, relays: Vec<RelayIx>) {
        let Some(&owner) = relays.first() else { return };
        if self.entries.contains(&id) {
            return;
        }
        while self.entries.len() >= self.max_ids {
            self.evict();
        }
        self.entries.insert(id, Entry { owner, relays, delivered: Vec::new() });
        self.by_owner.entry(owner).or_default().push_back(id);
    }

    pub(crate) fn contains(&self, id: &EventId) -> bool {
        self.entries.contains(id)
    }

    /// Notes that a relay has the event, and tells whether this subscription got it. `None`: the id is not remembered.
    pub(crate) fn hit(&mut self, id: &EventId, relay: RelayIx, sub: SubId) -> Option<bool> {
        let entry = self.entries.get_mut(id)?;
        if entry.relays.len() < MAX_RELAYS && !entry.relays.contains(&relay) {
            entry.relays.push(relay);
        }
        Some(entry.delivered.binary_search(&sub).is_ok())
    }

    /// Notes a delivery. False: it was delivered before.
    pub(crate) fn deliver(&mut self, id: &EventId, sub: SubId) -> bool {
        let Some(entry) = self.entries.get_mut(id) else { return true };
        let Err(at) = entry.delivered.binary_search(&sub) else { return false };
        entry.delivered.insert(at, sub);
        self.deliveries += 1;
        while self.deliveries > self.max_deliveries && self.entries.len() > 1 {
            self.evict();
        }
        true
    }

    /// Whether this subscription got it.
    pub(crate) fn was_delivered(&self, id: &EventId, sub: SubId) -> bool {
        self.entries.get(id).is_some_and(|e| e.delivered.binary_search(&sub).is_ok())
    }

    /// The relays known to have the event, the first one first.
    pub(crate) fn relays(&self, id: &EventId) -> &[RelayIx] {
        self.entries.get(id).map_or(&[], |e| &e.relays)
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    fn evict(&mut self) {
        let largest = self.by_owner.iter().max_by_key(|(_, ids)| ids.len()).map(|(&relay, _)| relay);
        let Some(relay) = largest else { return };
        let Some(ids) = self.by_owner.get_mut(&relay) else { return };
        if let Some(id) = ids.pop_front()
            && let Some(entry) = self.entries.remove(&id)
        {
            debug_assert_eq!(entry.owner, relay, "an entry counts against its owner");
            self.deliveries -= entry.delivered.len();
        }
        if ids.is_empty() {
            self.by_owner.remove(&relay);
        }
    }
}
