//! Sets of seconds.

use alloc::vec::Vec;

use nostr_proto::Timestamp;

/// A stretch of seconds, both ends included. One that ends at the end of time is open: events may be dated ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) since: Timestamp,
    pub(crate) until: Timestamp,
}

impl Range {
    /// `None`: there is no such second.
    pub(crate) fn new(since: Timestamp, until: Timestamp) -> Option<Self> {
        (since <= until).then_some(Self { since, until })
    }

    pub(crate) fn second(at: Timestamp) -> Self {
        Self { since: at, until: at }
    }

    /// Its end, if it has one.
    pub(crate) fn end(&self) -> Option<Timestamp> {
        (self.until != Timestamp::MAX).then_some(self.until)
    }

    /// What both have.
    pub(crate) fn common(&self, other: &Self) -> Option<Self> {
        Self::new(self.since.max(other.since), self.until.min(other.until))
    }

    /// Both, and what lies between them.
    pub(crate) fn hull(&self, other: &Self) -> Self {
        Self { since: self.since.min(other.since), until: self.until.max(other.until) }
    }

    fn touches(&self, other: &Self) -> bool {
        self.since <= other.until.saturating_add(1) && other.since <= self.until.saturating_add(1)
    }
}

/// Ranges that neither overlap nor touch, in order. Never more than [`Seconds::MAX`] of them: of more, those with the least
/// between them become one. So the set may hold more than it was given, and never less.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seconds(Vec<Range>);

impl Seconds {
    pub(crate) const MAX: usize = 64;

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// In order, the oldest first.
    pub(crate) fn ranges(&self) -> &[Range] {
        &self.0
    }

    pub(crate) fn newest(&self) -> Option<Range> {
        self.0.last().copied()
    }

    /// From the first second to the last.
    pub(crate) fn hull(&self) -> Option<Range> {
        Some(self.0.first()?.hull(self.0.last()?))
    }

    pub(crate) fn add(&mut self, range: Range) {
        let from = self.0.partition_point(|it| it.until < range.since && !it.touches(&range));
        let to = from + self.0[from..].iter().take_while(|it| it.touches(&range)).count();
        let whole = self.0[from..to].iter().fold(range, |whole, it| whole.hull(it));
        self.0.splice(from..to, [whole]);
        self.bound();
    }

    pub(crate) fn add_all(&mut self, other: &Self) {
        other.0.iter().for_each(|range| self.add(*range));
    }

    pub(crate) fn subtract(&mut self, range: Range) {
        let from = self.0.partition_point(|it| it.until < range.since);
        let to = from + self.0[from..].iter().take_while(|it| it.since <= range.until).count();
        let Some(last) = self.0[from..to].last().copied() else { return };
        let first = self.0[from];
        let before =
            (first.since < range.since).then(|| Range { since: first.since, until: range.since.saturating_sub(1) });
        let after =
            (last.until > range.until).then(|| Range { since: range.until.saturating_add(1), until: last.until });
        self.0.splice(from..to, before.into_iter().chain(after));
        self.bound();
    }

    /// What this set and a range have in common.
    pub(crate) fn within(&self, range: Range) -> Self {
        Self(self.0.iter().filter_map(|it| it.common(&range)).collect())
    }

    /// There is never more than one range too many.
    fn bound(&mut self) {
        if self.0.len() <= Self::MAX {
            return;
        }
        let between = |pair: &[Range]| pair[1].since.as_secs() - pair[0].until.as_secs();
        let nearest = self.0.windows(2).enumerate().min_by_key(|(_, pair)| between(pair)).map(|(at, _)| at);
        if let Some(at) = nearest {
            let one = self.0[at].hull(&self.0[at + 1]);
            self.0.splice(at..at + 2, [one]);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::vec;

    use proptest::prelude::*;

    use super::*;

    fn range(since: u64, until: u64) -> Range {
        Range::new(Timestamp::new(since), Timestamp::new(until)).unwrap()
    }

    #[derive(Clone, Debug)]
    enum Op {
        Add(u64, u64),
        Subtract(u64, u64),
    }

    fn ops() -> impl Strategy<Value = Vec<Op>> {
        let pair = (0_u64..300, 0_u64..12).prop_map(|(since, length)| (since, since + length));
        let op = (any::<bool>(), pair).prop_map(|(add, (a, b))| if add { Op::Add(a, b) } else { Op::Subtract(a, b) });
        prop::collection::vec(op, 1..200)
    }

    proptest! {
        #[test]
        fn it_is_the_set_of_a_naive_list_of_seconds(ops in ops()) {
            let (mut set, mut naive) = (Seconds::default(), vec![false; 400]);
            let mut exact = true;
            for op in ops {
                let (on, from, to) = match op {
                    Op::Add(a, b) => (true, a, b),
                    Op::Subtract(a, b) => (false, a, b),
                };
                if on { set.add(range(from, to)) } else { set.subtract(range(from, to)) }
                naive[usize::try_from(from).unwrap()..=usize::try_from(to).unwrap()].fill(on);
                exact &= set.ranges().len() < Seconds::MAX;
                prop_assert!(set.ranges().len() <= Seconds::MAX);
                for pair in set.ranges().windows(2) {
                    prop_assert!(pair[0].until.saturating_add(1) < pair[1].since, "apart and in order");
                }
                for (at, &on) in naive.iter().enumerate() {
                    let at = Timestamp::new(at as u64);
                    let has = set.ranges().iter().any(|it| it.since <= at && at <= it.until);
                    prop_assert!(has == on || (has && !exact), "{at:?} is {has}, not {on}");
                }
                let newest = naive.iter().rposition(|on| *on).map(|at| Timestamp::new(at as u64));
                prop_assert!(!exact || set.newest().map(|it| it.until) == newest);
                prop_assert_eq!(set.is_empty(), set.hull().is_none());
            }
        }
    }

    #[test]
    fn beyond_the_bound_the_nearest_become_one() {
        let mut set = Seconds::default();
        for n in 0..1_000 {
            // Every tenth distance is shorter.
            set.add(Range::second(Timestamp::new(n * 100 - if n % 10 == 5 { 50 } else { 0 })));
            assert!(set.ranges().len() <= Seconds::MAX);
        }
        assert_eq!(set.hull(), Some(range(0, 99_900)));
        let mut even = Seconds::default();
        for n in 0..64 {
            even.add(Range::second(Timestamp::new(n * 100)));
        }
        even.add(Range::second(Timestamp::new(1_050)));
        assert_eq!(even.ranges().len(), 64);
        assert!(even.ranges().contains(&range(1_000, 1_050)), "{even:?}");
    }

    #[test]
    fn the_ends_of_time_are_seconds_like_others() {
        let all = range(0, u64::MAX);
        let mut set = Seconds::default();
        set.add(all);
        set.subtract(Range::second(Timestamp::new(0)));
        set.subtract(Range::second(Timestamp::MAX));
        assert_eq!(set.ranges(), [range(1, u64::MAX - 1)]);
        set.add(Range::second(Timestamp::MAX));
        set.add(Range::second(Timestamp::new(0)));
        assert_eq!(set.ranges(), [all]);
        set.subtract(all);
        assert!(set.is_empty());
    }
}
