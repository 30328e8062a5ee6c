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
        let mut event = serializer.serialize_struct("Event", 7)?;
        event.serialize_field("id", &self.id())?;
        event.serialize_field("pubkey", &self.pubkey())?;
        event.serialize_field("created_at", &self.created_at())?;
        event.serialize_field("kind", &self.kind())?;
        event.serialize_field("tags", &self.tags())?;
        event.serialize_field("content", self.content())?;
        event.serialize_field("sig", &self.signature())?;
        event.end()
    }
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
