//! The conformance suite over every adapter of this workspace: each keeps every rule, and all have the same traces.
//!
//! `cargo test -p nostr-pool-tests --test conformance -- --nocapture` prints the seconds of each script, and
//! `CONFORMANCE=framing cargo test …` runs the scripts whose names have that in them.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::{Duration, Instant};

use async_executor::Executor;
use futures::FutureExt;
use futures::executor::block_on;
use futures::future::BoxFuture;
use nostr_pool_async_std::AsyncStd;
use nostr_pool_smol::{CallError, EndReason, FrameLimits, Item, Runtime, Smol, SubscribeOptions, Transport};
use nostr_pool_tests::conformance::{self, Report};
use nostr_pool_tests::scenarios;
use nostr_pool_tokio::Tokio;

static TOKIO: LazyLock<tokio::runtime::Runtime> =
    LazyLock::new(|| tokio::runtime::Runtime::new().expect("tokio starts"));

/// An executor that two threads run.
static SMOL: LazyLock<Arc<Executor<'static>>> = LazyLock::new(|| {
    let executor = Arc::new(Executor::new());
    for _ in 0..2 {
        let executor = executor.clone();
        thread::spawn(move || async_io::block_on(executor.run(pending::<()>())));
    }
    executor
});

fn tokio() -> Tokio {
    Tokio::new(TOKIO.handle().clone())
}

fn wanted(name: &str) -> bool {
    std::env::var("CONFORMANCE").map_or(true, |part| name.contains(&part))
}

/// What one run of the suite may take.
const BUDGET: Duration = Duration::from_secs(120);

#[test]
fn every_adapter_keeps_every_rule() {
    let reports: [(&str, Report); 3] = [
        ("tokio", conformance::run_some(&tokio(), wanted)),
        ("async-std", conformance::run_some(&AsyncStd, wanted)),
        ("smol", conformance::run_some(&Smol::new(&SMOL), wanted)),
    ];
    let mut bad = String::new();
    let (first, other) = &reports[0];
    for (name, report) in &reports {
        println!("{name}\n{report}");
        let (rules, others) = (report.differences(), report.differences_from(other));
        if !rules.is_empty() {
            bad += &format!("{name} breaks rules:\n{rules}");
        }
        if !others.is_empty() {
            bad += &format!("{name} is not as {first}:\n{others}");
        }
        assert!(report.took < BUDGET, "{name} took {:?}", report.took);
    }
    assert!(bad.is_empty(), "- expected, + found\n{bad}");
}

#[test]
fn two_runtimes_live_in_one_process() {
    let (trace, expected) = conformance::together(tokio(), AsyncStd);
    assert_eq!(trace, expected);
    let (trace, expected) = conformance::together(Smol::new(&SMOL), tokio());
    assert_eq!(trace, expected);
}

#[test]
fn a_pool_ends_with_its_smol_executor() {
    let server = scenarios::relay();
    let executor = Arc::new(Executor::new());
    let pool = scenarios::pool(&Smol::new(&executor), [&server]);
    let mut subscription = pool.subscribe([scenarios::notes()], SubscribeOptions::default()).expect("it is right");
    let eose = |item| matches!(item, Item::Eose(_)).then_some(());
    async_io::block_on(executor.run(scenarios::next(&mut subscription, eose)));
    drop(executor);
    let end = |item| if let Item::End(reason) = item { Some(reason) } else { None };
    assert_eq!(block_on(scenarios::next(&mut subscription, end)), EndReason::Shutdown);
    assert_eq!(block_on(subscription.next()), None);
    assert!(matches!(pool.start_clean(), Err(CallError::Closed)));
}

/// An adapter that finds every host where it is itself.
#[derive(Clone)]
struct Selfish(Tokio);

impl Runtime for Selfish {
    type Tcp = <Tokio as Runtime>::Tcp;
    type Text = <Tokio as Runtime>::Text;
    type Socket = <Tokio as Runtime>::Socket;

    fn now(&self) -> Instant {
        self.0.now()
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        self.0.sleep(time)
    }

    fn yield_now(&self) -> BoxFuture<'static, ()> {
        self.0.yield_now()
    }

    fn spawn(&self, future: BoxFuture<'static, ()>) {
        self.0.spawn(future);
    }

    fn resolve(&self, _: String, port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        async move { Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))]) }.boxed()
    }

    fn connect(&self, address: SocketAddr) -> BoxFuture<'static, io::Result<Self::Tcp>> {
        self.0.connect(address)
    }

    fn websocket(&self, io: Transport<Self::Tcp>, limits: FrameLimits) -> BoxFuture<'static, Self::Socket> {
        self.0.websocket(io, limits)
    }
}

#[test]
fn an_adapter_that_breaks_a_rule_is_found_out() {
    let some = |name: &str| matches!(name, "dialling: no such host" | "dialling: nobody listens");
    let report = conformance::run_some(&Selfish(tokio()), some);
    assert_eq!(report.outcomes.len(), 2);
    assert!(!report.is_good());
    let differences = report.differences();
    assert!(differences.starts_with("dialling: no such host\n    - failed: resolve\n    + failed: connect\n"));
    assert!(!differences.contains("nobody listens"), "{differences}");
}

/// The same while everything of the pool runs on one thread.
#[test]
fn a_flood_blocks_no_runtime_of_one_thread() {
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("tokio starts");
    let runtime = Tokio::new(tokio.handle().clone());
    let busy = thread::spawn(|| conformance::busy(runtime));
    while !busy.is_finished() {
        tokio.block_on(async { tokio::time::sleep(Duration::from_millis(10)).await });
    }
    let (trace, expected, longest) = busy.join().expect("it does not panic");
    println!("one thread of tokio: {longest:?}");
    assert_eq!(trace, expected);
}
