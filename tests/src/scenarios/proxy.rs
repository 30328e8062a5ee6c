//! SOCKS5 proxies, and onion services.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use futures::FutureExt;
use futures::future::BoxFuture;
use nostr_pool_driver::{FetchOptions, Origin, Proxy, RelayOptions, Roots, Runtime, StepDeadlines};

use super::*;
use crate::fronts::{Asked, Authority, Socks, SocksFront, TlsFront, Valid, address_of};
use crate::routed::{Leads, Routed};

/// Not an onion service of anybody's.
const ONION: &str = "pool3x4mple7aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.onion";

fn hinted() -> RelayOptions {
    RelayOptions { origin: Origin::Hinted, ..RelayOptions::default() }
}

fn proxy(front: &SocksFront) -> Proxy {
    front.url().parse().expect("the front's URL is one")
}

fn asked(host: &str, port: u16) -> Asked {
    Asked { login: None, host: host.to_owned(), port }
}

/// A name goes to the proxy as it is, an address as well, and nothing is looked up or dialled here.
pub async fn goes_through_a_proxy<R: Runtime>(runtime: R) {
    let server = relay();
    store(&server, [note(1)]);
    let front = SocksFront::start(Socks::To(address_of(&server)));
    let runtime = Routed::new(runtime, [("127.0.0.1", Leads::To(front.address()))]);
    for (url, host, port) in [
        ("ws://relay.invalid:7777", "relay.invalid", 7777),
        ("ws://relay.invalid", "relay.invalid", 80),
        ("ws://192.0.2.1:7777", "192.0.2.1", 7777),
        ("ws://[2001:db8::1]:7777", "2001:db8::1", 7777),
    ] {
        let pool = build(&runtime, builder().relay(url).proxy(proxy(&front)));
        let fetched = pool.fetch([notes()], FetchOptions::default()).await.unwrap();
        assert_eq!(fetched.events.len(), 1, "{url}");
        assert_eq!(front.asked().last(), Some(&asked(host, port)));
    }
    assert_eq!(runtime.looked_up(), 0);
    assert!(runtime.dialled().iter().all(|ip| ip == "127.0.0.1"));
}

/// TLS is with the relay, not with the proxy.
pub async fn speaks_tls_through_a_proxy<R: Runtime>(runtime: R) {
    let server = relay();
    let authority = Authority::new("ours");
    let tls = TlsFront::start(&server, authority.vouch("relay.invalid", Valid::Now));
    let front = SocksFront::start(Socks::To(tls.address()));
    let roots = Roots::none().with(authority.certificate());
    let pool = build(&runtime, builder().relay("wss://relay.invalid").proxy(proxy(&front)).roots(roots));
    connect(&pool).await;
    assert_eq!(front.asked(), [asked("relay.invalid", 443)]);
}

/// Onion services through the proxy, all others not.
pub async fn sends_onions_alone_through_a_proxy<R: Runtime>(runtime: R) {
    let server = relay();
    let front = SocksFront::start(Socks::To(address_of(&server)));
    let onion = format!("ws://{ONION}");
    let only = proxy(&front).onion_only();
    let pool = build(&runtime, builder().relay(&onion).relay(server.url()).proxy(only));
    connect(&pool).await;
    assert_eq!(front.asked(), [asked(ONION, 80)]);
}

/// Without a proxy, an onion service is not looked up: not by the runtime, not by a resolver that was given.
pub async fn never_looks_an_onion_up<R: Runtime>(runtime: R) {
    let runtime = Routed::new(runtime, []);
    let resolver = |_: String, _: u16| -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        panic!("an onion service was looked up")
    };
    for options in [RelayOptions::default(), hinted()] {
        for url in [format!("wss://{ONION}"), format!("wss://www.{ONION}:444")] {
            let given = builder().relay_with(&url, options).resolver(resolver);
            for builder in [given, builder().relay_with(&url, options)] {
                let refused = refusal(&build(&runtime, builder)).await;
                assert_eq!(refused, "not dialled, for it is an onion service and there is no proxy");
            }
        }
    }
    assert_eq!((runtime.looked_up(), runtime.dialled().len()), (0, 0));
}

