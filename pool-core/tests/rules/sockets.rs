//! Which relays are dialled, for how long, and in which order.

use std::collections::BTreeMap;
use std::time::Duration;

use nostr_pool_core::*;
use nostr_proto::Timestamp;

use super::harness::*;

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
fn there_is_always_one_credit() {
    let mut h = H::new(Config { send_credits: 0, ..Config::default() });
    h.add(0);
    let _sub = h.sub(Target::All, Mode::Live);
    let _s = h.open(0);
    h.pass(100 * S);
    assert!(!h.wires().is_empty());
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
