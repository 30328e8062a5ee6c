//! Ids whose signature was verified: who has them, and which subscriptions got them.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use nostr_proto::EventId;

use crate::config::Config;
use crate::ids::{RelayIx, SubId};
use crate::map::Map;
use crate::planted::planted;

/// Relays remembered per event. More than a pool usually has; it bounds the entry.
const MAX_RELAYS: usize = 32;

#[derive(Debug)]
struct Entry {
    /// Who has it, the first one first: it counts against that one's share.
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
    #[cfg(feature = "planted-bugs")]
    planted: Option<crate::PlantedBug>,
}

impl Seen {
    pub(crate) fn new(config: &Config, key: [u8; 16]) -> Self {
        Self {
            entries: Map::new(key),
            by_owner: BTreeMap::new(),
            deliveries: 0,
            max_ids: config.max_seen.max(1),
            max_deliveries: config.max_delivered.max(1),
            #[cfg(feature = "planted-bugs")]
            planted: config.planted,
        }
    }

    /// Remembers a verified id. Does nothing for one that is remembered.
    pub(crate) fn insert(&mut self, id: EventId, mut relays: Vec<RelayIx>) {
        let Some(&owner) = relays.first() else { return };
        if self.entries.contains(&id) {
            return;
        }
        while self.entries.len() >= self.max_ids && self.evict(None) {}
        relays.truncate(MAX_RELAYS);
        self.entries.insert(id, Entry { relays, delivered: Vec::new() });
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
        while self.deliveries > self.max_deliveries && self.evict(Some(id)) {}
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

    /// Forgets the oldest entry of the relay that holds the most, but never `keep`. False: there is no other.
    fn evict(&mut self, keep: Option<&EventId>) -> bool {
        let others = self.by_owner.iter_mut().filter(|(_, ids)| ids.iter().take(2).any(|id| Some(id) != keep));
        // Of equals, the one that has been in the pool for longer.
        let share = |ids: usize| if planted!(self, EvictionByFlooder) { usize::MAX - ids } else { ids };
        let largest = others.max_by_key(|(relay, ids)| (share(ids.len()), core::cmp::Reverse(**relay)));
        let Some((&relay, ids)) = largest else { return false };
        let oldest = ids.iter().take(2).position(|id| Some(id) != keep).and_then(|at| ids.remove(at));
        if ids.is_empty() {
            self.by_owner.remove(&relay);
        }
        let Some(entry) = oldest.and_then(|id| self.entries.remove(&id)) else { return false };
        self.deliveries -= entry.delivered.len();
        true
    }
}
