//! Relays' information documents (NIP-11): when they are fetched, from where, and what becomes of bad ones.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use futures::FutureExt;
use futures::future::join_all;
use nostr_pool_core::Call;
use nostr_pool_driver::recording::{Fed, Recording};
use nostr_pool_driver::{
    CallError, Headers, Origin, PublishOptions, PublishStatus, ReconnectOptions, RecordOptions, Rejection,
    RelayInfoError, RelayOptions, Roots, SocketError, Step, StepDeadlines, Which,
};

use super::lifetime::Counting;
use super::recording::{Shelf, replayed};
use super::*;
use crate::around::as_inner;
use crate::fronts::{Authority, Documents, Raw, Socks, SocksFront, TlsFront, Valid, say_and_end};
use crate::routed::{Leads, Routed};

const DOCUMENT: &str = r#"{"name":"a relay","limitation":{"max_message_length":2000},"unknown":[1,{"a":"b"}]}"#;

/// Why a document could not be had, with the time that it takes at most.
async fn refused<R: Runtime>(runtime: &R, pool: &Pool, url: &RelayUrl) -> RelayInfoError {
    match within(runtime, PATIENCE / 4, pool.relay_info(url)).await {
        Err(error) => error,
        Ok(info) => panic!("no document: {info:?}"),
    }
}

fn url(text: impl AsRef<str>) -> RelayUrl {
    RelayUrl::parse(text.as_ref()).unwrap()
}

/// Whether the pool knows by now that the one relay takes no more than 2,000 bytes.
async fn keeps_to_it(pool: &Pool, n: u64) -> bool {
    let long = EventTemplate::text_note(format!("{n} {}", "x".repeat(2_000)), note(n).created_at());
    let report = pool.publish(keys(1).sign(&long, [0; 32]), PublishOptions::default()).unwrap().await;
    match &report.relays[0].1 {
        PublishStatus::Rejected(Rejection::TooLarge { max, .. }) => *max == Some(2_000),
        PublishStatus::Accepted { .. } => false,
        other => panic!("neither: {other:?}"),
    }
}

async fn learns_it<R: Runtime>(runtime: &R, pool: &Pool) {
    let patience = runtime.now() + PATIENCE / 2;
    let mut n = 0;
    while !keeps_to_it(pool, n).await {
        assert!(runtime.now() < patience, "the pool does not hear of the document");
        runtime.sleep(Duration::from_millis(5)).await;
        n += 1;
    }
}

/// Drops all connections, and waits until all are there again.
async fn reconnect<R: Runtime>(runtime: &R, pool: &Pool) {
    let opened = |pool: &Pool| pool.relays().iter().map(|record| record.opened).sum::<u64>();
    let before = opened(pool);
    pool.reconnect(Which::All, ReconnectOptions::default()).unwrap();
    until(runtime, "it is connected again", || opened(pool) > before).await;
}

/// Once, however often the connection opens.
pub async fn fetches_a_document_when_a_connection_opens<R: Runtime>(runtime: R) {
    let server = relay();
    let front = Documents::serve(&server, DOCUMENT);
    let pool = build(&runtime, builder().relay(front.url()).fetch_relay_info(true));
    runtime.sleep(Duration::from_millis(50)).await;
    assert!(front.asked().is_empty(), "no connection, no document");
    connect(&pool).await;
    learns_it(&runtime, &pool).await;
    for _ in 0..3 {
        reconnect(&runtime, &pool).await;
    }
    runtime.sleep(Duration::from_millis(100)).await;
    assert_eq!(front.asked().len(), 1);
}

/// It is off unless it is switched on.
pub async fn fetches_none_that_nobody_wants<R: Runtime>(runtime: R) {
    let server = relay();
    let front = Documents::serve(&server, DOCUMENT);
    for builder in [builder(), builder().fetch_relay_info(true).fetch_relay_info(false)] {
        let pool = build(&runtime, builder.relay(front.url()));
        connect(&pool).await;
        assert!(!keeps_to_it(&pool, 1).await);
        runtime.sleep(Duration::from_millis(100)).await;
    }
    assert!(front.asked().is_empty());
}

