//! What relays say. The order of checks on an event is fixed: size (the driver's), head scan, known request, dedup,
//! parse, filter match, hash, expiry, room, signature, delivery.

use nostr_proto::{Event, EventId, Head, Prefix, RelayMessage, Signature, scan_head, scan_signature};

use crate::command::Command;
use crate::dedup::{Admission, Copy, Facts, Known, Waiter};
use crate::event::Mark;
use crate::ids::{RelayIx, SocketId, SubId, WireId};
use crate::planted::planted;
use crate::subscription::Subscription;
use crate::subscription::leg::Ending;
use crate::text::harmless;

use super::{Core, Job};

impl Core {
    pub(super) fn on_text(&mut self, socket: SocketId, frame: &str) {
        let (ix, now) = (RelayIx(socket.slot), self.now);
        let Some(relay) = self.relays.get_mut(&ix).filter(|r| r.conn.open_socket() == Some(socket)) else {
            self.stats.stale_sockets += 1;
            return;
        };
        relay.conn.heard(socket, now);
        relay.counters.frames += 1;
        relay.counters.bytes += frame.len() as u64;
        match scan_head(frame) {
            Some(Head::Event { subscription, id }) => self.on_copy(ix, subscription, id, frame),
            _ => self.on_message(ix, frame),
        }
        self.note_heard(ix);
    }

    /// An EVENT message whose id is known without parsing it.
    fn on_copy(&mut self, ix: RelayIx, subscription: &str, id: EventId, frame: &str) {
        let Some((wire, sub)) = self.request(ix, subscription) else { return };
        self.note_event(ix, &id);
        match self.dedup.look_up(&id, ix, sub) {
            Known::Delivered => {
                self.note_received(ix, sub);
                self.note_duplicate(ix);
            }
            Known::Held(event) => {
                self.note_received(ix, sub);
                self.note_duplicate(ix);
                self.hand_out(sub, ix, &event);
            }
            Known::Forgotten(facts) if self.subs.get(&sub).is_some_and(|sub| self.is_not_for(sub, &facts)) => {
                self.note_received(ix, sub);
                self.note_duplicate(ix);
            }
            Known::InFlight => match scan_signature(frame) {
                Some(signature) => self.on_copy_in_flight(ix, wire, sub, &id, signature),
                None => self.on_new_copy(ix, wire, sub, id, frame),
            },
            Known::Unknown | Known::Forgotten(_) => self.on_new_copy(ix, wire, sub, id, frame),
        }
    }

    /// Whether an event that is not at hand would not be delivered if it were, because a newer version is known.
    pub(super) fn is_not_for(&self, sub: &Subscription, facts: &Facts) -> bool {
        !sub.may_take_outdated(&facts.proof.id())
            && !planted!(self.config, OlderVersionDelivered)
            && self.dedup.is_outdated(facts, self.now.unix)
    }

    fn on_new_copy(&mut self, ix: RelayIx, wire: WireId, sub: SubId, id: EventId, frame: &str) {
        match RelayMessage::parse(frame) {
            Ok(RelayMessage::Event { event, .. }) => self.on_event(ix, wire, sub, event),
            Ok(_) => self.note_garbage(ix),
            Err(error) => {
                self.note_garbage(ix);
                if let Some(s) = self.subs.get_mut(&sub) {
                    s.rejected(ix, id, &error, &mut self.fx);
                }
            }
        }
    }

    /// The content of an event in flight is known by its id: of another copy, only the signature is looked at.
    fn on_copy_in_flight(&mut self, ix: RelayIx, wire: WireId, id: SubId, event: &EventId, signature: Signature) {
        let waiter = Waiter { sub: id, relay: ix, wire, mark: self.mark(id, ix) };
        let Some(sub) = self.subs.get_mut(&id) else { return };
        let Some((copy, new)) = self.dedup.join(event, signature, waiter, |held| sub.matches(held)) else {
            self.count(ix, |c| &mut c.unmatched);
            return;
        };
        if new
            && !planted!(self.config, EoseOvertakes)
            && let Some(leg) = sub.leg(ix)
        {
            leg.hold();
        }
        self.note_received(ix, id);
        self.note_joined(ix, copy);
    }

