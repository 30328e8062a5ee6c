//! What has to hold, written down naively: matching is done over JSON values, by code of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use nostr_pool_core::{
    Command, Config, ConnectionState, EndReason, Gap, GapCause, Instant, Item, LegState, Mark, Now, PoolEvent,
    PublishUpdate, RelayUpdate, SocketId, SubId,
};
use nostr_proto::{EventId, Filter, RelayUrl};
use serde_json::Value;

use super::dials::Dials;
use super::quorum::Publishes;
use super::shares::Shares;
use super::site::Site;
use super::watch::Watch;
use super::wire::Wire;

#[derive(Debug)]
struct Sub {
    filters: Vec<Filter>,
    relays: Vec<RelayUrl>,
    /// Whether it asks every relay of the pool that is read from.
    all: bool,
    live: bool,
    ended: bool,
    /// Ended by the shutdown alone.
    to_the_end: bool,
    /// Relays that it lost because they were taken out, or are not read from.
    left: BTreeSet<RelayUrl>,
    /// What it got, and whose share of the pool's memory that counts against: the relay's that brought it first.
    delivered: BTreeMap<EventId, Option<RelayUrl>>,
    next_seq: u64,
    /// Relays that were said to have refused for good, or to be gone.
    closed: BTreeSet<RelayUrl>,
    /// Whether the pool said that it skipped or dropped events.
    excused: bool,
    /// How often each relay was asked, and which are past their EOSE.
    asked: BTreeMap<RelayUrl, u32>,
    past_eose: BTreeSet<RelayUrl>,
    updated: bool,
    /// Which generation of filters, since when, and whether its EOSE was told.
    generation: u32,
    started: Instant,
    eose_told: bool,
    /// Relays from which something is missing, as was told.
    gaps: BTreeSet<RelayUrl>,
}

/// A socket that was asked for and is not known to be gone.
#[derive(Debug)]
struct Socket {
    url: RelayUrl,
    /// Whether its dial came through.
    open: bool,
    /// Since when it is being closed.
    closing: Option<Instant>,
}

/// Watches every command and every event of a run.
#[derive(Debug)]
pub struct Oracle {
    sockets: BTreeMap<SocketId, Socket>,
    subs: BTreeMap<SubId, Sub>,
    pub(super) publishes: Publishes,
    pub(super) dials: Dials,
    pub(super) wire: Wire,
    pub(super) shares: Shares,
    pub(super) watch: Watch,
    max_connections: usize,
    close_deadline: Duration,
    eose_deadline_max: Duration,
    delivered: u64,
    removed: bool,
    /// The wall clock is so far ahead that what is missed can't be asked for.
    astray: bool,
    /// When the core last handled what was due.
    timed: Instant,
}

impl Oracle {
    pub(super) fn new(config: &Config, sites: &[Site]) -> Self {
        Self {
            sockets: BTreeMap::new(),
            subs: BTreeMap::new(),
            publishes: Publishes::default(),
            dials: Dials::new(config),
            wire: Wire::new(config.send_credits),
            shares: Shares::new(config.max_seen, sites.len()),
            watch: Watch::new(config, sites),
            max_connections: config.max_connections,
            close_deadline: config.close_deadline,
            eose_deadline_max: config.eose_deadline_max,
            delivered: 0,
            removed: false,
            astray: false,
            timed: Instant::ZERO,
        }
    }

    pub(super) fn opened(&mut self, socket: SocketId, now: Instant) {
        if let Some(socket) = self.sockets.get_mut(&socket) {
            socket.open = true;
            self.dials.opened(&socket.url, now);
        }
    }

    /// The pool learns that a socket is gone. False: it knew.
    pub(super) fn gone(&mut self, socket: SocketId, now: Instant) -> bool {
        let Some(socket) = self.sockets.remove(&socket) else { return false };
        if socket.closing.is_none() {
            self.dials.ended(&socket.url, now);
        }
        true
    }

    pub(super) fn is_dialling(&self, socket: SocketId) -> bool {
        self.sockets.get(&socket).is_some_and(|socket| socket.closing.is_none())
    }

    /// Whether the pool takes this socket for open.
    pub(super) fn is_open(&self, socket: SocketId) -> bool {
        self.sockets.get(&socket).is_some_and(|socket| socket.open && socket.closing.is_none())
    }

