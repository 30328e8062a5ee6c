//! The machine alone, under arbitrary relays and a virtual clock.

use std::string::ToString;
use std::vec;
use std::vec::Vec;

use nostr_proto::{EventId, Kind, Reason, Timestamp};
use proptest::prelude::*;

use super::leg::{Ending, Eose, Sighting};
use super::paging::Ground;
use super::*;
use crate::event::{Coverage, GapCause, LegOutcome, PoolEvent};

fn at(ms: u64) -> Now {
    Now { mono: Instant::from_micros(ms * 1_000), unix: Timestamp::new(1_000_000 + ms / 1_000) }
}

fn url(n: u32) -> RelayUrl {
    RelayUrl::parse(&std::format!("wss://r{n}.example.com")).unwrap()
}

fn subscription(relays: u32, mode: Mode, config: &Config, fx: &mut Effects) -> Subscription {
    let request = Subscribe {
        filters: vec![Filter::new().kind(Kind::TEXT_NOTE).limit(7)],
        target: Target::All,
        mode,
        versions: Versions::Latest,
        ..Subscribe::default()
    };
    let mut sub = Subscription::new(SubId(1), request, config, at(0));
    for n in 0..relays {
        sub.add_leg(RelayIx(n), url(n), at(0));
    }
    sub.start(fx);
    sub
}

fn items(fx: &mut Effects) -> Vec<Item> {
    fx.events
        .drain(..)
        .filter_map(|e| match e {
            PoolEvent::Item { item, .. } => Some(item),
            _ => None,
        })
        .collect()
}

fn eose(sub: &mut Subscription, relay: u32, fx: &mut Effects) -> Option<Next> {
    let leg = sub.leg(RelayIx(relay)).unwrap();
    let ends = leg.ending(leg.wire().unwrap(), Ending::Eose(Eose::default()));
    assert!(matches!(ends.first()?, Ending::Eose(_)));
    let config = Config::default();
    Some(sub.eose(RelayIx(relay), Eose::default(), Ground { config: &config, largest: 0, now: at(0) }, fx))
}

fn coverage(items: &[Item]) -> Option<&Coverage> {
    items.iter().find_map(|i| match i {
        Item::Eose(coverage) => Some(coverage),
        _ => None,
    })
}

#[test]
fn eose_never_overtakes_an_event_that_is_being_verified() {
    let (config, mut fx) = (Config::default(), Effects::default());
    let mut sub = subscription(1, Mode::Live, &config, &mut fx);
    let wire = WireId(4);
    assert!(sub.ask(RelayIx(0), wire, &config, at(0), &mut fx).is_some());
    sub.leg(RelayIx(0)).unwrap().hold(wire);
    assert_eq!(eose(&mut sub, 0, &mut fx), None);
    assert_eq!(coverage(&items(&mut fx)), None);
    let leg = sub.leg(RelayIx(0)).unwrap();
    assert!(leg.release(WireId(99), at(1).mono).is_empty(), "another request's events do not count");
    assert!(matches!(leg.release(wire, at(1).mono)[..], [Ending::Eose(_)]), "it waited for this one");
}

#[test]
fn eose_timeout_refusal_and_disconnect_stay_different_facts() {
    let (config, mut fx) = (Config::default(), Effects::default());
    let mut sub = subscription(5, Mode::Live, &config, &mut fx);
    for n in 0..4 {
        let _ = sub.ask(RelayIx(n), WireId(n.into()), &config, at(0), &mut fx);
    }
    let _ = eose(&mut sub, 0, &mut fx);
    sub.refused(RelayIx(1), Reason::parse("blocked: no"), &config, at(1), &mut fx);
    sub.disconnected(RelayIx(2), None, false, &mut fx);
    sub.unavailable(RelayIx(4), &mut fx);
    assert_eq!(coverage(&items(&mut fx)), None, "one is still awaited");
    let _ = sub.timeout(&config, at(10_000), &mut fx);
    let items = items(&mut fx);
    let outcomes: Vec<LegOutcome> = coverage(&items).unwrap().legs.iter().map(|l| l.outcome.clone()).collect();
    assert_eq!(
        outcomes,
        [
            LegOutcome::Eose { complete: None },
            LegOutcome::Closed(Reason::parse("blocked: no")),
            LegOutcome::Disconnected,
            LegOutcome::TimedOut,
            LegOutcome::NotConnected,
        ]
    );
    // A late EOSE makes the leg live, and is not told twice.
    let _ = eose(&mut sub, 3, &mut fx);
    let late: Vec<Item> = fx
        .events
        .drain(..)
        .filter_map(|e| match e {
            PoolEvent::Item { item, .. } => Some(item),
            _ => None,
        })
        .collect();
    assert_eq!(late, [Item::Leg { relay: url(3), state: LegState::Live }]);
}

