//! Frames as RFC 6455 has them, and those that it has not.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use nostr_pool_driver::{Item, Runtime};

use super::Script;
use super::cx::Cx;
use super::peer::{BINARY, CLOSE, CONTINUATION, FIN, Got, Listener, PING, PONG, TEXT, frame, frame_head};
use super::session::{LIMIT, Session, config};
use crate::scenarios::within;

/// What a relay that breaks the protocol is told, and what we make of it.
const PROTOCOL: &[&str] = &["backoff: protocol", "the relay got: close 1002 \"\", end"];
const NOT_UTF8: &[&str] = &["backoff: not UTF-8", "the relay got: close 1007 \"\", end"];
const TOO_LARGE: &[&str] = &["backoff: too large", "the relay got: close 1009 \"\", end"];

pub(super) fn scripts<R: Runtime>() -> Vec<Script<R>> {
    vec![
        Script::new("framing: a message byte by byte", byte_by_byte, &["stored: note 1", "alive"]),
        Script::new(
            "framing: a message in many fragments",
            fragments,
            &["stored: note 1", "the relay got: pong \"between\"", "alive"],
        ),
        Script::new(
            "framing: many messages in one write",
            one_write,
            &["100 events, each once, before the EOSE", "alive"],
        ),
        Script::new("framing: at the limit", at_the_limit, &["2 frames, 1 notices, 1 garbage", "alive"]),
        Script::new("framing: one past the limit", past_the_limit, TOO_LARGE),
        Script::new("framing: one past the limit in fragments", past_the_limit_in_fragments, TOO_LARGE),
        Script::new("framing: a length that nobody has room for", promised, TOO_LARGE),
        Script::new(
            "framing: pings are answered alike",
            pings,
            &["the relay got: pong \"\"", "the relay got: pong \"hello\"", "the relay got: pong of 125 bytes", "alive"],
        ),
        Script::new("framing: pongs that nobody asked for", pongs, &["alive"]),
        Script::new("framing: binary messages are garbage", binary, &["0 frames, 0 notices, 3 garbage", "alive"]),
        Script::new(
            "framing: a character in two fragments",
            split_character,
            &["1 frames, 1 notices, 0 garbage", "alive"],
        ),
        Script::new("framing: text that is not UTF-8", not_utf8, NOT_UTF8),
        Script::new("framing: text that is not UTF-8, in fragments", not_utf8_in_fragments, NOT_UTF8),
        Script::new("framing: text that ends in mid-character", cut_character, NOT_UTF8),
        Script::new("framing: a masked frame", masked, PROTOCOL),
        Script::new("framing: the first reserved bit", |cx| breaks(cx, &frame(FIN | 0x40 | TEXT, "x")), PROTOCOL),
        Script::new("framing: the second reserved bit", |cx| breaks(cx, &frame(FIN | 0x20 | TEXT, "x")), PROTOCOL),
        Script::new("framing: the third reserved bit", |cx| breaks(cx, &frame(FIN | 0x10 | PING, "x")), PROTOCOL),
        Script::new("framing: a reserved data opcode", |cx| breaks(cx, &frame(FIN | 3, "x")), PROTOCOL),
        Script::new("framing: a reserved control opcode", |cx| breaks(cx, &frame(FIN | 11, "x")), PROTOCOL),
        Script::new("framing: an oversized ping", |cx| breaks(cx, &frame(FIN | PING, [b'x'; 126])), PROTOCOL),
        Script::new("framing: an oversized close", |cx| breaks(cx, &frame(FIN | CLOSE, [3; 126])), PROTOCOL),
        Script::new("framing: a fragmented ping", |cx| breaks(cx, &frame(PING, "x")), PROTOCOL),
        Script::new("framing: a fragmented close", |cx| breaks(cx, &frame(CLOSE, [3, 232])), PROTOCOL),
        Script::new("framing: a continuation of nothing", |cx| breaks(cx, &frame(FIN | CONTINUATION, "x")), PROTOCOL),
        Script::new(
            "framing: a message within a message",
            |cx| breaks(cx, &[frame(TEXT, "["), frame(FIN | TEXT, "x")].concat()),
            PROTOCOL,
        ),
        Script::new(
            "framing: garbage and unknown verbs",
            garbage,
            &["7 frames, 1 notices, 4 garbage, 1 unknown, 1 unsolicited", "alive"],
        ),
        Script::alone("framing: a wall of empty messages", empty_messages, &["50000 garbage", "alive"]),
        Script::alone(
            "framing: a wall of empty fragments",
            empty_fragments,
            &["others get their turn", "ended in time"],
        ),
        Script::new(
            "framing: our own frames",
            ours,
            &["REQ, in one frame", "EVENT, in one frame", "CLOSE, in one frame"],
        ),
    ]
}

