//! The server, by a client that is not ours.

use crate::support::{contents, note, publish, verbs};
use futures::{SinkExt, StreamExt};
use nostr_model_relay::{Config, Fault, Server};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

/// No step here takes longer, on however busy a machine.
const PATIENCE: Duration = Duration::from_secs(60);

type Socket = WebSocketStream<TcpStream>;

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { timeout(PATIENCE, test).await.expect("the test takes too long") });
}

async fn try_connect(server: &Server) -> Result<Socket, Error> {
    let url = server.url();
    let stream = TcpStream::connect(url.trim_start_matches("ws://")).await?;
    client_async(&url, stream).await.map(|(socket, _)| socket)
}

async fn connect(server: &Server) -> Socket {
    try_connect(server).await.expect("the relay takes connections")
}

async fn send(socket: &mut Socket, message: &Value) {
    socket.send(Message::text(message.to_string())).await.unwrap();
}

async fn receive(socket: &mut Socket) -> Value {
    let message = socket.next().await.expect("the relay is there").expect("the socket works");
    serde_json::from_str(message.to_text().unwrap()).unwrap()
}

async fn receive_until(socket: &mut Socket, verb: &str) -> Vec<Value> {
    let mut frames = Vec::new();
    while frames.last().is_none_or(|frame: &Value| frame[0] != verb) {
        frames.push(receive(socket).await);
    }
    frames
}

/// How the connection ended: the code of the close frame, or `None` without one.
async fn end(socket: &mut Socket) -> Option<u16> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Close(frame))) => return frame.map(|frame| frame.code.into()),
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return None,
        }
    }
}

async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn publish_read_and_live_push() {
    run(async {
        let server = Server::start(Config::default()).unwrap();
        let (mut writer, mut reader) = (connect(&server).await, connect(&server).await);
        send(&mut writer, &publish(&note(1, 1, "stored"))).await;
        assert_eq!(receive(&mut writer).await[2], true);
        send(&mut reader, &json!(["REQ", "s", {"kinds": [1]}])).await;
        assert_eq!(contents(&receive_until(&mut reader, "EOSE").await), ["stored"]);
        send(&mut writer, &publish(&note(1, 2, "live"))).await;
        assert_eq!(contents(&[receive(&mut reader).await]), ["live"]);
        assert!(server.with(|relay| relay.store(note(1, 3, "by the back door"))));
        assert_eq!(contents(&[receive(&mut reader).await]), ["by the back door"]);
        assert_eq!(server.connections(), 2);
        reader.close(None).await.unwrap();
        drop(writer);
        eventually("both connections end", || server.connections() == 0).await;
    });
}

#[test]
fn killed_and_revived_with_the_same_store_on_the_same_port() {
    run(async {
        let server = Server::start(Config::default()).unwrap();
        let url = server.url();
        for round in 1..=3 {
            let mut socket = connect(&server).await;
            send(&mut socket, &publish(&note(1, round, "x"))).await;
            assert_eq!(receive(&mut socket).await[2], true);
            server.kill();
            server.kill();
            assert_eq!(end(&mut socket).await, None, "no goodbye");
            assert_eq!(server.connections(), 0);
            assert!(try_connect(&server).await.is_err());
            server.revive().unwrap();
            server.revive().unwrap();
        }
        assert_eq!(server.url(), url);
        let mut socket = connect(&server).await;
        send(&mut socket, &json!(["REQ", "s", {}])).await;
        assert_eq!(receive_until(&mut socket, "EOSE").await.len(), 4);
    });
}

#[test]
fn many_frames_at_once_are_answered_in_order() {
    run(async {
        let server = Server::start(Config { verify: false, ..Config::default() }).unwrap();
        let mut socket = connect(&server).await;
        let model = publish(&note(1, 1, "x"));
        for number in 0..3_000 {
            let mut message = model.clone();
            message[1]["id"] = json!(format!("{number:064x}"));
            socket.feed(Message::text(message.to_string())).await.unwrap();
        }
        socket.flush().await.unwrap();
        for number in 0..3_000 {
            assert_eq!(receive(&mut socket).await[1], format!("{number:064x}"));
        }
        assert_eq!(server.with(|relay| relay.len()), 3_000);
    });
}

