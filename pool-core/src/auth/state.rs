//! Where an authentication stands.

use alloc::sync::Arc;

use nostr_proto::{Event, EventId, PublicKey};

use crate::time::Instant;

use super::public::AuthFailure;

/// A relay's challenge, bounded in length.
pub(super) type Challenge = Arc<str>;

/// What is left of the challenges once one of them was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hand {
    /// None that could be answered: the latest was too long.
    Empty,
    /// The one that was answered is still the latest.
    Used(Challenge),
    /// A newer one.
    Newer(Challenge),
}

impl Hand {
    pub(super) fn latest(&self) -> Option<Challenge> {
        match self {
            Self::Empty => None,
            Self::Used(challenge) | Self::Newer(challenge) => Some(challenge.clone()),
        }
    }
}

/// What was given to the signer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) event: EventId,
    pub(super) identity: PublicKey,
    /// When the signer is no longer waited for.
    pub(super) until: Instant,
}

/// See the module's table. `challenge` is always the relay's latest.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum State {
    Down,
    Unchallenged,
    Expecting {
        until: Instant,
    },
    Challenged {
        challenge: Challenge,
    },
    Asking {
        challenge: Challenge,
    },
    Paced {
        challenge: Challenge,
        at: Instant,
    },
    /// `stale`: the order is for an earlier challenge.
    Signing {
        challenge: Challenge,
        order: Order,
        stale: bool,
    },
    Ready {
        challenge: Challenge,
        event: Event,
    },
    Sent {
        hand: Hand,
        event: EventId,
        identity: PublicKey,
        until: Instant,
    },
    /// No OK came in time.
    Assumed {
        hand: Hand,
        event: EventId,
        identity: PublicKey,
    },
    Authenticated {
        hand: Hand,
    },
    Failed {
        challenge: Option<Challenge>,
        failure: AuthFailure,
    },
}

impl State {
    /// Takes the state out, to be consumed; the caller puts the next one in.
    pub(super) fn take(&mut self) -> Self {
        core::mem::replace(self, Self::Down)
    }

    /// When it ends by itself.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Expecting { until } | Self::Sent { until, .. } => Some(*until),
            Self::Paced { at, .. } => Some(*at),
            Self::Signing { order, .. } => Some(order.until),
            Self::Down
            | Self::Unchallenged
            | Self::Challenged { .. }
            | Self::Asking { .. }
            | Self::Ready { .. }
            | Self::Assumed { .. }
            | Self::Authenticated { .. }
            | Self::Failed { .. } => None,
        }
    }

    /// Whether what was refused may hope.
    pub(super) fn is_under_way(&self) -> bool {
        match self {
            Self::Expecting { .. }
            | Self::Asking { .. }
            | Self::Paced { .. }
            | Self::Signing { .. }
            | Self::Ready { .. }
            | Self::Sent { .. } => true,
            Self::Down
            | Self::Unchallenged
            | Self::Challenged { .. }
            | Self::Assumed { .. }
            | Self::Authenticated { .. }
            | Self::Failed { .. } => false,
        }
    }

    /// The latest challenge.
    pub(super) fn challenge(&self) -> Option<Challenge> {
        match self {
            Self::Down | Self::Unchallenged | Self::Expecting { .. } => None,
            Self::Challenged { challenge }
            | Self::Asking { challenge }
            | Self::Paced { challenge, .. }
            | Self::Signing { challenge, .. }
            | Self::Ready { challenge, .. } => Some(challenge.clone()),
            Self::Sent { hand, .. } | Self::Assumed { hand, .. } | Self::Authenticated { hand } => hand.latest(),
            Self::Failed { challenge, .. } => challenge.clone(),
        }
    }
}
