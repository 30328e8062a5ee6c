//! The whole core against a naive model of what it should deliver: lists, and no code of its own. And against itself:
//! with a forger and without, honest relays' events arrive all the same.

#![allow(clippy::unwrap_used, clippy::panic, reason = "this is test code, its helpers included")]

mod common;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use common::*;
use nostr_pool_core::*;
use nostr_proto::{Event, EventId, EventTemplate, Filter, Kind};
use proptest::prelude::*;

const RELAYS: usize = 4;
const SUBS: usize = 4;
const EXPIRES: i64 = 50;

/// Two notes, one that expires, and versions of two addresses: two of the same second, one far ahead.
static EVENTS: LazyLock<Vec<Event>> = LazyLock::new(|| {
    vec![
        note("one"),
        note("two"),
        sign(EventTemplate::text_note("expires", second(0)).expires_at(second(EXPIRES))),
        version("a", -10, "old"),
        version("a", 0, "now"),
        version("a", 0, "now, too"),
        version("a", 5, "newer"),
        version("a", 2_000, "ahead"),
        version("b", -10, "of another address"),
        version("b", -20, "older"),
    ]
});

/// What the subscriptions ask for, by the index of the event.
fn matches(sub: usize, event: usize) -> bool {
    sub != 3 || event < 5
}

/// Whether a subscription takes an event that is outdated.
fn takes_outdated(sub: usize, event: usize) -> bool {
    sub == 1 || (sub == 3 && (3..5).contains(&event))
}

fn asks(sub: usize, relay: usize) -> bool {
    sub != 2 || relay == 0
}

fn bench(config: Config) -> Bench {
    let mut b = Bench::new(RELAYS, config);
    let everything = || vec![Filter::new()];
    b.subscribe(everything(), Target::All, Versions::Latest);
    b.subscribe(everything(), Target::All, Versions::All);
    b.subscribe(everything(), Target::Relays(vec![url(0)]), Versions::Latest);
    let some = vec![Filter::new().kind(Kind::TEXT_NOTE), Filter::new().ids([EVENTS[3].id(), EVENTS[4].id()])];
    b.subscribe(some, Target::All, Versions::Latest);
    b
}

fn sub(n: usize) -> SubId {
    SubId::from_u64(n as u64)
}

fn index(id: EventId) -> usize {
    EVENTS.iter().position(|e| e.id() == id).unwrap()
}

#[derive(Clone, Copy, Debug)]
enum Op {
    /// `forgery` 0 is the real signature; `tampered`: the content is not the one of the id.
    Copy {
        event: usize,
        relay: usize,
        sub: usize,
        forgery: u8,
        tampered: bool,
    },
    Decide {
        nth: usize,
    },
    Clock {
        at: i64,
    },
}

fn op() -> impl Strategy<Value = Op> {
    let copy = (0..EVENTS.len(), 0..RELAYS, 0..SUBS, 0..3_u8, prop::bool::weighted(0.1));
    prop_oneof![
        12 => copy.prop_map(|(event, relay, sub, forgery, tampered)| {
            // Who is not asked does not answer.
            let sub = if asks(sub, relay) { sub } else { 0 };
            Op::Copy { event, relay, sub, forgery, tampered }
        }),
        8 => (0..6_usize).prop_map(|nth| Op::Decide { nth }),
        1 => prop::sample::select(vec![-3_000, -1_000, -10, 0, EXPIRES - 1, EXPIRES, 1_099, 1_100, 9_000])
            .prop_map(|at| Op::Clock { at }),
    ]
}

fn apply(b: &mut Bench, op: Op) {
    match op {
        Op::Copy { event, relay, sub: to, forgery, tampered } => {
            let json = forged(&EVENTS[event], forgery);
            let json = if tampered { json.replace("\"content\":\"", "\"content\":\"not ") } else { json };
            b.copy(relay, sub(to), &json);
        }
        Op::Decide { nth } if !b.checks.is_empty() => b.decide(nth % b.checks.len()),
        Op::Decide { .. } => {}
        Op::Clock { at } => b.unix = second(at).as_secs(),
    }
}

/// A copy that is being checked, and those that wait behind it.
#[derive(Debug, Default)]
struct Flight {
    forgery: u8,
    relays: Vec<usize>,
    parked: Vec<(usize, u8)>,
    /// Who brought a forged one.
    refuted: Vec<usize>,
    waiting: BTreeSet<usize>,
}

