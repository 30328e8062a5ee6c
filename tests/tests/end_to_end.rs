//! The main job on real input: every event of a corpus goes through the pool to three relays and comes back once.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

mod round_trip;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

use nostr_model_relay::{Config, Fault, FaultPlan, Server};
use nostr_pool_tests::corpus;
use nostr_pool_tokio::{
    EventItem, FetchOptions, Item, LegOutcome, Mark, Prefix, PublishReport, PublishStatus, Rejection, RelayOptions,
    Verdict,
};
use nostr_proto::{Event, Filter, RelayUrl};

use round_trip::naive::{self, Kept, Naive};
use round_trip::{Adapter, publish_all, read_until_eose, subscribe_to_all};

/// Three honest relays that return all they have at once.
fn relays() -> Vec<Server> {
    let config = Config { max_limit: 100_000, ..Config::default() };
    (0..3).map(|_| Server::start(config.clone()).unwrap()).collect()
}

fn urls(relays: &[Server]) -> Vec<String> {
    relays.iter().map(Server::url).collect()
}

/// The shared corpus where it is present, and a generated one; without what has expired, which no pool delivers.
fn events() -> Vec<Event> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let shared = corpus::shared().unwrap_or_default();
    let mut events: Vec<Event> = shared.iter().map(|line| Event::from_json(line).unwrap()).collect();
    events.extend(corpus::generated(42, 500));
    let before = events.len();
    events.retain(|event| {
        let expiration = Naive::new(&event.to_json()).first("expiration").and_then(|at| at.parse::<u64>().ok());
        expiration.is_none_or(|at| at > now + 600)
    });
    assert!(events.len() * 20 > before * 19, "no more than one in twenty has expired");
    events
}

fn naive(events: &[Event]) -> Vec<Naive> {
    events.iter().map(|event| Naive::new(&event.to_json())).collect()
}

/// The JSON of each by its id, as it was published.
fn by_id(events: &[Event]) -> BTreeMap<String, String> {
    events.iter().map(|event| (event.id().to_string(), event.to_json())).collect()
}

/// Every event once, with the bytes that were published.
fn assert_delivered(delivered: &[EventItem], expected: &BTreeSet<String>, published: &BTreeMap<String, String>) {
    let mut seen = BTreeSet::new();
    for item in delivered {
        let id = item.event.id().to_string();
        assert_eq!(item.event.to_json(), published[&id], "other bytes came back");
        assert!(seen.insert(id), "delivered twice: {}", item.event.to_json());
    }
    let missing: Vec<_> = expected.difference(&seen).collect();
    let surplus: Vec<_> = seen.difference(expected).collect();
    assert!(missing.is_empty() && surplus.is_empty(), "missing {missing:?}, surplus {surplus:?}");
}

/// Each verdict is the one that the relays' rules lead to, and says so for every relay.
fn assert_verdicts(reports: &[PublishReport], kept: &Kept) {
    for report in reports {
        let id = report.event.to_string();
        let reached = !kept.too_late.contains(&id);
        let expected = if reached { Verdict::Reached } else { Verdict::Failed };
        assert_eq!(report.verdict, Some(expected), "{id}: {:?}", report.relays);
        assert_eq!(report.relays.len(), 3);
        for (relay, status) in &report.relays {
            match status {
                PublishStatus::Accepted { duplicate } => assert!(reached && !duplicate, "{id} at {relay}: {status:?}"),
                PublishStatus::Rejected(Rejection::Refused(reason)) => {
                    assert!(!reached && reason.prefix == Some(Prefix::Replaced), "{id} at {relay}: {status:?}");
                }
                // One refusal decides; the others may still be on their way.
                _ => assert!(!reached, "{id} at {relay}: {status:?}"),
            }
        }
    }
}

async fn everything_arrives_once(adapter: Adapter) {
    let relays = relays();
    let events = events();
    let (published, kept) = (by_id(&events), naive::keep(&naive(&events)));
    assert!(!kept.ephemeral.is_empty() && !kept.overwritten.is_empty() && !kept.too_late.is_empty());

    let listener = adapter.pool(&urls(&relays)).await;
    let mut live = subscribe_to_all(&listener);
    let (stored, _) = read_until_eose(&mut live).await;
    assert!(stored.is_empty());

    let writer = adapter.pool(&urls(&relays)).await;
    let (reports, pushed) = futures::join!(publish_all(&writer, &events), read_live(&mut live, &kept));
    assert_verdicts(&reports, &kept);
    assert_pushed(&pushed, &kept, &published);
    for relay in &relays {
        let held: BTreeSet<String> = relay.with(|relay| relay.events().map(|e| e.id().to_string()).collect());
        assert_eq!(held, kept.stored, "{} holds something else", relay.url());
    }

    let reader = adapter.pool(&urls(&relays)).await;
    let (stored, coverage) = read_until_eose(&mut subscribe_to_all(&reader)).await;
    assert!(coverage.is_complete(), "{coverage:?}");
    assert!(coverage.legs.iter().all(|leg| leg.events == kept.stored.len() as u64), "{coverage:?}");
    assert!(stored.iter().all(|item| item.mark == Mark::Stored));
    assert!(stored.iter().map(|item| item.seq).eq(0..kept.stored.len() as u64));
    assert_delivered(&stored, &kept.stored, &published);

    let fetched = reader.fetch(vec![Filter::new()], FetchOptions::default()).await.unwrap();
    assert_delivered(&fetched.events, &kept.stored, &published);
    assert!(fetched.gaps.is_empty() && fetched.coverage.is_complete());
    let order = |item: &EventItem| (std::cmp::Reverse(item.event.created_at()), item.event.id());
    assert!(fetched.events.is_sorted_by_key(order), "newest first, ties by lowest id");

    publish_again(adapter, &relays, &events, &kept).await;
}