    /// A copy of an event in flight is counted once: now, or when it is known what became of it.
    fn note_joined(&mut self, ix: RelayIx, copy: Copy) {
        match copy {
            Copy::Same => self.note_duplicate(ix),
            Copy::Parked => {}
            Copy::CrowdedOut => self.count(ix, |c| &mut c.dropped),
        }
    }

    fn on_message(&mut self, ix: RelayIx, frame: &str) {
        match RelayMessage::parse(frame) {
            Ok(RelayMessage::Event { subscription, event }) => {
                if let Some((wire, sub)) = self.request(ix, &subscription) {
                    self.note_event(ix, &event.id());
                    self.on_event(ix, wire, sub, event);
                }
            }
            Ok(RelayMessage::Ok { event_id, accepted, reason }) => {
                self.on_ok(ix, event_id, accepted, &harmless(reason));
            }
            Ok(RelayMessage::Eose { subscription, hints }) => self.on_ending(ix, &subscription, Ending::Eose(hints)),
            Ok(RelayMessage::Closed { subscription, reason }) => {
                self.on_ending(ix, &subscription, Ending::Closed(harmless(reason)));
            }
            Ok(RelayMessage::Notice { message }) => self.on_notice(ix, &message),
            Ok(RelayMessage::Auth { challenge }) => {
                self.count(ix, |c| &mut c.challenges);
                self.on_challenge(ix, &challenge);
            }
            // The pool sends neither COUNT nor NEG-OPEN yet.
            Ok(RelayMessage::Count { .. } | RelayMessage::NegMsg { .. } | RelayMessage::NegErr { .. }) => {
                self.count(ix, |c| &mut c.unsolicited);
            }
            Ok(RelayMessage::Unknown { .. }) => self.count(ix, |c| &mut c.unknown),
            Err(_) => self.note_garbage(ix),
        }
    }

    fn on_event(&mut self, ix: RelayIx, wire: WireId, id: SubId, event: Event) {
        if !self.subs.get(&id).is_some_and(|sub| sub.matches(&event)) {
            self.count(ix, |c| &mut c.unmatched);
            if planted!(self.config, HonestQuarantined) {
                self.on_forgery(ix, &event.id());
            }
            return;
        }
        let claimed = event.id();
        let Ok(hashed) = event.check_id() else {
            #[cfg(feature = "planted-bugs")]
            if planted!(self.config, VerdictByClaimedId) {
                self.dedup.bad.insert(claimed);
            }
            self.note_forged(ix);
            self.on_forgery(ix, &claimed);
            return;
        };
        self.note_received(ix, id);
        if self.is_expired(&hashed) {
            self.stats.expired += 1;
            self.count(ix, |c| &mut c.expired);
            return;
        }
        let hashed = match self.dedup.vouch(hashed, ix, self.now.unix) {
            Ok(event) => {
                self.note_duplicate(ix);
                self.hand_out(id, ix, &event);
                return;
            }
            Err(hashed) => hashed,
        };
        let waiter = Waiter { sub: id, relay: ix, wire, mark: self.mark(id, ix) };
        let (admission, new) = self.dedup.admit(hashed, waiter);
        if new
            && !planted!(self.config, EoseOvertakes)
            && let Some(leg) = self.subs.get_mut(&id).and_then(|s| s.leg(ix))
        {
            leg.hold();
        }
        match admission {
            Admission::Verify(event) => {
                let ticket = self.ticket(Job::Copy(event.id()));
                self.fx.command(Command::Verify { ticket, event });
                self.pause_if_loaded(ix);
            }
            Admission::Joined(copy) => self.note_joined(ix, copy),
            Admission::Full => {
                self.count(ix, |c| &mut c.dropped);
                if let Some(leg) = self.subs.get_mut(&id).and_then(|s| s.leg(ix)) {
                    leg.flooded += 1;
                }
                self.pause_if_loaded(ix);
            }
        }
    }

