//! What the planted bugs change that the simulator has no trouble for yet: each rule holds without the bug, and is broken
//! with it.

#![cfg(feature = "planted-bugs")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "this is test code, its helpers included")]

mod common;

use common::*;
use nostr_pool_core::*;
use nostr_proto::EventTemplate;

fn shows(bug: PlantedBug, rule: impl Fn(Config) -> bool) {
    assert!(rule(Config::default()), "without {bug:?}");
    assert!(!rule(Config { planted: Some(bug), ..Config::default() }), "with {bug:?}");
}

#[test]
fn a_future_dated_version_wins() {
    shows(PlantedBug::FutureWinsLatest, |config| {
        let mut b = Bench::new(1, config);
        let sub = b.all();
        b.send(0, sub, &version("d", 5_000, "ahead"));
        b.send(0, sub, &version("d", 0, "now"));
        b.texts(sub) == ["ahead", "now"]
    });
}

#[test]
fn an_older_version_is_delivered() {
    shows(PlantedBug::OlderVersionDelivered, |config| {
        let mut b = Bench::new(1, config);
        let sub = b.all();
        b.send(0, sub, &version("d", 0, "new"));
        b.send(0, sub, &version("d", -1, "old"));
        b.texts(sub) == ["new"]
    });
}

#[test]
fn an_expired_event_is_delivered() {
    shows(PlantedBug::ExpiredDelivered, |config| {
        let mut b = Bench::new(1, config);
        let sub = b.all();
        b.send(0, sub, &sign(EventTemplate::text_note("over", second(-9)).expires_at(second(-1))));
        b.texts(sub).is_empty()
    });
}

#[test]
fn what_was_crowded_out_is_forgotten() {
    shows(PlantedBug::RepairForgotten, |config| {
        let mut b = Bench::new(2, Config { max_parked: 0, ..config });
        let sub = b.all();
        let event = note("lost");
        b.copy(0, sub, &forged(&event, 1));
        b.copy(1, sub, &event.to_json());
        b.decide_all();
        b.requests.iter().any(|(_, frame)| frame.contains(&event.id().to_string())) || b.gaps(sub) > 0
    });
}
