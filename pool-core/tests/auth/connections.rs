//! An authentication is of one connection: what the next one, a removed relay and a clean start make of it.

use nostr_pool_core::*;

use super::bench::*;

#[test]
fn requests_wait_for_it_on_the_next_connection_and_not_for_ever() {
    let (mut b, socket) = Bench::connected(config(AuthPolicy::Always), RelayOptions::default());
    b.text(socket, "[\"AUTH\",\"c\"]");
    let sub = b.subscribe(notes(), Mode::Live);
    let names = b.requests();
    b.text(socket, &closed(&names[0], "auth-required: who are you?"));
    let id = b.sign();
    b.ok(socket, id, true, "");
    b.requests();
    b.lose(socket);
    b.pass(SECOND * 3);
    let socket = b.open(0);
    assert_eq!((b.sent().len(), b.leg(sub)), (0, LegState::Waiting(Why::Auth)));
    b.text(socket, "[\"AUTH\",\"d\"]");
    let id = b.sign();
    assert_eq!(b.sent().len(), 0);
    b.ok(socket, id, true, "");
    assert_eq!(b.requests().len(), 1);
    // The third time, the relay has changed its mind.
    b.lose(socket);
    b.pass(SECOND * 5);
    b.open(0);
    assert_eq!(b.sent().len(), 0);
    b.pass(b.core.config().auth_wait);
    assert_eq!((b.requests().len(), b.leg(sub)), (1, LegState::Requested));
}

#[test]
fn a_removed_relay_and_a_clean_start_forget_it() {
    let options = RelayOptions { auth_at_once: true, ..RelayOptions::default() };
    let (mut b, socket) = Bench::connected(config(AuthPolicy::Always), options);
    b.text(socket, "[\"AUTH\",\"c\"]");
    let id = b.sign();
    b.ok(socket, id, true, "");
    b.call(Call::StartClean).unwrap();
    b.input(Input::Closed { socket, reason: CloseReason::Local });
    b.call(Call::Connect { which: Which::All }).unwrap();
    b.subscribe(notes(), Mode::Live);
    let socket = b.open(0);
    assert_eq!(b.requests().len(), 1, "nothing is remembered to be demanded");
    b.text(socket, "[\"AUTH\",\"c\"]");
    let (ticket, _, event) = b.orders().pop().unwrap();
    b.events.clear();
    b.call(Call::RemoveRelay { url: url(0) }).unwrap();
    b.input(Input::Signed { ticket, outcome: Ok(event.sign(&keys(), [0; 32])) });
    assert!(!b.events.iter().any(|e| matches!(e, PoolEvent::Relay { update: RelayUpdate::Auth(_), .. })));
    assert!(b.sent().iter().all(|frame| !frame.contains("AUTH")));
}

/// Whatever an authentication was at when the connection went, the next one begins anew, and nothing of the old one holds.
#[test]
fn a_connection_lost_at_any_moment_of_an_authentication_starts_over() {
    for lost_at in 0..6 {
        let (mut b, socket) = Bench::connected(config(AuthPolicy::Always), private());
        let sub = b.subscribe(notes(), Mode::Live);
        let event = note("hello");
        let publish = b.publish(&event);
        let name = b.sent()[0].split('"').nth(3).unwrap().to_owned();
        let steps: [&dyn Fn(&mut Bench); 3] = [
            &|b| b.text(socket, &closed(&name, "auth-required: who are you?")),
            &|b| b.ok(socket, event.id(), false, "auth-required: who are you?"),
            &|b| b.text(socket, "[\"AUTH\",\"c\"]"),
        ];
        steps.iter().take(lost_at).for_each(|step| step(&mut b));
        if lost_at > 3 {
            let id = b.sign();
            if lost_at > 4 {
                b.ok(socket, id, true, "");
            }
        }
        b.sent();
        b.orders();
        b.lose(socket);
        b.pass(SECOND * 3);
        let socket = b.open(0);
        assert_eq!(b.auth(), if lost_at == 0 { AuthState::Unchallenged } else { AuthState::Expected });
        b.text(socket, "[\"AUTH\",\"d\"]");
        if lost_at > 0 {
            let id = b.sign_among();
            b.ok(socket, id, true, "");
        }
        let sent = b.sent();
        assert!(sent.iter().any(|frame| frame.starts_with("[\"REQ\"")), "{lost_at}: {sent:?}");
        assert_eq!(b.leg(sub), LegState::Requested, "{lost_at}");
        assert_eq!(b.status(publish), PublishStatus::InFlight, "{lost_at}");
    }
}
