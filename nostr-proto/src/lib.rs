//! The Nostr wire protocol: events, filters, messages, relay URLs; parse, validate, hash, sign,
//! verify. No I/O, no clock, no randomness, `no_std`.
//!
//! An event goes through types that each say what is known about it:
//!
//! | type | its id is the hash of its content | its author signed it |
//! |---|---|---|
//! | [`Event`] | unknown | unknown |
//! | [`HashedEvent`], from [`Event::check_id`] | yes | unknown |
//! | [`VerifiedEvent`], from a [`Proof`] by [`verify`], or from [`verify_event`] | yes | yes |
//!
//! Whatever comes from a relay passes through [`scan_head`], which recognises known ids without
//! parsing, and [`RelayMessage::parse`], which is strict about events and lenient around them.
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
    VerifiedEvent, verify, verify_event,
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
