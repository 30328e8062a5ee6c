//! What a relay answers to an AUTH: nothing, an OK without an id, and one that is late.

use nostr_pool_core::*;

use super::bench::*;

#[test]
fn a_relay_that_never_says_ok_is_taken_to_have_said_yes() {
    let (mut b, socket) = Bench::connected(config(AuthPolicy::Always), RelayOptions::default());
    b.text(socket, "[\"AUTH\",\"c\"]");
    b.subscribe(notes(), Mode::Live);
    let names = b.requests();
    b.text(socket, &closed(&names[0], "auth-required: who are you?"));
    b.sign();
    b.pass(b.core.config().auth_ok_deadline - SECOND);
    assert_eq!(b.sent().len(), 0);
    b.pass(SECOND);
    assert_eq!(b.requests().len(), 1);
    assert!(matches!(b.auth(), AuthState::Authenticated { confirmed: false, .. }));
}

#[test]
fn an_ok_without_an_id_is_taken_where_nothing_else_waits_for_one() {
    for in_flight in [false, true] {
        let (mut b, socket) = Bench::connected(config(AuthPolicy::Always), RelayOptions::default());
        b.text(socket, "[\"AUTH\",\"c\"]");
        b.subscribe(notes(), Mode::Live);
        let names = b.requests();
        b.text(socket, &closed(&names[0], "auth-required: who are you?"));
        b.sign();
        if in_flight {
            b.publish(&note("which of the two?"));
        }
        b.text(socket, "[\"OK\",\"\",true,\"\"]");
        assert_eq!(matches!(b.auth(), AuthState::Authenticated { .. }), !in_flight, "{:?}", b.auth());
    }
}

#[test]
fn the_ok_of_an_auth_is_no_publishs() {
    let (mut b, socket) = Bench::connected(config(AuthPolicy::Always), RelayOptions::default());
    b.text(socket, "[\"AUTH\",\"c\"]");
    let event = note("hello");
    let publish = b.publish(&event);
    b.ok(socket, event.id(), false, "auth-required: who are you?");
    b.sent();
    let id = b.sign();
    let before = b.core.relay(&url(0)).unwrap().counters.unsolicited;
    b.ok(socket, id, true, "");
    assert_eq!(b.status(publish), PublishStatus::InFlight);
    assert_eq!(b.core.relay(&url(0)).unwrap().counters.unsolicited, before, "it was expected");
}

#[test]
fn an_ok_that_is_late_still_has_what_was_refused_meanwhile_repeated() {
    let (mut b, socket) = Bench::connected(config(AuthPolicy::Always), private());
    b.text(socket, "[\"AUTH\",\"c\"]");
    let (refused, hidden) = (b.subscribe(notes(), Mode::Live), b.subscribe(gift_wraps(), Mode::Live));
    let names = b.requests();
    b.text(socket, &closed(&names[0], "auth-required: who are you?"));
    let id = b.sign();
    b.pass(b.core.config().auth_ok_deadline);
    let again = b.requests();
    // It is slow: it still takes us for a stranger.
    for name in &again {
        b.text(socket, &closed(name, "auth-required: who are you?"));
    }
    assert!(matches!(b.leg(refused), LegState::Closed(_)));
    b.ok(socket, id, true, "");
    assert_eq!(b.requests().len(), 2);
    assert_eq!((b.leg(refused), b.leg(hidden)), (LegState::Requested, LegState::Requested));
}
