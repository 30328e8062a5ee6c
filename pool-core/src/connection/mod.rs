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
mod inputs;
mod open;
mod orders;
mod quarantine;
mod state;
mod step;
#[cfg(test)]
mod tests;

use alloc::string::String;

use nostr_proto::{RelayUrl, Timestamp};

use crate::command::Command;
use crate::config::Config;
use crate::effects::Effects;
use crate::event::RelayUpdate;
use crate::ids::{RelayIx, SocketId};
use crate::planted::planted;
use crate::record::ConnectionState;
use crate::rng::Rng;
use crate::text::clip;
use crate::time::Instant;

use backoff::Backoff;
use open::Open;
use quarantine::Quarantine;
use state::{State, Then};
pub(crate) use step::{Change, Context};

/// See the module's table.
#[derive(Debug)]
pub(crate) struct Connection {
    ix: RelayIx,
    url: RelayUrl,
    state: State,
    pub(crate) backoff: Backoff,
    pub(crate) quarantine: Quarantine,
    generation: u32,
    silent: bool,
    pub(crate) dials: u64,
    pub(crate) opened: u64,
    pub(crate) last_connected: Option<Timestamp>,
    pub(crate) last_close: Option<(u16, String)>,
    pub(crate) last_error: Option<String>,
}

impl Connection {
    /// `key` keys what it counts of the relay's events.
    pub(crate) fn new(ix: RelayIx, url: RelayUrl, rng: Rng, key: [u8; 16]) -> Self {
        Self {
            ix,
            url,
            state: State::Idle,
            backoff: Backoff::new(rng),
            quarantine: Quarantine::new(key),
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
            // If it is needed when it has closed, it is dialled, unless others wait for its slot.
            State::Closing { then, .. } => matches!(then, Then::Dial | Then::Idle),
            State::Idle
            | State::WaitingForSlot { promised: false }
            | State::Backoff { .. }
            | State::Quarantined { .. }
            | State::Disabled => false,
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

    /// The socket to send a frame on now, if there is one and it has room.
    pub(crate) fn sendable(&self, config: &Config) -> Option<SocketId> {
        match &self.state {
            State::Open(open) if planted!(config, CreditsIgnored) => Some(open.socket),
            State::Open(open) if open.credit.available(config) => Some(open.socket),
            _ => None,
        }
    }

    /// Since when nobody has needed it, if it is open.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        match &self.state {
            State::Open(open) => open.idle_since,
            _ => None,
        }
    }

    /// Since when it has been open, if it is.
    pub(crate) fn open_since(&self) -> Option<Instant> {
        match &self.state {
            State::Open(open) => Some(open.since),
            _ => None,
        }
    }

    /// Since when it has been dialled, if it is.
    pub(crate) fn dialing_since(&self) -> Option<Instant> {
        match self.state {
            State::Dialing { since, .. } => Some(since),
            _ => None,
        }
    }

    /// Of a connection that was being dialled a step ago: whether the dial succeeded. `None`: neither, yet, or it was
    /// called off.
    pub(crate) fn dial_result(&self) -> Option<bool> {
        match self.state {
            State::Open(_) => Some(true),
            State::Backoff { .. } | State::Disabled | State::Closing { then: Then::Backoff, .. } => Some(false),
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

    /// When [`Connection::timeout`] wants to be called. Frames do not move it, so they need not touch the timer queue.
    pub(crate) fn deadline(&self, config: &Config) -> Option<Instant> {
        match &self.state {
            State::Idle | State::WaitingForSlot { .. } | State::Disabled => None,
            State::Dialing { deadline, .. } | State::Closing { deadline, .. } => Some(*deadline),
            State::Backoff { until } | State::Quarantined { until } => Some(*until),
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
        let since = cx.now.mono;
        self.enter(State::Dialing { socket, since, deadline: since + cx.config.dial_deadline }, Change::None, fx)
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
            Then::Idle if cx.wanted => self.dial(cx, fx),
            Then::Idle => self.enter(State::Idle, Change::None, fx),
            // The application asked for it: the slot of the socket that just went is this relay's to use.
            Then::Dial => self.dial(&Context { slot_free: true, ..*cx }, fx),
            Then::Quarantined { until } => self.enter(State::Quarantined { until }, Change::Unavailable, fx),
            Then::Disabled => self.enter(State::Disabled, Change::Unavailable, fx),
            Then::Backoff => self.back_off(cx, fx),
        }
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
