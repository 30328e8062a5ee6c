//! How much of a subscription's stream the application has not taken yet.

use crate::backlog::Untaken;
use crate::event::{Gap, GapCause, Item};

/// Items that must never be lost get in beyond the bound; what bounds them is said at each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weight {
    /// Counted against the bound; skipped, and told as a gap, when there is no room.
    Event,
    /// Told again by the next one of its kind: dropped when there is no room, up to [`HEADROOM`] more.
    News,
    /// As often as the application itself calls: EOSE once per generation, end once, resolved twice per publish.
    Always,
}

/// Room beyond the bound for leg changes and gaps, so that they are not crowded out by events.
const HEADROOM: usize = 256;

/// The bound of one subscription's queue. The items themselves are with the driver.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    items: usize,
    bytes: usize,
    max_items: usize,
    max_bytes: usize,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Events get in.
    Open,
    /// There was no room for one: the next ones are skipped, too, until half of it is free.
    Overflowing {
        /// So many were.
        skipped: u64,
        /// So many of them can't be asked for again.
        lost: u64,
    },
}

impl Queue {
    pub(crate) fn new(max_items: usize, max_bytes: usize) -> Self {
        Self { items: 0, bytes: 0, max_items: max_items.max(1), max_bytes, state: State::Open }
    }

    /// Whether the item goes out. An event that does not is counted, and told once there is room. `all`: what all queues
    /// hold.
    pub(crate) fn admit(&mut self, item: &Item, all: &mut Untaken) -> bool {
        let bytes = item.bytes();
        let fits = match weight(item) {
            Weight::Event => {
                !self.is_overflowing()
                    && !all.is_beyond()
                    && self.items < self.max_items
                    && (self.items == 0 || self.bytes.saturating_add(bytes) <= self.max_bytes)
            }
            Weight::News => self.items < self.max_items + HEADROOM,
            Weight::Always => true,
        };
        if fits {
            self.items += 1;
            self.bytes = self.bytes.saturating_add(bytes);
            all.add(bytes);
        } else if !matches!(item, Item::Leg { .. }) {
            // A pending event is not shown again, and news is not asked for: only an event may turn out not to be lost.
            self.skip(!matches!(item, Item::Event(_)));
        }
        fits
    }

    fn skip(&mut self, lost: bool) {
        let (skipped, before) = match self.state {
            State::Open => (0, 0),
            State::Overflowing { skipped, lost } => (skipped, lost),
        };
        self.state = State::Overflowing { skipped: skipped + 1, lost: before + u64::from(lost) };
    }

    /// An event that was skipped can't be asked for again.
    pub(crate) fn lose(&mut self) {
        if let State::Overflowing { lost, .. } = &mut self.state {
            *lost += 1;
        }
    }

    pub(crate) fn is_overflowing(&self) -> bool {
        matches!(self.state, State::Overflowing { .. })
    }

    /// The application took items.
    pub(crate) fn taken(&mut self, items: usize, bytes: usize, all: &mut Untaken) {
        let bytes = bytes.min(self.bytes);
        self.items = self.items.saturating_sub(items);
        self.bytes -= bytes;
        all.remove(bytes);
    }

    /// Whether half of it is free, and all together hold no more than they may: there is room for what is asked for again.
    pub(crate) fn has_room(&self, all: &Untaken) -> bool {
        self.items <= self.max_items / 2 && self.bytes <= self.max_bytes / 2 && !all.is_beyond()
    }

    /// If it overflows, and half of it is free: the gap to tell. It is open again.
    pub(crate) fn relieve(&mut self, all: &Untaken) -> Option<Gap> {
        if self.has_room(all) { self.last_gap() } else { None }
    }

    /// The gap that has not been told yet. It is open again.
    pub(crate) fn last_gap(&mut self) -> Option<Gap> {
        let State::Overflowing { skipped, lost } = core::mem::replace(&mut self.state, State::Open) else {
            return None;
        };
        Some(Gap { relay: None, since: None, until: None, cause: GapCause::QueueFull { skipped, lost } })
    }

    /// The subscription has ended: what was not taken is its application's affair.
    pub(crate) fn leave(&mut self, all: &mut Untaken) {
        all.remove(core::mem::take(&mut self.bytes));
    }
}

fn weight(item: &Item) -> Weight {
    match item {
        Item::Event(_) | Item::Pending(_) => Weight::Event,
        Item::Eose(_)
        | Item::Resolved { .. }
        | Item::End(_)
        | Item::Gap(Gap { cause: GapCause::QueueFull { .. }, .. }) => Weight::Always,
        Item::Leg { .. } | Item::Gap(_) | Item::Rejected { .. } | Item::Notice { .. } => Weight::News,
    }
}

#[cfg(test)]
mod tests {
    use nostr_proto::EventId;

    use super::*;
    use crate::event::{PendingOutcome, Verdict};

    fn news() -> Item {
        Item::Gap(Gap { relay: None, since: None, until: None, cause: GapCause::Disconnected })
    }

    #[test]
    fn news_is_bounded_and_what_was_skipped_is_told_when_half_is_taken() {
        let (mut q, mut all) = (Queue::new(4, 1 << 20), Untaken::default());
        let admitted = (0..1_000).filter(|_| q.admit(&news(), &mut all)).count();
        assert_eq!(admitted, 4 + HEADROOM);
        q.taken(admitted - 3, 0, &mut all);
        assert_eq!(q.relieve(&all), None);
        q.taken(1, 1 << 20, &mut all);
        let missed = 1_000 - admitted as u64;
        assert_eq!(q.relieve(&all).unwrap().cause, GapCause::QueueFull { skipped: missed, lost: missed });
        q.taken(2, 0, &mut all);
        assert_eq!(q.relieve(&all), None, "told once");
    }

    #[test]
    fn what_the_application_asked_for_is_never_skipped() {
        let (mut q, mut all) = (Queue::new(1, 1), Untaken::new(0));
        let resolved = Item::Resolved {
            event: EventId::from_bytes([0; 32]),
            outcome: PendingOutcome::Published(Verdict::Reached),
            back_to: None,
        };
        assert!((0..1_000).all(|_| q.admit(&resolved, &mut all)));
        q.leave(&mut all);
        assert!(!all.is_beyond(), "what an ended subscription left is no longer counted");
    }
}
