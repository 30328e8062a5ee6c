//! The relay information document (NIP-11): the NIP's examples, every kind of mistake, and a naive reader.

use crate::support::{Choices, HEX64, string};
use nostr_proto::{Fee, Kind, Limitation, ParseErrorKind, PublicKey, RelayInfo, Retention, limits};
use proptest::collection::vec;
use proptest::prelude::*;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

fn read(document: &Value) -> RelayInfo {
    RelayInfo::from_json(&document.to_string()).unwrap()
}

fn full_document() -> Value {
    json!({
        "name": "n", "description": "d", "banner": "b", "icon": "i", "pubkey": HEX64, "self": HEX64, "contact": "c",
        "supported_nips": [1, 11, 77], "software": "s", "version": "v", "terms_of_service": "t",
        "limitation": {
            "max_message_length": 16384, "max_subscriptions": 300, "max_filters": 10, "max_limit": 5000,
            "max_subid_length": 100, "max_event_tags": 100, "max_content_length": 8196, "min_pow_difficulty": 30,
            "auth_required": true, "payment_required": true, "restricted_writes": false,
            "created_at_lower_limit": 31536000, "created_at_upper_limit": 3, "default_limit": 500
        },
        "payments_url": "p",
        "fees": {
            "admission": [{"amount": 1000000, "unit": "msats"}],
            "subscription": [{"amount": 5000000, "unit": "msats", "period": 2592000}],
            "publication": [{"amount": 100, "unit": "msats", "kinds": [4]}]
        },
        "posting_policy": "pp", "privacy_policy": "pr", "relay_countries": ["CA", "US"], "language_tags": ["en", "*"],
        "tags": ["sfw-only"],
        "retention": [{"kinds": [0, 1, [5, 7]], "time": 3600}, {"time": 0}, {"kinds": [[30000, 39999]], "count": 1000}]
    })
}

#[test]
fn every_field_of_the_nip() {
    let document = full_document();
    let info = read(&document);
    let text = |text: &str| Some(text.to_owned());
    let key: PublicKey = HEX64.parse().unwrap();
    assert_eq!(
        (info.name.clone(), info.description.clone(), info.banner.clone(), info.icon.clone(), info.contact.clone()),
        (text("n"), text("d"), text("b"), text("i"), text("c"))
    );
    assert_eq!((info.pubkey, info.self_pubkey), (Some(key), Some(key)));
    assert_eq!((info.software.clone(), info.version.clone()), (text("s"), text("v")));
    assert_eq!((info.terms_of_service.clone(), info.payments_url.clone()), (text("t"), text("p")));
    assert_eq!((info.posting_policy.clone(), info.privacy_policy.clone()), (text("pp"), text("pr")));
    assert_eq!(info.supported_nips, [1, 11, 77]);
    assert!(info.supports(77) && !info.supports(42));
    assert_eq!(
        info.limitation,
        Limitation {
            max_message_length: Some(16_384),
            max_subscriptions: Some(300),
            max_filters: Some(10),
            max_limit: Some(5000),
            max_subid_length: Some(100),
            max_event_tags: Some(100),
            max_content_length: Some(8196),
            min_pow_difficulty: Some(30),
            auth_required: Some(true),
            payment_required: Some(true),
            restricted_writes: Some(false),
            created_at_lower_limit: Some(31_536_000),
            created_at_upper_limit: Some(3),
            default_limit: Some(500),
        }
    );
    let fee = |amount, period, kinds: &[Kind]| vec![Fee { amount, unit: "msats".into(), period, kinds: kinds.into() }];
    assert_eq!(info.fees.admission, fee(1_000_000, None, &[]));
    assert_eq!(info.fees.subscription, fee(5_000_000, Some(2_592_000), &[]));
    assert_eq!(info.fees.publication, fee(100, None, &[Kind::ENCRYPTED_DIRECT_MESSAGE]));
    assert_eq!(
        (&info.relay_countries[1], &info.language_tags[1], &info.tags[0]),
        (&"US".into(), &"*".into(), &"sfw-only".into())
    );
    let range = |first, last| (Kind::new(first), Kind::new(last));
    assert_eq!(
        info.retention,
        [
            Retention { kinds: vec![range(0, 0), range(1, 1), range(5, 7)], time: Some(3600), count: None },
            Retention { kinds: vec![], time: Some(0), count: None },
            Retention { kinds: vec![range(30_000, 39_999)], time: None, count: Some(1000) },
        ]
    );
    assert_eq!(info.ignored, 0);
    // Nothing is lost or renamed on the way back.
    assert_eq!(serde_json::from_str::<Value>(&info.to_json()).unwrap(), document);
    assert_eq!(serde_json::to_value(&info).unwrap(), document);
    assert_eq!(serde_json::from_value::<RelayInfo>(document).unwrap(), info);
}

