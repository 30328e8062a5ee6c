//! From the name of a host to an open WebSocket: what may go wrong, and what the application is told.

use std::thread;
use std::time::Duration;

use nostr_pool_driver::{Config, Connect, Pool, Runtime, Which};

use super::Script;
use super::cx::{self, Cx};
use super::peer::{FIN, Got, Listener, PING, Peer, TEXT, frame, header};
use super::session::{config, pool, record};
use crate::scenarios::PATIENCE;
use crate::scenarios::tls::speaks_tls_with_a_trusted_server;

#[expect(clippy::too_many_lines, reason = "one entry per rule")]
pub(super) fn scripts<R: Runtime>() -> Vec<Script<R>> {
    vec![
        Script::new("dialling: nobody listens", nobody_listens, &["failed: connect", "backoff, 1 dials, 0 opened"]),
        Script::new("dialling: no such host", no_such_host, &["failed: resolve", "backoff, 1 dials, 0 opened"]),
        Script::new(
            "dialling: a TCP connection and silence",
            silent,
            &["failed: timed out: the WebSocket upgrade", "hung up"],
        ),
        Script::new("dialling: TLS and silence", silent_tls, &["failed: timed out: the TLS handshake", "hung up"]),
        Script::new("dialling: TLS and garbage", garbage_tls, &["failed: tls", "hung up"]),
        Script::new("dialling: TLS and the end", ended_tls, &["failed: tls"]),
        Script::new("dialling: half of an upgrade", half, &["failed: timed out: the WebSocket upgrade", "hung up"]),
        Script::new(
            "dialling: an upgrade in drops",
            dripping,
            &["failed: timed out: the WebSocket upgrade", "hung up"],
        ),
        Script::new("dialling: an upgrade in two parts", in_two_parts, &["connected"]),
        Script::new("dialling: the end in mid-upgrade", ended, &["failed: the connection ended before the answer did"]),
        Script::new("dialling: a reset in mid-upgrade", reset, &["failed: transport"]),
        Script::new(
            "dialling: another status than 101",
            other_status,
            &["200 failed: HTTP 200", "403 failed: HTTP 403", "404 failed: HTTP 404", "503 failed: HTTP 503"],
        ),
        Script::new(
            "dialling: no redirect is followed",
            redirect,
            &[
                "301 failed: HTTP 301: redirects are not followed",
                "302 failed: HTTP 302: redirects are not followed",
                "307 failed: HTTP 307: redirects are not followed",
                "308 failed: HTTP 308: redirects are not followed",
                "not followed",
            ],
        ),
        Script::new(
            "dialling: an upgrade that is none",
            no_upgrade,
            &[
                "wrong key: failed: the answer does not answer our key",
                "no key: failed: the answer does not answer our key",
                "another protocol: failed: the answer does not switch to the WebSocket protocol",
                "no connection header: failed: the answer does not switch to the WebSocket protocol",
                "no HTTP: failed: the answer is no HTTP/1.1",
            ],
        ),
        Script::new(
            "dialling: nothing is accepted that was not asked for",
            unasked,
            &[
                "extension: failed: the answer names an extension that was not offered",
                "extension without a name: connected",
                "subprotocol: failed: the answer names a subprotocol that was not offered",
            ],
        ),
        Script::new("dialling: TLS with a root of the application's", trusted, &["a request and a publish over TLS"]),
        Script::new(
            "dialling: headers without end",
            endless_headers,
            &["failed: the answer's head has more than 16 KiB or 64 headers", "not read to the end"],
        ),
        Script::new("dialling: frames right behind the upgrade", glued, &["connected", "1 notices", "pong \"early\""]),
        Script::new(
            "dialling: what we ask for",
            request,
            &[
                "GET /some/path?and=query HTTP/1.1",
                "host is right",
                "connection: upgrade",
                "upgrade: websocket",
                "sec-websocket-version: 13",
                "user-agent: nostr-pool",
                "no extensions, no subprotocols, no origin",
                "keys of 24 characters, another each time",
            ],
        ),
        Script::new(
            "dialling: a dial that is given up",
            given_up,
            &["dialling", "disabled", "hung up", "0 opened, no error"],
        ),
    ]
}

