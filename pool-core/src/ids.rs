//! Names that the core and its driver pass to each other.

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
        let digits = text.strip_prefix('p')?;
        if digits.is_empty() || digits.len() > 19 || (digits.len() > 1 && digits.starts_with('0')) {
            return None;
        }
        digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok().map(Self)).flatten()
    }
}

impl fmt::Display for WireId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p{}", self.0)
    }
}
