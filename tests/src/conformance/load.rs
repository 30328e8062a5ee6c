//! Much at once: subscriptions, relays, events, and the end in the middle of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant, UNIX_EPOCH};

use futures::StreamExt;
use nostr_model_relay::{Config as RelayConfig, Server};
use nostr_pool_driver::{
    Config, ConnectionState, FetchOptions, GapCause, Item, PublishOptions, Quorum, RelayRecord, Runtime,
    SubscribeOptions, Verdict,
};
use nostr_proto::{Event, EventTemplate, Filter, Kind, Timestamp};

use super::Script;
use super::cx::{self, Cx};
use crate::scenarios::lifetime::Counting;
use crate::scenarios::{build, builder, keys, next, note, notes, pool, quick, relay, store};

pub(super) fn scripts<R: Runtime>() -> Vec<Script<R>> {
    vec![
        Script::new(
            "load: a subscriber that takes its time",
            slow_subscriber,
            &[
                "another misses nothing: 300 events",
                "a gap tells of what was skipped",
                "300 events, each once",
                "caught up",
            ],
        ),
        Script::new(
            "load: a subscriber that takes nothing",
            idle_subscriber,
            &["another misses nothing: 300 events", "shut down in time", "17 items at most, and the end"],
        ),
        Script::alone(
            "load: 2000 subscriptions",
            many_subscriptions,
            &["2000 have their stored event and EOSE", "2000 have their live event", "the relay keeps 0 subscriptions"],
        ),
        Script::alone(
            "load: 40 relays over 8 sockets",
            many_relays,
            &["41 events", "40 relays: all", "all have the note", "never more than 8 sockets"],
        ),
        Script::alone(
            "load: shutdown in the middle of it",
            shutdown,
            &[
                "all had begun",
                "shut down in time",
                "every publish is finished or unfinished",
                "every publish has a verdict",
                "every subscription ends",
                "tasks end",
                "the relays are let go",
            ],
        ),
    ]
}

/// A pool of this relay whose two subscriptions are live: one with little room.
fn two_subscribers<R: Runtime>(
    cx: &Cx<R>,
    server: &Server,
) -> (nostr_pool_driver::Pool, nostr_pool_driver::Subscription, nostr_pool_driver::Subscription) {
    let pool = pool(&cx.runtime, [server]);
    let little = SubscribeOptions::default().with_queue_items(16);
    let mut slow = pool.subscribe([notes()], little).expect("the arguments are right");
    let mut quick = pool.subscribe([notes()], SubscribeOptions::default()).expect("the arguments are right");
    for subscription in [&mut slow, &mut quick] {
        cx.wait(next(subscription, |item| matches!(item, Item::Eose(_)).then_some(())));
    }
    (pool, slow, quick)
}

/// Pushes events, and has the quick one take them all.
fn push<R: Runtime>(cx: &Cx<R>, server: &Server, quick: &mut nostr_pool_driver::Subscription) {
    store(server, (0..300).map(note));
    let mut found = BTreeSet::new();
    while found.len() < 300 {
        let event = |item| if let Item::Event(event) = item { Some(event.event.id()) } else { None };
        found.insert(cx.wait(next(quick, event)));
    }
    cx.say(format!("another misses nothing: {} events", found.len()));
}

fn slow_subscriber<R: Runtime>(cx: &Cx<R>) {
    let server = relay();
    let (_pool, mut slow, mut quick) = two_subscribers(cx, &server);
    push(cx, &server, &mut quick);
    let mut found: BTreeMap<_, u32> = BTreeMap::new();
    let (mut skipped, mut caught_up) = (false, false);
    cx.wait(async {
        while found.len() < 300 || !caught_up {
            match slow.next().await {
                Some(Item::Event(event)) => *found.entry(event.event.id()).or_default() += 1,
                Some(Item::Gap(gap)) => match gap.cause {
                    GapCause::QueueFull { .. } => skipped = true,
                    GapCause::CaughtUp { .. } => caught_up = true,
                    _ => {}
                },
                Some(_) => {}
                None => break,
            }
        }
    });
    cx.say(if skipped { "a gap tells of what was skipped" } else { "nothing was skipped" });
    let once = found.values().all(|times| *times == 1);
    cx.say(format!("{} events{}", found.len(), if once { ", each once" } else { "" }));
    cx.say("caught up");
}

