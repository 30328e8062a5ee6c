//! BIP-340 once more, by the letter of its text and over plain big numbers: what we sign it signs the same, and what it
//! refuses we refuse.

use crate::support::string;
use nostr_proto::{Event, EventTemplate, Keys, PublicKey, Signature, Timestamp, UnsignedEvent, verify};
use num_bigint::BigUint;
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

type Point = Option<(BigUint, BigUint)>;

fn number(hex: &str) -> BigUint {
    BigUint::parse_bytes(hex.as_bytes(), 16).unwrap()
}

/// The prime of the field.
fn p() -> BigUint {
    number("fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f")
}

/// The order of the group.
fn n() -> BigUint {
    number("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141")
}

fn generator() -> Point {
    Some((
        number("79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"),
        number("483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8"),
    ))
}

fn bytes(number: &BigUint) -> [u8; 32] {
    let digits = number.to_bytes_be();
    let mut bytes = [0; 32];
    bytes[32 - digits.len()..].copy_from_slice(&digits);
    bytes
}

fn add(a: &Point, b: &Point) -> Point {
    let ((x1, y1), (x2, y2)) = match (a, b) {
        (None, other) | (other, None) => return other.clone(),
        (Some(a), Some(b)) => (a, b),
    };
    let p = &p();
    if x1 == x2 && (y1 + y2) % p == BigUint::ZERO {
        return None;
    }
    let slope = if x1 == x2 {
        x1 * x1 * 3_u8 * (y1 * 2_u8).modinv(p).unwrap() % p
    } else {
        (y2 + p - y1) * (x2 + p - x1).modinv(p).unwrap() % p
    };
    let x = (&slope * &slope + p + p - x1 - x2) % p;
    let y = (slope * (x1 + p - &x) + p - y1) % p;
    Some((x, y))
}

fn times(scalar: &BigUint, point: &Point) -> Point {
    let (mut sum, mut power) = (None, point.clone());
    for bit in 0..256 {
        if scalar.bit(bit) {
            sum = add(&sum, &power);
        }
        power = add(&power, &power);
    }
    sum
}

/// The point with this x and an even y.
fn lift(x: &BigUint) -> Point {
    let p = &p();
    let square = (x * x * x + 7_u8) % p;
    let y = square.modpow(&((p + 1_u8) / 4_u8), p);
    if *x >= *p || &y * &y % p != square {
        return None;
    }
    Some((x.clone(), if y.bit(0) { p - y } else { y }))
}

fn tagged(tag: &str, parts: &[&[u8]]) -> [u8; 32] {
    let tag = Sha256::digest(tag);
    let mut hash = Sha256::new().chain_update(tag).chain_update(tag);
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}

fn challenge(r: &[u8; 32], key: &[u8; 32], message: &[u8; 32]) -> BigUint {
    BigUint::from_bytes_be(&tagged("BIP0340/challenge", &[r, key, message])) % n()
}

/// The secret key whose point has an even y, and that point's x.
fn even_key(secret: &[u8; 32]) -> (BigUint, [u8; 32]) {
    let secret = BigUint::from_bytes_be(secret);
    let (x, y) = times(&secret, &generator()).unwrap();
    (if y.bit(0) { n() - secret } else { secret }, bytes(&x))
}

fn join(r: &[u8; 32], s: &BigUint) -> [u8; 64] {
    [*r, bytes(s)].concat().try_into().unwrap()
}

fn sign(secret: &[u8; 32], message: &[u8; 32], aux: &[u8; 32]) -> [u8; 64] {
    let (d, key) = even_key(secret);
    let mask = tagged("BIP0340/aux", &[aux]);
    let masked: Vec<u8> = bytes(&d).iter().zip(mask).map(|(d, mask)| d ^ mask).collect();
    let k = BigUint::from_bytes_be(&tagged("BIP0340/nonce", &[&masked, &key, message])) % n();
    let (x, y) = times(&k, &generator()).unwrap();
    let k = if y.bit(0) { n() - k } else { k };
    let r = bytes(&x);
    join(&r, &((k + challenge(&r, &key, message) * d) % n()))
}

/// Each way in which verification can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    NoKey,
    RTooLarge,
    STooLarge,
    AtInfinity,
    OddY,
    OtherX,
}

