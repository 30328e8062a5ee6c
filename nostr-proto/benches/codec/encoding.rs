//! Client messages to JSON, ours and by serde_json from strings and vectors.

use divan::Bencher;
use nostr_pool_corpus::{Class, Rng};
use nostr_proto::{Event, EventTemplate, Filter, Keys, Kind, PublicKey, Timestamp, encode};
use serde::Serialize;

use crate::sets::{OwnedEvent, events, passes};

#[derive(Serialize)]
struct OwnedFilter {
    authors: Vec<String>,
    kinds: Vec<u16>,
    limit: u32,
}

/// Filters of so many authors, one for each of a few messages.
fn filters(authors: usize) -> Vec<Filter> {
    let mut rng = Rng::new(1);
    let filter = |_| {
        let authors = (0..authors).map(|_| PublicKey::from_bytes(rng.bytes32()));
        Filter::new().authors(authors).kinds([Kind::TEXT_NOTE, Kind::new(6)]).limit(500)
    };
    (0..10_000 / authors).map(filter).collect()
}

fn owned_filter(filter: &Filter) -> OwnedFilter {
    let authors = filter.authors.iter().flatten().map(PublicKey::to_string).collect();
    OwnedFilter { authors, kinds: vec![1, 6], limit: 500 }
}

fn auths() -> Vec<Event> {
    let mut rng = Rng::new(1);
    let keys = Keys::from_entropy(rng.bytes32()).unwrap();
    let auth = |_| {
        let mut template = EventTemplate::new(Kind::new(22242), "", Timestamp::new(1_741_300_000));
        let pair = |name: &str, value: &str| vec![name.to_owned(), value.to_owned()];
        template.tags = vec![pair("relay", "wss://relay.example/"), pair("challenge", &rng.hex(32))];
        keys.sign(&template, rng.bytes32())
    };
    (0..500).map(auth).collect()
}

fn owned(events: &[Event]) -> Vec<OwnedEvent> {
    events.iter().map(|event| serde_json::from_str(&event.to_json()).unwrap()).collect()
}

fn measure<T>(bencher: Bencher<'_, '_>, items: &[T], encode: impl Fn(&T) -> String) {
    passes(bencher, items, items.iter().map(|item| encode(item).len()).sum(), encode);
}

#[divan::bench]
fn event(bencher: Bencher<'_, '_>) {
    measure(bencher, &events(Class::Mix), encode::event);
}

#[divan::bench]
fn event_by_serde_json(bencher: Bencher<'_, '_>) {
    measure(bencher, &owned(&events(Class::Mix)), |event| serde_json::to_string(&("EVENT", event)).unwrap());
}

#[divan::bench]
fn auth(bencher: Bencher<'_, '_>) {
    measure(bencher, &auths(), encode::auth);
}

#[divan::bench]
fn auth_by_serde_json(bencher: Bencher<'_, '_>) {
    measure(bencher, &owned(&auths()), |event| serde_json::to_string(&("AUTH", event)).unwrap());
}

#[divan::bench(args = [10, 1_000])]
fn req(bencher: Bencher<'_, '_>, authors: usize) {
    measure(bencher, &filters(authors), |filter| encode::req("sub:1", [filter]));
}

#[divan::bench(args = [10, 1_000])]
fn req_by_serde_json(bencher: Bencher<'_, '_>, authors: usize) {
    let filters: Vec<OwnedFilter> = filters(authors).iter().map(owned_filter).collect();
    measure(bencher, &filters, |filter| serde_json::to_string(&("REQ", "sub:1", filter)).unwrap());
}

#[divan::bench(args = [10])]
fn count(bencher: Bencher<'_, '_>, authors: usize) {
    measure(bencher, &filters(authors), |filter| encode::count("sub:1", [filter]));
}

#[divan::bench(args = [10])]
fn count_by_serde_json(bencher: Bencher<'_, '_>, authors: usize) {
    let filters: Vec<OwnedFilter> = filters(authors).iter().map(owned_filter).collect();
    measure(bencher, &filters, |filter| serde_json::to_string(&("COUNT", "sub:1", filter)).unwrap());
}

fn subscriptions() -> Vec<String> {
    (0..1_000).map(|at| format!("sub:{at}")).collect()
}

#[divan::bench]
fn close(bencher: Bencher<'_, '_>) {
    measure(bencher, &subscriptions(), |subscription| encode::close(subscription));
}

#[divan::bench]
fn close_by_serde_json(bencher: Bencher<'_, '_>) {
    measure(bencher, &subscriptions(), |subscription| serde_json::to_string(&("CLOSE", subscription)).unwrap());
}
