//! Habits that were seen of deployed relays, and what the pool is to make of each: on the model relay, one at a time.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::BTreeSet;
use std::time::Duration;

use futures::executor::block_on;
use nostr_model_relay::{Config as RelayConfig, Fault, FaultPlan, Server};
use nostr_pool_driver::{
    AuthPolicy, Config, FetchOptions, GapCause, History, KeySigner, Pool, PublishOptions, SubscribeOptions, Verdict,
};
use nostr_pool_tokio::Tokio;
use nostr_proto::{Event, EventTemplate, Filter, Keys, Kind, Timestamp};

fn keys() -> Keys {
    Keys::from_entropy([1; 32]).unwrap()
}

fn note(n: u64, created_at: u64) -> Event {
    keys().sign(&EventTemplate::text_note(format!("note {n}"), Timestamp::new(created_at)), [0; 32])
}

fn relay(max_limit: usize, faults: impl Into<FaultPlan>) -> Server {
    let server = Server::start(RelayConfig { max_limit, ..RelayConfig::default() }).unwrap();
    server.set_faults(faults);
    server
}

/// A pool of this relay that authenticates, on a runtime that goes with the process.
fn pool(server: &Server) -> Pool {
    let runtime = Box::leak(Box::new(tokio::runtime::Runtime::new().unwrap()));
    let quick = Config {
        ok_deadline: Duration::from_secs(1),
        auth_ok_deadline: Duration::from_millis(300),
        retry_base: Duration::from_millis(50),
        pace_base: Duration::from_millis(100),
        ..Config::default()
    };
    let builder = Pool::builder().config(quick).signer(KeySigner::new(keys())).auth_policy(AuthPolicy::Always);
    builder.relay(server.url()).build(Tokio::new(runtime.handle().clone())).unwrap()
}

fn notes() -> Filter {
    Filter::new().kind(Kind::TEXT_NOTE)
}

/// Publishes one event, which must arrive in spite of these.
fn publishes(faults: impl Into<FaultPlan>) {
    let server = relay(500, faults);
    let pool = pool(&server);
    let event = note(1, 1_700_000_000);
    let options = PublishOptions::default().with_deadline(Duration::from_secs(8));
    let report = block_on(pool.publish(event.clone(), options).unwrap());
    assert_eq!(report.verdict, Some(Verdict::Reached), "{report:?}");
    assert!(server.with(|relay| relay.contains(&event.id())));
}

fn demands(challenge_on_connect: bool) -> Fault {
    Fault::AuthRequired { reads: true, writes: true, challenge_on_connect }
}

#[test]
fn authenticates_when_the_challenge_comes_behind_the_refusal() {
    publishes(FaultPlan::new().with(demands(false)).with(Fault::ChallengeBehind));
}

#[test]
fn authenticates_when_the_refusal_names_no_event() {
    publishes(FaultPlan::new().with(demands(true)).with(Fault::EmptyRefusedOkId));
}

#[test]
fn takes_a_refused_duplicate_for_accepted() {
    let server = relay(500, Fault::DuplicateFalse);
    let event = note(1, 1_700_000_000);
    server.with(|relay| relay.store(event.clone()));
    let report = block_on(pool(&server).publish(event, PublishOptions::default()).unwrap());
    assert_eq!(report.verdict, Some(Verdict::Reached), "{report:?}");
}

#[test]
fn publishes_more_than_the_limit_in_the_end() {
    let server = relay(500, Fault::PublishLimit { events: 5, window_secs: 1 });
    let pool = pool(&server);
    let options = || PublishOptions::default().with_deadline(Duration::from_secs(25));
    let publishes = (0..12).map(|n| pool.publish(note(n, 1_700_000_000 + n), options()).unwrap());
    for report in block_on(futures::future::join_all(publishes)) {
        assert_eq!(report.verdict, Some(Verdict::Reached), "{report:?}");
    }
}

#[test]
fn reads_on_while_closed_subscriptions_still_come() {
    let server = relay(500, FaultPlan::new().with(Fault::CloseLate { secs: 2 }).with(Fault::AnswerClose));
    let pool = pool(&server);
    let first = pool.subscribe([notes()], SubscribeOptions::default()).unwrap();
    let mut second = pool.subscribe([notes()], SubscribeOptions::default()).unwrap();
    let eose = async { while !matches!(second.next().await.unwrap(), nostr_pool_driver::Item::Eose(_)) {} };
    block_on(eose);
    drop(first);
    for n in 0..20 {
        server.with(|relay| relay.store(note(n, 1_700_000_000 + n)));
    }
    let mut seen = BTreeSet::new();
    block_on(async {
        while seen.len() < 20 {
            if let nostr_pool_driver::Item::Event(item) = second.next().await.unwrap() {
                assert!(seen.insert(item.event.id()), "delivered twice");
            }
        }
    });
}

/// All of them come, or what does not lies in a gap.
#[test]
fn pages_through_a_relay_whose_until_is_exclusive() {
    let server = relay(20, Fault::ExclusiveUntil);
    // Seven of each second: a page of twenty ends in the middle of one.
    let events: Vec<Event> = (0..140).map(|n| note(n, 1_700_000_000 + n / 7)).collect();
    for event in &events {
        server.with(|relay| relay.store(event.clone()));
    }
    let options = FetchOptions::default().with_history(History::All);
    let fetched = block_on(pool(&server).fetch([notes()], options)).unwrap();
    let missing = events.iter().filter(|event| !fetched.events.iter().any(|item| item.event.id() == event.id()));
    let is_told = |event: &&Event| {
        let at = event.created_at();
        let open = fetched.gaps.iter().filter(|gap| !matches!(gap.cause, GapCause::CaughtUp { .. }));
        !open.into_iter().any(|gap| gap.since.is_none_or(|s| s <= at) && gap.until.is_none_or(|u| at <= u))
    };
    let silent: Vec<String> = missing.filter(is_told).map(|event| event.content().to_owned()).collect();
    assert!(silent.is_empty(), "{} are missing without a word: {silent:?}, {:?}", silent.len(), fetched.gaps);
}
