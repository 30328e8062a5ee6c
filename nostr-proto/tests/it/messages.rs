//! Messages in both directions.

use crate::support::{HEX64, signed, string};
use nostr_proto::{
    ClientMessage, EoseHints, EventId, Filter, HyperLogLog, Kind, ParseErrorKind, Part, Prefix, Reason, RelayMessage,
    encode, limits,
};
use proptest::collection::vec;
use proptest::prelude::*;
use std::borrow::Cow;

fn relay(frame: &str) -> RelayMessage<'_> {
    RelayMessage::parse(frame).expect(frame)
}

fn id() -> EventId {
    HEX64.parse().unwrap()
}

#[test]
fn relay_messages_of_the_nips() {
    let event = signed("x");
    assert_eq!(
        relay(&format!("[\"EVENT\",\"s\",{}]", event.to_json())),
        RelayMessage::Event { subscription: "s".into(), event }
    );
    let ok =
        |accepted, reason: &str| RelayMessage::Ok { event_id: Some(id()), accepted, reason: Reason::parse(reason) };
    assert_eq!(relay(&format!("[\"OK\",\"{HEX64}\",true,\"\"]")), ok(true, ""));
    let frame = format!("[\"OK\",\"{HEX64}\",false,\"blocked: no\"]");
    assert_eq!(relay(&frame), ok(false, "blocked: no"));
    assert_eq!(relay("[\"EOSE\",\"s\"]"), RelayMessage::Eose { subscription: "s".into(), hints: EoseHints::default() });
    assert_eq!(
        relay("[\"CLOSED\",\"s\",\"auth-required: who are you\"]"),
        RelayMessage::Closed { subscription: "s".into(), reason: Reason::new(Prefix::AuthRequired, "who are you") }
    );
    assert_eq!(relay("[\"NOTICE\",\"hi\"]"), RelayMessage::Notice { message: "hi".into() });
    assert_eq!(relay("[\"AUTH\",\"c\"]"), RelayMessage::Auth { challenge: "c".into() });
    let count = |count, approximate, hll| RelayMessage::Count { subscription: "s".into(), count, approximate, hll };
    assert_eq!(relay("[\"COUNT\",\"s\",{\"count\":5}]"), count(5, false, None));
    let frame =
        |hll: &str| format!("[\"COUNT\",\"s\",{{\"count\":5,\"approximate\":true,\"hll\":\"{hll}\",\"x\":[1]}}]");
    let registers = Box::new(HyperLogLog::from_bytes([0x0a; 256]));
    assert_eq!(relay(&frame(&"0a".repeat(256))), count(5, true, Some(registers.clone())));
    assert_eq!(relay(&frame(&"0A".repeat(256))), count(5, true, Some(registers)));
    for malformed in ["0a", "", &"0a".repeat(255), &"0a".repeat(257), &"0g".repeat(256)] {
        assert_eq!(relay(&frame(malformed)), count(5, true, None));
    }
}

#[test]
fn lenient_around_events() {
    let event = signed("x").to_json();
    for (frame, same_as) in [
        (format!(" [ \"EVENT\" , \"s\" , {event} , {{\"x\":[1,null]}} ] "), format!("[\"EVENT\",\"s\",{event}]")),
        (format!("[\"OK\",\"{HEX64}\",true]"), format!("[\"OK\",\"{HEX64}\",true,\"\"]")),
        (format!("[\"OK\",\"{HEX64}\",true,null]"), format!("[\"OK\",\"{HEX64}\",true,\"\"]")),
        (format!("[\"OK\",\"{HEX64}\",true,\"\",1,2]"), format!("[\"OK\",\"{HEX64}\",true,\"\"]")),
        ("[\"EOSE\",\"s\",\"finish\"]".into(), "[\"EOSE\",\"s\"]".into()),
        ("[\"EOSE\",\"s\",null,[]]".into(), "[\"EOSE\",\"s\",[]]".into()),
        ("[\"EOSE\",\"s\",[1,\"finish\",\"new\",{}]]".into(), "[\"EOSE\",\"s\",[\"finish\"]]".into()),
        ("[\"CLOSED\",\"s\"]".into(), "[\"CLOSED\",\"s\",\"\"]".into()),
        ("[\"CLOSED\",\"s\",{}]".into(), "[\"CLOSED\",\"s\",\"\"]".into()),
        ("[\"COUNT\",\"s\",7]".into(), "[\"COUNT\",\"s\",{\"count\":7}]".into()),
        ("[\"COUNT\",\"s\",{\"hll\":1,\"approximate\":0,\"count\":7}]".into(), "[\"COUNT\",\"s\",7]".into()),
        ("[\"NOTICE\",\"a\\u0062\",[[[[[[[[[[[[]]]]]]]]]]]]]".into(), "[\"NOTICE\",\"ab\"]".into()),
    ] {
        assert_eq!(relay(&frame), relay(&same_as), "{frame}");
    }
    let nobody = relay("[\"OK\",\"\",false,\"error: x\"]");
    assert!(matches!(nobody, RelayMessage::Ok { event_id: None, accepted: false, .. }));
    assert_eq!(relay("[\"NEG-STATS\",{\"x\":1}]"), RelayMessage::Unknown { verb: "NEG-STATS".into() });
    assert_eq!(relay("[\"event\"]"), RelayMessage::Unknown { verb: "event".into() });
}