fn idle_subscriber<R: Runtime>(cx: &Cx<R>) {
    let server = relay();
    let (pool, mut idle, mut quick) = two_subscribers(cx, &server);
    push(cx, &server, &mut quick);
    let begun = Instant::now();
    cx.wait(pool.shutdown(Duration::ZERO));
    cx.say(if begun.elapsed() < Duration::from_secs(4) { "shut down in time" } else { "shut down late" });
    let mut events = 0;
    let ended = cx.wait(async {
        loop {
            match idle.next().await {
                Some(Item::Event(_)) => events += 1,
                Some(Item::End(_)) => return true,
                Some(_) => {}
                None => return false,
            }
        }
    });
    let (events, end) = (if events <= 17 { 17 } else { events }, if ended { ", and the end" } else { "" });
    cx.say(format!("{events} items at most{end}"));
}

/// The one event of this kind and date.
fn of_kind(kind: u16, unix: u64) -> Event {
    keys(1).sign(&EventTemplate::new(Kind::new(kind), "", Timestamp::new(unix)), [0; 32])
}

fn many_subscriptions<R: Runtime>(cx: &Cx<R>) {
    const MANY: u16 = 2_000;
    let first = 1_000;
    let config = RelayConfig { max_subscriptions_per_connection: usize::from(MANY), ..RelayConfig::default() };
    let server = Server::start(config).expect("a loopback port is free");
    store(&server, (0..MANY).map(|n| of_kind(first + n, 1_700_000_000)));
    let pool = pool(&cx.runtime, [&server]);
    let mut all: Vec<_> = (0..MANY)
        .map(|n| {
            let filter = Filter::new().kind(Kind::new(first + n));
            pool.subscribe([filter], SubscribeOptions::default()).expect("there is room")
        })
        .collect();
    let mut good = 0;
    for (n, subscription) in (0..).zip(&mut all) {
        let (mut stored, mut wrong) = (0, 0);
        cx.wait(async {
            loop {
                match subscription.next().await {
                    Some(Item::Event(e)) if e.event.kind() == Kind::new(first + n) => stored += 1,
                    Some(Item::Event(_)) | None => wrong += 1,
                    Some(Item::Eose(_)) => return,
                    Some(_) => {}
                }
            }
        });
        good += u32::from(stored == 1 && wrong == 0);
    }
    cx.say(format!("{good} have their stored event and EOSE"));
    // Dated now: a subscription that is being packed together with others just then is asked what it missed.
    let now = UNIX_EPOCH.elapsed().expect("it is past 1970").as_secs();
    let live: Vec<Event> = (0..MANY).map(|n| of_kind(first + n, now)).collect();
    store(&server, live.iter().cloned());
    let mut good = 0;
    for (new, subscription) in live.iter().zip(&mut all) {
        let event = |item| if let Item::Event(event) = item { Some(event.event.id()) } else { None };
        good += u32::from(cx.wait(next(subscription, event)) == new.id());
    }
    cx.say(format!("{good} have their live event"));
    drop(all);
    cx.until("they are closed", || server.with(|relay| relay.open_subscriptions()) == 0);
    cx.say("the relay keeps 0 subscriptions");
}