/// Sends what breaks the protocol.
fn breaks<R: Runtime>(cx: &Cx<R>, bytes: &[u8]) {
    let mut session = Session::live(cx);
    session.peer.send(bytes);
    session.say_end(cx);
}

fn next_event<R: Runtime>(cx: &Cx<R>, session: &mut Session) -> Item {
    loop {
        let item = session.next(cx);
        if matches!(item, Item::Event(_)) {
            return item;
        }
    }
}

fn byte_by_byte<R: Runtime>(cx: &Cx<R>) {
    let mut session = Session::asked(cx, config(), Listener::start());
    let message = frame(FIN | TEXT, session.event(1));
    session.peer.send_slowly(&message, Duration::from_micros(100));
    cx.say(super::cx::item(&next_event(cx, &mut session)));
    session.say_alive(cx);
}

fn fragments<R: Runtime>(cx: &Cx<R>) {
    let mut session = Session::asked(cx, config(), Listener::start());
    let message = session.event(1);
    let (last, first) = message.as_bytes().split_last().expect("it is not empty");
    for (n, byte) in first.iter().enumerate() {
        session.peer.send(frame(if n == 0 { TEXT } else { CONTINUATION }, [*byte]));
        session.peer.send(frame(CONTINUATION, ""));
        if n == 100 {
            session.peer.send(frame(FIN | PING, "between"));
        }
    }
    session.peer.send(frame(FIN | CONTINUATION, [*last]));
    cx.say(super::cx::item(&next_event(cx, &mut session)));
    cx.say(format!("the relay got: {}", session.peer.receive()));
    session.say_alive(cx);
}

/// Verified on several threads, they may come in any order, but the EOSE comes after them.
fn one_write<R: Runtime>(cx: &Cx<R>) {
    let mut session = Session::asked(cx, config(), Listener::start());
    let mut all: Vec<u8> = (0..100).flat_map(|n| frame(FIN | TEXT, session.event(n))).collect();
    all.extend(frame(FIN | TEXT, format!("[\"EOSE\",\"{}\"]", session.id)));
    session.peer.send(all);
    let mut found = BTreeSet::new();
    let mut events = 0;
    loop {
        match session.next(cx) {
            Item::Event(event) => {
                events += 1;
                found.insert(event.event.id());
            }
            Item::Eose(_) => break,
            _ => {}
        }
    }
    let once = if events == found.len() { ", each once" } else { "" };
    cx.say(format!("{} events{once}, before the EOSE", found.len()));
    session.say_alive(cx);
}

/// A NOTICE of this many bytes.
fn notice(bytes: usize) -> String {
    format!("[\"NOTICE\",\"{}\"]", "x".repeat(bytes - 13))
}

/// Says what was counted since a moment, once there are so many frames.
fn say_counters<R: Runtime>(cx: &Cx<R>, session: &Session, frames: u64, notices: u64, garbage: u64) {
    let before = session.record().counters;
    let (frames, notices, garbage) = (before.frames - frames, before.notices - notices, before.garbage - garbage);
    cx.say(format!("{frames} frames, {notices} notices, {garbage} garbage"));
}

