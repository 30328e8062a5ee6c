//! What has to hold of messages to a relay that said `rate-limited`: a pause, and then one by one.

use std::collections::BTreeMap;
use std::time::Duration;

use nostr_pool_core::{Config, Instant};
use nostr_proto::RelayUrl;
use serde_json::Value;

#[derive(Debug, Default)]
struct Line {
    /// Nothing goes out before.
    until: Option<Instant>,
    /// When the relay refused last, and when something went out last.
    refused: Option<Instant>,
    sent: Option<Instant>,
}

/// Every relay's refusals, and what was sent to it.
#[derive(Debug)]
pub(super) struct Paces {
    lines: BTreeMap<RelayUrl, Line>,
    pause: Duration,
    /// The shortest distance between messages for some time after a refusal.
    distance: Duration,
    memory: Duration,
}

impl Paces {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            lines: BTreeMap::new(),
            pause: config.retry_base.min(config.backoff_max),
            distance: config.pace_base.min(config.pace_max) / 8,
            memory: config.pace_memory,
        }
    }

    /// A CLOSED for a request of ours or an OK for an event that was sent reaches the pool.
    pub(super) fn heard(&mut self, relay: &RelayUrl, message: &Value, now: Instant) {
        let reason = match message[0].as_str() {
            Some("CLOSED") => &message[2],
            Some("OK") if message[2] == false => &message[3],
            _ => return,
        };
        let prefix = reason.as_str().unwrap_or_default().split(':').next().unwrap_or_default();
        if prefix.trim().eq_ignore_ascii_case("rate-limited") {
            let line = self.lines.entry(relay.clone()).or_default();
            // What answers messages from before the last refusal tells nothing new.
            if line.refused.is_none() || line.sent > line.refused {
                line.refused = Some(now);
                line.until = Some(now + self.pause);
            }
        }
    }

    /// A frame goes out.
    pub(super) fn sent(&mut self, relay: &RelayUrl, frame: &str, now: Instant) -> Result<(), &'static str> {
        let (distance, memory) = (self.distance, self.memory);
        let Some(line) = self.lines.get_mut(relay) else { return Ok(()) };
        if !["[\"REQ\"", "[\"COUNT\"", "[\"EVENT\""].iter().any(|verb| frame.starts_with(verb)) {
            return Ok(());
        }
        if line.until.is_some_and(|until| now < until) {
            return Err("a relay that wants a pause has it");
        }
        let before = line.sent.replace(now);
        let is_slow = line.refused.is_some_and(|at| now.saturating_since(at) < memory);
        match before {
            Some(before) if is_slow && line.refused < Some(before) && now.saturating_since(before) < distance => {
                Err("a relay that wanted a pause gets messages one by one")
            }
            _ => Ok(()),
        }
    }

    /// Whether it said so.
    pub(super) fn is_slow(&self, relay: &RelayUrl) -> bool {
        self.lines.contains_key(relay)
    }

    /// The relay is another one, or the pool forgot everything; `None`: all.
    pub(super) fn forgotten(&mut self, relay: Option<&RelayUrl>) {
        self.lines.retain(|url, _| relay.is_some_and(|gone| gone != url));
    }
}
