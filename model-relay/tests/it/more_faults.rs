//! The rest of the faults, each alone: what comes late, what nobody asked for, what the relay makes up.

use crate::support::{NOW, contents, hear, keys, note, publish, say, say_at, signed, value, verbs};
use nostr_model_relay::{Config, ConnId, Fault, FaultPlan, Relay, Unsolicited};
use nostr_proto::{Event, verify_event};
use serde_json::{Value, json};
use std::collections::BTreeSet;

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
fn eose_early() {
    let (mut relay, conn) = faulty(Fault::EoseEarly { after: 0 });
    assert_eq!(verbs(&req(&mut relay, conn)), ["EOSE", "EVENT", "EVENT", "EVENT"]);
    relay.set_faults(Fault::EoseEarly { after: 2 });
    assert_eq!(verbs(&req(&mut relay, conn)), ["EVENT", "EVENT", "EOSE", "EVENT"]);
    for after in [3, 4, usize::MAX] {
        relay.set_faults(Fault::EoseEarly { after });
        assert_eq!(verbs(&req(&mut relay, conn)), ["EVENT", "EVENT", "EVENT", "EOSE"]);
    }
}

#[test]
fn eose_late_lets_live_events_overtake() {
    let (mut relay, conn) = faulty(Fault::EoseLate { secs: 5 });
    assert_eq!(relay.next_wake(), None);
    assert_eq!(verbs(&req(&mut relay, conn)), ["EVENT"; 3]);
    assert_eq!(relay.next_wake(), Some(NOW.saturating_add(5)));
    relay.store(note(1, 9, "live"));
    assert_eq!(contents(&hear(&mut relay, conn)), ["live"]);
    relay.wake(NOW.saturating_add(4));
    assert!(hear(&mut relay, conn).is_empty());
    relay.wake(NOW.saturating_add(5));
    assert_eq!(hear(&mut relay, conn), [json!(["EOSE", "s"])]);
    assert_eq!(relay.next_wake(), None);
}

#[test]
fn ok_late_comes_with_the_next_message_too() {
    let (mut relay, conn) = faulty(Fault::OkLate { secs: 60 });
    let event = note(1, 9, "new");
    assert!(say(&mut relay, conn, &publish(&event)).is_empty());
    assert!(relay.contains(&event.id()));
    relay.set_faults(FaultPlan::new());
    let later = say_at(&mut relay, conn, &json!(["CLOSE", "x"]), NOW.saturating_add(60));
    assert_eq!(later, [json!(["OK", event.id().to_string(), true, ""])]);
    // Whoever is gone gets nothing.
    relay.set_faults(Fault::OkLate { secs: 60 });
    say(&mut relay, conn, &publish(&note(1, 10, "newer")));
    relay.disconnect(conn);
    assert_eq!(relay.next_wake(), None);
}

#[test]
fn notices_instead_of_answers() {
    let (mut relay, conn) = faulty(Fault::NoticeInsteadOfEose { text: "s: done".to_owned() });
    assert_eq!(req(&mut relay, conn)[3], json!(["NOTICE", "s: done"]));
    say(&mut relay, conn, &json!(["CLOSE", "s"]));
    relay.set_faults(Fault::NoticeInsteadOfOk);
    assert_eq!(say(&mut relay, conn, &publish(&note(1, 9, "new"))), [json!(["NOTICE", "accepted"])]);
    let again = say(&mut relay, conn, &publish(&note(1, 9, "new")));
    assert_eq!(again, [json!(["NOTICE", "duplicate: already have this event"])]);
    relay.set_faults(Fault::NoticeOnly { text: "go away".to_owned() });
    for message in [json!(["REQ", "t", {}]), json!(["COUNT", "c", {}]), publish(&note(1, 10, "newer"))] {
        assert_eq!(say(&mut relay, conn, &message), [json!(["NOTICE", "go away"])]);
    }
    assert_eq!((relay.len(), relay.open_subscriptions()), (4, 0));
}

#[test]
fn requests_ignored_and_oks_skipped() {
    let (mut relay, conn) = faulty(Fault::IgnoreReq { every: 2 });
    assert_eq!(req(&mut relay, conn).len(), 4);
    assert!(req(&mut relay, conn).is_empty());
    say(&mut relay, conn, &json!(["CLOSE", "s"]));
    relay.set_faults(Fault::SkipOk { every: 2 });
    let answers: Vec<usize> = (10..14).map(|n| say(&mut relay, conn, &publish(&note(2, n, "x"))).len()).collect();
    assert_eq!(answers, [1, 0, 1, 0]);
    assert_eq!(relay.len(), 7);
}

