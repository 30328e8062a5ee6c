//! Filters: matching against a naive oracle, JSON both ways, and what is refused.

use crate::support::{Choices, Fields, HEX64, Liberties, fields, hex, spell};
use nostr_proto::{EventId, Filter, Kind, ParseErrorKind, Part, PublicKey, Timestamp};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use proptest::{option, sample};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Matching by NIP-01, over document trees.
fn naive_match(filter: &Value, event: &Value) -> bool {
    filter.as_object().unwrap().iter().all(|(key, wanted)| match key.as_str() {
        "ids" => wanted.as_array().unwrap().contains(&event["id"]),
        "authors" => wanted.as_array().unwrap().contains(&event["pubkey"]),
        "kinds" => wanted.as_array().unwrap().contains(&event["kind"]),
        "since" => event["created_at"].as_u64() >= wanted.as_u64(),
        "until" => event["created_at"].as_u64() <= wanted.as_u64(),
        "limit" | "search" => true,
        tag => event["tags"]
            .as_array()
            .unwrap()
            .iter()
            .any(|found| found[0] == tag[1..] && wanted.as_array().unwrap().contains(&found[1])),
    })
}

/// The names of tags in the small world, in both cases, and those whose values are ids.
const NAMES: [char; 7] = ['a', 'b', 'A', 'B', 'e', 'p', 'E'];

/// A tag's value in the small world: few letters in both cases, ids, nothing.
fn small_value() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[abAB]?", 2 => small_id()]
}

fn small_id() -> impl Strategy<Value = String> {
    (0_u8..2).prop_map(|n| hex(&[n; 32]))
}

/// A point in time in the small world, or at an end of time.
fn small_time() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 1_u64..5, 1 => Just(0), 1 => Just(u64::MAX)]
}

/// Events from a small world, so that filters meet them often.
fn small_event() -> impl Strategy<Value = Fields> {
    // Names that only begin like a letter, too, and tags without a value or a name.
    let name = prop_oneof![8 => sample::select(NAMES.to_vec()).prop_map(String::from), 1 => Just("aa".to_owned()), 1 => Just(String::new())];
    let tag = (name, vec(small_value(), 0..3)).prop_map(|(name, values)| [vec![name], values].concat());
    let tags = vec(prop_oneof![9 => tag, 1 => Just(vec![])], 0..10);
    let kind = prop_oneof![8 => 0_u16..4, 1 => Just(u16::MAX)];
    (fields(), 0_u8..3, 0_u8..3, small_time(), kind, tags).prop_map(|(fields, id, author, created_at, kind, tags)| {
        Fields { id: [id; 32], pubkey: [author; 32], created_at, kind, tags, ..fields }
    })
}

fn filter() -> impl Strategy<Value = Filter> {
    let tag = prop_oneof![
        3 => (sample::select(vec!['a', 'b', 'A', 'B', 'E']), vec(small_value(), 0..4)),
        2 => (sample::select(vec!['e', 'p']), vec(small_id(), 0..3)),
    ];
    let lists = (
        option::weighted(0.3, vec(0_u8..3, 0..3)),
        option::weighted(0.3, vec(0_u8..3, 0..3)),
        option::weighted(0.3, vec(prop_oneof![4 => 0_u16..4, 1 => Just(u16::MAX)], 0..3)),
        vec(tag, 0..3),
    );
    let rest = (
        option::weighted(0.3, small_time()),
        option::weighted(0.3, small_time()),
        option::of(0_u32..9),
        option::of("\\PC{0,5}"),
    );
    (lists, rest).prop_map(|((ids, authors, kinds, tags), (since, until, limit, search))| Filter {
        ids: ids.map(|ids| ids.into_iter().map(|id| EventId::from_bytes([id; 32])).collect()),
        authors: authors.map(|authors| authors.into_iter().map(|a| PublicKey::from_bytes([a; 32])).collect()),
        kinds: kinds.map(|kinds| kinds.into_iter().map(Kind::new).collect()),
        tags: tags.into_iter().map(|(name, values)| (name, values.into_iter().collect())).collect(),
        since: since.map(Timestamp::new),
        until: until.map(Timestamp::new),
        limit,
        search,
    })
}

