//! What relays say by NOTICE.

use nostr_pool_core::*;
use nostr_proto::Prefix;

use super::told::*;
use crate::common::*;

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
