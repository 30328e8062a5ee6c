//! A byte stream to a relay, plain or under TLS.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::{AsyncRead, AsyncWrite};
use futures_rustls::client::TlsStream;

/// A byte stream to a relay, plain or under TLS; which of them is no adapter's business.
pub struct Transport<T> {
    stream: Stream<T>,
    /// Read already, and to be read again before anything else. In reverse, so that what is taken is cut off.
    ahead: Vec<u8>,
}

enum Stream<T> {
    Plain(T),
    Tls(Box<TlsStream<T>>),
}

impl<T> Transport<T> {
    /// A plain byte stream.
    pub fn plain(io: T) -> Self {
        Self { stream: Stream::Plain(io), ahead: Vec::new() }
    }

    /// A byte stream under TLS, its handshake done.
    pub fn tls(io: TlsStream<T>) -> Self {
        Self { stream: Stream::Tls(Box::new(io)), ahead: Vec::new() }
    }

    /// Puts back what was read too much.
    pub(crate) fn unread(&mut self, bytes: Vec<u8>) {
        self.ahead.extend(bytes.into_iter().rev());
    }
}

impl<T> fmt::Debug for Transport<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if matches!(self.stream, Stream::Plain(_)) { "Plain" } else { "Tls" };
        f.debug_tuple("Transport").field(&format_args!("{kind}")).finish()
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for Transport<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if !this.ahead.is_empty() {
            let taken = this.ahead.len().min(buf.len());
            let rest = this.ahead.len() - taken;
            for (to, byte) in buf.iter_mut().zip(this.ahead.drain(rest..).rev()) {
                *to = byte;
            }
            return Poll::Ready(Ok(taken));
        }
        match &mut this.stream {
            Stream::Plain(io) => Pin::new(io).poll_read(cx, buf),
            Stream::Tls(io) => Pin::new(&mut **io).poll_read(cx, buf),
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Transport<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().stream {
            Stream::Plain(io) => Pin::new(io).poll_write(cx, buf),
            Stream::Tls(io) => Pin::new(&mut **io).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(io) => Pin::new(io).poll_flush(cx),
            Stream::Tls(io) => Pin::new(&mut **io).poll_flush(cx),
        }
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(io) => Pin::new(io).poll_close(cx),
            Stream::Tls(io) => Pin::new(&mut **io).poll_close(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::AsyncReadExt;
    use futures::executor::block_on;
    use futures::io::Cursor;

    use super::*;

    #[test]
    fn what_was_put_back_comes_first_and_in_order() {
        let mut io = Transport::plain(Cursor::new(b"defg".to_vec()));
        io.unread(b"abc".to_vec());
        let mut two = [0; 2];
        block_on(io.read_exact(&mut two)).unwrap();
        assert_eq!(&two, b"ab");
        let mut rest = Vec::new();
        block_on(io.read_to_end(&mut rest)).unwrap();
        assert_eq!(rest, b"cdefg");
    }
}
