//! Beginning and end of a pool.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, pending};
use nostr_pool_driver::{
    CallError, Connect, EndReason, FetchError, FetchOptions, Item, PublishOptions, PublishStatus, Quorum, Runtime,
    SignError, Signer, SubscribeOptions, Unfinished, Verdict,
};
use nostr_proto::{PublicKey, UnsignedEvent};

use super::*;
use crate::around::as_inner;

/// A runtime that knows how many of the pool's tasks are alive. It is also what a third adapter looks like.
#[derive(Clone, Debug)]
pub struct Counting<R> {
    inner: R,
    tasks: Arc<AtomicUsize>,
}

impl<R: Runtime> Counting<R> {
    /// Around this one.
    pub fn new(inner: R) -> Self {
        Self { inner, tasks: Arc::default() }
    }

    /// Tasks that have not ended.
    pub fn alive(&self) -> usize {
        self.tasks.load(Ordering::SeqCst)
    }
}

struct Alive(Arc<AtomicUsize>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl<R: Runtime> Runtime for Counting<R> {
    as_inner!(now, sleep, yield_now, resolve, connect, websocket);

    fn spawn(&self, future: BoxFuture<'static, ()>) {
        self.tasks.fetch_add(1, Ordering::SeqCst);
        let alive = Alive(self.tasks.clone());
        self.inner.spawn(future.map(move |()| drop(alive)).boxed());
    }
}

/// When the last handle goes, everything goes.
pub async fn ends_its_tasks_when_dropped<R: Runtime>(runtime: R) {
    let runtime = Counting::new(runtime);
    let servers = [relay(), relay()];
    let pool = pool(&runtime, &servers);
    connect(&pool).await;
    let mut subscription = pool.subscribe([notes()], SubscribeOptions::default()).unwrap();
    let publishing = pool.publish(note(1), PublishOptions::default()).unwrap();
    assert_eq!(runtime.alive(), 3, "a timer and two sockets");

    let clone = pool.clone();
    drop(pool);
    next_event(&mut subscription).await;
    assert_eq!(runtime.alive(), 3, "a clone keeps it alive");
    drop(clone);
    let reason = next(&mut subscription, |item| match item {
        Item::End(reason) => Some(reason),
        _ => None,
    })
    .await;
    assert_eq!(reason, EndReason::Shutdown);
    assert!(subscription.next().await.is_none());
    assert!(publishing.await.verdict.is_some(), "every publish gets a verdict");
    until(&runtime, "every task has ended", || runtime.alive() == 0).await;
    until(&runtime, "the relays are let go", || servers.iter().all(|s| s.connections() == 0)).await;
}

/// A signer that never answers. It and its unanswered questions hold on to something.
struct Silent(Arc<()>);

impl Signer for Silent {
    fn public_key(&self) -> PublicKey {
        keys(1).public_key()
    }

    fn sign(&self, _: UnsignedEvent) -> BoxFuture<'static, Result<Event, SignError>> {
        let held = self.0.clone();
        pending().map(move |never| (never, held).0).boxed()
    }
}

/// A signer that thinks for ever keeps neither its task nor the pool.
pub async fn lets_go_of_a_silent_signer<R: Runtime>(runtime: R) {
    let runtime = Counting::new(runtime);
    let server = relay();
    let held = Arc::new(());
    let alive = Arc::downgrade(&held);
    let pool = build(&runtime, builder().relay(server.url()).signer(Silent(held)));
    let publishing = pool.publish_unsigned(template(1), PublishOptions::default()).unwrap();
    until(&runtime, "the signer is asked", || alive.strong_count() == 2).await;
    drop(pool);
    assert_eq!(publishing.await.verdict, Some(Verdict::Indeterminate));
    until(&runtime, "every task has ended", || runtime.alive() == 0).await;
    until(&runtime, "the pool is gone, and its signer", || alive.strong_count() == 0).await;
}

/// A dial under way is given up.
pub async fn ends_while_dialling<R: Runtime>(runtime: R) {
    let runtime = Counting::new(runtime);
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let pool = build(&runtime, builder().relay(format!("ws://{}", mute.local_addr().unwrap())));
    let connecting = pool.connect(PATIENCE, Connect::Lenient);
    runtime.sleep(Duration::from_millis(50)).await;
    assert_eq!(runtime.alive(), 2, "a timer and a dial");
    let begun = runtime.now();
    drop(pool);
    let error = connecting.await.unwrap_err();
    assert_eq!(error.to_string(), "the pool was shut down");
    until(&runtime, "every task has ended", || runtime.alive() == 0).await;
    assert!(runtime.now() - begun < Duration::from_secs(3), "long before the dial's deadline");
}

