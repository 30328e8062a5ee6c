//! The connection machine: one per canonical relay URL.
//!
//! Every state and every input, as the tests walk them. Unless a row says otherwise, the relay is needed, a slot is free,
//! the relay's options are the default ones, a socket that is named is the current one, and *time* is that of the next
//! deadline. A cell names the next state if it is another, or the same with another deadline; `+` dials, `×` closes,
//! `ping` pings; ▲ tells requests and publishes that the connection is there, ▼ that it is gone or going, ◇ that there is
//! none and will be none for a while; *stale* inputs change nothing and are counted; – is nothing at all.
//!
//! Without a socket:
//!
//! | input | `Idle` | `WaitingForSlot` | `WaitingForSlot`, promised | `Backoff` | `Quarantined` | `Disabled` |
//! |---|---|---|---|---|---|---|
//! | wanted | `Dialing` + | `Dialing` + | `Dialing` + | – | – | – |
//! | wanted, no slot | `WaitingForSlot` ◇ | ◇ | `WaitingForSlot` ◇ | – | – | – |
//! | wanted, slot coming | `WaitingForSlot`, promised | `WaitingForSlot`, promised | – | – | – | – |
//! | unwanted | – | `Idle` ◇ | `Idle` ◇ | – | – | – |
//! | make room | – | – | – | – | – | – |
//! | opened | stale | stale | stale | stale | stale | stale |
//! | opened, unneeded | stale | stale | stale | stale | stale | stale |
//! | open failed | stale | stale | stale | stale | stale | stale |
//! | open failed, switch off | stale | stale | stale | stale | stale | stale |
//! | closed | stale | stale | stale | stale | stale | stale |
//! | closed, unneeded | stale | stale | stale | stale | stale | stale |
//! | closed, no slot | stale | stale | stale | stale | stale | stale |
//! | closed, switch off | stale | stale | stale | stale | stale | stale |
//! | another socket opened | stale | stale | stale | stale | stale | stale |
//! | another socket failed | stale | stale | stale | stale | stale | stale |
//! | another socket closed | stale | stale | stale | stale | stale | stale |
//! | frame, pong | stale | stale | stale | stale | stale | stale |
//! | sent | stale | stale | stale | stale | stale | stale |
//! | NOTICE | – | – | – | – | – | – |
//! | NOTICE, switch on | – | – | – | – | – | – |
//! | forged | `Quarantined` ◇ | `Quarantined` ◇ | `Quarantined` ◇ | `Quarantined` ◇ | – | – |
//! | forged, switch off | – | – | – | – | – | – |
//! | time, too early | – | – | – | – | – | – |
//! | time | – | – | – | `Dialing` + | `Dialing` + | – |
//! | time, unneeded | – | – | – | `Idle` | `Idle` | – |
//! | disconnect | `Disabled` ◇ | `Disabled` ◇ | `Disabled` ◇ | `Disabled` ◇ | `Disabled` ◇ | – |
//! | release | – | `Idle` | `Idle` | `Idle` | `Idle` | – |
//! | reconnect | `Dialing` + | `Dialing` + | `Dialing` + | `Dialing` + | `Dialing` + | `Dialing` + |
//! | reconnect, no slot | `WaitingForSlot` ◇ | ◇ | `WaitingForSlot` ◇ | `WaitingForSlot` ◇ | `WaitingForSlot` ◇ | `WaitingForSlot` ◇ |
//! | reconnect, keep open | `Dialing` + | `Dialing` + | `Dialing` + | `Dialing` + | `Dialing` + | `Dialing` + |
//! | network changed | – | `Dialing` + | `Dialing` + | `Backoff` | – | – |
//!
//! With one:
//!
//! | input | `Dialing` | `Open` | `Open`, unneeded | `Open`, silent |
//! |---|---|---|---|---|
//! | wanted | – | – | `Open` | – |
//! | wanted, no slot | – | – | `Open` | – |
//! | wanted, slot coming | – | – | `Open` | – |
//! | unwanted | – | `Open`, unneeded | – | `Open`, unneeded |
//! | make room | – | `Closing`→`Idle` × ▼ | `Closing`→`Idle` × ▼ | `Closing`→`Idle` × ▼ |
//! | opened | `Open` ▲ | stale | stale | stale |
//! | opened, unneeded | `Open`, unneeded ▲ | stale | stale | stale |
//! | open failed | `Backoff` ▼ | stale | stale | stale |
//! | open failed, switch off | `Disabled` ▼ | stale | stale | stale |
//! | closed | `Backoff` ▼ | `Backoff` ▼ | `Backoff` ▼ | `Backoff` ▼ |
//! | closed, unneeded | `Backoff` ▼ | `Idle` ▼ | `Idle` ▼ | `Idle` ▼ |
//! | closed, no slot | `Backoff` ▼ | `Backoff` ▼ | `Backoff` ▼ | `Backoff` ▼ |
//! | closed, switch off | `Disabled` ▼ | `Disabled` ▼ | `Disabled` ▼ | `Disabled` ▼ |
//! | another socket opened | stale | stale | stale | stale |
//! | another socket failed | stale | stale | stale | stale |
//! | another socket closed | stale | stale | stale | stale |
//! | frame, pong | stale | – | – | `Open` |
//! | sent | stale | – | – | – |
//! | NOTICE | – | – | – | – |
//! | NOTICE, switch on | – | `Closing`→`Backoff` × ▼ | `Closing`→`Backoff` × ▼ | `Closing`→`Backoff` × ▼ |
//! | forged | `Closing`→`Quarantined` × ▼ | `Closing`→`Quarantined` × ▼ | `Closing`→`Quarantined` × ▼ | `Closing`→`Quarantined` × ▼ |
//! | forged, switch off | – | – | – | – |
//! | time, too early | – | – | – | – |
//! | time | `Closing`→`Backoff` × ▼ | ping | `Closing`→`Idle` × ▼ | `Closing`→`Backoff` × ▼ |
//! | time, unneeded | `Closing`→`Backoff` × ▼ | ping | `Closing`→`Idle` × ▼ | `Closing`→`Backoff` × ▼ |
//! | disconnect | `Closing`→`Disabled` × ▼ | `Closing`→`Disabled` × ▼ | `Closing`→`Disabled` × ▼ | `Closing`→`Disabled` × ▼ |
//! | release | `Closing`→`Idle` × ▼ | `Closing`→`Idle` × ▼ | `Closing`→`Idle` × ▼ | `Closing`→`Idle` × ▼ |
//! | reconnect | `Closing`→dial × ▼ | `Closing`→dial × ▼ | `Closing`→dial × ▼ | `Closing`→dial × ▼ |
//! | reconnect, no slot | `Closing`→dial × ▼ | `Closing`→dial × ▼ | `Closing`→dial × ▼ | `Closing`→dial × ▼ |
//! | reconnect, keep open | – | – | – | – |
//! | network changed | – | ping | ping | – |
//!
//! With one that is going, and where it goes:
//!
//! | input | `Closing`→`Idle` | `Closing`→`Backoff` | `Closing`→dial | `Closing`→`Quarantined` | `Closing`→`Disabled` |
//! |---|---|---|---|---|---|
//! | wanted | – | – | – | – | – |
//! | wanted, no slot | – | – | – | – | – |
//! | wanted, slot coming | – | – | – | – | – |
//! | unwanted | – | – | – | – | – |
//! | make room | – | – | – | – | – |
//! | opened | × | × | × | × | × |
//! | opened, unneeded | × | × | × | × | × |
//! | open failed | `Dialing` + | `Backoff` ◇ | `Dialing` + | `Quarantined` ◇ | `Disabled` ◇ |
//! | open failed, switch off | `Dialing` + | `Backoff` ◇ | `Dialing` + | `Quarantined` ◇ | `Disabled` ◇ |
//! | closed | `Dialing` + | `Backoff` ◇ | `Dialing` + | `Quarantined` ◇ | `Disabled` ◇ |
//! | closed, unneeded | `Idle` | `Backoff` ◇ | `Dialing` + | `Quarantined` ◇ | `Disabled` ◇ |
//! | closed, no slot | `WaitingForSlot` ◇ | `Backoff` ◇ | `Dialing` + | `Quarantined` ◇ | `Disabled` ◇ |
//! | closed, switch off | `Dialing` + | `Backoff` ◇ | `Dialing` + | `Quarantined` ◇ | `Disabled` ◇ |
//! | another socket opened | stale | stale | stale | stale | stale |
//! | another socket failed | stale | stale | stale | stale | stale |
//! | another socket closed | stale | stale | stale | stale | stale |
//! | frame, pong | stale | stale | stale | stale | stale |
//! | sent | – | – | – | – | – |
//! | NOTICE | – | – | – | – | – |
//! | NOTICE, switch on | – | – | – | – | – |
//! | forged | `Closing`→`Quarantined` ◇ | `Closing`→`Quarantined` ◇ | `Closing`→`Quarantined` ◇ | – | – |
//! | forged, switch off | – | – | – | – | – |
//! | time, too early | – | – | – | – | – |
//! | time | `Dialing` + | `Backoff` ◇ | `Dialing` + | `Quarantined` ◇ | `Disabled` ◇ |
//! | time, unneeded | `Idle` | `Backoff` ◇ | `Dialing` + | `Quarantined` ◇ | `Disabled` ◇ |
//! | disconnect | `Closing`→`Disabled` | `Closing`→`Disabled` | `Closing`→`Disabled` | `Closing`→`Disabled` | – |
//! | release | – | `Closing`→`Idle` | `Closing`→`Idle` | `Closing`→`Idle` | – |
//! | reconnect | `Closing`→dial | `Closing`→dial | – | `Closing`→dial | `Closing`→dial |
//! | reconnect, no slot | `Closing`→dial | `Closing`→dial | – | `Closing`→dial | `Closing`→dial |
//! | reconnect, keep open | `Closing`→dial | `Closing`→dial | – | `Closing`→dial | `Closing`→dial |
//! | network changed | – | `Closing`→dial | – | – | – |
//!
//! Which is to say: a relay is left alone until it is needed; what fails is dialled again after a back-off, unless a switch
//! says no; a socket that is going is waited for, and what it leads to may change meanwhile; one that makes room dials
//! again only behind those that wait. `Quarantined` is entered by forgery alone, and left when its time is over, or when
//! the application asks for the relay; a new network changes nothing about it, and neither does a need.
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
mod table_tests;
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
            // If it is needed when it has closed, it is dialled, after those that wait for its slot.
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

    /// The wall clock was set back by so many seconds.
    pub(crate) fn set_back(&mut self, seconds: u64) {
        if let State::Open(open) = &mut self.state {
            open.set_back(seconds);
        }
    }

    /// Stops or resumes reading because of what is being verified. Read is only what neither this nor
    /// [`Connection::set_stopped`] forbids.
    pub(crate) fn set_paused(&mut self, pause: bool, fx: &mut Effects) {
        self.read_or_not(|open| open.paused = pause, fx);
    }

    /// Stops reading until then, or resumes it, because of what the application has not taken.
    pub(crate) fn set_stopped(&mut self, until: Option<Instant>, now: Instant, fx: &mut Effects) {
        self.read_or_not(|open| open.stop(until, now), fx);
    }

    fn read_or_not(&mut self, change: impl FnOnce(&mut Open), fx: &mut Effects) {
        let State::Open(open) = &mut self.state else { return };
        let (before, socket) = (open.is_unread(), open.socket);
        change(open);
        if open.is_unread() != before {
            fx.command(if before { Command::ResumeRead { socket } } else { Command::PauseRead { socket } });
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
        fx.command(Command::Open { socket, url: self.url.clone(), origin: cx.options.origin });
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
