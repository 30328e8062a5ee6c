//! The relays where a user reads and writes (NIP-65).

use crate::limits::MAX_RELAY_LIST;
use crate::{Event, EventTemplate, Kind, RelayUrl, Tags, Timestamp};
use alloc::vec::Vec;
use core::fmt;
use serde::de::{Deserialize, Deserializer};
use serde::{Serialize, Serializer};

/// A user's relay list, kind 10002 (NIP-65): where the user publishes, and where others reach the user. Each relay is
/// there once, in the order of its first mention; at most [`MAX_RELAY_LIST`] of them.
///
/// Whether a URL leads to a machine that one wants to talk to is not checked: a list may name local addresses.
///
/// ```
/// use nostr_proto::{Keys, RelayList, RelayUrl, RelayUse, Timestamp};
///
/// let (home, inbox) = (RelayUrl::parse("wss://home.example")?, RelayUrl::parse("wss://inbox.example")?);
/// let mut list = RelayList::new();
/// list.insert(home.clone(), RelayUse::ReadWrite);
/// list.insert(inbox.clone(), RelayUse::Read);
///
/// let keys = Keys::from_entropy([7; 32])?;
/// let event = keys.sign(&list.to_template(Timestamp::new(1_700_000_000)), [0; 32]);
/// let list = RelayList::from_event(&event)?;
/// assert!(list.read().eq([&home, &inbox]));
/// assert!(list.write().eq([&home]));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RelayList {
    entries: Vec<RelayListEntry>,
    skipped: usize,
}

/// A relay in a [`RelayList`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, serde::Deserialize)]
pub struct RelayListEntry {
    /// The relay.
    pub url: RelayUrl,
    /// What the user does there.
    #[serde(rename = "use")]
    pub usage: RelayUse,
}

/// What a user does at a relay (NIP-65). In serde documents: `read`, `write`, `read_write`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RelayUse {
    /// Reads there what mentions the user: others publish that there.
    Read,
    /// Publishes there: others look there for the user's events.
    Write,
    /// Both.
    ReadWrite,
}

impl RelayUse {
    /// Whether this includes reading.
    #[must_use]
    pub const fn reads(self) -> bool {
        matches!(self, RelayUse::Read | RelayUse::ReadWrite)
    }

    /// Whether this includes writing.
    #[must_use]
    pub const fn writes(self) -> bool {
        matches!(self, RelayUse::Write | RelayUse::ReadWrite)
    }

    /// What includes both of these.
    #[must_use]
    pub const fn and(self, other: RelayUse) -> RelayUse {
        match (self, other) {
            (RelayUse::Read, RelayUse::Read) => RelayUse::Read,
            (RelayUse::Write, RelayUse::Write) => RelayUse::Write,
            _ => RelayUse::ReadWrite,
        }
    }

    /// The marker in a tag; an absent or empty one stands for both.
    const fn marker(self) -> Option<&'static str> {
        match self {
            RelayUse::Read => Some("read"),
            RelayUse::Write => Some("write"),
            RelayUse::ReadWrite => None,
        }
    }

    fn from_marker(marker: &str) -> Option<RelayUse> {
        match marker {
            "" => Some(RelayUse::ReadWrite),
            "read" => Some(RelayUse::Read),
            "write" => Some(RelayUse::Write),
            _ => None,
        }
    }
}

impl RelayList {
    /// An empty list.
    #[must_use]
    pub const fn new() -> RelayList {
        RelayList { entries: Vec::new(), skipped: 0 }
    }

    /// Reads the list of an event. Its signature is not checked; see [`crate::VerifiedEvent`].
    ///
    /// # Errors
    ///
    /// [`NotARelayList`] if the event is of another kind than 10002. A tag that can't be used is not an error: see
    /// [`RelayList::skipped`].
    pub fn from_event(event: &Event) -> Result<RelayList, NotARelayList> {
        match event.kind() {
            Kind::RELAY_LIST => Ok(RelayList::from_tags(event.tags())),
            kind => Err(NotARelayList { kind }),
        }
    }

    /// Reads the `r` tags among these.
    #[must_use]
    pub fn from_tags(tags: Tags<'_>) -> RelayList {
        let mut list = RelayList::new();
        for tag in tags.named("r") {
            let url = tag.value().and_then(|url| RelayUrl::parse(url).ok());
            let taken = match (url, RelayUse::from_marker(tag.get(2).unwrap_or(""))) {
                (Some(url), Some(usage)) => list.insert(url, usage),
                _ => false,
            };
            list.skipped += usize::from(!taken);
        }
        list
    }

    /// Adds a relay, or another use of one that is there already. False, and no change, if the relay is new and the
    /// list is full.
    pub fn insert(&mut self, url: RelayUrl, usage: RelayUse) -> bool {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.url == url) {
            entry.usage = entry.usage.and(usage);
            return true;
        }
        let room = self.entries.len() < MAX_RELAY_LIST;
        if room {
            self.entries.push(RelayListEntry { url, usage });
        }
        room
    }

    /// The relays, in the order of their first mention.
    #[must_use]
    pub fn entries(&self) -> &[RelayListEntry] {
        &self.entries
    }

    /// Where the user reads: publish there what mentions the user.
    pub fn read(&self) -> impl Iterator<Item = &RelayUrl> {
        self.entries.iter().filter(|entry| entry.usage.reads()).map(|entry| &entry.url)
    }

    /// Where the user writes: look there for the user's events.
    pub fn write(&self) -> impl Iterator<Item = &RelayUrl> {
        self.entries.iter().filter(|entry| entry.usage.writes()).map(|entry| &entry.url)
    }

    /// How many relays the list has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether the list names no relay.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many `r` tags of the event were left out: those whose URL is no relay's, those whose marker is neither
    /// `read` nor `write`, and new relays behind the one that filled the list. A repeated relay is not left out but
    /// merged.
    #[must_use]
    pub fn skipped(&self) -> usize {
        self.skipped
    }

    /// The event that publishes this list, to be signed. To replace an earlier one, take `created_at` from
    /// [`Timestamp::after`].
    #[must_use]
    pub fn to_template(&self, created_at: Timestamp) -> EventTemplate {
        self.entries.iter().fold(EventTemplate::new(Kind::RELAY_LIST, "", created_at), |template, entry| {
            template.tag(["r", entry.url.as_str()].into_iter().chain(entry.usage.marker()))
        })
    }
}

/// As its entries.
impl Serialize for RelayList {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(&self.entries)
    }
}

/// Repeated relays are merged; those for which there is no room are counted as skipped.
impl<'de> Deserialize<'de> for RelayList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<RelayList, D::Error> {
        let mut list = RelayList::new();
        for entry in Vec::<RelayListEntry>::deserialize(deserializer)? {
            let room = list.insert(entry.url, entry.usage);
            list.skipped += usize::from(!room);
        }
        Ok(list)
    }
}

/// An event is not a relay list, which is of kind 10002.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotARelayList {
    /// The event's kind.
    pub kind: Kind,
}

impl fmt::Display for NotARelayList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a relay list has kind {}, not {}", Kind::RELAY_LIST, self.kind)
    }
}

impl core::error::Error for NotARelayList {}
