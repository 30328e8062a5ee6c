//! The handle of a pool.

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::TryFutureExt;
use nostr_pool_core::{
    Call, CallError, Config, PublishId, PublishReport, PublishWarning, ReconnectOptions, RelayOptions, RelayRecord,
    Stats, Unfinished, Which,
};
use nostr_proto::{Event, EventId, EventTemplate, Filter, Kind, PublicKey, RelayInfo, RelayUrl, Timestamp};

use crate::builder::{Given, PoolBuilder};
use crate::connect::{Connect, Connecting};
use crate::counting::{CountOptions, Counting};
use crate::dial::Headers;
use crate::error::{AddRelayError, MineError, PublishUnsignedError};
use crate::fetch::{Fetch, FetchOptions};
use crate::frame::SocketError;
use crate::info::{self, RelayInfoError};
use crate::mining::Mining;
use crate::publishing::{PublishOptions, Publishing};
use crate::record::{Recording, RecordingStatus};
use crate::shared::Shared;
use crate::shutdown;
use crate::status::StatusStream;
use crate::subscription::{SubscribeOptions, Subscription};
use crate::tap::TapStream;

/// A pool of relay connections. Clones are handles of the same pool; when the last one is dropped, the pool ends:
/// subscriptions get their [`Item::End`](crate::Item::End), sockets are closed, tasks and threads end.
///
/// Relays are dialled when something needs them, or on [`connect`](Self::connect). Every call takes effect at once,
/// whether what it returns is awaited or not. No method blocks but for the pool's short lock.
#[derive(Clone)]
pub struct Pool {
    inner: Arc<Owner>,
}

/// Ends the pool when the last handle goes. Tasks and subscriptions share the core, not this.
struct Owner {
    shared: Arc<Shared>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shared.end();
    }
}

