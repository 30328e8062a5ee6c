//! Events from JSON: all fields are found in one pass over the text, then the strings are copied.

use super::body::{Body, Text};
use super::raw_tags::RawTags;
use super::{Event, Key};
use crate::error::{ParseError, ParseErrorKind, Part};
use crate::hex;
use crate::json::{RawString, Reader};
use crate::limits::{MAX_DEPTH, MAX_EVENT_BYTES};
use crate::{EventId, Kind, PublicKey, Signature, Timestamp};
use ParseErrorKind::{BadField, DuplicateField, MissingField, TooLarge, UnexpectedEnd};
use alloc::string::String;
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
    let mut fields = Fields::new();
    match fields.read_all(reader, start).and_then(|()| fields.finish(reader)) {
        Ok(event) => Ok(event),
        Err(error) => Err(fields.first_error(reader, error)),
    }
}

/// As [`Reader::next_key`], for an event: the key's offset, and the field that it names.
#[inline]
fn next_key(reader: &mut Reader<'_>, first: bool) -> Result<Option<(usize, Option<Key>)>, ParseError> {
    let text = reader.text().as_bytes();
    let at = reader.offset() + usize::from(!first);
    // Nearly always a comma and the key, or a space between them.
    let at = at + usize::from(text.get(at) == Some(&b' '));
    if (first || reader.at_byte(b','))
        && let Some((key, length)) = text.get(at..).and_then(Key::at)
    {
        reader.set_offset(at + length);
        return match reader.peek() {
            Some(_) => Ok(Some((at, Some(key)))),
            None => reader.error(UnexpectedEnd),
        };
    }
    let Some((at, key)) = reader.next_key(first)? else { return Ok(None) };
    let mut buffer = [0; Key::LONGEST];
    let name = key.read_short(&mut buffer)?;
    Ok(Some((at, name.and_then(Key::from_name))))
}

/// The fields read so far. Strings are copied once all of them are found, so that one allocation of the right size does.
struct Fields<'a> {
    /// Which fields were read, a bit for each [`Key`].
    seen: u8,
    id: [u8; 32],
    pubkey: [u8; 32],
    created_at: u64,
    kind: u16,
    tags: RawTags<'a>,
    content: RawString<'a>,
    signature: [u8; 64],
}

