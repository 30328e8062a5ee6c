//! Bugs of the connection machine that are planted here and seen at once, by a script each: a plant that changes nothing
//! would tell nothing about the simulator that does not find it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "this is test code, its helpers included")]

use nostr_pool_core::{
    Call, Command, Config, ConnectionState, Core, Input, Instant, Mode, Now, PlantedBug, Publish, Quorum, RelayOptions,
    SocketId, Subscribe, Target, Versions, Which,
};
use nostr_proto::{Event, EventTemplate, Filter, Keys, Kind, RelayUrl, Timestamp};

const S: u64 = 1_000_000;

struct Script {
    core: Core,
    now: Now,
    sockets: Vec<SocketId>,
    frames: Vec<String>,
}

impl Script {
    fn new(config: Config) -> Self {
        let now = Now { mono: Instant::ZERO, unix: Timestamp::new(1_700_000_000) };
        Self { core: Core::new(config, [7; 32], now), now, sockets: Vec::new(), frames: Vec::new() }
    }

    fn call(&mut self, call: Call) {
        self.core.handle_call(call, self.now).unwrap();
        self.settle();
    }

    /// Every dial succeeds at once.
    fn settle(&mut self) {
        while let Some(command) = self.core.poll_command() {
            match command {
                Command::Open { socket, .. } => {
                    self.sockets.push(socket);
                    self.core.handle_input(Input::Opened { socket }, self.now);
                }
                Command::Send { socket, frame } => {
                    self.frames.push(frame.to_string());
                    self.core.handle_input(Input::Sent { socket }, self.now);
                }
                Command::Ping { socket } => self.core.handle_input(Input::Pong { socket }, self.now),
                Command::Close { socket, .. } => {
                    let reason = nostr_pool_core::CloseReason::Local;
                    self.core.handle_input(Input::Closed { socket, reason }, self.now);
                }
                _ => {}
            }
        }
    }

    fn text(&mut self, frame: &str) {
        let socket = *self.sockets.last().unwrap();
        self.core.handle_input(Input::Text { socket, frame }, self.now);
        self.settle();
    }

    fn pass(&mut self, micros: u64) {
        let end = Instant::from_micros(self.now.mono.as_micros() + micros);
        while let Some(due) = self.core.poll_timeout().filter(|d| d.at <= end) {
            self.now.mono = due.at;
            self.core.handle_timeout(self.now);
            self.settle();
        }
        self.now.mono = end;
    }

    fn subscribe(&mut self, target: Target) {
        let filters = vec![Filter::new().kind(Kind::TEXT_NOTE)];
        let mode = Mode::Live;
        self.call(Call::Subscribe(Subscribe {
            filters,
            target,
            mode,
            eose_deadline: None,
            queue_items: None,
            versions: Versions::Latest,
        }));
    }

    fn publish(&mut self, event: Event, target: Target) {
        self.call(Call::Publish(Publish { event, target, quorum: Quorum::First, deadline: None, link: None }));
    }

    fn state(&self, n: usize) -> ConnectionState {
        self.core.relay(&url(n)).unwrap().state
    }
}

fn url(n: usize) -> RelayUrl {
    RelayUrl::parse(&format!("wss://r{n}.example.com")).unwrap()
}

fn event(kind: Kind, n: u64) -> Event {
    let keys = Keys::from_entropy([1; 32]).unwrap();
    let template = EventTemplate::new(kind, format!("note {n}"), Timestamp::new(1_700_000_000 + n));
    template.unsigned(keys.public_key()).sign(&keys, [0; 32])
}

fn wire(script: &Script) -> String {
    script.frames.iter().find(|f| f.starts_with("[\"REQ\"")).unwrap().split('"').nth(3).unwrap().to_owned()
}

/// A relay that sends what nobody asked for and is no message, but forges nothing.
fn sloppy(planted: Option<PlantedBug>) -> bool {
    let mut script = Script::new(Config { planted, ..Config::default() });
    script.call(Call::AddRelay { url: url(0), options: RelayOptions::default() });
    script.subscribe(Target::All);
    let wire = wire(&script);
    for n in 0..10 {
        script.text(&format!("[\"EVENT\",\"{wire}\",{}]", event(Kind::REACTION, n).to_json()));
        script.text("garbage");
    }
    matches!(script.state(0), ConnectionState::Quarantined { .. })
}

/// A forger, and a new network.
fn forger(planted: Option<PlantedBug>) -> bool {
    let mut script = Script::new(Config { planted, ..Config::default() });
    script.call(Call::AddRelay { url: url(0), options: RelayOptions::default() });
    script.subscribe(Target::All);
    let wire = wire(&script);
    for n in 0..10 {
        let json = event(Kind::TEXT_NOTE, n).to_json().replace("note", "vote");
        script.text(&format!("[\"EVENT\",\"{wire}\",{json}]"));
    }
    assert!(matches!(script.state(0), ConnectionState::Quarantined { .. }));
    script.call(Call::NetworkChanged);
    script.pass(5 * S);
    script.state(0) == ConnectionState::Open
}

/// Ten publishes to a relay that wants to be left in peace, seen when its pause is over.
fn hasty(planted: Option<PlantedBug>) -> bool {
    let mut script = Script::new(Config { planted, ..Config::default() });
    script.call(Call::AddRelay { url: url(0), options: RelayOptions::default() });
    script.call(Call::Connect { which: Which::All });
    script.publish(event(Kind::TEXT_NOTE, 0), Target::All);
    let id = event(Kind::TEXT_NOTE, 0).id();
    script.text(&format!("[\"OK\",\"{id}\",false,\"rate-limited: slow\"]"));
    (1..10).for_each(|n| script.publish(event(Kind::TEXT_NOTE, n), Target::All));
    script.frames.clear();
    script.pass(S);
    script.frames.len() > 1
}

/// A publish that is never answered has the only socket, and another relay needs it.
fn starving(planted: Option<PlantedBug>) -> bool {
    let mut script = Script::new(Config { max_connections: 1, planted, ..Config::default() });
    script.publish(event(Kind::TEXT_NOTE, 0), Target::Relays(vec![url(0)]));
    script.subscribe(Target::Relays(vec![url(1)]));
    script.pass(20 * S);
    script.state(1) == ConnectionState::WaitingForSlot
}

type Shows = fn(Option<PlantedBug>) -> bool;

#[test]
fn each_planted_bug_shows() {
    let scripts: [(PlantedBug, Shows); 4] = [
        (PlantedBug::HonestQuarantined, sloppy),
        (PlantedBug::QuarantineLiftedByNetworkChange, forger),
        (PlantedBug::PaceIgnored, hasty),
        (PlantedBug::OneShotHogs, starving),
    ];
    assert_eq!(scripts.map(|(bug, _)| bug), PlantedBug::SCRIPTED);
    for (bug, shows) in scripts {
        assert!(!shows(None), "nothing is planted, and {bug:?} shows");
        assert!(shows(Some(bug)), "{bug:?} does not show");
    }
}
