//! Proof of work (NIP-13): how much an event has, whether that suffices, and mining it.

mod miner;

use crate::event::number;
use crate::{Event, EventId, Tags, UnsignedEvent};
use core::fmt;

pub use miner::{Miner, Mining};

impl EventId {
    /// The difficulty: how many zero bits the id begins with (NIP-13). At most 255, also for the one id that has 256.
    ///
    /// The id of an [`Event`] is a claim; see [`Event::check_id`].
    #[must_use]
    pub fn difficulty(&self) -> u8 {
        let bytes = self.as_bytes();
        let behind = bytes.iter().position(|&byte| byte != 0).map_or(bytes.len(), |at| at + 1);
        let bits: u32 = bytes[..behind].iter().map(|byte| byte.leading_zeros()).sum();
        u8::try_from(bits).unwrap_or(u8::MAX)
    }
}

/// A `nonce` tag: `["nonce", nonce, target]` (NIP-13).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PowNonce<'a> {
    /// What was varied while mining.
    pub nonce: &'a str,
    /// The difficulty that the miner aimed at, 255 if it is above that; `None` if the tag does not say so.
    pub target: Option<u8>,
}

impl<'a> Tags<'a> {
    /// The first `nonce` tag (NIP-13).
    #[must_use]
    pub fn pow_nonce(self) -> Option<PowNonce<'a>> {
        let mut values = self.named("nonce").next()?.into_iter().skip(1);
        let nonce = values.next().unwrap_or("");
        let target = values.next().and_then(number).map(|bits| u8::try_from(bits).unwrap_or(u8::MAX));
        Some(PowNonce { nonce, target })
    }
}

impl Event {
    /// Whether the event meets a difficulty of so many bits by work that was meant for it (NIP-13): the id begins with
    /// as many zero bits, and the `nonce` tag commits to as high a target, so that luck at a lower one does not count.
    /// Every event meets 0 bits.
    ///
    /// This judges the id that the event claims: ask it of a [`HashedEvent`](crate::HashedEvent) or a
    /// [`VerifiedEvent`](crate::VerifiedEvent), which can't claim a wrong one.
    ///
    /// # Errors
    ///
    /// [`PowError`]: what is missing.
    pub fn check_pow(&self, bits: u8) -> Result<(), PowError> {
        check(self.id(), self.tags(), bits)
    }
}

impl UnsignedEvent {
    /// Whether the event meets a difficulty; see [`Event::check_pow`].
    ///
    /// # Errors
    ///
    /// [`PowError`]: what is missing.
    pub fn check_pow(&self, bits: u8) -> Result<(), PowError> {
        check(self.id(), self.tags(), bits)
    }
}

fn check(id: EventId, tags: Tags<'_>, bits: u8) -> Result<(), PowError> {
    let difficulty = id.difficulty();
    if difficulty < bits {
        return Err(PowError::TooEasy { difficulty });
    }
    match tags.pow_nonce().and_then(|nonce| nonce.target) {
        _ if bits == 0 => Ok(()),
        Some(target) if target >= bits => Ok(()),
        Some(target) => Err(PowError::LowTarget { target }),
        None => Err(PowError::NoTarget),
    }
}

/// Why an event lacks proof of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowError {
    /// The id begins with too few zero bits.
    TooEasy {
        /// The bits that it has.
        difficulty: u8,
    },
    /// The id begins with enough zero bits, but the miner aimed lower.
    LowTarget {
        /// The bits that the miner committed to.
        target: u8,
    },
    /// The id begins with enough zero bits, but the event commits to no target.
    NoTarget,
}

impl fmt::Display for PowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PowError::TooEasy { difficulty } => write!(f, "the event has a difficulty of {difficulty} bits only"),
            PowError::LowTarget { target } => write!(f, "the event commits to a target of {target} bits only"),
            PowError::NoTarget => f.write_str("the event commits to no target difficulty"),
        }
    }
}

impl core::error::Error for PowError {}
