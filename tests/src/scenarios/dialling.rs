//! Steps of a dial: who is looked up, which address is dialled, what the upgrade says and takes, and how long each waits.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use futures::future::pending;
use futures::{FutureExt, StreamExt};
use nostr_pool_driver::{
    AddRelayError, CallError, ConnectionState, FetchOptions, Headers, Origin, RelayOptions, RelayUpdate, Resolver,
    Roots, Runtime, SocketError, Step, StepDeadlines, SubscribeOptions, Target, Which,
};

use super::*;
use crate::fronts::{Authority, Raw, TlsFront, Valid, address_of, read_head, splice};
use crate::routed::{Leads, Routed};

/// Addresses of the internet, and of nobody's network at home.
const PUBLIC: &str = "93.184.216.34";
const PUBLIC_V6: &str = "2606:2800:220:1::1";

fn hinted() -> RelayOptions {
    RelayOptions { origin: Origin::Hinted, ..RelayOptions::default() }
}

/// Lists of addresses, one per look-up.
type Answers = &'static [&'static [&'static str]];

/// A resolver that gives one answer after the other, and the last one again and again; and how often it was asked.
fn answers(answers: Answers) -> (impl Resolver, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let resolver = move |_: String, port: u16| {
        let nth = count.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
        let list = answers[nth].iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), port)).collect();
        async move { Ok(list) }.boxed()
    };
    (resolver, asked)
}

/// A relay behind TLS, as `relay.example.com`, and whom to trust for it.
fn secure(server: &Server) -> (TlsFront, Roots) {
    let authority = Authority::new("ours");
    let front = TlsFront::start(server, authority.vouch("relay.example.com", Valid::Now));
    (front, Roots::none().with(authority.certificate()))
}

const HINT: &str = "wss://relay.example.com";

/// What a hint's name stands for is dialled where it is public, and nowhere else.
pub async fn dials_hints_at_public_addresses_only<R: Runtime>(runtime: R) {
    let server = relay();
    let (front, roots) = secure(&server);
    let to = Leads::To(front.address());
    let routes = || {
        let all = [PUBLIC, PUBLIC_V6, "64:ff9b::5db8:d822", "127.0.0.1", "10.0.0.1", "fd00::1", "::ffff:5db8:d822"];
        Routed::new(runtime.clone(), all.map(|ip| (ip, to)))
    };
    let cases: [(Answers, &[&str], Option<&str>); 8] = [
        (&[&[PUBLIC]], &[PUBLIC], None),
        (&[&[PUBLIC_V6]], &[PUBLIC_V6], None),
        (&[&["64:ff9b::5db8:d822"]], &["64:ff9b::5db8:d822"], None),
        // Among others, those that are public.
        (&[&["127.0.0.1", "fd00::1", PUBLIC, "10.0.0.1"]], &[PUBLIC], None),
        (&[&["127.0.0.1"]], &[], Some("127.0.0.1 (loopback)")),
        (&[&["fd00::1", "127.0.0.1", "10.0.0.1"]], &[], Some("fd00::1 (unique local) and 2 more")),
        (&[&["::ffff:5db8:d822"]], &[], Some("::ffff:93.184.216.34 (IPv4-mapped)")),
        (&[&["64:ff9b::7f00:1"]], &[], Some("64:ff9b::7f00:1 (loopback)")),
    ];
    for (list, dialled, refused) in cases {
        let runtime = routes();
        let (resolver, asked) = answers(list);
        let pool = build(&runtime, builder().relay_with(HINT, hinted()).resolver(resolver).roots(roots.clone()));
        match refused {
            None => connect(&pool).await,
            Some(told) => assert_eq!(
                refusal(&pool).await,
                format!("not dialled, for an event named it and its address is not public: {told}")
            ),
        }
        if refused.is_some() {
            let failure = pool.dial_error(&RelayUrl::parse(HINT).unwrap());
            assert!(matches!(failure.as_deref(), Some(SocketError::NotPublic { .. })), "{failure:?}");
        }
        assert_eq!(runtime.dialled(), dialled, "{list:?}");
        assert!(asked.load(Ordering::SeqCst) >= 1);
        assert_eq!(runtime.looked_up(), 0, "the runtime is not asked beside the resolver");
        let left_out = u64::try_from(list[0].len() - dialled.len()).unwrap();
        assert!(pool.unsafe_addresses() >= left_out && (left_out > 0 || pool.unsafe_addresses() == 0));
    }
}

