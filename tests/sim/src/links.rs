//! The ways to the relays: connections that stand, and what arrives over them.

use std::collections::VecDeque;

use nostr_model_relay::{ConnId, Output};
use nostr_pool_core::{CloseReason, Input, SocketId};
use nostr_pool_corpus::rng::Rng;
use serde_json::Value;

use super::net::Arrival;
use super::step::{Dialling, Sink};
use super::world::World;

/// The way to a relay. Its latencies are its own, so that what happens at one relay moves nothing at another.
#[derive(Debug)]
pub(super) struct Line {
    rng: Rng,
    pub(super) dialling: Dialling,
    pub(super) sink: Sink,
}

impl Line {
    pub(super) fn new(seed: u64) -> Self {
        Self { rng: Rng::new(seed), dialling: Dialling::Works, sink: Sink::Prompt }
    }

    /// Microseconds.
    pub(super) fn latency(&mut self) -> u64 {
        self.rng.between(500, 80_000) as u64
    }

    /// Once in so many times; 0 is never.
    pub(super) fn fails(&mut self, one_in: u8) -> bool {
        one_in > 0 && self.rng.one_in(usize::from(one_in))
    }

    /// Microseconds by which something is late: past every deadline, sometimes.
    pub(super) fn late(&mut self) -> u64 {
        self.rng.between(100, 20_000) as u64 * 1_000
    }
}

/// One end of a connection that stands.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) relay: usize,
    pub(super) conn: ConnId,
    /// When the last frame to the relay, and to the pool, arrives: TCP keeps the order.
    pub(super) to_relay_at: u64,
    pub(super) to_pool_at: u64,
    pub(super) paused: bool,
    /// Half-open: nothing gets through any more, and neither end knows.
    pub(super) dead: bool,
    /// Reset after so many more frames to the pool; the next one is torn, which the pool never sees.
    pub(super) left: Option<usize>,
    /// What came while the pool did not read, in order.
    pub(super) held: VecDeque<Held>,
    /// What the sink has not taken, in order.
    pub(super) sink: VecDeque<Outgoing>,
}

/// A frame that waits to be read.
#[derive(Debug)]
pub(super) enum Held {
    Text(String),
    Pong,
}

/// A frame that waits to be sent.
#[derive(Debug)]
pub(super) enum Outgoing {
    Text(String),
    Ping,
}

impl Link {
    fn new(relay: usize, conn: ConnId) -> Self {
        let (held, sink) = (VecDeque::new(), VecDeque::new());
        Self { relay, conn, to_relay_at: 0, to_pool_at: 0, paused: false, dead: false, left: None, held, sink }
    }
}

