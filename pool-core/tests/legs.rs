//! A script per rule of a subscription's legs: what relays say by NOTICE, what they send that is no event, messages
//! beyond the size limit, and relays that come and go while a subscription runs.

#![allow(clippy::unwrap_used, clippy::panic, reason = "this is test code, its helpers included")]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::*;
use nostr_pool_core::*;
use nostr_proto::{Filter, Kind, Prefix, RelayUrl};
use proptest::prelude::*;

fn notes() -> Vec<Filter> {
    vec![Filter::new().kind(Kind::TEXT_NOTE)]
}

/// The name of the last request that went out over this socket.
fn last(b: &Bench, socket: SocketId) -> String {
    let (_, frame) = b.requests.iter().rev().find(|(s, _)| *s == socket).expect("a request");
    frame.split('"').nth(3).unwrap().to_owned()
}

fn asked(b: &Bench, socket: SocketId) -> usize {
    b.requests.iter().filter(|(s, _)| *s == socket).count()
}

fn items(b: &Bench, sub: SubId) -> Vec<Item> {
    b.items.get(&sub).cloned().unwrap_or_default()
}

/// The last that was told of the leg at the nth relay.
fn leg(b: &Bench, sub: SubId, n: usize) -> Option<LegState> {
    items(b, sub).into_iter().rev().find_map(|item| match item {
        Item::Leg { relay, state } if relay == url(n) => Some(state),
        _ => None,
    })
}

fn notices(b: &Bench, sub: SubId) -> Vec<String> {
    items(b, sub)
        .into_iter()
        .filter_map(|i| if let Item::Notice { message, .. } = i { Some(message) } else { None })
        .collect()
}

fn coverage(b: &Bench, sub: SubId) -> Vec<Coverage> {
    items(b, sub).into_iter().filter_map(|i| if let Item::Eose(c) = i { Some(c) } else { None }).collect()
}

fn eose(b: &mut Bench, n: usize) {
    let name = last(b, b.sockets[n]);
    b.text(n, &format!("[\"EOSE\",\"{name}\"]"));
}

mod notice {
    use super::*;

    #[test]
    fn one_that_names_a_request_ends_it_as_closed_does() {
        let mut b = Bench::new(1, Config::default());
        let (first, second) = (b.all(), b.all());
        let names: Vec<_> = b.requests.iter().map(|(_, f)| f.split('"').nth(3).unwrap().to_owned()).collect();
        b.text(0, &format!("[\"NOTICE\",\"could not parse {}: bad filter\"]", names[0]));
        assert_eq!(notices(&b, first), [format!("could not parse {}: bad filter", names[0])]);
        assert_eq!(leg(&b, first, 0), Some(LegState::Waiting(Why::Pause)));
        assert_eq!(b.closes, [(b.sockets[0], names[0].clone())], "the relay may see it otherwise");
        assert_eq!((leg(&b, second, 0), notices(&b, second).len()), (Some(LegState::Requested), 0));
        b.pass(1);
        assert_eq!((asked(&b, b.sockets[0]), leg(&b, first, 0)), (3, Some(LegState::Requested)));
        let again = last(&b, b.sockets[0]);
        b.text(0, &format!("[\"NOTICE\",\"invalid: {again}!\"]"));
        let Some(LegState::Closed(reason)) = leg(&b, first, 0) else { panic!("refused for good") };
        assert_eq!((reason.prefix, reason.message), (Some(Prefix::Invalid), format!("{again}!")));
        let stranger = format!("[\"NOTICE\",\"{}0 and p12345 and {again}\"]", names[1]);
        b.text(0, &stranger);
        assert_eq!(leg(&b, second, 0), Some(LegState::Requested), "no request of that name runs");
    }

