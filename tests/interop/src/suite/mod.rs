//! What the pool does with a relay that it does not know: publish, read, follow, be cut off, go on, authenticate.
//!
//! Each step is held against the oracle of [`crate::oracle`], or against what was published; a broken rule panics.

mod auth;
mod corpora;
mod live;
mod reading;
mod versions;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::future::Future;
use std::pin::pin;
use std::time::{Duration, UNIX_EPOCH};

use futures::future::{Either, select};
use futures::{StreamExt, stream};
use nostr_pool_driver::{
    AuthPolicy, AuthState, Config, Connect, FetchOptions, Fetched, History, KeySigner, Pool, PublishOptions,
    PublishReport, Quorum, RelayOptions, Runtime, Verdict,
};
use nostr_proto::{Event, EventTemplate, Filter, Keys, Kind, Timestamp};

use crate::front::Front;
use crate::make::{Auth, Relay};
use crate::oracle::Held;

/// What no run takes when it works.
const PATIENCE: Duration = Duration::from_secs(400);

/// What no wait of the suite takes when it works.
const STEP: Duration = Duration::from_secs(30);

/// Publishes in the air at once.
const IN_THE_AIR: usize = 32;

/// How the pool gets to the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// `ws://`.
    Plain,
    /// `wss://`, with a custom root.
    Tls,
}

/// What is published.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Of the generated corpus.
    pub seed: u64,
    /// Events of it.
    pub events: usize,
    /// Whether the shared corpus is published, too, where it is there.
    pub shared: bool,
}

/// What was seen on the way, for people to read.
pub type Notes = RefCell<Vec<String>>;

/// A relay, a way to it, and a runtime.
struct Stage<'a, R> {
    runtime: R,
    relay: &'a mut Relay,
    front: Option<Front>,
    notes: &'a Notes,
}

impl<R: Runtime> Stage<'_, R> {
    fn url(&self) -> String {
        self.front.as_ref().map_or_else(|| self.relay.url(), Front::url)
    }

    /// A pool of this relay, connected; with `me`, it authenticates.
    async fn pool(&self, me: Option<Keys>) -> Pool {
        // Where a refusal names no event, nothing tells what is to be repeated after AUTH: so that comes first.
        let at_once = me.is_some() && self.relay.make().refuses_without_a_name();
        let options = RelayOptions { auth_at_once: at_once, ..RelayOptions::default() };
        let mut builder = Pool::builder().config(config()).relay_with(self.url(), options);
        if let Some(front) = &self.front {
            builder = builder.tls_config(front.trust());
        }
        if let Some(me) = me {
            builder = builder.signer(KeySigner::new(me)).auth_policy(AuthPolicy::Always);
        }
        let pool = builder.build(self.runtime.clone()).expect("the arguments are right");
        pool.connect(STEP, Connect::Strict).await.expect("the relay is there");
        let is_in = || matches!(pool.relays()[0].auth, AuthState::Authenticated { .. });
        let authenticated = async {
            while at_once && !is_in() {
                self.runtime.sleep(Duration::from_millis(20)).await;
            }
        };
        self.soon("authentication", authenticated).await;
        pool
    }

    fn note(&self, text: impl Into<String>) {
        let text = text.into();
        if !self.notes.borrow().contains(&text) {
            self.notes.borrow_mut().push(text);
        }
    }

    /// Waits for something that must come soon.
    async fn soon<T>(&self, what: &str, work: impl Future<Output = T>) -> T {
        within(&self.runtime, STEP, what, work).await
    }
}

/// Runs everything but authentication against a relay that was just started, roomy and empty.
///
/// # Panics
/// If the pool breaks a rule.
pub async fn run<R: Runtime>(
    runtime: R,
    relay: &mut Relay,
    transport: Transport,
    plan: Plan,
    notes: &Notes,
    tell: &dyn Fn(&str),
) {
    let front = front(relay, transport);
    let mut stage = Stage { runtime: runtime.clone(), relay, front, notes };
    let work = async {
        tell("publish");
        let events = corpora::publish(&stage, plan).await;
        let held = Held::of(&events, stage.relay.make().until());
        tell("duplicates");
        corpora::publish_again(&stage, &events).await;
        tell("read everything");
        reading::everything(&stage, &events, &held).await;
        tell("read by filter");
        reading::by_filter(&stage, &held).await;
        tell("count");
        reading::count(&stage, &held).await;
        tell("live");
        live::follows(&stage).await;
        tell("versions");
        versions::replaces(&stage).await;
        versions::deletes(&stage).await;
        versions::expires(&stage).await;
        tell("kill and resume");
        live::resumes(&mut stage).await;
        tell("read after the restart");
        reading::everything(&stage, &events, &held).await;
    };
    within(&runtime, PATIENCE, "the suite", work).await;
}

