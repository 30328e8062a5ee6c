//! Who shares a REQ, and what comes for it.

use std::time::Duration;

use nostr_pool_core::*;
use nostr_proto::{ClientMessage, EventTemplate, Filter, Kind};

use super::bench::*;
use super::common::*;

#[test]
fn what_is_due_together_is_merged_where_it_can_be() {
    let mut b = away();
    let limited = vec![Filter::new().kind(Kind::new(3)).limit(5)];
    let pair = vec![Filter::new().kind(Kind::new(4)).author(keys(1).public_key())];
    let other = vec![Filter::new().kind(Kind::new(5)).author(keys(2).public_key())];
    for filters in [kind(1), kind(2), by(1), by(2), limited, pair, other] {
        asks(&mut b, filters, Group::Tick, Mode::Live);
    }
    asks(&mut b, kind(1), Group::Alone, Mode::Live);
    back(&mut b);
    let reqs = reqs(&b);
    assert_eq!(reqs.len(), 6, "{reqs:?}");
    assert_eq!((reqs[0].as_str(), reqs[2].as_str()), ("{\"kinds\":[1,2]}", "{\"kinds\":[3],\"limit\":5}"));
    assert_eq!(reqs[5], "{\"kinds\":[1]}");
}

#[test]
fn an_event_reaches_those_of_a_shared_request_that_it_matches_and_eose_all() {
    let mut b = away();
    let subs = [1, 2].map(|n| asks(&mut b, kind(n), Group::Tick, Mode::Live));
    back(&mut b);
    let name = name(&b, 0);
    let frame = format!("[\"EVENT\",\"{name}\",{}]", note("hello").to_json());
    hears(&mut b, &frame);
    eose(&mut b, 0);
    assert_eq!(state(&b, subs[0]), LegState::Requested, "it waits for the check");
    b.decide_all();
    assert_eq!((b.events(subs[0]).len(), b.events(subs[1]).len()), (1, 0));
    assert!(subs.iter().all(|sub| state(&b, *sub) == LegState::Live));
    // CLOSE goes out with the last of them.
    b.call(Call::Unsubscribe { sub: subs[0] });
    assert_eq!(b.closes.len(), 0);
    b.call(Call::Unsubscribe { sub: subs[1] });
    assert_eq!(b.closes.len(), 1);
}

#[test]
fn what_cant_be_read_is_told_to_all_who_share_a_request_unless_they_have_it() {
    let mut b = away_with(Config { held_bytes: 0, ..Config::default() });
    let subs = [1, 2, 3].map(|n| asks(&mut b, kind(n), Group::Tick, Mode::Live));
    back(&mut b);
    let name = name(&b, 0);
    let told = |b: &Bench, sub| b.items[&sub].iter().filter(|item| matches!(item, Item::Rejected { .. })).count();
    let of = |n: u64, rest: &str| format!("[\"EVENT\",\"{name}\",{{\"id\":\"{n:064x}\",{rest}}}]");
    hears(&mut b, &of(1, "\"kind\":\"one\""));
    hears(&mut b, &of(1, "\"kind\":\"two\""));
    assert_eq!(subs.map(|sub| told(&b, sub)), [1; 3]);
    // The first of them has this one; nothing of it stays at hand.
    let event = note("hello");
    hears(&mut b, &format!("[\"EVENT\",\"{name}\",{}]", event.to_json()));
    b.decide_all();
    hears(&mut b, &of(1, "\"kind\":\"three\"").replace(&format!("{:064x}", 1), &event.id().to_string()));
    (2..1_000).for_each(|n| hears(&mut b, &of(n, "\"kind\":\"one\"")));
    assert_eq!(subs.map(|sub| told(&b, sub)), [15, 16, 16], "no more than sixteen");
    let counters = b.core.relay(&url(0)).unwrap().counters;
    assert_eq!((counters.events, counters.garbage, counters.unmatched), (1_002, 1_001, 0));
}

/// Each has an allowance of 110.
#[test]
fn what_those_who_share_a_request_may_have_between_them_is_no_ones_excess() {
    let mut b = away();
    says(&mut b, "{\"max_subscriptions\":2}");
    let limited = |n: u16| vec![Filter::new().kind(Kind::new(n)).limit(5)];
    let subs = [1, 2].map(|n| asks(&mut b, limited(n), Group::Tick, Mode::Live));
    back(&mut b);
    assert_eq!(b.requests.len(), 1, "{:?}", reqs(&b));
    let name = name(&b, 0);
    let old = |n: usize| sign(EventTemplate::text_note(format!("{n}"), second(-1_000_000)));
    let copies: Vec<String> = (0..230).map(|n| format!("[\"EVENT\",\"{name}\",{}]", old(n).to_json())).collect();
    copies[..219].iter().for_each(|frame| hears(&mut b, frame));
    // That one of them leaves changes nothing: both were asked for.
    b.call(Call::Unsubscribe { sub: subs[1] });
    copies[219..].iter().for_each(|frame| hears(&mut b, frame));
    b.decide_all();
    assert_eq!(b.events(subs[0]).len(), 220);
    assert_eq!(b.core.relay(&url(0)).unwrap().counters.excess, 10);
}

