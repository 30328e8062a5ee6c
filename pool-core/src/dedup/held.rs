//! Verified events kept at hand, for a subscription that still needs one whose copies were dropped.

use alloc::collections::VecDeque;

use nostr_proto::{EventId, VerifiedEvent};

use crate::map::Map;

/// Bounded in bytes; the oldest makes room. An event larger than the whole bound is not kept.
#[derive(Debug)]
pub(crate) struct Held {
    events: Map<EventId, VerifiedEvent>,
    order: VecDeque<EventId>,
    bytes: usize,
    max_bytes: usize,
}

impl Held {
    pub(crate) fn new(max_bytes: usize, key: [u8; 16]) -> Self {
        Self { events: Map::new(key), order: VecDeque::new(), bytes: 0, max_bytes }
    }

    pub(crate) fn insert(&mut self, event: VerifiedEvent) {
        let (id, bytes) = (event.id(), cost(&event));
        if bytes > self.max_bytes || self.events.contains(&id) {
            return;
        }
        while self.bytes + bytes > self.max_bytes {
            let Some(oldest) = self.order.pop_front() else { break };
            if let Some(old) = self.events.remove(&oldest) {
                self.bytes -= cost(&old);
            }
        }
        self.bytes += bytes;
        self.order.push_back(id);
        self.events.insert(id, event);
    }

    pub(crate) fn get(&self, id: &EventId) -> Option<&VerifiedEvent> {
        self.events.get(id)
    }
}

fn cost(event: &VerifiedEvent) -> usize {
    const BOOKKEEPING: usize = 96;
    event.heap_bytes() + BOOKKEEPING
}
