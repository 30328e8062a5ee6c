//! The world of these tests, and the relays and events that they share.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use nostr_pool_core::*;
use nostr_proto::{ClientMessage, Event, EventId, EventTemplate, Filter, Keys, Kind, RelayUrl, Timestamp};

pub(crate) const START: u64 = 1_700_000_000;
pub(crate) const MS: u64 = 1_000;

/// No text of a relay: it answers a ping.
const PONG: &str = "pong";

pub(crate) fn url(n: usize) -> RelayUrl {
    RelayUrl::parse(&format!("wss://r{n}.example.com")).unwrap()
}

pub(crate) fn keys() -> Keys {
    Keys::from_entropy([3; 32]).unwrap()
}

pub(crate) fn event(kind: u16, text: &str, at: u64) -> Event {
    let template = EventTemplate::new(Kind::new(kind), text, Timestamp::new(at));
    template.unsigned(keys().public_key()).sign(&keys(), [0; 32])
}

/// A note, made so many seconds before the start.
pub(crate) fn note(text: &str, ago: u64) -> Event {
    event(1, text, START - ago)
}

/// A relay that has events, and answers as an honest one does.
#[derive(Default)]
pub(crate) struct Relay {
    pub(crate) stored: Vec<Event>,
    /// The most events that it gives to one filter.
    pub(crate) cap: usize,
    socket: Option<SocketId>,
    /// Its running requests.
    pub(crate) requests: BTreeMap<String, Vec<Filter>>,
    /// How many it has had, pages included.
    pub(crate) asked: usize,
    /// Whether it says nothing.
    pub(crate) silent: bool,
    /// Nothing is read from it.
    pub(crate) paused: bool,
    /// What it said and was not read.
    pub(crate) said: VecDeque<String>,
}

impl Relay {
    fn answer(&mut self, wire: &str, filters: &[Filter]) {
        self.asked += 1;
        self.requests.insert(wire.to_owned(), filters.to_vec());
        if self.silent {
            return;
        }
        let mut ids = BTreeSet::new();
        for filter in filters {
            let mut found: Vec<&Event> = self.stored.iter().filter(|event| filter.matches(event)).collect();
            found.sort_by_key(|event| (std::cmp::Reverse(event.created_at()), event.id()));
            let limit = filter.limit.map_or(usize::MAX, |limit| limit as usize).min(self.cap);
            for event in found.into_iter().take(limit) {
                if ids.insert(event.id()) {
                    self.said.push_back(format!("[\"EVENT\",\"{wire}\",{}]", event.to_json()));
                }
            }
        }
        self.said.push_back(format!("[\"EOSE\",\"{wire}\"]"));
    }

    pub(crate) fn push(&mut self, event: &Event) {
        if !event.kind().is_ephemeral() {
            self.stored.push(event.clone());
        }
        for (wire, filters) in &self.requests {
            if filters.iter().any(|filter| filter.matches(event)) {
                self.said.push_back(format!("[\"EVENT\",\"{wire}\",{}]", event.to_json()));
            }
        }
    }
}

pub(crate) struct World {
    pub(crate) core: Core,
    pub(crate) micros: u64,
    pub(crate) relays: Vec<Relay>,
    /// What the applications have not taken.
    pub(crate) queues: BTreeMap<SubId, VecDeque<Item>>,
    pub(crate) taken: BTreeMap<SubId, Vec<Item>>,
    /// All commands but those that the relays carried out.
    pub(crate) commands: Vec<Command>,
    pub(crate) frames: Vec<String>,
    pub(crate) publishes: Vec<PublishUpdate>,
    /// Signatures are not checked, for now.
    pub(crate) unchecked: bool,
    checks: VecDeque<(Ticket, nostr_proto::HashedEvent)>,
}

impl World {
    pub(crate) fn new(relays: usize, config: Config) -> Self {
        let mut world = Self::unconnected(relays, config);
        world.call(Call::Connect { which: Which::All }).unwrap();
        world
    }

    pub(crate) fn unconnected(relays: usize, config: Config) -> Self {
        let now = Now { mono: Instant::ZERO, unix: Timestamp::new(START) };
        let mut world = Self {
            core: Core::new(config, [9; 32], now),
            micros: 0,
            relays: (0..relays).map(|_| Relay { cap: 500, ..Relay::default() }).collect(),
            queues: BTreeMap::new(),
            taken: BTreeMap::new(),
            commands: Vec::new(),
            frames: Vec::new(),
            publishes: Vec::new(),
            unchecked: false,
            checks: VecDeque::new(),
        };
        for n in 0..relays {
            world.call(Call::AddRelay { url: url(n), options: RelayOptions::default() }).unwrap();
        }
        world
    }

