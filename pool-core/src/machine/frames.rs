//! What relays say. The order of checks on an event is fixed: size (the driver's), head scan, known request, dedup,
//! parse, filter match, hash, room, signature, delivery.

use nostr_proto::{Event, EventId, Head, RelayMessage, Signature, scan_head, scan_signature};

use crate::command::Command;
use crate::dedup::{Admission, Copy, Known, Waiter};
use crate::event::Mark;
use crate::ids::{RelayIx, SocketId, SubId, WireId};
use crate::planted::planted;
use crate::subscription::leg::Ending;

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
    }

    /// An EVENT message whose id is known without parsing it.
    fn on_copy(&mut self, ix: RelayIx, subscription: &str, id: EventId, frame: &str) {
        let Some((wire, sub)) = self.request(ix, subscription) else { return };
        match self.dedup.look_up(&id, ix, sub) {
            Known::Delivered => {
                self.note_received(ix, sub);
                self.note_duplicate(ix);
            }
            Known::Held(event) => {
                self.note_received(ix, sub);
                self.note_duplicate(ix);
                let mark = self.mark(sub, ix);
                self.deliver_one(sub, mark, &event);
            }
            Known::InFlight => match scan_signature(frame) {
                Some(signature) => self.on_copy_in_flight(ix, wire, sub, &id, signature),
                None => self.on_new_copy(ix, wire, sub, frame),
            },
            Known::Unknown | Known::Forgotten => self.on_new_copy(ix, wire, sub, frame),
        }
    }

    fn on_new_copy(&mut self, ix: RelayIx, wire: WireId, sub: SubId, frame: &str) {
        match RelayMessage::parse(frame) {
            Ok(RelayMessage::Event { event, .. }) => self.on_event(ix, wire, sub, event),
            _ => self.note_garbage(ix),
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
                    self.on_event(ix, wire, sub, event);
                }
            }
            Ok(RelayMessage::Ok { event_id, accepted, reason }) => self.on_ok(ix, event_id, accepted, &reason),
            Ok(RelayMessage::Eose { subscription, hints }) => self.on_ending(ix, &subscription, Ending::Eose(hints)),
            Ok(RelayMessage::Closed { subscription, reason }) => {
                self.on_ending(ix, &subscription, Ending::Closed(reason));
            }
            Ok(RelayMessage::Notice { message }) => self.note_notice(ix, &message),
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
            return;
        }
        #[cfg(feature = "planted-bugs")]
        let claimed = event.id();
        let Ok(hashed) = event.check_id() else {
            #[cfg(feature = "planted-bugs")]
            if planted!(self.config, VerdictByClaimedId) {
                self.dedup.bad.insert(claimed);
            }
            self.note_forged(ix);
            return;
        };
        self.note_received(ix, id);
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

    fn on_ending(&mut self, ix: RelayIx, subscription: &str, end: Ending) {
        let found = WireId::parse(subscription).and_then(|wire| Some((wire, *self.wires.get(&(ix, wire))?)));
        let Some((wire, sub)) = found else {
            self.count(ix, |c| &mut c.unsolicited);
            return;
        };
        let now = self.now.mono;
        let Some(s) = self.subs.get_mut(&sub) else { return };
        s.tell_flooded(ix, &mut self.fx);
        let Some(leg) = s.leg(ix) else { return };
        leg.progress = now;
        for end in leg.ending(end) {
            self.apply_ending(sub, ix, wire, end);
        }
    }

    /// The running request of this name. An event for one that is over is counted, and CLOSE said once more.
    fn request(&mut self, ix: RelayIx, subscription: &str) -> Option<(WireId, SubId)> {
        let wire = WireId::parse(subscription);
        if let Some(wire) = wire
            && let Some(&sub) = self.wires.get(&(ix, wire))
        {
            self.count(ix, |c| &mut c.events);
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

    fn note_garbage(&mut self, ix: RelayIx) {
        self.count(ix, |c| &mut c.garbage);
    }

    fn count(&mut self, ix: RelayIx, counter: impl FnOnce(&mut crate::record::RelayCounters) -> &mut u64) {
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
