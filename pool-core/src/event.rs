//! What the application sees.

use alloc::string::String;
use alloc::vec::Vec;

use nostr_proto::{EventId, Reason, RelayUrl, Timestamp, UnsignedEvent, VerifiedEvent};

use crate::auth::AuthState;
use crate::ids::{PublishId, SubId};
use crate::record::ConnectionState;

/// Something for the application.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum PoolEvent {
    /// The next item of a subscription.
    Item {
        /// Whose.
        sub: SubId,
        /// What.
        item: Item,
    },
    /// News of a publish.
    Publish {
        /// Which.
        publish: PublishId,
        /// What.
        update: PublishUpdate,
    },
    /// News of a relay.
    Relay {
        /// Which.
        relay: RelayUrl,
        /// What.
        update: RelayUpdate,
    },
}

/// News of a relay.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RelayUpdate {
    /// Its connection has a new state.
    State(ConnectionState),
    /// It sent a NOTICE: text for people, at most 1 KiB of it, control characters escaped.
    Notice(String),
    /// Authentication there (NIP-42) has come to this. Where it is [`AuthState::Requested`], the application is to decide.
    Auth(AuthState),
    /// It was taken out of the pool.
    Removed,
}

/// An item of a subscription's stream.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Item {
    /// A verified event that matches the subscription's filters. Each event comes once.
    Event(EventItem),
    /// An event of ours that is not signed yet, echoed before any relay has it. It comes again as an `Event` when a relay
    /// sends it.
    Pending(PendingItem),
    /// What became of a pending event.
    Resolved {
        /// Which.
        event: EventId,
        /// Its fate.
        outcome: PendingOutcome,
    },
    /// Every relay has sent what it had stored, or was given up. Once per generation.
    Eose(Coverage),
    /// A relay's part in this subscription changed.
    Leg {
        /// Whose.
        relay: RelayUrl,
        /// To what.
        state: LegState,
    },
    /// Events may be missing, or a gap told earlier was closed.
    Gap(Gap),
    /// The last item.
    End(EndReason),
}

impl Item {
    /// What the item counts in the queue of its subscription, in bytes.
    pub fn bytes(&self) -> usize {
        const FIXED: usize = 128;
        FIXED
            + match self {
                Self::Event(e) => e.event.heap_bytes(),
                Self::Pending(p) => p.event.heap_bytes(),
                Self::Eose(coverage) => coverage.legs.len() * FIXED,
                Self::Resolved { .. } | Self::Leg { .. } | Self::Gap(_) | Self::End(_) => 0,
            }
    }
}

/// An event as a subscription delivers it.
#[derive(Clone, Debug, PartialEq)]
pub struct EventItem {
    /// The event.
    pub event: VerifiedEvent,
    /// Whether the relay had it stored or pushed it.
    pub mark: Mark,
    /// The relays known to have it when it was delivered, the first one first.
    pub relays: Vec<RelayUrl>,
    /// Its place among the subscription's events, from 0 and without holes.
    pub seq: u64,
}

/// Where an event came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mark {
    /// Before the relay's EOSE.
    Stored,
    /// After it.
    Live,
}

/// An event of ours before it is signed. Once a relay sends it back, it also comes as an [`Item::Event`].
#[derive(Clone, Debug, PartialEq)]
pub struct PendingItem {
    /// The event; its id is final.
    pub event: UnsignedEvent,
    /// The publish it belongs to.
    pub publish: PublishId,
    /// Its place among the subscription's events, from 0 and without holes.
    pub seq: u64,
}

/// What became of a pending event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PendingOutcome {
    /// The publish came to this verdict.
    Published(Verdict),
    /// The signer refused, in its words.
    NotSigned(String),
}

/// What each relay answered to one generation of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverage {
    /// Which generation: 0 for the first filters, one more for each [`Call::Update`](crate::Call::Update).
    pub generation: u32,
    /// One entry per relay, in order of the relays' URLs.
    pub legs: Vec<LegReport>,
}

impl Coverage {
    /// Whether every relay sent its EOSE.
    pub fn is_complete(&self) -> bool {
        self.legs.iter().all(|leg| matches!(leg.outcome, LegOutcome::Eose { .. }))
    }
}

/// What one relay answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegReport {
    /// Which relay.
    pub relay: RelayUrl,
    /// How the request stands.
    pub outcome: LegOutcome,
    /// Matching events that it sent before that, duplicates of other relays' included.
    pub events: u64,
}