    #[test]
    fn one_that_comes_instead_of_any_answer_is_a_refusal_when_the_eose_is_overdue() {
        let mut b = Bench::new(1, Config::default());
        let sub = b.all();
        b.text(0, "[\"NOTICE\",\"ERROR: bad req\"]");
        b.text(0, "[\"NOTICE\",\"ERROR: bad req\"]");
        assert_eq!(notices(&b, sub), ["ERROR: bad req"]);
        b.pass(9);
        assert_eq!((asked(&b, b.sockets[0]), leg(&b, sub, 0)), (1, Some(LegState::Requested)));
        b.pass(1);
        assert_eq!(leg(&b, sub, 0), Some(LegState::Waiting(Why::Pause)));
        assert_eq!(b.closes.len(), 1);
        assert_eq!(coverage(&b, sub)[0].legs[0].outcome, LegOutcome::TimedOut);
        b.pass(1);
        assert_eq!(asked(&b, b.sockets[0]), 2);
        // It was slow, no more.
        b.pass(5);
        eose(&mut b, 0);
        assert_eq!(leg(&b, sub, 0), Some(LegState::Live));
        b.pass(100);
        assert_eq!(leg(&b, sub, 0), Some(LegState::Live));
    }

    #[test]
    fn a_final_word_is_final_and_five_others_are() {
        let mut b = Bench::new(1, Config::default());
        let sub = b.all();
        b.text(0, "[\"NOTICE\",\"blocked: go away\"]");
        b.pass(10);
        assert!(matches!(leg(&b, sub, 0), Some(LegState::Closed(_))));
        assert!(matches!(coverage(&b, sub)[0].legs[0].outcome, LegOutcome::Closed(_)));
        let mut b = Bench::new(1, Config::default());
        let sub = b.all();
        for n in 1..=5 {
            assert_eq!(asked(&b, b.sockets[0]), n);
            b.text(0, "[\"NOTICE\",\"what?\"]");
            b.pass(130);
        }
        assert_eq!(asked(&b, b.sockets[0]), 5);
        assert!(matches!(leg(&b, sub, 0), Some(LegState::Closed(_))));
    }

    #[test]
    fn any_answer_takes_it_back() {
        let answers: [fn(&mut Bench, SubId); 2] = [|b, sub| b.send(0, sub, &note("hello")), |b, _| eose(b, 0)];
        for answer in answers {
            let mut b = Bench::new(1, Config::default());
            let sub = b.all();
            b.text(0, "[\"NOTICE\",\"welcome\"]");
            answer(&mut b, sub);
            b.text(0, "[\"NOTICE\",\"by the way\"]");
            b.pass(100);
            assert_eq!(asked(&b, b.sockets[0]), 1);
            assert_eq!(notices(&b, sub), ["welcome"]);
        }
    }

    #[test]
    fn of_two_requests_it_answers_none() {
        let mut b = Bench::new(1, Config::default());
        let (first, second) = (b.all(), b.all());
        b.text(0, "[\"NOTICE\",\"which?\"]");
        assert!(notices(&b, first).is_empty() && notices(&b, second).is_empty());
        b.pass(100);
        assert_eq!(asked(&b, b.sockets[0]), 2);
    }

    #[test]
    fn a_lost_connection_and_new_filters_void_it() {
        let mut b = Bench::new(1, Config::default());
        let sub = b.all();
        b.text(0, "[\"NOTICE\",\"blocked: go away\"]");
        b.call(Call::Update { sub, filters: notes() });
        b.pass(9);
        eose(&mut b, 0);
        assert_eq!(leg(&b, sub, 0), Some(LegState::Live));
        let mut b = Bench::new(1, Config::default());
        let sub = b.all();
        b.text(0, "[\"NOTICE\",\"blocked: go away\"]");
        let reason = CloseReason::Error("reset".into());
        b.core.handle_input(Input::Closed { socket: b.sockets[0], reason }, b.now());
        b.drain();
        b.pass(100);
        assert_eq!((b.sockets.len(), leg(&b, sub, 0)), (2, Some(LegState::Requested)));
    }

    #[test]
    fn a_flood_of_them_costs_little() {
        let mut b = Bench::new(1, Config::default());
        let sub = b.all();
        for n in 0..1_000 {
            b.text(0, &format!("[\"NOTICE\",\"{n}{}\\u001b[31m\"]", "x".repeat(2_000)));
        }
        let told = notices(&b, sub);
        assert_eq!(told.len(), 4);
        assert!(told.iter().all(|text| text.len() <= 1_024));
        b.text(0, "[\"NOTICE\",\"\\u001b[31mred\"]");
        b.pass(10);
        assert_eq!(leg(&b, sub, 0), Some(LegState::Waiting(Why::Pause)), "the last one counts");
    }
}

mod rejected {
    use super::*;

