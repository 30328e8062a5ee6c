//! Who answers for what is remembered, so that one relay can't flush what the others brought.

use alloc::collections::{BTreeMap, BTreeSet};
use core::cmp::Reverse;

use crate::config::Config;
use crate::ids::RelayIx;
use crate::planted::planted;

/// Where an entry stands in the books: its owner, and its turn among all entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) owner: RelayIx,
    turn: u64,
}

/// The keys of a bounded memory by the relay that each counts against, the oldest first.
#[derive(Debug)]
pub(crate) struct Books<K> {
    by_owner: BTreeMap<RelayIx, BTreeMap<u64, K>>,
    /// How many each owner has; of equals, the one that has been in the pool for longer comes last.
    by_size: BTreeSet<(usize, Reverse<RelayIx>)>,
    next_turn: u64,
    #[cfg(feature = "planted-bugs")]
    planted: Option<crate::PlantedBug>,
}

impl<K: Copy + PartialEq> Books<K> {
    pub(crate) fn new(#[cfg_attr(not(feature = "planted-bugs"), expect(unused_variables))] config: &Config) -> Self {
        Self {
            by_owner: BTreeMap::new(),
            by_size: BTreeSet::new(),
            next_turn: 0,
            #[cfg(feature = "planted-bugs")]
            planted: config.planted,
        }
    }

    /// Enters a key as its owner's youngest.
    pub(crate) fn enter(&mut self, owner: RelayIx, key: K) -> Place {
        let turn = self.next_turn;
        self.next_turn += 1;
        let keys = self.by_owner.entry(owner).or_default();
        keys.insert(turn, key);
        self.by_size.remove(&(keys.len() - 1, Reverse(owner)));
        self.by_size.insert((keys.len(), Reverse(owner)));
        Place { owner, turn }
    }

    pub(crate) fn leave(&mut self, place: Place) {
        let Some(keys) = self.by_owner.get_mut(&place.owner) else { return };
        if keys.remove(&place.turn).is_none() {
            return;
        }
        let left = keys.len();
        self.by_size.remove(&(left + 1, Reverse(place.owner)));
        if left == 0 {
            self.by_owner.remove(&place.owner);
        } else {
            self.by_size.insert((left, Reverse(place.owner)));
        }
    }

    /// Takes out the oldest key of the relay that holds the most, but never `keep`. `None`: there is no other. Of equals,
    /// the relay that has been in the pool for longer makes room.
    pub(crate) fn evict(&mut self, keep: Option<&K>) -> Option<K> {
        let oldest = |owner: &RelayIx| {
            let (&turn, &key) = self.by_owner.get(owner)?.iter().take(2).find(|(_, key)| Some(*key) != keep)?;
            Some((Place { owner: *owner, turn }, key))
        };
        let find = |(_, Reverse(owner)): &(usize, Reverse<RelayIx>)| oldest(owner);
        let (place, key) = if planted!(self, EvictionByFlooder) {
            self.by_size.iter().find_map(find)?
        } else {
            self.by_size.iter().rev().find_map(find)?
        };
        self.leave(place);
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::vec::Vec;

    use super::*;

    proptest! {
        /// Against a list that is searched at every step: a key enters, leaves, or makes room.
        #[test]
        fn who_makes_room_is_who_a_list_says(
            ops in proptest::collection::vec((0..3_u8, 0..4_u32, any::<prop::sample::Index>()), 0..80),
        ) {
            let (mut books, mut list) = (Books::new(&Config::default()), Vec::<(Place, u64)>::new());
            for (key, (op, owner, nth)) in (0_u64..).zip(ops) {
                let size = |owner: RelayIx| list.iter().filter(|(place, _)| place.owner == owner).count();
                match op {
                    0 => list.push((books.enter(RelayIx(owner), key), key)),
                    1 if !list.is_empty() => {
                        let (place, _) = list.remove(nth.index(list.len()));
                        books.leave(place);
                        books.leave(place);
                    }
                    _ => {
                        let keep = (!list.is_empty()).then(|| list[nth.index(list.len())].1);
                        let others = list.iter().filter(|(_, key)| Some(*key) != keep);
                        let rank = |place: &Place| (size(place.owner), Reverse(place.owner), Reverse(place.turn));
                        let next = others.max_by_key(|(place, _)| rank(place)).map(|(_, key)| *key);
                        prop_assert_eq!(books.evict(keep.as_ref()), next);
                        list.retain(|(_, key)| Some(*key) != next);
                    }
                }
            }
        }
    }
}
