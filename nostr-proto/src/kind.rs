//! What sort of event an event is.

use core::fmt;
use serde::{Deserialize, Serialize};

/// An event's kind, 0 to 65535 (NIP-01).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Kind(u16);

/// How long relays keep events of a kind, and what replaces them (NIP-01).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KindClass {
    /// Every event is kept.
    Regular,
    /// The latest per author and kind is kept: kinds 0, 3 and 10000 to 19999.
    Replaceable,
    /// Not stored: kinds 20000 to 29999.
    Ephemeral,
    /// The latest per author, kind and `d` tag is kept: kinds 30000 to 39999.
    Addressable,
}

impl Kind {
    /// A user's profile.
    pub const METADATA: Kind = Kind(0);
    /// A short text note (NIP-10).
    pub const TEXT_NOTE: Kind = Kind(1);
    /// A list of followed users (NIP-02).
    pub const CONTACTS: Kind = Kind(3);
    /// An encrypted direct message (NIP-04).
    pub const ENCRYPTED_DIRECT_MESSAGE: Kind = Kind(4);
    /// A request to delete events (NIP-09).
    pub const DELETION: Kind = Kind(5);
    /// A repost of a text note (NIP-18).
    pub const REPOST: Kind = Kind(6);
    /// A reaction (NIP-25).
    pub const REACTION: Kind = Kind(7);
    /// A seal around a rumor (NIP-59).
    pub const SEAL: Kind = Kind(13);
    /// A repost of an event that is not a text note (NIP-18).
    pub const GENERIC_REPOST: Kind = Kind(16);
    /// A private direct message, only ever inside a seal (NIP-17).
    pub const PRIVATE_DIRECT_MESSAGE: Kind = Kind(14);
    /// A gift wrap (NIP-59).
    pub const GIFT_WRAP: Kind = Kind(1059);
    /// A zap receipt (NIP-57).
    pub const ZAP_RECEIPT: Kind = Kind(9735);
    /// A list of muted things (NIP-51).
    pub const MUTE_LIST: Kind = Kind(10_000);
    /// A user's read and write relays (NIP-65).
    pub const RELAY_LIST: Kind = Kind(10_002);
    /// A client's answer to an authentication challenge (NIP-42).
    pub const AUTH: Kind = Kind(22_242);
    /// A long-form article (NIP-23).
    pub const LONG_FORM: Kind = Kind(30_023);

    /// A kind by its number.
    #[must_use]
    pub const fn new(kind: u16) -> Kind {
        Kind(kind)
    }

    /// The number.
    #[must_use]
    pub const fn as_u16(self) -> u16 {
        self.0
    }

    /// How relays keep events of this kind. Numbers that NIP-01 assigns to no class count as
    /// regular.
    #[must_use]
    pub const fn class(self) -> KindClass {
        match self.0 {
            0 | 3 | 10_000..20_000 => KindClass::Replaceable,
            20_000..30_000 => KindClass::Ephemeral,
            30_000..40_000 => KindClass::Addressable,
            _ => KindClass::Regular,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl From<u16> for Kind {
    fn from(kind: u16) -> Kind {
        Kind(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_at_their_borders() {
        use KindClass::{Addressable, Ephemeral, Regular, Replaceable};
        for (kind, class) in [
            (0, Replaceable),
            (1, Regular),
            (2, Regular),
            (3, Replaceable),
            (4, Regular),
            (9_999, Regular),
            (10_000, Replaceable),
            (19_999, Replaceable),
            (20_000, Ephemeral),
            (29_999, Ephemeral),
            (30_000, Addressable),
            (39_999, Addressable),
            (40_000, Regular),
            (65_535, Regular),
        ] {
            assert_eq!(Kind::new(kind).class(), class, "kind {kind}");
        }
    }
}
