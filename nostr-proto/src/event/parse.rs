//! Events from JSON, in one pass over the text.

use super::Event;
use super::body::{Body, StringsBuilder};
use crate::error::{ParseError, ParseErrorKind, Part};
use crate::hex;
use crate::json::Reader;
use crate::limits::{MAX_DEPTH, MAX_EVENT_BYTES};
use crate::{EventId, Kind, PublicKey, Signature, Timestamp};
use ParseErrorKind::{BadField, DuplicateField, MissingField, TooLarge};
use alloc::sync::Arc;

pub(super) fn from_json(json: &str) -> Result<Event, ParseError> {
    let mut reader = Reader::new(json);
    let event = parse_event(&mut reader)?;
    reader.end()?;
    Ok(event)
}

/// The least that an event's JSON spends, behind its brace, on other things than tag strings and
/// content; what is left is enough for the string buffer of any event but odd ones.
const FIXED_BYTES: usize = 332;

/// Reads the event object at the cursor.
pub(crate) fn parse_event(reader: &mut Reader<'_>) -> Result<Event, ParseError> {
    reader.peek();
    let start = reader.offset();
    reader.expect(b'{', "an event object")?;
    let mut fields = Fields::new(reader.remaining());
    let mut first = true;
    while let Some((at, key)) = reader.next_key(first)? {
        first = false;
        fields.read(&key, at, reader)?;
    }
    if reader.offset() - start > MAX_EVENT_BYTES {
        return Err(ParseError::new(start, TooLarge { limit: MAX_EVENT_BYTES }));
    }
    // The offset of the closing brace.
    fields.finish(reader.offset() - 1)
}

/// The fields read so far.
struct Fields {
    id: Option<EventId>,
    pubkey: Option<PublicKey>,
    created_at: Option<Timestamp>,
    kind: Option<Kind>,
    tags: Option<()>,
    content: Option<()>,
    signature: Option<Signature>,
    strings: StringsBuilder,
}

impl Fields {
    fn new(text_bytes: usize) -> Fields {
        let strings = text_bytes.min(MAX_EVENT_BYTES).saturating_sub(FIXED_BYTES);
        Fields {
            id: None,
            pubkey: None,
            created_at: None,
            kind: None,
            tags: None,
            content: None,
            signature: None,
            strings: StringsBuilder::with_capacity(strings),
        }
    }

    /// Reads the value of one field.
    fn read(&mut self, key: &str, at: usize, reader: &mut Reader<'_>) -> Result<(), ParseError> {
        match key {
            "id" => {
                let id = read_hex(reader, "id", "64 lowercase hex characters")?;
                set(&mut self.id, EventId::from_bytes(id), at, "id")
            }
            "pubkey" => {
                let pubkey = read_hex(reader, "pubkey", "64 lowercase hex characters")?;
                set(&mut self.pubkey, PublicKey::from_bytes(pubkey), at, "pubkey")
            }
            "sig" => {
                let signature = read_hex(reader, "sig", "128 lowercase hex characters")?;
                set(&mut self.signature, Signature::from_bytes(signature), at, "sig")
            }
            "created_at" => match reader.integer() {
                Some(seconds) => set(&mut self.created_at, Timestamp::new(seconds), at, "created_at"),
                None => bad(reader, "created_at", "an integer from 0 to 18446744073709551615"),
            },
            "kind" => {
                let start = reader.offset();
                match reader.integer().map(u16::try_from) {
                    Some(Ok(kind)) => set(&mut self.kind, Kind::new(kind), at, "kind"),
                    _ => bad_at(start, "kind", "an integer from 0 to 65535"),
                }
            }
            "tags" => {
                set(&mut self.tags, (), at, "tags")?;
                self.read_tags(reader)
            }
            "content" => {
                set(&mut self.content, (), at, "content")?;
                if reader.peek() != Some(b'"') {
                    return bad(reader, "content", "a string");
                }
                self.strings.content(|text| reader.string_into(text))
            }
            // The event object is the first level.
            _ => reader.skip_value(MAX_DEPTH - 1, MAX_DEPTH),
        }
    }

    fn read_tags(&mut self, reader: &mut Reader<'_>) -> Result<(), ParseError> {
        const SHAPE: &str = "an array of arrays of strings";
        if !reader.eat(b'[') {
            return bad(reader, "tags", SHAPE);
        }
        self.strings.begin_tags();
        let mut first_tag = true;
        while reader.next_item(first_tag)? {
            first_tag = false;
            if !reader.eat(b'[') {
                return bad(reader, "tags", SHAPE);
            }
            let mut first_value = true;
            while reader.next_item(first_value)? {
                first_value = false;
                if reader.peek() != Some(b'"') {
                    return bad(reader, "tags", SHAPE);
                }
                self.strings.tag_value(&reader.string()?);
            }
            self.strings.end_tag();
        }
        self.strings.end_tags();
        Ok(())
    }

    fn finish(self, end: usize) -> Result<Event, ParseError> {
        let missing = |field| {
            let part = Part::Event;
            ParseError::new(end, MissingField { part, field })
        };
        let id = self.id.ok_or_else(|| missing("id"))?;
        let pubkey = self.pubkey.ok_or_else(|| missing("pubkey"))?;
        let created_at = self.created_at.ok_or_else(|| missing("created_at"))?;
        let kind = self.kind.ok_or_else(|| missing("kind"))?;
        self.tags.ok_or_else(|| missing("tags"))?;
        self.content.ok_or_else(|| missing("content"))?;
        let signature = self.signature.ok_or_else(|| missing("sig"))?;
        let strings = self.strings.finish();
        let body = Body::new((id, pubkey, signature), created_at, kind, strings);
        Ok(Event(Arc::new(body)))
    }
}

/// Stores a field's value, once.
fn set<T>(slot: &mut Option<T>, value: T, at: usize, field: &'static str) -> Result<(), ParseError> {
    if slot.replace(value).is_some() {
        let (part, field) = (Part::Event, field.into());
        return Err(ParseError::new(at, DuplicateField { part, field }));
    }
    Ok(())
}

fn read_hex<const N: usize>(
    reader: &mut Reader<'_>,
    field: &'static str,
    expected: &'static str,
) -> Result<[u8; N], ParseError> {
    let start = reader.offset();
    if reader.peek() != Some(b'"') {
        return bad(reader, field, expected);
    }
    let text = reader.string()?;
    hex::decode(&text).or_else(|_| bad_at(start, field, expected))
}

/// The value at the cursor is not what the field must be.
fn bad<T>(reader: &Reader<'_>, field: &'static str, expected: &'static str) -> Result<T, ParseError> {
    reader.error(BadField { part: Part::Event, field: field.into(), expected })
}

/// As [`bad`], for a value that was read already and began at `start`.
fn bad_at<T>(start: usize, field: &'static str, expected: &'static str) -> Result<T, ParseError> {
    let (part, field) = (Part::Event, field.into());
    Err(ParseError::new(start, BadField { part, field, expected }))
}