/// Pushed events, until all that must come have come.
async fn read_live(live: &mut nostr_pool_tokio::Subscription, kept: &Kept) -> Vec<EventItem> {
    let mut missing: BTreeSet<&String> = kept.stored.iter().chain(&kept.ephemeral).collect();
    let mut pushed = Vec::new();
    while !missing.is_empty() {
        match live.next().await.expect("a live subscription goes on") {
            Item::Event(item) => {
                missing.remove(&item.event.id().to_string());
                pushed.push(item);
            }
            Item::Gap(gap) => panic!("nothing may be missing: {gap:?}"),
            _ => {}
        }
    }
    pushed
}

/// Live, an old version may be shown before the newer one comes, but never what no relay took.
fn assert_pushed(pushed: &[EventItem], kept: &Kept, published: &BTreeMap<String, String>) {
    let ids: BTreeSet<String> = pushed.iter().map(|item| item.event.id().to_string()).collect();
    let shown_before_replaced: BTreeSet<String> = kept.overwritten.intersection(&ids).cloned().collect();
    let expected = kept.stored.union(&kept.ephemeral).chain(&shown_before_replaced).cloned().collect();
    assert_delivered(pushed, &expected, published);
    assert!(pushed.iter().all(|item| item.mark == Mark::Live));
}

/// What relays have already counts as published.
async fn publish_again(adapter: Adapter, relays: &[Server], events: &[Event], kept: &Kept) {
    let again: Vec<Event> =
        events.iter().filter(|event| kept.stored.contains(&event.id().to_string())).take(20).cloned().collect();
    let writer = adapter.pool(&urls(relays)).await;
    for report in publish_all(&writer, &again).await {
        assert_eq!(report.verdict, Some(Verdict::Reached));
        let duplicate = PublishStatus::Accepted { duplicate: true };
        assert!(report.relays.iter().all(|(_, status)| *status == duplicate), "{:?}", report.relays);
    }
}

/// Some events that nothing replaces.
fn notes(seed: u64) -> Vec<Event> {
    corpus::generated(seed, 40).into_iter().filter(|event| event.kind().as_u16() == 1).collect()
}

/// One relay forges all that it sends, every second event by its content too, and holds some that no other relay has;
/// one sends garbage after every third frame.
async fn bad_relays_change_nothing(adapter: Adapter) {
    let relays = relays();
    let events = events();
    let kept = naive::keep(&naive(&events));
    for relay in &relays {
        let held = relay.with(|relay| events.iter().filter(|event| relay.store((*event).clone())).count());
        assert!(held >= kept.stored.len());
    }
    let only_forged = notes(45);
    relays[1].with(|relay| assert!(only_forged.iter().all(|event| relay.store(event.clone()))));
    relays[1]
        .set_faults(FaultPlan::new().with(Fault::ForgeSignature { every: 1 }).with(Fault::ForgeContent { every: 2 }));
    relays[2].set_faults(Fault::Garbage { every: 3 });

    let pool = adapter.pool(&urls(&relays)).await;
    // The forger is to be heard to the end.
    let forger = RelayUrl::parse(&relays[1].url()).unwrap();
    pool.add_relay(&forger, RelayOptions { quarantine: false, ..RelayOptions::default() }).unwrap();
    let mut subscription = subscribe_to_all(&pool);
    let (stored, coverage) = read_until_eose(&mut subscription).await;
    assert_delivered(&stored, &kept.stored, &by_id(&events));
    assert_eq!(coverage.legs.len(), 3);
    for leg in &coverage.legs {
        assert!(matches!(leg.outcome, LegOutcome::Eose { .. }), "{leg:?}");
    }
    let counters = |relay: &Server| pool.relay(&RelayUrl::parse(&relay.url()).unwrap()).unwrap().counters;
    let [honest, forger, noisy] = [0, 1, 2].map(|i| counters(&relays[i]));
    assert_eq!((honest.forged, honest.garbage), (0, 0));
    // What others had sent before is told by its id, and its forged copies are dropped unseen.
    assert!(forger.forged >= only_forged.len() as u64, "{forger:?}");
    assert!(noisy.garbage > 0, "{noisy:?}");

    // The run goes on: what is published now is accepted by all three, and pushed.
    let news = notes(43);
    let kept = naive::keep(&naive(&news));
    let (reports, pushed) = futures::join!(publish_all(&pool, &news), read_live(&mut subscription, &kept));
    assert_verdicts(&reports, &kept);
    assert_pushed(&pushed, &kept, &by_id(&news));
}

#[test]
fn everything_arrives_once_on_tokio() {
    Adapter::Tokio.run(everything_arrives_once(Adapter::Tokio));
}

#[test]
fn everything_arrives_once_on_async_std() {
    Adapter::AsyncStd.run(everything_arrives_once(Adapter::AsyncStd));
}

#[test]
fn bad_relays_change_nothing_on_tokio() {
    Adapter::Tokio.run(bad_relays_change_nothing(Adapter::Tokio));
}

#[test]
fn bad_relays_change_nothing_on_async_std() {
    Adapter::AsyncStd.run(bad_relays_change_nothing(Adapter::AsyncStd));
}
