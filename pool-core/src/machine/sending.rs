//! What goes out, and when: a relay's lanes are emptied while its socket has room and the relay wants to hear.

use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;

use nostr_proto::{Filter, Timestamp, encode};

use crate::ids::{PublishId, RelayIx, SocketId, SubId, WireId};
use crate::input::CloseReason;
use crate::plan::Role;
use crate::planted::planted;
use crate::time::Now;
use crate::timers::TimerKey;

use super::Core;
use super::lanes::Turn;

impl Core {
    /// Tells requests of a relay what became of them, one after another: until the last one knows, nothing takes the place of any.
    pub(super) fn telling(&mut self, ix: RelayIx, tell: impl FnOnce(&mut Self)) {
        let before = self.telling.replace(ix);
        tell(self);
        self.telling = before;
        self.asking.insert(ix);
    }

    /// Sends what can be sent: AUTH first, for others wait for it; CLOSE, for it makes room; then EVENTs, then REQs,
    /// then COUNTs, then pages.
    pub(super) fn pump(&mut self, ix: RelayIx) {
        if self.telling == Some(ix) {
            self.asking.insert(ix);
            return;
        }
        self.form_anew(ix);
        self.pump_on(ix);
    }

    /// Nothing has changed since then but that the socket has room: what was formed may go out.
    pub(super) fn pump_on(&mut self, ix: RelayIx) {
        let now = self.now.mono;
        while let Some(relay) = self.relays.get_mut(&ix)
            && let Some(socket) = relay.conn.sendable(&self.config)
        {
            if relay.auth.is_ready() {
                self.send_auth(ix, socket);
                continue;
            }
            if let Some(wire) = relay.lanes.closes.pop_front() {
                let name = wire.text(relay.plan.name);
                self.send_frame(ix, socket, encode::close(&name).into());
                continue;
            }
            if relay.lanes.is_held(now) {
                break;
            }
            let sent = match self.next_turn(ix) {
                Some(Turn::Event(publish)) => self.send_event(ix, socket, publish),
                Some(Turn::Ask) => self.send_ask(ix, socket),
                Some(Turn::Count(count)) => self.send_count(ix, socket, count),
                Some(Turn::Page(sub)) => self.send_page(ix, socket, sub),
                None if self.make_room(ix) => {
                    self.form_anew(ix);
                    continue;
                }
                None => break,
            };
            if sent && let Some(relay) = self.relays.get_mut(&ix) {
                relay.lanes.sent(now);
            }
        }
        if self.relays.get(&ix).is_some_and(|relay| relay.conn.sendable(&self.config).is_some()) {
            self.form_anew(ix);
        }
        let wakes = |relay| [self.size_wake(relay), self.plan_wake(relay)];
        let wake = self.relays.get(&ix).and_then(|relay| {
            let wakes = wakes(relay).into_iter().flatten();
            relay.lanes.wake(relay.plan.asks_for_more(), now).into_iter().chain(wakes).min()
        });
        self.arm(TimerKey::Lanes(ix), wake);
    }

    /// Who waits, or for what, may have changed.
    pub(super) fn form_anew(&mut self, ix: RelayIx) {
        if let Some(relay) = self.relays.get_mut(&ix) {
            (relay.next_ask, relay.formed) = (None, None);
        }
    }

    /// What goes out next, if its turn has come: an EVENT that the connection may end over is sent alone, and REQs do not
    /// pass it, for it might wait for ever.
    fn next_turn(&mut self, ix: RelayIx) -> Option<Turn> {
        let (ask, count, page) = (self.next_ask(ix), self.next_count(ix), self.next_page(ix));
        let is_due = ask.is_some();
        let relay = self.relays.get_mut(&ix)?;
        relay.next_ask = ask;
        let turn = relay.lanes.next(is_due, count, page)?;
        let admitted = match turn {
            Turn::Event(publish) => {
                let doubted = self.publishes.get(&publish).is_some_and(|p| p.is_doubted(ix));
                relay.trial.admits_event(doubted, &self.config, self.now.mono)
            }
            Turn::Ask | Turn::Count(_) | Turn::Page(_) => {
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
        let live = self.role(sub) == Role::Live;
        let Some(relay) = self.relays.get_mut(&ix).filter(|relay| relay.conn.open_socket().is_some()) else { return };
        relay.plan.waiting.add(sub, live, self.now.mono);
        self.asking.insert(ix);
    }

    /// What became due in this call into the core is asked for, grouped.
    pub(super) fn ask_together(&mut self) {
        while let Some(ix) = self.asking.pop_first() {
            self.pump(ix);
            self.tell_waiting(ix);
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

    /// A running request is over for us, and nothing is to be sent yet.
    pub(super) fn release_wire(&mut self, ix: RelayIx, wire: WireId) {
        let Some(relay) = self.relays.get_mut(&ix) else { return };
        #[cfg(feature = "planted-bugs")]
        let early = if planted!(self.config, ClosedForOthers) { relay.plan.reqs_of(wire) } else { Vec::new() };
        let closes = relay.plan.leaves(wire).into_iter();
        #[cfg(feature = "planted-bugs")]
        let closes = closes.chain(early).collect::<BTreeSet<WireId>>();
        for name in closes {
            relay.vitals.forget_request(name);
            if relay.conn.open_socket().is_some() {
                relay.lanes.closes.push_back(name);
            }
        }
    }

    /// A REQ has done its duty.
    pub(super) fn close_req(&mut self, ix: RelayIx, name: WireId) {
        let Some(relay) = self.relays.get_mut(&ix) else { return };
        relay.vitals.forget_request(name);
        if relay.plan.close(name) && relay.conn.open_socket().is_some() {
            relay.lanes.closes.push_back(name);
        }
        self.pump(ix);
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
        relay.plan.name = relay.plan.budget.name();
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
            self.enqueue_ask(ix, id);
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
        let Some(holds) = self.relays.get(&ix).map(|relay| self.holds(relay)) else { return };
        let Some(relay) = self.relays.get_mut(&ix) else { return };
        let subs = relay.plan.waiting.untold_of(holds);
        let Some(relay) = self.relays.get(&ix) else { return };
        let waiting: Vec<_> = subs.into_iter().map(|sub| (sub, self.why_waiting(relay, sub))).collect();
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
        relay.plan.disconnected();
        (relay.next_ask, relay.formed) = (None, None);
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

/// A REQ, its name cut to what the relay takes.
pub(super) fn request(wire: WireId, most: usize, filters: &[Filter]) -> Arc<str> {
    encode::req(&wire.text(most), filters).into()
}
