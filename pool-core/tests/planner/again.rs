//! What is asked again, because it was refused or may have been cut short.

use std::collections::BTreeSet;

use nostr_pool_core::*;
use nostr_proto::{EventTemplate, Filter, Kind};

use super::bench::*;
use super::common::*;

#[test]
fn an_answer_that_may_be_cut_short_is_asked_for_again_by_halves() {
    let mut b = away();
    let subs = [1, 2, 3].map(|n| asks(&mut b, kind(n), Group::Tick, Mode::Live));
    back(&mut b);
    let (socket, name) = (b.sockets[1], name(&b, 0));
    for n in 0..10 {
        let frame = format!("[\"EVENT\",\"{name}\",{}]", note(&format!("note {n}")).to_json());
        b.core.handle_input(Input::Text { socket, frame: &frame }, b.now());
    }
    b.drain();
    b.decide_all();
    eose(&mut b, 0);
    assert_eq!(reqs(&b)[1..], ["{\"kinds\":[1,2]}", "{\"kinds\":[3]}"]);
    assert!(subs.iter().all(|sub| state(&b, *sub) == LegState::Requested));
    eose(&mut b, 2);
    eose(&mut b, 1);
    assert!(subs.iter().all(|sub| state(&b, *sub) == LegState::Live));
    assert_eq!(b.closes.len(), 2, "what was for what is stored is closed");
}

#[test]
fn a_refusal_for_too_many_teaches_and_what_was_refused_goes_again_packed() {
    for by_notice in [false, true] {
        let mut b = Bench::new(1, Config::default());
        let live: Vec<SubId> = [kind(1), by(1), by(2)].map(|f| asks(&mut b, f, Group::Alone, Mode::Live)).into();
        (0..2).for_each(|n| eose(&mut b, n));
        let frame = match by_notice {
            false => format!("[\"CLOSED\",\"{}\",\"error: Too Many Subscriptions\"]", name(&b, 2)),
            true => "[\"NOTICE\",\"ERROR: maximum concurrent subscription count reached\"]".to_owned(),
        };
        b.text(0, &frame);
        assert_eq!(state(&b, live[2]), LegState::Waiting(Why::Slot), "{by_notice}");
        b.pass(1);
        assert_eq!(b.requests.len(), 4);
        assert_eq!(state(&b, live[2]), LegState::Requested);
        assert!(b.running[&b.sockets[0]].len() <= 2, "{by_notice}");
    }
}

#[test]
fn a_refusal_of_a_shared_request_is_nobodys() {
    let mut b = away();
    let subs = [1, 4].map(|n| asks(&mut b, kind(n), Group::Tick, Mode::Live));
    back(&mut b);
    let (socket, shared) = (b.sockets[1], name(&b, 0));
    let closed = |name: &str| format!("[\"CLOSED\",\"{name}\",\"blocked: no private messages\"]");
    b.core.handle_input(Input::Text { socket, frame: &closed(&shared) }, b.now());
    b.drain();
    assert_eq!(reqs(&b)[1..], ["{\"kinds\":[1]}", "{\"kinds\":[4]}"]);
    let own = name(&b, 2);
    b.core.handle_input(Input::Text { socket, frame: &closed(&own) }, b.now());
    b.drain();
    eose(&mut b, 1);
    assert_eq!(state(&b, subs[0]), LegState::Live);
    assert!(matches!(state(&b, subs[1]), LegState::Closed(_)));
}

/// Each REQ but the first three is answered by `CLOSED` if it has several filters and that is refused, or else by EOSE, for a minute. How many
/// were refused, and who was live in the second half of it.
fn answers_for_a_minute(b: &mut Bench, refuses: bool, subs: &[SubId]) -> (usize, BTreeSet<SubId>) {
    let (mut seen, mut refused, mut live) = (3, 0, BTreeSet::new());
    for second in 0..60 {
        while seen < b.requests.len() {
            if refuses && reqs(b)[seen].contains("},{") {
                refused += 1;
                let frame = format!("[\"CLOSED\",\"{}\",\"error: hm\"]", name(b, seen));
                hears(b, &frame);
            } else {
                eose(b, seen);
            }
            seen += 1;
        }
        live.extend(subs.iter().filter(|sub| second >= 30 && state(b, **sub) == LegState::Live));
        b.pass(1);
    }
    (refused, live)
}

#[test]
fn who_was_answered_alone_shares_again_and_who_is_refused_once_more_never_does() {
    for refuses in [false, true] {
        let mut b = away();
        says(&mut b, "{\"max_subscriptions\":4}");
        let limited = |n: u16| vec![Filter::new().kind(Kind::new(n)).limit(5)];
        let subs: Vec<SubId> = (0..9).map(|n| asks(&mut b, limited(n), Group::Tick, Mode::Live)).collect();
        back(&mut b);
        assert_eq!(b.requests.len(), 3, "{:?}", reqs(&b));
        let closed = (0..3).map(|n| format!("[\"CLOSED\",\"{}\",\"error: hm\"]", name(&b, n)));
        closed.collect::<Vec<_>>().iter().for_each(|frame| hears(&mut b, frame));
        let (refused, live) = answers_for_a_minute(&mut b, refuses, &subs);
        assert_eq!(live.len(), 9, "{:?}", reqs(&b));
        let at_once = subs.iter().filter(|sub| state(&b, **sub) == LegState::Live).count();
        // Once more together, and then in turns.
        assert_eq!((at_once == 9, refused), (!refuses, usize::from(refuses)), "{:?}", reqs(&b));
    }
}

/// There is no second REQ to ask again what may have been cut short: each has the place for itself, and then both.
#[test]
fn where_one_request_runs_at_once_a_shared_answer_that_may_be_cut_short_is_asked_for_again_in_turns() {
    let mut b = away();
    says(&mut b, "{\"max_subscriptions\":1,\"max_filters\":5}");
    let limited = |n: u8| vec![Filter::new().kind(Kind::new(n.into())).author(keys(n).public_key()).limit(50)];
    let subs = [1, 2].map(|n| asks(&mut b, limited(n), Group::Tick, Mode::Live));
    back(&mut b);
    assert_eq!(b.requests.len(), 1);
    let shared = name(&b, 0);
    for n in 0..12 {
        let note = EventTemplate::text_note(format!("{n}"), second(0));
        let note = note.unsigned(keys(1).public_key()).sign(&keys(1), [0; 32]);
        hears(&mut b, &format!("[\"EVENT\",\"{shared}\",{}]", note.to_json()));
    }
    b.decide_all();
    let (mut seen, mut alone) = (0, 0);
    for _ in 0..60 {
        while seen < b.requests.len() {
            alone += usize::from(!reqs(&b)[seen].contains("},{"));
            eose(&mut b, seen);
            seen += 1;
        }
        b.pass(1);
    }
    assert_eq!(alone, 2, "{:?}", reqs(&b));
    assert!(subs.iter().all(|sub| state(&b, *sub) == LegState::Live), "{:?}", reqs(&b));
}
