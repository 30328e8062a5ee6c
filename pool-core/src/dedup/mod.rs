//! The dedup machine: which events are known, and which are being verified.
//!
//! An id is *unknown*, *in flight* while a signature of it is checked, *held* once one was good, and *forgotten* when the
//! event has made room for others and only its id is left. Each cell is the next state, and what happens besides; a test
//! reads this table and walks every cell.
//!
//! | input \ state | unknown | in flight | held | forgotten |
//! |---|---|---|---|---|
//! | a copy | in flight, check | in flight, duplicate | held, duplicate, delivered | held, duplicate, delivered |
//! | the same for a subscription that has it | in flight, check | in flight, duplicate | held, duplicate | forgotten, duplicate |
//! | the same where a newer version is known | in flight, check | in flight, duplicate | held, duplicate | forgotten, duplicate |
//! | a copy with another signature | in flight, check | in flight, parked | held, duplicate, delivered | in flight, check |
//! | one more of those, with no room | unknown, dropped | in flight, dropped | held, duplicate, delivered | forgotten, dropped |
//! | a copy with other content | unknown, forged | in flight, parked | held, duplicate, delivered | forgotten, forged |
//! | a copy that nobody asked for | unknown, unmatched | in flight, unmatched | held, duplicate | forgotten, unmatched |
//! | a copy, and it has expired | unknown, expired | in flight, duplicate | held, duplicate | forgotten, expired |
//! | the signature is good | unknown, stray | held, verified, delivered | held, stray | forgotten, stray |
//! | the same where a newer version is known | unknown, stray | held, verified, outdated | held, stray | forgotten, stray |
//! | the same, and it has expired | unknown, stray | held, verified | held, stray | forgotten, stray |
//! | the signature is forged | unknown, stray | unknown, forged | held, stray | forgotten, stray |
//! | the same with another parked | unknown, stray | in flight, forged, check | held, stray | forgotten, stray |
//! | the same with others crowded out | unknown, stray | unknown, forged, repair | held, stray | forgotten, stray |
//! | the event makes room | unknown | in flight | forgotten | forgotten |
//! | the id makes room | unknown | in flight | unknown | unknown |
//! | a clean start | unknown | unknown | unknown | unknown |
//!
//! An id enters flight only if the event's content hashes to it and there is room; so copies of one in flight can differ in
//! the signature alone, and no more than that is looked at, or kept: one other signature per relay, `max_parked` in all, and
//! none of a relay that brought one found forged, so that a flight ends whatever keeps coming. One that was forgotten and goes into flight with another signature is forgotten again if that is forged.
//!
//! An id is *seen* (held or forgotten) only once its signature was verified: a forged copy can delay the real one by a
//! check, never suppress it. No id is ever remembered as bad. A seen id only ever drops a copy, or hands out the verified
//! event itself: a copy of a forgotten one is parsed and hashed again, and needs no second check if it carries the very
//! signature that was found good.
//!
//! Of replaceable and addressable events, [`latest`] knows the newest version; an expired event (NIP-40) is never
//! delivered, and its signature not paid for if it has expired when it comes.

mod books;
mod flight;
mod held;
mod latest;
mod seen;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod walk;

use alloc::vec::Vec;

use nostr_proto::{
    BadSignature, Event, EventId, HashedEvent, Kind, Proof, PublicKey, Signature, Timestamp, VerifiedEvent,
};

use crate::config::Config;
use crate::ids::{RelayIx, SubId};
use crate::planted::planted;

pub(crate) use flight::Waiter;
use flight::{Flight, Flights};
use held::Held;
use latest::{Latest, Version};
pub(crate) use seen::Facts;
use seen::Seen;

/// What is known of an id when a copy of it comes for a subscription.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Known {
    /// Nothing: parse it.
    Unknown,
    /// Delivered to this subscription: drop the copy.
    Delivered,
    /// Verified and at hand: deliver this one, drop the copy.
    Held(VerifiedEvent),
    /// Verified once, but no longer at hand: parse the copy; see [`Dedup::vouch`].
    Forgotten(Facts),
    /// Being verified: look at the copy's signature.
    InFlight,
}

