//! The bench of these tests, and the relays and events that they share.

use std::collections::{BTreeMap, VecDeque};

use nostr_pool_core::*;
use nostr_proto::{Event, EventTemplate, Filter, Keys, Kind, RelayUrl, Timestamp};

pub(crate) const S: u64 = 1_000_000;
pub(crate) const UNIX: u64 = 1_700_000_000;

/// A core and a driver that closes, takes frames and answers pings at once; what relays do is up to the test.
pub(crate) struct Bench {
    pub(crate) core: Core,
    pub(crate) micros: u64,
    /// What is asked of the driver and not answered: dials, and frames to relays.
    pub(crate) dials: Vec<(SocketId, RelayUrl)>,
    pub(crate) frames: VecDeque<(SocketId, String)>,
    pub(crate) verify: VecDeque<(Ticket, nostr_proto::HashedEvent)>,
    /// All sockets that are not gone, and the most there ever were.
    pub(crate) sockets: BTreeMap<SocketId, RelayUrl>,
    pub(crate) most: usize,
    pub(crate) closes: Vec<(SocketId, u16, String)>,
    pub(crate) told: Vec<PoolEvent>,
}

impl Bench {
    pub(crate) fn new(config: Config) -> Self {
        let now = Now { mono: Instant::ZERO, unix: Timestamp::new(UNIX) };
        Self {
            core: Core::new(config, [7; 32], now),
            micros: 0,
            dials: Vec::new(),
            frames: VecDeque::new(),
            verify: VecDeque::new(),
            sockets: BTreeMap::new(),
            most: 0,
            closes: Vec::new(),
            told: Vec::new(),
        }
    }

    pub(crate) fn now(&self) -> Now {
        Now { mono: Instant::from_micros(self.micros), unix: Timestamp::new(UNIX + self.micros / S) }
    }

    pub(crate) fn call(&mut self, call: Call) -> Result<Reply, CallError> {
        let reply = self.core.handle_call(call, self.now());
        self.settle();
        reply
    }

    pub(crate) fn input(&mut self, input: Input<'_>) {
        self.core.handle_input(input, self.now());
        self.settle();
    }

    pub(crate) fn settle(&mut self) {
        while let Some(command) = self.core.poll_command() {
            match command {
                Command::Open { socket, url, .. } => {
                    self.sockets.insert(socket, url.clone());
                    self.most = self.most.max(self.sockets.len());
                    self.dials.push((socket, url));
                }
                Command::Send { socket, frame } => {
                    self.frames.push_back((socket, frame.to_string()));
                    self.core.handle_input(Input::Sent { socket }, self.now());
                }
                Command::Ping { socket } => {
                    self.core.handle_input(Input::Sent { socket }, self.now());
                    self.core.handle_input(Input::Pong { socket }, self.now());
                }
                Command::Close { socket, code, reason } => {
                    self.closes.push((socket, code, reason));
                    if self.sockets.remove(&socket).is_some() {
                        self.dials.retain(|(dial, _)| *dial != socket);
                        self.core.handle_input(Input::Closed { socket, reason: CloseReason::Local }, self.now());
                    }
                }
                Command::Verify { ticket, event } => self.verify.push_back((ticket, event)),
                Command::Sign { .. }
                | Command::SignAuth { .. }
                | Command::PauseRead { .. }
                | Command::ResumeRead { .. } => {}
            }
        }
        while let Some(event) = self.core.poll_event() {
            if let PoolEvent::Item { sub, item } = &event {
                let taken = Call::Taken { sub: *sub, items: 1, bytes: item.bytes() };
                self.core.handle_call(taken, self.now()).unwrap();
            }
            self.told.push(event);
        }
    }

    /// Time passes; dials are answered as they are asked for, if `connects`.
    pub(crate) fn pass(&mut self, micros: u64, connects: bool) {
        let end = self.micros + micros;
        loop {
            if connects {
                self.open_all();
            }
            let due = self.core.poll_timeout().map(|d| d.at.as_micros()).filter(|at| *at <= end);
            let Some(at) = due else { break };
            self.micros = self.micros.max(at);
            self.core.handle_timeout(self.now());
            assert!(self.core.poll_timeout().is_none_or(|d| d.at.as_micros() > self.micros));
            self.settle();
        }
        self.micros = end;
    }

