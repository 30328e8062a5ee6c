//! Connections that are cut, fall silent, or are not read from.

use std::thread;
use std::time::{Duration, Instant, UNIX_EPOCH};

use nostr_pool_driver::{Config, FetchOptions, GapCause, Item, PublishOptions, Quorum, Runtime, SubscribeOptions};
use nostr_proto::{EventTemplate, Timestamp};

use super::Script;
use super::cx::{self, Cx};
use super::peer::{FIN, Got, Listener, PING, PONG, Peer, TEXT, close, frame};
use super::proxy::Proxy;
use super::session::{Session, config};
use crate::scenarios::{PATIENCE, build, builder, keys, next, note, notes, quick, relay, store, url_of};

pub(super) fn scripts<R: Runtime>() -> Vec<Script<R>> {
    vec![
        Script::new("liveness: FIN between frames", |cx| cut(cx, &[], Peer::finish_it), ENDED),
        Script::new("liveness: FIN in mid-frame", |cx| cut(cx, &half_a_frame(), Peer::finish_it), ENDED),
        Script::new(
            "liveness: FIN between fragments",
            |cx| cut(cx, &frame(TEXT, "[\"NOTICE\","), Peer::finish_it),
            ENDED,
        ),
        Script::new(
            "liveness: RST between frames",
            |cx| cut(cx, &[], Peer::reset),
            &["backoff: transport", "gap: Disconnected"],
        ),
        Script::new(
            "liveness: RST in mid-frame",
            |cx| cut(cx, &half_a_frame(), Peer::reset),
            &["backoff: transport", "gap: Disconnected"],
        ),
        Script::new(
            "liveness: pings of ours, answered",
            answered,
            &["6 pings without a payload", "open: no error", "1 opened"],
        ),
        Script::new("liveness: any frame is a sign of life", other_frames, &["open: no error", "1 opened"]),
        Script::new(
            "liveness: pings of ours, not answered",
            unanswered,
            &[
                "the relay got: ping \"\", ping \"\", close 1001 \"no answer to pings\", end",
                "backoff: the relay fell silent",
            ],
        ),
        Script::new(
            "liveness: a connection that is half open",
            half_open,
            &[
                "stored: note 1",
                "gap: Disconnected",
                "stored: missed",
                "gap: CaughtUp",
                "live: pushed",
                "the relay fell silent",
            ],
        ),
        Script::alone(
            "liveness: a relay that reads nothing",
            zero_window,
            &[
                "indeterminate: accepted, in flight",
                "the other one gives 30 notes",
                "shut down in time",
                "there are unfinished publishes",
            ],
        ),
        Script::alone(
            "liveness: a relay that pings and reads nothing",
            pings_unread,
            &["its pings are not read without end", "shut down in time"],
        ),
        Script::new(
            "liveness: last words before a reset",
            last_words,
            &["closed by the relay: 1008 \"slow\"", "1 notices"],
        ),
        Script::new(
            "liveness: a relay that closes and reads nothing",
            closes_unread,
            &["closed by the relay: 1008 \"slow\"", "left in time"],
        ),
    ]
}

const ENDED: &[&str] = &["backoff: ended", "gap: Disconnected", "the relay got: end"];

fn half_a_frame() -> Vec<u8> {
    let whole = frame(FIN | TEXT, "[\"NOTICE\",\"cut\"]");
    whole[..whole.len() / 2].to_vec()
}

impl Peer {
    /// Ends the connection in good order, but for the close frame.
    fn finish_it(self) -> Self {
        self.finish();
        self
    }
}

/// What is left of a connection that was cut.
trait Left {
    fn say<R: Runtime>(self, cx: &Cx<R>);
}

impl Left for () {
    fn say<R: Runtime>(self, _: &Cx<R>) {}
}

impl Left for Peer {
    fn say<R: Runtime>(mut self, cx: &Cx<R>) {
        cx.say(format!("the relay got: {}", super::session::list(&self.receive_all())));
    }
}

