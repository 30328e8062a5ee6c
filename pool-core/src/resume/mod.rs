//! The resume machine: what one leg owes its subscription, and how it is asked for, page by page.
//!
//! *Owed* is ground, in seconds of `created_at` and per filter, of which it is not proven that the relay's stored events
//! were all delivered. It is proven by an answer that can't have been cut short, or by a page that begins above an event:
//! relays answer newest first. Each cell is the next state; a test reads this table and walks every cell.
//!
//! | input \ state | settled | owing | asked | paging | ended | paused |
//! |---|---|---|---|---|---|---|
//! | the leg is asked | asked | asked | asked | asked | asked | asked |
//! | EOSE, nothing was cut short | – | – | settled | – | – | – |
//! | EOSE, something may have been | – | – | owing | – | – | – |
//! | the request is lost | – | – | owing | owing | owing | owing |
//! | an event was not delivered | owing | – | – | – | – | – |
//! | a page is due | – | paging | – | – | – | – |
//! | the pause is over | – | – | – | – | – | owing |
//! | the page is whole | – | – | – | settled | – | – |
//! | the page is full | – | – | – | owing | – | – |
//! | the page is of one second | – | – | – | owing | – | – |
//! | the page lacks what the relay has | – | – | – | owing | – | – |
//! | the page tells nothing | – | – | – | paused | – | – |
//! | the page ends, and events of it are undecided | – | – | – | ended | – | – |
//! | they are decided | – | – | – | – | settled | – |
//! | the page is late | – | – | – | paused | paused | – |
//! | the page is refused | – | – | – | paused | – | – |
//! | the page is refused for good | – | – | – | settled | – | – |
//! | the budget is spent | – | – | – | settled | – | – |
//! | given up | – | settled | settled | settled | settled | settled |
//! | what was given up is wanted | owing | – | – | – | – | – |
//!
//! Never proven is what a timeout, a refusal or a lost connection was about; nothing here derives from an event's
//! `created_at` but which stretch of its own request an answer covers, so that no relay can move more than its own ground.
//! What is given up is told as a gap in the same step. A leg is asked for one page at a time, newest first.

mod catching_up;
mod dense;
mod giving_up;
mod ground;
mod page;
#[cfg(test)]
mod script_tests;
pub(crate) mod seconds;
mod step;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod walk;
mod witness;

use alloc::vec::Vec;
use core::time::Duration;

use nostr_proto::{EoseHints, EventId, Filter, Timestamp};

use crate::event::GapCause;
use crate::ids::WireId;
use crate::planted::planted;
use crate::time::Instant;

use catching_up::CatchUp;
use dense::{Dense, Outcome};
use ground::window;
use page::Verdict;
use seconds::Range;
use witness::Until;

pub(crate) use ground::Ground;
pub(crate) use page::{End, Page};
pub(crate) use step::{Context, Step};

/// What a leg's request asked for, of one filter.
#[derive(Clone, Debug, PartialEq)]
struct Asked {
    /// `None`: its window is over.
    range: Option<Range>,
    /// Whether that can be proven: what a `search` finds has no order.
    provable: bool,
    limit: Option<u32>,
}

#[derive(Clone, Debug, PartialEq)]
enum Run {
    /// Nothing runs.
    Rest,
    /// The leg's own request, before its EOSE.
    Asked(Vec<Asked>),
    Page(Page),
    /// A page failed.
    Pause(Instant),
}

/// See the module's table.
#[derive(Clone, Debug)]
pub(crate) struct Resume {
    grounds: Vec<Ground>,
    run: Run,
    dense: Option<Dense>,
    /// Pages and their events since the catch-up began.
    pages: u32,
    events: usize,
    /// Pages in a row that told nothing.
    failures: u32,
    catch_up: Option<CatchUp>,
    until: Until,
    /// It was live, and was not asked since for what it missed, which is not owed before that.
    behind: bool,
    /// The oldest event of the leg's request, from which nothing follows.
    #[cfg(feature = "planted-bugs")]
    pub(crate) oldest: Option<Timestamp>,
}

