//! A relay that floods, and everyone else: other relays, other tasks of the runtime.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use cpu_time::ThreadTime;
use futures::FutureExt;
use futures::future::{BoxFuture, poll_fn};
use nostr_model_relay::{Config as RelayConfig, Server};
use nostr_pool_driver::{FetchOptions, Item, PublishOptions, Quorum, Runtime, SubscribeOptions, Verdict};
use nostr_proto::{Event, RelayUrl};

use super::Script;
use super::cx::Cx;
use super::peer::{FIN, Listener, TEXT, frame};
use super::session::config;
use crate::around::as_inner;
use crate::scenarios::{build, builder, next, note, notes, store, url_of};

/// Signatures of the flood. Then it goes on with copies.
const FLOOD: u64 = 20_000;
/// Subscriptions that all get the same event meanwhile.
const SUBSCRIPTIONS: usize = 2_000;
/// What another relay's answer may take. It would wait for all of the flood, if it waited for any of it to end.
const ANSWER: Duration = Duration::from_secs(2);
/// Turns that a task of the runtime's has at least while the flood lasts, a few seconds: it asks for one each millisecond. A
/// count, and not the longest wait, which is the machine's as much as ours; that one is a benchmark's to tell.
const BEATS: u64 = 100;
/// CPU that one poll of any task of the pool may take, which is what the pool keeps a thread of the runtime from others.
/// It does not depend on what else the machine does; a thousand signatures would take more.
const POLL: Duration = Duration::from_millis(25);

pub(super) fn scripts<R: Runtime>() -> Vec<Script<R>> {
    vec![Script::alone(
        "load: a relay that floods, and the others",
        |cx| {
            flooded(cx);
        },
        &[
            "20 fetches and 20 publishes elsewhere, each in time",
            "2000 subscriptions have their event",
            "20000 of the flood are verified",
            "the heart of the runtime goes on",
            "no poll takes long",
        ],
    )]
}

/// The longest times of one run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Longest {
    /// Between two beats of a task that sleeps for a millisecond each time.
    pub gap: Duration,
    /// How many there were.
    pub beats: u64,
    /// CPU time of one poll of a task of the pool.
    pub poll: Duration,
    /// From a fetch to its end, at a relay that does not flood.
    pub fetch: Duration,
    /// From a publish to its verdict there.
    pub publish: Duration,
}

/// Runs the script on a runtime of any sort. The trace, the one that is right, and the times.
pub fn busy<R: Runtime>(runtime: R) -> (Vec<String>, &'static [&'static str], Longest) {
    let cx = Cx::new(runtime);
    let longest = flooded(&cx);
    (cx.into_trace(), scripts::<R>()[0].expected, longest)
}

/// Tells the others to stop when it is dropped.
struct Stops(Arc<AtomicBool>);

impl Drop for Stops {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

/// Pours all of the events, then the last thousand over and over, until told to stop.
fn pour(listener: &Listener, events: &[Event], stop: &AtomicBool) {
    let mut peer = listener.accept_upgraded();
    let subscription = peer.request();
    let text = |event: &Event| frame(FIN | TEXT, format!("[\"EVENT\",\"{subscription}\",{}]", event.to_json()));
    let frames: Vec<Vec<u8>> = events.chunks(100).map(|some| some.iter().flat_map(text).collect()).collect();
    let again = frames.iter().rev().take(10).cycle();
    for chunk in frames.iter().chain(again) {
        if stop.load(SeqCst) {
            return;
        }
        peer.send(chunk);
    }
}

/// The beats of a task, and the longest time between two of them in µs.
#[derive(Default)]
struct Beats {
    number: AtomicU64,
    longest: AtomicU64,
}

/// A task that sleeps for a millisecond, over and over, until told to stop.
fn heart<R: Runtime>(runtime: &R, beats: &Arc<Beats>, stop: &Arc<AtomicBool>) {
    let (clock, beats, stop) = (runtime.clone(), beats.clone(), stop.clone());
    runtime.spawn(
        async move {
            while !stop.load(SeqCst) {
                let begun = Instant::now();
                clock.sleep(Duration::from_millis(1)).await;
                beats.longest.fetch_max(micros(begun.elapsed()), SeqCst);
                beats.number.fetch_add(1, SeqCst);
            }
        }
        .boxed(),
    );
}

/// A runtime that times each poll of each task.
#[derive(Clone)]
struct Timed<R> {
    inner: R,
    /// The longest, in µs of CPU.
    longest: Arc<AtomicU64>,
}

impl<R: Runtime> Runtime for Timed<R> {
    as_inner!(now, sleep, yield_now, resolve, connect, websocket);

