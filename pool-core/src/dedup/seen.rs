//! Ids whose signature was verified: who has them, and which subscriptions got them.

use alloc::vec::Vec;

use nostr_proto::{EventId, Proof, Timestamp};

use crate::config::Config;
use crate::ids::{RelayIx, SubId};
use crate::map::Map;

use super::books::Books;
use super::latest::{AddressKey, Version};

/// Relays remembered per event. More than a pool usually has; it bounds the entry.
pub(crate) const MAX_RELAYS: usize = 32;

/// What is remembered of a verified event when nothing of it is at hand any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    /// That this very signature is good: another copy that carries it needs no second check.
    pub(crate) proof: Proof,
    pub(crate) created_at: Timestamp,
    /// What it is a version of.
    pub(crate) address: Option<AddressKey>,
}

impl Facts {
    pub(crate) fn version(&self) -> Version {
        Version::new(self.created_at, self.proof.id())
    }
}

#[derive(Debug)]
struct Entry {
    facts: Facts,
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
    books: Books<EventId>,
    deliveries: usize,
    max_ids: usize,
    max_deliveries: usize,
}

impl Seen {
    pub(crate) fn new(config: &Config, key: [u8; 16]) -> Self {
        Self {
            entries: Map::new(key),
            books: Books::new(config),
            deliveries: 0,
            max_ids: config.max_seen.max(1),
            max_deliveries: config.max_delivered.max(1),
        }
    }

    /// Remembers a verified id. Of one that is remembered, notes the relays and this proof.
    pub(crate) fn insert(&mut self, facts: Facts, mut relays: Vec<RelayIx>) {
        let (id, Some(&owner)) = (facts.proof.id(), relays.first()) else { return };
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.facts = facts;
            relays.into_iter().for_each(|relay| entry.note(relay));
            return;
        }
        while self.entries.len() >= self.max_ids && self.evict(None) {}
        relays.truncate(MAX_RELAYS);
        self.books.enter(owner, id);
        self.entries.insert(id, Entry { facts, relays, delivered: Vec::new() });
    }

    /// What is remembered of an id.
    pub(crate) fn facts(&self, id: &EventId) -> Option<Facts> {
        self.entries.get(id).map(|entry| entry.facts)
    }

    /// Notes that a relay has the event, and tells what is remembered of it, and whether this subscription got it. `None`:
    /// the id is not remembered.
    pub(crate) fn hit(&mut self, id: &EventId, relay: RelayIx, sub: SubId) -> Option<(Facts, bool)> {
        let entry = self.entries.get_mut(id)?;
        entry.note(relay);
        Some((entry.facts, entry.delivered.binary_search(&sub).is_ok()))
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
        let Some(entry) = self.books.evict(keep).and_then(|id| self.entries.remove(&id)) else { return false };
        self.deliveries -= entry.delivered.len();
        true
    }
}

impl Entry {
    fn note(&mut self, relay: RelayIx) {
        if self.relays.len() < MAX_RELAYS && !self.relays.contains(&relay) {
            self.relays.push(relay);
        }
    }
}
