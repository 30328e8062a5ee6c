//! Each fault, alone.

use crate::support::{NOW, contents, hear, note, publish, say, say_at, signed, value, verbs};
use nostr_model_relay::{Config, ConnId, Fault, FaultPlan, MAX_OVERSIZE_BYTES, Relay};
use nostr_proto::{Event, verify_event};
use serde_json::{Value, json};

/// A relay with three events, `"1"` to `"3"`, and this fault.
fn faulty(fault: Fault) -> (Relay, ConnId) {
    let mut relay = Relay::new(Config::default());
    for second in 1..=3 {
        relay.store(note(1, second, &second.to_string()));
    }
    relay.set_faults(fault);
    let conn = relay.connect();
    (relay, conn)
}

fn req(relay: &mut Relay, conn: ConnId) -> Vec<Value> {
    say(relay, conn, &json!(["REQ", "s", {"kinds": [1]}]))
}

fn is_genuine(frame: &Value) -> bool {
    Event::from_json(&frame[2].to_string()).is_ok_and(|event| verify_event(event).is_ok())
}

#[test]
fn never_eose() {
    let (mut relay, conn) = faulty(Fault::NeverEose);
    assert_eq!(verbs(&req(&mut relay, conn)), ["EVENT"; 3]);
    assert_eq!(relay.open_subscriptions(), 1);
}

#[test]
fn eose_twice() {
    let (mut relay, conn) = faulty(Fault::EoseTwice);
    assert_eq!(verbs(&req(&mut relay, conn)), ["EVENT", "EVENT", "EVENT", "EOSE", "EOSE"]);
}

#[test]
fn no_eose_for_limit_zero() {
    let (mut relay, conn) = faulty(Fault::NoEoseForLimitZero);
    assert!(say(&mut relay, conn, &json!(["REQ", "s", {"limit": 0}, {"limit": 0}])).is_empty());
    let frames = say(&mut relay, conn, &json!(["REQ", "s", {"limit": 0}, {"limit": 1}]));
    assert_eq!(verbs(&frames), ["EVENT", "EOSE"]);
}

#[test]
fn never_ok() {
    let (mut relay, conn) = faulty(Fault::NeverOk);
    let event = note(1, 9, "new");
    assert!(say(&mut relay, conn, &publish(&event)).is_empty());
    assert!(relay.contains(&event.id()));
}

#[test]
fn ok_false() {
    let (mut relay, conn) = faulty(Fault::OkFalse { reason: "blocked: not you".to_owned() });
    let event = note(1, 9, "new");
    let frames = say(&mut relay, conn, &publish(&event));
    assert_eq!(frames, [json!(["OK", event.id().to_string(), false, "blocked: not you"])]);
    assert!(!relay.contains(&event.id()));
}

#[test]
fn duplicate_ok_and_empty_id() {
    let (mut relay, conn) = faulty(Fault::DuplicateOk);
    let frames = say(&mut relay, conn, &publish(&note(1, 9, "new")));
    assert_eq!(frames.len(), 2);
    assert_eq!(frames[0], frames[1]);
    relay.set_faults(Fault::EmptyOkId);
    assert_eq!(say(&mut relay, conn, &publish(&note(1, 10, "new"))), [json!(["OK", "", true, ""])]);
}

#[test]
fn lost_events() {
    let (mut relay, conn) = faulty(Fault::LoseEvents { every: 2 });
    for (second, is_held) in [(10, true), (11, false), (12, true), (13, false)] {
        let event = note(1, second, "new");
        assert_eq!(say(&mut relay, conn, &publish(&event))[0][2], true);
        assert_eq!(relay.contains(&event.id()), is_held, "{second}");
    }
}

#[test]
fn refused_requests() {
    let (mut relay, conn) = faulty(Fault::RefuseReq { reason: "restricted: no".to_owned() });
    assert_eq!(req(&mut relay, conn), [json!(["CLOSED", "s", "restricted: no"])]);
    assert_eq!(say(&mut relay, conn, &json!(["COUNT", "c", {}])), [json!(["CLOSED", "c", "restricted: no"])]);
}

#[test]
fn closed_instead_of_eose() {
    let (mut relay, conn) = faulty(Fault::ClosedInsteadOfEose { reason: "error: shutting down".to_owned() });
    let frames = req(&mut relay, conn);
    assert_eq!(verbs(&frames), ["EVENT", "EVENT", "EVENT", "CLOSED"]);
    assert_eq!(frames[3], json!(["CLOSED", "s", "error: shutting down"]));
    relay.store(note(1, 9, "new"));
    assert!(hear(&mut relay, conn).is_empty());
}