impl Resume {
    pub(crate) fn new(filters: usize) -> Self {
        Self {
            grounds: alloc::vec![Ground::default(); filters],
            run: Run::Rest,
            dense: None,
            pages: 0,
            events: 0,
            failures: 0,
            catch_up: None,
            until: Until::Presumed,
            behind: false,
            #[cfg(feature = "planted-bugs")]
            oldest: None,
        }
    }

    /// What an earlier leg for the same filters had. `since`: the earliest that it may have missed after that.
    pub(crate) fn restore(grounds: Vec<Ground>, since: Timestamp) -> Self {
        let mut resume = Self::new(0);
        let owed = grounds.iter().filter_map(|ground| ground.owed.hull()).map(|range| range.since).min();
        resume.grounds = grounds;
        resume.catches_up_from(Some(owed.map_or(since, |owed| owed.min(since))));
        resume
    }

    /// What stands now, per filter, for [`Resume::restore`]. What runs has proven nothing yet.
    pub(crate) fn grounds(&self) -> Vec<Ground> {
        self.grounds.iter().map(Ground::kept).collect()
    }

    /// Owes what is open in these, too.
    pub(crate) fn owe_with(&mut self, others: &[Ground]) {
        self.grounds.iter_mut().zip(others).for_each(|(ground, other)| ground.open_with(other));
    }

    /// Whether anything is to be asked for, or being asked for, in pages.
    pub(crate) fn owes(&self) -> bool {
        self.grounds.iter().any(Ground::owes)
    }

    pub(crate) fn page(&self) -> Option<&Page> {
        match &self.run {
            Run::Page(page) => Some(page),
            Run::Rest | Run::Asked(_) | Run::Pause(_) => None,
        }
    }

    fn page_mut(&mut self, wire: WireId) -> Option<&mut Page> {
        match &mut self.run {
            Run::Page(page) if page.wire == wire => Some(page),
            Run::Rest | Run::Asked(_) | Run::Pause(_) | Run::Page(_) => None,
        }
    }

    /// The leg is asked for `sent`. `again`: it was before, and owes what these filters ask for.
    pub(crate) fn asked(&mut self, sent: &[Filter], again: Option<&[Filter]>) {
        self.lost();
        self.renew();
        self.behind = false;
        #[cfg(feature = "planted-bugs")]
        {
            self.oldest = None;
        }
        if let Some(filters) = again {
            for (ground, filter) in self.grounds.iter_mut().zip(filters) {
                if let Some(range) = window(filter).filter(|_| filter.search.is_none()) {
                    ground.owe(range);
                }
            }
        }
        let asked =
            |filter: &Filter| Asked { range: window(filter), provable: filter.search.is_none(), limit: filter.limit };
        self.run = Run::Asked(sent.iter().map(asked).collect());
    }

