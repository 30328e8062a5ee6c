//! What an application does not take: full queues, the bound on all of them together, acknowledgement, and relays that
//! bring more than they were asked for.

#![allow(clippy::unwrap_used, clippy::panic, reason = "this is test code, its helpers included")]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use nostr_pool_core::*;
use nostr_proto::{ClientMessage, Event, EventId, EventTemplate, Filter, Keys, Kind, RelayUrl, Timestamp};
use proptest::prelude::*;

const START: u64 = 1_700_000_000;
const MS: u64 = 1_000;
/// No text of a relay: it answers a ping.
const PONG: &str = "pong";

fn url(n: usize) -> RelayUrl {
    RelayUrl::parse(&format!("wss://r{n}.example.com")).unwrap()
}

fn keys() -> Keys {
    Keys::from_entropy([3; 32]).unwrap()
}

fn event(kind: u16, text: &str, at: u64) -> Event {
    let template = EventTemplate::new(Kind::new(kind), text, Timestamp::new(at));
    template.unsigned(keys().public_key()).sign(&keys(), [0; 32])
}

/// A note, made so many seconds before the start.
fn note(text: &str, ago: u64) -> Event {
    event(1, text, START - ago)
}

/// A relay that has events, and answers as an honest one does.
#[derive(Default)]
struct Relay {
    stored: Vec<Event>,
    /// The most events that it gives to one filter.
    cap: usize,
    socket: Option<SocketId>,
    /// Its running requests.
    requests: BTreeMap<String, Vec<Filter>>,
    /// How many it has had, pages included.
    asked: usize,
    /// Whether it says nothing.
    silent: bool,
    /// Nothing is read from it.
    paused: bool,
    /// What it said and was not read.
    said: VecDeque<String>,
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

