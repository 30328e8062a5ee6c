//! The relays of the pool and their connections.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use nostr_proto::RelayUrl;

use crate::auth::Auth;
use crate::call::{CallError, Origin, RelayOptions, Which};
use crate::connection::{Change, Connection, Context};
use crate::effects::Effects;
use crate::event::RelayUpdate;
use crate::health::Vitals;
use crate::ids::{PublishId, RelayIx, SocketId, SubId};
use crate::input::CloseReason;
use crate::plan::Plan;
use crate::publish::trial::Trial;
use crate::record::{ConnectionState, RelayCounters, RelayRecord};
use crate::rng::Rng;
use crate::timers::TimerKey;

use super::auth::AuthTicket;
use super::counts::Desk;
use super::forming::Formed;
use super::lanes::Lanes;
use super::plan::NextAsk;
use super::slots::Needs;
use super::{Core, derive};

/// A relay of the pool.
#[derive(Debug)]
pub(super) struct Relay {
    pub(super) url: RelayUrl,
    pub(super) options: RelayOptions,
    /// The application added it; otherwise it is here for as long as a subscription or publish names it.
    pub(super) added: bool,
    /// Stay connected, needed or not.
    pub(super) keep: bool,
    /// It goes as soon as its socket is gone.
    pub(super) removed: bool,
    pub(super) conn: Connection,
    pub(super) lanes: Lanes,
    pub(super) auth: Auth,
    /// The open question to the signer, or about its answer.
    pub(super) auth_ticket: Option<AuthTicket>,
    /// Which EVENT would be to blame if the connection ended now.
    pub(super) trial: Trial,
    /// Which REQs carry which requests.
    pub(super) plan: Plan,
    /// What is asked for next, when the turn comes.
    pub(super) next_ask: Option<NextAsk>,
    /// See [`Formed`]; none but while the socket has no room for it.
    pub(super) formed: Option<Box<Formed>>,
    /// Subscriptions with a leg here.
    pub(super) legs: BTreeSet<SubId>,
    /// Those of them whose answer may have had a message beyond the size limit: see `oversize`.
    pub(super) suspects: BTreeSet<SubId>,
    /// Those of them that need it.
    pub(super) needs: Needs,
    /// Those of them that are being sent a page.
    pub(super) paging: BTreeSet<SubId>,
    /// Whose page was sent last: the next one is that of the subscription after it.
    pub(super) last_page: Option<SubId>,
    /// The most stored events that it ever gave to one page: a page with fewer is whole.
    pub(super) largest_page: usize,
    /// Publishes that this relay has not settled.
    pub(super) publishes: BTreeSet<PublishId>,
    /// Counts that want something of it.
    pub(super) counts: Desk,
    pub(super) counters: RelayCounters,
    pub(super) vitals: Vitals,
}

impl Core {
    pub(super) fn record(&self, relay: &Relay) -> RelayRecord {
        RelayRecord {
            url: relay.url.clone(),
            options: relay.options,
            state: relay.conn.state(),
            auth: relay.auth.state(),
            dials: relay.conn.dials,
            opened: relay.conn.opened,
            failures_in_row: relay.conn.backoff.failures(),
            last_connected: relay.conn.last_connected,
            active_requests: relay.plan.running(),
            pending_publishes: relay.publishes.len(),
            last_close: relay.conn.last_close.clone(),
            last_error: relay.conn.last_error.clone(),
            counters: relay.counters,
            health: relay.vitals.health(),
        }
    }

    /// The relay with this URL, taken into the pool if it is not there yet. Whether it may be is checked already: see
    /// `origins`.
    pub(super) fn ensure_relay(&mut self, url: &RelayUrl, origin: Origin) -> Result<RelayIx, CallError> {
        if let Some(&ix) = self.by_url.get(url) {
            self.note_origin(ix, origin);
            return Ok(ix);
        }
        if self.by_url.len() >= self.config.max_relays {
            return Err(CallError::TooManyRelays(self.config.max_relays));
        }
        let ix = RelayIx(self.next_relay);
        self.next_relay += 1;
        let rng = Rng::new(derive(&self.seed, b"jitter", ix.0));
        let relay = Relay {
            url: url.clone(),
            options: RelayOptions { read: false, write: false, origin, ..RelayOptions::default() },
            added: false,
            keep: false,
            removed: false,
            conn: Connection::new(ix, url.clone(), rng, derive(&self.seed, b"quarantine", ix.0)),
            lanes: Lanes::default(),
            auth: Auth::new(url.clone()),
            auth_ticket: None,
            trial: Trial::default(),
            plan: Plan::default(),
            next_ask: None,
            formed: None,
            legs: BTreeSet::new(),
            suspects: BTreeSet::new(),
            needs: Needs::default(),
            paging: BTreeSet::new(),
            last_page: None,
            largest_page: 0,
            publishes: BTreeSet::new(),
            counts: Desk::default(),
            counters: RelayCounters::default(),
            vitals: Vitals::default(),
        };
        self.relays.insert(ix, Box::new(relay));
        self.by_url.insert(url.clone(), ix);
        Ok(ix)
    }