    pub(super) fn on_ending(&mut self, ix: RelayIx, subscription: &str, end: Ending) {
        let named = WireId::parse(subscription).filter(|wire| wire.0 < self.next_wire);
        // It slows the whole relay, and at once: also if the request is over, or waits for events to be decided.
        if let Ending::Closed(reason) = &end
            && reason.prefix == Some(Prefix::RateLimited)
            && named.is_some()
        {
            self.pause_lanes(ix);
        }
        let found = named.and_then(|wire| Some((wire, *self.wires.get(&(ix, wire))?)));
        let Some((wire, sub)) = found else {
            self.count(ix, |c| &mut c.unsolicited);
            return;
        };
        let now = self.now.mono;
        if let Some(relay) = self.relays.get_mut(&ix) {
            match end {
                Ending::Eose(_) => relay.vitals.eose(wire, now),
                Ending::Closed(_) | Ending::Lost => relay.vitals.forget_request(wire),
            }
        }
        self.note_in_size(ix, sub, wire);
        let Some(s) = self.subs.get_mut(&sub) else { return };
        s.tell_flooded(ix, &mut self.fx);
        s.answered(ix, wire);
        let Some(leg) = s.leg(ix) else { return };
        leg.progress = now;
        for end in leg.ending(end) {
            self.apply_ending(sub, ix, wire, end);
        }
        self.next_suspect(ix);
    }

    /// The running request of this name. An event for one that is over is counted, and CLOSE said once more.
    fn request(&mut self, ix: RelayIx, subscription: &str) -> Option<(WireId, SubId)> {
        let wire = WireId::parse(subscription);
        if let Some(wire) = wire
            && let Some(&sub) = self.wires.get(&(ix, wire))
        {
            self.count(ix, |c| &mut c.events);
            self.note_answered(ix, wire, sub);
            return Some((wire, sub));
        }
        self.count(ix, |c| &mut c.unsolicited);
        let now = self.now.mono;
        if let Some(wire) = wire.filter(|w| w.0 < self.next_wire)
            && let Some(relay) = self.relays.get_mut(&ix)
        {
            relay.lanes.close_stray(wire, now);
            self.pump(ix);
        }
        None
    }

    /// Whether an event that comes now was stored or is new.
    pub(super) fn mark(&mut self, sub: SubId, ix: RelayIx) -> Mark {
        let live = self.subs.get_mut(&sub).and_then(|s| s.leg(ix)).is_some_and(|l| l.is_live());
        if live { Mark::Live } else { Mark::Stored }
    }

    /// A matching event of a running request came, a copy of a known one perhaps.
    fn note_received(&mut self, ix: RelayIx, sub: SubId) {
        let now = self.now.mono;
        if let Some(leg) = self.subs.get_mut(&sub).and_then(|s| s.leg(ix)) {
            leg.received(now);
        }
    }

    pub(super) fn note_duplicate(&mut self, ix: RelayIx) {
        self.stats.duplicates += 1;
        self.count(ix, |c| &mut c.duplicates);
    }

    pub(super) fn note_forged(&mut self, ix: RelayIx) {
        self.stats.forged += 1;
        self.count(ix, |c| &mut c.forged);
    }

    pub(super) fn note_outdated(&mut self, ix: RelayIx) {
        self.stats.outdated += 1;
        self.count(ix, |c| &mut c.outdated);
    }

    fn note_garbage(&mut self, ix: RelayIx) {
        self.count(ix, |c| &mut c.garbage);
        if let Some(relay) = self.relays.get_mut(&ix) {
            relay.vitals.broke_a_rule();
        }
        #[cfg(feature = "planted-bugs")]
        if planted!(self.config, HonestQuarantined) {
            let n = self.relays.get(&ix).map_or(0, |relay| relay.counters.garbage);
            let mut id = [0; 32];
            id[..8].copy_from_slice(&n.to_le_bytes());
            self.on_forgery(ix, &EventId::from_bytes(id));
        }
    }

    /// An event came for a running request, a copy of a known one perhaps.
    fn note_event(&mut self, ix: RelayIx, id: &EventId) {
        if let Some(relay) = self.relays.get_mut(&ix)
            && relay.options.quarantine
        {
            relay.conn.quarantine.event(id, &self.config, self.now.mono);
        }
    }

    pub(super) fn count(&mut self, ix: RelayIx, counter: impl FnOnce(&mut crate::record::RelayCounters) -> &mut u64) {
        if let Some(relay) = self.relays.get_mut(&ix) {
            let counter = counter(&mut relay.counters);
            *counter = counter.saturating_add(1);
        }
    }

    fn pause_if_loaded(&mut self, ix: RelayIx) {
        if self.dedup.is_loaded(ix)
            && let Some(relay) = self.relays.get_mut(&ix)
            && self.paused.insert(ix)
        {
            relay.conn.set_paused(true, &mut self.fx);
        }
    }
}