/// A name that is public when it is checked and private when it is dialled: it is looked up once, and what was checked is
/// dialled.
pub async fn is_not_rebound<R: Runtime>(runtime: R) {
    let server = relay();
    let (front, roots) = secure(&server);
    let runtime = Routed::new(runtime, [PUBLIC, "127.0.0.1"].map(|ip| (ip, Leads::To(front.address()))));
    let (resolver, asked) = answers(&[&[PUBLIC], &["127.0.0.1"]]);
    let pool = build(&runtime, builder().relay_with(HINT, hinted()).resolver(resolver).roots(roots));
    connect(&pool).await;
    assert_eq!((runtime.dialled(), asked.load(Ordering::SeqCst)), (vec![PUBLIC.to_owned()], 1));

    // The next dial looks it up again, and so checks it again.
    server.kill();
    server.revive().unwrap();
    let url = RelayUrl::parse(HINT).unwrap();
    until(&runtime, "the private address is refused", || {
        pool.relay(&url).unwrap().last_error.is_some_and(|e| e.ends_with("127.0.0.1 (loopback)"))
    })
    .await;
    assert_eq!(runtime.dialled(), [PUBLIC]);
}

/// Hosts that are addresses are checked as well, however they are spelled, and nobody is asked for them.
pub async fn checks_addresses_in_urls<R: Runtime>(runtime: R) {
    let runtime = Routed::new(runtime, []);
    for (url, told) in [
        ("wss://127.0.0.1", "127.0.0.1 (loopback)"),
        ("wss://0x7f.1:444", "127.0.0.1 (loopback)"),
        ("wss://2130706433", "127.0.0.1 (loopback)"),
        ("wss://[::1]", "::1 (loopback)"),
        ("wss://[::ffff:10.0.0.1]", "::ffff:10.0.0.1 (IPv4-mapped)"),
        ("wss://169.254.169.254", "169.254.169.254 (link-local)"),
        ("wss://255.255.255.255", "255.255.255.255 (reserved)"),
    ] {
        let (resolver, asked) = answers(&[&[PUBLIC]]);
        let pool = build(&runtime, builder().relay_with(url, hinted()).resolver(resolver));
        let expected = format!("not dialled, for an event named it and its address is not public: {told}");
        assert_eq!(refusal(&pool).await, expected, "{url}");
        assert_eq!(asked.load(Ordering::SeqCst), 0);
    }
    assert_eq!(runtime.dialled(), [""; 0]);
}

/// The user may go anywhere; an event only by `wss`, also where a call names the relays. Who is named by both is typed.
pub async fn knows_who_named_a_relay<R: Runtime>(runtime: R) {
    let server = relay();
    store(&server, [note(1)]);
    let url = url_of(&server);
    let pool = build(&runtime, builder());
    let refused = pool.add_relay(&url, hinted()).unwrap_err();
    assert!(matches!(refused, AddRelayError::Call { error: CallError::InsecureHint(_), .. }), "{refused}");
    let insecure = CallError::InsecureHint(url.clone());
    let to = Target::Hinted(vec![url.clone()]);
    let subscribed = pool.subscribe([notes()], SubscribeOptions::default().with_target(to.clone()));
    assert_eq!(subscribed.unwrap_err(), insecure);
    assert!(pool.relays().is_empty());

    // The user added it: now a hint may name it, too.
    pool.add_relay(&url, RelayOptions { read: false, ..RelayOptions::default() }).unwrap();
    let fetched = pool.fetch([notes()], FetchOptions::default().with_target(to)).await.unwrap();
    assert_eq!(fetched.events.len(), 1);

    // A private address behind `wss`: refused while only an event named it, dialled once the user does.
    let (front, roots) = secure(&server);
    let runtime = Routed::new(runtime, [("10.0.0.1", Leads::To(front.address()))]);
    let (resolver, _) = answers(&[&["10.0.0.1"]]);
    let pool = build(&runtime, builder().resolver(resolver).roots(roots));
    let hint = RelayUrl::parse(HINT).unwrap();
    let options = SubscribeOptions::default().with_target(Target::Hinted(vec![hint.clone()]));
    let _subscription = pool.subscribe([notes()], options).unwrap();
    until(&runtime, "it is refused", || pool.relay(&hint).unwrap().last_error.is_some()).await;
    assert!(runtime.dialled().is_empty());
    let fetched = pool.fetch([notes()], FetchOptions::default().with_relays([hint.clone()])).await.unwrap();
    assert!(fetched.events.len() <= 1);
    until(&runtime, "it is open", || pool.relay(&hint).unwrap().state == ConnectionState::Open).await;
    assert_eq!(pool.relay(&hint).unwrap().options.origin, Origin::Typed);
}

