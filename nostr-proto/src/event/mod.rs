//! Events: parsed, hashed, signed, verified. Each step is a type of its own, so that an
//! unverified event can't pass for a verified one.

mod address;
mod body;
mod encode;
mod hash;
mod key;
mod parse;
mod raw_tags;
mod refs;
mod serde_impls;
mod serde_unsigned;
mod tag_builders;
mod tags;
mod template;
mod verifier;
mod verify;

use crate::{EventId, Kind, ParseError, PublicKey, Signature, Timestamp};
use alloc::string::String;
use alloc::sync::Arc;
use body::Body;
use core::fmt;

pub use address::{Address, AddressError};
pub use hash::{HashedEvent, IdMismatch};
pub(crate) use key::Key;
pub(crate) use parse::parse_event;
pub(crate) use refs::number;
pub use refs::{AddressRef, EventRef, Marker, PubkeyRef, Quote, QuoteTarget};
pub use tags::{Tag, TagValues, Tags};
pub use template::{EventTemplate, UnsignedEvent};
pub use verifier::Verifier;
pub use verify::{BadSignature, EventError, Proof, ProofMismatch, VerifiedEvent, verify, verify_event};

/// An event as somebody claims it to be: well formed, but neither its id nor its signature is
/// checked. See [`Event::check_id`], [`verify`] and [`verify_event`].
///
/// Cloning copies a pointer. All strings share one buffer, so tags come as borrowed views.
///
/// ```
/// use nostr_proto::{Event, Kind};
///
/// let event = Event::from_json(r#"{
///     "id": "000006d8c378af1779d2feebc7603a125d99eca0ccf1085959b307f64e5dd358",
///     "pubkey": "a48380f4cfcc1ad5378294fcac36439770f9c878dd880ffa94bb74ea54a6f243",
///     "created_at": 1651794653,
///     "kind": 1,
///     "tags": [["nonce", "776797", "20"]],
///     "content": "It's just me mining my own business",
///     "sig": "284622fc0a3f4f1303455d5175f7ba962a3300d136085b9566801bc2e0699de0c7e31e44c81fb40ad9049173742e904713c3594a1da0fc5d2382a25c11aba977"
/// }"#)?;
/// assert_eq!(event.kind(), Kind::TEXT_NOTE);
/// assert_eq!(event.tags().value_of("nonce"), Some("776797"));
/// let event = event.check_id()?;
/// assert_eq!(event.check_pow(20), Ok(()));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Event(Arc<Body>);

impl Event {
    /// The id that the event claims.
    #[must_use]
    pub fn id(&self) -> EventId {
        self.0.id
    }

    /// The author that the event claims.
    #[must_use]
    pub fn pubkey(&self) -> PublicKey {
        self.0.pubkey
    }

    /// When the author says the event was created.
    #[must_use]
    pub fn created_at(&self) -> Timestamp {
        self.0.created_at
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The content.
    #[must_use]
    pub fn content(&self) -> &str {
        self.0.content()
    }

    /// The tags, in order.
    #[must_use]
    pub fn tags(&self) -> Tags<'_> {
        self.0.tags()
    }

    /// The signature that the event carries.
    #[must_use]
    pub fn signature(&self) -> Signature {
        self.0.signature
    }

    /// Parses one event object. Fields may come in any order, with any white space; unknown
    /// fields are ignored. The event takes no more memory than its JSON and about 300 bytes.
    ///
    /// # Errors
    ///
    /// The seven fields of NIP-01 must each be there once: `id`, `pubkey` and `sig` as lowercase
    /// hex of the right length, `created_at` and `kind` as plain unsigned integers, `tags` as
    /// arrays of strings, `content` as a string. Strings must be valid JSON without lone
    /// surrogates, nesting at most [`MAX_DEPTH`](crate::limits::MAX_DEPTH) levels, the text at
    /// most [`MAX_EVENT_BYTES`](crate::limits::MAX_EVENT_BYTES) long.
    pub fn from_json(json: &str) -> Result<Event, ParseError> {
        parse::from_json(json)
    }

    /// The event as JSON: minified, fields in the order id, pubkey, `created_at`, kind, tags,
    /// content, sig. Equal events give equal text.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut json = String::with_capacity(self.size());
        self.write_json(&mut json);
        json
    }

    /// Appends [`Event::to_json`] to a string.
    pub fn write_json(&self, out: &mut String) {
        encode::write_event(&self.0, out);
    }

    /// The length of [`Event::to_json`] in bytes, found without writing it.
    #[must_use]
    pub fn size(&self) -> usize {
        encode::size(&self.0)
    }

    /// The heap that this event holds, in bytes; clones share it.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.0.heap_bytes()
    }

    /// The id that the event's content gives: the SHA-256 of its canonical form, with the
    /// control characters that NIP-01 names no escape for written as `\u00xx`.
    #[must_use]
    pub fn compute_id(&self) -> EventId {
        hash::compute(&self.0)
    }

    /// Checks that the claimed id is the hash of the content, with either way of writing control
    /// characters: as `\u00xx`, as deployed software does, or bare, as NIP-01 reads.
    ///
    /// # Errors
    ///
    /// The claimed and the computed id, if they differ.
    pub fn check_id(self) -> Result<HashedEvent, IdMismatch> {
        HashedEvent::check(self)
    }

    /// The value of the first `d` tag, or "" if there is none (NIP-01).
    #[must_use]
    pub fn identifier(&self) -> &str {
        self.tags().identifier()
    }

    /// When the event expires (NIP-40); `None` if never, or if the tag holds no number.
    #[must_use]
    pub fn expiration(&self) -> Option<Timestamp> {
        self.tags().expiration()
    }

    /// Whether the event counts as expired at this time (NIP-40): from the very second that it names.
    #[must_use]
    pub fn is_expired_at(&self, now: Timestamp) -> bool {
        self.tags().is_expired_at(now)
    }

    /// Whether only its author may publish the event (NIP-70): it has a tag `-`.
    #[must_use]
    pub fn is_protected(&self) -> bool {
        self.tags().is_protected()
    }

    /// What versions of this event replace one another under; `None` for kinds that are neither
    /// replaceable nor addressable.
    #[must_use]
    pub fn address(&self) -> Option<Address> {
        self.0.address()
    }
}

impl PartialEq for Event {
    fn eq(&self, other: &Event) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || *self.0 == *other.0
    }
}

impl Eq for Event {}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.debug(f, "Event")
    }
}

/// The event's JSON.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_json())
    }
}
