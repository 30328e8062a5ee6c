//! Keys: secret, public, and the two together. Randomness always comes from the caller.

use crate::hex;
use crate::{Event, EventId, EventTemplate, PublicKey, Signature};
use alloc::string::String;
use bech32::primitives::decode::CheckedHrpstring;
use bech32::{Bech32, Hrp};
use core::fmt;
use secp256k1::{Keypair, schnorr};

const NPUB: &str = "npub";
const NSEC: &str = "nsec";

/// A secret key. `Debug` does not show it, there is no `Display`, and its memory is overwritten
/// when it is dropped, as far as the compiler lets us.
#[derive(Clone)]
pub struct SecretKey(secp256k1::SecretKey);

impl SecretKey {
    /// A secret key from 32 bytes, such as bytes drawn at random.
    ///
    /// # Errors
    ///
    /// [`KeyError::OutOfRange`] for zero and for numbers not below the order of the curve, which
    /// random bytes are not but once in 2^128 draws.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<SecretKey, KeyError> {
        secp256k1::SecretKey::from_secret_bytes(bytes).map(SecretKey).map_err(|_| KeyError::OutOfRange)
    }

    /// A secret key from 64 lowercase hex characters or an `nsec1…` (NIP-19).
    ///
    /// # Errors
    ///
    /// [`KeyError`], which never repeats the text: it may be a secret with a typing mistake.
    pub fn parse(text: &str) -> Result<SecretKey, KeyError> {
        SecretKey::from_bytes(parse_bytes(text, NSEC)?)
    }

    /// The key as 64 lowercase hex characters. Whoever sees them can sign as you.
    #[must_use]
    pub fn to_hex(&self) -> String {
        hex::encode(self.0.as_secret_bytes(), &mut [0; hex::MAX_HEX]).into()
    }

    /// The key as an `nsec1…` (NIP-19). Whoever sees it can sign as you.
    #[must_use]
    pub fn to_nsec(&self) -> String {
        to_bech32(NSEC, self.0.as_secret_bytes())
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

impl Drop for SecretKey {
    fn drop(&mut self) {
        self.0.non_secure_erase();
    }
}

/// A secret key and its public key. `Debug` shows the public key only.
#[derive(Clone)]
pub struct Keys {
    secret: SecretKey,
    pair: Keypair,
    public: PublicKey,
}

impl Keys {
    /// Derives the public key.
    #[must_use]
    pub fn new(secret: SecretKey) -> Keys {
        let pair = Keypair::from_secret_key(&secret.0);
        let (public, _) = pair.x_only_public_key();
        Keys { public: PublicKey::from_bytes(public.to_byte_array()), secret, pair }
    }

    /// Keys from 32 random bytes.
    ///
    /// # Errors
    ///
    /// As [`SecretKey::from_bytes`].
    pub fn from_entropy(entropy: [u8; 32]) -> Result<Keys, KeyError> {
        SecretKey::from_bytes(entropy).map(Keys::new)
    }

    /// The public key.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        self.public
    }

    /// The secret key.
    #[must_use]
    pub fn secret_key(&self) -> &SecretKey {
        &self.secret
    }

    /// Makes and signs an event with these keys as its author. `aux` is 32 bytes of randomness
    /// (BIP-340); zeros are safe too.
    #[must_use]
    pub fn sign(&self, template: &EventTemplate, aux: [u8; 32]) -> Event {
        template.clone().unsigned(self.public).sign(self, aux)
    }

    pub(crate) fn sign_id(&self, id: &EventId, aux: &[u8; 32]) -> Signature {
        let signature = schnorr::sign_with_aux_rand(id.as_bytes(), &self.pair, aux);
        Signature::from_bytes(signature.to_byte_array())
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("public", &self.public).finish_non_exhaustive()
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.pair.non_secure_erase();
    }
}

impl PublicKey {
    /// The key as an `npub1…` (NIP-19).
    #[must_use]
    pub fn to_npub(&self) -> String {
        to_bech32(NPUB, self.as_bytes())
    }

    /// A public key from 64 lowercase hex characters or an `npub1…` (NIP-19).
    ///
    /// # Errors
    ///
    /// [`KeyError`].
    pub fn parse(text: &str) -> Result<PublicKey, KeyError> {
        parse_bytes(text, NPUB).map(PublicKey::from_bytes)
    }
}

fn to_bech32(prefix: &str, bytes: &[u8; 32]) -> String {
    let prefix = Hrp::parse(prefix).expect("npub and nsec are valid prefixes");
    bech32::encode::<Bech32>(prefix, bytes).expect("32 bytes are within bech32's bound")
}

fn parse_bytes(text: &str, prefix: &'static str) -> Result<[u8; 32], KeyError> {
    if text.len() == 64 {
        return hex::decode(text).map_err(|_| KeyError::Malformed { prefix });
    }
    let parsed = CheckedHrpstring::new::<Bech32>(text).map_err(|_| KeyError::Malformed { prefix })?;
    if parsed.hrp().to_lowercase() != prefix {
        return Err(KeyError::WrongPrefix { prefix });
    }
    let mut bytes = [0; 32];
    if parsed.byte_iter().len() != bytes.len() {
        return Err(KeyError::Malformed { prefix });
    }
    for (byte, value) in bytes.iter_mut().zip(parsed.byte_iter()) {
        *byte = value;
    }
    Ok(bytes)
}

/// Why a text or some bytes are no key. Carries nothing of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyError {
    /// Neither 64 lowercase hex characters nor an intact bech32 text.
    Malformed {
        /// The bech32 prefix that was asked for.
        prefix: &'static str,
    },
    /// Intact bech32, but of something else.
    WrongPrefix {
        /// The bech32 prefix that was asked for.
        prefix: &'static str,
    },
    /// The number is not one that a secret key can be.
    OutOfRange,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyError::Malformed { prefix } => {
                write!(f, "the key is neither 64 lowercase hex characters nor an intact {prefix}1…")
            }
            KeyError::WrongPrefix { prefix } => write!(f, "the key must begin with {prefix}1"),
            KeyError::OutOfRange => f.write_str("the number is not a valid secret key"),
        }
    }
}

impl core::error::Error for KeyError {}
