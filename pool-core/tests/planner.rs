//! A script per rule of the request planner, by the frames that go out.

#![allow(clippy::unwrap_used, clippy::panic, reason = "this is test code, its helpers included")]

mod common;

use std::collections::BTreeSet;
use std::time::Duration;

use common::*;
use nostr_pool_core::*;
use nostr_proto::{ClientMessage, EventTemplate, Filter, Kind, RelayInfo};

fn kind(n: u16) -> Vec<Filter> {
    vec![Filter::new().kind(Kind::new(n))]
}

fn by(n: u8) -> Vec<Filter> {
    vec![Filter::new().author(keys(n).public_key())]
}

fn asks(b: &mut Bench, filters: Vec<Filter>, group: Group, mode: Mode) -> SubId {
    let request = Subscribe { filters, group, mode, ..Subscribe::default() };
    let Reply::Subscribed(id) = b.call(Call::Subscribe(request)) else { panic!("it is a subscription") };
    id
}

/// A core that is not connected yet, so that what it is asked for is due at once when it is.
fn away() -> Bench {
    away_with(Config::default())
}

fn away_with(config: Config) -> Bench {
    let mut b = Bench::new(1, config);
    b.call(Call::Disconnect { which: Which::All, code: 1000, reason: String::new() });
    let socket = b.sockets[0];
    b.core.handle_input(Input::Closed { socket, reason: CloseReason::Local }, b.now());
    b.drain();
    b
}

fn back(b: &mut Bench) {
    b.call(Call::Connect { which: Which::All });
    assert_eq!(b.sockets.len(), 2);
}

fn says(b: &mut Bench, limitation: &str) {
    let info = RelayInfo::from_json(&format!("{{\"limitation\":{limitation}}}")).unwrap();
    b.call(Call::RelayInfo { url: url(0), info: Box::new(info) });
}

/// The filters of each REQ so far.
fn reqs(b: &Bench) -> Vec<String> {
    b.requests.iter().map(|(_, frame)| frame.splitn(3, ',').nth(2).unwrap().trim_end_matches(']').to_owned()).collect()
}

fn name(b: &Bench, nth: usize) -> String {
    b.requests[nth].1.split('"').nth(3).unwrap().to_owned()
}

fn eose(b: &mut Bench, nth: usize) {
    let name = name(b, nth);
    let socket = b.requests[nth].0;
    b.core.handle_input(Input::Text { socket, frame: &format!("[\"EOSE\",\"{name}\"]") }, b.now());
    b.drain();
}

/// A frame of the relay's after it is back.
fn hears(b: &mut Bench, frame: &str) {
    b.core.handle_input(Input::Text { socket: b.sockets[1], frame }, b.now());
    b.drain();
}

fn state(b: &Bench, sub: SubId) -> LegState {
    let legs = b.items[&sub].iter().rev();
    legs.filter_map(|item| if let Item::Leg { state, .. } = item { Some(state.clone()) } else { None }).next().unwrap()
}

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
