//! A challenge that comes late, or never, or is too long, or comes in floods.

use nostr_pool_core::*;

use super::bench::*;

#[test]
fn a_challenge_may_come_after_the_refusal_that_it_explains() {
    let (mut b, socket) = Bench::connected(config(AuthPolicy::Always), RelayOptions::default());
    let sub = b.subscribe(notes(), Mode::Live);
    let names = b.requests();
    b.text(socket, &closed(&names[0], "auth-required: who are you?"));
    assert_eq!((b.leg(sub), b.auth()), (LegState::Waiting(Why::Auth), AuthState::Expected));
    b.pass(SECOND);
    b.text(socket, "[\"AUTH\",\"c\"]");
    let id = b.sign();
    b.ok(socket, id, true, "");
    assert_eq!(b.requests().len(), 1);
}

#[test]
fn a_challenge_that_never_comes_is_not_waited_for_for_ever() {
    let (mut b, socket) = Bench::connected(config(AuthPolicy::Always), RelayOptions::default());
    let sub = b.subscribe(notes(), Mode::Live);
    let names = b.requests();
    b.text(socket, &closed(&names[0], "auth-required: who are you?"));
    b.pass(b.core.config().auth_wait);
    assert!(matches!(b.leg(sub), LegState::Closed(_)));
    assert!(matches!(b.coverage(sub), Some(LegOutcome::Closed(_))));
    // It was late, no more.
    b.text(socket, "[\"AUTH\",\"c\"]");
    let id = b.sign();
    b.ok(socket, id, true, "");
    assert_eq!((b.requests().len(), b.leg(sub)), (1, LegState::Requested));
}

#[test]
fn a_challenge_too_long_is_told_and_not_kept() {
    let (mut b, socket) = Bench::connected(config(AuthPolicy::Always), RelayOptions::default());
    let bytes = b.core.config().max_challenge_bytes + 1;
    b.text(socket, &format!("[\"AUTH\",\"{}\"]", "x".repeat(bytes)));
    assert_eq!(b.auth(), AuthState::Failed(AuthFailure::ChallengeTooLong { bytes }));
    b.text(socket, "[\"AUTH\",\"c\"]");
    assert_eq!(b.auth(), AuthState::Challenged);
}

#[test]
fn a_flood_of_challenges_costs_the_signer_no_more_than_the_window_allows() {
    let (mut b, socket) =
        Bench::connected(config(AuthPolicy::Always), RelayOptions { auth_at_once: true, ..private() });
    b.subscribe(gift_wraps(), Mode::Live);
    b.subscribe(notes(), Mode::Live);
    let mut orders = 0;
    for n in 0..5_000 {
        b.text(socket, &format!("[\"AUTH\",\"c{n}\"]"));
        for (ticket, _, event) in b.orders() {
            orders += 1;
            b.input(Input::Signed { ticket, outcome: Ok(event.sign(&keys(), [0; 32])) });
            b.ok(socket, event.id(), n % 2 == 0, "");
        }
        for frame in b.sent() {
            if frame.starts_with("[\"REQ\"") {
                let name = frame.split('"').nth(3).unwrap().to_owned();
                b.text(socket, &closed(&name, "auth-required: again"));
            }
        }
    }
    assert!(orders <= b.core.config().max_auth_signings, "{orders}");
}
