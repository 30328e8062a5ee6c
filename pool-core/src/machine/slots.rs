//! The sockets that the pool may have at once: who has one, who waits for one, and who makes room.

use alloc::collections::{BTreeMap, BTreeSet};
use core::time::Duration;

use crate::connection::Connection;
use crate::ids::{RelayIx, SubId};
use crate::planted::planted;
use crate::record::ConnectionState;
use crate::time::Instant;
use crate::timers::TimerKey;

use super::Core;

/// Where a relay stands in the contest for sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seat {
    /// It has no socket and waits for none.
    Outside,
    /// It waits.
    Waiting,
    /// Its socket is open, and nobody needs it: it can go at once.
    Idle(Instant),
    /// Its socket is being dialled, for one-shot needs or none.
    Arriving,
    /// Its socket is open since then, for one-shot needs: it can go when it had its turn.
    OneShot(Instant),
    /// Its socket is going.
    Leaving,
    /// Its socket stays.
    Standing,
}

/// Who needs a relay, its publishes apart. A fetch that waits or runs is a *one-shot* need, like a publish; a live
/// subscription that waits or runs is a *standing* one.
#[derive(Debug, Default)]
pub(super) struct Needs {
    standing: BTreeSet<SubId>,
    one_shot: BTreeSet<SubId>,
}

impl Needs {
    /// Notes what a subscription needs; `None`: nothing.
    fn note(&mut self, sub: SubId, standing: Option<bool>) {
        let set = |set: &mut BTreeSet<SubId>, is_in| if is_in { set.insert(sub) } else { set.remove(&sub) };
        set(&mut self.standing, standing == Some(true));
        set(&mut self.one_shot, standing == Some(false));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.standing.is_empty() && self.one_shot.is_empty()
    }

    pub(super) fn is_standing(&self) -> bool {
        !self.standing.is_empty()
    }
}

/// Books that are kept in step with the connections, so that nothing has to be searched for.
#[derive(Debug, Default)]
pub(super) struct Slots {
    seats: BTreeMap<RelayIx, (Seat, u64)>,
    /// Those that wait, the longest first.
    waiting: BTreeMap<u64, RelayIx>,
    next_place: u64,
    idle: BTreeSet<(Instant, RelayIx)>,
    one_shot: BTreeSet<(Instant, RelayIx)>,
    arriving: usize,
    leaving: usize,
    standing: usize,
    /// Whether `fill_slots` is at work: it is not begun anew by what it does.
    filling: bool,
}

impl Slots {
    /// Sockets being dialled, open or closing.
    pub(super) fn sockets(&self) -> usize {
        self.idle.len() + self.one_shot.len() + self.arriving + self.leaving + self.standing
    }

    /// Whether there are sockets that are going, or can go before long.
    fn coming(&self) -> bool {
        self.sockets() > self.standing
    }

    /// Whether more sockets are there than relays that wait before this one.
    fn suffice(&self, sockets: usize, ix: RelayIx) -> bool {
        let place = match self.seats.get(&ix) {
            Some((Seat::Waiting, place)) => *place,
            _ => u64::MAX,
        };
        self.waiting.range(..place).take(sockets).count() < sockets
    }

    /// A relay stands elsewhere now. One that goes on waiting keeps its place.
    pub(super) fn sit(&mut self, ix: RelayIx, seat: Seat) {
        let old = self.seats.get(&ix).copied();
        if old.is_some_and(|(old, _)| old == seat) {
            return;
        }
        if let Some((seat, place)) = old {
            match seat {
                Seat::Outside => {}
                Seat::Waiting => drop(self.waiting.remove(&place)),
                Seat::Idle(since) => drop(self.idle.remove(&(since, ix))),
                Seat::OneShot(since) => drop(self.one_shot.remove(&(since, ix))),
                Seat::Arriving => self.arriving -= 1,
                Seat::Leaving => self.leaving -= 1,
                Seat::Standing => self.standing -= 1,
            }
        }
        match seat {
            Seat::Outside => {
                self.seats.remove(&ix);
                return;
            }
            Seat::Waiting => {
                self.next_place += 1;
                self.waiting.insert(self.next_place, ix);
            }
            Seat::Idle(since) => drop(self.idle.insert((since, ix))),
            Seat::OneShot(since) => drop(self.one_shot.insert((since, ix))),
            Seat::Arriving => self.arriving += 1,
            Seat::Leaving => self.leaving += 1,
            Seat::Standing => self.standing += 1,
        }
        self.seats.insert(ix, (seat, self.next_place));
    }
}

impl Core {
    /// Whether this relay may open a socket now, and whether one is coming that it can wait for. That may take turns, if
    /// others wait before it; requests have their deadlines, and are not told that there is none.
    pub(super) fn slots_for(&self, ix: RelayIx) -> (bool, bool) {
        let own = usize::from(self.relays.get(&ix).is_some_and(|r| r.conn.has_socket()));
        let mut sockets = self.slots.sockets().saturating_sub(own);
        if planted!(self.config, CapIgnoresDialing) {
            let dialing = self.relays.values().filter(|r| r.conn.state() == ConnectionState::Dialing).count();
            sockets = sockets.saturating_sub(dialing);
        }
        let free = self.config.max_connections.saturating_sub(sockets);
        let is_free = self.slots.suffice(free, ix);
        (is_free, is_free || free > 0 || self.slots.coming())
    }

