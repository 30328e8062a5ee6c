//! Real events and frames, where the corpus is present.

use nostr_proto::{Event, Head, RelayMessage, scan_head, verify_event};
use serde_json::Value;
use std::fs;

fn corpus(file: &str) -> Option<String> {
    let path = format!("{}/../../shared/corpus/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(path).ok();
    if text.is_none() {
        println!("skipped: no corpus file {file}");
    }
    text
}

#[test]
fn events_parse_hash_and_verify() {
    let Some(lines) = corpus("events.jsonl") else { return };
    let mut count = 0;
    for line in lines.lines() {
        let event = Event::from_json(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_eq!(
            serde_json::from_str::<Value>(&event.to_json()).unwrap(),
            serde_json::from_str::<Value>(line).unwrap()
        );
        assert_eq!(event.size(), event.to_json().len());
        assert_eq!(event.compute_id(), event.id());
        assert_eq!(Event::from_json(&event.to_json()).unwrap(), event);
        let frame = format!("[\"EVENT\",\"s\",{line}]");
        assert_eq!(scan_head(&frame), Some(Head::Event { subscription: "s", id: event.id() }));
        verify_event(event).unwrap_or_else(|error| panic!("{error}: {line}"));
        count += 1;
    }
    assert!(count > 100, "only {count} events");
}

#[test]
fn frames_never_panic_and_heads_agree() {
    let Some(lines) = corpus("frames.txt") else { return };
    let (mut events, mut others, mut refused) = (0, 0, 0);
    for line in lines.lines() {
        match RelayMessage::parse(line) {
            Ok(RelayMessage::Event { subscription, event }) => {
                let head = scan_head(line);
                assert_eq!(head, Some(Head::Event { subscription: &subscription, id: event.id() }), "{line}");
                verify_event(event).unwrap_or_else(|error| panic!("{error}: {line}"));
                events += 1;
            }
            Ok(_) => {
                assert_eq!(scan_head(line), None, "{line}");
                others += 1;
            }
            Err(error) => {
                assert!(error.offset <= line.len());
                let _ = scan_head(line);
                refused += 1;
            }
        }
    }
    println!("{events} events, {others} other messages, {refused} refused");
    assert!(events > 100);
}
