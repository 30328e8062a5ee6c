//! What the application has done with, and what a checkpoint says of that.

use nostr_pool_core::*;
use nostr_proto::{Filter, Kind};

use super::world::*;

#[test]
fn a_subscription_that_came_to_its_end_can_be_asked_until_it_is_let_go() {
    for by_hand in [false, true] {
        let mut w = World::new(1, Config::default());
        w.relays[0].stored = notes(20);
        let acknowledge = if by_hand { Acknowledge::ByHand } else { Acknowledge::ByNext };
        let filters = vec![Filter::new()];
        let request = Subscribe { filters, mode: Mode::UntilEose, acknowledge, ..Subscribe::default() };
        let sub = w.subscribe(request);
        w.settle();
        assert!(w.checkpoint(sub).is_empty(), "nothing is acknowledged");
        w.take(sub, 5);
        assert!(w.checkpoint(sub).is_empty(), "not everything is");
        w.take(sub, usize::MAX);
        if by_hand {
            assert!(w.checkpoint(sub).is_empty());
            assert_eq!(w.call(Call::Acknowledge { sub, seq: 20 }), Err(CallError::NotDelivered { sub, seq: 20 }));
            w.call(Call::Acknowledge { sub, seq: 19 }).unwrap();
        }
        assert!(!w.checkpoint(sub).is_empty(), "all is");
        assert_eq!(w.call(Call::Unsubscribe { sub }), Err(CallError::UnknownSubscription(sub)));
        assert_eq!(w.call(Call::Checkpoint { sub }), Err(CallError::UnknownSubscription(sub)));
    }
}

#[test]
fn those_that_came_to_their_end_are_remembered_up_to_a_bound_and_forgotten_at_a_clean_start() {
    let mut w = World::new(1, Config::default());
    let subs: Vec<SubId> = (0..300)
        .map(|_| {
            let request = Subscribe { filters: vec![Filter::new()], mode: Mode::UntilEose, ..Subscribe::default() };
            let sub = w.subscribe(request);
            w.settle();
            sub
        })
        .collect();
    let known = |w: &mut World| subs.iter().filter(|sub| w.call(Call::Checkpoint { sub: **sub }).is_ok()).count();
    assert_eq!(known(&mut w), 256);
    assert!(w.call(Call::Checkpoint { sub: subs[299] }).is_ok());
    w.call(Call::StartClean).unwrap();
    assert_eq!(known(&mut w), 0);
}

/// The seconds that a checkpoint has of a relay's first filter.
fn proven(checkpoint: &Checkpoint) -> usize {
    checkpoint.to_json().matches("\"proven\":[[[").count()
}

#[test]
fn taking_the_next_item_acknowledges_the_one_before() {
    let mut w = World::new(1, Config::default());
    w.relays[0].stored = notes(3);
    let filter = Filter::new().kind(Kind::new(1));
    let request = Subscribe { filters: vec![filter], history: History::All, ..Subscribe::default() };
    let sub = w.subscribe(request);
    let items = w.queues[&sub].len();
    assert_eq!(proven(&w.checkpoint(sub)), 0, "nothing is taken");
    let last = w.queues[&sub].iter().rposition(|item| matches!(item, Item::Event(_))).unwrap();
    w.take(sub, last + 1);
    assert_eq!(proven(&w.checkpoint(sub)), 0, "the last event is taken, and nothing after it");
    if items > last + 1 {
        w.take(sub, 1);
    } else {
        w.call(Call::Taken { sub, items: 0, bytes: 0 }).unwrap();
    }
    assert_eq!(proven(&w.checkpoint(sub)), 1);
    // An event that is delivered and not taken: what was good before still is.
    let before = w.checkpoint(sub);
    w.push(0, &note("new", 0));
    w.take(sub, 100);
    assert_eq!(w.checkpoint(sub), before);
    w.call(Call::Taken { sub, items: 0, bytes: 0 }).unwrap();
    assert_eq!(proven(&w.checkpoint(sub)), 1, "it was the last, and the application asks for the next");
}

