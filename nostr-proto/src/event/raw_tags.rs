//! The tags of an event in its JSON: found first, then copied.

use super::Key;
use super::parse::bad;
use super::tags::{Form, TagsWriter, sized_bytes};
use crate::error::ParseError;
use crate::json::{RawString, Reader, plain_length};
use alloc::string::String;

/// Tags that were found in a text, and what they take as an event's text.
pub(super) struct RawTags<'a> {
    /// Where they begin; 0 if they were not looked for.
    at: usize,
    count: usize,
    form: Form,
    bytes: usize,
    /// They themselves, where they stand in plain form already and not with white space or escapes in them.
    plain: Option<&'a str>,
    /// The first of their values, where they do not.
    known: [RawString<'a>; KNOWN],
}

/// How many values are not looked for a second time, when they are copied. Tags that are not plain are mostly few.
const KNOWN: usize = 16;

impl<'a> RawTags<'a> {
    /// No tags.
    pub(super) fn new() -> RawTags<'a> {
        RawTags { at: 0, count: 0, form: Form::Plain, bytes: 0, plain: None, known: [RawString::default(); KNOWN] }
    }

    /// Finds the end of the tags at the cursor, and goes behind it.
    pub(super) fn find(&mut self, reader: &mut Reader<'a>) -> Result<(), ParseError> {
        reader.peek();
        self.at = reader.offset();
        if let Some((length, count)) = plain_tags(&reader.text().as_bytes()[self.at..]) {
            reader.set_offset(self.at + length);
            self.count = count;
            self.plain = Some(&reader.text()[self.at..self.at + length]);
            (self.form, self.bytes) = (Form::Plain, length);
            return Ok(());
        }
        self.plain = None;
        let mut sizes = Sizes::default();
        let mut found = 0;
        walk(reader, &mut sizes, |reader| {
            let value = reader.raw_string()?;
            if let Some(known) = self.known.get_mut(found) {
                *known = value;
            }
            found += 1;
            Ok(value)
        })?;
        let Sizes { plain, sized, escaped, count, .. } = sizes;
        self.count = count;
        // The outer brackets.
        (self.form, self.bytes) = if escaped { (Form::Sized, sized) } else { (Form::Plain, plain + 2) };
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
        self.form
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
            out.push_str(tags);
            return Ok(());
        }
        let mut writer = TagsWriter::new(self.form, out);
        let mut known = self.known.iter().filter(|value| value.end() > 1);
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

/// The length and number of the tags that a text begins with, if it begins with tags in plain form.
fn plain_tags(text: &[u8]) -> Option<(usize, usize)> {
    let byte = |at: usize| text.get(at).copied();
    let mut at = 1;
    let mut count = 0;
    if byte(0)? != b'[' {
        return None;
    }
    if byte(1)? == b']' {
        return Some((2, 0));
    }
    loop {
        if byte(at)? != b'[' {
            return None;
        }
        at += 1;
        if byte(at)? == b']' {
            at += 1;
        } else {
            at = plain_tag(text, at)?;
        }
        count += 1;
        match byte(at)? {
            b',' => at += 1,
            b']' => return Some((at + 1, count)),
            _ => return None,
        }
    }
}

/// The position behind the closing bracket of a tag in plain form, of which `at` is the first value.
#[inline]
fn plain_tag(text: &[u8], at: usize) -> Option<usize> {
    let mut at = at;
    loop {
        if *text.get(at)? != b'"' {
            return None;
        }
        at += 1 + plain_length(&text[at + 1..]);
        let &[b'"', behind] = text.get(at..)?.first_chunk()? else { return None };
        at += 2;
        match behind {
            b',' => {}
            b']' => return Some(at),
            _ => return None,
        }
    }
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

/// Adds up what tags take in either form.
#[derive(Default)]
struct Sizes {
    /// Without the outer brackets.
    plain: usize,
    sized: usize,
    escaped: bool,
    count: usize,
    /// How many values the tag under construction has.
    values: usize,
}

impl Visitor for Sizes {
    fn begin_tag(&mut self) {
        // Brackets, and a comma behind the tag before.
        self.plain += 2 + usize::from(self.count > 0);
        self.count += 1;
        self.values = 0;
    }

    fn value(&mut self, value: RawString<'_>) -> Result<(), ParseError> {
        let length = value.decoded_length()?;
        // Quotes, and a comma behind the value before.
        self.plain += length + 2 + usize::from(self.values > 0);
        self.sized += sized_bytes(length);
        self.escaped |= !value.is_plain();
        self.values += 1;
        Ok(())
    }

    fn end_tag(&mut self) {
        self.sized += 1;
    }
}

impl Visitor for TagsWriter<'_> {
    fn begin_tag(&mut self) {
        TagsWriter::begin_tag(self);
    }

    fn value(&mut self, value: RawString<'_>) -> Result<(), ParseError> {
        value.decode(self.begin_value(value.decoded_length()?))?;
        self.end_value();
        Ok(())
    }

    fn end_tag(&mut self) {
        TagsWriter::end_tag(self);
    }
}
