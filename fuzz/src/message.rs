//! Messages in both directions.

use nostr_proto::{ClientMessage, Head, RelayMessage, limits, scan_head, scan_signature};

use crate::event::assert_round_trip;

/// A frame as a relay sends it: parsing returns, and what was understood is understood the same again.
pub fn relay_frame(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(message) = RelayMessage::parse(text) else { return };
    assert!(text.len() <= limits::MAX_MESSAGE_BYTES, "a message larger than the limit was accepted");
    if let RelayMessage::Event { event, .. } = &message {
        assert_round_trip(event);
    }
    if matches!(message, RelayMessage::Unknown { .. }) {
        return; // Only its verb is kept, so there is nothing to encode again.
    }
    let json = message.to_json();
    let again = RelayMessage::parse(&json).expect("our own encoding of a message that was accepted is accepted");
    assert_eq!(again.to_json(), json, "a message changed on its way through JSON");
}

/// A message as a client sends it.
pub fn client_message(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(message) = ClientMessage::from_json(text) else { return };
    let json = message.to_json();
    let again = ClientMessage::from_json(&json).expect("our own encoding of a message that was accepted is accepted");
    assert_eq!(again.to_json(), json, "a message changed on its way through JSON");
}

/// The scans of a frame's head and signature may give up, but what they say of a valid frame is what the parser says.
pub fn head_scan_agrees(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Some(Head::Event { subscription, id }) = scan_head(text) else { return };
    match RelayMessage::parse(text) {
        Ok(RelayMessage::Event { subscription: parsed, event }) => {
            assert_eq!(subscription, parsed, "the head scan found another subscription in {text}");
            assert_eq!(id, event.id(), "the head scan found another id in {text}");
            let signature = scan_signature(text).unwrap_or_else(|| event.signature());
            assert_eq!(signature, event.signature(), "the signature scan found another one in {text}");
        }
        // The scan stops early, so it cannot know of later errors.
        other => assert!(other.is_err(), "the head scan took this for an EVENT: {text}"),
    }
}
