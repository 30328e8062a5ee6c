//! Side-by-side benchmarks of nostr-pool and its codec against other Nostr libraries and JSON parsers.
//!
//! What `NOTES.md` reports is measured with these. The parts that open sockets are in the main binary; what
//! is here needs none.

pub mod codec;
pub mod spread;
