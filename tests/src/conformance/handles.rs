//! Every handle is dropped at every stage of a connection: what is nobody's any more goes, and nothing else does.

use std::any::Any;
use std::time::Duration;

use futures::StreamExt;
use nostr_pool_driver::{
    Config, Connect, CountOptions, CountOutcome, FetchOptions, Item, Pool, PublishOptions, Runtime, SubscribeOptions,
    Which,
};

use super::Script;
use super::cx::{self, Cx};
use super::peer::{Got, Listener, Peer};
use super::session::{config, record};
use crate::scenarios::lifetime::Counting;
use crate::scenarios::{PATIENCE, build, builder, note, notes};

pub(super) fn scripts<R: Runtime>() -> Vec<Script<R>> {
    vec![
        Script::new(
            "handles: dropped at once",
            |cx| drop_each(cx, Stage::Fresh),
            &[
                "subscription: tasks end",
                "events: tasks end",
                "fetch: tasks end",
                "count: tasks end",
                "publishing: tasks end",
                "status: tasks end",
                "tap: tasks end",
                "connecting: tasks end",
                "shutdown: tasks end",
            ],
        ),
        Script::new(
            "handles: dropped while dialling",
            |cx| drop_each(cx, Stage::Dialling),
            &[
                "subscription: dialling, tasks end",
                "events: dialling, tasks end",
                "fetch: dialling, tasks end",
                "count: dialling, tasks end",
                "publishing: dialling, tasks end",
                "status: dialling, tasks end",
                "tap: dialling, tasks end",
                "connecting: dialling, tasks end",
                "shutdown: dialling, tasks end",
            ],
        ),
        Script::new(
            "handles: dropped while open",
            |cx| drop_each(cx, Stage::Open),
            &[
                "subscription: open, REQ, CLOSE, tasks end",
                "events: open, REQ, CLOSE, tasks end",
                "fetch: open, REQ, CLOSE, tasks end",
                "count: open, COUNT, tasks end",
                "publishing: open, EVENT, tasks end",
                "status: open, tasks end",
                "tap: open, tasks end",
                "connecting: open, tasks end",
                "shutdown: open, tasks end",
            ],
        ),
        Script::new(
            "handles: dropped while closing",
            |cx| drop_each(cx, Stage::Closing),
            &[
                "subscription: closing, tasks end",
                "events: closing, tasks end",
                "fetch: closing, tasks end",
                "count: closing, tasks end",
                "publishing: closing, tasks end",
                "status: closing, tasks end",
                "tap: closing, tasks end",
                "connecting: closing, tasks end",
                "shutdown: closing, tasks end",
            ],
        ),
        Script::new("handles: the pool's, dropped at once", |cx| drop_pool(cx, Stage::Fresh), ALL_END),
        Script::new("handles: the pool's, dropped while dialling", |cx| drop_pool(cx, Stage::Dialling), ALL_END),
        Script::new("handles: the pool's, dropped while open", |cx| drop_pool(cx, Stage::Open), ALL_END),
        Script::new("handles: the pool's, dropped while closing", |cx| drop_pool(cx, Stage::Closing), ALL_END_CLOSING),
    ]
}

/// What whoever is left is told when the pool goes.
const ALL_END: &[&str] = &[
    "subscription: end: shutdown",
    "events: no more",
    "fetch: the fetch ended because the pool was shut down",
    "count: cancelled",
    "publishing: indeterminate: unknown",
    "status: no more",
    "tap: no more",
    "connecting: the pool was shut down",
    "tasks end",
    "the relay is let go",
];

/// Where the application itself has closed the connection, a fetch does not wait for it.
const ALL_END_CLOSING: &[&str] = &[
    ALL_END[0],
    ALL_END[1],
    "fetch: done",
    ALL_END[3],
    ALL_END[4],
    ALL_END[5],
    ALL_END[6],
    ALL_END[7],
    ALL_END[8],
    ALL_END[9],
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Fresh,
    Dialling,
    Open,
    Closing,
}

/// A pool of one relay made by hand.
struct Site<R> {
    runtime: Counting<R>,
    listener: Listener,
    pool: Pool,
    peer: Option<Peer>,
}

impl<R: Runtime> Site<R> {
    fn new(cx: &Cx<R>, stage: Stage) -> Self {
        let runtime = Counting::new(cx.runtime.clone());
        let listener = Listener::start();
        let bounds = Config { dial_deadline: PATIENCE, close_deadline: PATIENCE, ..config() };
        let pool = build(&runtime, builder().config(bounds).relay(listener.url()));
        let mut site = Self { runtime, listener, pool, peer: None };
        if stage != Stage::Fresh {
            drop(site.pool.connect(PATIENCE, Connect::Strict));
            let mut peer = site.listener.accept();
            let request = peer.read_request();
            if stage != Stage::Dialling {
                peer.send(Peer::response(&request));
                cx.until("it is open", || cx::state(&record(&site.pool)) == "open");
            }
            site.peer = Some(peer);
        }
        site
    }