impl Pool {
    /// A pool yet to be built.
    pub fn builder() -> PoolBuilder {
        PoolBuilder::default()
    }

    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { inner: Arc::new(Owner { shared }) }
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.inner.shared
    }

    fn call(&self, call: Call) -> Result<(), CallError> {
        self.shared().call(call).map(drop)
    }

    /// Takes a relay into the pool, or changes the options of one that is in it. Subscriptions to all relays include it
    /// from now on. `url` is text or a [`RelayUrl`].
    ///
    /// # Errors
    /// The URL is none, or the pool is full ([`Config::max_relays`]) or shut down.
    pub fn add_relay(&self, url: impl Into<Given>, options: RelayOptions) -> Result<(), AddRelayError> {
        url.into().add(|call| self.shared().call(call), options)
    }

    /// Takes a relay out of the pool: its requests end, publishes there become unknown, its socket is closed.
    ///
    /// # Errors
    /// [`CallError::UnknownRelay`], [`CallError::Closed`].
    pub fn remove_relay(&self, url: &RelayUrl) -> Result<(), CallError> {
        self.call(Call::RemoveRelay { url: url.clone() })?;
        self.shared().dial.relay_headers().remove(url);
        Ok(())
    }

    /// Sends these headers to a relay with the WebSocket upgrade and the request for its document, from the next dial on and until it is taken out of the
    /// pool, in place of those that were said before; see [`PoolBuilder::relay_headers`].
    ///
    /// # Errors
    /// [`CallError::UnknownRelay`].
    pub fn set_relay_headers(&self, url: &RelayUrl, headers: Headers) -> Result<(), CallError> {
        let known: BTreeSet<RelayUrl> = self.relays().into_iter().map(|record| record.url).collect();
        if !known.contains(url) {
            return Err(CallError::UnknownRelay(url.clone()));
        }
        let most = self.config().max_relays;
        let mut all = self.shared().dial.relay_headers();
        // Those of relays that went by themselves go when there are more than there can be relays.
        if all.len() >= most {
            all.retain(|relay, _| known.contains(relay));
        }
        all.insert(url.clone(), headers);
        Ok(())
    }

    /// Why the last dial of a relay failed; `None` if it did not, or was given up by us. Remembered of the 256 relays that
    /// failed last. The same in words is in [`RelayRecord::last_error`].
    pub fn dial_error(&self, url: &RelayUrl) -> Option<Arc<SocketError>> {
        self.shared().dial.failures.of(url)
    }

    /// How many addresses were not dialled, since the pool was built, because only events named their relay and they are not
    /// public; an address counts each time that it is left out.
    pub fn unsafe_addresses(&self) -> u64 {
        self.shared().dial.left_out.load(Ordering::Relaxed)
    }

    /// How the recording stands; `None` if the pool was built without [`record`](PoolBuilder::record).
    pub fn recording(&self) -> Option<RecordingStatus> {
        self.shared().recording.get().map(Recording::status)
    }

    /// Every relay of the pool as it stands, in order of their URLs.
    pub fn relays(&self) -> Vec<RelayRecord> {
        self.shared().look(|state| state.core.relays())
    }

    /// One relay as it stands; `None` if it is not in the pool.
    pub fn relay(&self, url: &RelayUrl) -> Option<RelayRecord> {
        self.shared().look(|state| state.core.relay(url))
    }

    /// The relays known to have a verified event, the first one first; empty if the event is not remembered.
    pub fn seen_on(&self, event: &EventId) -> Vec<RelayUrl> {
        self.shared().look(|state| state.core.seen_on(event))
    }

    /// The `created_at` for the next version of a replaceable or addressable event: now, or a second after the newest
    /// version known; see [`Core::next_created_at`](nostr_pool_core::Core::next_created_at). `d` counts for addressable
    /// kinds only.
    pub fn next_created_at(&self, kind: Kind, author: PublicKey, d: &str) -> Timestamp {
        self.shared().enter(|state, now| state.core.next_created_at(kind, author, d, now))
    }

    /// What the documents of these relays (NIP-11) say against an event that is published now; see
    /// [`Core::publish_warnings`](nostr_pool_core::Core::publish_warnings).
    pub fn publish_warnings(&self, event: &Unfinished, relays: &[RelayUrl]) -> Vec<(RelayUrl, PublishWarning)> {
        self.shared().enter(|state, now| state.core.publish_warnings(event, relays, now))
    }

    /// Counters of the whole pool.
    pub fn stats(&self) -> Stats {
        self.shared().look(|state| state.core.stats())
    }

    /// What the pool has cost the machine so far.
    #[cfg(feature = "metrics")]
    pub fn metrics(&self) -> crate::Metrics {
        self.shared().meter.report()
    }

    /// The bounds and delays in force.
    pub fn config(&self) -> Config {
        self.shared().look(|state| state.core.config().clone())
    }

    /// Dials every relay now, keeps it connected from here on, and waits until each is connected, has failed once, or
    /// `timeout` is over. How each went is in the report, or in [`ConnectError::Incomplete`] if they are too few.
    ///
    /// [`ConnectError::Incomplete`]: crate::ConnectError::Incomplete
    pub fn connect(&self, timeout: Duration, connect: Connect) -> Connecting {
        Connecting::new(self.shared(), timeout, connect)
    }

    /// Closes connections and leaves them closed until [`connect`](Self::connect) or [`reconnect`](Self::reconnect).
    /// The relays are sent `code`, which is 1000 or 3000 to 4999, and `reason` (RFC 6455, section 7.4; cut to 123 bytes).
    ///
    /// # Errors
    /// [`CallError::CloseCode`], [`CallError::UnknownRelay`], [`CallError::Closed`].
    pub fn disconnect(&self, which: Which, code: u16, reason: impl Into<String>) -> Result<(), CallError> {
        self.call(Call::Disconnect { which, code, reason: reason.into() })
    }

    /// Drops connections, if any, and dials at once.
    ///
    /// # Errors
    /// [`CallError::UnknownRelay`], [`CallError::Closed`].
    pub fn reconnect(&self, which: Which, options: ReconnectOptions) -> Result<(), CallError> {
        self.call(Call::Reconnect { which, options })
    }

    /// The device has a new network: waiting dials are made soon, and open connections are checked.
    ///
    /// # Errors
    /// [`CallError::Closed`].
    pub fn network_changed(&self) -> Result<(), CallError> {
        self.call(Call::NetworkChanged)
    }

    /// Tells a relay who is asking (NIP-42), whatever the policy: on this connection, or on the next one if there is
    /// none, where requests then wait for it. Also the answer "yes" to [`AuthState::Requested`](crate::AuthState::Requested).
    /// `identity`: as whom; `None`: as the relay's options or the configuration say, or else as the first signer. What
    /// comes of it is told by [`status`](Self::status), and stands in [`RelayRecord::auth`].
    ///
    /// # Errors
    /// [`CallError::UnknownRelay`], [`CallError::NoIdentity`], [`CallError::LinkedIdentities`],
    /// [`CallError::AuthUnderWay`], [`CallError::Closed`].
    pub fn authenticate(&self, relay: &RelayUrl, identity: Option<PublicKey>) -> Result<(), CallError> {
        self.call(Call::Authenticate { url: relay.clone(), identity })
    }

    /// Does not tell it on this connection: the answer "no". What waits for it is refused.
    ///
    /// # Errors
    /// [`CallError::UnknownRelay`], [`CallError::Closed`].
    pub fn deny_auth(&self, relay: &RelayUrl) -> Result<(), CallError> {
        self.call(Call::DenyAuth { url: relay.clone() })
    }

    /// Forgets all that was learned, for another account say: subscriptions and publishes end, remembered events are
    /// dropped, connections are closed. Relays and their options stay.
    ///
    /// # Errors
    /// [`CallError::Closed`].
    pub fn start_clean(&self) -> Result<(), CallError> {
        self.call(Call::StartClean)
    }

    /// Publishes a signed event. It is enqueued by this call; awaiting what is returned gives the verdict, and dropping
    /// it cancels nothing.
    ///
    /// # Errors
    /// [`CallError::PublishQueueFull`], [`CallError::EventTooLarge`] and [`CallError::Expired`], which hand the event back;
    /// [`CallError::NoRelays`], [`CallError::TooManyRelays`], [`CallError::ImpossibleQuorum`], [`CallError::Closed`], and
    /// with a link [`CallError::UnknownPublish`] and [`CallError::HasSuccessor`], which do not: a clone of an event costs
    /// next to nothing.
    pub fn publish(&self, event: impl Into<Event>, options: PublishOptions) -> Result<Publishing, CallError> {
        let PublishOptions { target, quorum, deadline, link } = options;
        let event = event.into();
        let call = nostr_pool_core::Publish { event, target, quorum, deadline, link };
        Publishing::start(self.shared(), Call::Publish(call))
    }

    /// Echoes an event to the subscriptions that it matches, at once and marked as pending, has the pool's signer sign
    /// it, and publishes it. The subscriptions learn what became of it: see [`PendingOutcome`](crate::PendingOutcome).
    ///
    /// # Errors
    /// [`PublishUnsignedError::NoSigner`], and the errors of [`publish`](Self::publish).
    pub fn publish_unsigned(
        &self,
        template: EventTemplate,
        options: PublishOptions,
    ) -> Result<Publishing, PublishUnsignedError> {
        let signer = self.shared().signers.first().ok_or(PublishUnsignedError::NoSigner)?;
        let event = template.unsigned(signer.public_key());
        let PublishOptions { target, quorum, deadline, link } = options;
        let call = nostr_pool_core::PublishUnsigned { event, target, quorum, deadline, link };
        Ok(Publishing::start(self.shared(), Call::PublishUnsigned(call))?)
    }

    /// Mines the event of an earlier publish for the relays that refused it with `pow:`, has the pool's signer sign it,
    /// and publishes it to them, linked to the earlier one: [`PublishReport::successor`] and [`PublishReport::link`] name
    /// each other.
    ///
    /// The same event with another id: content, tags and `created_at` stay, a `nonce` tag (NIP-13) is added or replaced.
    /// It is mined for the hardest of the relays, but for those that ask for more than `max_difficulty`, which are left
    /// out; each bit doubles the work, and 20 bits take a million attempts on average. The verifier threads mine while
    /// they have nothing to check. Nothing is mined once what this returns is dropped, or the pool has ended.
    ///
    /// The target and the link of `options` are not used; its deadline begins when the event is mined.
    ///
    /// ```no_run
    /// # use nostr_pool_driver::*;
    /// # async fn example(pool: Pool, template: EventTemplate) -> Result<(), Box<dyn std::error::Error>> {
    /// let report = pool.publish_unsigned(template, PublishOptions::default())?.await;
    /// if report.relays.iter().any(|(_, status)| status.pow_asked().is_some()) {
    ///     let mined = pool.mine(report.publish, 22, PublishOptions::default())?.await?;
    ///     println!("{:?}", mined.await.verdict);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`MineError::NotAsked`], [`MineError::TooHard`], [`MineError::NoSigner`], [`MineError::NotOurs`], and
    /// [`MineError::Call`] if the publish is not remembered or the pool was shut down. Awaiting it may give the errors of
    /// [`publish_unsigned`](Self::publish_unsigned).
    pub fn mine(&self, publish: PublishId, max_difficulty: u8, options: PublishOptions) -> Result<Mining, MineError> {
        Mining::start(self.shared(), publish, max_difficulty, options)
    }

    /// Fetches a relay's information document (NIP-11) now, whether [`fetch_relay_info`](PoolBuilder::fetch_relay_info) is
    /// on or not, has the pool keep to it as [`set_relay_info`](Self::set_relay_info) would, and returns it. Begun by this
    /// call; dropping what it returns ends it.
    ///
    /// The request goes to the relay's own URL, with `http` for `ws`: through the same resolver, proxy, TLS and checks of
    /// addresses as its WebSocket, with the same headers but `Accept`, `Accept-Encoding` and `Range`, and over a connection of
    /// its own. No redirect is followed. All of it has [`StepDeadlines::info`](crate::StepDeadlines::info); a head of 16 KiB
    /// and a document of 64 KiB are read at most. Eight are fetched at once in a pool, and 1,024 more wait for their turn,
    /// from which on the time runs.
    ///
    /// ```no_run
    /// # use nostr_pool_driver::*;
    /// # async fn example(pool: Pool, url: RelayUrl) -> Result<(), Box<dyn std::error::Error>> {
    /// let info = pool.relay_info(&url).await?;
    /// println!("{:?} takes {:?} bytes", info.name, info.limitation.max_message_length);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`RelayInfoError::Call`] with [`CallError::UnknownRelay`] or [`CallError::Closed`], and whatever else
    /// [`RelayInfoError`] has: what a server may do, and that it can't be reached.
    pub fn relay_info(&self, url: &RelayUrl) -> impl Future<Output = Result<RelayInfo, RelayInfoError>> + Send + use<> {
        info::now(self.shared(), url).map_ok(|(_, info)| info)
    }

    /// The same, but returns the document as it came, for those who look for what [`RelayInfo`] does not have. It is JSON,
    /// an object, and up to 64 KiB long.
    ///
    /// # Errors
    /// Those of [`relay_info`](Self::relay_info).
    pub fn relay_info_json(
        &self,
        url: &RelayUrl,
    ) -> impl Future<Output = Result<String, RelayInfoError>> + Send + use<> {
        info::now(self.shared(), url).map_ok(|(text, _)| text)
    }

    /// What a relay's information document (NIP-11) says, in place of what an earlier one said. Events longer than its
    /// `max_message_length` are not sent to it: [`Rejection::TooLarge`](crate::Rejection::TooLarge).
    ///
    /// # Errors
    /// [`CallError::UnknownRelay`], [`CallError::Closed`].
    pub fn set_relay_info(&self, url: &RelayUrl, info: RelayInfo) -> Result<(), CallError> {
        self.call(Call::RelayInfo { url: url.clone(), info: Box::new(info) })
    }

    /// Publishes an event once more that the pool still remembers, at the relays that did not accept it: the same
    /// bytes, with a verdict within `deadline` (`None`: the configured default).
    ///
    /// # Errors
    /// [`CallError::UnknownEvent`], [`CallError::NoRelays`] if all of its relays were removed, [`CallError::Closed`], and
    /// those of [`publish`](Self::publish) that hand the event back.
    pub fn retry(&self, event: EventId, deadline: Option<Duration>) -> Result<Publishing, CallError> {
        Publishing::start(self.shared(), Call::Retry { event, deadline })
    }

    /// Starts a subscription for events that match any of these filters. The requests go out by this call, or when
    /// their relays are connected.
    ///
    /// # Errors
    /// [`CallError::FilterCount`], [`CallError::NoRelays`], [`CallError::TooManySubscriptions`], [`CallError::Closed`].
    pub fn subscribe(
        &self,
        filters: impl Into<Vec<Filter>>,
        options: SubscribeOptions,
    ) -> Result<Subscription, CallError> {
        Subscription::start(self.shared(), filters.into(), options)
    }

    /// Asks for stored events, and waits until every relay has sent its own or was given up. The requests go out by
    /// this call; errors of the call are told when it is awaited.
    pub fn fetch(&self, filters: impl Into<Vec<Filter>>, options: FetchOptions) -> Fetch {
        Fetch::start(self.shared(), filters.into(), options)
    }

    /// Asks relays how many stored events match any of these filters (NIP-45), and waits until each has answered, refused or
    /// was given up. The questions go out by this call; dropping what it returns ends it.
    ///
    /// Relays hold different events, so no number is the number of all: [`CountReport::maximum`](crate::CountReport::maximum) is the largest of one
    /// relay; where relays send registers, [`CountReport::merged`](crate::CountReport::merged) estimates their union. Many relays do not count: what
    /// became of each is in [`CountReport::relays`](crate::CountReport::relays).
    ///
    /// ```no_run
    /// # use nostr_pool_driver::*;
    /// # async fn example(pool: Pool, note: EventId) -> Result<(), Box<dyn std::error::Error>> {
    /// let reactions = Filter::new().kind(Kind::REACTION).tag('e', note.to_string());
    /// let report = pool.count([reactions], CountOptions::default()).await?;
    /// match report.best() {
    ///     Some(n) => println!("about {n} reactions"),
    ///     None => println!("no relay counts: {:?}", report.relays),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Told when it is awaited: [`CallError::FilterCount`], [`CallError::CountTooLarge`], [`CallError::NoRelays`],
    /// [`CallError::TooManyRelays`], [`CallError::TooManyCounts`], [`CallError::InsecureHint`], [`CallError::Closed`].
    pub fn count(&self, filters: impl Into<Vec<Filter>>, options: CountOptions) -> Counting {
        Counting::start(self.shared(), filters.into(), options)
    }

    /// The news of all relays, from now on: states of connections and authentications, NOTICEs, removals.
    pub fn status(&self) -> StatusStream {
        StatusStream::new(self.shared())
    }

    /// The raw text messages of one relay or of all, both ways, from now on.
    pub fn tap(&self, which: Which) -> TapStream {
        TapStream::new(self.shared(), which)
    }

    /// Waits until every publish is settled at every relay or `deadline` is over, then ends the pool and waits a
    /// second more at most for its sockets to close; and, if it is recorded, five more at most until that is written. Returns the publishes that some relay has not settled.
    ///
    /// The waiting needs the future to be awaited; dropped before, it leaves the pool running. Once the pool has ended,
    /// it returns nothing: what was unfinished went to the first who asked.
    pub fn shutdown(&self, deadline: Duration) -> impl Future<Output = Vec<UnfinishedPublish>> + Send + use<> {
        shutdown::run(self.shared().clone(), deadline)
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}

/// A publish that was not settled at every relay when the pool was shut down.
#[derive(Clone, Debug, PartialEq)]
pub struct UnfinishedPublish {
    /// How it stood.
    pub report: PublishReport,
    /// Its event, to be published again.
    pub event: Unfinished,
}
