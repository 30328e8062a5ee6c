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
    /// How many, to be read without the lock on every frame out and batch in.
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

    /// Hands messages to all who want them. Where nobody does, none is looked at.
    pub(crate) fn push<T: Into<Arc<str>>>(
        &self,
        relay: &RelayUrl,
        direction: Direction,
        texts: impl IntoIterator<Item = T>,
    ) {
        if self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        let taps: Vec<Arc<Tap>> = self.lock().taps.iter().filter(|tap| tap.wants(relay)).cloned().collect();
        if taps.is_empty() {
            return;
        }
        // Copied, and what a full ring forgets dropped, while other sockets have the lock.
        let mut wakers = Vec::new();
        for text in texts {
            let text = text.into();
            for tap in &taps {
                let frame = TapFrame { relay: relay.clone(), direction, text: text.clone(), lagged: 0 };
                tap.ring.put(&mut wakers, |ring| ring.push(frame, size_of::<TapFrame>() + text.len()));
            }
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

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn a_message_is_copied_once_and_only_if_someone_wants_it() {
        let url = |name| RelayUrl::parse(&format!("wss://{name}.example.com")).unwrap();
        let tap = |which| Arc::new(Tap { which, ring: Mailbox::new(Ring::new(8, 1 << 20)) });
        let taps = Taps::default();
        let looked_at = std::cell::Cell::new(0);
        let texts = || ["a", "b"].into_iter().inspect(|_| looked_at.set(looked_at.get() + 1));

        taps.push(&url("x"), Direction::In, texts());
        let one = tap(Which::One(url("x")));
        taps.add(one.clone());
        taps.push(&url("y"), Direction::In, texts());
        assert_eq!(looked_at.get(), 0, "nobody listens to y");

        let all = tap(Which::All);
        taps.add(all.clone());
        taps.push(&url("x"), Direction::In, texts());
        assert_eq!(looked_at.get(), 2);
        let take = |tap: &Tap| {
            let next = std::future::poll_fn(|cx| tap.ring.poll_pop(cx)).now_or_never();
            next.flatten().expect("a frame waits").0
        };
        for text in ["a", "b"] {
            let (of_one, of_all) = (take(&one), take(&all));
            assert_eq!((&*of_one.text, &of_one.relay), (text, &url("x")));
            assert!(Arc::ptr_eq(&of_one.text, &of_all.text), "both have the same copy");
        }
    }
}