/// What a relay said is forgotten with it, and so it is asked again.
pub async fn fetches_it_again_for_a_relay_that_comes_again<R: Runtime>(runtime: R) {
    let server = relay();
    let front = Documents::serve(&server, DOCUMENT);
    let pool = build(&runtime, builder().fetch_relay_info(true));
    for times in 1..=3 {
        pool.add_relay(front.url(), RelayOptions::default()).unwrap();
        connect(&pool).await;
        learns_it(&runtime, &pool).await;
        assert_eq!(front.asked().len(), times);
        pool.remove_relay(&url(front.url())).unwrap();
    }
}

/// A relay without a document, or with a broken one, is as good as any, and is not asked again at once.
pub async fn leaves_a_relay_in_peace_that_has_none<R: Runtime>(runtime: R) {
    let server = relay();
    for answer in ["HTTP/1.0 404 No\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\nhello", ""] {
        let front = Documents::say(&server, answer);
        let pool = build(&runtime, builder().relay(front.url()).fetch_relay_info(true));
        connect(&pool).await;
        until(&runtime, "it is asked", || front.asked().len() == 1).await;
        runtime.sleep(Duration::from_millis(50)).await;
        reconnect(&runtime, &pool).await;
        assert!(!keeps_to_it(&pool, 1).await);
        runtime.sleep(Duration::from_millis(100)).await;
        assert_eq!(front.asked().len(), 1, "{answer:?}");
        assert!(pool.dial_error(&url(front.url())).is_none(), "its WebSocket is well");
    }
}

/// A runtime whose clock can be set forward.
#[derive(Clone)]
struct Later<R> {
    inner: R,
    by: Arc<AtomicU64>,
}

impl<R: Runtime> Runtime for Later<R> {
    as_inner!(sleep, yield_now, spawn, resolve, connect, websocket);

    fn now(&self) -> Instant {
        self.inner.now() + Duration::from_secs(self.by.load(Ordering::SeqCst))
    }
}

/// Ten minutes after a failure, and a day after a success, if a connection opens then.
pub async fn asks_again_when_the_time_has_come<R: Runtime>(runtime: R) {
    const MINUTE: u64 = 60;
    let later = Later { inner: runtime.clone(), by: Arc::default() };
    let server = relay();
    let good = Arc::new(AtomicBool::new(false));
    let is_good = good.clone();
    let front = Documents::start(&server, move |tcp| {
        let status = if is_good.load(Ordering::SeqCst) { 200 } else { 500 };
        say_and_end(tcp, format!("HTTP/1.0 {status} So\r\n\r\n{DOCUMENT}").as_bytes())
    });
    let pool = build(&later, builder().relay(front.url()).fetch_relay_info(true));
    connect(&pool).await;
    for (minutes, asked) in [(0, 1), (9, 1), (2, 2), (9, 2), (2, 3), (23 * 60, 3), (61, 4), (23 * 60, 4), (61, 5)] {
        good.store(asked > 2, Ordering::SeqCst);
        later.by.fetch_add(minutes * MINUTE, Ordering::SeqCst);
        reconnect(&runtime, &pool).await;
        until(&runtime, "it is asked", || front.asked().len() >= asked).await;
        runtime.sleep(Duration::from_millis(100)).await;
        assert_eq!(front.asked().len(), asked);
    }
    learns_it(&runtime, &pool).await;
}

/// On demand, whether the pool fetches by itself or not, and without a connection. One that came on demand is not fetched
/// again when a connection opens.
pub async fn returns_a_document_and_keeps_to_it<R: Runtime>(runtime: R) {
    let server = relay();
    for by_itself in [false, true] {
        let front = Documents::serve(&server, DOCUMENT);
        let pool = build(&runtime, builder().relay(front.url()).fetch_relay_info(by_itself));
        let info = pool.relay_info(&url(front.url())).await.unwrap();
        assert_eq!((info.name.as_deref(), info.limitation.max_message_length), (Some("a relay"), Some(2_000)));
        assert_eq!(pool.relays()[0].dials, 0, "the document alone");
        assert!(keeps_to_it(&pool, 1).await);
        assert_eq!(pool.relay_info_json(&url(front.url())).await.unwrap(), DOCUMENT);
        connect(&pool).await;
        runtime.sleep(Duration::from_millis(100)).await;
        assert_eq!(front.asked().len(), 2, "when it is wanted, and then only");

        let unknown = url("ws://relay.invalid");
        let refused = pool.relay_info(&unknown).await.unwrap_err();
        assert!(matches!(&refused, RelayInfoError::Call(CallError::UnknownRelay(u)) if *u == unknown), "{refused:?}");
        pool.shutdown(Duration::ZERO).await;
        let refused = pool.relay_info(&url(front.url())).await.unwrap_err();
        assert!(matches!(refused, RelayInfoError::Call(CallError::Closed)), "{refused:?}");
    }
}

