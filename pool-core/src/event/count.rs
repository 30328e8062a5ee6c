//! What came of a COUNT.

use alloc::boxed::Box;
use alloc::vec::Vec;

use nostr_proto::{HyperLogLog, Reason, RelayUrl};

use crate::ids::CountId;

/// What came of a COUNT (NIP-45). Told exactly once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountReport {
    /// Which.
    pub count: CountId,
    /// Every relay that was to be asked, in order of their URLs, and what came of it.
    pub relays: Vec<(RelayUrl, CountOutcome)>,
    /// The largest number that a relay answered, exact or not; `None` if none did.
    pub maximum: Option<u64>,
    /// How many there are on these relays together, where registers allow to say; `None` if no relay sent any, or if they
    /// can't be merged.
    ///
    /// Registers are merged for one filter that has one tag attribute with one value: with more, relays may differ about
    /// which comes first, and so about what their registers mean; without one, NIP-45 does not say what they mean.
    pub merged: Option<Merged>,
}

impl CountReport {
    /// The best that can be said of all relays together: the merged [`estimate`](Merged::estimate), or else the
    /// [`maximum`](Self::maximum), which is too low where relays hold different events.
    pub fn best(&self) -> Option<u64> {
        self.merged.as_ref().map(|merged| merged.estimate).or(self.maximum)
    }
}

/// What the registers of several relays say together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    /// The registers of the union: what was counted locally can be added to them, see [`HyperLogLog::add`].
    pub registers: Box<HyperLogLog>,
    /// Relays that sent registers.
    pub relays: usize,
    /// Distinct authors, as those registers tell, with a standard deviation of 4 to 7 %. Nothing about registers can be
    /// checked, and a relay may invent them.
    pub authors: u64,
    /// The same within what the relays counted: no less than the largest count that is not an approximation, for that relay
    /// alone holds so many, or that came without registers, for nothing else is known of that relay; no more than all counts together, for there is nothing beside what they counted. So where
    /// authors have several events each it is no less than what is known, and made-up registers carry no further than a
    /// made-up count would.
    pub estimate: u64,
}

/// What came of a COUNT at one relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CountOutcome {
    /// It counted.
    Counted(CountAnswer),
    /// It did not want to, whether it said so by CLOSED or by NOTICE.
    Refused(Reason),
    /// It was asked, and said nothing by the deadline; perhaps on a connection that we closed, to make room for instance.
    Silent,
    /// It answered with what is no number of events: one that can't be read, or an EOSE.
    Nonsense,
    /// It was asked, and the connection was lost before it answered: twice, or with none after it by the deadline.
    Lost,
    /// It was not asked: there was no connection, or it did not let it have its turn by the deadline.
    Unreachable,
    /// It was not asked: the COUNT message is longer than it takes (NIP-11).
    TooLarge {
        /// The message's length in bytes.
        bytes: usize,
        /// The relay's `max_message_length`.
        max: u64,
    },
    /// The count was cancelled, the relay was taken out of the pool, or the pool was shut down or began anew.
    Cancelled,
}

impl CountOutcome {
    /// How many, if the relay counted.
    pub fn count(&self) -> Option<u64> {
        match self {
            Self::Counted(answer) => Some(answer.count),
            _ => None,
        }
    }
}

/// What a relay counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountAnswer {
    /// How many events match.
    pub count: u64,
    /// Whether the relay says that it is an approximation.
    pub approximate: bool,
    /// Its registers, if it sent any that can be read. What they mean, and whether they can be merged: see
    /// [`CountReport::merged`].
    pub hll: Option<Box<HyperLogLog>>,
}