/// A dial to a server made by hand, and what became of it.
fn dial<R: Runtime>(cx: &Cx<R>, serve: impl FnOnce(Peer) + Send) {
    let listener = Listener::start();
    let pool = pool(cx, config(), &listener.url());
    thread::scope(|scope| {
        let serving = scope.spawn(|| serve(listener.accept()));
        cx.say_dial(&pool);
        drop(pool);
        serving.join().expect("the server does its part");
    });
}

fn say_counts<R: Runtime>(cx: &Cx<R>, pool: &Pool) {
    let record = record(pool);
    cx.say(format!("{}, {} dials, {} opened", cx::state(&record), record.dials, record.opened));
}

fn nobody_listens<R: Runtime>(cx: &Cx<R>) {
    let url = Listener::start().url();
    let pool = pool(cx, config(), &url);
    cx.say_dial(&pool);
    say_counts(cx, &pool);
}

/// No label of a name has more than 63 characters (RFC 1035, section 2.3.4): it takes no network to know that.
fn no_such_host<R: Runtime>(cx: &Cx<R>) {
    let pool = pool(cx, config(), &format!("ws://{}.invalid", "x".repeat(64)));
    cx.say_dial(&pool);
    say_counts(cx, &pool);
}

/// We hang up when the dial is over.
fn say_hung_up<R: Runtime>(cx: &Cx<R>, peer: &mut Peer) {
    match peer.receive_all().last() {
        Some(Got::End) => cx.say("hung up"),
        other => cx.say(format!("{other:?}")),
    }
}

fn silent<R: Runtime>(cx: &Cx<R>) {
    let listener = Listener::start();
    let pool = pool(cx, config(), &listener.url());
    cx.say_dial(&pool);
    let mut peer = listener.accept();
    peer.read_request();
    say_hung_up(cx, &mut peer);
}

/// A dial over TLS.
fn dial_tls<R: Runtime>(cx: &Cx<R>, serve: impl FnOnce(Peer) + Send) {
    let listener = Listener::start();
    let pool = pool(cx, config(), &listener.secure_url());
    thread::scope(|scope| {
        let serving = scope.spawn(|| serve(listener.accept()));
        cx.say_dial(&pool);
        drop(pool);
        serving.join().expect("the server does its part");
    });
}

/// Everything up to the end of a connection that speaks no WebSocket.
fn drain<R: Runtime>(cx: &Cx<R>, mut peer: Peer) {
    let hung_up = peer.drained();
    cx.until("the dial is said", || cx.lines() > 0);
    cx.say(if hung_up { "hung up" } else { "not hung up" });
}

fn silent_tls<R: Runtime>(cx: &Cx<R>) {
    dial_tls(cx, |peer| drain(cx, peer));
}

fn garbage_tls<R: Runtime>(cx: &Cx<R>) {
    dial_tls(cx, |mut peer| {
        peer.read_some();
        peer.send("HTTP/1.1 400 Bad Request\r\n\r\nThe plain HTTP request was sent to HTTPS port");
        drain(cx, peer);
    });
}

fn ended_tls<R: Runtime>(cx: &Cx<R>) {
    dial_tls(cx, |mut peer| {
        peer.read_some();
    });
}

/// Everything else over TLS, too: the scenario has the assertions.
fn trusted<R: Runtime>(cx: &Cx<R>) {
    cx.wait(speaks_tls_with_a_trusted_server(cx.runtime.clone()));
    cx.say("a request and a publish over TLS");
}

