//! Calls that cannot be carried out.

use core::fmt;

use nostr_proto::{Event, EventId, PublicKey, RelayUrl, UnsignedEvent};

use crate::ids::{CountId, PublishId, SubId};

/// A call that cannot be carried out: the caller's mistake or the caller's limit, never a relay's fault.
///
/// Errors about an event hand it back. Those about the other arguments of a publish do not: a clone of an event copies a
/// pointer, so keep one where you would publish it elsewhere instead.
#[derive(Clone, Debug, PartialEq)]
pub enum CallError {
    /// The relay is not in the pool.
    UnknownRelay(RelayUrl),
    /// No relay is there to go to: the pool has none for this use, or the list was empty.
    NoRelays,
    /// A URL that came out of an event is not `wss`.
    InsecureHint(RelayUrl),
    /// The pool holds as many relays as it may.
    TooManyRelays(usize),
    /// The pool holds as many subscriptions as it may.
    TooManySubscriptions(usize),
    /// No filter, or more than `max_filters`.
    FilterCount {
        /// How many were given.
        given: usize,
        /// How many may be.
        max: usize,
    },
    /// The subscription has ended or never was.
    UnknownSubscription(SubId),
    /// No event with this `seq` was delivered there yet, so it can't be acknowledged.
    NotDelivered {
        /// To which subscription.
        sub: SubId,
        /// The `seq` that was named.
        seq: u64,
    },
    /// As many counts are under way as may be.
    TooManyCounts(usize),
    /// The COUNT message would be longer than the pool sends.
    CountTooLarge {
        /// Its length in bytes.
        bytes: usize,
        /// How long it may be: `max_count_bytes`.
        max: usize,
    },
    /// The count was told or never was.
    UnknownCount(CountId),
    /// The publish was forgotten or never was.
    UnknownPublish(PublishId),
    /// The event is not among the publishes that are remembered, so it cannot be tried again by its id.
    UnknownEvent(EventId),
    /// No publish can be taken: as many are unfinished, or as many bytes, as may be. The event comes back.
    PublishQueueFull(Event),
    /// The same for an event yet to be signed.
    UnsignedQueueFull(UnsignedEvent),
    /// The event is larger than `max_event_bytes`. It comes back.
    EventTooLarge(Event),
    /// The same for an event yet to be signed: it would be.
    UnsignedTooLarge(UnsignedEvent),
    /// The event has expired (NIP-40): relays would drop it. It comes back.
    Expired(Event),
    /// The same for an event yet to be signed.
    UnsignedExpired(UnsignedEvent),
    /// The publish to link to has a successor already, this one: link to that.
    HasSuccessor(PublishId),
    /// The quorum can never be reached: it asks for more relays, or others, than the publish goes to.
    ImpossibleQuorum {
        /// Relays that would have to accept.
        needed: usize,
        /// Relays that the publish goes to; where the quorum names relays, those of them.
        relays: usize,
    },
    /// There is no key to authenticate with: name one.
    NoIdentity,
    /// The relay has seen another key on this connection: reconnect first, or allow it to link the two
    /// ([`RelayOptions::link_identities`](crate::RelayOptions::link_identities)).
    LinkedIdentities {
        /// Which relay.
        relay: RelayUrl,
        /// The key that it has seen.
        seen: PublicKey,
    },
    /// Another key is being authenticated there: wait until that is done.
    AuthUnderWay {
        /// Which relay.
        relay: RelayUrl,
        /// The other key.
        identity: PublicKey,
    },
    /// A close code that no endpoint may send by its own will: 1000 and 3000 to 4999 are (RFC 6455, section 7.4).
    CloseCode(u16),
    /// The pool was shut down.
    Closed,
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownRelay(url) => write!(f, "relay {url} is not in the pool"),
            Self::NoRelays => f.write_str("no relay to go to: add one, or name one"),
            Self::InsecureHint(url) => write!(f, "relay {url} comes from an event: its URL must begin with wss://"),
            Self::TooManyRelays(max) => write!(f, "the pool holds its most relays already ({max})"),
            Self::TooManySubscriptions(max) => write!(f, "the pool holds its most subscriptions already ({max})"),
            Self::FilterCount { given, max } => write!(f, "a request takes 1 to {max} filters, not {given}"),
            Self::UnknownSubscription(id) => write!(f, "subscription {id} has ended"),
            Self::NotDelivered { sub, seq } => {
                write!(f, "subscription {sub} has not delivered an event {seq}: it can't be acknowledged")
            }
            Self::TooManyCounts(max) => write!(f, "as many counts are under way as may be ({max})"),
            Self::CountTooLarge { bytes, max } => {
                write!(f, "the COUNT message would have {bytes} bytes, and the pool sends {max} at most")
            }
            Self::UnknownCount(id) => write!(f, "count {id} is not under way"),
            Self::UnknownPublish(id) => write!(f, "publish {id} is not remembered"),
            Self::UnknownEvent(id) => write!(f, "event {id} is not among the remembered publishes"),
            Self::PublishQueueFull(_) | Self::UnsignedQueueFull(_) => {
                f.write_str("too many unfinished publishes: wait for one to finish")
            }
            Self::EventTooLarge(_) | Self::UnsignedTooLarge(_) => {
                f.write_str("the event is larger than the pool sends")
            }
            Self::Expired(_) | Self::UnsignedExpired(_) => f.write_str("the event has expired: relays would drop it"),
            Self::HasSuccessor(id) => write!(f, "another publish is linked to it already: link to publish {id}"),
            Self::ImpossibleQuorum { needed, relays } => {
                write!(f, "the quorum asks for {needed} relays to accept, but only {relays} can")
            }
            Self::NoIdentity => f.write_str("no key to authenticate with"),
            Self::LinkedIdentities { relay, seen } => {
                write!(f, "relay {relay} knows this connection by the key {seen}: reconnect to be another")
            }
            Self::AuthUnderWay { relay, identity } => write!(f, "relay {relay} is being told of the key {identity}"),
            Self::CloseCode(code) => write!(f, "close code {code} may not be sent: 1000 may, and 3000 to 4999"),
            Self::Closed => f.write_str("the pool was shut down"),
        }
    }
}

impl core::error::Error for CallError {}