/// What could not be delivered comes back.
pub async fn shuts_down_and_returns_the_unfinished<R: Runtime>(runtime: R) {
    let servers = [relay(), relay()];
    servers[1].kill();
    let pool = pool(&runtime, &servers);
    let event = note(1);
    let publishing = pool.publish(event.clone(), PublishOptions::default().with_quorum(Quorum::All)).unwrap();
    until(&runtime, "the living one has it", || servers[0].with(|relay| relay.contains(&event.id()))).await;

    let mut unfinished = pool.shutdown(Duration::from_millis(100)).await;
    assert_eq!(unfinished.len(), 1);
    let left = unfinished.remove(0);
    assert_eq!(left.event, Unfinished::Signed(event));
    assert_eq!(left.report.verdict, None, "no verdict yet when it was asked");
    let (_, status) = left.report.relays.iter().find(|(url, _)| *url == url_of(&servers[1])).unwrap();
    assert_eq!(status, &PublishStatus::Queued);
    assert_eq!(publishing.await.verdict, Some(Verdict::Indeterminate));
    until(&runtime, "the relay is let go", || servers[0].connections() == 0).await;
    assert_eq!(pool.shutdown(Duration::from_secs(5)).await, [], "again is harmless");
}

/// A shutdown waits for what is under way.
pub async fn flushes_before_it_shuts_down<R: Runtime>(runtime: R) {
    let server = relay();
    let pool = pool(&runtime, [&server]);
    for n in 0..50 {
        drop(pool.publish(note(n), PublishOptions::default()).unwrap());
    }
    assert_eq!(pool.shutdown(PATIENCE / 2).await, []);
    assert_eq!(server.with(|relay| relay.len()), 50);
}

/// A pool that is over says so, whatever is asked of it.
pub async fn answers_after_shutdown<R: Runtime>(runtime: R) {
    let server = relay();
    let pool = pool(&runtime, [&server]);
    connect(&pool).await;
    let fetch = pool.fetch([notes().limit(0)], FetchOptions::default());
    server.set_faults(nostr_model_relay::Fault::NeverEose);
    let fetching = pool.fetch([notes()], FetchOptions::default());
    pool.shutdown(Duration::ZERO).await;
    drop(fetch);
    assert!(matches!(fetching.await, Err(FetchError::Ended(EndReason::Shutdown)) | Ok(_)));
    assert!(matches!(pool.publish(note(1), PublishOptions::default()), Err(CallError::Closed)));
    assert!(matches!(pool.retry(note(1).id(), None), Err(CallError::Closed)));
    assert!(matches!(pool.start_clean(), Err(CallError::Closed)));
    let fetched = pool.fetch([notes()], FetchOptions::default()).await;
    assert_eq!(fetched.unwrap_err().to_string(), "the pool was shut down");
    let connected = pool.connect(Duration::from_secs(1), Connect::Lenient).await;
    assert_eq!(connected.unwrap_err().to_string(), "the pool was shut down");
    assert!(futures::StreamExt::next(&mut pool.status()).await.is_none());
    assert!(futures::StreamExt::next(&mut pool.tap(nostr_pool_driver::Which::All)).await.is_none());
}

/// Errors are one line that names the argument.
pub async fn names_bad_arguments<R: Runtime>(runtime: R) {
    let bad = |builder: PoolBuilder| builder.build(runtime.clone()).expect_err("it is bad").to_string();
    let scheme = bad(Pool::builder().relay("ws://127.0.0.1:1").relay("https://relay.example.com"));
    assert!(scheme.starts_with("relay \"https://relay.example.com\": "), "{scheme}");
    let agent = bad(Pool::builder().user_agent("me\r\nX-Evil: yes"));
    assert!(agent.starts_with("user agent \"me\\r\\nX-Evil: yes\": "), "{agent}");
    let crowd = Config { max_relays: 1, ..quick() };
    let full = bad(Pool::builder().config(crowd).relay("ws://127.0.0.1:1").relay("ws://127.0.0.1:2"));
    assert_eq!(full, "relay ws://127.0.0.1:2: the pool holds its most relays already (1)");
    for line in [scheme, agent, full] {
        assert_eq!(line.lines().count(), 1);
    }
}
