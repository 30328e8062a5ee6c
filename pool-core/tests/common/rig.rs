//! A core with many relays and subscriptions, and a driver that does at once whatever it is told.
//!
//! Signatures are made and checked beforehand: what is measured is the core, and nothing but the core.

#![allow(dead_code, reason = "each test and benchmark uses some of it")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use nostr_pool_core::*;
use nostr_proto::{Event, EventTemplate, Filter, Keys, Kind, Proof, PublicKey, RelayUrl, Timestamp};

/// The second in which everything begins.
const START: u64 = 1_700_000_000;

pub(crate) fn url(n: usize) -> RelayUrl {
    RelayUrl::parse(&format!("wss://r{n}.example.com")).unwrap()
}

pub(crate) fn keys() -> Keys {
    Keys::from_entropy([1; 32]).unwrap()
}

/// An author that nothing is signed by.
pub(crate) fn stranger(n: usize) -> PublicKey {
    let mut bytes = [9; 32];
    bytes[..8].copy_from_slice(&n.to_be_bytes());
    PublicKey::from_bytes(bytes)
}

/// An event and the proof of its signature.
pub(crate) struct Signed {
    pub(crate) event: Event,
    pub(crate) json: String,
    pub(crate) proof: Proof,
}

impl Signed {
    pub(crate) fn new(template: EventTemplate) -> Self {
        let event = template.unsigned(keys().public_key()).sign(&keys(), [0; 32]);
        let proof = nostr_proto::verify(&event.clone().check_id().unwrap()).unwrap();
        Self { json: event.to_json(), event, proof }
    }

    /// The nth note: 500 bytes or so, in reply to `root`.
    pub(crate) fn note(n: usize) -> Self {
        let text = format!("note {n} {}", "and so on ".repeat(12));
        let template = EventTemplate::text_note(text, Timestamp::new(START));
        Self::new(template.tag(["e", "root"]).tag(["p", "me"]))
    }

    pub(crate) fn notes(n: usize) -> Vec<Self> {
        (0..n).map(Self::note).collect()
    }

    pub(crate) fn frame(&self, wire: &str) -> String {
        format!("[\"EVENT\",\"{wire}\",{}]", self.json)
    }
}

/// The core and what its driver knows.
pub(crate) struct Rig {
    pub(crate) core: Core,
    pub(crate) mono: u64,
    /// The open socket of each relay, by its number.
    pub(crate) sockets: BTreeMap<usize, SocketId>,
    /// The name of each running request, by relay, in order.
    pub(crate) wires: BTreeMap<SocketId, Vec<String>>,
    /// Proofs of the events that are sent, by signature; one that is not among them is forged.
    proofs: BTreeMap<[u8; 64], Proof>,
    /// EVENT frames that went out.
    pub(crate) published: Vec<Arc<str>>,
    pub(crate) delivered: usize,
    pub(crate) eoses: usize,
    /// Counts that were told.
    pub(crate) counted: usize,
    /// Requests that went out.
    pub(crate) asked: usize,
    /// Whether signatures are checked, and what comes is taken; otherwise both wait for ever.
    pub(crate) verifies: bool,
    pub(crate) takes: bool,
    /// What nobody takes is kept.
    pub(crate) untaken: Vec<Item>,
    /// How subscriptions are grouped.
    pub(crate) group: Group,
}

impl Rig {
    /// So many relays, all connected.
    pub(crate) fn new(relays: usize) -> Self {
        let config = Config { max_connections: relays, max_subscriptions: 100_000, ..Config::default() };
        let mut rig = Self::idle(config);
        (0..relays).for_each(|n| rig.add_relay(n));
        rig.call(Call::Connect { which: Which::All });
        assert_eq!(rig.sockets.len(), relays, "all are connected");
        rig
    }

    pub(crate) fn idle(config: Config) -> Self {
        Self {
            core: Core::new(config, [7; 32], Now { mono: Instant::ZERO, unix: Timestamp::new(START) }),
            mono: 0,
            sockets: BTreeMap::new(),
            wires: BTreeMap::new(),
            proofs: BTreeMap::new(),
            published: Vec::new(),
            delivered: 0,
            eoses: 0,
            counted: 0,
            asked: 0,
            verifies: true,
            takes: true,
            untaken: Vec::new(),
            group: Group::default(),
        }
    }

