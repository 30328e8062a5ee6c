//! How long to wait before the next dial.

use core::time::Duration;

use crate::config::Config;
use crate::rng::Rng;

/// Exponential back-off with jitter: `min(base · 2ⁿ + jitter, max)` after the n-th failure in a row, counted from 0.
#[derive(Debug)]
pub(crate) struct Backoff {
    rng: Rng,
    failures: u32,
}

impl Backoff {
    pub(crate) fn new(rng: Rng) -> Self {
        Self { rng, failures: 0 }
    }

    /// Failures in a row.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// The wait after one more failure.
    pub(crate) fn next(&mut self, config: &Config) -> Duration {
        let factor = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1);
        config.backoff_base.saturating_mul(factor).saturating_add(self.jitter(config)).min(config.backoff_max)
    }

    /// A random share of the jitter.
    pub(crate) fn jitter(&mut self, config: &Config) -> Duration {
        self.rng.jitter(config.backoff_jitter)
    }

    /// The next failure is the first in a row again.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}
