//! A small run, and its recording.

use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;
use std::format;

use nostr_proto::{Filter, Kind, Timestamp, verify};

use crate::call::*;
use crate::recording::*;
use crate::{CloseReason, Command, Config, Core, Input, Instant, Now};

use super::values::{note, url};

pub(super) fn now(secs: u64) -> Now {
    Now { mono: Instant::from_micros(secs * 1_000_000 + 7), unix: Timestamp::new(1_700_000_000 + secs) }
}

pub(super) fn header_bytes() -> usize {
    Recorder::new(Vec::new(), u64::MAX, &Config::default(), &[7; 32], now(0)).into_tape().len()
}

/// A small run: a relay, a subscription, an event that is verified, one that is forged, and a lost connection.
pub(super) fn small(max_bytes: u64) -> Vec<u8> {
    let mut core = Core::new(Config::default(), [7; 32], now(0));
    let mut recorder = Recorder::new(Vec::new(), max_bytes, &Config::default(), &[7; 32], now(0));
    recorder.call(&mut core, Call::AddRelay { url: url(1), options: RelayOptions::default() }, now(0)).unwrap();
    let request = Subscribe { filters: vec![Filter::new().kind(Kind::TEXT_NOTE)], ..Subscribe::default() };
    recorder.call(&mut core, Call::Subscribe(request), now(0)).unwrap();
    let Some(Command::Open { socket, .. }) = core.poll_command() else { panic!("the relay is dialled") };
    recorder.input(&mut core, Input::Opened { socket }, now(1));
    let forged = note("b").to_json().replace(&note("b").signature().to_string()[..8], "00000000");
    for event in [note("a").to_json(), forged] {
        recorder.input(&mut core, Input::Text { socket, frame: &format!("[\"EVENT\",\"p0\",{event}]") }, now(2));
    }
    recorder.input(&mut core, Input::Text { socket, frame: "[\"EOSE\",\"p0\"]" }, now(2));
    let mut verified = 0;
    while let Some(command) = core.poll_command() {
        if let Command::Verify { ticket, event } = command {
            verified += 1;
            recorder.input(&mut core, Input::Verified { ticket, outcome: verify(&event) }, now(3));
        }
    }
    assert_eq!(verified, 2);
    recorder.input(&mut core, Input::Closed { socket, reason: CloseReason::Local }, now(4));
    recorder.timeout(&mut core, now(60));
    recorder.end(Ended::Closed);
    recorder.into_tape()
}

pub(super) fn steps_of(bytes: &[u8]) -> usize {
    Recording::read(bytes).unwrap().steps.len()
}