    pub(crate) fn know(&mut self, events: &[Signed]) {
        self.proofs.extend(events.iter().map(|it| (*it.event.signature().as_bytes(), it.proof)));
    }

    pub(crate) fn now(&self) -> Now {
        Now { mono: Instant::from_micros(self.mono), unix: Timestamp::new(START + self.mono / 1_000_000) }
    }

    pub(crate) fn add_relay(&mut self, n: usize) {
        self.call(Call::AddRelay { url: url(n), options: RelayOptions::default() });
    }

    pub(crate) fn call(&mut self, call: Call) -> Reply {
        let reply = self.core.handle_call(call, self.now()).unwrap();
        self.drain();
        reply
    }

    /// A live subscription at these relays.
    pub(crate) fn subscribe(&mut self, filter: Filter, relays: &[usize]) -> SubId {
        let target = Target::Relays(relays.iter().map(|n| url(*n)).collect());
        self.subscribe_to(filter, target)
    }

    pub(crate) fn open(&mut self, filter: Filter, relays: &[usize]) {
        self.subscribe(filter, relays);
    }

    pub(crate) fn subscribe_to(&mut self, filter: Filter, target: Target) -> SubId {
        let request = Subscribe { filters: vec![filter], target, group: self.group, ..Subscribe::default() };
        let Reply::Subscribed(id) = self.call(Call::Subscribe(request)) else { panic!("it is a subscription") };
        id
    }

    /// Every running request at every relay has its EOSE.
    pub(crate) fn eose_all(&mut self) {
        for (socket, wires) in self.wires.clone() {
            for wire in wires {
                self.input(Input::Text { socket, frame: &format!("[\"EOSE\",\"{wire}\"]") });
            }
        }
    }

    pub(crate) fn input(&mut self, input: Input<'_>) {
        self.core.handle_input(input, self.now());
        self.drain();
    }

    pub(crate) fn text(&mut self, relay: usize, frame: &str) {
        self.input(Input::Text { socket: self.sockets[&relay], frame });
    }

    /// The name of the nth request that was made of a relay.
    pub(crate) fn wire(&self, relay: usize, nth: usize) -> String {
        self.wires[&self.sockets[&relay]][nth].clone()
    }

    /// Time passes up to the next deadline; false: there is none.
    pub(crate) fn wait(&mut self) -> bool {
        let Some(deadline) = self.core.poll_timeout() else { return false };
        self.mono = self.mono.max(deadline.at.as_micros());
        self.core.handle_timeout(self.now());
        self.drain();
        true
    }

    pub(crate) fn drain(&mut self) {
        loop {
            if let Some(command) = self.core.poll_command() {
                self.obey(command);
            } else if let Some(event) = self.core.poll_event() {
                self.counted += usize::from(matches!(event, PoolEvent::Counted(_)));
                if let PoolEvent::Item { sub, item } = event {
                    self.delivered += usize::from(matches!(item, Item::Event(_)));
                    self.eoses += usize::from(matches!(item, Item::Eose(_)));
                    if self.takes {
                        let taken = Call::Taken { sub, items: 1, bytes: item.bytes() };
                        self.core.handle_call(taken, self.now()).unwrap();
                    } else {
                        self.untaken.push(item);
                    }
                }
            } else {
                return;
            }
        }
    }

