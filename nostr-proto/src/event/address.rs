//! What replaceable and addressable events are called across their versions.

use crate::{Kind, PublicKey};
use alloc::string::String;
use core::fmt;
use core::str::FromStr;
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, Serializer};

/// What names a replaceable or addressable event across its versions, as in an `a` tag (NIP-01).
///
/// ```
/// use nostr_proto::{Address, Kind};
///
/// let text = "30023:a48380f4cfcc1ad5378294fcac36439770f9c878dd880ffa94bb74ea54a6f243:my:article";
/// let address: Address = text.parse()?;
/// assert_eq!(address.kind, Kind::LONG_FORM);
/// assert_eq!(address.identifier, "my:article");
/// assert_eq!(address.to_string(), text);
/// # Ok::<(), nostr_proto::AddressError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// The kind.
    pub kind: Kind,
    /// The author.
    pub pubkey: PublicKey,
    /// The value of the `d` tag; "" for replaceable kinds.
    pub identifier: String,
}

impl Address {
    /// Reads `kind:pubkey:identifier`. The identifier is all behind the second colon and may be empty. Whether the
    /// kind is one that has addresses is not checked.
    ///
    /// # Errors
    ///
    /// [`AddressError`]; the kind must be a decimal number without sign or leading zero, the key 64 lowercase hex
    /// characters, and both colons there: an address has one spelling.
    pub fn parse(text: &str) -> Result<Address, AddressError> {
        let (kind, rest) = text.split_once(':').ok_or(AddressError::Parts)?;
        let (pubkey, identifier) = rest.split_once(':').ok_or(AddressError::Parts)?;
        let plain = kind.bytes().all(|byte| byte.is_ascii_digit()) && (kind.len() == 1 || !kind.starts_with('0'));
        let kind = kind.parse().ok().filter(|_| plain).ok_or(AddressError::Kind)?;
        let pubkey = pubkey.parse().map_err(|_| AddressError::PublicKey)?;
        Ok(Address { kind: Kind::new(kind), pubkey, identifier: identifier.into() })
    }
}

/// `kind:pubkey:identifier`, the form of an `a` tag's value.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.kind, self.pubkey, self.identifier)
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Address, AddressError> {
        Address::parse(text)
    }
}

impl TryFrom<&str> for Address {
    type Error = AddressError;

    fn try_from(text: &str) -> Result<Address, AddressError> {
        Address::parse(text)
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Address, D::Error> {
        let text = String::deserialize(deserializer)?;
        Address::parse(&text).map_err(D::Error::custom)
    }
}

/// Why a text is no [`Address`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressError {
    /// There are fewer than two colons.
    Parts,
    /// The kind is not a plain decimal number from 0 to 65535.
    Kind,
    /// The public key is not 64 lowercase hex characters.
    PublicKey,
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AddressError::Parts => "an address has the form kind:pubkey:identifier",
            AddressError::Kind => "the kind of an address must be a number from 0 to 65535",
            AddressError::PublicKey => "the public key of an address must be 64 lowercase hex characters",
        })
    }
}

impl core::error::Error for AddressError {}