/// A resolver of the application's takes the place of the runtime's, and has its port from the URL.
pub async fn asks_the_resolver_that_it_was_given<R: Runtime>(runtime: R) {
    let server = relay();
    let there = address_of(&server);
    let asked = Arc::new(Mutex::new(Vec::new()));
    let book = asked.clone();
    let resolver = move |host: String, port: u16| {
        book.lock().unwrap().push((host, port));
        async move { Ok(vec![there]) }.boxed()
    };
    let pool = build(&runtime, builder().relay("ws://relay.invalid:7777").relay(server.url()).resolver(resolver));
    connect(&pool).await;
    assert_eq!(*asked.lock().unwrap(), [("relay.invalid".to_owned(), 7777)]);

    let nothing = |_: String, _: u16| async { Ok(Vec::new()) }.boxed();
    let refused = refusal(&build(&runtime, builder().relay("ws://relay.invalid").resolver(nothing))).await;
    assert_eq!(refused, "cannot resolve the host: the host has no address");
    // Of more addresses than anybody has, eight are dialled.
    let many = |_: String, _: u16| {
        let all = (0..=u16::MAX).map(|n| SocketAddr::from(([10, 0, n.to_be_bytes()[0], n.to_be_bytes()[1]], 1)));
        std::future::ready(Ok(all.collect())).boxed()
    };
    let runtime = Routed::new(runtime, []);
    let pool = build(&runtime, builder().relay("ws://relay.invalid").resolver(many));
    refusal(&pool).await;
    pool.disconnect(Which::All, 1000, "").unwrap();
    assert!(
        runtime.dialled().len() < 64
            && runtime.dialled()[..8].concat() == (0..8).map(|n| format!("10.0.0.{n}")).collect::<String>()
    );
}

/// Each step has its own deadline, and its failure names it, and with whom it was.
pub async fn gives_up_on_each_step_in_its_time<R: Runtime>(runtime: R) {
    let short = Duration::from_millis(300);
    let mute = Raw::start(|mut tcp| io::copy(&mut tcp, &mut io::sink()).map(drop));
    let dripping = Raw::start(|mut tcp| {
        read_head(&mut tcp)?;
        loop {
            tcp.write_all(b"H")?;
            thread::sleep(Duration::from_millis(20));
        }
    });
    let lost = Routed::new(runtime.clone(), [("10.0.0.1", Leads::Nowhere), ("10.0.0.2", Leads::Nowhere)]);
    let usual = StepDeadlines::default();
    let never = |_: String, _: u16| pending().boxed();
    let told = |what: &str| format!("{what} was not done within 300ms");

    let steps = StepDeadlines { resolve: short, ..usual };
    let pool = build(&runtime, builder().relay("ws://relay.invalid").resolver(never).step_deadlines(steps));
    assert_eq!(refusal(&pool).await, told("resolving the host"));

    let steps = StepDeadlines { connect: short, ..usual };
    let (resolver, _) = answers(&[&["10.0.0.1", "10.0.0.2"]]);
    let pool = build(&lost, builder().relay("ws://relay.invalid:1").resolver(resolver).step_deadlines(steps));
    assert_eq!(refusal(&pool).await, told("connecting, 10.0.0.2:1,"));

    let steps = StepDeadlines { tls: short, ..usual };
    let pool = build(&runtime, builder().relay(format!("wss://{}", mute.address())).step_deadlines(steps));
    assert_eq!(refusal(&pool).await, told(&format!("the TLS handshake, {},", mute.address())));
    let failure = pool.dial_error(&pool.relays()[0].url);
    let Some(SocketError::TimedOut { step: Step::Tls, address: Some(with), after, whole: false }) = failure.as_deref()
    else {
        panic!("another error: {failure:?}")
    };
    assert_eq!((*with, *after), (mute.address(), short));

    let steps = StepDeadlines { upgrade: short, ..usual };
    for server in [&mute, &dripping] {
        let pool = build(&runtime, builder().relay(format!("ws://{}", server.address())).step_deadlines(steps));
        assert_eq!(refusal(&pool).await, told(&format!("the WebSocket upgrade, {},", server.address())));
    }

    let config = Config { dial_deadline: Duration::from_millis(320), ..quick() };
    let pool = build(&runtime, builder().config(config).relay(format!("ws://{}", mute.address())));
    assert!(pool.dial_error(&pool.relays()[0].url).is_none(), "it was not dialled yet");
    let told = told(&format!("the WebSocket upgrade, {},", mute.address()));
    assert_eq!(refusal(&pool).await, format!("{told} of dialling"));
}

