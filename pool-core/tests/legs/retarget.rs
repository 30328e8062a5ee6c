//! Relays that come and go while a subscription runs.

use std::collections::{BTreeMap, BTreeSet};

use nostr_pool_core::*;
use nostr_proto::RelayUrl;
use proptest::prelude::*;

use super::told::*;
use crate::common::*;

fn to(relays: &[usize]) -> Target {
    Target::Relays(relays.iter().map(|n| url(*n)).collect())
}

#[test]
fn what_stays_is_untouched_what_comes_is_asked_and_what_leaves_is_closed() {
    let mut b = Bench::new(3, Config::default());
    let sub = b.subscribe(notes(), to(&[0, 1]), Versions::Latest);
    eose(&mut b, 0);
    eose(&mut b, 1);
    assert_eq!(coverage(&b, sub).len(), 1);
    let (before, gone) = (b.requests.len(), last(&b, b.sockets[0]));
    b.items.clear();
    b.call(Call::Retarget { sub, target: to(&[1, 2, 2]) });
    assert_eq!(b.requests.len(), before + 1);
    assert_eq!(asked(&b, b.sockets[2]), 1);
    assert_eq!(b.closes, [(b.sockets[0], gone.clone())]);
    assert_eq!(leg(&b, sub, 0), Some(LegState::Removed));
    assert_eq!(leg(&b, sub, 1), None, "nothing to tell");
    assert_eq!(leg(&b, sub, 2), Some(LegState::Requested));
    // What the one that left still sends is not delivered; what the others send is.
    b.text(0, &format!("[\"EVENT\",\"{gone}\",{}]", note("late").to_json()));
    b.decide_all();
    assert!(b.texts(sub).is_empty());
    b.send(1, sub, &note("stays"));
    b.send(2, sub, &note("new"));
    eose(&mut b, 2);
    assert_eq!(b.texts(sub), ["stays", "new"]);
    assert_eq!(leg(&b, sub, 2), Some(LegState::Live));
    assert!(coverage(&b, sub).is_empty(), "the EOSE of this generation was told");
}

#[test]
fn the_aggregate_eose_is_about_the_relays_of_then() {
    let mut b = Bench::new(3, Config::default());
    let sub = b.subscribe(notes(), to(&[0, 1]), Versions::Latest);
    eose(&mut b, 0);
    // The one that is awaited leaves, but another comes.
    b.call(Call::Retarget { sub, target: to(&[0, 2]) });
    assert!(coverage(&b, sub).is_empty());
    eose(&mut b, 2);
    let relays: Vec<RelayUrl> = coverage(&b, sub)[0].legs.iter().map(|l| l.relay.clone()).collect();
    assert_eq!(relays, [url(0), url(2)]);
    // Nobody is awaited any more, where the awaited one leaves.
    let sub = b.subscribe(notes(), to(&[0, 1]), Versions::Latest);
    eose(&mut b, 0);
    b.call(Call::Retarget { sub, target: to(&[0]) });
    assert_eq!(coverage(&b, sub).len(), 1);
}

#[test]
fn all_follows_the_pool_and_a_list_does_not() {
    let mut b = Bench::new(2, Config::default());
    let sub = b.subscribe(notes(), Target::All, Versions::Latest);
    b.call(Call::Retarget { sub, target: to(&[1]) });
    assert_eq!((leg(&b, sub, 0), leg(&b, sub, 1)), (Some(LegState::Removed), Some(LegState::Requested)));
    b.call(Call::AddRelay { url: url(5), options: RelayOptions::default() });
    assert_eq!(leg(&b, sub, 5), None);
    b.call(Call::Retarget { sub, target: Target::All });
    assert_eq!((leg(&b, sub, 0), leg(&b, sub, 5)), (Some(LegState::Requested), Some(LegState::Requested)));
    b.call(Call::AddRelay { url: url(6), options: RelayOptions::default() });
    assert_eq!(leg(&b, sub, 6), Some(LegState::Requested));
    b.call(Call::RemoveRelay { url: url(6) });
    assert_eq!(leg(&b, sub, 6), Some(LegState::Removed));
}

#[test]
fn a_fetch_waits_for_the_relays_that_it_has_now() {
    let mut b = Bench::new(2, Config::default());
    let request = Subscribe { filters: notes(), target: to(&[0]), mode: Mode::UntilEose, ..Subscribe::default() };
    let Reply::Subscribed(sub) = b.call(Call::Subscribe(request)) else { panic!("it is a subscription") };
    b.call(Call::Retarget { sub, target: to(&[1]) });
    assert!(coverage(&b, sub).is_empty());
    eose(&mut b, 1);
    assert!(matches!(items(&b, sub).last(), Some(Item::End(EndReason::Complete))));
    assert_eq!(
        b.core.handle_call(Call::Retarget { sub, target: to(&[0]) }, b.now()),
        Err(CallError::UnknownSubscription(sub))
    );
}

#[test]
fn a_call_that_fails_changes_nothing() {
    let mut b = Bench::new(2, Config { max_relays: 3, ..Config::default() });
    let sub = b.subscribe(notes(), to(&[0]), Versions::Latest);
    b.items.clear();
    let unknown = SubId::from_u64(99);
    for (sub, target, error) in [
        (unknown, to(&[1]), CallError::UnknownSubscription(unknown)),
        (sub, to(&[]), CallError::NoRelays),
        (sub, to(&[0, 5, 6]), CallError::TooManyRelays(3)),
    ] {
        assert_eq!(b.core.handle_call(Call::Retarget { sub, target }, b.now()), Err(error));
        b.drain();
    }
    assert!(b.items.is_empty() && b.closes.is_empty());
    assert_eq!((b.requests.len(), b.core.relays().len()), (1, 2));
    for n in 0..2 {
        b.call(Call::AddRelay { url: url(n), options: RelayOptions { read: false, ..RelayOptions::default() } });
    }
    assert_eq!(b.core.handle_call(Call::Retarget { sub, target: Target::All }, b.now()), Err(CallError::NoRelays));
}

