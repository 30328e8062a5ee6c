//! An honest relay.

use crate::support::{NOW, contents, hear, keys, note, publish, say, signed, value, verbs};
use nostr_model_relay::{Config, ConnId, Output, Relay};
use nostr_proto::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

fn honest() -> (Relay, ConnId) {
    with(Config::default())
}

fn with(config: Config) -> (Relay, ConnId) {
    let mut relay = Relay::new(config);
    let conn = relay.connect();
    (relay, conn)
}

#[test]
fn an_event_is_taken_once_and_answered_each_time() {
    let (mut relay, conn) = honest();
    let event = note(1, 10, "hi");
    let id = event.id().to_string();
    assert_eq!(say(&mut relay, conn, &publish(&event)), [json!(["OK", id, true, ""])]);
    let again = say(&mut relay, conn, &publish(&event));
    assert_eq!(again, [json!(["OK", id, true, "duplicate: already have this event"])]);
    assert_eq!(relay.len(), 1);
    assert!(relay.contains(&event.id()));
    assert_eq!(relay.events().next(), Some(&event));
    let stats = relay.stats();
    assert_eq!((stats.events_in, stats.accepted, stats.duplicates, stats.rejected), (2, 1, 1, 0));
}

#[test]
fn forged_events_are_refused_by_what_is_wrong_with_them() {
    let (mut relay, conn) = honest();
    let mut bad_id = value(&note(1, 10, "hi"));
    bad_id["content"] = json!("ho");
    let mut bad_signature = value(&note(1, 10, "hi"));
    bad_signature["sig"] = value(&note(1, 11, "hi"))["sig"].clone();
    let mut bad_shape = value(&note(1, 10, "hi"));
    bad_shape["kind"] = json!("1");
    for (event, reason) in [
        (bad_id, "invalid: bad id"),
        (bad_signature, "invalid: bad signature"),
        (bad_shape, "invalid: bad event: kind must be an integer from 0 to 65535"),
    ] {
        let answer = say(&mut relay, conn, &json!(["EVENT", event]));
        assert_eq!(answer, [json!(["OK", event["id"], false, reason])]);
    }
    assert!(relay.is_empty());
    assert_eq!(relay.stats().rejected, 3);
}

#[test]
fn without_verification_any_well_shaped_event_is_taken() {
    let (mut relay, conn) = with(Config { verify: false, ..Config::default() });
    let mut event = value(&note(1, 10, "hi"));
    event["content"] = json!("ho");
    assert_eq!(say(&mut relay, conn, &json!(["EVENT", event]))[0][2], true);
}

#[test]
fn answers_are_newest_first_with_ties_by_lowest_id() {
    let (mut relay, conn) = honest();
    let mut events = vec![note(1, 10, "a"), note(2, 20, "b"), note(1, 20, "c"), note(1, 15, "d")];
    for event in &events {
        assert!(relay.store(event.clone()));
    }
    events.sort_by(|a, b| b.created_at().cmp(&a.created_at()).then(a.id().cmp(&b.id())));
    let frames = say(&mut relay, conn, &json!(["REQ", "s", {}]));
    let got: Vec<String> = frames.iter().filter_map(|f| f[2]["id"].as_str()).map(str::to_owned).collect();
    let want: Vec<String> = events.iter().map(|event| event.id().to_string()).collect();
    assert_eq!(got, want);
    assert_eq!(frames.last(), Some(&json!(["EOSE", "s"])));
    assert_eq!(relay.events().cloned().collect::<Vec<_>>(), events);
}

#[test]
fn limits_are_per_filter_and_an_event_comes_once() {
    let (mut relay, conn) = honest();
    for second in 0..10 {
        relay.store(note(1, second, &format!("one {second}")));
        relay.store(note(2, second, &format!("two {second}")));
    }
    let one = keys(1).public_key().to_string();
    let two = keys(2).public_key().to_string();
    let req = json!(["REQ", "s", {"authors": [one], "limit": 2}, {"authors": [two], "limit": 1}, {"authors": [one], "limit": 3}]);
    let frames = say(&mut relay, conn, &req);
    let mut got = contents(&frames);
    got.sort_unstable();
    assert_eq!(got, ["one 7", "one 8", "one 9", "two 9"]);
}

#[test]
fn the_relays_own_limit_caps_the_filters() {
    let (mut relay, conn) = with(Config { max_limit: 3, ..Config::default() });
    for second in 0..10 {
        relay.store(note(1, second, "x"));
    }
    for (filter, events) in
        [(json!({}), 3), (json!({"limit": 100}), 3), (json!({"limit": 2}), 2), (json!({"limit": 0}), 0)]
    {
        let frames = say(&mut relay, conn, &json!(["REQ", "s", filter]));
        assert_eq!(frames.len(), events + 1, "{filter}");
    }
}

