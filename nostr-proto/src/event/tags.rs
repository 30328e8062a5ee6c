//! Tags as views into an event's text.
//!
//! They are held in one of two encodings. *Plain*, where no string of any tag needs an escape in JSON: the canonical
//! JSON of the tags, as it is hashed and sent, so that both are a copy. *Sized*, otherwise: each tag is its values,
//! then a zero; each value is its length in bytes plus one, then its bytes. Numbers are written in base 64, lowest digit
//! first, one byte per digit, with bit 6 set on all but the last. All those bytes are ASCII, so that the text stays a
//! valid `str` and values are sliced from it without a second check.

use crate::json::plain_length;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::hash::{Hash, Hasher};

const DIGIT_BITS: u32 = 6;
const MORE: u8 = 1 << DIGIT_BITS;

/// How tags are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Plain,
    Sized,
}

/// Appends tags to a text.
pub(super) struct TagsWriter<'o> {
    form: Form,
    out: &'o mut String,
    /// Whether the next tag is the first, and the next value the first of its tag.
    first_tag: bool,
    first_value: bool,
}

impl<'o> TagsWriter<'o> {
    pub(super) fn new(form: Form, out: &'o mut String) -> TagsWriter<'o> {
        if form == Form::Plain {
            out.push('[');
        }
        TagsWriter { form, out, first_tag: true, first_value: true }
    }

    pub(super) fn begin_tag(&mut self) {
        if self.form == Form::Plain {
            self.out.push_str(if self.first_tag { "[" } else { ",[" });
        }
        self.first_tag = false;
        self.first_value = true;
    }

    /// Begins a value of this many bytes, which the caller appends to what is returned.
    pub(super) fn begin_value(&mut self, bytes: usize) -> &mut String {
        match self.form {
            Form::Plain => self.out.push_str(if self.first_value { "\"" } else { ",\"" }),
            Form::Sized => push_number(self.out, bytes + 1),
        }
        self.first_value = false;
        self.out
    }

    pub(super) fn end_value(&mut self) {
        if self.form == Form::Plain {
            self.out.push('"');
        }
    }

    pub(super) fn end_tag(&mut self) {
        match self.form {
            Form::Plain => self.out.push(']'),
            Form::Sized => push_number(self.out, 0),
        }
    }

    pub(super) fn finish(self) {
        if self.form == Form::Plain {
            self.out.push(']');
        }
    }
}

/// Whether a string of a tag can stand in plain form.
pub(super) fn is_plain(value: &str) -> bool {
    plain_length(value.as_bytes()) == value.len()
}

/// The bytes that tags take in this form.
pub(super) fn encoded_bytes(form: Form, tags: &[Vec<String>]) -> usize {
    let values = tags.iter().flatten().map(String::len);
    match form {
        // Quotes around each value, brackets around each tag and all of them, and commas between.
        Form::Plain => {
            let commas =
                tags.iter().map(|tag| tag.len().saturating_sub(1)).sum::<usize>() + tags.len().saturating_sub(1);
            values.map(|length| length + 2).sum::<usize>() + 2 * tags.len() + 2 + commas
        }
        Form::Sized => values.map(sized_bytes).sum::<usize>() + tags.len(),
    }
}

/// The bytes that a value of this length takes in sized form.
pub(super) fn sized_bytes(length: usize) -> usize {
    let digits = (usize::BITS - (length + 1).leading_zeros()).div_ceil(DIGIT_BITS);
    digits as usize + length
}

fn push_number(out: &mut String, mut number: usize) {
    loop {
        let digit = u8::try_from(number & usize::from(MORE - 1)).expect("six bits fit a byte");
        number >>= DIGIT_BITS;
        if number == 0 {
            out.push(char::from(digit));
            return;
        }
        out.push(char::from(digit | MORE));
    }
}

/// Splits a number off the front of an encoding.
fn take_number(encoded: &str) -> (usize, &str) {
    let mut number = 0;
    let mut shift = 0;
    for (index, &byte) in encoded.as_bytes().iter().enumerate() {
        number |= usize::from(byte & (MORE - 1)) << shift;
        shift += DIGIT_BITS;
        if byte & MORE == 0 {
            return (number, &encoded[index + 1..]);
        }
    }
    // The end of the encoding reads as the end of a tag.
    (0, "")
}

/// Splits a value off the front of a tag in sized form; `None` and what follows at the end of the tag.
fn take_sized(encoded: &str) -> (Option<&str>, &str) {
    match take_number(encoded) {
        (0, rest) => (None, rest),
        (length_and_one, rest) => {
            let (value, rest) = rest.split_at(length_and_one - 1);
            (Some(value), rest)
        }
    }
}

/// Splits a value off the front of a tag in plain form: `"value","value"]`, with or without the closing bracket.
#[inline]
fn take_plain(encoded: &str) -> (Option<&str>, &str) {
    match encoded.as_bytes().first() {
        Some(b'"') => {
            let end = 1 + plain_length(&encoded.as_bytes()[1..]);
            let value = &encoded[1..end];
            let behind = end + 1;
            let comma = usize::from(encoded.as_bytes().get(behind) == Some(&b','));
            (Some(value), &encoded[behind + comma..])
        }
        Some(_) => (None, &encoded[1..]),
        None => (None, ""),
    }
}

#[inline]
fn take_value(form: Form, encoded: &str) -> (Option<&str>, &str) {
    match form {
        Form::Plain => take_plain(encoded),
        Form::Sized => take_sized(encoded),
    }
}

/// An event's tags, in order.
#[derive(Clone)]
pub struct Tags<'a> {
    form: Form,
    /// What is left; in plain form without the outer brackets, commas between tags included.
    encoded: &'a str,
    count: usize,
}

