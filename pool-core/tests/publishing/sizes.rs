//! What is too large for a relay is not sent to it.

use nostr_pool_core::*;

use super::world::*;

#[test]
fn what_a_relay_does_not_take_is_not_sent_to_it() {
    let mut w = World::with(2, &Config::default());
    w.call(Call::RelayInfo { url: url(0), info: info(1_500) }).unwrap();
    let large = note("x".repeat(2_000));
    let bytes = large.size() + 10;
    let p = w.publish(&large, Quorum::All);
    assert_eq!(w.status(p, 0), PublishStatus::Rejected(Rejection::TooLarge { bytes, max: Some(1_500) }));
    assert_eq!(w.report(p).verdict, Some(Verdict::Failed));
    assert_eq!((w.sent(0), w.sent(1)), (vec![], vec![large.id()]));
    let small = note("x");
    w.publish(&small, Quorum::All);
    assert_eq!(w.sent(0), [small.id()]);
}

#[test]
fn a_message_of_the_very_length_is_taken_and_absurd_lengths_are_ignored() {
    let event = note("x".repeat(2_000));
    let exact = event.size() as u64 + 10;
    for (max, sent) in [(exact, true), (exact - 1, false), (1_024, false), (1_023, true), (1, true), (0, true)] {
        let mut w = World::with(1, &Config::default());
        w.call(Call::RelayInfo { url: url(0), info: info(max) }).unwrap();
        w.publish(&event, Quorum::All);
        assert_eq!(w.sent(0).len(), usize::from(sent), "{max}");
    }
    let mut w = World::with(1, &Config::default());
    let unknown = w.call(Call::RelayInfo { url: url(9), info: info(2_000) });
    assert_eq!(unknown, Err(CallError::UnknownRelay(url(9))));
}

#[test]
fn what_waits_is_rejected_when_the_document_comes_and_what_is_in_flight_is_not() {
    let mut w = World::with(2, &Config::default());
    w.call(Call::Disconnect { which: Which::One(url(0)), code: 1000, reason: String::new() }).unwrap();
    let p = w.publish(&note("x".repeat(2_000)), Quorum::All);
    for n in 0..2 {
        w.call(Call::RelayInfo { url: url(n), info: info(1_500) }).unwrap();
    }
    assert!(matches!(w.status(p, 0), PublishStatus::Rejected(Rejection::TooLarge { max: Some(1_500), .. })));
    assert_eq!(w.status(p, 1), PublishStatus::InFlight, "it has yet to say");
}

#[test]
fn what_is_known_to_be_too_long_is_not_sent_again() {
    let large = note("x".repeat(2_000));
    let too_large = |w: &World, p| matches!(w.status(p, 0), PublishStatus::Rejected(Rejection::TooLarge { .. }));
    // It is not answered in time.
    let mut w = World::with(1, &Config::default());
    let p = w.publish(&large, Quorum::All);
    w.take(0);
    w.call(Call::RelayInfo { url: url(0), info: info(1_500) }).unwrap();
    assert_eq!(w.sent(0).len(), 1);
    w.pass(11_000);
    assert!(w.sent(0).is_empty() && too_large(&w, p), "{:?}", w.status(p, 0));
    // The connection is lost.
    let mut w = World::with(1, &Config::default());
    let p = w.publish(&large, Quorum::All);
    w.call(Call::RelayInfo { url: url(0), info: info(1_500) }).unwrap();
    assert_eq!(w.sent(0).len(), 1);
    w.end(0, reset());
    assert!(w.sent(0).is_empty() && too_large(&w, p), "{:?}", w.status(p, 0));
    // The relay says to try again later.
    let mut w = World::with(1, &Config::default());
    let p = w.publish(&large, Quorum::All);
    w.call(Call::RelayInfo { url: url(0), info: info(1_500) }).unwrap();
    assert_eq!(w.sent(0).len(), 1);
    w.ok(0, large.id(), false, "error: busy");
    w.pass(10_000);
    assert!(w.sent(0).is_empty() && too_large(&w, p), "{:?}", w.status(p, 0));
}

#[test]
fn the_signer_is_not_asked_for_what_nobody_takes() {
    let mut w = World::with(1, &Config::default());
    w.call(Call::RelayInfo { url: url(0), info: info(1_500) }).unwrap();
    let p = w.publish_unsigned(&unsigned("x".repeat(2_000)), None).unwrap();
    assert_eq!(w.report(p).verdict, Some(Verdict::Failed));
    assert!(!w.commands.iter().any(|c| matches!(c, Command::Sign { .. })));
}

#[test]
fn a_connection_closed_for_size_speaks_against_the_largest() {
    let mut w = World::with(1, &Config::default());
    let (small, large) = (note("x"), note("x".repeat(2_000)));
    let (p, q) = (w.publish(&small, Quorum::All), w.publish(&large, Quorum::All));
    w.take(0);
    w.end(0, remote(1009));
    assert_eq!(w.status(q, 0), PublishStatus::Rejected(Rejection::TooLarge { bytes: large.size() + 10, max: None }));
    assert_eq!(w.status(p, 0), PublishStatus::InFlight);
    assert_eq!(w.sent(0), [small.id(), large.id(), small.id()]);
}

#[test]
fn an_event_of_the_very_size_is_taken() {
    let event = note("x".repeat(600));
    for (max_event_bytes, taken) in [(event.size(), true), (event.size() - 1, false)] {
        let mut w = World::with(1, &Config { max_event_bytes, ..Config::default() });
        let call =
            Publish { event: event.clone(), target: Target::All, quorum: Quorum::All, deadline: None, link: None };
        assert_eq!(w.call(Call::Publish(call)).is_ok(), taken);
    }
}