impl<'a> Fields<'a> {
    fn new() -> Fields<'a> {
        Fields {
            seen: 0,
            id: [0; 32],
            pubkey: [0; 32],
            created_at: 0,
            kind: 0,
            tags: RawTags::new(),
            content: RawString::default(),
            signature: [0; 64],
        }
    }

    /// Reads from behind the opening brace, which stands at `start`, to behind the closing one.
    fn read_all(&mut self, reader: &mut Reader<'a>, start: usize) -> Result<(), ParseError> {
        let mut first = true;
        while let Some((at, key)) = next_key(reader, first)? {
            first = false;
            match key {
                Some(key) => self.read(key, at, reader)?,
                // The event object is the first level.
                None => reader.skip_value(MAX_DEPTH - 1, MAX_DEPTH)?,
            }
        }
        if reader.offset() - start > MAX_EVENT_BYTES {
            return Err(ParseError::new(start, TooLarge { limit: MAX_EVENT_BYTES }));
        }
        Ok(())
    }

    /// Of a fault that was found and those that strings before may have, unread as they are, the first.
    #[cold]
    fn first_error(&self, reader: &Reader<'a>, error: ParseError) -> ParseError {
        let before = [self.tags.check(reader), self.content.check()];
        before
            .into_iter()
            .filter_map(Result::err)
            .chain([error])
            .min_by_key(|error| error.offset)
            .expect("one at least")
    }

    /// Reads the value of one field, whose key stands at `at`.
    #[inline]
    fn read(&mut self, key: Key, at: usize, reader: &mut Reader<'a>) -> Result<(), ParseError> {
        let bit = 1 << key as u8;
        if self.seen & bit != 0 {
            let (part, field) = (Part::Event, key.name().into());
            return Err(ParseError::new(at, DuplicateField { part, field }));
        }
        self.seen |= bit;
        match key {
            Key::Id => read_hex(reader, key, "64 lowercase hex characters", &mut self.id)?,
            Key::Pubkey => read_hex(reader, key, "64 lowercase hex characters", &mut self.pubkey)?,
            Key::Sig => read_hex(reader, key, "128 lowercase hex characters", &mut self.signature)?,
            Key::CreatedAt => match reader.integer() {
                Some(seconds) => self.created_at = seconds,
                None => return bad(reader, key, "an integer from 0 to 18446744073709551615"),
            },
            Key::Kind => {
                let start = reader.offset();
                match reader.integer().map(u16::try_from) {
                    Some(Ok(kind)) => self.kind = kind,
                    _ => return bad_at(start, key, "an integer from 0 to 65535"),
                }
            }
            Key::Tags => self.tags.find(reader)?,
            Key::Content => {
                if reader.peek() != Some(b'"') {
                    return bad(reader, key, "a string");
                }
                self.content = reader.raw_string()?;
            }
        }
        Ok(())
    }

    /// Behind the closing brace.
    fn finish(&self, reader: &Reader<'a>) -> Result<Event, ParseError> {
        if let Some(key) = Key::ALL.into_iter().find(|&key| self.seen & (1 << key as u8) == 0) {
            let (part, field) = (Part::Event, key.name());
            return Err(ParseError::new(reader.offset() - 1, MissingField { part, field }));
        }
        let text = self.text(reader)?;
        Ok(Event(Arc::new(Body::new(
            (EventId::from_bytes(self.id), PublicKey::from_bytes(self.pubkey), Signature::from_bytes(self.signature)),
            Timestamp::new(self.created_at),
            Kind::new(self.kind),
            text,
        ))))
    }

    /// Copies the strings.
    fn text(&self, reader: &Reader<'a>) -> Result<Text, ParseError> {
        let mut text = String::with_capacity(self.tags.bytes() + self.content.decoded_length());
        self.tags.copy(reader, &mut text)?;
        let tags = (self.tags.form(), self.tags.count(), text.len());
        self.content.decode(&mut text)?;
        Ok(Text::new(text, tags, self.content.is_plain()))
    }
}

/// Reads a string of lowercase hex.
#[inline]
fn read_hex<const N: usize>(
    reader: &mut Reader<'_>,
    key: Key,
    expected: &'static str,
    out: &mut [u8; N],
) -> Result<(), ParseError> {
    if reader.hex_string(out) { Ok(()) } else { read_odd_hex(reader, key, expected, out) }
}

/// As [`read_hex`], where there are escapes or it is no hex.
#[cold]
fn read_odd_hex<const N: usize>(
    reader: &mut Reader<'_>,
    key: Key,
    expected: &'static str,
    out: &mut [u8; N],
) -> Result<(), ParseError> {
    if reader.peek() != Some(b'"') {
        return bad(reader, key, expected);
    }
    let start = reader.offset();
    match reader.raw_string()?.read_short(&mut [0; hex::MAX_HEX])?.map(hex::decode) {
        Some(Ok(bytes)) => *out = bytes,
        _ => return bad_at(start, key, expected),
    }
    Ok(())
}

/// The value at the cursor is not what the field must be.
#[cold]
pub(super) fn bad<T>(reader: &Reader<'_>, key: Key, expected: &'static str) -> Result<T, ParseError> {
    reader.error(BadField { part: Part::Event, field: key.name().into(), expected })
}

/// As [`bad`], for a value that was read already and began at `start`.
#[cold]
fn bad_at<T>(start: usize, key: Key, expected: &'static str) -> Result<T, ParseError> {
    let (part, field) = (Part::Event, key.name().into());
    Err(ParseError::new(start, BadField { part, field, expected }))
}