#[test]
fn progress_restarts_the_deadline_up_to_its_cap() {
    let (config, mut fx) = (Config::default(), Effects::default());
    let mut sub = subscription(1, Mode::Live, &config, &mut fx);
    let _ = sub.ask(RelayIx(0), WireId(0), &config, at(0), &mut fx);
    for ms in (0..=55_000).step_by(5_000) {
        let _ = sub.timeout(&config, at(ms), &mut fx);
        let seen = Sighting { wire: WireId(0), id: EventId::from_bytes([0; 32]), created_at: None };
        sub.leg(RelayIx(0)).unwrap().received(seen, 5_000, at(ms).mono);
    }
    assert_eq!(coverage(&items(&mut fx)), None, "it makes progress");
    assert_eq!(sub.deadline(&config), Some(at(60_000).mono));
    let _ = sub.timeout(&config, at(60_000), &mut fx);
    assert!(coverage(&items(&mut fx)).is_some(), "but not for ever");
}

#[test]
fn a_reconnected_leg_asks_for_what_it_missed_and_the_gap_is_told_and_closed() {
    let (config, mut fx) = (Config::default(), Effects::default());
    let mut sub = subscription(1, Mode::Live, &config, &mut fx);
    let first = sub.ask(RelayIx(0), WireId(0), &config, at(0), &mut fx).unwrap();
    assert_eq!(first[0].limit, Some(7));
    let _ = eose(&mut sub, 0, &mut fx);
    let proven = Timestamp::new(1_000_500);
    sub.disconnected(RelayIx(0), Some(proven), false, &mut fx);
    let again = sub.ask(RelayIx(0), WireId(1), &config, at(900_000), &mut fx).unwrap();
    assert_eq!(again[0].limit, None, "limit is for the first load");
    assert_eq!(again[0].since, Some(Timestamp::new(1_000_500 - 900 - 120)));
    let _ = eose(&mut sub, 0, &mut fx);
    let causes: Vec<GapCause> = items(&mut fx)
        .into_iter()
        .filter_map(|i| match i {
            Item::Gap(gap) => Some(gap.cause),
            _ => None,
        })
        .collect();
    assert_eq!(causes, [GapCause::Disconnected, GapCause::CaughtUp { events: 0 }]);
}

#[test]
fn a_leg_that_never_was_live_asks_the_same_again() {
    let (config, mut fx) = (Config::default(), Effects::default());
    let mut sub = subscription(1, Mode::Live, &config, &mut fx);
    let first = sub.ask(RelayIx(0), WireId(0), &config, at(0), &mut fx);
    sub.disconnected(RelayIx(0), Some(Timestamp::new(5)), false, &mut fx);
    assert_eq!(sub.ask(RelayIx(0), WireId(1), &config, at(9_000), &mut fx), first);
}

/// Every refusal, and what becomes of the leg.
#[test]
fn refusals() {
    let config = Config::default();
    for (text, closed) in [
        ("rate-limited: slow", false),
        ("error: x", false),
        ("", false),
        ("whatever", false),
        ("auth-required: x", true),
        ("restricted: x", true),
        ("blocked: x", true),
        ("invalid: x", true),
        ("unsupported: x", true),
        ("pow: x", true),
        ("mute: x", true),
    ] {
        let mut fx = Effects::default();
        let mut sub = subscription(1, Mode::Live, &config, &mut fx);
        let _ = sub.ask(RelayIx(0), WireId(0), &config, at(0), &mut fx);
        sub.refused(RelayIx(0), Reason::parse(text), &config, at(0), &mut fx);
        let state = sub.leg(RelayIx(0)).unwrap().public_state().unwrap();
        assert_eq!(matches!(state, LegState::Closed(_)), closed, "{text}");
        if !closed {
            assert_eq!(sub.ask(RelayIx(0), WireId(1), &config, at(999), &mut fx), None, "not before its time");
            assert_eq!(sub.timeout(&config, at(1_000), &mut fx).again, [RelayIx(0)]);
            assert!(sub.ask(RelayIx(0), WireId(1), &config, at(1_000), &mut fx).is_some());
        }
    }
}