#[test]
fn notice_instead_of_closed() {
    let plan = FaultPlan::new()
        .with(Fault::NoticeInsteadOfClosed)
        .with(Fault::RefuseReq { reason: "error: too many requests".to_owned() });
    let mut relay = Relay::new(Config::default());
    relay.set_faults(plan);
    let conn = relay.connect();
    assert_eq!(req(&mut relay, conn), [json!(["NOTICE", "error: too many requests"])]);
}

#[test]
fn notice_names_what_is_closed() {
    let plan = FaultPlan::new()
        .with(Fault::NoticeNamesClosed)
        .with(Fault::RefuseReq { reason: "error: too many requests".to_owned() });
    let mut relay = Relay::new(Config::default());
    relay.set_faults(plan);
    let conn = relay.connect();
    assert_eq!(req(&mut relay, conn), [json!(["NOTICE", "error: too many requests (s)"])]);
}

#[test]
fn unstable_cap() {
    let mut relay = Relay::new(Config { max_limit: 9, eose_hints: true, ..Config::default() });
    for second in 1..=20 {
        relay.store(note(1, second, &second.to_string()));
    }
    relay.set_faults(Fault::UnstableCap { fewest: 3 });
    let conn = relay.connect();
    let mut answers = || req(&mut relay, conn);
    let counts: Vec<usize> = (0..8).map(|_| contents(&answers()).len()).collect();
    assert_eq!(counts, [6, 4, 3, 9, 6, 4, 3, 9]);
    let frames = answers();
    assert_eq!(contents(&frames), ["20", "19", "18", "17", "16", "15"], "the newest");
    assert_eq!(frames.last(), Some(&json!(["EOSE", "s", ["more"]])));
    relay.set_faults(Fault::UnstableCap { fewest: 0 });
    assert_eq!(contents(&say(&mut relay, conn, &json!(["REQ", "s", {"since": 20}]))), ["20"], "one at least");
}

#[test]
fn oldest_first_keeps_the_oldest() {
    let mut relay = Relay::new(Config { max_limit: 2, ..Config::default() });
    for second in 1..=3 {
        relay.store(note(1, second, &second.to_string()));
    }
    relay.set_faults(Fault::OldestFirst);
    let conn = relay.connect();
    assert_eq!(contents(&req(&mut relay, conn)), ["1", "2"]);
    assert_eq!(contents(&say(&mut relay, conn, &json!(["REQ", "s", {"limit": 1}]))), ["1"]);
}

#[test]
fn close_answered_or_ignored() {
    let (mut relay, conn) = faulty(Fault::AnswerClose);
    req(&mut relay, conn);
    assert_eq!(say(&mut relay, conn, &json!(["CLOSE", "s"])), [json!(["CLOSED", "s", ""])]);
    assert!(say(&mut relay, conn, &json!(["CLOSE", "s"])).is_empty());
    relay.set_faults(Fault::IgnoreClose);
    req(&mut relay, conn);
    say(&mut relay, conn, &json!(["CLOSE", "s"]));
    relay.store(note(1, 9, "new"));
    assert_eq!(contents(&hear(&mut relay, conn)), ["new"]);
}

#[test]
fn bare_count() {
    let (mut relay, conn) = faulty(Fault::BareCount);
    assert_eq!(say(&mut relay, conn, &json!(["COUNT", "c", {}])), [json!(["COUNT", "c", 3])]);
}

#[test]
fn rate_limit() {
    let (mut relay, conn) = faulty(Fault::RateLimit { messages: 2, window_secs: 60 });
    assert_eq!(req(&mut relay, conn).len(), 4);
    assert_eq!(say(&mut relay, conn, &publish(&note(1, 9, "a")))[0][2], true);
    hear(&mut relay, conn);
    let refused = say(&mut relay, conn, &publish(&note(1, 10, "b")));
    assert_eq!(refused[0][3], "rate-limited: slow down");
    assert_eq!(req(&mut relay, conn), [json!(["CLOSED", "s", "rate-limited: slow down"])]);
    // Another connection has a budget of its own, and time heals.
    let other = relay.connect();
    assert_eq!(verbs(&req(&mut relay, other)).last(), Some(&"EOSE"));
    let later = NOW.saturating_add(60);
    assert_eq!(say_at(&mut relay, conn, &publish(&note(1, 10, "b")), later)[0][2], true);
}

