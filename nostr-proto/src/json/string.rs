//! Reading JSON strings: first found, then decoded, so that the room they need is known before it is taken.

use super::blocks::{EscapedString, each_escaped, escaped_string};
use super::scan::plain_length;
use super::{Count, Reader, Sink};
use crate::error::{ParseError, ParseErrorKind};
use ParseErrorKind::{BadEscape, ControlCharacter, LoneSurrogate};
use alloc::borrow::Cow;
use alloc::string::String;

/// A string between its quotes, whose escapes were found but not read: whether they are valid shows when it is decoded.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RawString<'a> {
    text: &'a str,
    /// Where `text` begins.
    offset: usize,
    /// The length without escapes: the same as that of `text` if there are none.
    decoded: usize,
}

/// Stands for the decoded length of a string with a `\u` escape, which is known once they are read.
const UNKNOWN: usize = usize::MAX;

impl<'a> RawString<'a> {
    /// Whether the string stands as it is.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.decoded == self.text.len()
    }

    /// The position behind the closing quote.
    pub(crate) fn end(&self) -> usize {
        self.offset + self.text.len() + 1
    }

    /// The string, if it stands as it is.
    #[inline]
    pub(crate) fn plain(&self) -> Option<&'a str> {
        self.is_plain().then_some(self.text)
    }

    /// The string's length in bytes once it is decoded.
    #[inline]
    pub(crate) fn decoded_length(&self) -> Result<usize, ParseError> {
        if self.decoded != UNKNOWN {
            return Ok(self.decoded);
        }
        self.count()
    }

    /// Appends the string without its escapes.
    #[inline]
    pub(crate) fn decode(&self, out: &mut impl Sink) -> Result<(), ParseError> {
        if self.is_plain() {
            out.put(self.text);
            return Ok(());
        }
        self.decode_escaped(out)
    }

    fn decode_escaped(&self, out: &mut impl Sink) -> Result<(), ParseError> {
        // What is before this position has been read.
        let mut done = 0;
        each_escaped(self.text.as_bytes(), |at| {
            // The second half of a surrogate pair was read with the first.
            if at < done {
                return Ok(());
            }
            out.put(&self.text[done..at - 1]);
            let short = self.text.as_bytes().get(at).map_or(0, |&letter| SHORT[usize::from(letter)]);
            if short != 0 {
                out.put_char(char::from(short));
                done = at + 1;
                return Ok(());
            }
            let (character, length) = self.unicode_escape(at - 1)?;
            out.put_char(character);
            done = at - 1 + length;
            Ok(())
        })?;
        out.put(&self.text[done..]);
        Ok(())
    }

    /// Checks the string's escapes.
    pub(crate) fn check(&self) -> Result<(), ParseError> {
        if self.is_plain() { Ok(()) } else { self.count().map(|_| ()) }
    }

    /// Checks the string's escapes, and counts the bytes of what it stands for.
    fn count(&self) -> Result<usize, ParseError> {
        let mut count = Count::default();
        self.decode(&mut count)?;
        Ok(count.0)
    }

    /// The string, which is decoded in this buffer if it has escapes; `None` if it is longer than the buffer then.
    pub(crate) fn read_short<'b>(&self, buffer: &'b mut [u8]) -> Result<Option<&'b str>, ParseError>
    where
        'a: 'b,
    {
        if let Some(text) = self.plain() {
            return Ok(Some(text));
        }
        let mut short = Short { buffer, length: 0 };
        self.decode(&mut short)?;
        let Short { buffer, length } = short;
        Ok(buffer.get(..length).map(|bytes| core::str::from_utf8(bytes).expect("whole characters were written")))
    }

    /// The string, without a copy where it stands as it is.
    pub(crate) fn into_text(self) -> Result<Cow<'a, str>, ParseError> {
        if let Some(text) = self.plain() {
            return Ok(Cow::Borrowed(text));
        }
        let mut owned = String::with_capacity(self.decoded_length()?);
        self.decode(&mut owned)?;
        Ok(Cow::Owned(owned))
    }

    /// The character of the `\u` escape or pair of them whose backslash is at this position, and their length.
    fn unicode_escape(&self, at: usize) -> Result<(char, usize), ParseError> {
        let error = |kind| ParseError::new(self.offset + at, kind);
        let first = self.hex4(at).ok_or_else(|| error(BadEscape))?;
        let (code, length) = match first {
            0xd800..=0xdbff => match self.hex4(at + 6) {
                Some(second @ 0xdc00..=0xdfff) => (0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00), 12),
                _ => return Err(error(LoneSurrogate)),
            },
            _ => (first, 6),
        };
        let character = char::from_u32(code).ok_or_else(|| error(LoneSurrogate))?;
        Ok((character, length))
    }

    /// The value of `\uxxxx` at this position, if that is what stands there.
    fn hex4(&self, at: usize) -> Option<u32> {
        let bytes = self.text.as_bytes().get(at..at + 6)?;
        if bytes[..2] != *b"\\u" {
            return None;
        }
        bytes[2..].iter().try_fold(0, |code, &byte| {
            let digit = char::from(byte).to_digit(16)?;
            Some(code << 4 | digit)
        })
    }
}

