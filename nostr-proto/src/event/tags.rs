//! Tags as views into an event's string buffer.
//!
//! Encoding: each tag is its values, then a zero; each value is its length in bytes plus one,
//! then its bytes. Numbers are written in base 64, lowest digit first, one byte per digit, with
//! bit 6 set on all but the last. All those bytes are ASCII, so the buffer stays a valid `str`
//! and values are sliced from it without a second check; and equal tags have equal encodings.

use alloc::string::String;
use core::fmt;

const DIGIT_BITS: u32 = 6;
const MORE: u8 = 1 << DIGIT_BITS;

/// Appends a tag value.
pub(super) fn push_value(out: &mut String, value: &str) {
    push_number(out, value.len() + 1);
    out.push_str(value);
}

/// Appends the end of a tag.
pub(super) fn push_end(out: &mut String) {
    push_number(out, 0);
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

/// Splits a value off the front of an encoding; `None` and what follows at the end of a tag.
fn take_value(encoded: &str) -> (Option<&str>, &str) {
    match take_number(encoded) {
        (0, rest) => (None, rest),
        (length_and_one, rest) => {
            let (value, rest) = rest.split_at(length_and_one - 1);
            (Some(value), rest)
        }
    }
}

/// An event's tags, in order.
#[derive(Clone)]
pub struct Tags<'a> {
    encoded: &'a str,
    count: usize,
}

impl<'a> Tags<'a> {
    pub(super) fn new(encoded: &'a str, count: usize) -> Tags<'a> {
        Tags { encoded, count }
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
        let start = self.encoded;
        loop {
            let before = self.encoded;
            let (value, rest) = take_value(self.encoded);
            self.encoded = rest;
            if value.is_none() {
                let encoded = &start[..start.len() - before.len()];
                return Some(Tag { encoded });
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
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tag<'a> {
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
        TagValues { encoded: self.encoded }
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
    encoded: &'a str,
}

impl<'a> Iterator for TagValues<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let (value, rest) = take_value(self.encoded);
        self.encoded = rest;
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::collection::vec;
    use proptest::prelude::*;

    #[test]
    fn lengths_around_each_digit_survive() {
        for length in [0, 1, 62, 63, 64, 4094, 4095, 4096, 262_143, 262_144] {
            let value = "x".repeat(length);
            let mut encoded = String::new();
            push_value(&mut encoded, &value);
            push_end(&mut encoded);
            let tag = Tags::new(&encoded, 1).next().unwrap();
            assert_eq!(tag.iter().collect::<Vec<_>>(), [value.as_str()]);
        }
    }

    proptest! {
        #[test]
        fn any_tags_survive(tags in vec(vec(any::<String>(), 0..5), 0..9)) {
            let mut encoded = String::new();
            for tag in &tags {
                for value in tag {
                    push_value(&mut encoded, value);
                }
                push_end(&mut encoded);
            }
            let views = Tags::new(&encoded, tags.len());
            prop_assert_eq!(views.len(), tags.len());
            for (view, tag) in views.clone().zip(&tags) {
                prop_assert_eq!(view.iter().collect::<Vec<_>>(), tag.clone());
                prop_assert_eq!(view.len(), tag.len());
                prop_assert_eq!(view.is_empty(), tag.is_empty());
                prop_assert_eq!(view.value(), tag.get(1).map(String::as_str));
            }
            prop_assert_eq!(views.count(), tags.len());
        }
    }
}
