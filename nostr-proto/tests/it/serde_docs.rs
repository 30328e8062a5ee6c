//! Public types in serde documents: each as a Nostr developer would write it, and back.

use crate::support::{HEX64, fields, keys, signed, string};
use nostr_proto::{
    ClientMessage, EoseHints, EventTemplate, Filter, Kind, Marker, Prefix, Reason, RelayMessage, SortedSet, Timestamp,
    UnsignedEvent,
};
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::fmt::Debug;

fn assert_document<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T, document: &Value) {
    assert_eq!(&serde_json::to_value(value).unwrap(), document);
    assert_eq!(&serde_json::from_value::<T>(document.clone()).unwrap(), value);
    // Through text too, which can lend strings where a tree can't.
    let text = serde_json::to_string(value).unwrap();
    assert_eq!(&serde_json::from_str::<T>(&text).unwrap(), value);
}

#[test]
fn templates_and_unsigned_events() {
    let template = EventTemplate::text_note("hi", Timestamp::new(7)).tag(["t", "x"]);
    assert_document(&template, &json!({"created_at": 7, "kind": 1, "tags": [["t", "x"]], "content": "hi"}));
    let event = template.unsigned(HEX64.parse().unwrap());
    let mut document = json!({
        "id": event.id().to_string(), "pubkey": HEX64, "created_at": 7, "kind": 1, "tags": [["t", "x"]], "content": "hi"
    });
    assert_document(&event, &document);
    document["content"] = json!("ho");
    assert!(serde_json::from_value::<UnsignedEvent>(document.clone()).is_err());
    document.as_object_mut().unwrap().remove("id");
    assert_eq!(serde_json::from_value::<UnsignedEvent>(document).unwrap().content(), "ho");
}

#[test]
fn small_types() {
    assert_document(&Kind::CONTACTS, &json!(3));
    assert_document(&Timestamp::new(5), &json!(5));
    assert_document(&Prefix::RateLimited, &json!("rate-limited"));
    assert!(serde_json::from_value::<Prefix>(json!("other")).is_err());
    assert_document(&Reason::new(Prefix::Pow, "26 < 30"), &json!("pow: 26 < 30"));
    assert_document(&Reason::parse("whatever"), &json!("whatever"));
    assert_document(&EoseHints { finish: true, more: false }, &json!({"finish": true, "more": false}));
    assert_document(&Marker::Reply, &json!("reply"));
    assert_document(&SortedSet::from(vec![1, 2]), &json!([1, 2]));
    assert_eq!(serde_json::from_value::<SortedSet<u8>>(json!([2, 1, 2])).unwrap().as_slice(), [1, 2]);
}

#[test]
fn hashed_events_are_written_as_events() {
    let event = signed("x");
    let document = serde_json::to_value(&event).unwrap();
    assert_eq!(serde_json::to_value(event.check_id().unwrap()).unwrap(), document);
}

#[test]
fn messages() {
    let request = ClientMessage::Req { subscription: "s".into(), filters: vec![Filter::new().limit(3)] };
    assert_document(&request, &json!(["REQ", "s", {"limit": 3}]));
    let open = ClientMessage::NegOpen { subscription: "s".into(), filter: Filter::new(), message: vec![0x61] };
    assert_document(&open, &json!(["NEG-OPEN", "s", {}, "61"]));
    assert!(serde_json::from_value::<ClientMessage>(json!(["EOSE", "s"])).is_err());
    let closed = RelayMessage::Closed { subscription: "s".into(), reason: Reason::new(Prefix::Error, "x") };
    assert_document(&closed, &json!(["CLOSED", "s", "error: x"]));
    assert!(serde_json::from_value::<RelayMessage<'static>>(json!(["OK", 1])).is_err());
}

proptest! {
    #[test]
    fn any_event_in_any_message(fields in fields(), subscription in string()) {
        let event = fields.event();
        let document = json!(["EVENT", subscription, fields.value()]);
        assert_document(&RelayMessage::Event { subscription: subscription.into(), event: event.clone() }, &document);
        assert_document(&ClientMessage::Event(event), &json!(["EVENT", fields.value()]));
    }

    #[test]
    fn any_template(fields in fields()) {
        let template = EventTemplate {
            created_at: Timestamp::new(fields.created_at),
            kind: Kind::new(fields.kind),
            tags: fields.tags.clone(),
            content: fields.content.clone(),
        };
        let document = json!({
            "created_at": fields.created_at, "kind": fields.kind, "tags": fields.tags, "content": fields.content
        });
        assert_document(&template, &document);
        let event = template.unsigned(keys(1).public_key());
        prop_assert_eq!(serde_json::from_str::<UnsignedEvent>(&serde_json::to_string(&event).unwrap()).unwrap(), event);
    }
}
