//! What a full queue skips is told, and made up for where a relay keeps it.

use nostr_pool_core::*;
use nostr_proto::{Event, Filter, Kind};

use super::world::*;

#[test]
fn what_a_full_queue_skips_is_fetched_again_and_nobody_else_notices() {
    let mut w = World::new(1, Config::default());
    let stored = notes(40);
    w.relays[0].stored.clone_from(&stored);
    let small = w.reader(Filter::new(), 8);
    let large = w.reader(Filter::new(), 100);
    assert_eq!(w.untaken_events(large), 40);
    let asked = w.relays[0].asked;
    let fits = w.untaken_events(small);
    assert!(fits <= 8);
    w.pass(5_000 * MS);
    w.take(small, 4);
    w.pass(5_000 * MS);
    assert_eq!(w.relays[0].asked, asked, "no page before half is taken");
    assert_eq!(w.overflow(small), []);
    w.take(small, 4);
    assert_eq!(w.overflow(small), [(40 - fits as u64, 0)]);
    w.pass(5_000 * MS);
    assert!(w.relays[0].asked > asked, "but then");
    w.drain(small);
    w.drain(large);
    assert_eq!(sorted(w.events(small)), ids(&stored));
    assert_eq!(sorted(w.events(large)), ids(&stored));
    assert_eq!(w.overflow(large), []);
    let closing = w.gaps(small).iter().filter(|cause| matches!(cause, GapCause::CaughtUp { .. })).count();
    assert!(closing >= 1, "{:?}", w.gaps(small));
}

/// What was skipped is older than what was skipped first: relays answer newest first.
#[test]
fn what_is_told_to_be_made_up_for_begins_with_the_oldest_that_was_skipped() {
    let mut w = World::new(1, Config::default());
    w.relays[0].stored = notes(40);
    let oldest = w.relays[0].stored.iter().map(Event::created_at).min();
    let sub = w.reader(Filter::new(), 8);
    w.take(sub, 8);
    w.drain(sub);
    assert_eq!(w.events(sub).len(), 40);
    let all = w.taken[&sub].iter().filter_map(|item| if let Item::Gap(gap) = item { Some(gap) } else { None });
    let over: Vec<&Gap> = all.filter(|gap| matches!(gap.cause, GapCause::CaughtUp { .. })).collect();
    assert_eq!(over.last().unwrap().since, oldest, "{over:?}");
}

#[test]
fn what_no_relay_keeps_is_lost_and_said_to_be() {
    let mut w = World::new(1, Config::default());
    let sub = w.reader(Filter::new(), 2);
    w.take(sub, 100);
    let kept: Vec<Event> = (0..4).map(|n| note(&format!("kept {n}"), 0)).collect();
    for (n, event_kept) in kept.iter().enumerate() {
        w.push(0, event_kept);
        w.push(0, &event(20_001, &format!("fleeting {n}"), START));
    }
    w.take(sub, 1);
    assert_eq!(w.overflow(sub), [(6, 3)]);
    w.drain(sub);
    let got = w.events(sub);
    assert!(kept.iter().all(|event| got.contains(&event.id())), "the others come");
    assert_eq!(got.len(), 5);
}

#[test]
fn what_only_a_search_finds_is_lost() {
    let mut w = World::new(1, Config::default());
    let sub = w.reader(Filter::new().search("cats"), 1);
    w.take(sub, 100);
    for n in 0..3 {
        w.push(0, &note(&format!("{n}"), 0));
    }
    w.take(sub, 1);
    assert_eq!(w.overflow(sub), [(2, 2)]);
}

#[test]
fn a_fetch_ends_when_what_was_skipped_has_come() {
    let mut w = World::new(2, Config::default());
    let stored = notes(30);
    w.relays[0].stored.extend_from_slice(&stored[..20]);
    w.relays[1].stored.extend_from_slice(&stored[10..]);
    let request =
        Subscribe { filters: vec![Filter::new()], mode: Mode::UntilEose, queue_items: Some(5), ..Subscribe::default() };
    let sub = w.subscribe(request);
    w.drain(sub);
    assert_eq!(sorted(w.events(sub)), ids(&stored));
    assert_eq!(w.taken[&sub].last(), Some(&Item::End(EndReason::Complete)));
}

#[test]
fn the_bound_on_all_queues_skips_and_makes_up_for_it_too() {
    let mut w = World::new(1, bounded(6));
    let stored = notes(40);
    w.relays[0].stored.clone_from(&stored);
    let subs = [w.reader(Filter::new(), 100), w.reader(Filter::new(), 100)];
    w.pass(5_000 * MS);
    let bytes: usize = subs.iter().map(|sub| w.untaken_events(*sub)).sum();
    assert!((1..=7).contains(&bytes), "the bound, and one");
    for _ in 0..100 {
        for sub in subs {
            w.take(sub, 3);
            w.pass(1_000 * MS);
        }
    }
    for sub in subs {
        w.drain(sub);
        assert_eq!(sorted(w.events(sub)), ids(&stored));
    }
}

/// To tell one that there is room again may take that room.
#[test]
fn whoever_was_held_up_by_the_others_goes_on_in_the_end() {
    let mut w = World::new(1, Config { max_queued_bytes: 100, ..Config::default() });
    let subs: Vec<SubId> = (0..5).map(|_| w.reader(Filter::new().kind(Kind::new(1)), 100)).collect();
    for &sub in subs.iter().chain(&subs) {
        w.take(sub, 100);
        w.pass(1_000 * MS);
    }
    w.push(0, &note("1234", 1));
    assert_eq!(subs.iter().map(|&sub| w.untaken_events(sub)).collect::<Vec<_>>(), [1, 0, 0, 0, 0]);
    w.relays[0].silent = true;
    // They take what they are told at once, before anything else happens; those that are told nothing take nothing.
    for &sub in &subs {
        w.take_at_once(sub);
    }
    for &sub in &subs[1..] {
        assert_eq!(w.overflow(sub), [(1, 0)], "{sub}");
    }
}

#[cfg(feature = "planted-bugs")]
#[test]
fn a_full_queue_that_stalls_others_is_noticed() {
    let others_get = |planted| {
        let mut w = World::new(1, Config { planted, ..Config::default() });
        let (small, large) = (w.reader(Filter::new(), 1), w.reader(Filter::new(), 100));
        w.take(small, 100);
        for n in 0..5 {
            w.push(0, &note(&format!("{n}"), 0));
        }
        w.take(large, 100);
        w.events(large).len()
    };
    assert_eq!(others_get(None), 5);
    assert!(others_get(Some(PlantedBug::OverflowStallsOthers)) < 5);
}
