//! What a relay takes is kept, and shared out.

use std::collections::BTreeSet;

use nostr_pool_core::*;
use nostr_proto::{EventTemplate, Filter, Kind};

use super::bench::*;
use super::common::*;

#[test]
fn a_relays_budget_is_kept_and_shared_out() {
    let mut b = away();
    says(&mut b, "{\"max_subscriptions\":3,\"max_filters\":2,\"max_subid_length\":2}");
    // None of which merges with another.
    let limited = |n: u8| vec![Filter::new().kind(Kind::new(n.into())).author(keys(n + 1).public_key()).limit(5)];
    let live: Vec<SubId> = (0..4).map(|n| asks(&mut b, limited(n), Group::Tick, Mode::Live)).collect();
    back(&mut b);
    assert_eq!(b.requests.len(), 2, "{:?}", reqs(&b));
    assert!(reqs(&b).iter().all(|filters| filters.matches("limit").count() == 2), "limits stay their own");
    let fetch = asks(&mut b, limited(9), Group::Tick, Mode::UntilEose);
    assert_eq!(b.requests.len(), 3, "one is kept for those");
    let more = asks(&mut b, limited(10), Group::Tick, Mode::UntilEose);
    assert_eq!((b.requests.len(), state(&b, more)), (3, LegState::Waiting(Why::Slot)));
    eose(&mut b, 2);
    assert_eq!(b.requests.len(), 4, "{fetch} made room");
    // One live subscription more than there are filters for: they take turns.
    (0..2).for_each(|n| eose(&mut b, n));
    let last = asks(&mut b, limited(11), Group::Tick, Mode::Live);
    assert_eq!(state(&b, last), LegState::Waiting(Why::Slot));
    b.pass(11);
    assert_eq!(state(&b, last), LegState::Requested);
    assert!(live.iter().any(|sub| state(&b, *sub) == LegState::Waiting(Why::Slot)));
    assert!(b.running[&b.sockets[1]].len() <= 3);
    // However long that goes on, each gets its turn.
    let mut had: BTreeSet<SubId> = BTreeSet::new();
    for _ in 0..40 {
        b.pass(1);
        (0..b.requests.len()).for_each(|nth| eose(&mut b, nth));
        had.extend(live.iter().copied().filter(|sub| state(&b, *sub) == LegState::Live));
    }
    assert_eq!(had.len(), live.len());
}

#[test]
fn a_fetch_keeps_its_request_and_its_pages_have_a_place_beside_it() {
    let mut b = Bench::new(1, Config::default());
    says(&mut b, "{\"max_subscriptions\":2}");
    let all = |filters| Subscribe { filters, mode: Mode::UntilEose, history: History::All, ..Subscribe::default() };
    let Reply::Subscribed(fetch) = b.call(Call::Subscribe(all(kind(1)))) else { panic!("it is a subscription") };
    let (socket, own) = (b.sockets[0], name(&b, 0));
    for n in 0..10 {
        let frame = format!("[\"EVENT\",\"{own}\",{}]", note(&format!("note {n}")).to_json());
        b.core.handle_input(Input::Text { socket, frame: &frame }, b.now());
    }
    b.drain();
    b.decide_all();
    eose(&mut b, 0);
    assert_eq!((b.closes.len(), b.requests.len()), (0, 2), "what may be left is asked for in a page: {:?}", reqs(&b));
    eose(&mut b, 1);
    assert_eq!(b.closes.len(), 2);
    assert!(b.items[&fetch].iter().any(|item| matches!(item, Item::End(EndReason::Complete))));
}

#[test]
fn a_list_that_is_too_long_for_one_message_is_asked_for_in_parts() {
    let mut b = away();
    says(&mut b, "{\"max_message_length\":1024}");
    let authors: Vec<_> = (1..=40).map(|n| keys(n).public_key()).collect();
    let sub = asks(&mut b, vec![Filter::new().authors(authors.clone())], Group::Tick, Mode::Live);
    back(&mut b);
    assert!(b.requests.iter().all(|(_, frame)| frame.len() <= 1_024));
    for author in authors {
        let with = |(_, frame): &&(SocketId, String)| frame.contains(&author.to_string());
        assert_eq!(b.requests.iter().filter(with).count(), 1);
    }
    let parts = b.requests.len();
    for nth in 0..parts {
        assert_eq!(state(&b, sub), LegState::Requested);
        eose(&mut b, nth);
    }
    assert_eq!(state(&b, sub), LegState::Live);
    b.call(Call::Unsubscribe { sub });
    assert_eq!(b.closes.len(), parts);
}

