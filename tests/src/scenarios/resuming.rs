//! What was missed: caps, crashes, slow readers, checkpoints, other relays.

use std::collections::BTreeSet;
use std::time::{Duration, UNIX_EPOCH};

use nostr_model_relay::Fault;
use nostr_pool_driver::{
    Acknowledge, Checkpoint, Events, FetchOptions, Gap, GapCause, History, RejectedEvent, Runtime, SubscribeOptions,
    Target,
};
use nostr_proto::EventId;

use super::*;

/// A relay that gives so many events at once.
fn capped(max_limit: usize) -> Server {
    Server::start(RelayConfig { max_limit, ..RelayConfig::default() }).expect("a loopback port is free")
}

/// A note of `ago` seconds before now.
fn recent(n: u64, ago: u64) -> Event {
    let now = UNIX_EPOCH.elapsed().expect("it is past 1970").as_secs();
    keys(1).sign(&EventTemplate::text_note(format!("recent {n}"), Timestamp::new(now - ago)), [0; 32])
}

fn ids<'a>(events: impl IntoIterator<Item = &'a Event>) -> BTreeSet<EventId> {
    events.into_iter().map(Event::id).collect()
}

fn gap(item: Item) -> Option<Gap> {
    match item {
        Item::Gap(gap) => Some(gap),
        _ => None,
    }
}

async fn until_eose(subscription: &mut Subscription) {
    next(subscription, |item| matches!(item, Item::Eose(_)).then_some(())).await;
}

/// Reads until all of these have come. None may come twice, and no others may come.
async fn all_of(subscription: &mut Subscription, expected: &BTreeSet<EventId>) -> Vec<Gap> {
    let (mut seen, mut gaps) = (BTreeSet::new(), Vec::new());
    while seen.len() < expected.len() {
        match subscription.next().await.expect("the subscription goes on") {
            Item::Event(e) => {
                assert!(expected.contains(&e.event.id()), "not asked for: {}", e.event.content());
                assert!(seen.insert(e.event.id()), "twice: {}", e.event.content());
            }
            Item::Gap(gap) => gaps.push(gap),
            _ => {}
        }
    }
    gaps
}

/// A relay that gives twenty events at once dies, misses nothing itself, and comes back: all two hundred come, once.
pub async fn reads_on_through_a_cap_after_a_crash<R: Runtime>(runtime: R) {
    let server = capped(20);
    store(&server, [recent(1_000, 300)]);
    let pool = pool(&runtime, [&server]);
    let mut subscription = pool.subscribe([notes().limit(5)], SubscribeOptions::default()).unwrap();
    until_eose(&mut subscription).await;
    server.kill();
    let lost = next(&mut subscription, gap).await;
    assert_eq!((lost.relay, lost.cause), (Some(url_of(&server)), GapCause::Disconnected));
    let missed: Vec<Event> = (0..200).map(|n| recent(n, n % 180)).collect();
    store(&server, missed.iter().cloned());
    server.revive().unwrap();
    let mut gaps = all_of(&mut subscription, &ids(&missed)).await;
    if gaps.is_empty() {
        gaps.push(next(&mut subscription, gap).await);
    }
    assert!(matches!(gaps[..], [Gap { cause: GapCause::CaughtUp { events: 200.. }, .. }]), "{gaps:?}");
    let live = recent(2_000, 0);
    store(&server, [live.clone()]);
    assert_eq!(next_event(&mut subscription).await.event.id(), live.id());
}

/// A reader with a short queue gets everything in the end, and is told that it was too slow.
pub async fn fetches_again_what_a_slow_reader_missed<R: Runtime>(runtime: R) {
    let server = relay();
    let pool = pool(&runtime, [&server]);
    let options = SubscribeOptions::default().with_queue_items(16);
    let mut slow = pool.subscribe([notes()], options).unwrap();
    until_eose(&mut slow).await;
    let events: Vec<Event> = (0..300).map(|n| recent(n, n % 200)).collect();
    store(&server, events.iter().cloned());
    until(&runtime, "its queue overflows", || pool.stats().skipped > 100).await;
    let gaps = all_of(&mut slow, &ids(&events)).await;
    let full = gaps.iter().any(|gap| matches!(gap.cause, GapCause::QueueFull { skipped: 1.., lost: 0 }));
    assert!(full, "{gaps:?}");
}

