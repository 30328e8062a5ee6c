//! How far the application is with what it reads: what it took, and what it is done with.

use std::collections::BTreeSet;

use nostr_pool_core::Item;
use nostr_proto::EventId;

/// Of one subscription.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// The items that were shown, in order: events by number and id.
    shown: Vec<Option<(u64, EventId)>>,
    taken: usize,
    /// Up to where it said that it is done; `None`: taking an item says so of the one before.
    done: Option<Option<u64>>,
}

impl Progress {
    /// The application will say so itself.
    pub(super) fn by_hand(&mut self) {
        self.done = Some(None);
    }

    pub(super) fn is_by_hand(&self) -> bool {
        self.done.is_some()
    }

    pub(super) fn shown(&mut self, item: &Item) {
        self.shown.push(match item {
            Item::Event(e) => Some((e.seq, e.event.id())),
            _ => None,
        });
    }

    pub(super) fn taken(&mut self, items: usize) {
        self.taken += items;
    }

    /// The number of an event that it took: the last but so many.
    pub(super) fn last_but(&self, but: usize) -> Option<u64> {
        let (taken, _) = self.shown.split_at(self.taken.min(self.shown.len()));
        taken.iter().rev().flatten().nth(but).map(|(seq, _)| *seq)
    }

    pub(super) fn is_done_with(&mut self, seq: u64) {
        self.done = Some(self.done.flatten().max(Some(seq)));
    }

    /// The events that it is done with.
    pub(super) fn acknowledged(&self) -> BTreeSet<EventId> {
        let done: Box<dyn Iterator<Item = &(u64, EventId)>> = match self.done {
            Some(done) => {
                Box::new(self.shown.iter().flatten().filter(move |(seq, _)| done.is_some_and(|done| *seq <= done)))
            }
            None => Box::new(self.shown.iter().take(self.taken.saturating_sub(1)).flatten()),
        };
        done.map(|(_, event)| *event).collect()
    }
}
