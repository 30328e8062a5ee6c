//! The machine: its state and its surface. What it does with a message is in `dispatch`, how it sends in `deliver`.

use crate::config::Config;
use crate::connection::{ConnId, Connection};
use crate::event::StoredEvent;
use crate::fault::{Fault, FaultPlan, FaultState};
use crate::outbox::{Frame, event_text};
use crate::stats::Stats;
use crate::store::{Answer, Insertion, Store};
use nostr_proto::{Event, EventId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What the relay wants done to a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send this text message.
    Send {
        /// To whom.
        conn: ConnId,
        /// The message.
        text: String,
    },
    /// End the connection. It is the connection's last output, and the relay has forgotten the connection.
    Close {
        /// Which one.
        conn: ConnId,
        /// The WebSocket close code; 1006 asks for an end without a close frame.
        code: u16,
        /// The close reason.
        reason: String,
    },
}

/// A NIP-01 relay without sockets, clock or randomness: messages in by [`handle`](Self::handle), messages out by
/// [`poll_output`](Self::poll_output). The same inputs give the same outputs, bit for bit.
///
/// It stores what NIP-01 says a relay stores, answers `REQ` newest first with ties by lowest id, pushes new events to
/// open subscriptions, counts (NIP-45), authenticates when told to (NIP-42), and misbehaves on request
/// ([`set_faults`](Self::set_faults)). It neither deletes (NIP-09) nor expires (NIP-40) events.
#[derive(Debug)]
pub struct Relay {
    pub(crate) config: Config,
    pub(crate) store: Store,
    pub(crate) connections: BTreeMap<ConnId, Connection>,
    pub(crate) faults: FaultState,
    pub(crate) stats: Stats,
    /// Connections with something to send.
    pub(crate) ready: BTreeSet<ConnId>,
    /// What was answered to which filters, and when; only for [`Fault::StaleAnswers`].
    pub(crate) answered: BTreeMap<String, (u64, Answer)>,
    /// When the last message came, in unix seconds.
    pub(crate) now: u64,
    next_connection: u64,
}

impl Relay {
    /// An empty, honest relay.
    pub fn new(config: Config) -> Self {
        Self {
            store: Store::new(config.max_events_stored, config.max_stored_bytes),
            config,
            connections: BTreeMap::new(),
            faults: FaultState::default(),
            stats: Stats::default(),
            ready: BTreeSet::new(),
            answered: BTreeMap::new(),
            now: 0,
            next_connection: 0,
        }
    }

    /// Opens a connection.
    pub fn connect(&mut self) -> ConnId {
        let conn = ConnId(self.next_connection);
        self.next_connection += 1;
        self.connections.insert(conn, Connection::default());
        self.stats.connections += 1;
        self.stats.connections_opened += 1;
        if self.faults.challenge_on_connect() {
            self.challenge(conn);
        }
        conn
    }

    /// Forgets a connection, its subscriptions and what waits to be sent to it. Does nothing if it is unknown.
    pub fn disconnect(&mut self, conn: ConnId) {
        if self.connections.remove(&conn).is_some() {
            self.ready.remove(&conn);
            self.stats.connections -= 1;
        }
    }

    /// The next thing to do, of any connection: in order per connection, lowest connection first.
    ///
    /// Poll until `None` after each input; what is not polled counts against the bounds of the
    /// connection's queue, and breaking them ends it with code 1008.
    pub fn poll_output(&mut self) -> Option<Output> {
        let conn = *self.ready.first()?;
        self.poll_output_of(conn)
    }

    /// The next thing to do for one connection, for callers whose connections drain at their own speed.
    pub fn poll_output_of(&mut self, conn: ConnId) -> Option<Output> {
        let connection = self.connections.get_mut(&conn).filter(|connection| !connection.later.is_stalled())?;
        let frame = connection.outbox.pop()?;
        if connection.outbox.is_empty() {
            self.ready.remove(&conn);
        }
        Some(match frame {
            Frame::Text(text) => Output::Send { conn, text },
            Frame::Event { subscription, event } => Output::Send { conn, text: event_text(&subscription, &event.text) },
            Frame::Close { code, reason } => {
                self.disconnect(conn);
                Output::Close { conn, code, reason }
            }
        })
    }

    /// The connections for which there is output, lowest first.
    pub fn connections_with_output(&self) -> impl Iterator<Item = ConnId> + '_ {
        self.ready.iter().copied()
    }

    /// Bytes of messages that wait for a connection; 0 for an unknown one.
    pub fn queued_bytes(&self, conn: ConnId) -> usize {
        self.connections.get(&conn).map_or(0, |connection| connection.outbox.bytes())
    }

    /// Whether a connection takes input: false once it is unknown or its end is queued.
    pub fn is_open(&self, conn: ConnId) -> bool {
        self.connections.get(&conn).is_some_and(|connection| !connection.outbox.is_closing())
    }

    /// Puts an event in without the wire, pushing it to matching subscriptions. Nothing is checked: this is also how a
    /// test makes a relay hold a forged event. False if it is held already, outdated by a newer
    /// version, or finds no room; an ephemeral event is pushed and not stored.
    pub fn store(&mut self, event: Event) -> bool {
        let Ok(event) = StoredEvent::from_event(event) else {
            self.stats.rejected += 1;
            return false;
        };
        let event = Arc::new(event);
        let is_new = self.take(&event) == Insertion::Held;
        if is_new {
            self.push_live(&event);
        }
        is_new
    }

    /// Holds an event unless it is ephemeral, and counts what became of it.
    pub(crate) fn take(&mut self, event: &Arc<StoredEvent>) -> Insertion {
        let versions = self.faults.has(&Fault::KeepVersions);
        let insertion = if event.is_ephemeral() { Insertion::Held } else { self.store.insert(event, versions) };
        match insertion {
            Insertion::Held => self.stats.accepted += 1,
            Insertion::Duplicate => self.stats.duplicates += 1,
            Insertion::Replaced | Insertion::NoRoom => self.stats.rejected += 1,
        }
        insertion
    }

    /// Replaces the relay's misbehaviour, and starts its counters over; an empty plan heals it.
    /// Connections and what was sent to them stay as they are; what is held back comes when it is due.
    pub fn set_faults(&mut self, plan: impl Into<FaultPlan>) {
        self.faults = FaultState::new(plan.into());
        self.answered.clear();
    }

    /// The events held, newest first, ties by lowest id.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.store.iter().map(|stored| &stored.event)
    }

    /// How many events are held.
    pub fn len(&self) -> usize {
        self.store.len()
    }

    /// Whether no event is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether this event is held.
    pub fn contains(&self, id: &EventId) -> bool {
        self.store.contains(&id.to_string())
    }

    /// How many subscriptions are open, of all connections together.
    pub fn open_subscriptions(&self) -> usize {
        self.connections.values().map(|connection| connection.subscriptions.len()).sum()
    }

    /// What was counted so far.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// What the relay allows.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Sets the URL that AUTH events have to name, once it is known.
    pub fn set_url(&mut self, url: impl Into<String>) {
        self.config.url = Some(url.into());
    }
}
