//! A script for each rule of what is owed, by its ground.

use std::vec;
use std::vec::Vec;

use nostr_proto::{EoseHints, Filter, Kind, Timestamp};

use super::tests::{Ev, NOW};
use super::*;
use crate::config::Config;
use crate::time::Now;

fn one(filter: Filter) -> (Vec<Filter>, Config, Resume) {
    let mut resume = Resume::new(1);
    resume.asked(core::slice::from_ref(&filter), None);
    (vec![filter], Config::default(), resume)
}

fn cx<'a>(filters: &'a [Filter], config: &'a Config) -> Context<'a> {
    Context { config, filters, largest: 0, ends: false, now: Now { mono: Instant::ZERO, unix: Timestamp::new(NOW) } }
}

fn plain(frames: u64) -> (EoseHints, u64, u64) {
    (EoseHints::default(), frames, frames)
}

#[test]
fn a_first_load_owes_nothing_and_all_of_history_is_owed_unless_it_fitted() {
    for (filter, frames, all, owed) in [
        (Filter::new(), 500, false, false),
        (Filter::new(), 500, true, true),
        (Filter::new(), 9, true, false),
        (Filter::new().limit(3), 3, true, true),
        (Filter::new().limit(0), 0, true, true),
        (Filter::new().limit(5), 3, true, false),
    ] {
        let (filters, config, mut resume) = one(filter);
        let step = resume.answered(plain(frames), (all, Timestamp::new(NOW)), &cx(&filters, &config));
        assert_eq!(resume.owes(), owed, "{filters:?}, {frames} events");
        assert_eq!(!step.told.is_empty(), all && !owed, "the end of history is told");
    }
}

#[test]
fn the_hints_of_the_relay_count() {
    for (hints, frames, owed) in [
        (EoseHints { finish: true, more: false }, 500, false),
        (EoseHints { finish: true, more: true }, 500, true),
        (EoseHints { finish: false, more: true }, 3, true),
        (EoseHints { finish: false, more: true }, 0, true),
        (EoseHints::default(), 3, false),
    ] {
        let (filters, config, mut resume) = one(Filter::new());
        let _ = resume.answered((hints, frames, frames), (true, Timestamp::new(NOW)), &cx(&filters, &config));
        assert_eq!(resume.owes(), owed, "{hints:?}, {frames} events");
    }
}

#[test]
fn a_page_without_anything_to_go_by_is_asked_for_again_and_ends_with_the_budget() {
    let (filters, config, mut resume) = one(Filter::new());
    let cx = cx(&filters, &config);
    let _ = resume.answered(plain(500), (true, Timestamp::new(NOW)), &cx);
    let more = EoseHints { finish: false, more: true };
    let mut now = 0;
    for n in 0..config.max_pages {
        now += 1_000;
        let _ = resume.wake(Instant::from_micros(now * 1_000_000));
        assert!(resume.begin(WireId(n.into()), &cx).is_some(), "page {n}");
        let end = resume.ended(WireId(n.into()), End::Eose { hints: more, frames: 0 }).unwrap();
        let _ = resume.turned(WireId(n.into()), end, &cx);
    }
    assert!(!resume.owes());
}

#[test]
fn what_was_missed_while_a_page_ran_is_not_proven_by_it() {
    let (filters, config, mut resume) = one(Filter::new());
    let cx = cx(&filters, &config);
    let _ = resume.answered(plain(500), (true, Timestamp::new(NOW)), &cx);
    resume.begin(WireId(1), &cx).unwrap();
    let missed = Range::second(Timestamp::new(77));
    resume.owe([0].into_iter(), missed);
    let end = resume.ended(WireId(1), End::Eose { hints: EoseHints::default(), frames: 2 }).unwrap();
    let step = resume.turned(WireId(1), end, &cx);
    assert_eq!(resume.grounds()[0].owed.ranges(), [missed]);
    assert_eq!(step.told, [], "it is not over");
}

#[test]
fn a_checkpoint_keeps_what_runs_as_owed_and_restores_what_was_given_up() {
    let (filters, config, mut resume) = one(Filter::new());
    let config = Config { max_pages: 1, ..config };
    let cx = cx(&filters, &config);
    let _ = resume.answered(plain(500), (true, Timestamp::new(NOW)), &cx);
    let before = resume.grounds();
    resume.begin(WireId(1), &cx).unwrap();
    assert_eq!(resume.grounds(), before);
    for n in 0..20 {
        let _ = resume.seen(
            WireId(1),
            Ev { at: 0, n, kind: 0 }.id(),
            Timestamp::new(500 + u64::from(n)),
            5_000,
            Instant::ZERO,
        );
    }
    let end = resume.ended(WireId(1), End::Eose { hints: EoseHints::default(), frames: 20 }).unwrap();
    let step = resume.turned(WireId(1), end, &cx);
    assert!(matches!(step.told[0].cause, GapCause::Budget));
    assert!(!resume.owes());
    let alive_until = Timestamp::new(NOW);
    let ground = &resume.grounds()[0];
    let proven = ground.proven(&filters[0], alive_until);
    assert_eq!(proven, [(501, NOW)]);
    let known = Ground::known(&filters[0], ground.lowest(), &proven);
    let range = |since, until| Range::new(Timestamp::new(since), Timestamp::new(until)).unwrap();
    assert_eq!(known.owed.ranges(), [range(0, 500), range(NOW + 1, u64::MAX)]);
}

