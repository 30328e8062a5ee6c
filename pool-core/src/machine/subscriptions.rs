//! Subscriptions: starting, changing and ending them across the relays.

use alloc::boxed::Box;
use alloc::vec::Vec;

use nostr_proto::{Filter, Reason, RelayUrl};

use crate::auth::Refusal;
use crate::call::{CallError, Subscribe, Target};
use crate::connection::Connection;
use crate::event::EndReason;
use crate::ids::{RelayIx, SubId, WireId};
use crate::index::EVERYWHERE;
use crate::plan::Member;
use crate::planted::planted;
use crate::subscription::leg::Ending;
use crate::subscription::paging::Ground;
use crate::subscription::{Next, Subscription};
use crate::timers::TimerKey;

use super::Core;

impl Core {
    pub(super) fn subscribe(&mut self, request: Subscribe) -> Result<SubId, CallError> {
        self.check_filters(&request.filters)?;
        if self.subs.len() - self.repairs.len() >= self.config.max_subscriptions {
            return Err(CallError::TooManySubscriptions(self.config.max_subscriptions));
        }
        let relays = self.target(&request.target, None, |options| options.read)?;
        let id = SubId(self.next_sub);
        self.next_sub += 1;
        let sub = Subscription::new(id, request, &self.config, self.backlog.hears(self.now));
        self.subs.insert(id, Box::new(sub));
        self.enter_index(id, [EVERYWHERE]);
        for (ix, url) in relays {
            self.add_leg(id, ix, url);
        }
        self.settle_sub(id);
        Ok(id)
    }

    pub(super) fn update(&mut self, id: SubId, filters: Vec<Filter>) -> Result<(), CallError> {
        if id.is_hidden() || !self.subs.contains_key(&id) {
            return Err(CallError::UnknownSubscription(id));
        }
        self.check_filters(&filters)?;
        let Some(sub) = self.subs.get_mut(&id) else { return Ok(()) };
        let legs: Vec<RelayIx> = sub.legs.keys().copied().collect();
        self.leave_index(id, legs.iter().copied().chain([EVERYWHERE]));
        let Some(sub) = self.subs.get_mut(&id) else { return Ok(()) };
        let running = sub.replace(filters, &self.config, self.backlog.hears(self.now));
        self.enter_index(id, legs.iter().copied().chain([EVERYWHERE]));
        for &ix in &legs {
            self.note_need(ix, id);
            if let Some(relay) = self.relays.get_mut(&ix) {
                relay.suspects.remove(&id);
            }
        }
        self.close_wires(running.iter().copied());
        if planted!(self.config, StragglersDelivered) {
            running.into_iter().for_each(|(ix, wire)| self.linger(ix, id, wire));
        }
        for ix in legs {
            self.engage_leg(id, ix);
        }
        self.settle_sub(id);
        Ok(())
    }

    pub(super) fn unsubscribe(&mut self, id: SubId) -> Result<(), CallError> {
        self.finished.forget(id);
        if id.is_hidden() || !self.subs.contains_key(&id) {
            return Err(CallError::UnknownSubscription(id));
        }
        self.end_sub(id, EndReason::Unsubscribed);
        Ok(())
    }

    /// A relay was added or changed: subscriptions to all relays take it in, or leave it out. One that named it and lost it
    /// when it was removed was told so, and does not have it back.
    pub(super) fn spread_legs(&mut self, ix: RelayIx) {
        let Some(relay) = self.relays.get(&ix) else { return };
        let (reads, url) = (relay.added && relay.options.read, relay.url.clone());
        let all: Vec<(SubId, bool)> =
            self.subs.values().filter(|s| s.target == Target::All).map(|s| (s.id, s.legs.contains_key(&ix))).collect();
        for (sub, has) in all {
            match (reads, has) {
                (true, false) => self.add_leg(sub, ix, url.clone()),
                (false, true) => self.drop_leg(sub, ix),
                _ => {}
            }
        }
    }

