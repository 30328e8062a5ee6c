//! Filters from JSON and back.

use super::{Filter, SortedSet};
use crate::error::{ParseError, ParseErrorKind, Part};
use crate::json::{Escapes, Reader, Sink, write_integer, write_joined, write_string, write_string_body};
use crate::limits::{MAX_DEPTH, MAX_MESSAGE_BYTES};
use crate::{EventId, Kind, PublicKey, Timestamp, hex};
use ParseErrorKind::{BadField, DuplicateField, TooLarge};
use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, SerializeMap, Serializer};

pub(super) fn from_json(text: &str) -> Result<Filter, ParseError> {
    if text.len() > MAX_MESSAGE_BYTES {
        let limit = MAX_MESSAGE_BYTES;
        return Err(ParseError::new(0, TooLarge { limit }));
    }
    let mut reader = Reader::new(text);
    let filter = parse_filter(&mut reader)?;
    reader.end()?;
    Ok(filter)
}

/// Reads the filter object at the cursor.
pub(crate) fn parse_filter(reader: &mut Reader<'_>) -> Result<Filter, ParseError> {
    reader.expect(b'{', "a filter object")?;
    let mut filter = Filter::default();
    let mut first = true;
    while let Some((at, key)) = reader.next_key(first)? {
        let key = key.into_text()?;
        first = false;
        let new = match &*key {
            "ids" => filter.ids.replace(hex_list(reader, "ids", EventId::from_bytes)?).is_none(),
            "authors" => {
                let authors = hex_list(reader, "authors", PublicKey::from_bytes)?;
                filter.authors.replace(authors).is_none()
            }
            "kinds" => filter.kinds.replace(kinds(reader)?).is_none(),
            "since" => filter.since.replace(timestamp(reader, "since")?).is_none(),
            "until" => filter.until.replace(timestamp(reader, "until")?).is_none(),
            "limit" => filter.limit.replace(limit(reader)?).is_none(),
            "search" => {
                let text = reader.string_or(bad("search", "a string"))?;
                filter.search.replace(text.into_owned()).is_none()
            }
            key => match tag_name(key) {
                Some(name) => filter.tags.insert(name, tag_values(reader, key)?).is_none(),
                None => {
                    reader.skip_value(MAX_DEPTH - 1, MAX_DEPTH)?;
                    true
                }
            },
        };
        if !new {
            let (part, field) = (Part::Filter, Cow::Owned(key.into_owned()));
            return Err(ParseError::new(at, DuplicateField { part, field }));
        }
    }
    Ok(filter)
}

/// The letter of a key such as `#e`.
fn tag_name(key: &str) -> Option<char> {
    let mut letters = key.strip_prefix('#')?.chars();
    let letter = letters.next()?;
    (letter.is_ascii_alphabetic() && letters.next().is_none()).then_some(letter)
}

fn bad(field: impl Into<Cow<'static, str>>, expected: &'static str) -> ParseErrorKind {
    BadField { part: Part::Filter, field: field.into(), expected }
}

/// Reads an array, item by item.
fn list<'a, T: Ord>(
    reader: &mut Reader<'a>,
    wrong: impl Fn() -> ParseErrorKind,
    mut item: impl FnMut(&mut Reader<'a>) -> Result<T, ParseError>,
) -> Result<SortedSet<T>, ParseError> {
    if !reader.eat(b'[') {
        return reader.error(wrong());
    }
    let mut items = Vec::new();
    while reader.next_item(items.is_empty())? {
        items.push(item(reader)?);
    }
    Ok(items.into())
}

fn hex_list<T: Ord>(
    reader: &mut Reader<'_>,
    field: &'static str,
    wrap: impl Fn([u8; 32]) -> T,
) -> Result<SortedSet<T>, ParseError> {
    let wrong = || bad(field, "an array of 64 lowercase hex characters each");
    list(reader, wrong, |reader| {
        let start = reader.offset();
        let text = reader.string_or(wrong())?;
        match hex::decode(&text) {
            Ok(bytes) => Ok(wrap(bytes)),
            Err(_) => Err(ParseError::new(start, wrong())),
        }
    })
}

fn kinds(reader: &mut Reader<'_>) -> Result<SortedSet<Kind>, ParseError> {
    let wrong = || bad("kinds", "an array of integers from 0 to 65535");
    list(reader, wrong, |reader| {
        let start = reader.offset();
        match reader.integer().map(u16::try_from) {
            Some(Ok(kind)) => Ok(Kind::new(kind)),
            Some(Err(_)) => Err(ParseError::new(start, wrong())),
            None => reader.error(wrong()),
        }
    })
}

