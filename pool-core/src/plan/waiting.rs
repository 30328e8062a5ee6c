//! Who waits to be asked at one relay, and in which order.
//!
//! Live subscriptions and what passes wait apart, each in the order in which they came, so that looking for whoever is next does
//! not take longer the more of them wait.

use alloc::boxed::Box;
use alloc::collections::btree_map::Entry;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use crate::ids::SubId;
use crate::time::Instant;

use super::Role;

/// Where one stands.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// Lower is earlier.
    nth: u64,
    since: Instant,
    live: bool,
    /// How many REQs it takes, as far as is known.
    reqs: usize,
}

/// What all that wait at a relay wait for, as far as it is the same for all of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Holds {
    /// For an authentication: everybody, and those that ask for what is private.
    pub(crate) auth: (bool, bool),
    pub(crate) pause: bool,
    pub(crate) turn: bool,
    /// There is room for another live REQ, and for one that passes.
    pub(crate) room: (bool, bool),
    pub(crate) gathers: bool,
}

/// See the module. Each subscription stands here once at most.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    places: BTreeMap<SubId, Place>,
    live: BTreeMap<u64, SubId>,
    passing: BTreeMap<u64, SubId>,
    next: u64,
    /// Those that take more than one REQ.
    long: BTreeSet<SubId>,
    /// Until when live ones are not looked at again, the first of which takes more than this room; boxed, for few ever do.
    rests: Option<Box<(Instant, usize)>>,
    /// When something that waits is to be sent together with others.
    pub(crate) gathers_until: Option<Instant>,
    /// What was told of those that wait; and who is not among them yet.
    told: Option<Holds>,
    untold: BTreeSet<SubId>,
}

impl Waiting {
    pub(crate) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// It waits since then, if it did not before.
    pub(crate) fn add(&mut self, sub: SubId, live: bool, now: Instant) {
        self.gathers_until = None;
        self.untold.insert(sub);
        if let Entry::Vacant(entry) = self.places.entry(sub) {
            let nth = self.next;
            self.next += 1;
            entry.insert(Place { nth, since: now, live, reqs: 1 });
            let queue = if live { &mut self.live } else { &mut self.passing };
            queue.insert(nth, sub);
        }
    }

    /// It waits no more.
    pub(crate) fn remove(&mut self, sub: SubId) {
        if let Some(place) = self.places.remove(&sub) {
            let queue = if place.live { &mut self.live } else { &mut self.passing };
            queue.remove(&place.nth);
            if self.long.remove(&sub) {
                self.rests = None;
            }
            self.untold.remove(&sub);
        }
    }

    fn queue(&self, role: Role) -> &BTreeMap<u64, SubId> {
        if role == Role::Live { &self.live } else { &self.passing }
    }

    /// Those of a kind, the longest waiting first.
    pub(crate) fn of(&self, role: Role) -> impl Iterator<Item = SubId> {
        self.queue(role).values().copied()
    }

    /// The kinds that wait; that of whoever waits longest first.
    pub(crate) fn roles(&self) -> Vec<Role> {
        let first = |role: Role| self.queue(role).keys().next().map(|nth| (*nth, role));
        let mut roles: Vec<(u64, Role)> = [Role::Live, Role::Passing].into_iter().filter_map(first).collect();
        roles.sort_unstable_by_key(|(nth, _)| *nth);
        roles.into_iter().map(|(_, role)| role).collect()
    }

    /// Its place, lower is earlier, and since when it waits.
    pub(crate) fn place(&self, sub: SubId) -> Option<(u64, Instant)> {
        self.places.get(&sub).map(|place| (place.nth, place.since))
    }

    /// It takes so many REQs, more than there was room for.
    pub(crate) fn takes(&mut self, sub: SubId, reqs: usize) {
        if let Some(place) = self.places.get_mut(&sub) {
            place.reqs = reqs;
            self.long.insert(sub);
            self.untold.insert(sub);
        }
    }

    /// The first live one takes more than so much room.
    pub(crate) fn rest(&mut self, room: usize, until: Instant) {
        self.rests = Some(Box::new((until, room)));
    }

    /// Whether there is no more room for live ones than was not enough a moment ago.
    pub(crate) fn rests(&self, room: usize, now: Instant) -> bool {
        self.rests.as_ref().is_some_and(|rests| now < rests.0 && room <= rests.1)
    }

    /// When live ones are looked at again, if they are not now.
    pub(crate) fn rests_until(&self) -> Option<Instant> {
        self.rests.as_ref().map(|rests| rests.0).filter(|_| !self.live.is_empty())
    }

    /// How many REQs it is known to take.
    pub(crate) fn reqs_for(&self, sub: SubId) -> usize {
        self.places.get(&sub).map_or(1, |place| place.reqs)
    }

    /// Whether one of a kind takes more REQs than so many.
    pub(crate) fn lacks(&self, role: Role, room: usize) -> bool {
        let long = || self.long.iter().filter_map(|sub| self.places.get(sub));
        !self.queue(role).is_empty() && (room == 0 || long().any(|p| p.live == (role == Role::Live) && p.reqs > room))
    }

    /// Of whom it is to be told what they wait for: of all if that changed, else of those that are new.
    pub(crate) fn untold_of(&mut self, holds: Holds) -> Vec<SubId> {
        let untold = core::mem::take(&mut self.untold);
        if self.told.replace(holds) == Some(holds) {
            untold.union(&self.long).copied().collect()
        } else {
            self.places.keys().copied().collect()
        }
    }
}
