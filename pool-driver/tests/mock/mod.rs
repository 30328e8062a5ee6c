//! A runtime without a network: threads for tasks, and sockets whose other end is the test.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::executor::block_on;
use futures::future::BoxFuture;
use futures::io::Cursor;
use futures::{AsyncRead, AsyncWrite, FutureExt, Sink, Stream};
use nostr_pool_driver::{FrameLimits, Incoming, Outgoing, Runtime, SocketError, Transport};
use sha1::{Digest, Sha1};

/// How a dial to an address goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dial {
    Connects,
    Refuses,
    Hangs,
}

/// The runtime. Clones are the same one.
#[derive(Clone, Default)]
pub(crate) struct Mock {
    pub(crate) inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
pub(crate) struct Inner {
    /// What the resolver says, and how dialling goes; empty: the host does not resolve.
    pub(crate) addresses: Vec<(SocketAddr, Dial)>,
    /// Every address that was dialled.
    pub(crate) dialled: Vec<SocketAddr>,
    /// Answer the upgrade with this HTTP status.
    pub(crate) refuse_upgrade: Option<u16>,
    /// The sockets that were opened, as their peers.
    pub(crate) peers: Vec<Peer>,
}

impl Mock {
    /// A runtime where every dial to these addresses goes like this.
    pub(crate) fn with(addresses: &[(&str, Dial)]) -> Self {
        let mock = Self::default();
        mock.edit(|inner| {
            inner.addresses = addresses.iter().map(|(a, dial)| (a.parse().unwrap(), *dial)).collect();
        });
        mock
    }

    /// A runtime with one address that connects.
    pub(crate) fn simple() -> Self {
        Self::with(&[("10.0.0.1:1", Dial::Connects)])
    }

    pub(crate) fn edit<T>(&self, edit: impl FnOnce(&mut Inner) -> T) -> T {
        edit(&mut self.inner.lock().unwrap())
    }