#[test]
fn hints_say_whether_more_matches() {
    let (mut relay, conn) = with(Config { max_limit: 3, eose_hints: true, ..Config::default() });
    let mut hint = |stored: u64, filters: &[Value]| {
        while (relay.len() as u64) < stored {
            let second = relay.len() as u64;
            relay.store(note(1, second, "x"));
        }
        let mut req = vec![json!("REQ"), json!("s")];
        req.extend_from_slice(filters);
        say(&mut relay, conn, &Value::Array(req)).last().unwrap()[2].clone()
    };
    assert_eq!(hint(0, &[json!({"limit": 0})]), json!(["finish"]));
    assert_eq!(hint(3, &[json!({})]), json!(["finish"]));
    assert_eq!(hint(4, &[json!({})]), json!(["more"]));
    assert_eq!(hint(4, &[json!({"limit": 0})]), json!(["more"]));
    assert_eq!(hint(4, &[json!({"since": 1})]), json!(["finish"]));
    // What one filter has no room for another one brings.
    assert_eq!(hint(4, &[json!({}), json!({"until": 0})]), json!(["finish"]));
}

#[test]
fn new_events_reach_matching_subscriptions_after_eose() {
    let (mut relay, writer) = honest();
    let reader = relay.connect();
    let bystander = relay.connect();
    say(&mut relay, reader, &json!(["REQ", "mine", {"kinds": [1], "limit": 0}, {"#t": ["x"]}]));
    say(&mut relay, reader, &json!(["REQ", "also", {"since": 5}]));
    say(&mut relay, bystander, &json!(["REQ", "s", {"kinds": [7]}]));
    say(&mut relay, writer, &publish(&note(1, 10, "new")));
    let frames = hear(&mut relay, reader);
    assert_eq!(contents(&frames), ["new", "new"]);
    assert_eq!((&frames[0][1], &frames[1][1]), (&json!("also"), &json!("mine")));
    assert!(hear(&mut relay, bystander).is_empty());
    // By the back door too, and not twice.
    let tagged = signed(1, 9, 1, "tagged", &[&["t", "x"]]);
    assert!(relay.store(tagged.clone()));
    assert!(!relay.store(tagged));
    assert_eq!(contents(&hear(&mut relay, reader)), ["tagged"]);
}

#[test]
fn a_reused_id_replaces_the_subscription_and_close_ends_it() {
    let (mut relay, conn) = honest();
    say(&mut relay, conn, &json!(["REQ", "s", {"kinds": [1]}]));
    say(&mut relay, conn, &json!(["REQ", "s", {"kinds": [2]}]));
    assert_eq!(relay.open_subscriptions(), 1);
    relay.store(note(1, 1, "kind 1"));
    assert!(hear(&mut relay, conn).is_empty());
    relay.store(signed(1, 2, 1, "kind 2", &[]));
    assert_eq!(contents(&hear(&mut relay, conn)), ["kind 2"]);
    assert!(say(&mut relay, conn, &json!(["CLOSE", "s"])).is_empty());
    assert!(say(&mut relay, conn, &json!(["CLOSE", "never opened"])).is_empty());
    relay.store(signed(1, 2, 2, "later", &[]));
    assert!(hear(&mut relay, conn).is_empty());
    assert_eq!(relay.open_subscriptions(), 0);
}

#[test]
fn the_newest_version_of_a_replaceable_event_is_held_alone() {
    let (mut relay, conn) = honest();
    say(&mut relay, conn, &publish(&signed(1, 0, 10, "old", &[])));
    assert_eq!(say(&mut relay, conn, &publish(&signed(1, 0, 20, "new", &[])))[0][2], true);
    let refused = say(&mut relay, conn, &publish(&signed(1, 0, 10, "old", &[])));
    assert_eq!(refused[0][2], false);
    assert!(refused[0][3].as_str().unwrap().starts_with("replaced: "));
    // Another author's and another kind's are others.
    relay.store(signed(2, 0, 5, "hers", &[]));
    relay.store(signed(1, 10_002, 5, "list", &[]));
    let frames = say(&mut relay, conn, &json!(["REQ", "s", {}]));
    let mut held = contents(&frames);
    held.sort_unstable();
    assert_eq!(held, ["hers", "list", "new"]);
}

