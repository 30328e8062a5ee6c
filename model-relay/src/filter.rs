//! Filters, read and matched naively and apart from `nostr-proto`, so that the two can disagree.

use crate::event::{StoredEvent, is_hex};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A filter of a `REQ` or `COUNT`. An absent list constrains nothing, an empty one matches nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    ids: Option<BTreeSet<String>>,
    authors: Option<BTreeSet<String>>,
    kinds: Option<BTreeSet<u64>>,
    /// By tag name, one letter.
    tags: BTreeMap<String, BTreeSet<String>>,
    since: Option<u64>,
    until: Option<u64>,
    pub(crate) limit: Option<u64>,
}

impl Filter {
    /// Reads a filter, or gives the reason for refusing it, prefix included.
    pub(crate) fn from_value(raw: &Value) -> Result<Self, String> {
        let Some(fields) = raw.as_object() else {
            return Err("invalid: a filter must be an object".to_owned());
        };
        let mut filter = Self::default();
        for (name, value) in fields {
            match name.as_str() {
                "ids" => filter.ids = Some(strings(name, value)?),
                "authors" => filter.authors = Some(strings(name, value)?),
                "kinds" => filter.kinds = Some(kinds(value)?),
                "since" => filter.since = Some(number(name, value)?),
                "until" => filter.until = Some(number(name, value)?),
                "limit" => filter.limit = Some(number(name, value)?),
                "search" => return Err("unsupported: this relay has no search".to_owned()),
                tag if is_tag_field(tag) => {
                    filter.tags.insert(tag[1..].to_owned(), strings(name, value)?);
                }
                other => {
                    let shown: String = other.chars().take(32).collect();
                    return Err(format!("unsupported: filter contains an unknown element: {shown}"));
                }
            }
        }
        Ok(filter)
    }

    /// The filter without its limit.
    pub(crate) fn unlimited(&self) -> Self {
        Self { limit: None, ..self.clone() }
    }

    /// One of the kinds asked for; text notes, if any will do.
    pub(crate) fn some_kind(&self) -> u64 {
        self.kinds.as_ref().and_then(|kinds| kinds.first()).copied().unwrap_or(1)
    }

    /// One of the authors asked for; `None` if any will do.
    pub(crate) fn some_author(&self) -> Option<&str> {
        self.authors.as_ref().and_then(|authors| authors.first()).map(String::as_str)
    }

    /// One of the ids asked for; `None` if any will do.
    pub(crate) fn some_id(&self) -> Option<&str> {
        self.ids.as_ref().and_then(|ids| ids.first()).map(String::as_str)
    }

    /// A time within the bounds, `now` if that is.
    pub(crate) fn some_time(&self, now: u64) -> u64 {
        now.min(self.until.unwrap_or(u64::MAX)).max(self.since.unwrap_or_default())
    }

    /// Tags, name and value, that satisfy the conditions on tags.
    pub(crate) fn some_tags(&self) -> impl Iterator<Item = [&str; 2]> {
        self.tags.iter().filter_map(|(name, wanted)| Some([name.as_str(), wanted.first()?.as_str()]))
    }

    /// The first value of the first tag that there is a condition on.
    pub(crate) fn first_tag_value(&self) -> Option<&str> {
        self.tags.values().next()?.first().map(String::as_str)
    }

    /// As a relay reads it that takes `until` for the first second that is not wanted any more.
    pub(crate) fn until_exclusive(mut self) -> Self {
        match self.until.map(|until| until.checked_sub(1)) {
            Some(Some(last)) => self.until = Some(last),
            // Nothing is older than the first second.
            Some(None) => self.kinds = Some(BTreeSet::new()),
            None => {}
        }
        self
    }