    fn now(&self) -> Now {
        Now { mono: Instant::from_micros(self.micros), unix: Timestamp::new(START + self.micros / 1_000_000) }
    }

    pub(crate) fn call(&mut self, call: Call) -> Result<Reply, CallError> {
        let reply = self.core.handle_call(call, self.now());
        self.settle();
        reply
    }

    pub(crate) fn subscribe(&mut self, request: Subscribe) -> SubId {
        let Ok(Reply::Subscribed(id)) = self.call(Call::Subscribe(request)) else { panic!("it is subscribed") };
        id
    }

    /// To everything that the filter says, with so much room.
    pub(crate) fn reader(&mut self, filter: Filter, room: usize) -> SubId {
        self.subscribe(Subscribe { filters: vec![filter], queue_items: Some(room), ..Subscribe::default() })
    }

    fn relay_of(&mut self, socket: SocketId) -> Option<&mut Relay> {
        self.relays.iter_mut().find(|relay| relay.socket == Some(socket))
    }

    fn carry_out(&mut self, command: Command) {
        match &command {
            Command::Open { socket, url: of, .. } => {
                let n = (0..self.relays.len()).find(|&n| url(n) == *of).unwrap();
                let relay = &mut self.relays[n];
                (relay.socket, relay.paused) = (Some(*socket), false);
                relay.requests.clear();
                relay.said.clear();
                self.core.handle_input(Input::Opened { socket: *socket }, self.now());
            }
            Command::Send { socket, frame } => {
                self.frames.push(frame.to_string());
                if let Some(relay) = self.relay_of(*socket) {
                    match ClientMessage::from_json(frame).unwrap() {
                        ClientMessage::Req { subscription, filters } => relay.answer(&subscription, &filters),
                        ClientMessage::Close { subscription } => drop(relay.requests.remove(&*subscription)),
                        ClientMessage::Event(event) if !relay.silent => {
                            relay.said.push_back(format!("[\"OK\",\"{}\",true,\"\"]", event.id()));
                        }
                        _ => {}
                    }
                }
                self.core.handle_input(Input::Sent { socket: *socket }, self.now());
            }
            Command::Ping { socket } => {
                if let Some(relay) = self.relay_of(*socket).filter(|relay| !relay.silent) {
                    relay.said.push_back(PONG.to_owned());
                }
                self.core.handle_input(Input::Sent { socket: *socket }, self.now());
            }
            Command::PauseRead { socket } | Command::ResumeRead { socket } => {
                let pause = matches!(command, Command::PauseRead { .. });
                let relay = self.relay_of(*socket).unwrap();
                assert_ne!(relay.paused, pause, "no order is given twice");
                relay.paused = pause;
            }
            Command::Close { socket, .. } => {
                if let Some(relay) = self.relay_of(*socket) {
                    relay.socket = None;
                }
                let closed = Input::Closed { socket: *socket, reason: CloseReason::Local };
                self.core.handle_input(closed, self.now());
            }
            Command::Verify { ticket, event } => self.checks.push_back((*ticket, event.clone())),
            Command::Sign { .. } | Command::SignAuth { .. } => {}
        }
        self.commands.push(command);
    }

    /// Until nothing is left to do at this time.
    pub(crate) fn settle(&mut self) {
        loop {
            if let Some(command) = self.core.poll_command() {
                self.carry_out(command);
            } else if let Some(event) = self.core.poll_event() {
                match event {
                    PoolEvent::Item { sub, item } => self.queues.entry(sub).or_default().push_back(item),
                    PoolEvent::Publish { update, .. } => self.publishes.push(update),
                    _ => {}
                }
            } else if let Some((ticket, event)) = self.checks.pop_front_if(|_| !self.unchecked) {
                let outcome = nostr_proto::verify(&event);
                self.core.handle_input(Input::Verified { ticket, outcome }, self.now());
            } else if let Some((socket, frame)) = self.next_frame() {
                let input = if frame == PONG { Input::Pong { socket } } else { Input::Text { socket, frame: &frame } };
                self.core.handle_input(input, self.now());
            } else {
                return;
            }
        }
    }

    fn next_frame(&mut self) -> Option<(SocketId, String)> {
        let speaks = |relay: &&mut Relay| !relay.paused && !relay.said.is_empty();
        let relay = self.relays.iter_mut().find(speaks)?;
        Some((relay.socket?, relay.said.pop_front()?))
    }