/// A buffer that takes what it can hold; a length beyond its end says that there was more.
struct Short<'b> {
    buffer: &'b mut [u8],
    length: usize,
}

impl Sink for Short<'_> {
    fn put(&mut self, text: &str) {
        let end = self.length + text.len();
        if let Some(room) = self.buffer.get_mut(self.length..end) {
            room.copy_from_slice(text.as_bytes());
        }
        self.length = end;
    }
}

/// What an escape of one letter stands for; 0 where there is no such escape.
const SHORT: [u8; 256] = {
    let mut table = [0; 256];
    table[b'"' as usize] = b'"';
    table[b'\\' as usize] = b'\\';
    table[b'/' as usize] = b'/';
    table[b'n' as usize] = b'\n';
    table[b'r' as usize] = b'\r';
    table[b't' as usize] = b'\t';
    table[b'b' as usize] = 0x08;
    table[b'f' as usize] = 0x0c;
    table
};

impl<'a> Reader<'a> {
    /// Finds the end of a string, and goes behind it.
    pub(crate) fn raw_string(&mut self) -> Result<RawString<'a>, ParseError> {
        self.expect(b'"', "a string")?;
        let offset = self.offset();
        let text = self.text();
        let first = offset + plain_length(&text.as_bytes()[offset..]);
        let (end, decoded) = match text.as_bytes().get(first) {
            Some(b'"') => (first, first - offset),
            Some(b'\\') => match escaped_string(text.as_bytes(), first) {
                EscapedString::Ends { end, escapes, unicode: false } => (end, end - offset - escapes),
                EscapedString::Ends { end, unicode: true, .. } => (end, UNKNOWN),
                EscapedString::Fails { at } => return self.string_fails(offset, at),
            },
            _ => return self.string_fails(offset, first),
        };
        self.set_offset(end + 1);
        Ok(RawString { text: &text[offset..end], offset, decoded })
    }

    /// The error of a string that has a control character at this position, or no end: or of an escape before.
    #[cold]
    fn string_fails<T>(&mut self, offset: usize, at: usize) -> Result<T, ParseError> {
        let whole = self.text().as_bytes();
        // Without a last backslash, which takes its meaning from what should follow.
        let backslashes = whole[offset..at].iter().rev().take_while(|&&byte| byte == b'\\').count();
        let before = RawString { text: &self.text()[offset..at - backslashes % 2], offset, decoded: UNKNOWN };
        before.check()?;
        let bad_escape = backslashes % 2 == 1 && at < whole.len();
        self.set_offset(if bad_escape { at - 1 } else { at });
        // At the end of the text this says so.
        self.error(if bad_escape { BadEscape } else { ControlCharacter })
    }

    /// Reads a string.
    pub(crate) fn string(&mut self) -> Result<Cow<'a, str>, ParseError> {
        self.raw_string()?.into_text()
    }

    /// Reads over a string and checks its syntax.
    pub(super) fn skip_string(&mut self) -> Result<(), ParseError> {
        self.raw_string()?.check()
    }

    /// Reads a string, or complains that one is missing.
    pub(crate) fn string_or(&mut self, kind: ParseErrorKind) -> Result<Cow<'a, str>, ParseError> {
        match self.peek() {
            Some(b'"') => self.string(),
            _ => self.error(kind),
        }
    }
}
