//! What waits to be sent to one relay.

use alloc::collections::{BTreeSet, VecDeque};
use core::time::Duration;

use crate::config::Config;
use crate::ids::{PublishId, SubId, WireId};
use crate::time::Instant;

/// Intentions, not frames: they are encoded when the socket has room, so that what was overtaken is never sent. Each
/// subscription and each publish stands here once at most. All of it is void when the connection is lost.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    /// Requests to close. Never held up by a pause. At most one per request that was sent, and one stray a second.
    pub(crate) closes: VecDeque<WireId>,
    pub(crate) events: BTreeSet<PublishId>,
    pub(crate) asks: BTreeSet<SubId>,
    /// Until when the relay asked for peace.
    pub(crate) held_until: Option<Instant>,
    /// Pauses in a row.
    pauses: u32,
    last_stray: Option<Instant>,
}

impl Lanes {
    /// Forgets what waits. The pause stays: a new connection does not make the relay less busy.
    pub(crate) fn clear(&mut self) {
        self.closes.clear();
        self.events.clear();
        self.asks.clear();
        self.last_stray = None;
    }

    /// The relay said `rate-limited`: REQs and EVENTs wait, twice as long as the last time. During a pause, more of the
    /// same changes nothing: it answers what was sent before.
    pub(crate) fn pause(&mut self, config: &Config, now: Instant) {
        if self.is_held(now) {
            return;
        }
        let wait = config.retry_base.saturating_mul(1_u32.checked_shl(self.pauses).unwrap_or(u32::MAX));
        self.pauses = self.pauses.saturating_add(1);
        self.held_until = Some(now + wait.min(config.backoff_max));
    }

    /// The relay took something: the next pause is short again.
    pub(crate) fn went_well(&mut self) {
        self.pauses = 0;
    }

    pub(crate) fn is_held(&self, now: Instant) -> bool {
        self.held_until.is_some_and(|at| at > now)
    }

    /// An event came for a request that was closed: CLOSE is said once more, but not for every straggler.
    pub(crate) fn close_stray(&mut self, wire: WireId, now: Instant) {
        const BETWEEN: Duration = Duration::from_secs(1);
        const MOST: usize = 64;
        if self.closes.len() < MOST && self.last_stray.is_none_or(|at| at + BETWEEN <= now) {
            self.last_stray = Some(now);
            self.closes.push_back(wire);
        }
    }
}