    pub(crate) fn push(&mut self, relay: usize, event: &Event) {
        self.relays[relay].push(event);
        self.settle();
    }

    /// Time passes, with every timer at its time.
    pub(crate) fn pass(&mut self, micros: u64) {
        let end = self.micros + micros;
        while let Some(at) = self.core.poll_timeout().map(|due| due.at.as_micros()).filter(|at| *at <= end) {
            assert!(at >= self.micros, "timers are later than now");
            self.micros = at;
            self.core.handle_timeout(self.now());
            self.settle();
        }
        self.micros = end;
    }

    /// The application takes so many items.
    pub(crate) fn take(&mut self, sub: SubId, items: usize) -> usize {
        let queue = self.queues.entry(sub).or_default();
        let got: Vec<Item> = queue.drain(..items.min(queue.len())).collect();
        let (items, bytes) = (got.len(), got.iter().map(Item::bytes).sum());
        self.taken.entry(sub).or_default().extend(got);
        if items > 0 {
            self.call(Call::Taken { sub, items, bytes }).unwrap();
        }
        items
    }

    /// The application takes everything, and what it is told of that, before anything else happens.
    pub(crate) fn take_at_once(&mut self, sub: SubId) {
        loop {
            while let Some(event) = self.core.poll_event() {
                if let PoolEvent::Item { sub, item } = event {
                    self.queues.entry(sub).or_default().push_back(item);
                }
            }
            let queue = core::mem::take(self.queues.entry(sub).or_default());
            let (items, bytes) = (queue.len(), queue.iter().map(Item::bytes).sum());
            self.taken.entry(sub).or_default().extend(queue);
            if items == 0 {
                return;
            }
            self.core.handle_call(Call::Taken { sub, items, bytes }, self.now()).unwrap();
        }
    }

    /// The application takes everything, until no more comes within a while.
    pub(crate) fn drain(&mut self, sub: SubId) {
        for _ in 0..300 {
            self.take(sub, usize::MAX);
            self.pass(1_000 * MS);
        }
    }

    pub(crate) fn untaken_bytes(&self, sub: SubId) -> usize {
        self.queues.get(&sub).into_iter().flatten().map(Item::bytes).sum()
    }

    pub(crate) fn untaken_events(&self, sub: SubId) -> usize {
        self.queues.get(&sub).into_iter().flatten().filter(|item| matches!(item, Item::Event(_))).count()
    }

    /// Everything that the application took.
    pub(crate) fn events(&self, sub: SubId) -> Vec<EventId> {
        let items = self.taken.get(&sub).into_iter().flatten();
        items.filter_map(|item| if let Item::Event(e) = item { Some(e.event.id()) } else { None }).collect()
    }

    pub(crate) fn gaps(&self, sub: SubId) -> Vec<GapCause> {
        let items = self.taken.get(&sub).into_iter().flatten().chain(self.queues.get(&sub).into_iter().flatten());
        items.filter_map(|item| if let Item::Gap(gap) = item { Some(gap.cause.clone()) } else { None }).collect()
    }

    pub(crate) fn overflow(&self, sub: SubId) -> Vec<(u64, u64)> {
        let told = |cause| if let GapCause::QueueFull { skipped, lost } = cause { Some((skipped, lost)) } else { None };
        self.gaps(sub).into_iter().filter_map(told).collect()
    }

    pub(crate) fn paused(&self) -> Vec<bool> {
        self.relays.iter().map(|relay| relay.paused).collect()
    }

    pub(crate) fn checkpoint(&mut self, sub: SubId) -> Checkpoint {
        let Ok(Reply::Checkpoint(it)) = self.call(Call::Checkpoint { sub }) else { panic!("it is a checkpoint") };
        *it
    }
}

pub(crate) fn sorted(mut ids: Vec<EventId>) -> Vec<EventId> {
    ids.sort_unstable();
    ids
}

pub(crate) fn ids(events: &[Event]) -> Vec<EventId> {
    sorted(events.iter().map(|event| event.id()).collect())
}

/// So many notes, one in each second before the start.
pub(crate) fn notes(n: u64) -> Vec<Event> {
    (1..=n).map(|ago| note(&format!("{ago}"), ago * 10)).collect()
}

/// A configuration whose bound on all queues is that of so many notes.
pub(crate) fn bounded(notes: usize) -> Config {
    let read = Event::from_json(&note("1234", 1).to_json()).unwrap();
    let bytes = 128 + nostr_proto::verify_event(read).unwrap().heap_bytes();
    Config { max_queued_bytes: notes * bytes, ..Config::default() }
}