fn check(signature: &[u8; 64], message: &[u8; 32], key: &[u8; 32]) -> Result<(), Fault> {
    let (r, s) = signature.split_at(32);
    let (r, s): ([u8; 32], BigUint) = (r.try_into().unwrap(), BigUint::from_bytes_be(s));
    let point = lift(&BigUint::from_bytes_be(key));
    if point.is_none() {
        return Err(Fault::NoKey);
    }
    if BigUint::from_bytes_be(&r) >= p() {
        return Err(Fault::RTooLarge);
    }
    if s >= n() {
        return Err(Fault::STooLarge);
    }
    let minus_e = (n() - challenge(&r, key, message)) % n();
    match add(&times(&s, &generator()), &times(&minus_e, &point)) {
        None => Err(Fault::AtInfinity),
        Some((_, y)) if y.bit(0) => Err(Fault::OddY),
        Some((x, _)) if bytes(&x) != r => Err(Fault::OtherX),
        Some(_) => Ok(()),
    }
}

fn verifies(event: Event) -> bool {
    verify(&event.check_id().unwrap()).is_ok()
}

fn unsigned(key: &[u8; 32], content: &str) -> UnsignedEvent {
    EventTemplate::text_note(content, Timestamp::new(1)).unsigned(PublicKey::from_bytes(*key))
}