#[derive(Debug)]
struct Model {
    at: i64,
    /// Whether events stay at hand.
    holds: bool,
    /// Verified events: who has them, and which subscriptions got them.
    known: BTreeMap<usize, (Vec<usize>, BTreeSet<usize>)>,
    flights: BTreeMap<usize, Flight>,
    /// Versions that are known and were not replaced, as (address, date, id).
    versions: Vec<(String, i64, Reverse<EventId>)>,
    got: Vec<Vec<(usize, bool)>>,
}

impl Model {
    fn version(event: usize) -> Option<(String, i64, Reverse<EventId>)> {
        let e = &EVENTS[event];
        let at = i64::try_from(e.created_at().as_secs()).unwrap() - i64::try_from(START).unwrap();
        (e.kind() != Kind::TEXT_NOTE).then(|| (e.tags().value_of("d").unwrap().to_owned(), at, Reverse(e.id())))
    }

    fn is_outdated(&self, event: usize) -> bool {
        let Some(own) = Self::version(event) else { return false };
        self.versions.iter().any(|v| v.0 == own.0 && *v > own && v.1 <= self.at + 900)
    }

    fn note(&mut self, event: usize) {
        let Some(own) = Self::version(event) else { return };
        // Only what is news replaces: the clock may have stepped since.
        if self.versions.contains(&own) {
            return;
        }
        let address = own.0.clone();
        self.versions.push(own);
        let all = self.versions.clone();
        let replaces = |v: &_, other: &(String, _, _)| other.0 == address && other > v && other.1 <= self.at + 900;
        self.versions.retain(|v| v.0 != address || !all.iter().any(|other| replaces(v, other)));
    }

    fn has_expired(&self, event: usize) -> bool {
        event == 2 && self.at >= EXPIRES
    }

    fn deliver(&mut self, to: usize, event: usize) {
        let for_nobody = self.has_expired(event) || (self.is_outdated(event) && !takes_outdated(to, event));
        if matches(to, event) && !for_nobody && self.known.get_mut(&event).unwrap().1.insert(to) {
            let ahead = EVENTS[event].created_at() > second(self.at + 900);
            self.got[to].push((event, ahead));
        }
    }

    fn copy(&mut self, event: usize, relay: usize, to: usize, forgery: u8, tampered: bool) {
        if let Some((relays, got)) = self.known.get_mut(&event) {
            if !relays.contains(&relay) {
                relays.push(relay);
            }
            if got.contains(&to) {
                return;
            }
            if self.holds {
                return self.deliver(to, event);
            }
        }
        // A known signature is as good as the event, whatever else is being checked.
        let proven = forgery == 0 && !tampered && self.known.contains_key(&event);
        if self.known.contains_key(&event) && self.is_outdated(event) && !takes_outdated(to, event) {
            return;
        }
        if let Some(flight) = self.flights.get_mut(&event).filter(|_| !proven) {
            if matches(to, event) && !(self.known.contains_key(&event) && tampered) {
                flight.waiting.insert(to);
                if forgery == flight.forgery {
                    flight.relays.push(relay);
                } else if !flight.parked.iter().any(|(r, _)| *r == relay) && !flight.refuted.contains(&relay) {
                    flight.parked.push((relay, forgery));
                }
            }
            return;
        }
        if !matches(to, event) || tampered || self.has_expired(event) {
            return;
        }
        if proven {
            if !self.is_outdated(event) {
                self.note(event);
            }
            return self.deliver(to, event);
        }
        let flight = Flight { forgery, relays: vec![relay], waiting: BTreeSet::from([to]), ..Flight::default() };
        self.flights.insert(event, flight);
    }

    fn decide(&mut self, event: usize) {
        let mut flight = self.flights.remove(&event).unwrap();
        if flight.forgery != 0 {
            if !flight.parked.is_empty() {
                flight.forgery = flight.parked[0].1;
                flight.refuted.append(&mut flight.relays);
                let same = |(_, forgery): &&(usize, u8)| *forgery == flight.forgery;
                flight.relays = flight.parked.iter().filter(same).map(|(relay, _)| *relay).collect();
                flight.parked.retain(|(_, forgery)| *forgery != flight.forgery);
                self.flights.insert(event, flight);
            }
            return;
        }
        self.note(event);
        let relays = &mut self.known.entry(event).or_default().0;
        relays.extend(flight.relays);
        let relays = relays.clone();
        for to in 0..SUBS {
            if flight.waiting.contains(&to) || relays.iter().any(|relay| asks(to, *relay)) {
                self.deliver(to, event);
            }
        }
    }
}

