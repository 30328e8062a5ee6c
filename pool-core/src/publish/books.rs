//! How many publishes there are, and their bytes: kept as they change, so that asking costs the same however many there
//! were.

use alloc::collections::{BTreeMap, BTreeSet};

use crate::config::Config;
use crate::ids::PublishId;

/// Sums over the publishes that are remembered.
#[derive(Debug, Default)]
pub(crate) struct Books {
    /// The bytes of each, as they were noted.
    bytes: BTreeMap<PublishId, usize>,
    /// Those that are done, the oldest first.
    done: BTreeSet<PublishId>,
    total: usize,
    total_done: usize,
}

impl Books {
    /// A publish is new, or has changed.
    pub(crate) fn note(&mut self, publish: PublishId, bytes: usize, done: bool) {
        self.forget(publish);
        self.bytes.insert(publish, bytes);
        self.total += bytes;
        if done {
            self.done.insert(publish);
            self.total_done += bytes;
        }
    }

    pub(crate) fn forget(&mut self, publish: PublishId) {
        let Some(bytes) = self.bytes.remove(&publish) else { return };
        self.total -= bytes;
        if self.done.remove(&publish) {
            self.total_done -= bytes;
        }
    }

    /// Whether another one of this size may come: those that are done make room. One alone may be of any size.
    pub(crate) fn has_room(&self, bytes: usize, config: &Config) -> bool {
        let open = self.bytes.len() - self.done.len();
        let held = self.total - self.total_done;
        open < config.max_publishes && (open == 0 || held.saturating_add(bytes) <= config.max_publish_bytes)
    }

    /// The one to forget next so that another of this size fits; `None`: it does, or nothing can be done about it.
    pub(crate) fn to_forget(&self, bytes: usize, config: &Config) -> Option<PublishId> {
        let full =
            self.bytes.len() >= config.max_publishes || self.total.saturating_add(bytes) > config.max_publish_bytes;
        self.done.first().copied().filter(|_| full)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::vec::Vec;

    use super::*;

    #[derive(Clone, Debug)]
    enum Op {
        Note(u64, usize, bool),
        Forget(u64),
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            3 => (0..12_u64, 0..100_usize, any::<bool>()).prop_map(|(p, b, d)| Op::Note(p, b, d)),
            1 => (0..12_u64).prop_map(Op::Forget),
        ]
    }

    proptest! {
        #[test]
        fn the_sums_are_those_of_a_list(ops in proptest::collection::vec(op(), 0..60), size in 0..100_usize) {
            let config = Config { max_publishes: 6, max_publish_bytes: 250, ..Config::default() };
            let (mut books, mut list) = (Books::default(), Vec::<(u64, usize, bool)>::new());
            for op in ops {
                match op {
                    Op::Note(p, bytes, done) => {
                        list.retain(|(known, ..)| *known != p);
                        list.push((p, bytes, done));
                        books.note(PublishId(p), bytes, done);
                    }
                    Op::Forget(p) => {
                        list.retain(|(known, ..)| *known != p);
                        books.forget(PublishId(p));
                    }
                }
                let open: Vec<_> = list.iter().filter(|(.., done)| !done).collect();
                let held: usize = open.iter().map(|(_, bytes, _)| bytes).sum();
                let room = open.len() < 6 && (open.is_empty() || held + size <= 250);
                prop_assert_eq!(books.has_room(size, &config), room);
                let all: usize = list.iter().map(|(_, bytes, _)| bytes).sum();
                let full = list.len() >= 6 || all + size > 250;
                let oldest = list.iter().filter(|(.., done)| *done).map(|(p, ..)| PublishId(*p)).min();
                prop_assert_eq!(books.to_forget(size, &config), oldest.filter(|_| full));
            }
        }
    }
}
