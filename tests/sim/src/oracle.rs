//! What has to hold, written down naively: matching is done over JSON values, by code of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use nostr_pool_core::{
    Command, Config, ConnectionState, EndReason, GapCause, Instant, Item, LegState, Mark, Now, PoolEvent,
    PublishUpdate, RelayUpdate, SocketId, SubId,
};
use nostr_proto::{EventId, Filter, RelayUrl};
use serde_json::Value;

use super::dials::Dials;
use super::quorum::Publishes;
use super::shares::Shares;
use super::site::Site;
use super::wire::Wire;

#[derive(Debug)]
struct Sub {
    filters: Vec<Filter>,
    relays: Vec<RelayUrl>,
    live: bool,
    ended: bool,
    /// What it got, and whose share of the pool's memory that counts against: the relay's that brought it first.
    delivered: BTreeMap<EventId, Option<RelayUrl>>,
    next_seq: u64,
    /// Relays that were said to have refused for good, or to be gone.
    closed: BTreeSet<RelayUrl>,
    /// Whether the pool said that it skipped or dropped events.
    excused: bool,
    /// How often each relay was asked, and which are past their EOSE.
    asked: BTreeMap<RelayUrl, u32>,
    past_eose: BTreeSet<RelayUrl>,
    updated: bool,
    /// Pending events whose fate is not told, and how often each was shown.
    pending: BTreeMap<EventId, u32>,
}

/// A socket that was asked for and is not known to be gone.
#[derive(Debug)]
struct Socket {
    url: RelayUrl,
    /// Since when it is being closed.
    closing: Option<Instant>,
}

/// Watches every command and every event of a run.
#[derive(Debug)]
pub struct Oracle {
    sockets: BTreeMap<SocketId, Socket>,
    subs: BTreeMap<SubId, Sub>,
    pub(super) publishes: Publishes,
    pub(super) dials: Dials,
    pub(super) wire: Wire,
    pub(super) shares: Shares,
    max_connections: usize,
    close_deadline: Duration,
}

impl Oracle {
    pub(super) fn new(config: &Config, relays: usize) -> Self {
        Self {
            sockets: BTreeMap::new(),
            subs: BTreeMap::new(),
            publishes: Publishes::default(),
            dials: Dials::new(config),
            wire: Wire::new(config.send_credits),
            shares: Shares::new(config.max_seen, relays),
            max_connections: config.max_connections,
            close_deadline: config.close_deadline,
        }
    }

    pub(super) fn opened(&mut self, socket: SocketId, now: Instant) {
        if let Some(socket) = self.sockets.get(&socket) {
            self.dials.opened(&socket.url, now);
        }
    }

    pub(super) fn gone(&mut self, id: SocketId, now: Instant) {
        if let Some(socket) = self.sockets.remove(&id) {
            self.publishes.ended(&socket.url, id, socket.closing.is_some());
            if socket.closing.is_none() {
                self.dials.ended(&socket.url, now);
            }
        }
    }

    pub(super) fn is_dialling(&self, socket: SocketId) -> bool {
        self.sockets.get(&socket).is_some_and(|socket| socket.closing.is_none())
    }

    pub(super) fn sockets(&self) -> usize {
        self.sockets.len()
    }

