//! A cursor over JSON text: one pass, no document tree, borrowed where possible.

use crate::error::{ParseError, ParseErrorKind};
use crate::hex;
use crate::json::RawString;
use ParseErrorKind::{BadNumber, Expected, TooDeep, TrailingText, UnexpectedEnd};

/// Reads one JSON text from front to back. Every method that returns `Ok` leaves the cursor
/// right behind what it read; after an `Err` the reader is of no more use.
pub(crate) struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(text: &'a str) -> Reader<'a> {
        Reader { text, at: 0 }
    }

    /// A reader of the same text with its cursor at another byte position.
    pub(crate) fn again_at(&self, at: usize) -> Reader<'a> {
        Reader { text: self.text, at }
    }

    /// The cursor's byte position.
    pub(crate) fn offset(&self) -> usize {
        self.at
    }

    /// How many bytes are left.
    pub(crate) fn remaining(&self) -> usize {
        self.text.len() - self.at
    }

    pub(crate) fn text(&self) -> &'a str {
        self.text
    }

    pub(crate) fn set_offset(&mut self, at: usize) {
        self.at = at;
    }

    /// An error at the cursor; "the text ends too early" where the text has ended.
    pub(crate) fn error<T>(&self, kind: ParseErrorKind) -> Result<T, ParseError> {
        let kind = if self.remaining() == 0 { UnexpectedEnd } else { kind };
        Err(ParseError::new(self.at, kind))
    }

    pub(super) fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Whether this byte stands right at the cursor.
    #[inline]
    pub(crate) fn at_byte(&self, byte: u8) -> bool {
        self.byte() == Some(byte)
    }

    /// Skips white space and shows the byte behind it.
    pub(crate) fn peek(&mut self) -> Option<u8> {
        while let Some(byte) = self.byte() {
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
            self.at += 1;
        }
        None
    }

    /// Skips white space, then consumes `byte` if it stands there.
    pub(crate) fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Skips white space, then consumes `byte`, or complains that `what` is missing.
    pub(crate) fn expect(&mut self, byte: u8, what: &'static str) -> Result<(), ParseError> {
        if self.eat(byte) { Ok(()) } else { self.error(Expected(what)) }
    }

    /// Only white space may be left.
    pub(crate) fn end(&mut self) -> Result<(), ParseError> {
        match self.peek() {
            None => Ok(()),
            Some(_) => self.error(TrailingText),
        }
    }

    /// Inside an array whose `[` has been read: goes to the next item, or over the `]`.
    /// `first` says whether this is the first call for the array.
    pub(crate) fn next_item(&mut self, first: bool) -> Result<bool, ParseError> {
        if self.eat(b']') {
            return Ok(false);
        }
        if !first {
            self.expect(b',', "a comma or the end of the array")?;
        }
        match self.peek() {
            Some(b']') => self.error(Expected("a value")),
            Some(_) => Ok(true),
            None => self.error(UnexpectedEnd),
        }
    }

    /// Inside an object whose `{` has been read: the next key and its offset, with the cursor
    /// at its value; or `None`, with the cursor behind the `}`. Whether the key's escapes are valid shows when it is read.
    pub(crate) fn next_key(&mut self, first: bool) -> Result<Option<(usize, RawString<'a>)>, ParseError> {
        if self.eat(b'}') {
            return Ok(None);
        }
        if !first {
            self.expect(b',', "a comma or the end of the object")?;
        }
        if self.peek() != Some(b'"') {
            return self.error(Expected("a key in quotes"));
        }
        let at = self.at;
        let key = self.raw_string()?;
        self.expect(b':', "a colon")?;
        match self.peek() {
            Some(_) => Ok(Some((at, key))),
            None => self.error(UnexpectedEnd),
        }
    }

    /// As [`Reader::next_key`], of a key that matters to nobody: false behind the `}`.
    fn skip_key(&mut self, first: bool) -> Result<bool, ParseError> {
        let Some((_, key)) = self.next_key(first)? else { return Ok(false) };
        key.check()?;
        Ok(true)
    }

    /// Reads an unsigned integer; `None`, without moving, if the value is anything else: a
    /// negative or fractional number, one with an exponent, one above `u64::MAX`, no number.
    pub(crate) fn integer(&mut self) -> Option<u64> {
        let first = self.peek()?;
        let bytes = &self.text.as_bytes()[self.at..];
        let mut number = 0_u64;
        let mut digits = 0;
        while let Some(&byte @ b'0'..=b'9') = bytes.get(digits) {
            number = number.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?;
            digits += 1;
        }
        let leading_zero = digits > 1 && first == b'0';
        let goes_on = matches!(bytes.get(digits), Some(b'.' | b'e' | b'E' | b'+' | b'-'));
        if digits == 0 || leading_zero || goes_on {
            return None;
        }
        self.at += digits;
        Some(number)
    }

    /// Reads a string of exactly `2 × N` lowercase hex characters, none of them escaped; false, without moving, if the
    /// value is anything else.
    #[inline]
    pub(crate) fn hex_string<const N: usize>(&mut self, out: &mut [u8; N]) -> bool {
        self.peek();
        let Some(text) = self.text.as_bytes().get(self.at..self.at + 2 * N + 2) else { return false };
        let ([b'"', hex @ ..], [b'"']) = text.split_at(2 * N + 1) else { return false };
        let good = hex::decode_into(hex, out);
        self.at += if good { text.len() } else { 0 };
        good
    }

    /// Reads `true` or `false`; `None`, without moving, if the value is anything else.
    pub(crate) fn boolean(&mut self) -> Option<bool> {
        self.peek();
        let rest = &self.text.as_bytes()[self.at..];
        let value = match rest {
            [b't', b'r', b'u', b'e', ..] => true,
            [b'f', b'a', b'l', b's', b'e', ..] => false,
            _ => return None,
        };
        self.at += if value { 4 } else { 5 };
        Some(value)
    }

    /// Reads over one value of any type and checks its syntax. Arrays and objects may nest
    /// `depth` levels within it (at most 64); `limit` is the bound to name in the error.
    pub(crate) fn skip_value(&mut self, depth: usize, limit: usize) -> Result<(), ParseError> {
        let mut open = Nesting::new(depth);
        loop {
            // At a value.
            match self.peek() {
                Some(bracket @ (b'[' | b'{')) => {
                    if !open.push(bracket == b'{') {
                        return self.error(TooDeep { limit });
                    }
                    self.at += 1;
                    if self.enter(&mut open)? {
                        continue;
                    }
                }
                Some(b'"') => self.skip_string()?,
                _ => self.skip_scalar()?,
            }
            if !self.leave(&mut open)? {
                return Ok(());
            }
        }
    }

    /// Behind an opening bracket: goes to the first value within (true), or over the closing
    /// bracket if there is none (false).
    fn enter(&mut self, open: &mut Nesting) -> Result<bool, ParseError> {
        let inside = match open.top() {
            Some(true) => self.skip_key(true)?,
            _ => self.next_item(true)?,
        };
        if !inside {
            open.pop();
        }
        Ok(inside)
    }

    /// Behind a value: goes to the next value of the innermost open array or object, closing
    /// what ends here; false once nothing is open.
    fn leave(&mut self, open: &mut Nesting) -> Result<bool, ParseError> {
        while let Some(object) = open.top() {
            let more = if object { self.skip_key(false)? } else { self.next_item(false)? };
            if more {
                return Ok(true);
            }
            open.pop();
        }
        Ok(false)
    }

    fn skip_scalar(&mut self) -> Result<(), ParseError> {
        let rest = &self.text.as_bytes()[self.at..];
        let length = match rest {
            [b'n', b'u', b'l', b'l', ..] | [b't', b'r', b'u', b'e', ..] => 4,
            [b'f', b'a', b'l', b's', b'e', ..] => 5,
            [b'-' | b'0'..=b'9', ..] => match number_length(rest) {
                Some(length) => length,
                None => return self.error(BadNumber),
            },
            _ => return self.error(Expected("a value")),
        };
        self.at += length;
        Ok(())
    }
}

