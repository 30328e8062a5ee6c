//! The relay against a brute-force oracle that is built on nostr-proto: the relay matches and orders by code of its
//! own, so that the two confirm each other.

use crate::support::{hear, keys, say};
use nostr_model_relay::{Config, Relay};
use nostr_proto::{Event, EventId, EventTemplate, Filter, Kind, KindClass, Signature, Timestamp};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

const KINDS: [u16; 8] = [0, 1, 3, 7, 10_002, 20_001, 30_023, 39_999];
const WORDS: [&str; 4] = ["", "a", "b", "é\u{1}\"\\\n"];
const MAX_LIMIT: usize = 8;

fn event() -> impl Strategy<Value = Event> {
    let tag = (select(vec!["t", "d", "T", "long"]), vec(select(WORDS.to_vec()), 0..3));
    let parts = (1..4_u8, select(KINDS.to_vec()), 0..12_u64, select(WORDS.to_vec()), vec(tag, 0..4));
    parts.prop_map(|(author, kind, created_at, content, tags)| {
        let mut template = EventTemplate::new(Kind::new(kind), content, Timestamp::new(created_at));
        for (name, values) in tags {
            template = template.tag(std::iter::once(name).chain(values));
        }
        // Signatures are not what is compared here.
        template.unsigned(keys(author).public_key()).with_signature(Signature::from_bytes([1; 64]))
    })
}

fn filter(ids: Vec<EventId>) -> impl Strategy<Value = Filter> {
    let some_of = |count: usize| of(subsequence((0..count).collect::<Vec<_>>(), 0..=count.min(3)));
    let lists = (some_of(ids.len()), of(subsequence(vec![1_u8, 2, 3], 1..=2)), some_of(KINDS.len()));
    let tags = (some_of(WORDS.len()), some_of(WORDS.len()), some_of(WORDS.len()));
    (lists, tags, of(0..12_u64), of(0..12_u64), of(0..10_u32)).prop_map(
        move |((some_ids, authors, kinds), (t, d, upper), since, until, limit)| {
            let mut raw = json!({});
            let words = |some: Vec<usize>| some.into_iter().map(|word| WORDS[word]).collect::<Vec<_>>();
            if let Some(some) = some_ids {
                raw["ids"] = some.into_iter().map(|index| json!(ids[index].to_string())).collect();
            }
            if let Some(some) = authors {
                raw["authors"] = some.into_iter().map(|seed| json!(keys(seed).public_key().to_string())).collect();
            }
            if let Some(some) = kinds {
                raw["kinds"] = some.into_iter().map(|index| json!(KINDS[index])).collect();
            }
            for (name, some) in [("#t", t), ("#d", d), ("#T", upper)] {
                if let Some(some) = some {
                    raw[name] = json!(words(some));
                }
            }
            for (name, number) in [("since", since), ("until", until), ("limit", limit.map(u64::from))] {
                if let Some(number) = number {
                    raw[name] = json!(number);
                }
            }
            Filter::from_json(&raw.to_string()).expect("the filter is well-formed")
        },
    )
}

fn events_and_filters() -> impl Strategy<Value = (Vec<Event>, Vec<Filter>)> {
    vec(event(), 0..40).prop_flat_map(|events| {
        let ids: Vec<EventId> = events.iter().map(Event::id).take(6).collect();
        (Just(events), vec(filter(ids), 1..4))
    })
}

/// What a relay holds after these events, in whatever order they came; newest first.
fn held(events: &[Event]) -> Vec<Event> {
    let order = |event: &Event| (Reverse(event.created_at()), event.id());
    let mut regular = BTreeMap::new();
    let mut versions: BTreeMap<_, Event> = BTreeMap::new();
    for event in events {
        match event.kind().class() {
            KindClass::Ephemeral => {}
            KindClass::Regular => drop(regular.insert(event.id(), event.clone())),
            KindClass::Replaceable | KindClass::Addressable => {
                let identifier = match event.kind().class() {
                    KindClass::Addressable => event.identifier().to_owned(),
                    _ => String::new(),
                };
                let key = (event.kind(), event.pubkey(), identifier);
                let best = versions.entry(key).or_insert_with(|| event.clone());
                if order(event) < order(best) {
                    *best = event.clone();
                }
            }
        }
    }
    let mut all: Vec<Event> = regular.into_values().chain(versions.into_values()).collect();
    all.sort_by_key(order);
    all
}

