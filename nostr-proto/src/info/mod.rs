//! The relay information document (NIP-11).

mod parse;
mod value;

use crate::{Kind, ParseError, PublicKey};
use alloc::string::String;
use alloc::vec::Vec;
use serde::Serialize;
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{SerializeSeq, Serializer};

/// What a relay says about itself, in the document that it serves over HTTP to whoever accepts
/// `application/nostr+json` (NIP-11).
///
/// Nothing of it is checked against what the relay does, and texts may hold anything, control characters included:
/// escape them when showing them, and look at links before opening them.
///
/// A field is `None` or empty where the relay left it out, wrote `null` or `""`, or wrote something that the field
/// can't be. The last is counted in [`ignored`](RelayInfo::ignored).
///
/// ```
/// use nostr_proto::RelayInfo;
///
/// let info = RelayInfo::from_json(r#"{
///     "name": "a relay", "supported_nips": [1, 11, "42"], "software": 5,
///     "limitation": {"max_message_length": 65536, "max_subscriptions": -1, "auth_required": false}
/// }"#)?;
/// assert_eq!(info.name.as_deref(), Some("a relay"));
/// assert!(info.supports(42));
/// assert_eq!(info.limitation.max_message_length, Some(65_536));
/// assert_eq!(info.limitation.auth_required, Some(false));
/// // "software" is no text, and -1 is no number of subscriptions.
/// assert_eq!((info.software, info.limitation.max_subscriptions, info.ignored), (None, None, 2));
/// # Ok::<(), nostr_proto::ParseError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RelayInfo {
    /// What the relay is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What the relay is for, in plain text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// A link to a wide image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub banner: Option<String>,
    /// A link to a small, square image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icon: Option<String>,
    /// Whom to write to about the relay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pubkey: Option<PublicKey>,
    /// The relay's own key, the field `self`: events that it makes are signed with it.
    #[serde(rename = "self", skip_serializing_if = "Option::is_none")]
    pub self_pubkey: Option<PublicKey>,
    /// Another way to reach whoever runs the relay; should be a URI.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
    /// The numbers of the NIPs that the relay claims to follow, in its order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub supported_nips: Vec<u16>,
    /// A link to the home page of the relay's software.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub software: Option<String>,
    /// The version of the relay's software.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// A link to the terms of service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terms_of_service: Option<String>,
    /// What the relay holds its clients to.
    #[serde(skip_serializing_if = "Limitation::is_empty")]
    pub limitation: Limitation,
    /// A link to a page where one pays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payments_url: Option<String>,
    /// What the relay charges.
    #[serde(skip_serializing_if = "Fees::is_empty")]
    pub fees: Fees,
    /// A link to the rules for posting. No longer in the NIP, still in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub posting_policy: Option<String>,
    /// A link to how data is dealt with. Never in the NIP, in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub privacy_policy: Option<String>,
    /// The countries whose laws may apply: two-letter codes (ISO 3166-1), `*` for all. No longer in the NIP.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub relay_countries: Vec<String>,
    /// The languages of the relay: IETF tags, `*` for all. No longer in the NIP.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub language_tags: Vec<String>,
    /// What is welcome, such as `sfw-only`. No longer in the NIP.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// How long the relay keeps events. No longer in the NIP.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub retention: Vec<Retention>,
    /// How many fields and list items were left out because they made no sense, or because their list was full. Not
    /// part of the JSON.
    #[serde(skip)]
    pub ignored: usize,
}

