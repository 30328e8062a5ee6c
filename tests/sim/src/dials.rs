//! What has to hold of dials: each failure in a row doubles the wait, and only a stable connection ends the row.

use std::collections::BTreeMap;
use std::time::Duration;

use nostr_pool_core::{Config, Instant};
use nostr_proto::RelayUrl;

#[derive(Clone, Copy, Debug, Default)]
struct Line {
    failures: u32,
    opened: Option<Instant>,
    /// Not to be dialled before, unless the user wants it.
    until: Option<Instant>,
}

/// Every relay's dials.
#[derive(Debug)]
pub(super) struct Dials {
    lines: BTreeMap<RelayUrl, Line>,
    base: Duration,
    max: Duration,
    stable: Duration,
}

impl Dials {
    pub(super) fn new(config: &Config) -> Self {
        Self { lines: BTreeMap::new(), base: config.backoff_base, max: config.backoff_max, stable: config.stable_after }
    }

    fn line(&mut self, relay: &RelayUrl) -> &mut Line {
        self.lines.entry(relay.clone()).or_default()
    }

    pub(super) fn dialled(&mut self, relay: &RelayUrl, now: Instant) -> Result<(), &'static str> {
        match self.line(relay).until.take() {
            Some(until) if now < until => Err("no dial before the back-off is over"),
            _ => Ok(()),
        }
    }

    pub(super) fn opened(&mut self, relay: &RelayUrl, now: Instant) {
        self.line(relay).opened = Some(now);
    }

    /// The socket is gone, or the pool closes it.
    pub(super) fn ended(&mut self, relay: &RelayUrl, now: Instant) {
        let stable = self.stable;
        let line = self.line(relay);
        if line.opened.take().is_some_and(|at| now.saturating_since(at) >= stable) {
            line.failures = 0;
        }
    }

    /// The pool says that it waits.
    pub(super) fn backs_off(&mut self, relay: &RelayUrl, until: Instant, now: Instant) -> Result<(), &'static str> {
        let (base, max) = (self.base, self.max);
        let line = self.line(relay);
        line.until = Some(until);
        let wait = (0..line.failures).fold(base, |wait, _| (wait * 2).min(max));
        line.failures += 1;
        if until.saturating_since(now) < wait { Err("each failure in a row doubles the wait") } else { Ok(()) }
    }

    /// The user wants connections now (`afresh`: as if nothing had failed).
    pub(super) fn user_wants(&mut self, relay: Option<&RelayUrl>, afresh: bool) {
        for (_, line) in self.lines.iter_mut().filter(|(url, _)| relay.is_none_or(|wanted| wanted == *url)) {
            line.until = None;
            if afresh {
                line.failures = 0;
            }
        }
    }
}
