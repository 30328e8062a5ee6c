//! A subscription as the application holds it.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use nostr_pool_core::{
    Acknowledge, Call, CallError, Checkpoint, Gap, Group, History, Item, Mode, Reply, SubId, Subscribe, Target,
    Versions,
};
use nostr_proto::{Filter, RelayUrl};

use crate::events::Events;
use crate::shared::{ItemQueue, Shared};

/// Items that are taken before the core hears that they were, at most.
const TAKEN_ITEMS: usize = 64;
/// The same in bytes.
const TAKEN_BYTES: usize = 1 << 20;
/// The same as a part of the queue, in items and in bytes: a short queue must not look full because of what was taken
/// and not told.
const TAKEN_PART: usize = 16;

/// How to subscribe. The default: every relay for reading, until unsubscribed, with the configured bounds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SubscribeOptions {
    /// From whom.
    pub target: Target,
    /// Until when.
    pub mode: Mode,
    /// How long each relay is waited for before the aggregate EOSE; `None`: [`Config::eose_deadline`], 10 s by
    /// default. At most [`Config::eose_deadline_max`].
    ///
    /// [`Config::eose_deadline`]: crate::Config::eose_deadline
    /// [`Config::eose_deadline_max`]: crate::Config::eose_deadline_max
    pub eose_deadline: Option<Duration>,
    /// Items that may wait to be taken; `None`: [`Config::queue_items`](crate::Config::queue_items), 4,096 by default,
    /// which is also the most. Full, the next events are skipped, counted and told as a gap.
    pub queue_items: Option<usize>,
    /// Which versions of replaceable and addressable events; the newest by default.
    pub versions: Versions,
    /// How far back; what each relay gives to the filters as they are by default.
    pub history: History,
    /// When an event counts as done with, so that no [`Checkpoint`] brings it again; by default when the item after it
    /// is taken.
    pub acknowledge: Acknowledge,
    /// Whether it waits for others to share its requests with; it does not by default.
    pub group: Group,
    /// What an earlier subscription to the same filters had and was done with: only what is missing there is asked for.
    /// See [`Subscription::checkpoint`].
    pub resume: Option<Checkpoint>,
}

impl SubscribeOptions {
    /// From these relays.
    #[must_use]
    pub fn with_target(mut self, target: Target) -> Self {
        self.target = target;
        self
    }

    /// From these relays only. One that is not in the pool is taken in for as long as it is used. URLs
    /// that came out of events belong into [`Target::Hinted`].
    #[must_use]
    pub fn with_relays(mut self, relays: impl IntoIterator<Item = RelayUrl>) -> Self {
        self.target = Target::Relays(relays.into_iter().collect());
        self
    }

    /// Lasting this long.
    #[must_use]
    pub fn with_mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// Waiting this long for each relay's EOSE.
    #[must_use]
    pub fn with_eose_deadline(mut self, deadline: Duration) -> Self {
        self.eose_deadline = Some(deadline);
        self
    }

    /// With room for this many items.
    #[must_use]
    pub fn with_queue_items(mut self, items: usize) -> Self {
        self.queue_items = Some(items);
        self
    }

    /// Waiting for others to share its requests with, or sharing them with none.
    #[must_use]
    pub fn with_group(mut self, group: Group) -> Self {
        self.group = group;
        self
    }

    /// With these versions of replaceable and addressable events.
    #[must_use]
    pub fn with_versions(mut self, versions: Versions) -> Self {
        self.versions = versions;
        self
    }

    /// Looking back this far. [`History::All`] asks each relay for older and older pages, down to each filter's `since`,
    /// within [`Config::max_pages`](crate::Config::max_pages) and
    /// [`Config::max_page_events`](crate::Config::max_page_events); what is left beyond them is told as a gap, and
    /// [`Subscription::refill`] goes on there.
    #[must_use]
    pub fn with_history(mut self, history: History) -> Self {
        self.history = history;
        self
    }

    /// With events done with at this point.
    #[must_use]
    pub fn with_acknowledge(mut self, acknowledge: Acknowledge) -> Self {
        self.acknowledge = acknowledge;
        self
    }

    /// Going on where an earlier subscription to the same filters was.
    #[must_use]
    pub fn with_resume(mut self, checkpoint: Checkpoint) -> Self {
        self.resume = Some(checkpoint);
        self
    }
}

