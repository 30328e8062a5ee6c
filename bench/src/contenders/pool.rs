//! nostr-pool, on either runtime.

use std::error::Error;
use std::time::Duration;

use nostr_pool_tokio::{Config, Connect, FrameLimits, Item, Pool, PoolBuilder, Runtime, SubscribeOptions};
use nostr_proto::Filter;

use crate::args::Args;
use crate::measure::{Clock, Outcome};

pub(crate) async fn run(runtime: impl Runtime, urls: &[String], args: &Args) -> Result<Outcome, Box<dyn Error>> {
    read(&builder(urls, args).build(runtime)?, urls, args).await
}

/// One subscription of this pool.
pub(crate) async fn read(pool: &Pool, urls: &[String], args: &Args) -> Result<Outcome, Box<dyn Error>> {
    pool.connect(Duration::from_secs(10), Connect::Strict).await?;
    let clock = Clock::start();
    let mut subscription = pool.subscribe([Filter::new()], SubscribeOptions::default())?;
    let mut delivered = 0;
    while let Some(item) = subscription.next().await {
        match item {
            Item::Event(_) => delivered += 1,
            Item::Eose(coverage) if coverage.is_complete() => {
                let spent = clock.stop();
                let frames: u64 = coverage.legs.iter().map(|leg| leg.events).sum();
                if frames != (urls.len() * args.events) as u64 {
                    return Err(format!("the relays sent {frames} events").into());
                }
                if delivered != args.events {
                    return Err(format!("{delivered} of {} events were delivered", args.events).into());
                }
                return Ok(Outcome { spent, delivered });
            }
            Item::Eose(coverage) => return Err(format!("a relay sent no EOSE: {coverage:?}").into()),
            Item::Gap(gap) => return Err(format!("events are missing: {gap:?}").into()),
            _ => {}
        }
    }
    Err("the subscription ended before EOSE".into())
}

pub(crate) fn builder(urls: &[String], args: &Args) -> PoolBuilder {
    let mut config = Config::default();
    config.max_connections = config.max_connections.max(urls.len());
    if let Some(most) = args.in_flight {
        config.max_in_flight_per_relay = most;
        config.max_in_flight = 4 * most;
    }
    let mut builder = urls.iter().fold(Pool::builder().config(config), |builder, url| builder.relay(url.as_str()));
    if let Some(threads) = args.threads {
        builder = builder.verifier_threads(threads);
    }
    if let Some(read_buffer) = args.read_buffer {
        builder = builder.frame_limits(FrameLimits { read_buffer, ..FrameLimits::default() });
    }
    builder
}
