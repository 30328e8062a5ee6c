//! Which relays an event goes to, how often, and when it is given up.

use std::time::Duration;

use nostr_pool_core::*;
use nostr_proto::{EventId, EventTemplate, Filter, Timestamp};

use super::world::*;

#[test]
fn a_relay_that_is_rate_limited_is_left_in_peace_however_late_it_says_so() {
    let config = Config { max_sends: 1, ..Config::default() };
    let (event, more) = (note("x"), ["a", "b"].map(note));
    let ways: [fn(&mut World, EventId); 3] = [
        |_, _| (),
        // It is given up already.
        |w, _| w.pass(11_000),
        // It was refused for another reason.
        |w, id| w.ok(0, id, false, "error: busy"),
    ];
    for before in ways {
        let mut w = World::with(1, &config);
        w.publish(&event, Quorum::All);
        w.take(0);
        before(&mut w, event.id());
        w.ok(0, event.id(), false, "rate-limited: slow down");
        w.sent(0);
        for event in &more {
            w.publish(event, Quorum::All);
        }
        assert_eq!(w.sent(0), []);
        w.pass(1_100);
        assert_eq!(w.sent(0), [more[0].id()], "one by one");
    }
}

#[test]
fn a_relay_that_is_added_later_gets_what_named_it_and_nothing_else() {
    let mut w = World::with(1, &Config::default());
    let (all, named) = (note("all"), note("named"));
    let p = w.publish(&all, Quorum::All);
    let target = Target::Relays(vec![url(1)]);
    let call = Publish { event: named.clone(), target, quorum: Quorum::All, deadline: None, link: None };
    let q = id(w.call(Call::Publish(call)).unwrap());
    w.call(Call::AddRelay { url: url(1), options: RelayOptions { pinned: true, ..RelayOptions::default() } }).unwrap();
    w.open(1);
    assert_eq!(w.sent(1), [named.id()]);
    w.ok(1, named.id(), true, "");
    assert_eq!(w.report(q).verdict, Some(Verdict::Reached));
    assert_eq!(w.report(p).relays.len(), 1);
}

#[test]
fn one_ok_answers_every_publish_of_the_event_that_was_sent() {
    let mut w = World::with(1, &Config::default());
    let event = note("x");
    let (p, q) = (w.publish(&event, Quorum::All), w.publish(&event, Quorum::First));
    w.ok(0, event.id(), false, "duplicate: have it");
    for publish in [p, q] {
        assert_eq!(w.report(publish).verdict, Some(Verdict::Reached));
        assert_eq!(w.status(publish, 0), PublishStatus::Accepted { duplicate: true });
    }
}

#[test]
fn what_is_not_answered_is_sent_again_and_what_is_refused_after_a_doubling_wait() {
    let config = Config { max_sends: 12, publish_lifetime: Duration::from_secs(10_000), ..Config::default() };
    let mut w = World::with(1, &config);
    let event = note("x");
    w.publish(&event, Quorum::All);
    assert_eq!(w.sent(0), [event.id()]);
    w.pass(9_999);
    assert!(w.sent(0).is_empty());
    w.pass(1);
    assert_eq!(w.sent(0), [event.id()], "the OK is overdue");
    // It was sent twice by now.
    for seconds in [2, 4, 8, 16, 32, 60, 60] {
        w.ok(0, event.id(), false, "error: busy");
        w.pass(seconds * 1_000 - 1);
        assert!(w.sent(0).is_empty(), "{seconds}");
        w.pass(1);
        assert_eq!(w.sent(0), [event.id()], "{seconds}");
    }
}

#[test]
fn what_waits_is_given_up_when_it_expires() {
    let config = Config { retry_base: Duration::from_secs(50), ..Config::default() };
    for refused in [true, false] {
        let mut w = World::with(1, &config);
        if !refused {
            w.call(Call::Disconnect { which: Which::One(url(0)), code: 1000, reason: String::new() }).unwrap();
        }
        let brief = EventTemplate::text_note("x", Timestamp::new(EPOCH)).expires_at(Timestamp::new(EPOCH + 5));
        let event = keys().sign(&brief, [0; 32]);
        let p = w.publish(&event, Quorum::All);
        if refused {
            w.ok(0, event.id(), false, "error: busy");
        }
        w.pass(4_999);
        assert_eq!(w.status(p, 0), PublishStatus::Queued);
        w.pass(1);
        assert_eq!(w.status(p, 0), PublishStatus::Unknown(UnknownCause::Expired));
    }
}

