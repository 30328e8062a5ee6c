//! Points in time as Nostr writes them.

use core::fmt;
use serde::{Deserialize, Serialize};

/// A point in time in whole seconds since the Unix epoch, as in `created_at`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The largest timestamp.
    pub const MAX: Timestamp = Timestamp(u64::MAX);

    /// A timestamp of so many seconds since the Unix epoch.
    #[must_use]
    pub const fn new(seconds: u64) -> Timestamp {
        Timestamp(seconds)
    }

    /// Seconds since the Unix epoch.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0
    }

    /// So many seconds later, at most [`Timestamp::MAX`].
    #[must_use]
    pub const fn saturating_add(self, seconds: u64) -> Timestamp {
        Timestamp(self.0.saturating_add(seconds))
    }

    /// So many seconds earlier, at least the epoch.
    #[must_use]
    pub const fn saturating_sub(self, seconds: u64) -> Timestamp {
        Timestamp(self.0.saturating_sub(seconds))
    }

    /// The `created_at` for a new version of a replaceable event: now, but at least one second
    /// after the previous version, for relays refuse a second edit in the same second.
    #[must_use]
    pub fn after(now: Timestamp, previous: Option<Timestamp>) -> Timestamp {
        match previous {
            Some(previous) => now.max(previous.saturating_add(1)),
            None => now,
        }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_never_repeats_a_second() {
        let at = Timestamp::new;
        assert_eq!(Timestamp::after(at(10), None), at(10));
        assert_eq!(Timestamp::after(at(10), Some(at(3))), at(10));
        assert_eq!(Timestamp::after(at(10), Some(at(10))), at(11));
        assert_eq!(Timestamp::after(at(10), Some(at(50))), at(51));
        assert_eq!(Timestamp::after(at(10), Some(Timestamp::MAX)), Timestamp::MAX);
    }

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Timestamp::new(1).saturating_sub(2), Timestamp::new(0));
        assert_eq!(Timestamp::MAX.saturating_add(1), Timestamp::MAX);
    }
}
