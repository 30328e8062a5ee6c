//! An event as the relay keeps it: a JSON value, judged by the relay's own naive code.

use crate::id::is_id_of;
use nostr_proto::Event;
use serde_json::Value;
use std::cmp::Reverse;

/// The order of answers: newest first, ties by lowest id.
pub(crate) type Order = (Reverse<u64>, String);

/// What newer versions of a replaceable or addressable event have in common: kind, author, `d` value.
pub(crate) type ReplaceKey = (u64, String, String);

/// A well-shaped event. That its id or signature is right is not said.
#[derive(Debug)]
pub(crate) struct StoredEvent {
    /// The seven fields and nothing else.
    pub(crate) value: Value,
    /// The JSON that subscribers get.
    pub(crate) text: String,
    pub(crate) id: String,
    pub(crate) created_at: u64,
    /// For the caller who looks at the store, and for checking signatures.
    pub(crate) event: Event,
}

impl StoredEvent {
    /// Takes an event from a peer's JSON, or says what is wrong with it.
    pub(crate) fn from_value(raw: Value) -> Result<Self, String> {
        check_shape(&raw)?;
        let value = seven_fields(raw);
        let text = value.to_string();
        let event = Event::from_json(&text).map_err(|error| format!("bad event: {error}"))?;
        Ok(Self::assemble(value, text, event))
    }

    /// Takes an event that the caller hands in.
    pub(crate) fn from_event(event: Event) -> Result<Self, String> {
        let raw: Value = serde_json::from_str(&event.to_json()).map_err(|error| error.to_string())?;
        check_shape(&raw)?;
        let value = seven_fields(raw);
        let text = value.to_string();
        Ok(Self::assemble(value, text, event))
    }

    fn assemble(value: Value, text: String, event: Event) -> Self {
        let id = value["id"].as_str().unwrap_or_default().to_owned();
        let created_at = value["created_at"].as_u64().unwrap_or_default();
        Self { value, text, id, created_at, event }
    }

    pub(crate) fn order(&self) -> Order {
        (Reverse(self.created_at), self.id.clone())
    }

    pub(crate) fn kind(&self) -> u64 {
        self.value["kind"].as_u64().unwrap_or_default()
    }

    pub(crate) fn pubkey(&self) -> &str {
        self.value["pubkey"].as_str().unwrap_or_default()
    }

    /// Whether the id is the hash of the rest.
    pub(crate) fn has_right_id(&self) -> bool {
        is_id_of(&self.id, &self.value)
    }

    pub(crate) fn is_ephemeral(&self) -> bool {
        (20_000..30_000).contains(&self.kind())
    }

    /// Whether relays keep it from strangers: direct messages, and what wraps them.
    pub(crate) fn is_private(&self) -> bool {
        matches!(self.kind(), 4 | 44 | 1059)
    }

    /// `None` for events that nothing replaces.
    pub(crate) fn replace_key(&self) -> Option<ReplaceKey> {
        let identifier = match self.kind() {
            0 | 3 | 10_000..20_000 => "",
            30_000..40_000 => self.first_tag_value("d").unwrap_or_default(),
            _ => return None,
        };
        Some((self.kind(), self.pubkey().to_owned(), identifier.to_owned()))
    }

    /// The value of the first tag of that name; `None` without one, or if it has no value.
    pub(crate) fn first_tag_value(&self, name: &str) -> Option<&str> {
        self.tags().find(|tag| tag.first().and_then(Value::as_str) == Some(name))?.get(1)?.as_str()
    }

    /// The tags, each an array of strings.
    pub(crate) fn tags(&self) -> impl Iterator<Item = &Vec<Value>> {
        self.value["tags"].as_array().into_iter().flatten().filter_map(Value::as_array)
    }
}

/// Whether an event's JSON has the shape of one and the id that is the hash of the rest: judged by plain code over JSON
/// values that shares nothing with `nostr-proto`. Nothing is said of the signature.
pub fn has_right_id(event: &Value) -> bool {
    check_shape(event).is_ok() && event["id"].as_str().is_some_and(|id| is_id_of(id, event))
}

