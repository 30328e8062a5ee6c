//! One event as JSON text.

use nostr_proto::{Event, limits};

use crate::oracle;

/// What is accepted is read as an independent parser reads it, and survives the way out and back in.
pub fn event(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(event) = Event::from_json(text) else { return };
    assert!(text.len() <= limits::MAX_EVENT_BYTES, "an event larger than the limit was accepted");
    if let Ok(value) = serde_json::from_str(text) {
        oracle::assert_same_event(&event, &value);
    }
    assert_round_trip(&event);
}

/// Every accessor returns, and the one encoding is stable.
pub(crate) fn assert_round_trip(event: &Event) {
    let json = event.to_json();
    assert_eq!(json.len(), event.size(), "size() is the length of to_json()");
    let again = Event::from_json(&json).expect("our own encoding of an event that was accepted is accepted");
    assert_eq!(&again, event, "an event changed on its way through JSON");
    assert_eq!(again.to_json(), json, "an event has one encoding");
    assert_eq!(event.compute_id(), again.compute_id(), "the hash depends on the content alone");
    for tag in event.tags() {
        let values: Vec<&str> = tag.iter().collect();
        assert_eq!(values.len(), tag.len());
        assert_eq!(values.first().copied().unwrap_or_default(), tag.name());
        assert_eq!(values.get(1).copied(), tag.value());
    }
    match event.clone().check_id() {
        Ok(hashed) => assert_eq!(hashed.id(), event.id()),
        Err(_) => assert_ne!(event.id(), event.compute_id(), "an id that is right was refused"),
    }
}
