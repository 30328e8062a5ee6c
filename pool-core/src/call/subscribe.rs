//! What a subscription asks for.

use alloc::vec::Vec;
use core::time::Duration;

use nostr_proto::Filter;

use crate::subscription::Checkpoint;

use super::Target;

/// A subscription to start. The default asks every relay for reading, and lasts until it is ended; but it has no filter,
/// and needs one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Subscribe {
    /// What is asked for; an event matches if any of them matches. At least one, at most `max_filters`.
    pub filters: Vec<Filter>,
    /// From whom.
    pub target: Target,
    /// Until when.
    pub mode: Mode,
    /// How long to wait for EOSE; `None`: the configured default. At most `eose_deadline_max`.
    pub eose_deadline: Option<Duration>,
    /// Items waiting to be taken; `None`: the configured default, which is also the most.
    pub queue_items: Option<usize>,
    /// Which versions of replaceable and addressable events.
    pub versions: Versions,
    /// How far back.
    pub history: History,
    /// When an event counts as done with.
    pub acknowledge: Acknowledge,
    /// Whether it waits for others to share its requests with.
    pub group: Group,
    /// What an earlier subscription to the same filters had: only what is not proven there is asked for.
    pub resume: Option<Checkpoint>,
}

/// Whether a subscription that is to be asked waits for others, whose filters are merged with its own where nothing is asked
/// for then that nobody wants. What it receives is the same either way. It waits for
/// [`Config::group_max`](crate::Config::group_max) at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Group {
    /// With those that are asked in the same tick: by one call into the core, as all are when a connection opens. It does
    /// not wait.
    #[default]
    Tick,
    /// It waits for at least so long, and for others that may wait longer; unless one that it is grouped with may not.
    AtLeast(Duration),
    /// It waits for so long at most, if another has it wait.
    AtMost(Duration),
    /// With none: its requests are its own. Where the relay takes fewer than there are, they may have to stand beside others
    /// in one.
    Alone,
}

/// How far back a subscription looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum History {
    /// What each relay gives to the filters as they are.
    #[default]
    FirstLoad,
    /// Everything that it has, back to each filter's `since`: asked for in pages. A filter's `limit` counts for the first
    /// request only.
    All,
}

/// When an event counts as done with, so that a [`Checkpoint`] need not bring it again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Acknowledge {
    /// When the application takes the item after it.
    #[default]
    ByNext,
    /// When the application says so: [`Call::Acknowledge`](crate::Call::Acknowledge).
    ByHand,
}

/// Which versions of a replaceable or addressable event (NIP-01) a subscription gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Versions {
    /// The newest that the pool knows: as from one relay that holds only that. One that comes after a newer one, from
    /// whichever relay and for whichever subscription, is not delivered, unless a filter that it matches names `ids`.
    #[default]
    Latest,
    /// Every one, in the order in which they come.
    All,
}

/// How long a subscription lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Until it is ended.
    #[default]
    Live,
    /// Until every relay has sent its EOSE or was given up.
    UntilEose,
}