fn at_the_limit<R: Runtime>(cx: &Cx<R>) {
    let mut session = Session::live(cx);
    let before = session.record().counters;
    session.peer.text(&notice(LIMIT));
    let half = "x".repeat(LIMIT / 2);
    session.peer.send(frame(TEXT, &half));
    session.peer.send(frame(FIN | CONTINUATION, &half));
    cx.until("both are read", || session.record().counters.frames == before.frames + 2);
    say_counters(cx, &session, before.frames, before.notices, before.garbage);
    session.say_alive(cx);
}

fn past_the_limit<R: Runtime>(cx: &Cx<R>) {
    breaks(cx, &frame(FIN | TEXT, notice(LIMIT + 1)));
}

fn past_the_limit_in_fragments<R: Runtime>(cx: &Cx<R>) {
    let half = "x".repeat(LIMIT / 2);
    let parts = [frame(TEXT, &half), frame(CONTINUATION, &half), frame(CONTINUATION, "x")];
    breaks(cx, &parts.concat());
}

fn promised<R: Runtime>(cx: &Cx<R>) {
    breaks(cx, &frame_head(FIN | TEXT, 1 << 62));
}

fn pings<R: Runtime>(cx: &Cx<R>) {
    let mut session = Session::live(cx);
    for payload in ["", "hello"] {
        session.peer.send(frame(FIN | PING, payload));
        cx.say(format!("the relay got: {}", session.peer.receive()));
    }
    session.peer.send(frame(FIN | PING, [b'p'; 125]));
    match session.peer.receive() {
        Got::Pong(payload) if payload == [b'p'; 125] => cx.say("the relay got: pong of 125 bytes"),
        other => cx.say(other.to_string()),
    }
    session.say_alive(cx);
}

fn pongs<R: Runtime>(cx: &Cx<R>) {
    let mut session = Session::live(cx);
    for payload in ["", "hello"] {
        session.peer.send(frame(FIN | PONG, payload));
    }
    session.say_alive(cx);
}

fn binary<R: Runtime>(cx: &Cx<R>) {
    let mut session = Session::live(cx);
    let before = session.record().counters;
    session.peer.send(frame(FIN | BINARY, ""));
    session.peer.send(frame(FIN | BINARY, [0xff; 300]));
    session.peer.send(frame(BINARY, "[\"NOTICE\","));
    session.peer.send(frame(FIN | CONTINUATION, "\"binary\"]"));
    cx.until("they are counted", || session.record().counters.garbage >= before.garbage + 3);
    say_counters(cx, &session, before.frames, before.notices, before.garbage);
    session.say_alive(cx);
}

fn split_character<R: Runtime>(cx: &Cx<R>) {
    let mut session = Session::live(cx);
    let before = session.record().counters;
    let message = "[\"NOTICE\",\"\u{1f980}\"]".as_bytes();
    session.peer.send(frame(TEXT, &message[..13]));
    session.peer.send(frame(FIN | CONTINUATION, &message[13..]));
    cx.until("it is read", || session.record().counters.frames > before.frames);
    say_counters(cx, &session, before.frames, before.notices, before.garbage);
    session.say_alive(cx);
}

fn not_utf8<R: Runtime>(cx: &Cx<R>) {
    breaks(cx, &frame(FIN | TEXT, b"[\"NOTICE\",\"\xc3\x28\"]"));
}

fn not_utf8_in_fragments<R: Runtime>(cx: &Cx<R>) {
    let parts = [frame(TEXT, b"[\"NOTICE\",\"\xc3"), frame(CONTINUATION, ""), frame(FIN | CONTINUATION, b"\x28\"]")];
    breaks(cx, &parts.concat());
}

fn cut_character<R: Runtime>(cx: &Cx<R>) {
    breaks(cx, &frame(FIN | TEXT, b"[\"NOTICE\",\"\xf0\x9f\xa6"));
}

