//! Reading JSON strings: borrowed while there is nothing to unescape.

use super::Reader;
use super::scan::plain_length;
use crate::error::{ParseError, ParseErrorKind};
use ParseErrorKind::{BadEscape, ControlCharacter, LoneSurrogate, UnexpectedEnd};
use alloc::borrow::Cow;
use alloc::string::String;

impl<'a> Reader<'a> {
    /// Reads a string.
    pub(crate) fn string(&mut self) -> Result<Cow<'a, str>, ParseError> {
        self.open_quote()?;
        let run = self.run()?;
        if self.take_quote() {
            return Ok(Cow::Borrowed(run));
        }
        let mut owned = String::from(run);
        self.rest_into(&mut owned)?;
        Ok(Cow::Owned(owned))
    }

    /// Reads a string and appends it to `out`.
    pub(crate) fn string_into(&mut self, out: &mut String) -> Result<(), ParseError> {
        self.open_quote()?;
        out.push_str(self.run()?);
        if self.take_quote() {
            return Ok(());
        }
        self.rest_into(out)
    }

    /// Reads over a string and checks its syntax.
    pub(super) fn skip_string(&mut self) -> Result<(), ParseError> {
        self.open_quote()?;
        loop {
            self.run()?;
            if self.take_quote() {
                return Ok(());
            }
            self.escape()?;
        }
    }

    fn open_quote(&mut self) -> Result<(), ParseError> {
        self.expect(b'"', "a string")
    }

    fn take_quote(&mut self) -> bool {
        let closing = self.byte() == Some(b'"');
        self.set_offset(self.offset() + usize::from(closing));
        closing
    }

    /// The text up to the next quote or backslash, with the cursor there.
    fn run(&mut self) -> Result<&'a str, ParseError> {
        let rest = &self.text()[self.offset()..];
        let length = plain_length(rest.as_bytes());
        self.set_offset(self.offset() + length);
        match self.byte() {
            Some(b'"' | b'\\') => Ok(&rest[..length]),
            // At the end of the text this says so.
            _ => self.error(ControlCharacter),
        }
    }

    /// At a backslash: appends the rest of the string and consumes the closing quote.
    fn rest_into(&mut self, out: &mut String) -> Result<(), ParseError> {
        loop {
            out.push(self.escape()?);
            out.push_str(self.run()?);
            if self.take_quote() {
                return Ok(());
            }
        }
    }

    /// At a backslash: reads the escape.
    fn escape(&mut self) -> Result<char, ParseError> {
        let start = self.offset();
        let escape = self.text().as_bytes().get(start + 1).copied();
        let plain = match escape {
            Some(b'u') => return self.unicode_escape(),
            Some(b'n') => '\n',
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(_) => return self.error(BadEscape),
            None => {
                self.set_offset(start + 1);
                return self.error(UnexpectedEnd);
            }
        };
        self.set_offset(start + 2);
        Ok(plain)
    }

    /// At the backslash of `\u`: reads four hex digits, or twice that for a surrogate pair.
    fn unicode_escape(&mut self) -> Result<char, ParseError> {
        let start = self.offset();
        let Some(first) = self.hex4(start) else {
            return self.error(BadEscape);
        };
        let (code, length) = match first {
            0xd800..=0xdbff => match self.hex4(start + 6) {
                Some(second @ 0xdc00..=0xdfff) => (0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00), 12),
                _ => return self.error(LoneSurrogate),
            },
            _ => (first, 6),
        };
        match char::from_u32(code) {
            Some(character) => {
                self.set_offset(start + length);
                Ok(character)
            }
            None => self.error(LoneSurrogate),
        }
    }

    /// The value of `\uxxxx` at this position, if that is what stands there.
    fn hex4(&self, at: usize) -> Option<u32> {
        let bytes = self.text().as_bytes().get(at..at + 6)?;
        if bytes[..2] != *b"\\u" {
            return None;
        }
        bytes[2..].iter().try_fold(0, |code, &byte| {
            let digit = char::from(byte).to_digit(16)?;
            Some(code << 4 | digit)
        })
    }

    /// Reads a string, or complains that one is missing.
    pub(crate) fn string_or(&mut self, kind: ParseErrorKind) -> Result<Cow<'a, str>, ParseError> {
        match self.peek() {
            Some(b'"') => self.string(),
            _ => self.error(kind),
        }
    }
}
