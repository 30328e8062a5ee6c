//! An open socket.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use std::vec::Drain;

use futures::future::{BoxFuture, select};
use futures::{FutureExt, Sink, Stream};
use nostr_pool_core::{CloseReason, Input, SocketId};
use nostr_proto::RelayUrl;

use crate::frame::{Incoming, Outgoing, SocketError};
use crate::metrics::Count;
use crate::outbox::{Order, Outbox};
use crate::runtime::Runtime;
use crate::shared::{LOCK_TIME, Shared};
use crate::tap::Direction;

/// Frames that are drained from the socket before the core hears of them.
const BATCH_FRAMES: usize = 64;
/// The same in bytes.
const BATCH_BYTES: usize = 256 << 10;
/// Answers to the peer's pings that may wait to leave. With as many, no more of the peer is read.
const MAX_PONGS: usize = 64;
/// How often it looks whether others are to get the lock, in frames.
const LOCK_CHECK: usize = 8;
/// Core work in one poll, after which the runtime's other tasks go first. Looked at each time that the lock is given back.
const POLL_TIME: Duration = Duration::from_millis(1);
/// The other side is given this long to answer a close frame, and our last frames this long to leave.
const CLOSE_TIME: Duration = Duration::from_secs(1);

/// What came from the peer, as far as the core cares.
enum Received<T> {
    Text(T),
    Binary,
    Ping,
    Pong,
}

/// An open socket and what is on its way through it.
pub(super) struct Conversation<'a, R: Runtime> {
    runtime: &'a R,
    shared: &'a Arc<Shared>,
    socket: SocketId,
    url: &'a RelayUrl,
    outbox: &'a Outbox,
    ws: R::Socket,
    /// Taken from the outbox; no more than the core gave credit for.
    outgoing: VecDeque<Outgoing>,
    orders: VecDeque<Order>,
    /// Something in the sink is not flushed.
    unflushed: bool,
    /// Pings of the peer whose answers have not left. Their room is the WebSocket's own; it is bounded here.
    pongs: usize,
    /// Frames that the sink took and the core has not heard of.
    sent: usize,
    received: Vec<Received<R::Text>>,
    paused: bool,
    /// The last batch was cut: there is more to read.
    full: bool,
    /// Nothing can be written any more. What the peer said before is read first, as far as it is there.
    broken: Option<SocketError>,
    /// The close that we ordered, and how long it may take.
    closing: Option<BoxFuture<'static, ()>>,
    end: Option<CloseReason>,
}

impl<'a, R: Runtime> Conversation<'a, R> {
    pub(super) fn new(
        runtime: &'a R,
        shared: &'a Arc<Shared>,
        socket: SocketId,
        url: &'a RelayUrl,
        outbox: &'a Outbox,
        ws: R::Socket,
    ) -> Self {
        Self {
            runtime,
            shared,
            socket,
            url,
            outbox,
            ws,
            outgoing: VecDeque::new(),
            orders: VecDeque::new(),
            unflushed: false,
            pongs: 0,
            sent: 0,
            received: Vec::with_capacity(BATCH_FRAMES),
            paused: false,
            full: false,
            broken: None,
            closing: None,
            end: None,
        }
    }

    /// Talks until the end, and says why it ended.
    pub(super) async fn run(mut self) -> CloseReason {
        loop {
            let mut waited = false;
            poll_fn(|cx| {
                let turn = self.poll_turn(cx);
                if turn.is_pending() {
                    waited = true;
                    self.shared.meter.add(Count::Wait, 1);
                }
                turn
            })
            .await;
            self.feed().await;
            if let Some(reason) = self.end.take() {
                self.last_words(&reason).await;
                return reason;
            }
            // Nor does a peer get a second turn whose frames come just as fast as they are read.
            if self.full || !waited {
                self.let_others().await;
            }
        }
    }

