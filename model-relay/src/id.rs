//! The event id, computed naively and apart from `nostr-proto`, so that the two can disagree.

use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// Whether an event of this shape may carry this id: NIP-01 leaves control characters without a short escape
/// verbatim, deployed software writes them as `\u00xx`, and an event that uses none has one id.
pub(crate) fn is_id_of(id: &str, event: &Value) -> bool {
    canonical_id(event) == id || sha256_hex(&serialize(event, false)) == id
}

/// The id of an event of this shape as new events carry it.
pub(crate) fn canonical_id(event: &Value) -> String {
    sha256_hex(&serialize(event, true))
}

fn sha256_hex(text: &str) -> String {
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(text.as_bytes()) {
        // Writing to a string can't fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

/// `[0,pubkey,created_at,kind,tags,content]` without spaces.
fn serialize(event: &Value, escape_controls: bool) -> String {
    let mut out = String::from("[0,");
    write_value(&event["pubkey"], escape_controls, &mut out);
    out.push(',');
    write_value(&event["created_at"], escape_controls, &mut out);
    out.push(',');
    write_value(&event["kind"], escape_controls, &mut out);
    out.push(',');
    write_value(&event["tags"], escape_controls, &mut out);
    out.push(',');
    write_value(&event["content"], escape_controls, &mut out);
    out.push(']');
    out
}

fn write_value(value: &Value, escape_controls: bool, out: &mut String) {
    match value {
        Value::String(text) => write_string(text, escape_controls, out),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_value(item, escape_controls, out);
            }
            out.push(']');
        }
        other => out.push_str(&other.to_string()),
    }
}

fn write_string(text: &str, escape_controls: bool, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if c < ' ' && escape_controls => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn serialization_is_the_one_of_nip_01() {
        let event = json!({"pubkey": "ab", "created_at": 12, "kind": 1, "tags": [["t", "x\"y"], []],
            "content": "a\nb\\\r\t\u{8}\u{c}\u{1}\u{7f}é/"});
        assert_eq!(
            serialize(&event, true),
            "[0,\"ab\",12,1,[[\"t\",\"x\\\"y\"],[]],\"a\\nb\\\\\\r\\t\\b\\f\\u0001\u{7f}é/\"]"
        );
        assert!(serialize(&event, false).contains("\\f\u{1}\u{7f}"));
    }

    #[test]
    fn control_characters_alone_make_two_ids() {
        let event = |content: &str| json!({"pubkey": "ab", "created_at": 1, "kind": 1, "tags": [], "content": content});
        let ids = |event: &Value| [true, false].map(|escape| sha256_hex(&serialize(event, escape)));
        let [escaped, verbatim] = ids(&event("\u{1}"));
        assert_ne!(escaped, verbatim);
        assert!([&escaped, &verbatim].iter().all(|id| is_id_of(id, &event("\u{1}"))));
        assert!(!is_id_of(&escaped, &event("\u{2}")));
        let [escaped, verbatim] = ids(&event("plain\n"));
        assert_eq!(escaped, verbatim);
        assert_eq!(escaped.len(), 64);
    }
}