    fn spawn(&self, mut future: BoxFuture<'static, ()>) {
        let longest = self.longest.clone();
        let timed = poll_fn(move |cx| {
            let begun = ThreadTime::now();
            let polled = future.poll_unpin(cx);
            longest.fetch_max(micros(begun.elapsed()), SeqCst);
            polled
        });
        self.inner.spawn(timed.boxed());
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn flooded<R: Runtime>(cx: &Cx<R>) -> Longest {
    let runtime = Timed { inner: cx.runtime.clone(), longest: Arc::default() };
    let events: Vec<Event> = (0..FLOOD).map(|n| note(1_000_000 + n)).collect();
    let listener = Listener::start();
    let config_of_other =
        RelayConfig { max_subscriptions_per_connection: SUBSCRIPTIONS + 10, ..RelayConfig::default() };
    let other = Server::start(config_of_other).expect("a loopback port is free");
    let pool = build(&runtime, builder().config(config()).relay(listener.url()).relay(other.url()));
    let at = |url: &RelayUrl| SubscribeOptions::default().with_relays([url.clone()]);
    let (flooding, other_url) = (RelayUrl::parse(&listener.url()).expect("it is one"), url_of(&other));
    let mut all: Vec<_> = (0..SUBSCRIPTIONS)
        .map(|_| pool.subscribe([notes().since(note(500).created_at())], at(&other_url)).expect("there is room"))
        .collect();
    for subscription in &mut all {
        cx.wait(next(subscription, |item| matches!(item, Item::Eose(_)).then_some(())));
    }

    let (stop, beats) = (Arc::new(AtomicBool::new(false)), Arc::new(Beats::default()));
    let mut longest = Longest::default();
    thread::scope(|scope| {
        // Whatever goes wrong, the others do not go on for ever.
        let _stops = Stops(stop.clone());
        scope.spawn(|| pour(&listener, &events, &stop));
        let mut flood = pool.subscribe([notes()], at(&flooding)).expect("there is room");
        cx.runtime.spawn(async move { while flood.next().await.is_some() {} }.boxed());
        heart(&cx.runtime, &beats, &stop);
        cx.until("the flood has set in", || pool.stats().verified > 500);
        let mut reached = 0;
        for n in 0..20 {
            let begun = Instant::now();
            let options = FetchOptions::default().with_relays([other_url.clone()]);
            let fetched = cx.wait(pool.fetch([notes().limit(5)], options)).expect("the pool goes on");
            longest.fetch = longest.fetch.max(begun.elapsed());
            let begun = Instant::now();
            let options = PublishOptions::default().with_relays([other_url.clone()]).with_quorum(Quorum::All);
            let report = cx.wait(pool.publish(note(n), options).expect("there is room"));
            longest.publish = longest.publish.max(begun.elapsed());
            reached += u32::from(fetched.coverage.is_complete() && report.verdict == Some(Verdict::Reached));
        }
        let in_time = reached == 20 && longest.fetch < ANSWER && longest.publish < ANSWER;
        cx.say(if in_time { FAIR.to_owned() } else { format!("{reached} in time: {longest:?}") });
        store(&other, [note(500)]);
        let mut good = 0;
        for subscription in &mut all {
            let event = |item| if let Item::Event(event) = item { Some(event.event.id()) } else { None };
            let wanted = |item| event(item).filter(|id| *id == note(500).id());
            good += u32::from(cx.wait(next(subscription, wanted)) == note(500).id());
        }
        cx.say(format!("{good} subscriptions have their event"));
        drop(all);
        cx.until("the flood is verified", || pool.stats().verified >= FLOOD);
        cx.say(format!("{FLOOD} of the flood are verified"));
        drop(pool);
    });
    longest.gap = Duration::from_micros(beats.longest.load(SeqCst));
    longest.beats = beats.number.load(SeqCst);
    longest.poll = Duration::from_micros(runtime.longest.load(SeqCst));
    println!("a flood: {longest:?}");
    cx.say(if longest.beats >= BEATS { "the heart of the runtime goes on".to_owned() } else { format!("{longest:?}") });
    let short = longest.poll > Duration::ZERO && longest.poll < POLL;
    cx.say(if short { "no poll takes long".to_owned() } else { format!("{longest:?}") });
    longest
}

const FAIR: &str = "20 fetches and 20 publishes elsewhere, each in time";
