//! What the core knows of each relay, and its counters.

use alloc::string::String;

use nostr_proto::{RelayUrl, Timestamp};

use crate::auth::AuthState;
use crate::call::RelayOptions;
use crate::health::Health;
use crate::time::Instant;

/// The state of a relay's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConnectionState {
    /// Nobody needs it, so there is none.
    Idle,
    /// Needed, but the pool has as many sockets as it may.
    WaitingForSlot,
    /// Being dialled.
    Dialing,
    /// Open.
    Open,
    /// Being closed.
    Closing,
    /// Lost or refused; to be dialled again at that time.
    Backoff {
        /// When, on the driver's monotonic clock.
        until: Instant,
    },
    /// It sent too many forged events: not to be dialled until then, whatever happens, unless the application asks for
    /// it.
    Quarantined {
        /// When it is over, on the driver's monotonic clock.
        until: Instant,
    },
    /// Not to be dialled until the application asks for it.
    Disabled,
}

/// A relay as the pool knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct RelayRecord {
    /// Which.
    pub url: RelayUrl,
    /// How it is used.
    pub options: RelayOptions,
    /// Its connection.
    pub state: ConnectionState,
    /// Authentication there (NIP-42).
    pub auth: AuthState,
    /// Dials so far.
    pub dials: u64,
    /// Dials that led to an open connection.
    pub opened: u64,
    /// Dials or connections that failed since the last stable one.
    pub failures_in_row: u32,
    /// When it was last connected, by the wall clock.
    pub last_connected: Option<Timestamp>,
    /// Requests running there.
    pub active_requests: usize,
    /// Publishes that wait for its answer.
    pub pending_publishes: usize,
    /// The last close code and reason that the relay sent.
    pub last_close: Option<(u16, String)>,
    /// The last dial or transport error.
    pub last_error: Option<String>,
    /// What came from it.
    pub counters: RelayCounters,
    /// How well it does.
    pub health: Health,
}

/// What came from one relay, in frames unless the name says otherwise. Counters saturate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RelayCounters {
    /// Text frames.
    pub frames: u64,
    /// Their bytes.
    pub bytes: u64,
    /// EVENT messages for a running request.
    pub events: u64,
    /// Of those, further copies of events that were known or in flight. Each of `events` that is neither the first good
    /// copy nor unreadable counts in exactly one of `duplicates`, `forged`, `unmatched`, `dropped`, `expired` and `excess`.
    pub duplicates: u64,
    /// Events whose id is not the hash of their content, or whose signature is wrong.
    pub forged: u64,
    /// Events that match none of the filters they were sent for.
    pub unmatched: u64,
    /// Frames that are no message of the protocol, and binary frames.
    pub garbage: u64,
    /// Messages of a verb that this library does not know.
    pub unknown: u64,
    /// Messages that answer nothing: of a request or publish that is over or never was.
    pub unsolicited: u64,
    /// Events dropped unverified because too many were being verified, or too many copies of one.
    pub dropped: u64,
    /// Events dropped unverified because they had expired (NIP-40).
    pub expired: u64,
    /// Events dropped because they were more than was asked for: before EOSE, beyond twice the limits of the filters and a
    /// hundred, and not new.
    pub excess: u64,
    /// Events that were verified and of which a newer version was known: see [`Versions`](crate::Versions).
    pub outdated: u64,
    /// NOTICE messages.
    pub notices: u64,
    /// AUTH challenges.
    pub challenges: u64,
}

/// Counters of the whole core. They saturate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Inputs that named a socket which is no longer, or not yet, the relay's.
    pub stale_sockets: u64,
    /// Answers to tickets that nobody waits for.
    pub unknown_tickets: u64,
    /// Events delivered, to each subscription counted.
    pub delivered: u64,
    /// Events skipped because a subscription's queue was full.
    pub skipped: u64,
    /// Copies dropped.
    pub duplicates: u64,
    /// Signatures checked and good.
    pub verified: u64,
    /// Forged events.
    pub forged: u64,
    /// Events dropped unverified because they had expired.
    pub expired: u64,
    /// Events that were verified and of which a newer version was known.
    pub outdated: u64,
    /// Events fetched again by id, because copies of them had been crowded out by forged ones.
    pub repairs: u64,
    /// Inputs whose monotonic time lay before an earlier one's.
    pub clock_backwards: u64,
}
