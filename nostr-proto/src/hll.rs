//! HyperLogLog: how many authors, estimated from 256 registers that merge across relays (NIP-45).

use crate::{Address, EventId, Filter, PublicKey, hex_text};
use alloc::string::String;
use core::fmt;
use core::str::FromStr;
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, Serializer};
use sha2::{Digest, Sha256};

const REGISTERS: usize = 256;

/// The registers of a HyperLogLog (NIP-45), 256 bytes: what a relay sends as `hll` with a
/// [`Count`](crate::RelayMessage::Count), or what a client counts by itself.
///
/// Registers from several relays [`merge`](HyperLogLog::merge) into those of their union, since an author counts once
/// however many relays know of it. They must be for the same filter, so that they have the same [`HllOffset`].
///
/// Nothing about registers can be checked: a relay may invent them, and one that sets them all to the highest value
/// makes the merged estimate as large as a number can be.
///
/// ```
/// use nostr_proto::{Filter, HllOffset, HyperLogLog, Kind, PublicKey};
///
/// let followed = "a48380f4cfcc1ad5378294fcac36439770f9c878dd880ffa94bb74ea54a6f243";
/// let followers = Filter::new().kind(Kind::CONTACTS).tag('p', followed);
/// let offset = HllOffset::of(&followers).expect("the filter has a tag");
///
/// // Registers of one relay, and the events that another one sent.
/// let mut registers: HyperLogLog = "00".repeat(256).parse()?;
/// registers.add(&PublicKey::from_bytes([7; 32]), offset);
/// registers.add(&PublicKey::from_bytes([7; 32]), offset);
/// assert_eq!(registers.estimate(), 1);
/// # Ok::<(), nostr_proto::HllError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct HyperLogLog([u8; REGISTERS]);

impl HyperLogLog {
    /// Registers that have seen nobody.
    #[must_use]
    pub const fn new() -> HyperLogLog {
        HyperLogLog([0; REGISTERS])
    }

    /// Wraps raw registers.
    #[must_use]
    pub const fn from_bytes(registers: [u8; REGISTERS]) -> HyperLogLog {
        HyperLogLog(registers)
    }

    /// The raw registers.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; REGISTERS] {
        &self.0
    }

    /// Reads the `hll` of a COUNT: 512 hex characters, of either case.
    ///
    /// # Errors
    ///
    /// [`HllError`] for any other text.
    pub fn from_hex(text: &str) -> Result<HyperLogLog, HllError> {
        hex_text::decode_array(text).map(HyperLogLog).ok_or(HllError)
    }

    /// The registers as 512 lowercase hex characters.
    #[must_use]
    pub fn to_hex(&self) -> String {
        let mut text = String::new();
        hex_text::push(&mut text, &self.0);
        text
    }

    /// Counts the author of an event. One that was counted before changes nothing.
    pub fn add(&mut self, author: &PublicKey, offset: HllOffset) {
        let key = &author.as_bytes()[usize::from(offset.0)..];
        let Some((&register, rest)) = key.split_first() else { return };
        let zeros: u32 = match rest.iter().position(|&byte| byte != 0) {
            Some(at) => rest[..=at].iter().map(|byte| byte.leading_zeros()).sum(),
            None => rest.iter().map(|byte| byte.leading_zeros()).sum(),
        };
        // At most 23 bytes follow the one that names the register, so that the number fits.
        let rank = u8::try_from(zeros + 1).unwrap_or(u8::MAX);
        let register = &mut self.0[usize::from(register)];
        *register = rank.max(*register);
    }

    /// Takes in the registers of another relay: afterwards these are the registers of the union.
    pub fn merge(&mut self, other: &HyperLogLog) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine = (*mine).max(*theirs);
        }
    }

    /// Whether nobody was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0 == [0; REGISTERS]
    }

    /// How many distinct authors were counted, estimated; at most `u64::MAX`.
    ///
    /// This is Ertl's improved raw estimator ("New cardinality estimation algorithms for HyperLogLog sketches", 2017),
    /// which needs neither the switch to linear counting nor the table of corrections that the estimator of Flajolet et
    /// al. needs for small counts. Measured over seeded keys, from 3 to 100,000 of them: a standard deviation of 4 to 7
    /// % (5.4 % at 600, where the other one has 7.2 %), and a bias of 0.9 % at most from 30 on; below that, rounding to
    /// a whole number adds up to 2 %.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive, and `as` saturates")]
    pub fn estimate(&self) -> u64 {
        (self.estimate_exact() + 0.5) as u64
    }

    fn estimate_exact(&self) -> f64 {
        // 1 / (2 ln 2), the constant for infinitely many registers.
        const ALPHA: f64 = core::f64::consts::LOG2_E / 2.0;
        const COUNT: f64 = 256.0;
        let mut zeros = 0_u16;
        let mut sum = 0.0;
        for &register in &self.0 {
            match register {
                0 => zeros += 1,
                rank => sum += power_of_half(rank),
            }
        }
        ALPHA * COUNT * COUNT / (COUNT * sigma(f64::from(zeros) / COUNT) + sum)
    }
}

