//! The dedup machine: which events are known, and which are being verified.
//!
//! An id's life:
//!
//! | state \ input | copy, same signature | copy, another signature | verified | forged |
//! |---|---|---|---|---|
//! | unknown | in flight¹ | in flight¹ | – | – |
//! | in flight | note the relay | park relay and signature² | seen | next parked copy, or unknown |
//! | seen | note the relay | note the relay | – | – |
//!
//! ¹ Only if the content hashes to the id and there is room; otherwise the copy is dropped and counted. ² At most one
//! per relay, and `max_parked` in all.
//!
//! An id is *seen* only once its signature was verified: a forged copy can delay the real one by a check, never suppress
//! it. No id is ever remembered as bad. A seen id only ever drops a copy, or hands out the verified event itself.

mod flight;
mod held;
mod seen;
#[cfg(test)]
mod tests;

use alloc::vec::Vec;
use core::cmp::Reverse;

use nostr_proto::{BadSignature, Event, EventId, HashedEvent, Proof, Signature, VerifiedEvent};

use crate::config::Config;
use crate::ids::{RelayIx, SubId};
use crate::planted::planted;

pub(crate) use flight::Waiter;
use flight::{Flight, Flights};
use held::Held;
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
    /// Verified once, but no longer at hand: parse and verify the copy.
    Forgotten,
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
    /// There was no room to keep it.
    CrowdedOut,
}

/// What an answer of the verifier meant.
#[derive(Debug, PartialEq)]
pub(crate) enum Decision {
    /// The event is good: deliver it, and let the waiters go on. The copies that `spare` had parked are not needed.
    Good { event: VerifiedEvent, waiters: Vec<Waiter>, spare: Vec<RelayIx> },
    /// This copy was forged by `culprit`; another copy is to be verified, which `same` had parked, too.
    TryNext { culprit: RelayIx, event: HashedEvent, same: Vec<RelayIx> },
    /// Every copy that was checked was forged, the last one by `culprit`: let the waiters go on. `crowded_out`: others
    /// had come that there was no room to park.
    Bad { culprit: RelayIx, waiters: Vec<Waiter>, crowded_out: bool },
    /// Nobody waits for it.
    Unknown,
}

/// See the module's table.
#[derive(Debug)]
pub(crate) struct Dedup {
    seen: Seen,
    held: Held,
    flights: Flights,
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
        match self.seen.hit(id, relay, sub) {
            Some(true) => return Known::Delivered,
            Some(false) => {
                if let Some(event) = self.held.get(id) {
                    return Known::Held(event.clone());
                }
            }
            None => {}
        }
        if self.flights.get_mut(id).is_some() {
            if planted!(self, SeenBeforeVerified) { Known::Delivered } else { Known::InFlight }
        } else if self.seen.contains(id) {
            Known::Forgotten
        } else {
            Known::Unknown
        }
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
        let flight = Flight {
            event: event.clone(),
            source: waiter.relay,
            relays: alloc::vec![waiter.relay],
            parked: alloc::collections::VecDeque::new(),
            waiters: alloc::vec![waiter],
            crowded_out: false,
        };
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

    /// The verifier answered for an event in flight.
    pub(crate) fn decide(&mut self, id: &EventId, outcome: Result<Proof, BadSignature>) -> Decision {
        let Some(flight) = self.flights.get_mut(id) else { return Decision::Unknown };
        let culprit = flight.source;
        let verified = outcome.ok().and_then(|proof| VerifiedEvent::new(flight.event.clone(), proof).ok());
        let Some(event) = verified else {
            #[cfg(feature = "planted-bugs")]
            if planted!(self, NegativeCache) {
                self.bad.insert(*id);
            }
            if !planted!(self, ParkedCopyForgotten)
                && let Some((event, same)) = self.flights.next_copy(id)
            {
                return Decision::TryNext { culprit, event, same };
            }
            let Some(flight) = self.flights.finish(id) else { return Decision::Unknown };
            return Decision::Bad { culprit, waiters: flight.waiters, crowded_out: flight.crowded_out };
        };
        let Some(flight) = self.flights.finish(id) else { return Decision::Unknown };
        self.seen.insert(*id, flight.relays);
        self.held.insert(event.clone());
        let spare = flight.parked.iter().map(|(relay, _)| *relay).collect();
        Decision::Good { event, waiters: flight.waiters, spare }
    }

    /// The newest verified version, other than itself, of what this event replaces, if one is at hand. Looks at all that
    /// are: for the application's own calls, not for what relays send.
    pub(crate) fn held_version(&self, event: &Event) -> Option<VerifiedEvent> {
        let address = event.address()?;
        let same = |other: &&VerifiedEvent| {
            other.kind() == event.kind()
                && other.pubkey() == event.pubkey()
                && other.id() != event.id()
                && other.address().as_ref() == Some(&address)
        };
        self.held.iter().filter(same).min_by_key(|version| (Reverse(version.created_at()), version.id())).cloned()
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

    /// Whether a paused relay may be read from again.
    pub(crate) fn is_relieved(&self, relay: RelayIx) -> bool {
        self.flights.of(relay) * 4 <= self.max_per_relay && self.flights.len() * 2 <= self.max_in_flight
    }
}

fn note_copy(flight: &mut Flight, relay: RelayIx, signature: Signature, max_parked: usize) -> Copy {
    if flight.event.signature() == signature {
        if !flight.relays.contains(&relay) {
            flight.relays.push(relay);
        }
        Copy::Same
    } else if flight.parked.len() < max_parked && !flight.parked.iter().any(|(r, _)| *r == relay) {
        flight.parked.push_back((relay, signature));
        Copy::Parked
    } else if flight.parked.contains(&(relay, signature)) {
        Copy::Same
    } else {
        flight.crowded_out = true;
        Copy::CrowdedOut
    }
}
