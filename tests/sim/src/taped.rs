//! The core, and a recording of it where one is wanted, which must replay.

use std::ops::Deref;

use nostr_pool_core::recording::{Ended, Recorder, Recording, record_again, replay};
use nostr_pool_core::{Call, CallError, Command, Config, Core, Input, Now, PoolEvent, Reply};

/// A core that is recorded, if it is asked to be before it is fed.
#[derive(Debug)]
pub(super) struct Taped {
    core: Core,
    made_of: ([u8; 32], Now),
    recorder: Option<Recorder<Vec<u8>>>,
    /// Bytes and steps that were recorded and replayed of earlier ones.
    replayed: (usize, usize),
}

impl Taped {
    pub(super) fn new(config: Config, seed: [u8; 32], now: Now) -> Self {
        Self { core: Core::new(config, seed, now), made_of: (seed, now), recorder: None, replayed: (0, 0) }
    }

    pub(super) fn record(&mut self) {
        let (seed, now) = &self.made_of;
        self.recorder = Some(Recorder::new(Vec::new(), u64::MAX, self.core.config(), seed, *now));
    }

    /// Another core in its place, recorded if this one was.
    pub(super) fn begin_anew(&mut self, config: Config, seed: [u8; 32], now: Now) {
        let records = self.recorder.is_some();
        self.finish();
        *self = Self { replayed: self.replayed, ..Self::new(config, seed, now) };
        if records {
            self.record();
        }
    }

    /// Ends the recording. It replays to the same outputs, step by step, and that is recorded to the same bytes.
    pub(super) fn finish(&mut self) -> (usize, usize) {
        if let Some(mut recorder) = self.recorder.take() {
            recorder.end(Ended::Closed);
            let bytes = recorder.into_tape();
            let recording = Recording::read(&bytes).expect("what was recorded can be read");
            replay(&recording, |_, _| ()).expect("what was recorded replays");
            assert!(record_again(&recording, Vec::new()).as_ref() == Ok(&bytes), "bit for bit");
            self.replayed.0 += bytes.len();
            self.replayed.1 += recording.steps.len();
        }
        self.replayed
    }

    pub(super) fn handle_input(&mut self, input: Input<'_>, now: Now) {
        match &mut self.recorder {
            None => self.core.handle_input(input, now),
            Some(recorder) => recorder.input(&mut self.core, input, now),
        }
    }

    pub(super) fn handle_call(&mut self, call: Call, now: Now) -> Result<Reply, CallError> {
        match &mut self.recorder {
            None => self.core.handle_call(call, now),
            Some(recorder) => recorder.call(&mut self.core, call, now),
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Now) {
        match &mut self.recorder {
            None => self.core.handle_timeout(now),
            Some(recorder) => recorder.timeout(&mut self.core, now),
        }
    }

    pub(super) fn poll_command(&mut self) -> Option<Command> {
        self.core.poll_command()
    }

    pub(super) fn poll_event(&mut self) -> Option<PoolEvent> {
        self.core.poll_event()
    }
}

impl Deref for Taped {
    type Target = Core;

    fn deref(&self) -> &Core {
        &self.core
    }
}
