//! Typed views of the tags that many NIPs share: `e`, `p`, `a`, `q`, `r`, `t`, `expiration`, `-`.

use super::{Address, Tag, Tags};
use crate::{EventId, PublicKey, RelayUrl, Timestamp};
use core::fmt;
use serde::{Deserialize, Serialize};

/// Typed access. Tags that are malformed are skipped: they are common, and one of them must not hide the others.
///
/// ```
/// use nostr_proto::{EventId, EventRef, EventTemplate, Keys, Marker, RelayUrl, Timestamp};
///
/// let relay = RelayUrl::parse("wss://relay.example.com")?;
/// let (root, author) = (EventId::from_bytes([1; 32]), Keys::from_entropy([7; 32])?.public_key());
/// let note = EventTemplate::text_note("I agree", Timestamp::new(1_700_000_000))
///     .event_ref(EventRef::new(root).hint(&relay).marked(Marker::Root))
///     .tag(["e", "not an id"])
///     .hashtag("nostr")
///     .expires_at(Timestamp::new(1_800_000_000))
///     .unsigned(author);
///
/// let references: Vec<_> = note.tags().event_refs().collect();
/// assert_eq!(references.len(), 1);
/// assert_eq!((references[0].id, references[0].marker), (root, Some(Marker::Root)));
/// assert_eq!(references[0].relay_hint(), Some(relay));
/// assert!(note.tags().hashtags().eq(["nostr"]));
/// assert!(note.tags().is_expired_at(Timestamp::new(1_800_000_000)));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
impl<'a> Tags<'a> {
    /// The tags of this name, in order.
    pub fn named(self, name: &str) -> impl Iterator<Item = Tag<'a>> {
        self.filter(move |tag| tag.name() == name)
    }

    /// The value of the first tag of this name; `None` also where that tag has no value.
    #[must_use]
    pub fn value_of(self, name: &str) -> Option<&'a str> {
        self.named(name).next()?.value()
    }

    /// The events referred to: the `e` tags (NIP-01, NIP-10).
    pub fn event_refs(self) -> impl Iterator<Item = EventRef<'a>> {
        self.named("e").filter_map(EventRef::from_tag)
    }

    /// The users referred to: the `p` tags (NIP-01, NIP-02).
    pub fn pubkey_refs(self) -> impl Iterator<Item = PubkeyRef<'a>> {
        self.named("p").filter_map(PubkeyRef::from_tag)
    }

    /// The replaceable and addressable events referred to: the `a` tags (NIP-01).
    pub fn address_refs(self) -> impl Iterator<Item = AddressRef<'a>> {
        self.named("a").filter_map(AddressRef::from_tag)
    }

    /// The events quoted: the `q` tags (NIP-18).
    pub fn quotes(self) -> impl Iterator<Item = Quote<'a>> {
        self.named("q").filter_map(Quote::from_tag)
    }

    /// The values of the `r` tags: web addresses that the event is about (NIP-24). In a relay list they are relays; see
    /// [`RelayList`](crate::RelayList).
    pub fn references(self) -> impl Iterator<Item = &'a str> {
        self.named("r").filter_map(|tag| tag.value())
    }

    /// The values of the `t` tags: topics, in lower case if the author kept to NIP-24.
    pub fn hashtags(self) -> impl Iterator<Item = &'a str> {
        self.named("t").filter_map(|tag| tag.value())
    }

    /// The value of the first `d` tag, or "" if there is none (NIP-01).
    #[must_use]
    pub fn identifier(self) -> &'a str {
        self.value_of("d").unwrap_or("")
    }

    /// When the event expires (NIP-40); `None` if never, or if the first `expiration` tag holds no number.
    #[must_use]
    pub fn expiration(self) -> Option<Timestamp> {
        number(self.value_of("expiration")?).map(Timestamp::new)
    }

    /// Whether the event counts as expired at this time (NIP-40): from the very second that it names.
    #[must_use]
    pub fn is_expired_at(self, now: Timestamp) -> bool {
        self.expiration().is_some_and(|expiration| expiration <= now)
    }

    /// Whether only its author may publish the event (NIP-70): it has a tag `-`.
    #[must_use]
    pub fn is_protected(mut self) -> bool {
        self.any(|tag| tag.name() == "-")
    }
}

