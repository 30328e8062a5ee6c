//! Events in other people's serde documents. The wire path does not go through here.

use super::body::{Body, Text};
use super::{Event, Tag, Tags, VerifiedEvent};
use crate::{EventId, Kind, PublicKey, Signature, Timestamp};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

impl Serialize for Tag<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(*self)
    }
}

impl Serialize for Tags<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.clone())
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_fields(self, "Event", Some(self.signature()), serializer)
    }
}

/// The fields in the order of NIP-01, the signature where there is one.
pub(super) fn serialize_fields<S: Serializer>(
    event: &Event,
    name: &'static str,
    signature: Option<Signature>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut fields = serializer.serialize_struct(name, 6 + usize::from(signature.is_some()))?;
    fields.serialize_field("id", &event.id())?;
    fields.serialize_field("pubkey", &event.pubkey())?;
    fields.serialize_field("created_at", &event.created_at())?;
    fields.serialize_field("kind", &event.kind())?;
    fields.serialize_field("tags", &event.tags())?;
    fields.serialize_field("content", event.content())?;
    if let Some(signature) = &signature {
        fields.serialize_field("sig", signature)?;
    }
    fields.end()
}

/// Serialises like the event itself. There is no way back but through
/// [`verify_event`](super::verify_event).
impl Serialize for VerifiedEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Event::serialize(self, serializer)
    }
}

#[derive(Deserialize)]
struct Fields {
    id: EventId,
    pubkey: PublicKey,
    created_at: Timestamp,
    kind: Kind,
    tags: Vec<Vec<String>>,
    content: String,
    sig: Signature,
}

/// Asks for the same fields as [`Event::from_json`], and leaves size, nesting and repeated keys to the format.
impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Event, D::Error> {
        let fields = Fields::deserialize(deserializer)?;
        let text = Text::from_parts(&fields.tags, &fields.content);
        let hex = (fields.id, fields.pubkey, fields.sig);
        let body = Body::new(hex, fields.created_at, fields.kind, text);
        Ok(Event(Arc::new(body)))
    }
}
