//! Event ids: the SHA-256 of the canonical form, without writing that form to the heap.

use super::Event;
use super::body::Body;
use super::encode::{write_content, write_tags};
use crate::json::{Escapes, Sink, write_integer};
use crate::{EventId, Signature, hex};
use alloc::sync::Arc;
use core::fmt;
use core::ops::{Deref, Range};
use sha2::{Digest, Sha256};

/// What is gathered before it is hashed, in bytes: whole blocks of SHA-256. Of 256, 512 and 1024 the best by measurement.
const STAGE: usize = 512;

/// Gathers the many small pieces of a canonical form, so that the hash gets whole blocks.
struct Hasher {
    sha: Sha256,
    stage: [u8; STAGE],
    staged: usize,
}

impl Hasher {
    fn new() -> Hasher {
        Hasher { sha: Sha256::new(), stage: [0; STAGE], staged: 0 }
    }

    /// Takes text that does not fit the stage's rest.
    #[inline(never)]
    fn put_long(&mut self, text: &[u8]) {
        let mut text = text;
        if self.staged > 0 {
            let (now, later) = text.split_at(STAGE - self.staged);
            self.stage[self.staged..].copy_from_slice(now);
            self.sha.update(self.stage);
            text = later;
        }
        let whole = text.len() / STAGE * STAGE;
        let (now, later) = text.split_at(whole);
        self.sha.update(now);
        self.stage[..later.len()].copy_from_slice(later);
        self.staged = later.len();
    }

    fn finish(mut self) -> EventId {
        self.sha.update(&self.stage[..self.staged]);
        EventId::from_bytes(self.sha.finalize().into())
    }
}

impl Sink for Hasher {
    #[inline(always)]
    fn put(&mut self, text: &str) {
        match self.stage.get_mut(self.staged..self.staged + text.len()) {
            Some(room) => {
                room.copy_from_slice(text.as_bytes());
                self.staged += text.len();
            }
            None => self.put_long(text.as_bytes()),
        }
    }

    #[inline(always)]
    fn put_hex(&mut self, bytes: &[u8]) {
        let length = 2 * bytes.len();
        match self.stage.get_mut(self.staged..self.staged + length) {
            Some(room) => {
                hex::encode_into(bytes, room);
                self.staged += length;
            }
            None => self.put(hex::encode(bytes, &mut [0; hex::MAX_HEX])),
        }
    }

    /// Copies sixteen bytes where fewer are asked for, which is one instruction instead of a call.
    #[inline(always)]
    fn put_range(&mut self, text: &str, range: Range<usize>) {
        let length = range.len();
        let source = text.as_bytes()[range.start..].first_chunk::<16>();
        let room = self.stage[self.staged..].first_chunk_mut::<16>();
        match (source, room) {
            (Some(source), Some(room)) if length <= 16 => {
                *room = *source;
                self.staged += length;
            }
            _ => self.put(&text[range]),
        }
    }
}

/// The id of an event that we create: all control characters escaped.
pub(super) fn compute(body: &Body) -> EventId {
    compute_with(body, Escapes::All)
}

fn compute_with(body: &Body, escapes: Escapes) -> EventId {
    let mut hasher = Hasher::new();
    let out = &mut hasher;
    out.put("[0,\"");
    out.put_hex(body.pubkey.as_bytes());
    out.put("\",");
    write_integer(out, body.created_at.as_secs());
    out.put(",");
    write_integer(out, body.kind.as_u16().into());
    out.put(",");
    write_tags(body, escapes, out);
    out.put(",\"");
    write_content(body, escapes, out);
    out.put("\"]");
    hasher.finish()
}

/// An event whose id is proven to be the hash of its content. Two of these with the same id can
/// differ in the signature alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HashedEvent(Event);

impl HashedEvent {
    pub(super) fn check(event: Event) -> Result<HashedEvent, IdMismatch> {
        let claimed = event.id();
        let computed = compute(&event.0);
        let matches = claimed == computed
            || (event.0.has_rare_controls() && claimed == compute_with(&event.0, Escapes::ShortOnly));
        if matches { Ok(HashedEvent(event)) } else { Err(IdMismatch { claimed, computed }) }
    }

    /// The same event with another signature, as another relay may have sent it.
    #[must_use]
    pub fn with_signature(self, signature: Signature) -> HashedEvent {
        let Event(mut body) = self.0;
        Arc::make_mut(&mut body).signature = signature;
        HashedEvent(Event(body))
    }

    /// The event itself.
    #[must_use]
    pub fn into_event(self) -> Event {
        self.0
    }
}

impl From<HashedEvent> for Event {
    fn from(event: HashedEvent) -> Event {
        event.into_event()
    }
}

impl Deref for HashedEvent {
    type Target = Event;

    fn deref(&self) -> &Event {
        &self.0
    }
}

/// An event claims an id that is not the hash of its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdMismatch {
    /// The id that the event carries.
    pub claimed: EventId,
    /// The id that its content gives.
    pub computed: EventId,
}

impl fmt::Display for IdMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the event claims id {} but its content hashes to {}", self.claimed, self.computed)
    }
}

impl core::error::Error for IdMismatch {}
