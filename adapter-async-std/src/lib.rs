//! nostr-pool on async-std.
//!
//! Everything an application needs is re-exported here; [`AsyncStd`] is what this crate adds.
//!
//! ```no_run
//! use nostr_pool_async_std::nostr_proto::{Filter, Kind};
//! use nostr_pool_async_std::{AsyncStd, FetchOptions, Pool};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let pool = Pool::builder().relay("wss://relay.example.com").build(AsyncStd)?;
//! let notes = pool.fetch([Filter::new().kind(Kind::TEXT_NOTE).limit(20)], FetchOptions::default()).await?;
//! for note in notes.events {
//!     println!("{} {}", note.event.created_at(), note.event.content());
//! }
//! # Ok(())
//! # }
//! ```

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use async_std::net::{TcpStream, ToSocketAddrs};
use async_tungstenite::WebSocketStream;
use async_tungstenite::tungstenite::error::{CapacityError, Error, ProtocolError};
use async_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use async_tungstenite::tungstenite::protocol::frame::{CloseFrame, Frame};
use async_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use async_tungstenite::tungstenite::{Message, Utf8Bytes};
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, Sink, Stream};

pub use nostr_pool_driver::*;

/// The async-std runtime: one per process, and started when it is first used.
#[derive(Clone, Copy, Debug, Default)]
pub struct AsyncStd;

impl Runtime for AsyncStd {
    type Tcp = TcpStream;
    type Text = Utf8Bytes;
    type Socket = AsyncStdSocket;

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        async_std::task::sleep(time).boxed()
    }

    fn spawn(&self, future: BoxFuture<'static, ()>) {
        // Dropping the handle leaves the task running.
        drop(async_std::task::spawn(future));
    }

    fn resolve(&self, host: String, port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        async move { Ok((host.as_str(), port).to_socket_addrs().await?.collect()) }.boxed()
    }

    fn connect(&self, address: SocketAddr) -> BoxFuture<'static, io::Result<TcpStream>> {
        async move {
            let tcp = TcpStream::connect(address).await?;
            tcp.set_nodelay(true)?;
            Ok(tcp)
        }
        .boxed()
    }

    fn websocket(&self, io: Transport<Self::Tcp>, limits: FrameLimits) -> BoxFuture<'static, AsyncStdSocket> {
        // The write buffer needs no limit of its own: `poll_ready` lets one message in when it is full, no more.
        let config = WebSocketConfig::default()
            .read_buffer_size(limits.read_buffer)
            .write_buffer_size(limits.write_buffer)
            .max_message_size(Some(limits.max_message))
            .max_frame_size(Some(limits.max_message));
        WebSocketStream::from_raw_socket(io, Role::Client, Some(config)).map(AsyncStdSocket).boxed()
    }
}

/// A WebSocket on async-std.
#[derive(Debug)]
pub struct AsyncStdSocket(WebSocketStream<Transport<TcpStream>>);

impl Stream for AsyncStdSocket {
    type Item = Result<Incoming<Utf8Bytes>, SocketError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.0).poll_next(cx).map(|next| next.map(|result| result.map(incoming).map_err(socket_error)))
    }
}

impl Sink<Outgoing> for AsyncStdSocket {
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
