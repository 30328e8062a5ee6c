//! Every cell of the module's table, walked through a whole core.

use std::collections::{BTreeMap, BTreeSet};
use std::format;
use std::string::{String, ToString};
use std::sync::LazyLock;
use std::vec;
use std::vec::Vec;

use nostr_proto::{
    BadSignature, Event, EventTemplate, Filter, Keys, Kind, Proof, RelayUrl, Signature, Timestamp, verify,
};

use crate::{
    Call, Command, Config, Core, Input, Instant, Mode, Now, PoolEvent, RelayOptions, Reply, SocketId, Subscribe,
    Target, Ticket, Versions, Which,
};

/// The second in which each walk begins, and one in which [`Walk::event`] has expired.
const START: u64 = 1_700_000_000;
const EXPIRED: u64 = START + 100;

static KEYS: LazyLock<Keys> = LazyLock::new(|| Keys::from_entropy([7; 32]).unwrap());

fn signed(template: EventTemplate) -> Event {
    template.unsigned(KEYS.public_key()).sign(&KEYS, [0; 32])
}

/// A version of one address, made at this second.
fn version(created_at: u64) -> Event {
    let template = EventTemplate::new(Kind::new(30_000), "a version", Timestamp::new(created_at)).tag(["d", "walk"]);
    signed(template.expires_at(Timestamp::new(EXPIRED)))
}

/// An event that takes about as much room as may be held.
fn large(n: u64) -> Event {
    signed(EventTemplate::text_note("x".repeat(4_000), Timestamp::new(n)))
}

/// The event with a signature of its own for each `forgery`.
fn forged(event: &Event, forgery: u8) -> String {
    let mut signature = *event.signature().as_bytes();
    signature[40] ^= forgery;
    event.to_json().replace(&event.signature().to_string(), &Signature::from_bytes(signature).to_string())
}

/// A core with three relays, a subscription to all of them, and an event whose life is looked at.
struct Walk {
    core: Core,
    unix: u64,
    event: Event,
    wires: BTreeMap<(SocketId, usize), String>,
    sockets: Vec<SocketId>,
    subs: usize,
    checks: Vec<(Ticket, Result<Proof, BadSignature>)>,
    /// An answer that came in time, or would have.
    last: Option<Ticket>,
    effects: Counters,
}

impl Walk {
    fn new(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config { held_bytes: 4_600, max_parked: 1, ..Config::default() };
        change(&mut config);
        let now = Now { mono: Instant::ZERO, unix: Timestamp::new(START) };
        let mut walk = Self {
            core: Core::new(config, [7; 32], now),
            unix: START,
            event: version(START - 10),
            wires: BTreeMap::new(),
            sockets: Vec::new(),
            subs: 0,
            checks: Vec::new(),
            last: None,
            effects: BTreeMap::new(),
        };
        for n in 0..3 {
            let url = RelayUrl::parse(&format!("wss://r{n}.example.com")).unwrap();
            walk.call(Call::AddRelay { url, options: RelayOptions::default() });
        }
        walk.call(Call::Connect { which: Which::All });
        walk.subscribe(vec![Filter::new()]);
        walk
    }

    fn now(&self) -> Now {
        Now { mono: Instant::ZERO, unix: Timestamp::new(self.unix) }
    }

    fn call(&mut self, call: Call) -> Reply {
        let reply = self.core.handle_call(call, self.now()).unwrap();
        self.drain();
        reply
    }

    fn subscribe(&mut self, filters: Vec<Filter>) -> usize {
        self.subs += 1;
        self.call(Call::Subscribe(Subscribe {
            filters,
            target: Target::All,
            mode: Mode::Live,
            versions: Versions::Latest,
            ..Subscribe::default()
        }));
        self.subs - 1
    }

    fn drain(&mut self) {
        while let Some(command) = self.core.poll_command() {
            match command {
                Command::Open { socket, .. } => {
                    self.sockets.push(socket);
                    self.core.handle_input(Input::Opened { socket }, self.now());
                }
                Command::Send { socket, frame } if frame.starts_with("[\"REQ\"") => {
                    let repairs = frame.contains("\"ids\"");
                    let nth = self.wires.keys().filter(|(s, _)| *s == socket).count();
                    let wire = frame.split('"').nth(3).unwrap().to_string();
                    if !repairs {
                        self.wires.insert((socket, nth), wire);
                    }
                }
                Command::Verify { ticket, event } => {
                    *self.effects.entry("check").or_default() += 1;
                    self.checks.push((ticket, verify(&event)));
                }
                _ => {}
            }
        }
        while let Some(event) = self.core.poll_event() {
            let _: PoolEvent = event;
        }
    }

