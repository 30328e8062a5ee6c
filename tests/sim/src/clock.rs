//! The clocks: the true time, and what the device reads.

use nostr_pool_core::{Instant, Now};
use nostr_proto::Timestamp;

/// Virtual unix time at which every run begins.
pub(super) const EPOCH: u64 = 1_700_000_000;

/// The monotonic clock stands.
#[derive(Clone, Copy, Debug)]
struct Stand {
    /// What it reads, which may be earlier than what it read before.
    reads: u64,
    /// Until this true time.
    until: u64,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clock {
    /// Microseconds of true time.
    micros: u64,
    /// Seconds by which the wall clock is ahead.
    ahead: i64,
    stand: Option<Stand>,
    /// The latest that the core was told.
    told: u64,
}

impl Clock {
    pub(super) fn micros(&self) -> u64 {
        self.micros
    }

    /// What the device reads, for the core.
    pub(super) fn read(&mut self) -> Now {
        let mono = self.mono();
        self.told = self.told.max(mono);
        self.at(mono)
    }

    /// The same, as one who knows that a monotonic clock never goes back takes it.
    pub(super) fn now(&self) -> Now {
        self.at(self.mono().max(self.told))
    }

    fn mono(&self) -> u64 {
        self.stand.map_or(self.micros, |stand| stand.reads)
    }

    /// The true date, which other people's events bear.
    pub(super) fn date(&self) -> Timestamp {
        Timestamp::new(EPOCH + self.micros / 1_000_000)
    }

    /// The true time at which the true date is that, now at the soonest.
    pub(super) fn when_dated(&self, date: Timestamp) -> u64 {
        (date.as_secs().saturating_sub(EPOCH) * 1_000_000).max(self.micros)
    }

    pub(super) fn ahead(&self) -> i64 {
        self.ahead
    }

    pub(super) fn step_wall(&mut self, seconds: i64) {
        self.ahead = (self.ahead + seconds).clamp(-86_400, 86_400);
    }

    pub(super) fn set_wall_right(&mut self) {
        self.ahead = 0;
    }

    pub(super) fn stand_still(&mut self, micros: u64, back: u64) {
        if self.stand.is_none() {
            let at = self.micros;
            self.stand = Some(Stand { reads: at.saturating_sub(back), until: at + micros });
        }
    }

    /// Another process reads it: what stood for the one before need not stand for that.
    pub(super) fn begin_anew(&mut self) {
        self.stand = None;
    }

    /// The true time at which the device's clock reads `at`, now at the soonest.
    pub(super) fn when(&self, at: Instant) -> u64 {
        let at = at.as_micros();
        match self.stand {
            Some(stand) if at > stand.reads.max(self.told) => at.max(stand.until),
            _ => at.max(self.micros),
        }
    }

    /// Goes on to this true time. Tells where the monotonic clock stood if it is right again.
    pub(super) fn go_to(&mut self, micros: u64) -> Option<Instant> {
        self.micros = self.micros.max(micros);
        let stand = self.stand.filter(|stand| stand.until <= self.micros)?;
        self.stand = None;
        Some(Instant::from_micros(stand.reads.max(self.told)))
    }

    fn at(&self, mono: u64) -> Now {
        let unix = self.date().as_secs().saturating_add_signed(self.ahead);
        Now { mono: Instant::from_micros(mono), unix: Timestamp::new(unix) }
    }
}
