//! Writing a recording while the core works.

use alloc::vec::Vec;
use core::hash::Hasher;

use siphasher::sip::SipHasher13;

use crate::call::{Call, CallError, Reply};
use crate::config::Config;
use crate::input::Input;
use crate::machine::Core;
use crate::time::Now;

use super::code::{Encode, put_distance, put_text, put_varint};
use super::step::Fed;
use super::{Ended, FORMAT, MAGIC, entry};

/// Where a recording goes, piece by piece. Called where the core is fed: it must not wait.
pub trait Tape {
    /// Takes the next bytes, all of them; `false` if there is no room for them now. Then comes [`Tape::end`].
    fn write(&mut self, bytes: &[u8]) -> bool;

    /// Takes the last bytes, a few, for which there is always room.
    fn end(&mut self, bytes: &[u8], why: Ended);
}

impl Tape for Vec<u8> {
    fn write(&mut self, bytes: &[u8]) -> bool {
        self.extend_from_slice(bytes);
        true
    }

    fn end(&mut self, bytes: &[u8], _: Ended) {
        self.extend_from_slice(bytes);
    }
}

/// Keeps nothing.
impl Tape for () {
    fn write(&mut self, _: &[u8]) -> bool {
        true
    }

    fn end(&mut self, _: &[u8], _: Ended) {}
}

impl<T: Tape + ?Sized> Tape for &mut T {
    fn write(&mut self, bytes: &[u8]) -> bool {
        (**self).write(bytes)
    }

    fn end(&mut self, bytes: &[u8], why: Ended) {
        (**self).end(bytes, why);
    }
}

/// Feeds a core and records what it is fed, with a digest of that and of what comes of it.
///
/// Each step is on the tape before the core is fed it, so that a recording of a core that panics ends with the step that
/// made it panic. What came of a step follows with the next one, or with the end.
#[derive(Debug)]
pub struct Recorder<T> {
    tape: T,
    /// What is to be written next: the outcome of the last step, and whatever is being added.
    next: Vec<u8>,
    /// An output of a step, for its digest.
    output: Vec<u8>,
    last: Now,
    digest: Digest,
    /// The same without what came of the last step: all that is known of one that made the core panic.
    begun: Digest,
    steps: u64,
    /// The bytes of the recording so far, what is to be written next included.
    bytes: u64,
    max_bytes: u64,
    ended: bool,
}

impl<T: Tape> Recorder<T> {
    /// The most bytes that a recording takes, unless told otherwise: 64 MiB.
    pub const MAX_BYTES: u64 = 64 << 20;

    /// Begins the recording of a core that was, or is to be, made of just these: see [`Core::new`]. Everything that the core
    /// is fed must go through the recorder.
    ///
    /// The recording has at most `max_bytes`, the marker at its end included; what it begins with and that marker, less
    /// than a kilobyte, are written in any case.
    pub fn new(tape: T, max_bytes: u64, config: &Config, seed: &[u8; 32], now: Now) -> Self {
        let mut next = Vec::new();
        next.extend_from_slice(MAGIC);
        next.push(FORMAT);
        put_text(env!("CARGO_PKG_VERSION"), &mut next);
        let made_of = next.len();
        config.encode(&mut next);
        seed.encode(&mut next);
        now.mono.encode(&mut next);
        now.unix.encode(&mut next);
        let mut digest = Digest::default();
        digest.add(&next[made_of..]);
        let mut recorder = Self {
            tape,
            next,
            output: Vec::new(),
            last: now,
            begun: digest.clone(),
            digest,
            steps: 0,
            bytes: 0,
            max_bytes,
            ended: false,
        };
        recorder.write(0);
        recorder
    }

    /// [`Core::handle_input`].
    pub fn input(&mut self, core: &mut Core, input: Input<'_>, now: Now) {
        self.input_as(core, &Fed::of(&input), input, now);
    }

    /// The same, of an input that is already a value to keep.
    pub(super) fn input_as(&mut self, core: &mut Core, fed: &Fed<'_>, input: Input<'_>, now: Now) {
        self.begin(now, |out| fed.encode(out));
        let before = core.waiting();
        core.handle_input(input, now);
        self.conclude(core, before, None);
    }

    /// [`Core::handle_call`].
    ///
    /// # Errors
    /// Those of the call.
    pub fn call(&mut self, core: &mut Core, call: Call, now: Now) -> Result<Reply, CallError> {
        self.begin(now, |out| Fed::encode_call(&call, out));
        let before = core.waiting();
        let reply = core.handle_call(call, now);
        self.conclude(core, before, Some(&reply));
        reply
    }

