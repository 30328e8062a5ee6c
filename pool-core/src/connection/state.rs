//! Where a connection stands.

use crate::ids::SocketId;
use crate::record::ConnectionState;
use crate::time::Instant;

use super::open::Open;

#[derive(Debug)]
pub(super) enum State {
    Idle,
    WaitingForSlot { promised: bool },
    Dialing { socket: SocketId, since: Instant, deadline: Instant },
    Open(Open),
    Closing { socket: SocketId, deadline: Instant, then: Then },
    Backoff { until: Instant },
    Quarantined { until: Instant },
    Disabled,
}

/// Where a closing connection goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    Idle,
    Backoff,
    Dial,
    Quarantined { until: Instant },
    Disabled,
}

impl State {
    /// As the application sees it.
    pub(super) fn public(&self) -> ConnectionState {
        match self {
            Self::Idle => ConnectionState::Idle,
            Self::WaitingForSlot { .. } => ConnectionState::WaitingForSlot,
            Self::Dialing { .. } => ConnectionState::Dialing,
            Self::Open(_) => ConnectionState::Open,
            Self::Closing { .. } => ConnectionState::Closing,
            Self::Backoff { until } => ConnectionState::Backoff { until: *until },
            Self::Quarantined { until } => ConnectionState::Quarantined { until: *until },
            Self::Disabled => ConnectionState::Disabled,
        }
    }
}
