//! Who named a relay, and what follows from it: what is taken in, what is refused, what a dial is told, and what no call
//! makes of it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "panicking is how tests fail, their helpers too")]

use std::collections::BTreeMap;

use nostr_pool_core::*;
use nostr_proto::{Event, EventTemplate, Filter, Keys, RelayUrl, Timestamp};
use proptest::prelude::*;

const START: u64 = 1_700_000_000;

fn secure(n: usize) -> RelayUrl {
    RelayUrl::parse(&format!("wss://r{n}.example.com")).unwrap()
}

fn plain(n: usize) -> RelayUrl {
    RelayUrl::parse(&format!("ws://r{n}.example.com")).unwrap()
}

fn options(origin: Origin) -> RelayOptions {
    RelayOptions { origin, ..RelayOptions::default() }
}

fn note(text: &str) -> Event {
    Keys::from_entropy([1; 32]).unwrap().sign(&EventTemplate::text_note(text, Timestamp::new(START)), [0; 32])
}

/// A core whose dials are noted and never answered, unless asked.
struct Bench {
    core: Core,
    mono: u64,
    dials: BTreeMap<RelayUrl, (SocketId, Origin)>,
}

impl Bench {
    fn new() -> Self {
        let now = Now { mono: Instant::ZERO, unix: Timestamp::new(START) };
        Self { core: Core::new(Config::default(), [7; 32], now), mono: 0, dials: BTreeMap::new() }
    }

    fn now(&self) -> Now {
        Now { mono: Instant::from_micros(self.mono), unix: Timestamp::new(START + self.mono / 1_000_000) }
    }

    fn call(&mut self, call: Call) -> Result<Reply, CallError> {
        let reply = self.core.handle_call(call, self.now());
        self.drain();
        reply
    }

    fn drain(&mut self) {
        while let Some(command) = self.core.poll_command() {
            if let Command::Open { socket, url, origin } = command {
                self.dials.insert(url, (socket, origin));
            }
        }
        while self.core.poll_event().is_some() {}
    }

    fn add(&mut self, url: &RelayUrl, origin: Origin) -> Result<Reply, CallError> {
        self.call(Call::AddRelay { url: url.clone(), options: options(origin) })
    }

    fn subscribe(&mut self, target: Target) -> Result<SubId, CallError> {
        let request = Subscribe { filters: vec![Filter::new()], target, ..Subscribe::default() };
        self.call(Call::Subscribe(request)).map(|reply| match reply {
            Reply::Subscribed(id) => id,
            other => panic!("not a subscription: {other:?}"),
        })
    }

    fn publish(&mut self, text: &str, target: Target, link: Option<PublishId>) -> Result<PublishId, CallError> {
        let quorum = Quorum::First;
        let call = Publish { event: note(text), target, quorum, deadline: None, link };
        self.call(Call::Publish(call)).map(|reply| match reply {
            Reply::Publishing(id, _) => id,
            other => panic!("not a publish: {other:?}"),
        })
    }

    fn origin(&self, url: &RelayUrl) -> Option<Origin> {
        self.core.relay(url).map(|record| record.options.origin)
    }

    /// What the last dial of a relay was told.
    fn told(&self, url: &RelayUrl) -> Option<Origin> {
        self.dials.get(url).map(|(_, origin)| *origin)
    }
}

#[test]
fn a_dial_is_told_who_named_the_relay() {
    let mut bench = Bench::new();
    bench.add(&secure(1), Origin::Hinted).unwrap();
    bench.add(&plain(2), Origin::Typed).unwrap();
    bench.call(Call::Connect { which: Which::All }).unwrap();
    bench.subscribe(Target::Relays(vec![plain(3)])).unwrap();
    bench.publish("x", Target::Hinted(vec![secure(4)]), None).unwrap();
    let told: Vec<_> = bench.dials.iter().map(|(url, (_, origin))| (url.to_string(), *origin)).collect();
    let expected = [
        (plain(2), Origin::Typed),
        (plain(3), Origin::Typed),
        (secure(1), Origin::Hinted),
        (secure(4), Origin::Hinted),
    ];
    assert_eq!(told, expected.map(|(url, origin)| (url.to_string(), origin)));
}

#[test]
fn a_hint_that_is_not_wss_is_refused_and_takes_nothing_in() {
    let mut bench = Bench::new();
    let refused = Err(CallError::InsecureHint(plain(1)));
    assert_eq!(bench.add(&plain(1), Origin::Hinted), refused);
    let mixed = Target::Hinted(vec![secure(2), plain(1)]);
    assert_eq!(bench.subscribe(mixed.clone()).map(drop), Err(CallError::InsecureHint(plain(1))));
    assert_eq!(bench.publish("x", mixed.clone(), None).map(drop), Err(CallError::InsecureHint(plain(1))));
    assert!(bench.core.relays().is_empty() && bench.dials.is_empty());
    let sub = bench.subscribe(Target::Hinted(vec![secure(2)])).unwrap();
    assert_eq!(bench.call(Call::Retarget { sub, target: mixed.clone() }), Err(CallError::InsecureHint(plain(1))));
    // What the user named may be named by anybody.
    bench.add(&plain(1), Origin::Typed).unwrap();
    bench.call(Call::Retarget { sub, target: mixed }).unwrap();
    bench.add(&plain(1), Origin::Hinted).unwrap();
    assert_eq!(bench.origin(&plain(1)), Some(Origin::Typed));
}

