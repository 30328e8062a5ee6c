//! An answer that may not be all is made up for by pages, however the relay answers them.

use nostr_pool_core::*;
use nostr_proto::{Event, EventTemplate, Filter, Kind};

use super::stage::*;
use crate::common::*;

#[test]
fn a_capped_relay_is_paged_until_everything_is_there() {
    let mut s = Stage::new(vec![notes().limit(3)], Config::default());
    s.serve();
    s.store = many(1, 150);
    s.offline(200);
    let first = s.take();
    assert_eq!(first[0].1[0].limit, None, "a limit is for the first load");
    assert_eq!(first[0].1[0].since, Some(second(-900 - 120)));
    s.answer(&first[0]);
    assert!(!s.is_caught_up(), "20 came, which is what it gives");
    s.serve();
    assert!(s.has_all() && s.is_caught_up());
    assert!(s.asked.iter().skip(2).all(|(_, filters)| filters.len() == 1), "one filter per page");
    assert_eq!(s.asked[2].1[0].until, None, "the first page is open at the end");
    assert!(s.b.events(s.sub).iter().all(|item| item.mark == Mark::Stored));
    assert!(s.asked.iter().skip(3).all(|(_, filters)| filters[0].until.is_some()));
}

/// NIP-11: it gives so many events unasked, and more to who asks for more; what it says may be less than it gave before.
#[test]
fn a_page_asks_for_as_much_as_the_relay_gives_and_is_full_with_that() {
    let mut s = Stage::new(vec![notes()], Config::default());
    s.serve();
    (s.store, s.cap) = (many(1, 200), 40);
    s.offline(300);
    for _ in 0..2 {
        let asked = s.take();
        assert_eq!((asked.len(), asked[0].1[0].limit), (1, None), "it said nothing");
        s.answer(&asked[0]);
    }
    let document = r#"{"limitation":{"default_limit":20,"max_limit":30}}"#;
    let info = Box::new(nostr_proto::RelayInfo::from_json(document).unwrap());
    // The page that was asked for before that is without a limit.
    let before = s.take();
    s.b.call(Call::RelayInfo { url: url(0), info });
    before.iter().for_each(|request| s.answer(request));
    let sent = s.asked.len();
    s.serve();
    assert!(s.asked.len() > sent + 3 && s.asked[sent..].iter().all(|(_, filters)| filters[0].limit == Some(30)));
    assert!(s.has_all() && s.is_caught_up(), "30 are fewer than it gave before, and not all");
}

#[test]
fn several_filters_are_paged_each_for_itself() {
    let other = |n: i64| sign(EventTemplate::new(Kind::REACTION, format!("r{n}"), second(n)));
    let mut s = Stage::new(vec![notes(), Filter::new().kind(Kind::REACTION)], Config::default());
    s.serve();
    // One filter's are all older than the other's.
    s.store = many(1, 60).into_iter().chain((100..160).map(other)).collect();
    s.offline(300);
    s.serve();
    assert!(s.has_all() && s.is_caught_up());
}

#[test]
fn what_the_relay_says_of_its_own_answer_counts() {
    let mut s = Stage::new(vec![notes()], Config::default());
    s.serve();
    (s.store, s.hints, s.cap) = (many(1, 40), true, 100);
    s.offline(100);
    assert_eq!(s.serve(), 1, "finish: no page");
    assert!(s.has_all() && s.is_caught_up());
    s.store.extend(many(200, 5));
    s.cap = 3;
    s.offline(200);
    s.serve();
    assert!(s.has_all() && s.is_caught_up(), "more: paged, however few came");
}

#[test]
fn a_dense_second_is_split_and_told_if_that_does_not_help() {
    for (kinds, whole) in [(vec![1, 7], true), (vec![1], false)] {
        let filter = Filter::new().kinds(kinds.into_iter().map(Kind::new));
        let mut s = Stage::new(vec![filter], Config::default());
        s.serve();
        s.cap = 15;
        let dense = |n: u16, kind| sign(EventTemplate::new(Kind::new(kind), format!("{kind} {n}"), second(50)));
        s.store = (0..12).map(|n| dense(n, 1)).collect();
        s.store.extend((0..12).map(|n| dense(n, if whole { 7 } else { 1 })));
        if !whole {
            s.store.extend((12..40).map(|n| dense(n, 1)));
        }
        s.store.extend(many(10, 5).into_iter().chain(many(60, 5)));
        s.offline(100);
        s.serve();
        let told = s.gaps().into_iter().find(|gap| gap.cause == GapCause::DenseSecond);
        if whole {
            assert!(s.has_all() && told.is_none());
        } else {
            let gap = told.unwrap();
            assert_eq!((gap.since, gap.until), (Some(second(50)), Some(second(50))));
            let missing = s.store.iter().filter(|event| !s.has(event));
            assert!(missing.clone().count() > 0 && missing.clone().all(|event| event.created_at() == second(50)));
        }
        assert!(s.is_caught_up());
    }
}