fn timestamp(reader: &mut Reader<'_>, field: &'static str) -> Result<Timestamp, ParseError> {
    match reader.integer() {
        Some(seconds) => Ok(Timestamp::new(seconds)),
        None => reader.error(bad(field, "an integer from 0 to 18446744073709551615")),
    }
}

fn limit(reader: &mut Reader<'_>) -> Result<u32, ParseError> {
    let wrong = || bad("limit", "an integer from 0 to 4294967295");
    let start = reader.offset();
    match reader.integer().map(u32::try_from) {
        Some(Ok(limit)) => Ok(limit),
        Some(Err(_)) => Err(ParseError::new(start, wrong())),
        None => reader.error(wrong()),
    }
}

fn tag_values(reader: &mut Reader<'_>, key: &str) -> Result<SortedSet<String>, ParseError> {
    let ids_only = matches!(key, "#e" | "#p");
    let wrong = || {
        let expected = if ids_only { "an array of 64 lowercase hex characters each" } else { "an array of strings" };
        bad(String::from(key), expected)
    };
    list(reader, wrong, |reader| {
        let start = reader.offset();
        let text = reader.string_or(wrong())?;
        if ids_only && hex::decode::<32>(&text).is_err() {
            return Err(ParseError::new(start, wrong()));
        }
        Ok(text.into_owned())
    })
}

/// Writes the filter object.
pub(crate) fn write_filter(filter: &Filter, out: &mut impl Sink) {
    let mut members = Members { out, any: false };
    members.list("\"ids\":[", filter.ids.as_ref(), |out, id| write_hex(out, id.as_bytes()));
    members.list("\"authors\":[", filter.authors.as_ref(), |out, author| write_hex(out, author.as_bytes()));
    members.list("\"kinds\":[", filter.kinds.as_ref(), |out, kind| write_integer(out, kind.as_u16().into()));
    for (name, values) in &filter.tags {
        members.next("\"#");
        write_string_body(members.out, name.encode_utf8(&mut [0; 4]), Escapes::All);
        members.out.put("\":[");
        write_joined(members.out, values, |out, value| write_string(out, value));
        members.out.put("]");
    }
    members.number("\"since\":", filter.since.map(Timestamp::as_secs));
    members.number("\"until\":", filter.until.map(Timestamp::as_secs));
    members.number("\"limit\":", filter.limit.map(u64::from));
    if let Some(text) = &filter.search {
        members.next("\"search\":");
        write_string(members.out, text);
    }
    let any = members.any;
    out.put(if any { "}" } else { "{}" });
}

fn write_hex(out: &mut impl Sink, bytes: &[u8; 32]) {
    out.put("\"");
    out.put_hex(bytes);
    out.put("\"");
}

fn tag_key(name: char) -> String {
    String::from_iter(['#', name])
}

/// Writes the members of an object. Keys are given as they are written, with what comes behind them.
struct Members<'o, S> {
    out: &'o mut S,
    any: bool,
}

impl<S: Sink> Members<'_, S> {
    fn next(&mut self, key: &str) {
        self.out.put(if self.any { "," } else { "{" });
        self.any = true;
        self.out.put(key);
    }

    fn list<T>(&mut self, key: &str, items: Option<&SortedSet<T>>, write: impl FnMut(&mut S, &T)) {
        let Some(items) = items else { return };
        self.next(key);
        write_joined(self.out, items, write);
        self.out.put("]");
    }

    fn number(&mut self, key: &str, number: Option<u64>) {
        let Some(number) = number else { return };
        self.next(key);
        write_integer(self.out, number);
    }
}

impl Serialize for Filter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(ids) = &self.ids {
            map.serialize_entry("ids", ids.as_slice())?;
        }
        if let Some(authors) = &self.authors {
            map.serialize_entry("authors", authors.as_slice())?;
        }
        if let Some(kinds) = &self.kinds {
            map.serialize_entry("kinds", kinds.as_slice())?;
        }
        for (name, values) in &self.tags {
            map.serialize_entry(&tag_key(*name), values.as_slice())?;
        }
        if let Some(since) = &self.since {
            map.serialize_entry("since", since)?;
        }
        if let Some(until) = &self.until {
            map.serialize_entry("until", until)?;
        }
        if let Some(limit) = &self.limit {
            map.serialize_entry("limit", limit)?;
        }
        if let Some(text) = &self.search {
            map.serialize_entry("search", text)?;
        }
        map.end()
    }
}

/// Follows the rules of [`Filter::from_json`], except that a format which allows a key twice
/// may let the last one win.
impl<'de> Deserialize<'de> for Filter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Filter, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        let text = serde_json::to_string(&value).map_err(D::Error::custom)?;
        Filter::from_json(&text).map_err(D::Error::custom)
    }
}
