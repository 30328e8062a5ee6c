//! What becomes of ground that is not answered for: asked for again after a pause, or given up and told.

use nostr_proto::Timestamp;

use crate::event::GapCause;
use crate::ids::WireId;
use crate::planted::planted;

use super::seconds::Range;
use super::{Context, Ground, Page, Resume, Run, Step};

impl Resume {
    /// The page was refused, or not answered in time: its ground is asked for again, after a pause.
    pub(crate) fn page_failed(&mut self, wire: WireId, cx: &Context<'_>) -> Step {
        let mut step = Step::default();
        let Some(page) = self.page_mut(wire) else { return step };
        let (filter, range) = (page.filter, page.range);
        self.run = Run::Rest;
        self.pages = self.pages.saturating_sub(1);
        if planted!(cx.config, CoverageOnTimeout) {
            self.prove(filter, range);
        }
        if self.dense.is_none() {
            self.grounds.iter_mut().for_each(Ground::remember_missed);
        }
        self.failed(cx);
        self.settle(cx, &mut step);
        step
    }

    /// The page was refused for good: what its filter owes can't be had.
    pub(crate) fn page_closed(&mut self, wire: WireId, cx: &Context<'_>) -> Step {
        let mut step = Step::default();
        let Some(page) = self.page_mut(wire) else { return step };
        let filter = page.filter;
        let _ = self.lost();
        if let Some(ground) = self.grounds.get_mut(filter)
            && let Some(range) = ground.owed.hull()
        {
            ground.give_up(range);
            step.tell(range, GapCause::NotAnswered);
        }
        self.settle(cx, &mut step);
        step
    }

    /// Nobody will ask for what is owed: it is given up.
    pub(crate) fn give_up(&mut self, cause: GapCause) -> Step {
        let mut step = Step::default();
        let _ = self.lost();
        self.give_up_all(cause, &mut step);
        self.tell_caught_up(&mut step);
        step
    }

    pub(super) fn give_up_all(&mut self, cause: GapCause, step: &mut Step) {
        self.dense = None;
        let mut whole: Option<Range> = None;
        for ground in &mut self.grounds {
            ground.remember_missed();
            if let Some(range) = ground.owed.hull() {
                ground.give_up(range);
                whole = Some(whole.map_or(range, |other| other.hull(&range)));
            }
        }
        if let Some(range) = whole {
            step.tell(range, cause);
        }
    }

    /// What was given up there is owed again, with a new budget. Tells whether there was anything.
    pub(crate) fn refill(&mut self, range: Range) -> bool {
        let mut since: Option<Timestamp> = None;
        for ground in &mut self.grounds {
            let wanted = ground.given_up.within(range);
            wanted.ranges().iter().for_each(|range| ground.owe(*range));
            let first = wanted.hull().map(|range| range.since);
            since = since.into_iter().chain(first).min();
        }
        if since.is_some() {
            self.renew();
            self.failures = 0;
            self.catches_up_from(since);
        }
        since.is_some()
    }

    pub(super) fn failed(&mut self, cx: &Context<'_>) {
        self.failures = self.failures.saturating_add(1);
        let ends = cx.ends && self.failures >= cx.config.max_refusals;
        if self.owes() && !ends {
            let doubled = 1_u32.checked_shl(self.failures - 1).unwrap_or(u32::MAX);
            let pause = cx.config.retry_base.saturating_mul(doubled).min(cx.config.backoff_max);
            self.run = Run::Pause(cx.now.mono + pause);
        }
    }

    /// A new catch-up, or more of one that the application asked for.
    pub(crate) fn renew(&mut self) {
        (self.pages, self.events) = (0, 0);
    }

    /// A part of a dense second that tells nothing once more is not asked for for ever: the rest waits behind it. It is not the
    /// relay's fault if we had no room.
    pub(super) fn give_up_part(&mut self, page: &Page, cx: &Context<'_>, step: &mut Step) {
        let often = self.failures.saturating_add(1) >= cx.config.max_refusals && !page.dropped;
        if let Some(dense) = self.dense.take_if(|_| often) {
            self.give_up_second(dense.filter, dense.second, step);
        }
    }

    pub(super) fn give_up_second(&mut self, filter: usize, second: Timestamp, step: &mut Step) {
        let range = Range::second(second);
        if let Some(ground) = self.grounds.get_mut(filter) {
            ground.give_up(range);
        }
        step.tell(range, GapCause::DenseSecond);
    }
}