#[test]
fn by_hand_only_the_application_acknowledges() {
    let mut w = World::new(1, Config::default());
    w.relays[0].stored = notes(3);
    let request = Subscribe {
        filters: vec![Filter::new()],
        history: History::All,
        acknowledge: Acknowledge::ByHand,
        ..Subscribe::default()
    };
    let sub = w.subscribe(request);
    w.take(sub, 100);
    w.call(Call::Taken { sub, items: 0, bytes: 0 }).unwrap();
    assert_eq!(proven(&w.checkpoint(sub)), 0);
    let acknowledge = |w: &mut World, seq| w.call(Call::Acknowledge { sub, seq });
    assert_eq!(acknowledge(&mut w, 3), Err(CallError::NotDelivered { sub, seq: 3 }));
    assert_eq!(acknowledge(&mut w, u64::MAX), Err(CallError::NotDelivered { sub, seq: u64::MAX }));
    acknowledge(&mut w, 1).unwrap();
    assert_eq!(proven(&w.checkpoint(sub)), 0);
    acknowledge(&mut w, 2).unwrap();
    acknowledge(&mut w, 0).unwrap();
    assert_eq!(proven(&w.checkpoint(sub)), 1);
    let nobody = SubId::from_u64(99);
    assert_eq!(w.call(Call::Acknowledge { sub: nobody, seq: 0 }), Err(CallError::UnknownSubscription(nobody)));
    assert_eq!(w.call(Call::Checkpoint { sub: nobody }), Err(CallError::UnknownSubscription(nobody)));
}

/// An application that is always one behind still gets ahead with its checkpoints.
#[test]
fn an_early_checkpoint_is_good_once_everything_before_it_is_acknowledged() {
    let mut w = World::new(1, Config::default());
    let sub = w.subscribe(Subscribe {
        filters: vec![Filter::new()],
        acknowledge: Acknowledge::ByHand,
        ..Subscribe::default()
    });
    w.push(0, &note("0", 0));
    let first = w.checkpoint(sub);
    assert_eq!(proven(&first), 0);
    w.push(0, &note("1", 0));
    w.call(Call::Acknowledge { sub, seq: 0 }).unwrap();
    assert_eq!(proven(&w.checkpoint(sub)), 1, "that of before, now that its event is done with");
}

#[test]
fn what_is_skipped_is_in_no_checkpoint() {
    let mut w = World::new(1, Config::default());
    w.relays[0].stored = notes(20);
    let sub = w.subscribe(Subscribe {
        filters: vec![Filter::new()],
        history: History::All,
        queue_items: Some(4),
        ..Subscribe::default()
    });
    w.take(sub, 1);
    w.pass(100 * MS);
    while w.take(sub, 1) > 0 {
        w.call(Call::Taken { sub, items: 0, bytes: 0 }).unwrap();
        let text = w.checkpoint(sub).to_json();
        let got = w.events(sub);
        for event in w.relays[0].stored.iter().filter(|event| !got.contains(&event.id())) {
            let at = event.created_at().as_secs();
            assert!(!covers(&text, at), "{at} is in {text}");
        }
        w.pass(100 * MS);
    }
    w.drain(sub);
    w.call(Call::Taken { sub, items: 0, bytes: 0 }).unwrap();
    let text = w.checkpoint(sub).to_json();
    assert!(w.relays[0].stored.iter().all(|event| covers(&text, event.created_at().as_secs())), "{text}");
}

/// Whether a second is among the proven ones of a checkpoint with one relay and one filter.
fn covers(text: &str, second: u64) -> bool {
    let Some((_, ranges)) = text.split_once("\"proven\":[") else { return false };
    let numbers: Vec<u64> = ranges.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).collect();
    numbers.chunks_exact(2).any(|range| (range[0]..=range[1]).contains(&second))
}

#[cfg(feature = "planted-bugs")]
#[test]
fn a_checkpoint_that_counts_on_delivery_is_noticed() {
    let has = |planted| {
        let mut w = World::new(1, Config { planted, ..Config::default() });
        w.relays[0].stored = notes(3);
        let history = History::All;
        let sub = w.subscribe(Subscribe { filters: vec![Filter::new()], history, ..Subscribe::default() });
        let text = w.checkpoint(sub).to_json();
        w.relays[0].stored.iter().filter(|event| covers(&text, event.created_at().as_secs())).count()
    };
    assert_eq!(has(None), 0);
    assert_eq!(has(Some(PlantedBug::AckByDelivery)), 3);
}
