//! Whatever the text is: we accept it exactly if the naive reading does, and it says the same.
//!
//! The texts are valid ones in any spelling, the same with a few bytes changed, and the same with a value changed so that
//! they stay JSON.

use crate::change::{Change, change};
use crate::naive;
use crate::support::{Choices, HEX64, Liberties, edits, fields, mutated, spell, spell_event, string};
use crate::tree::{Reading, Tree};
use nostr_proto::{ClientMessage, Event, Filter, ParseError, RelayMessage};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

/// One kind of text: how we read it, and how the naive reading does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Subject {
    Event,
    Filter,
    Relay,
    Client,
}

impl Subject {
    /// Our reading, as the encoding of what was understood.
    pub(crate) fn ours(self, text: &str) -> Result<String, ParseError> {
        match self {
            Subject::Event => Event::from_json(text).map(|event| event.to_json()),
            Subject::Filter => Filter::from_json(text).map(|filter| filter.to_json()),
            Subject::Relay => RelayMessage::parse(text).map(|message| message.to_json()),
            Subject::Client => ClientMessage::from_json(text).map(|message| message.to_json()),
        }
    }

    fn naive(self, tree: &Tree) -> Option<Value> {
        match self {
            Subject::Event => naive::event(tree),
            Subject::Filter => naive::filter(tree),
            Subject::Relay => naive::relay_message(tree),
            Subject::Client => naive::client_message(tree),
        }
    }

    /// Judges one text; whether it was accepted.
    pub(crate) fn check(self, text: &str) -> bool {
        let ours = self.ours(text);
        let naive = match Tree::read(text) {
            Reading::Tree(tree) => self.naive(&tree),
            Reading::Refused => None,
            Reading::Beyond => return ours.is_ok(),
        };
        match (&ours, naive) {
            (Ok(encoded), Some(naive)) => {
                assert_eq!(
                    serde_json::from_str::<Value>(encoded).unwrap(),
                    naive,
                    "{self:?} reads differently: {text}"
                );
                assert_eq!(self.ours(encoded).as_ref(), Ok(encoded), "{self:?} has a second encoding: {text}");
            }
            (Err(error), None) => {
                assert!(error.offset <= text.len() && text.is_char_boundary(error.offset), "{self:?}: {error}: {text}");
            }
            (Ok(_), None) => panic!("{self:?} accepts what the naive reading refuses: {text}"),
            (Err(error), Some(_)) => panic!("{self:?} refuses what the naive reading accepts: {error}: {text}"),
        }
        ours.is_ok()
    }
}

/// A valid filter's tree.
fn filter_value() -> impl Strategy<Value = Value> {
    let member = prop_oneof![
        prop::sample::select(vec!["ids", "authors", "#e", "#p"])
            .prop_map(|key| (key.to_owned(), json!([HEX64, "0".repeat(64)]))),
        vec(any::<u16>(), 0..4).prop_map(|kinds| ("kinds".to_owned(), json!(kinds))),
        (prop::sample::select(vec!["since", "until"]), any::<u64>())
            .prop_map(|(key, time)| (key.to_owned(), json!(time))),
        any::<u32>().prop_map(|limit| ("limit".to_owned(), json!(limit))),
        string().prop_map(|text| ("search".to_owned(), json!(text))),
        ("[a-zA-Z]", vec(string(), 0..3)).prop_map(|(letter, values)| {
            let ids = matches!(letter.as_str(), "e" | "p");
            (format!("#{letter}"), if ids { json!([HEX64]) } else { json!(values) })
        }),
        Just(("x".to_owned(), json!({"ids": [[-1.5]]}))),
    ];
    vec(member, 0..5).prop_map(|members| Value::Object(members.into_iter().collect()))
}

/// A valid relay message's tree, now and then with more elements than it needs.
fn relay_value() -> impl Strategy<Value = Value> {
    let hints = prop::sample::select(vec![
        json!([]),
        json!(["more"]),
        json!(["finish", 1, "more"]),
        json!("finish"),
        json!(null),
    ]);
    let reasons = prop_oneof![
        string(),
        (prop::sample::select(vec!["blocked", "Rate-Limited ", "pow", "other", "closed"]), string())
            .prop_map(|(word, text)| format!("{word}: {text}")),
    ];
    let counts = prop::sample::select(vec![
        json!(5),
        json!({"count": 0}),
        json!({"count": u64::MAX, "approximate": true, "hll": "00", "x": {"count": "x"}}),
        json!({"count": 1, "hll": "0bC9".repeat(128)}),
        json!({"hll": 5, "approximate": 1, "count": 5}),
    ]);
    let message = prop_oneof![
        2 => (string(), fields()).prop_map(|(name, fields)| vec![json!("EVENT"), json!(name), fields.value()]),
        1 => (any::<bool>(), any::<bool>(), reasons.clone())
            .prop_map(|(known, ok, reason)| vec![json!("OK"), json!(if known { HEX64 } else { "" }), json!(ok), json!(reason)]),
        1 => (string(), hints).prop_map(|(name, hints)| vec![json!("EOSE"), json!(name), hints]),
        1 => (string(), reasons.clone()).prop_map(|(name, reason)| vec![json!("CLOSED"), json!(name), json!(reason)]),
        1 => (prop::sample::select(vec!["NOTICE", "AUTH"]), string()).prop_map(|(verb, text)| vec![json!(verb), json!(text)]),
        1 => (string(), counts).prop_map(|(name, count)| vec![json!("COUNT"), json!(name), count]),
        1 => (string(), "([0-9a-fA-F]{2}){0,6}").prop_map(|(name, hex)| vec![json!("NEG-MSG"), json!(name), json!(hex)]),
        1 => (string(), reasons, any::<u32>())
            .prop_map(|(name, reason, most)| vec![json!("NEG-ERR"), json!(name), json!(reason), json!(most)]),
        1 => string().prop_map(|verb| vec![json!(format!("X{verb}")), json!({"id": [1]})]),
    ];
    let more = vec(prop::sample::select(vec![json!(null), json!([[1.5]]), json!({"id": "x"}), json!(true)]), 0..3);
    (message, more).prop_map(|(message, more)| Value::from([message, more].concat()))
}