/// A checkpoint goes through text into another pool: what was not acknowledged comes again, what was missed comes.
pub async fn goes_on_from_a_checkpoint_in_another_pool<R: Runtime>(runtime: R) {
    let server = capped(20);
    let early: Vec<Event> = (0..10).map(|n| recent(n, 200 - n)).collect();
    let checkpoint = {
        let first = pool(&runtime, [&server]);
        let options = SubscribeOptions::default().with_acknowledge(Acknowledge::ByHand);
        let mut subscription = first.subscribe([notes()], options).unwrap();
        until_eose(&mut subscription).await;
        assert!(!subscription.checkpoint().unwrap().is_empty(), "from here on nothing is missed");
        store(&server, early.iter().cloned());
        let mut last = 0;
        for _ in 0..10 {
            last = next_event(&mut subscription).await.seq;
        }
        subscription.acknowledge(last - 3).unwrap();
        subscription.checkpoint().unwrap().to_json()
    };
    let later: Vec<Event> = (100..200).map(|n| recent(n, n - 100)).collect();
    store(&server, later.iter().cloned());

    let second = pool(&runtime, [&server]);
    let checkpoint = Checkpoint::from_json(&checkpoint).unwrap();
    let mut subscription = second.subscribe([notes()], SubscribeOptions::default().with_resume(checkpoint)).unwrap();
    let due = ids(early[7..].iter().chain(&later));
    let mut seen = BTreeSet::new();
    while !seen.is_superset(&due) {
        assert!(seen.insert(next_event(&mut subscription).await.event.id()), "twice");
    }
}

/// Sent to other relays while it is live: the one that stays is not asked again, the one that goes is told so.
pub async fn moves_to_other_relays_while_live<R: Runtime>(runtime: R) {
    let servers = [relay(), relay(), relay()];
    for (server, n) in servers.iter().zip(0..) {
        store(server, [recent(n, 10)]);
    }
    let pool = pool(&runtime, &servers);
    let options = SubscribeOptions::default().with_relays([url_of(&servers[0]), url_of(&servers[1])]);
    let mut subscription = pool.subscribe([notes()], options).unwrap();
    until_eose(&mut subscription).await;

    subscription.retarget(Target::Relays(vec![url_of(&servers[1]), url_of(&servers[2])])).unwrap();
    assert_eq!(next_event(&mut subscription).await.event.content(), "recent 2");
    until(&runtime, "the first got CLOSE", || servers[0].with(|relay| relay.stats().closes) == 1).await;
    let reqs = |n: usize| servers[n].with(|relay| relay.stats().reqs);
    assert_eq!([reqs(0), reqs(1), reqs(2)], [1, 1, 1]);
    store(&servers[0], [recent(10, 0)]);
    store(&servers[1], [recent(11, 0)]);
    assert_eq!(next_event(&mut subscription).await.event.content(), "recent 11");
    assert!(subscription.retarget(Target::Relays(Vec::new())).is_err(), "nobody is to be asked");
    store(&servers[2], [recent(12, 0)]);
    assert_eq!(next_event(&mut subscription).await.event.content(), "recent 12", "it is as it was");
}

/// An event that is longer than events may be is named, and a NOTICE that comes instead of an answer is passed on.
pub async fn tells_what_was_rejected_and_noticed<R: Runtime>(runtime: R) {
    let servers = [relay(), relay()];
    store(&servers[0], [note(1)]);
    servers[0].set_faults(Fault::OversizeEvent { bytes: 2 << 20 });
    servers[1].set_faults(Fault::NoticeOnly { text: "come back later".into() });
    let pool = pool(&runtime, &servers);
    let options = FetchOptions::default().with_timeout(Duration::from_millis(500));
    let fetched = pool.fetch([notes()], options).await.unwrap();
    assert_eq!(fetched.events.len(), 1);
    let [(relay, _, why)] = &fetched.rejected[..] else { panic!("{:?}", fetched.rejected) };
    assert_eq!((relay, *why), (&url_of(&servers[0]), RejectedEvent::TooLong));
    assert_eq!(fetched.notices, [(url_of(&servers[1]), "come back later".to_owned())]);
}

