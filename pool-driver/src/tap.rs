//! Raw messages, as they go over the wire, for whoever listens.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use futures::Stream;
use nostr_pool_core::Which;
use nostr_proto::RelayUrl;

use crate::mailbox::{Mailbox, Ring};
use crate::shared::{Shared, UNPOISONED};

/// Frames that a listener may leave waiting before the oldest are forgotten, in count.
const MAX_WAITING: usize = 1_024;
/// The same in bytes.
const MAX_WAITING_BYTES: usize = 4 << 20;

/// A text message as it went over the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TapFrame {
    /// The relay at the other end.
    pub relay: RelayUrl,
    /// Which way it went.
    pub direction: Direction,
    /// The message. From a relay it is untrusted, unchecked text of up to 4 MiB.
    pub text: Arc<str>,
    /// Frames that were forgotten right before this one, because the listener was too slow.
    pub lagged: u64,
}

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// From the relay to us.
    In,
    /// From us to the relay; it was handed to the socket, not necessarily received.
    Out,
}

/// The messages of one relay, or of all, as a stream. It ends with the pool.
///
/// Up to 1,024 frames and 4 MiB wait for a slow listener; beyond that the oldest are forgotten, and
/// [`TapFrame::lagged`] says how many. While nobody listens, it costs nothing.
#[must_use = "streams do nothing unless they are read"]
pub struct TapStream {
    shared: Arc<Shared>,
    tap: Arc<Tap>,
}

impl TapStream {
    pub(crate) fn new(shared: &Arc<Shared>, which: Which) -> Self {
        let tap = Arc::new(Tap { which, ring: Mailbox::new(Ring::new(MAX_WAITING, MAX_WAITING_BYTES)) });
        shared.taps.add(tap.clone());
        Self { shared: shared.clone(), tap }
    }
}

impl Stream for TapStream {
    type Item = TapFrame;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<TapFrame>> {
        self.tap.ring.poll_pop(cx).map(|frame| frame.map(|(frame, lagged)| TapFrame { lagged, ..frame }))
    }
}

impl Drop for TapStream {
    fn drop(&mut self) {
        self.shared.taps.remove(&self.tap);
    }
}

impl std::fmt::Debug for TapStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TapStream").field("which", &self.tap.which).finish_non_exhaustive()
    }
}

struct Tap {
    which: Which,
    ring: Mailbox<Ring<TapFrame>>,
}

impl Tap {
    fn wants(&self, relay: &RelayUrl) -> bool {
        match &self.which {
            Which::All => true,
            Which::One(url) => url == relay,
        }
    }
}

/// Everyone who listens.
#[derive(Default)]
pub(crate) struct Taps {
    /// How many, to be read without the lock on every batch of frames.
    count: AtomicUsize,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    taps: Vec<Arc<Tap>>,
    closed: bool,
}

impl Taps {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect(UNPOISONED)
    }

    /// Whether anyone listens.
    pub(crate) fn any(&self) -> bool {
        self.count.load(Ordering::Relaxed) > 0
    }

    fn add(&self, tap: Arc<Tap>) {
        let mut inner = self.lock();
        if inner.closed {
            tap.ring.close(&mut Vec::new());
        }
        inner.taps.push(tap);
        self.count.store(inner.taps.len(), Ordering::Relaxed);
    }

    fn remove(&self, tap: &Arc<Tap>) {
        let mut inner = self.lock();
        inner.taps.retain(|t| !Arc::ptr_eq(t, tap));
        self.count.store(inner.taps.len(), Ordering::Relaxed);
    }

    /// Hands a message to all who want it.
    pub(crate) fn push(&self, relay: &RelayUrl, direction: Direction, text: &Arc<str>) {
        let mut wakers = Vec::new();
        for tap in self.lock().taps.iter().filter(|tap| tap.wants(relay)) {
            let frame = TapFrame { relay: relay.clone(), direction, text: text.clone(), lagged: 0 };
            tap.ring.put(&mut wakers, |ring| ring.push(frame, size_of::<TapFrame>() + text.len()));
        }
        wakers.into_iter().for_each(Waker::wake);
    }

    /// The pool is over.
    pub(crate) fn close(&self) {
        let mut wakers = Vec::new();
        let mut inner = self.lock();
        inner.closed = true;
        for tap in &inner.taps {
            tap.ring.close(&mut wakers);
        }
        drop(inner);
        wakers.into_iter().for_each(Waker::wake);
    }
}
