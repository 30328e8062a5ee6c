//! The events that a relay holds, newest first.

use crate::event::{Order, ReplaceKey, StoredEvent};
use crate::filter::Filter;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Insertion {
    /// It is held now.
    Held,
    /// It was held before.
    Duplicate,
    /// A newer version of it is held.
    Replaced,
    /// The store is full of newer events.
    NoRoom,
}

/// The answer to a query.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// Newest first, ties by lowest id, each once.
    pub(crate) events: Vec<Arc<StoredEvent>>,
    /// Whether more held events match than `events` has. Only found out on request.
    pub(crate) more: bool,
}

/// Held events. Bounded in count and bytes; the oldest go first.
#[derive(Debug)]
pub(crate) struct Store {
    events: BTreeMap<Order, Arc<StoredEvent>>,
    by_id: BTreeMap<String, Order>,
    latest: BTreeMap<ReplaceKey, Order>,
    bytes: usize,
    max_events: usize,
    max_bytes: usize,
}

impl Store {
    pub(crate) fn new(max_events: usize, max_bytes: usize) -> Self {
        Self {
            events: BTreeMap::new(),
            by_id: BTreeMap::new(),
            latest: BTreeMap::new(),
            bytes: 0,
            max_events,
            max_bytes,
        }
    }

    /// Holds an event, unless it is known, outdated or older than everything a full store has. With `versions`, nothing is
    /// outdated, and what it outdates stays.
    pub(crate) fn insert(&mut self, event: &Arc<StoredEvent>, versions: bool) -> Insertion {
        if self.by_id.contains_key(&event.id) {
            return Insertion::Duplicate;
        }
        let order = event.order();
        let key = event.replace_key();
        let mut predecessor = key.as_ref().and_then(|key| self.latest.get(key)).cloned();
        // Newer, or of the same second with the lower id: exactly the order of answers.
        let is_outdated = predecessor.as_ref().is_some_and(|held| *held < order);
        if is_outdated && !versions {
            return Insertion::Replaced;
        }
        if versions {
            predecessor = None;
        }
        if !self.has_room_for(event, &order, predecessor.is_some()) {
            return Insertion::NoRoom;
        }
        if let Some(held) = predecessor {
            self.remove(&held);
        }
        if let Some(key) = key.filter(|_| !is_outdated) {
            self.latest.insert(key, order.clone());
        }
        self.by_id.insert(event.id.clone(), order.clone());
        self.events.insert(order, Arc::clone(event));
        self.bytes += event.text.len();
        while self.events.len() > self.max_events || self.bytes > self.max_bytes {
            let Some(oldest) = self.events.keys().next_back().cloned() else {
                break;
            };
            self.remove(&oldest);
        }
        // Newer events may leave too few bytes even for this one alone.
        if self.by_id.contains_key(&event.id) { Insertion::Held } else { Insertion::NoRoom }
    }

    /// Whether making room would not throw out the event itself.
    fn has_room_for(&self, event: &StoredEvent, order: &Order, replaces: bool) -> bool {
        let count = self.events.len() + usize::from(!replaces);
        let full = count > self.max_events || self.bytes + event.text.len() > self.max_bytes;
        let is_oldest = self.events.keys().next_back().is_none_or(|oldest| oldest < order);
        event.text.len() <= self.max_bytes && self.max_events > 0 && !(full && is_oldest)
    }

    fn remove(&mut self, order: &Order) {
        let Some(event) = self.events.remove(order) else {
            return;
        };
        self.bytes -= event.text.len();
        self.by_id.remove(&event.id);
        // Of several versions kept, another may be the latest.
        if let Some(key) = event.replace_key()
            && self.latest.get(&key) == Some(order)
        {
            self.latest.remove(&key);
        }
    }

    /// What any of the filters matches: per filter the newest, `cap` at most or its own smaller limit.
    pub(crate) fn query(&self, filters: &[Filter], cap: usize, want_more: bool) -> Answer {
        pick(self.events.values(), filters, cap, want_more)
    }

    /// The same, but the oldest, and those first.
    pub(crate) fn query_oldest(&self, filters: &[Filter], cap: usize) -> Answer {
        pick(self.events.values().rev(), filters, cap, true)
    }

    /// How many held events any of the filters matches; limits are ignored.
    pub(crate) fn count(&self, filters: &[Filter]) -> usize {
        self.events.values().filter(|event| filters.iter().any(|filter| filter.matches(event))).count()
    }

    /// Newest first, ties by lowest id.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<StoredEvent>> {
        self.events.values()
    }

    pub(crate) fn contains(&self, id: &str) -> bool {
        self.by_id.contains_key(id)
    }

    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }
}

