//! What has to hold of quarantines: only for forging, always for much of it, and nothing but the application ends one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use nostr_pool_core::{Config, ConnectionState, Instant};
use nostr_proto::RelayUrl;

use super::judge::Judged;

/// How far apart two events may be that the pool counts together: it judges the first one late.
const SLACK: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct Line {
    /// Whether it never forges.
    honest: bool,
    /// Whether the application vouches for it.
    vouched: bool,
    /// What it sent of late: when, which id, whether forged, and whether plainly.
    sent: VecDeque<(Instant, String, Judged)>,
    /// What it sent that is genuine, ever: of that, no copy is looked at again.
    good: BTreeSet<String>,
    until: Option<Instant>,
    /// Since when the pool counts, at the latest.
    since: Instant,
    /// It sent too much that is forged, and is not in quarantine.
    overdue: bool,
}

impl Default for Line {
    fn default() -> Self {
        let (sent, good, since) = (VecDeque::new(), BTreeSet::new(), Instant::ZERO);
        Self { honest: false, vouched: false, sent, good, until: None, since, overdue: false }
    }
}

/// Every relay's forgeries and quarantines.
#[derive(Debug)]
pub(super) struct Quarantines {
    lines: BTreeMap<RelayUrl, Line>,
    /// Who sent each id.
    brought: BTreeMap<String, BTreeSet<RelayUrl>>,
    min: usize,
    percent: usize,
    window: Duration,
    base: Duration,
    max: Duration,
    begun: u64,
}

impl Quarantines {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            lines: BTreeMap::new(),
            brought: BTreeMap::new(),
            min: config.quarantine_min_forged,
            percent: usize::from(config.quarantine_percent),
            window: config.quarantine_window,
            base: config.quarantine_base,
            max: config.quarantine_max,
            begun: 0,
        }
    }

    fn line(&mut self, relay: &RelayUrl) -> &mut Line {
        self.lines.entry(relay.clone()).or_default()
    }

    /// Nothing that this relay sends is forged.
    pub(super) fn is_honest(&mut self, relay: &RelayUrl) {
        self.line(relay).honest = true;
    }

    /// The application vouches for a relay, or no longer. What came while it did does not count.
    pub(super) fn vouched(&mut self, relay: &RelayUrl, vouched: bool, now: Instant) {
        let line = self.line(relay);
        if line.vouched && !vouched {
            line.since = now;
        }
        line.vouched = vouched;
    }

    /// An event for a running request that asks for it reaches the pool, or did not ask: `matches`.
    pub(super) fn heard(
        &mut self,
        relay: &RelayUrl,
        id: &str,
        judged: Judged,
        matches: bool,
        now: Instant,
    ) -> Result<(), &'static str> {
        self.brought.entry(id.to_owned()).or_default().insert(relay.clone());
        let (min, percent, window) = (self.min, self.percent, self.window);
        let brought = &self.brought;
        let line = self.lines.entry(relay.clone()).or_default();
        if line.overdue {
            return Err("a relay that forges too much is left alone");
        }
        while line.sent.front().is_some_and(|(at, ..)| now.saturating_since(*at) > window + SLACK) {
            line.sent.pop_front();
        }
        // What comes for a request that is over is not looked at: it is forged all the same, but not plainly.
        let judged = if judged == Judged::BadHash && !matches { Judged::BadSignature } else { judged };
        if judged == Judged::Good {
            line.good.insert(id.to_owned());
        }
        line.sent.push_back((now, id.to_owned(), judged));
        // Plain is what nobody else sent, and what needs no verifier to be found out. The pool counts in tenths.
        let plain = |sent: &&(Instant, String, Judged)| {
            sent.2 == Judged::BadHash
                && sent.0 > line.since
                && !line.good.contains(&sent.1)
                && now.saturating_since(sent.0) < window * 8 / 10
                && brought.get(&sent.1).is_some_and(|relays| relays.len() == 1)
        };
        // Only what is plainly forged can be too much.
        if matches && !line.vouched && judged == Judged::BadHash {
            let forged: BTreeSet<&String> = line.sent.iter().filter(plain).map(|(_, id, _)| id).collect();
            let all: BTreeSet<&String> = line.sent.iter().map(|(_, id, _)| id).collect();
            line.overdue = forged.len() >= min.max(1) && forged.len() * 100 > all.len() * percent * 2;
        }
        Ok(())
    }

    /// The pool tells a relay's state.
    pub(super) fn state(&mut self, relay: &RelayUrl, state: ConnectionState, now: Instant) -> Result<(), &'static str> {
        let (min, percent, base, max) = (self.min, self.percent, self.base, self.max);
        let line = self.lines.entry(relay.clone()).or_default();
        let ConnectionState::Quarantined { until } = state else { return Ok(()) };
        line.overdue = false;
        if line.until.replace(until) == Some(until) {
            return Ok(());
        }
        self.begun += 1;
        if line.honest {
            return Err("an honest relay is never left alone");
        }
        let ids = |forged: bool| {
            let counts = |judged| !forged || matches!(judged, Judged::BadHash | Judged::BadSignature);
            let ids: BTreeSet<&String> = line.sent.iter().filter(|sent| counts(sent.2)).map(|(_, id, _)| id).collect();
            ids.len()
        };
        // All distinct events are estimated, so that the share may be a little off.
        if ids(true) < min || ids(true) * 125 <= ids(false) * percent {
            return Err("a relay is left alone for forging alone, and not for little");
        }
        // It begins before the socket is gone, which is when it is told; and after what the relay sent last.
        let last = line.sent.back().map_or(now, |(at, ..)| *at);
        if until.saturating_since(last) < base || until.saturating_since(now) > max {
            return Err("a quarantine has its length");
        }
        line.since = now;
        Ok(())
    }

    pub(super) fn dialled(&mut self, relay: &RelayUrl, now: Instant) -> Result<(), &'static str> {
        let line = self.line(relay);
        match line.until {
            Some(until) if now < until => Err("a relay that is left alone is not dialled"),
            _ => Ok(()),
        }
    }

    /// The application wants a connection all the same, or a relay as if nothing had been; `None`: all.
    pub(super) fn lifted(&mut self, relay: Option<&RelayUrl>, now: Instant) {
        for (_, line) in self.lines.iter_mut().filter(|(url, _)| relay.is_none_or(|wanted| wanted == *url)) {
            line.until = None;
            line.overdue = false;
            line.since = now;
        }
    }

    /// How many there were.
    pub(super) fn begun(&self) -> u64 {
        self.begun
    }
}
