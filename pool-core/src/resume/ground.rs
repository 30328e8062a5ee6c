//! What one filter of a leg stands on.

use alloc::vec::Vec;

use nostr_proto::{Filter, Timestamp};

use super::seconds::{Range, Seconds};

/// *Owed* is what is not known to be delivered and will be asked for; *given up* is what is not known to be delivered, was
/// told as a gap, and is asked for when the application says so. Everything else from `floor` on is proven.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ground {
    /// From where on anything is claimed; `None`: the relay has not come to an EOSE.
    pub(crate) floor: Option<Timestamp>,
    pub(crate) owed: Seconds,
    pub(crate) given_up: Seconds,
    /// What became owed while a request runs: its answer does not prove that.
    pub(super) missed: Seconds,
    /// A second of which the relay has an event, the latest that was heard of.
    pub(super) witness: Option<Timestamp>,
}

impl Ground {
    pub(super) fn owes(&self) -> bool {
        !self.owed.is_empty() || !self.missed.is_empty()
    }

    pub(super) fn owe(&mut self, range: Range) {
        self.owed.add(range);
        self.given_up.subtract(range);
    }

    pub(super) fn prove(&mut self, range: Range) {
        self.owed.subtract(range);
        self.given_up.subtract(range);
    }

    pub(super) fn give_up(&mut self, range: Range) {
        let left = self.owed.within(range);
        self.owed.subtract(range);
        self.given_up.add_all(&left);
    }

    /// Nothing is proven that is not in both.
    pub(crate) fn open_with(&mut self, other: &Self) {
        self.owed.add_all(&other.owed);
        self.owed.add_all(&other.missed);
        self.given_up.add_all(&other.given_up);
        self.owed.ranges().iter().for_each(|range| self.given_up.subtract(*range));
        self.floor = self.floor.min(other.floor);
    }

    /// A request has ended.
    pub(super) fn remember_missed(&mut self) {
        let missed = core::mem::take(&mut self.missed);
        missed.ranges().iter().for_each(|range| self.owe(*range));
    }

    /// From where on it is claimed or owed.
    pub(crate) fn lowest(&self) -> Option<Timestamp> {
        let open = [&self.owed, &self.missed, &self.given_up];
        let open = open.into_iter().filter_map(|set| set.hull().map(|range| range.since));
        open.chain(self.floor).min()
    }

    /// What is known of a filter of which so much was proven, of all from `lowest` on. The rest is owed.
    pub(crate) fn known(filter: &Filter, lowest: Option<Timestamp>, proven: &[(u64, u64)]) -> Self {
        let mut ground = Self { floor: lowest, ..Self::default() };
        let all = lowest.and_then(|lowest| Range::new(lowest, Timestamp::MAX));
        if let Some(range) = all.zip(window(filter)).and_then(|(all, window)| all.common(&window))
            && filter.search.is_none()
        {
            ground.owed.add(range);
        }
        for &(since, until) in proven {
            if let Some(range) = Range::new(Timestamp::new(since), Timestamp::new(until)) {
                ground.owed.subtract(range);
            }
        }
        ground
    }

    /// What of a filter is proven of a relay that was alive until then, in order. Never anything of a `search`.
    pub(crate) fn proven(&self, filter: &Filter, alive_until: Timestamp) -> Vec<(u64, u64)> {
        let Some(mut next) = self.lowest().filter(|_| filter.search.is_none()) else { return Vec::new() };
        let mut open = self.kept().owed;
        open.add_all(&self.given_up);
        let mut proven = Vec::new();
        for range in open.ranges() {
            if range.since > next {
                proven.extend(Range::new(next, range.since.saturating_sub(1).min(alive_until)));
            }
            if range.end().is_none() {
                return in_seconds(&proven);
            }
            next = next.max(range.until.saturating_add(1));
        }
        proven.extend(Range::new(next, alive_until));
        in_seconds(&proven)
    }

    /// Everything that is not proven, as it would be kept.
    pub(super) fn kept(&self) -> Self {
        let mut kept = self.clone();
        kept.remember_missed();
        kept
    }
}

fn in_seconds(ranges: &[Range]) -> Vec<(u64, u64)> {
    ranges.iter().map(|range| (range.since.as_secs(), range.until.as_secs())).collect()
}

/// The seconds that a filter is about; `None`: its window is over, or was never open.
pub(crate) fn window(filter: &Filter) -> Option<Range> {
    Range::new(filter.since.unwrap_or(Timestamp::new(0)), filter.until.unwrap_or(Timestamp::MAX))
}
