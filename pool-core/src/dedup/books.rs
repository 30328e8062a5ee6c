//! Who answers for what is remembered, so that one relay can't flush what the others brought.

use alloc::collections::BTreeMap;

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
    next_turn: u64,
    #[cfg(feature = "planted-bugs")]
    planted: Option<crate::PlantedBug>,
}

impl<K: Copy + PartialEq> Books<K> {
    pub(crate) fn new(#[cfg_attr(not(feature = "planted-bugs"), expect(unused_variables))] config: &Config) -> Self {
        Self {
            by_owner: BTreeMap::new(),
            next_turn: 0,
            #[cfg(feature = "planted-bugs")]
            planted: config.planted,
        }
    }

    /// Enters a key as its owner's youngest.
    pub(crate) fn enter(&mut self, owner: RelayIx, key: K) -> Place {
        let turn = self.next_turn;
        self.next_turn += 1;
        self.by_owner.entry(owner).or_default().insert(turn, key);
        Place { owner, turn }
    }

    pub(crate) fn leave(&mut self, place: Place) {
        let Some(keys) = self.by_owner.get_mut(&place.owner) else { return };
        keys.remove(&place.turn);
        if keys.is_empty() {
            self.by_owner.remove(&place.owner);
        }
    }

    /// Takes out the oldest key of the relay that holds the most, but never `keep`. `None`: there is no other. Of equals,
    /// the relay that has been in the pool for longer makes room.
    pub(crate) fn evict(&mut self, keep: Option<&K>) -> Option<K> {
        let others = self.by_owner.iter().filter(|(_, keys)| keys.values().take(2).any(|key| Some(key) != keep));
        let share = |keys: usize| if planted!(self, EvictionByFlooder) { usize::MAX - keys } else { keys };
        let (&owner, keys) = others.max_by_key(|(owner, keys)| (share(keys.len()), core::cmp::Reverse(**owner)))?;
        let (&turn, &key) = keys.iter().take(2).find(|(_, key)| Some(*key) != keep)?;
        self.leave(Place { owner, turn });
        Some(key)
    }
}
