//! Connecting, disconnecting, watching.

use std::net::TcpListener;
use std::time::Duration;

use futures::StreamExt;
use nostr_model_relay::{Fault, FaultPlan, Server};
use nostr_pool_driver::{
    CallError, Connect, ConnectError, ConnectOutcome, ConnectionState, Direction, EndReason, FetchOptions, GapCause,
    Item, PublishOptions, Quorum, ReconnectOptions, RelayOptions, RelayUpdate, Runtime, StatusUpdate, SubscribeOptions,
    Verdict, Which,
};

use super::*;

/// A loopback port where nobody listens.
fn dead_url() -> RelayUrl {
    let server = relay();
    let url = url_of(&server);
    drop(server);
    url
}

fn state(pool: &Pool, server: &Server) -> ConnectionState {
    pool.relay(&url_of(server)).expect("it is in the pool").state
}

/// Every relay connects, and the report says so.
pub async fn connects_strictly<R: Runtime>(runtime: R) {
    let servers = [relay(), relay()];
    let pool = pool(&runtime, &servers);
    assert!(pool.relays().iter().all(|r| r.state == ConnectionState::Idle), "nothing is dialled before");
    let report = pool.connect(PATIENCE / 2, Connect::Strict).await.unwrap();
    assert_eq!((report.relays.len(), report.connected()), (2, 2));
    for record in pool.relays() {
        assert_eq!((record.state, record.dials, record.opened), (ConnectionState::Open, 1, 1));
        assert!(record.last_connected.is_some());
    }
    let again = pool.connect(PATIENCE / 2, Connect::Strict).await.unwrap();
    assert_eq!(again.connected(), 2);
    assert!(pool.relays().iter().all(|r| r.dials == 1), "connecting again is no new dial");
}

/// One relay is enough.
pub async fn connects_leniently<R: Runtime>(runtime: R) {
    let server = relay();
    let dead = dead_url();
    let pool = build(&runtime, builder().relay(server.url()).relay(&dead));
    let report = pool.connect(PATIENCE / 2, Connect::Lenient).await.unwrap();
    assert_eq!((report.relays.len(), report.connected()), (2, 1));
    let (_, outcome) = report.relays.iter().find(|(url, _)| *url == dead).unwrap();
    assert!(matches!(outcome, ConnectOutcome::Failed(_)), "{outcome:?}");
}

/// All must connect, and one did not.
pub async fn tells_why_it_cannot_connect<R: Runtime>(runtime: R) {
    let server = relay();
    let dead = dead_url();
    let pool = build(&runtime, builder().relay(server.url()).relay(&dead));
    let error = pool.connect(PATIENCE / 2, Connect::Strict).await.unwrap_err();
    assert_eq!(error.to_string(), "1 of 2 relays connected");
    let ConnectError::Incomplete(report) = error else { panic!("the call itself was right: {error:?}") };
    let (_, outcome) = report.relays.iter().find(|(url, _)| *url == dead).unwrap();
    let ConnectOutcome::Failed(why) = outcome else { panic!("nobody listens there: {outcome:?}") };
    assert!(why.contains("cannot connect to 127.0.0.1"), "{why}");
}

/// A server that takes connections and says nothing.
pub async fn gives_up_on_a_mute_server<R: Runtime>(runtime: R) {
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", mute.local_addr().unwrap());
    let config = Config { dial_deadline: Duration::from_millis(1_600), ..quick() };
    let pool = build(&runtime, builder().config(config).relay(&url));
    let error = pool.connect(Duration::from_millis(100), Connect::Lenient).await.unwrap_err();
    let ConnectError::Incomplete(report) = error else { panic!("the call itself was right: {error:?}") };
    assert_eq!(report.relays[0].1, ConnectOutcome::TimedOut);

    let error = pool.connect(PATIENCE / 2, Connect::Lenient).await.unwrap_err();
    let ConnectError::Incomplete(report) = error else { panic!("the call itself was right: {error:?}") };
    let ConnectOutcome::Failed(why) = &report.relays[0].1 else { panic!("the dial has a deadline: {report:?}") };
    assert!(why.starts_with("the WebSocket upgrade, "), "{why}");
}