/// The same URL, with the headers of a dial, over TLS, through a proxy.
pub async fn asks_for_it_as_it_dials<R: Runtime>(runtime: R) {
    let server = relay();
    let front = Documents::serve(&server, DOCUMENT);
    let authority = Authority::new("ours");
    let tls = TlsFront::before(front.address(), authority.vouch("relay.invalid", Valid::Now));
    let proxy = SocksFront::start(Socks::To(tls.address()));
    let relay = url("wss://relay.invalid:444/some%20path?and=query");
    let all = Headers::new().with("X-Client", "test").unwrap().with("Accept", "text/html").unwrap();
    let own = Headers::new().with("Authorization", "Bearer 1").unwrap();
    let roots = Roots::none().with(authority.certificate());
    let builder = builder().relay(&relay).headers(all).relay_headers(&relay, own).user_agent("me/1").roots(roots);
    let pool = build(&runtime, builder.proxy(proxy.url().parse().unwrap()));
    assert_eq!(pool.relay_info_json(&relay).await.unwrap(), DOCUMENT);
    let asked = proxy.asked();
    assert_eq!((asked.len(), asked[0].host.as_str(), asked[0].port), (1, "relay.invalid", 444));
    assert_eq!(
        front.asked(),
        ["GET /some%20path?and=query HTTP/1.0\r\nHost: relay.invalid:444\r\nConnection: close\r\n\
         Accept: application/nostr+json\r\nAccept-Encoding: identity\r\nUser-Agent: me/1\r\nX-Client: test\r\n\
         Authorization: Bearer 1\r\n\r\n"]
    );

    let wary = build(&runtime, super::builder().relay(tls.url("127.0.0.1")));
    let why = refused(&runtime, &wary, &url(tls.url("127.0.0.1"))).await;
    assert!(matches!(why, RelayInfoError::Unreachable(SocketError::Certificate(_))), "{why:?}");
}

/// Where a dial would go and nowhere else, with the errors of a dial.
pub async fn goes_where_a_dial_would_go_for_it<R: Runtime>(runtime: R) {
    let server = relay();
    let front = Documents::serve(&server, DOCUMENT);
    let routed = Routed::new(runtime.clone(), [("127.0.0.1", Leads::To(front.address()))]);
    let hint = url("wss://relay.example.com");
    let resolver = |_: String, port: u16| async move { Ok(vec![([127, 0, 0, 1], port).into()]) }.boxed();
    let hinted = RelayOptions { origin: Origin::Hinted, ..RelayOptions::default() };
    let pool = build(&routed, builder().relay_with(&hint, hinted).resolver(resolver));
    let why = refused(&runtime, &pool, &hint).await;
    assert!(matches!(why, RelayInfoError::Unreachable(SocketError::NotPublic { .. })), "{why:?}");
    assert!(why.to_string().starts_with("not dialled, for an event named it"), "{why}");
    assert_eq!((routed.dialled().len(), pool.unsafe_addresses()), (0, 1));

    let (onion, nobody) = (url("ws://abc.onion"), url("ws://relay.invalid:1"));
    let resolver = |_: String, port: u16| async move { Ok(vec![([10, 0, 0, 9], port).into()]) }.boxed();
    let pool = build(&routed, builder().relay(&onion).relay(&nobody).resolver(resolver));
    let why = refused(&runtime, &pool, &onion).await;
    assert!(matches!(why, RelayInfoError::Unreachable(SocketError::OnionWithoutProxy)), "{why:?}");
    let why = refused(&runtime, &pool, &nobody).await;
    assert!(why.to_string().starts_with("cannot connect to 10.0.0.9:1: "), "{why}");
    assert!(front.asked().is_empty());
    assert!(pool.dial_error(&nobody).is_none(), "that tells of WebSockets");
}