fn cut<R: Runtime, L: Left>(cx: &Cx<R>, last: &[u8], cut: fn(Peer) -> L) {
    let Session { pool, mut subscription, mut peer, .. } = Session::live(cx);
    peer.send(last);
    // What was sent is read before it is cut.
    thread::sleep(Duration::from_millis(50));
    let left = cut(peer);
    let record = || super::session::record(&pool);
    cx.until("the pool knows", || cx::state(&record()) != "open");
    cx.say(format!("{}: {}", cx::state(&record()), cx::end_of(&record())));
    let gap = |item| if let Item::Gap(_) = item { Some(item) } else { None };
    cx.say(cx::item(&cx.wait(next(&mut subscription, gap))));
    left.say(cx);
}

fn pinging() -> Config {
    Config { keepalive: Duration::from_millis(300), ..config() }
}

fn answered<R: Runtime>(cx: &Cx<R>) {
    let mut session = Session::live_with(cx, pinging());
    let mut pings = 0;
    while pings < 6 {
        match session.peer.receive() {
            Got::Ping(payload) if payload.is_empty() => pings += 1,
            other => return cx.say(other.to_string()),
        }
        session.peer.send(frame(FIN | PONG, ""));
    }
    cx.say(format!("{pings} pings without a payload"));
    let record = session.record();
    cx.say(format!("{}: {}", cx::state(&record), cx::end_of(&record)));
    cx.say(format!("{} opened", record.opened));
}

fn other_frames<R: Runtime>(cx: &Cx<R>) {
    let mut session = Session::live_with(cx, pinging());
    for n in 0..24 {
        match n % 3 {
            0 => session.peer.text("[\"NOTICE\",\"still here\"]"),
            1 => session.peer.send(frame(FIN | PING, "")),
            _ => session.peer.send(frame(FIN | super::peer::BINARY, "")),
        }
        thread::sleep(Duration::from_millis(100));
    }
    let record = session.record();
    cx.say(format!("{}: {}", cx::state(&record), cx::end_of(&record)));
    cx.say(format!("{} opened", record.opened));
}

fn unanswered<R: Runtime>(cx: &Cx<R>) {
    let mut session = Session::live_with(cx, pinging());
    let got = session.peer.receive_all();
    cx.say(format!("the relay got: {}", super::session::list(&got)));
    cx.until("the pool knows", || cx::state(&session.record()) == "backoff");
    let record = session.record();
    cx.say(format!("{}: {}", cx::state(&record), cx::end_of(&record)));
}

fn half_open<R: Runtime>(cx: &Cx<R>) {
    let server = relay();
    store(&server, [note(1)]);
    let proxy = Proxy::start(&server);
    let config = Config { keepalive: Duration::from_millis(300), ..quick() };
    let pool = build(&cx.runtime, builder().config(config).relay(proxy.url()));
    let mut subscription = pool.subscribe([notes()], SubscribeOptions::default()).expect("the arguments are right");
    let mut say_next = |what: fn(&Item) -> bool| {
        let item = cx.wait(next(&mut subscription, |item| what(&item).then_some(item)));
        cx.say(cx::item(&item));
    };
    say_next(|item| matches!(item, Item::Event(_)));
    cx.until("it is live", || server.with(|relay| relay.open_subscriptions()) == 1);
    thread::sleep(Duration::from_millis(50));
    proxy.freeze();
    // The dead connection is open at the relay's end: it is pushed there, and nobody hears of it.
    store(&server, [fresh("missed")]);
    say_next(|item| matches!(item, Item::Gap(gap) if gap.cause == GapCause::Disconnected));
    say_next(|item| matches!(item, Item::Event(_)));
    say_next(|item| matches!(item, Item::Gap(_)));
    store(&server, [fresh("pushed")]);
    say_next(|item| matches!(item, Item::Event(_)));
    cx.say(cx::end_of(&super::session::record(&pool)));
}

/// A note of now: what is older is not asked for again when a connection is back.
fn fresh(content: &str) -> nostr_proto::Event {
    let now = UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs());
    keys(1).sign(&EventTemplate::text_note(content, Timestamp::new(now)), [0; 32])
}

/// A port whose connections have little room for what is not read.
fn deaf() -> Listener {
    Listener::start().with_receive_buffer(16 << 10)
}