/// Runs authentication against a relay that was just started with [`Profile::Auth`](crate::make::Profile::Auth).
///
/// # Panics
/// If the pool breaks a rule.
pub async fn authenticate<R: Runtime>(
    runtime: R,
    relay: &mut Relay,
    transport: Transport,
    notes: &Notes,
    tell: &dyn Fn(&str),
) {
    let front = front(relay, transport);
    let mut stage = Stage { runtime: runtime.clone(), relay, front, notes };
    tell("authenticate");
    let work = async {
        match stage.relay.make().auth() {
            Auth::Demanded => auth::on_demand(&mut stage).await,
            Auth::ForPrivate => auth::for_private_kinds(&stage).await,
        }
    };
    within(&runtime, PATIENCE, "the suite", work).await;
}

fn front(relay: &Relay, transport: Transport) -> Option<Front> {
    (transport == Transport::Tls)
        .then(|| Front::start(relay.tls_port(), relay.port()).expect("a loopback port is free"))
}

/// Who may do everything where authentication is demanded.
pub fn members() -> [Keys; 2] {
    [keys(1), keys(2)]
}

fn keys(n: u8) -> Keys {
    Keys::from_entropy([n; 32]).expect("small numbers are secret keys")
}

/// Delays fit for tests, limits fit for reading all of a corpus.
fn config() -> Config {
    Config {
        backoff_base: Duration::from_millis(200),
        backoff_jitter: Duration::from_millis(50),
        retry_base: Duration::from_millis(200),
        auth_ok_deadline: Duration::from_secs(1),
        ..Config::default()
    }
}

fn now() -> u64 {
    UNIX_EPOCH.elapsed().expect("it is past 1970").as_secs()
}

fn event(author: &Keys, kind: u16, created_at: u64, content: &str, tags: &[&[&str]]) -> Event {
    let mut template = EventTemplate::new(Kind::new(kind), content, Timestamp::new(created_at));
    for tag in tags {
        template = template.tag(tag.iter().copied());
    }
    author.sign(&template, [0; 32])
}

/// Publishes all of them, in order and so many at a time.
async fn publish_all(pool: &Pool, events: &[Event], in_the_air: usize) -> Vec<PublishReport> {
    stream::iter(events).map(|event| publish(pool, event)).buffered(in_the_air).collect().await
}

async fn publish(pool: &Pool, event: &Event) -> PublishReport {
    publish_within(pool, event, STEP).await
}

async fn publish_within(pool: &Pool, event: &Event, deadline: Duration) -> PublishReport {
    let options = PublishOptions::default().with_quorum(Quorum::All).with_deadline(deadline);
    pool.publish(event.clone(), options).expect("there is room for that many publishes").await
}

async fn publish_well(pool: &Pool, event: &Event) {
    let report = publish(pool, event).await;
    assert_eq!(report.verdict, Some(Verdict::Reached), "{:?} of {}", report.relays, event.to_json());
}

/// Fetches all that the relay has, past its caps.
async fn fetch_all(pool: &Pool, filters: Vec<Filter>) -> Fetched {
    let fetched =
        pool.fetch(filters, FetchOptions::default().with_history(History::All)).await.expect("the call is right");
    assert!(fetched.coverage.is_complete(), "{:?}", fetched.coverage);
    assert!(fetched.rejected.is_empty(), "{:?}", fetched.rejected);
    fetched
}

/// The ids, each of which came once.
fn ids<'a>(events: impl IntoIterator<Item = &'a Event>) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    for event in events {
        assert!(seen.insert(event.id().to_string()), "delivered twice: {}", event.to_json());
    }
    seen
}

fn ids_of(fetched: &Fetched) -> BTreeSet<String> {
    ids(fetched.events.iter().map(|item| &*item.event))
}

async fn within<R: Runtime, T>(runtime: &R, time: Duration, what: &str, work: impl Future<Output = T>) -> T {
    match select(pin!(work), runtime.sleep(time)).await {
        Either::Left((done, _)) => done,
        Either::Right(_) => panic!("{what}: not done within {time:?}"),
    }
}
