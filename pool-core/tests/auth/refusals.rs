//! What a relay refuses to a stranger waits for the authentication, and is repeated, once, and only that.

use nostr_pool_core::*;

use super::bench::*;

#[test]
fn what_was_refused_is_repeated_once_and_only_that() {
    let (mut b, socket) = Bench::connected(config(AuthPolicy::Always), RelayOptions::default());
    b.text(socket, "[\"AUTH\",\"c\"]");
    let (refused, other) = (b.subscribe(notes(), Mode::Live), b.subscribe(notes(), Mode::Live));
    let names = b.requests();
    assert_eq!(b.orders().len(), 0, "nothing needs it yet");
    b.text(socket, &closed(&names[0], "auth-required: who are you?"));
    assert_eq!(b.leg(refused), LegState::Waiting(Why::Auth));
    let id = b.sign();
    assert!(matches!(b.auth(), AuthState::Sent { .. }));
    b.ok(socket, id, true, "");
    assert_eq!(b.auth(), AuthState::Authenticated { identities: vec![keys().public_key()], confirmed: true });
    let again = b.requests();
    assert_eq!(again.len(), 1);
    assert!(!names.contains(&again[0]), "under a name of its own");
    assert_eq!((b.leg(refused), b.leg(other)), (LegState::Requested, LegState::Requested));
    b.text(socket, &closed(&again[0], "auth-required: still"));
    assert!(matches!(b.leg(refused), LegState::Closed(_)));
    assert!(b.orders().is_empty() && b.sent().is_empty());
}

#[test]
fn a_publish_is_sent_again_once_and_what_was_accepted_is_not() {
    let (mut b, socket) = Bench::connected(config(AuthPolicy::Always), RelayOptions::default());
    b.text(socket, "[\"AUTH\",\"c\"]");
    let (public, private) = (note("public"), note("private"));
    let (first, second) = (b.publish(&public), b.publish(&private));
    let frames = b.sent();
    b.ok(socket, public.id(), true, "");
    b.ok(socket, private.id(), false, "auth-required: who are you?");
    assert_eq!(b.status(second), PublishStatus::Queued);
    let id = b.sign();
    b.ok(socket, id, true, "");
    assert_eq!(b.sent(), frames[1..], "the same bytes, of that one only");
    assert_eq!(b.status(first), PublishStatus::Accepted { duplicate: false });
    b.ok(socket, private.id(), false, "auth-required: still");
    assert!(matches!(b.status(second), PublishStatus::Rejected(_)));
    assert!(b.orders().is_empty() && b.sent().is_empty());
}

/// Some relays refuse without saying which event, which is no question where only one is unanswered.
#[test]
fn a_refusal_that_names_no_event_has_the_relay_know_us_if_one_alone_is_unanswered() {
    for (others, orders) in [(0, 1), (1, 0)] {
        for said in ["auth-required: who are you?", "restricted: members only"] {
            let (mut b, socket) = Bench::connected(config(AuthPolicy::Always), RelayOptions::default());
            b.text(socket, "[\"AUTH\",\"c\"]");
            let publish = b.publish(&note("hello"));
            for n in 0..others {
                b.publish(&note(&format!("other {n}")));
            }
            let frames = b.sent();
            b.text(socket, &format!("[\"OK\",\"\",false,\"{said}\"]"));
            assert_eq!(b.commands.iter().filter(|c| matches!(c, Command::SignAuth { .. })).count(), orders, "{said}");
            if orders > 0 {
                let id = b.sign();
                b.ok(socket, id, true, "");
                assert!(b.sent().is_empty(), "whether it was refused is not known");
                b.pass(Config::default().ok_deadline);
                assert_eq!(b.sent(), frames, "the same again");
            }
            // Of any other refusal it is not known what it is about, and nothing without a name is a yes.
            for other in ["false,\"blocked: no\"", "true,\"\""] {
                b.text(socket, &format!("[\"OK\",\"\",{other}]"));
            }
            assert_eq!(b.status(publish), PublishStatus::InFlight);
        }
    }
}

#[test]
fn restricted_is_tried_once_where_a_challenge_is_in_hand() {
    for (challenged, orders) in [(true, 1), (false, 0)] {
        let (mut b, socket) = Bench::connected(config(AuthPolicy::Always), RelayOptions::default());
        if challenged {
            b.text(socket, "[\"AUTH\",\"c\"]");
        }
        let event = note("hello");
        let publish = b.publish(&event);
        b.sent();
        b.ok(socket, event.id(), false, "restricted: members only");
        assert_eq!(b.commands.iter().filter(|c| matches!(c, Command::SignAuth { .. })).count(), orders);
        if challenged {
            let id = b.sign();
            b.ok(socket, id, true, "");
            assert_eq!(b.sent().len(), 1);
            b.ok(socket, event.id(), false, "restricted: members only");
        }
        assert!(matches!(b.status(publish), PublishStatus::Rejected(_)));
    }
}

