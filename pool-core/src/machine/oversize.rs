//! Finding the request whose answer has a message beyond the size limit. The requests that had no EOSE when the socket
//! was closed for size are suspects; on the next connection they are asked one at a time, after those that are none. The
//! one that is alone when that happens again is ended, with a gap. Pages are found out likewise; what such a leg owes is
//! given up, with a gap, and the leg goes on.
//!
//! Never holds up a request for longer than `eose_deadline` because of one that is silent, never ends one that was not
//! alone.

use alloc::vec::Vec;

use crate::ids::{RelayIx, SubId, WireId};
use crate::subscription::oversize::Suspicion;
use crate::time::Instant;

use super::Core;
use super::relays::Relay;

impl Core {
    /// The socket of this relay is about to be closed, because a message was beyond the size limit.
    pub(super) fn on_too_large(&mut self, ix: RelayIx) {
        self.pages_too_large(ix);
        let Some(relay) = self.relays.get(&ix) else { return };
        let legs: Vec<SubId> = relay.legs.iter().copied().collect();
        for sub in legs {
            let Some(s) = self.subs.get_mut(&sub) else { continue };
            if let Some(wire) = s.too_large(ix, &mut self.fx) {
                self.forget_wire(ix, wire);
                self.note_need(ix, sub);
                self.sync_sub(sub);
            }
            let suspect = self.subs.get_mut(&sub).and_then(|s| s.leg(ix)).map(|leg| leg.suspicion);
            let Some(relay) = self.relays.get_mut(&ix) else { return };
            match suspect {
                Some(Suspicion::Suspect | Suspicion::Alone) => drop(relay.suspects.insert(sub)),
                Some(Suspicion::None) | None => drop(relay.suspects.remove(&sub)),
            }
        }
    }

    fn pages_too_large(&mut self, ix: RelayIx) {
        let Some(relay) = self.relays.get(&ix) else { return };
        let alone = relay.paging.len() == 1 && self.size_wait(relay).is_none();
        for sub in relay.paging.clone() {
            let wire = self.subs.get_mut(&sub).and_then(|s| s.page_too_large(ix, alone, &mut self.fx));
            if let Some(wire) = wire {
                self.forget_wire(ix, wire);
                if let Some(relay) = self.relays.get_mut(&ix) {
                    relay.paging.remove(&sub);
                }
            }
        }
    }

    /// Whether a page has to wait for others because a message may be beyond the size limit.
    pub(super) fn is_page_held_for_size(&self, ix: RelayIx, relay: &Relay) -> bool {
        let alone = relay.paging.is_empty() && self.size_wait(relay).is_none();
        (self.has_suspect_page(ix, relay) && !alone) || self.is_trial_on(ix, relay)
    }

    fn has_suspect_page(&self, ix: RelayIx, relay: &Relay) -> bool {
        let suspect = |sub: &SubId| {
            let leg = self.subs.get(sub).and_then(|s| s.legs.get(&ix));
            leg.is_some_and(|(_, leg)| leg.owes_too_much)
        };
        relay.lanes.pages.iter().chain(&relay.paging).any(suspect)
    }

    /// Whether a request has to wait because a message may be beyond the size limit: a suspect for the others, and the
    /// others for the one suspect that is asked.
    pub(super) fn is_held_for_size(&self, ix: RelayIx, relay: &Relay, sub: SubId) -> bool {
        if relay.suspects.is_empty() {
            return false;
        }
        if relay.suspects.contains(&sub) { self.size_wait(relay).is_some() } else { self.is_trial_on(ix, relay) }
    }

    /// Whether a suspect is asked alone, and its EOSE is not overdue: nothing is to be asked beside it.
    pub(super) fn is_trial_on(&self, ix: RelayIx, relay: &Relay) -> bool {
        let on_trial = |sub: &SubId| {
            let leg = self.subs.get(sub).and_then(|s| s.legs.get(&ix));
            leg.is_some_and(|(_, leg)| leg.is_on_trial())
        };
        relay.suspects.iter().any(on_trial) && self.size_wait(relay).is_some()
    }

    /// Until when a suspect waits: for the EOSE of the request that was sent last, but not for ever.
    fn size_wait(&self, relay: &Relay) -> Option<Instant> {
        let last = relay.vitals.last_asked()?;
        Some(last + self.config.eose_deadline).filter(|at| *at > self.now.mono)
    }

    /// When something may be asked that waits because of size.
    pub(super) fn size_wake(&self, relay: &Relay) -> Option<Instant> {
        let waits = (!relay.suspects.is_empty() && !relay.plan.waiting.is_empty()) || !relay.lanes.pages.is_empty();
        if waits { self.size_wait(relay) } else { None }
    }

    /// A request is being sent, of a suspect perhaps; call it before it is noted as asked.
    pub(super) fn note_sent_for_size(&mut self, ix: RelayIx, sub: SubId) {
        let Some(relay) = self.relays.get(&ix).filter(|relay| !relay.suspects.is_empty()) else { return };
        let alone = self.size_wait(relay).is_none();
        let suspects = relay.suspects.clone();
        for suspect in suspects {
            let Some(leg) = self.subs.get_mut(&suspect).and_then(|s| s.leg(ix)) else { continue };
            leg.suspicion = if suspect == sub && alone { Suspicion::Alone } else { Suspicion::Suspect };
        }
    }

    /// A request has had its EOSE or CLOSED: its answer was within the limit.
    pub(super) fn note_in_size(&mut self, ix: RelayIx, sub: SubId, wire: WireId) {
        if let Some(relay) = self.relays.get_mut(&ix)
            && relay.suspects.contains(&sub)
            && let Some(leg) = self.subs.get_mut(&sub).and_then(|s| s.leg(ix))
            && leg.wire() == Some(wire)
        {
            leg.suspicion = Suspicion::None;
            relay.suspects.remove(&sub);
        }
    }

    /// What waited for an EOSE or a CLOSED may be asked.
    pub(super) fn next_suspect(&mut self, ix: RelayIx) {
        if self.relays.get(&ix).is_some_and(|relay| !relay.plan.waiting.is_empty() || !relay.lanes.pages.is_empty()) {
            self.pump(ix);
        }
    }
}