    fn rejections(b: &Bench, sub: SubId) -> Vec<(String, RejectedEvent)> {
        let told = items(b, sub).into_iter().filter_map(|item| match item {
            Item::Rejected { relay, event, why } if relay == url(0) => Some((event.to_string(), why)),
            _ => None,
        });
        told.collect()
    }

    fn with_id(n: usize, rest: &str) -> String {
        format!("{{\"id\":\"{n:064x}\",{rest}}}")
    }

    #[test]
    fn an_event_that_was_dropped_for_its_size_or_shape_is_told_by_its_id() {
        let mut b = Bench::new(1, Config::default());
        let (sub, other) =
            (b.subscribe(notes(), Target::All, Versions::Latest), b.subscribe(notes(), Target::All, Versions::Latest));
        let long = note(&"x".repeat(1 << 20));
        b.copy(0, sub, &long.to_json());
        b.copy(0, sub, &long.to_json());
        b.copy(0, sub, &with_id(7, "\"kind\":\"one\""));
        let id = long.id().to_string();
        let expected = [(id, RejectedEvent::TooLong), (format!("{:064x}", 7), RejectedEvent::Malformed)];
        assert_eq!(rejections(&b, sub), expected);
        assert!(rejections(&b, other).is_empty(), "it came for the first one");
        assert_eq!(b.core.relay(&url(0)).unwrap().counters.garbage, 3);
    }

    #[test]
    fn no_more_than_sixteen_are_told_before_new_filters() {
        let mut b = Bench::new(1, Config::default());
        let sub = b.all();
        for n in 0..1_000 {
            b.copy(0, sub, &with_id(n, "\"kind\":-1"));
        }
        assert_eq!(rejections(&b, sub).len(), 16);
        assert_eq!(b.core.relay(&url(0)).unwrap().counters.garbage, 1_000);
        b.call(Call::Update { sub, filters: notes() });
        b.copy(0, sub, &with_id(0, "\"kind\":-1"));
        assert_eq!(rejections(&b, sub).len(), 17);
    }

    #[test]
    fn what_is_for_no_running_request_or_has_no_id_is_told_to_nobody() {
        let mut b = Bench::new(1, Config::default());
        let sub = b.all();
        b.text(0, &format!("[\"EVENT\",\"p99\",{}]", with_id(1, "\"kind\":-1")));
        b.copy(0, sub, "{\"id\":\"xyz\",\"kind\":-1}");
        b.copy(0, sub, "{\"kind\":-1}");
        assert!(rejections(&b, sub).is_empty());
    }
}

mod size {
    use super::*;

    fn too_large(b: &mut Bench) {
        let socket = *b.sockets.last().unwrap();
        b.core.handle_input(Input::Closed { socket, reason: CloseReason::TooLarge }, b.now());
        b.drain();
        let before = b.sockets.len();
        while b.sockets.len() == before {
            b.pass(1);
        }
    }

    fn gaps(b: &Bench, sub: SubId) -> usize {
        let large = |item: &&Item| matches!(item, Item::Gap(Gap { cause: GapCause::TooLarge, .. }));
        items(b, sub).iter().filter(large).count()
    }

