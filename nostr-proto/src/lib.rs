//! The Nostr wire protocol: events, filters, messages, relay URLs; parse, validate, hash, sign,
//! verify. No I/O, no clock, no randomness, `no_std`.
//!
//! # Events
//!
//! An event goes through types that each say what is known about it:
//!
//! | type | its id is the hash of its content | its author signed it |
//! |---|---|---|
//! | [`Event`] | unknown | unknown |
//! | [`HashedEvent`], from [`Event::check_id`] | yes | unknown |
//! | [`VerifiedEvent`], from a [`Proof`] by [`verify`], or from [`verify_event`] | yes | yes |
//!
//! In the other direction, an [`EventTemplate`] becomes an [`UnsignedEvent`] by naming its author, and an [`Event`] by
//! the signature of the author's [`Keys`].
//!
//! # Frames
//!
//! Whatever comes from a relay passes through [`scan_head`], which recognises known ids without
//! parsing, and [`RelayMessage::parse`], which is strict about events and lenient around them. [`scan_signature`] tells
//! whether a copy of a known event brings another signature.
//! Every bound stands in [`limits`]; input beyond it is refused with an error that names the byte.
//!
//! ```
//! use nostr_proto::{Filter, Kind, RelayMessage, Timestamp, encode, verify_event};
//! # use nostr_proto::{EventTemplate, Keys};
//! # let keys = Keys::from_entropy([7; 32])?;
//! # let note = keys.sign(&EventTemplate::text_note("hello", Timestamp::new(1_700_000_000)), [0; 32]);
//! # let received = format!(r#"["EVENT", "feed", {note}]"#);
//!
//! // Ask a relay for the notes of an author.
//! let filter = Filter::new().author(keys.public_key()).kind(Kind::TEXT_NOTE).limit(20);
//! let request = encode::req("feed", [&filter]);
//! assert!(request.starts_with(r#"["REQ","feed",{"authors":[""#));
//!
//! // What comes back is a claim until it is verified.
//! let RelayMessage::Event { subscription, event } = RelayMessage::parse(&received)? else {
//!     panic!("not an event");
//! };
//! assert_eq!(subscription, "feed");
//! assert!(filter.matches(&event));
//! let event = verify_event(event)?;
//! assert_eq!(event.content(), "hello");
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
//!
//! # What is where
//!
//! | in NIP-01 | here |
//! |---|---|
//! | event | [`Event`], [`EventTemplate`], [`UnsignedEvent`]; JSON by [`Event::from_json`], [`Event::to_json`] |
//! | `id`, `pubkey`, `sig` | [`EventId`], [`PublicKey`], [`Signature`] |
//! | `created_at` | [`Timestamp`]; for the next version of a replaceable event [`Timestamp::after`] |
//! | `kind` and its ranges | [`Kind`], [`KindClass`] |
//! | `tags` | [`Tags`], [`Tag`] |
//! | `e`, `p`, `a` tags | [`Tags::event_refs`], [`Tags::pubkey_refs`], [`Tags::address_refs`] |
//! | `d` tag, `kind:pubkey:d` | [`Event::identifier`], [`Address`], [`Event::address`] |
//! | serialisation for the id | [`Event::compute_id`], [`Event::check_id`] |
//! | signing | [`Keys::sign`] |
//! | verifying | [`verify`] and the [`Proof`] it gives; for many events, on as many threads as you like, [`Verifier`] |
//! | filter | [`Filter`], [`Filter::matches`] |
//! | client to relay: EVENT, REQ, CLOSE | [`ClientMessage`], or without owning anything [`encode`] |
//! | relay to client: EVENT, OK, EOSE, CLOSED, NOTICE | [`RelayMessage`] |
//! | `duplicate`, `pow`, `blocked`, … | [`Reason`], [`Prefix`] |
//! | relay URL | [`RelayUrl`], in one canonical form |
//!
//! | NIP | what | here |
//! |---|---|---|
//! | 02 | follow lists: `p` tags with a petname | [`PubkeyRef`], [`EventTemplate`] |
//! | 10 | threads: markers of `e` tags | [`EventRef`], [`Marker`] |
//! | 11 | relay information document | [`RelayInfo`], [`Limitation`], [`Fees`], [`Fee`], [`Retention`] |
//! | 13 | proof of work | [`EventId::difficulty`], [`Event::check_pow`], [`Tags::pow_nonce`], [`Miner`] |
//! | 18 | quotes: `q` tags | [`Quote`], [`Tags::quotes`] |
//! | 19 | `npub`, `nsec` | [`PublicKey::parse`], [`PublicKey::to_npub`], [`SecretKey::parse`], [`SecretKey::to_nsec`] |
//! | 24 | `r` and `t` tags | [`Tags::references`], [`Tags::hashtags`] |
//! | 40 | expiration | [`Event::expiration`], [`Event::is_expired_at`], [`EventTemplate::expires_at`] |
//! | 42 | AUTH, both ways | [`RelayMessage::Auth`], [`EventTemplate::auth`], [`ClientMessage::Auth`] |
//! | 45 | COUNT, HyperLogLog | [`ClientMessage::Count`], [`RelayMessage::Count`], [`HyperLogLog`], [`HllOffset`] |
//! | 50 | search | [`Filter::search`] |
//! | 59 | rumors | [`UnsignedEvent`], in serde documents |
//! | 65 | relay lists | [`RelayList`], [`RelayUse`] |
//! | 67 | EOSE hints | [`EoseHints`] |
//! | 70 | protected events | [`Event::is_protected`], [`EventTemplate::protected`] |
//! | 77 | negentropy: the messages alone | [`ClientMessage::NegOpen`], [`RelayMessage::NegMsg`], [`encode::neg_msg`] |
//!
//! # Features
//!
//! `std` (off by default; the crate is `no_std` either way): signatures are checked with one context per thread instead of
//! a new one each time, which is about 8 % faster. Turn it on wherever there is a standard library.
//!
//! # Serde
//!
//! Public types that have a form in JSON serialise to it with serde. That is for documents of one's own: the wire path
//! has its own, faster and stricter reader.
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod error;
mod event;
mod filter;
mod head;
mod hex;
mod hex_text;
mod hll;
mod ids;
mod info;
mod json;
mod keys;
mod kind;
pub mod limits;
mod message;
mod pow;
mod relay_list;
mod time;
mod url;

pub use error::{ParseError, ParseErrorKind, Part};
pub use event::{
    Address, AddressError, AddressRef, BadSignature, Event, EventError, EventRef, EventTemplate, HashedEvent,
    IdMismatch, Marker, Proof, ProofMismatch, PubkeyRef, Quote, QuoteTarget, Tag, TagValues, Tags, UnsignedEvent,
    VerifiedEvent, Verifier, verify, verify_event,
};
pub use filter::{Filter, SortedSet};
pub use head::{Head, scan_head, scan_signature};
pub use hex::HexError;
pub use hll::{HllError, HllOffset, HyperLogLog};
pub use ids::{EventId, PublicKey, Signature};
pub use info::{Fee, Fees, Limitation, RelayInfo, Retention};
pub use keys::{KeyError, Keys, SecretKey};
pub use kind::{Kind, KindClass};
pub use message::{ClientMessage, EoseHints, Prefix, Reason, RelayMessage, encode};
pub use pow::{Miner, Mining, PowError, PowNonce};
pub use relay_list::{NotARelayList, RelayList, RelayListEntry, RelayUse};
pub use time::Timestamp;
pub use url::{RelayUrl, RelayUrlError};