    /// Begins what takes a second, for the relay does not answer it.
    fn close(&mut self, cx: &Cx<R>) {
        self.pool.disconnect(Which::All, 1000, "").expect("the arguments are right");
        assert_eq!(cx::state(&record(&self.pool)), "closing");
        let peer = self.peer.as_mut().expect("it is open");
        cx.until("the close frame is there", || matches!(peer.receive(), Got::Close(_)));
    }

    /// What the relay was sent, and nothing more for a while.
    fn received(&mut self) -> Vec<String> {
        let mut all = Vec::new();
        while let Some(got @ Got::Text(_)) = self.peer.as_mut().map(|p| p.receive_within(Duration::from_millis(150))) {
            all.push(got.to_string());
        }
        all
    }

    fn end(self, cx: &Cx<R>) -> &'static str {
        drop(self.pool);
        cx.until("every task has ended", || self.runtime.alive() == 0);
        "tasks end"
    }
}

/// What an application may hold of a pool.
type Make = fn(&Pool) -> Box<dyn Any>;

fn drop_each<R: Runtime>(cx: &Cx<R>, stage: Stage) {
    let handles: [(&str, Make); 9] = [
        ("subscription", |pool| Box::new(pool.subscribe([notes()], SubscribeOptions::default()))),
        ("events", |pool| {
            Box::new(
                pool.subscribe([notes()], SubscribeOptions::default()).map(nostr_pool_driver::Subscription::events),
            )
        }),
        ("fetch", |pool| Box::new(pool.fetch([notes()], FetchOptions::default()))),
        ("count", |pool| Box::new(pool.count([notes()], CountOptions::default()))),
        ("publishing", |pool| Box::new(pool.publish(note(1), PublishOptions::default()))),
        ("status", |pool| Box::new(pool.status())),
        ("tap", |pool| Box::new(pool.tap(Which::All))),
        ("connecting", |pool| Box::new(pool.connect(PATIENCE, Connect::Strict))),
        ("shutdown", |pool| Box::new(pool.shutdown(PATIENCE))),
    ];
    for (name, make) in handles {
        let mut site = Site::new(cx, stage);
        // Whoever connects while it is being closed would have it opened again.
        if stage == Stage::Closing && name == "connecting" {
            drop(make(&site.pool));
            site.close(cx);
        } else if stage == Stage::Closing {
            let handle = make(&site.pool);
            site.close(cx);
            drop(handle);
        } else if stage == Stage::Open {
            let handle = make(&site.pool);
            let mut told = vec![cx::state(&record(&site.pool)).to_owned()];
            told.extend(site.received());
            drop(handle);
            told.extend(site.received());
            told.push(site.end(cx).to_owned());
            cx.say(format!("{name}: {}", told.join(", ")));
            continue;
        } else {
            drop(make(&site.pool));
        }
        let state = cx::state(&record(&site.pool));
        let state = if stage == Stage::Fresh { String::new() } else { format!("{state}, ") };
        cx.say(format!("{name}: {state}{}", site.end(cx)));
    }
}

fn drop_pool<R: Runtime>(cx: &Cx<R>, stage: Stage) {
    let mut site = Site::new(cx, stage);
    let pool = &site.pool;
    let expect = "the arguments are right";
    let mut subscription = pool.subscribe([notes()], SubscribeOptions::default()).expect(expect);
    let mut events = pool.subscribe([notes()], SubscribeOptions::default()).expect(expect).events();
    let fetch = pool.fetch([notes()], FetchOptions::default());
    let count = pool.count([notes()], CountOptions::default());
    let publishing = pool.publish(note(1), PublishOptions::default()).expect(expect);
    let (mut status, mut tap) = (pool.status(), pool.tap(Which::All));
    let connecting = pool.connect(PATIENCE, Connect::Strict);
    if stage == Stage::Closing {
        site.close(cx);
    }
    let Site { runtime, listener, pool, peer } = site;
    drop(pool);

    let end = crate::scenarios::next(&mut subscription, |item| match item {
        Item::End(reason) => Some(cx::end(reason)),
        _ => None,
    });
    cx.say(format!("subscription: {}", cx.wait(end)));
    let none = |more: bool| if more { "more" } else { "no more" };
    cx.say(format!("events: {}", none(cx.wait(events.next()).is_some())));
    match cx.wait(fetch) {
        Ok(_) => cx.say("fetch: done"),
        Err(error) => cx.say(format!("fetch: {error}")),
    }
    let counted = cx.wait(count).map(|report| report.relays[0].1.clone());
    cx.say(format!("count: {}", if counted == Ok(CountOutcome::Cancelled) { "cancelled" } else { "not cancelled" }));
    cx.say(format!("publishing: {}", cx::verdict(&cx.wait(publishing))));
    cx.wait(async { while status.next().await.is_some() {} });
    cx.say("status: no more");
    cx.wait(async { while tap.next().await.is_some() {} });
    cx.say("tap: no more");
    match cx.wait(connecting) {
        Ok(_) => cx.say("connecting: done"),
        Err(error) => cx.say(format!("connecting: {error}")),
    }
    cx.until("every task has ended", || runtime.alive() == 0);
    cx.say("tasks end");
    let peer = peer.or_else(|| listener.accept_within(Duration::ZERO));
    if peer.is_none_or(|mut peer| peer.drained()) {
        cx.say("the relay is let go");
    }
}
