//! Habits that were seen of deployed relays, each alone.

use crate::support::{NOW, contents, hear, keys, note, publish, say, say_at, signed, value, verbs};
use nostr_model_relay::{Config, ConnId, Fault, FaultPlan, Relay};
use nostr_proto::EventTemplate;
use nostr_proto::RelayUrl;
use serde_json::json;

/// A relay with this fault and three events, `"1"` to `"3"`.
fn faulty(fault: impl Into<FaultPlan>) -> (Relay, ConnId) {
    let mut relay = Relay::new(Config::default());
    for second in 1..=3 {
        relay.store(note(1, second, &second.to_string()));
    }
    relay.set_faults(fault);
    let conn = relay.connect();
    (relay, conn)
}

#[test]
fn a_refusal_names_no_event() {
    let (mut relay, conn) = faulty(Fault::EmptyRefusedOkId);
    let event = note(1, 9, "new");
    let mut forged = value(&event);
    forged["content"] = json!("old");
    let refused = say(&mut relay, conn, &json!(["EVENT", forged]));
    assert_eq!((&refused[0][1], &refused[0][2]), (&json!(""), &json!(false)));
    assert_eq!(say(&mut relay, conn, &publish(&event)), [json!(["OK", event.id().to_string(), true, ""])]);
}

#[test]
fn a_duplicate_is_refused() {
    let (mut relay, conn) = faulty(Fault::DuplicateFalse);
    let event = note(1, 9, "new");
    assert_eq!(say(&mut relay, conn, &publish(&event))[0][2], true);
    let again = say(&mut relay, conn, &publish(&event));
    let expected = json!(["OK", event.id().to_string(), false, "duplicate: already have this event"]);
    assert_eq!(again, [expected]);
    assert_eq!(relay.stats().duplicates, 1);
}

#[test]
fn reasons_come_without_their_prefix() {
    let mut relay = Relay::new(Config { max_subscriptions_per_connection: 1, ..Config::default() });
    relay.set_faults(Fault::NoPrefix);
    let conn = relay.connect();
    say(&mut relay, conn, &json!(["REQ", "a", {}]));
    let refused = say(&mut relay, conn, &json!(["REQ", "b", {}]));
    assert_eq!(refused, [json!(["CLOSED", "b", "too many open subscriptions"])]);
    let event = note(1, 9, "new");
    assert_eq!(say(&mut relay, conn, &publish(&event))[0][3], "");
    assert_eq!(say(&mut relay, conn, &publish(&event))[0][3], "already have this event");
}

#[test]
fn events_cross_a_late_close() {
    let (mut relay, conn) = faulty(FaultPlan::new().with(Fault::CloseLate { secs: 5 }).with(Fault::AnswerClose));
    say(&mut relay, conn, &json!(["REQ", "a", {}]));
    say(&mut relay, conn, &json!(["REQ", "b", {"kinds": [7]}]));
    assert!(say(&mut relay, conn, &json!(["CLOSE", "a"])).is_empty());
    assert!(say(&mut relay, conn, &json!(["CLOSE", "b"])).is_empty());
    relay.store(note(1, 9, "crossing"));
    assert_eq!(contents(&hear(&mut relay, conn)), ["crossing"]);
    // Another takes the place of the one that was closed, and is not.
    say(&mut relay, conn, &json!(["REQ", "b", {"kinds": [7]}]));
    assert_eq!(relay.next_wake(), Some(NOW.saturating_add(5)));
    relay.wake(NOW.saturating_add(4));
    assert_eq!(relay.open_subscriptions(), 2);
    relay.wake(NOW.saturating_add(5));
    assert_eq!(hear(&mut relay, conn), [json!(["CLOSED", "a", ""])]);
    assert_eq!((relay.open_subscriptions(), relay.next_wake()), (1, None));
    relay.store(note(1, 10, "after"));
    assert!(hear(&mut relay, conn).is_empty());
}

#[test]
fn a_late_close_goes_with_its_connection() {
    let (mut relay, conn) = faulty(Fault::CloseLate { secs: 5 });
    say(&mut relay, conn, &json!(["REQ", "a", {}]));
    say(&mut relay, conn, &json!(["CLOSE", "a"]));
    say(&mut relay, conn, &json!(["CLOSE", "never opened"]));
    relay.disconnect(conn);
    assert_eq!(relay.next_wake(), None);
}

#[test]
fn what_it_does_not_know_ends_the_connection() {
    let unknown = || Fault::CloseOnUnknown { code: 1002, reason: "what?".to_owned() };
    let keys = keys(1);
    let auth = EventTemplate::auth(&RelayUrl::parse("wss://r.example.com").unwrap(), "x", NOW);
    let auth = json!(["AUTH", value(&auth.unsigned(keys.public_key()).sign(&keys, [0; 32]))]);
    for odd in [json!(["HELLO"]), json!({}), json!("x"), json!(["COUNT", "c", {}]), auth.clone()] {
        let (mut relay, conn) = faulty(unknown());
        assert_eq!(say(&mut relay, conn, &odd), [json!(["end", 1002, "what?"])], "{odd}");
        assert!(!relay.is_open(conn));
    }
    let (mut relay, conn) = faulty(unknown());
    assert_eq!(verbs(&say(&mut relay, conn, &json!(["REQ", "s", {"limit": 1}]))), ["EVENT", "EOSE"]);
    assert!(say(&mut relay, conn, &json!(["CLOSE", "s"])).is_empty());
    assert_eq!(verbs(&say(&mut relay, conn, &publish(&note(1, 9, "new")))), ["OK"]);
    // One that asks for an AUTH knows what it is.
    let asks = Fault::AuthRequired { reads: true, writes: true, challenge_on_connect: true };
    let (mut relay, conn) = faulty(FaultPlan::new().with(unknown()).with(asks));
    assert_eq!(verbs(&say(&mut relay, conn, &auth)), ["AUTH", "OK"]);
}

