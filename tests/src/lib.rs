//! Simulator, oracles, corpus, conformance and interop tests of nostr-pool. Never published.

pub mod corpus;
pub mod scenarios;
pub mod sim;
