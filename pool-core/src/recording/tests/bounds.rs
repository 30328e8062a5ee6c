//! Recordings that keep to their size, and tapes without room.

use alloc::vec::Vec;

use crate::call::*;
use crate::recording::*;
use crate::{Config, Core};

use super::run::{header_bytes, now, small, steps_of};
use super::values::url;

#[test]
fn a_recording_keeps_to_its_size() {
    let whole = small(u64::MAX);
    let header = header_bytes();
    for max in 0..whole.len() {
        let bytes = small(max as u64);
        assert!(bytes.len() <= max.max(header + 25), "{} bytes of {max}", bytes.len());
        let read = Recording::read(&bytes).unwrap();
        assert!(matches!(read.end, End::Marked { why: Ended::SizeCap, .. }), "{max}: {:?}", read.end);
        replay(&read, |_, _| ()).unwrap();
    }
    assert_eq!(steps_of(&small(0)), 0);
    assert_eq!(small(whole.len() as u64 + 16), whole);
}

/// A tape with room for so many pieces.
struct Short(usize, Vec<u8>, Option<Ended>);

impl Tape for Short {
    fn write(&mut self, bytes: &[u8]) -> bool {
        let room = self.0 > 0;
        self.0 = self.0.saturating_sub(1);
        room && self.1.write(bytes)
    }

    fn end(&mut self, bytes: &[u8], why: Ended) {
        self.1.end(bytes, why);
        self.2 = Some(why);
    }
}

#[test]
fn a_tape_without_room_ends_the_recording_and_not_the_core() {
    for room in 1..8 {
        let mut core = Core::new(Config::default(), [7; 32], now(0));
        let mut recorder = Recorder::new(Short(room, Vec::new(), None), u64::MAX, &Config::default(), &[7; 32], now(0));
        for n in 0..9 {
            let call = Call::AddRelay { url: url(n), options: RelayOptions::default() };
            recorder.call(&mut core, call, now(u64::from(n))).unwrap();
        }
        assert_eq!(core.relays().len(), 9);
        assert!(recorder.has_ended());
        let Short(_, bytes, why) = recorder.into_tape();
        let read = Recording::read(&bytes).unwrap();
        assert_eq!((read.steps.len(), why), (room - 1, Some(Ended::Behind)));
        assert!(matches!(read.end, End::Marked { why: Ended::Behind, .. }));
        replay(&read, |_, _| ()).unwrap();
    }
}
