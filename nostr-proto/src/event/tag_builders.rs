//! Adding the tags of [`super::refs`] to a template.

use super::{AddressRef, EventRef, EventTemplate, Marker, PubkeyRef, Quote, QuoteTarget};
use crate::Timestamp;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

impl EventTemplate {
    /// Appends a tag without the empty values at its end.
    fn trimmed_tag<const N: usize>(mut self, values: [String; N]) -> EventTemplate {
        let mut values = Vec::from(values);
        while values.last().is_some_and(String::is_empty) {
            values.pop();
        }
        self.tags.push(values);
        self
    }

    /// Appends an `e` tag (NIP-01, NIP-10): refers to an event.
    #[must_use]
    pub fn event_ref(self, reference: EventRef<'_>) -> EventTemplate {
        let author = reference.author.map(|author| author.to_string()).unwrap_or_default();
        let marker = reference.marker.map_or("", Marker::as_str);
        self.trimmed_tag(["e".into(), reference.id.to_string(), reference.relay.into(), marker.into(), author])
    }

    /// Appends a `p` tag (NIP-01, NIP-02): refers to a user.
    #[must_use]
    pub fn pubkey_ref(self, reference: PubkeyRef<'_>) -> EventTemplate {
        let pubkey = reference.pubkey.to_string();
        self.trimmed_tag(["p".into(), pubkey, reference.relay.into(), reference.petname.into()])
    }

    /// Appends an `a` tag (NIP-01): refers to a replaceable or addressable event.
    #[must_use]
    pub fn address_ref(self, reference: &AddressRef<'_>) -> EventTemplate {
        self.trimmed_tag(["a".into(), reference.address.to_string(), reference.relay.into()])
    }

    /// Appends a `q` tag (NIP-18): quotes an event.
    #[must_use]
    pub fn quote(self, quote: &Quote<'_>) -> EventTemplate {
        let target = match &quote.target {
            QuoteTarget::Event(id) => id.to_string(),
            QuoteTarget::Address(address) => address.to_string(),
        };
        let author = quote.author.map(|author| author.to_string()).unwrap_or_default();
        self.trimmed_tag(["q".into(), target, quote.relay.into(), author])
    }

    /// Appends an `r` tag (NIP-24): refers to a web address.
    #[must_use]
    pub fn reference(self, url: impl Into<String>) -> EventTemplate {
        self.tag(["r".into(), url.into()])
    }

    /// Appends a `t` tag (NIP-24): a topic, which should be in lower case.
    #[must_use]
    pub fn hashtag(self, topic: impl Into<String>) -> EventTemplate {
        self.tag(["t".into(), topic.into()])
    }

    /// Appends a `d` tag (NIP-01): what distinguishes this addressable event from its author's others of its kind.
    #[must_use]
    pub fn identifier(self, identifier: impl Into<String>) -> EventTemplate {
        self.tag(["d".into(), identifier.into()])
    }

    /// Appends an `expiration` tag (NIP-40): relays should drop the event at that time.
    #[must_use]
    pub fn expires_at(self, time: Timestamp) -> EventTemplate {
        self.tag(["expiration".into(), time.to_string()])
    }

    /// Appends a `-` tag (NIP-70): relays should take the event from its author only.
    #[must_use]
    pub fn protected(self) -> EventTemplate {
        self.tag(["-"])
    }
}