/// The length of the JSON number that `bytes` begin with.
fn number_length(bytes: &[u8]) -> Option<usize> {
    let digits = |from: usize| {
        let rest = bytes.get(from..).unwrap_or(&[]);
        rest.iter().take_while(|b| b.is_ascii_digit()).count()
    };
    let mut at = usize::from(bytes.first() == Some(&b'-'));
    let whole = digits(at);
    if whole == 0 || (whole > 1 && bytes[at] == b'0') {
        return None;
    }
    at += whole;
    if bytes.get(at) == Some(&b'.') {
        let fraction = digits(at + 1);
        if fraction == 0 {
            return None;
        }
        at += 1 + fraction;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        at += 1 + usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let exponent = digits(at);
        if exponent == 0 {
            return None;
        }
        at += exponent;
    }
    Some(at)
}

/// Which brackets are open, one bit each, so that no input can make it allocate.
struct Nesting {
    objects: u64,
    open: usize,
    limit: usize,
}

impl Nesting {
    fn new(limit: usize) -> Nesting {
        let limit = limit.min(64);
        Nesting { objects: 0, open: 0, limit }
    }

    /// Opens one more; false if that is one too many.
    fn push(&mut self, object: bool) -> bool {
        if self.open == self.limit {
            return false;
        }
        self.objects = (self.objects << 1) | u64::from(object);
        self.open += 1;
        true
    }

    fn pop(&mut self) {
        self.objects >>= 1;
        self.open -= 1;
    }

    /// Whether the innermost is an object.
    fn top(&self) -> Option<bool> {
        (self.open > 0).then_some(self.objects & 1 == 1)
    }
}