#[test]
fn oks_that_confuse() {
    let (mut relay, conn) = faulty(Fault::OkUnknownId);
    let frames = say(&mut relay, conn, &publish(&note(1, 9, "new")));
    assert_eq!(frames, [json!(["OK", "0".repeat(64), true, ""])]);
    relay.set_faults(Fault::OkFalseThenTrue { reason: "error: full".to_owned() });
    let frames = say(&mut relay, conn, &publish(&note(1, 10, "newer")));
    assert_eq!(frames.iter().map(|frame| &frame[2]).collect::<Vec<_>>(), [&json!(false), &json!(true)]);
    assert_eq!(frames[0][3], "error: full");
    let mut forged = value(&note(1, 11, "x"));
    forged["content"] = json!("y");
    assert_eq!(say(&mut relay, conn, &json!(["EVENT", forged])).len(), 1);
}

#[test]
fn reasons_of_every_sort_go_out_as_they_are() {
    let reasons = [
        "pow: 28 bits needed",
        "replaced: newer",
        "deleted: by you",
        "duplicate: have it",
        "BLOCKED: no",
        "odd-prefix: what",
        "no prefix at all",
        "",
    ];
    for reason in reasons {
        let (mut relay, conn) = faulty(Fault::OkFalse { reason: reason.to_owned() });
        assert_eq!(say(&mut relay, conn, &publish(&note(1, 9, "new")))[0][3], reason);
        relay.set_faults(Fault::RefuseReq { reason: reason.to_owned() });
        assert_eq!(req(&mut relay, conn), [json!(["CLOSED", "s", reason])]);
    }
}

#[test]
fn an_event_ends_the_connection() {
    let close = Fault::CloseOnEvent { min_bytes: 1_000, code: 1009, reason: "too big".to_owned() };
    let (mut relay, conn) = faulty(close);
    assert_eq!(say(&mut relay, conn, &publish(&note(1, 9, "small")))[0][2], true);
    let big = note(1, 10, &"x".repeat(1_000));
    assert_eq!(say(&mut relay, conn, &publish(&big)), [json!(["end", 1009, "too big"])]);
    assert!(!relay.contains(&big.id()));
}

#[test]
fn the_oldest_subscriptions_are_forgotten() {
    let (mut relay, conn) = faulty(Fault::EvictSubscriptions { keep: 2 });
    for id in ["z", "a", "m"] {
        assert_eq!(say(&mut relay, conn, &json!(["REQ", id, {"limit": 0}])), [json!(["EOSE", id])]);
    }
    relay.store(note(1, 9, "new"));
    let names: Vec<Value> = hear(&mut relay, conn).iter().map(|frame| frame[1].clone()).collect();
    assert_eq!(names, [json!("a"), json!("m")]);
}

#[test]
fn a_connection_over_its_rate_stalls_whole() {
    let (mut relay, conn) = faulty(Fault::StallOverRate { messages: 2, window_secs: 60 });
    let other = relay.connect();
    assert_eq!(req(&mut relay, conn).len(), 4);
    say(&mut relay, conn, &publish(&note(1, 9, "a")));
    assert!(say(&mut relay, conn, &publish(&note(1, 10, "b"))).is_empty());
    assert!(relay.is_stalled(conn) && !relay.is_stalled(other));
    // What needs no limit waits in line, and so does what would be written.
    assert!(say(&mut relay, conn, &json!(["CLOSE", "s"])).is_empty());
    relay.store(note(1, 11, "live"));
    assert!(hear(&mut relay, conn).is_empty());
    assert_eq!(relay.connections_with_output().count(), 0);
    assert_eq!(relay.next_wake(), Some(NOW.saturating_add(60)));
    relay.wake(NOW.saturating_add(60));
    assert_eq!(verbs(&hear(&mut relay, conn)), ["EVENT", "OK", "EVENT"]);
    assert_eq!((relay.open_subscriptions(), relay.len()), (0, 6));
    assert!(!relay.is_stalled(conn));
}

#[test]
fn what_a_stalled_connection_sends_is_bounded() {
    let mut relay = Relay::new(Config { max_queued_messages: 3, ..Config::default() });
    relay.set_faults(Fault::StallOverRate { messages: 0, window_secs: 60 });
    let conn = relay.connect();
    for _ in 0..3 {
        assert!(req(&mut relay, conn).is_empty());
    }
    assert_eq!(req(&mut relay, conn), [json!(["end", 1008, "too much was left unread"])]);
}

