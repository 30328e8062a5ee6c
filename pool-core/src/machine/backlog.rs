//! What the applications have not taken: relays are not read from for a while when it is too much, and what was skipped is
//! asked for when there is room again.

use alloc::vec::Vec;

use crate::backlog::Reading;
use crate::ids::{PublishId, RelayIx, SubId};
use crate::time::Instant;
use crate::timers::TimerKey;

use super::Core;

impl Core {
    /// To be called after every step: what is untaken may be too much, or no longer.
    pub(super) fn review_backlog(&mut self) {
        // What these are told may be too much once more: then the rest are still held up.
        for id in self.fx.untaken.has_room_again() {
            self.relieve_sub(id);
            if let Some(sub) = self.subs.get(&id) {
                sub.note_held_up(&mut self.fx);
            }
        }
        let before = self.backlog.stopped_until();
        let change = self.backlog.review(&self.fx.untaken, self.config.queue_pause, self.now.mono);
        match change {
            None => {}
            Some(Reading::Stop { until }) => {
                self.stop_reading(Some(until));
                let pause = until.saturating_since(self.now.mono);
                self.put_off_oks(|at| at + pause);
            }
            Some(Reading::GoOn) => {
                self.stop_reading(None);
                let (now, planned) = (self.now.mono, before.unwrap_or(self.now.mono));
                let (unused, more) = (planned.saturating_since(now), now.saturating_since(planned));
                self.put_off_oks(|at| at + more - unused);
                for id in self.subs.keys().copied().collect::<Vec<SubId>>() {
                    self.sync_sub(id);
                }
            }
        }
        if change.is_some() || before.is_none() {
            let deadline = self.backlog.deadline();
            self.arm(TimerKey::Backlog, deadline);
        }
    }

    /// A socket that opens while none is read from is not, either.
    pub(super) fn stop_if_backlogged(&mut self, ix: RelayIx) {
        let until = self.backlog.stopped_until();
        if until.is_some()
            && let Some(relay) = self.relays.get_mut(&ix)
        {
            relay.conn.set_stopped(until, self.now.mono, &mut self.fx);
        }
    }

    fn stop_reading(&mut self, until: Option<Instant>) {
        let open: Vec<RelayIx> =
            self.relays.iter().filter(|(_, r)| r.conn.open_socket().is_some()).map(|(&ix, _)| ix).collect();
        for ix in open {
            if let Some(relay) = self.relays.get_mut(&ix) {
                relay.conn.set_stopped(until, self.now.mono, &mut self.fx);
            }
            self.rearm_connection(ix);
        }
    }

    pub(super) fn rearm_connection(&mut self, ix: RelayIx) {
        let deadline = self.relays.get(&ix).and_then(|relay| relay.conn.deadline(&self.config));
        self.arm(TimerKey::Connection(ix), deadline);
    }

    /// The OKs that are awaited; the callers' own deadlines stay.
    fn put_off_oks(&mut self, shift: impl Fn(Instant) -> Instant) {
        let waiting: Vec<PublishId> =
            self.publishes.values_mut().filter_map(|p| p.put_off(&shift).then_some(p.id)).collect();
        for id in waiting {
            self.on_publish(id, |_, _, _, _| ());
        }
    }
}
