//! The only place where the driver reads a wall clock.

use std::time::{Instant as StdInstant, SystemTime, UNIX_EPOCH};

use nostr_pool_core::{Instant, Now};
use nostr_proto::Timestamp;

/// Turns the runtime's monotonic clock and the system's wall clock into the core's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    epoch: StdInstant,
}

impl Clock {
    /// A clock whose epoch is this reading of the runtime's.
    pub(crate) fn starting_at(epoch: StdInstant) -> Self {
        Self { epoch }
    }

    /// Both clocks, the monotonic one as just read from the runtime.
    pub(crate) fn now(&self, mono: StdInstant) -> Now {
        // A wall clock set before 1970 counts as 1970: the core only compares timestamps.
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Now { mono: self.instant(mono), unix: Timestamp::new(unix) }
    }

    fn instant(&self, mono: StdInstant) -> Instant {
        Instant::ZERO + mono.saturating_duration_since(self.epoch)
    }
}
