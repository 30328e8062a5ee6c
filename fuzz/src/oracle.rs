//! Naive readings of events and filters over `serde_json`, sharing nothing with what they judge.

use nostr_proto::Event;
use serde_json::Value;

/// Our parser and `serde_json` saw the same event.
pub(crate) fn assert_same_event(event: &Event, value: &Value) {
    assert_eq!(value["id"], event.id().to_string());
    assert_eq!(value["pubkey"], event.pubkey().to_string());
    assert_eq!(value["sig"], event.signature().to_string());
    assert_eq!(value["created_at"].as_u64(), Some(event.created_at().as_secs()));
    assert_eq!(value["kind"].as_u64(), Some(u64::from(event.kind().as_u16())));
    assert_eq!(value["content"], event.content());
    let tags: Vec<Vec<&str>> = event.tags().map(|tag| tag.iter().collect()).collect();
    assert_eq!(value["tags"], serde_json::json!(tags));
}

/// Whether the event is what the filter asks for, limit and search apart.
pub(crate) fn matches(filter: &Value, event: &Value) -> bool {
    let Some(fields) = filter.as_object() else { return false };
    fields.iter().all(|(name, wanted)| match name.as_str() {
        "ids" => is_one_of(wanted, &event["id"]),
        "authors" => is_one_of(wanted, &event["pubkey"]),
        "kinds" => is_one_of(wanted, &event["kind"]),
        "since" => event["created_at"].as_u64() >= wanted.as_u64(),
        "until" => event["created_at"].as_u64() <= wanted.as_u64(),
        _ => match name.strip_prefix('#') {
            Some(letter) if letter.len() == 1 && letter.bytes().all(|b| b.is_ascii_alphabetic()) => {
                let tags = event["tags"].as_array().map(Vec::as_slice).unwrap_or_default();
                tags.iter().any(|tag| tag[0] == letter && is_one_of(wanted, &tag[1]))
            }
            _ => true,
        },
    })
}

fn is_one_of(wanted: &Value, value: &Value) -> bool {
    wanted.as_array().is_some_and(|list| list.contains(value))
}
