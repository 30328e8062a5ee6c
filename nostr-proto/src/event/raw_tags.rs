//! The tags of an event in its JSON: found first, then copied.

use super::body::TextBuilder;
use super::parse::bad;
use super::tags::{Form, sized_bytes};
use crate::error::ParseError;
use crate::json::{RawString, Reader, plain_length};
use alloc::string::String;

/// Tags that were found in a text, and what they take as an event's text.
pub(super) struct RawTags<'a> {
    /// Where they begin.
    at: usize,
    count: usize,
    found: Found<'a>,
}

enum Found<'a> {
    /// They stand in plain form already.
    Plain(&'a str),
    /// They have white space or escapes in them.
    Other {
        form: Form,
        /// Their length in that form.
        bytes: usize,
    },
}

impl<'a> RawTags<'a> {
    /// Finds the end of the tags at the cursor, and goes behind it.
    pub(super) fn find(reader: &mut Reader<'a>) -> Result<RawTags<'a>, ParseError> {
        reader.peek();
        let at = reader.offset();
        if let Some((length, count)) = plain_tags(&reader.text().as_bytes()[at..]) {
            reader.set_offset(at + length);
            return Ok(RawTags { at, count, found: Found::Plain(&reader.text()[at..at + length]) });
        }
        let mut sizes = Sizes::default();
        walk(reader, &mut sizes)?;
        let Sizes { plain, sized, escaped, count, .. } = sizes;
        // The outer brackets.
        let (form, bytes) = if escaped { (Form::Sized, sized) } else { (Form::Plain, plain + 2) };
        Ok(RawTags { at, count, found: Found::Other { form, bytes } })
    }

    /// Begins an event's text with these tags; so many bytes are to follow.
    pub(super) fn begin_text(&self, reader: &Reader<'a>, more: usize) -> Result<TextBuilder, ParseError> {
        match self.found {
            Found::Plain(tags) => Ok(TextBuilder::from_plain_tags(tags, self.count, tags.len() + more)),
            Found::Other { form, bytes } => {
                let mut text = TextBuilder::new(form, bytes + more);
                walk(&mut reader.again_at(self.at), &mut text)?;
                Ok(text)
            }
        }
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

/// Walks over the tags at the cursor, however they are written.
fn walk(reader: &mut Reader<'_>, visitor: &mut impl Visitor) -> Result<(), ParseError> {
    const SHAPE: &str = "an array of arrays of strings";
    if !reader.eat(b'[') {
        return bad(reader, "tags", SHAPE);
    }
    let mut first_tag = true;
    while reader.next_item(first_tag)? {
        first_tag = false;
        if !reader.eat(b'[') {
            return bad(reader, "tags", SHAPE);
        }
        visitor.begin_tag();
        let mut first_value = true;
        while reader.next_item(first_value)? {
            first_value = false;
            if reader.peek() != Some(b'"') {
                return bad(reader, "tags", SHAPE);
            }
            visitor.value(reader.raw_string()?)?;
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

impl Visitor for TextBuilder {
    fn begin_tag(&mut self) {
        TextBuilder::begin_tag(self);
    }

    fn value(&mut self, value: RawString<'_>) -> Result<(), ParseError> {
        self.tag_value(value.decoded_length()?, |out: &mut String| value.decode(out))
    }

    fn end_tag(&mut self) {
        TextBuilder::end_tag(self);
    }
}