/// Each mistake costs its own field and nothing else.
#[test]
fn mistakes_of_relays() {
    let nothing = RelayInfo::default();
    for (document, ignored) in [
        (json!({}), 0),
        (json!({"name": null, "contact": "", "pubkey": "", "limitation": null, "supported_nips": null, "fees": {}}), 0),
        (json!({"unknown": {"deep": [[[[]]]]}, "limitation": {"unknown": -1}, "fees": {"unknown": 1}}), 0),
        (json!({"name": 5, "description": ["x"], "icon": {}, "version": 1.5, "software": false}), 5),
        (json!({"pubkey": "x", "self": HEX64.to_uppercase()}), 2),
        (json!({"supported_nips": {"1": true}}), 1),
        (json!({"supported_nips": "1, 2"}), 1),
        (json!({"supported_nips": [-1, 1.5, 65_536, "7D", [], true, null]}), 6),
        (json!({"limitation": []}), 1),
        (
            json!({"limitation": {"max_limit": -1, "max_filters": 1.5, "max_subscriptions": 1e300, "max_event_tags": "many"}}),
            4,
        ),
        (json!({"limitation": {"max_limit": 0, "max_subid_length": "0", "max_message_length": 0.0}}), 3),
        (json!({"limitation": {"max_limit": 4_294_967_296_u64, "min_pow_difficulty": 256}}), 2),
        (json!({"limitation": {"auth_required": "true", "payment_required": 1, "restricted_writes": null}}), 2),
        (json!({"fees": {"admission": {"amount": 1}, "publication": [{"unit": "sats"}, 5, {"amount": -1}]}}), 4),
        (json!({"fees": {"publication": [{"amount": 1, "kinds": ["all"]}, {"amount": 1, "kinds": {}}]}}), 2),
        (
            json!({"retention": [{"kinds": [1]}, {"kinds": [[7, 5]], "time": 1}, {"kinds": [[1, 2, 3]], "time": 1}, []]}),
            4,
        ),
        (json!({"relay_countries": ["", 1, null], "tags": "x"}), 2),
    ] {
        let info = read(&document);
        assert_eq!(info, RelayInfo { ignored, ..nothing.clone() }, "{document}");
        assert_eq!(info.to_json(), "{}");
    }
}

#[test]
fn harmless_spellings_are_read() {
    let npub = HEX64.parse::<PublicKey>().unwrap().to_npub();
    let info = read(&json!({
        "pubkey": npub,
        "supported_nips": ["1", 2.0, " 42 "],
        "limitation": {"max_limit": "500", "max_subscriptions": 20.00, "default_limit": 0, "min_pow_difficulty": "0"}
    }));
    assert_eq!(info.pubkey, HEX64.parse().ok());
    assert_eq!(info.supported_nips, [1, 2, 42]);
    let limits = info.limitation;
    assert_eq!((limits.max_limit, limits.max_subscriptions), (Some(500), Some(20)));
    assert_eq!((limits.default_limit, limits.min_pow_difficulty, info.ignored), (Some(0), Some(0), 0));
}