fn half<R: Runtime>(cx: &Cx<R>) {
    dial(cx, |mut peer| {
        let response = Peer::response(&peer.read_request());
        peer.send(&response[..response.len() / 2]);
        drain(cx, peer);
    });
}

fn dripping<R: Runtime>(cx: &Cx<R>) {
    dial(cx, |mut peer| {
        let response = Peer::response(&peer.read_request());
        peer.send_slowly(&response.as_bytes()[..40], Duration::from_millis(50));
        drain(cx, peer);
    });
}

fn in_two_parts<R: Runtime>(cx: &Cx<R>) {
    dial(cx, |mut peer| {
        let response = Peer::response(&peer.read_request());
        let (first, second) = response.split_at(response.len() / 2);
        peer.send(first);
        thread::sleep(Duration::from_millis(50));
        peer.send(second);
        peer.receive_all();
    });
}

fn ended<R: Runtime>(cx: &Cx<R>) {
    dial(cx, |mut peer| {
        let response = Peer::response(&peer.read_request());
        peer.send(&response[..response.len() / 2]);
    });
}

fn reset<R: Runtime>(cx: &Cx<R>) {
    dial(cx, |mut peer| {
        peer.read_request();
        peer.reset();
    });
}

/// Dials servers that answer the upgrade with these.
fn answers<'a, R: Runtime>(cx: &Cx<R>, answers: impl IntoIterator<Item = (&'a str, String)>) {
    for (name, answer) in answers {
        let at = cx.lines();
        dial(cx, |mut peer| {
            let headers = Peer::headers(&peer.read_request());
            peer.send(answer.replace("HEADERS", &headers));
            peer.drained();
        });
        cx.prefix(at, name);
    }
}

fn other_status<R: Runtime>(cx: &Cx<R>) {
    let answer = |status: &'static str| (status, format!("HTTP/1.1 {status} So\r\nContent-Length: 2\r\n\r\nno"));
    answers(cx, ["200", "403", "404", "503"].map(answer));
}

fn redirect<R: Runtime>(cx: &Cx<R>) {
    let elsewhere = Listener::start();
    let location = elsewhere.url().replace("ws://", "http://");
    let answer = |status: &'static str| {
        (status, format!("HTTP/1.1 {status} So\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"))
    };
    answers(cx, ["301", "302", "307", "308"].map(answer));
    let followed = elsewhere.accept_within(Duration::from_millis(200)).is_some();
    cx.say(if followed { "followed" } else { "not followed" });
}

fn no_upgrade<R: Runtime>(cx: &Cx<R>) {
    let head = "HTTP/1.1 101 Switching Protocols\r\n";
    let (upgrade, connection) = ("Upgrade: websocket\r\n", "Connection: Upgrade\r\n");
    // The key of the example in RFC 6455, section 1.3.
    let wrong = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
    answers(
        cx,
        [
            ("wrong key:", format!("{head}{upgrade}{connection}{wrong}\r\n")),
            ("no key:", format!("{head}{upgrade}{connection}\r\n")),
            ("another protocol:", format!("{head}Upgrade: h2c\r\n{connection}{wrong}\r\n")),
            ("no connection header:", format!("{head}{upgrade}{wrong}\r\n")),
            ("no HTTP:", "220 mail.example.com ESMTP\r\n\r\n".to_owned()),
        ],
    );
}

/// A server may choose among what the client offered, and we offer nothing (RFC 6455, section 4.1).
fn unasked<R: Runtime>(cx: &Cx<R>) {
    let head = "HTTP/1.1 101 Switching Protocols\r\nHEADERS";
    answers(
        cx,
        [
            ("extension:", format!("{head}Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n")),
            ("extension without a name:", format!("{head}Sec-WebSocket-Extensions: \r\n\r\n")),
            ("subprotocol:", format!("{head}Sec-WebSocket-Protocol: nostr\r\n\r\n")),
        ],
    );
}

