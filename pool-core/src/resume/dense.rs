//! A second with more events than the relay gives at once: the filter is split until each part fits, or tells nothing too often.

use alloc::vec::Vec;

use nostr_proto::{Filter, SortedSet, Timestamp};

use super::seconds::Range;

/// A second that is being asked for in parts.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Dense {
    pub(super) filter: usize,
    pub(super) second: Timestamp,
    /// What has yet to be asked for; the last one is next. Halves of halves: no more than the logarithm of what the filter
    /// names, and in all no more than twice of that.
    parts: Vec<Filter>,
    /// A part did not fit and can't be split: something may be missing.
    short: bool,
}

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// There is more to ask for.
    More,
    /// All of the second was delivered.
    Whole,
    /// Something may be missing.
    Short,
}

impl Dense {
    /// `None`: the filter can't be split.
    pub(super) fn new(index: usize, filter: &Filter, second: Timestamp) -> Option<Self> {
        let (first, last) = split(filter)?;
        Some(Self { filter: index, second, parts: alloc::vec![last, first], short: false })
    }

    pub(super) fn next(&self) -> Option<&Filter> {
        self.parts.last()
    }

    pub(super) fn range(&self) -> Range {
        Range::second(self.second)
    }

    /// The last one that was handed out is answered: in whole, or in part.
    pub(super) fn answered(&mut self, whole: bool) -> Outcome {
        if let Some(part) = self.parts.pop()
            && !whole
        {
            match split(&part) {
                Some((first, last)) => self.parts.extend([last, first]),
                None => self.short = true,
            }
        }
        match (self.parts.is_empty(), self.short) {
            (false, _) => Outcome::More,
            (true, false) => Outcome::Whole,
            (true, true) => Outcome::Short,
        }
    }
}

/// Two filters that between them ask for what this one does, and nothing twice: half of its authors each, else half of its
/// kinds.
fn split(filter: &Filter) -> Option<(Filter, Filter)> {
    let (mut first, mut last) = (filter.clone(), filter.clone());
    if let Some((a, b)) = halves(filter.authors.as_ref()) {
        (first.authors, last.authors) = (Some(a), Some(b));
    } else {
        let (a, b) = halves(filter.kinds.as_ref())?;
        (first.kinds, last.kinds) = (Some(a), Some(b));
    }
    Some((first, last))
}

fn halves<T: Ord + Copy>(all: Option<&SortedSet<T>>) -> Option<(SortedSet<T>, SortedSet<T>)> {
    let all = all?.as_slice();
    let (first, last) = all.split_at(all.len() / 2);
    (!first.is_empty()).then(|| (first.iter().copied().collect(), last.iter().copied().collect()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use nostr_proto::Kind;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_parts_ask_for_everything_once(kinds in prop::collection::btree_set(0_u16..50, 0..20), cap in 1_usize..5) {
            let all: BTreeSet<Kind> = kinds.into_iter().map(Kind::new).collect();
            let filter = Filter::new().kinds(all.iter().copied());
            let Some(mut dense) = Dense::new(0, &filter, Timestamp::new(5)) else {
                prop_assert!(all.len() < 2);
                return Ok(());
            };
            let mut got = Vec::new();
            loop {
                let part = dense.next().unwrap().clone();
                let asked: Vec<Kind> = part.kinds.unwrap().into_vec();
                let whole = asked.len() < cap;
                if whole {
                    got.extend(asked);
                }
                match dense.answered(whole) {
                    Outcome::More => {}
                    Outcome::Whole => {
                        got.sort_unstable();
                        prop_assert_eq!(got, all.into_iter().collect::<Vec<_>>());
                        break;
                    }
                    Outcome::Short => {
                        prop_assert_eq!(cap, 1, "single kinds fit");
                        break;
                    }
                }
            }
        }
    }

    #[test]
    fn a_filter_of_one_kind_can_not_be_split() {
        assert_eq!(Dense::new(0, &Filter::new().kind(Kind::TEXT_NOTE), Timestamp::new(5)), None);
        assert_eq!(Dense::new(0, &Filter::new(), Timestamp::new(5)), None);
    }
}
