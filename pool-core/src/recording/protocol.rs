//! What the protocol knows: keys, events, filters, relays.

use alloc::string::String;
use alloc::vec::Vec;

use nostr_proto::{
    Event, EventId, EventTemplate, Fee, Fees, Filter, HashedEvent, HyperLogLog, Kind, Limitation, PublicKey, Reason,
    RelayInfo, RelayUrl, Retention, Signature, SortedSet, Tags, Timestamp, UnsignedEvent, VerifiedEvent,
};

use super::code::{Decode, Encode, Source, coded_struct, put_list, put_text};
use super::read::Fault;

macro_rules! raw_bytes {
    ($($type:ident)*) => {$(
        impl Encode for $type {
            fn encode(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(self.as_bytes());
            }
        }

        impl<'a> Decode<'a> for $type {
            fn decode(from: &mut Source<'a>) -> Result<Self, Fault> {
                from.array().map(Self::from_bytes)
            }
        }
    )*};
}

raw_bytes! { EventId PublicKey Signature }

impl Encode for Timestamp {
    fn encode(&self, out: &mut Vec<u8>) {
        self.as_secs().encode(out);
    }
}

impl<'a> Decode<'a> for Timestamp {
    fn decode(from: &mut Source<'a>) -> Result<Self, Fault> {
        Decode::decode(from).map(Self::new)
    }
}

impl Encode for Kind {
    fn encode(&self, out: &mut Vec<u8>) {
        self.as_u16().encode(out);
    }
}

impl<'a> Decode<'a> for Kind {
    fn decode(from: &mut Source<'a>) -> Result<Self, Fault> {
        Decode::decode(from).map(Self::new)
    }
}

impl Encode for RelayUrl {
    fn encode(&self, out: &mut Vec<u8>) {
        put_text(self.as_str(), out);
    }
}

impl<'a> Decode<'a> for RelayUrl {
    fn decode(from: &mut Source<'a>) -> Result<Self, Fault> {
        let text = from.text()?;
        let url = Self::parse(text).map_err(|_| Fault::Bad("a relay's URL is none"))?;
        if url.as_str() == text { Ok(url) } else { Err(Fault::Bad("a relay's URL is not in its canonical form")) }
    }
}

impl<T: Encode + Ord> Encode for SortedSet<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        put_list(self.iter(), out);
    }
}

impl<'a, T: Decode<'a> + Ord> Decode<'a> for SortedSet<T> {
    fn decode(from: &mut Source<'a>) -> Result<Self, Fault> {
        Vec::decode(from).map(Self::from)
    }
}

impl Encode for Filter {
    fn encode(&self, out: &mut Vec<u8>) {
        let Self { ids, authors, kinds, tags, since, until, limit, search } = self;
        ids.encode(out);
        authors.encode(out);
        kinds.encode(out);
        tags.len().encode(out);
        for (letter, values) in tags {
            letter.encode(out);
            values.encode(out);
        }
        since.encode(out);
        until.encode(out);
        limit.encode(out);
        search.encode(out);
    }
}

impl<'a> Decode<'a> for Filter {
    fn decode(from: &mut Source<'a>) -> Result<Self, Fault> {
        Ok(Self {
            ids: Decode::decode(from)?,
            authors: Decode::decode(from)?,
            kinds: Decode::decode(from)?,
            tags: Vec::decode(from)?.into_iter().collect(),
            since: Decode::decode(from)?,
            until: Decode::decode(from)?,
            limit: Decode::decode(from)?,
            search: Decode::decode(from)?,
        })
    }
}

fn put_content(tags: Tags<'_>, content: &str, out: &mut Vec<u8>) {
    tags.len().encode(out);
    for tag in tags {
        tag.len().encode(out);
        tag.iter().for_each(|value| put_text(value, out));
    }
    put_text(content, out);
}

fn unsigned(from: &mut Source<'_>) -> Result<UnsignedEvent, Fault> {
    let author = PublicKey::decode(from)?;
    let template = EventTemplate {
        created_at: Decode::decode(from)?,
        kind: Decode::decode(from)?,
        tags: Decode::decode(from)?,
        content: Decode::decode(from)?,
    };
    Ok(template.unsigned(author))
}

/// Without the id, which is computed.
impl Encode for UnsignedEvent {
    fn encode(&self, out: &mut Vec<u8>) {
        self.pubkey().encode(out);
        self.created_at().encode(out);
        self.kind().encode(out);
        put_content(self.tags(), self.content(), out);
    }
}

impl<'a> Decode<'a> for UnsignedEvent {
    fn decode(from: &mut Source<'a>) -> Result<Self, Fault> {
        unsigned(from)
    }
}

/// Unsigned, then the signature, then the id that it claims.
impl Encode for Event {
    fn encode(&self, out: &mut Vec<u8>) {
        self.pubkey().encode(out);
        self.created_at().encode(out);
        self.kind().encode(out);
        put_content(self.tags(), self.content(), out);
        self.signature().encode(out);
        self.id().encode(out);
    }
}

impl<'a> Decode<'a> for Event {
    fn decode(from: &mut Source<'a>) -> Result<Self, Fault> {
        let event = unsigned(from)?.with_signature(Decode::decode(from)?);
        let claimed = EventId::decode(from)?;
        if event.id() == claimed {
            return Ok(event);
        }
        // The id is the first field.
        let json = event.to_json().replacen(&hex(event.id()), &hex(claimed), 1);
        Self::from_json(&json).map_err(|_| Fault::Bad("an event of another id is none"))
    }
}

fn hex(id: EventId) -> String {
    alloc::format!("{id}")
}

/// Outputs name an event: its id says all of it but the signature.
impl Encode for HashedEvent {
    fn encode(&self, out: &mut Vec<u8>) {
        self.id().encode(out);
        self.signature().encode(out);
    }
}

impl Encode for VerifiedEvent {
    fn encode(&self, out: &mut Vec<u8>) {
        self.id().encode(out);
        self.signature().encode(out);
    }
}

impl Encode for HyperLogLog {
    fn encode(&self, out: &mut Vec<u8>) {
        put_text(&self.to_hex(), out);
    }
}

impl Encode for Reason {
    fn encode(&self, out: &mut Vec<u8>) {
        let Self { prefix, message } = self;
        put_text(prefix.map_or("", |prefix| prefix.as_str()), out);
        put_text(message, out);
    }
}

coded_struct! {
    RelayInfo {
        name, description, banner, icon, pubkey, self_pubkey, contact, supported_nips, software, version,
        terms_of_service, limitation, payments_url, fees, posting_policy, privacy_policy, relay_countries, language_tags,
        tags, retention, ignored,
    }
}

coded_struct! {
    Limitation {
        max_message_length, max_subscriptions, max_filters, max_limit, max_subid_length, max_event_tags,
        max_content_length, min_pow_difficulty, auth_required, payment_required, restricted_writes,
        created_at_lower_limit, created_at_upper_limit, default_limit,
    }
}

coded_struct! { Fees { admission, subscription, publication } }
coded_struct! { Fee { amount, unit, period, kinds } }
coded_struct! { Retention { kinds, time, count } }
