//! What happens to a connection from outside: dials and sockets that come and go, frames, and its timer.

use alloc::string::{String, ToString};

use crate::effects::Effects;
use crate::ids::SocketId;
use crate::input::CloseReason;
use crate::planted::planted;
use crate::text::shown;
use crate::time::Now;

use super::open::{Due, Open};
use super::state::{State, Then};
use super::{Change, Connection, Context};

/// What is kept of an error text for the relay's record.
const ERROR_TEXT: usize = 256;

impl Connection {
    /// A frame came. False: not from the socket that is open.
    pub(crate) fn heard(&mut self, socket: SocketId, now: Now) -> bool {
        match &mut self.state {
            State::Open(open) if open.socket == socket => {
                open.heard = now.mono;
                true
            }
            _ => false,
        }
    }

    /// A pong came. Frames are processed in order, so everything the relay sent before it has been, too.
    pub(crate) fn ponged(&mut self, socket: SocketId, now: Now) -> bool {
        if !self.heard(socket, now) {
            return false;
        }
        if let State::Open(open) = &mut self.state {
            open.ponged();
        }
        true
    }

    /// The sink took a frame. False: stale.
    pub(crate) fn sent(&mut self, socket: SocketId) -> bool {
        match &mut self.state {
            State::Open(open) if open.socket == socket => {
                open.credit.give_back();
                true
            }
            State::Closing { socket: s, .. } => *s == socket,
            _ => false,
        }
    }

    /// A dial succeeded. `None`: stale.
    pub(crate) fn opened(&mut self, socket: SocketId, cx: &Context<'_>, fx: &mut Effects) -> Option<Change> {
        match &self.state {
            State::Dialing { socket: s, .. } if *s == socket => {}
            State::Closing { socket: s, .. } if *s == socket => {
                // The dial came through after it was given up.
                fx.close(socket, 1000, String::new());
                return Some(Change::None);
            }
            _ => return None,
        }
        self.opened += 1;
        if planted!(cx.config, BackoffResetOnOpen) {
            self.backoff.reset();
        }
        self.last_connected = Some(cx.now.unix);
        let open = Open::new(socket, cx.wanted, cx.now);
        Some(self.enter(State::Open(open), Change::Up, fx))
    }

    /// A dial failed. `None`: stale.
    pub(crate) fn open_failed(
        &mut self,
        socket: SocketId,
        error: &str,
        cx: &Context<'_>,
        fx: &mut Effects,
    ) -> Option<Change> {
        match &self.state {
            State::Dialing { socket: s, .. } if *s == socket => {
                self.last_error = Some(shown(error, ERROR_TEXT));
                Some(self.failed(cx.options.reconnect_on_error, cx, fx))
            }
            State::Closing { socket: s, then, .. } if *s == socket => Some(self.finish(*then, cx, fx)),
            _ => None,
        }
    }

    /// The socket is gone. `None`: stale.
    pub(crate) fn closed(
        &mut self,
        socket: SocketId,
        reason: &CloseReason,
        cx: &Context<'_>,
        fx: &mut Effects,
    ) -> Option<Change> {
        let taken_for_it = planted!(cx.config, StaleSocketAccepted) && self.has_socket();
        if !self.is_current(socket) && !taken_for_it {
            return None;
        }
        let again = match reason {
            CloseReason::Remote { code, reason } => {
                self.last_close = Some((*code, shown(reason, 123)));
                cx.options.reconnect_on_close
            }
            CloseReason::Local => cx.options.reconnect_on_close,
            CloseReason::Error(error) => {
                self.last_error = Some(shown(error, ERROR_TEXT));
                cx.options.reconnect_on_error
            }
            CloseReason::TooLarge => {
                self.last_error = Some("the relay sent a message larger than the limit".to_string());
                cx.options.reconnect_on_error
            }
        };
        Some(match &self.state {
            State::Closing { then, .. } => self.finish(*then, cx, fx),
            _ => self.failed(again, cx, fx),
        })
    }

    /// Its timer fired; early firings change nothing.
    pub(crate) fn timeout(&mut self, cx: &Context<'_>, fx: &mut Effects) -> Change {
        if self.deadline(cx.config).is_none_or(|at| at > cx.now.mono) {
            return Change::None;
        }
        match &self.state {
            State::Dialing { .. } => {
                self.last_error = Some("the dial took too long".to_string());
                self.close(Then::Backoff, 1000, "", cx, fx)
            }
            State::Closing { then, .. } => self.finish(*then, cx, fx),
            State::Backoff { .. } | State::Quarantined { .. } if cx.wanted => self.dial(cx, fx),
            State::Backoff { .. } | State::Quarantined { .. } => self.enter(State::Idle, Change::None, fx),
            State::Open(_) => self.open_timeout(cx, fx),
            State::Idle | State::WaitingForSlot { .. } | State::Disabled => Change::None,
        }
    }

    fn open_timeout(&mut self, cx: &Context<'_>, fx: &mut Effects) -> Change {
        let State::Open(open) = &mut self.state else { return Change::None };
        match open.timeout(cx.config, cx.now, fx) {
            Due::Nothing => Change::None,
            Due::Idle => self.close(Then::Idle, 1000, "idle", cx, fx),
            Due::Silent => {
                self.last_error = Some("the relay fell silent".to_string());
                self.close(Then::Backoff, 1001, "no answer to pings", cx, fx)
            }
        }
    }

    /// The relay sent a NOTICE on the open socket. By default, that changes nothing.
    pub(crate) fn noticed(&mut self, cx: &Context<'_>, fx: &mut Effects) -> Change {
        match &self.state {
            State::Open(_) if cx.options.reconnect_on_notice => self.close(Then::Backoff, 1000, "notice", cx, fx),
            _ => Change::None,
        }
    }

    /// The relay sent one forged event too many. Nothing that is on its way to being left closed is opened by it.
    pub(crate) fn forged(&mut self, cx: &Context<'_>, fx: &mut Effects) -> Change {
        match &self.state {
            State::Disabled
            | State::Quarantined { .. }
            | State::Closing { then: Then::Disabled | Then::Quarantined { .. }, .. } => return Change::None,
            _ if !cx.options.quarantine => return Change::None,
            _ => {}
        }
        let until = self.quarantine.begin(cx.config, cx.now.mono);
        match &mut self.state {
            State::Closing { then, .. } => {
                *then = Then::Quarantined { until };
                Change::Unavailable
            }
            // "Policy violation" (RFC 6455, section 7.4.1).
            State::Dialing { .. } | State::Open(_) => {
                self.close(Then::Quarantined { until }, 1008, "forged events", cx, fx)
            }
            _ => self.enter(State::Quarantined { until }, Change::Unavailable, fx),
        }
    }
}