/// Whether `text` is exactly `length` lowercase hex digits.
pub(crate) fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| b"0123456789abcdef".contains(&byte))
}

/// Takes them out of an object that has them.
fn seven_fields(mut raw: Value) -> Value {
    let names = ["content", "created_at", "id", "kind", "pubkey", "sig", "tags"];
    Value::Object(names.map(|name| (name.to_owned(), raw[name].take())).into_iter().collect())
}

fn check_shape(event: &Value) -> Result<(), String> {
    let hex = |name: &str, length| event[name].as_str().is_some_and(|text| is_hex(text, length));
    for (name, length) in [("id", 64), ("pubkey", 64), ("sig", 128)] {
        if !hex(name, length) {
            return Err(format!("bad event: {name} must be {length} lowercase hex digits"));
        }
    }
    if event["created_at"].as_u64().is_none() {
        return Err("bad event: created_at must be a whole number of seconds".to_owned());
    }
    if event["kind"].as_u64().is_none_or(|kind| kind > 65_535) {
        return Err("bad event: kind must be an integer from 0 to 65535".to_owned());
    }
    let is_tag = |tag: &Value| tag.as_array().is_some_and(|tag| tag.iter().all(Value::is_string));
    if !event["tags"].as_array().is_some_and(|tags| tags.iter().all(is_tag)) {
        return Err("bad event: tags must be an array of arrays of strings".to_owned());
    }
    if !event["content"].is_string() {
        return Err("bad event: content must be a string".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn raw() -> Value {
        json!({"id": "0".repeat(64), "pubkey": "1".repeat(64), "sig": "2".repeat(128), "created_at": 7,
            "kind": 1, "tags": [["d", "x"]], "content": "hi", "extra": true})
    }

    #[test]
    fn unknown_fields_are_dropped() {
        let stored = StoredEvent::from_value(raw()).unwrap();
        assert!(!stored.text.contains("extra"));
        assert_eq!(stored.created_at, 7);
    }

    #[test]
    fn every_wrong_field_is_named() {
        for (field, wrong) in [
            ("id", json!("0")),
            ("id", json!("A".repeat(64))),
            ("pubkey", json!(1)),
            ("sig", Value::Null),
            ("created_at", json!(-1)),
            ("created_at", json!(1.5)),
            ("kind", json!(65_536)),
            ("tags", json!([[1]])),
            ("tags", json!({})),
            ("content", json!([])),
        ] {
            let mut event = raw();
            event[field] = wrong.clone();
            let error = StoredEvent::from_value(event).unwrap_err();
            assert!(error.contains(field), "{field} {wrong}: {error}");
        }
        assert!(StoredEvent::from_value(json!([])).is_err());
    }

    #[test]
    fn replace_keys_follow_the_kind_ranges() {
        let key = |kind: u64| {
            let mut event = raw();
            event["kind"] = json!(kind);
            StoredEvent::from_value(event).unwrap().replace_key().map(|(_, _, identifier)| identifier)
        };
        for regular in [1, 2, 4, 9_999, 20_000, 29_999, 40_000, 65_535] {
            assert_eq!(key(regular), None, "{regular}");
        }
        for replaceable in [0, 3, 10_000, 19_999] {
            assert_eq!(key(replaceable).as_deref(), Some(""), "{replaceable}");
        }
        for addressable in [30_000, 39_999] {
            assert_eq!(key(addressable).as_deref(), Some("x"), "{addressable}");
        }
    }

    #[test]
    fn a_missing_or_bare_d_tag_is_the_empty_identifier() {
        for tags in [json!([]), json!([["d"]]), json!([["d", ""], ["d", "later"]])] {
            let mut event = raw();
            event["kind"] = json!(30_023);
            event["tags"] = tags;
            let (_, _, identifier) = StoredEvent::from_value(event).unwrap().replace_key().unwrap();
            assert_eq!(identifier, "");
        }
    }
}