#[test]
fn eose_hints() {
    for (text, finish, more) in [
        ("[]", false, false),
        ("[\"finish\"]", true, false),
        ("[\"more\"]", false, true),
        ("[\"more\",\"finish\"]", true, true),
        ("[\"Finish\"]", false, false),
    ] {
        let frame = format!("[\"EOSE\",\"s\",{text}]");
        assert_eq!(
            relay(&frame),
            RelayMessage::Eose { subscription: "s".into(), hints: EoseHints { finish, more } },
            "{frame}"
        );
    }
}

#[test]
fn bad_relay_messages() {
    use ParseErrorKind::{BadField, Expected, MissingField, TooDeep, TrailingText, UnexpectedEnd};
    let missing = |field| MissingField { part: Part::Message, field };
    let bad = |field: &'static str, expected| BadField { part: Part::Message, field: field.into(), expected };
    let deep = format!("[\"X\",{}", "[".repeat(100));
    for (frame, offset, kind) in [
        ("", 0, UnexpectedEnd),
        ("{}", 0, Expected("a message array")),
        ("[]", 1, bad("verb", "a string")),
        ("[1]", 1, bad("verb", "a string")),
        ("[\"EOSE\"]", 7, missing("subscription id")),
        ("[\"EOSE\",1]", 8, bad("subscription id", "a string")),
        ("[\"EOSE\",\"s\"", 11, UnexpectedEnd),
        ("[\"EOSE\",\"s\"]x", 12, TrailingText),
        ("[\"EOSE\",\"s\",]", 12, Expected("a value")),
        ("[\"EOSE\" \"s\"]", 8, Expected("a comma or the end of the array")),
        ("[\"EVENT\",\"s\"]", 12, missing("event")),
        ("[\"EVENT\",\"s\",[]]", 13, Expected("an event object")),
        ("[\"OK\",\"abc\",true,\"\"]", 6, bad("event id", "64 lowercase hex characters, or empty")),
        ("[\"OK\",\"\"]", 8, missing("accepted")),
        ("[\"OK\",\"\",1]", 9, bad("accepted", "true or false")),
        ("[\"NOTICE\"]", 9, missing("message")),
        ("[\"AUTH\",null]", 8, bad("challenge", "a string")),
        ("[\"COUNT\",\"s\"]", 12, missing("count")),
        ("[\"COUNT\",\"s\",{}]", 13, bad("count", "an integer, or an object with an integer \"count\"")),
        ("[\"COUNT\",\"s\",-1]", 13, bad("count", "an integer, or an object with an integer \"count\"")),
        ("[\"COUNT\",\"s\",{\"count\":\"5\"}]", 22, bad("count", "an integer, or an object with an integer \"count\"")),
        (&deep, 5 + limits::MAX_FRAME_DEPTH - 1, TooDeep { limit: limits::MAX_FRAME_DEPTH }),
    ] {
        let error = RelayMessage::parse(frame).expect_err(frame);
        assert_eq!((error.offset, error.kind), (offset, kind), "{frame}");
    }
    let large = format!("[\"NOTICE\",\"{}\"]", "x".repeat(limits::MAX_MESSAGE_BYTES));
    let error = RelayMessage::parse(&large).unwrap_err();
    assert_eq!(error.kind, ParseErrorKind::TooLarge { limit: limits::MAX_MESSAGE_BYTES });
    assert_eq!(ClientMessage::from_json(&large).unwrap_err(), error);
}