/// Any status but 200 is told, and where to is nobody's business.
pub async fn follows_no_redirect_for_it<R: Runtime>(runtime: R) {
    let server = relay();
    let elsewhere = Raw::start(|tcp| say_and_end(tcp, b"HTTP/1.0 200 OK\r\n\r\n{}"));
    for status in [201, 204, 301, 302, 307, 308, 400, 403, 404, 426, 503] {
        let answer = format!("HTTP/1.1 {status} So\r\nLocation: http://{}/\r\n\r\n{{}}", elsewhere.address());
        let front = Documents::say(&server, answer);
        let pool = build(&runtime, builder().relay(front.url()));
        let why = refused(&runtime, &pool, &url(front.url())).await;
        assert!(matches!(why, RelayInfoError::Refused { status: s } if s == status), "{status}: {why:?}");
        let end = if (300..400).contains(&status) { ": redirects are not followed" } else { "" };
        assert_eq!(why.to_string(), format!("the server answered with HTTP {status}{end}"));
    }
    assert_eq!(elsewhere.accepted(), 0);
}

/// Sends without end, until the client has had enough. How much left is what the client read, and what buffers hold.
fn without_end(mut tcp: TcpStream, head: &[u8], sent: &AtomicUsize) -> io::Result<()> {
    tcp.write_all(head)?;
    loop {
        tcp.write_all(&[b' '; 4 << 10])?;
        sent.fetch_add(4 << 10, Ordering::SeqCst);
    }
}

/// Whatever a server says is a document or an error with a name, at once and without reading on.
pub async fn survives_hostile_answers<R: Runtime>(runtime: R) {
    let server = relay();
    let ok = |rest: &str| format!("HTTP/1.1 200 OK\r\n{rest}").into_bytes();
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(30_000), "]".repeat(30_000));
    let objects = "{\"a\":".repeat(13_000);
    let binary: Vec<u8> = (0..=255).cycle().take(60_000).collect();
    for (answer, expected) in [
        (ok("Content-Length: 100\r\n\r\n{}"), "the connection ended before the answer did"),
        (ok("Content-Length: 1\r\n\r\n{}"), "no information document: at byte 1: "),
        (ok("Content-Length: 70000\r\n\r\n{}"), "the document is longer than 64 KiB"),
        (ok("Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"), "the answer does not say how long it is"),
        (ok("Transfer-Encoding: chunked\r\n\r\n{}"), "the answer comes in chunks that are none"),
        (ok("Content-Encoding: gzip\r\n\r\n{}"), "the answer is encoded in a way that was not asked for"),
        (ok(&format!("\r\n{deep}")), "no information document: at byte "),
        (ok(&format!("\r\n{objects}")), "no information document: at byte "),
        (ok("\r\n<!DOCTYPE html>"), "no information document: at byte 0: "),
        (ok("\r\n[1]"), "no information document: at byte 0: "),
        (ok("\r\nnull"), "no information document: at byte 0: "),
        (ok("\r\n"), "no information document: at byte 0: "),
        (ok("\r\n{\"name\":\"a\"} {}"), "no information document: at byte "),
        ([ok("\r\n"), binary].concat(), "no information document: it is not UTF-8"),
        (ok(&format!("{}\r\n{{}}", "X: x\r\n".repeat(65))), "the answer's head has more than 16 KiB or 64 headers"),
        (ok(&format!("X: {}\r\n\r\n{{}}", "x".repeat(17 << 10))), "the answer's head has more than 16 KiB"),
        (b"SSH-2.0-server\r\n\r\n".to_vec(), "the answer is no HTTP/1.0 or HTTP/1.1"),
        (b"HTTP/1.1 200 OK\r\nX: ".to_vec(), "the connection ended before the answer did"),
        (Vec::new(), "the connection ended before the answer did"),
    ] {
        let front = Documents::say(&server, answer.clone());
        let pool = build(&runtime, builder().relay(front.url()));
        let why = refused(&runtime, &pool, &url(front.url())).await.to_string();
        assert!(why.starts_with(expected), "{:?}: {why}", String::from_utf8_lossy(&answer[..answer.len().min(60)]));
    }
    let endless: [(&'static [u8], &str); 4] = [
        (b"HTTP/1.1 200 OK\r\nX: ", "the answer's head has more than 16 KiB or 64 headers"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "the document is longer than 64 KiB"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", "the answer comes in chunks that are none"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffff\r\n", "the document is longer than 64 KiB"),
    ];
    for (head, expected) in endless {
        let sent = Arc::new(AtomicUsize::new(0));
        let count = sent.clone();
        let front = Documents::start(&server, move |tcp| {
            // It ends by the client's hanging up, and says so by a count that is out of reach otherwise.
            let ended = without_end(tcp, head, &count);
            count.fetch_add(1 << 30, Ordering::SeqCst);
            ended
        });
        let pool = build(&runtime, builder().relay(front.url()));
        assert_eq!(refused(&runtime, &pool, &url(front.url())).await.to_string(), expected);
        until(&runtime, "the client hangs up", || sent.load(Ordering::SeqCst) >= 1 << 30).await;
        let sent = sent.load(Ordering::SeqCst) - (1 << 30);
        // Beyond what was read there is what the system's buffers hold.
        assert!(sent < 16 << 20, "{sent} bytes");
    }
}

