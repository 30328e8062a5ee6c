//! What has to hold of turns: nobody waits for a socket while one stays open that only fetches and publishes need, or
//! nobody, and has had its turn.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use nostr_pool_core::{Config, ConnectionState, Instant};
use nostr_proto::RelayUrl;

/// A closing handshake and a little more.
const SLACK: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug)]
enum Seat {
    /// It waits since then.
    Waits(Instant),
    /// It is open since then, and nothing that lasts needs it.
    Open(Instant),
}

/// Who waits, and who is connected.
#[derive(Debug)]
pub(super) struct Slots {
    seats: BTreeMap<RelayUrl, Seat>,
    /// Relays whose connection the application wanted: it stays. `all`: every one.
    kept: BTreeSet<RelayUrl>,
    all: bool,
    bound: Duration,
}

impl Slots {
    pub(super) fn new(config: &Config) -> Self {
        let bound = config.one_shot_turn + config.close_deadline + SLACK;
        Self { seats: BTreeMap::new(), kept: BTreeSet::new(), all: false, bound }
    }

    /// The application wants a connection; `None`: to every relay.
    pub(super) fn kept(&mut self, relay: Option<&RelayUrl>) {
        match relay {
            Some(relay) => drop(self.kept.insert(relay.clone())),
            None => self.all = true,
        }
    }

    /// The pool forgot everything.
    pub(super) fn start_clean(&mut self) {
        self.kept.clear();
        self.all = false;
    }

    /// The relay is not in the pool any more.
    pub(super) fn removed(&mut self, relay: &RelayUrl) {
        self.seats.remove(relay);
    }

    /// The pool tells a relay's state.
    pub(super) fn state(&mut self, relay: &RelayUrl, state: ConnectionState, now: Instant) {
        let seat = match (state, self.seats.remove(relay)) {
            (ConnectionState::WaitingForSlot, Some(Seat::Waits(since))) => Seat::Waits(since),
            (ConnectionState::WaitingForSlot, _) => Seat::Waits(now),
            (ConnectionState::Open, _) => Seat::Open(now),
            _ => return,
        };
        self.seats.insert(relay.clone(), seat);
    }

    /// What was due by `then` has been handled. `lasts`: whether something that lasts needs a relay.
    pub(super) fn timed(
        &mut self,
        then: Instant,
        now: Instant,
        lasts: impl Fn(&RelayUrl) -> bool,
    ) -> Result<(), String> {
        let (kept, all, bound) = (&self.kept, self.all, self.bound);
        for (relay, seat) in &mut self.seats {
            if let Seat::Open(since) = seat
                && (all || kept.contains(relay) || lasts(relay))
            {
                *since = now;
            }
        }
        let late = |since: &Instant| *since + bound <= then;
        let waits = self.seats.iter().find(|(_, seat)| matches!(seat, Seat::Waits(since) if late(since)));
        let stays = self.seats.iter().find(|(_, seat)| matches!(seat, Seat::Open(since) if late(since)));
        match (waits, stays) {
            (Some((waits, _)), Some((stays, _))) => {
                Err(format!("a connection that had its turn makes room: {stays} stays, {waits} waits"))
            }
            _ => Ok(()),
        }
    }
}