#[test]
fn delivery_goes_on_until_the_deadline_where_that_is_after_the_lifetime() {
    let mut w = World::with(1, &Config { publish_lifetime: Duration::from_secs(5), ..Config::default() });
    w.call(Call::Disconnect { which: Which::One(url(0)), code: 1000, reason: String::new() }).unwrap();
    let p = w.publish(&note("x"), Quorum::All);
    w.pass(29_999);
    assert_eq!((w.status(p, 0), w.report(p).verdict), (PublishStatus::Queued, None));
    w.pass(1);
    assert!(w.status(p, 0).is_final() && w.report(p).verdict == Some(Verdict::Indeterminate));
}

#[test]
fn pinned_relays_get_every_publish_and_may_be_all_there_is() {
    let mut w = World::with(0, &Config::default());
    let options = RelayOptions { write: false, pinned: true, ..RelayOptions::default() };
    w.call(Call::AddRelay { url: url(0), options }).unwrap();
    let p = w.publish(&note("x"), Quorum::All);
    assert_eq!(w.report(p).relays.len(), 1);
    w.open(0);
    assert_eq!(w.sent(0).len(), 1);
    w.call(Call::RemoveRelay { url: url(0) }).unwrap();
    w.call(Call::AddRelay { url: url(1), options: RelayOptions::default() }).unwrap();
    let q = w.publish(&note("y"), Quorum::All);
    assert_eq!(w.report(q).relays.iter().map(|(relay, _)| relay).collect::<Vec<_>>(), [&url(1)]);
}

#[test]
fn a_connection_for_a_publish_alone_goes_when_that_is_done() {
    let mut w = World::with(0, &Config::default());
    let event = note("x");
    let target = Target::Relays(vec![url(1), url(0)]);
    let call = Publish { event: event.clone(), target, quorum: Quorum::All, deadline: None, link: None };
    let p = id(w.call(Call::Publish(call)).unwrap());
    assert!(w.report(p).relays.is_sorted_by_key(|(relay, _)| relay.clone()));
    w.open(0);
    let socket = w.socket(0);
    w.text(0, &format!(r#"["OK","{}",true,""]"#, event.id()));
    w.pass(59_000);
    let closes = |w: &World| w.commands.iter().any(|c| matches!(c, Command::Close { socket: s, .. } if *s == socket));
    assert!(!closes(&w));
    w.pass(1_000);
    assert!(closes(&w));
    w.input(Input::Closed { socket, reason: CloseReason::Local });
    assert_eq!(w.core.relay(&url(0)), None);
}

#[test]
fn a_quorum_of_no_named_relays_takes_one_all_the_same() {
    let mut w = World::with(1, &Config::default());
    let event = note("x");
    let p = w.publish(&event, Quorum::Named(vec![]));
    assert_eq!(w.report(p).verdict, None);
    w.ok(0, event.id(), true, "");
    assert_eq!(w.report(p).verdict, Some(Verdict::Reached));
}

/// Whatever was under way: signing, checking a signature, a pace, an EVENT on trial, a relay that was named only.
#[test]
fn nothing_is_left_to_wait_for_after_the_end() {
    for end in [Call::StartClean, Call::Shutdown] {
        let mut w = World::with(2, &Config::default());
        w.subscribe();
        let event = note("x");
        w.publish(&event, Quorum::All);
        (0..2).for_each(|n| w.take(n));
        w.end(0, reset());
        w.ok(1, event.id(), false, "rate-limited: slow down");
        w.publish(&note("y"), Quorum::All);
        w.publish_unsigned(&unsigned("unsigned"), None).unwrap();
        w.publish_unsigned(&unsigned("unchecked"), None).unwrap();
        w.sign_only();
        let (filters, target) = (vec![Filter::new()], Target::Relays(vec![url(7)]));
        let mode = Mode::UntilEose;
        let versions = Versions::Latest;
        let named = Subscribe { filters, target, mode, versions, ..Subscribe::default() };
        w.call(Call::Subscribe(named)).unwrap();
        w.call(end).unwrap();
        assert!(w.core.unfinished().is_empty());
        for n in [0, 1, 7] {
            let socket = w.socket(n);
            w.input(Input::Closed { socket, reason: CloseReason::Local });
        }
        let told = w.events.len();
        w.pass(60_000);
        w.verify();
        w.pass(10_000_000);
        assert_eq!((w.core.poll_timeout(), w.core.relays().len()), (None, 2));
        assert_eq!(w.events.len(), told, "{:?}", &w.events[told..]);
    }
}