#[test]
fn addressable_events_are_told_apart_by_their_identifier() {
    let (mut relay, conn) = honest();
    relay.store(signed(1, 30_023, 1, "a1", &[&["d", "a"]]));
    relay.store(signed(1, 30_023, 2, "a2", &[&["d", "a"]]));
    relay.store(signed(1, 30_023, 1, "b1", &[&["d", "b"]]));
    relay.store(signed(1, 30_023, 3, "none", &[]));
    assert!(!relay.store(signed(1, 30_023, 2, "empty", &[&["d", ""]])));
    let frames = say(&mut relay, conn, &json!(["REQ", "s", {"kinds": [30_023]}]));
    assert_eq!(contents(&frames), ["none", "a2", "b1"]);
}

#[test]
fn ephemeral_events_are_pushed_and_not_held() {
    let (mut relay, conn) = honest();
    say(&mut relay, conn, &json!(["REQ", "s", {}]));
    let event = signed(1, 20_001, 10, "psst", &[]);
    let frames = say(&mut relay, conn, &publish(&event));
    assert_eq!(verbs(&frames), ["OK", "EVENT"]);
    assert_eq!(frames[0][2], true);
    assert!(relay.is_empty() && !relay.contains(&event.id()));
}

#[test]
fn authentication_events_are_not_published() {
    let (mut relay, conn) = honest();
    say(&mut relay, conn, &json!(["REQ", "s", {}]));
    let frames = say(&mut relay, conn, &publish(&signed(1, 22_242, 10, "", &[])));
    assert_eq!((verbs(&frames), &frames[0][2]), (vec!["OK"], &json!(false)));
}

#[test]
fn count_counts_each_match_once_and_ignores_limits() {
    let (mut relay, conn) = honest();
    for second in 0..5 {
        relay.store(note(1, second, "x"));
    }
    let frames = say(&mut relay, conn, &json!(["COUNT", "c", {"kinds": [1], "limit": 1}, {"since": 3}]));
    assert_eq!(frames, [json!(["COUNT", "c", {"count": 5}])]);
    assert_eq!(relay.open_subscriptions(), 0);
}

#[test]
fn bad_filters_are_refused_and_end_what_the_id_stood_for() {
    let (mut relay, conn) = with(Config { max_filters: 2, ..Config::default() });
    say(&mut relay, conn, &json!(["REQ", "s", {}]));
    for (message, prefix) in [
        (json!(["REQ", "s"]), "invalid: "),
        (json!(["REQ", "s", {"ids": ["abc"]}]), "invalid: "),
        (json!(["REQ", "s", {}, {}, {}]), "invalid: "),
        (json!(["REQ", "s", {"search": "x"}]), "unsupported: "),
        (json!(["COUNT", "s", 7]), "invalid: "),
    ] {
        let frames = say(&mut relay, conn, &message);
        assert_eq!((&frames[0][0], &frames[0][1]), (&json!("CLOSED"), &json!("s")), "{message}");
        assert!(frames[0][2].as_str().unwrap().starts_with(prefix), "{message}");
    }
    assert_eq!(relay.open_subscriptions(), 0);
}

#[test]
fn subscriptions_are_bounded_in_count_and_bytes() {
    let (mut relay, conn) = with(Config {
        max_subscriptions_per_connection: 2,
        max_subscription_bytes_per_connection: 100,
        ..Config::default()
    });
    let verb = |frames: Vec<Value>| frames[0][0].as_str().unwrap().to_owned();
    assert_eq!(verb(say(&mut relay, conn, &json!(["REQ", "a", {}]))), "EOSE");
    assert_eq!(verb(say(&mut relay, conn, &json!(["REQ", "b", {}]))), "EOSE");
    assert_eq!(verb(say(&mut relay, conn, &json!(["REQ", "c", {}]))), "CLOSED");
    // In the place of another there is room.
    assert_eq!(verb(say(&mut relay, conn, &json!(["REQ", "a", {"kinds": [1]}]))), "EOSE");
    let long = json!(["REQ", "a", {"#t": ["x".repeat(90)]}]);
    assert_eq!(verb(say(&mut relay, conn, &long)), "CLOSED");
    let other = relay.connect();
    assert_eq!(verb(say(&mut relay, other, &json!(["REQ", "c", {}]))), "EOSE");
}