    fn push(&mut self, event: &Event) {
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

struct World {
    core: Core,
    micros: u64,
    relays: Vec<Relay>,
    /// What the applications have not taken.
    queues: BTreeMap<SubId, VecDeque<Item>>,
    taken: BTreeMap<SubId, Vec<Item>>,
    /// All commands but those that the relays carried out.
    commands: Vec<Command>,
    frames: Vec<String>,
    publishes: Vec<PublishUpdate>,
    /// Signatures are not checked, for now.
    unchecked: bool,
    checks: VecDeque<(Ticket, nostr_proto::HashedEvent)>,
}

impl World {
    fn new(relays: usize, config: Config) -> Self {
        let mut world = Self::unconnected(relays, config);
        world.call(Call::Connect { which: Which::All }).unwrap();
        world
    }

    fn unconnected(relays: usize, config: Config) -> Self {
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

    fn call(&mut self, call: Call) -> Result<Reply, CallError> {
        let reply = self.core.handle_call(call, self.now());
        self.settle();
        reply
    }

    fn subscribe(&mut self, request: Subscribe) -> SubId {
        let Ok(Reply::Subscribed(id)) = self.call(Call::Subscribe(request)) else { panic!("it is subscribed") };
        id
    }

    /// To everything that the filter says, with so much room.
    fn reader(&mut self, filter: Filter, room: usize) -> SubId {
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
    fn settle(&mut self) {
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

    fn push(&mut self, relay: usize, event: &Event) {
        self.relays[relay].push(event);
        self.settle();
    }

    /// Time passes, with every timer at its time.
    fn pass(&mut self, micros: u64) {
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
    fn take(&mut self, sub: SubId, items: usize) -> usize {
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
    fn take_at_once(&mut self, sub: SubId) {
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
    fn drain(&mut self, sub: SubId) {
        for _ in 0..300 {
            self.take(sub, usize::MAX);
            self.pass(1_000 * MS);
        }
    }

    fn untaken_bytes(&self, sub: SubId) -> usize {
        self.queues.get(&sub).into_iter().flatten().map(Item::bytes).sum()
    }

    fn untaken_events(&self, sub: SubId) -> usize {
        self.queues.get(&sub).into_iter().flatten().filter(|item| matches!(item, Item::Event(_))).count()
    }

    /// Everything that the application took.
    fn events(&self, sub: SubId) -> Vec<EventId> {
        let items = self.taken.get(&sub).into_iter().flatten();
        items.filter_map(|item| if let Item::Event(e) = item { Some(e.event.id()) } else { None }).collect()
    }

    fn gaps(&self, sub: SubId) -> Vec<GapCause> {
        let items = self.taken.get(&sub).into_iter().flatten().chain(self.queues.get(&sub).into_iter().flatten());
        items.filter_map(|item| if let Item::Gap(gap) = item { Some(gap.cause.clone()) } else { None }).collect()
    }

    fn overflow(&self, sub: SubId) -> Vec<(u64, u64)> {
        let told = |cause| if let GapCause::QueueFull { skipped, lost } = cause { Some((skipped, lost)) } else { None };
        self.gaps(sub).into_iter().filter_map(told).collect()
    }

    fn paused(&self) -> Vec<bool> {
        self.relays.iter().map(|relay| relay.paused).collect()
    }

    fn checkpoint(&mut self, sub: SubId) -> Checkpoint {
        let Ok(Reply::Checkpoint(it)) = self.call(Call::Checkpoint { sub }) else { panic!("it is a checkpoint") };
        *it
    }
}

fn sorted(mut ids: Vec<EventId>) -> Vec<EventId> {
    ids.sort_unstable();
    ids
}

fn ids(events: &[Event]) -> Vec<EventId> {
    sorted(events.iter().map(|event| event.id()).collect())
}

/// So many notes, one in each second before the start.
fn notes(n: u64) -> Vec<Event> {
    (1..=n).map(|ago| note(&format!("{ago}"), ago * 10)).collect()
}

/// A configuration whose bound on all queues is that of so many notes.
fn bounded(notes: usize) -> Config {
    let read = Event::from_json(&note("1234", 1).to_json()).unwrap();
    let bytes = 128 + nostr_proto::verify_event(read).unwrap().heap_bytes();
    Config { max_queued_bytes: notes * bytes, ..Config::default() }
}

#[test]
fn beyond_the_bound_no_relay_is_read_from_for_a_while_and_then_all_are() {
    let mut w = World::new(2, bounded(4));
    let subs = [w.reader(Filter::new().kind(Kind::new(1)), 100), w.reader(Filter::new().kind(Kind::new(7)), 100)];
    for sub in subs {
        w.take(sub, 100);
    }
    // The news of the beginning was too much already.
    w.pass(1_000 * MS);
    for n in 0..5 {
        assert_eq!(w.paused(), [false, false], "{n}");
        w.push(0, &event(if n % 2 == 0 { 1 } else { 7 }, &format!("{n}123"), START));
    }
    assert_eq!(w.paused(), [true, true]);
    w.push(0, &note("unheard", 0));
    w.push(1, &note("unheard, too", 0));
    w.pass(499 * MS);
    assert_eq!(w.paused(), [true, true]);
    w.pass(MS);
    assert_eq!(w.paused(), [false, false]);
    assert_eq!(w.untaken_events(subs[0]), 3, "what comes then is skipped, for it is still too much");
    w.pass(499 * MS);
    assert_eq!(w.paused(), [false, false], "it is read for as long as it was not");
    w.pass(MS);
    assert_eq!(w.paused(), [true, true]);
    w.take(subs[0], 1);
    assert_eq!(w.paused(), [true, true], "a little room does not end it");
    w.take(subs[1], 2);
    w.take(subs[0], 1);
    assert_eq!(w.paused(), [false, false], "half of it does");
}

#[test]
fn a_socket_that_opens_meanwhile_is_not_read_from_either() {
    let mut w = World::unconnected(2, bounded(1));
    w.call(Call::Connect { which: Which::One(url(0)) }).unwrap();
    let target = Target::Relays(vec![url(0)]);
    let sub = w.subscribe(Subscribe { filters: vec![Filter::new()], target, ..Subscribe::default() });
    w.take(sub, 100);
    w.pass(1_000 * MS);
    w.push(0, &note("1", 0));
    w.push(0, &note("2", 0));
    assert_eq!(w.paused(), [true, false]);
    w.pass(100 * MS);
    w.call(Call::Connect { which: Which::One(url(1)) }).unwrap();
    assert_eq!(w.paused(), [true, true]);
    w.pass(400 * MS);
    assert_eq!(w.paused(), [false, false]);
}

#[test]
fn it_is_read_from_again_when_neither_reason_is_left() {
    for room_first in [true, false] {
        let mut w = World::new(1, Config { max_in_flight_per_relay: 4, ..bounded(1) });
        let sub = w.reader(Filter::new(), 100);
        w.take(sub, 100);
        w.pass(1_000 * MS);
        w.push(0, &note("1", 0));
        w.unchecked = true;
        for n in 0..2 {
            w.push(0, &note(&format!("unchecked {n}"), 0));
        }
        assert_eq!(w.paused(), [true], "two are being verified");
        // News makes it too much to take.
        let other = w.subscribe(Subscribe { filters: vec![Filter::new().kind(Kind::new(9))], ..Subscribe::default() });
        if room_first {
            w.call(Call::Unsubscribe { sub: other }).unwrap();
            w.take(sub, 100);
            assert_eq!(w.paused(), [true], "they still are");
            w.unchecked = false;
            w.settle();
        } else {
            w.unchecked = false;
            w.settle();
            assert_eq!(w.paused(), [true], "there is still too much");
            w.call(Call::Unsubscribe { sub: other }).unwrap();
            w.take(sub, 100);
        }
        assert_eq!(w.paused(), [false]);
    }
}

/// A pool that is paused by the bound at every opportunity, because its application takes nothing.
fn stuck() -> (World, SubId) {
    let mut w = World::new(1, bounded(0));
    let sub = w.reader(Filter::new().kind(Kind::new(7)), 100);
    w.pass(5_000 * MS);
    assert!(w.untaken_bytes(sub) > 0);
    // Until one begins.
    while w.paused() != [true] {
        w.pass(MS);
    }
    (w, sub)
}

#[test]
fn what_relays_are_to_answer_is_overdue_that_much_later_and_nothing_else_is() {
    let (mut w, _) = stuck();
    w.relays[0].silent = true;
    let began = w.micros;
    let asked = w.reader(Filter::new().kind(Kind::new(1)), 100);
    w.pass(2_000 * MS);
    let publish = Publish {
        event: note("mine", 0),
        target: Target::All,
        quorum: Quorum::All,
        deadline: Some(Duration::from_secs(12)),
        link: None,
    };
    w.frames.clear();
    w.call(Call::Publish(publish)).unwrap();
    let published = w.micros;
    let sent = |w: &World| w.frames.iter().filter(|frame| frame.starts_with("[\"EVENT\"")).count();
    assert_eq!(sent(&w), 1, "an EVENT goes out, paused or not");
    let timed_out = |w: &World| w.queues[&asked].iter().any(|item| matches!(item, Item::Eose(_)));
    let (mut eose, mut again, mut verdict) = (None, None, None);
    for _ in 0..24_000 {
        w.pass(MS);
        if timed_out(&w) {
            eose = eose.or(Some(w.micros - began));
        }
        if sent(&w) == 2 {
            again = again.or(Some(w.micros - published));
        }
        if w.publishes.iter().any(|update| matches!(update, PublishUpdate::Verdict(_))) {
            verdict = verdict.or(Some(w.micros - published));
        }
    }
    let near = |at: Option<u64>, ms: u64| at.unwrap().abs_diff(ms * MS) <= 2 * MS;
    // Ten seconds of listening take twenty, and end with a stretch of listening.
    assert!(near(eose, 20_000), "EOSE is overdue after {eose:?}");
    assert!(near(again, 20_000), "the OK is overdue after {again:?}");
    assert!(near(verdict, 12_000), "the verdict is the caller's: {verdict:?}");
}

#[test]
fn silence_counts_only_while_we_listen() {
    let (mut w, _) = stuck();
    w.relays[0].silent = true;
    w.commands.clear();
    let began = w.micros;
    let pings = |w: &World| w.commands.iter().filter(|c| matches!(c, Command::Ping { .. })).count();
    let gone = |w: &World| w.commands.iter().any(|c| matches!(c, Command::Close { code: 1001, .. }));
    let mut first = None;
    while !gone(&w) {
        w.pass(100 * MS);
        if pings(&w) == 1 {
            first = first.or(Some(w.micros - began));
        }
        assert!(w.micros - began < 400_000 * MS, "it is found out");
    }
    assert!(first.unwrap() <= 30_000 * MS, "pings go out as ever");
    let lasted = w.micros - began - first.unwrap();
    assert!(
        (119_000 * MS..=121_000 * MS).contains(&lasted),
        "two are missed after twice thirty seconds of listening: {lasted}"
    );
}

#[test]
fn while_nothing_is_read_closes_go_out() {
    let (mut w, sub) = stuck();
    w.frames.clear();
    w.call(Call::Unsubscribe { sub }).unwrap();
    assert!(w.frames.iter().any(|frame| frame.starts_with("[\"CLOSE\"")), "{:?}", w.frames);
    assert_eq!(w.paused(), [false], "what an ended subscription left counts no more");
}

#[test]
fn a_subscription_that_came_to_its_end_can_be_asked_until_it_is_let_go() {
    for by_hand in [false, true] {
        let mut w = World::new(1, Config::default());
        w.relays[0].stored = notes(20);
        let acknowledge = if by_hand { Acknowledge::ByHand } else { Acknowledge::ByNext };
        let filters = vec![Filter::new()];
        let request = Subscribe { filters, mode: Mode::UntilEose, acknowledge, ..Subscribe::default() };
        let sub = w.subscribe(request);
        w.settle();
        assert!(w.checkpoint(sub).is_empty(), "nothing is acknowledged");
        w.take(sub, 5);
        assert!(w.checkpoint(sub).is_empty(), "not everything is");
        w.take(sub, usize::MAX);
        if by_hand {
            assert!(w.checkpoint(sub).is_empty());
            assert_eq!(w.call(Call::Acknowledge { sub, seq: 20 }), Err(CallError::NotDelivered { sub, seq: 20 }));
            w.call(Call::Acknowledge { sub, seq: 19 }).unwrap();
        }
        assert!(!w.checkpoint(sub).is_empty(), "all is");
        assert_eq!(w.call(Call::Unsubscribe { sub }), Err(CallError::UnknownSubscription(sub)));
        assert_eq!(w.call(Call::Checkpoint { sub }), Err(CallError::UnknownSubscription(sub)));
    }
}

#[test]
fn those_that_came_to_their_end_are_remembered_up_to_a_bound_and_forgotten_at_a_clean_start() {
    let mut w = World::new(1, Config::default());
    let subs: Vec<SubId> = (0..300)
        .map(|_| {
            let request = Subscribe { filters: vec![Filter::new()], mode: Mode::UntilEose, ..Subscribe::default() };
            let sub = w.subscribe(request);
            w.settle();
            sub
        })
        .collect();
    let known = |w: &mut World| subs.iter().filter(|sub| w.call(Call::Checkpoint { sub: **sub }).is_ok()).count();
    assert_eq!(known(&mut w), 256);
    assert!(w.call(Call::Checkpoint { sub: subs[299] }).is_ok());
    w.call(Call::StartClean).unwrap();
    assert_eq!(known(&mut w), 0);
}

#[test]
fn what_a_full_queue_skips_is_fetched_again_and_nobody_else_notices() {
    let mut w = World::new(1, Config::default());
    let stored = notes(40);
    w.relays[0].stored.clone_from(&stored);
    let small = w.reader(Filter::new(), 8);
    let large = w.reader(Filter::new(), 100);
    assert_eq!(w.untaken_events(large), 40);
    let asked = w.relays[0].asked;
    let fits = w.untaken_events(small);
    assert!(fits <= 8);
    w.pass(5_000 * MS);
    w.take(small, 4);
    w.pass(5_000 * MS);
    assert_eq!(w.relays[0].asked, asked, "no page before half is taken");
    assert_eq!(w.overflow(small), []);
    w.take(small, 4);
    assert_eq!(w.overflow(small), [(40 - fits as u64, 0)]);
    w.pass(5_000 * MS);
    assert!(w.relays[0].asked > asked, "but then");
    w.drain(small);
    w.drain(large);
    assert_eq!(sorted(w.events(small)), ids(&stored));
    assert_eq!(sorted(w.events(large)), ids(&stored));
    assert_eq!(w.overflow(large), []);
    let closing = w.gaps(small).iter().filter(|cause| matches!(cause, GapCause::CaughtUp { .. })).count();
    assert!(closing >= 1, "{:?}", w.gaps(small));
}

/// What was skipped is older than what was skipped first: relays answer newest first.
#[test]
fn what_is_told_to_be_made_up_for_begins_with_the_oldest_that_was_skipped() {
    let mut w = World::new(1, Config::default());
    w.relays[0].stored = notes(40);
    let oldest = w.relays[0].stored.iter().map(Event::created_at).min();
    let sub = w.reader(Filter::new(), 8);
    w.take(sub, 8);
    w.drain(sub);
    assert_eq!(w.events(sub).len(), 40);
    let all = w.taken[&sub].iter().filter_map(|item| if let Item::Gap(gap) = item { Some(gap) } else { None });
    let over: Vec<&Gap> = all.filter(|gap| matches!(gap.cause, GapCause::CaughtUp { .. })).collect();
    assert_eq!(over.last().unwrap().since, oldest, "{over:?}");
}

#[test]
fn what_no_relay_keeps_is_lost_and_said_to_be() {
    let mut w = World::new(1, Config::default());
    let sub = w.reader(Filter::new(), 2);
    w.take(sub, 100);
    let kept: Vec<Event> = (0..4).map(|n| note(&format!("kept {n}"), 0)).collect();
    for (n, event_kept) in kept.iter().enumerate() {
        w.push(0, event_kept);
        w.push(0, &event(20_001, &format!("fleeting {n}"), START));
    }
    w.take(sub, 1);
    assert_eq!(w.overflow(sub), [(6, 3)]);
    w.drain(sub);
    let got = w.events(sub);
    assert!(kept.iter().all(|event| got.contains(&event.id())), "the others come");
    assert_eq!(got.len(), 5);
}

#[test]
fn what_only_a_search_finds_is_lost() {
    let mut w = World::new(1, Config::default());
    let sub = w.reader(Filter::new().search("cats"), 1);
    w.take(sub, 100);
    for n in 0..3 {
        w.push(0, &note(&format!("{n}"), 0));
    }
    w.take(sub, 1);
    assert_eq!(w.overflow(sub), [(2, 2)]);
}

#[test]
fn a_fetch_ends_when_what_was_skipped_has_come() {
    let mut w = World::new(2, Config::default());
    let stored = notes(30);
    w.relays[0].stored.extend_from_slice(&stored[..20]);
    w.relays[1].stored.extend_from_slice(&stored[10..]);
    let request =
        Subscribe { filters: vec![Filter::new()], mode: Mode::UntilEose, queue_items: Some(5), ..Subscribe::default() };
    let sub = w.subscribe(request);
    w.drain(sub);
    assert_eq!(sorted(w.events(sub)), ids(&stored));
    assert_eq!(w.taken[&sub].last(), Some(&Item::End(EndReason::Complete)));
}

#[test]
fn the_bound_on_all_queues_skips_and_makes_up_for_it_too() {
    let mut w = World::new(1, bounded(6));
    let stored = notes(40);
    w.relays[0].stored.clone_from(&stored);
    let subs = [w.reader(Filter::new(), 100), w.reader(Filter::new(), 100)];
    w.pass(5_000 * MS);
    let bytes: usize = subs.iter().map(|sub| w.untaken_events(*sub)).sum();
    assert!((1..=7).contains(&bytes), "the bound, and one");
    for _ in 0..100 {
        for sub in subs {
            w.take(sub, 3);
            w.pass(1_000 * MS);
        }
    }
    for sub in subs {
        w.drain(sub);
        assert_eq!(sorted(w.events(sub)), ids(&stored));
    }
}

/// To tell one that there is room again may take that room.
#[test]
fn whoever_was_held_up_by_the_others_goes_on_in_the_end() {
    let mut w = World::new(1, Config { max_queued_bytes: 100, ..Config::default() });
    let subs: Vec<SubId> = (0..5).map(|_| w.reader(Filter::new().kind(Kind::new(1)), 100)).collect();
    for &sub in subs.iter().chain(&subs) {
        w.take(sub, 100);
        w.pass(1_000 * MS);
    }
    w.push(0, &note("1234", 1));
    assert_eq!(subs.iter().map(|&sub| w.untaken_events(sub)).collect::<Vec<_>>(), [1, 0, 0, 0, 0]);
    w.relays[0].silent = true;
    // They take what they are told at once, before anything else happens; those that are told nothing take nothing.
    for &sub in &subs {
        w.take_at_once(sub);
    }
    for &sub in &subs[1..] {
        assert_eq!(w.overflow(sub), [(1, 0)], "{sub}");
    }
}

/// The seconds that a checkpoint has of a relay's first filter.
fn proven(checkpoint: &Checkpoint) -> usize {
    checkpoint.to_json().matches("\"proven\":[[[").count()
}

#[test]
fn taking_the_next_item_acknowledges_the_one_before() {
    let mut w = World::new(1, Config::default());
    w.relays[0].stored = notes(3);
    let filter = Filter::new().kind(Kind::new(1));
    let request = Subscribe { filters: vec![filter], history: History::All, ..Subscribe::default() };
    let sub = w.subscribe(request);
    let items = w.queues[&sub].len();
    assert_eq!(proven(&w.checkpoint(sub)), 0, "nothing is taken");
    let last = w.queues[&sub].iter().rposition(|item| matches!(item, Item::Event(_))).unwrap();
    w.take(sub, last + 1);
    assert_eq!(proven(&w.checkpoint(sub)), 0, "the last event is taken, and nothing after it");
    if items > last + 1 {
        w.take(sub, 1);
    } else {
        w.call(Call::Taken { sub, items: 0, bytes: 0 }).unwrap();
    }
    assert_eq!(proven(&w.checkpoint(sub)), 1);
    // An event that is delivered and not taken: what was good before still is.
    let before = w.checkpoint(sub);
    w.push(0, &note("new", 0));
    w.take(sub, 100);
    assert_eq!(w.checkpoint(sub), before);
    w.call(Call::Taken { sub, items: 0, bytes: 0 }).unwrap();
    assert_eq!(proven(&w.checkpoint(sub)), 1, "it was the last, and the application asks for the next");
}

#[test]
fn by_hand_only_the_application_acknowledges() {
    let mut w = World::new(1, Config::default());
    w.relays[0].stored = notes(3);
    let request = Subscribe {
        filters: vec![Filter::new()],
        history: History::All,
        acknowledge: Acknowledge::ByHand,
        ..Subscribe::default()
    };
    let sub = w.subscribe(request);
    w.take(sub, 100);
    w.call(Call::Taken { sub, items: 0, bytes: 0 }).unwrap();
    assert_eq!(proven(&w.checkpoint(sub)), 0);
    let acknowledge = |w: &mut World, seq| w.call(Call::Acknowledge { sub, seq });
    assert_eq!(acknowledge(&mut w, 3), Err(CallError::NotDelivered { sub, seq: 3 }));
    assert_eq!(acknowledge(&mut w, u64::MAX), Err(CallError::NotDelivered { sub, seq: u64::MAX }));
    acknowledge(&mut w, 1).unwrap();
    assert_eq!(proven(&w.checkpoint(sub)), 0);
    acknowledge(&mut w, 2).unwrap();
    acknowledge(&mut w, 0).unwrap();
    assert_eq!(proven(&w.checkpoint(sub)), 1);
    let nobody = SubId::from_u64(99);
    assert_eq!(w.call(Call::Acknowledge { sub: nobody, seq: 0 }), Err(CallError::UnknownSubscription(nobody)));
    assert_eq!(w.call(Call::Checkpoint { sub: nobody }), Err(CallError::UnknownSubscription(nobody)));
}

/// An application that is always one behind still gets ahead with its checkpoints.
#[test]
fn an_early_checkpoint_is_good_once_everything_before_it_is_acknowledged() {
    let mut w = World::new(1, Config::default());
    let sub = w.subscribe(Subscribe {
        filters: vec![Filter::new()],
        acknowledge: Acknowledge::ByHand,
        ..Subscribe::default()
    });
    w.push(0, &note("0", 0));
    let first = w.checkpoint(sub);
    assert_eq!(proven(&first), 0);
    w.push(0, &note("1", 0));
    w.call(Call::Acknowledge { sub, seq: 0 }).unwrap();
    assert_eq!(proven(&w.checkpoint(sub)), 1, "that of before, now that its event is done with");
}

#[test]
fn what_is_skipped_is_in_no_checkpoint() {
    let mut w = World::new(1, Config::default());
    w.relays[0].stored = notes(20);
    let sub = w.subscribe(Subscribe {
        filters: vec![Filter::new()],
        history: History::All,
        queue_items: Some(4),
        ..Subscribe::default()
    });
    w.take(sub, 1);
    w.pass(100 * MS);
    while w.take(sub, 1) > 0 {
        w.call(Call::Taken { sub, items: 0, bytes: 0 }).unwrap();
        let text = w.checkpoint(sub).to_json();
        let got = w.events(sub);
        for event in w.relays[0].stored.iter().filter(|event| !got.contains(&event.id())) {
            let at = event.created_at().as_secs();
            assert!(!covers(&text, at), "{at} is in {text}");
        }
        w.pass(100 * MS);
    }
    w.drain(sub);
    w.call(Call::Taken { sub, items: 0, bytes: 0 }).unwrap();
    let text = w.checkpoint(sub).to_json();
    assert!(w.relays[0].stored.iter().all(|event| covers(&text, event.created_at().as_secs())), "{text}");
}

/// Whether a second is among the proven ones of a checkpoint with one relay and one filter.
fn covers(text: &str, second: u64) -> bool {
    let Some((_, ranges)) = text.split_once("\"proven\":[") else { return false };
    let numbers: Vec<u64> = ranges.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).collect();
    numbers.chunks_exact(2).any(|range| (range[0]..=range[1]).contains(&second))
}

#[test]
fn a_relay_that_brings_more_than_it_was_asked_for_is_cut_off_and_new_events_are_not() {
    let mut w = World::new(1, Config::default());
    w.relays[0].silent = true;
    let sub = w.reader(Filter::new().limit(10), 1_000);
    let wire = w.relays[0].requests.keys().next().unwrap().clone();
    let old: Vec<Event> = (0..150).map(|n| note(&format!("{n}"), 5_000 + n)).collect();
    let new: Vec<Event> = (0..10).map(|n| note(&format!("new {n}"), 0)).collect();
    let said = |event: &Event| format!("[\"EVENT\",\"{wire}\",{}]", event.to_json());
    w.relays[0].said.extend(old.iter().chain(&new).map(said));
    // Copies of what was dropped are dropped, too, and those of others are copies.
    w.relays[0].said.extend(old[115..125].iter().map(said));
    w.relays[0].said.push_back(format!("[\"EOSE\",\"{wire}\"]"));
    w.settle();
    w.take(sub, 1_000);
    let expected: Vec<Event> = old[..120].iter().chain(&new).cloned().collect();
    assert_eq!(sorted(w.events(sub)), ids(&expected));
    assert_eq!(w.gaps(sub), [GapCause::OverDelivered { dropped: 35 }]);
    let counters = w.core.relay(&url(0)).unwrap().counters;
    assert_eq!((counters.events, counters.excess, counters.duplicates), (170, 35, 5));
    // After its EOSE, whatever it pushes is new.
    w.relays[0].said.push_back(said(&old[140]));
    w.settle();
    w.take(sub, 10);
    assert!(w.events(sub).contains(&old[140].id()));
}

#[test]
fn without_a_limit_there_is_no_such_thing_as_too_many() {
    let mut w = World::new(1, Config::default());
    w.relays[0].stored = notes(300);
    let filters = vec![Filter::new().limit(10), Filter::new().kind(Kind::new(1))];
    let sub = w.subscribe(Subscribe { filters, ..Subscribe::default() });
    assert_eq!(w.untaken_events(sub), 300);
}

#[cfg(feature = "planted-bugs")]
#[test]
fn a_full_queue_that_stalls_others_is_noticed() {
    let others_get = |planted| {
        let mut w = World::new(1, Config { planted, ..Config::default() });
        let (small, large) = (w.reader(Filter::new(), 1), w.reader(Filter::new(), 100));
        w.take(small, 100);
        for n in 0..5 {
            w.push(0, &note(&format!("{n}"), 0));
        }
        w.take(large, 100);
        w.events(large).len()
    };
    assert_eq!(others_get(None), 5);
    assert!(others_get(Some(PlantedBug::OverflowStallsOthers)) < 5);
}

#[cfg(feature = "planted-bugs")]
#[test]
fn a_checkpoint_that_counts_on_delivery_is_noticed() {
    let has = |planted| {
        let mut w = World::new(1, Config { planted, ..Config::default() });
        w.relays[0].stored = notes(3);
        let history = History::All;
        let sub = w.subscribe(Subscribe { filters: vec![Filter::new()], history, ..Subscribe::default() });
        let text = w.checkpoint(sub).to_json();
        w.relays[0].stored.iter().filter(|event| covers(&text, event.created_at().as_secs())).count()
    };
    assert_eq!(has(None), 0);
    assert_eq!(has(Some(PlantedBug::AckByDelivery)), 3);
}

#[derive(Clone, Debug)]
enum Op {
    Push { relay: usize, ago: u64, fleeting: bool },
    Take { sub: usize, items: usize },
    Pass { ms: u64 },
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0..2_usize, 0..600_u64, prop::bool::weighted(0.1))
            .prop_map(|(relay, ago, fleeting)| Op::Push { relay, ago, fleeting }),
        3 => (0..3_usize, 1..6_usize).prop_map(|(sub, items)| Op::Take { sub, items }),
        1 => (1..3_000_u64).prop_map(|ms| Op::Pass { ms }),
    ]
}

/// Room for news beyond the bound of a queue.
const HEADROOM: usize = 256;

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// Three subscriptions on two relays, one of them with a queue that never fills: each gets every event once, and no
    /// queue holds more than it may.
    #[test]
    fn every_event_that_is_kept_comes_once_however_short_the_queue(
        rooms in (1..9_usize, 1..9_usize),
        all in prop::sample::select(vec![2_usize, 10, 10_000]),
        cap in prop::sample::select(vec![500_usize, 12]),
        stored in 0..40_u64,
        ops in prop::collection::vec(op(), 1..80),
    ) {
        let mut w = World::new(2, Config { min_page: 10, ..bounded(all) });
        let mut kept = notes(stored);
        for relay in &mut w.relays {
            relay.cap = cap;
        }
        let half = kept.len() / 2;
        w.relays[0].stored.extend_from_slice(&kept[..half]);
        w.relays[1].stored.extend_from_slice(&kept[half / 2..]);
        let rooms = [rooms.0, rooms.1, 10_000];
        let max = w.core.config().max_queued_bytes;
        let subs: Vec<SubId> = rooms.iter().map(|room| {
            let history = History::All;
            let filters = vec![Filter::new()];
            w.subscribe(Subscribe { filters, history, queue_items: Some(*room), ..Subscribe::default() })
        }).collect();
        for (n, op) in ops.into_iter().enumerate() {
            match op {
                Op::Push { relay, ago, fleeting } => {
                    let event = event(if fleeting { 20_000 } else { 1 }, &format!("pushed {n}"), START - ago);
                    if !fleeting {
                        kept.push(event.clone());
                    }
                    w.push(relay, &event);
                }
                Op::Take { sub, items } => drop(w.take(subs[sub], items)),
                Op::Pass { ms } => w.pass(ms * MS),
            }
            for (&sub, &room) in subs.iter().zip(&rooms) {
                prop_assert!(w.untaken_events(sub) <= room);
            }
            let largest = w.queues.values().flatten().map(Item::bytes).max().unwrap_or(0);
            let untaken: usize = subs.iter().map(|sub| w.untaken_bytes(*sub)).sum();
            prop_assert!(untaken <= max + largest + subs.len() * HEADROOM * 512, "{} of {}", untaken, max);
            if all == 10_000 {
                prop_assert!(w.overflow(subs[2]).is_empty(), "the full queues are none of its business");
            }
        }
        for _ in 0..600 {
            let taken: usize = subs.iter().map(|sub| w.take(*sub, usize::MAX)).sum();
            w.pass(if taken > 0 { 600 * MS } else { 5_000 * MS });
        }
        for &sub in &subs {
            let got = w.events(sub);
            let mut once = got.clone();
            once.sort_unstable();
            once.dedup();
            prop_assert_eq!(once.len(), got.len(), "each once");
            let missing: Vec<usize> = (0..kept.len()).filter(|n| !got.contains(&kept[*n].id())).collect();
            prop_assert!(missing.is_empty(), "{:?} never came, of {}: {:?}", missing, kept.len(), w.gaps(sub));
        }
    }
}
