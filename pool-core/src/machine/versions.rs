//! What the wall clock and newer versions mean for an event.

use nostr_proto::{Event, Kind, PublicKey, Timestamp};

use crate::planted::planted;
use crate::publish::Body;
use crate::time::Now;

use super::Core;

/// How a verified event stands at the moment of its delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// It has expired, and is for nobody.
    pub(super) expired: bool,
    /// A newer version is known.
    pub(super) outdated: bool,
    /// It is dated further ahead than clocks differ.
    pub(super) future: bool,
}

impl Core {
    /// The `created_at` for the next version of a replaceable or addressable event: now, or a second after the newest
    /// version known, whichever is later. Relays refuse a second edit in the same second, and one that is older than
    /// what they have. `d` is the value of the `d` tag and counts for addressable kinds only; for kinds without versions
    /// the answer is now.
    ///
    /// Known are verified events of relays, as far as they are remembered ([`Config::max_latest`]), and events that this
    /// pool publishes, until they are forgotten. A version dated more than [`Config::future_window`] ahead is passed
    /// over until it is due: relays would refuse what came a second after it.
    ///
    /// [`Config::max_latest`]: crate::Config::max_latest
    /// [`Config::future_window`]: crate::Config::future_window
    pub fn next_created_at(&self, kind: Kind, author: PublicKey, d: &str, now: Now) -> Timestamp {
        if !kind.class().has_versions() {
            return now.unix;
        }
        let of = |k: Kind, pubkey: PublicKey, identifier: &str| {
            k == kind && pubkey == author && (!kind.is_addressable() || identifier == d)
        };
        let published = self.publishes.values().filter_map(|publication| match &publication.body {
            Body::Signed { event, .. } => {
                of(event.kind(), event.pubkey(), event.tags().identifier()).then(|| event.created_at())
            }
            Body::Unsigned(event) => {
                of(event.kind(), event.pubkey(), event.tags().identifier()).then(|| event.created_at())
            }
        });
        let published = published.filter(|at| !self.dedup.is_future(*at, now.unix)).max();
        Timestamp::after(now.unix, self.dedup.newest(kind, author, d, now.unix).max(published))
    }

    /// Whether an event has expired (NIP-40) and is therefore not delivered. A tag `expiration` that holds no number says
    /// nothing.
    pub(super) fn is_expired(&self, event: &Event) -> bool {
        !self.config.deliver_expired
            && !planted!(self.config, ExpiredDelivered)
            && event.tags().is_expired_at(self.now.unix)
    }

    #[cfg(test)]
    pub(crate) fn dedup(&self) -> &crate::dedup::Dedup {
        &self.dedup
    }

    pub(super) fn standing(&self, event: &Event) -> Standing {
        let now = self.now.unix;
        Standing {
            expired: self.is_expired(event),
            outdated: !planted!(self.config, OlderVersionDelivered) && self.dedup.is_event_outdated(event, now),
            future: self.dedup.is_future(event.created_at(), now),
        }
    }
}
