//! What has to hold of sockets that are not read from: each is told once, and none is left so for longer than it takes.

use std::collections::BTreeMap;
use std::time::Duration;

use nostr_pool_core::{Command, Config, Instant, SocketId};

/// See the module.
#[derive(Debug)]
pub(super) struct Unread {
    paused: BTreeMap<SocketId, Instant>,
    /// For how long some socket was not read from, in all; and since when one is not.
    lag: Duration,
    since: Option<Instant>,
    /// Events that are being verified, which may be why a socket is not read from; and when there were any.
    verifying: usize,
    busy: Instant,
    pause: Duration,
}

impl Unread {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            paused: BTreeMap::new(),
            lag: Duration::ZERO,
            since: None,
            verifying: 0,
            busy: Instant::ZERO,
            pause: config.queue_pause,
        }
    }

    pub(super) fn command(&mut self, command: &Command, now: Instant) -> Result<(), &'static str> {
        match command {
            Command::PauseRead { socket } => {
                self.since.get_or_insert(now);
                if self.paused.insert(*socket, now).is_some() {
                    return Err("a socket that is not read from is not told so again");
                }
            }
            Command::ResumeRead { socket } => {
                if self.paused.remove(socket).is_none() {
                    return Err("a socket that is read from is not told so again");
                }
                self.look(now);
            }
            // Nothing comes from it any more.
            Command::Close { socket, .. } => {
                self.paused.remove(socket);
                self.look(now);
            }
            Command::Verify { .. } => {
                self.verifying += 1;
                self.note(now);
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether a socket is not read from.
    pub(super) fn is_unread(&self, socket: SocketId) -> bool {
        self.paused.contains_key(&socket)
    }

    pub(super) fn verified(&mut self, now: Instant) {
        self.note(now);
        self.verifying = self.verifying.saturating_sub(1);
    }

    fn note(&mut self, now: Instant) {
        if self.verifying > 0 {
            self.busy = now;
        }
    }

    /// A socket is gone.
    pub(super) fn gone(&mut self, socket: SocketId, now: Instant) {
        self.paused.remove(&socket);
        self.look(now);
    }

    fn look(&mut self, now: Instant) {
        if self.paused.is_empty()
            && let Some(since) = self.since.take()
        {
            self.lag += now.saturating_since(since);
        }
    }

    /// For how long some socket was not read from, in all: deadlines of relays stand still meanwhile.
    pub(super) fn lag(&self, now: Instant) -> Duration {
        self.lag + self.since.map_or(Duration::ZERO, |since| now.saturating_since(since))
    }

    /// The core handled what was due by `then`, and again now.
    pub(super) fn timed(&mut self, then: Instant, now: Instant) -> Result<(), &'static str> {
        if self.verifying > 0 {
            self.busy = now;
            return Ok(());
        }
        let too_long = |since: &Instant| then > (*since).max(self.busy) + self.pause;
        if self.paused.values().any(too_long) {
            Err("no relay is left unread for longer than half a second")
        } else {
            Ok(())
        }
    }
}