/// A running subscription, and the stream of its items. Dropping it ends it: CLOSE goes to its relays.
///
/// The last item is always [`Item::End`], and `None` after it.
#[must_use = "dropping a subscription ends it"]
pub struct Subscription {
    shared: Arc<Shared>,
    id: SubId,
    items: Arc<ItemQueue>,
    /// Taken, and the core has not heard of it.
    taken: usize,
    taken_bytes: usize,
    /// The core has heard of the last one, but not that the application asked for another since, and is done with it.
    unasked: bool,
    /// When it must hear.
    tell_after: usize,
    tell_after_bytes: usize,
}

impl Subscription {
    pub(crate) fn start(
        shared: &Arc<Shared>,
        filters: Vec<Filter>,
        options: SubscribeOptions,
    ) -> Result<Self, CallError> {
        let SubscribeOptions {
            target,
            mode,
            eose_deadline,
            queue_items,
            versions,
            history,
            acknowledge,
            group,
            resume,
        } = options;
        let call = Call::Subscribe(Subscribe {
            filters,
            target,
            mode,
            eose_deadline,
            queue_items,
            versions,
            history,
            acknowledge,
            group,
            resume,
        });
        let (started, room, room_bytes) = shared.enter(|state, now| {
            let started = state.subscribe(call, now);
            let config = state.core.config();
            (started, config.queue_items, config.queue_bytes)
        });
        let (id, items) = started?;
        let room = queue_items.unwrap_or(usize::MAX).min(room);
        Ok(Self {
            shared: shared.clone(),
            id,
            items,
            taken: 0,
            taken_bytes: 0,
            unasked: false,
            tell_after: (room / TAKEN_PART).clamp(1, TAKEN_ITEMS),
            tell_after_bytes: (room_bytes / TAKEN_PART).min(TAKEN_BYTES),
        })
    }

    /// Its name in the core; also in [`PendingItem`](crate::PendingItem)s and recordings.
    pub fn id(&self) -> SubId {
        self.id
    }

    /// The next item; `None` after [`Item::End`].
    pub async fn next(&mut self) -> Option<Item> {
        poll_fn(|cx| self.poll_item(cx)).await
    }

    /// Replaces the filters: the subscription goes on as its next generation, and what was delivered before is not
    /// delivered again.
    ///
    /// # Errors
    /// [`CallError::FilterCount`], or [`CallError::UnknownSubscription`] if it has ended.
    pub fn update(&self, filters: impl Into<Vec<Filter>>) -> Result<(), CallError> {
        self.shared.call(Call::Update { sub: self.id, filters: filters.into() }).map(drop)
    }

    /// Sends it to other relays from now on: those that it had and keeps notice nothing, new ones are asked as at the
    /// start, and CLOSE goes to those that it leaves. What a relay still owed that it leaves is told as a gap.
    ///
    /// # Errors
    /// [`CallError::NoRelays`] and [`CallError::TooManyRelays`], which leave it as it was;
    /// [`CallError::UnknownSubscription`] if it has ended.
    pub fn retarget(&self, target: Target) -> Result<(), CallError> {
        self.shared.call(Call::Retarget { sub: self.id, target }).map(drop)
    }

    /// Asks again, with a new budget of pages and events, for what a [`Gap`] of this subscription said was given up: one
    /// whose cause is [`Budget`](crate::GapCause::Budget) above all. A gap of no relay concerns all of them. Nothing is
    /// asked for where nothing was given up.
    ///
    /// # Errors
    /// [`CallError::UnknownSubscription`] if it has ended.
    pub fn refill(&self, gap: &Gap) -> Result<(), CallError> {
        self.shared.call(Call::Refill { sub: self.id, gap: gap.clone() }).map(drop)
    }