#[test]
fn a_list_that_takes_several_requests_gets_their_places() {
    let mut b = Bench::new(1, Config::default());
    says(&mut b, "{\"max_message_length\":1024,\"max_subscriptions\":4}");
    let live: Vec<SubId> = [kind(1), kind(2)].map(|f| asks(&mut b, f, Group::Alone, Mode::Live)).into();
    (0..2).for_each(|n| eose(&mut b, n));
    let authors: Vec<_> = (1..=26).map(|n| keys(n).public_key()).collect();
    let long = asks(&mut b, vec![Filter::new().authors(authors)], Group::Tick, Mode::Live);
    assert_eq!(b.requests.len(), 2, "there is one, and it takes two");
    let all = [live[0], live[1], long];
    let mut had: BTreeSet<SubId> = BTreeSet::new();
    for _ in 0..60 {
        b.pass(1);
        (0..b.requests.len()).for_each(|nth| eose(&mut b, nth));
        had.extend(all.into_iter().filter(|sub| b.requests.len() > 2 && state(&b, *sub) == LegState::Live));
        assert!(b.running[&b.sockets[0]].len() <= 4);
    }
    assert_eq!(had.len(), all.len(), "each has its turn");
}

#[test]
fn what_a_pause_held_up_goes_out_after_it_all_parts_of_it() {
    let mut b = Bench::new(1, Config::default());
    says(&mut b, "{\"max_message_length\":1024}");
    let first = asks(&mut b, kind(9), Group::Alone, Mode::Live);
    let refused = format!("[\"CLOSED\",\"{}\",\"rate-limited: slow down\"]", name(&b, 0));
    b.text(0, &refused);
    b.call(Call::Unsubscribe { sub: first });
    let authors: Vec<_> = (1..=80).map(|n| keys(n).public_key()).collect();
    asks(&mut b, vec![Filter::new().authors(authors)], Group::Tick, Mode::Live);
    b.pass(60);
    assert_eq!(b.requests.len(), 1 + 80_usize.div_ceil(10), "ten authors fit into a message");
}

#[test]
fn a_list_is_cut_where_it_can_be_not_where_it_is_longest() {
    let mut b = away();
    says(&mut b, "{\"max_message_length\":1024}");
    let authors: Vec<_> = (1..=10).map(|n| keys(n).public_key()).collect();
    let page = format!("https://example.com/{}", "x".repeat(680));
    asks(&mut b, vec![Filter::new().authors(authors.clone()).tag('r', page)], Group::Tick, Mode::Live);
    back(&mut b);
    assert!(b.requests.iter().all(|(_, frame)| frame.len() <= 1_024));
    let asked = reqs(&b).concat();
    assert!(authors.iter().all(|author| asked.contains(&author.to_string())));
}

#[test]
fn what_is_too_much_is_asked_for_once_the_relay_takes_it() {
    let mut b = Bench::new(1, Config::default());
    let long = (0..12_000).fold(Filter::new(), |filter, n| filter.tag('t', format!("{n:060}")));
    let sub = asks(&mut b, vec![long], Group::Tick, Mode::Live);
    assert!(b.requests.is_empty() && matches!(state(&b, sub), LegState::Closed(_)));
    assert_eq!(b.gaps(sub), 1, "it is told");
    says(&mut b, "{\"max_message_length\":4000000,\"max_subscriptions\":100}");
    assert_eq!((b.requests.len(), state(&b, sub)), (1, LegState::Requested));
}

/// What one connection taught is for that one.
#[test]
fn what_was_too_much_for_one_connection_is_asked_for_on_the_next() {
    let mut b = Bench::new(1, Config::default());
    says(&mut b, "{\"max_message_length\":1024}");
    let authors: Vec<_> = (1..=26).map(|n| keys(n).public_key()).collect();
    let sub = asks(&mut b, vec![Filter::new().authors(authors)], Group::Tick, Mode::Live);
    assert_eq!(b.requests.len(), 2);
    let refused = format!("[\"CLOSED\",\"{}\",\"error: too many concurrent REQs\"]", name(&b, 1));
    b.text(0, &refused);
    b.pass(3);
    assert!(matches!(state(&b, sub), LegState::Closed(_)), "{:?}", state(&b, sub));
    b.call(Call::Disconnect { which: Which::All, code: 1000, reason: String::new() });
    let socket = b.sockets[0];
    b.core.handle_input(Input::Closed { socket, reason: CloseReason::Local }, b.now());
    b.drain();
    back(&mut b);
    assert_eq!((b.requests.len(), state(&b, sub)), (4, LegState::Requested));
}

