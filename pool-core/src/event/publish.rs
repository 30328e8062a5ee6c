//! News of publishes.

use alloc::string::String;
use alloc::vec::Vec;

use nostr_proto::{EventId, Reason, RelayUrl};

use crate::ids::PublishId;

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
    /// and `closed`; `auth-required` only where nobody authenticates, or after that.
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
