//! What relays say. The order of checks on an event is fixed: size (the driver's), head scan, known request, dedup,
//! parse, filter match, allowance, hash, expiry, room, signature, delivery.

use nostr_proto::{Event, EventId, HashedEvent, Head, RelayMessage, Signature, Timestamp, scan_head, scan_signature};

use crate::command::Command;
use crate::dedup::{Admission, Copy, Facts, Known, Waiter};
use crate::event::{CountAnswer, Mark};
use crate::ids::{RelayIx, SocketId, SubId, WireId};
use crate::planted::planted;
use crate::resume::End;
use crate::subscription::Subscription;
use crate::subscription::leg::{Ending, Sighting};
use crate::text::harmless;

use super::carried::{Carried, Shared};
use super::{Core, Job};

/// The request that an EVENT message is for.
#[derive(Clone, Copy)]
pub(super) struct Request {
    /// The REQ's name.
    pub(super) name: WireId,
    pub(super) wire: WireId,
    pub(super) sub: SubId,
    pub(super) page: bool,
    /// EVENT messages of its REQ so far, this one included; where it shares one, as many as it may have, and whatever is more
    /// than all of them may.
    pub(super) frames: u64,
    /// The message is counted by what becomes of it for this request.
    pub(super) counts: bool,
}

/// An EVENT message, and what was read of it.
struct Copied<'a> {
    id: EventId,
    frame: &'a str,
    event: Option<Parsed>,
    signature: Option<Signature>,
}

impl<'a> Copied<'a> {
    fn unread(id: EventId, frame: &'a str) -> Self {
        Self { id, frame, event: None, signature: None }
    }

    /// Looked for once.
    fn signature(&mut self) -> Option<Signature> {
        let known = self.signature.or_else(|| self.event.as_ref().map(|parsed| parsed.event.signature()));
        self.signature = known.or_else(|| scan_signature(self.frame));
        self.signature
    }
}

/// An event that came, whoever it is for: its id is checked once.
struct Parsed {
    event: Event,
    /// `Err`: the id is another's.
    hashed: Option<Result<HashedEvent, ()>>,
}

impl Parsed {
    fn new(event: Event) -> Self {
        Self { event, hashed: None }
    }