/// The first events of a row that any of the filters matches: per filter `cap` at most, or its own smaller limit.
fn pick<'a>(
    row: impl Iterator<Item = &'a Arc<StoredEvent>>,
    filters: &[Filter],
    cap: usize,
    want_more: bool,
) -> Answer {
    let own_limit = |filter: &Filter| filter.limit.and_then(|limit| usize::try_from(limit).ok());
    let mut room: Vec<usize> = filters.iter().map(|filter| own_limit(filter).unwrap_or(cap).min(cap)).collect();
    let mut answer = Answer { events: Vec::new(), more: false };
    for event in row {
        if room.iter().all(|left| *left == 0) && (answer.more || !want_more) {
            break;
        }
        let (mut taken, mut matched) = (false, false);
        for (filter, left) in filters.iter().zip(&mut room) {
            // A full filter is matched for the sake of `more` alone.
            if (*left > 0 || want_more) && filter.matches(event) {
                matched = true;
                taken |= *left > 0;
                *left = left.saturating_sub(1);
            }
        }
        if taken {
            answer.events.push(Arc::clone(event));
        } else {
            answer.more |= matched;
        }
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(id: u8, created_at: u64, kind: u64) -> Arc<StoredEvent> {
        let raw = json!({"id": format!("{id:064x}"), "pubkey": "1".repeat(64), "sig": "2".repeat(128),
            "created_at": created_at, "kind": kind, "tags": [], "content": ""});
        Arc::new(StoredEvent::from_value(raw).unwrap())
    }

    fn ids(store: &Store) -> Vec<u64> {
        store.iter().map(|event| u64::from_str_radix(&event.id[48..], 16).unwrap()).collect()
    }

    #[test]
    fn the_oldest_goes_first_and_an_older_one_finds_no_room() {
        let mut store = Store::new(2, 1 << 20);
        assert_eq!(store.insert(&event(1, 10, 1), false), Insertion::Held);
        assert_eq!(store.insert(&event(2, 20, 1), false), Insertion::Held);
        assert_eq!(store.insert(&event(3, 5, 1), false), Insertion::NoRoom);
        assert_eq!(store.insert(&event(4, 15, 1), false), Insertion::Held);
        assert_eq!(ids(&store), [2, 4]);
        assert_eq!(store.insert(&event(4, 15, 1), false), Insertion::Duplicate);
    }

    #[test]
    fn bytes_are_bounded_too() {
        let one = event(1, 1, 1).text.len();
        let mut store = Store::new(100, 2 * one);
        for id in 1..=5 {
            store.insert(&event(id, u64::from(id), 1), false);
        }
        assert_eq!(ids(&store), [5, 4]);
        assert_eq!(store.bytes, 2 * one);
        assert_eq!(Store::new(100, one - 1).insert(&event(1, 1, 1), false), Insertion::NoRoom);
        assert_eq!(Store::new(0, one).insert(&event(1, 1, 1), false), Insertion::NoRoom);
    }

    #[test]
    fn a_replacement_in_a_full_store_throws_nobody_else_out() {
        let mut store = Store::new(2, 1 << 20);
        store.insert(&event(1, 10, 0), false);
        store.insert(&event(2, 20, 1), false);
        assert_eq!(store.insert(&event(3, 11, 0), false), Insertion::Held);
        assert_eq!(ids(&store), [2, 3]);
        assert_eq!(store.insert(&event(1, 10, 0), false), Insertion::Replaced);
    }

    #[test]
    fn ties_go_to_the_lowest_id() {
        let mut store = Store::new(10, 1 << 20);
        store.insert(&event(5, 10, 0), false);
        assert_eq!(store.insert(&event(6, 10, 0), false), Insertion::Replaced);
        assert_eq!(store.insert(&event(4, 10, 0), false), Insertion::Held);
        assert_eq!(ids(&store), [4]);
    }

    #[test]
    fn versions_can_be_kept() {
        let mut store = Store::new(10, 1 << 20);
        for (id, created_at) in [(1, 10), (2, 30), (3, 20)] {
            assert_eq!(store.insert(&event(id, created_at, 0), true), Insertion::Held);
        }
        assert_eq!(ids(&store), [2, 3, 1]);
        // The latest is still known as such once versions are no longer kept.
        assert_eq!(store.insert(&event(4, 25, 0), false), Insertion::Replaced);
        assert_eq!(store.insert(&event(5, 40, 0), false), Insertion::Held);
        assert_eq!(ids(&store), [5, 3, 1]);
    }
}