    /// The application is done with its events up to this one, [`seq`](crate::EventItem::seq) included: no later
    /// checkpoint brings them again. Needed with [`Acknowledge::ByHand`] only; else it changes nothing, for taking the
    /// next item does it.
    ///
    /// It counts for all events before it, too. Who works on several at once acknowledges the latest of which all earlier
    /// ones are done with. An event that is never acknowledged holds the checkpoint where it was, and nothing else: the
    /// items go on coming.
    ///
    /// ```no_run
    /// # use nostr_pool_driver::*;
    /// # async fn work(event: &Event) -> Result<(), Box<dyn std::error::Error>> { Ok(()) }
    /// # fn write_down(checkpoint: &str) {}
    /// # async fn example(pool: Pool, filter: Filter, saved: Option<String>) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut options = SubscribeOptions::default().with_acknowledge(Acknowledge::ByHand);
    /// if let Some(text) = saved {
    ///     options = options.with_resume(Checkpoint::from_json(&text)?);
    /// }
    /// let mut inbox = pool.subscribe([filter], options)?;
    /// while let Some(item) = inbox.next().await {
    ///     match item {
    ///         Item::Event(found) => {
    ///             work(&found.event).await?;
    ///             inbox.acknowledge(found.seq)?;
    ///         }
    ///         Item::Eose(_) => {}
    ///         _ => continue,
    ///     }
    ///     write_down(&inbox.checkpoint()?.to_json());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`CallError::NotDelivered`] if no event had that number yet, [`CallError::UnknownSubscription`] as for a
    /// [`checkpoint`](Self::checkpoint).
    pub fn acknowledge(&self, seq: u64) -> Result<(), CallError> {
        self.shared.call(Call::Acknowledge { sub: self.id, seq }).map(drop)
    }

    /// What this subscription has and its application is done with, as a value that outlives them both. Written down
    /// and given to [`SubscribeOptions::with_resume`], in another process too, it makes a subscription to the same filters
    /// that goes on from here: what was missed meanwhile comes, and what was not acknowledged comes again.
    ///
    /// A subscription that came to its end by itself ([`Mode::UntilEose`]) can still be asked, for as long as it is held:
    /// once [`Item::End`] is taken, its checkpoint has all that it proved, or, by hand, all if all is acknowledged.
    ///
    /// Write it down only after the work on the acknowledged events is safe: then a crash at any moment loses none.
    ///
    /// One is worth taking once the first [`Item::Eose`] is done with, for before that nothing is proven; then every few
    /// seconds while events come, after a [`CaughtUp`](crate::GapCause::CaughtUp), and before the program ends. It holds
    /// what was proven at a moment whose events are all done with, so it may lag behind the last of them: what comes again
    /// after a crash is to be expected, and known by its id. Of a relay that never answered it says nothing.
    ///
    /// # Errors
    /// [`CallError::UnknownSubscription`] if it was ended from outside, or more than 256 others have come to their end
    /// since it did.
    pub fn checkpoint(&mut self) -> Result<Checkpoint, CallError> {
        if self.taken > 0 {
            self.tell_taken();
        }
        match self.shared.call(Call::Checkpoint { sub: self.id })? {
            Reply::Checkpoint(checkpoint) => Ok(*checkpoint),
            other => unreachable!("Call::Checkpoint replies with Checkpoint, not {other:?}"),
        }
    }

    /// Only its events, for those who want no more than that: EOSE and gaps are kept for whoever asks for them.
    pub fn events(self) -> Events {
        Events::new(self)
    }

    /// Ends it, and leaves what waits to be read: the items up to [`Item::End`].
    ///
    /// # Errors
    /// [`CallError::UnknownSubscription`] if it has ended before.
    pub fn unsubscribe(&self) -> Result<(), CallError> {
        self.shared.call(Call::Unsubscribe { sub: self.id }).map(drop)
    }

    fn poll_item(&mut self, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        let item = self.items.poll_pop(cx);
        match &item {
            Poll::Ready(Some(item)) => {
                self.taken += 1;
                self.taken_bytes += item.bytes();
                if self.taken >= self.tell_after || self.taken_bytes >= self.tell_after_bytes {
                    self.tell_taken();
                }
            }
            Poll::Pending => self.tell_asked(),
            Poll::Ready(None) => {}
        }
        item
    }

    fn tell_taken(&mut self) {
        let call = Call::Taken { sub: self.id, items: self.taken, bytes: self.taken_bytes };
        (self.taken, self.taken_bytes) = (0, 0);
        self.unasked = true;
        // The only error is that it ended by itself, and then nobody counts any more.
        let _ = self.shared.call(call);
    }

    /// The application asks for the next item, and there is none: it is done with the one before.
    fn tell_asked(&mut self) {
        if self.taken > 0 {
            self.tell_taken();
        }
        if std::mem::take(&mut self.unasked) {
            let _ = self.shared.call(Call::Taken { sub: self.id, items: 0, bytes: 0 });
        }
    }
}

impl Stream for Subscription {
    type Item = Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        self.get_mut().poll_item(cx)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.shared.enter_dropping(|state, now| state.unsubscribe(self.id, now));
    }
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscription").field("id", &self.id).finish_non_exhaustive()
    }
}
