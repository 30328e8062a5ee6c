//! The tags of an event in its JSON: found first, then copied.

use super::Key;
use super::parse::bad;
use super::tags::{Form, TagsWriter, sized_bytes};
use crate::error::ParseError;
use crate::json::{RawString, Reader, plain_length};
use alloc::string::String;
use core::ops::Range;

/// Tags that were found in a text, and what they take as an event's text.
pub(super) struct RawTags<'a> {
    /// Where they begin; 0 if they were not looked for.
    at: usize,
    count: usize,
    /// Their length in the form that they are brought to.
    bytes: usize,
    /// They themselves, where there are no escapes in them.
    plain: Option<&'a str>,
    /// Where there are: how many values, and the first of them.
    values: usize,
    known: [RawString<'a>; KNOWN],
}

/// How many values are not looked for a second time, when they are copied. Tags with escapes are mostly few.
const KNOWN: usize = 16;

impl<'a> RawTags<'a> {
    /// No tags.
    pub(super) fn new() -> RawTags<'a> {
        RawTags { at: 0, count: 0, bytes: 0, plain: None, values: 0, known: [RawString::default(); KNOWN] }
    }

    /// Finds the end of the tags at the cursor, and goes behind it.
    pub(super) fn find(&mut self, reader: &mut Reader<'a>) -> Result<(), ParseError> {
        reader.peek();
        self.at = reader.offset();
        let mut gaps = 0;
        if let Some((length, count)) = plain_tags(&reader.text().as_bytes()[self.at..], &mut |gap| gaps += gap.len()) {
            reader.set_offset(self.at + length);
            self.count = count;
            self.plain = Some(&reader.text()[self.at..self.at + length]);
            self.bytes = length - gaps;
            return Ok(());
        }
        // Either there are escapes in them, or a fault.
        let mut sizes = Sizes::default();
        walk(reader, &mut sizes, |reader| {
            let value = reader.raw_string()?;
            if let Some(known) = self.known.get_mut(self.values) {
                *known = value;
            }
            self.values += 1;
            Ok(value)
        })?;
        (self.count, self.bytes) = (sizes.count, sizes.bytes);
        Ok(())
    }

    /// Walks over them once more, as far as they go, and tells the first fault.
    pub(super) fn check(&self, reader: &Reader<'a>) -> Result<(), ParseError> {
        if self.plain.is_some() || self.at == 0 {
            return Ok(());
        }
        let read = |reader: &mut Reader<'a>| {
            let value = reader.raw_string()?;
            value.check()?;
            Ok(value)
        };
        walk(&mut reader.again_at(self.at), &mut Sizes::default(), read)
    }

    /// The form that [`RawTags::copy`] brings them to.
    pub(super) fn form(&self) -> Form {
        if self.plain.is_some() { Form::Plain } else { Form::Sized }
    }

    /// Their length in that form.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Appends them to an event's text.
    pub(super) fn copy(&self, reader: &Reader<'a>, out: &mut String) -> Result<(), ParseError> {
        if let Some(tags) = self.plain {
            let mut done = 0;
            if self.bytes < tags.len() {
                plain_tags(tags.as_bytes(), &mut |gap| {
                    out.push_str(&tags[done..gap.start]);
                    done = gap.end;
                });
            }
            out.push_str(&tags[done..]);
            return Ok(());
        }
        let mut writer = TagsWriter::new(self.form(), out);
        let mut known = self.known.iter().take(self.values);
        walk(&mut reader.again_at(self.at), &mut writer, |reader| match known.next() {
            Some(value) => {
                reader.set_offset(value.end());
                Ok(*value)
            }
            None => reader.raw_string(),
        })?;
        writer.finish();
        Ok(())
    }
}

