//! What they send that is no event.

use nostr_pool_core::*;

use super::told::*;
use crate::common::*;

fn rejections(b: &Bench, sub: SubId) -> Vec<(String, RejectedEvent)> {
    let told = items(b, sub).into_iter().filter_map(|item| match item {
        Item::Rejected { relay, event, why } if relay == url(0) => Some((event.to_string(), why)),
        _ => None,
    });
    told.collect()
}

fn with_id(n: usize, rest: &str) -> String {
    format!("{{\"id\":\"{n:064x}\",{rest}}}")
}

#[test]
fn an_event_that_was_dropped_for_its_size_or_shape_is_told_by_its_id() {
    let mut b = Bench::new(1, Config::default());
    let (sub, other) =
        (b.subscribe(notes(), Target::All, Versions::Latest), b.subscribe(notes(), Target::All, Versions::Latest));
    let long = note(&"x".repeat(1 << 20));
    b.copy(0, sub, &long.to_json());
    b.copy(0, sub, &long.to_json());
    b.copy(0, sub, &with_id(7, "\"kind\":\"one\""));
    let id = long.id().to_string();
    let expected = [(id, RejectedEvent::TooLong), (format!("{:064x}", 7), RejectedEvent::Malformed)];
    assert_eq!(rejections(&b, sub), expected);
    assert!(rejections(&b, other).is_empty(), "it came for the first one");
    assert_eq!(b.core.relay(&url(0)).unwrap().counters.garbage, 3);
}

#[test]
fn no_more_than_sixteen_are_told_before_new_filters() {
    let mut b = Bench::new(1, Config::default());
    let sub = b.all();
    for n in 0..1_000 {
        b.copy(0, sub, &with_id(n, "\"kind\":-1"));
    }
    assert_eq!(rejections(&b, sub).len(), 16);
    assert_eq!(b.core.relay(&url(0)).unwrap().counters.garbage, 1_000);
    b.call(Call::Update { sub, filters: notes() });
    b.copy(0, sub, &with_id(0, "\"kind\":-1"));
    assert_eq!(rejections(&b, sub).len(), 17);
}

#[test]
fn what_is_for_no_running_request_or_has_no_id_is_told_to_nobody() {
    let mut b = Bench::new(1, Config::default());
    let sub = b.all();
    b.text(0, &format!("[\"EVENT\",\"p99\",{}]", with_id(1, "\"kind\":-1")));
    b.copy(0, sub, "{\"id\":\"xyz\",\"kind\":-1}");
    b.copy(0, sub, "{\"kind\":-1}");
    assert!(rejections(&b, sub).is_empty());
}
