//! Which subscriptions an event may be for, found without looking at the others.
//!
//! A subscription is entered at each of its relays under the keys of its filters (see [`keys`]). An event's keys at a relay
//! lead to the subscriptions there that it may match: nearly all of them do, and no subscription elsewhere, however many
//! ask for the same there, costs a thing. The index says who may match, never who does: that is the filters' affair.
//!
//! Which of its constraints a filter is entered under depends on what is there: if a key that it would have leads to more
//! than [`CROWD`] subscriptions, it is entered under those that lead to the fewest. So ten thousand subscriptions to one
//! thread that differ in another tag are told apart, and as many to the same hundred authors that differ in a kind.
//!
//! What a subscription takes: 16 bytes, in a tree that is half to fully filled, for each of its keys at each relay, and for
//! being at the relay at all; and a count for each key. A filter with a thousand authors takes 30 kB at each relay, and as
//! much once more. Bounded by `max_subscriptions`, `max_filters` and what their filters hold; nothing that a peer sends
//! makes it grow.
//!
//! What a look-up takes: a key for each shape of filters in use, and where tags count, for each value of the event's that
//! some filter has, once;
//! a search for each of those that some subscription has, at each relay; and the subscriptions found. If an event names so
//! many values at a time that they are found more often than there are subscriptions at the relay, it is all of these.

mod keys;
#[cfg(test)]
mod tests;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::hash::Hash;

use nostr_proto::{Event, Filter};

use crate::ids::{RelayIx, SubId};
use crate::map::Map;

use keys::{Base, Hashing, Key, Shape, TagHash};

/// Not a relay: under this one, subscriptions are entered and found wherever their relays are, or if they have none.
pub(crate) const EVERYWHERE: RelayIx = RelayIx(u32::MAX);

/// The key that every subscription has besides those of its filters.
const ANY: Key = 0;

/// More subscriptions than that under one key are many; to the tests, few are.
const CROWD: u32 = if cfg!(test) { 2 } else { 16 };

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Index {
    hashing: Hashing,
    entries: BTreeSet<(Key, RelayIx, SubId)>,
    /// How many entries each key has.
    per_key: Map<Key, u32>,
    /// How many filters have each tag value, where it makes up keys.
    tags: Map<TagHash, u32>,
    /// What the keys of a subscription's filters begin with at a relay, where it is not the default for all of them.
    bases: BTreeMap<(RelayIx, SubId), Vec<Base>>,
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
            tags: Map::new(key),
            bases: BTreeMap::new(),
            per_relay: BTreeMap::new(),
            shapes: BTreeMap::new(),
        }
    }

    /// A subscription with these filters asks this relay. It is not there yet.
    pub(crate) fn enter(&mut self, sub: SubId, filters: &[Filter], relay: RelayIx) {
        let mut bases = Vec::new();
        for filter in filters {
            let (base, shape, keys) = self.choose(filter);
            bases.push(base);
            *self.shapes.entry(shape).or_default() += 1;
            self.hashing.tags_of_filter(filter, shape).for_each(|tag| more(&mut self.tags, tag));
            keys.into_iter().for_each(|key| self.put(key, relay, sub));
        }
        if bases.iter().any(|base| *base != Base::default()) {
            self.bases.insert((relay, sub), bases);
        }
        self.put(ANY, relay, sub);
        *self.per_relay.entry(relay).or_default() += 1;
    }

    /// A subscription with these filters asks this relay no longer.
    pub(crate) fn leave(&mut self, sub: SubId, filters: &[Filter], relay: RelayIx) {
        let bases = self.bases.remove(&(relay, sub)).unwrap_or_default();
        let bases = bases.into_iter().chain(core::iter::repeat(Base::default()));
        for (filter, base) in filters.iter().zip(bases) {
            let (shape, keys) = self.hashing.of_filter(filter, base);
            less(&mut self.shapes, &shape);
            self.hashing.tags_of_filter(filter, shape).for_each(|tag| fewer(&mut self.tags, &tag));
            keys.into_iter().for_each(|key| self.take(key, relay, sub));
        }
        self.take(ANY, relay, sub);
        less(&mut self.per_relay, &relay);
    }

    /// What a filter is entered under: the default, unless that is crowded; then what is the least so.
    fn choose(&self, filter: &Filter) -> (Base, Shape, Vec<Key>) {
        let crowd = |keys: &[Key]| keys.iter().filter_map(|key| self.per_key.get(key)).max().copied().unwrap_or(0);
        let (shape, keys) = self.hashing.of_filter(filter, Base::default());
        let mut best = (Base::default(), shape, keys);
        let mut least = crowd(&best.2);
        for base in Base::all(filter).skip(1) {
            if least <= CROWD {
                break;
            }
            let (shape, keys) = self.hashing.of_filter(filter, base);
            let others = crowd(&keys);
            if others < least {
                (least, best) = (others, (base, shape, keys));
            }
        }
        best
    }

    /// The subscriptions at any of these relays that this event may be for, in order, each once.
    pub(crate) fn candidates(&self, event: &Event, relays: &[RelayIx]) -> Vec<SubId> {
        let is_known = |tag| self.tags.contains(&tag);
        let mut keys = self.hashing.of_event(event, self.shapes.keys().copied(), is_known);
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
        more(&mut self.per_key, key);
    }

    fn take(&mut self, key: Key, relay: RelayIx, sub: SubId) {
        if !self.entries.remove(&(key, relay, sub)) {
            return;
        }
        fewer(&mut self.per_key, &key);
    }

    /// How many subscriptions are entered at a relay.
    #[cfg(any(test, feature = "planted-bugs"))]
    pub(crate) fn len(&self, relay: RelayIx) -> usize {
        self.per_relay.get(&relay).copied().unwrap_or(0)
    }
}

fn more<K: Eq + Hash>(counts: &mut Map<K, u32>, key: K) {
    match counts.get_mut(&key) {
        Some(n) => *n += 1,
        None => drop(counts.insert(key, 1)),
    }
}

fn fewer<K: Eq + Hash>(counts: &mut Map<K, u32>, key: &K) {
    if let Some(n) = counts.get_mut(key) {
        *n -= 1;
        if *n == 0 {
            counts.remove(key);
        }
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