/// Servers that take their time are given so much and no more, wherever they begin to.
pub async fn waits_for_it_so_long<R: Runtime>(runtime: R) {
    let server = relay();
    let steps = StepDeadlines { info: Duration::from_millis(300), ..StepDeadlines::default() };
    let drip = |head: &'static str, body: &'static str| {
        move |mut tcp: TcpStream| {
            tcp.write_all(head.as_bytes())?;
            for byte in body.bytes().cycle() {
                thread::sleep(Duration::from_millis(10));
                tcp.write_all(&[byte])?;
            }
            Ok(())
        }
    };
    let fronts = [
        Documents::start(&server, |mut tcp| io::copy(&mut tcp, &mut io::sink()).map(drop)),
        Documents::start(&server, drip("", "HTTP/1.1 200 OK\r\n")),
        Documents::start(&server, drip("HTTP/1.1 200 OK\r\n\r\n", " ")),
        Documents::start(&server, drip("HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n", " ")),
        Documents::start(&server, drip("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\n \r\n")),
        // It has said everything, and does not say that.
        Documents::start(&server, |mut tcp| {
            tcp.write_all(b"HTTP/1.1 200 OK\r\n\r\n{}")?;
            io::copy(&mut tcp, &mut io::sink()).map(drop)
        }),
    ];
    for (n, front) in fronts.iter().enumerate() {
        let pool = build(&runtime, builder().relay(front.url()).step_deadlines(steps));
        let begun = runtime.now();
        let why = refused(&runtime, &pool, &url(front.url())).await;
        assert!(matches!(why, RelayInfoError::TimedOut { after } if after == steps.info), "{n}: {why:?}");
        assert_eq!(why.to_string(), "the document was not there within 300ms");
        assert!(runtime.now() - begun >= steps.info, "{n}");
    }
    // The dial is part of it, and has an error of its own.
    let lost = Routed::new(runtime.clone(), [("10.0.0.1", Leads::Nowhere)]);
    let pool = build(&lost, builder().relay("ws://10.0.0.1").step_deadlines(steps));
    let why = refused(&runtime, &pool, &url("ws://10.0.0.1")).await;
    let RelayInfoError::Unreachable(SocketError::TimedOut { step: Step::Connect, whole: true, .. }) = why else {
        panic!("another error: {why:?}")
    };
}

/// A server that lets requests wait until it is told to answer, and knows how many wait.
fn held(server: &Server) -> (Documents, Arc<AtomicUsize>, Arc<AtomicUsize>) {
    let (waiting, answered) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (count, answer) = (waiting.clone(), answered.clone());
    let front = Documents::start(server, move |mut tcp| {
        count.fetch_add(1, Ordering::SeqCst);
        tcp.set_read_timeout(Some(Duration::from_millis(5)))?;
        // Until it is told, or the client hangs up.
        while answer.load(Ordering::SeqCst) == 0 {
            match tcp.read(&mut [0]) {
                Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
                _ => {
                    count.fetch_sub(1, Ordering::SeqCst);
                    return Ok(());
                }
            }
        }
        count.fetch_sub(1, Ordering::SeqCst);
        tcp.write_all(b"HTTP/1.0 200 OK\r\n\r\n{}")?;
        tcp.shutdown(Shutdown::Write)
    });
    (front, waiting, answered)
}

