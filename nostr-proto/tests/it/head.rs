//! The head scan: the same answer as the parser, for every spelling.

use crate::support::{Choices, HEX64, Liberties, fields, signed, spell, spell_event, string};
use nostr_proto::{Head, RelayMessage, scan_head, scan_signature};
use proptest::prelude::*;
use serde_json::json;

fn assert_agrees(frame: &str) {
    let Some(Head::Event { subscription, id }) = scan_head(frame) else { return };
    match RelayMessage::parse(frame) {
        Ok(RelayMessage::Event { subscription: parsed, event }) => {
            assert_eq!(parsed, subscription, "{frame}");
            assert_eq!(event.id(), id, "{frame}");
            if let Some(signature) = scan_signature(frame) {
                assert_eq!(event.signature(), signature, "{frame}");
            }
        }
        Ok(other) => panic!("{frame} is {other:?}"),
        // A head of a frame that is refused means nothing.
        Err(_) => {}
    }
}

proptest! {
    #[test]
    fn agrees_with_the_parser(
        fields in fields(), subscription in string(), mut choices in Choices::any(), escapes: bool, extra_fields: bool,
    ) {
        let liberties = Liberties { escapes, extra_fields, plain_head: false };
        let event = spell_event(&fields, liberties, &mut choices);
        let mut before = String::new();
        spell(&json!("EVENT"), liberties, &mut choices, &mut before);
        before.push(',');
        spell(&json!(subscription), liberties, &mut choices, &mut before);
        let frame = format!("[{before}, {event} , null]");
        prop_assert!(RelayMessage::parse(&frame).is_ok());
        assert_agrees(&frame);
        let plain = subscription.chars().all(|c| c >= ' ' && !matches!(c, '"' | '\\'));
        if plain && !escapes {
            prop_assert!(scan_head(&frame).is_some(), "{}", frame);
            prop_assert!(scan_signature(&frame).is_some(), "{}", frame);
        }
    }

    #[test]
    fn never_panics_and_never_contradicts(text in string(), at in 0_usize..900, remove in 0_usize..9) {
        let _ = (scan_head(&text), scan_signature(&text));
        let frame = format!("[\"EVENT\",\"s\",{}]", signed("x").to_json());
        let start = frame.floor_char_boundary(at.min(frame.len()));
        let end = frame.floor_char_boundary((at + remove).min(frame.len()));
        let _ = (scan_head(&frame[..start]), scan_signature(&frame[..start]));
        assert_agrees(&format!("{}{text}{}", &frame[..start], &frame[end..]));
    }
}

#[test]
fn finds_subscription_and_id() {
    let event = signed("a \"quoted\" \\ thing");
    let frame = format!("[\"EVENT\",\"s1\",{}]", event.to_json());
    assert_eq!(scan_head(&frame), Some(Head::Event { subscription: "s1", id: event.id() }));
}

#[test]
fn ids_elsewhere_are_not_taken_for_the_event_s() {
    let event = signed("x");
    let json = event.to_json();
    let trap = format!(
        "{{\"content\":\"\\\"id\\\":\\\"{HEX64}\\\",\\\\\",\"tags\":[[\"id\",\"{HEX64}\"],[\"\\\\\"]],\
         \"x\":{{\"id\":\"{HEX64}\"}},\"ids\":[{{\"id\":\"{HEX64}\"}}],\"id\":\"{}\"",
        event.id()
    );
    let frame = format!("[\"EVENT\",\"s\",{trap},{}]", &json[json.find("\"pubkey\"").unwrap()..]);
    assert_eq!(scan_head(&frame), Some(Head::Event { subscription: "s", id: event.id() }));
}

#[test]
fn anything_else_has_no_head() {
    let event = signed("x").to_json();
    let escaped = event.replacen("\"id\"", "\"i\\u0064\"", 1);
    for frame in [
        "",
        "[",
        "[\"EVENT\"",
        "[\"EVENT\",\"s\"]",
        "[\"EVENT\",\"s\",{}]",
        "[\"EVENT\",\"s\",{\"id\":\"short\"}]",
        "[\"EVENT\",\"s\",{\"x\":[[[",
        "[\"EVENT\",\"s\",{\"x\":]]]}]",
        "[\"EOSE\",\"s\"]",
        &format!("[\"EVENT\",{event}]"),
        &format!("[\"event\",\"s\",{event}]"),
        &format!("[\"EVENT\",\"s\\n\",{event}]"),
        &format!("[\"EVENT\",\"s\",{escaped}]"),
        &format!("[\"OK\",\"{HEX64}\",true,\"\"]"),
    ] {
        assert_eq!(scan_head(frame), None, "{frame}");
    }
}

#[test]
fn a_second_id_is_not_looked_for_but_never_parses() {
    let event = signed("x");
    let frame = format!("[\"EVENT\",\"s\",{{\"id\":\"{HEX64}\",{}]", &event.to_json()[1..]);
    assert_eq!(scan_head(&frame), Some(Head::Event { subscription: "s", id: HEX64.parse().unwrap() }));
    assert!(RelayMessage::parse(&frame).is_err());
}

/// What stands at the very end of a frame is taken for the event's only where it must be.
#[test]
fn the_end_of_a_frame_is_not_taken_for_the_event_s() {
    let event = signed("x");
    let json = event.to_json();
    let members: Vec<&str> = json[1..json.len() - 1].splitn(2, ",\"pubkey\"").collect();
    let id_last = format!("{{\"pubkey\"{},{}}}", members[1], members[0]);
    let other_sig = "07".repeat(64);
    for (name, other) in [("id", HEX64), ("sig", other_sig.as_str())] {
        for event_json in [&json, &id_last] {
            for trap in [
                format!("[\"EVENT\",\"s\",{event_json},{{\"a\":1,\"{name}\":\"{other}\"}}]"),
                format!("[\"EVENT\",\"s\",{event_json} ,{{\"a\":1, \"{name}\": \"{other}\"}}]"),
                format!("[\"EVENT\",\"s\",{},\"\\\"{name}\":\"{other}\"}}]", &event_json[..event_json.len() - 1]),
                format!("[\"EVENT\",\"s\",{},\" \\\"{name}\":\"{other}\"}}]", &event_json[..event_json.len() - 1]),
                format!("[\"EVENT\",\"s\",{},\"x{name}\":\"{other}\"}}]", &event_json[..event_json.len() - 1]),
            ] {
                assert!(matches!(RelayMessage::parse(&trap), Ok(RelayMessage::Event { .. })), "{trap}");
                assert_eq!(scan_head(&trap), Some(Head::Event { subscription: "s", id: event.id() }), "{trap}");
                assert_eq!(scan_signature(&trap), Some(event.signature()), "{trap}");
            }
        }
    }
}