/// The upgrade says what it was told to say, of the pool and of the relay, and offers nothing.
pub async fn sends_its_headers<R: Runtime>(runtime: R) {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let book = heads.clone();
    let server = Raw::start(move |mut tcp| {
        let head = read_head(&mut tcp)?;
        book.lock().unwrap().push(head);
        tcp.write_all(b"HTTP/1.1 418 No\r\n\r\n")
    });
    let (plain, special) = (format!("ws://{}", server.address()), format!("ws://{}/x?y=z", server.address()));
    let all = Headers::new().with("X-Client", "test").unwrap().with("Authorization", "none").unwrap();
    let own = Headers::new().with("authorization", "Bearer 1").unwrap();
    let builder = builder().headers(all).relay_headers(&special, own).user_agent("me/1");
    let pool = build(&runtime, builder.relay(&plain).relay(&special));
    until(&runtime, "both were dialled", || {
        drop(pool.connect(Duration::ZERO, Connect::Lenient));
        heads.lock().unwrap().iter().any(|head| head.starts_with("GET / "))
            && heads.lock().unwrap().iter().any(|head| head.starts_with("GET /x?y=z "))
    })
    .await;
    for head in heads.lock().unwrap().iter() {
        let mut lines: Vec<_> = head.trim_end().lines().collect();
        let own = if lines.remove(0).starts_with("GET /x") { "authorization: Bearer 1" } else { "Authorization: none" };
        lines.retain(|line| !line.starts_with("Sec-WebSocket-Key: "));
        lines.sort_unstable();
        let host = format!("Host: {}", server.address());
        let mut expected = [
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "User-Agent: me/1",
            "X-Client: test",
            &host,
            own,
        ];
        expected.sort_unstable();
        assert_eq!(lines, expected);
    }

    let url = RelayUrl::parse(&plain).unwrap();
    pool.set_relay_headers(&url, Headers::new().with("X-Client", "other").unwrap()).unwrap();
    until(&runtime, "the new ones are sent", || {
        heads.lock().unwrap().iter().any(|head| head.starts_with("GET / ") && head.contains("\r\nX-Client: other\r\n"))
    })
    .await;
    let unknown = RelayUrl::parse("ws://relay.invalid").unwrap();
    assert_eq!(pool.set_relay_headers(&unknown, Headers::new()), Err(CallError::UnknownRelay(unknown)));
}

/// An answer that is none ends the dial, and leads nowhere else.
pub async fn refuses_every_odd_answer<R: Runtime>(runtime: R) {
    let elsewhere = Raw::start(|_| Ok(()));
    let failed = |what: &str| format!("WebSocket upgrade failed: {what}");
    let status = |status: u16| format!("the server answered the WebSocket upgrade with HTTP {status}");
    let moved = |status: u16| {
        let answer = format!("HTTP/1.1 {status} Moved\r\nLocation: ws://{}/\r\n\r\n", elsewhere.address());
        let told = format!("the server answered the WebSocket upgrade with HTTP {status}: redirects are not followed");
        (answer, told)
    };
    let mut cases = [301, 302, 303, 307, 308].map(moved).to_vec();
    cases.extend([
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi".to_owned(), status(200)),
        ("HTTP/1.1 403 Forbidden\r\n\r\n".to_owned(), status(403)),
        ("HTTP/1.1 503 Later\r\n\r\n".to_owned(), status(503)),
        ("HTTP/1.1 101 Yes\r\n\r\n".to_owned(), failed("the answer does not switch to the WebSocket protocol")),
        (
            "HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n"
                .to_owned(),
            failed("the answer does not answer our key"),
        ),
        ("SSH-2.0-server\r\n\r\n".to_owned(), failed("the answer is no HTTP/1.1")),
        ("HTTP/1.1 101 Yes\r\nUpgr".to_owned(), failed("the connection ended before the answer did")),
        (String::new(), failed("the connection ended before the answer did")),
        (
            format!("HTTP/1.1 101 Yes\r\nX: {}\r\n\r\n", "x".repeat(17 << 10)),
            failed("the answer's head has more than 16 KiB or 64 headers"),
        ),
        (
            format!("HTTP/1.1 101 Yes\r\n{}\r\n", "X: x\r\n".repeat(65)),
            failed("the answer's head has more than 16 KiB or 64 headers"),
        ),
    ]);
    for (answer, expected) in cases {
        let server = Raw::start(move |mut tcp| {
            read_head(&mut tcp)?;
            tcp.write_all(answer.as_bytes())?;
            tcp.shutdown(std::net::Shutdown::Write)?;
            // Unread bytes would reset the connection under the answer.
            io::copy(&mut tcp, &mut io::sink()).map(drop)
        });
        let refused = refusal(&build(&runtime, builder().relay(format!("ws://{}", server.address())))).await;
        assert_eq!(refused, expected);
    }
    // What a relay of this test would say, but for one line more.
    for (line, expected) in [
        ("Sec-WebSocket-Extensions: permessage-deflate", "the answer names an extension that was not offered"),
        ("Sec-WebSocket-Protocol: nostr", "the answer names a subprotocol that was not offered"),
    ] {
        let server = relay();
        let front =
            edited(&server, move |head| head.replacen("\r\n\r\n", &format!("\r\n{line}\r\n\r\n"), 1).into_bytes());
        let refused = refusal(&build(&runtime, builder().relay(format!("ws://{}", front.address())))).await;
        assert_eq!(refused, failed(expected));
    }
    assert_eq!(elsewhere.accepted(), 0);
}

