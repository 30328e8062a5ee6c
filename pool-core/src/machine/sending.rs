//! What goes out, and when: a relay's lanes are emptied while its socket has room and the relay wants to hear.

use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;

use nostr_proto::{Filter, Timestamp, encode};

use crate::ids::{PublishId, RelayIx, SocketId, SubId, WireId};
use crate::input::CloseReason;
use crate::planted::planted;
use crate::time::Now;
use crate::timers::TimerKey;

use super::lanes::Turn;
use super::{Core, Wire};

impl Core {
    /// Sends what can be sent: AUTH first, for others wait for it; CLOSE, for it makes room; then EVENTs, then REQs,
    /// then COUNTs, then pages.
    pub(super) fn pump(&mut self, ix: RelayIx) {
        let now = self.now.mono;
        while let Some(relay) = self.relays.get_mut(&ix)
            && let Some(socket) = relay.conn.sendable(&self.config)
        {
            if relay.auth.is_ready() {
                self.send_auth(ix, socket);
                continue;
            }
            if let Some(wire) = relay.lanes.closes.pop_front() {
                self.send_frame(ix, socket, encode::close(&wire_text(wire)).into());
                continue;
            }
            if relay.lanes.is_held(now) {
                break;
            }
            let sent = match self.next_turn(ix) {
                Some(Turn::Event(publish)) => self.send_event(ix, socket, publish),
                Some(Turn::Ask(sub)) => self.send_request(ix, socket, sub),
                Some(Turn::Count(count)) => self.send_count(ix, socket, count),
                Some(Turn::Page(sub)) => self.send_page(ix, socket, sub),
                None => break,
            };
            if sent && let Some(relay) = self.relays.get_mut(&ix) {
                relay.lanes.sent(now);
            }
        }
        let wake =
            self.relays.get(&ix).and_then(|relay| relay.lanes.wake(now).into_iter().chain(self.size_wake(relay)).min());
        self.arm(TimerKey::Lanes(ix), wake);
    }

    /// What goes out next, if its turn has come: an EVENT that the connection may end over is sent alone, and REQs do not
    /// pass it, for it might wait for ever.
    fn next_turn(&mut self, ix: RelayIx) -> Option<Turn> {
        let (ask, count, page) = (self.next_ask(ix), self.next_count(ix), self.next_page(ix));
        let relay = self.relays.get_mut(&ix)?;
        let turn = relay.lanes.next(ask, count, page)?;
        let admitted = match turn {
            Turn::Event(publish) => {
                let doubted = self.publishes.get(&publish).is_some_and(|p| p.is_doubted(ix));
                relay.trial.admits_event(doubted, &self.config, self.now.mono)
            }
            Turn::Ask(_) | Turn::Count(_) | Turn::Page(_) => {
                relay.trial.acquit(&self.config, self.now.mono);
                relay.trial.admits_request()
            }
        };
        if admitted {
            relay.lanes.take(turn);
            return Some(turn);
        }
        let over = relay.trial.over(&self.config);
        self.arm(TimerKey::Trial(ix), over);
        None
    }

    /// The relay said something: what waited for that may go.
    pub(super) fn note_heard(&mut self, ix: RelayIx) {
        if self.relays.get_mut(&ix).is_some_and(|relay| relay.trial.heard()) {
            self.timers.set(TimerKey::Trial(ix), None);
            self.pump(ix);
        }
    }

    /// A socket is gone: if neither we nor our bounds ended it, an EVENT may be why.
    pub(super) fn note_end(&mut self, socket: SocketId, reason: &CloseReason) {
        let code = match reason {
            CloseReason::Remote { code, .. } => Some(*code),
            CloseReason::Error(_) => None,
            CloseReason::Local | CloseReason::TooLarge => return,
        };
        let relay = self.relays.get_mut(&RelayIx(socket.slot()));
        if let Some(relay) = relay.filter(|relay| relay.conn.open_socket() == Some(socket)) {
            relay.trial.ended(code, &self.config, self.now.mono);
        }
    }

    /// A REQ for a leg that waits is due.
    pub(super) fn enqueue_ask(&mut self, ix: RelayIx, sub: SubId) {
        let Some(relay) = self.relays.get_mut(&ix) else { return };
        if relay.conn.open_socket().is_none() {
            return;
        }
        relay.lanes.asks.insert(sub);
        self.pump(ix);
        let Some(relay) = self.relays.get(&ix) else { return };
        if relay.lanes.asks.contains(&sub) {
            let why = self.why_waiting(relay, sub);
            let Some(s) = self.subs.get_mut(&sub) else { return };
            s.waits_for(ix, why, &mut self.fx);
        }
    }