/// A decimal number without a sign; `parse` alone would also take a plus.
pub(crate) fn number(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

/// What part an event has in a thread (NIP-10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Marker {
    /// The note that began the thread.
    Root,
    /// The note that is answered.
    Reply,
    /// A note that is merely mentioned; older clients write this.
    Mention,
}

impl Marker {
    /// The word in the tag.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Marker::Root => "root",
            Marker::Reply => "reply",
            Marker::Mention => "mention",
        }
    }

    fn from_word(word: &str) -> Option<Marker> {
        [Marker::Root, Marker::Reply, Marker::Mention].into_iter().find(|marker| marker.as_str() == word)
    }
}

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An `e` tag: `["e", id, relay, marker, author]` (NIP-10), all but the id optional.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventRef<'a> {
    /// The event.
    pub id: EventId,
    /// The relay hint as it stands in the tag, "" if there is none; see [`EventRef::relay_hint`].
    pub relay: &'a str,
    /// The event's part in the thread; `None` if the tag says nothing, or nothing that NIP-10 knows.
    pub marker: Option<Marker>,
    /// The event's author, if the tag says so.
    pub author: Option<PublicKey>,
}

impl<'a> EventRef<'a> {
    /// A reference to an event.
    #[must_use]
    pub const fn new(id: EventId) -> EventRef<'a> {
        EventRef { id, relay: "", marker: None, author: None }
    }

    /// Names a relay where the event can be found.
    #[must_use]
    pub fn hint(mut self, relay: &'a RelayUrl) -> EventRef<'a> {
        self.relay = relay.as_str();
        self
    }

    /// Says what part the event has.
    #[must_use]
    pub const fn marked(mut self, marker: Marker) -> EventRef<'a> {
        self.marker = Some(marker);
        self
    }

    /// Names the event's author.
    #[must_use]
    pub const fn by(mut self, author: PublicKey) -> EventRef<'a> {
        self.author = Some(author);
        self
    }

    /// Reads a tag of this form, whatever its name; `None` if its value is no event id. The author may also stand where
    /// the marker does, as NIP-22 and NIP-25 write it.
    #[must_use]
    pub fn from_tag(tag: Tag<'a>) -> Option<EventRef<'a>> {
        let mut values = tag.iter().skip(1);
        let id = values.next()?.parse().ok()?;
        let relay = values.next().unwrap_or("");
        let third = values.next().unwrap_or("");
        let author = values.next().and_then(|text| text.parse().ok()).or_else(|| third.parse().ok());
        Some(EventRef { id, relay, marker: Marker::from_word(third), author })
    }

    /// The relay hint, if it is a relay's URL.
    #[must_use]
    pub fn relay_hint(&self) -> Option<RelayUrl> {
        RelayUrl::parse(self.relay).ok()
    }
}

/// A `p` tag: `["p", pubkey, relay, petname]` (NIP-01, NIP-02), all but the key optional.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PubkeyRef<'a> {
    /// The user.
    pub pubkey: PublicKey,
    /// The relay hint as it stands in the tag, "" if there is none; see [`PubkeyRef::relay_hint`].
    pub relay: &'a str,
    /// What the author of a follow list calls the user (NIP-02); "" if nothing.
    pub petname: &'a str,
}

