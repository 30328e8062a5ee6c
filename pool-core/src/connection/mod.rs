//! The connection machine: one per canonical relay URL.
//!
//! | state \ input | wanted | opened | open failed | closed | timeout | disconnect | reconnect | network changed |
//! |---|---|---|---|---|---|---|---|---|
//! | `Idle` | dial¹ | – | – | – | – | `Disabled` | dial¹ | – |
//! | `WaitingForSlot` | dial¹ | – | – | – | – | `Disabled` | dial¹ | dial¹ |
//! | `Dialing` | – | `Open` | `Backoff`² | `Backoff`² | `Closing`→`Backoff` | `Closing`→`Disabled` | `Closing`→dial | – |
//! | `Open` | – | – | – | `Backoff`²³ | ping; two silent ones or idle: `Closing` | `Closing`→`Disabled` | `Closing`→dial | ping |
//! | `Closing` | –⁴ | close again | then | then | then | then:=`Disabled` | then:=dial | then:=dial, if it was `Backoff` |
//! | `Backoff` | – | – | – | – | dial¹ | `Disabled` | dial¹ | dial¹, jittered |
//! | `Disabled` | – | – | – | – | – | – | dial¹ | – |
//!
//! ¹ `WaitingForSlot` if the pool has as many sockets as it may. ² `Disabled` if the relay's options say not to dial
//! again. ³ `Idle` if nobody needs the relay any more. ⁴ What is needed when it has closed is dialled. An input that names another socket than the current one is stale:
//! it changes nothing and is counted.
//!
//! Never reads a clock, never dials without a slot, never dials twice at once; the count of failures in a row starts
//! over only after a connection stayed open for `stable_after`.

mod backoff;
mod credit;
mod open;
mod state;
mod step;
#[cfg(test)]
mod tests;

use alloc::string::{String, ToString};

use nostr_proto::{RelayUrl, Timestamp};

use crate::command::Command;
use crate::config::Config;
use crate::effects::Effects;
use crate::event::RelayUpdate;
use crate::ids::{RelayIx, SocketId};
use crate::input::CloseReason;
use crate::planted::planted;
use crate::record::ConnectionState;
use crate::rng::Rng;
use crate::text::clip;
use crate::time::{Instant, Now};

use backoff::Backoff;
use open::{Due, Open};
use state::{State, Then};
pub(crate) use step::{Change, Context};

/// See the module's table.
#[derive(Debug)]
pub(crate) struct Connection {
    ix: RelayIx,
    url: RelayUrl,
    state: State,
    pub(crate) backoff: Backoff,
    generation: u32,
    silent: bool,
    pub(crate) dials: u64,
    pub(crate) opened: u64,
    pub(crate) last_connected: Option<Timestamp>,
    pub(crate) last_close: Option<(u16, String)>,
    pub(crate) last_error: Option<String>,
}

/// What is kept of an error text for the relay's record.
const ERROR_TEXT: usize = 256;

impl Connection {
    pub(crate) fn new(ix: RelayIx, url: RelayUrl, rng: Rng) -> Self {
        Self {
            ix,
            url,
            state: State::Idle,
            backoff: Backoff::new(rng),
            generation: 0,
            silent: false,
            dials: 0,
            opened: 0,
            last_connected: None,
            last_close: None,
            last_error: None,
        }
    }

    /// The state as the application sees it.
    pub(crate) fn state(&self) -> ConnectionState {
        self.state.public()
    }

    /// Whether a socket is being dialled, open or being closed.
    pub(crate) fn has_socket(&self) -> bool {
        matches!(self.state, State::Dialing { .. } | State::Open(_) | State::Closing { .. })
    }

    /// The socket, if it is open.
    pub(crate) fn open_socket(&self) -> Option<SocketId> {
        match &self.state {
            State::Open(open) => Some(open.socket),
            _ => None,
        }
    }

    /// Whether the relay could be asked now or, as things go, in a moment.
    pub(crate) fn is_promising(&self) -> bool {
        match self.state {
            State::Dialing { .. } | State::Open(_) | State::WaitingForSlot { promised: true } => true,
            // If it is needed when it has closed, it is dialled.
            State::Closing { then, .. } => matches!(then, Then::Dial | Then::Idle),
            State::Idle | State::WaitingForSlot { promised: false } | State::Backoff { .. } | State::Disabled => false,
        }
    }