    #[test]
    fn the_request_whose_answer_is_too_large_is_found_among_three_and_ends() {
        let mut b = Bench::new(1, Config::default());
        let live = b.all();
        eose(&mut b, 0);
        let subs = [b.all(), b.all(), b.all()];
        too_large(&mut b);
        // The one that had its EOSE is no suspect, and is asked first.
        let socket = b.sockets[1];
        assert_eq!(asked(&b, socket), 1);
        assert_eq!(leg(&b, live, 0), Some(LegState::Requested));
        assert_eq!(leg(&b, subs[0], 0), Some(LegState::Waiting(Why::Turn)));
        eose(&mut b, 1);
        assert_eq!((asked(&b, socket), leg(&b, subs[0], 0)), (2, Some(LegState::Requested)));
        eose(&mut b, 1);
        assert_eq!((asked(&b, socket), leg(&b, subs[1], 0)), (3, Some(LegState::Requested)));
        too_large(&mut b);
        assert_eq!((gaps(&b, subs[0]), gaps(&b, subs[1]), gaps(&b, subs[2]), gaps(&b, live)), (0, 1, 0, 0));
        let Some(LegState::Closed(reason)) = leg(&b, subs[1], 0) else { panic!("it has ended") };
        assert_eq!(reason.to_string(), "unsupported: its answer has a message beyond the size limit");
        // The others go on, and it is not asked again, on no connection.
        for n in 0..3 {
            let socket = b.sockets[2];
            let name = b.running[&socket][n].clone();
            b.text(2, &format!("[\"EOSE\",\"{name}\"]"));
        }
        assert_eq!(asked(&b, b.sockets[2]), 3);
        assert!([live, subs[0], subs[2]].iter().all(|sub| leg(&b, *sub, 0) == Some(LegState::Live)));
        let reason = CloseReason::Error("reset".into());
        b.core.handle_input(Input::Closed { socket: b.sockets[2], reason }, b.now());
        b.drain();
        b.pass(100);
        assert_eq!(asked(&b, b.sockets[3]), 3);
        assert!(matches!(leg(&b, subs[1], 0), Some(LegState::Closed(_))));
        // New filters are another request.
        b.call(Call::Update { sub: subs[1], filters: notes() });
        assert_eq!(leg(&b, subs[1], 0), Some(LegState::Requested));
    }

    #[test]
    fn a_close_without_an_open_request_speaks_against_none() {
        let mut b = Bench::new(1, Config::default());
        let sub = b.all();
        for n in 0..5 {
            eose(&mut b, n);
            too_large(&mut b);
        }
        eose(&mut b, 5);
        assert_eq!((gaps(&b, sub), leg(&b, sub, 0)), (0, Some(LegState::Live)));
    }

    #[test]
    fn whoever_asks_meanwhile_waits_for_the_eose_but_not_for_ever() {
        let mut b = Bench::new(1, Config::default());
        let suspect = b.all();
        too_large(&mut b);
        let socket = b.sockets[1];
        assert_eq!((asked(&b, socket), leg(&b, suspect, 0)), (1, Some(LegState::Requested)));
        let other = b.all();
        assert_eq!((asked(&b, socket), leg(&b, other, 0)), (1, Some(LegState::Waiting(Why::Turn))));
        b.pass(9);
        assert_eq!(asked(&b, socket), 1);
        b.pass(1);
        assert_eq!((asked(&b, socket), leg(&b, other, 0)), (2, Some(LegState::Requested)));
        // No longer alone: it is not known whose it was.
        too_large(&mut b);
        assert_eq!((gaps(&b, suspect), gaps(&b, other)), (0, 0));
        too_large(&mut b);
        assert_eq!((gaps(&b, suspect), gaps(&b, other)), (1, 0));
        eose(&mut b, 3);
        assert_eq!(leg(&b, other, 0), Some(LegState::Live));
    }

    #[test]
    fn a_fetch_ends_with_the_gap() {
        let mut b = Bench::new(2, Config::default());
        let request = Subscribe {
            filters: notes(),
            mode: Mode::UntilEose,
            eose_deadline: Some(core::time::Duration::from_secs(60)),
            ..Subscribe::default()
        };
        let Reply::Subscribed(sub) = b.call(Call::Subscribe(request)) else { panic!("it is a subscription") };
        // The other relay is still awaited.
        let large = |b: &mut Bench, nth: usize| {
            let socket = b.sockets[nth];
            b.core.handle_input(Input::Closed { socket, reason: CloseReason::TooLarge }, b.now());
            b.drain();
        };
        large(&mut b, 0);
        b.pass(5);
        large(&mut b, 2);
        assert_eq!(gaps(&b, sub), 1);
        eose(&mut b, 1);
        assert!(matches!(items(&b, sub).last(), Some(Item::End(EndReason::Complete))));
    }
}

mod words {
    use super::*;

