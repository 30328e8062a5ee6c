//! A relay that always has more to say gets a turn like any other task: what its socket's task does in one poll is
//! bounded, by counting, whatever the runtime.

use std::cell::Cell;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::future::{BoxFuture, poll_fn};
use futures::{FutureExt, Sink, Stream};
use nostr_pool_async_std::AsyncStd;
use nostr_pool_driver::{Connect, FrameLimits, Incoming, Outgoing, Pool, Runtime, SocketError, Transport};
use nostr_pool_tests::scenarios::{self, PATIENCE};
use nostr_pool_tokio::Tokio;

/// The bounds of the driver's socket loop, as its documentation states them.
const FRAMES_PER_TURN: usize = 64;
const BYTES_PER_TURN: usize = 256 << 10;
const TURNS_PER_POLL: usize = 2;

thread_local! {
    /// Frames and bytes read in the poll that this thread is in.
    static READ: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

/// What a relay sends that never ends.
#[derive(Clone, Copy, Debug)]
enum Flow {
    /// There is always another frame, of so many bytes.
    Endless(usize),
    /// So many frames, then nothing, and the next ones are there as soon as somebody looks again.
    Bursts(usize),
}

/// Most that was read in one poll.
#[derive(Debug, Default)]
struct Most {
    frames: AtomicUsize,
    bytes: AtomicUsize,
    read: AtomicUsize,
}

/// A runtime whose sockets, once they are open, are such a relay's.
#[derive(Clone)]
struct Flooded<R> {
    inner: R,
    flow: Flow,
    most: Arc<Most>,
}

impl<R: Runtime> Runtime for Flooded<R> {
    type Tcp = R::Tcp;
    type Text = String;
    type Socket = Relay<R::Socket>;

    fn now(&self) -> Instant {
        self.inner.now()
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        self.inner.sleep(time)
    }

    fn yield_now(&self) -> BoxFuture<'static, ()> {
        self.inner.yield_now()
    }

    fn spawn(&self, mut future: BoxFuture<'static, ()>) {
        let most = self.most.clone();
        self.inner.spawn(
            poll_fn(move |cx| {
                READ.set((0, 0));
                let polled = future.poll_unpin(cx);
                let (frames, bytes) = READ.get();
                most.frames.fetch_max(frames, SeqCst);
                most.bytes.fetch_max(bytes, SeqCst);
                polled
            })
            .boxed(),
        );
    }

    fn resolve(&self, host: String, port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        self.inner.resolve(host, port)
    }

    fn connect(&self, address: SocketAddr) -> BoxFuture<'static, io::Result<R::Tcp>> {
        self.inner.connect(address)
    }

    fn websocket(&self, io: Transport<R::Tcp>, limits: FrameLimits) -> BoxFuture<'static, Self::Socket> {
        let (flow, most) = (self.flow, self.most.clone());
        let open = self.inner.websocket(io, limits);
        async move { Relay { inner: open.await, flow, burst: 0, most } }.boxed()
    }
}

/// Takes what is sent; what comes is made up.
struct Relay<S> {
    inner: S,
    flow: Flow,
    burst: usize,
    most: Arc<Most>,
}

impl<S: Unpin> Stream for Relay<S> {
    type Item = Result<Incoming<String>, SocketError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // A loop that never ends would end no test: the stream does, after far more than any bound.
        if self.most.read.fetch_add(1, SeqCst) > 20_000 {
            return Poll::Ready(None);
        }
        let size = match self.flow {
            Flow::Endless(size) => size,
            Flow::Bursts(frames) if self.burst < frames => 100,
            Flow::Bursts(_) => {
                self.burst = 0;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        };
        self.burst += 1;
        let (frames, bytes) = READ.get();
        READ.set((frames + 1, bytes + size));
        Poll::Ready(Some(Ok(Incoming::Text("x".repeat(size)))))
    }
}

impl<S: Sink<Outgoing, Error = SocketError> + Unpin> Sink<Outgoing> for Relay<S> {
    type Error = SocketError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        Pin::new(&mut self.inner).poll_ready(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, frame: Outgoing) -> Result<(), SocketError> {
        Pin::new(&mut self.inner).start_send(frame)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        Pin::new(&mut self.inner).poll_close(cx)
    }
}

async fn polls_are_bounded<R: Runtime>(runtime: R) {
    for flow in [Flow::Endless(100), Flow::Endless(100_000), Flow::Bursts(1), Flow::Bursts(63), Flow::Bursts(64)] {
        let flooded = Flooded { inner: runtime.clone(), flow, most: Arc::default() };
        let server = scenarios::relay();
        let builder = Pool::builder().config(scenarios::quick()).relay(server.url());
        let pool = builder.build(flooded.clone()).expect("the arguments are right");
        // The flood, and the connection with it, may be over before that is looked at.
        drop(pool.connect(PATIENCE, Connect::Lenient).await);
        let most = &flooded.most;
        scenarios::until(&runtime, "the flood is over", || most.read.load(SeqCst) > 20_000).await;
        let (frames, bytes) = (most.frames.load(SeqCst), most.bytes.load(SeqCst));
        println!("{flow:?}: {frames} frames and {bytes} bytes in one poll at most");
        let size = if let Flow::Endless(size) = flow { size } else { 100 };
        assert!((1..=TURNS_PER_POLL * FRAMES_PER_TURN).contains(&frames), "{flow:?}: {frames} frames in one poll");
        assert!(bytes < TURNS_PER_POLL * (BYTES_PER_TURN + size), "{flow:?}: {bytes} bytes in one poll");
    }
}

fn one_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("tokio starts")
}

#[test]
fn on_tokio() {
    one_thread().block_on(async { polls_are_bounded(Tokio::current()).await });
}

#[test]
fn on_async_std() {
    async_std::task::block_on(polls_are_bounded(AsyncStd));
}

/// While a task is busy and yields, the one thread of tokio looks each time whose socket is ready, not every 61 polls.
#[test]
fn a_yield_has_sockets_looked_at() {
    const ROUNDS: usize = 1_000;
    one_thread().block_on(async {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let mut writer = std::net::TcpStream::connect(listener.local_addr().expect("it is bound")).expect("it listens");
        writer.set_nodelay(true).expect("it is a socket");
        let (reader, _) = listener.accept().expect("it was dialled");
        reader.set_nonblocking(true).expect("it is a socket");
        let reader = tokio::net::TcpStream::from_std(reader).expect("tokio runs");
        let got = Arc::new(AtomicUsize::new(0));
        let count = got.clone();
        let reading = tokio::spawn(async move {
            while count.load(SeqCst) < ROUNDS {
                reader.readable().await.expect("it stays open");
                if let Ok(bytes) = reader.try_read(&mut [0; 256]) {
                    count.fetch_add(bytes, SeqCst);
                }
            }
        });
        let runtime = Tokio::current();
        let busy = tokio::spawn(async move {
            let mut behind = 0;
            for written in 0..ROUNDS {
                behind = behind.max(written - got.load(SeqCst));
                writer.write_all(&[0]).expect("there is room");
                runtime.yield_now().await;
            }
            behind
        });
        reading.await.expect("it does not panic");
        let behind = busy.await.expect("it does not panic");
        println!("{behind} bytes behind at most");
        assert!(behind < 10, "{behind} bytes were not looked for");
    });
}