/// Closed on demand, left so, opened on demand.
pub async fn disconnects_and_reconnects<R: Runtime>(runtime: R) {
    let servers = [relay(), relay()];
    let pool = pool(&runtime, &servers);
    connect(&pool).await;
    pool.disconnect(Which::One(url_of(&servers[0])), 1000, "later").unwrap();
    until(&runtime, "the relay is let go", || servers[0].connections() == 0).await;
    until(&runtime, "it is disabled", || state(&pool, &servers[0]) == ConnectionState::Disabled).await;
    assert_eq!(state(&pool, &servers[1]), ConnectionState::Open, "the other one stays");

    pool.reconnect(Which::One(url_of(&servers[0])), ReconnectOptions::default()).unwrap();
    until(&runtime, "it is back", || state(&pool, &servers[0]) == ConnectionState::Open).await;
    until(&runtime, "the relay saw it twice", || servers[0].with(|relay| relay.stats().connections_opened) == 2).await;

    pool.reconnect(Which::All, ReconnectOptions::default()).unwrap();
    let opened = |n: usize| servers[n].with(|relay| relay.stats().connections_opened);
    until(&runtime, "both are fresh", || (opened(0), opened(1)) == (3, 2)).await;
    let unknown = pool.disconnect(Which::One(dead_url()), 1000, "");
    assert!(matches!(unknown, Err(CallError::UnknownRelay(_))), "{unknown:?}");
    pool.network_changed().unwrap();
}

/// Relays come and go while the pool runs.
pub async fn adds_and_removes_relays<R: Runtime>(runtime: R) {
    let servers = [relay(), relay()];
    store(&servers[1], [note(2)]);
    let pool = pool(&runtime, [&servers[0]]);
    let mut subscription = pool.subscribe([notes()], SubscribeOptions::default()).unwrap();
    next(&mut subscription, |item| matches!(item, Item::Eose(_)).then_some(())).await;
    pool.add_relay(servers[1].url(), RelayOptions::default()).unwrap();
    let found = next_event(&mut subscription).await;
    assert_eq!(found.event.id(), note(2).id(), "a running subscription extends to a new relay");

    pool.remove_relay(&url_of(&servers[1])).unwrap();
    until(&runtime, "the removed relay is let go", || servers[1].connections() == 0).await;
    assert_eq!(pool.relays().len(), 1);
    assert!(pool.relay(&url_of(&servers[1])).is_none());
    assert!(pool.remove_relay(&url_of(&servers[1])).is_err());
    let error = pool.add_relay("http://x", RelayOptions::default()).unwrap_err();
    assert!(error.to_string().starts_with("relay \"http://x\": "), "{error}");
}

/// A clean start ends what runs and keeps the relays.
pub async fn starts_clean<R: Runtime>(runtime: R) {
    let server = relay();
    store(&server, [note(1)]);
    let pool = pool(&runtime, [&server]);
    let mut subscription = pool.subscribe([notes()], SubscribeOptions::default()).unwrap();
    next_event(&mut subscription).await;
    pool.start_clean().unwrap();
    let reason = next(&mut subscription, |item| match item {
        Item::End(reason) => Some(reason),
        _ => None,
    })
    .await;
    assert_eq!(reason, EndReason::StartedClean);
    assert!(pool.seen_on(&note(1).id()).is_empty());
    let fetched = pool.fetch([notes()], FetchOptions::default()).await.unwrap();
    assert_eq!(fetched.events.len(), 1, "everything works as new");
    assert_eq!(server.with(|relay| relay.stats().connections_opened), 2);
}

/// States and NOTICEs reach whoever listens, with the record of the relay.
pub async fn tells_status_and_notices<R: Runtime>(runtime: R) {
    let server = relay();
    let refuse = Fault::RefuseReq { reason: "error: go away".into() };
    server.set_faults(FaultPlan::new().with(refuse).with(Fault::NoticeInsteadOfClosed));
    let pool = pool(&runtime, [&server]);
    let mut status = pool.status();
    let subscription = pool.subscribe([notes()], SubscribeOptions::default()).unwrap();
    let mut states = Vec::new();
    let notice = loop {
        let StatusUpdate { relay, update, record, lagged } = status.next().await.expect("the pool lives");
        assert_eq!((relay, lagged), (url_of(&server), 0));
        assert_eq!(record.expect("it is in the pool").url, url_of(&server));
        match update {
            RelayUpdate::State(state) => states.push(state),
            RelayUpdate::Notice(text) => break text,
            other => panic!("nobody removed it: {other:?}"),
        }
    };
    assert_eq!(states, [ConnectionState::Dialing, ConnectionState::Open]);
    assert!(notice.contains("go away"), "{notice}");
    drop(subscription);
    drop(pool);
    while status.next().await.is_some() {}
}

