//! Events that are still to be signed.

use super::body::{Body, Text};
use super::{Event, Tags, hash};
use crate::{EventId, Keys, Kind, PublicKey, Signature, Timestamp};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use serde::{Deserialize, Serialize};

/// What an author decides about an event, before it has an author, an id or a signature.
///
/// ```
/// use nostr_proto::{EventTemplate, Keys, Kind, Timestamp};
///
/// let template = EventTemplate::new(Kind::LONG_FORM, "# Hello", Timestamp::new(1_700_000_000))
///     .identifier("hello")
///     .hashtag("greetings")
///     .tag(["title", "Hello"]);
/// let keys = Keys::from_entropy([7; 32])?;
/// let event = keys.sign(&template, [0; 32]);
/// assert_eq!(event.identifier(), "hello");
/// # Ok::<(), nostr_proto::KeyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventTemplate {
    /// When the event says it was created; for new versions of replaceable events see
    /// [`Timestamp::after`].
    pub created_at: Timestamp,
    /// The kind.
    pub kind: Kind,
    /// The tags, in order, each with its name first.
    pub tags: Vec<Vec<String>>,
    /// The content.
    pub content: String,
}

impl EventTemplate {
    /// A template without tags.
    pub fn new(kind: Kind, content: impl Into<String>, created_at: Timestamp) -> EventTemplate {
        EventTemplate { kind, content: content.into(), tags: Vec::new(), created_at }
    }

    /// A short text note (kind 1).
    pub fn text_note(content: impl Into<String>, created_at: Timestamp) -> EventTemplate {
        EventTemplate::new(Kind::TEXT_NOTE, content, created_at)
    }

    /// The answer to a relay's authentication challenge (NIP-42). `relay` is the URL that was
    /// dialled.
    pub fn auth(relay: &crate::RelayUrl, challenge: &str, created_at: Timestamp) -> EventTemplate {
        EventTemplate::new(Kind::AUTH, "", created_at).tag(["relay", relay.as_str()]).tag(["challenge", challenge])
    }

    /// Appends a tag.
    #[must_use]
    pub fn tag<S: Into<String>>(mut self, values: impl IntoIterator<Item = S>) -> EventTemplate {
        self.tags.push(values.into_iter().map(Into::into).collect());
        self
    }

    /// Names the author and computes the id.
    #[must_use]
    pub fn unsigned(self, author: PublicKey) -> UnsignedEvent {
        let text = Text::from_parts(&self.tags, &self.content);
        let pending = (EventId::from_bytes([0; 32]), author, Signature::from_bytes([0; 64]));
        let mut body = Body::new(pending, self.created_at, self.kind, text);
        body.id = hash::compute(&body);
        UnsignedEvent(Arc::new(body))
    }
}

/// An event that has everything but a signature. Cloning copies a pointer.
#[derive(Clone, PartialEq)]
pub struct UnsignedEvent(Arc<Body>);

impl Eq for UnsignedEvent {}

impl UnsignedEvent {
    /// The id, computed from the content.
    #[must_use]
    pub fn id(&self) -> EventId {
        self.0.id
    }

    /// The author.
    #[must_use]
    pub fn pubkey(&self) -> PublicKey {
        self.0.pubkey
    }

    /// When the event says it was created.
    #[must_use]
    pub fn created_at(&self) -> Timestamp {
        self.0.created_at
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The tags, in order.
    #[must_use]
    pub fn tags(&self) -> Tags<'_> {
        self.0.tags()
    }

    /// The content.
    #[must_use]
    pub fn content(&self) -> &str {
        self.0.content()
    }

    /// What versions of this event replace one another under; see [`Event::address`].
    #[must_use]
    pub fn address(&self) -> Option<super::Address> {
        self.0.address()
    }

    /// Signs with these keys, which should be the author's: the signature of any other key
    /// will not verify. `aux` is 32 bytes of randomness (BIP-340); zeros are safe too.
    #[must_use]
    pub fn sign(&self, keys: &Keys, aux: [u8; 32]) -> Event {
        self.with_signature(keys.sign_id(&self.0.id, &aux))
    }

    /// Adds a signature that was made elsewhere. The result is unverified.
    #[must_use]
    pub fn with_signature(&self, signature: Signature) -> Event {
        let mut body = Arc::clone(&self.0);
        Arc::make_mut(&mut body).signature = signature;
        Event(body)
    }

    /// The heap that this event holds, in bytes; clones share it.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.0.heap_bytes()
    }

    /// The event with a signature of zeros, for code that only looks at the other fields, such
    /// as [`Filter::matches`](crate::Filter::matches). It will not verify.
    #[must_use]
    pub fn as_event(&self) -> Event {
        Event(Arc::clone(&self.0))
    }
}

impl fmt::Debug for UnsignedEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.debug(f, "UnsignedEvent")
    }
}