    fn copy(&mut self, relay: usize, sub: usize, json: &str) {
        let socket = self.sockets[relay];
        let frame = format!("[\"EVENT\",\"{}\",{json}]", self.wires[&(socket, sub)]);
        self.core.handle_input(Input::Text { socket, frame: &frame }, self.now());
        self.drain();
    }

    /// The verifier answers everything that is open, or what was answered before.
    fn decide(&mut self) {
        let open = std::mem::take(&mut self.checks);
        let again = self.last.map(|ticket| (ticket, Err(BadSignature { id: self.event.id() })));
        let answers = if open.is_empty() { again.into_iter().collect() } else { open };
        for (ticket, outcome) in answers {
            self.last = Some(ticket);
            self.core.handle_input(Input::Verified { ticket, outcome }, self.now());
            self.drain();
        }
    }

    fn good(&mut self, event: &Event) {
        let open = std::mem::take(&mut self.checks);
        self.copy(0, 0, &event.to_json());
        self.decide();
        self.checks = open;
    }

    /// Brings the event into a state: by its real copy, or by a forged one.
    fn prepare(&mut self, state: &str, by_forgery: bool) {
        let json = if by_forgery { forged(&self.event, 1) } else { self.event.to_json() };
        match state {
            "unknown" => self.good(&large(1)),
            "in flight" => self.copy(0, 0, &json),
            "held" => self.good(&self.event.clone()),
            "forgotten" => {
                self.good(&self.event.clone());
                self.good(&large(1));
            }
            other => panic!("no such state: {other}"),
        }
        assert_eq!(self.core.dedup().state(&self.event.id()), state);
    }

    fn counters(&self) -> Counters {
        let (stats, relays) = (self.core.stats(), self.core.relays());
        let sum = |f: fn(&crate::RelayCounters) -> u64| relays.iter().map(|r| f(&r.counters)).sum();
        let mut all = BTreeMap::from([
            ("duplicate", sum(|c| c.duplicates)),
            ("forged", sum(|c| c.forged)),
            ("unmatched", sum(|c| c.unmatched)),
            ("dropped", sum(|c| c.dropped)),
            ("expired", sum(|c| c.expired)),
            ("outdated", sum(|c| c.outdated)),
            ("verified", stats.verified),
            ("delivered", stats.delivered),
            ("stray", stats.unknown_tickets),
            ("repair", stats.repairs),
            ("parked", self.core.dedup().parked(&self.event.id()) as u64),
        ]);
        all.extend(&self.effects);
        all
    }
}

type Counters = BTreeMap<&'static str, u64>;

/// A core in which the event is in this state, and all is there that the input needs.
fn begin(input: &str, state: &str) -> Walk {
    let mut walk = Walk::new(|config| {
        if input == "the id makes room" {
            config.max_seen = 2;
        }
        if input.contains("no room") && matches!(state, "unknown" | "forgotten") {
            config.max_in_flight = 1;
        }
    });
    let newer = input.contains("newer version");
    if newer && state == "unknown" {
        walk.good(&version(START - 5));
    }
    walk.prepare(state, input.contains("forged"));
    if newer && state != "unknown" {
        walk.good(&version(START - 5));
        if state == "held" {
            assert_eq!(walk.core.dedup().state(&walk.event.id()), "held", "there is room for both");
        }
    }
    walk
}

/// A copy comes, for a subscription of its own unless the input says otherwise. Returns the counters as they were before.
fn come(walk: &mut Walk, input: &str, state: &str) -> Counters {
    let (kind, has_it) = (Filter::new().kind(Kind::REACTION), input.ends_with("that has it"));
    let filter = if input.ends_with("nobody asked for") { kind } else { Filter::new() };
    let sub = if has_it { 0 } else { walk.subscribe(vec![filter]) };
    let (mut relay, mut json) = (1, walk.event.to_json());
    match input {
        "a copy"
        | "a copy: the same for a subscription that has it"
        | "a copy: the same where a newer version is known"
        | "a copy that nobody asked for" => {}
        "a copy, and it has expired" => walk.unix = EXPIRED,
        "a copy with another signature" => json = forged(&walk.event, 2),
        "a copy with another signature: one more of those, with no room" => {
            if state == "in flight" {
                walk.copy(1, 0, &forged(&walk.event, 2));
            } else {
                walk.copy(0, 0, &large(9).to_json());
            }
            (relay, json) = (2, forged(&walk.event, 3));
        }
        "a copy with other content" => json = forged(&walk.event, 4).replace("a version", "another"),
        other => panic!("the table has an input that nobody walks: {other}"),
    }
    let before = walk.counters();
    walk.copy(relay, sub, &json);
    before
}

