//! Naive readings of events and filters over `serde_json`, sharing nothing with what they judge.

use nostr_proto::{Event, EventId};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Our parser and `serde_json` saw the same event.
pub(crate) fn assert_same_event(event: &Event, value: &Value) {
    assert_eq!(value["id"], event.id().to_string());
    assert_eq!(value["pubkey"], event.pubkey().to_string());
    assert_eq!(value["sig"], event.signature().to_string());
    assert_eq!(value["created_at"].as_u64(), Some(event.created_at().as_secs()));
    assert_eq!(value["kind"].as_u64(), Some(u64::from(event.kind().as_u16())));
    assert_eq!(value["content"], event.content());
    let tags: Vec<Vec<&str>> = event.tags().map(|tag| tag.iter().collect()).collect();
    assert_eq!(value["tags"], json!(tags));
}

/// The ids that the event's content may have: with all control characters escaped, and with those bare for which NIP-01
/// names no escape.
pub(crate) fn ids(event: &Event) -> [EventId; 2] {
    let tags: Vec<Vec<&str>> = event.tags().map(|tag| tag.iter().collect()).collect();
    let (created_at, kind) = (event.created_at().as_secs(), event.kind().as_u16());
    let escaped = json!([0, event.pubkey().to_string(), created_at, kind, tags, event.content()]).to_string();
    let mut bare = String::new();
    let mut rest = escaped.as_str();
    while let Some(at) = rest.find('\\') {
        bare.push_str(&rest[..at]);
        let code = rest[at..].strip_prefix("\\u00").map(|code| u8::from_str_radix(&code[..2], 16));
        match code {
            Some(Ok(code)) => bare.push(char::from(code)),
            _ => bare.push_str(&rest[at..at + 2]),
        }
        rest = &rest[at + if code.is_some() { 6 } else { 2 }..];
    }
    bare.push_str(rest);
    [escaped, bare].map(|canonical| EventId::from_bytes(Sha256::digest(canonical).into()))
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
