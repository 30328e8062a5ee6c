//! What the verifier says, and who gets the event.

use alloc::vec::Vec;

use nostr_proto::{BadSignature, EventId, Proof, VerifiedEvent};

use crate::command::Command;
use crate::connection::Connection;
use crate::dedup::{Decision, Waiter};
use crate::event::Mark;
use crate::ids::{RelayIx, SubId, Ticket, WireId};
use crate::planted::planted;

use super::matching::BySub;
use super::versions::Standing;
use super::{Core, Job};

impl Core {
    pub(super) fn on_verified(&mut self, ticket: Ticket, outcome: Result<Proof, BadSignature>) {
        match self.jobs.get(&ticket) {
            None | Some(Job::Sign(_) | Job::SignAuth(..)) => self.stats.unknown_tickets += 1,
            Some(Job::Copy(_) | Job::CheckSigned(..) | Job::CheckAuth(..)) => match self.jobs.remove(&ticket) {
                Some(Job::Copy(id)) => {
                    let decision = self.dedup.decide(&id, outcome, self.now.unix);
                    self.on_decision(id, decision);
                }
                Some(Job::CheckSigned(publish, event)) => self.on_signature_checked(publish, event, outcome),
                Some(Job::CheckAuth(ix, event)) => self.on_auth_checked(ix, event, outcome),
                Some(Job::Sign(_) | Job::SignAuth(..)) | None => {}
            },
        }
    }

    fn on_decision(&mut self, id: EventId, decision: Decision) {
        let mut forgers = Vec::new();
        match decision {
            Decision::Good { event, waiters, spare, source, outdated } => {
                self.stats.verified += 1;
                if outdated {
                    self.note_outdated(source);
                }
                spare.into_iter().for_each(|relay| self.note_duplicate(relay));
                self.deliver(&event, &waiters);
                self.release(waiters);
                self.review_repair(&id);
            }
            Decision::TryNext { culprit, answerable, event, same } => {
                self.note_forged(culprit);
                forgers = answerable;
                same.into_iter().for_each(|relay| self.note_duplicate(relay));
                let ticket = self.ticket(Job::Copy(event.id()));
                self.fx.command(Command::Verify { ticket, event });
            }
            Decision::Bad { culprit, answerable, waiters, crowded_out } => {
                self.note_forged(culprit);
                forgers = answerable;
                for waiter in &waiters {
                    if let Some(leg) = self.subs.get_mut(&waiter.sub).and_then(|s| s.leg(waiter.relay)) {
                        leg.resume.forged(waiter.wire, &id);
                    }
                }
                if crowded_out.is_empty() {
                    self.release(waiters);
                } else {
                    self.repair(id, crowded_out, waiters);
                }
            }
            Decision::Unknown => self.stats.unknown_tickets += 1,
        }
        self.relieve();
        forgers.into_iter().for_each(|relay| self.on_forgery(relay, &id));
    }

    /// A relay brought an event that is forged: it is left alone for a while if that happens too often.
    pub(super) fn on_forgery(&mut self, ix: RelayIx, id: &EventId) {
        let Some(relay) = self.relays.get_mut(&ix) else { return };
        relay.vitals.broke_a_rule();
        if relay.options.quarantine && relay.conn.quarantine.forged(id, &self.config, self.now.mono) {
            self.drive(ix, Connection::forged);
        }
    }

    /// Hands a verified event to every subscription that it matches and that asks one of its relays.
    pub(super) fn deliver(&mut self, event: &VerifiedEvent, waiters: &[Waiter]) {
        let waiters = BySub::new(waiters);
        let mut takers = self.takers(event, &waiters);
        if planted!(self.config, OneTakerOnly) {
            takers.truncate(1);
        }
        let standing = self.standing(event);
        for (sub, mark) in takers {
            let by: Vec<RelayIx> = waiters.of(sub).iter().map(|w| w.relay).collect();
            self.deliver_one(sub, &by, mark, event, standing);
        }
    }

    /// A copy of a verified event came for a subscription.
    pub(super) fn hand_out(&mut self, id: SubId, ix: RelayIx, wire: WireId, event: &VerifiedEvent) {
        if id.is_hidden() {
            // Those whose relay this is were waiting for it.
            self.deliver(event, &[]);
            self.review_repair(&event.id());
        } else {
            let (mark, standing) = (self.mark(id, ix, wire), self.standing(event));
            self.deliver_one(id, &[ix], mark, event, standing);
        }
    }

    /// Hands a verified event to one subscription, unless it has it, or it is not for it as it stands. `by`: who brought it
    /// for that one.
    fn deliver_one(&mut self, id: SubId, by: &[RelayIx], mark: Mark, event: &VerifiedEvent, standing: Standing) {
        let event_id = event.id();
        if standing.expired || self.dedup.was_delivered(&event_id, id) {
            return;
        }
        if planted!(self.config, OverflowStallsOthers) && self.subs.values().any(|s| s.id != id && s.is_overflowing()) {
            self.stats.skipped += 1;
            return;
        }
        let wrongly = planted!(self.config, SharedUnmatched);
        let has = self.dedup.relays(&event_id);
        let relays = self.urls(has);
        let Some(sub) = self.subs.get_mut(&id).filter(|sub| sub.matches(event) || wrongly) else { return };
        if standing.outdated && !sub.takes_outdated(event) {
            return;
        }
        if sub.deliver(event, mark, relays, standing.future, &mut self.fx) {
            self.dedup.deliver(&event_id, id);
            self.stats.delivered += 1;
        } else {
            self.stats.skipped += 1;
            sub.skip(event, mark, (by, has), self.now.unix, &self.config);
        }
    }

    /// A copy that was never looked at may have been the real one: that is a gap.
    pub(super) fn tell_crowded_out(&mut self, waiters: Vec<Waiter>) {
        for Waiter { sub, relay, .. } in waiters {
            let Some(sub) = self.subs.get_mut(&sub) else { continue };
            // When these were made is not known.
            sub.tell_flooded(relay, &mut self.fx);
            if let Some(leg) = sub.leg(relay) {
                leg.flooded += 1;
            }
            sub.tell_flooded(relay, &mut self.fx);
        }
    }

    /// Requests whose EOSE or CLOSED waited for this decision may go on.
    pub(super) fn release(&mut self, waiters: Vec<Waiter>) {
        for Waiter { sub, relay, wire, .. } in waiters {
            let now = self.backlog.listening(self.now.mono);
            let Some(leg) = self.subs.get_mut(&sub).and_then(|s| s.leg(relay)) else { continue };
            let ends = leg.release(wire, now);
            for end in ends {
                self.apply_ending(sub, relay, wire, end);
            }
            // Its EOSE may be due earlier, now that nothing of it is undecided.
            self.sync_sub(sub);
        }
    }

    /// Reads on from relays that were paused, where enough is verified.
    fn relieve(&mut self) {
        if !self.dedup.has_room_again() {
            return;
        }
        let relieved: Vec<RelayIx> = self.paused.iter().copied().filter(|ix| self.dedup.is_relieved(*ix)).collect();
        for ix in relieved {
            self.paused.remove(&ix);
            let Some(relay) = self.relays.get_mut(&ix) else { continue };
            relay.conn.set_paused(false, &mut self.fx);
            for sub in relay.legs.clone() {
                if let Some(sub) = self.subs.get_mut(&sub) {
                    sub.tell_flooded(ix, &mut self.fx);
                }
            }
        }
    }
}
