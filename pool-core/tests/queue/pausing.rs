//! Beyond the bound on all queues, no relay is read from for a while, and what that holds up.

use std::time::Duration;

use nostr_pool_core::*;
use nostr_proto::{Filter, Kind};

use super::world::*;

#[test]
fn beyond_the_bound_no_relay_is_read_from_for_a_while_and_then_all_are() {
    let mut w = World::new(2, bounded(4));
    let subs = [w.reader(Filter::new().kind(Kind::new(1)), 100), w.reader(Filter::new().kind(Kind::new(7)), 100)];
    for sub in subs {
        w.take(sub, 100);
    }
    // The news of the beginning was too much already.
    w.pass(1_000 * MS);
    for n in 0..5 {
        assert_eq!(w.paused(), [false, false], "{n}");
        w.push(0, &event(if n % 2 == 0 { 1 } else { 7 }, &format!("{n}123"), START));
    }
    assert_eq!(w.paused(), [true, true]);
    w.push(0, &note("unheard", 0));
    w.push(1, &note("unheard, too", 0));
    w.pass(499 * MS);
    assert_eq!(w.paused(), [true, true]);
    w.pass(MS);
    assert_eq!(w.paused(), [false, false]);
    assert_eq!(w.untaken_events(subs[0]), 3, "what comes then is skipped, for it is still too much");
    w.pass(499 * MS);
    assert_eq!(w.paused(), [false, false], "it is read for as long as it was not");
    w.pass(MS);
    assert_eq!(w.paused(), [true, true]);
    w.take(subs[0], 1);
    assert_eq!(w.paused(), [true, true], "a little room does not end it");
    w.take(subs[1], 2);
    w.take(subs[0], 1);
    assert_eq!(w.paused(), [false, false], "half of it does");
}

#[test]
fn a_socket_that_opens_meanwhile_is_not_read_from_either() {
    let mut w = World::unconnected(2, bounded(1));
    w.call(Call::Connect { which: Which::One(url(0)) }).unwrap();
    let target = Target::Relays(vec![url(0)]);
    let sub = w.subscribe(Subscribe { filters: vec![Filter::new()], target, ..Subscribe::default() });
    w.take(sub, 100);
    w.pass(1_000 * MS);
    w.push(0, &note("1", 0));
    w.push(0, &note("2", 0));
    assert_eq!(w.paused(), [true, false]);
    w.pass(100 * MS);
    w.call(Call::Connect { which: Which::One(url(1)) }).unwrap();
    assert_eq!(w.paused(), [true, true]);
    w.pass(400 * MS);
    assert_eq!(w.paused(), [false, false]);
}

#[test]
fn it_is_read_from_again_when_neither_reason_is_left() {
    for room_first in [true, false] {
        let mut w = World::new(1, Config { max_in_flight_per_relay: 4, ..bounded(1) });
        let sub = w.reader(Filter::new(), 100);
        w.take(sub, 100);
        w.pass(1_000 * MS);
        w.push(0, &note("1", 0));
        w.unchecked = true;
        for n in 0..2 {
            w.push(0, &note(&format!("unchecked {n}"), 0));
        }
        assert_eq!(w.paused(), [true], "two are being verified");
        // News makes it too much to take.
        let other = w.subscribe(Subscribe { filters: vec![Filter::new().kind(Kind::new(9))], ..Subscribe::default() });
        if room_first {
            w.call(Call::Unsubscribe { sub: other }).unwrap();
            w.take(sub, 100);
            assert_eq!(w.paused(), [true], "they still are");
            w.unchecked = false;
            w.settle();
        } else {
            w.unchecked = false;
            w.settle();
            assert_eq!(w.paused(), [true], "there is still too much");
            w.call(Call::Unsubscribe { sub: other }).unwrap();
            w.take(sub, 100);
        }
        assert_eq!(w.paused(), [false]);
    }
}

/// A pool that is paused by the bound at every opportunity, because its application takes nothing.
fn stuck() -> (World, SubId) {
    let mut w = World::new(1, bounded(0));
    let sub = w.reader(Filter::new().kind(Kind::new(7)), 100);
    w.pass(5_000 * MS);
    assert!(w.untaken_bytes(sub) > 0);
    // Until one begins.
    while w.paused() != [true] {
        w.pass(MS);
    }
    (w, sub)
}

#[test]
fn what_relays_are_to_answer_is_overdue_that_much_later_and_nothing_else_is() {
    let (mut w, _) = stuck();
    w.relays[0].silent = true;
    let began = w.micros;
    let asked = w.reader(Filter::new().kind(Kind::new(1)), 100);
    w.pass(2_000 * MS);
    let publish = Publish {
        event: note("mine", 0),
        target: Target::All,
        quorum: Quorum::All,
        deadline: Some(Duration::from_secs(12)),
        link: None,
    };
    w.frames.clear();
    w.call(Call::Publish(publish)).unwrap();
    let published = w.micros;
    let sent = |w: &World| w.frames.iter().filter(|frame| frame.starts_with("[\"EVENT\"")).count();
    assert_eq!(sent(&w), 1, "an EVENT goes out, paused or not");
    let timed_out = |w: &World| w.queues[&asked].iter().any(|item| matches!(item, Item::Eose(_)));
    let (mut eose, mut again, mut verdict) = (None, None, None);
    for _ in 0..24_000 {
        w.pass(MS);
        if timed_out(&w) {
            eose = eose.or(Some(w.micros - began));
        }
        if sent(&w) == 2 {
            again = again.or(Some(w.micros - published));
        }
        if w.publishes.iter().any(|update| matches!(update, PublishUpdate::Verdict(_))) {
            verdict = verdict.or(Some(w.micros - published));
        }
    }
    let near = |at: Option<u64>, ms: u64| at.unwrap().abs_diff(ms * MS) <= 2 * MS;
    // Ten seconds of listening take twenty, and end with a stretch of listening.
    assert!(near(eose, 20_000), "EOSE is overdue after {eose:?}");
    assert!(near(again, 20_000), "the OK is overdue after {again:?}");
    assert!(near(verdict, 12_000), "the verdict is the caller's: {verdict:?}");
}

#[test]
fn silence_counts_only_while_we_listen() {
    let (mut w, _) = stuck();
    w.relays[0].silent = true;
    w.commands.clear();
    let began = w.micros;
    let pings = |w: &World| w.commands.iter().filter(|c| matches!(c, Command::Ping { .. })).count();
    let gone = |w: &World| w.commands.iter().any(|c| matches!(c, Command::Close { code: 1001, .. }));
    let mut first = None;
    while !gone(&w) {
        w.pass(100 * MS);
        if pings(&w) == 1 {
            first = first.or(Some(w.micros - began));
        }
        assert!(w.micros - began < 400_000 * MS, "it is found out");
    }
    assert!(first.unwrap() <= 30_000 * MS, "pings go out as ever");
    let lasted = w.micros - began - first.unwrap();
    assert!(
        (119_000 * MS..=121_000 * MS).contains(&lasted),
        "two are missed after twice thirty seconds of listening: {lasted}"
    );
}

#[test]
fn while_nothing_is_read_closes_go_out() {
    let (mut w, sub) = stuck();
    w.frames.clear();
    w.call(Call::Unsubscribe { sub }).unwrap();
    assert!(w.frames.iter().any(|frame| frame.starts_with("[\"CLOSE\"")), "{:?}", w.frames);
    assert_eq!(w.paused(), [false], "what an ended subscription left counts no more");
}
