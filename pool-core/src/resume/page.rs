//! One page: a request for a stretch of a filter's time, newest first.

use alloc::collections::{BTreeMap, BTreeSet};
use core::time::Duration;

use nostr_proto::{EoseHints, EventId, Timestamp};

use crate::ids::WireId;
use crate::time::{Instant, Now};

use super::seconds::Range;

/// A page that runs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Page {
    pub(crate) wire: WireId,
    /// Which filter's ground it is about.
    pub(super) filter: usize,
    pub(super) range: Range,
    one_more: Option<Timestamp>,
    /// An event of that second came all the same.
    pub(super) has_one_more: bool,
    sent: Now,
    progress: Instant,
    /// Events whose signature is being checked. The end may not overtake them.
    undecided: u32,
    /// Distinct matching events, and when they were made. Bounded by `max_page_events`.
    ids: BTreeMap<EventId, Timestamp>,
    /// What the leg's live request brought meanwhile: of those, nothing follows from the page's having them. Bounded as
    /// well; beyond that, nothing follows from the page at all.
    pushed: BTreeSet<EventId>,
    too_many_pushed: bool,
    /// Matching events, copies included.
    pub(super) received: u64,
    /// An event of it was dropped for lack of room.
    pub(super) dropped: bool,
    /// It took several requests, of which one may have been cut short there: it says nothing of what is older.
    pub(super) floor: Option<Timestamp>,
    /// It took several requests: it says nothing of how many events the relay gives to one.
    pub(super) divided: bool,
    /// No live request ran beside it, by which what is new could be told from what was stored.
    pub(super) alone: bool,
    end: Option<End>,
}

/// How a page ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum End {
    /// With EOSE, after so many EVENT messages, whatever they were.
    Eose { hints: EoseHints, frames: u64 },
    /// We closed it: it brought as many events as may be.
    Cut,
}

/// What follows from a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Everything in its range was delivered.
    Whole,
    /// Everything after this second was; of it and what is older there may be more.
    After(Timestamp),
    /// All its events are of the last second of its range, and there may be more of that.
    Dense,
    /// Nothing.
    Nothing,
}

impl Page {
    /// `one_more`: the second behind its range that the relay was asked for as the last, if it leaves that out.
    pub(super) fn new(wire: WireId, filter: usize, range: Range, one_more: Option<Timestamp>, sent: Now) -> Self {
        Self {
            wire,
            filter,
            range,
            one_more,
            has_one_more: false,
            sent,
            progress: sent.mono,
            undecided: 0,
            ids: BTreeMap::new(),
            pushed: BTreeSet::new(),
            too_many_pushed: false,
            received: 0,
            dropped: false,
            floor: None,
            divided: false,
            alone: false,
            end: None,
        }
    }

    /// A matching event of it came, a copy of a known one perhaps. Returns how many distinct ones that makes.
    pub(super) fn seen(&mut self, id: EventId, created_at: Timestamp, now: Instant) -> usize {
        self.progress = now;
        self.received += 1;
        self.has_one_more |= self.one_more == Some(created_at);
        if self.end.is_none() && self.range.since <= created_at && created_at <= self.range.until {
            self.ids.insert(id, created_at);
        }
        self.ids.len()
    }

    /// Whether an event of this second came.
    pub(super) fn has_of(&self, second: Timestamp) -> bool {
        self.ids.values().any(|at| *at == second)
    }

    /// An event of it was forged, or nobody looked whether it is: it says nothing of how many the relay has, or gives.
    pub(super) fn forged(&mut self, id: &EventId) {
        self.ids.remove(id);
    }

    /// An event came by the leg's live request.
    pub(super) fn pushed(&mut self, id: EventId, most: usize) {
        if self.pushed.len() < most {
            self.pushed.insert(id);
        } else {
            self.too_many_pushed = true;
        }
    }

    pub(super) fn hold(&mut self) {
        self.undecided += 1;
    }

    /// An event of it is decided. Tells what takes effect now.
    pub(super) fn release(&mut self, now: Instant) -> Option<End> {
        self.progress = self.progress.max(now);
        self.undecided = self.undecided.saturating_sub(1);
        self.end.filter(|_| self.undecided == 0)
    }

    /// It ended. Tells what takes effect now; otherwise it waits for the undecided events.
    pub(super) fn ended(&mut self, end: End) -> Option<End> {
        let end = *self.end.get_or_insert(end);
        (self.undecided == 0).then_some(end)
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.end.is_some()
    }

    /// When it is given up: as the request of a leg.
    pub(super) fn overdue(&self, patience: Duration, most: Duration) -> Instant {
        let last = self.sent.mono + most;
        if self.undecided > 0 || self.end.is_some() { last } else { (self.progress + patience).min(last) }
    }

    /// The distinct events that the relay had stored, as far as that can be told.
    fn stored(&self) -> impl Iterator<Item = Timestamp> {
        self.ids.iter().filter(|(id, _)| !self.pushed.contains(*id)).map(|(_, at)| *at)
    }

    pub(super) fn events(&self) -> usize {
        self.ids.len()
    }

    /// What it says of how many events the relay gives to one request: only if its range was over when it was asked for, so
    /// that what came was stored.
    pub(super) fn size(&self, planted_live: bool) -> Option<usize> {
        if planted_live {
            return Some(self.ids.len());
        }
        let over = self.range.until < self.sent.unix;
        (over && !self.divided && !self.alone && !self.too_many_pushed).then(|| self.stored().count())
    }

    /// What follows from it, where an answer of `enough` messages may be cut short by the relay.
    pub(super) fn verdict(&self, end: End, enough: u64) -> Verdict {
        if let End::Eose { hints, frames } = end {
            let finish = hints.finish && !hints.more;
            let short = !hints.more && (frames == 0 || frames < enough);
            if finish || short {
                return Verdict::Whole;
            }
        }
        match self.stored().filter(|at| self.floor.is_none_or(|floor| *at >= floor)).min() {
            None => Verdict::Nothing,
            Some(_) if self.too_many_pushed || self.alone => Verdict::Nothing,
            Some(oldest) if oldest < self.range.until => Verdict::After(oldest),
            Some(_) if self.dropped || matches!(end, End::Cut) => Verdict::Nothing,
            Some(_) => Verdict::Dense,
        }
    }
}
