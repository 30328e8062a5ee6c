//! Events as JSON, in one deterministic form.

use super::body::Body;
use super::tags::Tags;
use crate::json::{Count, Escapes, Sink, write_integer, write_joined, write_string_body};

/// Writes the event object: minified, fields in the order of NIP-01.
pub(super) fn write_event(body: &Body, out: &mut impl Sink) {
    out.put("{\"id\":\"");
    out.put_hex(body.id.as_bytes());
    out.put("\",\"pubkey\":\"");
    out.put_hex(body.pubkey.as_bytes());
    out.put("\",\"created_at\":");
    write_integer(out, body.created_at.as_secs());
    out.put(",\"kind\":");
    write_integer(out, body.kind.as_u16().into());
    out.put(",\"tags\":");
    write_tags(body, Escapes::All, out);
    out.put(",\"content\":\"");
    write_content(body, Escapes::All, out);
    out.put("\",\"sig\":\"");
    out.put_hex(body.signature.as_bytes());
    out.put("\"}");
}

/// The length of what [`write_event`] writes.
pub(super) fn size(body: &Body) -> usize {
    let mut count = Count::default();
    write_event(body, &mut count);
    count.0
}

/// Writes the tags as an array of arrays.
#[inline]
pub(super) fn write_tags(body: &Body, escapes: Escapes, out: &mut impl Sink) {
    match body.plain_tags() {
        Some(tags) => out.put(tags),
        None => write_each_tag(body.tags(), escapes, out),
    }
}

/// Writes the content, without quotes.
#[inline]
pub(super) fn write_content(body: &Body, escapes: Escapes, out: &mut impl Sink) {
    match body.plain_content() {
        Some(content) => out.put(content),
        None => write_string_body(out, body.content(), escapes),
    }
}

fn write_each_tag(tags: Tags<'_>, escapes: Escapes, out: &mut impl Sink) {
    out.put("[");
    write_joined(out, tags, |out, tag| {
        out.put("[");
        write_joined(out, tag, |out, value| {
            out.put("\"");
            write_string_body(out, value, escapes);
            out.put("\"");
        });
        out.put("]");
    });
    out.put("]");
}
