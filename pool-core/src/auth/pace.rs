//! How often challenges are answered.

use alloc::collections::VecDeque;

use crate::config::Config;
use crate::time::Instant;

/// Signatures asked for lately, oldest first; at most `max_auth_signings` of them. Outlives connections: a relay that
/// drops them and challenges anew costs the signer no more than one that stays.
#[derive(Debug, Default)]
pub(super) struct Pace {
    lately: VecDeque<Instant>,
}

impl Pace {
    /// Notes a signature that is asked for now; or says when it may be.
    pub(super) fn take(&mut self, config: &Config, now: Instant) -> Result<(), Instant> {
        while self.lately.front().is_some_and(|at| *at + config.auth_window <= now) {
            self.lately.pop_front();
        }
        match self.lately.front() {
            Some(oldest) if self.lately.len() >= config.max_auth_signings.max(1) => Err(*oldest + config.auth_window),
            _ => {
                self.lately.push_back(now);
                Ok(())
            }
        }
    }
}
