//! The soak: real sockets, relays that die, and a reckoning of every event.
//!
//! Five model relays on loopback ports, each with habits of its own and one of them a liar, are written to at a steady
//! rate, past the pool and through it, by the mix of a real corpus, seeded. They are killed and brought back at random,
//! hang up in the middle of an answer, and slow down. Five subscriptions read, each in its own way: everything, several
//! filters at once, too slowly, from named relays only, and from a process that crashes and resumes by its checkpoint.
//!
//! Time is compressed: what in production are a window of a quarter of an hour, a skew of two minutes and back-offs of up
//! to a minute are a few seconds here.
//!
//! A soak has rounds. Each ends with everything healed, and a reckoning by plain code over `serde_json`: of what a
//! correct relay holds and a subscription wants, every event was delivered to it; none was delivered twice; every publish
//! has had one verdict, and the relays' answers bear it out.
//!
//! One excuse counts: a `DenseSecond` gap told of every correct relay that holds the event, where there are more events of
//! that second than such a relay gives at once. What is excused is counted and printed. It must stay under one event in a
//! hundred, and be nothing at all for readers whose filters can be split; the relays' caps are such that this can be met.
//!
//! An hour of events is 18,000 of them: one a second from each of five relays, which keeps a busy client busier than most.
//! Here they take about five minutes on each adapter, with some 160 kills and 100 hang-ups, so that each relay is gone or cut
//! off in the middle of an answer dozens of times. What an hour would bring beyond that, such as a laptop's sleep or clocks
//! that drift apart, is the simulator's to show.
//!
//! `cargo test` runs a short one on each adapter. By hand: `SOAK_HOURS=1 cargo test --release -p nostr-pool-tests
//! --test soak -- --nocapture`; `SOAK_SEED` makes it another one. The seed settles what is written and which relays
//! suffer; sockets and threads are what they are, so that no two runs are the same to the letter.
#![allow(clippy::unwrap_used, reason = "this is a test: panicking is how it fails")]

mod ledger;
mod reader;
mod resumer;
mod sites;
mod summary;
mod want;
mod writer;

use std::cell::{Cell, RefCell};
use std::time::Duration;

use futures::future::{join_all, join3};
use nostr_pool_driver::{Config, Pool, Runtime};
use nostr_proto::Event;

use ledger::Ledger;
use reader::{Habit, Reader, Seen};
use resumer::Resumer;
use sites::Sites;
pub use summary::Summary;
use writer::Writer;

/// What five relays bring in an hour, at one event a second each.
const EVENTS_PER_HOUR: u64 = 18_000;

/// Events a second; bursts bring about half as many more.
const RATE: usize = 60;

/// How long everything healed may take to converge.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a soak is, and which one.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What is written, and which relays suffer.
    pub seed: u64,
    /// There are as many rounds, each with trouble first and a reckoning at its end, as it takes to write this many.
    pub events: u64,
    /// How long the trouble of each round lasts.
    pub trouble: Duration,
    /// Events written a second, bursts apart.
    pub rate: usize,
}

impl Plan {
    /// One for `cargo test`, or, where `SOAK_HOURS` is set, one of the events of that many hours.
    ///
    /// # Panics
    /// If `SOAK_HOURS` or `SOAK_SEED` is no number.
    pub fn from_env() -> Self {
        let number = |name: &str| -> Option<u64> {
            let text = std::env::var(name).ok()?;
            Some(text.parse().unwrap_or_else(|_| panic!("{name} is to be a number, not {text:?}")))
        };
        let seed = number("SOAK_SEED").unwrap_or(5);
        match number("SOAK_HOURS") {
            None => Self { seed, events: 700, trouble: Duration::from_secs(5), rate: RATE },
            Some(hours) => {
                let events = hours.saturating_mul(EVENTS_PER_HOUR);
                Self { seed, events, trouble: Duration::from_secs(10), rate: RATE }
            }
        }
    }
}

/// What the parts of a round go by.
#[derive(Debug, Default)]
struct Phase {
    /// Nothing is written or broken any more.
    healing: Cell<bool>,
    /// Nobody reads any more.
    over: Cell<bool>,
}