/// The ids that a `REQ` returns, and whether more match.
fn answer(held: &[Event], filters: &[Filter]) -> (Vec<EventId>, bool) {
    let mut wanted = BTreeSet::new();
    for filter in filters {
        let limit = filter.limit.map_or(MAX_LIMIT, |limit| (limit as usize).min(MAX_LIMIT));
        wanted.extend(held.iter().filter(|event| filter.matches(event)).take(limit).map(Event::id));
    }
    let ids: Vec<EventId> = held.iter().map(Event::id).filter(|id| wanted.contains(id)).collect();
    let matching = held.iter().filter(|event| filters.iter().any(|filter| filter.matches(event))).count();
    let more = matching > ids.len();
    (ids, more)
}

fn req(verb: &str, filters: &[Filter]) -> Value {
    let mut message = vec![json!(verb), json!("s")];
    message.extend(filters.iter().map(|filter| serde_json::from_str::<Value>(&filter.to_json()).unwrap()));
    Value::Array(message)
}

fn relay() -> Relay {
    Relay::new(Config { max_limit: MAX_LIMIT, eose_hints: true, verify: false, ..Config::default() })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn answers_are_those_of_the_oracle((events, filters) in events_and_filters()) {
        let mut relay = relay();
        let conn = relay.connect();
        for event in &events {
            relay.store(event.clone());
        }
        let held = held(&events);
        prop_assert!(relay.events().eq(&held));

        let (ids, more) = answer(&held, &filters);
        let mut want: Vec<Value> = ids.iter().map(|id| json!(id.to_string())).collect();
        want.push(json!([if more { "more" } else { "finish" }]));
        let frames = say(&mut relay, conn, &req("REQ", &filters));
        let got: Vec<Value> = frames.iter().map(|f| if f[0] == "EVENT" { f[2]["id"].clone() } else { f[2].clone() }).collect();
        prop_assert_eq!(got, want);

        let matching = held.iter().filter(|event| filters.iter().any(|filter| filter.matches(event))).count();
        prop_assert_eq!(say(&mut relay, conn, &req("COUNT", &filters)), vec![json!(["COUNT", "s", {"count": matching}])]);
    }

    #[test]
    fn live_events_are_those_of_the_oracle((events, filters) in events_and_filters()) {
        let mut relay = relay();
        let conn = relay.connect();
        say(&mut relay, conn, &req("REQ", &filters));
        for event in events {
            let is_new = relay.store(event.clone());
            let is_wanted = filters.iter().any(|filter| filter.matches(&event));
            let got = hear(&mut relay, conn);
            prop_assert_eq!(got.len(), usize::from(is_new && is_wanted));
        }
    }

    #[test]
    fn any_order_of_arrival_ends_in_the_same_store(
        (one, other) in vec(event(), 0..30).prop_flat_map(|events| (Just(events.clone()), Just(events).prop_shuffle()))
    ) {
        let stored = |events: Vec<Event>| {
            let mut relay = relay();
            for event in events {
                relay.store(event);
            }
            relay.events().cloned().collect::<Vec<_>>()
        };
        prop_assert_eq!(stored(one), stored(other));
    }

    #[test]
    fn ids_are_those_of_nostr_proto(event in event()) {
        let mut relay = Relay::new(Config::default());
        let conn = relay.connect();
        // The signature is wrong, so it is the last to be looked at.
        let raw: Value = serde_json::from_str(&event.to_json()).unwrap();
        let frames = say(&mut relay, conn, &json!(["EVENT", raw]));
        prop_assert_eq!(&frames[0][3], &json!("invalid: bad signature"));
    }

    #[test]
    fn no_text_brings_the_relay_down(text in ".{0,60}|\\[\"(EVENT|REQ|CLOSE|COUNT|AUTH)\",.{0,40}\\]") {
        let mut relay = Relay::new(Config::default());
        let conn = relay.connect();
        relay.handle(conn, &text, Timestamp::new(1));
        while relay.poll_output().is_some() {}
    }
}