/// With a name and a password, and with another name for each relay.
pub async fn logs_in<R: Runtime>(runtime: R) {
    let server = relay();
    let front = SocksFront::start(Socks::Login(address_of(&server), "me", "p@ss"));
    let with = |url: String| url.parse::<Proxy>().unwrap();
    let to = |proxy| build(&runtime, builder().relay("ws://relay.invalid").proxy(proxy));
    let good = with(front.url().replace("//", "//me:p%40ss@"));
    connect(&to(good.clone().isolated())).await;
    assert_eq!(front.asked()[0].login, Some(("me".to_owned(), "p@ss".to_owned())));
    let refused = refusal(&to(with(front.url().replace("//", "//me:wrong@")))).await;
    assert_eq!(refused, "the proxy wants a login, or another one");
    let strict = SocksFront::start(Socks::Says(vec![&[5, 0xff]]));
    assert_eq!(refusal(&to(proxy(&strict))).await, "the proxy wants a login, or another one");

    let front = SocksFront::start(Socks::To(address_of(&server)));
    let of = || builder().relay("ws://one.invalid").relay("ws://two.invalid:81").proxy(proxy(&front).isolated());
    let pools = [build(&runtime, of()), build(&runtime, of())];
    for pool in &pools {
        connect(pool).await;
    }
    let mut logins: Vec<_> = front.asked().into_iter().map(|asked| asked.login.unwrap()).collect();
    logins.sort();
    let names: Vec<_> = logins.iter().map(|(user, _)| user.as_str()).collect();
    assert_eq!(names, ["one.invalid", "one.invalid", "two.invalid:81", "two.invalid:81"]);
    assert_ne!(logins[0].1, logins[1].1, "two pools are not known for each other");
}

/// What the proxy says is told, in our words.
pub async fn says_why_a_proxy_refuses<R: Runtime>(runtime: R) {
    let to = |proxy| build(&runtime, builder().relay("ws://relay.invalid").proxy(proxy));
    for (code, expected) in [
        (1, "it failed"),
        (2, "not allowed"),
        (3, "network unreachable"),
        (4, "host unreachable"),
        (5, "connection refused"),
        (6, "it took too long"),
        (7, "not supported"),
        (8, "not supported"),
        (9, "no reason that is known"),
        (255, "no reason that is known"),
    ] {
        let front = SocksFront::start(Socks::Refuses(code));
        let refused = refusal(&to(proxy(&front))).await;
        assert_eq!(refused, format!("the proxy did not connect to the relay: {expected}"), "{code}");
    }
    let gone = SocksFront::start(Socks::Says(Vec::new()));
    let dead = Routed::new(runtime.clone(), []);
    let pool = build(&dead, builder().relay("ws://relay.invalid").proxy(proxy(&gone)));
    let refused = refusal(&pool).await;
    assert!(
        refused.starts_with(&format!("cannot reach the proxy: cannot connect to {}: ", gone.address())),
        "{refused}"
    );
}

/// Half answers, and answers of another protocol.
pub async fn is_not_fooled_by_half_a_proxy<R: Runtime>(runtime: R) {
    let answers: &[&[&[u8]]] = &[
        &[],
        &[b"\x05"],
        &[b"\x04\x00"],
        &[b"\x05\x00"],
        &[b"\x05\x00", b"\x05"],
        &[b"\x05\x00", b"\x05\x00\x00"],
        &[b"\x05\x00", b"\x05\x00\x00\x01\x00\x00"],
        &[b"\x05\x00", b"\x05\x00\x00\x03\xff\x00"],
        &[b"\x05\x00", b"\x05\x00\x00\x09\x00\x00\x00\x00\x00\x00"],
        &[b"\x05\x00", b"\x04\x00\x00\x01\x00\x00\x00\x00\x00\x00"],
        &[b"HTTP/1.1 400 Bad Request\r\n\r\n"],
    ];
    for answers in answers {
        let front = SocksFront::start(Socks::Says(answers.to_vec()));
        let refused = refusal(&build(&runtime, builder().relay("ws://relay.invalid").proxy(proxy(&front)))).await;
        let told = ["the proxy does not speak SOCKS5", "connection to the proxy lost: "];
        assert!(told.iter().any(|told| refused.starts_with(told)), "{answers:?}: {refused}");
    }
}

