//! Real signed events, where they are present.

use crate::support::{contents, say, verbs};
use nostr_model_relay::{Config, Relay};
use nostr_proto::KindClass;
use serde_json::{Value, json};

#[test]
fn real_events_are_taken_and_given_back() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpus/events.jsonl");
    let Ok(corpus) = std::fs::read_to_string(path) else {
        println!("skipped: no corpus of real events beside the workspace");
        return;
    };
    let mut relay = Relay::new(Config { max_limit: 100_000, ..Config::default() });
    let conn = relay.connect();
    let mut taken = 0;
    for line in corpus.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        let answer = say(&mut relay, conn, &json!(["EVENT", event]));
        let reason = answer[0][3].as_str().unwrap();
        let is_fine = answer[0][2] == true || reason.starts_with("replaced: ");
        assert!(is_fine, "{reason}: {line}");
        taken += 1;
    }
    assert!(taken > 0 && !relay.is_empty());
    let frames = say(&mut relay, conn, &json!(["REQ", "all", {}]));
    assert_eq!(contents(&frames).len(), relay.len());
    assert_eq!(verbs(&frames).last(), Some(&"EOSE"));
    assert!(relay.events().all(|event| event.kind().class() != KindClass::Ephemeral));
}
