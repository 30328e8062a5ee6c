//! Rules of the whole core, each once broken: small scripts of inputs and calls.

#![allow(clippy::unwrap_used, clippy::panic, reason = "this is test code, its helpers included")]

use nostr_pool_core::*;
use nostr_proto::{Event, EventTemplate, Filter, Keys, Kind, RelayInfo, RelayUrl, Timestamp};
use std::collections::BTreeMap;
use std::time::Duration;

const S: u64 = 1_000_000;
struct H {
    core: Core,
    t: u64,
    skew: i64,
    cmds: Vec<Command>,
    evs: Vec<PoolEvent>,
    take: bool,
}
impl H {
    fn new(c: Config) -> Self {
        let now = Now { mono: Instant::ZERO, unix: Timestamp::new(1_700_000_000) };
        H { core: Core::new(c, [7; 32], now), t: 0, skew: 0, cmds: vec![], evs: vec![], take: true }
    }
    fn now(&self) -> Now {
        Now {
            mono: Instant::from_micros(self.t),
            unix: Timestamp::new((1_700_000_000 + (self.t / S) as i64 + self.skew) as u64),
        }
    }
    fn drain(&mut self) {
        loop {
            let mut any = false;
            while let Some(c) = self.core.poll_command() {
                self.cmds.push(c);
                any = true;
            }
            while let Some(e) = self.core.poll_event() {
                any = true;
                if self.take
                    && let PoolEvent::Item { sub, item } = &e
                {
                    let _ = self.core.handle_call(Call::Taken { sub: *sub, items: 1, bytes: item.bytes() }, self.now());
                }
                self.evs.push(e);
            }
            if !any {
                return;
            }
        }
    }
    fn call(&mut self, c: Call) -> Result<Reply, CallError> {
        let r = self.core.handle_call(c, self.now());
        self.drain();
        r
    }
    fn input(&mut self, i: Input<'_>) {
        self.core.handle_input(i, self.now());
        self.drain();
    }
    fn pass(&mut self, micros: u64) {
        let end = self.t + micros;
        while let Some(d) = self.core.poll_timeout() {
            let at = d.at.as_micros();
            if at > end {
                break;
            }
            self.t = self.t.max(at);
            self.core.handle_timeout(self.now());
            self.drain();
        }
        self.t = end;
    }
    fn cmds(&mut self) -> Vec<Command> {
        std::mem::take(&mut self.cmds)
    }
    fn socket(&mut self, n: usize) -> SocketId {
        // last Open for relay n
        let u = url(n);
        self.cmds
            .iter()
            .rev()
            .find_map(|c| match c {
                Command::Open { socket, url, .. } if *url == u => Some(*socket),
                _ => None,
            })
            .expect("an open")
    }
    fn open(&mut self, n: usize) -> SocketId {
        let s = self.socket(n);
        self.input(Input::Opened { socket: s });
        s
    }
    fn wires(&self) -> Vec<(SocketId, String)> {
        self.cmds
            .iter()
            .filter_map(|c| match c {
                Command::Send { socket, frame } if frame.starts_with("[\"REQ\"") => {
                    Some((*socket, frame.split('"').nth(3).unwrap().to_string()))
                }
                _ => None,
            })
            .collect()
    }
    fn text(&mut self, s: SocketId, f: &str) {
        self.input(Input::Text { socket: s, frame: f });
    }
    fn sent_all(&mut self, s: SocketId) {
        for _ in 0..20 {
            self.input(Input::Sent { socket: s });
        }
    }
    fn verify_all(&mut self) {
        loop {
            let jobs: Vec<_> = self
                .cmds
                .iter()
                .filter_map(|c| match c {
                    Command::Verify { ticket, event } => Some((*ticket, event.clone())),
                    _ => None,
                })
                .collect();
            if jobs.is_empty() {
                return;
            }
            self.cmds.retain(|c| !matches!(c, Command::Verify { .. }));
            for (ticket, event) in jobs {
                let outcome = nostr_proto::verify(&event);
                self.input(Input::Verified { ticket, outcome });
            }
        }
    }
    fn sub(&mut self, t: Target, mode: Mode) -> SubId {
        let Ok(Reply::Subscribed(id)) = self.call(Call::Subscribe(Subscribe {
            filters: vec![Filter::new()],
            target: t,
            mode,
            versions: Versions::Latest,
            ..Subscribe::default()
        })) else {
            panic!()
        };
        id
    }
    fn items(&self, id: SubId) -> Vec<Item> {
        self.evs
            .iter()
            .filter_map(|e| match e {
                PoolEvent::Item { sub, item } if *sub == id => Some(item.clone()),
                _ => None,
            })
            .collect()
    }
    fn state(&self, n: usize) -> Option<ConnectionState> {
        self.core.relay(&url(n)).map(|r| r.state)
    }
    fn add(&mut self, n: usize) {
        self.call(Call::AddRelay { url: url(n), options: RelayOptions::default() }).unwrap();
    }
    fn closed(&mut self, s: SocketId) {
        self.input(Input::Closed { socket: s, reason: CloseReason::Error("reset".into()) });
    }
    fn publish(&mut self, e: &Event, t: Target, q: Quorum) -> PublishId {
        let Ok(Reply::Publishing(id, _)) =
            self.call(Call::Publish(Publish { event: e.clone(), target: t, quorum: q, deadline: None, link: None }))
        else {
            panic!()
        };
        id
    }
    fn ok(&mut self, s: SocketId, e: &Event) {
        let f = format!("[\"OK\",\"{}\",true,\"\"]", e.id());
        self.text(s, &f);
    }
}
fn url(n: usize) -> RelayUrl {
    RelayUrl::parse(&format!("wss://r{n}.example.com")).unwrap()
}
fn keys() -> Keys {
    Keys::from_entropy([1; 32]).unwrap()
}
fn note(n: u64) -> Event {
    EventTemplate::new(Kind::TEXT_NOTE, format!("note {n}"), Timestamp::new(1_700_000_000 + n))
        .unsigned(keys().public_key())
        .sign(&keys(), [0; 32])
}
fn ev(w: &str, e: &Event) -> String {
    format!("[\"EVENT\",\"{w}\",{}]", e.to_json())
}
fn one(n: usize) -> Target {
    Target::Relays(vec![url(n)])
}

