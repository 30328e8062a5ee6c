//! How connections end: closing handshakes of the relay's and of ours.

use std::time::{Duration, Instant};

use nostr_pool_driver::{Config, FetchOptions, Item, Runtime, Which};

use super::Script;
use super::cx::{self, Cx};
use super::peer::{CLOSE, FIN, Got, Listener, TEXT, close, frame};
use super::session::{Session, config, list, pool};
use crate::scenarios::{note, notes};

pub(super) fn scripts<R: Runtime>() -> Vec<Script<R>> {
    vec![
        Script::new(
            "closing: the relay's codes and reasons are told and answered",
            codes,
            &[
                "backoff: closed by the relay: 1000 \"\"",
                "the relay got: close 1000 \"\", end",
                "backoff: closed by the relay: 1001 \"going away\"",
                "the relay got: close 1001 \"going away\", end",
                "backoff: closed by the relay: 1008 \"policy: \u{e9}\"",
                "the relay got: close 1008 \"policy: \u{e9}\", end",
                "backoff: closed by the relay: 1011 \"oops\"",
                "the relay got: close 1011 \"oops\", end",
                "backoff: closed by the relay: 3000 \"registered\"",
                "the relay got: close 3000 \"registered\", end",
                "backoff: closed by the relay: 4000 \"private\"",
                "the relay got: close 4000 \"private\", end",
            ],
        ),
        Script::new(
            "closing: without a code",
            |cx| ends(cx, &frame(FIN | CLOSE, "")),
            &["backoff: closed by the relay: 1005 \"\"", "the relay got: close, end"],
        ),
        Script::new("closing: half a code", |cx| ends(cx, &frame(FIN | CLOSE, [3])), PROTOCOL),
        Script::new("closing: a reason that is not UTF-8", |cx| ends(cx, &close(1000, b"\xff")), NOT_UTF8),
        Script::new("closing: the longest reason", longest_reason, &["a reason of 123 bytes", "answered alike"]),
        Script::new("closing: 1005 on the wire", |cx| reserved(cx, 1005), RESERVED),
        Script::new("closing: 1006 on the wire", |cx| reserved(cx, 1006), RESERVED),
        Script::new("closing: 1015 on the wire", |cx| reserved(cx, 1015), RESERVED),
        Script::new("closing: 999 on the wire", |cx| reserved(cx, 999), RESERVED),
        Script::new("closing: 5000 on the wire", |cx| reserved(cx, 5000), RESERVED),
        Script::new(
            "closing: nothing counts after a close",
            data_after_close,
            &["backoff: closed by the relay: 1000 \"\"", "the relay got: close 1000 \"\", end", "0 notices"],
        ),
        Script::new(
            "closing: ours is answered",
            ours_answered,
            &["the relay got: close 4000 \"bye\"", "the relay got: end, within a second", "disabled: no error"],
        ),
        Script::new(
            "closing: ours is not answered",
            ours_ignored,
            &["the relay got: close 4000 \"bye\"", "the relay got: end, after about a second", "disabled: no error"],
        ),
        Script::new(
            "closing: ours and the relay's cross",
            crossing,
            &["the relay got: close 4000 \"bye\", end", "disabled", "0 notices"],
        ),
        Script::new(
            "closing: the relay is dialled again, and asked again",
            again,
            &[
                "closed by the relay: 1012 \"restart\"",
                "gap: Disconnected",
                "the same request",
                "live: note 2",
                "2 opened",
            ],
        ),
        Script::new(
            "closing: the relay hangs up right after EOSE",
            after_eose,
            &["with a close frame: 50 events, all", "without: 50 events, all", "without EOSE: 50 events, disconnected"],
        ),
    ]
}

const PROTOCOL: &[&str] = &["backoff: protocol", "the relay got: close 1002 \"\", end"];
const NOT_UTF8: &[&str] = &["backoff: not UTF-8", "the relay got: close 1007 \"\", end"];
const RESERVED: &[&str] = &["backoff", "the relay got: close 1002, end"];

/// Sends what ends the connection.
fn ends<R: Runtime>(cx: &Cx<R>, bytes: &[u8]) {
    let mut session = Session::live(cx);
    session.peer.send(bytes);
    session.say_end(cx);
}

/// A code that is not for the wire (RFC 6455, section 7.4) is a protocol error. The reason that goes with our answer is the
/// WebSocket library's.
fn reserved<R: Runtime>(cx: &Cx<R>, code: u16) {
    let mut session = Session::live(cx);
    session.peer.send(close(code, ""));
    let got: Vec<_> = session
        .peer
        .receive_all()
        .into_iter()
        .map(|got| match got {
            Got::Close(Some((code, _))) => format!("close {code}"),
            other => other.to_string(),
        })
        .collect();
    cx.until("the pool knows", || cx::state(&session.record()) != "open");
    cx.say(cx::state(&session.record()));
    cx.say(format!("the relay got: {}", got.join(", ")));
}

fn codes<R: Runtime>(cx: &Cx<R>) {
    for (code, reason) in [
        (1000, ""),
        (1001, "going away"),
        (1008, "policy: \u{e9}"),
        (1011, "oops"),
        (3000, "registered"),
        (4000, "private"),
    ] {
        ends(cx, &close(code, reason));
    }
}

