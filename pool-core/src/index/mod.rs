//! Which subscriptions an event may be for, found without looking at the others.
//!
//! A subscription is entered at each of its relays under the keys of its filters (see [`keys`]). An event's keys at a relay
//! lead to the subscriptions there that it may match: nearly all of them do, and no subscription elsewhere, however many
//! ask for the same there, costs a thing. The index says who may match, never who does: that is the filters' affair.
//!
//! What a subscription takes: 16 bytes, in a tree that is half to fully filled, for each of its keys at each relay, and for
//! being at the relay at all; and a count for each key. A filter with a thousand authors takes 30 kB at each relay, and as
//! much once more. Bounded by `max_subscriptions`, `max_filters` and what their filters hold; nothing that a peer sends
//! makes it grow.
//!
//! What a look-up takes: a key for each shape of filters in use, and where tags count, for each value of the event's, once;
//! a search for each of those that some subscription has, at each relay; and the subscriptions found. If an event names so
//! many values at a time that they are found more often than there are subscriptions at the relay, it is all of these.

mod keys;
#[cfg(test)]
mod tests;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use nostr_proto::{Event, Filter};

use crate::ids::{RelayIx, SubId};
use crate::map::Map;

use keys::{Hashing, Key, Shape};

/// Not a relay: under this one, subscriptions are entered and found wherever their relays are, or if they have none.
pub(crate) const EVERYWHERE: RelayIx = RelayIx(u32::MAX);

/// The key that every subscription has besides those of its filters.
const ANY: Key = 0;

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Index {
    hashing: Hashing,
    entries: BTreeSet<(Key, RelayIx, SubId)>,
    /// How many entries each key has.
    per_key: Map<Key, u32>,
    /// How many subscriptions each relay has.
    per_relay: BTreeMap<RelayIx, usize>,
    /// The shapes of the filters, and how many have each, by relay.
    shapes: BTreeMap<Shape, usize>,
}

impl Index {
    pub(crate) fn new(key: [u8; 16]) -> Self {
        Self {
            hashing: Hashing(key),
            entries: BTreeSet::new(),
            per_key: Map::new(key),
            per_relay: BTreeMap::new(),
            shapes: BTreeMap::new(),
        }
    }

    /// A subscription with these filters asks this relay. It is not there yet.
    pub(crate) fn enter(&mut self, sub: SubId, filters: &[Filter], relay: RelayIx) {
        for filter in filters {
            let (shape, keys) = self.hashing.of_filter(filter);
            *self.shapes.entry(shape).or_default() += 1;
            keys.into_iter().for_each(|key| self.put(key, relay, sub));
        }
        self.put(ANY, relay, sub);
        *self.per_relay.entry(relay).or_default() += 1;
    }

    /// A subscription with these filters asks this relay no longer.
    pub(crate) fn leave(&mut self, sub: SubId, filters: &[Filter], relay: RelayIx) {
        for filter in filters {
            let (shape, keys) = self.hashing.of_filter(filter);
            less(&mut self.shapes, &shape);
            keys.into_iter().for_each(|key| self.take(key, relay, sub));
        }
        self.take(ANY, relay, sub);
        less(&mut self.per_relay, &relay);
    }

    /// The subscriptions at any of these relays that this event may be for, in order, each once.
    pub(crate) fn candidates(&self, event: &Event, relays: &[RelayIx]) -> Vec<SubId> {
        let mut keys = self.hashing.of_event(event, self.shapes.keys().copied());
        keys.retain(|key| self.per_key.contains(key));
        let mut found = Vec::new();
        for &relay in relays {
            let (before, most) = (found.len(), self.per_relay.get(&relay).copied().unwrap_or(0));
            for &key in &keys {
                found.extend(self.at(key, relay));
                if found.len() - before > most {
                    found.truncate(before);
                    found.extend(self.at(ANY, relay));
                    break;
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    fn at(&self, key: Key, relay: RelayIx) -> impl Iterator<Item = SubId> + '_ {
        let all = (key, relay, SubId::from_u64(0))..=(key, relay, SubId::from_u64(u64::MAX));
        self.entries.range(all).map(|(_, _, sub)| *sub)
    }

    fn put(&mut self, key: Key, relay: RelayIx, sub: SubId) {
        if !self.entries.insert((key, relay, sub)) {
            return;
        }
        match self.per_key.get_mut(&key) {
            Some(n) => *n += 1,
            None => drop(self.per_key.insert(key, 1)),
        }
    }

    fn take(&mut self, key: Key, relay: RelayIx, sub: SubId) {
        if !self.entries.remove(&(key, relay, sub)) {
            return;
        }
        if let Some(n) = self.per_key.get_mut(&key) {
            *n -= 1;
            if *n == 0 {
                self.per_key.remove(&key);
            }
        }
    }

    /// How many subscriptions are entered at a relay.
    #[cfg(any(test, feature = "planted-bugs"))]
    pub(crate) fn len(&self, relay: RelayIx) -> usize {
        self.per_relay.get(&relay).copied().unwrap_or(0)
    }
}

/// One less of a count that is there only where there is any.
fn less<K: Ord>(counts: &mut BTreeMap<K, usize>, key: &K) {
    if let Some(n) = counts.get_mut(key) {
        *n -= 1;
        if *n == 0 {
            counts.remove(key);
        }
    }
}
