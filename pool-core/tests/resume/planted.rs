//! Bugs that can be planted here, and what is lost by them.

use nostr_pool_core::*;
use nostr_proto::{Event, EventTemplate, Filter, Kind};

use super::stage::*;
use crate::common::*;

fn shows(bug: PlantedBug, rule: impl Fn(Config) -> bool) {
    assert!(rule(Config::default()), "without {bug:?}");
    assert!(!rule(Config { planted: Some(bug), ..Config::default() }), "with {bug:?}");
}

/// Away for so long, while so much came; `before`: what came just before that.
fn misses(filters: Vec<Filter>, before: Option<Event>, missed: Vec<Event>, away: u64, config: Config) -> bool {
    let mut s = Stage::new(filters, config);
    s.serve();
    if let Some(event) = before {
        let wire = s.asked[0].0.clone();
        s.brings(&wire, &event);
        s.b.decide_all();
    }
    s.store = missed;
    s.offline(away);
    s.serve();
    s.has_all()
}

#[test]
fn where_it_goes_on() {
    let ahead = Some(at(90_000, "ahead"));
    shows(PlantedBug::SinceFromEvents, |config| misses(vec![notes()], ahead.clone(), many(1, 5), 5_000, config));
    shows(PlantedBug::SinceNow, |config| misses(vec![notes()], None, many(1, 5), 5_000, config));
    shows(PlantedBug::LimitReplayed, |config| misses(vec![notes().limit(2)], None, many(1, 5), 100, config));
}

#[test]
fn what_proves() {
    let other = |n: i64| sign(EventTemplate::new(Kind::REACTION, format!("r{n}"), second(n)));
    let both = vec![notes(), Filter::new().kind(Kind::REACTION)];
    let missed: Vec<Event> = (1..6).map(other).chain(many(1, 60)).collect();
    shows(PlantedBug::MultiFilterOldest, |config| misses(both.clone(), None, missed.clone(), 100, config));
    shows(PlantedBug::CoverageOnTimeout, |config| {
        let mut s = Stage::behind(50, 100, config);
        let main = s.take();
        s.answer(&main[0]);
        drop(s.take());
        s.b.pass(13);
        s.serve();
        s.has_all()
    });
    shows(PlantedBug::LargestPageLive, |config| {
        let mut s = Stage::behind(80, 100, config);
        let main = s.take();
        s.answer(&main[0]);
        let page = s.take().remove(0);
        // Ten are pushed while it runs.
        let pushed = many(500, 10);
        let wire = main[0].0.clone();
        for event in s.found(&page.1).iter().chain(&pushed) {
            s.brings(&page.0, event);
        }
        pushed.iter().for_each(|event| s.brings(&wire, event));
        s.b.decide_all();
        s.b.text(0, &format!("[\"EOSE\",\"{}\"]", page.0));
        s.serve();
        s.has_all()
    });
}

#[test]
fn whose_answer_it_is() {
    shows(PlantedBug::WireIdReused, |config| {
        let mut s = Stage::new(vec![notes()], config);
        let old = s.take().remove(0);
        s.b.call(Call::Update { sub: s.sub, filters: vec![notes().limit(3)] });
        // The old request's EOSE, sent before its CLOSE was read.
        s.b.text(0, &format!("[\"EOSE\",\"{}\"]", old.0));
        !s.b.items[&s.sub].iter().any(|item| matches!(item, Item::Eose(_)))
    });
}
