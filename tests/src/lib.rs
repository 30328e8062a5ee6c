//! Scenarios over both adapters, the soak, end-to-end and interop tests of nostr-pool. Never published.

#![allow(clippy::panic, reason = "this crate is a test: a broken rule ends it")]

mod around;
pub mod conformance;
pub mod fronts;
pub mod routed;
pub mod scenarios;
pub mod soak;

pub use nostr_pool_corpus as corpus;

/// The README's code, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
