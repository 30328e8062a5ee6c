//! Publishes that take the place of others: links, and tries that are made again.

use nostr_pool_core::*;
use nostr_proto::Event;

use super::world::*;

#[test]
fn linked_publishes_name_each_other() {
    let mut w = World::with(1, &Config::default());
    w.subscribe();
    let (first, second) = (unsigned("first"), unsigned("second"));
    let p = w.publish_unsigned(&first, None).unwrap();
    let q = w.publish_unsigned(&second, Some(p)).unwrap();
    assert_eq!((w.report(p).link, w.report(p).successor), (None, Some(q)));
    assert_eq!((w.report(q).link, w.report(q).successor), (Some(p), None));
    assert_eq!(w.fates(), [(first.id(), PendingOutcome::Superseded { by: q }, None)]);
    assert_eq!(w.publish_unsigned(&unsigned("third"), Some(p)), Err(CallError::HasSuccessor(q)));
    let unknown = PublishId::from_u64(99);
    assert_eq!(w.publish_unsigned(&unsigned("third"), Some(unknown)), Err(CallError::UnknownPublish(unknown)));
    // What relays make of the first one goes on, and is no news to those who saw it pending.
    w.sign();
    w.ok(0, first.id(), true, "");
    assert_eq!(w.report(p).verdict, Some(Verdict::Reached));
    assert_eq!(w.fates().len(), 1);
}

#[test]
fn a_forgotten_publish_is_named_no_longer() {
    let mut w = World::with(1, &Config { max_publishes: 2, ..Config::default() });
    let (a, b) = (note("a"), note("b"));
    let p = w.publish(&a, Quorum::All);
    w.ok(0, a.id(), true, "");
    let link = Some(p);
    let call = Publish { event: b, target: Target::All, quorum: Quorum::All, deadline: None, link };
    let q = id(w.call(Call::Publish(call)).unwrap());
    assert_eq!(w.report(q).link, Some(p));
    w.publish(&note("c"), Quorum::All);
    assert_eq!((w.core.publish_report(p), w.report(q).link), (None, None));
}

#[test]
fn trying_again_makes_room_for_one_and_keeps_it() {
    let mut w = World::with(1, &Config { max_publishes: 1, ..Config::default() });
    let event = note("x");
    let again = |w: &mut World| id(w.call(Call::Retry { event: event.id(), deadline: None }).unwrap());
    w.publish(&event, Quorum::First);
    w.ok(0, event.id(), true, "");
    let p = again(&mut w);
    assert_eq!(w.report(p).verdict, Some(Verdict::Reached), "it is done at once, and remembered");
    let mut w = World::with(1, &Config { max_publishes: 3, ..Config::default() });
    let old: Vec<_> = ["a", "b", "x"].map(|text| w.publish(&note(text), Quorum::First)).into();
    for text in ["a", "b", "x"] {
        w.ok(0, note(text).id(), false, "blocked: x");
    }
    again(&mut w);
    let remembered = |p: &PublishId| w.core.publish_report(*p).is_some();
    assert_eq!(old.iter().map(remembered).collect::<Vec<_>>(), [false, true, true], "the oldest made room, alone");
}

#[test]
fn a_retry_shows_nothing_that_is_out_or_still_pending_and_keeps_the_earlier_report() {
    let pending = |w: &World| {
        let shown = |e: &&PoolEvent| matches!(e, PoolEvent::Item { item: Item::Pending(_), .. });
        w.events.iter().filter(shown).count()
    };
    for out in [true, false] {
        let mut w = World::with(2, &Config::default());
        w.subscribe();
        let event = unsigned("x");
        let p = w.publish_unsigned(&event, None).unwrap();
        w.sign();
        w.ok(0, event.id(), out, "blocked: no");
        if out {
            w.ok(1, event.id(), false, "blocked: no");
        }
        assert_eq!(pending(&w), 1);
        w.call(Call::Retry { event: event.id(), deadline: None }).unwrap();
        assert_eq!(pending(&w), 1, "out: {out}");
        assert_eq!(w.report(p).event, event.id());
    }
}

#[test]
fn a_retry_of_what_all_accepted_is_over_at_once() {
    let mut w = World::with(2, &Config::default());
    let event = note("x");
    w.publish(&event, Quorum::All);
    (0..2).for_each(|n| w.ok(n, event.id(), true, ""));
    let again = id(w.call(Call::Retry { event: event.id(), deadline: None }).unwrap());
    assert_eq!(w.report(again).verdict, Some(Verdict::Reached));
    assert_eq!((w.sent(0).len(), w.sent(1).len()), (1, 1));
}

#[test]
fn a_retry_makes_room_for_itself() {
    let mut w = World::with(1, &Config { max_publishes: 2, ..Config::default() });
    let (a, b) = (note("a"), note("b"));
    let publishes = [&a, &b].map(|event| {
        let p = w.publish(event, Quorum::All);
        w.ok(0, event.id(), false, "blocked: no");
        p
    });
    w.call(Call::Retry { event: a.id(), deadline: None }).unwrap();
    let kept = publishes.iter().filter(|p| w.core.publish_report(**p).is_some()).count();
    assert!(kept <= 1, "with the new one, no more than two are remembered");
}

#[test]
fn a_link_ends_with_either_of_the_two() {
    let link_to = |event: &Event, link| Publish {
        event: event.clone(),
        target: Target::All,
        quorum: Quorum::All,
        deadline: None,
        link: Some(link),
    };
    // The earlier one makes room for the later one itself.
    let mut w = World::with(1, &Config { max_publishes: 1, ..Config::default() });
    let (a, b) = (note("a"), note("b"));
    let p = w.publish(&a, Quorum::All);
    w.ok(0, a.id(), true, "");
    let q = id(w.call(Call::Publish(link_to(&b, p))).unwrap());
    assert_eq!((w.core.publish_report(p), w.report(q).link), (None, None));
    // The later one is forgotten first.
    let mut w = World::with(1, &Config { max_publishes: 2, ..Config::default() });
    let p = w.publish(&a, Quorum::All);
    let q = id(w.call(Call::Publish(link_to(&b, p))).unwrap());
    w.ok(0, b.id(), true, "");
    w.publish(&note("c"), Quorum::All);
    assert_eq!((w.core.publish_report(q), w.report(p).successor), (None, None));
}