#[test]
fn who_does_not_read_is_sent_away() {
    run(async {
        let config = Config { max_queued_bytes: 1 << 20, ..Config::default() };
        let server = Server::start(config).unwrap();
        let mut slow = connect(&server).await;
        send(&mut slow, &json!(["REQ", "s", {"limit": 0}])).await;
        eventually("the subscription opens", || server.with(|relay| relay.open_subscriptions()) == 1).await;
        let content = "x".repeat(100_000);
        let mut second = 0;
        eventually("the queue overflows", || {
            for _ in 0..10 {
                second += 1;
                server.with(|relay| relay.store(note(1, second, &content)));
            }
            server.with(|relay| relay.stats().slow_consumers) == 1
        })
        .await;
        eventually("the slow one is gone", || server.connections() == 0).await;
        let mut other = connect(&server).await;
        send(&mut other, &json!(["REQ", "s", {"limit": 1}])).await;
        assert_eq!(verbs(&receive_until(&mut other, "EOSE").await), ["EVENT", "EOSE"]);
    });
}

#[test]
fn a_message_too_long_is_answered_by_a_close() {
    run(async {
        let server = Server::start(Config { max_message_bytes: 1_000, ..Config::default() }).unwrap();
        let mut socket = connect(&server).await;
        send(&mut socket, &json!(["REQ", "x".repeat(2_000), {}])).await;
        assert_eq!(end(&mut socket).await, Some(1009));
        eventually("it is gone", || server.connections() == 0).await;
    });
}

#[test]
fn binary_messages_earn_a_notice_and_pings_a_pong() {
    run(async {
        let server = Server::start(Config::default()).unwrap();
        let mut socket = connect(&server).await;
        socket.send(Message::binary(vec![0, 1, 2])).await.unwrap();
        assert_eq!(receive(&mut socket).await[0], "NOTICE");
        socket.send(Message::Ping("still there?".into())).await.unwrap();
        let pong = socket.next().await.unwrap().unwrap();
        assert_eq!(pong, Message::Pong("still there?".into()));
    });
}

#[test]
fn faults_reach_the_wire() {
    run(async {
        let server = Server::start(Config::default()).unwrap();
        let goodbye = |code| Fault::DisconnectAfter { frames: 1, code, reason: "bye".to_owned() };
        for (code, seen) in [(1001, Some(1001)), (4000, Some(4000)), (1006, None)] {
            server.set_faults(goodbye(code));
            let mut socket = connect(&server).await;
            send(&mut socket, &json!(["REQ", "s", {}])).await;
            assert_eq!(receive(&mut socket).await[0], "EOSE");
            assert_eq!(end(&mut socket).await, seen);
        }
        // Also right at the start, where the challenge is the first frame.
        let plan = [Fault::AuthRequired { reads: true, writes: true, challenge_on_connect: true }, goodbye(1001)];
        server.set_faults(plan.into_iter().collect::<nostr_model_relay::FaultPlan>());
        let mut socket = connect(&server).await;
        assert_eq!(receive(&mut socket).await[0], "AUTH");
        assert_eq!(end(&mut socket).await, Some(1001));
        eventually("all are gone", || server.connections() == 0).await;
    });
}

#[test]
fn answers_can_be_delayed() {
    run(async {
        let server = Server::start(Config::default()).unwrap();
        server.set_delay(Duration::from_millis(60));
        let mut socket = connect(&server).await;
        let started = Instant::now();
        send(&mut socket, &json!(["REQ", "s", {}])).await;
        receive(&mut socket).await;
        assert!(started.elapsed() >= Duration::from_millis(60));
    });
}

#[test]
fn connections_are_bounded() {
    run(async {
        let server = Server::start(Config { max_connections: 1, ..Config::default() }).unwrap();
        let first = connect(&server).await;
        // The second waits for its handshake until the first has gone.
        assert!(timeout(Duration::from_millis(100), try_connect(&server)).await.is_err());
        drop(first);
        connect(&server).await;
    });
}

#[test]
fn a_dropped_server_is_gone_and_a_taken_port_is_an_error() {
    run(async {
        let server = Server::start(Config::default()).unwrap();
        let port: u16 = server.url().rsplit(':').next().unwrap().parse().unwrap();
        assert!(Server::start_on(Config::default(), port).is_err());
        let mut socket = connect(&server).await;
        let url = server.url();
        drop(server);
        assert_eq!(end(&mut socket).await, None);
        assert!(TcpStream::connect(url.trim_start_matches("ws://")).await.is_err());
        let again = Server::start_on(Config::default(), port).unwrap();
        assert_eq!(again.url(), url);
    });
}

#[test]
fn a_panic_in_a_users_closure_leaves_the_relay_usable() {
    run(async {
        let server = Server::start(Config::default()).unwrap();
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| server.with(|_| panic!("on purpose"))));
        assert!(outcome.is_err());
        let mut socket = connect(&server).await;
        send(&mut socket, &json!(["REQ", "s", {}])).await;
        assert_eq!(receive(&mut socket).await[0], "EOSE");
    });
}
