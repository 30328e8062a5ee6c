//! The items of a subscription's stream.

use alloc::string::String;
use alloc::vec::Vec;

use nostr_proto::{EventId, Reason, RelayUrl, Timestamp, UnsignedEvent, VerifiedEvent};

use crate::ids::PublishId;

use super::Verdict;

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
        /// Its fate, or news of it.
        outcome: PendingOutcome,
        /// Of a replaceable or addressable event that no relay has: the version that counts again, as far as the pool
        /// holds one. Roll back to it.
        back_to: Option<VerifiedEvent>,
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
    /// A relay sent an event for this subscription, or for others that share a REQ with it, that was dropped for its size or
    /// shape. It may be a newer version of one that was delivered. Told once of each id, and of 16 ids per relay, REQ and
    /// generation of filters; all of them are counted in [`RelayCounters::garbage`](crate::RelayCounters::garbage).
    Rejected {
        /// Which relay.
        relay: RelayUrl,
        /// The id that the event claims.
        event: EventId,
        /// Why.
        why: RejectedEvent,
    },
    /// A NOTICE that seems to answer this subscription's request: text for people, at most 1 KiB of it, control
    /// characters escaped. Where it came in place of any answer, four different ones are told per request.
    Notice {
        /// Whose.
        relay: RelayUrl,
        /// What it said.
        message: String,
    },
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
                Self::Resolved { back_to, .. } => back_to.as_ref().map_or(0, |event| event.heap_bytes()),
                Self::Notice { message, .. } => message.len(),
                Self::Leg { .. } | Self::Gap(_) | Self::Rejected { .. } | Self::End(_) => 0,
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
    /// Whether it was created more than [`Config::future_window`](crate::Config::future_window) ahead of the wall clock.
    /// Such an event replaces no earlier version before it is due.
    pub future_dated: bool,
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

/// An event of ours before it is signed. Once a relay sends it back, it also comes as an [`Item::Event`]. One that finds the
/// subscription's queue full is not shown there, nor is what becomes of it: it counts as skipped and lost.
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
///
/// Every pending event is told one final fate, and nothing after it. Before it, and only if the quorum was not reached,
/// comes the verdict:
///
/// | told | final | when |
/// |---|---|---|
/// | `Published(Reached)` | yes | the quorum was reached |
/// | `Published(Failed)`, `Published(Indeterminate)` | no | the verdict was another; one of those below follows, at once or later |
/// | `AcceptedLate` | yes | after such a verdict: a relay has it |
/// | `NeverAccepted` | yes | after such a verdict: delivery is over, and no relay is known to have it |
/// | `NotSigned` | yes | the signer refused, or never answered; after such a verdict, if that came before |
/// | `Superseded` | yes | a publish was linked to this one |
///
/// An OK that comes after `NeverAccepted` changes the relay's status in the report and nothing here; the event comes as
/// an [`Item::Event`] if a relay sends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PendingOutcome {
    /// The publish came to this verdict.
    Published(Verdict),
    /// The quorum was not reached, or not in time, but a relay has the event: it accepted it before or after the
    /// verdict, or sent it to us.
    AcceptedLate,
    /// Delivery is over, and no relay is known to have the event.
    NeverAccepted,
    /// The signer refused, in its words, or did not answer while the publish lived.
    NotSigned(String),
    /// A publish that was linked to its own took its place, with proof of work for example.
    Superseded {
        /// Which.
        by: PublishId,
    },
}

impl PendingOutcome {
    /// Whether nothing more will be told of this pending event.
    pub fn is_final(&self) -> bool {
        !matches!(self, Self::Published(Verdict::Failed | Verdict::Indeterminate))
    }
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
    /// It refused, by CLOSED or by NOTICE, and will not be asked again on this connection, or at all if the reason is final.
    /// `unsupported` is also what we say of a relay whose answer has a message beyond the size limit.
    Closed(Reason),
    /// It was taken out of the pool, is no longer read from, or is none of the subscription's relays any more.
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
    /// Its turn. The relay's last answers had a message beyond the size limit, and it is found out whose that is.
    Turn,
    /// Others, to share its request with: see [`Group`](crate::Group).
    Group,
    /// One of the requests that the relay takes at once: see
    /// [`Config::request_turn`](crate::Config::request_turn).
    Slot,
}

/// A stretch of a relay's time from which events may be missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// From which relay; `None`: the subscription's own queue was full.
    pub relay: Option<RelayUrl>,
    /// The earliest `created_at` that is concerned, where it is known.
    pub since: Option<Timestamp>,
    /// The latest, where there is one.
    pub until: Option<Timestamp>,
    /// Why.
    pub cause: GapCause,
}

/// Why events may be missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GapCause {
    /// The connection to a relay that was live is lost. The gap begins as far before that as events may be late, and is open
    /// until `CaughtUp`. One that is told while another is open reaches as far back as that.
    Disconnected,
    /// Everything that this relay owed is delivered, or was told as a gap of its own.
    CaughtUp {
        /// Matching events that it sent to make up for it, known ones included.
        events: u64,
    },
    /// The application's queue was full, or all queues together held too much. Told once, when half of the queue is free
    /// again, or at the end.
    QueueFull {
        /// So many times an event was skipped: for each relay that brought it, but copies that waited for the same check of a
        /// signature count once. From now on they are asked for again, of those relays; the
        /// [`CaughtUp`](GapCause::CaughtUp) of each says when that is done. At the end of the subscription, they are not.
        skipped: u64,
        /// So many of them can't be asked for again: ephemeral ones, those that only a `search` found, those that no relay
        /// has that is still asked, pending ones, and news for which there was no room either.
        lost: u64,
    },
    /// More unverified events came at once than are held, and this many were dropped.
    Flooded {
        /// How many.
        dropped: u64,
    },
    /// To make up for it took more pages or more events than [`Config::max_pages`](crate::Config::max_pages) and
    /// [`Config::max_page_events`](crate::Config::max_page_events). [`Call::Refill`](crate::Call::Refill) goes on.
    Budget,
    /// One second has more events than the relay gives at once, and the filter can't be split, or a part of it brought nothing
    /// of that second [`Config::max_refusals`](crate::Config::max_refusals) times in a row.
    DenseSecond,
    /// A filter with `search` (NIP-50) has no order that would prove anything.
    Unprovable,
    /// Before its EOSE, the relay sent more than twice what was asked for and a hundred; so many were dropped.
    OverDelivered {
        /// How many.
        dropped: u64,
    },
    /// Twice, the answer had a message beyond the size limit: this is not asked for again.
    TooLarge,
    /// The relay failed to answer too often in a row, can't be reached, refused for good, or was taken out while it owed
    /// this.
    NotAnswered,
}

/// Why an event was dropped without a look at its signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RejectedEvent {
    /// It is longer than events may be.
    TooLong,
    /// It is no event as NIP-01 has it.
    Malformed,
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