#[test]
fn the_last_value_that_makes_sense_counts() {
    let info = RelayInfo::from_json(r#"{"name":"a","name":"b","name":3,"tags":["x"],"tags":1}"#).unwrap();
    assert_eq!((info.name.as_deref(), info.tags.len(), info.ignored), (Some("b"), 1, 2));
}

#[test]
fn lists_are_bounded() {
    let many = limits::MAX_INFO_ITEMS + 3;
    let info = read(&json!({
        "supported_nips": vec![1; many], "tags": vec!["x"; many],
        "fees": {"admission": vec![json!({"amount": 1}); many]}, "retention": vec![json!({"time": 1}); many]
    }));
    let lengths = [info.supported_nips.len(), info.tags.len(), info.fees.admission.len(), info.retention.len()];
    assert_eq!(lengths, [limits::MAX_INFO_ITEMS; 4]);
    assert_eq!(info.ignored, 4 * 3);
}

#[test]
fn only_what_is_no_document_is_refused() {
    use ParseErrorKind::{BadNumber, Expected, TooDeep, TooLarge, TrailingText, UnexpectedEnd};
    let limit = limits::MAX_FRAME_DEPTH;
    let object = Expected("a relay information object");
    let nested = |levels: usize| format!("{{\"x\":{}{}}}", "[".repeat(levels - 1), "]".repeat(levels - 1));
    assert!(RelayInfo::from_json(&nested(limit)).is_ok());
    // Within a list of fees, what is unknown is as deep as anywhere.
    let inner = |levels: usize| {
        format!("{{\"fees\":{{\"admission\":[{{\"x\":{}{}}}]}}}}", "[".repeat(levels), "]".repeat(levels))
    };
    assert!(RelayInfo::from_json(&inner(limit - 4)).is_ok());
    let large = format!("{{\"name\":\"{}\"}}", "x".repeat(limits::MAX_RELAY_INFO_BYTES));
    for (text, offset, kind) in [
        ("", 0, UnexpectedEnd),
        (" ", 1, UnexpectedEnd),
        ("<!DOCTYPE html>", 0, object.clone()),
        ("[]", 0, object.clone()),
        (" null", 1, object),
        ("{", 1, UnexpectedEnd),
        ("{\"name\":\"x\"} x", 13, TrailingText),
        ("{\"name\":nul}", 8, Expected("a value")),
        ("{\"limitation\":{\"max_limit\":01}}", 27, BadNumber),
        (&nested(limit + 1), 5 + limit - 1, TooDeep { limit }),
        (&inner(limit - 3), 27 + limit - 4, TooDeep { limit }),
        (&large, 0, TooLarge { limit: limits::MAX_RELAY_INFO_BYTES }),
    ] {
        let error = RelayInfo::from_json(text).expect_err(text);
        assert_eq!((error.offset, error.kind), (offset, kind), "{text:.80}");
    }
}

/// A value of the right type, of another, or one that no field can be.
fn any_value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        prop_oneof![0..300_u64, any::<u64>(), Just(4_294_967_295), Just(65_536)].prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (0..9_u32).prop_map(|number| Value::from(f64::from(number))),
        (0..300_u64).prop_map(|number| Value::from(number.to_string())),
        string().prop_map(Value::from),
        Just(Value::from(HEX64)),
    ];
    scalar.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec((field_name(), inner), 0..6).prop_map(|members| Value::Object(Map::from_iter(members))),
        ]
    })
}

const FIELDS: [&str; 38] = [
    "name",
    "description",
    "banner",
    "icon",
    "pubkey",
    "self",
    "contact",
    "supported_nips",
    "software",
    "version",
    "terms_of_service",
    "limitation",
    "payments_url",
    "fees",
    "posting_policy",
    "relay_countries",
    "language_tags",
    "tags",
    "retention",
    "max_message_length",
    "max_subscriptions",
    "max_filters",
    "max_limit",
    "max_subid_length",
    "max_event_tags",
    "min_pow_difficulty",
    "auth_required",
    "created_at_lower_limit",
    "default_limit",
    "admission",
    "subscription",
    "publication",
    "amount",
    "unit",
    "period",
    "kinds",
    "time",
    "count",
];

