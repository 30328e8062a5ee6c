//! Client messages as JSON, without owning what goes into them.

use crate::filter::write_filter;
use crate::hex_text;
use crate::json::{Count, write_string};
use crate::{Event, Filter};
use alloc::string::String;

/// `["EVENT", event]`: publishes an event.
#[must_use]
pub fn event(event: &Event) -> String {
    with_event("[\"EVENT\",", event)
}

/// `["AUTH", event]`: answers an authentication challenge (NIP-42).
#[must_use]
pub fn auth(event: &Event) -> String {
    with_event("[\"AUTH\",", event)
}

/// `["REQ", subscription, filters…]`: opens or replaces a subscription.
pub fn req<'f>(subscription: &str, filters: impl IntoIterator<Item = &'f Filter>) -> String {
    with_filters("[\"REQ\",", subscription, filters)
}

/// `["COUNT", subscription, filters…]`: asks how many events match (NIP-45).
pub fn count<'f>(subscription: &str, filters: impl IntoIterator<Item = &'f Filter>) -> String {
    with_filters("[\"COUNT\",", subscription, filters)
}

/// `["CLOSE", subscription]`: ends a subscription.
#[must_use]
pub fn close(subscription: &str) -> String {
    with_name("[\"CLOSE\",", subscription)
}

/// `["NEG-OPEN", subscription, filter, message]`: opens a reconciliation of event sets (NIP-77). The binary message is
/// written as lowercase hex.
#[must_use]
pub fn neg_open(subscription: &str, filter: &Filter, message: &[u8]) -> String {
    let mut out = begin("[\"NEG-OPEN\",", subscription);
    out.push(',');
    filter.write_json(&mut out);
    end_with_hex(out, message)
}

/// `["NEG-MSG", subscription, message]`: continues a reconciliation (NIP-77), in either direction. The binary message
/// is written as lowercase hex.
#[must_use]
pub fn neg_msg(subscription: &str, message: &[u8]) -> String {
    end_with_hex(begin("[\"NEG-MSG\",", subscription), message)
}

/// `["NEG-CLOSE", subscription]`: ends a reconciliation (NIP-77).
#[must_use]
pub fn neg_close(subscription: &str) -> String {
    with_name("[\"NEG-CLOSE\",", subscription)
}

fn with_name(verb: &str, subscription: &str) -> String {
    let mut out = begin(verb, subscription);
    out.push(']');
    out
}

/// Appends the last element, and ends the message.
fn end_with_hex(mut out: String, bytes: &[u8]) -> String {
    out.push_str(",\"");
    hex_text::push(&mut out, bytes);
    out.push_str("\"]");
    out
}

fn with_event(verb: &str, event: &Event) -> String {
    let mut out = String::with_capacity(verb.len() + event.size() + 1);
    out.push_str(verb);
    event.write_json(&mut out);
    out.push(']');
    out
}

fn with_filters<'f>(verb: &str, subscription: &str, filters: impl IntoIterator<Item = &'f Filter>) -> String {
    let mut out = begin(verb, subscription);
    for filter in filters {
        let mut size = Count::default();
        write_filter(filter, &mut size);
        // The separator, and the end of the message.
        out.reserve(size.0 + 2);
        out.push(',');
        write_filter(filter, &mut out);
    }
    out.push(']');
    out
}

/// A message's beginning, with room for its end. Few names need an escape, and those that do cost one more allocation.
fn begin(verb: &str, subscription: &str) -> String {
    let mut out = String::with_capacity(verb.len() + subscription.len() + 3);
    out.push_str(verb);
    write_string(&mut out, subscription);
    out
}
