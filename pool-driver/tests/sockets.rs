//! The socket task, against sockets that misbehave on demand.
#![allow(clippy::unwrap_used, clippy::panic, reason = "panicking is how tests fail, their helpers too")]

mod mock;

use std::thread;
use std::time::{Duration, Instant, UNIX_EPOCH};

use futures::StreamExt;
use futures::executor::block_on;
use mock::{Dial, Mock, Peer, until};
use nostr_pool_driver::{
    BuildError, Config, Connect, ConnectError, ConnectOutcome, ConnectionState, Event, EventTemplate, Filter, Incoming,
    Item, Keys, Outgoing, Pool, PublishOptions, PublishStatus, RecordOptions, RelayRecord, RelayUpdate, RelayUrl,
    SocketError, SubscribeOptions, Timestamp, Which,
};

const URL: &str = "ws://relay.example.com";

fn pool(mock: &Mock) -> Pool {
    let config = Config {
        backoff_base: Duration::from_millis(20),
        backoff_jitter: Duration::from_millis(1),
        dial_deadline: Duration::from_millis(3_200),
        ..Config::default()
    };
    Pool::builder().config(config).relay(URL).build(mock.clone()).unwrap()
}

fn record(pool: &Pool) -> RelayRecord {
    pool.relay(&RelayUrl::parse(URL).unwrap()).unwrap()
}

fn connect(pool: &Pool) -> Result<(), String> {
    match block_on(pool.connect(Duration::from_secs(5), Connect::Strict)) {
        Ok(_) => Ok(()),
        Err(ConnectError::Incomplete(report)) => match &report.relays[0].1 {
            ConnectOutcome::Failed(why) => Err(why.clone()),
            other => panic!("settled long before: {other:?}"),
        },
        Err(other) => panic!("the call is right: {other:?}"),
    }
}

fn closes(frames: &[Outgoing]) -> Vec<(u16, &str)> {
    let close = |frame| match frame {
        &Outgoing::Close { code, ref reason } => Some((code, reason.as_str())),
        _ => None,
    };
    frames.iter().filter_map(close).collect()
}

/// The subscription id of the REQ that came first.
fn request_id(peer: &Peer) -> String {
    match &peer.received()[0] {
        Outgoing::Text(req) => req.split('"').nth(3).unwrap().to_owned(),
        other => panic!("a REQ, not {other:?}"),
    }
}

fn unix_now() -> u64 {
    UNIX_EPOCH.elapsed().unwrap().as_secs()
}

fn event(n: u64) -> Event {
    let template = EventTemplate::text_note(format!("note {n}"), Timestamp::new(1_700_000_000 + n));
    Keys::from_entropy([1; 32]).unwrap().sign(&template, [0; 32])
}

#[test]
fn the_next_address_is_tried_when_one_refuses() {
    let mock =
        Mock::with(&[("10.0.0.1:1", Dial::Refuses), ("[fd00::1]:1", Dial::Connects), ("10.0.0.2:1", Dial::Hangs)]);
    connect(&pool(&mock)).unwrap();
    let dialled = mock.edit(|inner| inner.dialled.clone());
    assert_eq!(dialled, ["10.0.0.1:1".parse().unwrap(), "[fd00::1]:1".parse().unwrap()]);
}

#[test]
fn the_next_address_is_tried_when_one_hangs() {
    let mock = Mock::with(&[("10.0.0.1:1", Dial::Hangs), ("10.0.0.2:1", Dial::Connects)]);
    let begun = Instant::now();
    connect(&pool(&mock)).unwrap();
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(250) && took < Duration::from_millis(2_000), "{took:?}");
}