    pub(crate) fn open_all(&mut self) {
        for (socket, _) in std::mem::take(&mut self.dials) {
            self.input(Input::Opened { socket });
        }
    }

    pub(crate) fn add(&mut self, n: usize) {
        self.add_with(n, RelayOptions::default());
    }

    pub(crate) fn add_with(&mut self, n: usize, options: RelayOptions) {
        self.call(Call::AddRelay { url: url(n), options }).unwrap();
    }

    pub(crate) fn subscribe(&mut self, target: Target, mode: Mode) -> SubId {
        let filters = vec![Filter::new().kind(Kind::TEXT_NOTE)];
        // Requests of its own: what is grouped has scripts of its own.
        let group = Group::Alone;
        let request = Subscribe { filters, target, mode, versions: Versions::Latest, group, ..Subscribe::default() };
        let Ok(Reply::Subscribed(sub)) = self.call(Call::Subscribe(request)) else { panic!("there is room") };
        sub
    }

    pub(crate) fn publish(&mut self, event: &Event, target: Target) -> PublishId {
        let publish = Publish { event: event.clone(), target, quorum: Quorum::First, deadline: None, link: None };
        let Ok(Reply::Publishing(id, _)) = self.call(Call::Publish(publish)) else { panic!("there is room") };
        id
    }

    pub(crate) fn record(&self, n: usize) -> RelayRecord {
        self.core.relay(&url(n)).unwrap()
    }

    pub(crate) fn state(&self, n: usize) -> ConnectionState {
        self.record(n).state
    }

    pub(crate) fn socket(&self, n: usize) -> SocketId {
        *self.sockets.iter().find(|(_, known)| **known == url(n)).unwrap().0
    }

    /// The id of the last REQ to a relay.
    pub(crate) fn wire(&self, n: usize) -> String {
        let socket = self.socket(n);
        let asked = |(to, frame): &&(SocketId, String)| *to == socket && frame.starts_with("[\"REQ\"");
        self.frames.iter().rev().find(asked).unwrap().1.split('"').nth(3).unwrap().to_owned()
    }

    pub(crate) fn text(&mut self, n: usize, frame: &str) {
        let socket = self.socket(n);
        self.input(Input::Text { socket, frame });
    }

    pub(crate) fn event(&mut self, n: usize, json: &str) {
        let wire = self.wire(n);
        self.text(n, &format!("[\"EVENT\",\"{wire}\",{json}]"));
    }

    pub(crate) fn verify_all(&mut self) {
        while let Some((ticket, event)) = self.verify.pop_front() {
            let outcome = nostr_proto::verify(&event);
            self.input(Input::Verified { ticket, outcome });
        }
    }

    /// A relay sends so many events whose signature is wrong, each its own.
    pub(crate) fn forge(&mut self, n: usize, events: std::ops::Range<u64>) {
        for k in events {
            self.event(n, &bad_signature(&note(k)));
        }
        self.verify_all();
    }

    pub(crate) fn is_quarantined(&self, n: usize) -> bool {
        matches!(self.state(n), ConnectionState::Quarantined { .. })
    }
}

pub(crate) fn url(n: usize) -> RelayUrl {
    RelayUrl::parse(&format!("wss://r{n}.example.com")).unwrap()
}

pub(crate) fn only(n: usize) -> Target {
    Target::Relays(vec![url(n)])
}

pub(crate) fn event(kind: Kind, n: u64) -> Event {
    let keys = Keys::from_entropy([1; 32]).unwrap();
    let template = EventTemplate::new(kind, format!("note {n}"), Timestamp::new(UNIX + n));
    template.unsigned(keys.public_key()).sign(&keys, [0; 32])
}

pub(crate) fn note(n: u64) -> Event {
    event(Kind::TEXT_NOTE, n)
}

pub(crate) fn bad_signature(event: &Event) -> String {
    let good = event.signature().to_string();
    let flipped = if good.starts_with('0') { "1" } else { "0" };
    event.to_json().replace(&good, &format!("{flipped}{}", &good[1..]))
}

/// A bench with so many relays connected, each asked by one live subscription.
pub(crate) fn connected(relays: usize, config: Config) -> Bench {
    let mut b = Bench::new(config);
    (0..relays).for_each(|n| b.add(n));
    b.subscribe(Target::All, Mode::Live);
    b.open_all();
    b
}
