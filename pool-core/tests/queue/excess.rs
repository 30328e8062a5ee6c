//! Relays that bring more than they were asked for.

use nostr_pool_core::*;
use nostr_proto::{Event, Filter, Kind};

use super::world::*;

#[test]
fn a_relay_that_brings_more_than_it_was_asked_for_is_cut_off_and_new_events_are_not() {
    let mut w = World::new(1, Config::default());
    w.relays[0].silent = true;
    let sub = w.reader(Filter::new().limit(10), 1_000);
    let wire = w.relays[0].requests.keys().next().unwrap().clone();
    let old: Vec<Event> = (0..150).map(|n| note(&format!("{n}"), 5_000 + n)).collect();
    let new: Vec<Event> = (0..10).map(|n| note(&format!("new {n}"), 0)).collect();
    let said = |event: &Event| format!("[\"EVENT\",\"{wire}\",{}]", event.to_json());
    w.relays[0].said.extend(old.iter().chain(&new).map(said));
    // Copies of what was dropped are dropped, too, and those of others are copies.
    w.relays[0].said.extend(old[115..125].iter().map(said));
    w.relays[0].said.push_back(format!("[\"EOSE\",\"{wire}\"]"));
    w.settle();
    w.take(sub, 1_000);
    let expected: Vec<Event> = old[..120].iter().chain(&new).cloned().collect();
    assert_eq!(sorted(w.events(sub)), ids(&expected));
    assert_eq!(w.gaps(sub), [GapCause::OverDelivered { dropped: 35 }]);
    let counters = w.core.relay(&url(0)).unwrap().counters;
    assert_eq!((counters.events, counters.excess, counters.duplicates), (170, 35, 5));
    // After its EOSE, whatever it pushes is new.
    w.relays[0].said.push_back(said(&old[140]));
    w.settle();
    w.take(sub, 10);
    assert!(w.events(sub).contains(&old[140].id()));
}

#[test]
fn without_a_limit_there_is_no_such_thing_as_too_many() {
    let mut w = World::new(1, Config::default());
    w.relays[0].stored = notes(300);
    let filters = vec![Filter::new().limit(10), Filter::new().kind(Kind::new(1))];
    let sub = w.subscribe(Subscribe { filters, ..Subscribe::default() });
    assert_eq!(w.untaken_events(sub), 300);
}
