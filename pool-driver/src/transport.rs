//! A byte stream to a relay, plain or under TLS.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::{AsyncRead, AsyncWrite};
use futures_rustls::client::TlsStream;

/// Bytes that are read in a row before the task lets others run.
const BYTES_IN_A_ROW: usize = 256 << 10;
/// Reads in a row that find something, however little.
const READS_IN_A_ROW: u32 = 64;

/// A byte stream to a relay, plain or under TLS; which of them is no adapter's business.
///
/// After a good deal of reading it is pending for a moment, and wakes its task at once: a WebSocket library reads until it
/// has a whole message, TLS until it has some content, and a peer may send without end what never becomes either.
pub struct Transport<T> {
    stream: Stream<T>,
    /// Read already, and to be read again before anything else. In reverse, so that what is taken is cut off.
    ahead: Vec<u8>,
}

enum Stream<T> {
    Plain(Turns<T>),
    Tls(Box<TlsStream<Turns<T>>>),
}

/// A connection that lets others run after so much reading: see [`Transport`].
pub(crate) struct Turns<T> {
    io: T,
    /// What was read since a read that found nothing.
    bytes: usize,
    reads: u32,
}

impl<T> Turns<T> {
    pub(crate) fn new(io: T) -> Self {
        Self { io, bytes: 0, reads: 0 }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Turns<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.reads >= READS_IN_A_ROW || this.bytes >= BYTES_IN_A_ROW {
            (this.bytes, this.reads) = (0, 0);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let read = Pin::new(&mut this.io).poll_read(cx, buf);
        (this.bytes, this.reads) = match &read {
            Poll::Ready(Ok(n)) => (this.bytes + n, this.reads + 1),
            Poll::Ready(Err(_)) | Poll::Pending => (0, 0),
        };
        read
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Turns<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_close(cx)
    }
}

impl<T> Transport<T> {
    /// A plain byte stream.
    pub fn plain(io: T) -> Self {
        Self::new(Stream::Plain(Turns::new(io)))
    }

    /// A byte stream under TLS, its handshake done.
    pub(crate) fn tls(io: TlsStream<Turns<T>>) -> Self {
        Self::new(Stream::Tls(Box::new(io)))
    }

    fn new(stream: Stream<T>) -> Self {
        Self { stream, ahead: Vec::new() }
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
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use futures::AsyncReadExt;
    use futures::executor::block_on;
    use futures::io::Cursor;

    use super::*;

    /// Counts how often it is woken.
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_stream_without_end_lets_others_run() {
        let woken = Arc::new(Woken(AtomicUsize::new(0)));
        let waker = woken.clone().into();
        let mut cx = Context::from_waker(&waker);
        // Little by little, and much at once.
        for (size, in_a_row) in [(4, READS_IN_A_ROW as usize), (64 << 10, 4)] {
            let mut io = Transport::plain(Cursor::new(vec![0; 1 << 20]));
            let before = woken.0.load(Ordering::SeqCst);
            let mut buf = vec![0; size];
            for round in 1..=3 {
                for _ in 0..in_a_row {
                    assert!(Pin::new(&mut io).poll_read(&mut cx, &mut buf).is_ready());
                }
                assert!(Pin::new(&mut io).poll_read(&mut cx, &mut buf).is_pending());
                assert_eq!(woken.0.load(Ordering::SeqCst), before + round, "it goes on at once");
            }
        }
    }

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