    pub(crate) fn matches(&self, event: &StoredEvent) -> bool {
        self.ids.as_ref().is_none_or(|ids| ids.contains(&event.id))
            && self.kinds.as_ref().is_none_or(|kinds| kinds.contains(&event.kind()))
            && self.since.is_none_or(|since| event.created_at >= since)
            && self.until.is_none_or(|until| event.created_at <= until)
            && self.authors.as_ref().is_none_or(|authors| authors.contains(event.pubkey()))
            && self.tags.iter().all(|(name, wanted)| has_tag(event, name, wanted))
    }
}

fn has_tag(event: &StoredEvent, name: &str, wanted: &BTreeSet<String>) -> bool {
    event.tags().any(|tag| match (tag.first(), tag.get(1)) {
        (Some(Value::String(key)), Some(Value::String(value))) => key == name && wanted.contains(value),
        _ => false,
    })
}

fn is_tag_field(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next() == Some('#') && chars.next().is_some_and(|c| c.is_ascii_alphabetic()) && chars.next().is_none()
}

fn strings(name: &str, value: &Value) -> Result<BTreeSet<String>, String> {
    let must_be_hex = matches!(name, "ids" | "authors" | "#e" | "#p");
    let read = |item: &Value| item.as_str().filter(|text| !must_be_hex || is_hex(text, 64)).map(str::to_owned);
    let list: Option<BTreeSet<String>> = value.as_array().and_then(|items| items.iter().map(read).collect());
    list.ok_or_else(|| {
        let what = if must_be_hex { "64 lowercase hex digits each" } else { "strings" };
        format!("invalid: filter field {name} must be an array of {what}")
    })
}

fn kinds(value: &Value) -> Result<BTreeSet<u64>, String> {
    let read = |item: &Value| item.as_u64().filter(|kind| *kind <= 65_535);
    let list: Option<BTreeSet<u64>> = value.as_array().and_then(|items| items.iter().map(read).collect());
    list.ok_or_else(|| "invalid: filter field kinds must be an array of integers from 0 to 65535".to_owned())
}

fn number(name: &str, value: &Value) -> Result<u64, String> {
    value.as_u64().ok_or_else(|| format!("invalid: filter field {name} must be a non-negative integer"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn refusals_carry_a_prefix_and_name_the_field() {
        for (raw, prefix, named) in [
            (json!([]), "invalid:", "object"),
            (json!({"ids": ["abc"]}), "invalid:", "ids"),
            (json!({"authors": "x"}), "invalid:", "authors"),
            (json!({"#e": ["A".repeat(64)]}), "invalid:", "#e"),
            (json!({"#t": [1]}), "invalid:", "#t"),
            (json!({"kinds": [70_000]}), "invalid:", "kinds"),
            (json!({"kinds": ["1"]}), "invalid:", "kinds"),
            (json!({"limit": -1}), "invalid:", "limit"),
            (json!({"since": 1.5}), "invalid:", "since"),
            (json!({"search": "x"}), "unsupported:", "search"),
            (json!({"#tt": ["x"]}), "unsupported:", "#tt"),
            (json!({"#1": ["x"]}), "unsupported:", "#1"),
        ] {
            let reason = Filter::from_value(&raw).unwrap_err();
            assert!(reason.starts_with(prefix) && reason.contains(named), "{raw}: {reason}");
        }
    }

    #[test]
    fn only_the_first_value_of_a_tag_counts() {
        let event = StoredEvent::from_value(json!({"id": "0".repeat(64), "pubkey": "1".repeat(64),
            "sig": "2".repeat(128), "created_at": 7, "kind": 1, "content": "", "tags": [["t"], ["t", "a", "b"]]}))
        .unwrap();
        let matches = |raw: Value| Filter::from_value(&raw).unwrap().matches(&event);
        assert!(matches(json!({"#t": ["a"]})));
        assert!(!matches(json!({"#t": ["b"]})));
        assert!(!matches(json!({"#T": ["a"]})));
        assert!(!matches(json!({"#t": []})));
        assert!(matches(json!({"since": 7, "until": 7})));
        assert!(!matches(json!({"since": 8})));
        assert!(!matches(json!({"until": 6})));
    }
}
