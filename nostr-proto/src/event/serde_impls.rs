//! Events in other people's serde documents. The wire path does not go through here.

use super::body::{Body, StringsBuilder};
use super::{Event, EventTemplate, HashedEvent, IdMismatch, Tag, Tags, UnsignedEvent, VerifiedEvent};
use crate::{EventId, Kind, PublicKey, Signature, Timestamp};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::convert::Infallible;
use serde::de::Error as _;
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

/// Serialises like the event itself. There is no way back but through [`Event::check_id`].
impl Serialize for HashedEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Event::serialize(self, serializer)
    }
}

/// Serialises like the event itself. There is no way back but through
/// [`verify_event`](super::verify_event).
impl Serialize for VerifiedEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Event::serialize(self, serializer)
    }
}

/// With the id, as rumors are written (NIP-59).
impl Serialize for UnsignedEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut event = serializer.serialize_struct("UnsignedEvent", 6)?;
        event.serialize_field("id", &self.id())?;
        event.serialize_field("pubkey", &self.pubkey())?;
        event.serialize_field("created_at", &self.created_at())?;
        event.serialize_field("kind", &self.kind())?;
        event.serialize_field("tags", &self.tags())?;
        event.serialize_field("content", self.content())?;
        event.end()
    }
}

#[derive(Deserialize)]
struct UnsignedFields {
    id: Option<EventId>,
    pubkey: PublicKey,
    #[serde(flatten)]
    template: EventTemplate,
}

/// The id may be absent; where it is there, it must be the hash of the content.
impl<'de> Deserialize<'de> for UnsignedEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<UnsignedEvent, D::Error> {
        let fields = UnsignedFields::deserialize(deserializer)?;
        let event = fields.template.unsigned(fields.pubkey);
        let (claimed, computed) = (fields.id.unwrap_or(event.id()), event.id());
        if claimed == computed { Ok(event) } else { Err(D::Error::custom(IdMismatch { claimed, computed })) }
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

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Event, D::Error> {
        let fields = Fields::deserialize(deserializer)?;
        let strings = StringsBuilder::from_parts(&fields.tags, &fields.content);
        let hex = (fields.id, fields.pubkey, fields.sig);
        let body = Body::new(hex, fields.created_at, fields.kind, strings.finish());
        Ok(Event(Arc::new(body)))
    }
}

impl StringsBuilder {
    /// The strings of an event that exists in pieces.
    pub(super) fn from_parts(tags: &[Vec<String>], content: &str) -> StringsBuilder {
        let mut strings = StringsBuilder::default();
        strings.begin_tags();
        for tag in tags {
            for value in tag {
                strings.tag_value(value);
            }
            strings.end_tag();
        }
        strings.end_tags();
        let Ok(()) = strings.content(|text| {
            text.push_str(content);
            Ok::<(), Infallible>(())
        });
        strings
    }
}