#[test]
fn refused_authentication() {
    let plan = FaultPlan::new()
        .with(Fault::AuthRequired { reads: true, writes: true, challenge_on_connect: true })
        .with(Fault::RefuseAuth { reason: "restricted: not you".to_owned() });
    let mut relay = Relay::new(Config::default());
    relay.set_faults(plan);
    let conn = relay.connect();
    let challenge = hear(&mut relay, conn)[0][1].as_str().unwrap().to_owned();
    let event = signed(7, 22_242, NOW.as_secs(), "", &[&["relay", "wss://a.example"], &["challenge", &challenge]]);
    assert_eq!(say(&mut relay, conn, &json!(["AUTH", value(&event)]))[0][3], "restricted: not you");
    assert_eq!(verbs(&req(&mut relay, conn)), ["CLOSED"]);
}

#[test]
fn private_kinds_are_hidden_from_strangers() {
    let (mut relay, conn) = faulty(Fault::HidePrivate { challenge_on_connect: false });
    relay.store(signed(1, 1_059, 5, "wrapped", &[]));
    let all = json!(["REQ", "s", {}]);
    let frames = say(&mut relay, conn, &all);
    assert_eq!(verbs(&frames), ["AUTH", "EVENT", "EVENT", "EVENT", "EOSE"]);
    relay.store(signed(1, 4, 6, "direct", &[]));
    assert!(hear(&mut relay, conn).is_empty());
    let challenge = frames[0][1].as_str().unwrap();
    let event = signed(7, 22_242, NOW.as_secs(), "", &[&["relay", "wss://a.example"], &["challenge", challenge]]);
    assert_eq!(say(&mut relay, conn, &json!(["AUTH", value(&event)]))[0][2], true);
    assert_eq!(contents(&say(&mut relay, conn, &all)), ["direct", "wrapped", "3", "2", "1"]);
}

#[test]
fn the_first_events_are_forged() {
    let (mut relay, conn) = faulty(Fault::ForgeFirst { events: 2 });
    let genuine: Vec<bool> = req(&mut relay, conn)[..3].iter().map(is_genuine).collect();
    assert_eq!(genuine, [false, false, true]);
    assert!(req(&mut relay, conn)[..3].iter().all(is_genuine));
}

#[test]
fn forged_copies_go_ahead_and_differ_by_salt() {
    let mut signatures = BTreeSet::new();
    for salt in [1, 2] {
        let (mut relay, conn) = faulty(Fault::ForgeAhead { copies: 2, salt });
        let frames = req(&mut relay, conn);
        assert_eq!(contents(&frames), ["3", "3", "3", "2", "2", "2", "1", "1", "1"]);
        let genuine: Vec<bool> = frames[..9].iter().map(is_genuine).collect();
        assert_eq!(genuine, [false, false, true, false, false, true, false, false, true]);
        signatures.extend(frames[..2].iter().map(|frame| frame[2]["sig"].to_string()));
    }
    assert_eq!(signatures.len(), 4);
}

#[test]
fn a_flood_of_forged_events_matches_and_none_is_genuine() {
    let (mut relay, conn) = faulty(Fault::ForgedFlood { per_req: 20 });
    let author = keys(3).public_key().to_string();
    let filter = json!({"kinds": [30_023], "authors": [author], "#d": ["x"], "since": 2_000_000});
    let mut frames = say(&mut relay, conn, &json!(["REQ", "s", filter]));
    frames.extend(say(&mut relay, conn, &json!(["REQ", "s", filter])));
    let forged: Vec<&Value> = frames.iter().filter(|frame| frame[0] == "EVENT").map(|frame| &frame[2]).collect();
    assert_eq!(forged.len(), 40);
    assert!(frames.iter().filter(|frame| frame[0] == "EVENT").all(|frame| !is_genuine(frame)));
    let honest = forged.iter().filter(|event| Event::from_json(&event.to_string()).unwrap().check_id().is_ok());
    assert_eq!(honest.count(), 20);
    assert_eq!(forged.iter().map(|event| event.to_string()).collect::<BTreeSet<_>>().len(), 40);
    for event in forged {
        assert_eq!((&event["kind"], &event["pubkey"]), (&json!(30_023), &json!(author)));
        assert_eq!((&event["tags"], &event["created_at"]), (&json!([["d", "x"]]), &json!(2_000_000)));
    }
    let id = "ab".repeat(32);
    let frames = say(&mut relay, conn, &json!(["REQ", "s", {"ids": [id]}]));
    assert!(frames[..20].iter().all(|frame| frame[2]["id"] == id && !is_genuine(frame)));
}

