//! What waits to be sent to one relay.

use alloc::collections::{BTreeSet, VecDeque};
use core::time::Duration;

use crate::config::Config;
use crate::ids::{CountId, PublishId, SubId, WireId};
use crate::time::Instant;

use super::pace::Pace;

/// What goes out next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    Event(PublishId),
    Ask,
    Count(CountId),
    Page(SubId),
}

/// Intentions, not frames: they are encoded when the socket has room, so that what was overtaken is never sent. Each
/// subscription and each publish stands here once at most. All of it is void when the connection is lost.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    /// Requests to close. Never held up by a pause or a pace. At most one per request that was sent, and one stray a second.
    pub(crate) closes: VecDeque<WireId>,
    pub(crate) events: BTreeSet<PublishId>,
    /// Counts to be asked for.
    pub(crate) counts: BTreeSet<CountId>,
    /// Subscriptions that are owed something, and to be sent a page of it.
    pub(crate) pages: BTreeSet<SubId>,
    pace: Pace,
    /// Whether it is the requests' turn, where messages go one by one.
    asks_next: bool,
    last_stray: Option<Instant>,
}

impl Lanes {
    /// Forgets what waits. The pace stays: a new connection does not make the relay less busy.
    pub(crate) fn clear(&mut self) {
        self.closes.clear();
        self.events.clear();
        self.counts.clear();
        self.pages.clear();
        self.last_stray = None;
    }

    /// The relay said `rate-limited`: REQs and EVENTs wait, and then go out one by one.
    pub(crate) fn refused(&mut self, config: &Config, now: Instant) {
        self.pace.refused(config, now);
    }

    /// The relay took something.
    pub(crate) fn went_well(&mut self, config: &Config, now: Instant) {
        self.pace.taken(config, now);
    }

    /// A REQ or an EVENT went out.
    pub(crate) fn sent(&mut self, now: Instant) {
        self.pace.sent(now);
    }

    pub(crate) fn is_held(&self, now: Instant) -> bool {
        self.pace.held_until(now).is_some()
    }

    /// When something that waits may go, if it is held up. `asks`: REQs wait, too.
    pub(crate) fn wake(&self, asks: bool, now: Instant) -> Option<Instant> {
        let waits = asks || !self.events.is_empty() || !self.counts.is_empty() || !self.pages.is_empty();
        self.pace.held_until(now).filter(|_| waits)
    }

    /// The next EVENT or REQ, where `ask` tells whether one of those may be sent, `count` is the next COUNT and `page` the next
    /// page. EVENTs go first; where they go one by one, they take turns with the REQs. COUNTs go when neither waits, and pages
    /// when nothing else does.
    pub(crate) fn next(&self, ask: bool, count: Option<CountId>, page: Option<SubId>) -> Option<Turn> {
        let asks_first = self.pace.is_slow() && self.asks_next;
        let ask = ask.then_some(Turn::Ask);
        let event = self.events.first().copied().map(Turn::Event);
        let turn = if asks_first { ask.or(event) } else { event.or(ask) };
        turn.or(count.map(Turn::Count)).or(page.map(Turn::Page))
    }

    /// It goes out now.
    pub(crate) fn take(&mut self, turn: Turn) {
        match turn {
            Turn::Event(publish) => drop(self.events.remove(&publish)),
            Turn::Ask => {}
            Turn::Count(count) => drop(self.counts.remove(&count)),
            Turn::Page(sub) => drop(self.pages.remove(&sub)),
        }
        self.asks_next = matches!(turn, Turn::Event(_));
    }

    /// An event came for a request that was closed: CLOSE is said once more, but not for every straggler.
    pub(crate) fn close_stray(&mut self, wire: WireId, now: Instant) {
        const BETWEEN: Duration = Duration::from_secs(1);
        const MOST: usize = 64;
        if self.closes.len() < MOST && self.last_stray.is_none_or(|at| at + BETWEEN <= now) {
            self.last_stray = Some(now);
            self.closes.push_back(wire);
        }
    }
}
