//! Recordings that break off, and bytes that are not as they were written.

use alloc::string::ToString;
use std::format;

use crate::recording::*;

use super::run::{header_bytes, small};

#[test]
fn a_byte_that_is_not_as_it_was_written_is_noticed() {
    let bytes = small(u64::MAX);
    let library = MAGIC.len() + 1..MAGIC.len() + 2 + env!("CARGO_PKG_VERSION").len();
    for at in (0..bytes.len()).filter(|at| !library.contains(at)) {
        for bit in 0..8 {
            let mut doctored = bytes.clone();
            doctored[at] ^= 1 << bit;
            let noticed = match Recording::read(&doctored) {
                Err(_) => true,
                Ok(read) => {
                    // A length that reaches beyond the end, or an end that is none.
                    let broken = matches!(read.end, End::BrokenOff { .. });
                    let whole = Recording::read(&bytes).unwrap();
                    let why = |end| match end {
                        End::Marked { why, .. } => Some(why),
                        End::BrokenOff { .. } | End::Damaged { .. } => None,
                    };
                    broken || why(read.end) != why(whole.end) || replay(&read, |_, _| ()).is_err()
                }
            };
            assert!(noticed, "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn a_recording_that_breaks_off_is_read_as_far_as_it_goes() {
    let bytes = small(u64::MAX);
    let whole = Recording::read(&bytes).unwrap();
    let header = header_bytes();
    for cut in 0..bytes.len() {
        match Recording::read(&bytes[..cut]) {
            Ok(read) => {
                assert!(cut >= header);
                let End::BrokenOff { at, lost } = read.end else { panic!("{cut}: {:?}", read.end) };
                assert_eq!(at + lost, cut);
                assert!(read.steps.len() <= whole.steps.len());
                replay(&read, |_, _| ()).unwrap();
                let last = read.steps.len().saturating_sub(1);
                assert_eq!(read.steps[..last], whole.steps[..last]);
            }
            Err(ReadError::NotARecording) => assert!(cut < MAGIC.len()),
            Err(ReadError::Malformed { .. }) => assert!(cut < header),
            Err(other) => panic!("{cut}: {other}"),
        }
    }
}

/// What a lost power supply leaves behind: the tail of the file is zeros, of which the first are read as an end without steps.
#[test]
fn what_is_before_a_tail_of_zeros_is_read() {
    let bytes = small(u64::MAX);
    let whole = Recording::read(&bytes).unwrap();
    for (kept, zeros) in (header_bytes()..bytes.len()).flat_map(|kept| [1, 11, 12, 4_096].map(|zeros| (kept, zeros))) {
        let mut doctored = bytes[..kept].to_vec();
        doctored.resize(kept + zeros, 0);
        let read = Recording::read(&doctored).unwrap_or_else(|e| panic!("{kept}: {e}"));
        let good = Recording::read(&bytes[..kept]).unwrap().steps.len().saturating_sub(1);
        assert!(read.steps.len() >= good && read.steps[..good] == whole.steps[..good], "{kept}");
        // Zeros may be the rest of a step or of a digest; then that is another.
        let is_told = !matches!(read.end, End::Marked { .. }) || replay(&read, |_, _| ()).is_err();
        assert!(is_told, "{kept} bytes and {zeros} zeros: {:?}", read.end);
    }
}

/// The marker at the end is what tells a length that is wrong from a file that was cut off.
#[test]
fn a_length_that_reaches_beyond_the_end_is_no_end() {
    let bytes = small(u64::MAX);
    let whole = Recording::read(&bytes).unwrap();
    let at = bytes.windows(7).position(|window| window == b"[\"EOSE\"").unwrap();
    let mut doctored = bytes.clone();
    // "EOSE" and its id are 13 bytes long, which this makes more than are left.
    assert_eq!(doctored[at - 1], 13);
    doctored.splice(at - 1..at, [0x8d, 0x20]);
    let read = Recording::read(&doctored).unwrap();
    let End::Damaged { at: told, lost, .. } = read.end else { panic!("{:?}", read.end) };
    assert!(told < at && told + 20 > at && told + lost == doctored.len());
    assert!(read.steps.len() > 3 && read.steps[..] == whole.steps[..read.steps.len()]);
    assert!(matches!(replay(&read, |_, _| ()), Err(ReplayError::Damaged { .. })));
    // The same without its marker was cut off, for all that can be known, unless too much is missing.
    doctored.truncate(doctored.len() - 3);
    assert!(matches!(Recording::read(&doctored).unwrap().end, End::BrokenOff { .. }));
    doctored.splice(at - 1..=at, [0xff, 0xff, 0xff, 0x7f]);
    doctored.resize(told + End::MAX_PART, 1);
    assert!(matches!(Recording::read(&doctored).unwrap().end, End::BrokenOff { lost: End::MAX_PART, .. }));
    doctored.push(1);
    assert!(matches!(Recording::read(&doctored).unwrap().end, End::Damaged { .. }));
}

#[test]
fn another_format_is_refused_with_both_names() {
    let mut bytes = small(u64::MAX);
    bytes[MAGIC.len()] = 99;
    let refused = Recording::read(&bytes).unwrap_err();
    let ours = env!("CARGO_PKG_VERSION");
    assert_eq!(refused, ReadError::Format { found: 99, library: ours.into() });
    let told = refused.to_string();
    assert!(told.contains("format 99") && told.contains(&format!("format {FORMAT}")) && told.contains(ours), "{told}");
}