#[test]
fn a_failed_dial_says_which_step_failed() {
    let dial = |mock: &Mock| connect(&pool(mock)).unwrap_err();
    assert_eq!(dial(&Mock::default()), "cannot resolve the host: no such host");
    let refused = dial(&Mock::with(&[("10.0.0.1:1", Dial::Refuses)]));
    assert!(refused.starts_with("cannot connect to 10.0.0.1:1: "), "{refused}");
    let hung = dial(&Mock::with(&[("10.0.0.1:1", Dial::Hangs)]));
    assert_eq!(hung, "connecting, 10.0.0.1:1, was not done within 3s of dialling");
    let mock = Mock::simple();
    mock.edit(|inner| inner.refuse_upgrade = Some(403));
    assert_eq!(dial(&mock), "the server answered the WebSocket upgrade with HTTP 403");
}

#[test]
fn a_peer_that_does_not_answer_a_close_is_left_after_a_second() {
    let mock = Mock::simple();
    let pool = pool(&mock);
    connect(&pool).unwrap();
    let peer = mock.peer(0);
    let begun = Instant::now();
    pool.disconnect(Which::All, 1000, "bye").unwrap();
    until("the socket is dropped", || peer.is_gone());
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(900) && took < Duration::from_millis(1_900), "{took:?}");
    assert_eq!(closes(&peer.received()), [(1000, "bye")]);
    until("the core knows", || record(&pool).state == ConnectionState::Disabled);
}

#[test]
fn a_peer_that_answers_a_close_is_left_at_once() {
    let mock = Mock::simple();
    let pool = pool(&mock);
    connect(&pool).unwrap();
    let peer = mock.peer(0);
    pool.disconnect(Which::All, 1000, "bye").unwrap();
    until("the close frame is out", || !peer.received().is_empty());
    let begun = Instant::now();
    peer.send_frame(Incoming::Close { code: 1000, reason: String::new() });
    until("the socket is dropped", || peer.is_gone());
    assert!(begun.elapsed() < Duration::from_millis(500));
}

#[test]
fn a_blocked_sink_delays_nothing_but_itself() {
    let mock = Mock::simple();
    let pool = pool(&mock);
    connect(&pool).unwrap();
    let peer = mock.peer(0);
    peer.block();
    let publishing = pool.publish(event(1), PublishOptions::default()).unwrap();
    peer.send(["[\"NOTICE\",\"hello\"]".to_owned()]);
    until("the relay is read while it reads nothing", || record(&pool).counters.notices == 1);
    assert_eq!(peer.received(), []);
    let begun = Instant::now();
    drop(pool);
    until("the socket is dropped", || peer.is_gone());
    assert!(begun.elapsed() < Duration::from_millis(1_900), "the close frame is given a second to get out");
    let report = block_on(publishing);
    assert!(report.verdict.is_some());
    assert!(!matches!(report.relays[0].1, PublishStatus::Accepted { .. }));
}

#[test]
fn a_flood_is_fed_whole_and_in_order() {
    let mock = Mock::simple();
    let pool = pool(&mock);
    connect(&pool).unwrap();
    let peer = mock.peer(0);
    let mut status = pool.status();
    peer.send((0..1_000).map(|n| format!("[\"NOTICE\",\"{n}\"]")));
    for n in 0..1_000 {
        let news = block_on(status.next()).unwrap();
        assert_eq!(news.update, notice(n));
        assert_eq!(news.lagged, 0);
    }
    assert_eq!(record(&pool).counters.frames, 1_000);
}

fn notice(n: u32) -> RelayUpdate {
    RelayUpdate::Notice(n.to_string())
}

#[test]
fn a_slow_listener_loses_the_oldest_news_and_knows() {
    let mock = Mock::simple();
    let pool = pool(&mock);
    connect(&pool).unwrap();
    let mut status = pool.status();
    let mut tap = pool.tap(Which::All);
    mock.peer(0).send((0..3_000).map(|n| format!("[\"NOTICE\",\"{n}\"]")));
    until("all is read", || record(&pool).counters.notices == 3_000);
    let first = block_on(status.next()).unwrap();
    assert_eq!((first.update, first.lagged), (notice(3_000 - 1_024), 3_000 - 1_024));
    let first = block_on(tap.next()).unwrap();
    assert_eq!((&*first.text, first.lagged), ("[\"NOTICE\",\"1976\"]", 1_976));
    assert_eq!(block_on(tap.next()).unwrap().lagged, 0);
}