    /// The leg's request came to its EOSE, after so many EVENT messages before it, `events` of which matched. `all`: all
    /// that the relay has is wanted. `sent` is when it was asked.
    pub(crate) fn answered(
        &mut self,
        (hints, frames, events): (EoseHints, u64, u64),
        (all, sent): (bool, Timestamp),
        cx: &Context<'_>,
    ) -> Step {
        let mut step = Step::default();
        if !matches!(self.run, Run::Asked(_)) {
            return step;
        }
        let Run::Asked(asked) = core::mem::replace(&mut self.run, Run::Rest) else { return step };
        let uncut = hints.finish || frames == 0 || frames < cx.enough();
        let again = self.catch_up.is_some();
        let mut unprovable: Option<Range> = None;
        let mut wants: Option<Timestamp> = None;
        for ((ground, filter), asked) in self.grounds.iter_mut().zip(cx.filters).zip(asked) {
            let whole = window(filter).filter(|_| all);
            let floor = whole.map_or(sent, |range| range.since);
            let wanted = whole.filter(|range| ground.floor.is_none_or(|floor| range.since < floor));
            if filter.search.is_some() {
                let missed = wanted.or(asked.range.filter(|_| again));
                unprovable = missed.map_or(unprovable, |it| Some(unprovable.map_or(it, |other| other.hull(&it))));
            } else if let Some(range) = wanted {
                let known = ground.floor.map(|floor| floor.saturating_sub(1));
                if let Some(range) = Range::new(range.since, known.map_or(range.until, |known| known.min(range.until)))
                {
                    ground.owe(range);
                }
                let since = wants.get_or_insert(range.since);
                *since = range.since.min(*since);
            }
            ground.floor = Some(ground.floor.map_or(floor, |earlier| earlier.min(floor)));
            let planted_limit = planted!(cx.config, LimitReplayed);
            let below_limit = planted_limit || asked.limit.is_none_or(|limit| frames < u64::from(limit));
            if let Some(range) = asked.range.filter(|_| asked.provable && uncut && !hints.more && below_limit) {
                ground.prove(range);
            }
            #[cfg(feature = "planted-bugs")]
            if let Some(oldest) = self.oldest.filter(|_| planted!(cx.config, MultiFilterOldest) && cx.filters.len() > 1)
            {
                ground.prove(Range { since: oldest.saturating_add(1), until: Timestamp::MAX });
            }
            ground.remember_missed();
        }
        if wants.is_some() {
            self.catches_up_from(wants);
        }
        if let Some(catch_up) = &mut self.catch_up {
            catch_up.events += events;
        }
        if let Some(range) = unprovable {
            step.tell(range, GapCause::Unprovable);
        }
        self.settle(cx, &mut step);
        step
    }

    /// What was shown so far was shown to a stranger: it says nothing of what is there for us.
    pub(crate) fn forget_floors(&mut self) {
        self.grounds.iter_mut().for_each(|ground| ground.floor = None);
    }

    /// All that the relay has is wanted, and nothing was asked for yet: it was lost right after its EOSE.
    pub(crate) fn want_all(&mut self, filters: &[Filter]) {
        let mut wants: Option<Timestamp> = None;
        for (ground, filter) in self.grounds.iter_mut().zip(filters).filter(|(ground, _)| ground.floor.is_none()) {
            if let Some(range) = window(filter).filter(|_| filter.search.is_none()) {
                ground.floor = Some(range.since);
                ground.owe(range);
                let since = wants.get_or_insert(range.since);
                *since = range.since.min(*since);
            }
        }
        if wants.is_some() {
            self.catches_up_from(wants);
        }
    }

    /// The leg's connection or request is gone, and its page with it. Tells that page's wire id.
    pub(crate) fn lost(&mut self) -> Option<WireId> {
        let wire = match core::mem::replace(&mut self.run, Run::Rest) {
            Run::Page(page) => {
                self.failures = self.failures.saturating_add(1);
                Some(page.wire).filter(|_| !page.has_ended())
            }
            Run::Rest | Run::Asked(_) | Run::Pause(_) => None,
        };
        self.dense = None;
        self.grounds.iter_mut().for_each(Ground::remember_missed);
        wire
    }

    /// These seconds are owed by the filters named: events were not delivered that came.
    pub(crate) fn owe(&mut self, filters: impl Iterator<Item = usize>, range: Range) {
        if !self.owes() {
            self.renew();
        }
        let running = !matches!(self.run, Run::Rest | Run::Pause(_)) || self.dense.is_some();
        for at in filters {
            let Some(ground) = self.grounds.get_mut(at) else { continue };
            if running {
                ground.missed.add(range);
            } else {
                ground.owe(range);
            }
            self.catches_up_from(Some(range.since));
        }
    }

