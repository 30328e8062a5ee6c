//! Events from JSON, in one pass over the text.

use super::{Event, Key};
use super::body::Body;
use super::raw_tags::RawTags;
use crate::error::{ParseError, ParseErrorKind, Part};
use crate::hex;
use crate::json::{RawString, Reader};
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

/// Reads the event object at the cursor.
pub(crate) fn parse_event(reader: &mut Reader<'_>) -> Result<Event, ParseError> {
    reader.peek();
    let start = reader.offset();
    reader.expect(b'{', "an event object")?;
    let mut fields = Fields::default();
    let mut first = true;
    while let Some((at, key)) = next_key(reader, first)? {
        first = false;
        match key {
            Some(key) => fields.read(key, at, reader)?,
            // The event object is the first level.
            None => reader.skip_value(MAX_DEPTH - 1, MAX_DEPTH)?,
        }
    }
    if reader.offset() - start > MAX_EVENT_BYTES {
        return Err(ParseError::new(start, TooLarge { limit: MAX_EVENT_BYTES }));
    }
    fields.finish(reader)
}

/// As [`Reader::next_key`], for an event: the key's offset, and the field that it names.
#[inline]
fn next_key(reader: &mut Reader<'_>, first: bool) -> Result<Option<(usize, Option<Key>)>, ParseError> {
    let at = reader.offset() + usize::from(!first);
    let rest = reader.text().as_bytes().get(at..).unwrap_or(&[]);
    if (first || reader.at_byte(b','))
        && let Some((key, length)) = Key::at(rest)
    {
        reader.set_offset(at + length);
        return Ok(Some((at, Some(key))));
    }
    let next = reader.next_key(first)?;
    Ok(next.map(|(at, key)| (at, Key::from_name(&key))))
}

/// The fields read so far. Strings are copied once all of them are found, so that one allocation of the right size does.
#[derive(Default)]
struct Fields<'a> {
    id: Option<EventId>,
    pubkey: Option<PublicKey>,
    created_at: Option<Timestamp>,
    kind: Option<Kind>,
    tags: Option<RawTags<'a>>,
    content: Option<RawString<'a>>,
    signature: Option<Signature>,
}

impl<'a> Fields<'a> {
    /// Reads the value of one field.
    fn read(&mut self, key: Key, at: usize, reader: &mut Reader<'a>) -> Result<(), ParseError> {
        match key {
            Key::Id => {
                let id = read_hex(reader, "id", "64 lowercase hex characters")?;
                set(&mut self.id, EventId::from_bytes(id), at, "id")
            }
            Key::Pubkey => {
                let pubkey = read_hex(reader, "pubkey", "64 lowercase hex characters")?;
                set(&mut self.pubkey, PublicKey::from_bytes(pubkey), at, "pubkey")
            }
            Key::Sig => {
                let signature = read_hex(reader, "sig", "128 lowercase hex characters")?;
                set(&mut self.signature, Signature::from_bytes(signature), at, "sig")
            }
            Key::CreatedAt => match reader.integer() {
                Some(seconds) => set(&mut self.created_at, Timestamp::new(seconds), at, "created_at"),
                None => bad(reader, "created_at", "an integer from 0 to 18446744073709551615"),
            },
            Key::Kind => {
                let start = reader.offset();
                match reader.integer().map(u16::try_from) {
                    Some(Ok(kind)) => set(&mut self.kind, Kind::new(kind), at, "kind"),
                    _ => bad_at(start, "kind", "an integer from 0 to 65535"),
                }
            }
            Key::Tags => {
                let tags = RawTags::find(reader)?;
                set(&mut self.tags, tags, at, "tags")
            }
            Key::Content => {
                if reader.peek() != Some(b'"') {
                    return bad(reader, "content", "a string");
                }
                let content = reader.raw_string()?;
                set(&mut self.content, content, at, "content")
            }
        }
    }

    /// Behind the closing brace.
    fn finish(self, reader: &Reader<'a>) -> Result<Event, ParseError> {
        let missing = |field| {
            let part = Part::Event;
            ParseError::new(reader.offset() - 1, MissingField { part, field })
        };
        let id = self.id.ok_or_else(|| missing("id"))?;
        let pubkey = self.pubkey.ok_or_else(|| missing("pubkey"))?;
        let created_at = self.created_at.ok_or_else(|| missing("created_at"))?;
        let kind = self.kind.ok_or_else(|| missing("kind"))?;
        let tags = self.tags.ok_or_else(|| missing("tags"))?;
        let content = self.content.ok_or_else(|| missing("content"))?;
        let signature = self.signature.ok_or_else(|| missing("sig"))?;
        let text = tags.begin_text(reader, content.decoded_length()?)?;
        let text = text.finish(content.is_plain(), |out| content.decode(out))?;
        let body = Body::new((id, pubkey, signature), created_at, kind, text);
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
    if let Some(bytes) = reader.hex_string() {
        return Ok(bytes);
    }
    let text = reader.string()?;
    hex::decode(&text).or_else(|_| bad_at(start, field, expected))
}

/// The value at the cursor is not what the field must be.
pub(super) fn bad<T>(reader: &Reader<'_>, field: &'static str, expected: &'static str) -> Result<T, ParseError> {
    reader.error(BadField { part: Part::Event, field: field.into(), expected })
}

/// As [`bad`], for a value that was read already and began at `start`.
fn bad_at<T>(start: usize, field: &'static str, expected: &'static str) -> Result<T, ParseError> {
    let (part, field) = (Part::Event, field.into());
    Err(ParseError::new(start, BadField { part, field, expected }))
}