/// A server in front of a relay that changes the head of the answer.
fn edited(server: &Server, edit: impl Fn(String) -> Vec<u8> + Send + Sync + 'static) -> Raw {
    let upstream = address_of(server);
    Raw::start(move |mut tcp| {
        let mut relay = TcpStream::connect(upstream)?;
        relay.write_all(read_head(&mut tcp)?.as_bytes())?;
        let head = read_head(&mut relay)?;
        tcp.write_all(&edit(head))?;
        splice(&tcp, &relay)
    })
}

/// The answer in pieces, and with what follows in one piece.
pub async fn reads_an_answer_however_it_comes<R: Runtime>(runtime: R) {
    let server = relay();
    store(&server, [note(1)]);
    let upstream = address_of(&server);
    let dripping = Raw::start(move |mut tcp| {
        let mut relay = TcpStream::connect(upstream)?;
        relay.write_all(read_head(&mut tcp)?.as_bytes())?;
        for byte in read_head(&mut relay)?.bytes() {
            tcp.write_all(&[byte])?;
            thread::sleep(Duration::from_micros(200));
        }
        splice(&tcp, &relay)
    });
    let pool = build(&runtime, builder().relay(format!("ws://{}", dripping.address())));
    assert_eq!(pool.fetch([notes()], FetchOptions::default()).await.unwrap().events.len(), 1);

    let eager = edited(&server, |head| {
        const NOTICE: &[u8] = br#"["NOTICE","hello"]"#;
        let mut all = head.into_bytes();
        all.extend([0x81, u8::try_from(NOTICE.len()).unwrap()]);
        all.extend(NOTICE);
        all
    });
    let pool = build(&runtime, builder().relay(format!("ws://{}", eager.address())));
    let mut status = pool.status();
    connect(&pool).await;
    loop {
        let news = status.next().await.expect("the pool is there");
        if let RelayUpdate::Notice(text) = news.update {
            assert_eq!(text, "hello");
            break;
        }
    }
    assert_eq!(pool.fetch([notes()], FetchOptions::default()).await.unwrap().events.len(), 1);
}

/// The next address is dialled when one is slow, and those that fail do no harm.
pub async fn takes_the_first_address_that_connects<R: Runtime>(runtime: R) {
    let server = relay();
    let there = Leads::To(address_of(&server));
    let runtime = Routed::new(runtime, [("10.0.0.2", Leads::Nowhere), ("10.0.0.3", there)]);
    let (resolver, _) = answers(&[&["fd00::1", "fd00::2", "10.0.0.2", "10.0.0.3"]]);
    let pool = build(&runtime, builder().relay("ws://relay.invalid").resolver(resolver));
    let begun = runtime.now();
    connect(&pool).await;
    assert!(runtime.now() - begun < Duration::from_secs(5));
    assert_eq!(runtime.dialled(), ["fd00::1", "10.0.0.2", "fd00::2", "10.0.0.3"]);
}
