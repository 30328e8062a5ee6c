//! Events that a relay makes up by itself.

use crate::event::StoredEvent;
use crate::filter::Filter;
use crate::id::canonical_id;
use nostr_proto::{EventTemplate, Keys, Kind, Timestamp};
use serde_json::{Value, json};
use std::sync::Arc;

/// The author of what a relay signs itself. The key is known to everybody.
fn keys() -> Option<Keys> {
    Keys::from_entropy([0x5a; 32]).ok()
}

/// An event of the relay's own author, of the kind that the filter asks for.
pub(crate) fn signed(filter: &Filter, created_at: u64, content: &str, tags: &[[&str; 2]]) -> Option<Arc<StoredEvent>> {
    let keys = keys()?;
    let kind = Kind::new(u16::try_from(filter.some_kind()).ok()?);
    let template = EventTemplate::new(kind, content, Timestamp::new(created_at));
    let template = tags.iter().fold(template, |template, tag| template.tag(*tag));
    let template = filter.some_tags().fold(template, EventTemplate::tag);
    let event = template.unsigned(keys.public_key()).sign(&keys, [0; 32]);
    StoredEvent::from_event(event).ok().map(Arc::new)
}

/// The nth event that the filter matches and that nobody signed: every other one has an id that is not its hash, and so
/// has each where the filter asks for ids.
pub(crate) fn forged(filter: &Filter, n: u64, now: u64) -> String {
    let author = keys().map_or_else(|| "1".repeat(64), |keys| keys.public_key().to_string());
    let tags: Vec<[&str; 2]> = filter.some_tags().collect();
    let mut event = json!({
        "pubkey": filter.some_author().unwrap_or(&author), "created_at": filter.some_time(now),
        "kind": filter.some_kind(), "tags": tags, "content": format!("forged {n}"), "sig": format!("{n:0128x}"),
    });
    let right = canonical_id(&event);
    if n % 2 == 1 {
        event["content"] = json!(format!("forged {n}, under another's id"));
    }
    event["id"] = json!(filter.some_id().unwrap_or(&right));
    event.to_string()
}

/// The event with a bad signature, the nth of this salt: no two are alike.
pub(crate) fn badly_signed(event: &Value, n: usize, salt: u8) -> String {
    let mut value = event.clone();
    let text = event["sig"].as_str().unwrap_or_default();
    let (head, _) = text.split_at(text.len().saturating_sub(8));
    value["sig"] = json!(format!("{head}{salt:02x}{:06x}", n & 0xff_ffff));
    if value["sig"] == event["sig"] {
        value["sig"] = json!("0".repeat(text.len()));
    }
    value.to_string()
}

/// A signature with the lowest bit of its last byte flipped.
pub(crate) fn flipped(signature: &Value) -> Value {
    let text = signature.as_str().unwrap_or_default();
    let (head, last) = text.split_at(text.len().saturating_sub(2));
    let last = u8::from_str_radix(last, 16).unwrap_or_default();
    json!(format!("{head}{:02x}", last ^ 1))
}

/// An event like `model`, if there is one, with that much content and the id that belongs to it.
pub(crate) fn oversize(model: Option<&Value>, bytes: usize) -> String {
    let mut event = model.cloned().unwrap_or_else(
        || json!({"pubkey": "1".repeat(64), "created_at": 1, "kind": 1, "tags": [], "sig": "2".repeat(128)}),
    );
    event["content"] = json!("x".repeat(bytes));
    event["id"] = json!(canonical_id(&event));
    event.to_string()
}