/// The verifier answers. Returns the counters as they were before.
fn answer(walk: &mut Walk, input: &str, state: &str) -> Counters {
    let in_flight = state == "in flight";
    match input {
        "the signature is good: the same, and it has expired" => walk.unix = EXPIRED,
        "the signature is forged: the same with another parked" if in_flight => {
            walk.copy(1, 0, &forged(&walk.event, 2));
        }
        "the signature is forged: the same with others crowded out" if in_flight => {
            walk.copy(1, 0, &forged(&walk.event, 2));
            walk.copy(2, 0, &forged(&walk.event, 3));
            walk.decide();
        }
        "the signature is good"
        | "the signature is good: the same where a newer version is known"
        | "the signature is forged"
        | "the signature is forged: the same with another parked"
        | "the signature is forged: the same with others crowded out" => {}
        other => panic!("the table has an input that nobody walks: {other}"),
    }
    let before = walk.counters();
    walk.decide();
    before
}

/// Room is made. Returns the counters as they are after what made it.
fn make_room(walk: &mut Walk, input: &str) -> Counters {
    let open = std::mem::take(&mut walk.checks);
    match input {
        "the event makes room" => walk.good(&large(2)),
        "the id makes room" => {
            walk.good(&large(2));
            walk.good(&large(3));
        }
        "a clean start" => {
            walk.call(Call::StartClean);
        }
        other => panic!("the table has an input that nobody walks: {other}"),
    }
    walk.checks = open;
    walk.counters()
}

/// Carries one input out in one state. Tells the next state and what else happened.
fn step(input: &str, state: &str) -> (String, BTreeSet<String>) {
    let mut walk = begin(input, state);
    let before = if input.starts_with("a copy") {
        come(&mut walk, input, state)
    } else if input.starts_with("the signature") {
        answer(&mut walk, input, state)
    } else {
        make_room(&mut walk, input)
    };
    let mut effects = BTreeSet::new();
    for (what, n) in walk.counters() {
        let n = n.saturating_sub(before.get(what).copied().unwrap_or(0));
        assert!(n <= 1, "{input}, {state}: {what} {n} times");
        if n == 1 {
            effects.insert(what.to_string());
        }
    }
    (walk.core.dedup().state(&walk.event.id()).to_string(), effects)
}

#[test]
fn the_table_tells_what_happens() {
    let cells = |line: &'static str| -> Vec<&'static str> {
        line.trim_start_matches("//!").trim().trim_matches('|').split('|').map(str::trim).collect()
    };
    let mut rows = include_str!("mod.rs").lines().filter(|line| line.starts_with("//! |"));
    let states = cells(rows.next().unwrap()).split_off(1);
    assert_eq!(states, ["unknown", "in flight", "held", "forgotten"]);
    assert!(rows.next().is_some_and(|line| line.contains("---")));
    let (mut walked, mut group) = (BTreeSet::new(), "");
    for row in rows {
        let row = cells(row);
        // "The same" and "one more of those" speak of the last row that does not.
        let varies = row[0].starts_with("the same") || row[0].starts_with("one more");
        let input = if varies { format!("{group}: {}", row[0]) } else { row[0].to_string() };
        if !varies {
            group = row[0];
        }
        assert_eq!(row.len(), 1 + states.len(), "{input}");
        for (state, cell) in states.iter().zip(&row[1..]) {
            let mut expected = cell.split(", ").map(str::to_string);
            let next = expected.next().unwrap();
            let told = (next, expected.collect::<BTreeSet<_>>());
            assert_eq!(told, step(&input, state), "{state} × {input}: the table is on the left");
        }
        assert!(walked.insert(input.clone()), "twice in the table: {input}");
    }
    assert_eq!(walked.len(), 17, "every input has a row");
}