fn authentication(relay_url: &str, challenge: &str, created_at: u64) -> Value {
    let event = signed(7, 22_242, created_at, "", &[&["relay", relay_url], &["challenge", challenge]]);
    json!(["AUTH", value(&event)])
}

#[test]
fn authentication_required_from_the_start() {
    let (mut relay, conn) = faulty(Fault::AuthRequired { reads: true, writes: true, challenge_on_connect: true });
    relay.set_url("wss://relay.example.com");
    let greeting = hear(&mut relay, conn);
    assert_eq!(verbs(&greeting), ["AUTH"]);
    let challenge = greeting[0][1].as_str().unwrap();
    assert_eq!(req(&mut relay, conn), [json!(["CLOSED", "s", "auth-required: authenticate first"])]);
    let refused = say(&mut relay, conn, &publish(&note(1, 9, "x")));
    assert_eq!((&refused[0][2], &refused[0][3]), (&json!(false), &json!("auth-required: authenticate first")));
    let now = NOW.as_secs();
    for (wrong, why) in [
        (authentication("wss://relay.example.com", "another", now), "challenge"),
        (authentication("wss://another.example.com", challenge, now), "another relay"),
        (authentication("wss://relay.example.com", challenge, now - 601), "not from now"),
        (json!(["AUTH", value(&note(7, now, "x"))]), "22242"),
    ] {
        let answer = say(&mut relay, conn, &wrong);
        assert_eq!(answer[0][2], false);
        assert!(answer[0][3].as_str().unwrap().contains(why), "{why}: {}", answer[0]);
    }
    assert_eq!(req(&mut relay, conn).len(), 1);
    let answer = say(&mut relay, conn, &authentication("wss://Relay.example.com/", challenge, now));
    assert_eq!(answer[0][2], true);
    assert_eq!(req(&mut relay, conn).len(), 4);
    assert_eq!(say(&mut relay, conn, &publish(&note(1, 9, "x")))[0][2], true);
}

#[test]
fn authentication_required_on_refusal_and_never_answered() {
    let mut relay = Relay::new(Config::default());
    let auth = Fault::AuthRequired { reads: true, writes: false, challenge_on_connect: false };
    relay.set_faults(FaultPlan::new().with(auth).with(Fault::NeverOkAuth));
    let conn = relay.connect();
    assert_eq!(say(&mut relay, conn, &publish(&note(1, 9, "x")))[0][2], true);
    let frames = req(&mut relay, conn);
    assert_eq!(verbs(&frames), ["AUTH", "CLOSED"]);
    let challenge = frames[0][1].as_str().unwrap();
    let authenticate = authentication("wss://any.example.com", challenge, NOW.as_secs());
    assert!(say(&mut relay, conn, &authenticate).is_empty());
    assert_eq!(verbs(&req(&mut relay, conn)), ["EVENT", "EOSE"]);
    // Each connection authenticates for itself.
    let other = relay.connect();
    assert_eq!(verbs(&req(&mut relay, other)), ["AUTH", "CLOSED"]);
}

#[test]
fn authentication_without_a_challenge_is_refused() {
    let mut relay = Relay::new(Config::default());
    let conn = relay.connect();
    let answer = say(&mut relay, conn, &authentication("wss://any.example.com", "x", NOW.as_secs()));
    assert_eq!(answer[0][3], "invalid: no challenge was sent");
}

#[test]
fn forged_signature() {
    let (mut relay, conn) = faulty(Fault::ForgeSignature { every: 2 });
    let frames = req(&mut relay, conn);
    let genuine: Vec<bool> = frames[..3].iter().map(is_genuine).collect();
    assert_eq!(genuine, [true, false, true]);
    let held = relay.events().nth(1).map(value).unwrap();
    let (sent, held) = (frames[1][2]["sig"].as_str().unwrap(), held["sig"].as_str().unwrap());
    assert_eq!((sent.len(), &sent[..126]), (128, &held[..126]));
    assert_ne!(sent, held);
}

#[test]
fn forged_content() {
    let (mut relay, conn) = faulty(Fault::ForgeContent { every: 3 });
    let frames = req(&mut relay, conn);
    assert_eq!(contents(&frames), ["3", "2", "1 (forged)"]);
    assert_eq!(frames[2][2]["id"], relay.events().nth(2).unwrap().id().to_string());
    assert!(!is_genuine(&frames[2]));
}

#[test]
fn duplicate_events() {
    let (mut relay, conn) = faulty(Fault::DuplicateEvents { copies: 2 });
    assert_eq!(contents(&req(&mut relay, conn)), ["3", "3", "3", "2", "2", "2", "1", "1", "1"]);
    relay.store(note(1, 9, "new"));
    assert_eq!(contents(&hear(&mut relay, conn)), ["new"; 3]);
}

