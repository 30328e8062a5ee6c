//! The three byte strings that NIP-01 writes in hex: event ids, public keys, signatures.

use crate::hex::{self, HexError, MAX_HEX};
use core::fmt;
use core::hash::{Hash, Hasher};
use core::str::FromStr;
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

macro_rules! hex_newtype {
    ($(#[$doc:meta])* $name:ident, $bytes:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name([u8; $bytes]);

        impl $name {
            /// Wraps the raw bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; $bytes]) -> Self {
                Self(bytes)
            }

            /// The raw bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; $bytes] {
                &self.0
            }

            pub(crate) fn with_hex<R>(&self, use_text: impl FnOnce(&str) -> R) -> R {
                use_text(hex::encode(&self.0, &mut [0; MAX_HEX]))
            }
        }

        /// All bytes, without their number, which is the same for all.
        impl Hash for $name {
            fn hash<H: Hasher>(&self, state: &mut H) {
                state.write(&self.0);
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.with_hex(|text| f.pad(text))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = HexError;

            fn from_str(text: &str) -> Result<Self, HexError> {
                hex::decode(text).map(Self)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = HexError;

            fn try_from(text: &str) -> Result<Self, HexError> {
                text.parse()
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.with_hex(|text| serializer.serialize_str(text))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl Visitor<'_> for Text {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($what)
                    }

                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$name, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Text)
            }
        }
    };
}

hex_newtype!(
    /// An event's id: the SHA-256 of its canonical form (NIP-01). Written as 64 lowercase hex
    /// characters; ordered by bytes, which is also the order of the hex.
    EventId,
    32,
    "an event id of 64 lowercase hex characters"
);

hex_newtype!(
    /// A user's x-only public key (BIP-340). Written as 64 lowercase hex characters. Whether it
    /// lies on the curve is not checked before a signature is.
    PublicKey,
    32,
    "a public key of 64 lowercase hex characters"
);

hex_newtype!(
    /// A BIP-340 Schnorr signature. Written as 128 lowercase hex characters.
    Signature,
    64,
    "a signature of 128 lowercase hex characters"
);