/// The `limitation` of a [`RelayInfo`]: what exceeds it is refused or cut, as far as the relay tells.
///
/// A maximum of 0 counts as absent, as does one above `u32::MAX` where the field is a `u32`: a relay that writes either
/// means that there is no bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Limitation {
    /// The longest message that the relay takes, in bytes, from `[` to `]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_message_length: Option<u64>,
    /// How many subscriptions may be open on one connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_subscriptions: Option<u32>,
    /// How many filters one REQ may have. No longer in the NIP, still in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_filters: Option<u32>,
    /// What the relay cuts a filter's `limit` to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_limit: Option<u32>,
    /// The longest subscription id, in characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_subid_length: Option<u32>,
    /// How many tags an event may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_event_tags: Option<u32>,
    /// The longest content of an event, in Unicode characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_content_length: Option<u64>,
    /// The proof of work that an event needs, in bits (NIP-13).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_pow_difficulty: Option<u8>,
    /// Whether one must authenticate (NIP-42) before anything else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_required: Option<bool>,
    /// Whether one must pay before anything else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment_required: Option<bool>,
    /// Whether only some may publish, or only some kinds of events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restricted_writes: Option<bool>,
    /// How many seconds an event's `created_at` may lie in the past.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at_lower_limit: Option<u64>,
    /// How many seconds an event's `created_at` may lie in the future.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at_upper_limit: Option<u64>,
    /// How many events a filter without a `limit` gets at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_limit: Option<u32>,
}

/// The `fees` of a [`RelayInfo`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Fees {
    /// For being let in, once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub admission: Vec<Fee>,
    /// For being a member, again and again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subscription: Vec<Fee>,
    /// For publishing an event.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub publication: Vec<Fee>,
}

/// One fee of a relay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Fee {
    /// How much, in `unit`s.
    pub amount: u64,
    /// Of what, mostly `msats` or `sats`; "" where the relay does not say.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub unit: String,
    /// For how many seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period: Option<u64>,
    /// For events of which kinds; all if empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<Kind>,
}

/// How long a relay keeps some events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Retention {
    /// Which kinds: from the first to the last, both included. All if empty.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "write_ranges")]
    pub kinds: Vec<(Kind, Kind)>,
    /// For so many seconds; 0 for not at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<u64>,
    /// So many events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
}

impl RelayInfo {
    /// Reads a document with all leniency: a relay's small mistake must not hide the rest of what it says.
    ///
    /// - Unknown fields are read over. Of a field that appears twice, the last that makes sense counts; a list does,
    ///   whatever is in it.
    /// - A field of the wrong type, or a number that is negative, has a fraction or is too large for its field, is
    ///   absent and counted in [`ignored`](RelayInfo::ignored). The same holds for each item of a list.
    /// - Numbers may be in quotes or have a fraction of zeros (`"500"`, `500.0`), keys may be `npub`s.
    /// - Lists keep their first [`MAX_INFO_ITEMS`](crate::limits::MAX_INFO_ITEMS) items, the others are counted.
    ///
    /// # Errors
    ///
    /// A text above [`MAX_RELAY_INFO_BYTES`](crate::limits::MAX_RELAY_INFO_BYTES), one that is not a JSON object (a
    /// control character in a string is no JSON, nor is half of a surrogate pair; a byte order mark at the front is
    /// skipped), or one nested deeper than [`MAX_FRAME_DEPTH`](crate::limits::MAX_FRAME_DEPTH).
    pub fn from_json(text: &str) -> Result<RelayInfo, ParseError> {
        parse::from_json(text)
    }

    /// The document as minified JSON, without the fields that are absent.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("text, numbers and lists are always JSON")
    }

    /// Whether the relay claims to follow the NIP of this number.
    #[must_use]
    pub fn supports(&self, nip: u16) -> bool {
        self.supported_nips.contains(&nip)
    }
}

impl Limitation {
    /// Whether the relay says nothing of limits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Limitation::default()
    }
}

impl Fees {
    /// Whether the relay says nothing of fees.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.admission.is_empty() && self.subscription.is_empty() && self.publication.is_empty()
    }
}

/// Follows the rules of [`RelayInfo::from_json`], except that a format which refuses a number (`1e999`) or allows a key
/// twice has its own way first.
impl<'de> Deserialize<'de> for RelayInfo {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<RelayInfo, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        let text = serde_json::to_string(&value).map_err(D::Error::custom)?;
        RelayInfo::from_json(&text).map_err(D::Error::custom)
    }
}

/// A range of one kind is written as that kind.
fn write_ranges<S: Serializer>(ranges: &[(Kind, Kind)], serializer: S) -> Result<S::Ok, S::Error> {
    let mut list = serializer.serialize_seq(Some(ranges.len()))?;
    for (first, last) in ranges {
        if first == last {
            list.serialize_element(first)?;
        } else {
            list.serialize_element(&[first, last])?;
        }
    }
    list.end()
}