    /// The newest socket of a relay.
    pub(super) fn socket_of(&self, relay: &RelayUrl) -> Option<SocketId> {
        let own = self.sockets.iter().filter(|(_, socket)| socket.url == *relay);
        own.max_by_key(|(id, socket)| (socket.closing.is_none(), **id)).map(|(&id, _)| id)
    }

    pub(super) fn sockets(&self) -> usize {
        self.sockets.len()
    }

    /// A command: one live socket per URL, and none for a socket that is gone.
    pub(super) fn command(&mut self, command: &Command, now: Instant) -> Result<(), &'static str> {
        match command {
            Command::Open { socket, url } => {
                if self.sockets.values().any(|known| known.url == *url && known.closing.is_none()) {
                    return Err("one live socket per relay");
                }
                self.dials.dialled(url, now)?;
                self.watch.dialled(url, now)?;
                self.sockets.insert(*socket, Socket { url: url.clone(), open: false, closing: None });
                // A closing handshake that takes too long is given up.
                let counts = |s: &&Socket| s.closing.is_none_or(|at| now < at + self.close_deadline);
                if self.sockets.values().filter(counts).count() > self.max_connections {
                    return Err("no more sockets than allowed");
                }
            }
            Command::Send { socket, .. } | Command::Ping { socket } => {
                if !self.is_dialling(*socket) {
                    return Err("nothing is sent on a socket that is gone or going");
                }
                match command {
                    Command::Send { frame, .. } => {
                        self.wire.sent(*socket, frame)?;
                        if let Some(known) = self.sockets.get(socket) {
                            self.watch.sent(&known.url, frame, now)?;
                        }
                    }
                    _ => self.wire.pinged(*socket),
                }
            }
            // A reset may be on its way to the pool while it closes the socket by itself.
            Command::Close { socket, .. } => match self.sockets.get_mut(socket) {
                Some(known) => {
                    if known.closing.is_none() {
                        known.closing = Some(now);
                        self.dials.ended(&known.url, now);
                    }
                }
                None => return Err("a socket that is gone is not closed"),
            },
            Command::PauseRead { .. } | Command::ResumeRead { .. } | Command::Verify { .. } | Command::Sign { .. } => {}
        }
        Ok(())
    }

    /// An event: delivered at most once, matching, numbered without holes; one verdict, in time. `called`: it came of a
    /// call of the application.
    pub(super) fn event(&mut self, event: &PoolEvent, now: Now, called: bool) -> Result<(), &'static str> {
        match event {
            PoolEvent::Item { sub: id, item } => {
                let Some(sub) = self.subs.get_mut(id) else { return Err("an item belongs to a subscription") };
                if let Item::Event(e) = item {
                    self.delivered += 1;
                    self.watch.delivered(*id, e, &json(&e.event.to_json()), now.unix.as_secs())?;
                }
                sub.item(item, &self.shares, self.removed)
            }
            PoolEvent::Publish { publish, update: PublishUpdate::Verdict(verdict) } => {
                self.publishes.verdict(*publish, verdict, now.mono)
            }
            PoolEvent::Relay { relay, update: RelayUpdate::State(state) } => {
                self.watch.state(relay, *state, now.mono)?;
                match state {
                    // A call can only shorten a wait.
                    ConnectionState::Backoff { until } if !called => self.dials.backs_off(relay, *until, now.mono),
                    _ => Ok(()),
                }
            }
            PoolEvent::Relay { relay, update: RelayUpdate::Removed } => {
                self.removed = true;
                self.dials.user_wants(Some(relay), true);
                self.watch.removed(relay, now.mono);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A frame reaches the pool.
    pub(super) fn heard(
        &mut self,
        socket: SocketId,
        site: &Site,
        text: &str,
        now: Instant,
    ) -> Result<(), &'static str> {
        let wire = &self.wire;
        self.watch.heard(site, text, |name| wire.runs(socket, name), now)
    }

    /// The core handled what is due by now. What was long due may be told at once, or be due again in a moment.
    pub(super) fn timed(&mut self, now: Instant) -> Result<(), String> {
        let before = std::mem::replace(&mut self.timed, now);
        for (id, sub) in self.subs.iter().filter(|(_, sub)| !sub.ended && !sub.eose_told) {
            if before >= sub.started + self.eose_deadline_max && now > before {
                return Err(format!("the aggregate EOSE comes by its deadline; missing: {id}"));
            }
        }
        Ok(())
    }

    /// The wall clock was set. Where it is ahead by more than the window and the skew, what is missed is not asked for.
    pub(super) fn wall_is_ahead(&mut self, seconds: i64) {
        self.astray |= seconds > 900;
    }

    /// The application reads from this relay from now on, or no longer.
    pub(super) fn reads(&mut self, relay: &RelayUrl, reads: bool) {
        for sub in self.subs.values_mut().filter(|sub| sub.all && !sub.ended) {
            if !reads {
                sub.closed.insert(relay.clone());
            } else if !sub.relays.contains(relay) {
                sub.relays.push(relay.clone());
            } else if sub.left.remove(relay) {
                sub.closed.remove(relay);
            }
        }
    }

    /// The application takes a relay out of the pool.
    pub(super) fn removed(&mut self, relay: &RelayUrl, now: Instant) {
        self.removed = true;
        self.publishes.removed(relay);
        self.dials.user_wants(Some(relay), true);
        self.watch.removed(relay, now);
    }

    pub(super) fn has_removed(&self) -> bool {
        self.removed
    }

    /// Events delivered, to each subscription counted.
    pub(super) fn delivered(&self) -> u64 {
        self.delivered
    }

    /// What live subscriptions got that the application did not end, and that told of no loss of their own.
    pub(super) fn deliveries(&self) -> BTreeMap<SubId, BTreeSet<EventId>> {
        let whole = self.subs.iter().filter(|(_, sub)| sub.live && sub.to_the_end && !sub.excused);
        whole.map(|(&id, sub)| (id, sub.delivered.keys().copied().collect())).collect()
    }

    /// The core refused the subscription that was expected.
    pub(super) fn forget_subscription(&mut self, sub: SubId) {
        self.subs.remove(&sub);
    }

    pub(super) fn expect_subscription(
        &mut self,
        filters: Vec<Filter>,
        relays: Vec<RelayUrl>,
        live: bool,
        all: bool,
        now: Instant,
    ) -> SubId {
        let id = SubId::from_u64(self.subs.len() as u64);
        let delivered = BTreeMap::new();
        let sub = Sub {
            filters,
            relays,
            all,
            live,
            ended: false,
            to_the_end: false,
            left: BTreeSet::new(),
            delivered,
            next_seq: 0,
            closed: BTreeSet::new(),
            excused: false,
            asked: BTreeMap::new(),
            past_eose: BTreeSet::new(),
            updated: false,
            generation: 0,
            started: now,
            eose_told: false,
            gaps: BTreeSet::new(),
        };
        self.subs.insert(id, sub);
        id
    }

    pub(super) fn updated(&mut self, sub: SubId, filters: Vec<Filter>, now: Instant) {
        if let Some(sub) = self.subs.get_mut(&sub) {
            sub.filters = filters;
            sub.closed = sub.left.clone();
            sub.updated = true;
            sub.generation += 1;
            sub.started = now;
            sub.eose_told = false;
            sub.gaps.clear();
        }
    }

    pub(super) fn live_subscriptions(&self) -> Vec<SubId> {
        self.subs.iter().filter(|(_, s)| s.live && !s.ended).map(|(&id, _)| id).collect()
    }

    pub(super) fn open_subscriptions(&self) -> Vec<SubId> {
        self.subs.iter().filter(|(_, s)| !s.ended).map(|(&id, _)| id).collect()
    }

    /// How many relays some live subscription asks.
    pub(super) fn needed(&self, sites: &[Site]) -> usize {
        let live: Vec<&Sub> = self.subs.values().filter(|s| s.live && !s.ended).collect();
        sites.iter().filter(|site| live.iter().any(|sub| sub.asks(&site.url))).count()
    }

    /// What honest relays hold, live subscriptions ask for, and the pool neither delivered nor reported as a gap.
    pub(super) fn missing(&self, sites: &[&Site], unix: u64) -> Vec<(SubId, RelayUrl, EventId)> {
        if self.astray {
            return Vec::new();
        }
        let mut missing = Vec::new();
        for (&id, sub) in self.subs.iter().filter(|(_, s)| s.live && !s.ended && !s.excused) {
            let asked = sites.iter().filter(|site| site.honest && sub.asks(&site.url));
            let held = asked.flat_map(|site| {
                // What is too old is not asked for again.
                let since = site.healed.map_or(0, |at| at.saturating_sub(800));
                let events = site.relay.events().filter(move |event| event.created_at().as_secs() >= since);
                events.map(|event| (&site.url, event))
            });
            for (url, event) in held {
                let json = json(&event.to_json());
                if sub.filters.iter().any(|f| matches(f, &json))
                    && !sub.delivered.contains_key(&event.id())
                    && !self.watch.dates.excuses(id, &json, unix)
                {
                    missing.push((id, url.clone(), event.id()));
                }
            }
        }
        missing
    }
}

