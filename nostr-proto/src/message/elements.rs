//! The frame that both directions share: an array whose first element is a verb.

use crate::error::{ParseError, ParseErrorKind, Part};
use crate::hex_text;
use crate::json::Reader;
use crate::limits::{MAX_FRAME_DEPTH, MAX_MESSAGE_BYTES};
use alloc::borrow::Cow;
use alloc::vec::Vec;

/// Walks over the elements of a message.
pub(super) struct Elements<'a> {
    pub(super) reader: Reader<'a>,
    ended: bool,
}

impl<'a> Elements<'a> {
    /// Opens the array and reads the verb; also gives the verb's offset.
    pub(super) fn open(text: &'a str) -> Result<(Elements<'a>, usize, Cow<'a, str>), ParseError> {
        if text.len() > MAX_MESSAGE_BYTES {
            let limit = MAX_MESSAGE_BYTES;
            return Err(ParseError::new(0, ParseErrorKind::TooLarge { limit }));
        }
        let mut reader = Reader::new(text);
        reader.expect(b'[', "a message array")?;
        reader.peek();
        let at = reader.offset();
        let verb = reader.string_or(bad("verb", "a string"))?;
        let ended = false;
        Ok((Elements { reader, ended }, at, verb))
    }

    /// Goes to the next element; false if there is none.
    pub(super) fn next(&mut self) -> Result<bool, ParseError> {
        if !self.ended {
            self.ended = !self.reader.next_item(false)?;
        }
        Ok(!self.ended)
    }

    /// Goes to the next element, which must be there.
    pub(super) fn require(&mut self, name: &'static str) -> Result<(), ParseError> {
        if self.next()? {
            return Ok(());
        }
        // The offset of the closing bracket.
        let at = self.reader.offset() - 1;
        let (part, field) = (Part::Message, name);
        Err(ParseError::new(at, ParseErrorKind::MissingField { part, field }))
    }

    /// Reads the next element, which must be a string.
    pub(super) fn text(&mut self, name: &'static str) -> Result<Cow<'a, str>, ParseError> {
        self.require(name)?;
        self.reader.string_or(bad(name, "a string"))
    }

    /// Reads the next element, which must be a negentropy message in hex (NIP-77).
    pub(super) fn negentropy(&mut self) -> Result<Vec<u8>, ParseError> {
        let wrong = || bad("message", "an even number of hex characters");
        self.require("message")?;
        let start = self.reader.offset();
        let text = self.reader.string_or(wrong())?;
        hex_text::decode(&text).ok_or_else(|| ParseError::new(start, wrong()))
    }

    /// Reads over the element at the cursor.
    pub(super) fn skip(&mut self) -> Result<(), ParseError> {
        // The message itself is the first level.
        self.reader.skip_value(MAX_FRAME_DEPTH - 1, MAX_FRAME_DEPTH)
    }

    /// Reads over the value at the cursor, which stands within an element.
    pub(super) fn skip_within(&mut self) -> Result<(), ParseError> {
        self.reader.skip_value(MAX_FRAME_DEPTH - 2, MAX_FRAME_DEPTH)
    }

    /// Reads over the remaining elements, to the end of the text.
    pub(super) fn finish(&mut self) -> Result<(), ParseError> {
        while self.next()? {
            self.skip()?;
        }
        self.reader.end()
    }
}

/// An element that is not what it must be.
pub(super) fn bad(field: &'static str, expected: &'static str) -> ParseErrorKind {
    ParseErrorKind::BadField { part: Part::Message, field: field.into(), expected }
}