#[test]
fn who_waits_for_others_waits_as_long_as_it_said() {
    let mut b = Bench::new(1, Config::default());
    let first = asks(&mut b, kind(1), Group::AtLeast(Duration::from_secs(2)), Mode::Live);
    assert_eq!((b.requests.len(), state(&b, first)), (0, LegState::Waiting(Why::Group)));
    asks(&mut b, by(1), Group::Tick, Mode::Live);
    assert_eq!(b.requests.len(), 1, "another goes its way");
    b.pass(1);
    asks(&mut b, kind(2), Group::AtLeast(Duration::from_secs(2)), Mode::Live);
    b.pass(1);
    assert_eq!(b.requests.len(), 1, "the longer wait counts");
    b.pass(1);
    assert_eq!(reqs(&b)[1], "{\"kinds\":[1,2]}");
    asks(&mut b, kind(3), Group::AtLeast(Duration::from_secs(60)), Mode::Live);
    asks(&mut b, kind(4), Group::Tick, Mode::Live);
    assert_eq!(reqs(&b)[2], "{\"kinds\":[3,4]}", "one that does not wait takes it along");
    asks(&mut b, kind(5), Group::AtLeast(Duration::from_secs(60)), Mode::Live);
    b.pass(5);
    assert_eq!(b.requests.len(), 4, "no longer than the configured bound");
}

/// Far more of them than a relay takes REQs, one after another, all of which merge.
#[test]
fn thousands_that_merge_have_their_answers() {
    const MANY: u16 = 2_000;
    let mut b = away();
    let subs: Vec<SubId> = (0..MANY).map(|n| asks(&mut b, kind(1_000 + n), Group::Tick, Mode::Live)).collect();
    back(&mut b);
    let mut done = 0;
    for _ in 0..10 {
        while done < b.requests.len() {
            let (socket, frame) = b.requests[done].clone();
            let ClientMessage::Req { subscription, filters } = ClientMessage::from_json(&frame).unwrap() else {
                panic!("it is a request")
            };
            for kind in filters.iter().flat_map(|filter| filter.kinds.iter().flatten()).take(500) {
                let event = sign(EventTemplate::new(*kind, "", second(1)));
                let frame = format!("[\"EVENT\",\"{subscription}\",{}]", event.to_json());
                b.core.handle_input(Input::Text { socket, frame: &frame }, b.now());
                b.drain();
            }
            b.decide_all();
            eose(&mut b, done);
            done += 1;
        }
        b.pass(1);
    }
    let live = |sub: &&SubId| state(&b, **sub) == LegState::Live && b.events(**sub).len() == 1;
    assert_eq!(subs.iter().filter(live).count(), subs.len());
}

/// It is excess for whoever waits for its EOSE, and news for whoever has that.
#[test]
fn an_event_of_a_shared_request_is_counted_once() {
    let mut b = away();
    says(&mut b, "{\"max_subscriptions\":4,\"max_filters\":10}");
    let limited = |n: u16| Filter::new().kind(Kind::new(n)).limit(1);
    let ask = |b: &mut Bench, filter, history| {
        let request = Subscribe { filters: vec![filter], history, ..Subscribe::default() };
        b.call(Call::Subscribe(request));
    };
    ask(&mut b, limited(1), History::FirstLoad);
    ask(&mut b, limited(1).author(keys(1).public_key()), History::All);
    (3..9).for_each(|n| ask(&mut b, limited(n), History::FirstLoad));
    back(&mut b);
    let name = name(&b, 0);
    let old = |n: i64| {
        let template = EventTemplate::text_note(format!("{n}"), second(-100_000 - n));
        template.unsigned(keys(1).public_key()).sign(&keys(1), [0; 32])
    };
    for n in 0..1_500 {
        hears(&mut b, &format!("[\"EVENT\",\"{name}\",{}]", old(n).to_json()));
        b.decide_all();
        if n == 1_200 {
            eose(&mut b, 0);
        }
    }
    let (counters, stats) = (b.core.relay(&url(0)).unwrap().counters, b.core.stats());
    assert!(counters.excess > 0 && stats.verified > 0);
    assert_eq!(counters.events, stats.verified + counters.duplicates + counters.unmatched + counters.excess);
}