#[test]
fn events_from_the_future_and_from_the_past_are_genuine() {
    let (mut relay, conn) = faulty(Fault::FutureEvents { per_req: 2, ahead_secs: 3_600 });
    let frames = say(&mut relay, conn, &json!(["REQ", "s", {"kinds": [7], "#t": ["x"]}]));
    assert_eq!(verbs(&frames), ["EVENT", "EVENT", "EOSE"]);
    assert!(frames[..2].iter().all(|f| is_genuine(f) && f[2]["created_at"] == NOW.as_secs() + 3_600));
    assert_eq!(frames[0][2]["tags"], json!([["t", "x"]]));
    assert_ne!(frames[0], frames[1]);
    relay.set_faults(Fault::ExpiredEvents { per_req: 1, ago_secs: 10 });
    let frames = req(&mut relay, conn);
    assert!(is_genuine(&frames[0]));
    assert_eq!(frames[0][2]["tags"], json!([["expiration", (NOW.as_secs() - 10).to_string()]]));
    relay.set_faults(Fault::LongTag { bytes: 300_000 });
    let frames = req(&mut relay, conn);
    assert!(is_genuine(&frames[0]));
    assert_eq!(frames[0][2]["tags"][0][1].as_str().unwrap().len(), 300_000);
    assert_eq!(relay.len(), 3);
}

#[test]
fn every_version_is_kept() {
    let (mut relay, conn) = faulty(Fault::KeepVersions);
    for second in [10, 30, 20] {
        relay.store(signed(1, 0, second, &second.to_string(), &[]));
    }
    let profiles = json!(["REQ", "s", {"kinds": [0]}]);
    assert_eq!(contents(&say(&mut relay, conn, &profiles)), ["30", "20", "10"]);
    relay.set_faults(FaultPlan::new());
    assert!(!relay.store(signed(1, 0, 25, "25", &[])));
    assert!(relay.store(signed(1, 0, 40, "40", &[])));
}

#[test]
fn copies_under_a_name_of_nobodys() {
    let (mut relay, conn) = faulty(Fault::WrongSubscription { every: 2 });
    let frames = req(&mut relay, conn);
    let names: Vec<&str> = frames.iter().filter_map(|frame| frame[1].as_str()).collect();
    assert_eq!(names, ["s", "nobody's", "s", "s", "s"]);
    assert_eq!(frames[1][2], frames[2][2]);
}

#[test]
fn what_nobody_asked_for() {
    for (what, verb) in [
        (Unsolicited::Closed, "CLOSED"),
        (Unsolicited::Eose, "EOSE"),
        (Unsolicited::Ok, "OK"),
        (Unsolicited::Challenge, "AUTH"),
        (Unsolicited::Notice, "NOTICE"),
        (Unsolicited::Count, "COUNT"),
    ] {
        let (mut relay, conn) = faulty(Fault::Unsolicited { what, per_message: 3 });
        let frames = req(&mut relay, conn);
        assert_eq!(verbs(&frames)[4..], [verb; 3]);
        assert_eq!(frames[4..].iter().map(Value::to_string).collect::<BTreeSet<_>>().len(), 3);
        assert_eq!(relay.open_subscriptions(), 1);
    }
}

#[test]
fn the_last_of_many_challenges_counts() {
    let (mut relay, conn) = faulty(Fault::Unsolicited { what: Unsolicited::Challenge, per_message: 2 });
    let frames = say(&mut relay, conn, &json!(["CLOSE", "x"]));
    for (frame, accepted) in [(&frames[0], false), (&frames[1], true)] {
        // So that no more challenges follow.
        relay.set_faults(FaultPlan::new());
        let tags = [["relay", "wss://a.example"], ["challenge", frame[1].as_str().unwrap()]];
        let event = signed(7, 22_242, NOW.as_secs(), "", &[&tags[0], &tags[1]]);
        assert_eq!(say(&mut relay, conn, &json!(["AUTH", value(&event)]))[0][2], accepted);
    }
}

#[test]
fn halves_and_giants() {
    let (mut relay, conn) = faulty(Fault::Truncate { every: 2 });
    let frames = req(&mut relay, conn);
    assert_eq!(frames.len(), 6);
    assert!(frames[1].as_str().unwrap().starts_with("[\"EVENT\""));
    assert_eq!(contents(&frames), ["3", "2", "1"]);
    relay.set_faults(Fault::OversizeNotice { bytes: 3_000_000 });
    let frames = req(&mut relay, conn);
    assert_eq!((&frames[0][0], frames[0][1].as_str().unwrap().len()), (&json!("NOTICE"), 3_000_000));
}
