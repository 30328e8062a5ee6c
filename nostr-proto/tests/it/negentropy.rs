//! The messages of NIP-77.

use crate::support::{hex, string};
use nostr_proto::{ClientMessage, Filter, Kind, ParseErrorKind, Part, Prefix, Reason, RelayMessage, encode, limits};
use proptest::collection::vec;
use proptest::prelude::*;

#[test]
fn messages_of_the_nip() {
    let filter = Filter::new().kind(Kind::TEXT_NOTE);
    assert_eq!(encode::neg_open("s", &filter, &[0x61, 0, 0xab]), r#"["NEG-OPEN","s",{"kinds":[1]},"6100ab"]"#);
    assert_eq!(encode::neg_msg("s", &[0x61]), r#"["NEG-MSG","s","61"]"#);
    assert_eq!(encode::neg_close("s"), r#"["NEG-CLOSE","s"]"#);
    let parsed = ClientMessage::from_json(r#"[ "NEG-OPEN", "s", {"kinds":[1]}, "6100AB", "extra" ]"#).unwrap();
    assert_eq!(parsed, ClientMessage::NegOpen { subscription: "s".into(), filter, message: vec![0x61, 0, 0xab] });

    let message = RelayMessage::parse(r#"["NEG-MSG","s","61aBFf",1]"#).unwrap();
    assert_eq!(message, RelayMessage::NegMsg { subscription: "s".into(), message: vec![0x61, 0xab, 0xff] });
    assert_eq!(message.to_json(), r#"["NEG-MSG","s","61abff"]"#);
    assert_eq!(message.clone().into_owned(), message);
}

#[test]
fn errors_of_a_reconciliation() {
    let too_big = Reason::new(Prefix::Blocked, "this query is too big");
    let slow = Reason::new(Prefix::Closed, "you took too long to respond!");
    for (frame, reason, max_records) in [
        (r#"["NEG-ERR","s","blocked: this query is too big"]"#, too_big.clone(), None),
        (r#"["NEG-ERR","s","blocked: this query is too big",500000]"#, too_big.clone(), Some(500_000)),
        (r#"["NEG-ERR","s","blocked: this query is too big",{"x":[]},7]"#, too_big.clone(), None),
        (r#"["NEG-ERR","s","blocked: this query is too big",-1]"#, too_big, None),
        (r#"["NEG-ERR","s","closed: you took too long to respond!"]"#, slow, None),
        (r#"["NEG-ERR","s",null,3]"#, Reason::default(), Some(3)),
        (r#"["NEG-ERR","s"]"#, Reason::default(), None),
    ] {
        let message = RelayMessage::parse(frame).expect(frame);
        assert_eq!(message, RelayMessage::NegErr { subscription: "s".into(), reason, max_records }, "{frame}");
        assert_eq!(RelayMessage::parse(&message.to_json()).unwrap(), message);
    }
}

#[test]
fn bad_messages() {
    use ParseErrorKind::{BadField, Expected, MissingField};
    let missing = |field| MissingField { part: Part::Message, field };
    let bad = |field: &'static str, expected| BadField { part: Part::Message, field: field.into(), expected };
    let hex = || bad("message", "an even number of hex characters");
    for (json, offset, kind) in [
        (r#"["NEG-OPEN"]"#, 11, missing("subscription id")),
        (r#"["NEG-OPEN","",{},"61"]"#, 12, bad("subscription id", "a string that is not empty")),
        (r#"["NEG-OPEN","s"]"#, 15, missing("filter")),
        (r#"["NEG-OPEN","s","61"]"#, 16, Expected("a filter object")),
        (r#"["NEG-OPEN","s",{}]"#, 18, missing("message")),
        (r#"["NEG-OPEN","s",{},61]"#, 19, hex()),
        (r#"["NEG-OPEN","s",{},"611"]"#, 19, hex()),
        (r#"["NEG-MSG","s","6g"]"#, 15, hex()),
        (r#"["NEG-MSG","s","6é"]"#, 15, hex()),
        (r#"["NEG-CLOSE"]"#, 12, missing("subscription id")),
    ] {
        let error = ClientMessage::from_json(json).expect_err(json);
        assert_eq!((error.offset, error.kind), (offset, kind), "{json}");
    }
    for (json, offset, kind) in [
        (r#"["NEG-MSG","s"]"#, 14, missing("message")),
        (r#"["NEG-MSG","s", 5 ]"#, 16, hex()),
        (r#"["NEG-MSG","s","0x61"]"#, 15, hex()),
        (r#"["NEG-ERR"]"#, 10, missing("subscription id")),
        (r#"["NEG-ERR",1]"#, 11, bad("subscription id", "a string")),
    ] {
        let error = RelayMessage::parse(json).expect_err(json);
        assert_eq!((error.offset, error.kind), (offset, kind), "{json}");
    }
    // Verbs of the other direction.
    assert_eq!(ClientMessage::from_json(r#"["NEG-ERR","s","x"]"#).unwrap_err().kind, ParseErrorKind::UnknownMessage);
    assert_eq!(
        RelayMessage::parse(r#"["NEG-OPEN","s",{},"61"]"#).unwrap(),
        RelayMessage::Unknown { verb: "NEG-OPEN".into() }
    );
}

#[test]
fn the_size_of_a_message_bounds_its_payload() {
    let frame = |bytes: usize| encode::neg_msg("s", &vec![0x61; bytes]);
    let around = frame(0).len();
    let fits = (limits::MAX_MESSAGE_BYTES - around) / 2;
    assert!(RelayMessage::parse(&frame(fits)).is_ok());
    let error = RelayMessage::parse(&frame(fits + 1)).unwrap_err();
    assert_eq!(error.kind, ParseErrorKind::TooLarge { limit: limits::MAX_MESSAGE_BYTES });
}

proptest! {
    #[test]
    fn round_trips(
        name in string(),
        message in vec(any::<u8>(), 0..99),
        reason in string(),
        max_records in any::<Option<u64>>(),
        kind in any::<u16>(),
    ) {
        let filter = Filter::new().kind(Kind::new(kind));
        let subscription = format!("s{name}");
        for message in [
            ClientMessage::NegOpen { subscription: subscription.clone(), filter, message: message.clone() },
            ClientMessage::NegMsg { subscription: subscription.clone(), message: message.clone() },
            ClientMessage::NegClose { subscription },
        ] {
            let json = message.to_json();
            prop_assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok(), "{}", json);
            prop_assert_eq!(ClientMessage::from_json(&json).unwrap(), message);
        }
        let reason = Reason::parse(&reason);
        for message in [
            RelayMessage::NegMsg { subscription: name.as_str().into(), message: message.clone() },
            RelayMessage::NegErr { subscription: name.as_str().into(), reason, max_records },
        ] {
            let json = message.to_json();
            prop_assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok(), "{}", json);
            prop_assert_eq!(RelayMessage::parse(&json).unwrap(), message);
        }
        let upper = format!("[\"NEG-MSG\",\"\",\"{}\"]", hex(&message).to_uppercase());
        prop_assert_eq!(RelayMessage::parse(&upper).unwrap(), RelayMessage::NegMsg { subscription: "".into(), message });
    }
}