fn many_relays<R: Runtime>(cx: &Cx<R>) {
    let servers: Vec<_> = (0..40).map(|_| relay()).collect();
    for (n, server) in (1..).zip(&servers) {
        store(server, [note(0), note(n)]);
    }
    let config = Config { max_connections: 8, one_shot_turn: Duration::from_secs(1), ..quick() };
    let builder = servers.iter().fold(builder().config(config), |builder, server| builder.relay(server.url()));
    let pool = build(&cx.runtime, builder);
    let most = std::sync::atomic::AtomicUsize::new(0);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        use std::sync::atomic::Ordering::SeqCst;
        scope.spawn(|| {
            while !done.load(SeqCst) {
                let has_socket = |record: &RelayRecord| {
                    use ConnectionState::{Closing, Dialing, Open};
                    matches!(record.state, Dialing | Open | Closing)
                };
                most.fetch_max(pool.relays().iter().filter(|record| has_socket(record)).count(), SeqCst);
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        let fetched = cx.wait(pool.fetch([notes()], FetchOptions::default())).expect("the pool goes on");
        cx.say(format!("{} events", fetched.events.len()));
        let outcomes: BTreeSet<_> = fetched.coverage.legs.iter().map(|leg| cx::leg_outcome(&leg.outcome)).collect();
        let outcomes: Vec<_> = outcomes.into_iter().collect();
        cx.say(format!("{} relays: {}", fetched.coverage.legs.len(), outcomes.join(", ")));
        let options = PublishOptions::default().with_quorum(Quorum::All);
        let report = cx.wait(pool.publish(note(100), options).expect("there is room"));
        let reached = report.verdict == Some(Verdict::Reached);
        cx.say(if reached { "all have the note" } else { "not all have the note" });
        done.store(true, SeqCst);
    });
    let most = most.into_inner();
    cx.say(if most <= 8 { "never more than 8 sockets".to_owned() } else { format!("{most} sockets") });
}

fn shutdown<R: Runtime>(cx: &Cx<R>) {
    let runtime = Counting::new(cx.runtime.clone());
    let servers = [relay(), relay(), relay()];
    for server in &servers {
        store(server, (0..200).map(note));
    }
    let pool = pool(&runtime, &servers);
    let mut subscriptions: Vec<_> =
        (0..30).map(|_| pool.subscribe([notes()], SubscribeOptions::default()).expect("there is room")).collect();
    let publishing: Vec<_> = (1_000..1_400)
        .map(|n| {
            let options = PublishOptions::default().with_quorum(Quorum::All);
            pool.publish(note(n), options).expect("there is room")
        })
        .collect();
    cx.until("the relays have some of it", || servers.iter().all(|server| server.with(|relay| relay.len()) > 210));
    cx.say("all had begun");
    let begun = Instant::now();
    let unfinished = cx.wait(pool.shutdown(Duration::ZERO));
    cx.say(if begun.elapsed() < Duration::from_secs(4) { "shut down in time" } else { "shut down late" });
    let reports: Vec<_> = publishing.into_iter().map(|publishing| cx.wait(publishing)).collect();
    let unfinished: BTreeSet<_> = unfinished.into_iter().map(|left| left.report.event).collect();
    let told = reports.iter().all(|r| r.verdict == Some(Verdict::Reached) || unfinished.contains(&r.event));
    cx.say(if told { "every publish is finished or unfinished" } else { "some are neither" });
    let verdicts = reports.iter().filter(|report| report.verdict.is_some()).count();
    cx.say(if verdicts == 400 { "every publish has a verdict".to_owned() } else { format!("{verdicts} verdicts") });
    let mut ends = 0;
    for subscription in &mut subscriptions {
        let items: Vec<Item> = cx.wait(subscription.collect());
        ends += u32::from(matches!(items.last(), Some(Item::End(_))));
    }
    cx.say(if ends == 30 { "every subscription ends".to_owned() } else { format!("{ends} end") });
    cx.until("every task has ended", || runtime.alive() == 0);
    cx.say("tasks end");
    cx.until("the relays are let go", || servers.iter().all(|server| server.connections() == 0));
    cx.say("the relays are let go");
}
