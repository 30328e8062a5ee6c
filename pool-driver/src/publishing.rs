//! A publish as the application holds it.

use std::collections::{BTreeSet, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::{FutureExt, Stream};
use nostr_pool_core::{Call, CallError, PublishId, PublishReport, PublishUpdate, Quorum, Target, Verdict};
use nostr_proto::{EventId, RelayUrl};

use crate::mailbox::{Buffer, Mailbox};
use crate::shared::Shared;

/// Updates that wait to be read before older ones of the same relay are dropped.
const MAX_UPDATES: usize = 64;

/// How to publish. The default: to every relay for writing, published when the first accepts, verdict within
/// [`Config::publish_deadline`](crate::Config::publish_deadline), 30 s by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublishOptions {
    /// Where to, the pinned relays apart.
    pub target: Target,
    /// When it counts as published.
    pub quorum: Quorum,
    /// Time for the verdict; `None`: the configured default.
    pub deadline: Option<Duration>,
    /// The earlier publish that this one takes the place of: both reports name each other, and whoever saw the earlier
    /// one pending learns that it is superseded. See [`Pool::mine`](crate::Pool::mine).
    pub link: Option<PublishId>,
}

impl PublishOptions {
    /// To these relays, and the pinned ones.
    #[must_use]
    pub fn with_target(mut self, target: Target) -> Self {
        self.target = target;
        self
    }

    /// To these relays, and the pinned ones. One that is not in the pool is taken in for as long as it is used. URLs
    /// that came out of events belong into [`Target::Hinted`].
    #[must_use]
    pub fn with_relays(mut self, relays: impl IntoIterator<Item = RelayUrl>) -> Self {
        self.target = Target::Relays(relays.into_iter().collect());
        self
    }

    /// Published when these accepted it.
    #[must_use]
    pub fn with_quorum(mut self, quorum: Quorum) -> Self {
        self.quorum = quorum;
        self
    }

    /// In the place of an earlier publish.
    #[must_use]
    pub fn with_link(mut self, earlier: PublishId) -> Self {
        self.link = Some(earlier);
        self
    }

    /// With a verdict within this time.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }
}

/// A publish under way: a future of its verdict, and a stream of its progress.
///
/// It began with the call that returned this. Dropping this cancels nothing; [`cancel`](Self::cancel) does.
///
/// ```no_run
/// # use nostr_pool_driver::*;
/// # async fn example(pool: Pool, event: nostr_proto::Event) -> Result<(), CallError> {
/// let mut publishing = pool.publish(event, PublishOptions::default().with_quorum(Quorum::Majority))?;
/// while let Some(update) = futures::StreamExt::next(publishing.progress()).await {
///     println!("{update:?}");
/// }
/// let report = publishing.await;
/// println!("{:?}: {} of {} accepted", report.verdict, report.accepted(), report.relays.len());
/// # Ok(())
/// # }
/// ```
#[must_use = "a publish goes on without it, but nobody learns its verdict"]
pub struct Publishing {
    verdict: VerdictFuture,
    progress: Progress,
}

impl Publishing {
    pub(crate) fn start(shared: &Arc<Shared>, call: Call) -> Result<Self, CallError> {
        let cell = shared.enter(|state, now| state.publish(call, now))?;
        let verdict = VerdictFuture { shared: shared.clone(), cell: cell.clone(), report: None };
        Ok(Self { verdict, progress: Progress { cell } })
    }

    /// Its name in the core.
    pub fn id(&self) -> PublishId {
        self.verdict.cell.id
    }

    /// The event's id; known before the event is signed.
    pub fn event_id(&self) -> EventId {
        self.verdict.cell.event
    }

    /// What happens at each relay, from the first moment, until nothing will change any more; that may be long after
    /// the verdict. See [`Progress`].
    pub fn progress(&mut self) -> &mut Progress {
        &mut self.progress
    }

    /// The verdict and the progress, to be awaited in different places.
    pub fn split(self) -> (VerdictFuture, Progress) {
        (self.verdict, self.progress)
    }

    /// Stops trying to deliver it. Relays that have it keep it. Without a verdict yet, that is
    /// [`Verdict::Indeterminate`].
    ///
    /// # Errors
    /// [`CallError::UnknownPublish`] if it was finished so long ago that it is forgotten.
    pub fn cancel(&self) -> Result<(), CallError> {
        self.verdict.cancel()
    }
}

impl Future for Publishing {
    type Output = PublishReport;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<PublishReport> {
        self.verdict.poll_unpin(cx)
    }
}

impl std::fmt::Debug for Publishing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let cell = &self.verdict.cell;
        f.debug_struct("Publishing").field("id", &cell.id).field("event", &cell.event).finish_non_exhaustive()
    }
}

/// Resolves at the verdict of a publish, with every relay's status at that moment. Its
/// [`verdict`](PublishReport::verdict) is always there. May be awaited by `&mut`, and again.
#[must_use = "futures do nothing unless they are awaited"]
pub struct VerdictFuture {
    shared: Arc<Shared>,
    cell: Arc<PublishCell>,
    report: Option<PublishReport>,
}

impl VerdictFuture {
    /// See [`Publishing::cancel`].
    ///
    /// # Errors
    /// [`CallError::UnknownPublish`] if it was finished so long ago that it is forgotten.
    pub fn cancel(&self) -> Result<(), CallError> {
        self.shared.call(Call::Cancel { publish: self.cell.id }).map(drop)
    }
}