    pub(super) fn check_filters(&self, filters: &[Filter]) -> Result<(), CallError> {
        let (given, max) = (filters.len(), self.config.max_filters);
        if given == 0 || given > max { Err(CallError::FilterCount { given, max }) } else { Ok(()) }
    }

    pub(super) fn add_leg(&mut self, id: SubId, ix: RelayIx, url: RelayUrl) {
        let Some(relay) = self.relays.get_mut(&ix) else { return };
        relay.legs.insert(id);
        let Some(sub) = self.subs.get_mut(&id) else { return };
        sub.add_leg(ix, url, self.backlog.hears(self.now));
        self.enter_index(id, [ix]);
        self.note_need(ix, id);
        self.engage_leg(id, ix);
    }

    /// Has a waiting leg asked as soon as may be, or settled if there is nothing to wait for.
    pub(super) fn engage_leg(&mut self, id: SubId, ix: RelayIx) {
        self.review_page(ix, id);
        self.drive(ix, Connection::want);
        if !self.is_promising(ix)
            && let Some(sub) = self.subs.get_mut(&id)
        {
            sub.unavailable(ix, &mut self.fx);
        }
        self.enqueue_ask(ix, id);
        self.sync_sub(id);
    }

    pub(super) fn drop_leg(&mut self, id: SubId, ix: RelayIx) {
        self.take_leg(id, ix);
        self.settle_sub(id);
    }

    /// Takes a leg away; the aggregate EOSE, of which it may have been the last, remains to be told.
    pub(super) fn take_leg(&mut self, id: SubId, ix: RelayIx) {
        self.leave_index(id, [ix]);
        let Some(sub) = self.subs.get_mut(&id) else { return };
        let running = sub.remove_leg(ix, &mut self.fx);
        self.close_wires(running.into_iter().map(|wire| (ix, wire)));
        self.leave_relay(id, ix);
    }

    fn leave_relay(&mut self, id: SubId, ix: RelayIx) {
        if let Some(relay) = self.relays.get_mut(&ix) {
            relay.legs.remove(&id);
            relay.lanes.pages.remove(&id);
            relay.paging.remove(&id);
            relay.suspects.remove(&id);
            relay.plan.forget(id);
        }
        self.note_need(ix, id);
        self.review(ix);
    }

    pub(super) fn end_sub(&mut self, id: SubId, reason: EndReason) {
        let legs: Vec<RelayIx> = self.subs.get(&id).into_iter().flat_map(|sub| sub.legs.keys().copied()).collect();
        self.leave_index(id, legs.into_iter().chain([EVERYWHERE]));
        let Some(mut sub) = self.subs.remove(&id) else { return };
        self.timers.set(TimerKey::Subscription(id), None);
        sub.end(reason, &mut self.fx);
        if reason == EndReason::Complete && !id.is_hidden() {
            let proven = |ix: RelayIx| self.relays.get(&ix).and_then(|relay| relay.conn.proven());
            self.finished.keep(id, sub.last(proven));
        }
        for (ix, (_, leg)) in sub.legs {
            if planted!(self.config, CloseLostOnDrop) {
                leg.wires().for_each(|wire| self.forget_wire(ix, wire));
            } else {
                self.close_wires(leg.wires().map(|wire| (ix, wire)));
            }
            self.leave_relay(id, ix);
        }
        self.repair_over(id);
    }

    /// Tells the aggregate EOSE if it is due, and re-arms the subscription's timer.
    pub(super) fn settle_sub(&mut self, id: SubId) {
        if let Some(sub) = self.subs.get_mut(&id) {
            sub.start(&mut self.fx);
            self.sync_sub(id);
        }
    }

    /// Re-arms the subscription's timer, and ends it if it has nothing more to do.
    pub(super) fn sync_sub(&mut self, id: SubId) {
        let Some(sub) = self.subs.get_mut(&id) else { return };
        if sub.is_complete() {
            self.end_sub(id, EndReason::Complete);
        } else {
            let deadline = sub.deadline(&self.config).map(|at| self.backlog.when(at));
            self.arm(TimerKey::Subscription(id), deadline);
        }
    }

