//! One event as JSON text.

use nostr_proto::{Event, EventId, limits};

use crate::agree::assert_agrees;
use crate::{naive, oracle};

/// What is accepted, and nothing else, is what the naive reading accepts and reads the same; it survives the way out and
/// back in; and its id is the naive hash in either way of escaping, and no other.
pub fn event(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let event = Event::from_json(text);
    assert_agrees(text, &event.as_ref().map(Event::to_json).map_err(Clone::clone), naive::event);
    let Ok(event) = event else { return };
    assert!(text.len() <= limits::MAX_EVENT_BYTES, "an event larger than the limit was accepted");
    if let Ok(value) = serde_json::from_str(text) {
        oracle::assert_same_event(&event, &value);
    }
    assert_round_trip(&event);
    assert_hashes(&event);
}

/// Both ids that the content may have are right, and the claimed one only if it is one of them.
fn assert_hashes(event: &Event) {
    let ids = oracle::ids(event);
    assert_eq!(event.compute_id(), ids[0], "the hash of {event}");
    assert_eq!(event.clone().check_id().is_ok(), ids.contains(&event.id()), "the id of {event}");
    for id in ids {
        let right = with_id(event, id);
        assert!(right.check_id().is_ok(), "refused with its own id {id}: {event}");
        let mut near = *id.as_bytes();
        near[31] ^= 1;
        assert!(with_id(event, EventId::from_bytes(near)).check_id().is_err(), "accepted with another id: {event}");
    }
}

/// The event under another id. In our own encoding the id comes first.
fn with_id(event: &Event, id: EventId) -> Event {
    let json = event.to_json().replacen(&event.id().to_string(), &id.to_string(), 1);
    Event::from_json(&json).expect("one id fits where another was")
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