    /// Whether this socket is the current one and open or on its way.
    fn is_current(&self, socket: SocketId) -> bool {
        match &self.state {
            State::Dialing { socket: s, .. } | State::Closing { socket: s, .. } => *s == socket,
            State::Open(open) => open.socket == socket,
            _ => false,
        }
    }

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

    /// The socket to send a frame on now, if there is one and it has room.
    pub(crate) fn sendable(&self, config: &Config) -> Option<SocketId> {
        match &self.state {
            State::Open(open) if planted!(config, CreditsIgnored) => Some(open.socket),
            State::Open(open) if open.credit.available(config) => Some(open.socket),
            _ => None,
        }
    }

    /// Frames and pings that the sink of its socket has not taken yet.
    pub(crate) fn untaken(&self) -> usize {
        if let State::Open(open) = &self.state { open.credit.untaken() } else { 0 }
    }

    /// Since when nobody has needed it, if it is open.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        match &self.state {
            State::Open(open) => open.idle_since,
            _ => None,
        }
    }

    /// Whether its socket is going, and another relay may have the slot.
    pub(crate) fn is_leaving(&self) -> bool {
        matches!(self.state, State::Closing { then, .. } if then != Then::Dial)
    }

    /// From here on, no change of state is news: the relay was taken out of the pool.
    pub(crate) fn silence(&mut self) {
        self.silent = true;
    }

    /// A frame of this size was handed to the open socket.
    pub(crate) fn spend(&mut self, bytes: usize) {
        if let State::Open(open) = &mut self.state {
            open.credit.spend(bytes);
        }
    }

    /// The local send time up to which an answered ping shows the connection to have been alive.
    pub(crate) fn proven(&self) -> Option<Timestamp> {
        match &self.state {
            State::Open(open) => open.proven,
            _ => None,
        }
    }

    /// Stops or resumes reading. Does nothing if that is how it is already.
    pub(crate) fn set_paused(&mut self, pause: bool, fx: &mut Effects) {
        if let State::Open(open) = &mut self.state
            && open.paused != pause
        {
            open.paused = pause;
            let socket = open.socket;
            fx.command(if pause { Command::PauseRead { socket } } else { Command::ResumeRead { socket } });
        }
    }

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

    /// An open connection that nobody needs makes room for another.
    pub(crate) fn yield_slot(&mut self, cx: &Context<'_>, fx: &mut Effects) -> Change {
        match &self.state {
            State::Open(open) if open.idle_since.is_some() => self.close(Then::Idle, 1000, "", cx, fx),
            _ => Change::None,
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
                self.last_error = Some(clip(error, ERROR_TEXT));
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
                self.last_close = Some((*code, clip(reason, 123)));
                cx.options.reconnect_on_close
            }
            CloseReason::Local => cx.options.reconnect_on_close,
            CloseReason::Error(error) => {
                self.last_error = Some(clip(error, ERROR_TEXT));
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
            State::Backoff { .. } if cx.wanted => self.dial(cx, fx),
            State::Backoff { .. } => self.enter(State::Idle, Change::None, fx),
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

    /// The application wants it closed and left so.
    pub(crate) fn disconnect(&mut self, code: u16, reason: &str, cx: &Context<'_>, fx: &mut Effects) -> Change {
        match &mut self.state {
            State::Disabled => Change::None,
            State::Closing { then, .. } => {
                *then = Then::Disabled;
                Change::None
            }
            State::Dialing { .. } | State::Open(_) => self.close(Then::Disabled, code, reason, cx, fx),
            State::Idle | State::WaitingForSlot { .. } | State::Backoff { .. } => {
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
            State::WaitingForSlot { .. } | State::Backoff { .. } => self.enter(State::Idle, Change::None, fx),
        }
    }

    /// The application wants a fresh connection now (`keep_open`: or the one that there is).
    pub(crate) fn reconnect(&mut self, keep_open: bool, cx: &Context<'_>, fx: &mut Effects) -> Change {
        match &mut self.state {
            State::Dialing { .. } | State::Open(_) if keep_open => Change::None,
            State::Dialing { .. } | State::Open(_) => self.close(Then::Dial, 1000, "reconnect", cx, fx),
            State::Closing { then, .. } => {
                *then = Then::Dial;
                Change::None
            }
            State::Idle | State::WaitingForSlot { .. } | State::Backoff { .. } | State::Disabled => self.dial(cx, fx),
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
            State::Closing { then: then @ Then::Backoff, .. } => {
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

    /// When [`Connection::timeout`] wants to be called. Frames do not move it, so they need not touch the timer queue.
    pub(crate) fn deadline(&self, config: &Config) -> Option<Instant> {
        match &self.state {
            State::Idle | State::WaitingForSlot { .. } | State::Disabled => None,
            State::Dialing { deadline, .. } | State::Closing { deadline, .. } => Some(*deadline),
            State::Backoff { until } => Some(*until),
            State::Open(open) => Some(open.deadline(config)),
        }
    }

    fn dial(&mut self, cx: &Context<'_>, fx: &mut Effects) -> Change {
        if !cx.slot_free {
            let (promised, change) = match cx.slot_coming {
                true => (true, Change::None),
                false => (false, Change::Unavailable),
            };
            return self.enter(State::WaitingForSlot { promised }, change, fx);
        }
        self.generation = self.generation.wrapping_add(1);
        self.dials += 1;
        let socket = SocketId::new(self.ix.0, self.generation);
        fx.command(Command::Open { socket, url: self.url.clone() });
        self.enter(State::Dialing { socket, deadline: cx.now.mono + cx.config.dial_deadline }, Change::None, fx)
    }

    /// Starts closing: for requests and publishes the connection is gone from here on.
    fn close(&mut self, then: Then, code: u16, reason: &str, cx: &Context<'_>, fx: &mut Effects) -> Change {
        let (State::Dialing { socket, .. } | State::Open(Open { socket, .. })) = self.state else {
            return Change::None;
        };
        self.note_stability(cx);
        fx.close(socket, code, clip(reason, 123));
        let deadline = cx.now.mono + cx.config.close_deadline;
        self.enter(State::Closing { socket, deadline, then }, Change::Down, fx)
    }

    /// A closing socket is gone. The requests learned that it would be when the closing began.
    fn finish(&mut self, then: Then, cx: &Context<'_>, fx: &mut Effects) -> Change {
        match then {
            Then::Idle if cx.wanted => self.dial_from_closed(cx, fx),
            Then::Idle => self.enter(State::Idle, Change::None, fx),
            Then::Dial => self.dial_from_closed(cx, fx),
            Then::Disabled => self.enter(State::Disabled, Change::Unavailable, fx),
            Then::Backoff => self.back_off(cx, fx),
        }
    }

    /// The slot of the socket that just went is this relay's to use.
    fn dial_from_closed(&mut self, cx: &Context<'_>, fx: &mut Effects) -> Change {
        let cx = Context { slot_free: true, ..*cx };
        self.dial(&cx, fx)
    }

    /// The connection, or the dial, failed by itself.
    fn failed(&mut self, again: bool, cx: &Context<'_>, fx: &mut Effects) -> Change {
        let was_open = matches!(self.state, State::Open(_));
        self.note_stability(cx);
        if !again {
            let _ = self.enter(State::Disabled, Change::None, fx);
        } else if was_open && !cx.wanted {
            let _ = self.enter(State::Idle, Change::None, fx);
        } else {
            let _ = self.back_off(cx, fx);
        }
        Change::Down
    }

    fn note_stability(&mut self, cx: &Context<'_>) {
        if let State::Open(open) = &self.state
            && cx.now.mono.saturating_since(open.since) >= cx.config.stable_after
        {
            self.backoff.reset();
        }
    }

    fn back_off(&mut self, cx: &Context<'_>, fx: &mut Effects) -> Change {
        let wait = self.backoff.next(cx.config);
        self.enter(State::Backoff { until: cx.now.mono + wait }, Change::Unavailable, fx)
    }

    fn enter(&mut self, state: State, change: Change, fx: &mut Effects) -> Change {
        let before = self.state();
        self.state = state;
        if self.state() != before && !self.silent {
            fx.relay(&self.url, RelayUpdate::State(self.state()));
        }
        change
    }
}