/// All that two capped relays have, newest first; and the newest of it where there is a limit above their caps.
pub async fn fetches_all_history_through_a_cap<R: Runtime>(runtime: R) {
    let servers = [capped(20), capped(30)];
    let events: Vec<Event> = (0..300).map(note).collect();
    store(&servers[0], events[..200].iter().cloned());
    store(&servers[1], events[100..].iter().cloned());
    let pool = pool(&runtime, &servers);
    let options = FetchOptions::default().with_history(History::All);
    let fetched = pool.fetch([notes()], options.clone()).await.unwrap();
    let contents: Vec<_> = fetched.events.iter().map(|e| e.event.content().to_owned()).collect();
    let expected: Vec<_> = (0..300).rev().map(|n| format!("note {n}")).collect();
    assert_eq!(contents, expected, "{:?}", fetched.gaps);
    assert!(fetched.gaps.iter().all(|gap| matches!(gap.cause, GapCause::CaughtUp { .. })), "{:?}", fetched.gaps);

    let fetched = pool.fetch([notes().limit(100)], options).await.unwrap();
    assert_eq!(fetched.events.len(), 100);
    assert_eq!(fetched.events.last().unwrap().event.content(), "note 200");
}

/// What goes beyond the budget is told, and comes when it is asked for.
pub async fn refills_what_was_given_up<R: Runtime>(runtime: R) {
    let server = capped(20);
    let events: Vec<Event> = (0..200).map(note).collect();
    store(&server, events.iter().cloned());
    let pool = build(&runtime, builder().config(Config { max_pages: 3, ..quick() }).relay(server.url()));
    let mut subscription = pool.subscribe([notes()], SubscribeOptions::default().with_history(History::All)).unwrap();
    let (mut seen, mut refills) = (BTreeSet::new(), 0);
    while seen.len() < events.len() {
        match subscription.next().await.unwrap() {
            Item::Event(e) => assert!(seen.insert(e.event.id()), "twice"),
            Item::Gap(gap) if gap.cause == GapCause::Budget => {
                refills += 1;
                subscription.refill(&gap).unwrap();
            }
            Item::Gap(gap) => assert!(matches!(gap.cause, GapCause::CaughtUp { .. }), "{gap:?}"),
            _ => {}
        }
    }
    assert!(refills >= 2, "{refills}");
    assert_eq!(seen, ids(&events));
}

/// The events alone, with what was told beside them at hand.
pub async fn reads_events_alone<R: Runtime>(runtime: R) {
    let server = relay();
    store(&server, [recent(1, 50)]);
    let pool = pool(&runtime, [&server]);
    let mut events: Events = pool.subscribe([notes()], SubscribeOptions::default()).unwrap().events();
    assert!(events.coverage().is_none());
    assert_eq!(events.next().await.unwrap().event.content(), "recent 1");
    server.kill();
    store(&server, [recent(2, 0)]);
    server.revive().unwrap();
    assert_eq!(events.next().await.unwrap().event.content(), "recent 2");
    assert!(events.coverage().is_some_and(|coverage| coverage.is_complete()));
    // The connection's loss was told before; that it was made up for may come after the event.
    assert!(events.gaps().len() <= 1, "{:?}", events.gaps());
    store(&server, [recent(3, 0)]);
    assert_eq!(events.next().await.unwrap().event.content(), "recent 3");
    assert!(events.gaps().is_empty(), "{:?}", events.gaps());
    events.subscription().unsubscribe().unwrap();
    assert!(events.next().await.is_none());
}
