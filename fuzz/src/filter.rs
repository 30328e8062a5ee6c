//! A filter, and a line later an event to match it with.

use nostr_proto::{Event, Filter};

use crate::agree::assert_agrees;
use crate::{naive, oracle};

/// A filter keeps its meaning on its way through JSON, and matches what a naive reading of it matches.
///
/// The input is a filter, and optionally a line feed and an event.
pub fn filter(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (filter_text, event_text) = text.split_once('\n').unwrap_or((text, ""));
    let filter = Filter::from_json(filter_text);
    assert_agrees(filter_text, &filter.as_ref().map(Filter::to_json).map_err(Clone::clone), naive::filter);
    let Ok(filter) = filter else { return };
    let json = filter.to_json();
    let again = Filter::from_json(&json).expect("our own encoding of a filter that was accepted is accepted");
    assert_eq!(again, filter, "a filter changed on its way through JSON");
    assert_eq!(again.to_json(), json, "a filter has one encoding");

    let Ok(event) = Event::from_json(event_text) else { return };
    let (Ok(filter_value), Ok(event_value)) = (serde_json::from_str(filter_text), serde_json::from_str(event_text))
    else {
        return;
    };
    let expected = oracle::matches(&filter_value, &event_value);
    assert_eq!(filter.matches(&event), expected, "filter {filter_text} and event {event_text}");
    assert_eq!(again.matches(&event), expected, "the encoded filter means something else");
}
