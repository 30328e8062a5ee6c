//! The pool's process.

use std::error::Error;
use std::time::{Duration, Instant};

use nostr_pool_async_std::AsyncStd;
use nostr_pool_corpus as corpus;
use nostr_pool_tokio::{
    Connect, Item, Pool, PublishOptions, Quorum, RelayUrl, Runtime, SubscribeOptions, Tokio, Verdict,
};
use nostr_proto::Filter;

use super::Flood;
use crate::args::Args;

/// Between two probes, so that they do not add up to a flood of their own.
const PAUSE: Duration = Duration::from_millis(2);

/// Runs one case on one runtime, and prints its row.
pub(crate) fn run(case: &str, args: &Args) -> Result<(), Box<dyn Error>> {
    let at = Flood::ALL.iter().position(|(name, _)| *name == case).ok_or("no such flood")?;
    let relay = |port: Option<&u16>| -> Result<RelayUrl, Box<dyn Error>> {
        Ok(RelayUrl::parse(&format!("ws://127.0.0.1:{}", port.ok_or("a port is missing")?))?)
    };
    let (flooding, other) = (relay(args.ports.get(at))?, relay(args.ports.last())?);
    let runtime = args.only.as_ref().and_then(|only| only.first()).map_or("", String::as_str);
    let row = match runtime {
        "tokio-1" => {
            let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            tokio.block_on(async { measure(Tokio::current(), flooding, other, args).await })
        }
        "tokio" => {
            let tokio = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            tokio.block_on(async { measure(Tokio::current(), flooding, other, args).await })
        }
        "async-std" => async_std::task::block_on(measure(AsyncStd, flooding, other, args)),
        _ => Err(format!("no runtime {runtime}").into()),
    }?;
    println!("{runtime:<10} {case:<11} {row}");
    Ok(())
}

async fn measure(
    runtime: impl Runtime,
    flooding: RelayUrl,
    other: RelayUrl,
    args: &Args,
) -> Result<String, Box<dyn Error>> {
    let mut builder = Pool::builder().relay(&flooding).relay(&other);
    if let Some(threads) = args.threads {
        builder = builder.verifier_threads(threads);
    }
    let pool = builder.build(runtime.clone())?;
    pool.connect(Duration::from_secs(10), Connect::Strict).await?;
    // Made before, for they take CPU.
    let notes = corpus::generated_with(args.seed + 2, 2_000, &args.mix()?);
    let mut flooded = pool.subscribe([Filter::new()], SubscribeOptions::default().with_relays([flooding.clone()]))?;
    runtime.spawn(Box::pin(async move { while flooded.next().await.is_some() {} }));
    // The flood has set in.
    runtime.sleep(Duration::from_millis(200)).await;

    let before = pool.relay(&flooding).map(|relay| relay.counters).unwrap_or_default();
    let begun = Instant::now();
    let (mut eoses, mut oks) = (Vec::new(), Vec::new());
    for note in notes {
        if begun.elapsed() >= Duration::from_secs(args.seconds) {
            break;
        }
        eoses.push(eose(&pool, &other).await?);
        runtime.sleep(PAUSE).await;
        let asked = Instant::now();
        let options = PublishOptions::default().with_relays([other.clone()]).with_quorum(Quorum::All);
        let report = pool.publish(note, options)?.await;
        oks.push(asked.elapsed());
        if report.verdict != Some(Verdict::Reached) {
            return Err(format!("a publish ended with {:?}", report.verdict).into());
        }
        runtime.sleep(PAUSE).await;
    }
    let took = begun.elapsed().as_secs_f64();
    let after = pool.relay(&flooding).map(|relay| relay.counters).unwrap_or_default();
    let rate = |of: fn(&nostr_pool_tokio::RelayCounters) -> u64| of(&after).saturating_sub(of(&before)) as f64 / took;
    let frames = rate(|c| c.frames);
    let rest = rate(|c| c.duplicates + c.forged + c.garbage + c.dropped + c.unmatched + c.excess);
    Ok(format!("{}   {}   {frames:.0} frames/s, {rest:.0} of them nothing new", row(eoses), row(oks)))
}

async fn eose(pool: &Pool, relay: &RelayUrl) -> Result<Duration, Box<dyn Error>> {
    let asked = Instant::now();
    let mut subscription = pool.subscribe([Filter::new()], SubscribeOptions::default().with_relays([relay.clone()]))?;
    let mut events = 0;
    while let Some(item) = subscription.next().await {
        match item {
            Item::Event(_) => events += 1,
            Item::Eose(ref coverage) if coverage.is_complete() && events >= 100 => return Ok(asked.elapsed()),
            Item::Eose(_) | Item::Gap(_) => return Err(format!("after {events} events: {item:?}").into()),
            _ => {}
        }
    }
    Err("the subscription ended before EOSE".into())
}

fn row(mut times: Vec<Duration>) -> String {
    times.sort();
    let at = |percent: usize| -> f64 {
        let place = (times.len() * percent).div_ceil(100);
        times.get(place.saturating_sub(1)).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
    };
    format!("{:>6} {:>8.2} {:>8.2} {:>8.2}", times.len(), at(50), at(99), at(100))
}
