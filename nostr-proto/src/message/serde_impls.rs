//! Messages in other people's serde documents. The wire path does not go through here.

use super::{ClientMessage, Prefix, Reason, RelayMessage};
use alloc::string::String;
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, Serializer};
use serde_json::Value;

/// As the array that goes over the wire.
impl Serialize for ClientMessage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        as_tree(&self.to_json())?.serialize(serializer)
    }
}

/// Follows the rules of [`ClientMessage::from_json`], except that a format which allows a key twice may let the last
/// one win.
impl<'de> Deserialize<'de> for ClientMessage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ClientMessage, D::Error> {
        ClientMessage::from_json(&as_text(deserializer)?).map_err(D::Error::custom)
    }
}

/// As the array that goes over the wire.
impl Serialize for RelayMessage<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        as_tree(&self.to_json())?.serialize(serializer)
    }
}

/// Follows the rules of [`RelayMessage::parse`], except that a format which allows a key twice may let the last one
/// win.
impl<'de> Deserialize<'de> for RelayMessage<'static> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<RelayMessage<'static>, D::Error> {
        let text = as_text(deserializer)?;
        RelayMessage::parse(&text).map(RelayMessage::into_owned).map_err(D::Error::custom)
    }
}

fn as_tree<E: serde::ser::Error>(json: &str) -> Result<Value, E> {
    serde_json::from_str(json).map_err(E::custom)
}

fn as_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    serde_json::to_string(&Value::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// As on the wire: `prefix: message`.
impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Follows [`Reason::parse`], which takes any text.
impl<'de> Deserialize<'de> for Reason {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Reason, D::Error> {
        String::deserialize(deserializer).map(|text| Reason::parse(&text))
    }
}

/// As its word.
impl Serialize for Prefix {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Prefix {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Prefix, D::Error> {
        let word = String::deserialize(deserializer)?;
        Prefix::from_word(&word).ok_or_else(|| D::Error::custom("not a machine-readable prefix"))
    }
}