#[test]
fn who_is_both_typed_and_hinted_is_typed() {
    let mut bench = Bench::new();
    // By options, in either order.
    bench.add(&secure(1), Origin::Hinted).unwrap();
    bench.add(&secure(1), Origin::Typed).unwrap();
    bench.add(&secure(1), Origin::Hinted).unwrap();
    assert_eq!(bench.origin(&secure(1)), Some(Origin::Typed));
    // By calls, while nobody added it.
    bench.subscribe(Target::Hinted(vec![secure(2)])).unwrap();
    assert_eq!(bench.origin(&secure(2)), Some(Origin::Hinted));
    bench.subscribe(Target::Relays(vec![secure(2)])).unwrap();
    bench.subscribe(Target::Hinted(vec![secure(2)])).unwrap();
    assert_eq!(bench.origin(&secure(2)), Some(Origin::Typed));
    // What the application added as a hint is not typed by being used.
    bench.add(&secure(3), Origin::Hinted).unwrap();
    bench.subscribe(Target::Relays(vec![secure(3)])).unwrap();
    assert_eq!(bench.origin(&secure(3)), Some(Origin::Hinted));
    // Out of the pool, it is nothing.
    bench.call(Call::RemoveRelay { url: secure(1) }).unwrap();
    bench.add(&secure(1), Origin::Hinted).unwrap();
    assert_eq!(bench.origin(&secure(1)), Some(Origin::Hinted));
}

#[test]
fn to_publish_again_is_not_to_type() {
    let mut bench = Bench::new();
    let hint = secure(1);
    let id = bench.publish("x", Target::Hinted(vec![hint.clone()]), None).unwrap();
    bench.call(Call::Cancel { publish: id }).unwrap();
    // The dial fails, nobody needs the relay, and it goes.
    let (socket, _) = bench.dials.remove(&hint).unwrap();
    bench.core.handle_input(Input::OpenFailed { socket, error: "no".to_owned() }, bench.now());
    while bench.origin(&hint).is_some() {
        let due = bench.core.poll_timeout().expect("it goes in the end").at;
        bench.mono = due.as_micros();
        bench.core.handle_timeout(bench.now());
        bench.drain();
    }
    bench.dials.clear();
    bench.call(Call::Retry { event: note("x").id(), deadline: None }).unwrap();
    assert_eq!(bench.told(&hint), Some(Origin::Hinted));

    let mut bench = Bench::new();
    let earlier = bench.publish("x", Target::Hinted(vec![hint.clone()]), None).unwrap();
    bench.call(Call::RemoveRelay { url: hint.clone() }).unwrap();
    let (socket, _) = bench.dials.remove(&hint).unwrap();
    bench.core.handle_input(Input::OpenFailed { socket, error: "no".to_owned() }, bench.now());
    bench.publish("y", Target::Relays(vec![hint.clone()]), Some(earlier)).unwrap();
    assert_eq!(bench.told(&hint), Some(Origin::Hinted));
}

#[derive(Clone, Debug)]
enum Step {
    Add(usize, bool, Origin),
    Remove(usize, bool),
    Subscribe(usize, bool, Origin),
    Publish(usize, bool, Origin),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let origin = prop_oneof![Just(Origin::Typed), Just(Origin::Hinted)];
    let relay = (0..3_usize, any::<bool>(), origin);
    prop::collection::vec(
        (0..4_u8, relay).prop_map(|(kind, (n, tls, origin))| match kind {
            0 => Step::Add(n, tls, origin),
            1 => Step::Remove(n, tls),
            2 => Step::Subscribe(n, tls, origin),
            _ => Step::Publish(n, tls, origin),
        }),
        1..40,
    )
}

proptest! {
    /// Whatever is called, in whatever order: no relay that only hints named is ever dialled as typed, or without TLS.
    #[test]
    fn no_call_makes_a_hint_more_than_that(steps in steps()) {
        let mut bench = Bench::new();
        // Since when they are in the pool, these were named by the user.
        let mut typed: BTreeMap<RelayUrl, bool> = BTreeMap::new();
        for (n, step) in steps.into_iter().enumerate() {
            let url = |n: usize, tls: bool| if tls { secure(n) } else { plain(n) };
            let target = |url: &RelayUrl, origin| match origin {
                Origin::Typed => Target::Relays(vec![url.clone()]),
                Origin::Hinted => Target::Hinted(vec![url.clone()]),
            };
            let (url, origin, went) = match step {
                Step::Add(n, tls, origin) => (url(n, tls), origin, bench.add(&url(n, tls), origin).is_ok()),
                Step::Remove(n, tls) => {
                    if bench.call(Call::RemoveRelay { url: url(n, tls) }).is_ok() {
                        typed.remove(&url(n, tls));
                    }
                    continue;
                }
                Step::Subscribe(n, tls, origin) => {
                    let url = url(n, tls);
                    let went = bench.subscribe(target(&url, origin)).is_ok();
                    (url, origin, went)
                }
                Step::Publish(m, tls, origin) => {
                    let url = url(m, tls);
                    let went = bench.publish(&format!("{n}"), target(&url, origin), None).is_ok();
                    (url, origin, went)
                }
            };
            let named = typed.get(&url).copied().unwrap_or(false) || origin == Origin::Typed;
            prop_assert_eq!(went, named || url.is_secure());
            if went {
                typed.insert(url, named);
            }
            for record in bench.core.relays() {
                let typed = typed.get(&record.url).copied().unwrap_or(false);
                prop_assert!(typed || record.options.origin == Origin::Hinted, "{:?}", record.url);
                prop_assert!(record.options.origin == Origin::Typed || record.url.is_secure());
            }
            for (url, (_, origin)) in std::mem::take(&mut bench.dials) {
                prop_assert_eq!(Some(origin), bench.origin(&url));
            }
        }
    }
}