#[test]
fn five_refusals_without_an_eose_between_close_the_leg_until_the_next_connection() {
    let (config, mut fx) = (Config::default(), Effects::default());
    let mut sub = subscription(1, Mode::Live, &config, &mut fx);
    let mut now = 0;
    for n in 0..5 {
        let _ = sub.timeout(&config, at(now), &mut fx);
        assert!(sub.ask(RelayIx(0), WireId(n), &config, at(now), &mut fx).is_some());
        sub.refused(RelayIx(0), Reason::parse("error: x"), &config, at(now), &mut fx);
        now += 60_000;
    }
    assert!(matches!(sub.leg(RelayIx(0)).unwrap().public_state(), Some(LegState::Closed(_))));
    sub.disconnected(RelayIx(0), None, false, &mut fx);
    assert!(!sub.leg(RelayIx(0)).unwrap().needs_connection(), "what was refused does not make the relay needed");
    sub.reconnected(RelayIx(0), &mut fx);
    assert!(sub.ask(RelayIx(0), WireId(9), &config, at(now), &mut fx).is_some());
}

#[test]
fn a_fetch_whose_eose_came_before_its_connection_went_is_not_made_again() {
    let (config, mut fx) = (Config::default(), Effects::default());
    let mut sub = subscription(2, Mode::UntilEose, &config, &mut fx);
    let wire = WireId(0);
    assert!(sub.ask(RelayIx(0), wire, &config, at(0), &mut fx).is_some());
    sub.leg(RelayIx(0)).unwrap().hold(wire);
    assert_eq!(eose(&mut sub, 0, &mut fx), None);
    sub.disconnected(RelayIx(0), None, false, &mut fx);
    assert!(matches!(sub.leg(RelayIx(0)).unwrap().release(wire, at(1).mono)[..], [Ending::Lost]));
    sub.drained(RelayIx(0), &mut fx);
    assert!(!sub.leg(RelayIx(0)).unwrap().needs_connection());
    assert_eq!(sub.ask(RelayIx(0), WireId(1), &config, at(1), &mut fx), None);
}

#[test]
fn what_is_owed_is_not_given_up_before_the_others_are_through() {
    let (config, mut fx) = (Config::default(), Effects::default());
    let mut sub = subscription(2, Mode::UntilEose, &config, &mut fx);
    let second = crate::resume::seconds::Range::second(Timestamp::new(5));
    sub.leg(RelayIx(0)).unwrap().resume.owe([0].into_iter(), second);
    let _ = sub.ask(RelayIx(1), WireId(0), &config, at(0), &mut fx);
    sub.disconnected(RelayIx(0), None, false, &mut fx);
    let _ = sub.timeout(&config, at(3_000), &mut fx);
    assert_eq!(sub.deadline(&config), Some(at(10_000).mono), "nothing is due before");
    assert!(sub.owes());
    let _ = eose(&mut sub, 1, &mut fx);
    assert_eq!(sub.deadline(&config), Some(at(0).mono));
    let _ = sub.timeout(&config, at(3_000), &mut fx);
    assert!(!sub.owes() && sub.is_complete());
    let gap = |item: &Item| matches!(item, Item::Gap(gap) if gap.cause == GapCause::NotAnswered);
    assert_eq!(items(&mut fx).iter().filter(|item| gap(item)).count(), 1);
}