fn endless_headers<R: Runtime>(cx: &Cx<R>) {
    let listener = Listener::start().with_receive_buffer(16 << 10);
    let pool = pool(cx, config(), &listener.url());
    thread::scope(|scope| {
        let serving = scope.spawn(|| {
            let mut peer = listener.accept();
            peer.read_request();
            peer.send("HTTP/1.1 101 Switching Protocols\r\nX-Endless: ");
            peer.send_until_stuck(&vec![b'x'; 64 << 20], Duration::from_secs(3))
        });
        cx.say_dial(&pool);
        let sent = serving.join().expect("the server does its part");
        // Beyond what was read there is what the system's buffers hold.
        cx.say(if sent < 16 << 20 { "not read to the end" } else { "read to the end" });
    });
}

fn glued<R: Runtime>(cx: &Cx<R>) {
    let listener = Listener::start();
    let pool = pool(cx, config(), &listener.url());
    thread::scope(|scope| {
        let serving = scope.spawn(|| {
            let mut peer = listener.accept();
            let mut bytes = Peer::response(&peer.read_request()).into_bytes();
            bytes.extend(frame(FIN | TEXT, "[\"NOTICE\",\"early\"]"));
            bytes.extend(frame(FIN | PING, "early"));
            peer.send(bytes);
            peer
        });
        cx.say_dial(&pool);
        let mut peer = serving.join().expect("the server does its part");
        cx.until("the notice is heard", || record(&pool).counters.notices > 0);
        cx.say(format!("{} notices", record(&pool).counters.notices));
        cx.say(peer.receive().to_string());
    });
}

fn request<R: Runtime>(cx: &Cx<R>) {
    let listener = Listener::start();
    let url = format!("{}/some/path?and=query", listener.url());
    let heads = [0, 1].map(|_| {
        let pool = pool(cx, config(), &url);
        let connecting = pool.connect(PATIENCE, Connect::Strict);
        let mut peer = listener.accept();
        let head = peer.read_request();
        peer.send(Peer::response(&head));
        cx.wait(connecting).expect("it is a WebSocket");
        head
    });
    let value = |name| header(&heads[0], name).unwrap_or("nothing");
    cx.say(heads[0].lines().next().unwrap_or_default());
    cx.say(if format!("ws://{}", value("Host")) == listener.url() { "host is right" } else { "host is wrong" });
    cx.say(format!("connection: {}", value("Connection").to_lowercase()));
    cx.say(format!("upgrade: {}", value("Upgrade")));
    cx.say(format!("sec-websocket-version: {}", value("Sec-WebSocket-Version")));
    cx.say(format!("user-agent: {}", value("User-Agent").split('/').next().unwrap_or_default()));
    let none = ["Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol", "Origin"];
    if none.iter().all(|name| header(&heads[0], name).is_none()) {
        cx.say("no extensions, no subprotocols, no origin");
    }
    let keys = heads.each_ref().map(|head| header(head, "Sec-WebSocket-Key").unwrap_or_default());
    let other = if keys[0] == keys[1] { "the same" } else { "another" };
    cx.say(format!("keys of {} characters, {other} each time", keys[0].len()));
}

fn given_up<R: Runtime>(cx: &Cx<R>) {
    let listener = Listener::start();
    let pool = pool(cx, Config { dial_deadline: PATIENCE, ..config() }, &listener.url());
    let connecting = pool.connect(PATIENCE, Connect::Strict);
    let mut peer = listener.accept();
    peer.read_request();
    cx.say(cx::state(&record(&pool)));
    pool.disconnect(Which::All, 1000, "").expect("the arguments are right");
    cx.until("it is given up", || cx::state(&record(&pool)) != "closing");
    cx.say(cx::state(&record(&pool)));
    say_hung_up(cx, &mut peer);
    let record = record(&pool);
    cx.say(format!("{} opened, {}", record.opened, cx::end_of(&record)));
    drop(connecting);
}