/// What became of a copy that was hashed.
#[derive(Debug, PartialEq)]
pub(crate) enum Admission {
    /// Verify it.
    Verify(HashedEvent),
    /// It waits for a copy that is being verified.
    Joined(Copy),
    /// There is no room for it.
    Full,
}

/// What became of another copy of an event in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Copy {
    /// It has the signature that is being checked, or is parked by this relay already: it stands or falls with that.
    Same,
    /// It is kept for the case that the first one is forged.
    Parked,
    /// It was not kept: there was no room, or the relay has had its say.
    CrowdedOut,
}

/// What an answer of the verifier meant.
#[derive(Debug, PartialEq)]
pub(crate) enum Decision {
    /// The event is good: deliver it, and let the waiters go on. The copies that `spare` had parked are not needed.
    /// `outdated`: `source` brought it, and a newer version of it is known.
    Good { event: VerifiedEvent, waiters: Vec<Waiter>, spare: Vec<RelayIx>, source: RelayIx, outdated: bool },
    /// This copy was forged by `culprit`; another copy is to be verified, which `same` had parked, too. `answerable`:
    /// every relay that brought the forged one, the culprit among them.
    TryNext { culprit: RelayIx, answerable: Vec<RelayIx>, event: HashedEvent, same: Vec<RelayIx> },
    /// Every copy that was checked was forged, the last one by `culprit`: let the waiters go on. `crowded_out`: who had
    /// brought others that were not parked. `answerable`: every relay that brought the last one.
    Bad { culprit: RelayIx, answerable: Vec<RelayIx>, waiters: Vec<Waiter>, crowded_out: Vec<RelayIx> },
    /// Nobody waits for it.
    Unknown,
}

/// See the module's table.
#[derive(Debug)]
pub(crate) struct Dedup {
    seen: Seen,
    held: Held,
    flights: Flights,
    latest: Latest,
    max_in_flight: usize,
    max_per_relay: usize,
    max_parked: usize,
    #[cfg(feature = "planted-bugs")]
    planted: Option<crate::PlantedBug>,
    /// Ids that are remembered as bad, which none should be.
    #[cfg(feature = "planted-bugs")]
    pub(crate) bad: alloc::collections::BTreeSet<EventId>,
}

impl Dedup {
    pub(crate) fn new(config: &Config, key: [u8; 16]) -> Self {
        Self {
            seen: Seen::new(config, key),
            held: Held::new(config.held_bytes, key),
            flights: Flights::default(),
            latest: Latest::new(config, key),
            max_in_flight: config.max_in_flight.max(1),
            max_per_relay: config.max_in_flight_per_relay.max(1),
            max_parked: config.max_parked,
            #[cfg(feature = "planted-bugs")]
            planted: config.planted,
            #[cfg(feature = "planted-bugs")]
            bad: alloc::collections::BTreeSet::new(),
        }
    }

    /// What is known of an id. Notes that the relay has it, if it is verified.
    pub(crate) fn look_up(&mut self, id: &EventId, relay: RelayIx, sub: SubId) -> Known {
        #[cfg(feature = "planted-bugs")]
        if self.bad.contains(id) {
            return Known::Delivered;
        }
        if let Some((facts, delivered)) = self.seen.hit(id, relay, sub) {
            return match self.held.get(id) {
                _ if delivered => Known::Delivered,
                Some(event) => Known::Held(event.clone()),
                // Also while another signature of it is checked: the one that is known is as good as the event.
                None => Known::Forgotten(facts),
            };
        }
        match self.flights.get_mut(id) {
            Some(_) if planted!(self, SeenBeforeVerified) => Known::Delivered,
            Some(_) => Known::InFlight,
            None => Known::Unknown,
        }
    }

    /// Takes a copy whose content hashed to its id, and which has the very signature that was verified before: the event
    /// is at hand again. Any other copy comes back.
    pub(crate) fn vouch(
        &mut self,
        event: HashedEvent,
        relay: RelayIx,
        now: Timestamp,
    ) -> Result<VerifiedEvent, HashedEvent> {
        let Some(facts) = self.seen.facts(&event.id()) else { return Err(event) };
        if event.signature() != facts.proof.signature() {
            return Err(event);
        }
        let event = VerifiedEvent::new(event.clone(), facts.proof).map_err(|_| event)?;
        self.note_version(&facts, relay, now);
        self.held.insert(event.clone());
        Ok(event)
    }