#[test]
fn texts_borrow_unless_escaped() {
    assert!(matches!(relay("[\"NOTICE\",\"ab\"]"), RelayMessage::Notice { message: Cow::Borrowed("ab") }));
    assert!(matches!(relay("[\"NOTICE\",\"a\\n\"]"), RelayMessage::Notice { message: Cow::Owned(_) }));
}

#[test]
fn client_messages_round_trip() {
    let filters = vec![Filter::new().kind(Kind::TEXT_NOTE).tag('t', "x\"y"), Filter::new()];
    let subscription = "s \"1\"".to_owned();
    for message in [
        ClientMessage::Event(signed("x")),
        ClientMessage::Auth(signed("y")),
        ClientMessage::Req { subscription: subscription.clone(), filters: filters.clone() },
        ClientMessage::Count { subscription: subscription.clone(), filters },
        ClientMessage::Close { subscription },
    ] {
        let json = message.to_json();
        serde_json::from_str::<serde_json::Value>(&json).expect(&json);
        assert_eq!(ClientMessage::from_json(&json).unwrap(), message);
    }
    assert_eq!(encode::req("s", &[Filter::new().limit(1), Filter::new()]), "[\"REQ\",\"s\",{\"limit\":1},{}]");
    assert_eq!(encode::count("s", [&Filter::new()]), "[\"COUNT\",\"s\",{}]");
    assert_eq!(encode::close("s"), "[\"CLOSE\",\"s\"]");
}

#[test]
fn bad_client_messages() {
    use ParseErrorKind::{BadField, Expected, MissingField, UnknownMessage};
    let empty =
        BadField { part: Part::Message, field: "subscription id".into(), expected: "a string that is not empty" };
    for (json, offset, kind) in [
        ("[ \"EOSE\",\"s\"]", 2, UnknownMessage),
        ("[\"REQ\"]", 6, MissingField { part: Part::Message, field: "subscription id" }),
        ("[\"REQ\",\"s\"]", 10, MissingField { part: Part::Message, field: "filter" }),
        ("[\"REQ\",\"\",{}]", 7, empty.clone()),
        ("[\"CLOSE\",3]", 9, empty),
        ("[\"REQ\",\"s\",{},1]", 14, Expected("a filter object")),
        ("[\"EVENT\",\"s\"]", 9, Expected("an event object")),
    ] {
        let error = ClientMessage::from_json(json).expect_err(json);
        assert_eq!((error.offset, error.kind), (offset, kind), "{json}");
    }
}

#[test]
fn filters_are_bounded_in_number() {
    let request = |filters: usize| format!("[\"REQ\",\"s\"{}]", ",{}".repeat(filters));
    assert!(ClientMessage::from_json(&request(limits::MAX_FILTERS)).is_ok());
    let error = ClientMessage::from_json(&request(limits::MAX_FILTERS + 1)).unwrap_err();
    assert_eq!(error.kind, ParseErrorKind::TooManyFilters { limit: limits::MAX_FILTERS });
    assert_eq!(error.offset, request(limits::MAX_FILTERS).len());
}

#[test]
fn reasons() {
    for (text, prefix, message) in [
        ("duplicate: have it", Some(Prefix::Duplicate), "have it"),
        ("Rate-Limited:slow down", Some(Prefix::RateLimited), "slow down"),
        ("POW : 26 < 30", Some(Prefix::Pow), "26 < 30"),
        ("auth-required: a: b", Some(Prefix::AuthRequired), "a: b"),
        ("error:", Some(Prefix::Error), ""),
        ("duplicate", None, "duplicate"),
        ("oops: no", None, "oops: no"),
        ("see https://x", None, "see https://x"),
        (": x", None, ": x"),
        ("", None, ""),
    ] {
        let reason = Reason::parse(text);
        assert_eq!((reason.prefix, reason.message.as_str()), (prefix, message), "{text:?}");
        assert_eq!(Reason::parse(&reason.to_string()), reason);
    }
    assert_eq!(Reason::new(Prefix::Mute, "x").to_string(), "mute: x");
    assert!(Reason::parse("").is_empty() && !Reason::parse("pow:").is_empty());
}

