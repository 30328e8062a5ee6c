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
                Self::Leg { .. } | Self::Gap(_) | Self::End(_) => 0,
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
    /// The relay does not take it, and will not be asked again.
    Rejected(Rejection),
    /// Whether the relay has it can't be known.
    Unknown(UnknownCause),
}

impl PublishStatus {
    /// Whether nothing will change it but a late OK.
    pub fn is_final(&self) -> bool {
        !matches!(self, Self::Queued | Self::InFlight)
    }

    /// The proof of work (NIP-13) that the relay asked for, in leading zero bits, if it refused for the lack of it and
    /// said how much.
    ///
    /// Relays tell it in words: it is the largest whole number from 1 to 255 in the text that stands alone, which "30"
    /// does in "difficulty 26 is less than 30" and "28" in "28 bits needed", but "13" does not in "see NIP-13", nor "5"
    /// in "1.5".
    pub fn pow_asked(&self) -> Option<u8> {
        match self {
            Self::Rejected(Rejection::Refused(reason)) => crate::publish::pow::asked(reason),
            _ => None,
        }
    }
}

/// Why a relay does not take an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// It said so, with a reason that another try would not change: every prefix but `duplicate`, `rate-limited`, `error`
    /// and `closed`. `auth-required` is among them for now.
    Refused(Reason),
    /// The EVENT message is longer than the relay takes. It is not sent, if that was known before.
    TooLarge {
        /// The message's length in bytes.
        bytes: usize,
        /// The relay's `max_message_length` (NIP-11); `None` if it closed the connection with code 1009 instead, right
        /// after the message.
        max: Option<u64>,
    },
    /// Twice, the relay or the transport ended the connection right after this event was sent, the second time after
    /// this event alone: it is taken to be the cause, and not sent again.
    Suspect,
}

/// Why it can't be known whether a relay has an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnknownCause {
    /// No OK came, however often it was sent.
    NoAnswer,
    /// It was never sent: there was no connection in all that time, or the relay did not let it have its turn.
    NoConnection,
    /// It was cancelled, or the relay was taken out of the pool, or the pool was shut down.
    Cancelled,
    /// The relay kept asking to try again later; this is what it said last.
    Refused(Reason),
    /// It was never signed.
    NotSigned(String),
    /// It expired (NIP-40) before the relay had answered, and was not sent again.
    Expired,
}

/// The outcome of a publish, as asked for by its quorum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Enough relays accepted the event.
    Reached,
    /// So many rejected it, or the signer did, that the quorum is out of reach.
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
    /// The earlier publish that this one was linked to, while that is remembered.
    pub link: Option<PublishId>,
    /// The later publish that was linked to this one, while that is remembered.
    pub successor: Option<PublishId>,
}

impl PublishReport {
    /// Relays that have accepted the event.
    pub fn accepted(&self) -> usize {
        self.relays.iter().filter(|(_, s)| matches!(s, PublishStatus::Accepted { .. })).count()
    }
}
