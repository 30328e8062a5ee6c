//! The core, and who records it. Nothing is fed to the one past the other.

use std::ops::Deref;
use std::sync::Arc;

use nostr_pool_core::recording::{Ended, Recorder};
use nostr_pool_core::{Call, CallError, Command, Core, Input, Now, PoolEvent, Reply};

use crate::record::{AtWork, Spool, SpoolTape};

/// A core that is recorded, if somebody wants that.
pub(crate) struct RecordedCore {
    core: Core,
    recorded: Option<Recorded>,
}

/// Who records it, and where that waits to be written.
struct Recorded {
    recorder: Box<Recorder<SpoolTape>>,
    spool: Arc<Spool>,
}

impl RecordedCore {
    pub(crate) fn new(core: Core, recorded: Option<(Recorder<SpoolTape>, Arc<Spool>)>) -> Self {
        let recorded = recorded.map(|(recorder, spool)| Recorded { recorder: Box::new(recorder), spool });
        Self { core, recorded }
    }

    pub(crate) fn handle_input(&mut self, input: Input<'_>, now: Now) {
        self.feed(|core, recorder| match recorder {
            None => core.handle_input(input, now),
            Some(recorder) => recorder.input(core, input, now),
        });
    }

    pub(crate) fn handle_call(&mut self, call: Call, now: Now) -> Result<Reply, CallError> {
        self.feed(|core, recorder| match recorder {
            None => core.handle_call(call, now),
            Some(recorder) => recorder.call(core, call, now),
        })
    }

    pub(crate) fn handle_timeout(&mut self, now: Now) {
        self.feed(|core, recorder| match recorder {
            None => core.handle_timeout(now),
            Some(recorder) => recorder.timeout(core, now),
        });
    }

    fn feed<T>(&mut self, feed: impl FnOnce(&mut Core, Option<&mut Recorder<SpoolTape>>) -> T) -> T {
        let Some(Recorded { recorder, spool }) = &mut self.recorded else { return feed(&mut self.core, None) };
        let at_work = AtWork(spool);
        let fed = feed(&mut self.core, Some(recorder));
        at_work.done();
        fed
    }

    pub(crate) fn poll_command(&mut self) -> Option<Command> {
        self.core.poll_command()
    }

    pub(crate) fn poll_event(&mut self) -> Option<PoolEvent> {
        self.core.poll_event()
    }

    /// Ends the recording with its marker. Once more, it does nothing.
    pub(crate) fn end_recording(&mut self) {
        if let Some(mut recorded) = self.recorded.take() {
            recorded.recorder.end(Ended::Closed);
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

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Mutex;

    use nostr_pool_core::recording::{Fed, Recording};
    use nostr_pool_core::{Config, Instant, Which};
    use nostr_proto::Timestamp;

    use super::*;
    use crate::record::{self, RecordOptions, RecordTo};

    #[derive(Clone, Default)]
    struct Shelf(Arc<Mutex<Vec<u8>>>);

    impl Write for Shelf {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The process may well end as soon as the panic is through: what made the core panic is written by then.
    #[test]
    fn what_the_core_was_fed_is_written_before_its_panic_goes_on() {
        let (config, now) = (Config::default(), Now { mono: Instant::ZERO, unix: Timestamp::new(5) });
        let options = RecordOptions::default();
        let (shelf, spool) = (Shelf::default(), Spool::new(&options));
        let _recording = record::Recording::start(&spool, RecordTo::writer(shelf.clone())).unwrap();
        let recorder = Recorder::new(SpoolTape(spool.clone()), options.max_bytes, &config, &[7; 32], now);
        let mut core = RecordedCore::new(Core::new(config, [7; 32], now), Some((recorder, spool)));
        core.handle_timeout(now);
        let fed = catch_unwind(AssertUnwindSafe(|| {
            core.feed(|core, recorder| {
                recorder.unwrap().call(core, Call::Connect { which: Which::All }, now).unwrap();
                panic!("as if the core did");
            })
        }));
        assert!(fed.is_err());
        let bytes = shelf.0.lock().unwrap().clone();
        let steps = Recording::read(&bytes).unwrap().steps;
        assert!(matches!(steps[..], [_, ref last] if matches!(last.fed, Fed::Call(_))), "{steps:?}");
    }
}