/// A proxy that says nothing, at each stage, and one that is slow.
pub async fn waits_for_a_proxy_so_long<R: Runtime>(runtime: R) {
    let steps = StepDeadlines { proxy: Duration::from_millis(300), ..StepDeadlines::default() };
    let to = |proxy| build(&runtime, builder().relay("ws://relay.invalid").proxy(proxy).step_deadlines(steps));
    for answers in [vec![], vec![&b"\x05"[..]], vec![b"\x05\x00"], vec![b"\x05\x00", b"\x05\x00\x00\x03\xff"]] {
        let front = SocksFront::start(Socks::Stalls(answers));
        let begun = runtime.now();
        let refused = refusal(&to(proxy(&front))).await;
        let expected = format!("the proxy's connecting, {}, was not done within 300ms", front.address());
        assert_eq!(refused, expected);
        assert!(runtime.now() - begun < Duration::from_secs(5));
    }
    let server = relay();
    let front = SocksFront::start(Socks::Drips(address_of(&server)));
    connect(&to(proxy(&front))).await;
}

/// What only events named goes through a proxy as far as it is known to be no address of the user's own network.
pub async fn hands_a_proxy_no_hint_unchecked<R: Runtime>(runtime: R) {
    let server = relay();
    let authority = Authority::new("ours");
    let of = |host: &str, does: fn(SocketAddr) -> Socks| {
        let tls = TlsFront::start(&server, authority.vouch(host, Valid::Now));
        (SocksFront::start(does(tls.address())), Roots::none().with(authority.certificate()))
    };
    let to = |url: &str, proxy, roots| build(&runtime, builder().relay_with(url, hinted()).proxy(proxy).roots(roots));
    let unchecked = "not dialled, for an event named it and only the proxy would know its address";

    let (front, roots) = of("relay.invalid", Socks::To);
    assert_eq!(refusal(&to("wss://relay.invalid", proxy(&front), roots.clone())).await, unchecked);
    assert_eq!(front.accepted(), 0);
    connect(&to("wss://relay.invalid", proxy(&front).with_hinted_names(), roots)).await;

    let (front, roots) = of(ONION, Socks::To);
    connect(&to(&format!("wss://{ONION}"), proxy(&front), roots.clone())).await;
    for (url, range) in
        [("wss://127.0.0.1", "loopback"), ("wss://10.1.2.3", "private"), ("wss://[fe80::1]", "link-local")]
    {
        let refused = refusal(&to(url, proxy(&front).with_hinted_names(), roots.clone())).await;
        assert!(refused.starts_with("not dialled, for an event named it and its address is not public: "), "{refused}");
        assert!(refused.ends_with(&format!("({range})")), "{refused}");
    }
    assert_eq!(front.accepted(), 1);
    let (front, roots) = of("93.184.216.34", Socks::To);
    connect(&to("wss://93.184.216.34", proxy(&front), roots)).await;
    assert_eq!(front.asked(), [asked("93.184.216.34", 443)]);
}

/// The proxy's own name is the user's, and looked up like one.
pub async fn looks_a_proxy_up<R: Runtime>(runtime: R) {
    let server = relay();
    let front = SocksFront::start(Socks::To(address_of(&server)));
    let there = front.address();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let book = asked.clone();
    let resolver = move |host: String, port: u16| {
        book.lock().unwrap().push((host, port));
        async move { Ok(vec![there]) }.boxed()
    };
    let proxy = Proxy::new("proxy.invalid", 1080);
    let pool = build(&runtime, builder().relay("ws://relay.invalid").proxy(proxy).resolver(resolver));
    connect(&pool).await;
    assert_eq!(*asked.lock().unwrap(), [("proxy.invalid".to_owned(), 1080)]);
}
