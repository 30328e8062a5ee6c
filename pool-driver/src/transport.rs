//! A byte stream to a relay, plain or under TLS.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::{AsyncRead, AsyncWrite};
use futures_rustls::client::TlsStream;

/// Reads in a row that find something, before the task lets others run: with the default buffer, 256 KiB.
const READS_IN_A_ROW: u32 = 8;

/// A byte stream to a relay, plain or under TLS; which of them is no adapter's business.
///
/// After a few reads that found something it is pending for a moment, and wakes its task at once: a WebSocket library
/// reads until it has a whole message, and a peer may send without end what never becomes one.
pub struct Transport<T> {
    stream: Stream<T>,
    /// Reads that found something since one that did not.
    reads: u32,
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
        Self::new(Stream::Plain(io))
    }

    /// A byte stream under TLS, its handshake done.
    pub fn tls(io: TlsStream<T>) -> Self {
        Self::new(Stream::Tls(Box::new(io)))
    }

    fn new(stream: Stream<T>) -> Self {
        Self { stream, reads: 0, ahead: Vec::new() }
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
        if this.reads == READS_IN_A_ROW {
            this.reads = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let read = match &mut this.stream {
            Stream::Plain(io) => Pin::new(io).poll_read(cx, buf),
            Stream::Tls(io) => Pin::new(&mut **io).poll_read(cx, buf),
        };
        this.reads = if read.is_ready() { this.reads + 1 } else { 0 };
        read
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
        let mut io = Transport::plain(Cursor::new(vec![0; 1 << 10]));
        for round in 1..=3 {
            for _ in 0..READS_IN_A_ROW {
                assert!(Pin::new(&mut io).poll_read(&mut cx, &mut [0; 4]).is_ready());
            }
            assert!(Pin::new(&mut io).poll_read(&mut cx, &mut [0; 4]).is_pending());
            assert_eq!(woken.0.load(Ordering::SeqCst), round, "it goes on at once");
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
