//! What goes wrong, step by step. Each is counted by kind.

use nostr_pool_core::{CloseReason, SocketId};

use super::net::Arrival;
use super::step::{Dialling, Nemesis, Signer, Sink};
use super::world::World;

const SECOND: u64 = 1_000_000;

impl World {
    pub(super) fn nemesis(&mut self, nemesis: Nemesis) {
        match nemesis {
            Nemesis::Cut { relay } => self.cut(self.nth(relay)),
            Nemesis::CutAfter { relay, frames } => self.cut_after(self.nth(relay), usize::from(frames)),
            Nemesis::HalfOpen { relay } => self.half_open(self.nth(relay)),
            Nemesis::Toggle { relay } => self.toggle(self.nth(relay)),
            Nemesis::Dialling { relay, to } => {
                let n = self.nth(relay);
                self.lines[n].dialling = to;
            }
            Nemesis::Sink { relay, to } => self.change_sink(self.nth(relay), to),
            Nemesis::Verifier { millis } => self.verifier = millis.max(1),
            Nemesis::Signer(signer) => self.signer = signer,
            Nemesis::Sleep { seconds } => {
                self.totals.fault("device asleep");
                self.sleep(u64::from(seconds) * SECOND);
            }
            Nemesis::WallStep { seconds } => {
                self.totals.fault(if seconds < 0 { "wall clock stepped back" } else { "wall clock stepped ahead" });
                self.clock.step_wall(i64::from(seconds));
                self.oracle.wall_is_ahead(self.clock.ahead());
            }
            Nemesis::MonoStands { millis, back } => {
                self.totals.fault(if back > 0 { "monotonic clock read back" } else { "monotonic clock stood" });
                self.clock.stand_still(u64::from(millis) * 1_000, u64::from(back) * 1_000);
            }
        }
    }

    /// The relay that a step means.
    pub(super) fn nth(&self, relay: u8) -> usize {
        usize::from(relay) % self.sites.len()
    }

    /// Cuts every connection of a relay, without a word.
    pub(super) fn cut(&mut self, relay: usize) {
        for socket in self.sockets_of(relay) {
            self.totals.fault("reset");
            self.drop_link(socket);
            let at = self.clock.micros() + self.lines[relay].latency();
            self.net.depart(at, Arrival::Gone { socket, reason: CloseReason::Error("connection reset".into()) });
        }
    }

    /// The same, once some more frames have reached the pool: amid an answer.
    fn cut_after(&mut self, relay: usize, frames: usize) {
        for link in self.links.values_mut().filter(|link| link.relay == relay) {
            link.left.get_or_insert(frames);
        }
    }

    /// A connection breaks amid a frame: this one and all that were under way are lost.
    pub(super) fn tear(&mut self, socket: SocketId) {
        self.totals.fault("reset amid an answer");
        let relay = self.ways.get(&socket).copied().unwrap_or_default();
        self.drop_link(socket);
        let at = self.clock.micros() + self.lines[relay].latency();
        self.net.depart(at, Arrival::Gone { socket, reason: CloseReason::Error("connection reset".into()) });
    }

    /// Connections of a relay become half-open.
    fn half_open(&mut self, relay: usize) {
        for link in self.links.values_mut().filter(|link| link.relay == relay && !link.dead) {
            link.dead = true;
            self.totals.fault("half-open");
        }
    }

    fn toggle(&mut self, relay: usize) {
        self.sites[relay].up = !self.sites[relay].up;
        if !self.sites[relay].up {
            self.totals.fault("relay died");
            self.cut(relay);
        }
    }

    fn change_sink(&mut self, relay: usize, to: Sink) {
        self.lines[relay].sink = to;
        if to == Sink::Stuck {
            return;
        }
        for socket in self.sockets_of(relay) {
            let Some(link) = self.links.get_mut(&socket) else { continue };
            for what in std::mem::take(&mut link.sink) {
                self.send(socket, what);
            }
        }
    }

    /// Everything that went wrong is over.
    pub(super) fn heal_ways(&mut self) {
        self.faulty = false;
        self.verifier = 5;
        self.signer = Signer::Signs;
        self.clock.set_wall_right();
        self.oracle.wall_is_right(self.clock.micros());
        self.links.values_mut().for_each(|link| link.left = None);
        for relay in 0..self.sites.len() {
            self.sites[relay].up = true;
            self.lines[relay].dialling = Dialling::Works;
            self.change_sink(relay, Sink::Prompt);
        }
    }
}