/// How a relay's request stands. EOSE, timeout, refusal and disconnect stay different facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LegOutcome {
    /// It sent EOSE: everything it was willing to send is here.
    Eose {
        /// It said so itself that nothing is missing (NIP-67 `finish`), or that something is (`more`); `None`: it said neither.
        complete: Option<bool>,
    },
    /// It sent no EOSE in time. It is still asked; a late EOSE changes the leg, not this report.
    TimedOut,
    /// It refused the request for good.
    Closed(Reason),
    /// The connection was lost before EOSE. It is asked again when the connection is back.
    Disconnected,
    /// There was no connection to ask it over: in backoff, disabled, or without a slot.
    NotConnected,
}

/// A relay's part in a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LegState {
    /// Not asked yet.
    Waiting(Why),
    /// Asked; its stored events are coming.
    Requested,
    /// Past EOSE; it pushes what is new.
    Live,
    /// It refused, and will not be asked again on this connection, or at all if the reason is final.
    Closed(Reason),
    /// It was taken out of the pool, or is no longer read from.
    Removed,
}

/// What a leg waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// A connection.
    Connection,
    /// Room in the socket's send buffer.
    Credit,
    /// The end of a pause that the relay asked for.
    Pause,
    /// An authentication (NIP-42): the relay demands it, or demanded it before.
    Auth,
}

/// A stretch of a relay's time from which events may be missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// From which relay; `None`: the subscription's own queue was full.
    pub relay: Option<RelayUrl>,
    /// The earliest `created_at` that is concerned, where it is known.
    pub since: Option<Timestamp>,
    /// Why.
    pub cause: GapCause,
}

/// Why events may be missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GapCause {
    /// The connection to a relay that was live is lost. The gap is open until `CaughtUp`.
    Disconnected,
    /// The relay was asked for what was missed and has sent EOSE: the gap is closed, as far as the relay's answer goes.
    CaughtUp {
        /// Matching events in that answer, known ones included.
        events: u64,
        /// It said itself that nothing is missing, or that something is (NIP-67); `None`: neither.
        complete: Option<bool>,
    },
    /// The application's queue was full, and this many events were skipped.
    QueueFull {
        /// How many.
        skipped: u64,
    },
    /// More unverified events came at once than are held, and this many were dropped.
    Flooded {
        /// How many.
        dropped: u64,
    },
}

/// Why a subscription ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// It was to last until EOSE.
    Complete,
    /// The application ended it.
    Unsubscribed,
    /// The application asked for a clean start.
    StartedClean,
    /// The pool was shut down.
    Shutdown,
}

/// News of a publish.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum PublishUpdate {
    /// A relay's part changed.
    Relay {
        /// Which relay.
        relay: RelayUrl,
        /// To what.
        status: PublishStatus,
        /// Relays that have accepted so far.
        accepted: usize,
        /// Relays that must accept.
        needed: usize,
    },
    /// The verdict. Exactly once.
    Verdict(Verdict),
    /// Nothing will change any more, but for the status of a relay that answers late: see
    /// [`Core::publish_report`](crate::Core::publish_report).
    Done,
}

/// A relay's part in a publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublishStatus {
    /// Not sent yet, or to be sent again.
    Queued,
    /// Sent; no OK yet.
    InFlight,
    /// The relay has it.
    Accepted {
        /// It had it before (`duplicate:`).
        duplicate: bool,
    },
    /// The relay refused it for good.
    Rejected(Reason),
    /// Whether the relay has it can't be known.
    Unknown(UnknownCause),
}

impl PublishStatus {
    /// Whether nothing will change it but a late OK.
    pub fn is_final(&self) -> bool {
        !matches!(self, Self::Queued | Self::InFlight)
    }
}

/// Why it can't be known whether a relay has an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnknownCause {
    /// No OK came, however often it was sent.
    NoAnswer,
    /// There was no connection in all that time.
    NoConnection,
    /// It was cancelled, or the relay was taken out of the pool, or the pool was shut down.
    Cancelled,
    /// The relay kept asking to try again later; this is what it said last.
    Refused(Reason),
    /// It was never signed.
    NotSigned(String),
}

/// The outcome of a publish, as asked for by its quorum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Enough relays accepted the event.
    Reached,
    /// So many refused it that the quorum is out of reach.
    Failed,
    /// Neither was certain by the deadline, or the publish was cancelled before.
    Indeterminate,
}

/// A publish as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct PublishReport {
    /// Which.
    pub publish: PublishId,
    /// The event's id.
    pub event: EventId,
    /// Its verdict, if there is one yet.
    pub verdict: Option<Verdict>,
    /// Relays that must accept.
    pub needed: usize,
    /// Every relay it goes to, in order of their URLs.
    pub relays: Vec<(RelayUrl, PublishStatus)>,
}

impl PublishReport {
    /// Relays that have accepted the event.
    pub fn accepted(&self) -> usize {
        self.relays.iter().filter(|(_, s)| matches!(s, PublishStatus::Accepted { .. })).count()
    }
}
