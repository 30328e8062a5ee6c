//! A byte stream to a relay, plain or under TLS.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::{AsyncRead, AsyncWrite};
use futures_rustls::client::TlsStream;

/// A byte stream to a relay, plain or under TLS; which of them is no adapter's business.
#[derive(Debug)]
pub struct Transport<T>(Kind<T>);

#[derive(Debug)]
enum Kind<T> {
    Plain(T),
    Tls(Box<TlsStream<T>>),
}

impl<T> Transport<T> {
    /// A plain byte stream.
    pub fn plain(io: T) -> Self {
        Self(Kind::Plain(io))
    }

    /// A byte stream under TLS, its handshake done.
    pub fn tls(io: TlsStream<T>) -> Self {
        Self(Kind::Tls(Box::new(io)))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for Transport<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().0 {
            Kind::Plain(io) => Pin::new(io).poll_read(cx, buf),
            Kind::Tls(io) => Pin::new(&mut **io).poll_read(cx, buf),
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Transport<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().0 {
            Kind::Plain(io) => Pin::new(io).poll_write(cx, buf),
            Kind::Tls(io) => Pin::new(&mut **io).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            Kind::Plain(io) => Pin::new(io).poll_flush(cx),
            Kind::Tls(io) => Pin::new(&mut **io).poll_flush(cx),
        }
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            Kind::Plain(io) => Pin::new(io).poll_close(cx),
            Kind::Tls(io) => Pin::new(&mut **io).poll_close(cx),
        }
    }
}
