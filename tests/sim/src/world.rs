//! The pool, the relays and what lies between them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use nostr_model_relay::{ConnId, Output};
use nostr_pool_core::{
    Call, CallError, CloseReason, Command, Config, Core, Input, Instant, Item, Now, PoolEvent, RelayCounters, Reply,
    SocketId, SubId,
};
use nostr_proto::{Event, EventTemplate, Keys, Kind, Timestamp};
use serde_json::Value;

use super::net::{Arrival, Network};
use super::oracle::Oracle;
use super::site::Site;
use super::{Outcome, Trace};
use nostr_pool_corpus::rng::Rng;

/// Virtual unix time at which every run begins.
const EPOCH: u64 = 1_700_000_000;

/// What happened in a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Microseconds of virtual time.
    pub virtual_micros: u64,
    /// Things that happened to the core.
    pub steps: u64,
    /// Events delivered to subscriptions.
    pub delivered: u64,
    /// Copies that the pool dropped.
    pub duplicates: u64,
    /// Forged events that it dropped.
    pub forged: u64,
    /// Connections that were reset or killed.
    pub resets: u64,
    /// Verdicts.
    pub verdicts: u64,
    /// Times that the device slept.
    pub sleeps: u64,
    /// Closing handshakes and dials that hung.
    pub hung: u64,
    /// Connections that became half-open.
    pub half_open: u64,
}

/// One end of a connection that stands.
#[derive(Debug)]
struct Link {
    relay: usize,
    conn: ConnId,
    /// When the last frame to the relay, and to the pool, arrives: TCP keeps the order.
    to_relay_at: u64,
    to_pool_at: u64,
    paused: bool,
    /// Half-open: nothing gets through any more, and neither end knows.
    dead: bool,
    /// What came while the pool did not read, in order.
    held: VecDeque<Held>,
}

/// A frame that waits to be read.
#[derive(Debug)]
enum Held {
    Text(String),
    Pong,
}

/// A whole run.
#[derive(Debug)]
pub struct World {
    pub(super) seed: u64,
    pub(super) rng: Rng,
    pub(super) core: Core,
    pub(super) sites: Vec<Site>,
    pub(super) oracle: Oracle,
    pub(super) keys: Vec<Keys>,
    pub(super) totals: Totals,
    /// Whether dials may be refused and connections reset.
    pub(super) faulty: bool,
    /// Subscriptions whose application is slow, and what it has not taken yet: items and bytes.
    pub(super) slow: BTreeSet<SubId>,
    untaken: BTreeMap<SubId, (usize, usize)>,
    /// Whether the application is calling.
    called: bool,
    links: BTreeMap<SocketId, Link>,
    net: Network,
    trace: Trace,
    micros: u64,
    notes: u64,
}

impl World {
    /// The relays and the pool of a seed, not connected yet; `change` has the last word on the pool's configuration.
    pub fn new(seed: u64, change: impl FnOnce(&mut Config)) -> Self {
        let mut rng = Rng::new(seed);
        let mut sites = (0..rng.between(2, 5)).map(|n| Site::new(n, &mut rng)).collect::<Vec<_>>();
        let mut config = Config {
            max_connections: rng.between(2, 10),
            send_credits: rng.between(1, 64),
            max_in_flight: rng.between(8, 256),
            max_in_flight_per_relay: rng.between(8, 64),
            ..Config::default()
        };
        if rng.one_in(6) {
            config.max_seen = rng.between(100, 200);
            sites.last_mut().expect("two at least").floods = true;
        }
        change(&mut config);
        let oracle = Oracle::new(&config, sites.len());
        let start = Now { mono: Instant::ZERO, unix: Timestamp::new(EPOCH) };
        let core = Core::new(config, rng.bytes32(), start);
        let keys = (0..3).map(|_| Keys::from_entropy(rng.bytes32()).expect("a scalar in range")).collect();
        Self {
            seed,
            rng,
            core,
            sites,
            oracle,
            keys,
            totals: Totals::default(),
            faulty: true,
            slow: BTreeSet::new(),
            untaken: BTreeMap::new(),
            called: false,
            links: BTreeMap::new(),
            net: Network::default(),
            trace: Trace::default(),
            micros: 0,
            notes: 0,
        }
    }

    /// The virtual time.
    pub(super) fn now(&self) -> Now {
        Now { mono: Instant::from_micros(self.micros), unix: Timestamp::new(EPOCH + self.micros / 1_000_000) }
    }

