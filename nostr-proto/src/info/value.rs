//! Values of a relay information document, each read as what it should be or counted as ignored.

use crate::PublicKey;
use crate::error::ParseError;
use crate::json::Reader;
use crate::limits::{MAX_FRAME_DEPTH, MAX_INFO_ITEMS};
use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

/// Reads a document and counts what makes no sense in it. Every method reads exactly the value at the cursor, whatever
/// it is, so that an error is always one of syntax, depth or the end of the text.
pub(super) struct Lenient<'a> {
    reader: Reader<'a>,
    text: &'a str,
    depth: usize,
    pub(super) ignored: usize,
}

impl<'a> Lenient<'a> {
    pub(super) fn new(text: &'a str) -> Lenient<'a> {
        Lenient { reader: Reader::new(text), text, depth: 0, ignored: 0 }
    }

    pub(super) fn reader(&mut self) -> &mut Reader<'a> {
        &mut self.reader
    }

    /// Reads over a value, and gives its text.
    pub(super) fn skip(&mut self) -> Result<&'a str, ParseError> {
        self.reader.peek();
        let start = self.reader.offset();
        self.reader.skip_value(MAX_FRAME_DEPTH - self.depth, MAX_FRAME_DEPTH)?;
        Ok(&self.text[start..self.reader.offset()])
    }

    /// Reads over a value that is not what it should be. `null` is a way to say nothing.
    fn ignore(&mut self) -> Result<(), ParseError> {
        if self.skip()? != "null" {
            self.ignored += 1;
        }
        Ok(())
    }

    /// Reads a value with `read`, which may not accept it.
    fn string_as<T>(&mut self, read: impl FnOnce(Cow<'a, str>) -> Option<T>) -> Result<Option<T>, ParseError> {
        if self.reader.peek() != Some(b'"') {
            self.ignore()?;
            return Ok(None);
        }
        let text = self.reader.string()?;
        if text.is_empty() {
            return Ok(None);
        }
        let value = read(text);
        self.ignored += usize::from(value.is_none());
        Ok(value)
    }

    pub(super) fn string(&mut self) -> Result<Option<String>, ParseError> {
        self.string_as(|text| Some(text.into_owned()))
    }

    pub(super) fn key(&mut self) -> Result<Option<PublicKey>, ParseError> {
        self.string_as(|text| PublicKey::parse(&text).ok())
    }

    pub(super) fn boolean(&mut self) -> Result<Option<bool>, ParseError> {
        let value = self.reader.boolean();
        if value.is_none() {
            self.ignore()?;
        }
        Ok(value)
    }

    /// A number that fits its field.
    pub(super) fn number<T: TryFrom<u64>>(&mut self) -> Result<Option<T>, ParseError> {
        let number = match self.reader.peek() {
            Some(b'"') => return self.string_as(|text| T::try_from(integral(text.trim_ascii())?).ok()),
            Some(b'-' | b'0'..=b'9') => integral(self.skip()?).and_then(|number| T::try_from(number).ok()),
            _ => return self.ignore().map(|()| None),
        };
        self.ignored += usize::from(number.is_none());
        Ok(number)
    }

    /// A number that fits its field and is not 0.
    pub(super) fn maximum<T: TryFrom<u64> + From<u8> + PartialEq>(&mut self) -> Result<Option<T>, ParseError> {
        let number = self.number()?;
        let zero = number == Some(T::from(0));
        self.ignored += usize::from(zero);
        Ok(number.filter(|_| !zero))
    }

    /// The members of an object. `member` reads the value of its key.
    pub(super) fn object(
        &mut self,
        mut member: impl FnMut(&mut Lenient<'a>, &str) -> Result<(), ParseError>,
    ) -> Result<(), ParseError> {
        if !self.reader.eat(b'{') {
            return self.ignore();
        }
        self.depth += 1;
        let mut first = true;
        while let Some((_, key)) = self.reader.next_key(first)? {
            first = false;
            member(self, &key.into_text()?)?;
        }
        self.depth -= 1;
        Ok(())
    }

    /// The items of an array, at most [`MAX_INFO_ITEMS`]; `None` if it is no array. `item` reads one.
    pub(super) fn list<T>(
        &mut self,
        mut item: impl FnMut(&mut Lenient<'a>) -> Result<Option<T>, ParseError>,
    ) -> Result<Option<Vec<T>>, ParseError> {
        let mut items = Vec::new();
        if !self.reader.eat(b'[') {
            return self.ignore().map(|()| None);
        }
        self.depth += 1;
        let mut first = true;
        while self.reader.next_item(first)? {
            first = false;
            if items.len() == MAX_INFO_ITEMS {
                self.ignore()?;
            } else {
                items.extend(item(self)?);
            }
        }
        self.depth -= 1;
        Ok(Some(items))
    }
}

/// A whole number that is not negative: digits, and perhaps a fraction of zeros.
fn integral(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_integral = digits(whole) && digits(fraction) && fraction.bytes().all(|byte| byte == b'0');
    whole.parse().ok().filter(|_| is_integral)
}
