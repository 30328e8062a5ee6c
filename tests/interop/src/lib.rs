//! The end-to-end suite against relays of independent make, and a look at their habits.
//!
//! `cargo run -p nostr-pool-interop` installs each relay under `target/interop`, starts it on loopback ports, and runs
//! [`suite`] against it: over plain and TLS sockets, on both adapters, with NIP-42 and NIP-45 where it offers them.
//! [`habits`] asks each relay, past the pool, what it does where NIP-01 leaves room; the answers are the table in
//! `RELAYS.md`.

#![allow(clippy::panic, clippy::unwrap_used, reason = "this crate is a test: a broken rule ends it")]

pub mod front;
pub mod habits;
pub mod make;
pub mod oracle;
pub mod process;
pub mod raw;
pub mod suite;