/// Two that were answered between them get back to their places only after both know that they are.
#[test]
fn whoever_is_answered_knows_before_its_request_makes_room() {
    let mut b = away();
    says(&mut b, "{\"max_subscriptions\":2,\"max_filters\":4}");
    let pair = |n: u8| vec![Filter::new().kind(Kind::new(n.into())).author(keys(n).public_key())];
    let subs = [1, 2].map(|n| asks(&mut b, pair(n), Group::Tick, Mode::Live));
    back(&mut b);
    asks(&mut b, pair(7), Group::Tick, Mode::Live);
    let shared = name(&b, 0);
    let by_first = |n: usize| {
        EventTemplate::text_note(format!("{n}"), second(0)).unsigned(keys(1).public_key()).sign(&keys(1), [0; 32])
    };
    for n in 0..10 {
        let frame = format!("[\"EVENT\",\"{shared}\",{}]", by_first(n).to_json());
        hears(&mut b, &frame);
    }
    b.decide_all();
    // As many may have been cut short: each is asked again, and what waits for the place of both has waited for long enough.
    (0..3).for_each(|nth| {
        eose(&mut b, nth);
        b.pass(1);
    });
    let was_live =
        |sub: &SubId| b.items[sub].iter().any(|item| matches!(item, Item::Leg { state: LegState::Live, .. }));
    assert!(subs.iter().all(was_live), "{:?}", reqs(&b));
}

/// Cut short, they are asked again, each for what it alone wants.
#[test]
fn no_request_has_more_filters_than_the_relay_takes_not_even_one_that_is_asked_again() {
    let mut b = away();
    says(&mut b, "{\"max_filters\":2,\"max_subscriptions\":8}");
    let three = |n: u8| {
        let filter = |kind: u16| Filter::new().author(keys(n).public_key()).kind(Kind::new(kind));
        (1..4).map(filter).collect::<Vec<_>>()
    };
    let subs = [1, 2].map(|n| asks(&mut b, three(n), Group::Tick, Mode::Live));
    let pairs = [3, 4].map(|n| asks(&mut b, three(n)[..2].to_vec(), Group::Tick, Mode::Live));
    back(&mut b);
    let (mut seen, before) = (0, b.requests.len());
    while seen < b.requests.len() {
        let name = name(&b, seen);
        for n in 0..10 {
            hears(&mut b, &format!("[\"EVENT\",\"{name}\",{}]", note(&format!("note {n}")).to_json()));
        }
        b.decide_all();
        if seen == 0 {
            says(&mut b, "{\"max_filters\":1,\"max_subscriptions\":8}");
        }
        eose(&mut b, seen);
        seen += 1;
    }
    let most = |nth: usize| if nth < before { 2 } else { 1 };
    let filters = |filters: &String| filters.matches("},{").count() + 1;
    assert!(reqs(&b).iter().enumerate().all(|(n, req)| filters(req) <= most(n)), "{:#?}", reqs(&b));
    b.pass(60);
    (seen..b.requests.len()).for_each(|nth| eose(&mut b, nth));
    assert!(subs.iter().chain(&pairs).all(|sub| !matches!(state(&b, *sub), LegState::Closed(_))));
}

#[test]
fn the_same_document_again_changes_nothing() {
    let mut b = away();
    let document = "{\"max_message_length\":1024,\"max_subscriptions\":2}";
    says(&mut b, document);
    let authors: Vec<_> = (1..=40).map(|n| keys(n).public_key()).collect();
    let sub = asks(&mut b, vec![Filter::new().authors(authors)], Group::Tick, Mode::Live);
    back(&mut b);
    let told = b.items[&sub].len();
    says(&mut b, document);
    assert_eq!(b.items[&sub].len(), told, "{:?}", b.items[&sub]);
}