impl Future for VerdictFuture {
    type Output = PublishReport;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<PublishReport> {
        if let Some(report) = &self.report {
            return Poll::Ready(report.clone());
        }
        self.cell.verdict.poll_pop(cx).map(|report| {
            let report = report.unwrap_or_else(|| self.cell.unknown());
            self.report = Some(report.clone());
            report
        })
    }
}

impl Drop for VerdictFuture {
    fn drop(&mut self) {
        self.cell.verdict.abandon();
    }
}

impl std::fmt::Debug for VerdictFuture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VerdictFuture").field("id", &self.cell.id).finish_non_exhaustive()
    }
}

/// What happens to a publish, as a stream that ends after [`PublishUpdate::Done`].
///
/// If updates wait longer than it takes for 64 to pile up, older ones of a relay give way to newer ones of the same
/// relay; the newest of each relay, the verdict and the end are always told.
#[must_use = "streams do nothing unless they are read"]
pub struct Progress {
    cell: Arc<PublishCell>,
}

impl Stream for Progress {
    type Item = PublishUpdate;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<PublishUpdate>> {
        self.cell.progress.poll_pop(cx)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.cell.progress.abandon();
    }
}

impl std::fmt::Debug for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Progress").field("id", &self.cell.id).finish_non_exhaustive()
    }
}

/// Where the core's news of a publish go.
pub(crate) struct PublishCell {
    id: PublishId,
    event: EventId,
    verdict: Mailbox<Option<PublishReport>>,
    progress: Mailbox<Updates>,
}

impl PublishCell {
    pub(crate) fn new(id: PublishId, event: EventId) -> Self {
        Self { id, event, verdict: Mailbox::new(None), progress: Mailbox::new(Updates::default()) }
    }

    /// The verdict is there.
    pub(crate) fn settle(&self, report: Option<PublishReport>, wakers: &mut Vec<Waker>) {
        let report = report.unwrap_or_else(|| self.unknown());
        self.verdict.put(wakers, |slot| *slot = Some(report));
    }

    pub(crate) fn update(&self, update: PublishUpdate, wakers: &mut Vec<Waker>) {
        self.progress.put(wakers, |updates| updates.push(update));
    }

    /// Nothing will change any more.
    pub(crate) fn close(&self, wakers: &mut Vec<Waker>) {
        self.verdict.close(wakers);
        self.progress.close(wakers);
    }

    /// What is left to say when the core has forgotten the publish.
    fn unknown(&self) -> PublishReport {
        PublishReport {
            publish: self.id,
            event: self.event,
            verdict: Some(Verdict::Indeterminate),
            needed: 0,
            relays: Vec::new(),
            link: None,
            successor: None,
        }
    }
}

/// Updates in order. Bounded: at most 64, or twice the number of the publish's relays if that is more.
#[derive(Debug, Default)]
struct Updates {
    waiting: VecDeque<PublishUpdate>,
    /// Older updates of a relay are looked for again when so many wait.
    thin_out_at: usize,
}

impl Updates {
    fn push(&mut self, update: PublishUpdate) {
        self.waiting.push_back(update);
        if self.waiting.len() > self.thin_out_at.max(MAX_UPDATES) {
            self.thin_out();
            self.thin_out_at = 2 * self.waiting.len();
        }
    }

    /// Keeps the newest update of each relay, and what is not about a relay.
    fn thin_out(&mut self) {
        let mut newer = BTreeSet::new();
        let mut kept = VecDeque::new();
        for update in self.waiting.drain(..).rev() {
            let superseded = match &update {
                PublishUpdate::Relay { relay, .. } => !newer.insert(relay.clone()),
                _ => false,
            };
            if !superseded {
                kept.push_front(update);
            }
        }
        self.waiting = kept;
    }
}

impl Buffer for Updates {
    type Item = PublishUpdate;

    fn pop(&mut self) -> Option<PublishUpdate> {
        self.waiting.pop_front()
    }

    fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use nostr_pool_core::PublishStatus;

    use super::*;

    fn relay(n: usize) -> RelayUrl {
        RelayUrl::parse(&format!("wss://r{n}.example.com")).unwrap()
    }

    fn about(n: usize, accepted: usize) -> PublishUpdate {
        PublishUpdate::Relay { relay: relay(n), status: PublishStatus::Queued, accepted, needed: 1 }
    }

    #[test]
    fn a_flood_keeps_the_newest_of_each_relay_and_the_verdict() {
        let mut updates = Updates::default();
        updates.push(PublishUpdate::Verdict(Verdict::Reached));
        for i in 0..10_000 {
            updates.push(about(i % 3, i));
            assert!(updates.waiting.len() <= MAX_UPDATES + 1);
        }
        updates.push(PublishUpdate::Done);
        let told: Vec<_> = std::iter::from_fn(|| updates.pop()).collect();
        assert_eq!(told.first(), Some(&PublishUpdate::Verdict(Verdict::Reached)));
        assert_eq!(told.last(), Some(&PublishUpdate::Done));
        for n in 9_997..10_000 {
            assert!(told.contains(&about(n % 3, n)));
        }
    }

    #[test]
    fn more_relays_than_room_are_all_told() {
        let mut updates = Updates::default();
        for i in 0..1_000 {
            updates.push(about(i % 200, i));
            assert!(updates.waiting.len() <= 401);
        }
        let told: Vec<_> = std::iter::from_fn(|| updates.pop()).collect();
        for n in 800..1_000 {
            assert!(told.contains(&about(n % 200, n)));
        }
    }
}