    /// What a relay says is short and harmless wherever it is told.
    #[test]
    fn of_relays_are_short_and_harmless_everywhere() {
        let evil = format!("\\u001b[2J\\u0007{}\\u0000", "\\u009b".repeat(3_000));
        let harmless = |text: &str| assert!(text.len() <= 1_100 && !text.contains(char::is_control), "{text:?}");
        let mut b = Bench::new(
            1,
            Config { auth: AuthPolicy::Always, identity: Some(keys(1).public_key()), ..Config::default() },
        );
        let sub = b.all();
        let (event, target, quorum) = (note("hello"), Target::All, Quorum::All);
        let publish = Publish { event, target, quorum, deadline: None, link: None };
        let Reply::Publishing(publish, id) = b.call(Call::Publish(publish)) else { panic!("publishing") };
        b.text(0, &format!("[\"OK\",\"{id}\",false,\"blocked: {evil}\"]"));
        b.text(0, &format!("[\"NOTICE\",\"{evil}\"]"));
        let name = last(&b, b.sockets[0]);
        b.text(0, &format!("[\"CLOSED\",\"{name}\",\"blocked: {evil}\"]"));
        let PublishStatus::Rejected(Rejection::Refused(reason)) = &b.core.publish_report(publish).unwrap().relays[0].1
        else {
            panic!("rejected")
        };
        harmless(&reason.to_string());
        let Some(LegState::Closed(reason)) = leg(&b, sub, 0) else { panic!("closed") };
        harmless(&reason.to_string());
        assert_eq!(coverage(&b, sub)[0].legs[0].outcome, LegOutcome::Closed(reason));
        notices(&b, sub).iter().for_each(|text| harmless(text));
        assert_eq!(notices(&b, sub).len(), 1);
        let reason = CloseReason::Remote { code: 4_000, reason: "\u{1b}[2J\u{7}".repeat(40) };
        b.core.handle_input(Input::Closed { socket: b.sockets[0], reason }, b.now());
        harmless(&b.core.relay(&url(0)).unwrap().last_close.unwrap().1);
        b.drain();
        b.pass(5);
        let error = CloseReason::Error("HTTP 500 \u{1b}[2J".repeat(400));
        b.core.handle_input(Input::Closed { socket: *b.sockets.last().unwrap(), reason: error }, b.now());
        harmless(&b.core.relay(&url(0)).unwrap().last_error.unwrap());
    }
}

mod retarget {
    use super::*;

    fn to(relays: &[usize]) -> Target {
        Target::Relays(relays.iter().map(|n| url(*n)).collect())
    }

    #[test]
    fn what_stays_is_untouched_what_comes_is_asked_and_what_leaves_is_closed() {
        let mut b = Bench::new(3, Config::default());
        let sub = b.subscribe(notes(), to(&[0, 1]), Versions::Latest);
        eose(&mut b, 0);
        eose(&mut b, 1);
        assert_eq!(coverage(&b, sub).len(), 1);
        let (before, gone) = (b.requests.len(), last(&b, b.sockets[0]));
        b.items.clear();
        b.call(Call::Retarget { sub, target: to(&[1, 2, 2]) });
        assert_eq!(b.requests.len(), before + 1);
        assert_eq!(asked(&b, b.sockets[2]), 1);
        assert_eq!(b.closes, [(b.sockets[0], gone.clone())]);
        assert_eq!(leg(&b, sub, 0), Some(LegState::Removed));
        assert_eq!(leg(&b, sub, 1), None, "nothing to tell");
        assert_eq!(leg(&b, sub, 2), Some(LegState::Requested));
        // What the one that left still sends is not delivered; what the others send is.
        b.text(0, &format!("[\"EVENT\",\"{gone}\",{}]", note("late").to_json()));
        b.decide_all();
        assert!(b.texts(sub).is_empty());
        b.send(1, sub, &note("stays"));
        b.send(2, sub, &note("new"));
        eose(&mut b, 2);
        assert_eq!(b.texts(sub), ["stays", "new"]);
        assert_eq!(leg(&b, sub, 2), Some(LegState::Live));
        assert!(coverage(&b, sub).is_empty(), "the EOSE of this generation was told");
    }

    #[test]
    fn the_aggregate_eose_is_about_the_relays_of_then() {
        let mut b = Bench::new(3, Config::default());
        let sub = b.subscribe(notes(), to(&[0, 1]), Versions::Latest);
        eose(&mut b, 0);
        // The one that is awaited leaves, but another comes.
        b.call(Call::Retarget { sub, target: to(&[0, 2]) });
        assert!(coverage(&b, sub).is_empty());
        eose(&mut b, 2);
        let relays: Vec<RelayUrl> = coverage(&b, sub)[0].legs.iter().map(|l| l.relay.clone()).collect();
        assert_eq!(relays, [url(0), url(2)]);
        // Nobody is awaited any more, where the awaited one leaves.
        let sub = b.subscribe(notes(), to(&[0, 1]), Versions::Latest);
        eose(&mut b, 0);
        b.call(Call::Retarget { sub, target: to(&[0]) });
        assert_eq!(coverage(&b, sub).len(), 1);
    }