    /// The page dropped an event for lack of room: what it was about is owed, and the next one waits.
    pub(crate) fn dropped(&mut self, wire: WireId, id: &EventId) {
        if let Some(page) = self.page_mut(wire) {
            page.dropped = true;
            page.forged(id);
        }
    }

    /// Whether a page may be begun.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        let idle = match &self.run {
            Run::Rest => true,
            Run::Pause(until) => *until <= now,
            Run::Asked(_) | Run::Page(_) => false,
        };
        idle && self.owes()
    }

    /// Begins a page. Returns what to ask for.
    pub(crate) fn begin(&mut self, wire: WireId, cx: &Context<'_>) -> Option<Filter> {
        if !self.is_due(cx.now.mono) {
            return None;
        }
        let (filter, range, mut asked) = match &self.dense {
            Some(dense) => (dense.filter, dense.range(), dense.next()?.clone()),
            None => {
                let newest = |(at, ground): (usize, &Ground)| Some((at, ground.owed.newest()?));
                let grounds = self.grounds.iter().enumerate().rev();
                let (at, range) = grounds.filter_map(newest).max_by_key(|(_, range)| range.until)?;
                (at, range, cx.filters.get(at)?.clone())
            }
        };
        asked.limit = None;
        asked.since = (range.since > Timestamp::new(0)).then_some(range.since);
        let more = self.until == Until::LeftOut;
        asked.until = range.end().map(|until| until.saturating_add(u64::from(more)));
        self.pages = self.pages.saturating_add(1);
        self.run = Run::Page(Page::new(wire, filter, range, asked.until.filter(|_| more), cx.now));
        Some(asked)
    }

    /// A matching event of the page came, a copy of a known one perhaps. Tells whether that is as many as may be.
    pub(crate) fn seen(&mut self, wire: WireId, id: EventId, created_at: Timestamp, most: usize, now: Instant) -> bool {
        let left = most.saturating_sub(self.events);
        self.page_mut(wire).is_some_and(|page| page.seen(id, created_at, now) > left)
    }

    /// An event of the page was forged.
    pub(crate) fn forged(&mut self, wire: WireId, id: &EventId) {
        if let Some(page) = self.page_mut(wire) {
            page.forged(id);
        }
    }

    /// An event came by the leg's live request.
    pub(crate) fn pushed(&mut self, id: &EventId, most: usize) {
        if let Run::Page(page) = &mut self.run {
            page.pushed(*id, most);
        }
    }

    /// Of what is older than that, the page's answer says nothing.
    pub(crate) fn floor(&mut self, wire: WireId, floor: Timestamp) {
        if let Some(page) = self.page_mut(wire) {
            page.floor = Some(floor);
        }
    }

    /// The page takes several requests; no live request runs beside it.
    pub(crate) fn differs(&mut self, wire: WireId, divided: bool, alone: bool) {
        if let Some(page) = self.page_mut(wire) {
            (page.divided, page.alone) = (divided, alone);
        }
    }

    pub(crate) fn hold(&mut self, wire: WireId) {
        if let Some(page) = self.page_mut(wire) {
            page.hold();
        }
    }

    /// An event of the page is decided. Tells how the page ended, if that takes effect now: see [`Resume::turned`].
    pub(crate) fn release(&mut self, wire: WireId, now: Instant) -> Option<End> {
        self.page_mut(wire)?.release(now)
    }

    /// The page ended. Tells whether that takes effect now.
    pub(crate) fn ended(&mut self, wire: WireId, end: End) -> Option<End> {
        self.page_mut(wire)?.ended(end)
    }

    /// The end of the page takes effect.
    pub(crate) fn turned(&mut self, wire: WireId, end: End, cx: &Context<'_>) -> Step {
        let mut step = Step::default();
        if self.page_mut(wire).is_none() {
            return step;
        }
        let Run::Page(page) = core::mem::replace(&mut self.run, Run::Rest) else { return step };
        self.events = self.events.saturating_add(page.events());
        if let Some(catch_up) = &mut self.catch_up {
            catch_up.events += page.received;
        }
        let live = planted!(cx.config, LargestPageLive);
        step.learnt = page.size(live).filter(|_| live || matches!(end, End::Eose { .. }));
        if self.is_found_exclusive(&page) || self.is_found_inclusive(&page) {
            self.grounds.iter_mut().for_each(Ground::remember_missed);
            self.settle(cx, &mut step);
            return step;
        }
        let verdict = page.verdict(end, cx.enough());
        match verdict {
            Verdict::Nothing => self.give_up_part(&page, cx, &mut step),
            _ if self.dense.is_some() => self.part_answered(verdict == Verdict::Whole, &mut step),
            Verdict::Whole => self.prove(page.filter, page.range),
            Verdict::After(oldest) => {
                if let Some(range) = Range::new(oldest.saturating_add(1), page.range.until) {
                    self.prove(page.filter, range);
                }
                self.has_event_of(page.filter, oldest);
            }
            Verdict::Dense => {
                let second = page.range.until;
                self.dense = cx.filters.get(page.filter).and_then(|filter| Dense::new(page.filter, filter, second));
                if self.dense.is_none() {
                    self.give_up_second(page.filter, second, &mut step);
                }
            }
        }
        if self.dense.is_none() {
            self.grounds.iter_mut().for_each(Ground::remember_missed);
        }
        match verdict {
            Verdict::Nothing => self.failed(cx),
            _ if page.dropped => self.failed(cx),
            _ => self.failures = 0,
        }
        self.settle(cx, &mut step);
        step
    }

    /// A part of a dense second is answered.
    fn part_answered(&mut self, whole: bool, step: &mut Step) {
        let Some(dense) = &mut self.dense else { return };
        let (filter, second, outcome) = (dense.filter, dense.second, dense.answered(whole));
        match outcome {
            Outcome::More => return,
            Outcome::Whole => self.prove(filter, Range::second(second)),
            Outcome::Short => self.give_up_second(filter, second, step),
        }
        self.dense = None;
    }

    fn prove(&mut self, filter: usize, range: Range) {
        if let Some(ground) = self.grounds.get_mut(filter) {
            ground.prove(range);
        }
    }

    /// When a page that runs is late, or the pause is over.
    pub(crate) fn deadline(&self, patience: Duration, most: Duration) -> Option<Instant> {
        match &self.run {
            Run::Page(page) => Some(page.overdue(patience, most)),
            Run::Pause(until) => Some(*until),
            Run::Rest | Run::Asked(_) => None,
        }
    }

    /// The page that is late, and whether its request still runs.
    pub(crate) fn late(&self, patience: Duration, most: Duration, now: Instant) -> Option<(WireId, bool)> {
        let late = self.page().filter(|page| page.overdue(patience, most) <= now);
        late.map(|page| (page.wire, !page.has_ended()))
    }

    /// Ends a pause that is over. Tells whether there was one.
    pub(crate) fn wake(&mut self, now: Instant) -> bool {
        let over = matches!(&self.run, Run::Pause(until) if *until <= now);
        if over {
            self.run = Run::Rest;
        }
        over
    }

    fn settle(&mut self, cx: &Context<'_>, step: &mut Step) {
        if cx.ends && self.failures >= cx.config.max_refusals && !matches!(self.run, Run::Asked(_) | Run::Page(_)) {
            self.run = Run::Rest;
            self.give_up_all(GapCause::NotAnswered, step);
        }
        let spent = self.pages >= cx.config.max_pages || self.events >= cx.config.max_page_events;
        if spent && self.owes() && !matches!(self.run, Run::Asked(_) | Run::Page(_)) {
            self.run = Run::Rest;
            self.give_up_all(GapCause::Budget, step);
        }
        self.tell_caught_up(step);
    }
}
