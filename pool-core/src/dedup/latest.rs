//! Which version of a replaceable or addressable event is the newest (NIP-01).
//!
//! The pool behaves as one relay would that holds only the newest version of each: the newest `created_at` wins, ties go
//! to the lowest id. What it once knew to be replaced it does not show as if it were news.
//!
//! A version that is dated more than `future_window` ahead of the wall clock is *not due*: it wins nothing until it is.
//! Whether a version is due is asked at each comparison and never stored, so the wall clock may step as it likes: forward,
//! and what waited counts; back, and what had won without being due any more counts no longer. What a winner replaced is
//! forgotten by then, so that after a step back an older version may be delivered: never is one withheld.
//!
//! Nothing here grows with a peer's bytes: an address is 16 bytes, however long its `d`.

use alloc::vec::Vec;
use core::cmp::Reverse;
use core::hash::Hasher;

use nostr_proto::{Event, EventId, Kind, KindClass, PublicKey, Timestamp};
use siphasher::sip128::{Hasher128, SipHasher13};

use crate::config::Config;
use crate::ids::RelayIx;
use crate::map::Map;
use crate::planted::planted;

use super::books::{Books, Place};

/// Kind, author and `d`, hashed with a secret key to 128 bits: nobody can aim at another's address, and a `d` of a
/// megabyte takes no more room than one of a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct AddressKey([u8; 16]);

/// What decides which of two versions is newer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    pub(crate) created_at: Timestamp,
    id: Reverse<EventId>,
}

impl Version {
    pub(crate) fn new(created_at: Timestamp, id: EventId) -> Self {
        Self { created_at, id: Reverse(id) }
    }
}

/// An address and what is known of its versions.
#[derive(Debug)]
struct Entry {
    /// Whose share it counts against: the relay's that brought the newest version.
    place: Place,
    /// From old to new: the newest that is due, if any is, and some that are not.
    versions: Vec<Version>,
}

impl Entry {
    /// The newest version that is dated no later than `due`.
    fn newest(&self, due: Timestamp) -> Option<Version> {
        self.versions.iter().rev().find(|v| v.created_at <= due).copied()
    }
}

/// A bounded memory of addresses. When it is full, the relay that holds the most of it loses the address that it has
/// brought nothing newer for the longest; an older version of that is delivered again if it comes.
#[derive(Debug)]
pub(crate) struct Latest {
    entries: Map<AddressKey, Entry>,
    books: Books<AddressKey>,
    key: [u8; 16],
    max: usize,
    max_waiting: usize,
    window: u64,
    #[cfg(feature = "planted-bugs")]
    planted: Option<crate::PlantedBug>,
}

impl Latest {
    pub(crate) fn new(config: &Config, key: [u8; 16]) -> Self {
        Self {
            entries: Map::new(key),
            books: Books::new(config),
            key,
            max: config.max_latest.max(1),
            max_waiting: config.max_future_versions,
            window: config.future_window.as_secs(),
            #[cfg(feature = "planted-bugs")]
            planted: config.planted,
        }
    }

    /// The address of an event; `None` if its kind has no versions.
    pub(crate) fn address_of(&self, event: &Event) -> Option<AddressKey> {
        let kind = event.kind();
        // The tags are looked at only where they count.
        let d = if kind.is_addressable() { event.tags().identifier() } else { "" };
        self.address(kind, event.pubkey(), d)
    }

    /// The address of these three; `d` counts for addressable kinds only.
    pub(crate) fn address(&self, kind: Kind, author: PublicKey, d: &str) -> Option<AddressKey> {
        let d = match kind.class() {
            KindClass::Replaceable => "",
            KindClass::Addressable => d,
            KindClass::Regular | KindClass::Ephemeral => return None,
        };
        let mut hasher = SipHasher13::new_with_key(&self.key);
        hasher.write(&kind.as_u16().to_le_bytes());
        hasher.write(author.as_bytes());
        hasher.write(d.as_bytes());
        Some(AddressKey(hasher.finish128().as_bytes()))
    }

    /// Whether an event of this date lies so far ahead that it wins nothing yet.
    pub(crate) fn is_future(&self, created_at: Timestamp, now: Timestamp) -> bool {
        created_at > now.saturating_add(self.window)
    }

    /// Notes a verified version that `relay` brought first.
    pub(crate) fn note(&mut self, address: AddressKey, version: Version, relay: RelayIx, now: Timestamp) {
        let due = self.due(now);
        let Some(entry) = self.entries.get_mut(&address) else {
            if version.created_at > due && self.max_waiting == 0 {
                return;
            }
            while self.entries.len() >= self.max {
                let Some(old) = self.books.evict(None) else { break };
                self.entries.remove(&old);
            }
            let place = self.books.enter(relay, address);
            self.entries.insert(address, Entry { place, versions: alloc::vec![version] });
            return;
        };
        let Err(at) = entry.versions.binary_search(&version) else { return };
        entry.versions.insert(at, version);
        let newest = entry.newest(due);
        // What is replaced goes; of what waits, the furthest ahead.
        let replaced = entry.versions.iter().take_while(|v| newest.is_some_and(|newest| **v < newest)).count();
        entry.versions.drain(..replaced);
        entry.versions.truncate(usize::from(newest.is_some()) + self.max_waiting);
        if newest == Some(version) {
            self.books.leave(entry.place);
            entry.place = self.books.enter(relay, address);
        }
    }

    /// Whether a newer version than this one is known, and due.
    pub(crate) fn is_outdated(&self, address: AddressKey, version: Version, now: Timestamp) -> bool {
        self.newest(address, now).is_some_and(|newest| version < newest)
    }

    /// The newest version that is known, and due.
    pub(crate) fn newest(&self, address: AddressKey, now: Timestamp) -> Option<Version> {
        self.entries.get(&address)?.newest(self.due(now))
    }

    /// The last second of which a version counts.
    fn due(&self, now: Timestamp) -> Timestamp {
        if planted!(self, FutureWinsLatest) { Timestamp::MAX } else { now.saturating_add(self.window) }
    }
}