    /// An EVENT for a relay is due.
    pub(super) fn enqueue_event(&mut self, ix: RelayIx, publish: PublishId) {
        let Some(relay) = self.relays.get_mut(&ix) else { return };
        if relay.conn.open_socket().is_some() && self.publishes.get(&publish).is_some_and(|p| p.is_sendable(ix)) {
            relay.lanes.events.insert(publish);
            self.pump(ix);
        }
    }

    /// A running request is over for us.
    pub(super) fn close_wire(&mut self, ix: RelayIx, wire: WireId) {
        self.release_wire(ix, wire);
        self.pump(ix);
    }

    /// So are these: all of them before anything takes the place of one.
    pub(super) fn close_wires(&mut self, running: impl IntoIterator<Item = (RelayIx, WireId)>) {
        let mut relays = BTreeSet::new();
        for (ix, wire) in running {
            self.release_wire(ix, wire);
            relays.insert(ix);
        }
        relays.into_iter().for_each(|ix| self.pump(ix));
    }

    fn release_wire(&mut self, ix: RelayIx, wire: WireId) {
        self.wires.remove(&(ix, wire));
        let Some(relay) = self.relays.get_mut(&ix) else { return };
        relay.vitals.forget_request(wire);
        if relay.conn.open_socket().is_some() {
            relay.lanes.closes.push_back(wire);
        }
    }

    /// The relay asked for a pause.
    pub(super) fn pause_lanes(&mut self, ix: RelayIx) {
        let now = self.now.mono;
        if let Some(relay) = self.relays.get_mut(&ix) {
            relay.lanes.refused(&self.config, now);
        }
        self.pump(ix);
    }

    pub(super) fn on_pause_over(&mut self, ix: RelayIx) {
        self.pump(ix);
    }

    /// Whether anything was sent.
    fn send_event(&mut self, ix: RelayIx, socket: SocketId, publish: PublishId) -> bool {
        let doubted = self.publishes.get(&publish).is_some_and(|p| p.is_doubted(ix));
        let Some(under) = self.relays.get(&ix).map(|relay| relay.auth.epoch()) else { return false };
        // While nothing is read, no OK can be heard.
        let heard = self.backlog.stopped_until().unwrap_or(self.now.mono).max(self.now.mono);
        let frame = self.on_publish(publish, |p, config, now, fx| {
            p.send_under(ix, under);
            p.send(ix, config, Now { mono: heard, ..now }, fx)
        });
        let frame = frame.flatten();
        let Some(frame) = frame else { return false };
        let bytes = frame.len();
        self.send_frame(ix, socket, frame);
        if let Some(relay) = self.relays.get_mut(&ix) {
            relay.vitals.sent(publish, self.now.mono);
            relay.trial.event(publish, bytes, doubted, relay.conn.untaken(), self.now.mono);
        }
        true
    }

    /// Whether anything was sent.
    fn send_request(&mut self, ix: RelayIx, socket: SocketId, sub: SubId) -> bool {
        let wire = self.wire_for(ix, sub);
        let Some(relay) = self.relays.get(&ix) else { return false };
        let Some(s) = self.subs.get_mut(&sub) else { return false };
        s.ask_under(ix, relay.auth.epoch(), relay.auth.known_as(), relay.options.auth_at_once);
        let Some(filters) = s.ask(ix, wire, &self.config, self.backlog.hears(self.now), &mut self.fx) else {
            return false;
        };
        self.next_wire = self.next_wire.max(wire.0 + 1);
        self.wires.insert((ix, wire), Wire { sub, page: false, frames: 0 });
        self.note_sent_for_size(ix, sub);
        let frame = request(wire, &filters);
        if let Some(relay) = self.relays.get_mut(&ix) {
            relay.vitals.asked(wire, self.now.mono);
            relay.trial.asked(frame.len(), self.now.mono);
        }
        self.send_frame(ix, socket, frame);
        self.sync_sub(sub);
        true
    }

    /// A name for a leg's request that no request had before.
    fn wire_for(&mut self, ix: RelayIx, sub: SubId) -> WireId {
        let fresh = WireId(self.next_wire);
        #[cfg(feature = "planted-bugs")]
        if planted!(self.config, WireIdReused)
            && let Some(leg) = self.subs.get_mut(&sub).and_then(|s| s.leg(ix))
        {
            return *leg.first_wire.get_or_insert(fresh);
        }
        let _ = (ix, sub);
        fresh
    }