impl Sub {
    fn asks(&self, relay: &RelayUrl) -> bool {
        self.relays.contains(relay) && !self.closed.contains(relay)
    }

    /// Whether every relay was asked once and is past its EOSE: nothing that came before one can be outstanding.
    fn is_past_eose(&self) -> bool {
        !self.updated && self.relays.iter().all(|r| self.past_eose.contains(r) && self.asked.get(r) == Some(&1))
    }

    fn item(&mut self, item: &Item, shares: &Shares, removed: bool) -> Result<(), &'static str> {
        if self.ended {
            return Err("nothing comes after the end");
        }
        match item {
            Item::Event(e) => {
                let before = self.delivered.insert(e.event.id(), e.relays.first().cloned());
                if before.flatten().is_some_and(|owner| shares.is_safe(&owner)) {
                    return Err("an event is delivered once");
                }
                if e.mark == Mark::Stored && self.is_past_eose() {
                    return Err("EOSE does not overtake what came before it");
                }
                let json = json(&e.event.to_json());
                if !self.filters.iter().any(|f| matches(f, &json)) {
                    return Err("what is delivered was asked for");
                }
                // The name of a relay goes when it is taken out, also while what it sent is being verified.
                if e.relays.is_empty() && !removed {
                    return Err("an event comes from somewhere");
                }
                self.number(e.seq)
            }
            Item::Pending(p) => self.number(p.seq),
            Item::Leg { relay, state } => {
                match state {
                    LegState::Requested => *self.asked.entry(relay.clone()).or_default() += 1,
                    LegState::Live => drop(self.past_eose.insert(relay.clone())),
                    _ => drop(self.past_eose.remove(relay)),
                }
                if matches!(state, LegState::Closed(_) | LegState::Removed) {
                    self.closed.insert(relay.clone());
                } else {
                    self.closed.remove(relay);
                    self.left.remove(relay);
                }
                if matches!(state, LegState::Removed) {
                    self.left.insert(relay.clone());
                    self.gaps.remove(relay);
                }
                Ok(())
            }
            Item::Gap(gap) => self.gap(gap),
            Item::Eose(coverage) => {
                if self.eose_told {
                    return Err("the aggregate EOSE comes once per generation");
                }
                self.eose_told = true;
                let right = coverage.generation == self.generation;
                if right { Ok(()) } else { Err("the aggregate EOSE is of the generation of now") }
            }
            Item::End(reason) => {
                self.ended = true;
                self.to_the_end = *reason == EndReason::Shutdown;
                let complete = *reason == EndReason::Complete;
                if complete && self.live {
                    return Err("a live subscription does not end by itself");
                }
                if complete && !self.eose_told {
                    return Err("a fetch ends after its EOSE");
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A gap is opened before it is closed.
    fn gap(&mut self, gap: &Gap) -> Result<(), &'static str> {
        match (&gap.cause, &gap.relay) {
            (GapCause::QueueFull { .. } | GapCause::Flooded { .. }, _) => self.excused = true,
            (GapCause::Disconnected, Some(relay)) => drop(self.gaps.insert(relay.clone())),
            (GapCause::CaughtUp { .. }, Some(relay)) if !self.gaps.remove(relay) && !self.excused => {
                return Err("a gap is told before it is closed");
            }
            _ => {}
        }
        Ok(())
    }

    fn number(&mut self, seq: u64) -> Result<(), &'static str> {
        let right = seq == self.next_seq;
        self.next_seq += 1;
        if right { Ok(()) } else { Err("events are numbered without holes") }
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("events are JSON")
}

/// NIP-01's filter match, over JSON: kinds, authors and dates, which is what the script asks for.
fn matches(filter: &Filter, event: &Value) -> bool {
    let filter = json(&filter.to_json());
    filter.as_object().expect("a filter is an object").iter().all(|(field, wanted)| {
        let among = |value: &Value| wanted.as_array().is_some_and(|list| list.contains(value));
        match field.as_str() {
            "kinds" => among(&event["kind"]),
            "authors" => among(&event["pubkey"]),
            "since" => event["created_at"].as_u64() >= wanted.as_u64(),
            "until" => event["created_at"].as_u64() <= wanted.as_u64(),
            "limit" => true,
            other => panic!("the script does not ask for {other}"),
        }
    })
}