impl<'a> PubkeyRef<'a> {
    /// A reference to a user.
    #[must_use]
    pub const fn new(pubkey: PublicKey) -> PubkeyRef<'a> {
        PubkeyRef { pubkey, relay: "", petname: "" }
    }

    /// Names a relay where the user's events can be found.
    #[must_use]
    pub fn hint(mut self, relay: &'a RelayUrl) -> PubkeyRef<'a> {
        self.relay = relay.as_str();
        self
    }

    /// Reads a tag of this form, whatever its name; `None` if its value is no public key.
    #[must_use]
    pub fn from_tag(tag: Tag<'a>) -> Option<PubkeyRef<'a>> {
        let mut values = tag.iter().skip(1);
        let pubkey = values.next()?.parse().ok()?;
        let mut next = || values.next().unwrap_or("");
        Some(PubkeyRef { pubkey, relay: next(), petname: next() })
    }

    /// The relay hint, if it is a relay's URL.
    #[must_use]
    pub fn relay_hint(&self) -> Option<RelayUrl> {
        RelayUrl::parse(self.relay).ok()
    }
}

/// An `a` tag: `["a", address, relay]` (NIP-01), the relay optional.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressRef<'a> {
    /// What the event is called across its versions.
    pub address: Address,
    /// The relay hint as it stands in the tag, "" if there is none; see [`AddressRef::relay_hint`].
    pub relay: &'a str,
}

impl<'a> AddressRef<'a> {
    /// A reference to an address.
    #[must_use]
    pub const fn new(address: Address) -> AddressRef<'a> {
        AddressRef { address, relay: "" }
    }

    /// Names a relay where the event can be found.
    #[must_use]
    pub fn hint(mut self, relay: &'a RelayUrl) -> AddressRef<'a> {
        self.relay = relay.as_str();
        self
    }

    /// Reads a tag of this form, whatever its name; `None` if its value is no address.
    #[must_use]
    pub fn from_tag(tag: Tag<'a>) -> Option<AddressRef<'a>> {
        let mut values = tag.iter().skip(1);
        let address = values.next()?.parse().ok()?;
        Some(AddressRef { address, relay: values.next().unwrap_or("") })
    }

    /// The relay hint, if it is a relay's URL.
    #[must_use]
    pub fn relay_hint(&self) -> Option<RelayUrl> {
        RelayUrl::parse(self.relay).ok()
    }
}

/// A `q` tag: `["q", id or address, relay, author]` (NIP-18), the last two optional.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quote<'a> {
    /// What is quoted.
    pub target: QuoteTarget,
    /// The relay hint as it stands in the tag, "" if there is none; see [`Quote::relay_hint`].
    pub relay: &'a str,
    /// The author of what is quoted, if the tag says so.
    pub author: Option<PublicKey>,
}

/// What a [`Quote`] quotes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QuoteTarget {
    /// One event.
    Event(EventId),
    /// An event in whichever version.
    Address(Address),
}

impl<'a> Quote<'a> {
    /// A quote of one event.
    #[must_use]
    pub const fn of_event(id: EventId) -> Quote<'a> {
        Quote { target: QuoteTarget::Event(id), relay: "", author: None }
    }

    /// A quote of an event in whichever version.
    #[must_use]
    pub const fn of_address(address: Address) -> Quote<'a> {
        Quote { target: QuoteTarget::Address(address), relay: "", author: None }
    }

    /// Names a relay where the event can be found.
    #[must_use]
    pub fn hint(mut self, relay: &'a RelayUrl) -> Quote<'a> {
        self.relay = relay.as_str();
        self
    }

    /// Names the author of what is quoted.
    #[must_use]
    pub fn by(mut self, author: PublicKey) -> Quote<'a> {
        self.author = Some(author);
        self
    }

    /// Reads a tag of this form, whatever its name; `None` if its value is neither an event id nor an address.
    #[must_use]
    pub fn from_tag(tag: Tag<'a>) -> Option<Quote<'a>> {
        let mut values = tag.iter().skip(1);
        let value = values.next()?;
        let target = match value.parse() {
            Ok(id) => QuoteTarget::Event(id),
            Err(_) => QuoteTarget::Address(value.parse().ok()?),
        };
        let relay = values.next().unwrap_or("");
        Some(Quote { target, relay, author: values.next().and_then(|text| text.parse().ok()) })
    }

    /// The relay hint, if it is a relay's URL.
    #[must_use]
    pub fn relay_hint(&self) -> Option<RelayUrl> {
        RelayUrl::parse(self.relay).ok()
    }
}