#[test]
fn long_texts_are_cut_between_characters() {
    let long = "é".repeat(limits::MAX_REASON_BYTES);
    let kept = "é".repeat(limits::MAX_REASON_BYTES / 2);
    assert_eq!(Reason::parse(&format!("error: {long}")).message, kept);
    assert_eq!(Reason::parse(&format!("x{long}")).message.len(), limits::MAX_REASON_BYTES - 1);
    for frame in [format!("[\"NOTICE\",\"{long}\"]"), format!("[\"NOTICE\",\"\\u00e9{long}\"]")] {
        assert_eq!(relay(&frame), RelayMessage::Notice { message: kept.clone().into() });
    }
}

fn any_relay_message() -> impl Strategy<Value = RelayMessage<'static>> {
    let text = || string().prop_map(Cow::<str>::Owned);
    let reason = || string().prop_map(|text| Reason::parse(&text));
    prop_oneof![
        (text(), string())
            .prop_map(|(subscription, content)| RelayMessage::Event { subscription, event: signed(&content) }),
        (any::<Option<[u8; 32]>>(), any::<bool>(), reason()).prop_map(|(id, accepted, reason)| RelayMessage::Ok {
            event_id: id.map(EventId::from_bytes),
            accepted,
            reason,
        }),
        (text(), any::<bool>(), any::<bool>()).prop_map(|(subscription, finish, more)| RelayMessage::Eose {
            subscription,
            hints: EoseHints { finish, more }
        }),
        (text(), reason()).prop_map(|(subscription, reason)| RelayMessage::Closed { subscription, reason }),
        text().prop_map(|message| RelayMessage::Notice { message }),
        text().prop_map(|challenge| RelayMessage::Auth { challenge }),
        (text(), any::<u64>(), any::<bool>(), proptest::option::of(vec(any::<u8>(), 256))).prop_map(
            |(subscription, count, approximate, hll)| {
                let hll = hll.map(|bytes| Box::new(HyperLogLog::from_bytes(bytes.try_into().unwrap())));
                RelayMessage::Count { subscription, count, approximate, hll }
            }
        ),
        text()
            .prop_filter("a verb of ours", |verb| {
                !["EVENT", "OK", "EOSE", "CLOSED", "NOTICE", "AUTH", "COUNT", "NEG-MSG", "NEG-ERR"]
                    .contains(&verb.as_ref())
            })
            .prop_map(|verb| RelayMessage::Unknown { verb }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn relay_messages_round_trip(message in any_relay_message()) {
        let json = message.to_json();
        prop_assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok(), "{}", json);
        prop_assert_eq!(relay(&json).into_owned(), message);
    }
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in string(), verb in 0_usize..10, cut in 0_usize..40) {
        let verbs = ["EVENT", "OK", "EOSE", "CLOSED", "NOTICE", "AUTH", "COUNT", "REQ", "CLOSE", "X"];
        let whole = format!("[\"{}\",\"s\",{{\"count\":1}},true,[\"é\"]]", verbs[verb]);
        let cut = whole.floor_char_boundary(cut.min(whole.len()));
        for frame in [text.clone(), format!("{}{text}{}", &whole[..cut], &whole[cut..]), format!("[\"{}\",{text}", verbs[verb])] {
            let _ = RelayMessage::parse(&frame);
            let _ = ClientMessage::from_json(&frame);
        }
    }

    /// A bad frame is bad for `serde_json` too, or breaks one of our own rules; a good one is
    /// always good JSON.
    #[test]
    fn what_we_accept_is_json(text in string(), at in 0_usize..700) {
        let whole = format!("[\"EVENT\",\"s\",{}]", signed("é").to_json());
        let at = whole.floor_char_boundary(at.min(whole.len()));
        let frame = format!("{}{text}{}", &whole[..at], &whole[at..]);
        if RelayMessage::parse(&frame).is_ok() {
            prop_assert!(serde_json::from_str::<serde_json::Value>(&frame).is_ok(), "{}", frame);
        }
    }
}