/// A tap sees what goes over the wire, both ways, of the relay that it is for.
pub async fn taps_the_wire<R: Runtime>(runtime: R) {
    let servers = [relay(), relay()];
    store(&servers[0], [note(1)]);
    store(&servers[1], [note(2)]);
    let pool = pool(&runtime, &servers);
    let mut one = pool.tap(Which::One(url_of(&servers[0])));
    let fetched = pool.fetch([notes()], FetchOptions::default()).await.unwrap();
    assert_eq!(fetched.events.len(), 2);
    drop(pool);
    let mut verbs = Vec::new();
    while let Some(frame) = one.next().await {
        assert_eq!((&frame.relay, frame.lagged), (&url_of(&servers[0]), 0));
        let message: serde_json::Value = serde_json::from_str(&frame.text).unwrap();
        verbs.push((frame.direction, message[0].as_str().unwrap().to_owned()));
    }
    let want = [(Direction::Out, "REQ"), (Direction::In, "EVENT"), (Direction::In, "EOSE"), (Direction::Out, "CLOSE")];
    assert_eq!(verbs, want.map(|(way, verb)| (way, verb.to_owned())));
}

/// A relay dies and comes back with what was missed: the gap is told, and closed.
pub async fn catches_up_after_a_crash<R: Runtime>(runtime: R) {
    let server = relay();
    let pool = pool(&runtime, [&server]);
    let now = Timestamp::new(std::time::UNIX_EPOCH.elapsed().unwrap().as_secs());
    let fresh = |text: &str| keys(1).sign(&EventTemplate::text_note(text, now), [0; 32]);
    let mut subscription = pool.subscribe([notes()], SubscribeOptions::default()).unwrap();
    next(&mut subscription, |item| matches!(item, Item::Eose(_)).then_some(())).await;
    store(&server, [fresh("before")]);
    assert_eq!(next_event(&mut subscription).await.event.content(), "before");

    server.kill();
    let gap = |item| match item {
        Item::Gap(gap) => Some(gap),
        _ => None,
    };
    let opened = next(&mut subscription, gap).await;
    assert_eq!((opened.relay.clone(), opened.cause), (Some(url_of(&server)), GapCause::Disconnected));
    let publishing = pool.publish(fresh("mine"), PublishOptions::default().with_quorum(Quorum::All)).unwrap();
    store(&server, [fresh("missed")]);
    server.revive().unwrap();

    let mut missed = Vec::new();
    let closed = next(&mut subscription, |item| match item {
        Item::Event(e) => {
            missed.push(e.event.content().to_owned());
            None
        }
        other => gap(other),
    })
    .await;
    assert!(matches!(closed.cause, GapCause::CaughtUp { .. }), "{closed:?}");
    assert_eq!(publishing.await.verdict, Some(Verdict::Reached), "what was published meanwhile arrives");
    while missed.len() < 2 {
        missed.push(next_event(&mut subscription).await.event.content().to_owned());
    }
    missed.sort();
    assert_eq!(missed, ["mine", "missed"], "and nothing twice");
    assert!(pool.relay(&url_of(&server)).unwrap().opened >= 2);
}

/// A message over the limit ends its connection, not the run.
pub async fn refuses_a_giant<R: Runtime>(runtime: R) {
    let servers = [relay(), relay()];
    store(&servers[1], [note(1)]);
    servers[0].set_faults(Fault::OversizeEvent { bytes: 5 << 20 });
    let pool = pool(&runtime, &servers);
    let options = FetchOptions::default().with_timeout(Duration::from_secs(2));
    let fetched = pool.fetch([notes()], options).await.unwrap();
    assert_eq!(fetched.events.len(), 1);
    let record = pool.relay(&url_of(&servers[0])).unwrap();
    assert_eq!(record.last_error.as_deref(), Some("the relay sent a message larger than the limit"));
}