    /// A new, signed event of one of the authors.
    pub(super) fn note(&mut self) -> Event {
        let keys = self.rng.pick(&self.keys).clone();
        self.template().unsigned(keys.public_key()).sign(&keys, [0; 32])
    }

    pub(super) fn template(&mut self) -> EventTemplate {
        self.notes += 1;
        let kind = *self.rng.pick(&[Kind::TEXT_NOTE, Kind::TEXT_NOTE, Kind::REACTION, Kind::new(30_000)]);
        let text = format!("note {} of {}", self.notes, self.seed);
        let template = EventTemplate::new(kind, text, self.now().unix);
        if kind.as_u16() == 30_000 { template.tag(["d", &format!("{}", self.notes % 3)]) } else { template }
    }

    /// A call of the application.
    pub(super) fn call(&mut self, call: Call) -> Result<Reply, CallError> {
        self.called = true;
        let reply = self.core.handle_call(call, self.now());
        self.settle();
        self.called = false;
        reply
    }

    /// The device sleeps: time passes, and nothing happens in it.
    pub(super) fn sleep(&mut self, micros: u64) {
        let from = self.now().mono;
        self.micros += micros;
        self.oracle.publishes.slept(from, self.now().mono);
        self.totals.sleeps += 1;
    }

    /// Lets so much virtual time pass.
    pub(super) fn pass(&mut self, micros: u64) {
        let end = self.micros + micros;
        loop {
            let timer = self.core.poll_timeout().map(|d| d.at.as_micros());
            let next = [self.net.next(), timer].into_iter().flatten().min().filter(|at| *at <= end);
            let Some(at) = next else { break };
            self.micros = self.micros.max(at);
            if timer.is_some_and(|t| t <= self.micros) {
                self.core.handle_timeout(self.now());
                let next = self.core.poll_timeout().map(|d| d.at);
                self.check(next.is_none_or(|t| t > self.now().mono), "a timer is later than now");
                self.settle();
            }
            while let Some(arrival) = self.net.arrive(self.micros) {
                self.arrive(arrival);
            }
        }
        self.micros = end;
    }

    /// Cuts every connection of a relay, without a word.
    pub(super) fn cut(&mut self, relay: usize) {
        let cut: Vec<SocketId> = self.links.iter().filter(|(_, l)| l.relay == relay).map(|(&s, _)| s).collect();
        for socket in cut {
            self.drop_link(socket);
            let at = self.micros + self.latency();
            self.net.depart(at, Arrival::Gone { socket, reason: CloseReason::Error("connection reset".into()) });
        }
    }

    /// Connections of a relay become half-open.
    pub(super) fn half_open(&mut self, relay: usize) {
        for link in self.links.values_mut().filter(|link| link.relay == relay) {
            link.dead = true;
            self.totals.half_open += 1;
        }
    }

    /// Puts an event into a relay, as another client would.
    pub(super) fn store(&mut self, relay: usize, event: Event) {
        self.sites[relay].relay.store(event);
        self.drain_relay(relay);
    }

    /// Every event that came is accounted for, once.
    pub(super) fn check_books(&self) {
        let relays = self.core.relays();
        let sum = |count: fn(&RelayCounters) -> u64| relays.iter().map(|r| count(&r.counters)).sum::<u64>();
        let (came, verified) = (sum(|c| c.events), self.core.stats().verified);
        let dropped = sum(|c| c.duplicates + c.forged + c.unmatched + c.dropped);
        self.check(
            came == verified + dropped,
            &format!("what came is accounted for: {came} events, {verified} good, {dropped} dropped"),
        );
    }

    /// Ends the run.
    pub(super) fn finish(mut self) -> Outcome {
        let stats = self.core.stats();
        self.totals.virtual_micros = self.micros;
        self.totals.delivered = stats.delivered;
        self.totals.duplicates = stats.duplicates;
        self.totals.forged = stats.forged;
        self.totals.verdicts = self.oracle.publishes.verdicts();
        Outcome { trace: self.trace.digest(), totals: self.totals }
    }

    pub(super) fn check(&self, holds: bool, rule: &str) {
        assert!(holds, "SIM_SEED={} at {} µs: broken: {rule}", self.seed, self.micros);
    }

    fn latency(&mut self) -> u64 {
        self.rng.between(500, 80_000) as u64
    }

    fn input(&mut self, input: Input<'_>) {
        self.totals.steps += 1;
        self.core.handle_input(input, self.now());
        self.settle();
    }

