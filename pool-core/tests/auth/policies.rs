//! Whether to authenticate, and as whom, is what the application says, for each relay.

use nostr_pool_core::*;
use nostr_proto::{Keys, PublicKey};

use super::bench::*;

#[test]
fn never_means_never() {
    let (mut b, socket) = Bench::connected(config(AuthPolicy::Never), RelayOptions::default());
    b.text(socket, "[\"AUTH\",\"c\"]");
    let sub = b.subscribe(gift_wraps(), Mode::Live);
    let names = b.requests();
    b.text(socket, &closed(&names[0], "auth-required: who are you?"));
    assert!(matches!(b.leg(sub), LegState::Closed(_)));
    assert!(b.orders().is_empty());
    assert_eq!(b.auth(), AuthState::Challenged, "it is remembered");
    // Until the application says so; then what was refused for it is asked again.
    b.call(Call::Authenticate { url: url(0), identity: None }).unwrap();
    let id = b.sign();
    b.ok(socket, id, true, "");
    assert_eq!(b.requests().len(), 1);
    assert_eq!(b.leg(sub), LegState::Requested);
}

#[test]
fn the_application_is_asked_and_its_word_is_kept() {
    for yes in [true, false] {
        let (mut b, socket) = Bench::connected(config(AuthPolicy::Ask), RelayOptions::default());
        b.text(socket, "[\"AUTH\",\"c\"]");
        let sub = b.subscribe(notes(), Mode::Live);
        let event = note("hello");
        let publish = b.publish(&event);
        let name = b.sent()[0].split('"').nth(3).unwrap().to_owned();
        b.text(socket, &closed(&name, "auth-required: who are you?"));
        b.ok(socket, event.id(), false, "auth-required: who are you?");
        let asked =
            |e: &&PoolEvent| matches!(e, PoolEvent::Relay { update: RelayUpdate::Auth(AuthState::Requested), .. });
        assert_eq!(b.events.iter().filter(asked).count(), 1);
        assert!(b.orders().is_empty());
        b.pass(SECOND * 5);
        if yes {
            b.call(Call::Authenticate { url: url(0), identity: None }).unwrap();
            let id = b.sign();
            b.ok(socket, id, true, "");
            assert_eq!(b.sent().len(), 2);
            assert_eq!((b.leg(sub), b.status(publish)), (LegState::Requested, PublishStatus::InFlight));
        } else {
            b.call(Call::DenyAuth { url: url(0) }).unwrap();
            assert!(matches!(b.leg(sub), LegState::Closed(_)));
            assert!(matches!(b.status(publish), PublishStatus::Rejected(_)));
        }
    }
}

#[test]
fn each_relay_has_its_own_policy_key_and_challenge() {
    let mut b = Bench::new(Config { identity: None, ..config(AuthPolicy::Never) });
    let other = Keys::from_entropy([8; 32]).unwrap().public_key();
    let options = |auth, identity: PublicKey| RelayOptions {
        auth: Some(auth),
        identity: Some(identity),
        auth_at_once: true,
        ..RelayOptions::default()
    };
    let me = keys().public_key();
    for (n, options) in
        [options(AuthPolicy::Always, me), options(AuthPolicy::Always, other), options(AuthPolicy::Never, me)]
            .into_iter()
            .enumerate()
    {
        b.call(Call::AddRelay { url: url(n), options }).unwrap();
    }
    b.call(Call::Connect { which: Which::All }).unwrap();
    let sockets: Vec<_> = (0..3).map(|n| b.open(n)).collect();
    for (n, socket) in sockets.into_iter().enumerate() {
        b.text(socket, &format!("[\"AUTH\",\"challenge {n}\"]"));
    }
    let orders = b.orders();
    assert_eq!(orders.len(), 2);
    for (n, who) in [(0, me), (1, other)] {
        let (_, relay, event) = &orders[n];
        assert_eq!((relay, event.pubkey()), (&url(n), who));
        assert_eq!(event.tags().value_of("relay"), Some(url(n).as_str()));
        assert_eq!(event.tags().value_of("challenge"), Some(&*format!("challenge {n}")));
    }
}

#[test]
fn calls_say_what_is_wrong() {
    let (mut b, socket) =
        Bench::connected(Config { identity: None, ..config(AuthPolicy::Never) }, RelayOptions::default());
    let (me, other) = (keys().public_key(), Keys::from_entropy([8; 32]).unwrap().public_key());
    let as_whom = |identity| Call::Authenticate { url: url(0), identity };
    assert_eq!(b.call(as_whom(None)), Err(CallError::NoIdentity));
    let unknown = Call::Authenticate { url: url(5), identity: Some(me) };
    assert_eq!(b.call(unknown), Err(CallError::UnknownRelay(url(5))));
    assert_eq!(b.call(Call::DenyAuth { url: url(5) }), Err(CallError::UnknownRelay(url(5))));
    b.text(socket, "[\"AUTH\",\"c\"]");
    b.call(as_whom(Some(me))).unwrap();
    let under_way = CallError::AuthUnderWay { relay: url(0), identity: me };
    assert_eq!(b.call(as_whom(Some(other))), Err(under_way));
    let id = b.sign();
    b.ok(socket, id, true, "");
    let linked = CallError::LinkedIdentities { relay: url(0), seen: me };
    assert_eq!(b.call(as_whom(Some(other))), Err(linked));
    assert_eq!(b.call(as_whom(Some(me))), Ok(Reply::Done), "it is that already");
    assert!(b.orders().is_empty());
}

#[test]
fn a_key_that_is_taken_back_is_shown_to_nobody() {
    let other = Keys::from_entropy([8; 32]).unwrap();
    for signed in [false, true] {
        // The socket takes nothing more, so that what is signed waits.
        let config = Config { send_credits: 1, ..config(AuthPolicy::Always) };
        let (mut b, socket) = Bench::connected(config, RelayOptions { auth_at_once: true, ..private() });
        b.text(socket, "[\"AUTH\",\"c\"]");
        let (ticket, _, event) = b.orders().pop().unwrap();
        assert_eq!(event.pubkey(), keys().public_key());
        if signed {
            b.core
                .handle_call(
                    Call::Publish(Publish {
                        event: note("in the way"),
                        target: Target::Relays(vec![url(0)]),
                        quorum: Quorum::All,
                        deadline: None,
                        link: None,
                    }),
                    b.now,
                )
                .unwrap();
            b.core.handle_input(Input::Signed { ticket, outcome: Ok(event.sign(&keys(), [0; 32])) }, b.now);
            while let Some(command) = b.core.poll_command() {
                if let Command::Verify { ticket, event } = command {
                    let outcome = nostr_proto::verify(&event);
                    b.core.handle_input(Input::Verified { ticket, outcome }, b.now);
                }
            }
            assert!(matches!(b.auth(), AuthState::Signing { .. }));
        }
        let identity = Some(other.public_key());
        b.core
            .handle_call(Call::AddRelay { url: url(0), options: RelayOptions { identity, ..private() } }, b.now)
            .unwrap();
        b.input(Input::Sent { socket });
        b.input(Input::Signed { ticket, outcome: Ok(event.sign(&keys(), [0; 32])) });
        assert!(b.sent().iter().all(|frame| !frame.contains("AUTH")), "it would show the first key");
        let (ticket, _, event) = b.orders().pop().expect("the other one is asked");
        assert_eq!(event.pubkey(), other.public_key());
        b.input(Input::Signed { ticket, outcome: Ok(event.sign(&other, [0; 32])) });
        assert_eq!(b.sent().iter().filter(|frame| frame.contains("AUTH")).count(), 1);
    }
}