    /// The other end of the n-th socket, once it is open.
    pub(crate) fn peer(&self, n: usize) -> Peer {
        until("the socket is open", || self.edit(|inner| inner.peers.len() > n));
        self.edit(|inner| inner.peers[n].clone())
    }
}

/// Waits until something is so.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let patience = Instant::now() + Duration::from_secs(10);
    while !is_so() {
        assert!(Instant::now() < patience, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// The other end of a socket.
#[derive(Clone, Default)]
pub(crate) struct Peer {
    pipe: Arc<Mutex<Pipe>>,
    /// The socket was dropped.
    gone: Arc<AtomicBool>,
}

#[derive(Default)]
struct Pipe {
    to_pool: VecDeque<Step>,
    from_pool: Vec<Outgoing>,
    /// The sink takes nothing.
    blocked: bool,
    /// Whatever is written fails.
    broken: bool,
    waker: Option<Waker>,
}

enum Step {
    Frame(Result<Incoming<String>, SocketError>),
    End,
    Panic,
}

impl Peer {
    fn push(&self, steps: impl IntoIterator<Item = Step>) {
        let mut pipe = self.pipe.lock().unwrap();
        pipe.to_pool.extend(steps);
        let waker = pipe.waker.take();
        drop(pipe);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Sends text messages, all at once.
    pub(crate) fn send(&self, texts: impl IntoIterator<Item = String>) {
        self.push(texts.into_iter().map(|text| Step::Frame(Ok(Incoming::Text(text)))));
    }

    pub(crate) fn send_frame(&self, frame: Incoming<String>) {
        self.push([Step::Frame(Ok(frame))]);
    }

    pub(crate) fn fail(&self, error: SocketError) {
        self.push([Step::Frame(Err(error))]);
    }

    pub(crate) fn end(&self) {
        self.push([Step::End]);
    }

    /// Makes the socket panic when it is read.
    pub(crate) fn panic(&self) {
        self.push([Step::Panic]);
    }

    /// What is written fails from now on, and these frames can be read: both at once.
    pub(crate) fn break_after(&self, frames: impl IntoIterator<Item = Incoming<String>>) {
        let steps = frames.into_iter().map(|frame| Step::Frame(Ok(frame)));
        let mut pipe = self.pipe.lock().unwrap();
        pipe.broken = true;
        pipe.to_pool.extend(steps);
        let waker = pipe.waker.take();
        drop(pipe);
        waker.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn block(&self) {
        self.pipe.lock().unwrap().blocked = true;
    }

    /// What came from the pool so far.
    pub(crate) fn received(&self) -> Vec<Outgoing> {
        self.pipe.lock().unwrap().from_pool.clone()
    }

    /// Frames that the pool has not read.
    pub(crate) fn unread(&self) -> usize {
        self.pipe.lock().unwrap().to_pool.len()
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::SeqCst)
    }
}

/// A socket.
pub(crate) struct MockSocket(Peer);

impl Drop for MockSocket {
    fn drop(&mut self) {
        self.0.gone.store(true, Ordering::SeqCst);
    }
}

impl Stream for MockSocket {
    type Item = Result<Incoming<String>, SocketError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut pipe = self.0.pipe.lock().unwrap();
        match pipe.to_pool.pop_front() {
            Some(Step::Frame(frame)) => Poll::Ready(Some(frame)),
            Some(Step::End) => Poll::Ready(None),
            Some(Step::Panic) => {
                drop(pipe);
                panic!("the mock was told to panic");
            }
            None => {
                pipe.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Sink<Outgoing> for MockSocket {
    type Error = SocketError;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        let pipe = self.0.pipe.lock().unwrap();
        match (pipe.broken, pipe.blocked) {
            (true, _) => Poll::Ready(Err(SocketError::Io(io::ErrorKind::BrokenPipe.into()))),
            (_, true) => Poll::Pending,
            _ => Poll::Ready(Ok(())),
        }
    }

    fn start_send(self: Pin<&mut Self>, frame: Outgoing) -> Result<(), SocketError> {
        self.0.pipe.lock().unwrap().from_pool.push(frame);
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        self.poll_ready(cx)
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        Poll::Ready(Ok(()))
    }
}

/// A connection to a server that knows the opening handshake and nothing else.
pub(crate) struct MockTcp {
    refuse: Option<u16>,
    request: Vec<u8>,
    answer: Cursor<Vec<u8>>,
}

impl AsyncRead for MockTcp {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.answer).poll_read(cx, buf)
    }
}

impl AsyncWrite for MockTcp {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.request.extend_from_slice(buf);
        let request = String::from_utf8_lossy(&self.request);
        if request.ends_with("\r\n\r\n") {
            let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
            let digest = Sha1::digest(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11"));
            let answer = match self.refuse {
                Some(status) => format!("HTTP/1.1 {status} No\r\n\r\n"),
                None => format!(
                    "HTTP/1.1 101 Yes\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {}\r\n\r\n",
                    STANDARD.encode(digest)
                ),
            };
            self.answer = Cursor::new(answer.into_bytes());
        }
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Runtime for Mock {
    type Tcp = MockTcp;
    type Text = String;
    type Socket = MockSocket;

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        let (done, sleep) = futures::channel::oneshot::channel();
        thread::spawn(move || {
            thread::sleep(time);
            done.send(())
        });
        sleep.map(drop).boxed()
    }

    fn spawn(&self, future: BoxFuture<'static, ()>) {
        thread::spawn(|| block_on(future));
    }

    fn resolve(&self, _: String, _: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        let addresses: Vec<_> = self.edit(|inner| inner.addresses.iter().map(|(a, _)| *a).collect());
        async move {
            match addresses.is_empty() {
                true => Err(io::Error::other("no such host")),
                false => Ok(addresses),
            }
        }
        .boxed()
    }

    fn connect(&self, address: SocketAddr) -> BoxFuture<'static, io::Result<Self::Tcp>> {
        let (dial, refuse) = self.edit(|inner| {
            inner.dialled.push(address);
            (inner.addresses.iter().find(|(a, _)| *a == address).map(|(_, dial)| *dial), inner.refuse_upgrade)
        });
        async move {
            match dial {
                Some(Dial::Connects) => Ok(MockTcp { refuse, request: Vec::new(), answer: Cursor::default() }),
                Some(Dial::Hangs) => std::future::pending().await,
                Some(Dial::Refuses) | None => Err(io::ErrorKind::ConnectionRefused.into()),
            }
        }
        .boxed()
    }

    fn websocket(&self, _: Transport<Self::Tcp>, _: FrameLimits) -> BoxFuture<'static, MockSocket> {
        let peer = Peer::default();
        self.edit(|inner| inner.peers.push(peer.clone()));
        std::future::ready(MockSocket(peer)).boxed()
    }
}
