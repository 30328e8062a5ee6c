//! Writing JSON into anything that takes text: a string, a byte counter, a hash.

use super::blocks::each_special;
use super::scan::plain_length;
use crate::hex;
use alloc::string::String;
use core::ops::Range;

/// Something that text can be appended to.
pub(crate) trait Sink {
    fn put(&mut self, text: &str);

    /// Appends the bytes of `text` in this range, which is one of whole characters.
    #[inline(always)]
    fn put_range(&mut self, text: &str, range: Range<usize>) {
        self.put(&text[range]);
    }

    /// Appends up to 64 bytes, a multiple of 16, as lowercase hex.
    #[inline]
    fn put_hex(&mut self, bytes: &[u8]) {
        self.put(hex::encode(bytes, &mut [0; hex::MAX_HEX]));
    }

    fn put_char(&mut self, character: char) {
        self.put(character.encode_utf8(&mut [0; 4]));
    }
}

impl Sink for String {
    fn put(&mut self, text: &str) {
        self.push_str(text);
    }

    #[inline]
    fn put_char(&mut self, character: char) {
        self.push(character);
    }
}

/// Counts the bytes it is given and forgets them.
#[derive(Default)]
pub(crate) struct Count(pub(crate) usize);

impl Sink for Count {
    fn put(&mut self, text: &str) {
        self.0 += text.len();
    }

    fn put_hex(&mut self, bytes: &[u8]) {
        self.0 += 2 * bytes.len();
    }
}

/// Up to this many bytes, a string that needs no escape is written faster if it is looked over first.
const SHORT: usize = 128;

/// What to do with control characters that have no short escape.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Escapes {
    /// Write them as `\u00xx`: the only valid JSON, and what deployed software hashes.
    All,
    /// Leave them as they are: NIP-01 to the letter, for hashing only.
    ShortOnly,
}

/// Writes `text` as a JSON string, quotes included.
pub(crate) fn write_string(out: &mut impl Sink, text: &str) {
    out.put("\"");
    if text.len() <= SHORT && plain_length(text.as_bytes()) == text.len() {
        out.put(text);
    } else {
        write_string_body(out, text, Escapes::All);
    }
    out.put("\"");
}

/// Writes `text` escaped, without quotes.
pub(crate) fn write_string_body(out: &mut impl Sink, text: &str, escapes: Escapes) {
    let mut done = 0;
    each_special(text.as_bytes(), |at| {
        if at > done {
            out.put_range(text, done..at);
        }
        done = at + 1;
        match text.as_bytes()[at] {
            b'\n' => out.put("\\n"),
            b'"' => out.put("\\\""),
            b'\\' => out.put("\\\\"),
            byte => write_control(out, byte, escapes),
        }
    });
    out.put(&text[done..]);
}

/// Writes a control character.
fn write_control(out: &mut impl Sink, byte: u8, escapes: Escapes) {
    match byte {
        b'\r' => out.put("\\r"),
        b'\t' => out.put("\\t"),
        0x08 => out.put("\\b"),
        0x0c => out.put("\\f"),
        _ if escapes == Escapes::ShortOnly => out.put_char(char::from(byte)),
        _ => {
            let digits = [b'0' + (byte >> 4), b"0123456789abcdef"[(byte & 15) as usize]];
            out.put("\\u00");
            out.put(core::str::from_utf8(&digits).expect("hex digits are ASCII"));
        }
    }
}

/// Writes a number in decimal.
pub(crate) fn write_integer(out: &mut impl Sink, number: u64) {
    out.put(itoa::Buffer::new().format(number));
}

/// Writes items with commas between them.
pub(crate) fn write_joined<S: Sink, T>(
    out: &mut S,
    items: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut S, T),
) {
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.put(",");
        }
        write(out, item);
    }
}
