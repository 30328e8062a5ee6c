//! Signed events, and talking to the machine.

use nostr_model_relay::{ConnId, Output, Relay};
use nostr_proto::{Event, EventTemplate, Keys, Kind, Timestamp};
use serde_json::{Value, json};

/// The time at which everything here happens.
pub(crate) const NOW: Timestamp = Timestamp::new(1_000_000);

pub(crate) fn keys(seed: u8) -> Keys {
    Keys::from_entropy([seed; 32]).unwrap()
}

/// An event signed by `keys(author)`.
pub(crate) fn signed(author: u8, kind: u16, created_at: u64, content: &str, tags: &[&[&str]]) -> Event {
    let mut template = EventTemplate::new(Kind::new(kind), content, Timestamp::new(created_at));
    for tag in tags {
        template = template.tag(tag.iter().copied());
    }
    let keys = keys(author);
    template.unsigned(keys.public_key()).sign(&keys, [0; 32])
}

pub(crate) fn note(author: u8, created_at: u64, content: &str) -> Event {
    signed(author, 1, created_at, content, &[])
}

pub(crate) fn value(event: &Event) -> Value {
    serde_json::from_str(&event.to_json()).unwrap()
}

pub(crate) fn publish(event: &Event) -> Value {
    json!(["EVENT", value(event)])
}

/// Says something on a connection; what comes back on it.
pub(crate) fn say(relay: &mut Relay, conn: ConnId, message: &Value) -> Vec<Value> {
    say_at(relay, conn, message, NOW)
}

pub(crate) fn say_at(relay: &mut Relay, conn: ConnId, message: &Value, now: Timestamp) -> Vec<Value> {
    relay.handle(conn, &message.to_string(), now);
    hear(relay, conn)
}

/// What waits for a connection. Frames that are no JSON come as strings, the end as `["end", code, reason]`.
pub(crate) fn hear(relay: &mut Relay, conn: ConnId) -> Vec<Value> {
    let mut heard = Vec::new();
    while let Some(output) = relay.poll_output_of(conn) {
        heard.push(match output {
            Output::Send { text, .. } => serde_json::from_str(&text).unwrap_or(json!(text)),
            Output::Close { code, reason, .. } => json!(["end", code, reason]),
        });
    }
    heard
}

/// The contents of the events among the frames.
pub(crate) fn contents(frames: &[Value]) -> Vec<&str> {
    frames.iter().filter(|frame| frame[0] == "EVENT").filter_map(|frame| frame[2]["content"].as_str()).collect()
}

/// The types of the frames, in order.
pub(crate) fn verbs(frames: &[Value]) -> Vec<&str> {
    frames.iter().map(|frame| frame[0].as_str().unwrap_or("?")).collect()
}
