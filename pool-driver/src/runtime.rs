//! The seam between the driver and an async runtime.

use std::io;
use std::net::SocketAddr;
use std::task::Poll;
use std::time::{Duration, Instant};

use futures::future::{BoxFuture, poll_fn};
use futures::{AsyncRead, AsyncWrite, FutureExt, Sink, Stream};
use nostr_proto::limits::MAX_MESSAGE_BYTES;

use crate::frame::{Incoming, Outgoing, SocketError};
use crate::transport::Transport;

/// What the driver needs of an async runtime. One value of it drives one pool; two pools may run on two runtimes in
/// one process, so nothing here may be taken from an ambient runtime.
///
/// Everything else is the driver's, dialling, TLS and the WebSocket's opening handshake included. An adapter is one file; the
/// two that come with this workspace are less than 200 lines each.
pub trait Runtime: Clone + Send + Sync + 'static {
    /// A TCP connection.
    type Tcp: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    /// A text message, proven to be UTF-8 by the adapter, and not copied for us.
    type Text: AsRef<str> + Send + 'static;
    /// An open WebSocket. It answers pings by itself, and after an error it ends. A connection that ends without a close
    /// frame is [`SocketError::Ended`], or just the end of the stream, and no breach of the protocol.
    ///
    /// Its sink must take back pressure seriously: `poll_ready` is pending while more than
    /// [`FrameLimits::write_buffer`] bytes wait for the transport.
    type Socket: Stream<Item = Result<Incoming<Self::Text>, SocketError>>
        + Sink<Outgoing, Error = SocketError>
        + Unpin
        + Send
        + 'static;

    /// The monotonic clock that [`sleep`](Self::sleep) goes by.
    fn now(&self) -> Instant;

    /// Done after this much time. May be polled on any thread, outside the runtime too.
    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()>;

    /// Runs a future to its end in the background.
    fn spawn(&self, future: BoxFuture<'static, ()>);

    /// Pending once, for a task that has more to do: the others go first, and those whose socket or timer is ready are among
    /// them. Polled in a task of this runtime.
    ///
    /// As it is given here, it wakes itself at once, which is enough wherever a thread of its own looks at sockets and timers.
    /// An executor that looks at them between polls, and only now and then while tasks are ready, needs its own.
    fn yield_now(&self) -> BoxFuture<'static, ()> {
        let mut yielded = false;
        poll_fn(move |cx| {
            if yielded {
                return Poll::Ready(());
            }
            yielded = true;
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .boxed()
    }

    /// Every address of a host.
    fn resolve(&self, host: String, port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>>;

    /// Connects to an address, with `TCP_NODELAY` set. No deadline of its own: the dial has one.
    fn connect(&self, address: SocketAddr) -> BoxFuture<'static, io::Result<Self::Tcp>>;

    /// A WebSocket, as its client, without extensions: the opening handshake is done, and what comes are frames.
    fn websocket(&self, io: Transport<Self::Tcp>, limits: FrameLimits) -> BoxFuture<'static, Self::Socket>;
}

/// Sizes in bytes of messages and buffers of one socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameLimits {
    /// A larger message from the peer is [`SocketError::TooLarge`]. Default 4 MiB.
    pub max_message: usize,
    /// Read at most this much at once. Default 32 KiB.
    pub read_buffer: usize,
    /// Gather this much before writing, unless flushed. Default 16 KiB.
    pub write_buffer: usize,
}

impl Default for FrameLimits {
    fn default() -> Self {
        Self { max_message: MAX_MESSAGE_BYTES, read_buffer: 32 << 10, write_buffer: 16 << 10 }
    }
}