#[test]
fn a_refused_leg_does_not_pretend_to_wait_and_is_asked_again_on_the_next_connection() {
    let mut h = H::new(Config::default());
    h.add(0);
    let sub = h.sub(Target::All, Mode::Live);
    let s = h.open(0);
    for _ in 0..5 {
        let (_, w) = h.wires().pop().unwrap();
        h.text(s, &format!("[\"CLOSED\",\"{w}\",\"error: busy\"]"));
        h.sent_all(s);
        h.pass(20 * S);
        h.input(Input::Pong { socket: s });
    }
    assert!(matches!(h.items(sub).last(), Some(Item::Leg { state: LegState::Closed(_), .. })));
    h.closed(s);
    h.evs.clear();
    h.cmds.clear();
    h.pass(3_600 * S);
    assert_eq!((h.items(sub), h.cmds.len(), h.state(0)), (vec![], 0, Some(ConnectionState::Idle)));
    h.call(Call::Connect { which: Which::All }).unwrap();
    let s = h.open(0);
    assert_eq!(h.wires().pop().unwrap().0, s, "asked again");
}
#[test]
fn an_idle_close_of_ours_is_not_followed_by_a_dial() {
    let mut h = H::new(Config::default());
    h.add(0);
    let _sub = h.sub(Target::All, Mode::Live);
    h.open(0);
    let mut dials = 0;
    for _ in 0..400 {
        for (sk, w) in h.wires() {
            h.text(sk, &format!("[\"CLOSED\",\"{w}\",\"error: busy\"]"));
        }
        let c = h.cmds();
        for c in c {
            match c {
                Command::Open { socket, .. } => {
                    dials += 1;
                    h.input(Input::Opened { socket });
                }
                Command::Close { socket, .. } => h.input(Input::Closed { socket, reason: CloseReason::Local }),
                Command::Send { socket, .. } => h.input(Input::Sent { socket }),
                Command::Ping { socket } => {
                    h.input(Input::Sent { socket });
                    h.input(Input::Pong { socket });
                }
                _ => {}
            }
        }
        h.pass(10 * S);
    }
    assert!(dials <= 1, "{dials} dials within {} s, each after our own idle close", 4000);
}
#[test]
fn a_lost_connection_does_not_lose_what_came_before_it() {
    let mut h = H::new(Config::default());
    h.add(0);
    let sub = h.sub(Target::All, Mode::UntilEose);
    let s = h.open(0);
    let (_, w) = h.wires().pop().unwrap();
    for n in 0..5 {
        h.text(s, &ev(&w, &note(n)));
    }
    h.text(s, &format!("[\"EOSE\",\"{w}\"]"));
    h.input(Input::Closed { socket: s, reason: CloseReason::Remote { code: 1000, reason: "bye".into() } });
    h.verify_all();
    let items = h.items(sub);
    let n = items.iter().filter(|i| matches!(i, Item::Event(_))).count();
    assert!(n == 5, "{n} of 5 events; {items:?}");
}
#[test]
fn eose_before_closed_counts_however_slow_verification_is() {
    for slow in [false, true] {
        let mut h = H::new(Config::default());
        h.add(0);
        let sub = h.sub(Target::All, Mode::UntilEose);
        let s = h.open(0);
        let (_, w) = h.wires().pop().unwrap();
        h.text(s, &ev(&w, &note(1)));
        if !slow {
            h.verify_all();
        }
        h.text(s, &format!("[\"EOSE\",\"{w}\"]"));
        h.text(s, &format!("[\"CLOSED\",\"{w}\",\"\"]"));
        h.verify_all();
        let items = h.items(sub);
        assert!(items.iter().any(|i| matches!(i, Item::Eose(c) if c.is_complete())), "slow={slow} {items:?}");
    }
}
#[test]
fn a_relay_for_which_an_idle_socket_goes_is_waited_for() {
    let mut h = H::new(Config { max_connections: 1, ..Config::default() });
    let _a = h.sub(one(0), Mode::UntilEose);
    let s = h.open(0);
    let (_, w) = h.wires().pop().unwrap();
    h.text(s, &format!("[\"EOSE\",\"{w}\"]"));
    let b = h.sub(one(1), Mode::UntilEose);
    let items = h.items(b);
    assert!(!items.iter().any(|i| matches!(i, Item::End(_))), "ended at once: {items:?}; commands {:?}", h.cmds);
}
#[test]
fn new_filters_wait_for_a_relay_that_is_being_dialled() {
    let mut h = H::new(Config::default());
    h.add(0);
    let sub = h.sub(Target::All, Mode::Live);
    let s = h.open(0);
    let (_, w) = h.wires().pop().unwrap();
    h.text(s, &format!("[\"CLOSED\",\"{w}\",\"blocked: no\"]"));
    h.input(Input::Closed { socket: s, reason: CloseReason::Remote { code: 1000, reason: "".into() } });
    h.evs.clear();
    h.call(Call::Update { sub, filters: vec![Filter::new().kind(Kind::TEXT_NOTE)] }).unwrap();
    let items = h.items(sub);
    assert!(!items.iter().any(|i| matches!(i, Item::Eose(_))), "state {:?}, but {items:?}", h.state(0));
}
#[test]
fn a_relay_that_nobody_added_goes_when_nobody_needs_it() {
    let mut h = H::new(Config::default());
    let sub = h.sub(one(0), Mode::Live);
    let _s = h.open(0);
    h.call(Call::Connect { which: Which::All }).unwrap();
    h.call(Call::Unsubscribe { sub }).unwrap();
    h.cmds.clear();
    for _ in 0..400 {
        h.pass(10 * S);
        for c in h.cmds() {
            match c {
                Command::Ping { socket } => {
                    h.input(Input::Sent { socket });
                    h.input(Input::Pong { socket });
                }
                Command::Close { socket, .. } => h.input(Input::Closed { socket, reason: CloseReason::Local }),
                _ => {}
            }
        }
    }
    assert!(h.state(0).is_none(), "still {:?}", h.state(0));
}
#[test]
fn retry_leaves_removed_relays_alone() {
    let mut h = H::new(Config::default());
    h.add(0);
    h.add(1);
    let e = note(1);
    h.publish(&e, Target::All, Quorum::First);
    let s = h.open(0);
    h.ok(s, &e);
    h.call(Call::RemoveRelay { url: url(1) }).unwrap();
    h.cmds.clear();
    h.call(Call::Retry { event: e.id(), deadline: None }).unwrap();
    assert!(h.state(1).is_none(), "removed by the user, now {:?}: {:?}", h.state(1), h.cmds);
}
#[test]
fn retry_asks_only_who_has_not_accepted_and_keeps_the_quorum() {
    let mut h = H::new(Config::default());
    let e = note(1);
    h.publish(&e, Target::Relays(vec![url(0), url(1)]), Quorum::Named(vec![url(1)]));
    let (s0, s1) = (h.open(0), h.open(1));
    h.ok(s0, &e);
    let no = format!("[\"OK\",\"{}\",false,\"blocked: x\"]", e.id());
    h.text(s1, &no);
    // both idle out and are pruned
    for _ in 0..20 {
        h.pass(10 * S);
        for c in h.cmds() {
            if let Command::Close { socket, .. } = c {
                h.input(Input::Closed { socket, reason: CloseReason::Local });
            }
        }
    }
    assert!(h.state(0).is_none() && h.state(1).is_none());
    let Ok(Reply::Publishing(id, _)) = h.call(Call::Retry { event: e.id(), deadline: None }) else { panic!() };
    let dialled: Vec<_> = h
        .cmds
        .iter()
        .filter_map(|c| match c {
            Command::Open { url, .. } => Some(url.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(dialled, [url(1)], "r0 accepted it before");
    assert_eq!(h.core.publish_report(id).unwrap().verdict, None, "r1 is the one that is named");
    let s1 = h.open(1);
    h.ok(s1, &e);
    assert_eq!(h.core.publish_report(id).unwrap().verdict, Some(Verdict::Reached));
}
#[test]
fn a_call_that_fails_changes_nothing() {
    let mut h = H::new(Config { max_publishes: 1, ..Config::default() });
    h.add(0);
    let e = note(1);
    let id = h.publish(&e, Target::All, Quorum::First);
    let s = h.open(0);
    h.ok(s, &e);
    assert!(h.core.publish_report(id).is_some());
    let r = h.call(Call::Publish(Publish {
        event: note(2),
        target: Target::All,
        quorum: Quorum::AtLeast(9),
        deadline: None,
        link: None,
    }));
    assert!(r.is_err());
    assert!(h.core.publish_report(id).is_some(), "a call that failed ({r:?}) has forgotten publish {id}");
}
#[test]
fn a_removal_is_told_once() {
    let mut h = H::new(Config { max_connections: 1, ..Config::default() });
    h.add(0);
    h.call(Call::Connect { which: Which::All }).unwrap();
    let _sub = h.sub(one(1), Mode::Live);
    assert_eq!(h.state(1), Some(ConnectionState::WaitingForSlot));
    h.evs.clear();
    h.call(Call::RemoveRelay { url: url(1) }).unwrap();
    let n = h.evs.iter().filter(|e| matches!(e, PoolEvent::Relay { update: RelayUpdate::Removed, .. })).count();
    assert_eq!(n, 1);
}
#[test]
fn the_end_of_a_removed_relay_s_socket_is_no_news() {
    let mut h = H::new(Config::default());
    h.add(0);
    h.call(Call::Connect { which: Which::All }).unwrap();
    let s = h.open(0);
    h.call(Call::RemoveRelay { url: url(0) }).unwrap();
    h.add(0);
    h.call(Call::Connect { which: Which::All }).unwrap();
    h.evs.clear();
    h.input(Input::Closed { socket: s, reason: CloseReason::Local });
    assert!(h.evs.is_empty(), "{:?} while the relay is {:?}", h.evs, h.state(0));
}
#[test]
fn who_waits_longest_for_a_socket_gets_the_next() {
    let mut h = H::new(Config { max_connections: 1, ..Config::default() });
    for n in 0..9 {
        h.add(n);
    }
    h.call(Call::Connect { which: Which::All }).unwrap();
    let live = url(8);
    let mut dialled = BTreeMap::<String, u32>::new();
    for _ in 0..3600 * 10 {
        for c in h.cmds() {
            match c {
                Command::Open { socket: _, url, .. } => {
                    *dialled.entry(url.as_str().into()).or_default() += 1;
                    if url == live {
                        println!("live dialled at {}", h.t / S);
                    }
                }
                Command::Close { socket, .. } => h.input(Input::Closed { socket, reason: CloseReason::Local }),
                _ => {}
            }
        }
        h.pass(S);
    }
    assert!(dialled.contains_key(live.as_str()), "in 10 h: {dialled:?}");
}
#[test]
fn a_corrected_wall_clock_does_not_make_us_ask_from_the_future() {
    let mut h = H::new(Config::default());
    h.add(0);
    h.skew = 86_400;
    let _sub = h.sub(Target::All, Mode::Live);
    let s = h.open(0);
    let (_, w) = h.wires().pop().unwrap();
    h.text(s, &format!("[\"EOSE\",\"{w}\"]"));
    h.skew = 0;
    h.pass(5 * S);
    h.closed(s);
    h.cmds.clear();
    h.pass(10 * S);
    let _s = h.open(0);
    let req = h
        .cmds
        .iter()
        .find_map(|c| match c {
            Command::Send { frame, .. } => Some(frame.to_string()),
            _ => None,
        })
        .unwrap();
    let since: u64 = req
        .split("\"since\":")
        .nth(1)
        .unwrap()
        .chars()
        .take_while(|c| c.is_ascii_digit())
        .collect::<String>()
        .parse()
        .unwrap();
    let now = h.now().unix.as_secs();
    assert!(since <= now, "asks since {} s in the future: {req}", since - now);
}
#[test]
fn the_end_of_time_is_survived() {
    let (tx, rx) = std::sync::mpsc::sync_channel(1);
    std::thread::spawn(move || {
        let mut h = H::new(Config::default());
        h.add(0);
        h.call(Call::Connect { which: Which::All }).unwrap();
        h.core.handle_timeout(Now { mono: Instant::FAR, unix: Timestamp::new(0) });
        tx.send(()).unwrap();
    });
    rx.recv_timeout(Duration::from_secs(5)).expect("handle_timeout returns");
}
#[test]
fn what_was_dropped_is_told_when_the_relay_is_removed() {
    let mut h = H::new(Config { max_in_flight: 1, max_in_flight_per_relay: 1, ..Config::default() });
    h.add(0);
    h.add(1);
    let sub = h.sub(Target::All, Mode::Live);
    let s = h.open(0);
    let (_, w) = h.wires().pop().unwrap();
    for n in 0..5 {
        h.text(s, &ev(&w, &note(n)));
    }
    h.call(Call::RemoveRelay { url: url(0) }).unwrap();
    h.verify_all();
    let items = h.items(sub);
    assert!(items.iter().any(|i| matches!(i, Item::Gap(_))), "4 dropped, nothing said: {items:?}");
}
#[test]
fn a_quorum_of_relays_it_does_not_go_to_is_impossible() {
    let mut h = H::new(Config::default());
    h.add(0);
    h.add(1);
    let r = h.call(Call::Publish(Publish {
        event: note(2),
        target: one(0),
        quorum: Quorum::Named(vec![url(1)]),
        deadline: None,
        link: None,
    }));
    assert!(matches!(r, Err(CallError::ImpossibleQuorum { .. })), "{}", r.unwrap_err());
}
#[test]
fn a_relay_named_twice_is_one_relay() {
    let mut h = H::new(Config { max_relays: 1, ..Config::default() });
    let r = h.call(Call::Subscribe(Subscribe {
        filters: vec![Filter::new()],
        target: Target::Relays(vec![url(0), url(0)]),
        mode: Mode::Live,
        versions: Versions::Latest,
        ..Subscribe::default()
    }));
    assert!(r.is_ok(), "{r:?}");
}
#[test]
fn there_is_always_one_credit() {
    let mut h = H::new(Config { send_credits: 0, ..Config::default() });
    h.add(0);
    let _sub = h.sub(Target::All, Mode::Live);
    let _s = h.open(0);
    h.pass(100 * S);
    assert!(!h.wires().is_empty());
}
#[test]
fn a_silent_signer_is_named_as_the_cause() {
    let mut h = H::new(Config::default());
    h.add(0);
    let u = EventTemplate::new(Kind::TEXT_NOTE, "x".to_string(), Timestamp::new(1_700_000_000))
        .unsigned(keys().public_key());
    let Ok(Reply::Publishing(id, _)) = h.call(Call::PublishUnsigned(PublishUnsigned {
        event: u,
        target: Target::All,
        quorum: Quorum::First,
        deadline: None,
        link: None,
    })) else {
        panic!()
    };
    let _s = h.open(0);
    h.pass(601 * S);
    let r = h.core.publish_report(id).unwrap();
    assert!(!format!("{r:?}").contains("NoConnection"), "the relay was connected, the signer silent: {:?}", r.relays);
}
#[test]
fn relays_remembered_per_event_are_bounded() {
    // entry of `seen` holds more than MAX_RELAYS when copies come in flight
    let mut h = H::new(Config { max_connections: 50, ..Config::default() });
    for n in 0..40 {
        h.add(n);
    }
    h.sub(Target::All, Mode::Live);
    let e = note(1);
    for n in 0..40 {
        h.open(n);
    }
    for (s, w) in h.wires() {
        h.text(s, &ev(&w, &e));
    }
    h.verify_all();
    assert!(h.core.seen_on(&e.id()).len() <= 32, "{}", h.core.seen_on(&e.id()).len());
}
/// Four relays send forged copies of an event, of which two are parked; the honest fifth is crowded out.
fn crowd_out(config: &Config) -> (H, SubId, Event) {
    let mut h = H::new(Config { max_parked: 2, max_connections: 20, ..config.clone() });
    for n in 0..5 {
        h.add(n);
    }
    let sub = h.sub(Target::All, Mode::Live);
    for n in 0..5 {
        h.open(n);
    }
    let e = note(1);
    let good = e.to_json();
    let sig = format!("{}", e.signature());
    for (i, (s, w)) in h.wires().into_iter().enumerate() {
        let json = if i == 4 {
            good.clone()
        } else {
            let mut b: String = sig.clone();
            b.replace_range(0..4, &format!("{:04x}", i + 1));
            good.replace(&sig, &b)
        };
        h.text(s, &format!("[\"EVENT\",\"{w}\",{json}]"));
    }
    h.verify_all();
    (h, sub, e)
}
fn told(h: &H, sub: SubId, event: &Event) -> (usize, usize) {
    let items = h.items(sub);
    let events = items.iter().filter(|i| matches!(i, Item::Event(e) if e.event.id() == event.id())).count();
    (events, items.iter().filter(|i| matches!(i, Item::Gap(_))).count())
}
#[test]
fn a_copy_that_was_crowded_out_is_a_gap_where_nothing_may_be_fetched_again() {
    for config in
        [Config { max_repairs: 0, ..Config::default() }, Config { max_repairs_per_relay: 0, ..Config::default() }]
    {
        let (h, sub, e) = crowd_out(&config);
        assert_eq!((told(&h, sub, &e), h.core.stats().repairs), ((0, 2), 0), "a gap for each relay that was not heard");
    }
}
#[test]
fn a_copy_that_was_crowded_out_is_fetched_again_and_eose_waits_for_it() {
    let (mut h, sub, e) = crowd_out(&Config::default());
    assert_eq!((told(&h, sub, &e), h.core.stats().repairs), ((0, 0), 1));
    let asked: Vec<_> = h.wires().split_off(5);
    let filter = format!("{{\"ids\":[\"{}\"]}}", e.id());
    let requests = |c: &&Command| matches!(c, Command::Send { frame, .. } if frame.contains(&filter));
    assert_eq!((asked.len(), h.cmds.iter().filter(requests).count()), (2, 2), "who was crowded out is asked by id");
    let all: Vec<_> = h.wires().into_iter().take(5).collect();
    for (s, w) in &all {
        h.text(*s, &format!("[\"EOSE\",\"{w}\"]"));
    }
    let eose = |h: &H| h.items(sub).iter().position(|i| matches!(i, Item::Eose(_)));
    assert_eq!(eose(&h), None, "the EOSE of those that brought it does not overtake it");
    let (s, w) = asked.last().unwrap();
    h.text(*s, &ev(w, &e));
    h.verify_all();
    assert_eq!(told(&h, sub, &e), (1, 0), "delivered, and no gap");
    let event = h.items(sub).iter().position(|i| matches!(i, Item::Event(_)));
    assert!(event < eose(&h), "{event:?}, {:?}", eose(&h));
    // Nobody else sees it, and nobody may touch it.
    let strangers = h.evs.iter().filter(|e| matches!(e, PoolEvent::Item { sub: s, .. } if *s != sub)).count();
    assert_eq!(strangers, 0);
    assert!(h.sub(Target::All, Mode::Live).as_u64() == sub.as_u64() + 1, "the numbers of others are as they were");
    let hidden = SubId::from_u64(1 << 63);
    assert_eq!(h.call(Call::Unsubscribe { sub: hidden }), Err(CallError::UnknownSubscription(hidden)));
}
#[test]
fn what_cannot_be_fetched_again_is_a_gap_and_holds_eose_up_no_longer_than_its_deadline() {
    let (mut h, sub, e) = crowd_out(&Config::default());
    for (s, w) in h.wires().into_iter().take(5) {
        h.text(s, &format!("[\"EOSE\",\"{w}\"]"));
    }
    h.pass(11 * S);
    assert_eq!(told(&h, sub, &e), (0, 2), "a gap for each relay that was not heard");
    assert!(h.items(sub).iter().any(|i| matches!(i, Item::Eose(_))));
    assert!(h.call(Call::Unsubscribe { sub: SubId::from_u64(1 << 63) }).is_err());
    // Another try is made when it comes again.
    let (s, w) = h.wires().into_iter().nth(4).unwrap();
    h.text(s, &ev(&w, &e));
    h.verify_all();
    assert_eq!(told(&h, sub, &e), (1, 2));
}
#[test]
fn a_relay_that_is_taken_out_ends_what_is_fetched_again_there() {
    let (mut h, sub, e) = crowd_out(&Config::default());
    h.call(Call::RemoveRelay { url: url(3) }).unwrap();
    assert_eq!(told(&h, sub, &e), (0, 0), "the other is still asked");
    h.call(Call::RemoveRelay { url: url(4) }).unwrap();
    assert_eq!(told(&h, sub, &e).0, 0);
    let (mut h, ..) = crowd_out(&Config::default());
    h.call(Call::Unsubscribe { sub: SubId::from_u64(0) }).unwrap();
    h.call(Call::StartClean).unwrap();
    h.call(Call::Shutdown).unwrap();
    h.pass(100 * S);
}
#[test]
fn an_event_comes_from_somewhere_however_small_the_memory() {
    let mut h = H::new(Config { max_delivered: 1, ..Config::default() });
    h.add(0);
    h.add(1);
    let _a = h.sub(Target::All, Mode::Live);
    let _b = h.sub(Target::All, Mode::Live);
    let s0 = h.open(0);
    let s1 = h.open(1);
    let w = h.wires();
    let w0 = w.iter().find(|(s, _)| *s == s0).unwrap().1.clone();
    let w1 = w.iter().find(|(s, _)| *s == s1).unwrap().1.clone();
    h.text(s0, &ev(&w0, &note(1)));
    h.verify_all();
    h.text(s1, &ev(&w1, &note(2)));
    h.verify_all();
    let empty = h
        .evs
        .iter()
        .filter(|e| matches!(e, PoolEvent::Item { item: Item::Event(x), .. } if x.relays.is_empty()))
        .count();
    assert_eq!(empty, 0, "events from nowhere");
}
#[test]
fn a_subscription_has_its_named_relay_back() {
    let mut h = H::new(Config::default());
    let sub = h.sub(one(0), Mode::Live);
    let s = h.open(0);
    let (_, w) = h.wires().pop().unwrap();
    h.text(s, &format!("[\"EOSE\",\"{w}\"]"));
    h.evs.clear();
    h.call(Call::RemoveRelay { url: url(0) }).unwrap();
    h.add(0);
    assert!(
        !h.items(sub).is_empty() || h.core.relay(&url(0)).unwrap().state != ConnectionState::Idle,
        "the live subscription has no relay left, nobody was told, and re-adding the relay does not bring it back"
    );
}
#[test]
fn a_deadline_waits_for_what_is_being_verified() {
    let mut h = H::new(Config::default());
    h.add(0);
    let sub = h.sub(Target::All, Mode::UntilEose);
    let s = h.open(0);
    let (_, w) = h.wires().pop().unwrap();
    h.text(s, &ev(&w, &note(1)));
    h.pass(11 * S);
    h.verify_all();
    let items = h.items(sub);
    assert!(items.iter().any(|i| matches!(i, Item::Event(_))), "{items:?}");
}
#[test]
fn what_is_missed_after_an_eose_that_waited_is_a_gap_from_the_loss_to_the_catch_up() {
    let mut h = H::new(Config::default());
    h.add(0);
    let sub = h.sub(Target::All, Mode::Live);
    let s = h.open(0);
    let (_, w) = h.wires().pop().unwrap();
    h.text(s, &ev(&w, &note(1)));
    h.text(s, &format!("[\"EOSE\",\"{w}\"]"));
    h.closed(s);
    h.verify_all();
    h.pass(5 * S);
    let s = h.open(0);
    let (_, w) = h.wires().pop().unwrap();
    h.text(s, &format!("[\"EOSE\",\"{w}\"]"));
    let gaps: Vec<GapCause> =
        h.items(sub).into_iter().filter_map(|i| if let Item::Gap(gap) = i { Some(gap.cause) } else { None }).collect();
    assert_eq!(gaps, [GapCause::Disconnected, GapCause::CaughtUp { events: 0 }]);
}
#[test]
fn a_request_for_everything_is_not_cut_short_by_the_eose_of_the_one_before() {
    let mut h = H::new(Config::default());
    h.add(0);
    let sub = h.sub(Target::All, Mode::Live);
    let s = h.open(0);
    let (_, w) = h.wires().pop().unwrap();
    h.text(s, &ev(&w, &note(1)));
    h.text(s, &format!("[\"EOSE\",\"{w}\"]"));
    h.closed(s);
    h.pass(5 * S);
    // Asked for everything, before it is known what came of the first request; and lost once more.
    let s = h.open(0);
    h.verify_all();
    h.closed(s);
    h.pass(5 * S);
    let s = h.open(0);
    let (_, w) = h.wires().pop().unwrap();
    h.text(s, &format!("[\"EOSE\",\"{w}\"]"));
    let gaps = h.items(sub).iter().filter(|i| matches!(i, Item::Gap(_))).count();
    assert_eq!(gaps, 0, "no gap is closed that was never told");
}
#[test]
fn a_relay_that_says_rate_limited_is_left_in_peace_at_once() {
    for over in [false, true] {
        let mut h = H::new(Config::default());
        h.add(0);
        let first = h.sub(Target::All, Mode::Live);
        let s = h.open(0);
        let (_, w) = h.wires().pop().unwrap();
        // The refusal waits for an event to be verified, or its request is over.
        if over {
            h.call(Call::Unsubscribe { sub: first }).unwrap();
        } else {
            h.text(s, &ev(&w, &note(1)));
        }
        h.text(s, &format!("[\"CLOSED\",\"{w}\",\"rate-limited: slow\"]"));
        let asked = h.wires().len();
        h.sub(Target::All, Mode::Live);
        assert_eq!(h.wires().len(), asked, "over: {over}");
        h.pass(2 * S);
        assert!(h.wires().len() > asked);
    }
}
#[test]
fn a_verdict_that_is_due_is_not_put_off_by_what_happens_before_it_is_told() {
    let mut h = H::new(Config::default());
    h.add(0);
    let publish = h.publish(&note(1), Target::All, Quorum::All);
    let deadline = 30 * S;
    h.pass(deadline - 1);
    let verdict = |h: &H| h.core.publish_report(publish).unwrap().verdict;
    assert_eq!(verdict(&h), None);
    // The device reads its clock late, and the first thing that it does is a call.
    h.t = deadline + 5;
    let info = RelayInfo::from_json(r#"{"limitation":{"max_message_length":9999}}"#).unwrap();
    h.call(Call::RelayInfo { url: url(0), info: Box::new(info) }).unwrap();
    assert!(h.core.poll_timeout().unwrap().at <= h.now().mono, "it is due still");
    h.core.handle_timeout(h.now());
    assert_eq!(verdict(&h), Some(Verdict::Indeterminate));
}
#[test]
fn a_relay_that_says_rate_limited_of_what_it_had_taken_is_left_in_peace_too() {
    let mut h = H::new(Config::default());
    h.add(0);
    h.publish(&note(1), Target::All, Quorum::All);
    let s = h.open(0);
    h.ok(s, &note(1));
    h.text(s, &format!("[\"OK\",\"{}\",false,\"rate-limited: slow\"]", note(1).id()));
    h.sub(Target::All, Mode::Live);
    assert!(h.wires().is_empty());
    h.pass(2 * S);
    assert_eq!(h.wires().len(), 1);
    // Of what was never sent there, it says nothing that counts.
    h.text(s, &format!("[\"OK\",\"{}\",false,\"rate-limited: slow\"]", note(2).id()));
    h.pass(2 * S);
    h.sub(Target::All, Mode::Live);
    assert_eq!(h.wires().len(), 2);
}
