//! The machine alone, under arbitrary copies, honest and forged, decided in any order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use std::vec;
use std::vec::Vec;

use nostr_proto::{EventTemplate, Keys, Timestamp, verify};
use proptest::prelude::*;

use super::*;
use crate::event::Mark;
use crate::ids::WireId;

static EVENTS: LazyLock<Vec<HashedEvent>> = LazyLock::new(|| {
    let keys = Keys::from_entropy([7; 32]).unwrap();
    let sign = |n: u64| {
        let template = EventTemplate::text_note(std::format!("note {n}"), Timestamp::new(n));
        template.unsigned(keys.public_key()).sign(&keys, [0; 32]).check_id().unwrap()
    };
    (0..5).map(sign).collect()
});

/// A copy of an event: `0` is the real one, anything else a forgery of its own.
fn copy(event: usize, forgery: u8) -> HashedEvent {
    let mut signature = *EVENTS[event].signature().as_bytes();
    signature[40] ^= forgery;
    EVENTS[event].clone().with_signature(Signature::from_bytes(signature))
}

fn waiter(relay: u32) -> Waiter {
    Waiter { sub: SubId(1), relay: RelayIx(relay), wire: WireId(u64::from(relay)), mark: Mark::Stored }
}

/// Later than every event here.
const NOW: Timestamp = Timestamp::new(1_000);

/// What is remembered of an event that was never made.
fn facts(n: u8) -> Facts {
    Facts { proof: proof(n), created_at: NOW, address: None }
}

fn proof(n: u8) -> Proof {
    static PROOFS: LazyLock<Vec<Proof>> = LazyLock::new(|| {
        let keys = Keys::from_entropy([7; 32]).unwrap();
        let sign = |n: u64| {
            let template = EventTemplate::text_note(std::format!("proof {n}"), Timestamp::new(n));
            verify(&template.unsigned(keys.public_key()).sign(&keys, [0; 32]).check_id().unwrap()).unwrap()
        };
        (0..=255).map(sign).collect()
    });
    PROOFS[usize::from(n)]
}

fn dedup(config: &Config) -> Dedup {
    Dedup::new(config, [3; 16])
}

#[test]
fn a_forged_copy_delays_the_real_one_by_a_check_and_never_suppresses_it() {
    let mut d = dedup(&Config::default());
    let id = EVENTS[0].id();
    let (first, _) = d.admit(copy(0, 1), waiter(1));
    assert!(matches!(first, Admission::Verify(_)));
    assert_eq!(d.admit(copy(0, 0), waiter(2)), (Admission::Joined(Copy::Parked), true));
    let forged = verify(&copy(0, 1));
    let Decision::TryNext { culprit, event, .. } = d.decide(&id, forged, NOW) else {
        panic!("the parked copy is next")
    };
    assert_eq!((culprit, event.clone()), (RelayIx(1), copy(0, 0)));
    let Decision::Good { waiters, .. } = d.decide(&id, verify(&event), NOW) else { panic!("the real one is good") };
    assert_eq!(waiters.len(), 2);
    assert_eq!(d.relays(&id), [RelayIx(2)], "the forger does not have it");
    assert_eq!(
        d.look_up(&id, RelayIx(3), SubId(1)),
        Known::Held(VerifiedEvent::new(event, verify(&copy(0, 0)).unwrap()).unwrap())
    );
}

#[test]
fn nothing_is_remembered_of_an_id_whose_copies_were_all_forged() {
    let mut d = dedup(&Config::default());
    let id = EVENTS[0].id();
    let _ = d.admit(copy(0, 1), waiter(1));
    assert!(matches!(
        d.decide(&id, verify(&copy(0, 1)), NOW),
        Decision::Bad { culprit: RelayIx(1), ref crowded_out, .. } if crowded_out.is_empty()
    ));
    assert_eq!(d.look_up(&id, RelayIx(2), SubId(1)), Known::Unknown);
    assert!(matches!(d.admit(copy(0, 0), waiter(2)).0, Admission::Verify(_)));
}

#[test]
fn one_relay_cannot_flush_what_the_others_brought() {
    let config = Config { max_seen: 10, ..Config::default() };
    let mut seen = Seen::new(&config, [0; 16]);
    let id = |n: u8| proof(n).id();
    for n in 0..3 {
        seen.insert(facts(n), vec![RelayIx(1)]);
    }
    for n in 10..200 {
        seen.insert(facts(n), vec![RelayIx(2)]);
    }
    assert!((0..3).all(|n| seen.facts(&id(n)).is_some()), "the flooder evicts its own");
    assert_eq!(seen.len(), 10);
}