    /// Ready when there is something to tell the core, or when it is over.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            self.take_orders();
            self.write(cx);
            self.read(cx);
            if !self.full
                && self.end.is_none()
                && let Some(e) = self.broken.take()
            {
                self.fail(&e);
            }
            if self.closing.as_mut().is_some_and(|limit| limit.poll_unpin(cx).is_ready()) {
                self.end.get_or_insert(CloseReason::Local);
            }
            if self.sent > 0 || self.full || !self.received.is_empty() || self.end.is_some() {
                return Poll::Ready(());
            }
            if self.outbox.wait(cx) {
                return Poll::Pending;
            }
        }
    }

    fn take_orders(&mut self) {
        self.outbox.take(|waiting| self.orders.append(waiting));
        for order in self.orders.drain(..) {
            match order {
                Order::PauseRead => self.paused = true,
                Order::ResumeRead => self.paused = false,
                Order::Send(frame) => {
                    if matches!(frame, Outgoing::Close { .. }) && self.closing.is_none() {
                        self.closing = Some(self.runtime.sleep(CLOSE_TIME));
                    }
                    self.outgoing.push_back(frame);
                }
            }
        }
    }

    fn write(&mut self, cx: &mut Context<'_>) {
        if self.broken.is_none()
            && let Poll::Ready(Err(e)) = self.poll_write(cx)
        {
            self.broken = Some(e);
        }
    }

    /// Pending while the sink is full or not flushed.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        let mut ws = Pin::new(&mut self.ws);
        while let Some(frame) = self.outgoing.front() {
            ready!(ws.as_mut().poll_ready(cx))?;
            match frame {
                Outgoing::Close { .. } => {}
                Outgoing::Ping => self.sent += 1,
                Outgoing::Text(text) => {
                    self.sent += 1;
                    self.shared.taps.push(self.url, Direction::Out, [text.clone()]);
                }
            }
            // The front was just looked at.
            let Some(frame) = self.outgoing.pop_front() else { break };
            let last = matches!(frame, Outgoing::Close { .. });
            self.unflushed = true;
            ws.as_mut().start_send(frame)?;
            if last {
                self.outgoing.clear();
            }
        }
        if self.unflushed {
            ready!(ws.poll_flush(cx))?;
            self.unflushed = false;
            self.pongs = 0;
        }
        Poll::Ready(Ok(()))
    }

    /// Reads until nothing is ready, the batch is full, or the end.
    fn read(&mut self, cx: &mut Context<'_>) {
        self.full = false;
        let (mut frames, mut bytes) = (0, 0);
        // Someone who wants to close waits for the other side's close frame, paused or not.
        while (!self.paused || self.closing.is_some()) && self.pongs < MAX_PONGS && self.end.is_none() {
            if frames == BATCH_FRAMES || bytes >= BATCH_BYTES {
                self.full = true;
                return;
            }
            let Poll::Ready(next) = Pin::new(&mut self.ws).poll_next(cx) else { return };
            frames += 1;
            match next {
                Some(Ok(Incoming::Text(text))) => {
                    bytes += text.as_ref().len();
                    self.receive(Received::Text(text));
                }
                Some(Ok(Incoming::Binary)) => self.receive(Received::Binary),
                Some(Ok(Incoming::Ping)) => {
                    // Its answer leaves with the next flush, read from or not.
                    self.unflushed = true;
                    self.pongs += 1;
                    self.receive(Received::Ping);
                }
                Some(Ok(Incoming::Pong)) => self.receive(Received::Pong),
                Some(Ok(Incoming::Close { code, reason })) => {
                    self.finish(CloseReason::Remote { code, reason });
                }
                Some(Err(e)) => self.fail(&e),
                None => self.fail(&SocketError::Ended),
            }
        }
    }

    /// What still comes after we wanted to close is of no use to anyone.
    fn receive(&mut self, received: Received<R::Text>) {
        if self.closing.is_none() {
            self.received.push(received);
        }
    }

    fn fail(&mut self, error: &SocketError) {
        self.finish(match error {
            SocketError::TooLarge => CloseReason::TooLarge,
            other => CloseReason::Error(other.to_string()),
        });
        if let Some(code) = error.close_code() {
            self.outgoing.push_back(Outgoing::Close { code, reason: String::new() });
        }
    }

    /// The first reason counts, and a close of ours counts before any.
    fn finish(&mut self, reason: CloseReason) {
        let reason = if self.closing.is_some() { CloseReason::Local } else { reason };
        self.end.get_or_insert(reason);
        self.outgoing.clear();
    }

    /// Lets the answer to a close frame, or the code of an error, leave before the connection is dropped.
    async fn last_words(&mut self, reason: &CloseReason) {
        if *reason != CloseReason::Local {
            let limit = self.runtime.sleep(CLOSE_TIME);
            self.unflushed = true;
            let flushed = poll_fn(|cx| self.poll_write(cx));
            // The connection is over whether this succeeds or not.
            let _ = select(flushed, limit).await;
        }
    }

    /// Tells the core what was sent and received, in as many goes as it takes.
    async fn feed(&mut self) {
        let texts = self.received.iter().filter_map(|received| match received {
            Received::Text(text) => Some(text.as_ref()),
            _ => None,
        });
        self.shared.taps.push(self.url, Direction::In, texts);
        self.shared.meter.add(Count::Frame, self.received.len());
        let mut batch = std::mem::take(&mut self.received);
        let mut received = batch.drain(..);
        let mut begun = self.shared.instant();
        while self.sent > 0 || received.len() > 0 {
            if self.shared.is_over(POLL_TIME, begun) {
                self.let_others().await;
                begun = self.shared.instant();
            }
            self.feed_some(&mut received);
        }
        drop(received);
        self.received = batch;
    }

    /// One go of it: as much as may be fed before others get the lock.
    fn feed_some(&mut self, received: &mut Drain<'_, Received<R::Text>>) {
        let socket = self.socket;
        let mut lone = self.shared.enter_lone(socket, |state, now| {
            for _ in 0..std::mem::take(&mut self.sent) {
                state.core.handle_input(Input::Sent { socket }, now);
            }
            let begun = self.shared.instant();
            while received.len() > 0 {
                for frame in received.by_ref().take(LOCK_CHECK) {
                    let input = match &frame {
                        Received::Text(text) => Input::Text { socket, frame: text.as_ref() },
                        Received::Binary => Input::Binary { socket },
                        Received::Ping => Input::Ping { socket },
                        Received::Pong => Input::Pong { socket },
                    };
                    state.core.handle_input(input, now);
                }
                if self.shared.is_over(LOCK_TIME, begun) {
                    break;
                }
            }
        });
        // One answer may lead to another question: a copy of the same event with another signature, say.
        while let Some(job) = lone {
            let answer = job.answer();
            lone = self.shared.enter_lone(socket, |state, now| state.core.handle_input(answer.into_input(), now));
        }
    }

    fn let_others(&self) -> BoxFuture<'static, ()> {
        self.shared.meter.add(Count::Yield, 1);
        self.runtime.yield_now()
    }
}
