//! Verifying many events: what can be done once for an author is.

use super::verify::{outcome, signature_holds};
use super::{BadSignature, HashedEvent, Proof};
use crate::PublicKey;
use alloc::boxed::Box;
use core::fmt;
use secp256k1::XOnlyPublicKey;

/// Verifies signatures, and remembers the keys of authors it has met: to find the point of the curve that a key stands
/// for takes a tenth of a verification. One for each thread; a [`Proof`] is the same from any of them.
///
/// ```
/// # use nostr_proto::{EventTemplate, Keys, Timestamp, Verifier};
/// # let keys = Keys::from_entropy([7; 32])?;
/// # let note = |text: &str| keys.sign(&EventTemplate::text_note(text, Timestamp::new(1)), [0; 32]).check_id();
/// let events = [note("one")?, note("two")?, note("three")?];
/// // Two threads, half of the work each.
/// let outcomes = std::thread::scope(|scope| {
///     let halves = events.chunks(2).map(|half| scope.spawn(move || Verifier::new().verify_batch(half).collect::<Vec<_>>()));
///     halves.collect::<Vec<_>>().into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
/// });
/// assert!(outcomes.iter().zip(&events).all(|(outcome, event)| outcome.unwrap().id() == event.id()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Verifier {
    /// Each key has one place that it can be in, by its first bytes.
    known: Box<[Option<Known>]>,
}

#[derive(Clone)]
struct Known {
    key: PublicKey,
    point: XOnlyPublicKey,
}

/// How many keys a [`Verifier`] remembers unless told otherwise: what takes about 100 KB.
const DEFAULT_KEYS: usize = 1024;

impl Verifier {
    /// A verifier that remembers up to 1,024 keys, in about 100 KB.
    #[must_use]
    pub fn new() -> Verifier {
        Verifier::with_keys(DEFAULT_KEYS)
    }

    /// A verifier that remembers up to this many keys, in about 100 bytes each; a key that falls on the place of
    /// another takes it. With 0 it remembers none.
    #[must_use]
    pub fn with_keys(keys: usize) -> Verifier {
        Verifier { known: (0..keys).map(|_| None).collect() }
    }

    /// Verifies the event's signature, as [`verify`](super::verify()) does.
    ///
    /// # Errors
    ///
    /// [`BadSignature`] if the signature is not the author's, or the author's key is not on the curve.
    pub fn verify(&mut self, event: &HashedEvent) -> Result<Proof, BadSignature> {
        let holds = match self.point(event.pubkey()) {
            Some(point) => signature_holds(event.id().as_bytes(), &point, event.signature()),
            None => false,
        };
        outcome(event, holds)
    }

    /// Verifies one event after the other, as the iterator is advanced; the answers come in the order of the events.
    /// The work of a large batch can be spread over threads in parts, with a verifier for each.
    pub fn verify_batch<'a>(
        &'a mut self,
        events: impl IntoIterator<Item = &'a HashedEvent>,
    ) -> impl Iterator<Item = Result<Proof, BadSignature>> {
        events.into_iter().map(|event| self.verify(event))
    }

    /// The point that a key stands for; `None` if it is not on the curve.
    fn point(&mut self, key: PublicKey) -> Option<XOnlyPublicKey> {
        let bytes = *key.as_bytes();
        let place = match self.known.len() {
            0 => return XOnlyPublicKey::from_byte_array(bytes).ok(),
            places => {
                let [a, b, c, d, ..] = bytes;
                u32::from_le_bytes([a, b, c, d]) as usize % places
            }
        };
        if let Some(known) = &self.known[place]
            && known.key == key
        {
            return Some(known.point);
        }
        let point = XOnlyPublicKey::from_byte_array(bytes).ok()?;
        self.known[place] = Some(Known { key, point });
        Some(point)
    }
}

impl Default for Verifier {
    fn default() -> Verifier {
        Verifier::new()
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = self.known.iter().flatten().count();
        f.debug_struct("Verifier").field("places", &self.known.len()).field("known", &known).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Event, EventTemplate, Keys, Signature, Timestamp, verify};
    use alloc::vec::Vec;
    use proptest::prelude::*;

    /// A note by one of a few authors, which may be forged: its signature another's, or its author no key at all.
    fn event(author: u8, text: u8, forgery: u8) -> HashedEvent {
        let keys = Keys::from_entropy([author + 1; 32]).unwrap();
        let template = EventTemplate::text_note(
            [char::from(b'a' + text)].iter().collect::<alloc::string::String>(),
            Timestamp::new(1),
        );
        let event: Event = match forgery {
            0 => template.unsigned(PublicKey::from_bytes([0xff; 32])).with_signature(Signature::from_bytes([1; 64])),
            1 => template.unsigned(keys.public_key()).with_signature(Signature::from_bytes([1; 64])),
            _ => keys.sign(&template, [0; 32]),
        };
        event.check_id().unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn says_what_verify_says_however_few_keys_it_can_remember(
            events in proptest::collection::vec((0..5_u8, 0..3_u8, 0..6_u8), 0..20), keys in 0..4_usize,
        ) {
            let events: Vec<_> = events.into_iter().map(|(author, text, forgery)| event(author, text, forgery)).collect();
            let mut verifier = Verifier::with_keys(keys);
            let outcomes: Vec<_> = verifier.verify_batch(&events).collect();
            let expected: Vec<_> = events.iter().map(verify).collect();
            prop_assert_eq!(outcomes, expected);
        }
    }

    #[test]
    fn remembers_no_more_than_it_may() {
        let mut verifier = Verifier::with_keys(3);
        for author in 0..20 {
            verifier.verify(&event(author, 0, 2)).unwrap();
            assert!(verifier.known.iter().flatten().count() <= 3);
        }
    }
}
