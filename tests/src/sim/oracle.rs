//! What has to hold, written down naively: matching is done over JSON values, by code of its own.

use std::collections::{BTreeMap, BTreeSet};

use nostr_pool_core::{
    Command, EndReason, GapCause, Instant, Item, LegState, Now, PoolEvent, PublishId, PublishUpdate, SocketId, SubId,
};
use nostr_proto::{EventId, Filter, RelayUrl};
use serde_json::Value;

use super::world::Site;

#[derive(Debug)]
struct Sub {
    filters: Vec<Filter>,
    relays: Vec<RelayUrl>,
    live: bool,
    ended: bool,
    delivered: BTreeSet<EventId>,
    next_seq: u64,
    /// Relays that were said to have refused for good, or to be gone.
    closed: BTreeSet<RelayUrl>,
    /// Whether the pool said that it skipped or dropped events.
    excused: bool,
}

#[derive(Debug)]
struct Published {
    event: EventId,
    deadline: Instant,
    verdict: bool,
}

/// Watches every command and every event of a run.
#[derive(Debug, Default)]
pub struct Oracle {
    /// Sockets that were asked for and are not known to be gone, with whether a close was asked for.
    sockets: BTreeMap<SocketId, (RelayUrl, bool)>,
    subs: BTreeMap<SubId, Sub>,
    publishes: BTreeMap<PublishId, Published>,
    early: BTreeMap<PublishId, u32>,
    max_connections: usize,
}

impl Oracle {
    pub(super) fn new(max_connections: usize) -> Self {
        Self { max_connections, ..Self::default() }
    }

    pub(super) fn gone(&mut self, socket: SocketId) {
        self.sockets.remove(&socket);
    }

    pub(super) fn is_dialling(&self, socket: SocketId) -> bool {
        self.sockets.get(&socket).is_some_and(|(_, closing)| !closing)
    }

    pub(super) fn sockets(&self) -> usize {
        self.sockets.len()
    }

    /// A command: one live socket per URL, and none for a socket that is gone.
    pub(super) fn command(&mut self, command: &Command) -> Result<(), &'static str> {
        match command {
            Command::Open { socket, url } => {
                if self.sockets.values().any(|(known, closing)| known == url && !closing) {
                    return Err("one live socket per relay");
                }
                self.sockets.insert(*socket, (url.clone(), false));
                if self.sockets.len() > self.max_connections {
                    return Err("no more sockets than allowed");
                }
            }
            Command::Send { socket, .. } | Command::Ping { socket } => match self.sockets.get(socket) {
                Some((_, false)) => {}
                _ => return Err("nothing is sent on a socket that is gone or going"),
            },
            // A reset may be on its way to the pool while it closes the socket by itself.
            Command::Close { socket, .. } => match self.sockets.get_mut(socket) {
                Some((_, closing)) => *closing = true,
                None => return Err("a socket that is gone is not closed"),
            },
            Command::PauseRead { .. } | Command::ResumeRead { .. } | Command::Verify { .. } | Command::Sign { .. } => {}
        }
        Ok(())
    }

    /// An event: delivered at most once, matching, numbered without holes; one verdict, in time.
    pub(super) fn event(&mut self, event: &PoolEvent, now: Now) -> Result<(), &'static str> {
        match event {
            PoolEvent::Item { sub, item } => {
                let Some(sub) = self.subs.get_mut(sub) else { return Err("an item belongs to a subscription") };
                sub.item(item)
            }
            PoolEvent::Publish { publish, update: PublishUpdate::Verdict(_) } => {
                match self.publishes.get_mut(publish) {
                    Some(p) if p.verdict => Err("a publish has one verdict"),
                    Some(p) if now.mono > p.deadline => Err("the verdict comes by the deadline"),
                    Some(p) => {
                        p.verdict = true;
                        Ok(())
                    }
                    // Told during the call that started it, before anyone knew its number.
                    None => {
                        let told = self.early.entry(*publish).or_default();
                        *told += 1;
                        if *told == 1 { Ok(()) } else { Err("a publish has one verdict") }
                    }
                }
            }
            _ => Ok(()),
        }
    }

    pub(super) fn expect_subscription(&mut self, filters: Vec<Filter>, relays: Vec<RelayUrl>, live: bool) -> SubId {
        let id = SubId::from_u64(self.subs.len() as u64);
        let delivered = BTreeSet::new();
        let sub = Sub {
            filters,
            relays,
            live,
            ended: false,
            delivered,
            next_seq: 0,
            closed: BTreeSet::new(),
            excused: false,
        };
        self.subs.insert(id, sub);
        id
    }

    pub(super) fn updated(&mut self, sub: SubId, filters: Vec<Filter>) {
        if let Some(sub) = self.subs.get_mut(&sub) {
            sub.filters = filters;
            sub.closed.clear();
        }
    }

    pub(super) fn published(&mut self, publish: PublishId, event: EventId, deadline: Instant) {
        let verdict = self.early.contains_key(&publish);
        self.publishes.insert(publish, Published { event, deadline, verdict });
    }

    pub(super) fn last_published(&self) -> Option<EventId> {
        self.publishes.values().next_back().map(|p| p.event)
    }

    pub(super) fn verdicts(&self) -> u64 {
        self.publishes.values().filter(|p| p.verdict).count() as u64
    }

    pub(super) fn without_verdict(&self) -> Vec<PublishId> {
        self.publishes.iter().filter(|(_, p)| !p.verdict).map(|(&id, _)| id).collect()
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
                if sub.filters.iter().any(|f| matches(f, &json)) && !sub.delivered.contains(&event.id()) {
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

    fn item(&mut self, item: &Item) -> Result<(), &'static str> {
        if self.ended {
            return Err("nothing comes after the end");
        }
        match item {
            Item::Event(e) => {
                if !self.delivered.insert(e.event.id()) {
                    return Err("an event is delivered once");
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
            Item::Pending(p) => self.number(p.seq),
            Item::Leg { relay, state } => {
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
