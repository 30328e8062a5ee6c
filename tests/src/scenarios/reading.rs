//! Subscribing and fetching.

use std::time::Duration;

use futures::FutureExt;
use nostr_model_relay::{Fault, FaultPlan};
use nostr_pool_driver::{
    Coverage, EndReason, FetchOptions, GapCause, Item, LegOutcome, Mark, Mode, PublishOptions, RelayOptions, Runtime,
    SubscribeOptions, Which,
};
use nostr_proto::Filter;

use super::*;

fn eose(item: Item) -> Option<Coverage> {
    match item {
        Item::Eose(coverage) => Some(coverage),
        _ => None,
    }
}

/// Stored events, EOSE, live events; in order, numbered, marked.
pub async fn delivers_stored_then_live<R: Runtime>(runtime: R) {
    let server = relay();
    store(&server, (1..=3).map(note));
    let pool = pool(&runtime, [&server]);
    let mut subscription = pool.subscribe([notes()], SubscribeOptions::default()).unwrap();
    let mut seen = Vec::new();
    let coverage = next(&mut subscription, |item| {
        if let Item::Event(e) = &item {
            assert_eq!((e.mark, e.relays.as_slice()), (Mark::Stored, [url_of(&server)].as_slice()));
            assert_eq!(e.seq, seen.len() as u64);
            seen.push(e.event.id());
        }
        eose(item)
    })
    .await;
    seen.sort();
    let mut stored: Vec<_> = (1..=3).map(|n| note(n).id()).collect();
    stored.sort();
    assert_eq!(seen, stored);
    assert!(coverage.is_complete());
    assert_eq!((coverage.generation, coverage.legs.len(), coverage.legs[0].events), (0, 1, 3));

    store(&server, [note(4)]);
    let live = next_event(&mut subscription).await;
    assert_eq!((live.event.id(), live.mark, live.seq), (note(4).id(), Mark::Live, 3));
    assert_eq!(pool.seen_on(&note(4).id()), [url_of(&server)]);
}

/// What three relays have comes once.
pub async fn delivers_once<R: Runtime>(runtime: R) {
    let servers = [relay(), relay(), relay()];
    for server in &servers {
        store(server, (0..100).map(note));
    }
    let pool = pool(&runtime, &servers);
    let options = SubscribeOptions::default().with_mode(Mode::UntilEose);
    let mut subscription = pool.subscribe([notes()], options).unwrap();
    let mut ids = Vec::new();
    let reason = next(&mut subscription, |item| match item {
        Item::Event(e) => {
            ids.push(e.event.id());
            None
        }
        Item::End(reason) => Some(reason),
        _ => None,
    })
    .await;
    assert_eq!(reason, EndReason::Complete);
    assert!(subscription.next().await.is_none(), "nothing comes after the end");
    assert_eq!(ids.len(), 100);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 100);
    assert_eq!(pool.stats().duplicates, 200);
}

/// A dropped subscription closes its requests.
pub async fn closes_when_dropped<R: Runtime>(runtime: R) {
    let server = relay();
    let pool = pool(&runtime, [&server]);
    let mut subscription = pool.subscribe([notes()], SubscribeOptions::default()).unwrap();
    next(&mut subscription, eose).await;
    assert_eq!(server.with(|relay| relay.open_subscriptions()), 1);
    drop(subscription);
    until(&runtime, "the relay got CLOSE", || server.with(|relay| relay.stats().closes) == 1).await;
    assert_eq!(server.with(|relay| relay.open_subscriptions()), 0);
    assert_eq!(server.connections(), 1, "the connection stays");
}

/// Unsubscribing leaves the handle with its end.
pub async fn ends_when_unsubscribed<R: Runtime>(runtime: R) {
    let server = relay();
    let pool = pool(&runtime, [&server]);
    let mut subscription = pool.subscribe([notes()], SubscribeOptions::default()).unwrap();
    next(&mut subscription, eose).await;
    subscription.unsubscribe().unwrap();
    let reason = next(&mut subscription, |item| match item {
        Item::End(reason) => Some(reason),
        _ => None,
    })
    .await;
    assert_eq!(reason, EndReason::Unsubscribed);
    assert!(subscription.next().await.is_none());
    assert!(subscription.unsubscribe().is_err(), "it ended before");
    until(&runtime, "the relay got CLOSE", || server.with(|relay| relay.open_subscriptions()) == 0).await;
}

