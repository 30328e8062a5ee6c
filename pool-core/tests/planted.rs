//! What the planted bugs change that the simulator has no trouble for yet: each rule holds without the bug, and is broken
//! with it.

#![cfg(feature = "planted-bugs")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "this is test code, its helpers included")]

mod common;

use common::*;
use nostr_pool_core::*;
use nostr_proto::{EventTemplate, Filter, Kind};

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

/// What was told of the one relay's leg, last.
fn leg(b: &Bench, sub: SubId) -> Option<LegState> {
    b.items[&sub]
        .iter()
        .rev()
        .find_map(|item| if let Item::Leg { state, .. } = item { Some(state.clone()) } else { None })
}

fn coverage(b: &Bench, sub: SubId) -> Option<Coverage> {
    b.items[&sub].iter().find_map(|item| if let Item::Eose(coverage) = item { Some(coverage.clone()) } else { None })
}

fn name(b: &Bench, n: usize) -> String {
    b.requests[n].1.split('"').nth(3).unwrap().to_owned()
}

#[test]
fn one_eose_settles_all() {
    shows(PlantedBug::EoseGlobal, |config| {
        let mut b = Bench::new(2, config);
        let sub = b.all();
        let eose = format!("[\"EOSE\",\"{}\"]", name(&b, 0));
        b.text(0, &eose);
        coverage(&b, sub).is_none()
    });
}

#[test]
fn a_refusal_counts_as_eose() {
    shows(PlantedBug::ClosedIsEose, |config| {
        let mut b = Bench::new(1, config);
        let sub = b.all();
        let closed = format!("[\"CLOSED\",\"{}\",\"blocked: no\"]", name(&b, 0));
        b.text(0, &closed);
        !coverage(&b, sub).unwrap().is_complete()
    });
}

#[test]
fn a_late_eose_is_of_no_use() {
    shows(PlantedBug::TimedOutLegEnded, |config| {
        let mut b = Bench::new(1, config);
        let sub = b.all();
        b.pass(10);
        let eose = format!("[\"EOSE\",\"{}\"]", name(&b, 0));
        b.text(0, &eose);
        leg(&b, sub) == Some(LegState::Live)
    });
}

#[test]
fn an_answer_to_the_filters_of_before_is_taken_for_one_to_those_of_now() {
    shows(PlantedBug::StragglersDelivered, |config| {
        let mut b = Bench::new(1, config);
        let sub = b.all();
        b.call(Call::Update { sub, filters: vec![Filter::new().kind(Kind::TEXT_NOTE)] });
        let event = note("late").to_json();
        let (event, eose) =
            (format!("[\"EVENT\",\"{}\",{event}]", name(&b, 0)), format!("[\"EOSE\",\"{}\"]", name(&b, 0)));
        b.text(0, &event);
        b.decide_all();
        b.text(0, &eose);
        b.texts(sub).is_empty() && coverage(&b, sub).is_none()
    });
}