fn longest_reason<R: Runtime>(cx: &Cx<R>) {
    let mut session = Session::live(cx);
    let reason = "r".repeat(123);
    session.peer.send(close(1000, &reason));
    let got = session.peer.receive();
    cx.until("the pool knows", || session.record().last_close.is_some());
    let told = session.record().last_close.map_or(0, |(_, told)| if told == reason { told.len() } else { 0 });
    cx.say(format!("a reason of {told} bytes"));
    cx.say(if got == Got::Close(Some((1000, reason))) { "answered alike" } else { "answered otherwise" });
}

fn data_after_close<R: Runtime>(cx: &Cx<R>) {
    let mut session = Session::live(cx);
    let before = session.record().counters.notices;
    let notice = frame(FIN | TEXT, "[\"NOTICE\",\"late\"]");
    session.peer.send([close(1000, ""), notice.clone(), notice].concat());
    session.say_end(cx);
    cx.say(format!("{} notices", session.record().counters.notices - before));
}

/// Closes the connection, and says what the relay gets first.
fn disconnect<R: Runtime>(cx: &Cx<R>, session: &mut Session) {
    session.pool.disconnect(Which::All, 4000, "bye").expect("the arguments are right");
    cx.say(format!("the relay got: {}", session.peer.receive()));
}

fn say_state<R: Runtime>(cx: &Cx<R>, session: &Session) {
    cx.until("it is closed", || cx::state(&session.record()) != "closing");
    let record = session.record();
    cx.say(format!("{}: {}", cx::state(&record), cx::end_of(&record)));
}

fn ours_answered<R: Runtime>(cx: &Cx<R>) {
    let mut session = Session::live(cx);
    disconnect(cx, &mut session);
    let begun = Instant::now();
    session.peer.send(close(4000, "bye"));
    let got = session.peer.receive();
    let bound = if begun.elapsed() < Duration::from_millis(800) { "within a second" } else { "late" };
    cx.say(format!("the relay got: {got}, {bound}"));
    say_state(cx, &session);
}

fn ours_ignored<R: Runtime>(cx: &Cx<R>) {
    let mut session = Session::live(cx);
    disconnect(cx, &mut session);
    let begun = Instant::now();
    let got = session.peer.receive();
    let took = begun.elapsed().as_millis();
    let bound = if (700..2_500).contains(&took) { "after about a second" } else { "at another time" };
    cx.say(format!("the relay got: {got}, {bound}"));
    say_state(cx, &session);
}

fn crossing<R: Runtime>(cx: &Cx<R>) {
    let mut session = Session::live(cx);
    let before = session.record().counters.notices;
    session.pool.disconnect(Which::All, 4000, "bye").expect("the arguments are right");
    let notice = frame(FIN | TEXT, "[\"NOTICE\",\"late\"]");
    let first = session.peer.receive();
    session.peer.send([notice, close(1001, "crossing")].concat());
    let rest = session.peer.receive_all();
    cx.say(format!("the relay got: {first}, {}", list(&rest)));
    cx.until("it is closed", || cx::state(&session.record()) != "closing");
    cx.say(cx::state(&session.record()));
    cx.say(format!("{} notices", session.record().counters.notices - before));
}

fn again<R: Runtime>(cx: &Cx<R>) {
    let quick = Config { backoff_base: Duration::from_millis(50), ..config() };
    let mut session = Session::live_with(cx, quick);
    session.peer.send(close(1012, "restart"));
    let mut peer = session.listener.accept_upgraded();
    let id = peer.request();
    cx.say(cx::end_of(&session.record()));
    loop {
        let item = session.next(cx);
        if matches!(item, Item::Gap(_)) {
            break cx.say(cx::item(&item));
        }
    }
    cx.say("the same request");
    peer.text(&format!("[\"EOSE\",\"{id}\"]"));
    session.peer = peer;
    session.id = id;
    let event = session.event(2);
    session.peer.text(&event);
    loop {
        let item = session.next(cx);
        if matches!(item, Item::Event(_)) {
            break cx.say(cx::item(&item));
        }
    }
    cx.say(format!("{} opened", session.record().opened));
}

fn after_eose<R: Runtime>(cx: &Cx<R>) {
    for (name, eose, with_close) in
        [("with a close frame", true, true), ("without", true, false), ("without EOSE", false, false)]
    {
        let listener = Listener::start();
        let pool = pool(cx, config(), &listener.url());
        let fetch = pool.fetch([notes()], FetchOptions::default());
        let mut peer = listener.accept_upgraded();
        let id = peer.request();
        let events = (0..50).map(|n| format!("[\"EVENT\",\"{id}\",{}]", note(n).to_json()));
        let mut bytes: Vec<u8> = events.flat_map(|event| frame(FIN | TEXT, event)).collect();
        if eose {
            bytes.extend(frame(FIN | TEXT, format!("[\"EOSE\",\"{id}\"]")));
        }
        if with_close {
            bytes.extend(close(1000, ""));
        }
        peer.send(bytes);
        drop(peer);
        let fetched = cx.wait(fetch).expect("the pool goes on");
        let outcome = cx::leg_outcome(&fetched.coverage.legs[0].outcome);
        cx.say(format!("{name}: {} events, {outcome}", fetched.events.len()));
    }
}
