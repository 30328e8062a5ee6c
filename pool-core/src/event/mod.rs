//! What the application sees.

mod count;
mod item;
mod publish;

use alloc::boxed::Box;
use alloc::string::String;

use nostr_proto::RelayUrl;

use crate::auth::AuthState;
use crate::ids::{PublishId, SubId};
use crate::record::ConnectionState;

pub use count::{CountAnswer, CountOutcome, CountReport, Merged};
pub use item::{
    Coverage, EndReason, EventItem, Gap, GapCause, Item, LegOutcome, LegReport, LegState, Mark, PendingItem,
    PendingOutcome, RejectedEvent, Why,
};
pub use publish::{PublishReport, PublishStatus, PublishUpdate, Rejection, UnknownCause, Verdict};

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
    /// What came of a COUNT, exactly once.
    Counted(Box<CountReport>),
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
