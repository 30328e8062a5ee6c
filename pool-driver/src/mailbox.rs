//! Hand-over points between whoever holds the core's lock and one task that waits.
//!
//! Each has a small lock of its own, taken after the core's, never before it. The first thing put in takes the
//! waiting task's waker out, so that a batch of a hundred wakes its receiver once, after the core is unlocked.

use std::collections::VecDeque;
use std::mem;
use std::sync::{Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use crate::shared::UNPOISONED;

/// What a mailbox holds, and how it is bounded.
pub(crate) trait Buffer {
    /// What a reader takes.
    type Item;
    /// Takes the next item.
    fn pop(&mut self) -> Option<Self::Item>;
    /// Whether there is none.
    fn is_empty(&self) -> bool;
}

/// Bounded by whoever puts things in: the core counts the items of a subscription and the frames of a socket.
impl<T> Buffer for VecDeque<T> {
    type Item = T;

    fn pop(&mut self) -> Option<T> {
        self.pop_front()
    }

    fn is_empty(&self) -> bool {
        self.is_empty()
    }
}

/// For something that comes once.
impl<T> Buffer for Option<T> {
    type Item = T;

    fn pop(&mut self) -> Option<T> {
        self.take()
    }

    fn is_empty(&self) -> bool {
        self.is_none()
    }
}

/// A buffer with one reader.
#[derive(Debug)]
pub(crate) struct Mailbox<B> {
    inner: Mutex<Inner<B>>,
}

#[derive(Debug)]
struct Inner<B> {
    buffer: B,
    waker: Option<Waker>,
    closed: bool,
}

impl<B: Buffer> Mailbox<B> {
    pub(crate) fn new(buffer: B) -> Self {
        Self { inner: Mutex::new(Inner { buffer, waker: None, closed: false }) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner<B>> {
        self.inner.lock().expect(UNPOISONED)
    }

    /// Puts something in, and the reader's waker, if it waits, among those to wake. Without effect once closed.
    pub(crate) fn put(&self, wakers: &mut Vec<Waker>, put: impl FnOnce(&mut B)) {
        let mut inner = self.lock();
        if !inner.closed {
            put(&mut inner.buffer);
            wakers.extend(inner.waker.take());
        }
    }

    /// Nothing will be put in any more. What is in can still be taken.
    pub(crate) fn close(&self, wakers: &mut Vec<Waker>) {
        let mut inner = self.lock();
        inner.closed = true;
        wakers.extend(inner.waker.take());
    }

    /// Whether nothing will be put in any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// The reader is gone: what is in is dropped, and nothing more is taken in.
    pub(crate) fn abandon(&self)
    where
        B: Default,
    {
        let mut inner = self.lock();
        inner.closed = true;
        let left = (mem::take(&mut inner.buffer), inner.waker.take());
        drop(inner);
        drop(left);
    }

    /// Takes the next item; `None` once the mailbox is closed and empty.
    pub(crate) fn poll_pop(&self, cx: &mut Context<'_>) -> Poll<Option<B::Item>> {
        let mut inner = self.lock();
        if let Some(item) = inner.buffer.pop() {
            return Poll::Ready(Some(item));
        }
        if inner.closed {
            return Poll::Ready(None);
        }
        Self::park(inner, cx);
        Poll::Pending
    }

    /// Takes what `take` takes, without waiting.
    pub(crate) fn take<R>(&self, take: impl FnOnce(&mut B) -> R) -> R {
        take(&mut self.lock().buffer)
    }

    /// Has the reader woken when something is put in. `false`, without waiting, if there is something already.
    pub(crate) fn wait(&self, cx: &mut Context<'_>) -> bool {
        let inner = self.lock();
        if inner.closed || !inner.buffer.is_empty() {
            return false;
        }
        Self::park(inner, cx);
        true
    }

    fn park(mut inner: MutexGuard<'_, Inner<B>>, cx: &Context<'_>) {
        if inner.waker.as_ref().is_some_and(|w| w.will_wake(cx.waker())) {
            return;
        }
        let old = inner.waker.replace(cx.waker().clone());
        drop(inner);
        // Dropping a waker may drop a finished task, and with it a handle of ours: not under this lock.
        drop(old);
    }
}

/// A buffer for listeners that must not slow anyone down: full, it forgets its oldest items and counts them.
#[derive(Debug)]
pub(crate) struct Ring<T> {
    items: VecDeque<(T, usize)>,
    bytes: usize,
    max_items: usize,
    max_bytes: usize,
    /// Items forgotten right before the first of `items`.
    lagged: u64,
}

impl<T> Ring<T> {
    /// Room for this many items (at least one) and bytes. A single larger item may be in alone.
    pub(crate) fn new(max_items: usize, max_bytes: usize) -> Self {
        Self { items: VecDeque::new(), bytes: 0, max_items: max_items.max(1), max_bytes, lagged: 0 }
    }

    pub(crate) fn push(&mut self, item: T, bytes: usize) {
        while self.items.len() >= self.max_items || self.bytes.saturating_add(bytes) > self.max_bytes {
            let Some((_, oldest)) = self.items.pop_front() else { break };
            self.bytes -= oldest;
            self.lagged += 1;
        }
        self.bytes = self.bytes.saturating_add(bytes);
        self.items.push_back((item, bytes));
    }
}

impl<T> Buffer for Ring<T> {
    /// An item, and how many were forgotten right before it.
    type Item = (T, u64);

    fn pop(&mut self) -> Option<(T, u64)> {
        let (item, bytes) = self.items.pop_front()?;
        self.bytes -= bytes;
        Some((item, mem::take(&mut self.lagged)))
    }

    fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

/// Remembers that something happened, not how often.
#[derive(Debug, Default)]
pub(crate) struct Flag(bool);

impl Flag {
    pub(crate) fn raise(&mut self) {
        self.0 = true;
    }
}

impl Buffer for Flag {
    type Item = ();

    fn pop(&mut self) -> Option<()> {
        mem::take(&mut self.0).then_some(())
    }

    fn is_empty(&self) -> bool {
        !self.0
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::task::{ArcWake, waker};

    use super::*;

    struct Count(AtomicUsize);

    impl ArcWake for Count {
        fn wake_by_ref(this: &Arc<Self>) {
            this.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_batch_wakes_its_reader_once() {
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let task = waker(count.clone());
        let mut cx = Context::from_waker(&task);
        let mailbox = Mailbox::new(VecDeque::new());
        assert!(mailbox.poll_pop(&mut cx).is_pending());
        let mut wakers = Vec::new();
        for i in 0..100 {
            mailbox.put(&mut wakers, |b| b.push_back(i));
        }
        assert_eq!(wakers.len(), 1);
        assert_eq!(count.0.load(Ordering::Relaxed), 0, "woken only by who drains the wakers");
        wakers.drain(..).for_each(Waker::wake);
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert!(!mailbox.wait(&mut cx), "there is something to take");
        mailbox.close(&mut wakers);
        mailbox.put(&mut wakers, |b| b.push_back(100));
        let taken: Vec<i32> = std::iter::from_fn(|| match mailbox.poll_pop(&mut cx) {
            Poll::Ready(item) => item,
            Poll::Pending => panic!("closed mailboxes do not wait"),
        })
        .collect();
        assert_eq!(taken, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn a_ring_forgets_its_oldest_and_says_how_many() {
        let mut ring = Ring::new(3, 100);
        for i in 0..5 {
            ring.push(i, 10);
        }
        assert_eq!(ring.pop(), Some((2, 2)));
        assert_eq!(ring.pop(), Some((3, 0)));
        ring.push(5, 95);
        assert_eq!(ring.pop(), Some((5, 1)), "4 made room for the bytes of 5");
        ring.push(6, 1_000);
        assert_eq!(ring.pop(), Some((6, 0)), "a single larger item may be in alone");
        assert!(ring.is_empty());
        assert_eq!(ring.bytes, 0);
    }
}
