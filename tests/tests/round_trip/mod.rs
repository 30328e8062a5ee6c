//! Publishing a corpus through the pool and reading it back, on either adapter, against any relays.

pub(crate) mod naive;

use std::future::Future;
use std::time::Duration;

use futures::{StreamExt, stream};
use nostr_pool_tokio::{
    Connect, Coverage, EventItem, Item, Pool, PoolBuilder, PublishOptions, PublishReport, Quorum, SubscribeOptions,
    Subscription, Tokio,
};
use nostr_proto::{Event, Filter};

/// Publishes in the air at once.
const IN_THE_AIR: usize = 64;

/// The runtime that a test runs on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Adapter {
    Tokio,
    AsyncStd,
}

impl Adapter {
    /// Runs a test, which must end: what never arrives would otherwise be waited for for ever.
    pub(crate) fn run<F: Future>(self, test: F) -> F::Output {
        const LONGEST: Duration = Duration::from_secs(180);
        let ended = match self {
            Self::Tokio => tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap()
                .block_on(async { tokio::time::timeout(LONGEST, test).await.ok() }),
            Self::AsyncStd => async_std::task::block_on(async_std::future::timeout(LONGEST, test)).ok(),
        };
        ended.unwrap_or_else(|| panic!("{self:?}: the test did not end within {LONGEST:?}"))
    }

    /// A pool of these relays on this runtime, connected.
    pub(crate) async fn pool(self, urls: &[String]) -> Pool {
        let builder = urls.iter().fold(Pool::builder(), |builder, url| builder.relay(url.as_str()));
        let pool = self.build(builder);
        let report = pool.connect(Duration::from_secs(20), Connect::Strict).await;
        report.unwrap_or_else(|e| panic!("{self:?}: {e}"));
        pool
    }

    pub(crate) fn build(self, builder: PoolBuilder) -> Pool {
        match self {
            Self::Tokio => builder.build(Tokio::current()),
            Self::AsyncStd => builder.build(nostr_pool_async_std::AsyncStd),
        }
        .unwrap()
    }
}

/// Publishes all of them to every relay, in order and a bounded number at a time.
pub(crate) async fn publish_all(pool: &Pool, events: &[Event]) -> Vec<PublishReport> {
    stream::iter(events)
        .map(|event| {
            let options = PublishOptions::default().with_quorum(Quorum::All).with_deadline(Duration::from_secs(60));
            pool.publish(event.clone(), options).expect("there is room for that many publishes")
        })
        .buffered(IN_THE_AIR)
        .collect()
        .await
}

/// A subscription to everything.
pub(crate) fn subscribe_to_all(pool: &Pool) -> Subscription {
    pool.subscribe(vec![Filter::new()], SubscribeOptions::default()).unwrap()
}

/// What it delivers until its EOSE.
pub(crate) async fn read_until_eose(subscription: &mut Subscription) -> (Vec<EventItem>, Coverage) {
    let mut events = Vec::new();
    loop {
        match subscription.next().await.expect("a live subscription goes on") {
            Item::Event(event) => events.push(event),
            Item::Eose(coverage) => return (events, coverage),
            Item::Gap(gap) => panic!("nothing may be missing: {gap:?}"),
            _ => {}
        }
    }
}
