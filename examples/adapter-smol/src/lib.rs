//! nostr-pool on smol, as a lesson: how a runtime that the pool does not know is taught to it.
//!
//! All that the pool needs of an async runtime is one trait, [`Runtime`]: a clock, a way to sleep and to spawn, name
//! resolution, a TCP connection, and frames on top of it. Happy eyeballs, TLS, the opening handshake, deadlines, back-off,
//! queues and threads are the driver's, and the same everywhere. This file is a whole adapter, and the order in which to write one:
//!
//! 1. **The type** ([`Smol`]). It is cloned into every task, so it holds no more than a handle. Nothing may be taken from
//!    an ambient runtime: two pools may live on two runtimes in one process, and a call may come from any thread. So the
//!    executor is handed in. It is held weakly: a pool must not keep its runtime alive, and if the runtime goes first,
//!    tasks are dropped, which the driver takes as the end of the pool.
//! 2. **Clock, `sleep` and `spawn`.** What `sleep` returns is polled on any thread. Spawned tasks run to their end without
//!    anybody holding on to them. `yield_now` is left as the trait gives it, for a thread of `async-io`'s own looks at sockets
//!    and timers while tasks are busy.
//! 3. **`resolve` and `connect`.** Neither has a deadline of its own, for the dial has one; dropping the future has to be
//!    enough to give it up. The system's resolver blocks, so it is called on a thread that may.
//! 4. **`websocket`.** The transport that comes in is plain or under TLS, and the opening handshake is done: what comes are
//!    frames. Any WebSocket library will do that bounds what it reads ([`FrameLimits`]), answers pings, and takes a
//!    connection that is upgraded already.
//! 5. **The socket** ([`SmolSocket`]): a stream and a sink. Text comes as the library's own checked text, and is never
//!    copied. `poll_ready` has to be pending while too much waits to be written, or the pool's queues are bounded in vain.
//!    A connection that just ends is [`SocketError::Ended`], and no breach of the protocol.
//! 6. **The proof.** Run the conformance suite over it: `nostr_pool_tests::conformance::run(&my_runtime)`. It has a script
//!    for each of the rules above, and says which is broken.
//!
//! smol is a set of small crates; the ones used here are those that `smol` itself re-exports as `smol::Executor`,
//! `smol::Timer`, `smol::Async` and `smol::unblock`.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use nostr_pool_smol::nostr_proto::{Filter, Kind};
//! use nostr_pool_smol::{FetchOptions, Pool, Smol};
//!
//! let executor = Arc::new(async_executor::Executor::new());
//! async_io::block_on(executor.run(async {
//!     let pool = Pool::builder().relay("wss://relay.example.com").build(Smol::new(&executor))?;
//!     let notes = pool.fetch([Filter::new().kind(Kind::TEXT_NOTE).limit(20)], FetchOptions::default()).await?;
//!     println!("{} notes", notes.events.len());
//!     Ok::<(), Box<dyn std::error::Error>>(())
//! }))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use async_executor::Executor;
use async_io::{Async, Timer};
use async_tungstenite::WebSocketStream;
use async_tungstenite::tungstenite::error::{CapacityError, Error, ProtocolError};
use async_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use async_tungstenite::tungstenite::{Message, Utf8Bytes};
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, Sink, Stream};

pub use nostr_pool_driver::*;

/// A smol executor that somebody runs: on threads of its own, or around `block_on`.
#[derive(Clone, Debug)]
pub struct Smol(Weak<Executor<'static>>);

impl Smol {
    /// This executor. A pool on it ends when it is dropped.
    pub fn new(executor: &Arc<Executor<'static>>) -> Self {
        Self(Arc::downgrade(executor))
    }
}

impl Runtime for Smol {
    type Tcp = Async<TcpStream>;
    type Text = Utf8Bytes;
    type Socket = SmolSocket;

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        Timer::after(time).map(drop).boxed()
    }

    fn spawn(&self, future: BoxFuture<'static, ()>) {
        // Of an executor that is gone, the future is dropped, and the driver hears of it by that.
        if let Some(executor) = self.0.upgrade() {
            executor.spawn(future).detach();
        }
    }

    fn resolve(&self, host: String, port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        blocking::unblock(move || Ok((host.as_str(), port).to_socket_addrs()?.collect())).boxed()
    }

    fn connect(&self, address: SocketAddr) -> BoxFuture<'static, io::Result<Self::Tcp>> {
        async move {
            let tcp = Async::<TcpStream>::connect(address).await?;
            tcp.get_ref().set_nodelay(true)?;
            Ok(tcp)
        }
        .boxed()
    }

    fn websocket(&self, io: Transport<Self::Tcp>, limits: FrameLimits) -> BoxFuture<'static, SmolSocket> {
        let config = WebSocketConfig::default()
            .read_buffer_size(limits.read_buffer)
            .write_buffer_size(limits.write_buffer)
            .max_message_size(Some(limits.max_message))
            .max_frame_size(Some(limits.max_message));
        WebSocketStream::from_raw_socket(io, Role::Client, Some(config)).map(SmolSocket).boxed()
    }
}

/// A WebSocket on smol.
#[derive(Debug)]
pub struct SmolSocket(WebSocketStream<Transport<Async<TcpStream>>>);

impl Stream for SmolSocket {
    type Item = Result<Incoming<Utf8Bytes>, SocketError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.0).poll_next(cx).map(|next| next.map(|result| result.map(incoming).map_err(socket_error)))
    }
}

impl Sink<Outgoing> for SmolSocket {
    type Error = SocketError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        Pin::new(&mut self.0).poll_ready(cx).map_err(socket_error)
    }

    fn start_send(mut self: Pin<&mut Self>, frame: Outgoing) -> Result<(), SocketError> {
        Pin::new(&mut self.0).start_send(outgoing(frame)).map_err(socket_error)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        Pin::new(&mut self.0).poll_flush(cx).map_err(socket_error)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        Pin::new(&mut self.0).poll_close(cx).map_err(socket_error)
    }
}

fn incoming(message: Message) -> Incoming<Utf8Bytes> {
    match message {
        Message::Text(text) => Incoming::Text(text),
        Message::Ping(_) => Incoming::Ping,
        Message::Pong(_) => Incoming::Pong,
        Message::Close(Some(frame)) => Incoming::Close { code: frame.code.into(), reason: frame.reason.to_string() },
        Message::Close(None) => Incoming::Close { code: 1005, reason: String::new() },
        Message::Binary(_) | Message::Frame(_) => Incoming::Binary,
    }
}

fn outgoing(frame: Outgoing) -> Message {
    match frame {
        // A copy. The adapters of the workspace show how to do without.
        Outgoing::Text(text) => Message::text(&*text),
        Outgoing::Ping => Message::Ping(Bytes::new()),
        Outgoing::Close { code, reason } => {
            Message::Close(Some(CloseFrame { code: code.into(), reason: reason.into() }))
        }
    }
}

fn socket_error(error: Error) -> SocketError {
    match error {
        Error::Capacity(CapacityError::MessageTooLong { .. }) => SocketError::TooLarge,
        Error::Utf8(_) => SocketError::NotUtf8,
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => SocketError::Ended,
        Error::Io(e) => SocketError::Io(e),
        other => SocketError::Protocol(other.to_string()),
    }
}