#[test]
fn unmatched_events() {
    let (mut relay, conn) = faulty(Fault::UnmatchedEvents { per_req: 1, live: true });
    relay.store(signed(1, 7, 5, "like", &[]));
    relay.store(signed(1, 7, 6, "another like", &[]));
    let frames = req(&mut relay, conn);
    assert_eq!(contents(&frames), ["another like", "3", "2", "1"]);
    assert!(frames[..4].iter().all(is_genuine));
    relay.store(signed(1, 7, 7, "live like", &[]));
    assert_eq!(contents(&hear(&mut relay, conn)), ["live like"]);
}

#[test]
fn ignored_limit_and_wrong_order() {
    let (mut relay, conn) = faulty(Fault::IgnoreLimit);
    assert_eq!(contents(&say(&mut relay, conn, &json!(["REQ", "s", {"limit": 1}]))), ["3", "2", "1"]);
    relay.set_faults(Fault::OldestFirst);
    assert_eq!(contents(&say(&mut relay, conn, &json!(["REQ", "s", {"limit": 2}]))), ["1", "2"]);
}

#[test]
fn garbage() {
    let (mut relay, conn) = faulty(Fault::Garbage { every: 2 });
    let frames = req(&mut relay, conn);
    assert_eq!(frames.len(), 6);
    assert_eq!((verbs(&frames)[0], verbs(&frames)[1]), ("EVENT", "EVENT"));
    assert_eq!((verbs(&frames)[3], verbs(&frames)[4]), ("EVENT", "EOSE"));
}

#[test]
fn oversize_event() {
    let (mut relay, conn) = faulty(Fault::OversizeEvent { bytes: 2_000_000 });
    let frames = req(&mut relay, conn);
    assert_eq!(frames.len(), 5);
    assert_eq!(contents(&frames)[0].len(), 2_000_000);
    let empty = say(&mut relay, conn, &json!(["REQ", "s", {"kinds": [9]}]));
    assert_eq!(contents(&empty)[0].len(), 2_000_000);
    relay.set_faults(Fault::OversizeEvent { bytes: usize::MAX });
    assert_eq!(contents(&req(&mut relay, conn))[0].len(), MAX_OVERSIZE_BYTES);
}

#[test]
fn disconnect_after_frames() {
    let (mut relay, conn) = faulty(Fault::DisconnectAfter { frames: 2, code: 1001, reason: "bye".to_owned() });
    let frames = req(&mut relay, conn);
    assert_eq!(verbs(&frames), ["EVENT", "EVENT", "end"]);
    assert_eq!(frames[2], json!(["end", 1001, "bye"]));
    assert!(!relay.is_open(conn));
    assert_eq!(relay.stats().connections, 0);
}

#[test]
fn an_empty_plan_heals() {
    let (mut relay, conn) = faulty(Fault::NeverEose);
    req(&mut relay, conn);
    relay.set_faults(FaultPlan::new());
    assert_eq!(verbs(&req(&mut relay, conn)).last(), Some(&"EOSE"));
}

#[test]
fn counting_goes_wrong_in_every_way() {
    let count = json!(["COUNT", "c", {}]);
    let said = |fault: Fault| {
        let (mut relay, conn) = faulty(fault);
        say(&mut relay, conn, &count)
    };
    assert_eq!(said(Fault::ApproximateCount), [json!(["COUNT", "c", {"count": 3, "approximate": true}])]);
    assert_eq!(said(Fault::IgnoreCount), [] as [Value; 0]);
    let refusal = Fault::RefuseCount { reason: "unsupported: no".to_owned() };
    assert_eq!(said(refusal), [json!(["CLOSED", "c", "unsupported: no"])]);
    let notice = Fault::NoticeOnCount { text: "unknown verb COUNT".to_owned() };
    assert_eq!(said(notice), [json!(["NOTICE", "unknown verb COUNT"])]);

    let (mut relay, conn) = faulty(Fault::NonsenseCount);
    for _ in 0..5 {
        let answer = say(&mut relay, conn, &count);
        assert!(nostr_proto::RelayMessage::parse(&answer[0].to_string()).is_err(), "{answer:?}");
    }
    let (mut relay, conn) = faulty(Fault::CloseOnCount { code: 1008, reason: "what?".to_owned() });
    assert_eq!(say(&mut relay, conn, &count), [json!(["end", 1008, "what?"])]);
}
