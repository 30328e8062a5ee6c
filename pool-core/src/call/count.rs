//! What is to be counted.

use alloc::vec::Vec;
use core::time::Duration;

use nostr_proto::Filter;

use super::Target;

/// A COUNT to start (NIP-45). The default asks every relay for reading, but has no filter, and needs one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Count {
    /// What is counted: events that match any of them, each once. At least one, at most `max_filters`; the message of at
    /// most `max_count_bytes`. NIP-45 leaves it to the relay what a `limit` means.
    pub filters: Vec<Filter>,
    /// By whom.
    pub target: Target,
    /// Time for the report; `None`: the configured default.
    pub deadline: Option<Duration>,
}