/// 2 to the power of `-exponent`, exactly.
fn power_of_half(exponent: u8) -> f64 {
    const BIAS: u64 = 1023;
    const MANTISSA_BITS: u32 = 52;
    f64::from_bits((BIAS - u64::from(exponent)) << MANTISSA_BITS)
}

/// x + Σ x^(2^k) 2^(k-1) over k from 1: what the registers at zero contribute. Infinite for x = 1.
fn sigma(mut x: f64) -> f64 {
    if x >= 1.0 {
        return f64::INFINITY;
    }
    let (mut weight, mut sum) = (1.0, x);
    loop {
        x *= x;
        let before = sum;
        sum += x * weight;
        weight += weight;
        if sum <= before {
            return sum;
        }
    }
}

impl Default for HyperLogLog {
    fn default() -> HyperLogLog {
        HyperLogLog::new()
    }
}

impl fmt::Display for HyperLogLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

impl fmt::Debug for HyperLogLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HyperLogLog({self})")
    }
}

impl FromStr for HyperLogLog {
    type Err = HllError;

    fn from_str(text: &str) -> Result<HyperLogLog, HllError> {
        HyperLogLog::from_hex(text)
    }
}

impl Serialize for HyperLogLog {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_hex())
    }
}

impl<'de> Deserialize<'de> for HyperLogLog {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<HyperLogLog, D::Error> {
        let text = String::deserialize(deserializer)?;
        HyperLogLog::from_hex(&text).map_err(D::Error::custom)
    }
}

/// Where in an author's key a HyperLogLog reads: byte 8 to 23. It follows from the filter that is counted (NIP-45).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HllOffset(u8);

impl HllOffset {
    const FIRST: u8 = 8;
    const LAST: u8 = 23;

    /// An offset by its number; `None` unless it is one from 8 to 23.
    #[must_use]
    pub const fn new(offset: u8) -> Option<HllOffset> {
        if offset < Self::FIRST || offset > Self::LAST { None } else { Some(HllOffset(offset)) }
    }

    /// The number, 8 to 23.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// The offset for a filter (NIP-45): it follows from the first value of the filter's first tag. `None` where the
    /// NIP defines none: the filter has no tag, or its first tag allows no value.
    ///
    /// First is what [`Filter::to_json`] writes first, for that is what a relay sees: tags in the order `#A` to `#Z`,
    /// `#a` to `#z`, and their values in the order of their bytes.
    ///
    /// An event id or a public key (64 lowercase hex characters) counts as it is, of an address the public key counts,
    /// and of any other value the SHA-256. The offset is the 33rd hex character of that, plus 8.
    #[must_use]
    pub fn of(filter: &Filter) -> Option<HllOffset> {
        let value = filter.tags.values().next()?.first()?;
        let bytes = if let Ok(id) = value.parse::<EventId>() {
            *id.as_bytes()
        } else if let Ok(address) = Address::parse(value) {
            *address.pubkey.as_bytes()
        } else {
            Sha256::digest(value.as_bytes()).into()
        };
        Some(HllOffset((bytes[16] >> 4) + Self::FIRST))
    }
}

/// A text that is not the 512 hex characters of a [`HyperLogLog`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HllError;

impl fmt::Display for HllError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a HyperLogLog is written as 512 hex characters")
    }
}

impl core::error::Error for HllError {}
