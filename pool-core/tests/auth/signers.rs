//! A signer that fails, lies or sleeps, or answers when the connection is gone.

use nostr_pool_core::*;
use nostr_proto::{Event, Keys, UnsignedEvent};

use super::bench::*;

#[test]
fn a_signer_that_fails_lies_or_sleeps_leaves_things_refused() {
    type Answer = fn(&UnsignedEvent) -> Option<Result<Event, String>>;
    let answers: [(Answer, &str); 4] = [
        (|_| Some(Err("not today".into())), "not today"),
        (|_| Some(Ok(note("another"))), "the signer returned another event than it was given"),
        (
            |event| Some(Ok(event.sign(&Keys::from_entropy([8; 32]).unwrap(), [0; 32]))),
            "the signer returned a wrong signature",
        ),
        (|_| None, "the signer did not answer"),
    ];
    for (answer, why) in answers {
        let (mut b, socket) = Bench::connected(config(AuthPolicy::Always), RelayOptions::default());
        b.text(socket, "[\"AUTH\",\"c\"]");
        let sub = b.subscribe(notes(), Mode::Live);
        let names = b.requests();
        b.text(socket, &closed(&names[0], "auth-required: who are you?"));
        let (ticket, _, event) = b.orders().pop().unwrap();
        match answer(&event) {
            Some(outcome) => b.input(Input::Signed { ticket, outcome }),
            None => b.pass(b.core.config().auth_sign_deadline),
        }
        assert_eq!(b.auth(), AuthState::Failed(AuthFailure::NotSigned(why.to_owned())));
        assert!(matches!(b.leg(sub), LegState::Closed(_)));
        assert!(b.sent().iter().all(|frame| !frame.contains("AUTH")));
        // An answer that comes too late is counted, and changes nothing.
        let before = b.core.stats().unknown_tickets;
        b.input(Input::Signed { ticket, outcome: Ok(event.sign(&keys(), [0; 32])) });
        assert_eq!(b.core.stats().unknown_tickets, before + 1);
        assert!(b.sent().is_empty());
    }
}

#[test]
fn a_signature_for_a_lost_connection_goes_nowhere() {
    let options = RelayOptions { auth_at_once: true, ..RelayOptions::default() };
    let (mut b, socket) = Bench::connected(config(AuthPolicy::Always), options);
    b.text(socket, "[\"AUTH\",\"c\"]");
    let (ticket, _, event) = b.orders().pop().unwrap();
    b.lose(socket);
    b.pass(SECOND * 3);
    b.open(0);
    b.input(Input::Signed { ticket, outcome: Ok(event.sign(&keys(), [0; 32])) });
    assert!(b.sent().is_empty());
    assert_eq!((b.auth(), b.core.stats().unknown_tickets), (AuthState::Unchallenged, 1));
}