    /// What a subscription needs of a relay may have changed.
    pub(super) fn note_need(&mut self, ix: RelayIx, id: SubId) {
        let sub = self.subs.get(&id);
        let needs = sub.and_then(|s| s.legs.get(&ix)).is_some_and(|(_, leg)| leg.needs_connection());
        let standing = sub.filter(|_| needs).map(|sub| sub.is_standing());
        let Some(relay) = self.relays.get_mut(&ix) else { return };
        relay.needs.note(id, standing);
        self.seat(ix);
    }

    /// Brings the books on a relay up to date.
    pub(super) fn seat(&mut self, ix: RelayIx) {
        let Some(relay) = self.relays.get(&ix) else {
            self.slots.sit(ix, Seat::Outside);
            return;
        };
        let (wanted, standing) = (self.is_wanted(ix), relay.keep || relay.needs.is_standing());
        let seat = match relay.conn.state() {
            ConnectionState::WaitingForSlot => Seat::Waiting,
            ConnectionState::Closing if relay.conn.is_leaving() => Seat::Leaving,
            ConnectionState::Closing => Seat::Standing,
            ConnectionState::Dialing | ConnectionState::Open if wanted && standing => Seat::Standing,
            ConnectionState::Dialing => Seat::Arriving,
            ConnectionState::Open => match (relay.conn.idle_since(), relay.conn.open_since()) {
                (Some(since), _) if !wanted => Seat::Idle(since),
                (_, Some(since)) => Seat::OneShot(since),
                (_, None) => Seat::Standing,
            },
            ConnectionState::Idle
            | ConnectionState::Backoff { .. }
            | ConnectionState::Quarantined { .. }
            | ConnectionState::Disabled => Seat::Outside,
        };
        self.slots.sit(ix, seat);
    }

    /// Gives free sockets to the relays that wait for one, the longest first; where there is none, connections make room:
    /// idle ones at once, the longest idle first, then one-shot ones that had their turn, the oldest first.
    pub(super) fn fill_slots(&mut self) {
        if core::mem::replace(&mut self.slots.filling, true) {
            return;
        }
        while let Some((&place, &ix)) = self.slots.waiting.first_key_value() {
            if self.slots.sockets() < self.config.max_connections {
                self.review(ix);
                if self.slots.waiting.contains_key(&place) {
                    break;
                }
            } else if self.slots.waiting.len() > self.slots.leaving
                && let Some(ix) = self.next_to_go()
            {
                self.drive(ix, Connection::yield_slot);
            } else {
                break;
            }
        }
        self.slots.filling = false;
        let in_want = self.slots.waiting.len() > self.slots.leaving;
        let turn = if planted!(self.config, OneShotHogs) { None } else { self.slots.one_shot.first() };
        let at = turn.filter(|_| in_want).map(|(since, _)| *since + self.turn());
        self.arm(TimerKey::Slots, at);
    }

    fn next_to_go(&self) -> Option<RelayIx> {
        let (idle, one_shot) = (self.slots.idle.first(), self.slots.one_shot.first());
        let due = one_shot.filter(|(since, _)| *since + self.turn() <= self.now.mono);
        let due = due.filter(|_| !planted!(self.config, OneShotHogs));
        idle.or(due).map(|(_, ix)| *ix)
    }

    /// A turn of nothing would make connections come and go without an answer.
    fn turn(&self) -> Duration {
        self.config.one_shot_turn.max(Duration::from_secs(1))
    }

    /// The books, against what they are about, where that is quickly done.
    #[cfg(any(test, feature = "planted-bugs"))]
    pub(super) fn audit(&self) {
        // With many, it would be most of what a test measures.
        if self.relays.len() > 100 || self.subs.len() > 100 {
            return;
        }
        let sockets = self.relays.values().filter(|r| r.conn.has_socket()).count();
        assert_eq!(self.slots.sockets(), sockets, "sockets are counted right");
        for (&ix, relay) in &self.relays {
            let seat = self.slots.seats.get(&ix).map(|(seat, _)| *seat);
            let waits = relay.conn.state() == ConnectionState::WaitingForSlot;
            assert_eq!(seat == Some(Seat::Waiting), waits, "who waits is in the queue");
            let leg = |sub: &SubId| {
                let (sub, leg) = self.subs.get(sub).and_then(|s| Some((s, &s.legs.get(&ix)?.1)))?;
                leg.needs_connection().then(|| sub.is_standing())
            };
            for sub in relay.legs.iter().chain(&relay.needs.standing).chain(&relay.needs.one_shot) {
                let noted = (relay.needs.standing.contains(sub), relay.needs.one_shot.contains(sub));
                assert_eq!(noted, (leg(sub) == Some(true), leg(sub) == Some(false)), "what {sub} needs is noted");
            }
        }
        self.audit_index();
        assert!(self.slots.seats.keys().all(|ix| self.relays.contains_key(ix)), "seats are of relays that are there");
    }
}
