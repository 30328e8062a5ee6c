//! Pseudo-random numbers drawn from the seed, for jitter: same seed, same numbers.

use core::hash::Hasher;
use core::time::Duration;

use siphasher::sip::SipHasher13;

/// SipHash in counter mode. Not for secrets: it spreads dials, nothing more.
#[derive(Clone, Debug)]
pub(crate) struct Rng {
    key: [u8; 16],
    counter: u64,
}

impl Rng {
    pub(crate) fn new(key: [u8; 16]) -> Self {
        Self { key, counter: 0 }
    }

    pub(crate) fn next_u64(&mut self) -> u64 {
        self.counter = self.counter.wrapping_add(1);
        let mut h = SipHasher13::new_with_key(&self.key);
        h.write_u64(self.counter);
        h.finish()
    }

    /// Uniform in `0..=max`, to the microsecond.
    pub(crate) fn jitter(&mut self, max: Duration) -> Duration {
        let micros = u64::try_from(max.as_micros()).unwrap_or(u64::MAX);
        match micros.checked_add(1) {
            Some(span) => Duration::from_micros(self.next_u64() % span),
            None => Duration::from_micros(self.next_u64()),
        }
    }
}