    /// [`Core::handle_timeout`].
    pub fn timeout(&mut self, core: &mut Core, now: Now) {
        self.begin(now, |out| Fed::Timeout.encode(out));
        let before = core.waiting();
        core.handle_timeout(now);
        self.conclude(core, before, None);
    }

    /// Writes the marker at the end: nothing is recorded after it. Once more, it does nothing.
    pub fn end(&mut self, why: Ended) {
        if self.ended {
            return;
        }
        self.ended = true;
        self.next.push(entry::END);
        self.next.push(why.byte());
        put_varint(self.steps, &mut self.next);
        self.next.extend_from_slice(&self.digest.long().to_le_bytes());
        self.tape.end(&self.next, why);
        self.next = Vec::new();
        self.output = Vec::new();
    }

    /// Whether the marker at the end is written.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// The tape, as far as it is written.
    pub fn into_tape(self) -> T {
        self.tape
    }

    fn begin(&mut self, now: Now, fed: impl FnOnce(&mut Vec<u8>)) {
        if self.ended {
            return;
        }
        let outcome = self.next.len();
        if now == self.last {
            self.next.push(entry::STEP);
        } else {
            self.next.push(entry::STEP_LATER);
            put_distance(self.last.mono.as_micros(), now.mono.as_micros(), &mut self.next);
            put_distance(self.last.unix.as_secs(), now.unix.as_secs(), &mut self.next);
        }
        fed(&mut self.next);
        let step = self.next.get(outcome..).unwrap_or_default();
        let digest = self.digest.with(step);
        if self.write(outcome) {
            self.digest = digest;
            self.last = now;
            self.steps += 1;
        }
    }

    /// Writes what is to be written, unless it is too much: then only so much of it, and the end.
    fn write(&mut self, or_else: usize) -> bool {
        let bytes = self.bytes.saturating_add(u64::try_from(self.next.len()).unwrap_or(u64::MAX));
        let why = if self.fits(bytes) {
            if self.tape.write(&self.next) {
                self.bytes = bytes;
                self.next.clear();
                return true;
            }
            Ended::Behind
        } else {
            Ended::SizeCap
        };
        self.next.truncate(or_else);
        self.end(why);
        false
    }

    /// Whether that many bytes leave room for an outcome and a marker. The header is written whatever it takes.
    fn fits(&self, bytes: u64) -> bool {
        self.bytes == 0 || bytes.saturating_add(entry::MAX_LAST) <= self.max_bytes
    }

    fn conclude(&mut self, core: &Core, before: (usize, usize), reply: Option<&Result<Reply, CallError>>) {
        if self.ended {
            return;
        }
        self.begun = self.digest.clone();
        let (commands, events) = core.waiting_since(before);
        // The digest goes over bytes, however they come: one by one, outputs that share a long frame never lie here together.
        let mut add = |kind, output: &dyn Encode| {
            self.output.clear();
            self.output.push(kind);
            output.encode(&mut self.output);
            self.digest.add(&self.output);
        };
        commands.for_each(|command| add(0, command));
        events.for_each(|event| add(1, event));
        if let Some(reply) = reply {
            add(2, reply);
        }
        self.next.push(entry::OUTCOME);
        self.next.extend_from_slice(&self.digest.short().to_le_bytes());
        self.output.clear();
        self.output.shrink_to(KEPT);
        self.next.shrink_to(KEPT);
    }

    /// The digest of everything so far.
    pub(super) fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The digest of everything but what came of the last step.
    pub(super) fn begun(&self) -> &Digest {
        &self.begun
    }
}

/// Room that is kept for the next step: one that took more gives it back.
const KEPT: usize = 64 << 10;

/// A running digest: SipHash-1-3, unkeyed. It shows that a replay takes another way, or that bytes are not
/// as they were written; it proves nothing of who wrote them.
#[derive(Clone, Debug)]
pub(super) struct Digest(SipHasher13);

impl Default for Digest {
    fn default() -> Self {
        Self(SipHasher13::new())
    }
}

impl Digest {
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }

    fn with(&self, bytes: &[u8]) -> Self {
        let mut digest = self.clone();
        digest.add(bytes);
        digest
    }

    pub(super) fn long(&self) -> u64 {
        self.0.finish()
    }

    /// What is noted with each step.
    pub(super) fn short(&self) -> u32 {
        let [a, b, c, d, ..] = self.long().to_le_bytes();
        u32::from_le_bytes([a, b, c, d])
    }
}