    fn arrive(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Dialled { socket, relay } => self.dialled(socket, relay),
            Arrival::ToRelay { socket, text } => {
                let Some(link) = self.links.get(&socket).filter(|link| !link.dead) else { return };
                let (relay, conn, unix) = (link.relay, link.conn, self.now().unix);
                self.sites[relay].relay.handle(conn, &text, unix);
                self.drain_relay(relay);
            }
            Arrival::ToPool { socket, text } => match self.links.get_mut(&socket).filter(|link| !link.dead) {
                Some(link) if link.paused || !link.held.is_empty() => {
                    link.held.push_back(Held::Text(text));
                }
                Some(_) => self.hear(socket, &text),
                None => {}
            },
            Arrival::ReadOn { socket } => {
                while let Some(link) = self.links.get_mut(&socket).filter(|link| !link.paused) {
                    match link.held.pop_front() {
                        Some(Held::Text(text)) => self.hear(socket, &text),
                        Some(Held::Pong) => self.input(Input::Pong { socket }),
                        None => break,
                    }
                }
            }
            Arrival::Sent { socket } if self.links.contains_key(&socket) => {
                self.oracle.wire.taken(socket);
                self.input(Input::Sent { socket });
            }
            Arrival::Sent { .. } => {}
            Arrival::Pong { socket } => match self.links.get_mut(&socket).filter(|link| !link.dead) {
                Some(link) if link.paused || !link.held.is_empty() => link.held.push_back(Held::Pong),
                Some(_) => self.input(Input::Pong { socket }),
                None => {}
            },
            Arrival::Gone { socket, reason } => {
                self.oracle.gone(socket, self.now().mono);
                self.input(Input::Closed { socket, reason });
            }
            Arrival::Verified { ticket, outcome } => self.input(Input::Verified { ticket, outcome }),
            Arrival::Signed { ticket, outcome } => self.input(Input::Signed { ticket, outcome }),
        }
    }

    /// A frame reaches the pool.
    fn hear(&mut self, socket: SocketId, text: &str) {
        if let Some(link) = self.links.get(&socket)
            && let Ok(message) = serde_json::from_str::<Value>(text)
        {
            let url = &self.sites[link.relay].url;
            self.oracle.publishes.heard(socket);
            match message[0].as_str() {
                Some("EVENT") => self.oracle.shares.heard(url, message[2]["id"].as_str().unwrap_or_default()),
                Some("OK") => self.oracle.publishes.ok(url, &message),
                Some("CLOSED") => self.oracle.wire.ended(socket, message[1].as_str().unwrap_or_default()),
                _ => {}
            }
        }
        self.input(Input::Text { socket, frame: text });
    }

    /// Every request that runs at a relay is one that the pool knows of.
    pub(super) fn check_requests(&self) {
        for (&socket, link) in &self.links {
            let url = &self.sites[link.relay].url;
            let known = self.core.relay(url).map_or(0, |record| record.active_requests);
            let running = self.oracle.wire.running(socket);
            self.check(running <= known, &format!("what is not needed is closed: {running} requests run, not {known}"));
        }
    }

    fn dialled(&mut self, socket: SocketId, relay: usize) {
        if !self.oracle.is_dialling(socket) {
            return;
        }
        if !self.sites[relay].up || (self.faulty && self.rng.one_in(8)) {
            self.oracle.gone(socket, self.now().mono);
            self.input(Input::OpenFailed { socket, error: "connection refused".into() });
            return;
        }
        let conn = self.sites[relay].relay.connect();
        let link =
            Link { relay, conn, to_relay_at: 0, to_pool_at: 0, paused: false, dead: false, held: VecDeque::new() };
        self.links.insert(socket, link);
        self.oracle.opened(socket, self.now().mono);
        self.input(Input::Opened { socket });
        self.drain_relay(relay);
    }

    /// Carries out what the core wants, and shows the oracle everything.
    fn settle(&mut self) {
        loop {
            if let Some(command) = self.core.poll_command() {
                self.trace.note(&command);
                self.carry_out(command);
            } else if let Some(event) = self.core.poll_event() {
                self.trace.note(&event);
                self.show(&event);
            } else {
                return;
            }
        }
    }

    fn carry_out(&mut self, command: Command) {
        if let Err(rule) = self.oracle.command(&command, self.now().mono) {
            self.check(false, &format!("{rule}: {command:?}"));
        }
        let soon = self.micros + self.latency();
        match command {
            Command::Open { socket, url } => {
                let relay = self.sites.iter().position(|s| s.url == url).expect("the pool dials relays of this world");
                let hangs = self.hangs();
                self.net.depart(soon + hangs, Arrival::Dialled { socket, relay });
            }
            Command::Send { socket, frame } => {
                let Some(link) = self.links.get_mut(&socket) else { return };
                link.to_relay_at = soon.max(link.to_relay_at + 1);
                let at = link.to_relay_at;
                self.net.depart(at, Arrival::ToRelay { socket, text: frame.to_string() });
                self.net.depart(soon, Arrival::Sent { socket });
            }
            Command::Ping { socket } => {
                self.net.depart(soon, Arrival::Sent { socket });
                let Some(link) = self.links.get_mut(&socket) else { return };
                // The pong comes after all that the relay had sent before.
                let at = (soon + 1_000).max(link.to_pool_at + 1);
                link.to_pool_at = at;
                self.net.depart(at, Arrival::Pong { socket });
            }
            Command::Close { socket, .. } => {
                self.drop_link(socket);
                let hangs = self.hangs();
                self.net.depart(soon + hangs, Arrival::Gone { socket, reason: CloseReason::Local });
            }
            Command::PauseRead { socket } => {
                if let Some(link) = self.links.get_mut(&socket) {
                    link.paused = true;
                }
            }
            Command::ResumeRead { socket } => {
                let Some(link) = self.links.get_mut(&socket) else { return };
                link.paused = false;
                self.net.depart(self.micros, Arrival::ReadOn { socket });
            }
            Command::Verify { ticket, event } => {
                let outcome = nostr_proto::verify(&event);
                let at = self.micros + self.rng.between(1, 5_000) as u64;
                self.net.depart(at, Arrival::Verified { ticket, outcome });
            }
            Command::Sign { ticket, event } => {
                let keys = self.keys.iter().find(|k| k.public_key() == event.pubkey());
                let outcome = match keys {
                    Some(keys) if !self.rng.one_in(6) => Ok(event.sign(keys, [0; 32])),
                    _ => Err("the user said no".to_owned()),
                };
                self.net.depart(soon, Arrival::Signed { ticket, outcome });
            }
        }
    }

    fn show(&mut self, event: &PoolEvent) {
        if let Err(rule) = self.oracle.event(event, self.now(), self.called) {
            self.check(false, &format!("{rule}: {event:?}"));
        }
        if let PoolEvent::Item { sub, item } = event {
            self.take(*sub, item);
        }
    }

    /// Microseconds by which a dial or a closing handshake is late: past every deadline, sometimes.
    fn hangs(&mut self) -> u64 {
        if !self.faulty || !self.rng.one_in(6) {
            return 0;
        }
        self.totals.hung += 1;
        self.rng.between(100, 20_000) as u64 * 1_000
    }

    /// The application takes each item at once, unless it is slow.
    fn take(&mut self, sub: SubId, item: &Item) {
        let (items, bytes) = self.untaken.entry(sub).or_default();
        *items += 1;
        *bytes += item.bytes();
        if !self.faulty || !self.slow.contains(&sub) {
            self.take_all(sub);
        }
    }

    /// The application takes what is there for a subscription.
    pub(super) fn take_all(&mut self, sub: SubId) {
        if let Some((items, bytes)) = self.untaken.remove(&sub) {
            let taken = Call::Taken { sub, items, bytes };
            self.core.handle_call(taken, self.now()).expect("items can always be taken");
        }
    }

    /// The slow application catches up.
    pub(super) fn catch_up(&mut self) {
        for sub in self.slow.clone() {
            self.take_all(sub);
            self.settle();
        }
    }

    fn drain_relay(&mut self, relay: usize) {
        while let Some(output) = self.sites[relay].relay.poll_output() {
            let (Output::Send { conn, .. } | Output::Close { conn, .. }) = &output;
            let Some(socket) = self.links.iter().find(|(_, l)| l.relay == relay && l.conn == *conn).map(|(&s, _)| s)
            else {
                continue;
            };
            let soon = self.micros + self.latency();
            match output {
                Output::Send { text, .. } => {
                    let link = self.links.get_mut(&socket).expect("found above");
                    link.to_pool_at = soon.max(link.to_pool_at + 1);
                    let at = link.to_pool_at;
                    self.net.depart(at, Arrival::ToPool { socket, text });
                }
                Output::Close { code, reason, .. } => {
                    self.drop_link(socket);
                    self.net.depart(soon, Arrival::Gone { socket, reason: CloseReason::Remote { code, reason } });
                }
            }
        }
    }

    fn drop_link(&mut self, socket: SocketId) {
        if let Some(link) = self.links.remove(&socket) {
            self.sites[link.relay].relay.disconnect(link.conn);
            self.totals.resets += 1;
        }
    }
}
