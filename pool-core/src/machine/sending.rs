//! What goes out, and when: a relay's lanes are emptied while its socket has room and the relay wants to hear.

use alloc::sync::Arc;
use alloc::vec::Vec;

use nostr_proto::{Filter, Timestamp, encode};

use crate::ids::{PublishId, RelayIx, SocketId, SubId, WireId};
use crate::timers::TimerKey;

use super::Core;

impl Core {
    /// Sends what can be sent: AUTH first, for others wait for it; CLOSE, for it makes room; then EVENTs, then REQs.
    pub(super) fn pump(&mut self, ix: RelayIx) {
        let now = self.now.mono;
        while let Some(relay) = self.relays.get_mut(&ix) {
            let Some(socket) = relay.conn.sendable(&self.config) else { return };
            if let Some(frame) = self.take_auth_frame(ix) {
                self.send_frame(ix, socket, frame);
                continue;
            }
            let Some(relay) = self.relays.get_mut(&ix) else { return };
            if let Some(wire) = relay.lanes.closes.pop_front() {
                self.send_frame(ix, socket, encode::close(&wire_text(wire)).into());
            } else if relay.lanes.is_held(now) {
                return;
            } else if let Some(publish) = relay.lanes.events.pop_first() {
                self.send_event(ix, socket, publish);
            } else if let Some(sub) = self.next_ask(ix) {
                self.send_request(ix, socket, sub);
            } else {
                return;
            }
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
        self.wires.remove(&(ix, wire));
        let Some(relay) = self.relays.get_mut(&ix) else { return };
        if relay.conn.open_socket().is_some() {
            relay.lanes.closes.push_back(wire);
            self.pump(ix);
        }
    }

    /// The relay asked for a pause.
    pub(super) fn pause_lanes(&mut self, ix: RelayIx) {
        let now = self.now.mono;
        let Some(relay) = self.relays.get_mut(&ix) else { return };
        relay.lanes.pause(&self.config, now);
        let until = relay.lanes.held_until;
        self.arm(TimerKey::Lanes(ix), until);
    }

    pub(super) fn on_pause_over(&mut self, ix: RelayIx) {
        self.pump(ix);
    }

    fn send_event(&mut self, ix: RelayIx, socket: SocketId, publish: PublishId) {
        let mut frame = None;
        let Some(under) = self.relays.get(&ix).map(|relay| relay.auth.epoch()) else { return };
        self.on_publish(publish, |p, config, now, fx| {
            frame = p.send(ix, config, now, fx);
            p.sent_under(ix, under);
        });
        if let Some(frame) = frame {
            self.send_frame(ix, socket, frame);
        }
    }

    fn send_request(&mut self, ix: RelayIx, socket: SocketId, sub: SubId) {
        let wire = WireId(self.next_wire);
        let Some(auth) = self.relays.get(&ix).map(|relay| &relay.auth) else { return };
        let Some(s) = self.subs.get_mut(&sub) else { return };
        s.ask_under(ix, auth.epoch(), auth.known_as());
        let Some(filters) = s.ask(ix, wire, &self.config, self.now, &mut self.fx) else { return };
        self.next_wire += 1;
        self.wires.insert((ix, wire), sub);
        self.send_frame(ix, socket, request(wire, &filters));
        self.sync_sub(sub);
    }

    fn send_frame(&mut self, ix: RelayIx, socket: SocketId, frame: Arc<str>) {
        if let Some(relay) = self.relays.get_mut(&ix) {
            relay.conn.spend(frame.len());
            self.fx.send(socket, frame);
        }
    }

    /// A connection is open: everything that waits for it is due.
    pub(super) fn on_up(&mut self, ix: RelayIx) {
        self.on_auth_opened(ix);
        let may_authenticate = self.may_authenticate(ix);
        let Some(relay) = self.relays.get_mut(&ix) else { return };
        relay.lanes.asks = relay.legs.clone();
        for sub in &relay.legs {
            if let Some(sub) = self.subs.get_mut(sub) {
                sub.reconnected(ix, &mut self.fx);
                if may_authenticate {
                    sub.reopen_unknown(ix, &mut self.fx);
                }
            }
        }
        let publishes: Vec<PublishId> = relay.publishes.iter().copied().collect();
        for publish in publishes {
            self.enqueue_event(ix, publish);
        }
        self.pump(ix);
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
        let legs: Vec<SubId> = relay.legs.iter().copied().collect();
        let publishes: Vec<PublishId> = relay.publishes.iter().copied().collect();
        for sub in legs {
            let Some(s) = self.subs.get_mut(&sub) else { continue };
            if let Some(wire) = s.leg(ix).and_then(|leg| leg.wire()) {
                self.wires.remove(&(ix, wire));
            }
            s.disconnected(ix, proven, promising, &mut self.fx);
            self.sync_sub(sub);
        }
        for publish in publishes {
            self.on_publish(publish, |p, config, _, fx| p.disconnected(ix, config, fx));
        }
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
    }
}

fn wire_text(wire: WireId) -> alloc::string::String {
    alloc::format!("{wire}")
}

fn request(wire: WireId, filters: &[Filter]) -> Arc<str> {
    encode::req(&wire_text(wire), filters).into()
}