    #[test]
    fn all_follows_the_pool_and_a_list_does_not() {
        let mut b = Bench::new(2, Config::default());
        let sub = b.subscribe(notes(), Target::All, Versions::Latest);
        b.call(Call::Retarget { sub, target: to(&[1]) });
        assert_eq!((leg(&b, sub, 0), leg(&b, sub, 1)), (Some(LegState::Removed), Some(LegState::Requested)));
        b.call(Call::AddRelay { url: url(5), options: RelayOptions::default() });
        assert_eq!(leg(&b, sub, 5), None);
        b.call(Call::Retarget { sub, target: Target::All });
        assert_eq!((leg(&b, sub, 0), leg(&b, sub, 5)), (Some(LegState::Requested), Some(LegState::Requested)));
        b.call(Call::AddRelay { url: url(6), options: RelayOptions::default() });
        assert_eq!(leg(&b, sub, 6), Some(LegState::Requested));
        b.call(Call::RemoveRelay { url: url(6) });
        assert_eq!(leg(&b, sub, 6), Some(LegState::Removed));
    }

    #[test]
    fn a_fetch_waits_for_the_relays_that_it_has_now() {
        let mut b = Bench::new(2, Config::default());
        let request = Subscribe { filters: notes(), target: to(&[0]), mode: Mode::UntilEose, ..Subscribe::default() };
        let Reply::Subscribed(sub) = b.call(Call::Subscribe(request)) else { panic!("it is a subscription") };
        b.call(Call::Retarget { sub, target: to(&[1]) });
        assert!(coverage(&b, sub).is_empty());
        eose(&mut b, 1);
        assert!(matches!(items(&b, sub).last(), Some(Item::End(EndReason::Complete))));
        assert_eq!(
            b.core.handle_call(Call::Retarget { sub, target: to(&[0]) }, b.now()),
            Err(CallError::UnknownSubscription(sub))
        );
    }

    #[test]
    fn a_call_that_fails_changes_nothing() {
        let mut b = Bench::new(2, Config { max_relays: 3, ..Config::default() });
        let sub = b.subscribe(notes(), to(&[0]), Versions::Latest);
        b.items.clear();
        let unknown = SubId::from_u64(99);
        for (sub, target, error) in [
            (unknown, to(&[1]), CallError::UnknownSubscription(unknown)),
            (sub, to(&[]), CallError::NoRelays),
            (sub, to(&[0, 5, 6]), CallError::TooManyRelays(3)),
        ] {
            assert_eq!(b.core.handle_call(Call::Retarget { sub, target }, b.now()), Err(error));
            b.drain();
        }
        assert!(b.items.is_empty() && b.closes.is_empty());
        assert_eq!((b.requests.len(), b.core.relays().len()), (1, 2));
        for n in 0..2 {
            b.call(Call::AddRelay { url: url(n), options: RelayOptions { read: false, ..RelayOptions::default() } });
        }
        assert_eq!(b.core.handle_call(Call::Retarget { sub, target: Target::All }, b.now()), Err(CallError::NoRelays));
    }

    #[derive(Clone, Debug)]
    enum Op {
        Retarget(Option<Vec<usize>>),
        Add(usize, bool),
        Remove(usize),
        Eose(usize),
        Lose(usize),
        Pass(u64),
        Update,
    }

    fn op() -> impl Strategy<Value = Op> {
        let relays = prop_oneof![
            1 => Just(None),
            4 => prop::collection::vec(0..5_usize, 0..5).prop_map(Some),
        ];
        prop_oneof![
            6 => relays.prop_map(Op::Retarget),
            2 => (0..5_usize, any::<bool>()).prop_map(|(n, reads)| Op::Add(n, reads)),
            2 => (0..5_usize).prop_map(Op::Remove),
            6 => (0..5_usize).prop_map(Op::Eose),
            2 => (0..5_usize).prop_map(Op::Lose),
            3 => (1..12_u64).prop_map(Op::Pass),
            1 => Just(Op::Update),
        ]
    }