#[test]
fn what_is_no_message_earns_a_notice() {
    let (mut relay, conn) = honest();
    let long_id = format!("[\"REQ\",\"{}\",{{}}]", "x".repeat(65));
    for text in [
        "",
        "hello",
        "{}",
        "[]",
        "[1]",
        "[\"WHAT\"]",
        "[\"REQ\"]",
        "[\"REQ\",\"\",{}]",
        "[\"CLOSE\",5]",
        "[\"EVENT\"]",
        "[\"EVENT\",{\"id\":\"zz\"}]",
        "[\"AUTH\",\"x\"]",
        "[\"EVENT\",\"\\ud800\"]",
        &long_id,
        &"[".repeat(100_000),
    ] {
        relay.handle(conn, text, NOW);
        let frames = hear(&mut relay, conn);
        assert_eq!(verbs(&frames), ["NOTICE"], "{text}");
        assert!(relay.is_open(conn));
    }
}

#[test]
fn a_message_too_long_ends_the_connection() {
    let (mut relay, conn) = with(Config { max_message_bytes: 20, ..Config::default() });
    relay.handle(conn, &" ".repeat(21), NOW);
    relay.handle(conn, "[\"REQ\",\"s\",{}]", NOW);
    assert_eq!(hear(&mut relay, conn), [json!(["end", 1009, "message too big"])]);
    assert_eq!((relay.stats().connections, relay.stats().ignored), (0, 1));
}

#[test]
fn who_does_not_read_is_sent_away_and_nobody_else_is_held_up() {
    for config in [
        Config { max_queued_messages: 50, ..Config::default() },
        Config { max_queued_bytes: 20_000, ..Config::default() },
    ] {
        let (mut relay, slow) = with(config);
        let quick = relay.connect();
        say(&mut relay, slow, &json!(["REQ", "s", {}]));
        say(&mut relay, quick, &json!(["REQ", "s", {}]));
        let mut read = 0;
        for second in 0..200 {
            relay.store(note(1, second, "x"));
            read += hear(&mut relay, quick).len();
        }
        assert_eq!(read, 200);
        assert_eq!(hear(&mut relay, slow), [json!(["end", 1008, "slow consumer"])]);
        assert_eq!((relay.stats().slow_consumers, relay.stats().connections), (1, 1));
        assert_eq!(relay.open_subscriptions(), 1);
    }
}

#[test]
fn a_full_store_forgets_the_oldest() {
    let (mut relay, conn) = with(Config { max_events_stored: 3, ..Config::default() });
    for second in [5, 1, 9, 7, 3] {
        relay.store(note(1, second, &second.to_string()));
    }
    let frames = say(&mut relay, conn, &json!(["REQ", "s", {}]));
    assert_eq!(contents(&frames), ["9", "7", "5"]);
    let refused = say(&mut relay, conn, &publish(&note(1, 2, "too old")));
    assert!(refused[0][3].as_str().unwrap().starts_with("blocked: "));
}

#[test]
fn the_future_can_be_refused() {
    let (mut relay, conn) = with(Config { max_future_secs: Some(900), ..Config::default() });
    let now = NOW.as_secs();
    assert_eq!(say(&mut relay, conn, &publish(&note(1, now + 899, "x")))[0][2], true);
    let refused = say(&mut relay, conn, &publish(&note(1, now + 900, "x")));
    assert_eq!(refused[0][3], "invalid: created_at is too far in the future");
}

#[test]
fn outputs_come_lowest_connection_first_and_stale_connections_are_ignored() {
    let mut relay = Relay::new(Config::default());
    let conns = [relay.connect(), relay.connect(), relay.connect()];
    for conn in conns.iter().rev() {
        relay.handle(*conn, "[\"REQ\",\"s\",{}]", NOW);
    }
    relay.disconnect(conns[1]);
    relay.disconnect(conns[1]);
    relay.handle(conns[1], "[\"REQ\",\"s\",{}]", NOW);
    let mut order = Vec::new();
    while let Some(Output::Send { conn, .. }) = relay.poll_output() {
        order.push(conn);
    }
    assert_eq!(order, [conns[0], conns[2]]);
    assert_eq!(relay.stats().ignored, 1);
    assert_ne!(relay.connect(), conns[1]);
}

