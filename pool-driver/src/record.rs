//! Recording a pool: what its core is fed, into a file, by a thread of its own.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::{self, BoxFuture};
use nostr_pool_core::recording::{Ended, Recorder, Tape};

use crate::shared::UNPOISONED;

#[cfg(test)]
mod tests;

/// With so many bytes, the thread that writes is woken at once.
const FULL: usize = 64 << 10;

/// Otherwise it gathers for so long what comes. A process that is killed, or ended where panics abort, loses no more than this
/// of its recording.
const GATHER: Duration = Duration::from_millis(250);

/// Where the core panics, the panic is held up for so long at most until all is written: nobody knows how much longer the
/// process lives, and the step that made it panic is what the recording was for.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How much is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordOptions {
    /// The most bytes that the recording may have. Then it ends, with a marker, and the pool goes on. Default 64 MiB: about
    /// 80,000 events as relays send them.
    pub max_bytes: u64,
    /// The most bytes that may wait to be written. If the disk is too slow for that, the recording ends with a marker that
    /// says so, and the pool goes on. A single frame that is longer may wait alone. Default 16 MiB; at the worst, twice as much
    /// is held.
    ///
    /// With less than a few times [`FrameLimits::max_message`](crate::FrameLimits::max_message), 4 MiB by default, any relay may
    /// end the recording: by so few long messages, sent while the disk is at work on what came before.
    pub buffer_bytes: usize,
}

impl Default for RecordOptions {
    fn default() -> Self {
        Self { max_bytes: Recorder::<()>::MAX_BYTES, buffer_bytes: 16 << 20 }
    }
}

impl RecordOptions {
    /// The most bytes that the recording may have.
    #[must_use]
    pub fn with_max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// The most bytes that may wait to be written.
    #[must_use]
    pub fn with_buffer_bytes(mut self, bytes: usize) -> Self {
        self.buffer_bytes = bytes;
        self
    }
}

/// Where a recording goes: a file that is not there yet, or any writer.
pub struct RecordTo(To);

enum To {
    New(PathBuf),
    Writer(Box<dyn Write + Send>),
}

impl RecordTo {
    /// Into this. It is written by a thread of its own, in pieces, and may block. An error ends the recording, not the pool.
    pub fn writer(writer: impl Write + Send + 'static) -> Self {
        Self(To::Writer(Box::new(writer)))
    }

    /// A file is made for its owner's eyes only, where the system knows of owners: it shows what its owner reads and writes.
    fn open(self) -> io::Result<Box<dyn Write + Send>> {
        match self.0 {
            To::New(path) => Ok(Box::new(create(&path)?)),
            To::Writer(writer) => Ok(writer),
        }
    }
}

fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

impl fmt::Debug for RecordTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            To::New(path) => f.debug_tuple("RecordTo").field(path).finish(),
            To::Writer(_) => f.debug_tuple("RecordTo").finish_non_exhaustive(),
        }
    }
}

impl From<PathBuf> for RecordTo {
    fn from(path: PathBuf) -> Self {
        Self(To::New(path))
    }
}

impl From<&Path> for RecordTo {
    fn from(path: &Path) -> Self {
        Self::from(path.to_owned())
    }
}

impl From<&str> for RecordTo {
    fn from(path: &str) -> Self {
        Self::from(PathBuf::from(path))
    }
}

/// How a recording stands: [`Pool::recording`](crate::Pool::recording).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingStatus {
    /// Bytes that were written so far.
    pub bytes: u64,
    /// Whether there will be more.
    pub state: RecordingState,
}

/// Whether a pool is still recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordingState {
    /// It is.
    Running,
    /// No more: the recording has its marker, or is about to be given it.
    Ended(Ended),
    /// It could not be written, in the system's words. What was written before can be read.
    Failed(String),
}

/// What waits to be written, between the core and the thread that writes.
#[derive(Debug)]
pub(crate) struct Spool {
    inner: Mutex<Inner>,
    /// There is something to write.
    ready: Condvar,
    /// Something was written, or nothing will be any more.
    written: Condvar,
    most: usize,
}

#[derive(Debug, Default)]
struct Inner {
    waiting: Vec<u8>,
    /// Whether the thread waits for the first byte.
    idle: bool,
    /// Whether it is not to gather any more.
    hurried: bool,
    /// Bytes that came, and how many of them are written.
    taken: u64,
    written: u64,
    ended: Option<Ended>,
    failed: Option<String>,
}