/// The length and number of the tags that a text begins with, if it begins with tags without escapes. `gap` is told of
/// all white space between their parts: without it, they are in plain form.
#[inline(always)]
fn plain_tags(text: &[u8], gap: &mut impl FnMut(Range<usize>)) -> Option<(usize, usize)> {
    let mut at = 1;
    let mut count = 0;
    if *text.first()? != b'[' {
        return None;
    }
    if part(text, &mut at, gap)? == b']' {
        return Some((at, 0));
    }
    // Behind the byte that was looked at.
    at -= 1;
    loop {
        if part(text, &mut at, gap)? != b'[' {
            return None;
        }
        plain_tag(text, &mut at, gap)?;
        count += 1;
        match part(text, &mut at, gap)? {
            b',' => {}
            b']' => return Some((at, count)),
            _ => return None,
        }
    }
}

/// Goes from behind the opening bracket of a tag without escapes to behind the closing one.
#[inline(always)]
fn plain_tag(text: &[u8], at: &mut usize, gap: &mut impl FnMut(Range<usize>)) -> Option<()> {
    let mut first = true;
    loop {
        match part(text, at, gap)? {
            b'"' => {}
            b']' if first => return Some(()),
            _ => return None,
        }
        first = false;
        *at += plain_length(&text[*at..]);
        if *text.get(*at)? != b'"' {
            return None;
        }
        *at += 1;
        match part(text, at, gap)? {
            b',' => {}
            b']' => return Some(()),
            _ => return None,
        }
    }
}

/// Skips white space, and takes the byte behind it.
#[inline(always)]
fn part(text: &[u8], at: &mut usize, gap: &mut impl FnMut(Range<usize>)) -> Option<u8> {
    let start = *at;
    let mut byte = *text.get(start)?;
    if byte <= b' ' {
        while matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
            *at += 1;
            byte = *text.get(*at)?;
        }
        gap(start..*at);
    }
    *at += 1;
    Some(byte)
}

/// What happens on a walk over tags.
trait Visitor {
    fn begin_tag(&mut self);
    fn value(&mut self, value: RawString<'_>) -> Result<(), ParseError>;
    fn end_tag(&mut self);
}

/// Walks over the tags at the cursor, however they are written; `read` reads each value.
fn walk<'a>(
    reader: &mut Reader<'a>,
    visitor: &mut impl Visitor,
    mut read: impl FnMut(&mut Reader<'a>) -> Result<RawString<'a>, ParseError>,
) -> Result<(), ParseError> {
    const SHAPE: &str = "an array of arrays of strings";
    if !reader.eat(b'[') {
        return bad(reader, Key::Tags, SHAPE);
    }
    let mut first_tag = true;
    while reader.next_item(first_tag)? {
        first_tag = false;
        if !reader.eat(b'[') {
            return bad(reader, Key::Tags, SHAPE);
        }
        visitor.begin_tag();
        let mut first_value = true;
        while reader.next_item(first_value)? {
            first_value = false;
            if reader.peek() != Some(b'"') {
                return bad(reader, Key::Tags, SHAPE);
            }
            visitor.value(read(reader)?)?;
        }
        visitor.end_tag();
    }
    Ok(())
}

/// Adds up what tags take in sized form.
#[derive(Default)]
struct Sizes {
    bytes: usize,
    count: usize,
}

impl Visitor for Sizes {
    fn begin_tag(&mut self) {
        self.count += 1;
    }

    fn value(&mut self, value: RawString<'_>) -> Result<(), ParseError> {
        self.bytes += sized_bytes(value.decoded_length());
        Ok(())
    }

    fn end_tag(&mut self) {
        self.bytes += 1;
    }
}

impl Visitor for TagsWriter<'_> {
    fn begin_tag(&mut self) {
        TagsWriter::begin_tag(self);
    }

    fn value(&mut self, value: RawString<'_>) -> Result<(), ParseError> {
        value.decode(self.begin_value(value.decoded_length()))?;
        self.end_value();
        Ok(())
    }

    fn end_tag(&mut self) {
        TagsWriter::end_tag(self);
    }
}
