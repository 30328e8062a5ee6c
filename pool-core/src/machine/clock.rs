//! The wall clock, held against the monotonic one: a step back means that it was ahead before, perhaps.

use alloc::vec::Vec;

use nostr_proto::Timestamp;

use crate::event::Why;
use crate::ids::{RelayIx, SubId};
use crate::subscription::Subscription;
use crate::time::Instant;
use crate::timers::TimerKey;

use super::Core;

/// Both clocks are read one after the other, and the wall clock in whole seconds.
const TOLERANCE: u64 = 2;

impl Core {
    /// The clocks showed this before. If the wall clock was set back since, it may have been ahead until now: what it said
    /// of when relays were alive is too late by as much, and so is the beginning of what runs.
    pub(super) fn note_wall_clock(&mut self, mono: Instant, unix: Timestamp) {
        let expected = unix.saturating_add(self.now.mono.saturating_since(mono).as_secs());
        let back = expected.as_secs().saturating_sub(self.now.unix.as_secs());
        if back <= TOLERANCE {
            return;
        }
        self.relays.values_mut().for_each(|relay| relay.conn.set_back(back));
        for sub in self.subs.values_mut() {
            sub.legs.values_mut().for_each(|(_, leg)| leg.set_back(back));
        }
        // Not in the middle of something else.
        self.arm(TimerKey::Clock, Some(self.now.mono));
    }

    /// Requests that begin too late are made again.
    pub(super) fn on_clock_set_back(&mut self) {
        let of = |sub: &Subscription| {
            let legs = sub.legs.iter().filter(|(_, (_, leg))| leg.is_dated());
            legs.map(|(&ix, _)| (sub.id, ix)).collect::<Vec<_>>()
        };
        let again: Vec<(SubId, RelayIx)> = self.subs.values().flat_map(|sub| of(sub)).collect();
        for (id, ix) in again {
            self.ask_anew(id, ix);
        }
    }

    /// A request that begins at a date is made again, from an earlier one.
    fn ask_anew(&mut self, id: SubId, ix: RelayIx) {
        let proven = self.relays.get(&ix).and_then(|relay| relay.conn.proven());
        let sub = self.subs.get_mut(&id).filter(|sub| sub.legs.get(&ix).is_some_and(|(_, leg)| leg.is_dated()));
        let running = sub.map(|sub| sub.ask_anew(ix, proven, Why::Credit, &mut self.fx)).unwrap_or_default();
        // All legs leave their requests before any of them is asked again.
        running.into_iter().for_each(|wire| self.release_wire(ix, wire));
        self.review_page(ix, id);
        self.note_need(ix, id);
        self.enqueue_ask(ix, id);
        self.sync_sub(id);
    }
}