    pub(super) fn resolve(&self, which: &Which) -> Result<Vec<RelayIx>, CallError> {
        match which {
            Which::All => Ok(self.by_url.values().copied().collect()),
            Which::One(url) => {
                let ix = self.by_url.get(url).ok_or_else(|| CallError::UnknownRelay(url.clone()))?;
                Ok(alloc::vec![*ix])
            }
        }
    }

    /// Whether someone needs this relay.
    pub(super) fn is_wanted(&self, ix: RelayIx) -> bool {
        let needs = |r: &Relay| r.keep || !r.publishes.is_empty() || !r.needs.is_empty() || !r.counts.is_empty();
        self.relays.get(&ix).is_some_and(|relay| !relay.removed && needs(relay))
    }

    /// Whether a request to this relay can be sent now or, as things go, in a moment.
    pub(super) fn is_promising(&self, ix: RelayIx) -> bool {
        self.relays.get(&ix).is_some_and(|r| r.conn.is_promising())
    }

    /// Runs one step of a connection, keeps the books on it, and passes on what it means.
    pub(super) fn drive<R>(
        &mut self,
        ix: RelayIx,
        step: impl FnOnce(&mut Connection, &Context<'_>, &mut Effects) -> R,
    ) -> Option<R>
    where
        R: Into<Option<Change>> + Copy,
    {
        let wanted = self.is_wanted(ix);
        let (slot_free, slot_coming) = self.slots_for(ix);
        let relay = self.relays.get_mut(&ix)?;
        let cx =
            Context { config: &self.config, options: relay.options, slot_free, slot_coming, wanted, now: self.now };
        let (dialing, proven) = (relay.conn.dialing_since(), relay.conn.proven());
        let result = step(&mut relay.conn, &cx, &mut self.fx);
        if let Some(since) = dialing
            && let Some(opened) = relay.conn.dial_result()
        {
            relay.vitals.dialled(opened.then(|| self.now.mono.saturating_since(since)));
        }
        let deadline = relay.conn.deadline(&self.config);
        self.arm(TimerKey::Connection(ix), deadline);
        self.seat(ix);
        match result.into() {
            Some(Change::Up) => self.on_up(ix),
            Some(Change::Down) => self.on_down(ix, proven),
            Some(Change::Unavailable) => self.on_unavailable(ix),
            Some(Change::None) | None => {}
        }
        self.prune(ix);
        self.fill_slots();
        Some(result)
    }

    /// Sees to it that a relay that is needed has a connection coming, and that one that is not may go.
    pub(super) fn review(&mut self, ix: RelayIx) {
        if self.is_wanted(ix) {
            self.drive(ix, Connection::want);
        } else {
            self.drive(ix, Connection::unwant);
        }
    }

    /// Drops a relay that is to go, or that nobody added and nobody needs, once it has no socket.
    fn prune(&mut self, ix: RelayIx) {
        let Some(relay) = self.relays.get(&ix) else { return };
        if relay.conn.has_socket() || relay.conn.state() == ConnectionState::WaitingForSlot {
            return;
        }
        let unused = !relay.added
            && relay.legs.is_empty()
            && relay.publishes.is_empty()
            && relay.counts.is_empty()
            && matches!(relay.conn.state(), ConnectionState::Idle | ConnectionState::Disabled);
        if !relay.removed && !unused {
            return;
        }
        self.timers.set(TimerKey::Connection(ix), None);
        self.timers.set(TimerKey::Lanes(ix), None);
        self.timers.set(TimerKey::Auth(ix), None);
        self.timers.set(TimerKey::Trial(ix), None);
        self.paused.remove(&ix);
        let relay = self.relays.remove(&ix);
        self.seat(ix);
        if let Some(relay) = relay
            && !relay.removed
        {
            self.by_url.remove(&relay.url);
            self.fx.relay(&relay.url, RelayUpdate::Removed);
        }
    }

    /// Takes a relay out for good; its entry stays until its socket is gone.
    pub(super) fn remove_relay(&mut self, url: &RelayUrl) -> Result<(), CallError> {
        let ix = *self.by_url.get(url).ok_or_else(|| CallError::UnknownRelay(url.clone()))?;
        let Some(relay) = self.relays.get_mut(&ix) else { return Ok(()) };
        relay.keep = false;
        relay.removed = true;
        relay.conn.silence();
        relay.auth.silence();
        let legs: Vec<SubId> = relay.legs.iter().copied().collect();
        let publishes: Vec<PublishId> = relay.publishes.iter().copied().collect();
        self.by_url.remove(url);
        for sub in legs {
            self.drop_leg(sub, ix);
        }
        for publish in publishes {
            self.on_publish(publish, |p, _, _, fx| p.relay_removed(ix, fx));
        }
        self.counts_removed(ix);
        self.fx.relay(url, RelayUpdate::Removed);
        self.drive(ix, |conn, cx, fx| conn.disconnect(1000, "", cx, fx));
        Ok(())
    }

    pub(super) fn disconnect(&mut self, ix: RelayIx, code: u16, reason: &str) {
        if let Some(relay) = self.relays.get_mut(&ix) {
            relay.keep = false;
        }
        self.drive(ix, |conn, cx, fx| conn.disconnect(code, reason, cx, fx));
    }

    pub(super) fn reconnect(&mut self, ix: RelayIx, keep_open: bool, keep_backoff: bool) {
        if let Some(relay) = self.relays.get_mut(&ix) {
            // One that nobody added goes when nobody needs it any more.
            relay.keep = relay.added;
            if !keep_backoff {
                relay.conn.backoff.reset();
            }
        }
        self.drive(ix, |conn, cx, fx| conn.reconnect(keep_open, cx, fx));
    }

    pub(super) fn on_opened(&mut self, socket: SocketId) {
        let step = self.drive(RelayIx(socket.slot), |conn, cx, fx| conn.opened(socket, cx, fx));
        self.count_stale(step);
    }

    pub(super) fn on_open_failed(&mut self, socket: SocketId, error: &str) {
        let step = self.drive(RelayIx(socket.slot), |conn, cx, fx| conn.open_failed(socket, error, cx, fx));
        self.count_stale(step);
    }

    pub(super) fn on_closed(&mut self, socket: SocketId, reason: &CloseReason) {
        self.note_end(socket, reason);
        if let Some(relay) = self.relays.get_mut(&RelayIx(socket.slot))
            && *reason == CloseReason::TooLarge
            && relay.conn.open_socket() == Some(socket)
        {
            relay.vitals.broke_a_rule();
            self.on_too_large(RelayIx(socket.slot));
        }
        let step = self.drive(RelayIx(socket.slot), |conn, cx, fx| conn.closed(socket, reason, cx, fx));
        self.count_stale(step);
    }

    fn count_stale(&mut self, step: Option<Option<Change>>) {
        if step.flatten().is_none() {
            self.stats.stale_sockets += 1;
        }
    }

    pub(super) fn on_connection_timer(&mut self, ix: RelayIx) {
        self.drive(ix, Connection::timeout);
    }

    pub(super) fn on_pong(&mut self, socket: SocketId) {
        let now = self.now;
        let known = self.relays.get_mut(&RelayIx(socket.slot)).is_some_and(|r| r.conn.ponged(socket, now));
        if known {
            self.rearm_connection(RelayIx(socket.slot));
            self.note_heard(RelayIx(socket.slot));
        }
        self.stats.stale_sockets += u64::from(!known);
    }

    pub(super) fn on_ping(&mut self, socket: SocketId) {
        let now = self.now;
        let known = self.relays.get_mut(&RelayIx(socket.slot)).is_some_and(|r| r.conn.heard(socket, now));
        self.stats.stale_sockets += u64::from(!known);
    }

    pub(super) fn on_sent(&mut self, socket: SocketId) {
        let ix = RelayIx(socket.slot);
        let now = self.now.mono;
        if let Some(relay) = self.relays.get_mut(&ix)
            && relay.conn.sent(socket)
        {
            relay.trial.taken(now);
            self.pump_on(ix);
        } else {
            self.stats.stale_sockets += 1;
        }
    }

    pub(super) fn on_binary(&mut self, socket: SocketId) {
        let now = self.now;
        match self.relays.get_mut(&RelayIx(socket.slot)) {
            Some(relay) if relay.conn.open_socket() == Some(socket) => {
                relay.conn.heard(socket, now);
                relay.counters.garbage += 1;
                relay.vitals.broke_a_rule();
                self.note_heard(RelayIx(socket.slot));
            }
            _ => self.stats.stale_sockets += 1,
        }
    }
}