#[test]
fn remembered_deliveries_are_bounded() {
    let config = Config { max_delivered: 10, ..Config::default() };
    let mut seen = Seen::new(&config, [0; 16]);
    let id = |n: u8| proof(n).id();
    for n in 0..4 {
        seen.insert(facts(n), vec![RelayIx(1)]);
        for sub in 0..4 {
            assert!(seen.deliver(&id(n), SubId(sub)));
            assert!(!seen.deliver(&id(n), SubId(sub)), "delivered before");
        }
    }
    assert!(seen.facts(&id(0)).is_none() && seen.facts(&id(1)).is_none(), "the oldest make room");
    assert!(seen.facts(&id(3)).is_some());
}

#[test]
fn a_share_of_the_flight_bounds_each_relay() {
    let mut d = dedup(&Config { max_in_flight_per_relay: 2, max_in_flight: 3, ..Config::default() });
    assert!(matches!(d.admit(copy(0, 0), waiter(1)).0, Admission::Verify(_)));
    assert!(d.is_loaded(RelayIx(1)));
    assert!(matches!(d.admit(copy(1, 0), waiter(1)).0, Admission::Verify(_)));
    assert_eq!(d.admit(copy(2, 0), waiter(1)), (Admission::Full, false));
    assert!(matches!(d.admit(copy(2, 0), waiter(2)).0, Admission::Verify(_)));
    assert_eq!(d.admit(copy(3, 0), waiter(2)), (Admission::Full, false), "and all of them together");
}

#[derive(Clone, Debug)]
enum Op {
    Copy { event: usize, relay: u32, forgery: u8 },
    Decide { nth: usize },
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => (0..5_usize, 0..6_u32, 0..3_u8).prop_map(|(event, relay, forgery)| Op::Copy { event, relay, forgery }),
        2 => (0..8_usize).prop_map(|nth| Op::Decide { nth }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// The model: an id is decided good exactly when a real copy was among those that were admitted and not crowded
    /// out; where none was, that takes two checks per relay at most; a leg waits until its event is decided, and is released exactly once.
    #[test]
    fn good_if_a_real_copy_was_there_and_every_waiter_is_released_once(ops in proptest::collection::vec(op(), 1..80)) {
        let mut d = dedup(&Config { max_parked: 3, ..Config::default() });
        let mut checks: Vec<HashedEvent> = Vec::new();
        let mut waiting: BTreeMap<EventId, BTreeSet<RelayIx>> = BTreeMap::new();
        let mut good: BTreeSet<EventId> = BTreeSet::new();
        let mut had_real: BTreeSet<EventId> = BTreeSet::new();
        let mut checked: BTreeMap<EventId, usize> = BTreeMap::new();
        let finish = (0..64).map(|_| Op::Decide { nth: 0 });
        for op in ops.into_iter().chain(finish) {
            match op {
                Op::Copy { event, relay, forgery } => {
                    let copy = copy(event, forgery);
                    let id = copy.id();
                    if matches!(d.look_up(&id, RelayIx(relay), SubId(1)), Known::Held(_)) {
                        prop_assert!(good.contains(&id));
                        continue;
                    }
                    prop_assert!(!good.contains(&id), "a verified event is at hand");
                    let full_before = d.flights.get_mut(&id).is_some_and(|f| !f.may_park(RelayIx(relay), 3));
                    if forgery == 0 && !full_before { had_real.insert(id); }
                    let (admission, new) = d.admit(copy, waiter(relay));
                    prop_assert_eq!(new, waiting.entry(id).or_default().insert(RelayIx(relay)));
                    match admission {
                        Admission::Verify(event) => checks.push(event),
                        Admission::Joined(_) => {}
                        Admission::Full => prop_assert!(false, "there is room"),
                    }
                }
                Op::Decide { nth } if !checks.is_empty() => {
                    let event = checks.remove(nth % checks.len());
                    let id = event.id();
                    match d.decide(&id, verify(&event), NOW) {
                        Decision::Good { event, waiters, .. } => {
                            prop_assert!(verify(&event.into_event().check_id().unwrap()).is_ok());
                            prop_assert!(good.insert(id), "decided once");
                            let released: BTreeSet<RelayIx> = waiters.iter().map(|w| w.relay).collect();
                            prop_assert_eq!(released.len(), waiters.len());
                            prop_assert_eq!(Some(released), waiting.remove(&id));
                        }
                        Decision::TryNext { event, .. } => {
                            let so_far = checked.entry(id).or_default();
                            *so_far += 1;
                            prop_assert!(*so_far < 6 + 6, "each relay has two copies checked at most");
                            checks.push(event);
                        }
                        Decision::Bad { waiters, .. } => {
                            prop_assert!(!had_real.contains(&id), "a real copy was there");
                            checked.remove(&id);
                            let released: BTreeSet<RelayIx> = waiters.iter().map(|w| w.relay).collect();
                            prop_assert_eq!(Some(released), waiting.remove(&id));
                        }
                        Decision::Unknown => prop_assert!(false, "it was in flight"),
                    }
                }
                Op::Decide { .. } => {}
            }
        }
        prop_assert!(waiting.is_empty(), "everyone was released");
        prop_assert_eq!(good, had_real);
    }
}
