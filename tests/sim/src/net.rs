//! What is on its way in the virtual network.

use std::collections::BTreeMap;

use nostr_pool_core::{CloseReason, SocketId, Ticket};
use nostr_proto::{BadSignature, Event, Proof};

/// Something that will happen.
#[derive(Debug)]
pub(super) enum Arrival {
    /// A dial comes through, or does not.
    Dialled { socket: SocketId, relay: usize },
    /// A message reaches the relay.
    ToRelay { socket: SocketId, text: String },
    /// A message reaches the pool.
    ToPool { socket: SocketId, text: String },
    /// The pool reads on after a pause.
    ReadOn { socket: SocketId },
    /// The sink took a frame.
    Sent { socket: SocketId },
    /// A pong reaches the pool.
    Pong { socket: SocketId },
    /// The pool learns that a socket is gone.
    Gone { socket: SocketId, reason: CloseReason },
    /// The verifier answers.
    Verified { ticket: Ticket, outcome: Result<Proof, BadSignature> },
    /// A relay has something to do that it put off.
    RelayWakes { relay: usize },
    /// The signer answers.
    Signed { ticket: Ticket, outcome: Result<Event, String> },
}

/// Arrivals in order of their time, ties in order of their departure.
#[derive(Debug, Default)]
pub(super) struct Network {
    queue: BTreeMap<(u64, u64), Arrival>,
    departures: u64,
}

impl Network {
    /// Sends something off; it arrives at `at`, in microseconds of virtual time.
    pub(super) fn depart(&mut self, at: u64, arrival: Arrival) {
        self.departures += 1;
        self.queue.insert((at, self.departures), arrival);
    }

    /// When the next thing arrives.
    pub(super) fn next(&self) -> Option<u64> {
        self.queue.keys().next().map(|(at, _)| *at)
    }

    /// Takes what arrives by `now`.
    pub(super) fn arrive(&mut self, now: u64) -> Option<Arrival> {
        if self.next()? > now {
            return None;
        }
        self.queue.pop_first().map(|(_, arrival)| arrival)
    }
}
