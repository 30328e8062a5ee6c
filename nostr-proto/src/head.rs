//! A first look at a relay's frame: enough to recognise a duplicate without parsing it.

use crate::json::{nested_end, plain_length, string_end};
use crate::{EventId, Signature};

/// What a frame's head says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
/// white space, and stops where the id ends. `None` means: no EVENT, or not so easy to tell
/// (escapes in the verb, the subscription, a key of the event or the id); parse the frame.
///
/// Where [`RelayMessage::parse`](crate::RelayMessage::parse) accepts the frame, it finds the
/// same. A frame that it would refuse may still have a head, since nothing behind the id is read
/// and nothing before it is validated: a head is good for recognising a known id, no more.
#[must_use]
pub fn scan_head(frame: &str) -> Option<Head<'_>> {
    let (subscription, id) = scan_event(frame, "id")?;
    Some(Head::Event { subscription, id: id.parse().ok()? })
}

/// Looks for the signature of an EVENT frame's event, as [`scan_head`] does for its id and with the same promises: to
/// tell whether a copy of an event, whose content is known by its id, brings another signature.
#[must_use]
pub fn scan_signature(frame: &str) -> Option<Signature> {
    scan_event(frame, "sig")?.1.parse().ok()
}

/// The subscription of an EVENT frame, and the first member of its event with this name, which is a plain string.
fn scan_event<'a>(frame: &'a str, name: &str) -> Option<(&'a str, &'a str)> {
    let mut scan = Scan { frame, at: 0 };
    scan.eat(b'[')?;
    if scan.plain_string()? != "EVENT" {
        return None;
    }
    scan.eat(b',')?;
    let subscription = scan.plain_string()?;
    scan.eat(b',')?;
    scan.eat(b'{')?;
    loop {
        let key = scan.plain_string()?;
        scan.eat(b':')?;
        if key == name {
            return Some((subscription, scan.plain_string()?));
        }
        scan.skip_value(key)?;
        scan.eat(b',')?;
    }
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

    /// Goes behind the value at the cursor, which belongs to this key of the event.
    #[inline]
    fn skip_value(&mut self, key: &str) -> Option<()> {
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

    fn skip_string(&mut self, key: &str) -> Option<()> {
        let start = self.at + 1;
        let usual = match key {
            "pubkey" => 64,
            "sig" => 128,
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