    pub(super) fn on_subscription_timer(&mut self, id: SubId) {
        let refused =
            self.subs.get_mut(&id).map(|sub| sub.refused_by_notice(self.backlog.hears(self.now))).unwrap_or_default();
        for (ix, wire, reason) in refused {
            if self.shares(ix, wire) {
                // It may be meant for another.
                self.ask_alone(ix, &[Member { request: wire, sub: id, page: false }]);
            } else {
                self.apply_ending(id, ix, wire, Ending::Closed(reason));
                self.close_wire(ix, wire);
            }
        }
        let Some(sub) = self.subs.get_mut(&id) else { return };
        let overdue = sub.timeout(&self.config, self.backlog.hears(self.now), &mut self.fx);
        if planted!(self.config, TimedOutLegEnded) {
            let legs: Vec<RelayIx> = sub.legs.keys().copied().collect();
            legs.into_iter().for_each(|ix| self.note_need(ix, id));
        }
        self.close_wires(overdue.close);
        for ix in overdue.again {
            self.enqueue_ask(ix, id);
        }
        for ix in overdue.pages {
            self.review_page(ix, id);
        }
        self.sync_sub(id);
    }

    /// EOSE or CLOSED takes effect.
    pub(super) fn apply_ending(&mut self, id: SubId, ix: RelayIx, wire: WireId, end: Ending) {
        if matches!(end, Ending::Closed(_)) {
            self.close_wire(ix, wire);
        }
        let largest = self.relays.get(&ix).map_or(0, |relay| relay.largest_page);
        let ground = Ground { config: &self.config, largest, now: self.backlog.hears(self.now) };
        let Some(sub) = self.subs.get_mut(&id) else { return };
        let next = match end {
            Ending::Eose(eose) => {
                if let Some(relay) = self.relays.get_mut(&ix) {
                    relay.lanes.went_well(&self.config, self.now.mono);
                }
                sub.eose(ix, eose, ground, &mut self.fx)
            }
            Ending::Page(end) => {
                let learnt = sub.page_turned(ix, wire, end, ground, &mut self.fx);
                if let Some(relay) = self.relays.get_mut(&ix) {
                    relay.lanes.went_well(&self.config, self.now.mono);
                    relay.largest_page = relay.largest_page.max(learnt.unwrap_or(0));
                }
                Next::Nothing
            }
            Ending::PageClosed(reason) => {
                sub.page_closed(ix, wire, &reason, ground, &mut self.fx);
                Next::Nothing
            }
            Ending::Closed(reason) => {
                if let Some(page) = sub.lose_page(ix) {
                    self.close_wire(ix, page);
                }
                self.apply_refusal(id, ix, reason);
                Next::Nothing
            }
            Ending::Lost => {
                sub.drained(ix, &mut self.fx);
                Next::Nothing
            }
        };
        self.note_need(ix, id);
        match next {
            Next::Nothing => {}
            Next::Close(wire) => self.close_wire(ix, wire),
        }
        self.review_page(ix, id);
        self.sync_sub(id);
        self.review(ix);
    }

    /// A refused request waits for an authentication, is repeated, or is the subscription's affair.
    fn apply_refusal(&mut self, id: SubId, ix: RelayIx, reason: Reason) {
        let under = self.subs.get_mut(&id).and_then(|s| s.leg(ix)).map(|leg| leg.under);
        let refusal = under.and_then(|under| self.lacks_auth(ix, &reason, under));
        let Some(sub) = self.subs.get_mut(&id) else { return };
        match refusal {
            None | Some(Refusal::Final) => {
                sub.refused(ix, reason, &self.config, self.backlog.hears(self.now), &mut self.fx);
            }
            Some(waits) => {
                sub.lacks_auth(ix, reason, &self.config, &mut self.fx);
                if waits == Refusal::Again {
                    self.ask_again_known(ix, id);
                }
            }
        }
    }
}
