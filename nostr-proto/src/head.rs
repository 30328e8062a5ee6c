//! A first look at a relay's frame: enough to recognise a duplicate without parsing it.

use crate::{EventId, Signature};
use memchr::memchr2;

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
        scan.skip_value()?;
        scan.eat(b',')?;
    }
}

struct Scan<'a> {
    frame: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    fn peek(&mut self) -> Option<u8> {
        loop {
            let byte = *self.frame.as_bytes().get(self.at)?;
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    fn eat(&mut self, byte: u8) -> Option<()> {
        let found = self.peek()? == byte;
        self.at += usize::from(found);
        found.then_some(())
    }

    /// Reads a string in which nothing is escaped.
    fn plain_string(&mut self) -> Option<&'a str> {
        self.eat(b'"')?;
        let start = self.at;
        let end = start + memchr2(b'"', b'\\', &self.frame.as_bytes()[start..])?;
        self.at = end + 1;
        (self.frame.as_bytes()[end] == b'"').then(|| &self.frame[start..end])
    }

    /// With the cursor behind an opening quote: goes behind the closing one.
    fn skip_string(&mut self) -> Option<()> {
        loop {
            let rest = self.frame.as_bytes().get(self.at..)?;
            let stop = memchr2(b'"', b'\\', rest)?;
            let escape = rest[stop] == b'\\';
            // An escaped character is skipped unseen; it may be a quote or a backslash.
            self.at += stop + 1 + usize::from(escape);
            if !escape {
                return Some(());
            }
        }
    }

    /// Goes behind the value at the cursor. What is inside of arrays and objects is not looked
    /// at but for strings and brackets.
    fn skip_value(&mut self) -> Option<()> {
        self.peek()?;
        let mut depth = 0_usize;
        loop {
            let byte = *self.frame.as_bytes().get(self.at)?;
            match byte {
                b',' | b']' | b'}' if depth == 0 => return Some(()),
                b'"' => {
                    self.at += 1;
                    self.skip_string()?;
                    continue;
                }
                b'[' | b'{' => depth += 1,
                b']' | b'}' => depth -= 1,
                _ => {}
            }
            self.at += 1;
        }
    }
}