    /// The event, if its id is right; and whether that is known only now.
    fn checked(&mut self) -> (Option<HashedEvent>, bool) {
        let new = self.hashed.is_none();
        let hashed = self.hashed.get_or_insert_with(|| self.event.clone().check_id().map_err(drop));
        (hashed.as_ref().ok().cloned(), new)
    }
}

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
        match self.carried(ix, subscription, &id) {
            Some(Carried::One(request)) => self.on_copy_for(ix, request, &mut Copied::unread(id, frame)),
            Some(Carried::Many(shared)) => self.on_shared_copy(ix, shared, Copied::unread(id, frame)),
            None => {}
        }
    }

    /// The same for several requests: those that it matches. A copy of what is at hand is not parsed.
    fn on_shared_copy(&mut self, ix: RelayIx, shared: Shared, mut copy: Copied<'_>) {
        let requests = match self.dedup.at_hand(&copy.id) {
            Some(event) => self.sharing(ix, shared, event),
            None => match RelayMessage::parse(copy.frame) {
                Ok(RelayMessage::Event { event, .. }) => {
                    let requests = self.sharing(ix, shared, &event);
                    copy.event = Some(Parsed::new(event));
                    requests
                }
                Ok(_) => return self.note_garbage(ix),
                Err(error) => {
                    self.note_garbage(ix);
                    return self.on_unread(ix, shared, copy.id, &error);
                }
            },
        };
        if requests.is_empty() {
            self.count(ix, |c| &mut c.unmatched);
        }
        for request in requests {
            self.on_copy_for(ix, request, &mut copy);
        }
    }

    fn on_copy_for(&mut self, ix: RelayIx, request: Request, copy: &mut Copied<'_>) {
        let (wire, sub, id) = (request.wire, request.sub, copy.id);
        match self.dedup.look_up(&id, ix, sub) {
            Known::Delivered => {
                self.note_received(ix, request, id, None);
                self.note_duplicate_of(ix, request);
            }
            Known::Held(event) if self.is_excess(ix, request, event.created_at()) => self.note_excess(ix, request),
            Known::Held(event) => {
                self.note_received(ix, request, id, Some(event.created_at()));
                self.note_duplicate_of(ix, request);
                self.hand_out(sub, ix, wire, &event);
            }
            Known::Forgotten(facts) if self.subs.get(&sub).is_some_and(|sub| self.is_not_for(sub, &facts)) => {
                self.note_received(ix, request, id, Some(facts.created_at));
                self.note_duplicate_of(ix, request);
            }
            Known::InFlight if self.dedup.created_at(&id).is_some_and(|at| self.is_excess(ix, request, at)) => {
                self.note_excess(ix, request);
            }
            Known::InFlight => match copy.signature() {
                Some(signature) => self.on_copy_in_flight(ix, request, &id, signature),
                None => self.on_new_copy(ix, request, copy),
            },
            Known::Unknown | Known::Forgotten(_) => self.on_new_copy(ix, request, copy),
        }
    }

    /// Whether an event that is not at hand would not be delivered if it were, because a newer version is known.
    pub(super) fn is_not_for(&self, sub: &Subscription, facts: &Facts) -> bool {
        !sub.may_take_outdated(&facts.proof.id())
            && !planted!(self.config, OlderVersionDelivered)
            && self.dedup.is_outdated(facts, self.now.unix)
    }

    fn on_new_copy(&mut self, ix: RelayIx, request: Request, copy: &mut Copied<'_>) {
        if let Some(parsed) = &mut copy.event {
            return self.on_event(ix, request, parsed);
        }
        match RelayMessage::parse(copy.frame) {
            Ok(RelayMessage::Event { event, .. }) => self.on_event(ix, request, &mut Parsed::new(event)),
            Ok(_) if request.counts => self.note_garbage(ix),
            Ok(_) => {}
            Err(error) => {
                if request.counts {
                    self.note_garbage(ix);
                }
                if let Some(s) = self.subs.get_mut(&request.sub) {
                    s.rejected(ix, copy.id, &error, &mut self.fx);
                }
            }
        }
    }

    /// The content of an event in flight is known by its id: of another copy, only the signature is looked at.
    fn on_copy_in_flight(&mut self, ix: RelayIx, request: Request, event: &EventId, signature: Signature) {
        let Request { wire, sub: id, .. } = request;
        let waiter = Waiter { sub: id, relay: ix, wire, mark: self.mark(id, ix, wire) };
        let Some(sub) = self.subs.get_mut(&id) else { return };
        let mut created_at = None;
        let matches = |held: &HashedEvent| {
            created_at = Some(held.created_at());
            sub.matches(held)
        };
        let Some((copy, new)) = self.dedup.join(event, signature, waiter, matches) else {
            self.count_for(ix, request, |c| &mut c.unmatched);
            return;
        };
        if new
            && !planted!(self.config, EoseOvertakes)
            && let Some(leg) = sub.leg(ix)
        {
            leg.hold(wire);
        }
        self.note_received(ix, request, *event, created_at);
        if request.counts {
            self.note_joined(ix, copy);
        }
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
            Ok(RelayMessage::Event { subscription, event }) => match self.carried(ix, &subscription, &event.id()) {
                Some(Carried::One(request)) => self.on_event(ix, request, &mut Parsed::new(event)),
                Some(Carried::Many(shared)) => {
                    let requests = self.sharing(ix, shared, &event);
                    if requests.is_empty() {
                        self.count(ix, |c| &mut c.unmatched);
                    }
                    let mut parsed = Parsed::new(event);
                    for request in requests {
                        self.on_event(ix, request, &mut parsed);
                    }
                }
                None => {}
            },
            Ok(RelayMessage::Ok { event_id, accepted, reason }) => {
                self.on_ok(ix, event_id, accepted, &harmless(reason));
            }
            Ok(RelayMessage::Eose { subscription, hints }) => {
                self.on_eose(ix, &subscription, hints);
            }
            Ok(RelayMessage::Closed { subscription, reason }) => {
                self.on_closed_by_relay(ix, &subscription, &harmless(reason));
            }
            Ok(RelayMessage::Notice { message }) => self.on_notice(ix, &message),
            Ok(RelayMessage::Auth { challenge }) => {
                self.count(ix, |c| &mut c.challenges);
                self.on_challenge(ix, &challenge);
            }
            Ok(RelayMessage::Count { subscription, count, approximate, hll }) => {
                self.on_count_answer(ix, &subscription, CountAnswer { count, approximate, hll });
            }
            // The pool does not send NEG-OPEN yet.
            Ok(RelayMessage::NegMsg { .. } | RelayMessage::NegErr { .. }) => {
                self.count(ix, |c| &mut c.unsolicited);
            }
            Ok(RelayMessage::Unknown { .. }) => self.count(ix, |c| &mut c.unknown),
            Err(_) => {
                self.note_garbage(ix);
                // One of so many that the relay gives to one request, all the same.
                self.on_bad_count(ix, named_in(frame, "COUNT").and_then(WireId::parse));
                if let Some(name) = named_in(frame, "EVENT").and_then(WireId::parse)
                    && let Some(relay) = self.relays.get_mut(&ix)
                {
                    let _ = relay.plan.event(name);
                }
            }
        }
    }

    fn on_event(&mut self, ix: RelayIx, request: Request, parsed: &mut Parsed) {
        let Request { wire, sub: id, .. } = request;
        let event = &parsed.event;
        let wanted = self.subs.get(&id).is_some_and(|sub| sub.matches(event));
        if !wanted && !planted!(self.config, SharedUnmatched) {
            self.count_for(ix, request, |c| &mut c.unmatched);
            if planted!(self.config, HonestQuarantined) {
                self.on_forgery(ix, &event.id());
            }
            return;
        }
        if self.is_excess(ix, request, event.created_at()) {
            self.note_excess(ix, request);
            return;
        }
        let claimed = event.id();
        let (hashed, new) = parsed.checked();
        let Some(hashed) = hashed else {
            #[cfg(feature = "planted-bugs")]
            if planted!(self.config, VerdictByClaimedId) {
                self.dedup.bad.insert(claimed);
            }
            if request.counts {
                self.note_forged(ix);
            }
            if new {
                self.on_forgery(ix, &claimed);
            }
            return;
        };
        self.note_received(ix, request, claimed, Some(hashed.created_at()));
        if self.is_expired(&hashed) {
            self.stats.expired += u64::from(request.counts);
            self.count_for(ix, request, |c| &mut c.expired);
            return;
        }
        let hashed = match self.dedup.vouch(hashed, ix, self.now.unix) {
            Ok(event) => {
                self.note_duplicate_of(ix, request);
                self.hand_out(id, ix, wire, &event);
                return;
            }
            Err(hashed) => hashed,
        };
        let waiter = Waiter { sub: id, relay: ix, wire, mark: self.mark(id, ix, wire) };
        let (admission, new) = self.dedup.admit(hashed.clone(), waiter);
        if new
            && !planted!(self.config, EoseOvertakes)
            && let Some(leg) = self.subs.get_mut(&id).and_then(|s| s.leg(ix))
        {
            leg.hold(wire);
        }
        match admission {
            Admission::Verify(event) => {
                let ticket = self.ticket(Job::Copy(event.id()));
                self.fx.command(Command::Verify { ticket, event });
                self.pause_if_loaded(ix);
            }
            Admission::Joined(copy) if request.counts => self.note_joined(ix, copy),
            Admission::Joined(_) => {}
            Admission::Full => {
                self.count_for(ix, request, |c| &mut c.dropped);
                if let Some(sub) = self.subs.get_mut(&id) {
                    sub.flooded(ix, wire, &hashed);
                }
                self.pause_if_loaded(ix);
                self.review_page(ix, id);
            }
        }
    }

    /// A page ended, or was refused, or brought as many events as may be: nothing more of it is wanted.
    pub(super) fn end_page(&mut self, ix: RelayIx, id: SubId, wire: WireId, end: Ending) {
        let now = self.now.mono;
        self.close_wire(ix, wire);
        let Some(sub) = self.subs.get_mut(&id) else { return };
        sub.tell_flooded(ix, &mut self.fx);
        let Some(leg) = sub.leg(ix) else { return };
        leg.owes_too_much = false;
        leg.progress = leg.progress.max(self.backlog.listening(now));
        for end in leg.ending(wire, end) {
            self.apply_ending(id, ix, wire, end);
        }
        self.sync_sub(id);
    }

    /// Whether an event that comes now was stored or is new.
    pub(super) fn mark(&mut self, sub: SubId, ix: RelayIx, wire: WireId) -> Mark {
        let leg = self.subs.get_mut(&sub).and_then(|s| s.leg(ix));
        let live = leg.is_some_and(|leg| leg.is_live() && leg.wire() == Some(wire));
        if live { Mark::Live } else { Mark::Stored }
    }

    /// A matching event of a running request came, a copy of a known one perhaps. When it was made is looked up where it
    /// matters: for pages.
    fn note_received(&mut self, ix: RelayIx, request: Request, id: EventId, created_at: Option<Timestamp>) {
        let Request { wire, sub, page, .. } = request;
        #[cfg(feature = "planted-bugs")]
        let page = page || planted!(self.config, SinceFromEvents) || planted!(self.config, MultiFilterOldest);
        let created_at = match created_at {
            None if page => self.dedup.facts(&id).map(|facts| facts.created_at),
            known => known,
        };
        if let Some(at) = created_at.filter(|_| request.page)
            && let Some(relay) = self.relays.get_mut(&ix)
        {
            relay.plan.dated(request.name, at);
        }
        let (most, now) = (self.config.max_page_events, self.backlog.listening(self.now.mono));
        let Some(leg) = self.subs.get_mut(&sub).and_then(|s| s.leg(ix)) else { return };
        #[cfg(feature = "planted-bugs")]
        if let Some(at) = created_at.filter(|_| leg.wire() == Some(wire)) {
            if planted!(self.config, SinceFromEvents) && leg.is_live() {
                leg.alive_until = leg.alive_until.max(Some(at));
            }
            leg.resume.oldest = Some(leg.resume.oldest.map_or(at, |oldest| oldest.min(at)));
        }
        if leg.received(Sighting { wire, id, created_at }, most, now) && self.runs(ix, wire) {
            self.end_page(ix, sub, wire, Ending::Page(End::Cut));
        }
    }

    /// Whether an event that just came is more than the request asked for.
    pub(super) fn is_excess(&self, ix: RelayIx, request: Request, created_at: Timestamp) -> bool {
        let leg = self.subs.get(&request.sub).and_then(|s| s.legs.get(&ix));
        leg.is_some_and(|(_, leg)| leg.is_excess(request.wire, request.frames, created_at))
    }

    /// It is dropped, and told once the flood is over; it is no progress.
    fn note_excess(&mut self, ix: RelayIx, request: Request) {
        self.count_for(ix, request, |c| &mut c.excess);
        if let Some(leg) = self.subs.get_mut(&request.sub).and_then(|s| s.leg(ix)) {
            leg.excess = leg.excess.saturating_add(1);
        }
    }

    fn note_duplicate_of(&mut self, ix: RelayIx, request: Request) {
        if request.counts {
            self.note_duplicate(ix);
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

    fn count_for(
        &mut self,
        ix: RelayIx,
        request: Request,
        counter: impl FnOnce(&mut crate::record::RelayCounters) -> &mut u64,
    ) {
        if request.counts {
            self.count(ix, counter);
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

/// The subscription of a message of this verb that can't be read otherwise.
fn named_in<'a>(frame: &'a str, verb: &str) -> Option<&'a str> {
    let rest = frame.trim_start().strip_prefix('[')?.trim_start().strip_prefix('"')?;
    let rest = rest.strip_prefix(verb)?.strip_prefix('"')?;
    let subscription = rest.trim_start().strip_prefix(',')?.trim_start().strip_prefix('"')?;
    subscription.split_once('"').map(|(name, _)| name)
}