#[test]
fn beyond_the_budget_the_rest_is_a_gap_that_can_be_refilled() {
    let mut s = Stage::behind(200, 300, Config { max_pages: 3, ..Config::default() });
    s.serve();
    assert!(!s.has_all());
    let gap = s.gaps().into_iter().find(|gap| gap.cause == GapCause::Budget).unwrap();
    let missing = s.store.iter().filter(|event| !s.has(event)).map(Event::created_at);
    assert!(missing.clone().all(|at| gap.since.unwrap() <= at && at <= gap.until.unwrap()), "{gap:?}");
    assert!(s.is_caught_up(), "the rest is told");
    assert!(s.has(s.store.last().unwrap()), "the newest first");
    let before = s.got();
    for _ in 0..10 {
        let gap = s.gaps().into_iter().rfind(|gap| gap.cause == GapCause::Budget).unwrap();
        s.b.call(Call::Refill { sub: s.sub, gap });
        s.serve();
    }
    assert!(s.has_all() && s.got() > before);
    s.b.call(Call::Refill { sub: s.sub, gap });
    assert_eq!(s.serve(), 0, "nothing is given up any more");
    let unknown = Call::Refill { sub: SubId::from_u64(99), gap: s.gaps()[0].clone() };
    let now = s.b.now();
    assert!(matches!(s.b.core.handle_call(unknown, now), Err(CallError::UnknownSubscription(_))));
}

#[test]
fn a_page_with_too_many_events_is_cut() {
    let mut s = Stage::new(vec![notes()], Config { max_page_events: 30, ..Config::default() });
    s.serve();
    s.store = many(1, 200);
    s.cap = 100;
    s.offline(300);
    s.serve();
    let gap = s.gaps().into_iter().find(|gap| gap.cause == GapCause::Budget).unwrap();
    for event in s.store.iter().filter(|event| !s.has(event)) {
        assert!(gap.since.unwrap() <= event.created_at() && event.created_at() <= gap.until.unwrap());
    }
}

#[test]
fn events_dated_ahead_are_paged_as_well() {
    let mut s = Stage::new(vec![notes()], Config::default());
    s.serve();
    s.store = many(10_000, 30).into_iter().chain(many(1, 30)).collect();
    s.offline(100);
    s.serve();
    assert!(s.has_all() && s.is_caught_up());
    // They move nothing that is asked for.
    s.store = vec![at(150, "later")];
    s.offline(100);
    s.serve();
    assert!(s.has_all());
}

#[test]
fn a_search_proves_nothing_and_is_not_paged() {
    let mut search = notes();
    search.search = Some("x".into());
    let mut s = Stage::new(vec![search], Config::default());
    s.serve();
    s.store = many(1, 60);
    s.offline(100);
    assert_eq!(s.serve(), 1);
    assert_eq!(s.causes().iter().filter(|cause| **cause == GapCause::Unprovable).count(), 1);
    assert!(s.is_caught_up());
}

/// A page that begins at the second at which the one before ended has to bring what is known of that second.
#[test]
fn a_relay_that_leaves_out_the_second_of_until_is_asked_for_one_more() {
    for hints in [true, false] {
        let mut s = Stage::new(vec![notes()], Config::default());
        s.serve();
        (s.exclusive, s.hints) = (true, hints);
        // Seven of each second: a page of twenty ends amid one.
        s.store = (0..140).map(|n| at(1 + n / 7, &format!("{n}"))).collect();
        s.offline(100);
        s.serve();
        assert!(s.has_all() && s.is_caught_up(), "{} {:?}", s.got(), s.gaps());
        assert!(s.gaps().iter().all(|gap| !matches!(gap.cause, GapCause::DenseSecond)), "none is too dense");
    }
}

#[test]
fn a_clean_start_forgets_how_much_the_relay_gives() {
    let mut s = Stage::behind(80, 200, Config::default());
    s.serve();
    s.b.call(Call::StartClean);
    s.b.requests.clear();
    s.b.sockets.clear();
    s.cap = 12;
    let request = Subscribe { filters: vec![notes()], history: History::All, ..Subscribe::default() };
    let Reply::Subscribed(sub) = s.b.call(Call::Subscribe(request)) else { panic!("it is a subscription") };
    s.sub = sub;
    for _ in 0..70 {
        s.b.pass(1);
        s.serve();
    }
    assert!(s.has_all(), "{}", s.got());
}
