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

    pub(crate) fn id(&self) -> EventId {
        self.id.0
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

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The last second of which a version counts.
    fn due(&self, now: Timestamp) -> Timestamp {
        if planted!(self, FutureWinsLatest) { Timestamp::MAX } else { now.saturating_add(self.window) }
    }
}

#[cfg(test)]
mod tests {
    use std::string::String;
    use std::vec::Vec;

    use nostr_proto::{EventTemplate, Keys};

    use super::*;

    const KIND: Kind = Kind::new(30_000);

    fn config() -> Config {
        Config { max_latest: 10, max_future_versions: 2, ..Config::default() }
    }

    fn latest(config: &Config) -> Latest {
        Latest::new(config, [3; 16])
    }

    fn key(latest: &Latest, d: &str) -> AddressKey {
        latest.address(KIND, PublicKey::from_bytes([1; 32]), d).unwrap()
    }

    fn version(at: u64, id: u8) -> Version {
        Version::new(Timestamp::new(at), EventId::from_bytes([id; 32]))
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::new(seconds)
    }

    #[test]
    fn an_address_is_kind_author_and_d_and_takes_no_more_room_for_a_long_one() {
        let l = latest(&config());
        let keys = Keys::from_entropy([7; 32]).unwrap();
        let of = |kind: u16, tags: &[[&str; 2]]| {
            let template = EventTemplate::new(Kind::new(kind), "", at(0));
            let template = tags.iter().fold(template, |template, tag| template.tag(*tag));
            l.address_of(&template.unsigned(keys.public_key()).sign(&keys, [0; 32]))
        };
        assert_eq!(of(1, &[["d", "a"]]), None);
        assert_eq!(of(20_000, &[["d", "a"]]), None);
        assert_eq!(of(0, &[["d", "a"]]), of(0, &[]));
        assert_ne!(of(0, &[]), of(3, &[]));
        assert_eq!(of(30_000, &[]), of(30_000, &[["d", ""]]));
        assert_eq!(of(30_000, &[["d", "a"], ["d", "b"]]), of(30_000, &[["e", "x"], ["d", "a"]]));
        assert_ne!(of(30_000, &[["d", "a"]]), of(30_000, &[["d", "b"]]));
        let long: String = core::iter::repeat_n('x', 1 << 20).collect();
        assert_ne!(key(&l, &long), key(&l, &long[1..]));
        assert_eq!(size_of_val(&key(&l, &long)), 16);
    }

    #[test]
    fn a_relay_that_brings_many_addresses_loses_its_own() {
        let mut l = latest(&config());
        let name = |n: u32| std::format!("{n}");
        for n in 0..3 {
            l.note(key(&l, &name(n)), version(5, 1), RelayIx(1), at(10));
        }
        for n in 100..500 {
            l.note(key(&l, &name(n)), version(5, 1), RelayIx(2), at(10));
            assert!(l.len() <= 10);
        }
        for n in (0..3).chain(493..500) {
            assert!(l.is_outdated(key(&l, &name(n)), version(4, 1), at(10)), "{n}");
        }
        assert!(!l.is_outdated(key(&l, "492"), version(4, 1), at(10)), "forgotten: an older version is news again");
    }

    #[test]
    fn an_address_counts_against_the_relay_that_brought_its_newest_version() {
        let mut l = latest(&config());
        let address = key(&l, "d");
        l.note(address, version(5, 1), RelayIx(2), at(10));
        l.note(address, version(6, 1), RelayIx(1), at(10));
        // Neither an older version, nor the same, nor one that is not due takes it over.
        l.note(address, version(4, 1), RelayIx(2), at(10));
        l.note(address, version(6, 1), RelayIx(2), at(10));
        l.note(address, version(5_000, 1), RelayIx(2), at(10));
        for n in 0..50 {
            l.note(key(&l, &std::format!("{n}")), version(5, 1), RelayIx(2), at(10));
        }
        assert!(l.is_outdated(address, version(5, 2), at(10)), "the flooder could not have it forgotten");
        assert_eq!(l.newest(address, at(5_000)), Some(version(5_000, 1)), "nor what waits there");
    }

    #[test]
    fn of_what_waits_the_furthest_ahead_is_forgotten() {
        let mut l = latest(&config());
        let address = key(&l, "d");
        l.note(address, version(1, 1), RelayIx(1), at(0));
        for ahead in [9_000, 3_000, 5_000, 7_000] {
            l.note(address, version(ahead, 1), RelayIx(1), at(0));
        }
        let newest = |now: u64| l.newest(address, at(now)).map(|v| v.created_at.as_secs());
        assert_eq!([0, 2_100, 4_100, 9_000].map(newest), [Some(1), Some(3_000), Some(5_000), Some(5_000)]);
        let held: Vec<_> = l.entries.get(&address).unwrap().versions.clone();
        assert_eq!(held.len(), 3);
        // Without room for any, an address of nothing else is not even kept.
        let mut l = latest(&Config { max_future_versions: 0, ..config() });
        l.note(address, version(9_000, 1), RelayIx(1), at(0));
        assert_eq!(l.len(), 0);
        l.note(address, version(1, 1), RelayIx(1), at(0));
        l.note(address, version(9_000, 1), RelayIx(1), at(0));
        assert_eq!(l.newest(address, at(9_000)), Some(version(1, 1)));
        // A step back leaves nothing that is due, and nothing that may wait.
        l.note(address, version(5_000, 1), RelayIx(1), at(5_000));
        l.note(address, version(6_000, 1), RelayIx(1), at(0));
        assert_eq!(l.newest(address, at(9_000)), None);
        l.note(address, version(7, 1), RelayIx(1), at(0));
        assert_eq!(l.newest(address, at(9_000)), Some(version(7, 1)));
    }

    #[test]
    fn the_ends_of_time_are_survived() {
        let mut l = latest(&config());
        let address = key(&l, "d");
        for created_at in [0, u64::MAX] {
            for now in [0, u64::MAX] {
                l.note(address, version(created_at, 1), RelayIx(1), at(now));
            }
        }
        assert_eq!(l.newest(address, Timestamp::MAX), Some(version(u64::MAX, 1)));
        assert!(l.is_future(Timestamp::MAX, at(0)) && !l.is_future(Timestamp::MAX, Timestamp::MAX));
    }
}
