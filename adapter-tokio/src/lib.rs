//! nostr-pool on tokio.
//!
//! Everything an application needs is re-exported here; [`Tokio`] is what this crate adds.
//!
//! ```no_run
//! use nostr_pool_tokio::nostr_proto::{Filter, Kind};
//! use nostr_pool_tokio::{FetchOptions, Pool, Tokio};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let pool = Pool::builder().relay("wss://relay.example.com").build(Tokio::current())?;
//! let notes = pool.fetch([Filter::new().kind(Kind::TEXT_NOTE).limit(20)], FetchOptions::default()).await?;
//! for note in notes.events {
//!     println!("{} {}", note.event.created_at(), note.event.content());
//! }
//! # Ok(())
//! # }
//! ```

use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, Sink, Stream};
use tokio::net::TcpStream;
use tokio::runtime::{Handle, TryCurrentError};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{CapacityError, Error, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame, Frame};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tokio_util::compat::{Compat, FuturesAsyncReadCompatExt, TokioAsyncReadCompatExt};

pub use nostr_pool_driver::*;

/// A tokio runtime, by its handle: everything of the pool runs there, and nothing on whatever runtime happens to be
/// around. It needs tokio's I/O and time drivers (`enable_all`).
#[derive(Clone, Debug)]
pub struct Tokio(Handle);

impl Tokio {
    /// The runtime of this handle.
    pub fn new(handle: Handle) -> Self {
        Self(handle)
    }

    /// The runtime that this code runs on.
    ///
    /// # Panics
    /// Outside of a tokio runtime; see [`try_current`](Self::try_current).
    pub fn current() -> Self {
        Self(Handle::current())
    }

    /// The runtime that this code runs on.
    ///
    /// # Errors
    /// Outside of a tokio runtime.
    pub fn try_current() -> Result<Self, TryCurrentError> {
        Handle::try_current().map(Self)
    }
}

impl Runtime for Tokio {
    type Tcp = Compat<TcpStream>;
    type Text = Utf8Bytes;
    type Socket = TokioSocket;

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        let _inside = self.0.enter();
        tokio::time::sleep(time).boxed()
    }

    fn spawn(&self, future: BoxFuture<'static, ()>) {
        self.0.spawn(future);
    }

    fn yield_now(&self) -> BoxFuture<'static, ()> {
        // A task that wakes itself is polled again before sockets are looked at, up to 61 times; one that yields so is not.
        tokio::task::yield_now().boxed()
    }

    fn resolve(&self, host: String, port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        let lookup = self.0.spawn_blocking(move || (host.as_str(), port).to_socket_addrs());
        async move { Ok(lookup.await.map_err(io::Error::other)??.collect()) }.boxed()
    }

    fn connect(&self, address: SocketAddr) -> BoxFuture<'static, io::Result<Self::Tcp>> {
        let handle = self.0.clone();
        let mut connecting = TcpStream::connect(address).boxed();
        async move {
            let tcp = poll_fn(|cx| {
                let _inside = handle.enter();
                connecting.poll_unpin(cx)
            })
            .await?;
            tcp.set_nodelay(true)?;
            Ok(tcp.compat())
        }
        .boxed()
    }

    fn websocket(&self, io: Transport<Self::Tcp>, limits: FrameLimits) -> BoxFuture<'static, TokioSocket> {
        // The write buffer needs no limit of its own: `poll_ready` lets one message in when it is full, no more.
        let config = WebSocketConfig::default()
            .read_buffer_size(limits.read_buffer)
            .write_buffer_size(limits.write_buffer)
            .max_message_size(Some(limits.max_message))
            .max_frame_size(Some(limits.max_message));
        WebSocketStream::from_raw_socket(io.compat(), Role::Client, Some(config)).map(TokioSocket).boxed()
    }
}

/// A WebSocket on tokio.
#[derive(Debug)]
pub struct TokioSocket(WebSocketStream<Compat<Transport<Compat<TcpStream>>>>);

impl Stream for TokioSocket {
    type Item = Result<Incoming<Utf8Bytes>, SocketError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.0).poll_next(cx).map(|next| next.map(|result| result.map(incoming).map_err(socket_error)))
    }
}

impl Sink<Outgoing> for TokioSocket {
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
        // As a frame, the text is neither copied nor checked to be UTF-8 again.
        Outgoing::Text(text) => {
            Message::Frame(Frame::message(Bytes::from_owner(Shared(text)), OpCode::Data(Data::Text), true))
        }
        Outgoing::Ping => Message::Ping(Bytes::new()),
        Outgoing::Close { code, reason } => {
            Message::Close(Some(CloseFrame { code: code.into(), reason: reason.into() }))
        }
    }
}

/// A shared text as the bytes that it is.
struct Shared(Arc<str>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
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