#[test]
fn relays_that_push_while_a_page_runs_move_nothing() {
    let (filters, config, mut resume) = one(Filter::new());
    let cx = cx(&filters, &config);
    let _ = resume.answered(plain(500), (true, Timestamp::new(NOW)), &cx);
    resume.begin(WireId(1), &cx).unwrap();
    let id = |n| Ev { at: 0, n, kind: 0 }.id();
    for n in 0..20 {
        let _ = resume.seen(WireId(1), id(n), Timestamp::new(5_000 + u64::from(n)), 5_000, Instant::ZERO);
    }
    // One that was just accepted, with an old date; the live request brings it, too.
    let _ = resume.seen(WireId(1), id(99), Timestamp::new(3), 5_000, Instant::ZERO);
    resume.pushed(&id(99), 5_000);
    let end = resume.ended(WireId(1), End::Eose { hints: EoseHints::default(), frames: 21 }).unwrap();
    let step = resume.turned(WireId(1), end, &cx);
    assert_eq!(resume.grounds()[0].owed.ranges(), [Range::new(Timestamp::new(0), Timestamp::new(5_000)).unwrap()]);
    assert_eq!(step.learnt, None, "a page that is open at the end says nothing of how many it gives");
    let next = resume.begin(WireId(2), &cx).unwrap();
    assert_eq!(next.until, Some(Timestamp::new(5_000)));
}

#[test]
fn a_part_of_a_dense_second_that_brings_nothing_of_it_holds_up_the_rest_for_a_few_pages_only() {
    let (filters, config, mut resume) = one(Filter::new().kinds([Kind::new(1), Kind::new(2)]));
    let cx = cx(&filters, &config);
    let _ = resume.answered(plain(0), (false, Timestamp::new(NOW)), &cx);
    let (dense, rest) = (Range::second(Timestamp::new(100)), Range::second(Timestamp::new(50)));
    for range in [dense, rest] {
        resume.owe([0].into_iter(), range);
    }
    let end = End::Eose { hints: EoseHints { finish: false, more: true }, frames: 1 };
    resume.begin(WireId(0), &cx).unwrap();
    let _ = resume.seen(WireId(0), Ev { at: 100, n: 1, kind: 1 }.id(), dense.since, 5_000, Instant::ZERO);
    let _ = resume.turned(WireId(0), end, &cx);
    for n in 1..=config.max_refusals {
        let _ = resume.wake(Instant::from_micros(u64::from(n) * 1_000_000_000));
        let part = resume.begin(WireId(n.into()), &cx).unwrap();
        assert_eq!(
            (part.since, part.kinds.map(|kinds| kinds.as_slice().len())),
            (Some(dense.since), Some(1)),
            "page {n}"
        );
        let step = resume.turned(WireId(n.into()), end, &cx);
        let told: Vec<GapCause> = step.told.into_iter().map(|told| told.cause).collect();
        assert_eq!(told, if n < config.max_refusals { vec![] } else { vec![GapCause::DenseSecond] });
    }
    assert_eq!(resume.grounds()[0].owed.ranges(), [rest]);
}

#[test]
fn a_page_in_parts_or_without_a_live_request_beside_it_teaches_less() {
    for (divided, alone) in [(false, false), (true, false), (false, true)] {
        let (filters, config, mut resume) = one(Filter::new());
        let cx = cx(&filters, &config);
        let _ = resume.answered(plain(0), (false, Timestamp::new(NOW)), &cx);
        resume.owe([0].into_iter(), Range::new(Timestamp::new(0), Timestamp::new(500)).unwrap());
        resume.begin(WireId(1), &cx).unwrap();
        resume.differs(WireId(1), divided, alone);
        for n in 0..20 {
            let at = 480 + u64::from(n);
            let _ = resume.seen(WireId(1), Ev { at, n, kind: 1 }.id(), Timestamp::new(at), 5_000, Instant::ZERO);
        }
        let end = End::Eose { hints: EoseHints::default(), frames: 20 };
        let step = resume.turned(WireId(1), end, &cx);
        assert_eq!(
            step.learnt,
            (!divided && !alone).then_some(20),
            "each part has a cap of its own, and what is new counts"
        );
        let left = resume.grounds()[0].owed.hull().map(|range| range.until);
        assert_eq!(left, Some(Timestamp::new(if alone { 500 } else { 480 })), "the oldest may be new");
    }
}
