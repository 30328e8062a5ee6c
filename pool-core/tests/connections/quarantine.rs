//! Relays that bring forged events are left alone for a while.

use nostr_pool_core::*;
use nostr_proto::Kind;

use super::bench::*;

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
