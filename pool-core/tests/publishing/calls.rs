//! What calls answer: what comes back to who publishes it, and which date is the next.

use nostr_pool_core::*;
use nostr_proto::{Event, EventTemplate, Kind, Timestamp};

use super::world::*;

#[test]
fn an_event_too_large_or_expired_comes_back() {
    let mut w = World::with(1, &Config { max_event_bytes: 600, ..Config::default() });
    let publish = |event: &Event| {
        Call::Publish(Publish {
            event: event.clone(),
            target: Target::All,
            quorum: Quorum::All,
            deadline: None,
            link: None,
        })
    };
    let large = note("x".repeat(600));
    assert_eq!(w.call(publish(&large)), Err(CallError::EventTooLarge(large)));
    let large = unsigned("x".repeat(600));
    assert_eq!(w.publish_unsigned(&large, None), Err(CallError::UnsignedTooLarge(large)));
    let brief = |secs| EventTemplate::text_note("x", Timestamp::new(EPOCH)).expires_at(Timestamp::new(EPOCH + secs));
    let (old, new) = (brief(0).unsigned(keys().public_key()), brief(1).unsigned(keys().public_key()));
    assert_eq!(w.publish_unsigned(&old, None), Err(CallError::UnsignedExpired(old.clone())));
    let signed = old.sign(&keys(), [0; 32]);
    assert_eq!(w.call(publish(&signed)), Err(CallError::Expired(signed)));
    let signed = new.sign(&keys(), [0; 32]);
    let p = id(w.call(publish(&signed)).unwrap());
    w.pass(1_000);
    assert_eq!(w.status(p, 0), PublishStatus::InFlight);
    w.end(0, reset());
    assert_eq!(w.status(p, 0), PublishStatus::Unknown(UnknownCause::Expired));
    assert_eq!(w.sent(0).len(), 1);
    let again = w.call(Call::Retry { event: signed.id(), deadline: None });
    assert_eq!(again, Err(CallError::Expired(signed)));
}

#[test]
fn errors_about_other_arguments_change_nothing() {
    let mut w = World::with(1, &Config { max_relays: 1, ..Config::default() });
    let publish =
        |target, quorum| Call::Publish(Publish { event: note("x"), target, quorum, deadline: None, link: None });
    assert_eq!(w.call(publish(Target::Relays(vec![]), Quorum::All)), Err(CallError::NoRelays));
    assert_eq!(w.call(publish(Target::Relays(vec![url(1)]), Quorum::All)), Err(CallError::TooManyRelays(1)));
    let impossible = CallError::ImpossibleQuorum { needed: 2, relays: 1 };
    assert_eq!(w.call(publish(Target::All, Quorum::AtLeast(2))), Err(impossible));
    assert!(w.core.unfinished().is_empty());
}

#[test]
fn a_relay_that_was_taken_in_for_a_call_that_fails_goes_again() {
    let mut w = World::with(0, &Config::default());
    let target = Target::Relays(vec![url(7)]);
    let call = Publish { event: note("x"), target, quorum: Quorum::AtLeast(2), deadline: None, link: None };
    assert!(matches!(w.call(Call::Publish(call)), Err(CallError::ImpossibleQuorum { .. })));
    assert_eq!(w.core.relay(&url(7)), None);
}

#[test]
fn the_next_version_minds_the_kind_the_d_and_what_lies_far_ahead() {
    let mut w = World::with(1, &Config::default());
    let of = |kind: u16, d: &str, ahead: u64| {
        let template = EventTemplate::new(Kind::new(kind), "x", Timestamp::new(EPOCH + ahead)).tag(["d", d]);
        keys().sign(&template, [0; 32])
    };
    for event in [of(30_000, "a", 100), of(30_000, "far", 100_000), of(10_000, "a", 200), of(1, "a", 300)] {
        w.publish(&event, Quorum::All);
    }
    let cases = [(30_000, "a", 101), (30_000, "b", 0), (30_000, "far", 0), (10_000, "b", 201), (1, "a", 0)];
    for (kind, d, ahead) in cases {
        let next = w.core.next_created_at(Kind::new(kind), keys().public_key(), d, w.now());
        assert_eq!(next.as_secs(), EPOCH + ahead, "{kind}, {d}");
    }
}
