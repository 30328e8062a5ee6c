//! What has to hold, written down naively: matching is done over JSON values, by code of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use nostr_pool_core::{
    Command, Config, ConnectionState, Gap, GapCause, Instant, Item, Now, PoolEvent, PublishUpdate, RelayUpdate,
    SocketId, SubId,
};
use nostr_proto::{Event, EventId, Filter, RelayUrl};
use serde_json::Value;

use super::answers::Answers;
use super::auth::Auths;
use super::budget::Budgets;
use super::clock::EPOCH;
use super::counts::Counts;
use super::dials::Dials;
use super::pings::Pings;
use super::quorum::Publishes;
use super::reqs::Reqs;
use super::sending::Sending;
use super::shares::Shares;
use super::site::Site;
use super::slots::Slots;
use super::sub::{Sub, json};
use super::takes::Taken;
use super::target::Sent;
use super::unread::Unread;
use super::watch::Watch;
use super::wire::Wire;

/// A socket that was asked for and is not known to be gone.
#[derive(Debug)]
struct Socket {
    url: RelayUrl,
    /// Whether its dial came through.
    open: bool,
    /// Since when it is being closed.
    closing: Option<Instant>,
}

/// Watches every command and every event of a run.
#[derive(Debug)]
pub struct Oracle {
    sockets: BTreeMap<SocketId, Socket>,
    subs: BTreeMap<SubId, Sub>,
    pub(super) publishes: Publishes,
    pub(super) counts: Counts,
    pub(super) dials: Dials,
    pub(super) wire: Wire,
    pub(super) shares: Shares,
    pub(super) answers: Answers,
    pub(super) auths: Auths,
    pub(super) watch: Watch,
    pub(super) sending: Sending,
    pub(super) slots: Slots,
    max_connections: usize,
    close_deadline: Duration,
    /// How old an event may be that a relay takes, in seconds; and those that were older.
    pub(super) late_window: u64,
    /// By how much clocks may differ, and by how much the device's was ever ahead, in seconds.
    pub(super) skew: u64,
    pub(super) ahead: u64,
    /// Since when it is right for good, in true microseconds.
    pub(super) right_since: u64,
    /// Unix time at which the run began.
    pub(super) epoch: u64,
    /// True microseconds.
    at: u64,
    /// What is being sent to other relays.
    pub(super) sent: Option<Sent>,
    pub(super) reqs: Reqs,
    pub(super) takes: Taken,
    pub(super) unread: Unread,
    pub(super) pings: Pings,
    pub(super) budgets: Budgets,
    eose_deadline_max: Duration,
    delivered: u64,
    /// Aggregate EOSEs that every relay had sent its own for.
    complete: u64,
    removed: bool,
    /// When the core last handled what was due.
    timed: Instant,
}

impl Oracle {
    pub(super) fn new(config: &Config, sites: &[Site]) -> Self {
        Self {
            sockets: BTreeMap::new(),
            subs: BTreeMap::new(),
            publishes: Publishes::default(),
            counts: Counts::default(),
            dials: Dials::new(config),
            wire: Wire::new(config.send_credits),
            shares: Shares::new(config.max_seen, sites.len()),
            watch: Watch::new(config, sites),
            answers: Answers::default(),
            auths: Auths::new(config),
            sending: Sending::default(),
            slots: Slots::new(config),
            max_connections: config.max_connections,
            close_deadline: config.close_deadline,
            late_window: config.late_window.as_secs(),
            skew: config.skew.as_secs(),
            ahead: 0,
            right_since: u64::MAX,
            epoch: EPOCH,
            at: 0,
            sent: None,
            reqs: Reqs::new(config, sites),
            takes: Taken::new(config),
            unread: Unread::new(config),
            pings: Pings::default(),
            budgets: Budgets::new(config),
            eose_deadline_max: config.eose_deadline_max,
            delivered: 0,
            complete: 0,
            removed: false,
            timed: Instant::ZERO,
        }
    }

    pub(super) fn opened(&mut self, socket: SocketId, now: Instant) {
        if let Some(socket) = self.sockets.get_mut(&socket) {
            socket.open = true;
            self.dials.opened(&socket.url, now);
        }
    }

    /// The pool learns that a socket is gone. False: it knew.
    pub(super) fn gone(&mut self, socket: SocketId, now: Instant) -> bool {
        let (id, gone) = (socket, self.sockets.remove(&socket));
        let Some(socket) = gone else { return false };
        self.publishes.ended(&socket.url, id, socket.closing.is_some());
        self.reqs.gone(id);
        self.pings.heard(id);
        self.unread.gone(id, now);
        if socket.closing.is_none() {
            self.dials.ended(&socket.url, now);
        }
        true
    }