impl<'a> Tags<'a> {
    pub(super) fn new(form: Form, encoded: &'a str, count: usize) -> Tags<'a> {
        let encoded = match form {
            Form::Plain => &encoded[1..encoded.len() - 1],
            Form::Sized => encoded,
        };
        Tags { form, encoded, count }
    }

    /// How many tags are left to iterate over; at first, how many the event has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether no tags are left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl<'a> Iterator for Tags<'a> {
    type Item = Tag<'a>;

    fn next(&mut self) -> Option<Tag<'a>> {
        self.count = self.count.checked_sub(1)?;
        if self.form == Form::Plain {
            // Over the comma between two tags, and over the opening bracket.
            let comma = usize::from(self.encoded.as_bytes().first() == Some(&b','));
            self.encoded = &self.encoded[comma + 1..];
        }
        let start = self.encoded;
        loop {
            let before = self.encoded;
            let (value, rest) = take_value(self.form, before);
            self.encoded = rest;
            if value.is_none() {
                let encoded = &start[..start.len() - before.len()];
                return Some(Tag { form: self.form, encoded });
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.count, Some(self.count))
    }
}

impl ExactSizeIterator for Tags<'_> {}

impl fmt::Debug for Tags<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

/// One tag: a list of strings, which may be empty.
#[derive(Clone, Copy)]
pub struct Tag<'a> {
    form: Form,
    encoded: &'a str,
}

impl<'a> Tag<'a> {
    /// The first string; "" in an empty tag.
    #[must_use]
    pub fn name(&self) -> &'a str {
        self.get(0).unwrap_or("")
    }

    /// The second string, the one that relays index.
    #[must_use]
    pub fn value(&self) -> Option<&'a str> {
        self.get(1)
    }

    /// The string at this position; the name is at 0. Takes time in proportion to `index`.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&'a str> {
        self.iter().nth(index)
    }

    /// All strings, the name first.
    #[must_use]
    pub fn iter(&self) -> TagValues<'a> {
        TagValues { form: self.form, encoded: self.encoded }
    }

    /// How many strings the tag has, the name included. Counts them each time.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether the tag is an empty array. Such tags occur.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.encoded.is_empty()
    }
}

/// By the strings, whichever way they are held.
impl PartialEq for Tag<'_> {
    fn eq(&self, other: &Tag<'_>) -> bool {
        (self.form == other.form && self.encoded == other.encoded) || self.iter().eq(other.iter())
    }
}

impl Eq for Tag<'_> {}

impl Hash for Tag<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for value in self.iter() {
            value.hash(state);
        }
        state.write_usize(self.len());
    }
}

impl<'a> IntoIterator for Tag<'a> {
    type Item = &'a str;
    type IntoIter = TagValues<'a>;

    fn into_iter(self) -> TagValues<'a> {
        self.iter()
    }
}

impl fmt::Debug for Tag<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// The strings of a tag, in order.
#[derive(Clone, Debug)]
pub struct TagValues<'a> {
    form: Form,
    encoded: &'a str,
}

impl<'a> Iterator for TagValues<'a> {
    type Item = &'a str;

    #[inline]
    fn next(&mut self) -> Option<&'a str> {
        let (value, rest) = take_value(self.form, self.encoded);
        self.encoded = rest;
        value
    }
}

#[cfg(test)]
mod tests {
    use super::super::body::Text;
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    #[test]
    fn lengths_around_each_digit_survive() {
        for length in [0, 1, 62, 63, 64, 4094, 4095, 4096, 262_143, 262_144] {
            let value = "x".repeat(length);
            let mut encoded = String::new();
            let mut writer = TagsWriter::new(Form::Sized, &mut encoded);
            writer.begin_value(length).push_str(&value);
            writer.end_tag();
            writer.finish();
            assert_eq!(encoded.len(), sized_bytes(length) + 1);
            let tag = Tags::new(Form::Sized, &encoded, 1).next().unwrap();
            assert_eq!(tag.iter().collect::<Vec<_>>(), [value.as_str()]);
        }
    }

    fn assert_reads_as(views: &Tags<'_>, tags: &[Vec<String>]) {
        assert_eq!(views.len(), tags.len());
        for (view, tag) in views.clone().zip(tags) {
            assert_eq!(&view.iter().collect::<Vec<_>>(), tag);
            assert_eq!(view.len(), tag.len());
            assert_eq!(view.is_empty(), tag.is_empty());
            assert_eq!(view.value(), tag.get(1).map(String::as_str));
        }
        assert_eq!(views.clone().count(), tags.len());
    }

    proptest! {
        #[test]
        fn any_tags_survive(tags in vec(vec(any::<String>(), 0..5), 0..9)) {
            let text = Text::from_parts(&tags, "x");
            assert_reads_as(&text.tags(), &tags);
        }

        #[test]
        fn the_form_makes_no_difference(tags in vec(vec("[a-z\\]\\[,]{0,20}", 0..5), 0..9)) {
            let plain = Text::from_parts(&tags, "");
            let sized = Text::from_parts_in(Form::Sized, &tags, "");
            assert_reads_as(&plain.tags(), &tags);
            assert_reads_as(&sized.tags(), &tags);
            prop_assert!(plain.tags().eq(sized.tags()));
            prop_assert_eq!(plain.tags().map(digest).collect::<Vec<_>>(), sized.tags().map(digest).collect::<Vec<_>>());
        }
    }

    fn digest(tag: Tag<'_>) -> u64 {
        let mut state = std::hash::DefaultHasher::new();
        tag.hash(&mut state);
        state.finish()
    }
}
