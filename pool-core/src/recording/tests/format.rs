//! Every kind of value is read as it was written, and is written as it was.

use alloc::string::ToString;
use alloc::vec::Vec;
use std::collections::BTreeSet;
use std::format;

use nostr_proto::Event;
use proptest::prelude::*;

use crate::call::*;
use crate::event::GapCause;
use crate::recording::code::{Decode, Encode, Source};
use crate::recording::recorder::Digest;
use crate::recording::*;
use crate::{AuthPolicy, CloseReason, Config};

use super::run::{header_bytes, small};
use super::values::{calls, feds, gaps, keys, note, reasons};

fn bytes_of(value: &impl Encode) -> Vec<u8> {
    let mut out = Vec::new();
    value.encode(&mut out);
    out
}

fn read_back<'a, T: Decode<'a>>(bytes: &'a [u8]) -> T {
    let mut from = Source::new(bytes);
    let value = T::decode(&mut from).unwrap();
    assert!(from.is_empty(), "all of it is read");
    value
}

/// Whether a first byte names no variant, as the one behind the last does.
fn is_unknown<'a, T: Decode<'a>>(first: &'a [u8; 1]) -> bool {
    T::decode(&mut Source::new(first)).is_err_and(|fault| matches!(fault, read::Fault::Bad(_)))
}

#[test]
fn every_kind_of_step_is_read_as_it_was_written() {
    for fed in feds() {
        let bytes = bytes_of(&fed);
        assert_eq!(read_back::<Fed<'_>>(&bytes), fed);
        for cut in 0..bytes.len() {
            assert!(Fed::decode(&mut Source::new(&bytes[..cut])).is_err(), "{fed:?} cut to {cut}");
        }
    }
    // None is missing above.
    let kinds: BTreeSet<u8> = feds().iter().map(|fed| bytes_of(fed)[0]).collect();
    assert!(kinds.iter().copied().eq(0..=11) && is_unknown::<Fed<'_>>(&[12]));
    let kinds: BTreeSet<u8> = calls().iter().map(|call| bytes_of(call)[0]).collect();
    assert!(kinds.iter().copied().eq(0..=24) && is_unknown::<Call>(&[25]));
    let kinds: BTreeSet<u8> = gaps().iter().map(|cause| bytes_of(cause)[0]).collect();
    assert!(kinds.iter().copied().eq(0..=9) && is_unknown::<GapCause>(&[10]));
    let kinds: BTreeSet<u8> = reasons().iter().map(|reason| bytes_of(reason)[0]).collect();
    assert!(kinds.iter().copied().eq(0..=3) && is_unknown::<CloseReason>(&[4]));
}

#[test]
fn events_are_read_as_they_were_written_whatever_they_claim() {
    let long = note(&"x".repeat(3 << 20));
    let id = note("a").id().to_string();
    let false_id = Event::from_json(&note("a").to_json().replacen(&id, &format!("00{}", &id[2..]), 1)).unwrap();
    assert_ne!(false_id.id(), false_id.compute_id());
    let odd = Event::from_json(&note("\u{1}\"\\").to_json().replacen("tag", "t\\u0061g", 1)).unwrap();
    for event in [note(""), note("\u{0}\u{7f}ü\u{10ffff}"), long, false_id, odd] {
        assert_eq!(read_back::<Event>(&bytes_of(&event)), event);
    }
}

#[test]
fn a_config_is_read_as_it_was_written() {
    let odd = Config {
        max_relays: usize::MAX,
        auth: AuthPolicy::Always,
        identity: Some(keys().public_key()),
        ..Config::default()
    };
    for config in [Config::default(), odd] {
        assert_eq!(read_back::<Config>(&bytes_of(&config)), config);
    }
    #[cfg(feature = "planted-bugs")]
    for bug in crate::PlantedBug::ALL {
        let config = Config { planted: Some(bug), ..Config::default() };
        assert_eq!(read_back::<Config>(&bytes_of(&config)), config);
    }
}

/// If this fails, what is written has changed, and [`FORMAT`] is to be raised: note what the new one comes to.
#[test]
fn the_format_is_what_it_was() {
    let mut all = bytes_of(&Config::default());
    feds().iter().for_each(|fed| fed.encode(&mut all));
    let mut digest = Digest::default();
    digest.add(&all);
    assert_eq!((FORMAT, digest.long()), (1, 9_961_977_027_553_849_405));
}

proptest! {
    #[test]
    fn numbers_are_read_as_they_were_written(n in any::<u64>(), shift in 0..64_u32, to in any::<u64>()) {
        let n = n >> shift;
        prop_assert_eq!(read_back::<u64>(&bytes_of(&n)), n);
        let mut out = Vec::new();
        code::put_distance(n, to, &mut out);
        prop_assert_eq!(code::distance_from(n, &mut Source::new(&out)), Ok(to));
        prop_assert!(out.len() <= 10);
    }

    /// Any bytes behind a header are a recording or an error, never a panic.
    #[test]
    fn nothing_panics(body in prop::collection::vec(prop_oneof![0..13_u8, any::<u8>()], 0..200)) {
        let mut bytes = small(u64::MAX);
        bytes.truncate(header_bytes());
        bytes.extend_from_slice(&body);
        if let Ok(recording) = Recording::read(&bytes) {
            let _ = replay(&recording, |_, _| ());
        }
    }
}