fn client_value() -> impl Strategy<Value = Value> {
    let name = || string().prop_map(|name| json!(format!("s{name}")));
    prop_oneof![
        (prop::sample::select(vec!["EVENT", "AUTH"]), fields())
            .prop_map(|(verb, fields)| json!([verb, fields.value()])),
        (prop::sample::select(vec!["REQ", "COUNT"]), name(), vec(filter_value(), 1..4))
            .prop_map(|(verb, name, filters)| Value::from([vec![json!(verb), name], filters].concat())),
        (prop::sample::select(vec!["CLOSE", "NEG-CLOSE"]), name(), any::<bool>())
            .prop_map(|(verb, name, more)| if more { json!([verb, name, [1]]) } else { json!([verb, name]) }),
        (name(), filter_value()).prop_map(|(name, filter)| json!(["NEG-OPEN", name, filter, "61aB"])),
        name().prop_map(|name| json!(["NEG-MSG", name, ""])),
    ]
}

/// A valid text of some kind, in any spelling.
fn valid() -> impl Strategy<Value = (Subject, String)> {
    let any_spelling = Liberties { escapes: true, extra_fields: true, plain_head: false };
    let spelled = move |subject| {
        move |(value, mut choices, escapes): (Value, Choices, bool)| {
            let mut text = String::new();
            spell(&value, Liberties { escapes, ..any_spelling }, &mut choices, &mut text);
            (subject, text)
        }
    };
    prop_oneof![
        (fields(), Choices::any())
            .prop_map(move |(fields, mut choices)| (Subject::Event, spell_event(&fields, any_spelling, &mut choices))),
        (filter_value(), Choices::any(), any::<bool>()).prop_map(spelled(Subject::Filter)),
        (relay_value(), Choices::any(), any::<bool>()).prop_map(spelled(Subject::Relay)),
        (client_value(), Choices::any(), any::<bool>()).prop_map(spelled(Subject::Client)),
    ]
}

fn with_bytes_changed() -> impl Strategy<Value = (Subject, String)> {
    (valid(), edits()).prop_filter_map("no UTF-8", |((subject, text), edits)| Some((subject, mutated(&text, &edits)?)))
}

fn with_values_changed() -> impl Strategy<Value = (Subject, String)> {
    (valid(), vec(change(), 1..3)).prop_map(|((subject, text), changes)| {
        let change = |tree: Tree, change: &Change| tree.changed(change);
        (subject, changes.iter().fold(Tree::of(&text), change).to_json())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn valid_texts_say_what_the_naive_reading_says((subject, text) in valid()) {
        prop_assert!(subject.check(&text), "{:?} was refused: {}", subject, text);
    }

    #[test]
    fn texts_with_bytes_changed_are_judged_alike((subject, text) in with_bytes_changed()) {
        subject.check(&text);
    }

    #[test]
    fn texts_with_values_changed_are_judged_alike((subject, text) in with_values_changed()) {
        subject.check(&text);
    }
}

/// The properties above say little where nearly all texts are refused, or nearly all accepted.
#[test]
fn the_changes_leave_texts_of_both_kinds() {
    let mut runner = TestRunner::deterministic();
    for (name, texts) in [("bytes", with_bytes_changed().boxed()), ("values", with_values_changed().boxed())] {
        for subject in ["Event", "Filter", "Relay", "Client"] {
            let (mut accepted, mut all) = (0, 0);
            while all < 150 {
                let (found, text) = texts.new_tree(&mut runner).unwrap().current();
                if format!("{found:?}") == subject {
                    all += 1;
                    accepted += usize::from(found.check(&text));
                }
            }
            assert!((10..140).contains(&accepted), "{name}, {subject}: {accepted} of {all} accepted");
        }
    }
}
