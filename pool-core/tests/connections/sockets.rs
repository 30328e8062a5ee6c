//! Where there are more relays than sockets, they take turns.

use std::collections::{BTreeMap, BTreeSet};

use nostr_pool_core::*;
use nostr_proto::RelayInfo;
use proptest::prelude::*;

use super::bench::*;

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
