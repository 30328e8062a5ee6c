//! A core whose relays are connected, and which a test feeds by hand.

#![allow(dead_code, reason = "each test uses some of it")]

use std::collections::BTreeMap;

use nostr_pool_core::*;
use nostr_proto::{BadSignature, Event, EventTemplate, Filter, Keys, Kind, Proof, RelayUrl, Signature, Timestamp};

/// The second in which each test begins.
pub(crate) const START: u64 = 1_700_000_000;

pub(crate) fn keys(n: u8) -> Keys {
    Keys::from_entropy([n; 32]).unwrap()
}

/// An event of kind 30000 with this `d`, made so many seconds after the start.
pub(crate) fn version(d: &str, at: i64, text: &str) -> Event {
    sign(EventTemplate::new(Kind::new(30_000), text, second(at)).tag(["d", d]))
}

pub(crate) fn note(text: &str) -> Event {
    sign(EventTemplate::text_note(text, second(0)))
}

pub(crate) fn sign(template: EventTemplate) -> Event {
    template.unsigned(keys(1).public_key()).sign(&keys(1), [0; 32])
}

pub(crate) fn second(at: i64) -> Timestamp {
    Timestamp::new(START.saturating_add_signed(at))
}

/// The event with a signature of its own for each `forgery`; 0 is the real one.
pub(crate) fn forged(event: &Event, forgery: u8) -> String {
    let mut signature = *event.signature().as_bytes();
    signature[40] ^= forgery;
    event.to_json().replace(&event.signature().to_string(), &Signature::from_bytes(signature).to_string())
}

pub(crate) fn url(n: usize) -> RelayUrl {
    RelayUrl::parse(&format!("wss://r{n}.example.com")).unwrap()
}

/// The core and what it said.
pub(crate) struct Bench {
    pub(crate) core: Core,
    pub(crate) unix: u64,
    mono: u64,
    pub(crate) sockets: Vec<SocketId>,
    /// The last request of each subscription at each socket, in order of subscribing.
    pub(crate) wires: BTreeMap<(SocketId, usize), String>,
    subs: usize,
    pub(crate) requests: Vec<(SocketId, String)>,
    pub(crate) closes: Vec<(SocketId, String)>,
    /// The open socket of each relay, by its number; and the requests that run there.
    pub(crate) opened: BTreeMap<usize, SocketId>,
    pub(crate) running: BTreeMap<SocketId, Vec<String>>,
    pub(crate) checks: Vec<(Ticket, Result<Proof, BadSignature>)>,
    pub(crate) items: BTreeMap<SubId, Vec<Item>>,
    /// Whether the sinks take a frame only when [`Bench::take_one`] says so; and for whom one waits.
    pub(crate) slow: bool,
    pub(crate) untaken: Vec<SocketId>,
    /// What the signer is to sign.
    pub(crate) orders: Vec<Ticket>,
}

impl Bench {
    pub(crate) fn new(relays: usize, config: Config) -> Self {
        let now = Now { mono: Instant::ZERO, unix: Timestamp::new(START) };
        let mut bench = Self {
            core: Core::new(config, [7; 32], now),
            unix: START,
            mono: 0,
            sockets: Vec::new(),
            wires: BTreeMap::new(),
            subs: 0,
            requests: Vec::new(),
            closes: Vec::new(),
            opened: BTreeMap::new(),
            running: BTreeMap::new(),
            checks: Vec::new(),
            items: BTreeMap::new(),
            slow: false,
            untaken: Vec::new(),
            orders: Vec::new(),
        };
        for n in 0..relays {
            bench.call(Call::AddRelay { url: url(n), options: RelayOptions::default() });
        }
        bench.call(Call::Connect { which: Which::All });
        assert_eq!(bench.sockets.len(), relays);
        bench
    }

    pub(crate) fn now(&self) -> Now {
        Now { mono: Instant::from_micros(self.mono), unix: Timestamp::new(self.unix) }
    }

    pub(crate) fn call(&mut self, call: Call) -> Reply {
        let reply = self.core.handle_call(call, self.now()).unwrap();
        self.drain();
        reply
    }

