//! Messages in both directions.

use nostr_proto::{ClientMessage, Head, RelayMessage, limits, scan_head, scan_signature};

use crate::agree::assert_agrees;
use crate::event::assert_round_trip;
use crate::naive;

/// A frame as a relay sends it: understood as the naive reading understands it, and the same again.
pub fn relay_frame(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let message = RelayMessage::parse(text);
    assert_agrees(text, &message.as_ref().map(RelayMessage::to_json).map_err(Clone::clone), naive::relay_message);
    let Ok(message) = message else { return };
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

/// A message as a client sends it, judged in the same way.
pub fn client_message(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let message = ClientMessage::from_json(text);
    assert_agrees(text, &message.as_ref().map(ClientMessage::to_json).map_err(Clone::clone), naive::client_message);
    let Ok(message) = message else { return };
    let json = message.to_json();
    let again = ClientMessage::from_json(&json).expect("our own encoding of a message that was accepted is accepted");
    assert_eq!(again.to_json(), json, "a message changed on its way through JSON");
}

/// The scans of a frame's head and signature may give up on a frame with escapes, but on no other valid EVENT, and what
/// they say of a valid frame is what the parser says.
pub fn head_scan_agrees(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (head, signature) = (scan_head(text), scan_signature(text));
    match RelayMessage::parse(text) {
        Ok(RelayMessage::Event { subscription, event }) => {
            let expected = Head::Event { subscription: &subscription, id: event.id() };
            assert_eq!(head.unwrap_or(expected), expected, "the head scan found another head in {text}");
            let found = signature.unwrap_or_else(|| event.signature());
            assert_eq!(found, event.signature(), "the signature scan found another one in {text}");
            if !text.contains('\\') {
                assert!(head.is_some() && signature.is_some(), "nothing found in the plain frame {text}");
            }
            // As we write it, an event's keys and hex hold no escapes, whatever its strings hold.
            let again = RelayMessage::Event { subscription: "s".into(), event: event.clone() }.to_json();
            assert_eq!(scan_head(&again), Some(Head::Event { subscription: "s", id: event.id() }), "{again}");
            assert_eq!(scan_signature(&again), Some(event.signature()), "{again}");
        }
        Ok(_) => assert!(head.is_none() && signature.is_none(), "the scans took this for an EVENT: {text}"),
        // The scans stop early, so they cannot know of later errors.
        Err(_) => {}
    }
}