fn field_name() -> impl Strategy<Value = String> {
    prop_oneof![9 => proptest::sample::select(&FIELDS[..]).prop_map(str::to_owned), 1 => string()]
}

fn any_document() -> impl Strategy<Value = Value> {
    let fees = vec((field_name(), vec(vec((field_name(), any_value()), 0..5), 0..4)), 0..4).prop_map(|lists| {
        let fee = |members: Vec<(String, Value)>| Value::Object(Map::from_iter(members));
        Value::Object(lists.into_iter().map(|(name, fees)| (name, fees.into_iter().map(fee).collect())).collect())
    });
    let limitation = vec((field_name(), any_value()), 0..12).prop_map(|members| Value::Object(Map::from_iter(members)));
    (vec((field_name(), any_value()), 0..12), proptest::option::of(limitation), proptest::option::of(fees)).prop_map(
        |(members, limitation, fees)| {
            let mut document = Map::from_iter(members);
            document.extend(limitation.map(|value| ("limitation".to_owned(), value)));
            document.extend(fees.map(|value| ("fees".to_owned(), value)));
            Value::Object(document)
        },
    )
}

/// What a field says to a reader who has the whole document as a tree.
mod naive {
    use serde_json::Value;

    pub(super) fn text(value: &Value) -> Option<&str> {
        value.as_str().filter(|text| !text.is_empty())
    }

    pub(super) fn number(value: &Value, from: u64, to: u64) -> Option<u64> {
        let number = match value {
            Value::Number(number) => {
                let float = number.as_f64().unwrap();
                // Written as digits and zeros: whole, and not so large that it gets an exponent.
                let whole = float >= 0.0 && float.fract() == 0.0 && !number.to_string().contains(['e', '-']);
                number.as_u64().or_else(|| whole.then(|| number.to_string().split('.').next()?.parse().ok()).flatten())
            }
            Value::String(text) if !text.contains('+') => text.trim().parse().ok(),
            _ => None,
        };
        number.filter(|number| (from..=to).contains(number))
    }

    pub(super) fn items(value: Option<&Value>) -> &[Value] {
        value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }
}