    /// Both clocks go on, in steps short enough for keepalive.
    pub(crate) fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.mono += 1_000_000;
            self.unix += 1;
            for &socket in &self.sockets {
                self.core.handle_input(Input::Ping { socket }, self.now());
            }
            self.core.handle_timeout(self.now());
            self.drain();
        }
    }

    pub(crate) fn subscribe(&mut self, filters: Vec<Filter>, target: Target, versions: Versions) -> SubId {
        self.subs += 1;
        // Requests of its own: what is grouped has scripts of its own.
        let group = Group::Alone;
        let request = Subscribe { filters, target, mode: Mode::Live, versions, group, ..Subscribe::default() };
        let Reply::Subscribed(id) = self.call(Call::Subscribe(request)) else { panic!("it is a subscription") };
        id
    }

    /// A subscription to everything.
    pub(crate) fn all(&mut self) -> SubId {
        self.subscribe(vec![Filter::new()], Target::All, Versions::Latest)
    }

    /// Both clocks go on, and nothing else happens.
    pub(crate) fn both(&mut self, seconds: u64) {
        self.mono += seconds * 1_000_000;
        self.unix += seconds;
    }

    pub(crate) fn drain(&mut self) {
        loop {
            if let Some(command) = self.core.poll_command() {
                match command {
                    Command::Open { socket, url: at, .. } => {
                        self.sockets.push(socket);
                        if let Some(n) = (0..16).find(|n| url(*n) == at) {
                            self.opened.insert(n, socket);
                        }
                        self.core.handle_input(Input::Opened { socket }, self.now());
                    }
                    Command::Send { socket, frame } => {
                        if frame.starts_with("[\"REQ\"") {
                            let wire = frame.split('"').nth(3).unwrap().to_owned();
                            if !frame.contains("\"ids\"") || self.repairs() == 0 {
                                self.wires.insert((socket, self.subs.saturating_sub(1)), wire.clone());
                            }
                            self.running.entry(socket).or_default().push(wire);
                            self.requests.push((socket, frame.to_string()));
                        } else if frame.starts_with("[\"CLOSE\"") {
                            let wire = frame.split('"').nth(3).unwrap().to_owned();
                            self.running.entry(socket).or_default().retain(|name| *name != wire);
                            self.closes.push((socket, wire));
                        }
                        self.taken(socket);
                    }
                    Command::Ping { socket } => self.taken(socket),
                    Command::SignAuth { ticket, .. } => self.orders.push(ticket),
                    Command::Verify { ticket, event } => self.checks.push((ticket, nostr_proto::verify(&event))),
                    _ => {}
                }
            } else if let Some(event) = self.core.poll_event() {
                if let PoolEvent::Item { sub, item } = event {
                    let taken = Call::Taken { sub, items: 1, bytes: item.bytes() };
                    self.core.handle_call(taken, self.now()).unwrap();
                    self.items.entry(sub).or_default().push(item);
                }
            } else {
                return;
            }
        }
    }

    fn taken(&mut self, socket: SocketId) {
        if self.slow {
            self.untaken.push(socket);
        } else {
            self.core.handle_input(Input::Sent { socket }, self.now());
        }
    }

    /// A sink takes a frame; false: none waits.
    pub(crate) fn take_one(&mut self) -> bool {
        if self.untaken.is_empty() {
            return false;
        }
        let socket = self.untaken.remove(0);
        self.core.handle_input(Input::Sent { socket }, self.now());
        self.drain();
        true
    }

    fn repairs(&self) -> u64 {
        self.core.stats().repairs
    }

    /// Text of a relay's EVENT for a subscription.
    pub(crate) fn copy(&mut self, relay: usize, sub: SubId, json: &str) {
        let socket = self.sockets[relay];
        let wire = self.wires[&(socket, usize::try_from(sub.as_u64()).unwrap())].clone();
        self.text(relay, &format!("[\"EVENT\",\"{wire}\",{json}]"));
    }

    pub(crate) fn text(&mut self, relay: usize, frame: &str) {
        self.core.handle_input(Input::Text { socket: self.sockets[relay], frame }, self.now());
        self.drain();
    }

    /// Answers the nth open check.
    pub(crate) fn decide(&mut self, nth: usize) {
        let (ticket, outcome) = self.checks.remove(nth);
        self.core.handle_input(Input::Verified { ticket, outcome }, self.now());
        self.drain();
    }

    pub(crate) fn decide_all(&mut self) {
        while !self.checks.is_empty() {
            self.decide(0);
        }
    }

    /// A copy, and the verdict on it.
    pub(crate) fn send(&mut self, relay: usize, sub: SubId, event: &Event) {
        self.copy(relay, sub, &event.to_json());
        self.decide_all();
    }

    pub(crate) fn events(&self, sub: SubId) -> Vec<EventItem> {
        let items = self.items.get(&sub).into_iter().flatten();
        items.filter_map(|item| if let Item::Event(e) = item { Some(e.clone()) } else { None }).collect()
    }

    /// The contents of what a subscription got.
    pub(crate) fn texts(&self, sub: SubId) -> Vec<String> {
        self.events(sub).iter().map(|e| e.event.content().to_owned()).collect()
    }

    pub(crate) fn gaps(&self, sub: SubId) -> usize {
        self.items.get(&sub).into_iter().flatten().filter(|item| matches!(item, Item::Gap(_))).count()
    }
}