/// Each constraint of the generated filters, alone, lets some of the generated events through and keeps some out; without
/// that the property would test little.
#[test]
fn the_small_world_knows_both_answers_for_every_field() {
    let mut runner = TestRunner::deterministic();
    let mut answers: BTreeMap<String, [u32; 2]> = BTreeMap::new();
    let (filters, events) = (filter(), small_event());
    for _ in 0..3000 {
        let filter = filters.new_tree(&mut runner).unwrap().current();
        let event = events.new_tree(&mut runner).unwrap().current();
        let tree: Value = serde_json::from_str(&filter.to_json()).unwrap();
        for (key, value) in tree.as_object().unwrap() {
            let alone = json!({key: value});
            let matches = Filter::from_json(&alone.to_string()).unwrap().matches(&event.event());
            assert_eq!(matches, naive_match(&alone, &event.value()), "{alone} {}", event.value());
            let empty = value.as_array().is_some_and(Vec::is_empty);
            assert!(!(empty && matches), "an empty list allows nothing: {alone}");
            answers.entry(key.clone()).or_default()[usize::from(matches)] += 1;
        }
    }
    let names = NAMES.iter().map(|name| format!("#{name}"));
    for key in ["ids", "authors", "kinds", "since", "until"].into_iter().map(String::from).chain(names) {
        let [no, yes] = answers[&key];
        assert!(no >= 10 && yes >= 10, "{key}: {no} no, {yes} yes");
    }
}

proptest! {
    #[test]
    fn matches_as_the_oracle_does(filter in filter(), events in vec(small_event(), 1..8)) {
        let tree: Value = serde_json::from_str(&filter.to_json()).unwrap();
        for event in events {
            prop_assert_eq!(filter.matches(&event.event()), naive_match(&tree, &event.value()), "{} {}", tree, event.value());
        }
    }

    #[test]
    fn parse_undoes_encode(filter in filter(), mut choices in Choices::any()) {
        let text = filter.to_json();
        prop_assert_eq!(&Filter::from_json(&text).unwrap(), &filter);
        let tree: Value = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(serde_json::to_value(&filter).unwrap(), tree.clone());
        prop_assert_eq!(&serde_json::from_value::<Filter>(tree.clone()).unwrap(), &filter);
        let mut spelled = String::new();
        spell(&tree, Liberties { escapes: true, extra_fields: false, plain_head: false }, &mut choices, &mut spelled);
        prop_assert_eq!(&Filter::from_json(&spelled).unwrap(), &filter);
    }

    #[test]
    fn order_and_repetition_do_not_show(mut kinds in vec(any::<u16>(), 0..20), authors in vec(any::<[u8; 32]>(), 0..8)) {
        let forward = Filter::new().kinds(kinds.iter().copied().map(Kind::new)).authors(authors.iter().copied().map(PublicKey::from_bytes));
        kinds.reverse();
        kinds.extend(kinds.clone());
        prop_assert_eq!(&Filter::new().kinds(kinds.iter().copied().map(Kind::new)).kinds, &forward.kinds);
        let parsed = Filter::from_json(&json!({"kinds": kinds}).to_string()).unwrap();
        prop_assert_eq!(&parsed.kinds, &forward.kinds);
        let mut backward = Filter::new().kinds([]).authors([]);
        for kind in kinds {
            backward = backward.kind(Kind::new(kind));
        }
        for author in authors.iter().rev() {
            backward = backward.author(PublicKey::from_bytes(*author));
        }
        prop_assert_eq!(forward.to_json(), backward.to_json());
        prop_assert_eq!(forward, backward);
    }

    #[test]
    fn arbitrary_text_never_panics(text in crate::support::string(), cut in 0_usize..200) {
        let _ = Filter::from_json(&text);
        let json = Filter::new().tag('t', "x").kind(Kind::TEXT_NOTE).limit(3).search("é").to_json();
        let cut = json.floor_char_boundary(cut.min(json.len()));
        let _ = Filter::from_json(&format!("{}{text}{}", &json[..cut], &json[cut..]));
    }
}

#[test]
fn encoding_to_the_letter() {
    let filter = Filter::new()
        .search("a \"b\"")
        .limit(0)
        .until(Timestamp::new(9))
        .since(Timestamp::new(2))
        .tag('t', "z")
        .tag('t', "a")
        .tag('E', HEX64)
        .kind(Kind::new(7))
        .kind(Kind::new(1))
        .author(PublicKey::from_bytes([2; 32]))
        .id(EventId::from_bytes([1; 32]));
    let expected = format!(
        "{{\"ids\":[\"{}\"],\"authors\":[\"{}\"],\"kinds\":[1,7],\"#E\":[\"{HEX64}\"],\"#t\":[\"a\",\"z\"],\
         \"since\":2,\"until\":9,\"limit\":0,\"search\":\"a \\\"b\\\"\"}}",
        hex(&[1; 32]),
        hex(&[2; 32]),
    );
    assert_eq!(filter.to_json(), expected);
    assert_eq!(Filter::new().to_json(), "{}");
}

