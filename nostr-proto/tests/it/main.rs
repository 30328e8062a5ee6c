//! The crate from outside, against naive oracles and real events.

// Helpers of tests fail as tests do; clippy only knows this inside of `#[test]`.
#![allow(clippy::unwrap_used, clippy::panic)]

mod bad;
mod bad_events;
mod change;
mod corpus;
mod differential;
mod events;
mod filters;
mod head;
mod head_blocks;
mod hll;
mod keys;
mod messages;
mod naive;
mod negentropy;
mod pow;
mod refs;
mod relay_info;
mod relay_list;
mod schnorr;
mod serde_docs;
mod support;
mod tree;
mod url_spellings;
mod urls;
