//! The loads, each in a process of its own.

use std::error::Error;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use nostr_pool_async_std::AsyncStd;
use nostr_pool_corpus as corpus;
use nostr_pool_driver::Metrics;
use nostr_pool_tokio::{Config, Connect, Item, Pool, PublishOptions, Runtime, SubscribeOptions, Tokio};
use nostr_proto::Filter;

use crate::args::Args;
use crate::contenders::pool;
use crate::serve::Server;

/// Subscriptions of the load that has many.
const SUBSCRIPTIONS: usize = 2_000;
/// Events that each of them is sent.
const EVENTS: usize = 10;
/// Relays of the load that has many. None of them answers.
const RELAYS: usize = 500;

const LOADS: [(&str, &str); 5] = [
    ("w1", "W1: N unique events from one relay"),
    ("w2", "W2: the same N events from each relay"),
    ("trickle", "1,000 events, 0.4 ms apart"),
    ("subscriptions", "2,000 subscriptions get the same 10 events from one relay"),
    ("calls", "subscribe, publish and shut down with 500 relays that refuse the connection"),
];

const RUNTIMES: [&str; 3] = ["tokio-1", "tokio", "async-std"];

/// Measures and prints every load on every runtime.
pub(crate) fn report(args: &Args) -> Result<(), Box<dyn Error>> {
    for (load, description) in LOADS {
        println!("\n{description}");
        let (events, pause) = match load {
            "subscriptions" => (EVENTS, 0),
            "trickle" => (1_000, 300),
            _ => (args.events, 0),
        };
        let mut words = args.for_child();
        words.extend(["--events".to_owned(), events.to_string(), "--pause".to_owned(), pause.to_string()]);
        let args =
            Args::parse(words.into_iter().chain(args.only.iter().flat_map(|o| ["--only".to_owned(), o.join(",")])))?;
        let server = Server::start(&args)?;
        let ports = if load == "w2" { server.ports.join(",") } else { server.ports[0].clone() };
        for runtime in RUNTIMES.iter().filter(|runtime| args.wants(runtime)) {
            let status = Command::new(std::env::current_exe()?)
                .args(["--meter", load, "--ports", &ports])
                .args(args.for_child())
                .args(["--only", runtime])
                .stdin(Stdio::null())
                .status()?;
            if !status.success() {
                return Err(format!("{load} on {runtime} failed: {status}").into());
            }
        }
    }
    Ok(())
}

/// One load on one runtime.
pub(crate) fn measure(load: &str, args: &Args) -> Result<(), Box<dyn Error>> {
    let runtime = args.only.as_ref().and_then(|only| only.first()).map_or("", String::as_str);
    match runtime {
        "tokio-1" => {
            let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            tokio.block_on(async { run(load, runtime, Tokio::current(), args).await })
        }
        "tokio" => {
            let tokio = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            tokio.block_on(async { run(load, runtime, Tokio::current(), args).await })
        }
        "async-std" => async_std::task::block_on(run(load, runtime, AsyncStd, args)),
        _ => Err(format!("no runtime {runtime}").into()),
    }
}

async fn run(load: &str, name: &str, runtime: impl Runtime, args: &Args) -> Result<(), Box<dyn Error>> {
    let urls: Vec<String> = args.ports.iter().map(|port| format!("ws://127.0.0.1:{port}")).collect();
    match load {
        "w1" | "w2" | "trickle" => {
            let pool = pool::builder(&urls, args).build(runtime)?;
            let outcome = pool::read(&pool, &urls, args).await?;
            print_rates(name, &pool.metrics(), outcome.delivered, outcome.spent.wall);
            print_holds(name, &pool.metrics());
        }
        "subscriptions" => {
            let pool = pool::builder(&urls, args).build(runtime)?;
            let begun = Instant::now();
            let delivered = subscribe_all(&pool).await?;
            print_rates(name, &pool.metrics(), delivered, begun.elapsed());
            print_holds(name, &pool.metrics());
        }
        _ => calls(name, runtime, args).await?,
    }
    Ok(())
}