#[derive(Clone, Debug)]
enum Op {
    Retarget(Option<Vec<usize>>),
    Add(usize, bool),
    Remove(usize),
    Eose(usize),
    Lose(usize),
    Pass(u64),
    Update,
}

fn op() -> impl Strategy<Value = Op> {
    let relays = prop_oneof![
        1 => Just(None),
        4 => prop::collection::vec(0..5_usize, 0..5).prop_map(Some),
    ];
    prop_oneof![
        6 => relays.prop_map(Op::Retarget),
        2 => (0..5_usize, any::<bool>()).prop_map(|(n, reads)| Op::Add(n, reads)),
        2 => (0..5_usize).prop_map(Op::Remove),
        6 => (0..5_usize).prop_map(Op::Eose),
        2 => (0..5_usize).prop_map(Op::Lose),
        3 => (1..12_u64).prop_map(Op::Pass),
        1 => Just(Op::Update),
    ]
}

/// The relays that a bystander thinks are asked.
#[derive(Default)]
struct Model {
    pool: BTreeMap<usize, bool>,
    all: bool,
    asked: BTreeSet<usize>,
    generations: usize,
}

impl Model {
    fn readers(&self) -> BTreeSet<usize> {
        self.pool.iter().filter(|(_, reads)| **reads).map(|(n, _)| *n).collect()
    }
}

fn socket_of(b: &Bench, n: usize) -> Option<SocketId> {
    b.opened.get(&n).copied()
}

fn step(b: &mut Bench, m: &mut Model, sub: SubId, op: &Op) {
    match op {
        Op::Retarget(relays) => {
            let wanted = relays.clone().map_or_else(|| m.readers(), |relays| relays.into_iter().collect());
            let target = relays.as_ref().map_or(Target::All, |relays| to(relays));
            let reply = b.core.handle_call(Call::Retarget { sub, target }, b.now());
            b.drain();
            assert_eq!(reply.is_err(), wanted.is_empty());
            if !wanted.is_empty() {
                (m.asked, m.all) = (wanted, relays.is_none());
            }
        }
        Op::Add(n, reads) => {
            b.call(Call::AddRelay { url: url(*n), options: RelayOptions { read: *reads, ..RelayOptions::default() } });
            m.pool.insert(*n, *reads);
        }
        Op::Remove(n) => {
            if b.core.relay(&url(*n)).is_some() {
                b.call(Call::RemoveRelay { url: url(*n) });
                b.opened.remove(n);
                m.asked.remove(n);
            }
            m.pool.remove(n);
        }
        Op::Eose(n) => {
            let runs = socket_of(b, *n).and_then(|socket| b.running.get(&socket)?.last().cloned());
            if let (Some(name), Some(socket)) = (runs, socket_of(b, *n)) {
                let frame = format!("[\"EOSE\",\"{name}\"]");
                b.core.handle_input(Input::Text { socket, frame: &frame }, b.now());
                b.drain();
            }
        }
        Op::Lose(n) => {
            if let Some(socket) = b.opened.remove(n) {
                b.running.remove(&socket);
                let reason = CloseReason::Error("reset".into());
                b.core.handle_input(Input::Closed { socket, reason }, b.now());
                b.drain();
            }
        }
        Op::Pass(seconds) => b.pass(*seconds),
        Op::Update => {
            b.call(Call::Update { sub, filters: notes() });
            m.generations += 1;
        }
    }
    if m.all {
        m.asked = m.readers();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn who_is_asked_is_who_was_named(ops in prop::collection::vec(op(), 1..60)) {
        let mut b = Bench::new(3, Config::default());
        let sub = b.subscribe(notes(), Target::All, Versions::Latest);
        let pool = (0..3).map(|n| (n, true)).collect();
        let mut m = Model { pool, all: true, asked: (0..3).collect(), generations: 1 };
        for op in ops {
            let before = b.requests.len();
            let stays: BTreeSet<usize> = m.asked.clone();
            step(&mut b, &mut m, sub, &op);
            // One request runs at each connected relay that is asked, and none at any other.
            for n in 0..5 {
                let running = socket_of(&b, n).and_then(|socket| b.running.get(&socket)).map_or(0, Vec::len);
                let connected = b.core.relay(&url(n)).is_some_and(|r| r.state == ConnectionState::Open);
                let expected = usize::from(m.asked.contains(&n) && connected);
                prop_assert_eq!(running, expected, "relay {} after {:?}", n, &op);
            }
            if matches!(op, Op::Retarget(_)) {
                let again = b.requests[before..].iter().any(|(socket, _)| {
                    b.opened.iter().any(|(n, s)| s == socket && stays.contains(n))
                });
                prop_assert!(!again, "what stays is not asked again: {:?}", &op);
            }
            prop_assert!(coverage(&b, sub).len() <= m.generations, "one EOSE per generation");
        }
        b.pass(61);
        let told = coverage(&b, sub);
        prop_assert_eq!(told.last().map(|c| c.generation as usize + 1), Some(m.generations), "told in the end");
    }
}