/// The first number from `start` on that is the x of a point, or of none.
fn x_from(start: u64, on_curve: bool) -> [u8; 32] {
    let mut numbers = (start..).map(BigUint::from);
    bytes(&numbers.find(|x| lift(x).is_some() == on_curve).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn signs_and_verifies_as_the_text_says(secret: [u8; 32], aux: [u8; 32], content in string()) {
        prop_assume!(Keys::from_entropy(secret).is_ok());
        let keys = Keys::from_entropy(secret).unwrap();
        let (_, key) = even_key(&secret);
        prop_assert_eq!(keys.public_key(), PublicKey::from_bytes(key));
        let event = keys.sign(&EventTemplate::text_note(content, Timestamp::new(1)), aux);
        let signature = *event.signature().as_bytes();
        prop_assert_eq!(signature, sign(&secret, event.id().as_bytes(), &aux));
        prop_assert_eq!(check(&signature, event.id().as_bytes(), &key), Ok(()));
        prop_assert!(verifies(event));
    }

    #[test]
    fn changed_bytes_are_judged_alike(secret in 1_u8..9, at in 0_usize..64, byte in 1_u8..=255, content in string()) {
        let secret = [secret; 32];
        let (_, key) = even_key(&secret);
        let event = unsigned(&key, &content);
        let mut signature = sign(&secret, event.id().as_bytes(), &[0; 32]);
        signature[at] ^= byte;
        prop_assert!(check(&signature, event.id().as_bytes(), &key).is_err());
        prop_assert!(!verifies(event.with_signature(Signature::from_bytes(signature))));
    }
}

#[test]
fn every_single_bit_of_a_signature_counts() {
    let keys = Keys::from_entropy([7; 32]).unwrap();
    let event = unsigned(keys.public_key().as_bytes(), "x");
    let good = *event.sign(&keys, [0; 32]).signature().as_bytes();
    assert!(verifies(event.with_signature(Signature::from_bytes(good))));
    for bit in 0..512 {
        let mut signature = good;
        signature[bit / 8] ^= 1 << (bit % 8);
        assert!(!verifies(event.with_signature(Signature::from_bytes(signature))), "bit {bit}");
    }
}

/// Signatures made wrong in one way each, for key number `secret` and this content.
fn wrong_signatures(secret: [u8; 32], content: &str) -> Vec<(&'static str, Fault, Event)> {
    let (d, key) = even_key(&secret);
    let event = unsigned(&key, content);
    let id = *event.id().as_bytes();
    let good = sign(&secret, &id, &[0; 32]);
    let (r, s): ([u8; 32], _) = (good[..32].try_into().unwrap(), BigUint::from_bytes_be(&good[32..]));
    let ones = bytes(&((BigUint::from(1_u8) << 256) - 1_u8));
    // A nonce whose point has an odd y, and is used all the same.
    let mut k = BigUint::from(5_u8);
    while !times(&k, &generator()).unwrap().1.bit(0) {
        k += 1_u8;
    }
    let odd_r = bytes(&times(&k, &generator()).unwrap().0);
    let odd_s = (k + challenge(&odd_r, &key, &id) * &d) % n();
    let no_nonce = |r: &[u8; 32]| join(r, &(challenge(r, &key, &id) * &d % n()));
    let of_key = |key: [u8; 32]| (key, good);
    let with = |signature: [u8; 64]| (key, signature);
    let swapped: [u8; 64] = [&good[32..], &good[..32]].concat().try_into().unwrap();
    let all = [
        ("s is the order", Fault::STooLarge, with(join(&r, &n()))),
        ("s is beyond the order", Fault::STooLarge, with(join(&r, &(n() + 1_u8)))),
        ("s is all ones", Fault::STooLarge, with(join(&r, &BigUint::from_bytes_be(&ones)))),
        ("s is zero", Fault::OtherX, with(join(&r, &BigUint::ZERO))),
        ("s is one more", Fault::OtherX, with(join(&r, &((&s + 1_u8) % n())))),
        ("s is negated", Fault::OtherX, with(join(&r, &(n() - &s)))),
        ("r is the prime", Fault::RTooLarge, with(join(&bytes(&p()), &s))),
        ("r is beyond the prime", Fault::RTooLarge, with(join(&bytes(&(p() + 1_u8)), &s))),
        ("r is all ones", Fault::RTooLarge, with(join(&ones, &s))),
        ("r is no point", Fault::OtherX, with(join(&x_from(5, false), &s))),
        ("r is another point", Fault::OtherX, with(join(&x_from(1, true), &s))),
        ("r is zero", Fault::OtherX, with(join(&[0; 32], &s))),
        ("r has an odd y", Fault::OddY, with(join(&odd_r, &odd_s))),
        ("the nonce is zero and r is zero", Fault::AtInfinity, with(no_nonce(&[0; 32]))),
        ("the nonce is zero and r is one", Fault::AtInfinity, with(no_nonce(&x_from(1, true)))),
        ("all zeros", Fault::OtherX, with([0; 64])),
        ("the halves are swapped", Fault::OtherX, with(swapped)),
        ("over another event", Fault::OtherX, with(sign(&secret, unsigned(&key, "other").id().as_bytes(), &[0; 32]))),
        ("by another key", Fault::OtherX, with(sign(&[99; 32], &id, &[0; 32]))),
        ("the key is no point", Fault::NoKey, of_key(x_from(5, false))),
        ("the key is zero", Fault::NoKey, of_key([0; 32])),
        ("the key is the prime", Fault::NoKey, of_key(bytes(&p()))),
        ("the key is beyond the prime", Fault::NoKey, of_key(bytes(&(p() + 1_u8)))),
        ("the key is all ones", Fault::NoKey, of_key(ones)),
    ];
    let event = |(key, signature): ([u8; 32], [u8; 64])| {
        unsigned(&key, content).with_signature(Signature::from_bytes(signature))
    };
    all.into_iter().map(|(name, fault, parts)| (name, fault, event(parts))).collect()
}

#[test]
fn each_wrong_signature_is_refused() {
    let mut reached = BTreeSet::new();
    for secret in [[1; 32], [2; 32], [0xfe; 32]] {
        for (name, fault, event) in wrong_signatures(secret, "x") {
            let (signature, id, key) = (event.signature(), event.id(), event.pubkey());
            let found = check(signature.as_bytes(), id.as_bytes(), key.as_bytes()).expect_err(name);
            // Which of the two is seen first where both are wrong is chance.
            let alike = matches!((fault, found), (Fault::OtherX, Fault::OddY));
            assert!(found == fault || alike, "{name}: {found:?}");
            reached.insert(found);
            assert!(!verifies(event), "{name}");
        }
    }
    assert_eq!(reached.len(), 6, "{reached:?}");
}

/// The sums of the naive curve itself, so that it is not wrong in the same way for all.
#[test]
fn the_naive_curve_is_the_curve() {
    assert_eq!(times(&n(), &generator()), None);
    let (x, y) = times(&(n() - 1_u8), &generator()).unwrap();
    assert_eq!(add(&Some((x, y)), &generator()), None);
    assert_eq!(times(&BigUint::from(3_u8), &generator()), add(&generator(), &add(&generator(), &generator())));
    // From the text of BIP-340: the key of secret key 3.
    let (_, key) = even_key(&bytes(&BigUint::from(3_u8)));
    assert_eq!(crate::support::hex(&key), "f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9");
}