    fn obey(&mut self, command: Command) {
        let now = self.now();
        match command {
            Command::Open { socket, url: at, .. } => {
                let n = at.as_str().trim_start_matches("wss://r").split('.').next().unwrap().parse().unwrap();
                self.sockets.insert(n, socket);
                self.core.handle_input(Input::Opened { socket }, now);
            }
            Command::Send { socket, frame } => {
                if frame.starts_with("[\"REQ\"") {
                    let wire = frame.split('"').nth(3).unwrap().to_owned();
                    self.wires.entry(socket).or_default().push(wire);
                    self.asked += 1;
                } else if frame.starts_with("[\"EVENT\"") {
                    self.published.push(frame);
                }
                self.core.handle_input(Input::Sent { socket }, now);
            }
            Command::Ping { socket } => {
                self.core.handle_input(Input::Sent { socket }, now);
                self.core.handle_input(Input::Pong { socket }, now);
            }
            Command::Verify { ticket, event } if self.verifies => {
                let proof = self.proofs.get(event.signature().as_bytes());
                let outcome = match proof {
                    Some(proof) => Ok(*proof),
                    None => nostr_proto::verify(&event),
                };
                self.core.handle_input(Input::Verified { ticket, outcome }, now);
            }
            Command::Close { socket, .. } => {
                self.sockets.retain(|_, open| *open != socket);
                self.core.handle_input(Input::Closed { socket, reason: CloseReason::Local }, now);
            }
            _ => {}
        }
    }
}

/// Who else subscribes, beside those that an event matches.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Others {
    /// Each to an author of its own.
    Author,
    /// Each to the replies to an event of its own.
    Tag,
    /// Each to the same author, and to the replies to an event of its own.
    AuthorAndTag,
    /// Each to the same thread, and to the mentions of somebody of its own.
    Thread,
    /// Each to the very kind, at another relay.
    Elsewhere,
}

impl Others {
    pub(crate) const ALL: [Self; 4] = [Self::Author, Self::Tag, Self::AuthorAndTag, Self::Elsewhere];
    /// Those whose filters merge with what the event matches.
    pub(crate) const SHARING: [Self; 3] = [Self::Author, Self::Tag, Self::AuthorAndTag];

    fn subscribe(self, rig: &mut Rig, n: usize) {
        let note = Filter::new().kind(Kind::TEXT_NOTE);
        let (filter, relay) = match self {
            Self::Author => (note.author(stranger(n)), 0),
            Self::Tag => (note.tag('e', format!("other {n}")), 0),
            Self::AuthorAndTag => (note.author(keys().public_key()).tag('e', format!("other {n}")), 0),
            Self::Thread => (note.tag('e', "root").tag('p', format!("somebody {n}")), 0),
            Self::Elsewhere => (note, 1),
        };
        rig.subscribe(filter, &[relay]);
    }
}

/// Two relays, ten live subscriptions to the notes of relay 0, and so many others.
pub(crate) fn crowd(others: Others, n: usize) -> Rig {
    let mut rig = Rig::new(2);
    for n in 0..10 {
        let filters = [
            Filter::new().kind(Kind::TEXT_NOTE),
            Filter::new().author(keys().public_key()),
            Filter::new().tag('e', "root"),
            Filter::new().author(keys().public_key()).kind(Kind::TEXT_NOTE).tag('p', "me"),
        ];
        rig.subscribe(filters[n % 4].clone(), &[0]);
    }
    (0..n).for_each(|n| others.subscribe(&mut rig, n));
    rig.eose_all();
    rig
}

/// A relay, ten live subscriptions that the notes match, and so many others. They are asked for together: the first REQ
/// carries the ten, and up to a thousand or so of the others.
pub(crate) fn shared_crowd(others: Others, n: usize) -> Rig {
    let mut rig = Rig::new(1);
    rig.group = Group::AtLeast(Duration::from_secs(1));
    let note = Filter::new().kind(Kind::TEXT_NOTE);
    let filter = match others {
        Others::Author => note.author(keys().public_key()),
        Others::Tag => note.tag('e', "root"),
        Others::AuthorAndTag => note.author(keys().public_key()).tag('e', "root"),
        Others::Thread | Others::Elsewhere => panic!("what these ask for shares no REQ"),
    };
    for _ in 0..10 {
        rig.subscribe(filter.clone(), &[0]);
    }
    (0..n).for_each(|n| others.subscribe(&mut rig, n));
    while rig.asked == 0 {
        assert!(rig.wait(), "they are asked for");
    }
    assert!(rig.asked <= 1 + n / 1_000, "they share {} REQs", rig.asked);
    rig.eose_all();
    rig
}
