//! The core, and who records it. Nothing is fed to the one past the other.

use std::ops::Deref;

use nostr_pool_core::recording::{Ended, Recorder};
use nostr_pool_core::{Call, CallError, Command, Core, Input, Now, PoolEvent, Reply};

use crate::record::SpoolTape;

/// A core that is recorded, if somebody wants that.
pub(crate) struct RecordedCore {
    core: Core,
    recorder: Option<Box<Recorder<SpoolTape>>>,
}

impl RecordedCore {
    pub(crate) fn new(core: Core, recorder: Option<Recorder<SpoolTape>>) -> Self {
        Self { core, recorder: recorder.map(Box::new) }
    }

    pub(crate) fn handle_input(&mut self, input: Input<'_>, now: Now) {
        match &mut self.recorder {
            None => self.core.handle_input(input, now),
            Some(recorder) => recorder.input(&mut self.core, input, now),
        }
    }

    pub(crate) fn handle_call(&mut self, call: Call, now: Now) -> Result<Reply, CallError> {
        match &mut self.recorder {
            None => self.core.handle_call(call, now),
            Some(recorder) => recorder.call(&mut self.core, call, now),
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Now) {
        match &mut self.recorder {
            None => self.core.handle_timeout(now),
            Some(recorder) => recorder.timeout(&mut self.core, now),
        }
    }

    pub(crate) fn poll_command(&mut self) -> Option<Command> {
        self.core.poll_command()
    }

    pub(crate) fn poll_event(&mut self) -> Option<PoolEvent> {
        self.core.poll_event()
    }

    /// Ends the recording with its marker. Once more, it does nothing.
    pub(crate) fn end_recording(&mut self) {
        if let Some(mut recorder) = self.recorder.take() {
            recorder.end(Ended::Closed);
        }
    }
}

/// To look at.
impl Deref for RecordedCore {
    type Target = Core;

    fn deref(&self) -> &Core {
        &self.core
    }
}

impl Drop for RecordedCore {
    fn drop(&mut self) {
        self.end_recording();
    }
}