/// The others wait for their turn, and each has its own.
pub async fn fetches_eight_at_once<R: Runtime>(runtime: R) {
    let server = relay();
    let (front, waiting, answered) = held(&server);
    let urls: Vec<RelayUrl> = (0..20).map(|n| url(format!("{}/{n}", front.url()))).collect();
    let pool = build(&runtime, urls.iter().fold(builder(), |builder, url| builder.relay(url)));
    let mut fetches: Vec<_> = urls.iter().map(|url| Some(pool.relay_info(url))).collect();
    let eight = || waiting.load(Ordering::SeqCst) == 8;
    until(&runtime, "eight are under way", eight).await;
    runtime.sleep(Duration::from_millis(100)).await;
    assert!(eight() && front.asked().len() == 8);
    // One that waits and is dropped makes no room, one that is under way does.
    let is_asked = |n: &usize| front.asked().iter().any(|head| head.starts_with(&format!("GET /{n} ")));
    let (asked, not_asked): (Vec<usize>, Vec<usize>) = (0..20).partition(is_asked);
    drop(fetches[not_asked[0]].take());
    runtime.sleep(Duration::from_millis(50)).await;
    assert_eq!(front.asked().len(), 8);
    drop(fetches[asked[3]].take());
    until(&runtime, "the ninth is asked", || front.asked().len() == 9).await;
    runtime.sleep(Duration::from_millis(50)).await;
    assert!(eight() && front.asked().len() == 9);
    answered.store(1, Ordering::SeqCst);
    let all = join_all(fetches.into_iter().flatten()).await;
    assert_eq!((all.len(), all.iter().filter(|got| got.is_ok()).count()), (18, 18));
    assert_eq!(front.asked().len(), 19);
}

/// It is hung up on, and its task ends.
pub async fn ends_a_fetch_that_nobody_waits_for<R: Runtime>(runtime: R) {
    let runtime = Counting::new(runtime);
    let server = relay();
    let (front, waiting, _answered) = held(&server);
    let pool = build(&runtime, builder().relay(front.url()));
    let fetch = pool.relay_info(&url(front.url()));
    until(&runtime, "it is begun without being awaited", || waiting.load(Ordering::SeqCst) == 1).await;
    assert_eq!(runtime.alive(), 2, "a timer and a fetch");
    drop(fetch);
    until(&runtime, "it is hung up on", || waiting.load(Ordering::SeqCst) == 0).await;
    until(&runtime, "its task has ended", || runtime.alive() == 1).await;
}

/// Those that were wanted say so, and nothing is left of those that were not.
pub async fn ends_fetches_with_the_pool<R: Runtime>(runtime: R) {
    let server = relay();
    for shut_down in [true, false] {
        let runtime = Counting::new(runtime.clone());
        let (front, waiting, _answered) = held(&server);
        let urls: Vec<RelayUrl> = (0..12).map(|n| url(format!("{}/{n}", front.url()))).collect();
        let pool = urls.iter().fold(builder().fetch_relay_info(true), |builder, url| builder.relay(url));
        let config = Config { max_connections: 2, ..quick() };
        let pool = build(&runtime, pool.config(config));
        let _dialling = pool.connect(PATIENCE, Connect::Strict);
        until(&runtime, "they are under way", || waiting.load(Ordering::SeqCst) == 2).await;
        let fetches: Vec<_> = urls.iter().map(|url| pool.relay_info(url)).collect();
        until(&runtime, "there is room for no more", || waiting.load(Ordering::SeqCst) == 8).await;
        let begun = runtime.now();
        if shut_down {
            pool.shutdown(PATIENCE).await;
        } else {
            drop(pool);
        }
        for got in join_all(fetches).await {
            let why = got.unwrap_err();
            assert!(matches!(why, RelayInfoError::Call(CallError::Closed)), "{why:?}");
        }
        until(&runtime, "every task has ended", || runtime.alive() == 0).await;
        until(&runtime, "all are let go", || waiting.load(Ordering::SeqCst) == 0).await;
        assert!(runtime.now() - begun < PATIENCE / 4);
    }
}

/// The core is told by a call, and so a recording has it.
pub async fn records_what_it_fetched<R: Runtime>(runtime: R) {
    let server = relay();
    let front = Documents::serve(&server, DOCUMENT);
    let shelf = Shelf::default();
    let builder = builder().relay(front.url()).fetch_relay_info(true);
    let pool = build(&runtime, builder.record(shelf.record_to(), RecordOptions::default()));
    connect(&pool).await;
    learns_it(&runtime, &pool).await;
    pool.shutdown(PATIENCE / 4).await;
    let bytes = shelf.bytes();
    let (_, stats) = replayed(&bytes);
    assert_eq!(stats, pool.stats());
    let recording = Recording::read(&bytes).unwrap();
    let told = recording.steps.iter().filter(|step| {
        let Fed::Call(call) = &step.fed else { return false };
        matches!(&**call, Call::RelayInfo { info, .. } if info.name.as_deref() == Some("a relay"))
    });
    assert_eq!(told.count(), 1);
}