#[test]
fn a_late_refusal_of_an_earlier_try_is_no_end_while_an_authentication_is_under_way() {
    let (mut b, socket) = Bench::connected(config(AuthPolicy::Always), private());
    b.text(socket, "[\"AUTH\",\"c\"]");
    let event = note("slow");
    let publish = b.publish(&event);
    b.pass(b.core.config().ok_deadline);
    assert_eq!(b.sent().len(), 2, "tried twice");
    // The relay answers both.
    for _ in 0..2 {
        b.ok(socket, event.id(), false, "auth-required: who are you?");
        assert_eq!(b.status(publish), PublishStatus::Queued);
    }
    let id = b.sign();
    b.ok(socket, id, true, "");
    assert_eq!(b.sent().len(), 1);
    b.ok(socket, event.id(), true, "");
    assert_eq!(b.status(publish), PublishStatus::Accepted { duplicate: false });
}

#[test]
fn a_refusal_that_comes_while_another_try_waits_has_it_wait_for_the_authentication() {
    let config = Config { send_credits: 1, ..config(AuthPolicy::Always) };
    let (mut b, socket) = Bench::connected(config, private());
    b.text(socket, "[\"AUTH\",\"c\"]");
    let (event, other) = (note("slow"), note("busy"));
    let publish = b.publish(&event);
    b.publish(&other);
    b.ok(socket, other.id(), false, "rate-limited: slow down");
    b.pass(b.core.config().ok_deadline);
    b.ok(socket, other.id(), false, "rate-limited: slow down");
    b.ok(socket, event.id(), false, "auth-required: who are you?");
    assert_eq!(b.status(publish), PublishStatus::Queued);
    b.sent();
    let (ticket, _, unsigned) = b.orders().pop().expect("a challenge to answer");
    b.input(Input::Signed { ticket, outcome: Ok(unsigned.sign(&keys(), [0; 32])) });
    b.ok(socket, unsigned.id(), true, "");
    b.pass(SECOND * 60);
    assert!(b.sent().iter().any(|frame| frame.contains(&event.id().to_string())));
}

#[test]
fn a_request_that_the_relay_has_closed_is_not_closed_once_more_when_it_waits() {
    let (mut b, socket) = Bench::connected(config(AuthPolicy::Always), private());
    let sub = b.subscribe(gift_wraps(), Mode::Live);
    let names = b.requests();
    b.text(socket, &closed(&names[0], "auth-required: who are you?"));
    assert_eq!(b.leg(sub), LegState::Waiting(Why::Auth));
    b.text(socket, "[\"AUTH\",\"c\"]");
    let id = b.sign();
    b.ok(socket, id, true, "");
    assert_eq!(b.requests().len(), 1);
    // The same with a challenge in hand that was not answered by itself, after so many refused ones.
    let (mut b, socket) = Bench::connected(config(AuthPolicy::Always), private());
    let sub = b.subscribe(gift_wraps(), Mode::Live);
    let mut last = String::new();
    for n in 0..3 {
        b.text(socket, &format!("[\"AUTH\",\"c{n}\"]"));
        let id = b.sign_among();
        b.ok(socket, id, false, "error: no");
        last = b.sent().last().unwrap().split('"').nth(3).unwrap().to_owned();
    }
    b.text(socket, "[\"AUTH\",\"last\"]");
    assert_eq!((b.auth(), b.leg(sub)), (AuthState::Challenged, LegState::Requested));
    b.text(socket, &closed(&last, "auth-required: who are you?"));
    assert_eq!(b.leg(sub), LegState::Waiting(Why::Auth));
    assert!(b.sent().is_empty());
    let id = b.sign();
    b.ok(socket, id, true, "");
    assert_eq!(b.requests().len(), 1);
}

/// Two subscriptions and two publishes are refused at once; one of each kind was taken before.
#[test]
fn everything_that_was_refused_at_once_is_repeated_once() {
    let (mut b, socket) = Bench::connected(config(AuthPolicy::Always), private());
    b.text(socket, "[\"AUTH\",\"c\"]");
    let (taken, first, second) = (note("taken"), note("first"), note("second"));
    let subs =
        [b.subscribe(notes(), Mode::Live), b.subscribe(notes(), Mode::UntilEose), b.subscribe(notes(), Mode::Live)];
    let publishes = [b.publish(&taken), b.publish(&first), b.publish(&second)];
    let frames = b.sent();
    let names: Vec<_> = frames[..3].iter().map(|frame| frame.split('"').nth(3).unwrap().to_owned()).collect();
    b.text(socket, &eose(&names[2]));
    b.ok(socket, taken.id(), true, "");
    for name in &names[..2] {
        b.text(socket, &closed(name, "auth-required: who are you?"));
    }
    for event in [&first, &second] {
        b.ok(socket, event.id(), false, "restricted: who are you?");
    }
    let id = b.sign();
    b.ok(socket, id, true, "");
    let again = b.sent();
    assert_eq!(again.iter().filter(|frame| frame.starts_with("[\"EVENT\"")).count(), 2, "{again:?}");
    assert_eq!(again.iter().filter(|frame| frame.starts_with("[\"REQ\"")).count(), 2, "{again:?}");
    assert_eq!(again.len(), 4);
    assert_eq!(b.leg(subs[2]), LegState::Live);
    assert_eq!(b.status(publishes[0]), PublishStatus::Accepted { duplicate: false });
    assert_eq!(b.status(publishes[2]), PublishStatus::InFlight);
}