    /// Takes a copy whose content hashed to its id. `waiter`'s leg is to be held if the answer is not `Full`.
    /// The flag says whether the leg was not waiting for this very event before.
    pub(crate) fn admit(&mut self, event: HashedEvent, waiter: Waiter) -> (Admission, bool) {
        let id = event.id();
        if let Some((copy, new)) = self.join(&id, event.signature(), waiter, |_| true) {
            return (Admission::Joined(copy), new);
        }
        if self.flights.len() >= self.max_in_flight || self.flights.of(waiter.relay) >= self.max_per_relay {
            return (Admission::Full, false);
        }
        let flight = Flight::new(event.clone(), waiter);
        self.flights.start(id, flight);
        (Admission::Verify(event), true)
    }

    /// Takes another copy of an event in flight, of which only the signature matters. `None`: it is not in flight, or
    /// `matches` says that it is not what the waiter's request asked for.
    pub(crate) fn join(
        &mut self,
        id: &EventId,
        signature: Signature,
        waiter: Waiter,
        matches: impl FnOnce(&HashedEvent) -> bool,
    ) -> Option<(Copy, bool)> {
        let flight = self.flights.get_mut(id).filter(|flight| matches(&flight.event))?;
        let new = flight.wait(waiter);
        Some((note_copy(flight, waiter.relay, signature, self.max_parked), new))
    }

    /// An event whose content is known, verified or in flight.
    pub(crate) fn at_hand(&self, id: &EventId) -> Option<&Event> {
        let held = self.held.get(id).map(|event| &**event);
        held.or_else(|| self.flights.get(id).map(|flight| &*flight.event))
    }

    /// When an event in flight was created.
    pub(crate) fn created_at(&self, id: &EventId) -> Option<Timestamp> {
        self.flights.get(id).map(|flight| flight.event.created_at())
    }

    /// The verifier answered for an event in flight.
    pub(crate) fn decide(&mut self, id: &EventId, outcome: Result<Proof, BadSignature>, now: Timestamp) -> Decision {
        let Some(flight) = self.flights.get_mut(id) else { return Decision::Unknown };
        let source = flight.source;
        let verified =
            outcome.ok().and_then(|proof| Some((VerifiedEvent::new(flight.event.clone(), proof).ok()?, proof)));
        let Some((event, proof)) = verified else { return self.refute(id, source) };
        let Some(flight) = self.flights.finish(id) else { return Decision::Unknown };
        let facts = Facts { proof, created_at: event.created_at(), address: self.latest.address_of(&event) };
        let outdated = self.is_outdated(&facts, now);
        self.note_version(&facts, source, now);
        self.seen.insert(facts, flight.relays);
        self.held.insert(event.clone());
        let spare = flight.parked.iter().map(|(relay, _)| *relay).collect();
        Decision::Good { event, waiters: flight.waiters, spare, source, outdated }
    }

    /// The copy that was checked is forged.
    fn refute(&mut self, id: &EventId, culprit: RelayIx) -> Decision {
        let answerable = self.flights.get_mut(id).map(|flight| flight.relays.clone()).unwrap_or_default();
        #[cfg(feature = "planted-bugs")]
        if planted!(self, NegativeCache) {
            self.bad.insert(*id);
        }
        if !planted!(self, ParkedCopyForgotten)
            && let Some((event, same)) = self.flights.next_copy(id)
        {
            return Decision::TryNext { culprit, answerable, event, same };
        }
        let Some(flight) = self.flights.finish(id) else { return Decision::Unknown };
        Decision::Bad { culprit, answerable, waiters: flight.waiters, crowded_out: flight.crowded_out }
    }

    fn note_version(&mut self, facts: &Facts, relay: RelayIx, now: Timestamp) {
        if let Some(address) = facts.address {
            self.latest.note(address, facts.version(), relay, now);
        }
    }