    pub(super) fn is_dialling(&self, socket: SocketId) -> bool {
        self.sockets.get(&socket).is_some_and(|socket| socket.closing.is_none())
    }

    /// Whether the pool takes this socket for open.
    pub(super) fn is_open(&self, socket: SocketId) -> bool {
        self.sockets.get(&socket).is_some_and(|socket| socket.open && socket.closing.is_none())
    }

    /// The newest socket of a relay.
    pub(super) fn socket_of(&self, relay: &RelayUrl) -> Option<SocketId> {
        let own = self.sockets.iter().filter(|(_, socket)| socket.url == *relay);
        own.max_by_key(|(id, socket)| (socket.closing.is_none(), **id)).map(|(&id, _)| id)
    }

    pub(super) fn sockets(&self) -> usize {
        self.sockets.len()
    }

    /// A command: one live socket per URL, and none for a socket that is gone.
    pub(super) fn command(&mut self, command: &Command, now: Now) -> Result<(), &'static str> {
        let (now, unix) = (now.mono, now.unix.as_secs());
        self.unread.command(command, now)?;
        match command {
            Command::Open { socket, url, .. } => {
                if self.sockets.values().any(|known| known.url == *url && known.closing.is_none()) {
                    return Err("one live socket per relay");
                }
                self.dials.dialled(url, now)?;
                self.watch.dialled(url, now)?;
                self.sockets.insert(*socket, Socket { url: url.clone(), open: false, closing: None });
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
                        if let Some(known) = self.sockets.get(socket) {
                            self.answers.sent(*socket, &known.url, frame, now);
                            self.counts.sent(*socket, &known.url, frame)?;
                            self.reqs.sent(*socket, &known.url, frame, unix)?;
                            self.watch.sent(&known.url, frame, now)?;
                            let publishes = &self.publishes;
                            self.auths.sent(*socket, &known.url, frame, |event| publishes.is_repeated(event))?;
                            self.sending.sent(&known.url, frame, unix)?;
                        }
                        self.wire.sent(*socket, frame)?;
                        if let Some(known) = self.sockets.get(socket) {
                            self.takes.sent(*socket, &known.url, frame, &self.wire)?;
                        }
                    }
                    _ => {
                        self.wire.pinged(*socket);
                        self.pings.pinged(*socket, self.unread.is_unread(*socket))?;
                        if let Some(known) = self.sockets.get(socket) {
                            self.reqs.pinged(*socket, &known.url, unix);
                        }
                    }
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
            Command::PauseRead { .. }
            | Command::ResumeRead { .. }
            | Command::Verify { .. }
            | Command::Sign { .. }
            | Command::SignAuth { .. } => {}
        }
        Ok(())
    }

    /// An event: delivered at most once, matching, numbered without holes; one verdict, in time. `called`: it came of a
    /// call of the application.
    pub(super) fn event(&mut self, event: &PoolEvent, now: Now, called: bool) -> Result<(), &'static str> {
        match event {
            PoolEvent::Item { sub: id, item } => {
                let Some(sub) = self.subs.get_mut(id) else { return Err("an item belongs to a subscription") };
                if let Item::Event(e) = item {
                    self.delivered += 1;
                    let (text, named) = (e.event.to_json(), (!sub.all).then_some(&sub.relays[..]));
                    let origin = (self.answers.is_made(&e.event.id(), &text), named);
                    self.watch.delivered(*id, e, &json(&text), origin, now.unix.as_secs())?;
                }
                if let Item::Eose(coverage) = item {
                    self.complete += u64::from(coverage.is_complete());
                    let dates = &self.watch.dates;
                    let excused = |event: &Value| dates.excuses(*id, event, now.unix.as_secs());
                    sub.covered(coverage, &self.answers, excused)?;
                }
                self.watch.dates.pending(item, now.unix.as_secs())?;
                self.watch.attributed(item)?;
                self.sent.as_ref().map_or(Ok(()), |sent| sent.told(*id, item))?;
                if let Item::Leg { relay, state } = item {
                    self.reqs.leg(*id, sub, relay, state, now.mono)?;
                    self.budgets.renewed(*id, Some(relay));
                }
                if let Item::End(_) = item {
                    self.reqs.forgets(*id);
                }
                if let Item::Gap(Gap { cause: GapCause::QueueFull { .. }, .. }) = item {
                    self.budgets.renewed(*id, None);
                }
                // Who is known better may be shown more.
                let known = matches!(item, Item::Gap(Gap { relay: Some(relay), .. }) if self.reqs.knows_us(relay));
                sub.item(item, &self.shares, self.at, known)
            }
            PoolEvent::Publish { publish, update: PublishUpdate::Verdict(verdict) } => {
                self.publishes.verdict(*publish, verdict, now.mono)
            }
            PoolEvent::Publish { publish, update: PublishUpdate::Relay { relay, status, .. } } => {
                self.publishes.status(*publish, relay, status, &self.sending)
            }
            PoolEvent::Counted(report) => self.counts.report(report, now.mono),
            PoolEvent::Relay { relay, update: RelayUpdate::State(state) } => {
                self.watch.state(relay, *state, now.mono)?;
                self.slots.state(relay, *state, now.mono);
                match state {
                    // A call can only shorten a wait.
                    ConnectionState::Backoff { until } if !called => self.dials.backs_off(relay, *until, now.mono),
                    _ => Ok(()),
                }
            }
            PoolEvent::Relay { relay, update: RelayUpdate::Removed } => {
                self.removed = true;
                self.shares.removed();
                self.dials.user_wants(Some(relay), true);
                self.watch.removed(relay, now.mono);
                self.sending.forgotten(relay);
                self.takes.forgotten(relay);
                self.slots.removed(relay);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Everything was told that is to be told of what was done.
    pub(super) fn settled(&mut self, unix: u64) -> Result<(), &'static str> {
        let takes = &self.takes;
        for (page, asks, relay) in self.reqs.settled(unix, |relay| takes.bytes(relay))? {
            let mut asking = self.subs.iter().filter(|(_, sub)| !sub.ended && sub.relays.contains(&relay));
            // Whose it is can only be told where there is no other: the parts of a dense second are like no filter.
            if let (Some((&sub, _)), None) = (asking.next(), asking.next()) {
                self.budgets.begins(page, asks, (sub, relay));
            }
        }
        Ok(())
    }

    /// The process died, and another pool takes the place of the one that this watched.
    pub(super) fn goes_on(&mut self, before: Self) {
        self.answers = before.answers.without_requests();
        self.reqs.goes_on(before.reqs);
        self.watch.dates.goes_on(before.watch.dates);
        (self.ahead, self.at) = (before.ahead, before.at);
    }

    /// A frame reaches the pool.
    pub(super) fn heard(&mut self, socket: SocketId, site: &Site, text: &str, now: Now) -> Result<(), &'static str> {
        let wire = &self.wire;
        self.counts.heard(socket, &site.url, text);
        self.auths.heard(socket, &site.url, text);
        self.watch.heard(site, text, |name| wire.runs(socket, name), |name| wire.was_used(name), now)
    }

    /// The core handled what is due by now. What was long due may be told at once, or be due again in a moment.
    pub(super) fn timed(&mut self, now: Instant) -> Result<(), String> {
        const MOMENT: Duration = Duration::from_millis(1);
        let before = std::mem::replace(&mut self.timed, now);
        // Deadlines of relays stand still while none is read from.
        let most = self.eose_deadline_max + self.unread.lag(now);
        for (id, sub) in self.subs.iter().filter(|(_, sub)| !sub.ended && !sub.eose_told) {
            if before >= sub.started + most && now > before + MOMENT {
                return Err(format!("the aggregate EOSE comes by its deadline; missing: {id}"));
            }
        }
        let then = if now > before + MOMENT { before } else { Instant::ZERO };
        if then > Instant::ZERO {
            self.reqs.timed(then, self.unread.lag(now))?;
        }
        self.unread.timed(then, now)?;
        let live: Vec<&Sub> = self.subs.values().filter(|sub| sub.live && !sub.ended).collect();
        self.slots.timed(then, now, |relay| live.iter().any(|sub| sub.relays.contains(relay)))
    }

    /// The wall clock was set.
    pub(super) fn wall_is_ahead(&mut self, seconds: i64) {
        self.watch.dates.stepped();
        self.ahead = self.ahead.max(u64::try_from(seconds).unwrap_or_default());
    }

    /// The wall clock is right, and stays so.
    pub(super) fn wall_is_right(&mut self, micros: u64) {
        self.right_since = micros;
    }

    /// All queues together are beyond their bound: what comes is skipped, whosever queue has room.
    pub(super) fn is_crowded(&mut self) {
        self.subs.values_mut().filter(|sub| !sub.ended).for_each(|sub| sub.skips = true);
    }

    /// When the core last handled what was due.
    pub(super) fn now(&self) -> Instant {
        self.timed
    }

    /// The true time.
    pub(super) fn true_time(&mut self, micros: u64) {
        self.at = micros;
    }

    pub(super) fn sub(&self, id: SubId) -> Option<&Sub> {
        self.subs.get(&id)
    }

    pub(super) fn sub_mut(&mut self, id: SubId) -> Option<&mut Sub> {
        self.subs.get_mut(&id)
    }

    /// The application reads from this relay from now on, or no longer.
    pub(super) fn reads(&mut self, relay: &RelayUrl, reads: bool) {
        for sub in self.subs.values_mut().filter(|sub| sub.all && !sub.ended) {
            if !reads {
                sub.closed.insert(relay.clone());
                sub.without(relay);
            } else if !sub.relays.contains(relay) {
                sub.relays.push(relay.clone());
            } else if sub.left.remove(relay) {
                sub.closed.remove(relay);
            }
        }
    }

    /// The application takes a relay out of the pool.
    pub(super) fn removed(&mut self, relay: &RelayUrl, now: Instant) {
        self.removed = true;
        self.subs.values_mut().for_each(|sub| sub.without(relay));
        self.shares.removed();
        self.publishes.removed(relay);
        self.counts.may_end();
        self.dials.user_wants(Some(relay), true);
        self.watch.removed(relay, now);
        self.sending.forgotten(relay);
        self.takes.forgotten(relay);
        self.slots.removed(relay);
    }

    pub(super) fn has_removed(&self) -> bool {
        self.removed
    }

    /// Events delivered, to each subscription counted.
    pub(super) fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Aggregate EOSEs to which every relay had contributed.
    pub(super) fn complete(&self) -> u64 {
        self.complete
    }

    /// Of what honest ones of these relays hold and live subscriptions ask for in the end, what each got that told of no
    /// loss of its own.
    pub(super) fn deliveries(&self, sites: &[&Site]) -> BTreeMap<SubId, BTreeSet<EventId>> {
        let whole = self.subs.iter().filter(|(_, sub)| sub.live && !sub.ended && !sub.excused && self.ahead == 0);
        // A limit is for the first load: how much of what is older comes later is a matter of when a connection was lost.
        let whole = whole.filter(|(_, sub)| sub.wanted.iter().all(|filter| filter.get("limit").is_none()));
        let got = |sub: &Sub| {
            let asked = sites.iter().filter(|site| site.honest && !site.forges && sub.asks(&site.url));
            let held = asked.flat_map(|site| site.relay.events());
            let got = held.filter(|event| sub.delivered.contains_key(&event.id()));
            // A forger may hold a genuine version that is newer than what the others hold: no forgery takes part in that.
            let got = got.filter(|event| !event.kind().is_addressable() && !event.kind().is_replaceable());
            // It may bring one before it expires that the others bring later.
            let got = got.filter(|event| event.expiration().is_none());
            got.filter(|event| sub.wants(&json(&event.to_json()))).map(Event::id).collect()
        };
        whole.map(|(&id, sub)| (id, got(sub))).collect()
    }

    /// Its application took all, and nothing that was skipped is left to be told.
    pub(super) fn has_room(&mut self, sub: SubId) {
        if let Some(sub) = self.subs.get_mut(&sub) {
            sub.skips = false;
        }
    }

    /// The core refused the subscription that was expected.
    pub(super) fn forget_subscription(&mut self, sub: SubId) {
        self.subs.remove(&sub);
    }

    pub(super) fn expect_subscription(
        &mut self,
        filters: Vec<Filter>,
        relays: Vec<RelayUrl>,
        live: bool,
        all: bool,
        now: Instant,
    ) -> SubId {
        let id = SubId::from_u64(self.subs.len() as u64);
        let sub = Sub::new(filters, relays, live, all, now);
        self.subs.insert(id, sub);
        id
    }

    pub(super) fn updated(&mut self, id: SubId, filters: Vec<Filter>, now: Instant) {
        if let Some(sub) = self.subs.get_mut(&id) {
            sub.replaced(filters, now);
            self.reqs.forgets(id);
        }
    }

    pub(super) fn live_subscriptions(&self) -> Vec<SubId> {
        self.subs.iter().filter(|(_, s)| s.live && !s.ended).map(|(&id, _)| id).collect()
    }

    pub(super) fn open_subscriptions(&self) -> Vec<SubId> {
        self.subs.iter().filter(|(_, s)| !s.ended).map(|(&id, _)| id).collect()
    }

    /// See [`World::unserved`](super::World::unserved).
    pub(super) fn unserved(&self) -> Vec<String> {
        let live = self.subs.iter().filter(|(_, sub)| sub.live && !sub.ended);
        let unserved = live.flat_map(|(id, sub)| {
            let open = sub.relays.iter().filter(|relay| !sub.past_eose.contains(relay));
            open.map(move |relay| format!("subscription {id} at {relay}"))
        });
        unserved.chain(self.publishes.unserved()).collect()
    }

    /// How many relays some live subscription asks.
    pub(super) fn needed(&self, sites: &[Site]) -> usize {
        let live: Vec<&Sub> = self.subs.values().filter(|s| s.live && !s.ended).collect();
        sites.iter().filter(|site| live.iter().any(|sub| sub.asks(&site.url))).count()
    }
}
