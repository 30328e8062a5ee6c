//! Runtimes that end under a pool, and two of them in one process.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::channel::oneshot;
use futures::future::{BoxFuture, Shared, select};
use futures::{FutureExt, StreamExt};
use nostr_pool_driver::{Connect, FetchOptions, Item, PublishOptions, Quorum, Runtime, SubscribeOptions, Verdict};

use super::Script;
use super::cx::{self, Cx};
use super::peer::Listener;
use super::session::config;
use crate::around::as_inner;
use crate::scenarios::{PATIENCE, build, builder, next, note, notes, pool, relay, store};

pub(super) fn scripts<R: Runtime>() -> Vec<Script<R>> {
    vec![
        Script::new("runtimes: one that ends under an open pool", |cx| ends(cx, Stage::Open), ENDED),
        Script::new("runtimes: one that ends while dialling", |cx| ends(cx, Stage::Dialling), ENDED),
        Script::new("runtimes: one that ended before", |cx| ends(cx, Stage::Never), ENDED),
    ]
}

const ENDED: &[&str] = &[
    "subscription: end: shutdown",
    "publishing: indeterminate",
    "status: no more",
    "calls: the pool was shut down",
    "shutdown: at once",
    "the relay is let go",
];

/// A runtime that can end: its tasks are dropped, and new ones at once.
#[derive(Clone)]
struct Mortal<R> {
    inner: R,
    end: Shared<BoxFuture<'static, ()>>,
}

/// Ends the runtime when it is dropped.
struct Life(Arc<Mutex<Option<oneshot::Sender<()>>>>);

impl Drop for Life {
    fn drop(&mut self) {
        drop(self.0.lock().expect("nobody panics with it").take());
    }
}

impl<R: Runtime> Mortal<R> {
    fn new(inner: R) -> (Self, Life) {
        let (life, end) = oneshot::channel::<()>();
        let end = end.map(drop).boxed().shared();
        (Self { inner, end }, Life(Arc::new(Mutex::new(Some(life)))))
    }
}

impl<R: Runtime> Runtime for Mortal<R> {
    as_inner!(now, sleep, yield_now, resolve, connect, websocket);

    fn spawn(&self, future: BoxFuture<'static, ()>) {
        if self.end.peek().is_none() {
            self.inner.spawn(select(self.end.clone(), future).map(drop).boxed());
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Never,
    Dialling,
    Open,
}

fn ends<R: Runtime>(cx: &Cx<R>, stage: Stage) {
    let (runtime, life) = Mortal::new(cx.runtime.clone());
    let listener = Listener::start();
    let mut life = Some(life);
    if stage == Stage::Never {
        drop(life.take());
        cx.wait(runtime.end.clone());
    }
    let pool = build(&runtime, builder().config(config()).relay(listener.url()));
    let connecting = pool.connect(PATIENCE, Connect::Strict);
    let subscription = pool.subscribe([notes()], SubscribeOptions::default());
    let publishing = pool.publish(note(1), PublishOptions::default());
    let mut status = pool.status();
    let mut peer = (stage != Stage::Never).then(|| listener.accept());
    if let Some(peer) = &mut peer {
        let request = peer.read_request();
        if stage == Stage::Open {
            peer.send(super::peer::Peer::response(&request));
            peer.request();
        }
    }
    drop(life);

    let end = |item| if let Item::End(reason) = item { Some(cx::end(reason)) } else { None };
    match subscription {
        Ok(mut subscription) => cx.say(format!("subscription: {}", cx.wait(next(&mut subscription, end)))),
        // A pool whose runtime had ended may have noticed before it was asked.
        Err(_) => cx.say("subscription: end: shutdown"),
    }
    let verdict = publishing.map(|publishing| cx.wait(publishing).verdict);
    let unknown = matches!(verdict, Err(_) | Ok(Some(Verdict::Indeterminate)));
    cx.say(if unknown { "publishing: indeterminate" } else { "publishing: something else" });
    cx.wait(async { while status.next().await.is_some() {} });
    cx.say("status: no more");
    match (cx.wait(connecting), cx.wait(pool.fetch([notes()], FetchOptions::default()))) {
        (Err(one), Err(two)) if one.to_string() == two.to_string() => cx.say(format!("calls: {one}")),
        (one, two) => cx.say(format!("calls: {one:?}, {two:?}")),
    }
    let begun = Instant::now();
    let unfinished = cx.wait(pool.shutdown(PATIENCE / 2));
    let at_once = unfinished.is_empty() && begun.elapsed() < Duration::from_secs(1);
    cx.say(if at_once { "shutdown: at once" } else { "shutdown: late" });
    if peer.is_none_or(|mut peer| peer.drained()) {
        cx.say("the relay is let go");
    }
}

/// Two pools on two runtimes in one process, at once: neither has to do with the other but through their relay.
/// The trace, and the one that is right.
pub fn together<A: Runtime, B: Runtime>(a: A, b: B) -> (Vec<String>, &'static [&'static str]) {
    let (one, other) = (Cx::new(a), Cx::new(b));
    let server = relay();
    store(&server, [note(0)]);
    let (here, there) = (pool(&one.runtime, [&server]), pool(&other.runtime, [&server]));
    let mut heard_here = here.subscribe([notes()], SubscribeOptions::default()).expect("the arguments are right");
    let mut heard_there = there.subscribe([notes()], SubscribeOptions::default()).expect("the arguments are right");
    let eose = |item| matches!(item, Item::Eose(_)).then_some(());
    one.wait(next(&mut heard_here, eose));
    other.wait(next(&mut heard_there, eose));

    let all = || PublishOptions::default().with_quorum(Quorum::All);
    let mut verdicts = BTreeSet::new();
    for n in (1..=20).step_by(2) {
        let publishing = here.publish(note(n), all()).expect("there is room");
        verdicts.insert(cx::verdict(&one.wait(publishing)));
        let publishing = there.publish(note(n + 1), all()).expect("there is room");
        verdicts.insert(cx::verdict(&other.wait(publishing)));
    }
    one.say(format!("20 publishes, all {}", verdicts.into_iter().collect::<Vec<_>>().join(" or ")));
    let event = |item| if let Item::Event(event) = item { Some(event.event.id()) } else { None };
    let all: BTreeSet<_> = (1..=20).map(|n| note(n).id()).collect();
    let found_here: BTreeSet<_> = (0..20).map(|_| one.wait(next(&mut heard_here, event))).collect();
    drop(here);
    let found_there: BTreeSet<_> = (0..20).map(|_| other.wait(next(&mut heard_there, event))).collect();
    one.say(format!("here, each once: {}", found_here == all));
    one.say(format!("there, each once: {}", found_there == all));
    let fetched = other.wait(there.fetch([notes()], FetchOptions::default()));
    one.say(format!("there, when the other is gone: {}", fetched.map_or(0, |fetched| fetched.events.len())));
    (one.into_trace(), TOGETHER)
}

const TOGETHER: &[&str] = &[
    "20 publishes, all reached: accepted",
    "here, each once: true",
    "there, each once: true",
    "there, when the other is gone: 21",
];
