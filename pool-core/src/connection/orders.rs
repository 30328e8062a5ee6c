//! What is wanted of a connection: by requests and publishes, by the application, and by those that wait for its slot.

use crate::effects::Effects;
use crate::planted::planted;

use super::state::{State, Then};
use super::{Change, Connection, Context};

impl Connection {
    /// Someone needs the relay, or a slot became free.
    pub(crate) fn want(&mut self, cx: &Context<'_>, fx: &mut Effects) -> Change {
        match &mut self.state {
            State::Idle | State::WaitingForSlot { .. } => self.dial(cx, fx),
            State::Open(open) => {
                open.idle_since = None;
                Change::None
            }
            _ => Change::None,
        }
    }

    /// Nobody needs the relay any more. An open connection stays for a while.
    pub(crate) fn unwant(&mut self, cx: &Context<'_>, fx: &mut Effects) -> Change {
        match &mut self.state {
            State::Open(open) if open.idle_since.is_none() => {
                open.idle_since = Some(cx.now.mono);
                Change::None
            }
            State::WaitingForSlot { .. } => self.enter(State::Idle, Change::Unavailable, fx),
            _ => Change::None,
        }
    }

    /// An open connection makes room for another: nobody needs it, or it has had its turn.
    pub(crate) fn yield_slot(&mut self, cx: &Context<'_>, fx: &mut Effects) -> Change {
        match &self.state {
            State::Open(_) => self.close(Then::Idle, 1000, "", cx, fx),
            _ => Change::None,
        }
    }

    /// The application wants it closed and left so.
    pub(crate) fn disconnect(&mut self, code: u16, reason: &str, cx: &Context<'_>, fx: &mut Effects) -> Change {
        match &mut self.state {
            State::Disabled => Change::None,
            State::Closing { then, .. } => {
                *then = Then::Disabled;
                Change::None
            }
            State::Dialing { .. } | State::Open(_) => self.close(Then::Disabled, code, reason, cx, fx),
            State::Idle | State::WaitingForSlot { .. } | State::Backoff { .. } | State::Quarantined { .. } => {
                self.enter(State::Disabled, Change::Unavailable, fx)
            }
        }
    }

    /// The application wants it closed, for now: it is dialled again when it is needed.
    pub(crate) fn release(&mut self, cx: &Context<'_>, fx: &mut Effects) -> Change {
        match &mut self.state {
            State::Idle | State::Disabled | State::Closing { then: Then::Disabled, .. } => Change::None,
            State::Closing { then, .. } => {
                *then = Then::Idle;
                Change::None
            }
            State::Dialing { .. } | State::Open(_) => self.close(Then::Idle, 1000, "", cx, fx),
            State::WaitingForSlot { .. } | State::Backoff { .. } | State::Quarantined { .. } => {
                self.enter(State::Idle, Change::None, fx)
            }
        }
    }

    /// The application wants a fresh connection now (`keep_open`: or the one that there is). Lifts a quarantine.
    pub(crate) fn reconnect(&mut self, keep_open: bool, cx: &Context<'_>, fx: &mut Effects) -> Change {
        match &mut self.state {
            State::Dialing { .. } | State::Open(_) if keep_open => Change::None,
            State::Dialing { .. } | State::Open(_) => self.close(Then::Dial, 1000, "reconnect", cx, fx),
            State::Closing { then, .. } => {
                *then = Then::Dial;
                Change::None
            }
            State::Idle
            | State::WaitingForSlot { .. }
            | State::Backoff { .. }
            | State::Quarantined { .. }
            | State::Disabled => self.dial(cx, fx),
        }
    }

    /// The device has a new network: old sockets may be dead without knowing, waiting dials may work now.
    pub(crate) fn network_changed(&mut self, cx: &Context<'_>, fx: &mut Effects) -> Change {
        match &mut self.state {
            State::Backoff { until } => {
                let soon = cx.now.mono + self.backoff.jitter(cx.config);
                let until = soon.min(*until);
                self.enter(State::Backoff { until }, Change::None, fx)
            }
            State::WaitingForSlot { .. } => self.dial(cx, fx),
            State::Quarantined { .. } if planted!(cx.config, QuarantineLiftedByNetworkChange) => self.dial(cx, fx),
            State::Closing { then: then @ Then::Backoff, .. } if cx.wanted => {
                *then = Then::Dial;
                Change::None
            }
            State::Open(open) => {
                open.probe(cx.config, cx.now, fx);
                Change::None
            }
            _ => Change::None,
        }
    }
}
