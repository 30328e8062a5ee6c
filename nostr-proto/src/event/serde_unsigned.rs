//! Events in other people's serde documents, before they are signed and when their ids are checked.

use super::serde_impls::serialize_fields;
use super::{Event, EventTemplate, HashedEvent, IdMismatch, UnsignedEvent};
use crate::{EventId, PublicKey};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Serialises like the event itself. There is no way back but through [`Event::check_id`].
impl Serialize for HashedEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Event::serialize(self, serializer)
    }
}

/// With the id, as rumors are written (NIP-59).
impl Serialize for UnsignedEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_fields(&self.as_event(), "UnsignedEvent", None, serializer)
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