/// Runs a soak and says what happened.
///
/// # Panics
/// If anything is lost, comes twice, or has no verdict.
pub async fn soak<R: Runtime>(runtime: R, plan: &Plan) -> Summary {
    let sites = Sites::start();
    let pool = build(&runtime, &sites);
    let ledger = RefCell::new(Ledger::default());
    let mut writer = Writer::new(plan.seed);
    let mut readers: Vec<Reader> = Habit::STEADY.into_iter().map(|habit| Reader::new(habit, plan.seed)).collect();
    let mut subscriptions = Vec::new();
    for reader in &mut readers {
        subscriptions.push(reader.subscribe(&pool, &sites).await);
    }
    let resumer = Resumer::start(&runtime, &sites, plan.seed).await;
    let mut rounds = 0_u64;
    while rounds == 0 || ledger.borrow().events < plan.events {
        let phase = Phase::default();
        let seed = plan.seed.wrapping_add(rounds << 32);
        rounds += 1;
        let trouble = async {
            runtime.sleep(plan.trouble).await;
            phase.healing.set(true);
        };
        let nemeses = join_all((0..Sites::NEMESES).map(|n| sites.nemesis(&runtime, &phase, seed, n)));
        let reading = readers.iter().zip(&mut subscriptions).map(|(reader, s)| reader.read(s, &runtime, &phase));
        let reading = join_all(reading);
        let acts = async {
            let enter = |event: &Event| ledger.borrow_mut().enter(event);
            let writing = writer.write(&runtime, (&pool, &sites, &phase), plan.rate, enter);
            join3(trouble, nemeses, writing).await;
            writer.settle(&sites).await;
            converge(&runtime, &ledger, &sites, &readers, &resumer).await;
            phase.over.set(true);
        };
        join3(acts, reading, resumer.live(&runtime, &sites, &phase)).await;
        for (habit, seen) in everyone(&readers, &resumer) {
            let excused = ledger.borrow().reckon(&sites, habit, &seen.borrow()).excused;
            assert!(excused == 0 || !habit.can_be_split(), "{habit:?} lacks {excused} in dense seconds");
            seen.borrow_mut().close(excused);
        }
        for seen in readers.iter().map(|reader| &reader.seen) {
            assert!(seen.borrow().twice.is_empty(), "delivered twice: {:?}", seen.borrow().twice);
        }
        ledger.borrow_mut().close();
    }
    let excused: u64 = everyone(&readers, &resumer).map(|(_, seen)| seen.borrow().excused).sum();
    let events = ledger.borrow().events;
    assert!(excused * 100 < events, "{excused} deliveries are excused, of {events} events");
    Summary::of(&pool, &sites, &ledger.borrow(), &writer, &readers, &resumer, rounds)
}

fn everyone<'a>(readers: &'a [Reader], resumer: &'a Resumer) -> impl Iterator<Item = (Habit, &'a RefCell<Seen>)> {
    readers.iter().map(|reader| (reader.habit, &reader.seen)).chain([(Habit::Resuming, &resumer.seen)])
}

/// Waits until nothing is lost.
async fn converge<R: Runtime>(
    runtime: &R,
    ledger: &RefCell<Ledger>,
    sites: &Sites,
    readers: &[Reader],
    resumer: &Resumer,
) {
    let patience = runtime.now() + PATIENCE;
    loop {
        let lost = everyone(readers, resumer).enumerate().find_map(|(n, (habit, seen))| {
            let lost = ledger.borrow().reckon(sites, habit, &seen.borrow()).lost;
            (!lost.is_empty())
                .then(|| format!("reader {n} ({habit:?}) lacks {}: {:#?}", lost.len(), &lost[..lost.len().min(5)]))
        });
        let Some(lost) = lost else { return };
        assert!(runtime.now() < patience, "{lost}");
        runtime.sleep(Duration::from_millis(100)).await;
    }
}

fn build<R: Runtime>(runtime: &R, sites: &Sites) -> Pool {
    let builder = Pool::builder().config(config());
    let builder = sites.all().iter().fold(builder, |builder, site| builder.relay(site.url.clone()));
    builder.build(runtime.clone()).expect("the arguments are right")
}

/// Hours in minutes.
fn config() -> Config {
    Config {
        backoff_base: Duration::from_millis(50),
        backoff_jitter: Duration::from_millis(20),
        backoff_max: Duration::from_millis(500),
        stable_after: Duration::from_secs(1),
        dial_deadline: Duration::from_secs(2),
        keepalive: Duration::from_millis(300),
        retry_base: Duration::from_millis(50),
        pace_base: Duration::from_millis(50),
        ok_deadline: Duration::from_millis(500),
        eose_deadline: Duration::from_secs(2),
        publish_lifetime: Duration::from_secs(12),
        // The liar has to come back, or it would be gone for the whole soak.
        quarantine_base: Duration::from_secs(3),
        quarantine_max: Duration::from_secs(12),
        quarantine_clean: Duration::from_secs(60),
        quarantine_window: Duration::from_secs(15),
        late_window: Duration::from_secs(6),
        skew: Duration::from_secs(2),
        ..Config::default()
    }
}