    /// What is remembered of an id.
    pub(crate) fn facts(&self, id: &EventId) -> Option<Facts> {
        self.seen.facts(id)
    }

    /// Whether a newer version of a verified event is known, and due.
    pub(crate) fn is_outdated(&self, facts: &Facts, now: Timestamp) -> bool {
        facts.address.is_some_and(|address| self.latest.is_outdated(address, facts.version(), now))
    }

    /// The same of an event at hand.
    pub(crate) fn is_event_outdated(&self, event: &Event, now: Timestamp) -> bool {
        let version = Version::new(event.created_at(), event.id());
        self.latest.address_of(event).is_some_and(|address| self.latest.is_outdated(address, version, now))
    }

    /// Whether an event of this date lies so far ahead that it wins nothing yet.
    pub(crate) fn is_future(&self, created_at: Timestamp, now: Timestamp) -> bool {
        self.latest.is_future(created_at, now)
    }

    /// When the newest version that is known, and due, was created.
    pub(crate) fn newest(&self, kind: Kind, author: PublicKey, d: &str, now: Timestamp) -> Option<Timestamp> {
        let address = self.latest.address(kind, author, d)?;
        self.latest.newest(address, now).map(|version| version.created_at)
    }

    /// The state of the module's table.
    #[cfg(test)]
    pub(crate) fn state(&self, id: &EventId) -> &'static str {
        match (self.flights.parked(id), self.seen.facts(id), self.held.get(id)) {
            (Some(_), ..) => "in flight",
            (None, Some(_), Some(_)) => "held",
            (None, Some(_), None) => "forgotten",
            (None, None, _) => "unknown",
        }
    }

    #[cfg(test)]
    pub(crate) fn parked(&self, id: &EventId) -> usize {
        self.flights.parked(id).unwrap_or(0)
    }

    /// The newest version, other than itself, of what this event replaces, if it is due and still at hand.
    pub(crate) fn held_version(&self, event: &Event, now: Timestamp) -> Option<VerifiedEvent> {
        let newest = self.latest.newest(self.latest.address_of(event)?, now)?;
        self.held.get(&newest.id()).filter(|held| held.id() != event.id()).cloned()
    }

    /// Notes a delivery. False: this subscription got the event before.
    pub(crate) fn deliver(&mut self, id: &EventId, sub: SubId) -> bool {
        self.seen.deliver(id, sub)
    }

    /// Whether this subscription got the event.
    pub(crate) fn was_delivered(&self, id: &EventId, sub: SubId) -> bool {
        self.seen.was_delivered(id, sub)
    }

    /// The relays known to have a verified event, the first one first.
    pub(crate) fn relays(&self, id: &EventId) -> &[RelayIx] {
        self.seen.relays(id)
    }

    /// Whether a relay is to be read from no further for now.
    pub(crate) fn is_loaded(&self, relay: RelayIx) -> bool {
        self.flights.of(relay) * 2 >= self.max_per_relay || self.flights.len() * 4 >= self.max_in_flight * 3
    }

    /// Whether relays that are paused may be read from again, those with too much of their own in flight aside: of these
    /// there are only a few then.
    pub(crate) fn has_room_again(&self) -> bool {
        self.flights.len() * 2 <= self.max_in_flight
    }

    /// Whether a paused relay may be read from again.
    pub(crate) fn is_relieved(&self, relay: RelayIx) -> bool {
        self.flights.of(relay) * 4 <= self.max_per_relay && self.has_room_again()
    }
}

fn note_copy(flight: &mut Flight, relay: RelayIx, signature: Signature, max_parked: usize) -> Copy {
    if flight.event.signature() == signature {
        if !flight.relays.contains(&relay) {
            flight.relays.push(relay);
        }
        Copy::Same
    } else if flight.parked.contains(&(relay, signature)) {
        Copy::Same
    } else if flight.may_park(relay, max_parked) {
        flight.parked.push_back((relay, signature));
        Copy::Parked
    } else {
        if !flight.crowded_out.contains(&relay) {
            flight.crowded_out.push(relay);
        }
        Copy::CrowdedOut
    }
}
