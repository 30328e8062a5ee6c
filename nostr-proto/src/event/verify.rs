//! Signatures, and the one type of event that may be delivered.

use super::{Event, HashedEvent, IdMismatch};
use crate::{EventId, Signature};
use core::fmt;
use core::ops::Deref;
use secp256k1::{XOnlyPublicKey, schnorr};

/// Evidence that a signature was verified. Only [`verify`] and
/// [`Verifier`](super::Verifier) make it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    id: EventId,
    signature: Signature,
}

impl Proof {
    /// The event that was verified.
    #[must_use]
    pub fn id(&self) -> EventId {
        self.id
    }

    /// The signature that was verified.
    #[must_use]
    pub fn signature(&self) -> Signature {
        self.signature
    }
}

/// Verifies the event's signature: BIP-340 over the id, by the author's key.
///
/// # Errors
///
/// [`BadSignature`] if the signature is not the author's, or the author's key is not on the curve.
pub fn verify(event: &HashedEvent) -> Result<Proof, BadSignature> {
    let holds = schnorr_holds(event.id().as_bytes(), event.pubkey().as_bytes(), event.signature());
    outcome(event, holds)
}

/// The answer for an event whose signature was found to hold, or not to.
pub(super) fn outcome(event: &HashedEvent, holds: bool) -> Result<Proof, BadSignature> {
    let id = event.id();
    if holds { Ok(Proof { id, signature: event.signature() }) } else { Err(BadSignature { id }) }
}

/// BIP-340 verification of a 32-byte message.
fn schnorr_holds(message: &[u8; 32], key: &[u8; 32], signature: Signature) -> bool {
    let Ok(key) = XOnlyPublicKey::from_byte_array(*key) else {
        return false;
    };
    signature_holds(message, &key, signature)
}

/// As [`schnorr_holds`], with a key that was found on the curve.
pub(super) fn signature_holds(message: &[u8; 32], key: &XOnlyPublicKey, signature: Signature) -> bool {
    let signature = schnorr::Signature::from_byte_array(*signature.as_bytes());
    schnorr::verify(&signature, message, key).is_ok()
}

/// Checks both: that the id is the hash of the content, and that the author signed it.
///
/// # Errors
///
/// The check that failed.
pub fn verify_event(event: Event) -> Result<VerifiedEvent, EventError> {
    let hashed = event.check_id().map_err(EventError::Id)?;
    verify(&hashed).map_err(EventError::Signature)?;
    Ok(VerifiedEvent(hashed.into_event()))
}

/// An event whose id and signature are proven right. Cloning copies a pointer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedEvent(Event);

impl VerifiedEvent {
    /// Joins an event with the proof that [`verify`] gave for it.
    ///
    /// # Errors
    ///
    /// [`ProofMismatch`] if the proof is for another event, or for another signature of it.
    pub fn new(event: HashedEvent, proof: Proof) -> Result<VerifiedEvent, ProofMismatch> {
        // The id was checked to be the hash of all fields but the signature, so that these two
        // pin down the whole event.
        if event.id() == proof.id && event.signature() == proof.signature {
            Ok(VerifiedEvent(event.into_event()))
        } else {
            Err(ProofMismatch)
        }
    }

    /// The event, as a type that claims nothing.
    #[must_use]
    pub fn into_event(self) -> Event {
        self.0
    }
}

impl From<VerifiedEvent> for Event {
    fn from(event: VerifiedEvent) -> Event {
        event.into_event()
    }
}

impl Deref for VerifiedEvent {
    type Target = Event;

    fn deref(&self) -> &Event {
        &self.0
    }
}

/// The event's JSON.
impl fmt::Display for VerifiedEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A signature is not the author's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadSignature {
    /// The event that carries it.
    pub id: EventId,
}

impl fmt::Display for BadSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the signature of event {} is not its author's", self.id)
    }
}

impl core::error::Error for BadSignature {}

/// A proof was offered for an event that it does not prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProofMismatch;

impl fmt::Display for ProofMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the proof belongs to another event or signature")
    }
}

impl core::error::Error for ProofMismatch {}

/// Why an event is not what it claims to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventError {
    /// The id is not the hash of the content.
    Id(IdMismatch),
    /// The signature is not the author's.
    Signature(BadSignature),
}

impl fmt::Display for EventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EventError::Id(error) => error.fmt(f),
            EventError::Signature(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for EventError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Keys, PublicKey};
    use std::string::String;
    use std::{format, fs, println};

    /// The official vectors of BIP-340, those about messages of 32 bytes.
    #[test]
    fn bip_340_vectors() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpus/bip340-test-vectors.csv");
        let Ok(table) = fs::read_to_string(path) else {
            println!("skipped: no BIP-340 vectors");
            return;
        };
        let (mut verified, mut refused, mut signed) = (0, 0, 0);
        for line in table.lines().skip(1) {
            let columns: std::vec::Vec<String> = line.split(',').map(str::to_ascii_lowercase).collect();
            let [index, secret, key, aux, message, signature, result, ..] = &columns[..] else {
                panic!("short line {line}");
            };
            let Ok(message) = message.parse::<EventId>() else { continue };
            let key: PublicKey = key.parse().unwrap();
            let signature: Signature = signature.parse().unwrap();
            let holds = schnorr_holds(message.as_bytes(), key.as_bytes(), signature);
            assert_eq!(format!("{holds}"), *result, "vector {index}");
            *(if holds { &mut verified } else { &mut refused }) += 1;
            if secret.is_empty() {
                continue;
            }
            let keys = Keys::new(crate::SecretKey::parse(secret).unwrap());
            assert_eq!(keys.public_key(), key, "vector {index}");
            let aux: EventId = aux.parse().unwrap();
            assert_eq!(keys.sign_id(&message, aux.as_bytes()), signature, "vector {index}");
            signed += 1;
        }
        assert!(verified >= 4 && refused >= 8 && signed >= 4, "{verified} {refused} {signed}");
    }
}