/// New filters are a new generation of the same subscription, without repetitions.
pub async fn updates_filters<R: Runtime>(runtime: R) {
    let server = relay();
    store(&server, (1..=4).map(note));
    let pool = pool(&runtime, [&server]);
    let early = notes().until(note(2).created_at());
    let mut subscription = pool.subscribe([early], SubscribeOptions::default()).unwrap();
    let mut first = Vec::new();
    next(&mut subscription, |item| match item {
        Item::Event(e) => {
            first.push(e.event.content().to_owned());
            None
        }
        other => eose(other),
    })
    .await;
    first.sort();
    assert_eq!(first, ["note 1", "note 2"]);

    subscription.update([notes()]).unwrap();
    let mut second = Vec::new();
    let coverage = next(&mut subscription, |item| match item {
        Item::Event(e) => {
            second.push(e.event.content().to_owned());
            None
        }
        other => eose(other),
    })
    .await;
    second.sort();
    assert_eq!(second, ["note 3", "note 4"]);
    assert_eq!(coverage.generation, 1);
    assert!(subscription.update(Vec::<Filter>::new()).is_err(), "no filter asks for nothing");
}

/// Newest first over all relays, no more than the filter's limit.
pub async fn fetches_newest_first_and_trimmed<R: Runtime>(runtime: R) {
    let servers = [relay(), relay()];
    store(&servers[0], (0..10).map(|n| note(2 * n)));
    store(&servers[1], (0..10).map(|n| note(2 * n + 1)));
    let pool = pool(&runtime, &servers);
    let fetched = pool.fetch([notes().limit(5)], FetchOptions::default()).await.unwrap();
    let contents: Vec<_> = fetched.events.iter().map(|e| e.event.content().to_owned()).collect();
    assert_eq!(contents, ["note 19", "note 18", "note 17", "note 16", "note 15"]);
    assert!(fetched.coverage.is_complete());
    assert_eq!((fetched.coverage.legs.len(), fetched.dropped, fetched.gaps.len()), (2, 0, 0));

    let none = pool.fetch(Vec::<Filter>::new(), FetchOptions::default()).await;
    assert_eq!(none.unwrap_err().to_string(), "a request takes 1 to 10 filters, not 0");
}

/// A relay that never says EOSE, and one that is not there, delay a fetch and do not spoil it.
pub async fn fetches_despite_silence<R: Runtime>(runtime: R) {
    let servers = [relay(), relay(), relay()];
    store(&servers[0], [note(1)]);
    store(&servers[1], [note(2)]);
    servers[1].set_faults(Fault::NeverEose);
    servers[2].kill();
    let pool = pool(&runtime, &servers);
    let options = FetchOptions::default().with_timeout(Duration::from_millis(300));
    let fetched = pool.fetch([notes()], options).await.unwrap();
    assert_eq!(fetched.events.len(), 2, "what the silent one sent counts");
    let outcome = |n: usize| {
        let url = url_of(&servers[n]);
        fetched.coverage.legs.iter().find(|leg| leg.relay == url).map(|leg| leg.outcome.clone())
    };
    assert!(matches!(outcome(0), Some(LegOutcome::Eose { .. })));
    assert_eq!(outcome(1), Some(LegOutcome::TimedOut));
    assert_eq!(outcome(2), Some(LegOutcome::NotConnected));
    assert!(!fetched.coverage.is_complete());
}

/// A fetch keeps no more than it may, and counts the rest.
pub async fn bounds_a_fetch<R: Runtime>(runtime: R) {
    let server = relay();
    store(&server, (0..50).map(note));
    let pool = pool(&runtime, [&server]);
    let options = FetchOptions::default().with_bounds(20, usize::MAX);
    let fetched = pool.fetch([notes()], options).await.unwrap();
    assert_eq!((fetched.events.len(), fetched.dropped), (20, 30));
    assert_eq!(fetched.events[0].event.content(), "note 49", "the newest are kept");
}

/// A slow reader's queue overflows by itself, and says so; what was skipped comes when there is room.
pub async fn skips_what_does_not_fit<R: Runtime>(runtime: R) {
    let server = relay();
    store(&server, (0..50).map(note));
    let pool = pool(&runtime, [&server]);
    let options = SubscribeOptions::default().with_queue_items(8).with_mode(Mode::UntilEose);
    let mut slow = pool.subscribe([notes()], options).unwrap();
    let mut quick = pool.subscribe([notes()], SubscribeOptions::default()).unwrap();
    let mut seen = 0;
    next(&mut quick, |item| {
        seen += usize::from(matches!(item, Item::Event(_)));
        eose(item)
    })
    .await;
    assert_eq!(seen, 50, "nobody else waits for the slow one");

    let (mut events, mut skipped) = (0, 0);
    next(&mut slow, |item| {
        match &item {
            Item::Event(_) => events += 1,
            Item::Gap(gap) => {
                if let GapCause::QueueFull { skipped: n, .. } = gap.cause {
                    skipped += n;
                }
            }
            _ => {}
        }
        matches!(item, Item::End(_)).then_some(())
    })
    .await;
    assert!(events >= 1 && skipped >= 1, "{events} delivered, {skipped} skipped");
    assert_eq!(events, 50, "what was skipped is fetched again");
}