    /// A command: one live socket per URL, and none for a socket that is gone.
    pub(super) fn command(&mut self, command: &Command, now: Instant) -> Result<(), &'static str> {
        match command {
            Command::Open { socket, url } => {
                if self.sockets.values().any(|known| known.url == *url && known.closing.is_none()) {
                    return Err("one live socket per relay");
                }
                self.dials.dialled(url, now)?;
                self.sockets.insert(*socket, Socket { url: url.clone(), closing: None });
                // A closing handshake that takes too long is given up.
                let counts = |s: &&Socket| s.closing.is_none_or(|at| now < at + self.close_deadline);
                if self.sockets.values().filter(counts).count() > self.max_connections {
                    return Err("no more sockets than allowed");
                }
            }
            Command::Send { socket, .. } | Command::Ping { socket } => {
                if !self.is_dialling(*socket) {
                    return Err("nothing is sent on a socket that is gone or going");
                }
                match command {
                    Command::Send { frame, .. } => {
                        self.publishes.sent(*socket, frame)?;
                        self.wire.sent(*socket, frame)?;
                    }
                    _ => self.wire.pinged(*socket),
                }
            }
            // A reset may be on its way to the pool while it closes the socket by itself.
            Command::Close { socket, .. } => match self.sockets.get_mut(socket) {
                Some(known) => {
                    if known.closing.is_none() {
                        known.closing = Some(now);
                        self.dials.ended(&known.url, now);
                    }
                }
                None => return Err("a socket that is gone is not closed"),
            },
            Command::PauseRead { .. } | Command::ResumeRead { .. } | Command::Verify { .. } | Command::Sign { .. } => {}
        }
        Ok(())
    }

    /// An event: delivered at most once, matching, numbered without holes; one verdict, in time. `called`: it came of a
    /// call of the application.
    pub(super) fn event(&mut self, event: &PoolEvent, now: Now, called: bool) -> Result<(), &'static str> {
        match event {
            PoolEvent::Item { sub, item } => {
                let Some(sub) = self.subs.get_mut(sub) else { return Err("an item belongs to a subscription") };
                sub.item(item, &self.shares)
            }
            PoolEvent::Publish { publish, update: PublishUpdate::Verdict(verdict) } => {
                self.publishes.verdict(*publish, verdict, now.mono)
            }
            PoolEvent::Publish { publish, update: PublishUpdate::Relay { relay, status, .. } } => {
                self.publishes.status(*publish, relay, status)
            }
            // A call can only shorten a wait.
            PoolEvent::Relay { relay, update: RelayUpdate::State(ConnectionState::Backoff { until }) } if !called => {
                self.dials.backs_off(relay, *until, now.mono)
            }
            _ => Ok(()),
        }
    }

    pub(super) fn expect_subscription(&mut self, filters: Vec<Filter>, relays: Vec<RelayUrl>, live: bool) -> SubId {
        let id = SubId::from_u64(self.subs.len() as u64);
        let delivered = BTreeMap::new();
        let sub = Sub {
            filters,
            relays,
            live,
            ended: false,
            delivered,
            next_seq: 0,
            closed: BTreeSet::new(),
            excused: false,
            asked: BTreeMap::new(),
            past_eose: BTreeSet::new(),
            updated: false,
            pending: BTreeMap::new(),
        };
        self.subs.insert(id, sub);
        id
    }

    pub(super) fn updated(&mut self, sub: SubId, filters: Vec<Filter>) {
        if let Some(sub) = self.subs.get_mut(&sub) {
            sub.filters = filters;
            sub.closed.clear();
            sub.updated = true;
        }
    }

    pub(super) fn live_subscriptions(&self) -> Vec<SubId> {
        self.subs.iter().filter(|(_, s)| s.live && !s.ended).map(|(&id, _)| id).collect()
    }

    pub(super) fn open_subscriptions(&self) -> Vec<SubId> {
        self.subs.iter().filter(|(_, s)| !s.ended).map(|(&id, _)| id).collect()
    }

    /// How many relays some live subscription asks.
    pub(super) fn needed(&self, sites: &[Site]) -> usize {
        let live: Vec<&Sub> = self.subs.values().filter(|s| s.live && !s.ended).collect();
        sites.iter().filter(|site| live.iter().any(|sub| sub.asks(&site.url))).count()
    }

    /// What honest relays hold, live subscriptions ask for, and the pool neither delivered nor reported as a gap.
    pub(super) fn missing(&self, sites: &[&Site]) -> Vec<(SubId, RelayUrl, EventId)> {
        let mut missing = Vec::new();
        for (&id, sub) in self.subs.iter().filter(|(_, s)| s.live && !s.ended && !s.excused) {
            let asked = sites.iter().filter(|site| site.honest && sub.asks(&site.url));
            for (url, event) in asked.flat_map(|site| site.relay.events().map(|event| (&site.url, event))) {
                let json = json(&event.to_json());
                if sub.filters.iter().any(|f| matches(f, &json)) && !sub.delivered.contains_key(&event.id()) {
                    missing.push((id, url.clone(), event.id()));
                }
            }
        }
        missing
    }
}

