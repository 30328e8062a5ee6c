//! Client messages as JSON, without owning what goes into them.

use crate::json::{write_joined, write_string};
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
    let mut out = String::from("[\"CLOSE\",");
    write_string(&mut out, subscription);
    out.push(']');
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
    let mut out = String::from(verb);
    write_string(&mut out, subscription);
    out.push(',');
    write_joined(&mut out, filters, |out, filter| filter.write_json(out));
    out.push(']');
    out
}