fn got(b: &Bench, to: usize) -> Vec<(usize, bool)> {
    b.events(sub(to)).iter().map(|e| (index(e.event.id()), e.future_dated)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn what_is_delivered_is_what_the_model_delivers(
        holds: bool,
        ops in proptest::collection::vec(op(), 1..120),
    ) {
        let held_bytes = if holds { 4 << 20 } else { 0 };
        let mut b = bench(Config { held_bytes, max_repairs: 0, max_future_versions: 10, ..Config::default() });
        let mut model = Model {
            at: 0,
            holds,
            known: BTreeMap::new(),
            flights: BTreeMap::new(),
            versions: Vec::new(),
            got: vec![Vec::new(); SUBS],
        };
        let finish = (0..64).map(|_| Op::Decide { nth: 0 });
        for op in ops.into_iter().chain(finish) {
            match op {
                Op::Copy { event, relay, sub, forgery, tampered } => model.copy(event, relay, sub, forgery, tampered),
                Op::Decide { nth } if !b.checks.is_empty() => {
                    let (_, outcome) = &b.checks[nth % b.checks.len()];
                    let id = outcome.as_ref().map_or_else(|bad| bad.id, |proof| proof.id());
                    model.decide(index(id));
                }
                Op::Decide { .. } => {}
                Op::Clock { at } => model.at = at,
            }
            apply(&mut b, op);
            for to in 0..SUBS {
                prop_assert_eq!(&got(&b, to), &model.got[to], "subscription {} after {:?}", to, op);
            }
        }
        check_books(&b)?;
    }
}

/// Every event that came is accounted for once.
fn check_books(b: &Bench) -> Result<(), TestCaseError> {
    let relays = b.core.relays();
    let sum = |f: fn(&RelayCounters) -> u64| relays.iter().map(|r| f(&r.counters)).sum::<u64>();
    let verified = b.core.stats().verified;
    prop_assert_eq!(
        sum(|c| c.events),
        verified + sum(|c| c.duplicates + c.forged + c.unmatched + c.dropped + c.expired)
    );
    Ok(())
}

/// Relays 0 and 1 are honest: they send what is real. The others forge whatever they send.
fn is_honest(relay: usize) -> bool {
    relay < 2
}

fn of_their_kind(op: Op) -> Op {
    match op {
        Op::Copy { event, relay, sub, forgery, tampered } => {
            let forgery = if is_honest(relay) { 0 } else { 1 + forgery };
            Op::Copy { event, relay, sub, forgery, tampered: tampered && !is_honest(relay) }
        }
        other => other,
    }
}

/// Every relay answers what it is asked by id, the forgers first.
fn answer(b: &mut Bench) {
    for _ in 0..8 {
        b.decide_all();
        let mut asked: Vec<(SocketId, String)> = b.requests.drain(..).collect();
        asked.sort_by_key(|(socket, _)| Reverse(*socket));
        for (socket, frame) in asked {
            let relay = b.sockets.iter().position(|s| *s == socket).unwrap();
            let wire = frame.split('"').nth(3).unwrap();
            if b.wires.values().any(|own| own == wire) {
                continue;
            }
            // Pages for what was dropped are not answered.
            let Some(event) = EVENTS.iter().find(|e| frame.contains(&e.id().to_string())) else { continue };
            let json = forged(event, if is_honest(relay) { 0 } else { 9 });
            b.text(relay, &format!("[\"EVENT\",\"{wire}\",{json}]"));
            b.text(relay, &format!("[\"EOSE\",\"{wire}\"]"));
        }
    }
    b.pass(61);
}

/// What a subscription got, as far as it does not depend on which of the versions that were sent was verified first, nor,
/// for the one to a single relay, on which copy that relay sent for others.
fn settled(b: &Bench, to: usize, sent: &BTreeSet<(usize, usize)>) -> BTreeSet<usize> {
    let replaced = |event: usize| {
        let Some(own) = Model::version(event) else { return false };
        let mut others = sent.iter().filter_map(|(_, event)| Model::version(*event));
        others.any(|other| other.0 == own.0 && other > own && other.1 <= 900)
    };
    let own = |event: &usize| to != 2 || sent.contains(&(to, *event));
    let keep = |event: &usize| own(event) && (takes_outdated(to, *event) || !replaced(*event));
    got(b, to).into_iter().map(|(event, _)| event).filter(keep).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn a_forger_changes_nothing_that_honest_relays_deliver(
        max_parked in prop::sample::select(vec![0_usize, 1, RELAYS]),
        held_bytes in prop::sample::select(vec![0_usize, 4 << 20]),
        ops in proptest::collection::vec(op(), 1..100),
    ) {
        let config = Config { max_parked, held_bytes, ..Config::default() };
        let (mut with, mut without) = (bench(config.clone()), bench(config));
        let mut sent: BTreeSet<(usize, usize)> = BTreeSet::new();
        for op in ops {
            let op = of_their_kind(op);
            if matches!(op, Op::Clock { .. }) {
                continue;
            }
            apply(&mut with, op);
            if let Op::Copy { event, relay, sub, .. } = op
                && is_honest(relay)
            {
                sent.insert((sub, event));
            }
            if !matches!(op, Op::Copy { relay, .. } if !is_honest(relay)) {
                apply(&mut without, op);
            }
        }
        answer(&mut with);
        answer(&mut without);
        for to in 0..SUBS {
            let (with_it, without_it) = (settled(&with, to, &sent), settled(&without, to, &sent));
            if max_parked == RELAYS {
                prop_assert_eq!(with_it, without_it, "subscription {}", to);
            } else if with.gaps(sub(to)) == 0 {
                // What another subscription was sent may be lost to this one: an honest relay sends it for both.
                let own = |event: &usize| sent.contains(&(to, *event));
                let lost = without_it.iter().copied().find(|event| own(event) && !with_it.contains(event));
                prop_assert_eq!(lost, None, "subscription {}: {:?}", to, with_it);
            }
            prop_assert_eq!(without.gaps(sub(to)), 0);
        }
        check_books(&with)?;
    }

    /// With room for next to nothing: whatever a relay sent is delivered, or told as a gap, or is for nobody; and every
    /// request that waited goes on.
    #[test]
    fn small_bounds_lose_nothing_silently(
        (bounds, held_bytes) in (proptest::collection::vec(1..4_usize, 8), 0..2_000_usize),
        ops in proptest::collection::vec(op(), 1..100),
    ) {
        let mut b = bench(Config {
            max_seen: bounds[0],
            max_delivered: bounds[1],
            held_bytes,
            max_latest: bounds[2],
            max_future_versions: bounds[3] - 1,
            max_in_flight: bounds[4],
            max_in_flight_per_relay: bounds[5],
            max_parked: bounds[6] - 1,
            max_repairs: bounds[7] - 1,
            max_repairs_per_relay: 1,
            ..Config::default()
        });
        let mut sent: BTreeSet<(usize, usize)> = BTreeSet::new();
        for op in ops {
            let op = of_their_kind(op);
            if let Op::Copy { event, relay, sub, .. } = op
                && is_honest(relay)
            {
                sent.insert((sub, event));
            }
            apply(&mut b, op);
        }
        for (relay, wire) in b.wires.clone().into_iter().map(|((socket, _), wire)| (socket, wire)) {
            let relay = b.sockets.iter().position(|s| *s == relay).unwrap();
            b.text(relay, &format!("[\"EOSE\",\"{wire}\"]"));
        }
        answer(&mut b);
        let lost = |b: &Bench| -> Vec<(usize, usize)> {
            let is_lost = |&(to, event): &(usize, usize)| {
                let may_miss = event == 2 || (Model::version(event).is_some() && !takes_outdated(to, event));
                let got = got(b, to).iter().any(|(it, _)| *it == event);
                matches(to, event) && !got && !may_miss && b.gaps(sub(to)) == 0
            };
            sent.iter().copied().filter(is_lost).collect()
        };
        if !lost(&b).is_empty() {
            // A page of what is fetched again waits behind pages of others that are not answered, and then for its own answer.
            b.pass(600);
        }
        prop_assert_eq!(lost(&b), vec![], "nothing is lost silently");
        for to in 0..SUBS {
            let items = b.items.get(&sub(to)).into_iter().flatten();
            prop_assert_eq!(items.filter(|item| matches!(item, Item::Eose(_))).count(), 1);
            prop_assert!(got(&b, to).iter().all(|(event, _)| matches(to, *event)));
        }
        check_books(&b)?;
    }
}