#[test]
fn what_a_peer_did_wrong_is_told_to_it_and_to_the_user() {
    for (error, code, told) in [
        (SocketError::TooLarge, Some(1009), "the relay sent a message larger than the limit"),
        (SocketError::NotUtf8, Some(1007), "the relay sent text that is not UTF-8"),
        (SocketError::Protocol("odd".into()), Some(1002), "WebSocket protocol error: odd"),
        (SocketError::Ended, None, "the connection ended without a close frame"),
        (SocketError::Io(std::io::Error::other("reset")), None, "transport error: reset"),
    ] {
        let mock = Mock::simple();
        let pool = pool(&mock);
        connect(&pool).unwrap();
        let peer = mock.peer(0);
        peer.fail(error);
        until("the socket is dropped", || peer.is_gone());
        assert_eq!(closes(&peer.received()).first().map(|close| close.0), code);
        mock.peer(1);
        assert_eq!(record(&pool).last_error.as_deref(), Some(told));
    }
}

#[test]
fn an_end_without_a_close_frame_is_an_error_and_dialled_again() {
    let mock = Mock::simple();
    let pool = pool(&mock);
    connect(&pool).unwrap();
    mock.peer(0).end();
    mock.peer(1);
    assert_eq!(record(&pool).last_error.as_deref(), Some("the connection ended without a close frame"));
    mock.peer(1).send_frame(Incoming::Close { code: 4000, reason: "enough".into() });
    mock.peer(2);
    assert_eq!(record(&pool).last_close, Some((4000, "enough".to_owned())));
}

#[test]
fn last_words_are_heard_where_nothing_can_be_written_any_more() {
    let mock = Mock::simple();
    let pool = pool(&mock);
    connect(&pool).unwrap();
    let notices = (0..1_000).map(|n| Incoming::Text(format!("[\"NOTICE\",\"{n}\"]")));
    let close = Incoming::Close { code: 1008, reason: "go away".into() };
    let peer = mock.peer(0);
    peer.block();
    let publishing = pool.publish(event(1), PublishOptions::default()).unwrap();
    peer.break_after(notices.chain([close]));
    mock.peer(1);
    let record = record(&pool);
    assert_eq!(record.counters.notices, 1_000);
    assert_eq!((record.last_close, record.last_error), (Some((1008, "go away".to_owned())), None));
    drop(publishing);
}

#[test]
fn a_connection_that_can_not_be_written_to_and_says_nothing_is_lost() {
    let mock = Mock::simple();
    let pool = pool(&mock);
    connect(&pool).unwrap();
    mock.peer(0).break_after([]);
    let publishing = pool.publish(event(1), PublishOptions::default()).unwrap();
    mock.peer(1);
    assert_eq!(record(&pool).last_error.as_deref(), Some("transport error: broken pipe"));
    drop(publishing);
}

#[test]
fn a_socket_that_panics_is_one_that_is_lost() {
    let mock = Mock::simple();
    let pool = pool(&mock);
    connect(&pool).unwrap();
    mock.peer(0).panic();
    mock.peer(1);
    assert_eq!(record(&pool).last_error.as_deref(), Some("the task of the socket was dropped"));
}