/// Fills a queue with room for ten notes to the brim, again and again. Returns the bytes of the largest item.
async fn fill_to_the_brim<R: Runtime>(runtime: &R, config: Config) -> usize {
    let server = relay();
    let pool = build(runtime, builder().config(config).relay(server.url()));
    let mut subscription = pool.subscribe([notes()], SubscribeOptions::default()).unwrap();
    next(&mut subscription, eose).await;
    while subscription.next().now_or_never().is_some() {}

    let first = 10;
    let (mut sent, mut largest) = (first, 0);
    for (more, take) in [(10, 4), (4, 9), (9, 1), (1, 10)] {
        store(&server, (sent..sent + more).map(note));
        sent += more;
        let stats = || pool.stats();
        until(runtime, "they wait", || stats().delivered + stats().skipped == sent - first).await;
        assert_eq!(stats().skipped, 0, "no more than ten wait");
        for _ in 0..take {
            let item = subscription.next().now_or_never().flatten();
            let item = item.filter(|item| matches!(item, Item::Event(_))).expect("an event waits");
            largest = largest.max(item.bytes());
        }
    }
    largest
}

/// What a reader takes makes room at once, however short its queue: in items or in bytes.
pub async fn makes_room_with_every_item_taken<R: Runtime>(runtime: R) {
    let bytes = fill_to_the_brim(&runtime, Config { queue_items: 10, ..quick() }).await;
    fill_to_the_brim(&runtime, Config { queue_bytes: 10 * bytes, ..quick() }).await;
}

/// A relay that hangs up right after its EOSE has told all: nothing of that is lost.
pub async fn fetches_all_from_a_relay_that_hangs_up_after_eose<R: Runtime>(runtime: R) {
    let events: Vec<Event> = (0..50).map(note).collect();
    for _ in 0..10 {
        let server = relay();
        store(&server, events.iter().cloned());
        let hang_up = Fault::DisconnectAfter { frames: 51, code: 1000, reason: "done".into() };
        server.set_faults(FaultPlan::new().with(hang_up));
        let pool = pool(&runtime, [&server]);
        let fetched = pool.fetch([notes()], FetchOptions::default()).await.unwrap();
        assert_eq!(fetched.events.len(), 50, "{:?}", fetched.coverage.legs);
        assert!(fetched.coverage.is_complete(), "{:?}", fetched.coverage.legs);
    }
}

/// Garbage is counted, forged events are not delivered and spoil no honest copy, and the run goes on.
pub async fn survives_garbage_and_forgery<R: Runtime>(runtime: R) {
    let (liar, honest) = (relay(), relay());
    store(&liar, (0..20).map(note));
    store(&honest, (0..20).map(note));
    let plan = FaultPlan::new().with(Fault::Garbage { every: 2 }).with(Fault::ForgeSignature { every: 3 });
    liar.set_faults(plan.with(Fault::ForgeContent { every: 4 }));
    let pool = pool(&runtime, [&liar]);
    let fetched = pool.fetch([notes()], FetchOptions::default()).await.unwrap();
    assert_eq!(fetched.events.len(), 10, "every third and every fourth of twenty is forged, one of them is both");
    let counters = pool.relay(&url_of(&liar)).unwrap().counters;
    assert_eq!(counters.forged, 10, "{counters:?}");
    assert!(counters.garbage > 0, "{counters:?}");

    pool.add_relay(honest.url(), RelayOptions::default()).unwrap();
    let fetched = pool.fetch([notes()], FetchOptions::default()).await.unwrap();
    assert_eq!(fetched.events.len(), 20, "the honest relay's copies count");
    let counters = pool.relay(&url_of(&honest)).unwrap().counters;
    assert_eq!((counters.garbage, counters.forged), (0, 0));

    let report = pool.publish(note(99), PublishOptions::default()).unwrap().await;
    assert!(report.accepted() >= 1);
    assert!(pool.disconnect(Which::All, 1000, "done").is_ok());
}
