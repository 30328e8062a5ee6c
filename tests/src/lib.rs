//! Simulator, oracles, corpus, conformance and interop tests of nostr-pool. Never published.

pub mod corpus;
pub mod scenarios;
pub mod sim;

/// The README's code, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
