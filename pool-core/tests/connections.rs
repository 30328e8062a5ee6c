//! Connections in the whole core: quarantine, sockets that are short, pace, health, and drivers that misbehave.

#![allow(clippy::unwrap_used, clippy::panic, reason = "this is test code, its helpers included")]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use nostr_pool_core::*;
use nostr_proto::{Event, EventTemplate, Filter, Keys, Kind, RelayInfo, RelayUrl, Timestamp};
use proptest::prelude::*;

const S: u64 = 1_000_000;
const UNIX: u64 = 1_700_000_000;

/// A core and a driver that closes, takes frames and answers pings at once; what relays do is up to the test.
struct Bench {
    core: Core,
    micros: u64,
    /// What is asked of the driver and not answered: dials, and frames to relays.
    dials: Vec<(SocketId, RelayUrl)>,
    frames: VecDeque<(SocketId, String)>,
    verify: VecDeque<(Ticket, nostr_proto::HashedEvent)>,
    /// All sockets that are not gone, and the most there ever were.
    sockets: BTreeMap<SocketId, RelayUrl>,
    most: usize,
    closes: Vec<(SocketId, u16, String)>,
    told: Vec<PoolEvent>,
}

impl Bench {
    fn new(config: Config) -> Self {
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

    fn now(&self) -> Now {
        Now { mono: Instant::from_micros(self.micros), unix: Timestamp::new(UNIX + self.micros / S) }
    }

    fn call(&mut self, call: Call) -> Result<Reply, CallError> {
        let reply = self.core.handle_call(call, self.now());
        self.settle();
        reply
    }

    fn input(&mut self, input: Input<'_>) {
        self.core.handle_input(input, self.now());
        self.settle();
    }

    fn settle(&mut self) {
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
    fn pass(&mut self, micros: u64, connects: bool) {
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

    fn open_all(&mut self) {
        for (socket, _) in std::mem::take(&mut self.dials) {
            self.input(Input::Opened { socket });
        }
    }

    fn add(&mut self, n: usize) {
        self.add_with(n, RelayOptions::default());
    }

    fn add_with(&mut self, n: usize, options: RelayOptions) {
        self.call(Call::AddRelay { url: url(n), options }).unwrap();
    }

    fn subscribe(&mut self, target: Target, mode: Mode) -> SubId {
        let filters = vec![Filter::new().kind(Kind::TEXT_NOTE)];
        // Requests of its own: what is grouped has scripts of its own.
        let group = Group::Alone;
        let request = Subscribe { filters, target, mode, versions: Versions::Latest, group, ..Subscribe::default() };
        let Ok(Reply::Subscribed(sub)) = self.call(Call::Subscribe(request)) else { panic!("there is room") };
        sub
    }

    fn publish(&mut self, event: &Event, target: Target) -> PublishId {
        let publish = Publish { event: event.clone(), target, quorum: Quorum::First, deadline: None, link: None };
        let Ok(Reply::Publishing(id, _)) = self.call(Call::Publish(publish)) else { panic!("there is room") };
        id
    }

    fn record(&self, n: usize) -> RelayRecord {
        self.core.relay(&url(n)).unwrap()
    }

    fn state(&self, n: usize) -> ConnectionState {
        self.record(n).state
    }

    fn socket(&self, n: usize) -> SocketId {
        *self.sockets.iter().find(|(_, known)| **known == url(n)).unwrap().0
    }

    /// The id of the last REQ to a relay.
    fn wire(&self, n: usize) -> String {
        let socket = self.socket(n);
        let asked = |(to, frame): &&(SocketId, String)| *to == socket && frame.starts_with("[\"REQ\"");
        self.frames.iter().rev().find(asked).unwrap().1.split('"').nth(3).unwrap().to_owned()
    }

    fn text(&mut self, n: usize, frame: &str) {
        let socket = self.socket(n);
        self.input(Input::Text { socket, frame });
    }

    fn event(&mut self, n: usize, json: &str) {
        let wire = self.wire(n);
        self.text(n, &format!("[\"EVENT\",\"{wire}\",{json}]"));
    }

    fn verify_all(&mut self) {
        while let Some((ticket, event)) = self.verify.pop_front() {
            let outcome = nostr_proto::verify(&event);
            self.input(Input::Verified { ticket, outcome });
        }
    }

    /// A relay sends so many events whose signature is wrong, each its own.
    fn forge(&mut self, n: usize, events: std::ops::Range<u64>) {
        for k in events {
            self.event(n, &bad_signature(&note(k)));
        }
        self.verify_all();
    }

    fn is_quarantined(&self, n: usize) -> bool {
        matches!(self.state(n), ConnectionState::Quarantined { .. })
    }
}

fn url(n: usize) -> RelayUrl {
    RelayUrl::parse(&format!("wss://r{n}.example.com")).unwrap()
}

fn only(n: usize) -> Target {
    Target::Relays(vec![url(n)])
}

fn event(kind: Kind, n: u64) -> Event {
    let keys = Keys::from_entropy([1; 32]).unwrap();
    let template = EventTemplate::new(kind, format!("note {n}"), Timestamp::new(UNIX + n));
    template.unsigned(keys.public_key()).sign(&keys, [0; 32])
}

fn note(n: u64) -> Event {
    event(Kind::TEXT_NOTE, n)
}

fn bad_signature(event: &Event) -> String {
    let good = event.signature().to_string();
    let flipped = if good.starts_with('0') { "1" } else { "0" };
    event.to_json().replace(&good, &format!("{flipped}{}", &good[1..]))
}

/// A bench with so many relays connected, each asked by one live subscription.
fn connected(relays: usize, config: Config) -> Bench {
    let mut b = Bench::new(config);
    (0..relays).for_each(|n| b.add(n));
    b.subscribe(Target::All, Mode::Live);
    b.open_all();
    b
}

#[test]
fn a_forger_is_left_alone_for_ten_minutes_and_then_dialled() {
    let mut b = connected(1, Config::default());
    b.forge(0, 0..9);
    assert_eq!(b.state(0), ConnectionState::Open, "nine are not enough");
    b.forge(0, 0..9);
    assert_eq!(b.state(0), ConnectionState::Open, "nor are nine over and over");
    let publish = b.publish(&note(1), Target::All);
    b.told.clear();
    b.forge(0, 9..10);
    assert!(b.is_quarantined(0), "{:?}", b.state(0));
    assert!(matches!(&b.closes[..], [(_, 1008, reason)] if reason == "forged events"), "{:?}", b.closes);
    let settled = b.told.iter().find_map(|e| match e {
        PoolEvent::Item { item: Item::Eose(coverage), .. } => Some(coverage.legs[0].outcome.clone()),
        _ => None,
    });
    assert_eq!(settled, Some(LegOutcome::Disconnected), "nobody waits for it");
    let report = b.core.publish_report(publish).unwrap();
    assert_eq!(report.relays[0].1, PublishStatus::Queued, "the publish does");
    let fetch = b.subscribe(Target::All, Mode::UntilEose);
    let end = PoolEvent::Item { sub: fetch, item: Item::End(EndReason::Complete) };
    assert!(b.told.contains(&end), "a new request does not wait either");
    b.pass(599 * S, true);
    assert!(b.is_quarantined(0));
    b.pass(2 * S, true);
    assert_eq!((b.state(0), b.sockets.len()), (ConnectionState::Open, 1));
    assert!(b.record(0).health.violations >= 10);
}

#[test]
fn a_wrong_id_counts_like_a_wrong_signature() {
    let mut b = connected(1, Config::default());
    for n in 0..10 {
        let json = note(n).to_json().replace("note", "vote");
        b.event(0, &json);
    }
    assert!(b.is_quarantined(0));
    assert!(b.verify.is_empty());
}

#[test]
fn whoever_brought_the_very_signature_is_answerable() {
    let mut b = connected(5, Config::default());
    for n in 0..10 {
        // The honest one is first, or last; a third signature is parked by two, and found bad, too.
        let (good, bad) = (note(n).to_json(), bad_signature(&note(n)));
        let other = bad.replace(&bad[bad.find("\"sig\":\"").unwrap()..][7..11], "abcd");
        b.event(0, &bad);
        b.event(1, &bad);
        b.event(2, &other);
        b.event(3, &other);
        b.event(4, &good);
        b.verify_all();
    }
    let quarantined: Vec<bool> = (0..5).map(|n| b.is_quarantined(n)).collect();
    assert_eq!(quarantined, [true, true, true, true, false]);
    assert_eq!(b.core.stats().verified, 10);
}

/// A relay that does everything but forge.
fn sloppy(b: &mut Bench) {
    for n in 0..300 {
        b.event(0, &event(Kind::REACTION, n).to_json());
        b.event(0, &note(n).to_json());
        b.event(0, &note(n % 7).to_json());
        b.text(0, "[\"EVENT\",\"p9999\",{}]");
        b.text(0, "garbage");
        b.text(0, "[\"EOSE\",\"nobody\"]");
        let socket = b.socket(0);
        b.input(Input::Binary { socket });
    }
    b.verify_all();
}

#[test]
fn an_honest_relay_is_never_quarantined_however_sloppy() {
    let mut b = connected(1, Config::default());
    sloppy(&mut b);
    assert_eq!((b.state(0), b.record(0).counters.forged), (ConnectionState::Open, 0));
    assert!(b.record(0).health.violations >= 600, "garbage is a violation all the same");
}

#[test]
fn one_percent_of_many_is_not_enough() {
    let mut b = connected(1, Config::default());
    for n in 0..3_000 {
        b.event(0, &event(Kind::REACTION, n).to_json());
    }
    b.forge(0, 0..15);
    assert_eq!(b.state(0), ConnectionState::Open);
    b.forge(0, 15..60);
    assert!(b.is_quarantined(0));
}

#[test]
fn a_relay_that_the_user_vouches_for_is_not_quarantined() {
    let mut b = Bench::new(Config::default());
    b.add_with(0, RelayOptions { quarantine: false, ..RelayOptions::default() });
    b.subscribe(Target::All, Mode::Live);
    b.open_all();
    b.forge(0, 0..100);
    assert_eq!((b.state(0), b.record(0).counters.forged), (ConnectionState::Open, 100));
}

#[test]
fn a_new_network_does_not_lift_a_quarantine_and_the_application_does() {
    let lifts: [(Call, Option<ConnectionState>); 4] = [
        (Call::NetworkChanged, None),
        (Call::Connect { which: Which::All }, Some(ConnectionState::Dialing)),
        (
            Call::Reconnect { which: Which::One(url(0)), options: ReconnectOptions::default() },
            Some(ConnectionState::Dialing),
        ),
        (Call::Disconnect { which: Which::All, code: 1000, reason: String::new() }, Some(ConnectionState::Disabled)),
    ];
    for (call, state) in lifts {
        let mut b = connected(1, Config::default());
        b.forge(0, 0..10);
        let before = b.state(0);
        b.call(call.clone()).unwrap();
        b.pass(20 * S, false);
        b.call(Call::NetworkChanged).unwrap();
        let dialled = state == Some(ConnectionState::Dialing);
        assert_eq!(!b.dials.is_empty() || matches!(b.state(0), ConnectionState::Backoff { .. }), dialled, "{call:?}");
        assert!(dialled || b.state(0) == state.unwrap_or(before), "{call:?}: {:?}", b.state(0));
    }
}

#[test]
fn a_relay_that_forges_again_is_left_alone_for_twice_as_long() {
    let mut b = connected(1, Config::default());
    let mut lengths = Vec::new();
    for round in 0..8 {
        b.forge(0, round * 10..round * 10 + 10);
        let ConnectionState::Quarantined { until } = b.state(0) else { panic!("{:?}", b.state(0)) };
        lengths.push(until.saturating_since(b.now().mono).as_secs() / 60);
        let left = until.as_micros() - b.micros;
        b.pass(left, true);
        b.open_all();
    }
    assert_eq!(lengths, [10, 20, 40, 80, 160, 320, 360, 360]);
}

#[test]
fn a_forgery_that_is_found_late_counts_without_a_socket_too() {
    let mut b = connected(2, Config::default());
    for n in 0..10 {
        b.event(0, &bad_signature(&note(n)));
    }
    b.call(Call::Disconnect { which: Which::One(url(0)), code: 1000, reason: String::new() }).unwrap();
    b.verify_all();
    assert_eq!(b.state(0), ConnectionState::Disabled, "what the application switched off stays off");
    for n in 10..20 {
        b.event(1, &bad_signature(&note(n)));
    }
    let socket = b.socket(1);
    b.sockets.remove(&socket);
    b.input(Input::Closed { socket, reason: CloseReason::Error("reset".into()) });
    b.verify_all();
    assert!(b.is_quarantined(1), "instead of a back-off: {:?}", b.state(1));
}

#[test]
fn starting_clean_ends_a_quarantine() {
    let mut b = connected(1, Config::default());
    b.forge(0, 0..10);
    b.call(Call::StartClean).unwrap();
    assert_eq!((b.state(0), b.record(0).health), (ConnectionState::Idle, Health::default()));
    b.subscribe(Target::All, Mode::Live);
    b.open_all();
    b.forge(0, 0..9);
    assert_eq!(b.state(0), ConnectionState::Open, "the forgeries are forgotten");
}

#[test]
fn a_notice_is_told_and_ends_a_connection_only_where_that_was_asked_for() {
    for on in [false, true] {
        let mut b = Bench::new(Config::default());
        b.add_with(0, RelayOptions { reconnect_on_notice: on, ..RelayOptions::default() });
        b.subscribe(Target::All, Mode::Live);
        b.open_all();
        b.text(0, "[\"NOTICE\",\"slow down\"]");
        let told = PoolEvent::Relay { relay: url(0), update: RelayUpdate::Notice("slow down".into()) };
        assert!(b.told.contains(&told));
        assert_eq!(matches!(b.state(0), ConnectionState::Backoff { .. }), on, "{:?}", b.state(0));
        assert_eq!(b.record(0).failures_in_row, u32::from(on));
        b.pass(3 * S, true);
        assert_eq!((b.state(0), b.record(0).dials), (ConnectionState::Open, 1 + u64::from(on)));
    }
}

#[test]
fn a_new_network_has_no_relay_dialled_that_nobody_needs() {
    let mut b = Bench::new(Config::default());
    b.add_with(0, RelayOptions { reconnect_on_notice: true, ..RelayOptions::default() });
    let sub = b.subscribe(Target::All, Mode::Live);
    b.open_all();
    b.call(Call::Unsubscribe { sub }).unwrap();
    let socket = b.socket(0);
    // The driver is not done with closing when the network changes.
    b.core.handle_input(Input::Text { socket, frame: "[\"NOTICE\",\"slow down\"]" }, b.now());
    assert_eq!(b.state(0), ConnectionState::Closing);
    b.core.handle_call(Call::NetworkChanged, b.now()).unwrap();
    b.settle();
    b.pass(30 * S, true);
    assert_eq!((b.state(0), b.record(0).dials), (ConnectionState::Idle, 1));
}

#[test]
fn only_close_codes_that_may_be_sent_are_taken() {
    for (code, may) in [
        (1000, true),
        (3000, true),
        (4999, true),
        (0, false),
        (999, false),
        (1001, false),
        (1005, false),
        (1006, false),
    ]
    .into_iter()
    .chain([(1015, false), (2999, false), (5000, false), (u16::MAX, false)])
    {
        let mut b = connected(1, Config::default());
        let reply = b.call(Call::Disconnect { which: Which::All, code, reason: "é".repeat(100) });
        if may {
            assert_eq!(reply, Ok(Reply::Done));
            assert!(matches!(&b.closes[..], [(_, sent, reason)] if *sent == code && reason.len() == 122));
        } else {
            assert_eq!(reply, Err(CallError::CloseCode(code)));
            assert_eq!((b.state(0), b.closes.len()), (ConnectionState::Open, 0), "nothing has changed");
        }
    }
}

#[test]
fn a_publish_that_is_never_answered_does_not_keep_the_only_socket() {
    let mut b = Bench::new(Config { max_connections: 1, max_sends: 1_000, ..Config::default() });
    b.publish(&note(1), only(0));
    b.open_all();
    b.pass(60 * S, true);
    assert_eq!(b.state(0), ConnectionState::Open, "nobody else wants its socket");
    b.subscribe(only(1), Mode::Live);
    assert_eq!((b.state(0), b.state(1)), (ConnectionState::WaitingForSlot, ConnectionState::Dialing));
    b.pass(700 * S, true);
    assert_eq!(b.state(1), ConnectionState::Open, "a live subscription never makes room");
    assert_eq!(b.most, 1);
}

#[test]
fn a_connection_makes_room_when_it_had_its_turn_and_not_before() {
    let mut b = Bench::new(Config { max_connections: 1, ..Config::default() });
    b.publish(&note(1), only(0));
    b.open_all();
    b.pass(3 * S, true);
    b.publish(&note(2), only(1));
    b.publish(&note(3), only(2));
    b.pass(6_900_000, false);
    assert_eq!(b.state(0), ConnectionState::Open);
    b.pass(200_000, true);
    let states = |b: &Bench| [b.state(0), b.state(1), b.state(2)];
    let (open, waits) = (ConnectionState::Open, ConnectionState::WaitingForSlot);
    assert_eq!(states(&b), [waits, open, waits]);
    b.pass(10 * S, true);
    assert_eq!(states(&b), [waits, waits, open], "whoever made room waits at the end");
    b.pass(10 * S, true);
    assert_eq!(b.state(0), open);
    assert_eq!(b.record(0).failures_in_row, 0, "making room is no failure");
}

#[test]
fn a_fetch_from_more_relays_than_sockets_asks_them_all() {
    let mut b = Bench::new(Config { max_connections: 2, ..Config::default() });
    let fetch = b.subscribe(Target::Relays((0..7).map(url).collect()), Mode::UntilEose);
    for _ in 0..20 {
        b.open_all();
        for (socket, frame) in std::mem::take(&mut b.frames) {
            if frame.starts_with("[\"REQ\"") {
                let wire = frame.split('"').nth(3).unwrap();
                let frame = format!("[\"EOSE\",\"{wire}\"]");
                b.input(Input::Text { socket, frame: &frame });
            }
        }
        b.pass(S / 10, true);
    }
    let coverage = b.told.iter().find_map(|e| match e {
        PoolEvent::Item { sub, item: Item::Eose(coverage) } if *sub == fetch => Some(coverage),
        _ => None,
    });
    assert!(coverage.is_some_and(Coverage::is_complete), "{coverage:?}");
    assert_eq!(b.most, 2);
}

#[test]
fn where_live_subscriptions_have_all_sockets_nobody_waits_for_one() {
    let mut b = Bench::new(Config { max_connections: 1, ..Config::default() });
    b.subscribe(only(0), Mode::Live);
    b.open_all();
    let fetch = b.subscribe(only(1), Mode::UntilEose);
    assert!(b.told.contains(&PoolEvent::Item { sub: fetch, item: Item::End(EndReason::Complete) }));
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Need {
    /// A publish that is never answered.
    Publish,
    /// A fetch whose relay says nothing.
    Fetch,
    /// A live subscription.
    Live,
}

fn need() -> impl Strategy<Value = Need> {
    prop_oneof![5 => Just(Need::Publish), 2 => Just(Need::Fetch), 1 => Just(Need::Live)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn nobody_starves_behind_those_that_serve_only_once_and_the_cap_holds(
        cap in 1_usize..5,
        needs in proptest::collection::vec((need(), 0_u64..20), 1..16),
        hangs in proptest::collection::vec(any::<bool>(), 16),
    ) {
        let live = needs.iter().filter(|(need, _)| *need == Need::Live).count();
        prop_assume!(live < cap);
        let mut b = Bench::new(Config { max_connections: cap, max_sends: 1_000, ..Config::default() });
        let mut opened: BTreeSet<usize> = BTreeSet::new();
        let mut standing: BTreeMap<usize, SocketId> = BTreeMap::new();
        for (n, (need, pause)) in needs.iter().enumerate() {
            match need {
                Need::Publish => drop(b.publish(&note(n as u64), only(n))),
                Need::Fetch => drop(b.subscribe(only(n), Mode::UntilEose)),
                Need::Live => drop(b.subscribe(only(n), Mode::Live)),
            }
            b.pass(pause * S, false);
        }
        // Each turn is 10 s, and so is what a relay that hangs takes, and more; each of them is at most once before another.
        let rounds = needs.len().div_ceil(cap - live) as u64 + 1;
        for _ in 0..rounds * 40 {
            for (socket, relay) in std::mem::take(&mut b.dials) {
                let n = (0..needs.len()).find(|n| url(*n) == relay).unwrap();
                if hangs[n] && needs[n].0 == Need::Publish {
                    b.dials.push((socket, relay));
                } else {
                    b.input(Input::Opened { socket });
                    opened.insert(n);
                    if needs[n].0 == Need::Live {
                        prop_assert!(standing.insert(n, socket).is_none(), "a live subscription does not make room");
                    }
                }
            }
            b.pass(S, false);
            prop_assert!(b.most <= cap);
        }
        for (n, (need, _)) in needs.iter().enumerate() {
            let waits = *need != Need::Fetch && !(hangs[n] && *need == Need::Publish);
            prop_assert!(!waits || opened.contains(&n), "{need:?} of relay {n} never got a socket");
        }
    }
}

/// A relay that takes so many EVENTs a minute and refuses the others. Returns how many refusals it took to publish all.
fn publish_to_limited(config: Config, most: usize, events: u64) -> (usize, u64) {
    let mut b = Bench::new(config);
    b.add(0);
    let ids: Vec<PublishId> = (0..events).map(|n| b.publish(&note(n), Target::All)).collect();
    let (mut taken, mut refusals, mut last): (VecDeque<u64>, usize, u64) = (VecDeque::new(), 0, 0);
    for _ in 0..600 * 20 {
        b.open_all();
        for (socket, frame) in std::mem::take(&mut b.frames) {
            let Some(id) = frame.split("\"id\":\"").nth(1).map(|rest| &rest[..64]) else { continue };
            while taken.front().is_some_and(|at| at + 60 * S <= b.micros) {
                taken.pop_front();
            }
            let answer = if taken.len() < most {
                taken.push_back(b.micros);
                last = b.micros;
                format!("[\"OK\",\"{id}\",true,\"\"]")
            } else {
                refusals += 1;
                format!("[\"OK\",\"{id}\",false,\"rate-limited: slow down\"]")
            };
            b.input(Input::Text { socket, frame: &answer });
        }
        b.pass(S / 20, true);
    }
    let done = ids.iter().filter(|id| b.core.publish_report(**id).is_some_and(|r| r.accepted() == 1)).count();
    assert_eq!(done, ids.len(), "{refusals} refusals");
    (refusals, last / S)
}

#[test]
fn a_relay_that_takes_some_in_a_minute_gets_all_in_the_end() {
    let config = || Config { max_sends: 50, ..Config::default() };
    for (most, events) in [(60, 100), (20, 80), (6, 20)] {
        let (refusals, seconds) = publish_to_limited(config(), most, events);
        // Those that were sent before the first refusal was heard, and a few probes.
        assert!(
            refusals + most < usize::try_from(events).unwrap() + 40,
            "{refusals} refusals of {events} at {most} a minute"
        );
        assert!(seconds < 500, "{seconds} s");
    }
}

#[test]
fn a_pace_holds_up_neither_closes_nor_pings_and_serves_reqs_and_events_in_turn() {
    let mut b = Bench::new(Config { max_sends: 50, ..Config::default() });
    b.add(0);
    let first = b.publish(&note(0), Target::All);
    b.open_all();
    let id = note(0).id();
    b.text(0, &format!("[\"OK\",\"{id}\",false,\"rate-limited: slow\"]"));
    let live = b.subscribe(Target::All, Mode::Live);
    let subs: Vec<SubId> = (0..3).map(|_| b.subscribe(Target::All, Mode::Live)).collect();
    (1..5).for_each(|n| {
        b.publish(&note(n), Target::All);
    });
    b.frames.clear();
    b.pass(999_999, true);
    assert!(b.frames.is_empty(), "a pause: {:?}", b.frames);
    b.pass(1, true);
    let mut kinds = String::new();
    for _ in 0..7 {
        assert_eq!(b.frames.len(), 1, "one by one: {:?}", b.frames);
        kinds.push_str(if b.frames.pop_front().unwrap().1.starts_with("[\"REQ\"") { "r" } else { "e" });
        b.pass(S, true);
    }
    assert!(["erererer", "rererere"].iter().any(|turns| turns.starts_with(&kinds)), "{kinds}");
    b.frames.clear();
    for sub in subs.into_iter().chain([live]) {
        b.call(Call::Unsubscribe { sub }).unwrap();
    }
    assert_eq!(b.frames.len(), 4, "CLOSEs are not held up: {:?}", b.frames);
    assert!(b.core.publish_report(first).is_some());
}

#[test]
fn a_record_tells_how_long_things_take_and_what_is_under_way() {
    let mut b = Bench::new(Config::default());
    b.add(0);
    b.subscribe(Target::All, Mode::Live);
    b.pass(2 * S, false);
    b.open_all();
    b.publish(&note(1), Target::All);
    let record = b.record(0);
    assert_eq!((record.active_requests, record.pending_publishes, record.state), (1, 1, ConnectionState::Open));
    assert_eq!(record.last_connected, Some(Timestamp::new(UNIX + 2)));
    b.pass(4 * S, false);
    let wire = b.wire(0);
    b.text(0, &format!("[\"EOSE\",\"{wire}\"]"));
    b.text(0, &format!("[\"EOSE\",\"{wire}\"]"));
    b.pass(S, false);
    b.text(0, &format!("[\"OK\",\"{}\",true,\"\"]", note(1).id()));
    let health = b.record(0).health;
    let about = |latency: Latency, seconds: u64| {
        let (is, exact) = (latency.p50, Duration::from_secs(seconds));
        latency.samples == 1 && is >= exact && is <= exact + exact / 8 && latency.p99 == is
    };
    assert!(about(health.dial, 2) && about(health.eose, 4) && about(health.ok, 5), "{health:?}");
    assert_eq!((health.dial_success, health.violations), (Some(100), 0));
    let socket = b.socket(0);
    b.sockets.remove(&socket);
    let reason = CloseReason::Remote { code: 4001, reason: "maintenance".into() };
    b.input(Input::Closed { socket, reason });
    let record = b.record(0);
    assert_eq!((record.last_close, record.failures_in_row), (Some((4001, "maintenance".into())), 1));
    b.pass(3 * S, false);
    let (socket, _) = b.dials.pop().unwrap();
    b.sockets.remove(&socket);
    b.input(Input::OpenFailed { socket, error: "refused".into() });
    assert_eq!(b.record(0).health.dial_success, Some(50));
    b.pass(20 * S, true);
    let socket = b.socket(0);
    b.sockets.remove(&socket);
    b.input(Input::Closed { socket, reason: CloseReason::TooLarge });
    assert_eq!(b.record(0).health.violations, 1);
}

#[derive(Clone, Debug)]
enum Odd {
    Opened(u32, u32),
    OpenFailed(u32, u32),
    Closed(u32, u32),
    Frame(u32, u32),
    Pong(u32, u32),
    Sent(u32, u32),
    /// The clock moves by so many microseconds, or back.
    Clock(i64),
    Timeout,
    Call(u8),
}

fn odd() -> impl Strategy<Value = Odd> {
    let socket = || (0_u32..4, 0_u32..6);
    prop_oneof![
        socket().prop_map(|(s, g)| Odd::Opened(s, g)),
        socket().prop_map(|(s, g)| Odd::OpenFailed(s, g)),
        socket().prop_map(|(s, g)| Odd::Closed(s, g)),
        socket().prop_map(|(s, g)| Odd::Frame(s, g)),
        socket().prop_map(|(s, g)| Odd::Pong(s, g)),
        socket().prop_map(|(s, g)| Odd::Sent(s, g)),
        prop_oneof![Just(0), -5_000_000_i64..90_000_000, Just(i64::MAX)].prop_map(Odd::Clock),
        Just(Odd::Timeout),
        any::<u8>().prop_map(Odd::Call),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// A driver that tells anything at any time: no command for a socket that is gone, never two for a relay, the cap
    /// held, timers later than now, what is stale counted and without effect.
    #[test]
    fn no_driver_and_no_clock_confuses_the_core(odds in proptest::collection::vec(odd(), 1..200)) {
        let config = Config { max_connections: 2, ..Config::default() };
        let mut core = Core::new(config, [3; 32], Now { mono: Instant::ZERO, unix: Timestamp::new(UNIX) });
        let mut now = Now { mono: Instant::ZERO, unix: Timestamp::new(UNIX) };
        for n in 0..3 {
            core.handle_call(Call::AddRelay { url: url(n), options: RelayOptions::default() }, now).unwrap();
        }
        let mut live: BTreeMap<u32, SocketId> = BTreeMap::new();
        let mut highest = Instant::ZERO;
        for odd in odds {
            let (before, stale) = (core.relays(), core.stats().stale_sockets);
            let mut named = None;
            let mut socket = |s: u32, g: u32| {
                named = Some(SocketId::new(s, g));
                SocketId::new(s, g)
            };
            match odd {
                Odd::Opened(s, g) => core.handle_input(Input::Opened { socket: socket(s, g) }, now),
                Odd::OpenFailed(s, g) => {
                    core.handle_input(Input::OpenFailed { socket: socket(s, g), error: "x".into() }, now);
                }
                Odd::Closed(s, g) => {
                    let reason = CloseReason::Error("x".into());
                    core.handle_input(Input::Closed { socket: socket(s, g), reason }, now);
                }
                Odd::Frame(s, g) => core.handle_input(Input::Text { socket: socket(s, g), frame: "[]" }, now),
                Odd::Pong(s, g) => core.handle_input(Input::Pong { socket: socket(s, g) }, now),
                Odd::Sent(s, g) => core.handle_input(Input::Sent { socket: socket(s, g) }, now),
                Odd::Clock(by) => now.mono = Instant::from_micros(now.mono.as_micros().saturating_add_signed(by)),
                Odd::Timeout => {
                    core.handle_timeout(now);
                    let next = core.poll_timeout().map(|d| d.at);
                    prop_assert!(next.is_none_or(|at| at > now.mono || now.mono == Instant::FAR || now.mono < highest));
                }
                Odd::Call(n) => {
                    let (which, options) = (Which::One(url(usize::from(n) % 3)), ReconnectOptions::default());
                    let call = match n % 5 {
                        0 => Call::Connect { which },
                        1 => Call::Disconnect { which, code: 1000, reason: String::new() },
                        2 => Call::Reconnect { which, options },
                        3 => Call::Reconnect { which, options: ReconnectOptions { keep_open: true, ..options } },
                        _ => Call::NetworkChanged,
                    };
                    core.handle_call(call, now).unwrap();
                }
            }
            highest = highest.max(now.mono);
            if let Some(named) = named
                && !live.values().any(|known| *known == named)
            {
                let same = core.relays().iter().zip(&before).all(|(a, b)| a.state == b.state && a.dials == b.dials);
                prop_assert!(same, "{named} is none of the sockets there are");
                prop_assert_eq!(core.stats().stale_sockets, stale + 1);
            }
            while let Some(command) = core.poll_command() {
                match command {
                    Command::Open { socket, .. } => drop(live.insert(socket.slot(), socket)),
                    Command::Close { socket, .. } | Command::Ping { socket } | Command::Send { socket, .. } => {
                        prop_assert_eq!(live.get(&socket.slot()), Some(&socket), "a command names a living socket");
                    }
                    _ => {}
                }
            }
            while core.poll_event().is_some() {}
            let held = |r: &RelayRecord| {
                matches!(r.state, ConnectionState::Dialing | ConnectionState::Open | ConnectionState::Closing)
            };
            let sockets = core.relays().iter().filter(|r| held(r)).count();
            prop_assert!(sockets <= 2, "the cap holds");
        }
    }
}

/// The stated size: a thousand relays with twenty subscriptions each, most of them waiting for one of ten sockets.
#[test]
fn a_thousand_relays_with_twenty_subscriptions_each_share_ten_sockets() {
    let mut b = Bench::new(Config::default());
    let info = RelayInfo::from_json(r#"{"limitation":{"max_subscriptions":21}}"#).unwrap();
    for n in 0..1_000 {
        b.add(n);
        b.call(Call::RelayInfo { url: url(n), info: Box::new(info.clone()) }).unwrap();
    }
    for n in 0..20_000 {
        b.subscribe(only(n % 1_000), Mode::Live);
    }
    b.open_all();
    assert_eq!((b.most, b.frames.len()), (10, 200));
    // Whoever is switched off makes room for the next.
    for n in 0..990 {
        b.call(Call::Disconnect { which: Which::One(url(n)), code: 1000, reason: String::new() }).unwrap();
        b.open_all();
    }
    let open = (0..1_000).filter(|n| b.state(*n) == ConnectionState::Open).count();
    assert_eq!((b.most, open, b.frames.len()), (10, 10, 20_000));
}
