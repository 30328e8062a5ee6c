//! What an open connection keeps: whether it is alive, whether it is needed, and how much may be sent.

use core::time::Duration;

use nostr_proto::Timestamp;

use crate::command::Command;
use crate::config::Config;
use crate::effects::Effects;
use crate::ids::SocketId;
use crate::planted::planted;
use crate::time::{Instant, Now};

use super::credit::Credit;

#[derive(Debug)]
pub(super) struct Open {
    pub(super) socket: SocketId,
    pub(super) since: Instant,
    pub(super) heard: Instant,
    /// Since when nobody needs it.
    pub(super) idle_since: Option<Instant>,
    /// When the last ping went out, or the connection opened.
    last_ping: Instant,
    unanswered: Option<Unanswered>,
    /// The local send time of the newest ping that was answered.
    pub(super) proven: Option<Timestamp>,
    pub(super) credit: Credit,
    /// Not read from, because too much of it is being verified.
    pub(super) paused: bool,
    /// Not read from until then, because too much was not taken by the application.
    stopped: Option<Instant>,
    /// How long it was, or will have been, not read from for that reason since the last ping.
    stood_still: Duration,
}

/// Pings that no pong came for.
#[derive(Clone, Copy, Debug)]
struct Unanswered {
    /// When the oldest of them went out: a pong proves that much, whichever ping it answers.
    oldest: Timestamp,
    /// Whether nothing at all came between the last two.
    silent: bool,
}

/// What an open connection's timer found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    /// Nobody has needed it for long enough.
    Idle,
    /// Two pings went unanswered.
    Silent,
}

impl Open {
    pub(super) fn new(socket: SocketId, wanted: bool, now: Now) -> Self {
        Self {
            socket,
            since: now.mono,
            heard: now.mono,
            idle_since: (!wanted).then_some(now.mono),
            last_ping: now.mono,
            unanswered: None,
            proven: None,
            credit: Credit::default(),
            paused: false,
            stopped: None,
            stood_still: Duration::ZERO,
        }
    }

    /// The wall clock was set back by so many seconds: what it said before was too late by as much, perhaps.
    pub(super) fn set_back(&mut self, seconds: u64) {
        self.proven = self.proven.map(|at| at.saturating_sub(seconds));
        if let Some(Unanswered { oldest, .. }) = &mut self.unanswered {
            *oldest = oldest.saturating_sub(seconds);
        }
    }

    pub(super) fn ponged(&mut self) {
        if let Some(Unanswered { oldest, .. }) = self.unanswered.take() {
            self.proven = Some(oldest);
        }
    }

    /// Sends a ping now, unless one is out.
    pub(super) fn probe(&mut self, config: &Config, now: Now, fx: &mut Effects) {
        if self.unanswered.is_none() {
            self.ping(Unanswered { oldest: now.unix, silent: false }, config, now, fx);
        }
    }

    /// A ping goes out every `keepalive`, so that `proven` advances on a busy connection, too. Two of them without any
    /// frame after them mean that the relay is gone; any frame at all means that it is not.
    pub(super) fn timeout(&mut self, config: &Config, now: Now, fx: &mut Effects) -> Due {
        if self.idle_since.is_some_and(|t| t + config.idle_close <= now.mono) {
            return Due::Idle;
        }
        if now.mono < self.next_ping(config) {
            return Due::Nothing;
        }
        // While we do not read, silence says nothing.
        let heard = self.paused || self.heard > self.last_ping;
        let (oldest, silent) = match self.unanswered {
            None => (now.unix, false),
            Some(Unanswered { oldest, .. }) if heard => (oldest, false),
            Some(Unanswered { silent: true, .. }) if !planted!(config, SilentRelayKept) => return Due::Silent,
            Some(Unanswered { oldest, .. }) => (oldest, true),
        };
        self.ping(Unanswered { oldest, silent }, config, now, fx);
        Due::Nothing
    }

    /// Whether the next ping that is due finds the relay gone.
    #[cfg(test)]
    pub(super) fn is_silent(&self) -> bool {
        self.heard <= self.last_ping && self.unanswered.is_some_and(|unanswered| unanswered.silent)
    }

    /// When [`Open::timeout`] wants to be called.
    pub(super) fn deadline(&self, config: &Config) -> Instant {
        let ping = self.next_ping(config);
        self.idle_since.map_or(ping, |t| ping.min(t + config.idle_close))
    }

    /// Whether nothing is read from it.
    pub(super) fn is_unread(&self) -> bool {
        self.paused || self.stopped.is_some()
    }

    /// It is not read from until then, or it is again: what was not heard meanwhile is not the relay's fault.
    pub(super) fn stop(&mut self, until: Option<Instant>, now: Instant) {
        if let Some(before) = self.stopped {
            let unused = before.saturating_since(now);
            self.stood_still = (self.stood_still + now.saturating_since(before)).saturating_sub(unused);
        }
        self.stopped = until;
        self.stood_still += self.still_stopped(now);
    }

    fn still_stopped(&self, now: Instant) -> Duration {
        self.stopped.map_or(Duration::ZERO, |until| until.saturating_since(now))
    }

    /// One that waits for an answer to the last is also when that is missed, and is put off by as long as none could be
    /// heard.
    fn next_ping(&self, config: &Config) -> Instant {
        let due = self.last_ping + config.keepalive;
        if self.unanswered.is_some() { due + self.stood_still } else { due }
    }

    fn ping(&mut self, unanswered: Unanswered, config: &Config, now: Now, fx: &mut Effects) {
        self.last_ping = now.mono;
        self.stood_still = self.still_stopped(now.mono);
        self.unanswered = Some(unanswered);
        if self.credit.available_to_ping(config) {
            self.credit.spend(0);
            fx.command(Command::Ping { socket: self.socket });
        }
    }
}
