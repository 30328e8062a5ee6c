//! A first look at a relay's frame: enough to recognise a duplicate without parsing it.

use crate::event::Key;
use crate::hex::decode_into;
use crate::json::{nested_end, plain_length, string_end};
use crate::{EventId, Signature};
use memchr::memchr;

/// What a frame's head says. Of EVENT alone: all other messages are short, and the parser is the quick way to read them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Head<'a> {
    /// The frame is an EVENT for this subscription with this event id.
    Event {
        /// The subscription's name on this connection.
        subscription: &'a str,
        /// The id that the event claims.
        id: EventId,
    },
}

/// Looks for the subscription and event id of an EVENT frame, whatever the order of keys and the
/// white space, and reads no further than it has to. `None` means: no EVENT, or not so easy to tell
/// (escapes in the verb, the subscription, a key of the event or the id); parse the frame.
///
/// Where [`RelayMessage::parse`](crate::RelayMessage::parse) accepts the frame, it finds the
/// same. A frame that it would refuse may still have a head, since what is not the id is not
/// validated, or not even read: a head is good for recognising a known id, no more.
#[must_use]
pub fn scan_head(frame: &str) -> Option<Head<'_>> {
    let (subscription, id) = scan_event(frame, Key::Id)?;
    Some(Head::Event { subscription, id: EventId::from_bytes(id) })
}

/// Looks for the signature of an EVENT frame's event, as [`scan_head`] does for its id and with the same promises: to
/// tell whether a copy of an event, whose content is known by its id, brings another signature.
#[must_use]
pub fn scan_signature(frame: &str) -> Option<Signature> {
    scan_event(frame, Key::Sig).map(|(_, signature)| Signature::from_bytes(signature))
}

/// The subscription of an EVENT frame, and the first member of its event with this name, which is plain hex.
fn scan_event<const N: usize>(frame: &str, wanted: Key) -> Option<(&str, [u8; N])> {
    const USUAL: &str = "[\"EVENT\",";
    let mut scan = Scan { frame, at: 0 };
    if frame.starts_with(USUAL) {
        scan.at = USUAL.len();
    } else {
        scan.eat(b'[')?;
        if scan.plain_string()? != "EVENT" {
            return None;
        }
        scan.eat(b',')?;
    }
    let subscription = scan.plain_string()?;
    scan.eat(b',')?;
    scan.eat(b'{')?;
    let mut first = true;
    loop {
        let key = scan.key()?;
        if key == Some(wanted) {
            return Some((subscription, scan.hex_string()?));
        }
        if first && let Some(found) = last_member(&scan.bytes()[scan.at..], wanted) {
            return Some((subscription, found));
        }
        first = false;
        scan.skip_value(key)?;
        scan.eat(b',')?;
    }
}

/// The event's member of this name, if a frame ends with it and has only one object. `rest` is what follows the first
/// key of its event.
///
/// Why that is right where the frame is valid: the last bracket closes the message, the brace before it an object, and
/// the quote before that a string. The other three quotes have no backslash before them, so that they are no part of a
/// string but begin or end one: by the colon and by what is between them, the first two are around the member's name
/// and the others around its value. With no other closing brace, be it in a string, no other object ends in the frame:
/// this one is the event.
fn last_member<const N: usize>(rest: &[u8], name: Key) -> Option<[u8; N]> {
    let rest = rest.strip_suffix(b"\"}]")?;
    let (before, value) = rest.split_at_checked(rest.len().checked_sub(2 * N)?)?;
    let before = before.strip_suffix(b"\"")?;
    let before = before.strip_suffix(b" ").unwrap_or(before);
    let before = before.strip_suffix(b"\":")?.strip_suffix(name.name().as_bytes())?.strip_suffix(b"\"")?;
    if !matches!(before.last()?, b',' | b' ') || memchr(b'}', before).is_some() {
        return None;
    }
    let mut bytes = [0; N];
    decode_into(value, &mut bytes).then_some(bytes)
}

struct Scan<'a> {
    frame: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    fn bytes(&self) -> &'a [u8] {
        self.frame.as_bytes()
    }

    #[inline]
    fn peek(&mut self) -> Option<u8> {
        loop {
            let byte = *self.bytes().get(self.at)?;
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    #[inline]
    fn eat(&mut self, byte: u8) -> Option<()> {
        let found = self.peek()? == byte;
        self.at += usize::from(found);
        found.then_some(())
    }

    /// Reads a string in which nothing is escaped.
    #[inline]
    fn plain_string(&mut self) -> Option<&'a str> {
        self.eat(b'"')?;
        let start = self.at;
        let end = start + plain_length(&self.bytes()[start..]);
        self.at = end + 1;
        (*self.bytes().get(end)? == b'"').then(|| &self.frame[start..end])
    }

    /// Reads a key and its colon: the field that it names, if it is one.
    #[inline]
    fn key(&mut self) -> Option<Option<Key>> {
        self.peek()?;
        if let Some((key, length)) = Key::at(&self.bytes()[self.at..]) {
            self.at += length;
            return Some(Some(key));
        }
        let name = self.plain_string()?;
        self.eat(b':')?;
        Some(Key::from_name(name))
    }

    /// Reads a string of `2 × N` hex characters, none of them escaped.
    #[inline]
    fn hex_string<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.eat(b'"')?;
        let text = self.bytes().get(self.at..self.at + 2 * N + 1)?;
        let (hex, [b'"']) = text.split_at(2 * N) else { return None };
        self.at += text.len();
        let mut bytes = [0; N];
        decode_into(hex, &mut bytes).then_some(bytes)
    }

    /// Goes behind the value at the cursor, which belongs to this field of the event.
    #[inline]
    fn skip_value(&mut self, key: Option<Key>) -> Option<()> {
        match self.peek()? {
            b'"' => self.skip_string(key),
            b'[' | b'{' => {
                self.at = nested_end(self.bytes(), self.at + 1)?;
                Some(())
            }
            _ => {
                let length = self.bytes()[self.at..].iter().position(|byte| matches!(byte, b',' | b']' | b'}'))?;
                self.at += length;
                Some(())
            }
        }
    }

    fn skip_string(&mut self, key: Option<Key>) -> Option<()> {
        let start = self.at + 1;
        let usual = match key {
            Some(Key::Pubkey) => 64,
            Some(Key::Sig) => 128,
            _ => 0,
        };
        // A quote where such a value usually ends is its end: hex digits hold no quote, not even an escaped one.
        if usual > 0 && self.bytes().get(start + usual) == Some(&b'"') {
            self.at = start + usual + 1;
        } else {
            self.at = string_end(self.bytes(), start)? + 1;
        }
        Some(())
    }
}