#[derive(Clone, Debug)]
enum Op {
    Ask(u32),
    Hold(u32),
    Release(u32),
    Eose(u32),
    Closed(u32, &'static str),
    Disconnect(u32, bool),
    Unavailable(u32),
    Replace,
    Advance(u64),
}

fn op() -> impl Strategy<Value = Op> {
    let relay = || 0..4_u32;
    let text = prop_oneof![Just("rate-limited: x"), Just("error: x"), Just("blocked: x")];
    prop_oneof![
        6 => relay().prop_map(Op::Ask),
        4 => relay().prop_map(Op::Hold),
        4 => relay().prop_map(Op::Release),
        4 => relay().prop_map(Op::Eose),
        2 => (relay(), text).prop_map(|(r, t)| Op::Closed(r, t)),
        2 => (relay(), any::<bool>()).prop_map(|(r, p)| Op::Disconnect(r, p)),
        1 => relay().prop_map(Op::Unavailable),
        1 => Just(Op::Replace),
        3 => (0..15_000_u64).prop_map(Op::Advance),
    ]
}

struct Model {
    next_wire: u64,
    /// Events being verified, per relay, for the request that brought them.
    undecided: [u32; 4],
    ms: u64,
}

fn apply(sub: &mut Subscription, end: Ending, relay: RelayIx, config: &Config, ms: u64, fx: &mut Effects) {
    let _ = match end {
        Ending::Eose(eose) => sub.eose(relay, eose, Ground { config, largest: 0, now: at(ms) }, fx),
        Ending::Page(_) | Ending::PageClosed(_) => panic!("no page runs"),
        Ending::Closed(reason) => {
            sub.refused(relay, reason, config, at(ms), fx);
            Next::Nothing
        }
        Ending::Lost => {
            sub.drained(relay, fx);
            Next::Nothing
        }
    };
}

fn run(sub: &mut Subscription, op: &Op, m: &mut Model, config: &Config, fx: &mut Effects) {
    match *op {
        Op::Ask(r) => {
            if sub.ask(RelayIx(r), WireId(m.next_wire), config, at(m.ms), fx).is_some() {
                m.next_wire += 1;
                m.undecided[r as usize] = 0;
            }
        }
        Op::Hold(r) => {
            let leg = sub.leg(RelayIx(r)).unwrap();
            if let Some(wire) = leg.wire() {
                leg.hold(wire);
                m.undecided[r as usize] += 1;
            }
        }
        Op::Release(r) => {
            let leg = sub.leg(RelayIx(r)).unwrap();
            if let Some(wire) = leg.wire()
                && m.undecided[r as usize] > 0
            {
                m.undecided[r as usize] -= 1;
                for end in leg.release(wire, at(m.ms).mono) {
                    assert_eq!(m.undecided[r as usize], 0, "{end:?} overtook an event");
                    apply(sub, end, RelayIx(r), config, m.ms, fx);
                }
            }
        }
        Op::Eose(r) | Op::Closed(r, _) => {
            let end = match op {
                Op::Closed(_, text) => Ending::Closed(Reason::parse(text)),
                _ => Ending::Eose(Eose::default()),
            };
            let leg = sub.leg(RelayIx(r)).unwrap();
            let Some(wire) = leg.wire() else { return };
            for end in leg.ending(wire, end) {
                assert_eq!(m.undecided[r as usize], 0, "{end:?} overtook an event");
                apply(sub, end, RelayIx(r), config, m.ms, fx);
            }
        }
        Op::Disconnect(r, promising) => {
            m.undecided[r as usize] = 0;
            sub.disconnected(RelayIx(r), None, promising, fx);
        }
        Op::Unavailable(r) => sub.unavailable(RelayIx(r), fx),
        Op::Replace => {
            m.undecided = [0; 4];
            let _ = sub.replace(vec![Filter::new()], &Config::default(), at(m.ms));
            sub.start(fx);
        }
        Op::Advance(by) => {
            let end = at(m.ms + by).mono;
            while let Some(due) = sub.deadline(config).filter(|due| *due <= end) {
                let _ = sub.timeout(config, Now { mono: due, ..at(m.ms) }, fx);
                assert!(sub.deadline(config).is_none_or(|next| next > due), "a timer in the past");
            }
            m.ms += by;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn one_aggregate_eose_per_generation_never_before_its_time_and_always_in_the_end(
        ops in proptest::collection::vec(op(), 1..120)
    ) {
        let (config, mut fx) = (Config::default(), Effects::default());
        let mut sub = subscription(4, Mode::Live, &config, &mut fx);
        let mut m = Model { next_wire: 0, undecided: [0; 4], ms: 0 };
        let (mut generation, mut told) = (0, Vec::new());
        for op in ops.into_iter().chain([Op::Advance(61_000)]) {
            if matches!(op, Op::Replace) { generation += 1; }
            run(&mut sub, &op, &mut m, &config, &mut fx);
            for item in items(&mut fx) {
                if let Item::Eose(coverage) = item {
                    prop_assert_eq!(coverage.generation, generation, "of this generation");
                    prop_assert!(!told.contains(&generation), "told twice");
                    prop_assert_eq!(coverage.legs.len(), 4);
                    told.push(generation);
                }
            }
        }
        prop_assert!(told.contains(&generation), "after 60 s nobody is waited for any more: {}", told.len().to_string());
    }
}
