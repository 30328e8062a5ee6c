//! The main job against relays of independent make: `nostr-relay-builder`, in this process, on loopback.
//!
//! Its ways, where they differ from the model relay's: it deletes (NIP-09) and expires (NIP-40), of two versions of one
//! second it keeps the later comer, it returns 500 events unless told otherwise, and it takes 60 events a minute from
//! one connection unless told otherwise.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

mod round_trip;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

use nostr_pool_tests::corpus;
use nostr_pool_tokio::{FetchOptions, Verdict};
use nostr_proto::{Event, Filter};
use nostr_relay_builder::builder::RateLimit;
use nostr_relay_builder::{LocalRelay, RelayBuilder};

use round_trip::naive::{self, Naive};
use round_trip::{Adapter, publish_all, read_until_eose, subscribe_to_all};

/// Relays on a runtime of their own, whatever runtime the pool runs on.
struct Relays {
    relays: Vec<LocalRelay>,
    runtime: tokio::runtime::Runtime,
}

impl Relays {
    fn start(count: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let relays = (0..count)
            .map(|_| {
                let builder = RelayBuilder::default()
                    .rate_limit(RateLimit { max_reqs: 500, notes_per_minute: 1_000_000 })
                    .default_filter_limit(100_000);
                let relay = LocalRelay::new(builder);
                runtime.block_on(relay.run()).unwrap();
                relay
            })
            .collect();
        Self { relays, runtime }
    }

    fn urls(&self) -> Vec<String> {
        self.relays.iter().map(|relay| self.runtime.block_on(relay.url()).to_string()).collect()
    }
}

/// Both corpora, in the order in which such a relay takes all of them: oldest first, and of two versions of one second
/// the one with the lower id last. Without those that it refuses, each for a reason of its own.
fn events() -> Vec<Event> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let shared = corpus::shared().unwrap_or_default();
    let mut events: Vec<Event> = shared.iter().map(|line| Event::from_json(line).unwrap()).collect();
    events.extend(corpus::generated(44, 500));
    events.sort_by_key(|event| (event.created_at(), std::cmp::Reverse(event.id())));
    let is_taken = |event: &Event| {
        let event = Naive::new(&event.to_json());
        let expired = event.first("expiration").and_then(|at| at.parse::<u64>().ok()).is_some_and(|at| at < now);
        let nameless = (30_000..40_000).contains(&event.kind) && event.first("d").is_none();
        let foreign = event.kind == 5 && event.all("a").any(|address| address.split(':').nth(1) != Some(&event.author));
        !expired && !nameless && !foreign
    };
    let before = events.len();
    events.retain(is_taken);
    assert!(events.len() * 20 > before * 19, "no more than one in twenty is refused");
    events
}

/// What deletions by the author leave of it (NIP-09).
fn without_deleted(stored: BTreeSet<String>, events: &[Naive]) -> BTreeSet<String> {
    let deletes = |deletion: &Naive, event: &Naive| {
        let by_id = deletion.all("e").any(|id| id == event.id);
        let by_address = event.address().is_some_and(|address| deletion.all("a").any(|a| a == address));
        deletion.kind == 5
            && deletion.author == event.author
            && (by_id || by_address && event.created_at <= deletion.created_at)
    };
    let deleted: BTreeSet<&String> = events
        .iter()
        .filter(|event| events.iter().any(|deletion| deletes(deletion, event)))
        .map(|event| &event.id)
        .collect();
    stored.into_iter().filter(|id| !deleted.contains(id)).collect()
}

async fn everything_arrives_once(adapter: Adapter, urls: Vec<String>) {
    let events = events();
    let naive: Vec<Naive> = events.iter().map(|event| Naive::new(&event.to_json())).collect();
    let kept = naive::keep(&naive);
    assert!(kept.too_late.is_empty(), "the order is such that no version comes too late");
    let expected = without_deleted(kept.stored, &naive);
    let published: BTreeMap<String, String> =
        events.iter().map(|event| (event.id().to_string(), event.to_json())).collect();

    let writer = adapter.pool(&urls).await;
    for report in publish_all(&writer, &events).await {
        let event = &published[&report.event.to_string()];
        assert_eq!(report.verdict, Some(Verdict::Reached), "{:?} of {event}", report.relays);
    }

    let reader = adapter.pool(&urls).await;
    let (stored, coverage) = read_until_eose(&mut subscribe_to_all(&reader)).await;
    assert!(coverage.is_complete(), "{coverage:?}");
    let fetched = reader.fetch(vec![Filter::new()], FetchOptions::default()).await.unwrap();
    assert!(fetched.coverage.is_complete(), "{:?}", fetched.coverage);
    for delivered in [stored, fetched.events] {
        let mut seen = BTreeSet::new();
        for item in delivered {
            let id = item.event.id().to_string();
            assert_eq!(item.event.to_json(), published[&id], "other bytes came back");
            assert!(seen.insert(id), "delivered twice: {}", item.event.to_json());
        }
        assert_eq!(seen, expected);
    }
}

fn run(adapter: Adapter) {
    let relays = Relays::start(3);
    let urls = relays.urls();
    adapter.run(everything_arrives_once(adapter, urls));
}

#[test]
fn everything_arrives_once_on_tokio() {
    run(Adapter::Tokio);
}

#[test]
fn everything_arrives_once_on_async_std() {
    run(Adapter::AsyncStd);
}