#[test]
fn both_forms_of_the_id_of_control_characters_are_right() {
    let (mut relay, conn) = honest();
    let event = note(1, 10, "bell\u{7}");
    assert_eq!(say(&mut relay, conn, &publish(&event))[0][2], true);
    let frames = say(&mut relay, conn, &json!(["REQ", "s", {}]));
    assert_eq!(frames[0][2], value(&event));
    // The other form is another id, so that the signature, and nothing before it, is wrong.
    let mut other = value(&event);
    let verbatim = format!("[0,{},10,1,[],\"bell\u{7}\"]", other["pubkey"]);
    let digest = Sha256::digest(verbatim.as_bytes());
    other["id"] = json!(digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    assert_ne!(other["id"], value(&event)["id"]);
    assert_eq!(say(&mut relay, conn, &json!(["EVENT", other]))[0][3], "invalid: bad signature");
}

#[test]
fn the_same_inputs_give_the_same_outputs() {
    let run = || {
        let (mut relay, conn) = honest();
        let other = relay.connect();
        let mut outputs = Vec::new();
        for second in 0..20 {
            relay.handle(conn, &publish(&note(1, second, "x")).to_string(), Timestamp::new(second));
            relay.handle(other, &json!(["REQ", second.to_string(), {"limit": 3}]).to_string(), Timestamp::new(second));
            outputs.extend(std::iter::from_fn(|| relay.poll_output()));
        }
        outputs
    };
    assert_eq!(run(), run());
}

#[test]
fn thousands_of_events_and_a_hundred_subscriptions() {
    let (mut relay, writer) = with(Config { verify: false, ..Config::default() });
    let readers: Vec<ConnId> = (0..100).map(|_| relay.connect()).collect();
    for reader in &readers {
        say(&mut relay, *reader, &json!(["REQ", "s", {"kinds": [1]}]));
    }
    let model = value(&note(1, 1, "x"));
    for number in 0..5_000_u64 {
        let mut event = model.clone();
        event["id"] = json!(format!("{number:064x}"));
        event["created_at"] = json!(number);
        assert_eq!(say(&mut relay, writer, &json!(["EVENT", event]))[0][2], true);
        if number % 100 == 99 {
            for reader in &readers {
                assert_eq!(hear(&mut relay, *reader).len(), 100);
            }
        }
    }
    let frames = say(&mut relay, writer, &json!(["REQ", "s", {"since": 4_000, "until": 4_099, "kinds": [1]}]));
    assert_eq!(frames.len(), 101);
    assert_eq!(relay.stats().events_out, 500_000 + 100);
}

#[test]
fn a_cap_is_for_each_filter_or_for_all_of_a_req() {
    for (max_limit_is_per_req, expected) in [(false, vec!["6", "5", "3", "2"]), (true, vec!["6", "5"])] {
        let mut relay =
            Relay::new(Config { max_limit: 2, max_limit_is_per_req, eose_hints: true, ..Config::default() });
        for (kind, second) in [(1, 1), (1, 2), (1, 3), (7, 4), (7, 5), (7, 6)] {
            relay.store(signed(1, kind, second, &second.to_string(), &[]));
        }
        let conn = relay.connect();
        let frames = say(&mut relay, conn, &json!(["REQ", "s", {"kinds": [1]}, {"kinds": [7]}]));
        assert_eq!(contents(&frames), expected);
        assert_eq!(frames.last(), Some(&json!(["EOSE", "s", ["more"]])));
    }
}

#[test]
fn registers_are_those_that_nip_45_defines() {
    use nostr_model_relay::Fault;
    use nostr_proto::{Filter, HllOffset, HyperLogLog};

    let (mut relay, conn) = honest();
    relay.set_faults(Fault::CountRegisters);
    let target = "ab".repeat(16) + &"9c".repeat(16);
    for value in [target.clone(), format!("30023:{target}:x"), "nostr".to_owned()] {
        let name = if value == target {
            "e"
        } else if value.len() > 64 {
            "a"
        } else {
            "t"
        };
        let filter = Filter::new().tag(name.chars().next().unwrap(), value.clone());
        let offset = HllOffset::of(&filter).unwrap();
        let mut expected = HyperLogLog::new();
        for n in 1..=40_u8 {
            let event = signed(n, 7, 10, "+", &[&[name, &value]]);
            expected.add(&event.pubkey(), offset);
            say(&mut relay, conn, &publish(&event));
        }
        let answer =
            say(&mut relay, conn, &json!(["COUNT", "c", serde_json::from_str::<Value>(&filter.to_json()).unwrap()]));
        assert_eq!(answer, [json!(["COUNT", "c", {"count": 40, "hll": expected.to_hex()}])]);
    }
    let answer = say(&mut relay, conn, &json!(["COUNT", "c", {"kinds": [7]}]));
    assert_eq!(answer, [json!(["COUNT", "c", {"count": 120}])], "no tag, no registers");
    relay.set_faults(Fault::ShortRegisters);
    let answer = say(&mut relay, conn, &json!(["COUNT", "c", {"#t": ["nostr"]}]));
    assert_eq!(answer[0][2]["hll"].as_str().map(str::len), Some(510));
}
