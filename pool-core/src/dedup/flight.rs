//! Events whose signature is being checked.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

use nostr_proto::{EventId, HashedEvent, Signature};

use crate::event::Mark;
use crate::ids::{RelayIx, SubId, WireId};

/// A request that brought a copy and whose EOSE waits for the decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Waiter {
    pub(crate) sub: SubId,
    pub(crate) relay: RelayIx,
    pub(crate) wire: WireId,
    pub(crate) mark: Mark,
}

/// An event in flight. Its content hashed to its id, so another copy can differ in the signature alone.
#[derive(Debug)]
pub(crate) struct Flight {
    pub(crate) event: HashedEvent,
    /// Whose copy is being checked; it counts against this relay's share.
    pub(crate) source: RelayIx,
    /// Who brought this very signature, the first one first.
    pub(crate) relays: Vec<RelayIx>,
    /// Other signatures for the same content, at most one per relay, for the case that this one is forged.
    pub(crate) parked: VecDeque<(RelayIx, Signature)>,
    /// Who brought signatures that were found forged: of those, no more are parked, or they could go on for ever.
    pub(crate) refuted: Vec<RelayIx>,
    /// Who brought other signatures that were not kept, each relay once.
    pub(crate) crowded_out: Vec<RelayIx>,
    /// Whom the decision concerns, in the order in which they came; at most one entry per request.
    pub(crate) waiters: Vec<Waiter>,
    /// Who they are, if they are more than a few.
    waiting: BTreeSet<(SubId, RelayIx, WireId)>,
}

impl Flight {
    /// A first copy, which this leg waits for.
    pub(crate) fn new(event: HashedEvent, waiter: Waiter) -> Self {
        Self {
            event,
            source: waiter.relay,
            relays: alloc::vec![waiter.relay],
            parked: VecDeque::new(),
            refuted: Vec::new(),
            crowded_out: Vec::new(),
            waiters: alloc::vec![waiter],
            waiting: BTreeSet::new(),
        }
    }

    /// Notes who waits. False: this leg waits already.
    pub(crate) fn wait(&mut self, waiter: Waiter) -> bool {
        const FEW: usize = 16;
        let who = |w: &Waiter| (w.sub, w.relay, w.wire);
        if self.waiters.len() == FEW {
            self.waiting = self.waiters.iter().map(who).collect();
        }
        let new = match self.waiters.len() < FEW {
            true => !self.waiters.iter().any(|w| who(w) == who(&waiter)),
            false => self.waiting.insert(who(&waiter)),
        };
        if new {
            self.waiters.push(waiter);
        }
        new
    }

    /// Whether another signature from this relay is kept.
    pub(crate) fn may_park(&self, relay: RelayIx, max_parked: usize) -> bool {
        self.parked.len() < max_parked
            && !self.parked.iter().any(|(parked, _)| *parked == relay)
            && !self.refuted.contains(&relay)
    }
}

/// All events in flight, and how many of them each relay is answerable for.
#[derive(Debug, Default)]
pub(crate) struct Flights {
    by_id: BTreeMap<EventId, Flight>,
    per_relay: BTreeMap<RelayIx, usize>,
}

impl Flights {
    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// How many copies of an event in flight are parked.
    #[cfg(test)]
    pub(crate) fn parked(&self, id: &EventId) -> Option<usize> {
        self.by_id.get(id).map(|flight| flight.parked.len())
    }

    pub(crate) fn of(&self, relay: RelayIx) -> usize {
        self.per_relay.get(&relay).copied().unwrap_or(0)
    }

    pub(crate) fn get(&self, id: &EventId) -> Option<&Flight> {
        self.by_id.get(id)
    }

    pub(crate) fn get_mut(&mut self, id: &EventId) -> Option<&mut Flight> {
        self.by_id.get_mut(id)
    }

    pub(crate) fn start(&mut self, id: EventId, flight: Flight) {
        *self.per_relay.entry(flight.source).or_default() += 1;
        self.by_id.insert(id, flight);
    }

    pub(crate) fn finish(&mut self, id: &EventId) -> Option<Flight> {
        let flight = self.by_id.remove(id)?;
        self.unshare(flight.source);
        Some(flight)
    }

    /// The first copy was forged: the next parked signature is to be checked instead, which `same` brought, too. `None`:
    /// there is none.
    pub(crate) fn next_copy(&mut self, id: &EventId) -> Option<(HashedEvent, Vec<RelayIx>)> {
        let flight = self.by_id.get_mut(id)?;
        let (relay, signature) = flight.parked.pop_front()?;
        flight.event = flight.event.clone().with_signature(signature);
        flight.refuted.append(&mut flight.relays);
        flight.relays.push(relay);
        // Others that parked the very same signature have the event, too, if it is good.
        let same: Vec<_> = flight.parked.iter().filter(|(_, s)| *s == signature).map(|(r, _)| *r).collect();
        flight.relays.extend(&same);
        flight.parked.retain(|(_, s)| *s != signature);
        let (old, event) = (flight.source, flight.event.clone());
        flight.source = relay;
        self.unshare(old);
        *self.per_relay.entry(relay).or_default() += 1;
        Some((event, same))
    }

    fn unshare(&mut self, relay: RelayIx) {
        if let Some(n) = self.per_relay.get_mut(&relay) {
            *n -= 1;
            if *n == 0 {
                self.per_relay.remove(&relay);
            }
        }
    }
}
