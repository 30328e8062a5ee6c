//! Which requests may merge, found without comparing each with each.
//!
//! Two filters merge only if they are alike in everything but one list. So the filters of a unit are entered under what each of
//! them is without one of its lists, for every list that it has. One that grew in a list is found by what it is without that
//! list, and by nothing else: what it was in the others it was when it was entered.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::hash::{Hash, Hasher};

use nostr_proto::Filter;
use siphasher::sip::SipHasher13;

/// A request is compared with no more units than these, the oldest of those that it may merge with.
const MOST_COMPARED: usize = 16;

/// What units there are, by what they are without a list.
#[derive(Debug, Default)]
pub(super) struct Kin(BTreeMap<u64, Vec<usize>>);

impl Kin {
    /// A unit that asks for this.
    pub(super) fn enter(&mut self, unit: usize, filters: &[Filter]) {
        for key in filters.iter().flat_map(keys) {
            let units = self.0.entry(key).or_default();
            if units.last() != Some(&unit) {
                units.push(unit);
            }
        }
    }

    /// The units that what asks for this may join, in order.
    pub(super) fn of(&self, filters: &[Filter]) -> Vec<usize> {
        let keys = filters.first().into_iter().flat_map(keys);
        let mut units: Vec<usize> = keys.filter_map(|key| self.0.get(&key)).flatten().copied().collect();
        units.sort_unstable();
        units.dedup();
        units.truncate(MOST_COMPARED);
        units
    }
}

/// What a filter is without each of its lists.
fn keys(filter: &Filter) -> Vec<u64> {
    let list = |name: char, hash: Option<u64>| hash.map(|hash| (name, hash));
    let lists = [
        list('\0', filter.ids.as_ref().map(hash)),
        list('\u{1}', filter.authors.as_ref().map(hash)),
        list('\u{2}', filter.kinds.as_ref().map(hash)),
    ];
    let tags = filter.tags.iter().map(|(name, values)| (*name, hash(values)));
    let lists: Vec<(char, u64)> = lists.into_iter().flatten().chain(tags).collect();
    let without = |left_out: usize| {
        let mut hasher = SipHasher13::new();
        (filter.since, filter.until).hash(&mut hasher);
        for (n, (name, list)) in lists.iter().enumerate() {
            (name, if n == left_out { 0 } else { *list }).hash(&mut hasher);
        }
        hasher.finish()
    };
    (0..lists.len().max(1)).map(without).collect()
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = SipHasher13::new();
    value.hash(&mut hasher);
    hasher.finish()
}