impl World {
    pub(super) fn arrive(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Dialled { socket, relay } => self.dialled(socket, relay),
            Arrival::ToRelay { socket, text } => {
                let Some(link) = self.links.get(&socket).filter(|link| !link.dead) else { return };
                let (relay, conn, unix) = (link.relay, link.conn, self.clock.date());
                self.sites[relay].relay.handle(conn, &text, unix);
                self.look_at(relay);
                self.wake_later(relay);
                self.drain_relay(relay);
            }
            Arrival::RelayWakes { relay } => {
                let unix = self.clock.date();
                self.sites[relay].relay.wake(unix);
                self.look_at(relay);
                self.wake_later(relay);
                self.drain_relay(relay);
            }
            Arrival::ToPool { socket, text } => match self.plan.limits.frame {
                0 => self.reaches_pool(socket, Held::Text(text)),
                most if text.len() <= usize::from(most) => self.reaches_pool(socket, Held::Text(text)),
                _ if self.links.contains_key(&socket) => {
                    self.totals.fault("frame too long");
                    self.gone(socket, CloseReason::TooLarge);
                }
                _ => {}
            },
            Arrival::Pong { socket } => match self.stalled_until(socket) {
                Some(at) => self.net.depart(at, Arrival::Pong { socket }),
                None => self.reaches_pool(socket, Held::Pong),
            },
            Arrival::ReadOn { socket } => {
                while let Some(link) = self.links.get_mut(&socket).filter(|link| !link.paused) {
                    let Some(held) = link.held.pop_front() else { break };
                    self.read(socket, held);
                }
            }
            Arrival::Sent { socket } if self.links.contains_key(&socket) => {
                self.oracle.wire.taken(socket);
                self.input(Input::Sent { socket });
            }
            Arrival::Sent { .. } => {}
            Arrival::Gone { socket, reason } => self.gone(socket, reason),
            Arrival::Verified { ticket, outcome } => {
                let now = self.now().mono;
                self.oracle.unread.verified(now);
                self.answered.push_front((ticket, outcome));
                self.answered.truncate(64);
                self.input(Input::Verified { ticket, outcome });
            }
            Arrival::Signed { ticket, outcome } => self.input(Input::Signed { ticket, outcome }),
        }
    }

    /// Notes what a relay took.
    fn look_at(&mut self, relay: usize) {
        let (micros, date) = (self.clock.micros(), self.clock.date().as_secs());
        let site = &mut self.sites[relay];
        site.accepted.look(&site.relay, micros, date);
    }

    fn reaches_pool(&mut self, socket: SocketId, what: Held) {
        if let Some(left) = self.links.get_mut(&socket).filter(|link| !link.dead).and_then(|link| link.left.as_mut()) {
            match left.checked_sub(1) {
                Some(less) => *left = less,
                None => return self.tear(socket),
            }
        }
        match self.links.get_mut(&socket).filter(|link| !link.dead) {
            Some(link) if link.paused || !link.held.is_empty() => link.held.push_back(what),
            Some(_) => self.read(socket, what),
            None => {}
        }
    }

    fn read(&mut self, socket: SocketId, what: Held) {
        match what {
            Held::Text(text) => self.hear(socket, &text),
            Held::Pong => {
                self.oracle.reqs.ponged(socket);
                self.oracle.pings.heard(socket);
                self.input(Input::Pong { socket });
            }
        }
    }

    /// The pool learns that a socket is gone.
    pub(super) fn gone(&mut self, socket: SocketId, reason: CloseReason) {
        self.drop_link(socket);
        self.over(socket);
        self.input(Input::Closed { socket, reason: reason.clone() });
        let (relay, rate) = (self.ways.get(&socket).copied().unwrap_or_default(), self.plan.rates.echoed);
        if self.faulty && self.lines[relay].fails(rate) {
            self.totals.fault("close told twice");
            self.input(Input::Closed { socket, reason });
        }
    }

    /// From here on, the socket's name is stale.
    pub(super) fn over(&mut self, socket: SocketId) {
        if self.oracle.gone(socket, self.now().mono) {
            self.past.push(socket);
        }
    }

    /// The oracle is told of a frame, unless the pool takes its socket for gone.
    pub(super) fn note_heard(&mut self, socket: SocketId, text: &str) {
        let Some(&relay) = self.ways.get(&socket).filter(|_| self.oracle.is_open(socket)) else { return };
        let now = self.now();
        self.oracle.publishes.heard(socket);
        if let Err(rule) = self.oracle.heard(socket, &self.sites[relay], text, now) {
            self.check(false, &format!("{rule}: {text}"));
        }
    }

    /// A frame reaches the pool.
    pub(super) fn hear(&mut self, socket: SocketId, text: &str) {
        self.note_heard(socket, text);
        self.oracle.pings.heard(socket);
        if let Some(link) = self.links.get(&socket)
            && let Ok(message) = serde_json::from_str::<Value>(text)
        {
            let url = &self.sites[link.relay].url;
            self.oracle.answers.heard(socket, &message);
            self.oracle.reqs.heard(socket, &message);
            if message[0] == "EOSE" {
                let name = message[1].as_str().unwrap_or_default();
                let within = self.oracle.budgets.answered(socket, name);
                self.check(within.is_ok(), within.err().unwrap_or_default());
            }
            match message[0].as_str() {
                Some("EVENT") => {
                    let id = message[2]["id"].as_str().unwrap_or_default();
                    self.oracle.shares.heard(url, id);
                    let name = message[1].as_str().unwrap_or_default();
                    if (20_000..30_000).contains(&message[2]["kind"].as_u64().unwrap_or_default())
                        && self.oracle.wire.is_running(socket, name)
                        && self.oracle.is_open(socket)
                    {
                        self.oracle.fleeting(socket, name, &message[2], self.clock.now().unix.as_secs());
                    }
                }
                Some("NOTICE") => self.oracle.watch.sources.notice(url, message[1].as_str().unwrap_or_default()),
                Some("OK") => self.oracle.publishes.ok(url, &message),
                Some("CLOSED") => self.oracle.wire.ended(socket, message[1].as_str().unwrap_or_default()),
                _ => {}
            }
        }
        self.hear_torn(socket, text);
        self.input(Input::Text { socket, frame: text });
    }

    /// What was cut off is for a request all the same, if its head says so.
    fn hear_torn(&mut self, socket: SocketId, text: &str) {
        let head = text.strip_prefix("[\"EVENT\",\"").and_then(|rest| rest.split_once('"'));
        let id = text.split_once("\"id\":\"").and_then(|(_, rest)| rest.get(..64));
        if let (Some((name, _)), Some(id)) = (head, id)
            && self.oracle.wire.is_running(socket, name)
        {
            self.oracle.watch.sources.asked(id);
        }
    }

    pub(super) fn dialled(&mut self, socket: SocketId, relay: usize) {
        if !self.oracle.is_dialling(socket) || self.oracle.is_open(socket) {
            return;
        }
        let (line, rate) = (&mut self.lines[relay], self.plan.rates.refused);
        let unlucky = line.dialling == Dialling::Refused || (self.faulty && line.fails(rate));
        if !self.sites[relay].up || unlucky {
            self.totals.fault("dial refused");
            self.over(socket);
            self.input(Input::OpenFailed { socket, error: "connection refused".into() });
            return;
        }
        let conn = self.sites[relay].relay.connect();
        self.links.insert(socket, Link::new(relay, conn));
        self.oracle.opened(socket, self.now().mono);
        self.input(Input::Opened { socket });
        self.drain_relay(relay);
    }

    /// A relay that puts something off is woken for it.
    pub(super) fn wake_later(&mut self, relay: usize) {
        if let Some(at) = self.sites[relay].relay.next_wake() {
            self.net.depart(self.clock.when_dated(at), Arrival::RelayWakes { relay });
        }
    }

    /// When the relay reads on, if it has stopped reading from this socket.
    fn stalled_until(&self, socket: SocketId) -> Option<u64> {
        let link = self.links.get(&socket)?;
        let relay = &self.sites[link.relay].relay;
        let wake = relay.next_wake().filter(|_| relay.is_stalled(link.conn))?;
        Some(self.clock.when_dated(wake).max(self.after(1_000)))
    }

    /// What a relay says sets off.
    pub(super) fn drain_relay(&mut self, relay: usize) {
        while let Some(output) = self.sites[relay].relay.poll_output() {
            let (Output::Send { conn, .. } | Output::Close { conn, .. }) = &output;
            let Some(socket) = self.links.iter().find(|(_, l)| l.relay == relay && l.conn == *conn).map(|(&s, _)| s)
            else {
                continue;
            };
            let soon = self.clock.micros() + self.lines[relay].latency();
            match output {
                Output::Send { .. } if self.plan.mute == Some(relay) => {}
                Output::Send { text, .. } => {
                    let Some(link) = self.links.get_mut(&socket) else { continue };
                    link.to_pool_at = soon.max(link.to_pool_at + 1);
                    let at = link.to_pool_at;
                    self.oracle.counts.answers(socket, &text, &self.sites[relay]);
                    self.net.depart(at, Arrival::ToPool { socket, text });
                }
                Output::Close { code, reason, .. } => {
                    self.drop_link(socket);
                    self.net.depart(soon, Arrival::Gone { socket, reason: CloseReason::Remote { code, reason } });
                }
            }
        }
    }

    pub(super) fn drop_link(&mut self, socket: SocketId) {
        if let Some(link) = self.links.remove(&socket) {
            self.sites[link.relay].relay.disconnect(link.conn);
        }
    }

    /// The sockets of a relay that stand.
    pub(super) fn sockets_of(&self, relay: usize) -> Vec<SocketId> {
        self.links.iter().filter(|(_, link)| link.relay == relay).map(|(&socket, _)| socket).collect()
    }
}