#[test]
fn too_much_unverified_pauses_the_socket_and_loses_nothing() {
    let mock = Mock::simple();
    let config = Config { max_in_flight_per_relay: 16, ..Config::default() };
    let pool = Pool::builder().config(config).relay(URL).build(mock.clone()).unwrap();
    let mut subscription = pool.subscribe([Filter::new()], SubscribeOptions::default()).unwrap();
    let peer = mock.peer(0);
    until("the request is out", || !peer.received().is_empty());
    let id = request_id(&peer);
    // One at a time, as a relay over a network: a batch of 64 is drained before the core can say stop.
    let events: Vec<String> = (0..300).map(|n| format!("[\"EVENT\",\"{id}\",{}]", event(n).to_json())).collect();
    for chunk in events.chunks(8) {
        peer.send(chunk.iter().cloned());
        until("it is read", || peer.unread() == 0);
    }
    let mut seen = std::collections::BTreeSet::new();
    block_on(async {
        while seen.len() < 300 {
            if let Item::Event(e) = subscription.next().await.unwrap() {
                assert!(seen.insert(e.event.id()), "once each");
            }
        }
    });
    assert_eq!(record(&pool).counters.dropped, 0);
}

/// Until when a connection counts as alive, in seconds after its EOSE, whose peer is pinged and sends these frames.
fn alive_after_eose(sends: &Incoming<String>) -> u64 {
    let mock = Mock::simple();
    let config = Config { keepalive: Duration::from_millis(500), ..Config::default() };
    let reach = (config.late_window + config.skew).as_secs();
    let pool = Pool::builder().config(config).relay(URL).build(mock.clone()).unwrap();
    let mut subscription = pool.subscribe([Filter::new()], SubscribeOptions::default()).unwrap();
    let peer = mock.peer(0);
    until("the request is out", || !peer.received().is_empty());
    peer.send([format!("[\"EOSE\",\"{}\"]", request_id(&peer))]);
    while !matches!(block_on(subscription.next()), Some(Item::Eose(_))) {}
    let eose = unix_now();

    let pings = || peer.received().iter().filter(|frame| **frame == Outgoing::Ping).count();
    let keep_sending = || {
        if peer.unread() == 0 {
            peer.send_frame(sends.clone());
        }
    };
    until("a ping would be of a later second", || {
        keep_sending();
        unix_now() > eose
    });
    let before = pings();
    until("such a ping has come", || {
        keep_sending();
        pings() > before
    });
    peer.send_frame(sends.clone());
    until("all is read", || peer.unread() == 0);
    peer.end();
    loop {
        if let Some(Item::Gap(gap)) = block_on(subscription.next()) {
            // A gap begins where what is late may be dated.
            return (gap.since.unwrap().as_secs() + reach).saturating_sub(eose);
        }
    }
}

#[test]
fn a_pong_answers_our_ping_and_a_ping_of_theirs_does_not() {
    let pinging = thread::spawn(|| alive_after_eose(&Incoming::Ping));
    assert!(alive_after_eose(&Incoming::Pong) > 0, "what came before the pong was all there was");
    assert_eq!(pinging.join().unwrap(), 0, "a ping says nothing of what came before ours");
}

/// In a process that may have too little memory for so many threads: nothing else makes the system refuse one.
#[cfg(target_os = "linux")]
#[test]
fn a_pool_that_cannot_be_built_leaves_no_recording() {
    const TEST: &str = "a_pool_that_cannot_be_built_leaves_no_recording";
    const CHILD: &str = "NOSTR_POOL_TEST_RECORD_TO";
    if let Some(path) = std::env::var_os(CHILD) {
        let builder = Pool::builder().verifier_threads(100_000);
        let built = builder.record(std::path::Path::new(&path), RecordOptions::default()).build(Mock::with(&[]));
        assert!(matches!(built, Err(BuildError::Thread(_))));
        return;
    }
    let path = std::env::temp_dir().join(format!("nostr-pool-few-threads-{}", std::process::id()));
    let mut child = std::process::Command::new("sh");
    child.args(["-c", r#"ulimit -v 2000000 && exec "$0" --exact "$1""#]).arg(std::env::current_exe().unwrap());
    let ended = child.arg(TEST).env(CHILD, &path).output().unwrap();
    let left = std::fs::remove_file(&path).is_ok();
    assert!(ended.status.success() && String::from_utf8_lossy(&ended.stdout).contains("1 passed"), "{ended:?}");
    assert!(!left, "there is a file");
}