impl Spool {
    pub(crate) fn new(options: &RecordOptions) -> Arc<Self> {
        Arc::new(Self {
            inner: Mutex::default(),
            ready: Condvar::new(),
            written: Condvar::new(),
            most: options.buffer_bytes,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect(UNPOISONED)
    }

    fn status(&self) -> RecordingStatus {
        let inner = self.lock();
        let state = match (&inner.failed, inner.ended) {
            (Some(why), _) => RecordingState::Failed(why.clone()),
            (None, Some(ended)) => RecordingState::Ended(ended),
            (None, None) => RecordingState::Running,
        };
        RecordingStatus { bytes: inner.written, state }
    }

    /// Waits for something to write, and takes it in place of `buffer`; whether it is the last.
    fn take(&self, buffer: &mut Vec<u8>) -> bool {
        let mut inner = self.lock();
        inner.idle = true;
        while inner.waiting.is_empty() && inner.ended.is_none() {
            inner = self.ready.wait(inner).expect(UNPOISONED);
        }
        inner.idle = false;
        let gathers = |inner: &mut Inner| inner.waiting.len() < FULL && inner.ended.is_none() && !inner.hurried;
        let (mut inner, _) = self.ready.wait_timeout_while(inner, GATHER, gathers).expect(UNPOISONED);
        std::mem::swap(&mut inner.waiting, buffer);
        inner.ended.is_some()
    }

    fn wrote(&self, bytes: usize) {
        self.lock().written += u64::try_from(bytes).unwrap_or_default();
        self.written.notify_all();
    }

    fn fail(&self, why: String) {
        let mut inner = self.lock();
        inner.failed = Some(why);
        inner.waiting = Vec::new();
        drop(inner);
        self.written.notify_all();
    }

    /// Waits until all that came is written, or can't be, but no longer than this. From now on nothing is gathered.
    /// Called while a panic unwinds: it must not panic itself.
    fn drain(&self, at_most: Duration) {
        let Ok(mut inner) = self.inner.lock() else { return };
        inner.hurried = true;
        self.ready.notify_one();
        let waits = |inner: &mut Inner| inner.written < inner.taken && inner.failed.is_none();
        drop(self.written.wait_timeout_while(inner, at_most, waits));
    }
}

impl Inner {
    fn add(&mut self, bytes: &[u8]) {
        self.waiting.extend_from_slice(bytes);
        self.taken += u64::try_from(bytes.len()).unwrap_or_default();
    }
}

/// While this lives, the core is at work. If it panics, what it was fed is written before the panic goes on.
pub(crate) struct AtWork<'a>(pub(crate) &'a Spool);

impl AtWork<'_> {
    /// It has done its work.
    pub(crate) fn done(self) {
        std::mem::forget(self);
    }
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.0.drain(LAST_WORDS);
    }
}

/// The end of it on the core's side.
#[derive(Debug)]
pub(crate) struct SpoolTape(pub(crate) Arc<Spool>);

impl Tape for SpoolTape {
    fn write(&mut self, bytes: &[u8]) -> bool {
        let mut inner = self.0.lock();
        let before = inner.waiting.len();
        let after = before.saturating_add(bytes.len());
        if inner.failed.is_some() || (before > 0 && after > self.0.most) {
            return false;
        }
        inner.add(bytes);
        let wake = inner.idle || (before < FULL && after >= FULL);
        // Once is enough.
        inner.idle = false;
        drop(inner);
        if wake {
            self.0.ready.notify_one();
        }
        true
    }

    fn end(&mut self, bytes: &[u8], why: Ended) {
        let mut inner = self.0.lock();
        if inner.failed.is_none() {
            inner.add(bytes);
        }
        inner.ended = Some(why);
        drop(inner);
        self.0.ready.notify_one();
    }
}

/// A recording that is being written.
pub(crate) struct Recording {
    spool: Arc<Spool>,
    /// Done when everything is written, or never will be.
    written: future::Shared<BoxFuture<'static, ()>>,
}

impl Recording {
    /// Opens what is recorded to, and starts the thread that writes.
    pub(crate) fn start(spool: &Arc<Spool>, to: RecordTo) -> io::Result<Self> {
        let writer = to.open()?;
        let (done, written) = oneshot::channel::<()>();
        let work = spool.clone();
        thread::Builder::new().name("nostr-record".into()).spawn(move || {
            let end = Finish(&work);
            write(&work, writer);
            drop(end);
            drop(done);
        })?;
        Ok(Self { spool: spool.clone(), written: written.map(drop).boxed().shared() })
    }

    pub(crate) fn status(&self) -> RecordingStatus {
        self.spool.status()
    }

    pub(crate) fn written(&self) -> future::Shared<BoxFuture<'static, ()>> {
        self.written.clone()
    }
}

/// Writes until the end, or the first error.
fn write(spool: &Spool, mut writer: Box<dyn Write + Send>) {
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        // A flood leaves no room behind.
        buffer.shrink_to(4 * FULL);
        let is_last = spool.take(&mut buffer);
        let result = writer.write_all(&buffer).and_then(|()| writer.flush());
        if let Err(error) = result {
            spool.fail(error.to_string());
            return;
        }
        spool.wrote(buffer.len());
        if is_last {
            return;
        }
    }
}

/// Nothing is written any more, also where the application's writer panicked.
struct Finish<'a>(&'a Spool);

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.fail("the writer panicked".to_owned());
        }
    }
}
