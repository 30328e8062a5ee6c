//! How much of a subscription's stream the application has not taken yet.

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
    skipped: u64,
}

impl Queue {
    pub(crate) fn new(max_items: usize, max_bytes: usize) -> Self {
        Self { items: 0, bytes: 0, max_items: max_items.max(1), max_bytes, skipped: 0 }
    }

    /// Whether the item goes out. One that does not is counted, and told once there is room.
    pub(crate) fn admit(&mut self, item: &Item) -> bool {
        let bytes = item.bytes();
        let fits = match weight(item) {
            Weight::Event => {
                self.skipped == 0
                    && self.items < self.max_items
                    && (self.items == 0 || self.bytes.saturating_add(bytes) <= self.max_bytes)
            }
            Weight::News => self.items < self.max_items + HEADROOM,
            Weight::Always => true,
        };
        if fits {
            self.items += 1;
            self.bytes = self.bytes.saturating_add(bytes);
        } else if !matches!(item, Item::Leg { .. }) {
            self.skipped += 1;
        }
        fits
    }

    /// The application took items. Tells of a gap once the queue is half empty.
    pub(crate) fn taken(&mut self, items: usize, bytes: usize) -> Option<Gap> {
        self.items = self.items.saturating_sub(items);
        self.bytes = self.bytes.saturating_sub(bytes);
        if self.items <= self.max_items / 2 && self.bytes <= self.max_bytes / 2 { self.gap() } else { None }
    }

    /// Whether what is asked for in pages has room.
    pub(crate) fn is_half_empty(&self) -> bool {
        self.skipped == 0 && self.items <= self.max_items / 2 && self.bytes <= self.max_bytes / 2
    }

    /// The gap that has not been told yet.
    pub(crate) fn gap(&mut self) -> Option<Gap> {
        let skipped = core::mem::take(&mut self.skipped);
        (skipped > 0).then_some(Gap {
            relay: None,
            since: None,
            until: None,
            cause: GapCause::QueueFull { skipped, lost: 0 },
        })
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
        let mut q = Queue::new(4, 1 << 20);
        let admitted = (0..1_000).filter(|_| q.admit(&news())).count();
        assert_eq!(admitted, 4 + HEADROOM);
        assert_eq!(q.taken(admitted - 3, 0), None);
        let gap = q.taken(1, 1 << 20).unwrap();
        assert_eq!(gap.cause, GapCause::QueueFull { skipped: 1_000 - admitted as u64, lost: 0 });
        assert_eq!(q.taken(2, 0), None, "told once");
    }

    #[test]
    fn what_the_application_asked_for_is_never_skipped() {
        let mut q = Queue::new(1, 1);
        let resolved = Item::Resolved {
            event: EventId::from_bytes([0; 32]),
            outcome: PendingOutcome::Published(Verdict::Reached),
            back_to: None,
        };
        assert!((0..1_000).all(|_| q.admit(&resolved)));
    }
}