/// Servers don't mask (RFC 6455, section 5.1).
fn masked<R: Runtime>(cx: &Cx<R>) {
    breaks(cx, &[FIN | TEXT, 0x80 | 1, 1, 2, 3, 4, b'x' ^ 1]);
}

fn garbage<R: Runtime>(cx: &Cx<R>) {
    let mut session = Session::live(cx);
    let before = session.record().counters;
    let messages =
        ["", "not json", "{}", "[]", "[\"HELLO\",1]", "[\"NOTICE\",\"\\u0000\\n\"]", "[\"EOSE\",\"nobody's\"]"];
    for message in messages {
        session.peer.text(message);
    }
    cx.until("all are read", || session.record().counters.frames >= before.frames + 7);
    let now = session.record().counters;
    cx.say(format!(
        "{} frames, {} notices, {} garbage, {} unknown, {} unsolicited",
        now.frames - before.frames,
        now.notices - before.notices,
        now.garbage - before.garbage,
        now.unknown - before.unknown,
        now.unsolicited - before.unsolicited,
    ));
    session.say_alive(cx);
}

fn empty_messages<R: Runtime>(cx: &Cx<R>) {
    let mut session = Session::live(cx);
    let before = session.record().counters.garbage;
    session.peer.send(frame(FIN | TEXT, "").repeat(50_000));
    cx.until("all are read", || session.record().counters.garbage >= before + 50_000);
    cx.say(format!("{} garbage", session.record().counters.garbage - before));
    session.say_alive(cx);
}

/// A message that never ends, in fragments without anything in them, for as long as anyone reads them. It keeps the
/// runtime from nothing else, not even its own end.
fn empty_fragments<R: Runtime>(cx: &Cx<R>) {
    let Session { pool, peer, mut subscription, .. } = Session::live(cx);
    let flooding = std::thread::spawn(move || {
        let mut peer = peer;
        let wall = frame(CONTINUATION, "").repeat(64 << 10);
        peer.send(frame(TEXT, "["));
        while peer.send_until_stuck(&wall, Duration::from_secs(2)) == wall.len() {}
    });
    let others: Vec<_> = (0..32).map(|_| cx.runtime.sleep(Duration::from_millis(300))).collect();
    let begun = Instant::now();
    cx.wait(futures::future::join_all(others));
    let late = begun.elapsed() > Duration::from_secs(2);
    cx.say(if late { "others wait" } else { "others get their turn" });
    let begun = Instant::now();
    cx.wait(pool.shutdown(Duration::ZERO));
    let end = async { while subscription.next().await.is_some() {} };
    cx.wait(within(&cx.runtime, Duration::from_secs(10), end));
    cx.until("the relay is let go", || flooding.is_finished());
    cx.say(if begun.elapsed() < Duration::from_secs(5) { "ended in time" } else { "ended late" });
}

fn ours<R: Runtime>(cx: &Cx<R>) {
    let listener = Listener::start();
    let pool = super::session::pool(cx, config(), &listener.url());
    let subscription =
        pool.subscribe([crate::scenarios::notes()], Default::default()).expect("the arguments are right");
    let mut peer = listener.accept_upgraded();
    let say = |got: Got| match got {
        Got::Text(_) => cx.say(format!("{got}, in one frame")),
        other => cx.say(other.to_string()),
    };
    say(peer.receive());
    // Larger than the limit for what comes in, which is none for what goes out.
    let long =
        nostr_proto::EventTemplate::text_note("long ".repeat(20_000), nostr_proto::Timestamp::new(1_700_000_000));
    let long = crate::scenarios::keys(1).sign(&long, [0; 32]);
    let publishing = pool.publish(long, Default::default()).expect("the arguments are right");
    say(peer.receive());
    drop(subscription);
    say(peer.receive());
    drop(publishing);
}