proptest! {
    #[test]
    fn as_the_naive_reader(document in any_document()) {
        let info = read(&document);
        let text = |name: &str| document.get(name).and_then(naive::text);
        for (name, value) in [
            ("name", &info.name), ("description", &info.description), ("banner", &info.banner), ("icon", &info.icon),
            ("contact", &info.contact), ("software", &info.software), ("version", &info.version),
            ("terms_of_service", &info.terms_of_service), ("payments_url", &info.payments_url),
            ("posting_policy", &info.posting_policy),
        ] {
            prop_assert_eq!(value.as_deref(), text(name), "{}", name);
        }
        for (name, value) in [("pubkey", info.pubkey), ("self", info.self_pubkey)] {
            prop_assert_eq!(value, text(name).and_then(|text| PublicKey::parse(text).ok()), "{}", name);
        }
        let nips: Vec<u64> = naive::items(document.get("supported_nips"))
            .iter().filter_map(|item| naive::number(item, 0, 65_535)).collect();
        prop_assert_eq!(info.supported_nips.iter().copied().map(u64::from).collect::<Vec<_>>(), nips);
        for (name, list) in
            [("relay_countries", &info.relay_countries), ("language_tags", &info.language_tags), ("tags", &info.tags)]
        {
            let texts: Vec<&str> = naive::items(document.get(name)).iter().filter_map(naive::text).collect();
            prop_assert_eq!(list, &texts, "{}", name);
        }
        let number = |name: &str, from, to| {
            document.get("limitation").and_then(|limits| limits.get(name)).and_then(|value| naive::number(value, from, to))
        };
        let limits = info.limitation;
        let small = u64::from(u32::MAX);
        prop_assert_eq!(limits.max_message_length, number("max_message_length", 1, u64::MAX));
        prop_assert_eq!(limits.max_subscriptions.map(u64::from), number("max_subscriptions", 1, small));
        prop_assert_eq!(limits.max_filters.map(u64::from), number("max_filters", 1, small));
        prop_assert_eq!(limits.max_limit.map(u64::from), number("max_limit", 1, small));
        prop_assert_eq!(limits.max_subid_length.map(u64::from), number("max_subid_length", 1, small));
        prop_assert_eq!(limits.max_event_tags.map(u64::from), number("max_event_tags", 1, small));
        prop_assert_eq!(limits.min_pow_difficulty.map(u64::from), number("min_pow_difficulty", 0, 255));
        prop_assert_eq!(limits.created_at_lower_limit, number("created_at_lower_limit", 0, u64::MAX));
        prop_assert_eq!(limits.default_limit.map(u64::from), number("default_limit", 0, small));
        let auth = document.get("limitation").and_then(|limits| limits.get("auth_required")).and_then(Value::as_bool);
        prop_assert_eq!(limits.auth_required, auth);
        for (name, fees) in [("admission", &info.fees.admission), ("publication", &info.fees.publication)] {
            let is_kind = |kind: &Value| naive::number(kind, 0, 65_535).is_some() || kind.is_null();
            let amounts: Vec<u64> = naive::items(document.get("fees").and_then(|fees| fees.get(name)))
                .iter()
                .filter(|fee| fee.get("kinds").is_none_or(|kinds| {
                    kinds.is_null() || kinds.as_array().is_some_and(|kinds| kinds.iter().all(|kind| is_kind(kind) || *kind == json!("")))
                }))
                .filter_map(|fee| naive::number(fee.get("amount")?, 0, u64::MAX))
                .collect();
            prop_assert_eq!(fees.iter().map(|fee| fee.amount).collect::<Vec<_>>(), amounts, "{}", name);
        }
    }

    /// What was understood is understood the same again, and nothing in our own JSON is ignored.
    #[test]
    fn round_trips(document in any_document()) {
        let info = read(&document);
        let again = RelayInfo::from_json(&info.to_json()).unwrap();
        prop_assert_eq!(again, RelayInfo { ignored: 0, ..info });
    }

    #[test]
    fn arbitrary_text_never_panics(document in any_document(), noise in string(), mut choices in Choices::any()) {
        let _ = RelayInfo::from_json(&noise);
        let text = document.to_string();
        let at = text.floor_char_boundary(choices.below(text.len() + 1));
        let broken = format!("{}{noise}{}", &text[..at], &text[at..]);
        if RelayInfo::from_json(&broken).is_ok() {
            // Not a `Value`, which has no room for a number beyond a double's range.
            prop_assert!(serde_json::from_str::<IgnoredAny>(&broken).is_ok(), "{}", broken);
        }
        prop_assert!(RelayInfo::from_json(&text[..at]).is_err() || at == text.len());
    }
}

#[test]
fn a_number_beyond_a_double_harms_nothing() {
    let info = RelayInfo::from_json("{\"x\":{\"y\":2e21484650120125294},\"name\":\"n\"}").unwrap();
    assert_eq!((info.name.as_deref(), info.ignored), (Some("n"), 0));
    let info = RelayInfo::from_json("{\"name\":2e999,\"limitation\":{\"max_limit\":2e999}}").unwrap();
    assert_eq!((info.name, info.limitation.max_limit), (None, None));
}

#[test]
fn a_byte_order_mark_is_skipped_and_a_useless_unit_leaves_the_one_before() {
    let json = "\u{feff} {\"name\":\"n\",\"fees\":{\"admission\":[{\"amount\":1,\"unit\":\"sats\",\"unit\":5}]}}";
    let info = RelayInfo::from_json(json).unwrap();
    assert_eq!(info.name.as_deref(), Some("n"));
    assert_eq!(info.fees.admission[0].unit, "sats");
    // The offset of an error counts the mark.
    assert_eq!(RelayInfo::from_json("\u{feff}x").unwrap_err().offset, 3);
}