#[test]
fn only_the_first_value_of_a_tag_counts() {
    let mut fields = Fields {
        id: [0; 32],
        pubkey: [0; 32],
        created_at: 0,
        kind: 1,
        tags: vec![vec!["t".into(), "a".into(), "b".into()]],
        content: String::new(),
        sig: [0; 64],
    };
    assert!(Filter::new().tag('t', "a").matches(&fields.event()));
    assert!(!Filter::new().tag('t', "b").matches(&fields.event()));
    assert!(!Filter::new().tag('T', "a").matches(&fields.event()));
    fields.tags = vec![vec!["t".into()], vec![], vec!["tt".into(), "a".into()]];
    assert!(!Filter::new().tag('t', "a").matches(&fields.event()));
}

#[test]
fn none_allows_everything_and_empty_allows_nothing() {
    let event = crate::support::signed("x");
    assert!(Filter::new().matches(&event));
    assert!(!Filter::new().ids([]).matches(&event));
    assert!(!Filter::new().authors([]).matches(&event));
    assert!(!Filter::new().kinds([]).matches(&event));
    assert!(!Filter::from_json("{\"#t\":[]}").unwrap().matches(&event));
}

#[test]
fn bad_filters_name_the_field() {
    const HEX_LIST: &str = "an array of 64 lowercase hex characters each";
    const TIME: &str = "an integer from 0 to 18446744073709551615";
    for (json, offset, field, expected) in [
        ("{\"ids\":\"x\"}".to_owned(), 7, "ids", HEX_LIST),
        ("{\"ids\":[\"abc\"]}".to_owned(), 8, "ids", HEX_LIST),
        (format!("{{\"ids\":[\"{}\"]}}", HEX64.to_uppercase()), 8, "ids", HEX_LIST),
        (format!("{{\"authors\":[\"{HEX64}\", 1]}}"), 80, "authors", HEX_LIST),
        (format!("{{\"#e\":[\"{}\"]}}", &HEX64[1..]), 7, "#e", HEX_LIST),
        ("{\"#p\":[\"\"]}".to_owned(), 7, "#p", HEX_LIST),
        ("{\"#t\":[null]}".to_owned(), 7, "#t", "an array of strings"),
        ("{\"#t\":\"x\"}".to_owned(), 6, "#t", "an array of strings"),
        ("{\"kinds\":[65536]}".to_owned(), 10, "kinds", "an array of integers from 0 to 65535"),
        ("{\"kinds\":[1,-1]}".to_owned(), 12, "kinds", "an array of integers from 0 to 65535"),
        ("{\"kinds\":1}".to_owned(), 9, "kinds", "an array of integers from 0 to 65535"),
        ("{\"since\":1.5}".to_owned(), 9, "since", TIME),
        ("{\"until\":null}".to_owned(), 9, "until", TIME),
        ("{\"limit\":-1}".to_owned(), 9, "limit", "an integer from 0 to 4294967295"),
        ("{\"limit\":4294967296}".to_owned(), 9, "limit", "an integer from 0 to 4294967295"),
        ("{\"search\":[]}".to_owned(), 10, "search", "a string"),
    ] {
        let error = Filter::from_json(&json).expect_err(&json);
        let kind = ParseErrorKind::BadField { part: Part::Filter, field: field.into(), expected };
        assert_eq!((error.offset, error.kind), (offset, kind), "{json}");
    }
}

#[test]
fn duplicates_are_refused_and_unknown_fields_ignored() {
    for field in ["ids", "authors", "kinds", "#t"] {
        let error = Filter::from_json(&format!("{{\"{field}\":[],\"{field}\":[]}}")).unwrap_err();
        let kind = ParseErrorKind::DuplicateField { part: Part::Filter, field: field.into() };
        assert_eq!((error.offset, error.kind), (field.len() + 7, kind));
    }
    let unknown = json!({"#tt": 1, "#": 2, "#1": [3], "&t": ["x"], "": null, "kinds": [1], "x": {"kinds": [2]}});
    assert_eq!(Filter::from_json(&unknown.to_string()).unwrap(), Filter::new().kind(Kind::TEXT_NOTE));
}

#[test]
#[should_panic(expected = "one ASCII letter")]
fn tags_are_named_by_letters() {
    let _ = Filter::new().tag('1', "x");
}

/// The map of tags can hold names that no builder gives: their JSON is JSON all the same.
#[test]
fn odd_names_of_tags_are_escaped() {
    for name in ['"', '\\', '\n', '\u{1}', 'é', '1'] {
        let mut filter = Filter::new();
        filter.tags.insert(name, ["x".to_owned()].into_iter().collect());
        let value: Value = serde_json::from_str(&filter.to_json()).unwrap();
        assert_eq!(value[format!("#{name}")], serde_json::json!(["x"]));
    }
}
