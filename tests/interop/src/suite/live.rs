//! What is new comes at once; what was missed comes later.

use std::collections::BTreeSet;
use std::time::Duration;

use nostr_pool_driver::{EventItem, Gap, GapCause, Item, Mark, Runtime, SubscribeOptions, Subscription, Verdict};
use nostr_proto::{Event, Filter, Timestamp};

use super::{Stage, event, fetch_all, ids, ids_of, keys, now, publish, publish_well, publish_within};

/// New events come as they are published, ephemeral ones among them, each once; what is not asked for does not.
pub(super) async fn follows<R: Runtime>(stage: &Stage<'_, R>) {
    let (author, other) = (keys(11), keys(12));
    let reader = stage.pool(None).await;
    let writer = stage.pool(None).await;
    let since = Timestamp::new(now() - 60);
    let wanted = Filter::new().author(author.public_key()).since(since);
    let mut subscription = reader.subscribe([wanted.clone()], SubscribeOptions::default()).expect("the call is right");
    stage.soon("EOSE", until_eose(&mut subscription)).await;
    let mut expected = Vec::new();
    for n in 0..20 {
        publish_well(&writer, &event(&other, 1, now(), &format!("not asked for {n}"), &[])).await;
        if n % 5 == 4 {
            let brief = event(&author, 20_001, now(), &format!("brief {n}"), &[]);
            let report = publish_within(&writer, &brief, Duration::from_secs(2)).await;
            if report.verdict != Some(Verdict::Reached) {
                stage.note(format!("says of an ephemeral event: {:?}", report.relays[0].1));
            }
            expected.push(brief);
        } else {
            expected.push(event(&author, 1, now(), &format!("live {n}"), &[]));
            publish_well(&writer, expected.last().expect("one was pushed")).await;
        }
    }
    let came = stage.soon("live events", take(&mut subscription, expected.len())).await;
    assert_eq!(ids(came.iter().map(|item| &*item.event)), ids(&expected));
    assert!(came.iter().all(|item| item.mark == Mark::Live), "they are new");
    let fetched = fetch_all(&reader, vec![wanted]).await;
    let stored = ids(expected.iter().filter(|event| event.kind().as_u16() == 1));
    if ids_of(&fetched) == ids(&expected) {
        stage.note("stores ephemeral events");
    } else {
        assert_eq!(ids_of(&fetched), stored);
    }
}

/// The relay is killed and comes back. What is published meanwhile and right after arrives there, and at a reader that
/// was cut off: all of it, once, and the reader is told from when to when something was missing.
pub(super) async fn resumes<R: Runtime>(stage: &mut Stage<'_, R>) {
    let author = keys(13);
    let reader = stage.pool(None).await;
    let writer = stage.pool(None).await;
    let wanted = Filter::new().author(author.public_key()).limit(5);
    let mut subscription = reader.subscribe([wanted], SubscribeOptions::default()).expect("the call is right");
    stage.soon("EOSE", until_eose(&mut subscription)).await;
    let mut expected = BTreeSet::new();
    for round in 0..2 {
        let before = event(&author, 1, now(), &format!("before {round}"), &[]);
        publish_well(&writer, &before).await;
        let came = stage.soon("what is new", take(&mut subscription, 1)).await;
        assert_eq!(came[0].event.id(), before.id());
        expected.insert(before.id().to_string());

        stage.relay.kill();
        let lost = stage.soon("the gap", next_gap(&mut subscription)).await;
        assert_eq!(lost.cause, GapCause::Disconnected, "{lost:?}");
        let missed: Vec<Event> =
            (0..30).map(|n| event(&author, 1, now() - n % 7, &format!("missed {round} {n}"), &[])).collect();
        let publishing = futures::future::join_all(missed.iter().map(|event| publish(&writer, event)));
        stage.relay.revive().expect("it starts again");
        for report in stage.soon("the publishes", publishing).await {
            assert_eq!(report.verdict, Some(Verdict::Reached), "{:?}", report.relays);
        }
        let (came, mut gaps) = stage.soon("what was missed", take_all(&mut subscription, missed.len())).await;
        assert_eq!(ids(came.iter().map(|item| &*item.event)), ids(&missed));
        while !gaps.iter().any(|gap| matches!(gap.cause, GapCause::CaughtUp { .. })) {
            gaps.push(stage.soon("the end of the gap", next_gap(&mut subscription)).await);
        }
        expected.extend(ids(&missed));
    }
    let fetched = fetch_all(&reader, vec![Filter::new().author(author.public_key())]).await;
    assert_eq!(ids_of(&fetched), expected, "the relay kept what it took");
}

pub(super) async fn until_eose(subscription: &mut Subscription) {
    loop {
        match subscription.next().await.expect("the subscription goes on") {
            Item::Eose(coverage) if coverage.is_complete() => return,
            Item::Eose(coverage) => panic!("{coverage:?}"),
            Item::Gap(gap) => panic!("nothing may be missing: {gap:?}"),
            _ => {}
        }
    }
}

/// The next events; there must be no gap among them.
pub(super) async fn take(subscription: &mut Subscription, count: usize) -> Vec<EventItem> {
    let (events, gaps) = take_all(subscription, count).await;
    assert!(gaps.is_empty(), "nothing may be missing: {gaps:?}");
    events
}

async fn take_all(subscription: &mut Subscription, count: usize) -> (Vec<EventItem>, Vec<Gap>) {
    let (mut events, mut gaps) = (Vec::new(), Vec::new());
    while events.len() < count {
        match subscription.next().await.expect("the subscription goes on") {
            Item::Event(event) => events.push(event),
            Item::Gap(gap) => gaps.push(gap),
            _ => {}
        }
    }
    (events, gaps)
}

async fn next_gap(subscription: &mut Subscription) -> Gap {
    loop {
        match subscription.next().await.expect("the subscription goes on") {
            Item::Gap(gap) => return gap,
            Item::Event(event) => panic!("nothing is published: {}", event.event.to_json()),
            _ => {}
        }
    }
}