    pub(super) fn send_frame(&mut self, ix: RelayIx, socket: SocketId, frame: Arc<str>) {
        if let Some(relay) = self.relays.get_mut(&ix) {
            relay.conn.spend(frame.len());
            self.fx.send(socket, frame);
        }
    }

    /// A connection is open: everything that waits for it is due.
    pub(super) fn on_up(&mut self, ix: RelayIx) {
        self.stop_if_backlogged(ix);
        self.on_auth_opened(ix);
        let may_authenticate = self.may_authenticate(ix);
        let Some(relay) = self.relays.get_mut(&ix) else { return };
        relay.lanes.asks = relay.legs.clone();
        let legs: Vec<SubId> = relay.legs.iter().copied().collect();
        let publishes: Vec<PublishId> = relay.publishes.iter().copied().collect();
        for id in legs {
            if let Some(sub) = self.subs.get_mut(&id) {
                sub.reconnected(ix, &mut self.fx);
                if may_authenticate {
                    sub.reopen_unknown(ix, &mut self.fx);
                }
                self.note_need(ix, id);
            }
        }
        for publish in publishes {
            self.enqueue_event(ix, publish);
        }
        self.counts_up(ix);
        self.pump(ix);
        self.tell_waiting(ix);
    }

    /// What could not be sent yet, and why.
    pub(super) fn tell_waiting(&mut self, ix: RelayIx) {
        let Some(relay) = self.relays.get(&ix) else { return };
        let waiting: Vec<_> = relay.lanes.asks.iter().map(|&sub| (sub, self.why_waiting(relay, sub))).collect();
        for (sub, why) in waiting {
            if let Some(s) = self.subs.get_mut(&sub) {
                s.waits_for(ix, why, &mut self.fx);
            }
        }
    }

    /// A connection is gone: requests and publishes there have to start over.
    pub(super) fn on_down(&mut self, ix: RelayIx, proven: Option<Timestamp>) {
        self.on_auth_lost(ix);
        let promising = self.is_promising(ix);
        self.paused.remove(&ix);
        let Some(relay) = self.relays.get_mut(&ix) else { return };
        relay.lanes.clear();
        relay.paging.clear();
        relay.vitals.disconnected();
        if planted!(self.config, OwnCloseBlamed) {
            relay.trial.ended(None, &self.config, self.now.mono);
        }
        let trial = core::mem::take(&mut relay.trial);
        self.timers.set(TimerKey::Trial(ix), None);
        // A wall clock that was ahead and has been set right since must not hide what is missed from now on.
        let proven = proven.map(|at| at.min(self.now.unix));
        let Some(relay) = self.relays.get_mut(&ix) else { return };
        let legs: Vec<SubId> = relay.legs.iter().copied().collect();
        let publishes: Vec<PublishId> = relay.publishes.iter().copied().collect();
        for sub in legs {
            let Some(s) = self.subs.get_mut(&sub) else { continue };
            for wire in s.leg(ix).into_iter().flat_map(|leg| leg.wires()) {
                self.wires.remove(&(ix, wire));
            }
            if let Some(leg) = s.leg(ix) {
                leg.alive_until = leg.alive_until.map(|at| at.min(self.now.unix));
            }
            s.disconnected(ix, proven, promising, &mut self.fx);
            self.sync_sub(sub);
        }
        for publish in publishes {
            let loss = trial.loss(publish);
            self.on_publish(publish, |p, config, now, fx| p.lost(ix, loss, config, now, fx));
        }
        self.counts_down(ix);
    }

    /// There will be no connection for a while: nobody is to wait for it.
    pub(super) fn on_unavailable(&mut self, ix: RelayIx) {
        let Some(relay) = self.relays.get(&ix) else { return };
        let legs: Vec<SubId> = relay.legs.iter().copied().collect();
        for sub in legs {
            if let Some(s) = self.subs.get_mut(&sub) {
                s.unavailable(ix, &mut self.fx);
                self.sync_sub(sub);
            }
        }
        self.counts_unavailable(ix);
    }
}

fn wire_text(wire: WireId) -> alloc::string::String {
    alloc::format!("{wire}")
}

pub(super) fn request(wire: WireId, filters: &[Filter]) -> Arc<str> {
    encode::req(&wire_text(wire), filters).into()
}