async fn subscribe_all(pool: &Pool) -> Result<usize, Box<dyn Error>> {
    pool.connect(Duration::from_secs(10), Connect::Strict).await?;
    let mut readers = FuturesUnordered::new();
    for _ in 0..SUBSCRIPTIONS {
        let options = SubscribeOptions::default().with_eose_deadline(Duration::from_secs(30));
        let mut subscription = pool.subscribe([Filter::new()], options)?;
        readers.push(async move {
            let mut events = 0;
            while let Some(item) = subscription.next().await {
                match item {
                    Item::Event(_) => events += 1,
                    Item::Eose(ref coverage) if coverage.is_complete() => return (events, Some(subscription)),
                    Item::Eose(_) => return (events, None),
                    _ => {}
                }
            }
            (events, None)
        });
    }
    let (mut delivered, mut all) = (0, Vec::new());
    while let Some((events, subscription)) = readers.next().await {
        delivered += events;
        all.push(subscription.ok_or("a subscription missed something")?);
    }
    // One that comes before its queue has room is told as a gap: what is counted is what was delivered.
    Ok(delivered)
}

async fn calls(name: &str, runtime: impl Runtime, args: &Args) -> Result<(), Box<dyn Error>> {
    let config = Config { max_connections: RELAYS, ..Config::default() };
    let builder = Pool::builder().config(config);
    let pool = (0..RELAYS).fold(builder, |b, n| b.relay(format!("ws://127.0.0.1:1/{n}"))).build(runtime.clone())?;
    let note = corpus::generated_with(args.seed, 1, &args.mix()?).into_iter().next().ok_or("no event")?;
    let told = |what: &str, begun: Instant| println!("  {name:<10} {what:<10} {:>8.0} µs", micros(begun.elapsed()));
    let begun = Instant::now();
    let subscription = pool.subscribe([Filter::new()], SubscribeOptions::default())?;
    told("subscribe", begun);
    let begun = Instant::now();
    let publishing = pool.publish(note, PublishOptions::default())?;
    told("publish", begun);
    runtime.sleep(Duration::from_secs(1)).await;
    let begun = Instant::now();
    pool.relays();
    told("relays", begun);
    let begun = Instant::now();
    drop((subscription, publishing));
    told("drop both", begun);
    let begun = Instant::now();
    pool.shutdown(Duration::ZERO).await;
    told("shutdown", begun);
    print_holds(name, &pool.metrics());
    Ok(())
}

fn print_rates(name: &str, m: &Metrics, events: usize, wall: Duration) {
    let per = |n: u64| n as f64 / events.max(1) as f64;
    println!(
        "  {name:<10} per event delivered: {:.2} frames, {:.3} tasks woken, sockets' tasks: {:.3} waits, {:.3} yields; {:.3} \
         verifier threads woken, {:.3} locks of {:.2} µs in all",
        per(m.frames),
        per(m.wakes),
        per(m.waits),
        per(m.yields),
        per(m.notifies),
        per(m.locks),
        micros(m.held) / events.max(1) as f64
    );
    println!(
        "  {name:<10} {events} events in {:.2} s; {:.1} frames per wake-up of their tasks; {} signatures inline, {} in {} batches",
        wall.as_secs_f64(),
        m.frames as f64 / (m.waits + m.yields).max(1) as f64,
        m.inline,
        m.signatures,
        m.batches
    );
}

fn print_holds(name: &str, m: &Metrics) {
    let at = m.max_held_at.map_or_else(String::new, |at| format!("{}:{}", at.file(), at.line()));
    println!(
        "  {name:<10} lock held: mean {:.1} µs, half ≤ {:.1}, 99 % ≤ {:.0}, 99.9 % ≤ {:.0}, longest {:.0} µs ({at}); waited for: \
         mean {:.1}, longest {:.0} µs",
        micros(m.held) / m.locks.max(1) as f64,
        micros(m.held_quantile(0.5)),
        micros(m.held_quantile(0.99)),
        micros(m.held_quantile(0.999)),
        micros(m.max_held),
        micros(m.waited) / m.locks.max(1) as f64,
        micros(m.max_waited)
    );
}

fn micros(d: Duration) -> f64 {
    d.as_secs_f64() * 1e6
}