impl Sub {
    fn asks(&self, relay: &RelayUrl) -> bool {
        self.relays.contains(relay) && !self.closed.contains(relay)
    }

    /// Whether every relay was asked once and is past its EOSE: nothing that came before one can be outstanding.
    fn is_past_eose(&self) -> bool {
        !self.updated && self.relays.iter().all(|r| self.past_eose.contains(r) && self.asked.get(r) == Some(&1))
    }

    fn item(&mut self, item: &Item, shares: &Shares) -> Result<(), &'static str> {
        if self.ended {
            return Err("nothing comes after the end");
        }
        match item {
            Item::Event(e) => {
                let before = self.delivered.insert(e.event.id(), e.relays.first().cloned());
                if before.flatten().is_some_and(|owner| shares.is_safe(&owner)) {
                    return Err("an event is delivered once");
                }
                if e.mark == Mark::Stored && self.is_past_eose() {
                    return Err("EOSE does not overtake what came before it");
                }
                let json = json(&e.event.to_json());
                if !self.filters.iter().any(|f| matches(f, &json)) {
                    return Err("what is delivered was asked for");
                }
                if e.relays.is_empty() {
                    return Err("an event comes from somewhere");
                }
                self.number(e.seq)
            }
            Item::Pending(p) => {
                *self.pending.entry(p.event.id()).or_default() += 1;
                self.number(p.seq)
            }
            Item::Resolved { event, outcome, .. } => match self.pending.get_mut(event) {
                Some(open @ 1..) => {
                    *open -= u32::from(outcome.is_final());
                    Ok(())
                }
                _ => Err("a pending event has one fate"),
            },
            Item::Leg { relay, state } => {
                match state {
                    LegState::Requested => *self.asked.entry(relay.clone()).or_default() += 1,
                    LegState::Live => drop(self.past_eose.insert(relay.clone())),
                    _ => drop(self.past_eose.remove(relay)),
                }
                if matches!(state, LegState::Closed(_) | LegState::Removed) {
                    self.closed.insert(relay.clone());
                } else {
                    self.closed.remove(relay);
                }
                Ok(())
            }
            Item::Gap(gap) => {
                let dropped = matches!(gap.cause, GapCause::QueueFull { .. } | GapCause::Flooded { .. });
                self.excused |= dropped;
                Ok(())
            }
            Item::End(reason) => {
                self.ended = true;
                let expected = self.live != (*reason == EndReason::Complete);
                if expected { Ok(()) } else { Err("a live subscription does not end by itself") }
            }
            _ => Ok(()),
        }
    }

    fn number(&mut self, seq: u64) -> Result<(), &'static str> {
        let right = seq == self.next_seq;
        self.next_seq += 1;
        if right { Ok(()) } else { Err("events are numbered without holes") }
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("events are JSON")
}

/// NIP-01's filter match, over JSON: kinds, authors and dates, which is what the script asks for.
fn matches(filter: &Filter, event: &Value) -> bool {
    let filter = json(&filter.to_json());
    filter.as_object().expect("a filter is an object").iter().all(|(field, wanted)| {
        let among = |value: &Value| wanted.as_array().is_some_and(|list| list.contains(value));
        match field.as_str() {
            "kinds" => among(&event["kind"]),
            "authors" => among(&event["pubkey"]),
            "since" => event["created_at"].as_u64() >= wanted.as_u64(),
            "until" => event["created_at"].as_u64() <= wanted.as_u64(),
            "limit" => true,
            other => panic!("the script does not ask for {other}"),
        }
    })
}