    /// The relays that a bystander thinks are asked.
    #[derive(Default)]
    struct Model {
        pool: BTreeMap<usize, bool>,
        all: bool,
        asked: BTreeSet<usize>,
        generations: usize,
    }

    impl Model {
        fn readers(&self) -> BTreeSet<usize> {
            self.pool.iter().filter(|(_, reads)| **reads).map(|(n, _)| *n).collect()
        }
    }

    fn socket_of(b: &Bench, n: usize) -> Option<SocketId> {
        b.opened.get(&n).copied()
    }

    fn step(b: &mut Bench, m: &mut Model, sub: SubId, op: &Op) {
        match op {
            Op::Retarget(relays) => {
                let wanted = relays.clone().map_or_else(|| m.readers(), |relays| relays.into_iter().collect());
                let target = relays.as_ref().map_or(Target::All, |relays| to(relays));
                let reply = b.core.handle_call(Call::Retarget { sub, target }, b.now());
                b.drain();
                assert_eq!(reply.is_err(), wanted.is_empty());
                if !wanted.is_empty() {
                    (m.asked, m.all) = (wanted, relays.is_none());
                }
            }
            Op::Add(n, reads) => {
                b.call(Call::AddRelay {
                    url: url(*n),
                    options: RelayOptions { read: *reads, ..RelayOptions::default() },
                });
                m.pool.insert(*n, *reads);
            }
            Op::Remove(n) => {
                if b.core.relay(&url(*n)).is_some() {
                    b.call(Call::RemoveRelay { url: url(*n) });
                    b.opened.remove(n);
                    m.asked.remove(n);
                }
                m.pool.remove(n);
            }
            Op::Eose(n) => {
                let runs = socket_of(b, *n).and_then(|socket| b.running.get(&socket)?.last().cloned());
                if let (Some(name), Some(socket)) = (runs, socket_of(b, *n)) {
                    let frame = format!("[\"EOSE\",\"{name}\"]");
                    b.core.handle_input(Input::Text { socket, frame: &frame }, b.now());
                    b.drain();
                }
            }
            Op::Lose(n) => {
                if let Some(socket) = b.opened.remove(n) {
                    b.running.remove(&socket);
                    let reason = CloseReason::Error("reset".into());
                    b.core.handle_input(Input::Closed { socket, reason }, b.now());
                    b.drain();
                }
            }
            Op::Pass(seconds) => b.pass(*seconds),
            Op::Update => {
                b.call(Call::Update { sub, filters: notes() });
                m.generations += 1;
            }
        }
        if m.all {
            m.asked = m.readers();
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

        #[test]
        fn who_is_asked_is_who_was_named(ops in prop::collection::vec(op(), 1..60)) {
            let mut b = Bench::new(3, Config::default());
            let sub = b.subscribe(notes(), Target::All, Versions::Latest);
            let pool = (0..3).map(|n| (n, true)).collect();
            let mut m = Model { pool, all: true, asked: (0..3).collect(), generations: 1 };
            for op in ops {
                let before = b.requests.len();
                let stays: BTreeSet<usize> = m.asked.clone();
                step(&mut b, &mut m, sub, &op);
                // One request runs at each connected relay that is asked, and none at any other.
                for n in 0..5 {
                    let running = socket_of(&b, n).and_then(|socket| b.running.get(&socket)).map_or(0, Vec::len);
                    let connected = b.core.relay(&url(n)).is_some_and(|r| r.state == ConnectionState::Open);
                    let expected = usize::from(m.asked.contains(&n) && connected);
                    prop_assert_eq!(running, expected, "relay {} after {:?}", n, &op);
                }
                if matches!(op, Op::Retarget(_)) {
                    let again = b.requests[before..].iter().any(|(socket, _)| {
                        b.opened.iter().any(|(n, s)| s == socket && stays.contains(n))
                    });
                    prop_assert!(!again, "what stays is not asked again: {:?}", &op);
                }
                prop_assert!(coverage(&b, sub).len() <= m.generations, "one EOSE per generation");
            }
            b.pass(61);
            let told = coverage(&b, sub);
            prop_assert_eq!(told.last().map(|c| c.generation as usize + 1), Some(m.generations), "told in the end");
        }
    }
}
