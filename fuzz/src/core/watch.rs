//! What the application sees, and the promises about it.

use std::collections::{BTreeMap, BTreeSet};

use nostr_pool_core::{Instant, Item, PoolEvent, PublishId, PublishUpdate, SubId};
use nostr_proto::{Event, EventId, Filter, RelayUrl};

use super::fixtures::fixtures;

#[derive(Debug, Default)]
struct Sub {
    /// Every filter that it ever had.
    filters: Vec<Filter>,
    /// Relays that it was aimed at by name, if it was.
    relays: Option<Vec<RelayUrl>>,
    delivered: BTreeSet<EventId>,
    next_seq: u64,
    queued: usize,
    ended: bool,
}

#[derive(Debug)]
struct Publish {
    deadline: Instant,
    verdict: bool,
}

/// Watches the events of one core.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    subs: BTreeMap<SubId, Sub>,
    publishes: BTreeMap<PublishId, Publish>,
    /// Which genuine events were handed in, and by which relays; those of ours without one.
    sources: BTreeMap<EventId, BTreeSet<RelayUrl>>,
}

impl Watch {
    pub(crate) fn subscribed(&mut self, sub: SubId, filters: Vec<Filter>, relays: Option<Vec<RelayUrl>>) {
        let new = self.subs.insert(sub, Sub { filters, relays, ..Sub::default() });
        assert!(new.is_none(), "subscription {sub} was there before");
    }

    pub(crate) fn updated(&mut self, sub: SubId, filters: Vec<Filter>) {
        if let Some(sub) = self.subs.get_mut(&sub) {
            sub.filters.extend(filters);
        }
    }

    /// It is sent to these relays; what came of others before that may be under way.
    pub(crate) fn retargeted(&mut self, sub: SubId, relays: Option<Vec<RelayUrl>>) {
        if let Some(sub) = self.subs.get_mut(&sub) {
            sub.relays = sub.relays.take().zip(relays).map(|(mut before, now)| {
                before.extend(now);
                before
            });
        }
    }

    pub(crate) fn publishing(&mut self, publish: PublishId, deadline: Instant) {
        let new = self.publishes.insert(publish, Publish { deadline, verdict: false });
        assert!(new.is_none(), "publish {publish} was there before");
    }

    pub(crate) fn sent_by(&mut self, event: EventId, relay: Option<RelayUrl>) {
        self.sources.entry(event).or_default().extend(relay);
    }

    /// Items of this subscription that the application has not taken.
    pub(crate) fn queued(&self, sub: SubId) -> usize {
        self.subs.get(&sub).map_or(0, |sub| sub.queued)
    }

    pub(crate) fn taken(&mut self, sub: SubId, items: usize) {
        if let Some(sub) = self.subs.get_mut(&sub) {
            sub.queued -= items;
        }
    }

    pub(crate) fn event(&mut self, event: &PoolEvent) {
        match event {
            PoolEvent::Item { sub, item } => self.item(*sub, item),
            PoolEvent::Publish { publish, update: PublishUpdate::Verdict(verdict) } => {
                let watched = self.publishes.get_mut(publish).expect("news come of publishes that were called");
                assert!(!watched.verdict, "publish {publish} has a second verdict, {verdict:?}");
                watched.verdict = true;
            }
            _ => {}
        }
    }

    fn item(&mut self, id: SubId, item: &Item) {
        let sub = self.subs.get_mut(&id).expect("items come for subscriptions that were called");
        assert!(!sub.ended, "subscription {id} goes on after its end: {item:?}");
        sub.queued += 1;
        match item {
            Item::Event(delivered) => {
                assert_eq!(delivered.seq, sub.next_seq, "a hole in the numbers of subscription {id}");
                sub.next_seq += 1;
                self.delivered(id, &delivered.event);
            }
            Item::Pending(pending) => {
                assert_eq!(pending.seq, sub.next_seq, "a hole in the numbers of subscription {id}");
                sub.next_seq += 1;
            }
            Item::End(_) => sub.ended = true,
            _ => {}
        }
    }

    fn delivered(&mut self, id: SubId, event: &Event) {
        let genuine = fixtures().samples.iter().any(|sample| sample.event == *event);
        assert!(genuine, "a forged event was delivered: {}", event.to_json());
        let sources = self.sources.get(&event.id()).expect("what is delivered was handed in before");
        let sub = self.subs.get_mut(&id).expect("looked up by the caller");
        assert!(sub.filters.iter().any(|f| f.matches(event)), "subscription {id} did not ask for {}", event.to_json());
        assert!(sub.delivered.insert(event.id()), "subscription {id} got {} twice", event.id());
        if let Some(relays) = &sub.relays {
            let sent = relays.iter().any(|relay| sources.contains(relay));
            assert!(sent, "none of the relays of subscription {id} sent {}", event.id());
        }
    }

    /// After the core was told the time: what was promised by then has come.
    pub(crate) fn time_is(&self, now: Instant) {
        for (id, publish) in &self.publishes {
            assert!(
                publish.verdict || publish.deadline > now,
                "publish {id} has no verdict by its deadline, {:?}",
                publish.deadline
            );
        }
    }

    /// After the shutdown: everything has ended.
    pub(crate) fn all_over(&self) {
        for (id, sub) in &self.subs {
            assert!(sub.ended, "subscription {id} has no end after the shutdown");
        }
        for (id, publish) in &self.publishes {
            assert!(publish.verdict, "publish {id} has no verdict after the shutdown");
        }
    }
}