fn long_note(n: u64) -> nostr_proto::Event {
    let content = format!("{n} {}", "long ".repeat(50_000));
    keys(1).sign(&EventTemplate::text_note(content, Timestamp::new(1_700_000_000 + n)), [0; 32])
}

fn zero_window<R: Runtime>(cx: &Cx<R>) {
    let (listener, server) = (deaf(), relay());
    let pool = build(&cx.runtime, builder().config(config()).relay(listener.url()).relay(server.url()));
    let connecting = pool.connect(PATIENCE, nostr_pool_driver::Connect::Strict);
    let mut peer = listener.accept_upgraded();
    cx.wait(connecting).expect("both connect");

    let options = || PublishOptions::default().with_quorum(Quorum::All).with_deadline(Duration::from_secs(3));
    // 10 MiB: more than our queues and the system's buffers hold, and less than the pool keeps of publishes.
    let publishing: Vec<_> = (0..30).map(|n| pool.publish(long_note(n), options()).expect("there is room")).collect();
    let reports: Vec<_> = publishing.into_iter().map(|publishing| cx.wait(publishing)).collect();
    cx.say(cx::verdict(&reports[0]));
    let options = FetchOptions::default().with_relays([url_of(&server)]);
    let fetched = cx.wait(pool.fetch([notes()], options)).expect("the pool goes on");
    cx.say(format!("the other one gives {} notes", fetched.events.len()));
    let begun = Instant::now();
    let unfinished = cx.wait(pool.shutdown(Duration::from_millis(100)));
    cx.say(if begun.elapsed() < Duration::from_secs(4) { "shut down in time" } else { "shut down late" });
    cx.say(if unfinished.is_empty() { "nothing is unfinished" } else { "there are unfinished publishes" });
    peer.drained();
}

fn pings_unread<R: Runtime>(cx: &Cx<R>) {
    let Session { pool, mut peer, .. } = Session::asked(cx, config(), deaf());
    // Each is answered by as many bytes, and more.
    let pings = frame(FIN | PING, [b'p'; 125]).repeat(8 << 10);
    let mut sent = 0;
    for _ in 0..80 {
        let now = peer.send_until_stuck(&pings, Duration::from_secs(1));
        sent += now;
        if now < pings.len() {
            break;
        }
    }
    // Where nobody bounds them, all of 80 MiB is read.
    cx.say(if sent < 64 << 20 { "its pings are not read without end" } else { "its pings are read without end" });
    let begun = Instant::now();
    cx.wait(pool.shutdown(Duration::ZERO));
    cx.say(if begun.elapsed() < Duration::from_secs(4) { "shut down in time" } else { "shut down late" });
}

/// The pool is about to write when the connection is reset, and hears what was said before all the same.
fn last_words<R: Runtime>(cx: &Cx<R>) {
    let Session { pool, mut peer, .. } = Session::asked(cx, config(), deaf());
    for n in 0..30 {
        drop(pool.publish(long_note(n), PublishOptions::default()).expect("there is room"));
    }
    thread::sleep(Duration::from_millis(500));
    peer.send([frame(FIN | TEXT, "[\"NOTICE\",\"too much\"]"), close(1008, "slow")].concat());
    peer.reset();
    let record = || super::session::record(&pool);
    cx.until("the pool knows", || cx::state(&record()) == "backoff");
    cx.say(cx::end_of(&record()));
    cx.say(format!("{} notices", record().counters.notices));
}

/// Our answer to the close frame finds no room to leave; it is not waited for without end.
fn closes_unread<R: Runtime>(cx: &Cx<R>) {
    let Session { pool, mut peer, .. } = Session::asked(cx, config(), deaf());
    for n in 0..30 {
        drop(pool.publish(long_note(n), PublishOptions::default()).expect("there is room"));
    }
    thread::sleep(Duration::from_millis(500));
    let begun = Instant::now();
    peer.send(close(1008, "slow"));
    let record = || super::session::record(&pool);
    cx.until("the pool knows", || cx::state(&record()) == "backoff");
    cx.say(cx::end_of(&record()));
    cx.say(if begun.elapsed() < Duration::from_secs(4) { "left in time" } else { "left late" });
}
