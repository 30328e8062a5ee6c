//! Names that the core and its driver pass to each other.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// One dial attempt and the socket that came of it.
///
/// The slot is the relay's; the generation counts its dials. An input that carries an older generation than the
/// relay's current one speaks of a socket that the core has already given up: it is counted and ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

impl SocketId {
    /// A socket id made up by a test. Drivers only hand back those that [`Command::Open`](crate::Command::Open) named.
    pub const fn new(slot: u32, generation: u32) -> Self {
        Self { slot, generation }
    }

    /// Which relay's socket this is: one number per relay taken into the pool, never used again.
    pub const fn slot(self) -> u32 {
        self.slot
    }

    /// How many times this slot had been dialled before.
    pub const fn generation(self) -> u32 {
        self.generation
    }
}

impl fmt::Display for SocketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.slot, self.generation)
    }
}

macro_rules! counter_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub(crate) u64);

        impl $name {
            /// The id with this number. Only ids that the core handed out name anything.
            pub const fn from_u64(n: u64) -> Self {
                Self(n)
            }

            /// The number behind the id, in order of creation.
            pub const fn as_u64(self) -> u64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

counter_id! {
    /// A logical subscription. Never used twice in the life of a core.
    SubId
}
counter_id! {
    /// A publish. Never used twice in the life of a core.
    PublishId
}
counter_id! {
    /// A COUNT. Never used twice in the life of a core.
    CountId
}
counter_id! {
    /// A question to the driver that must be answered exactly once.
    Ticket
}

impl SubId {
    const HIDDEN: u64 = 1 << 63;

    /// The nth subscription of the core's own, which no application sees or may name.
    pub(crate) const fn hidden(n: u64) -> Self {
        Self(n | Self::HIDDEN)
    }

    pub(crate) const fn is_hidden(self) -> bool {
        self.0 & Self::HIDDEN != 0
    }
}

/// The number of a relay inside the core. Never used again, so that a late answer can't be laid at another's door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RelayIx(pub(crate) u32);

/// The number inside a wire subscription id. Drawn from one counter, so that no id is ever used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct WireId(pub(crate) u64);

impl WireId {
    /// Reads an id of our own making back; anything else is none of ours.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let Some(digits) = text.strip_prefix('p') else { return Self::parse_short(text.strip_prefix('q')?) };
        if digits.is_empty() || digits.len() > 19 || (digits.len() > 1 && digits.starts_with('0')) {
            return None;
        }
        digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok().map(Self)).flatten()
    }

    fn parse_short(digits: &str) -> Option<Self> {
        if digits.is_empty() || digits.len() > 12 || (digits.len() > 1 && digits.starts_with('0')) {
            return None;
        }
        let digit = |b: u8| char::from(b).to_digit(36).filter(|_| !b.is_ascii_uppercase());
        digits.bytes().try_fold(0_u64, |n, b| Some(n * 36 + u64::from(digit(b)?))).map(Self)
    }

    /// As it is sent to a relay that takes names of so many characters: with digits of base 36, if that is what it takes.
    pub(crate) fn text(self, most: usize) -> String {
        let long = alloc::format!("{self}");
        if long.len() <= most {
            return long;
        }
        let (mut digits, mut rest) = (Vec::new(), self.0);
        loop {
            digits.push(u32::try_from(rest % 36).ok().and_then(|n| char::from_digit(n, 36)).unwrap_or('0'));
            rest /= 36;
            if rest == 0 {
                break;
            }
        }
        digits.push('q');
        digits.into_iter().rev().collect()
    }
}

impl fmt::Display for WireId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_however_short_they_have_to_be() {
        for n in [0, 1, 9, 10, 35, 36, 99, 1_000, 46_655, 46_656, 1 << 40] {
            for most in [1, 3, 4, 8, 64] {
                let text = WireId(n).text(most);
                assert_eq!(WireId::parse(&text), Some(WireId(n)), "{text}");
            }
        }
        assert_eq!((WireId(46_655).text(4).as_str(), WireId(999).text(4).as_str()), ("qzzz", "p999"));
        for text in ["q", "qA", "q01", "q-1", "q0000000000000", "p", "px", "x1", "p01"] {
            assert_eq!(WireId::parse(text), None, "{text}");
        }
    }
}