#[test]
fn publishes_are_limited_and_requests_are_not() {
    let (mut relay, conn) = faulty(Fault::PublishLimit { events: 2, window_secs: 60 });
    let mut publish_at = |n: u64, secs: u64| {
        let event = signed(1, 1, 100 + n, "new", &[]);
        say_at(&mut relay, conn, &publish(&event), NOW.saturating_add(secs))[0].clone()
    };
    assert_eq!((&publish_at(1, 0)[2], &publish_at(2, 0)[2]), (&json!(true), &json!(true)));
    let refused = publish_at(3, 59);
    assert_eq!((&refused[2], &refused[3]), (&json!(false), &json!("rate-limited: slow down")));
    assert_eq!(publish_at(3, 60)[2], true);
    for n in 0..10 {
        assert_eq!(say(&mut relay, conn, &json!(["REQ", n.to_string(), {"limit": 1}])).len(), 2);
    }
    let other = relay.connect();
    assert_eq!(say(&mut relay, other, &publish(&note(2, 1, "x")))[0][2], true, "each connection has its own");
}

#[test]
fn answers_come_from_a_cache() {
    let (mut relay, conn) = faulty(Fault::StaleAnswers { secs: 10 });
    let req = |id: &str, filter: serde_json::Value| json!(["REQ", id, filter]);
    assert_eq!(say(&mut relay, conn, &req("a", json!({"kinds": [1]}))).len(), 4);
    relay.store(note(1, 9, "new"));
    assert_eq!(contents(&hear(&mut relay, conn)), ["new"], "it is pushed");
    assert_eq!(say(&mut relay, conn, &req("b", json!({"kinds": [1]}))).len(), 4, "and not in an old answer");
    assert_eq!(say(&mut relay, conn, &req("c", json!({"kinds": [1], "since": 0}))).len(), 5, "other filters");
    let later = |relay: &mut Relay, secs: u64| {
        say_at(relay, conn, &req("d", json!({"kinds": [1]})), NOW.saturating_add(secs)).len()
    };
    assert_eq!(later(&mut relay, 9), 4);
    assert_eq!(later(&mut relay, 10), 5);
    relay.store(note(1, 10, "newer"));
    hear(&mut relay, conn);
    relay.set_faults(FaultPlan::new());
    assert_eq!(later(&mut relay, 10), 6, "an honest relay has no cache");
}

#[test]
fn until_may_be_the_first_second_that_is_not_wanted() {
    let (mut relay, conn) = faulty(Fault::ExclusiveUntil);
    let mut ask = |until: u64| {
        let frames = say(&mut relay, conn, &json!(["REQ", "s", {"kinds": [1], "until": until}]));
        contents(&frames).join(" ")
    };
    assert_eq!((ask(4).as_str(), ask(3).as_str(), ask(1).as_str(), ask(0).as_str()), ("3 2 1", "2 1", "", ""));
    say(&mut relay, conn, &json!(["REQ", "s", {"kinds": [1], "until": 9}]));
    relay.store(note(1, 9, "on the bound"));
    relay.store(note(1, 8, "before it"));
    assert_eq!(contents(&hear(&mut relay, conn)), ["before it"]);
    let counted = say(&mut relay, conn, &json!(["COUNT", "c", {"kinds": [1], "until": 3}]));
    assert_eq!(counted[0][2]["count"], 2);
}

#[test]
fn nothing_is_said_of_an_ephemeral_event() {
    let (mut relay, conn) = faulty(Fault::NeverOkEphemeral);
    say(&mut relay, conn, &json!(["REQ", "s", {"kinds": [1, 20_001]}]));
    assert_eq!(verbs(&say(&mut relay, conn, &publish(&signed(1, 20_001, 9, "brief", &[])))), ["EVENT"]);
    assert_eq!(verbs(&say(&mut relay, conn, &publish(&note(1, 9, "new")))), ["OK", "EVENT"]);
}

#[test]
fn the_challenge_comes_behind_the_refusal() {
    let asks = Fault::AuthRequired { reads: true, writes: true, challenge_on_connect: false };
    let (mut relay, conn) = faulty(FaultPlan::new().with(Fault::ChallengeBehind).with(asks));
    assert_eq!(verbs(&say(&mut relay, conn, &json!(["REQ", "s", {}]))), ["CLOSED", "AUTH"]);
    assert_eq!(verbs(&say(&mut relay, conn, &publish(&note(1, 9, "new")))), ["OK"], "one is enough");
    let other = relay.connect();
    assert_eq!(verbs(&say(&mut relay, other, &publish(&note(1, 9, "new")))), ["OK", "AUTH"]);
}
