//! Asking once, and waiting for all answers.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use nostr_pool_core::{
    CallError, Checkpoint, Coverage, EndReason, EventItem, Gap, History, Item, Mode, RejectedEvent, Target, Versions,
};
use nostr_proto::{EventId, Filter, RelayUrl, Timestamp};

use crate::error::FetchError;
use crate::shared::Shared;
use crate::subscription::{SubscribeOptions, Subscription};

/// How to fetch. The default: from every relay for reading, waiting for each as long as configured.
#[derive(Clone, Debug, PartialEq)]
pub struct FetchOptions {
    /// From whom.
    pub target: Target,
    /// How long each relay is waited for; `None`: [`Config::eose_deadline`](crate::Config::eose_deadline), 10 s by
    /// default, restarted by progress.
    pub timeout: Option<Duration>,
    /// Events to keep at most; beyond that the oldest are dropped and counted. Default 100,000.
    pub max_events: usize,
    /// The same in bytes. Default 256 MiB.
    pub max_bytes: usize,
    /// Which versions of replaceable and addressable events; the newest by default.
    pub versions: Versions,
    /// How far back; what each relay gives to the filters as they are by default. [`History::All`] asks each relay for
    /// older and older pages, down to each filter's `since`, within
    /// [`Config::max_pages`](crate::Config::max_pages) and
    /// [`Config::max_page_events`](crate::Config::max_page_events); what is left is in [`Fetched::gaps`]. Its timeout
    /// is for each page.
    pub history: History,
    /// What an earlier subscription to the same filters had, or an earlier fetch: only what is missing there is asked
    /// for. See [`Fetched::checkpoint`].
    pub resume: Option<Checkpoint>,
}

impl Default for FetchOptions {
    fn default() -> Self {
        Self {
            target: Target::All,
            timeout: None,
            max_events: 100_000,
            max_bytes: 256 << 20,
            versions: Versions::Latest,
            history: History::FirstLoad,
            resume: None,
        }
    }
}

impl FetchOptions {
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

    /// Waiting this long for each relay.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// With these versions of replaceable and addressable events.
    #[must_use]
    pub fn with_versions(mut self, versions: Versions) -> Self {
        self.versions = versions;
        self
    }

    /// Looking back this far.
    #[must_use]
    pub fn with_history(mut self, history: History) -> Self {
        self.history = history;
        self
    }

    /// Without what an earlier subscription had.
    #[must_use]
    pub fn with_resume(mut self, checkpoint: Checkpoint) -> Self {
        self.resume = Some(checkpoint);
        self
    }

    /// Keeping at most this many events and bytes.
    #[must_use]
    pub fn with_bounds(mut self, max_events: usize, max_bytes: usize) -> Self {
        (self.max_events, self.max_bytes) = (max_events, max_bytes);
        self
    }
}

/// What a fetch brought.
#[derive(Clone, Debug, PartialEq)]
pub struct Fetched {
    /// The events: newest first, of the same second the lowest id first. Where exactly one filter was given and it has
    /// a `limit`, no more than that: the newest of all relays'. With [`History::All`], that many even where no relay gives
    /// as many at once.
    pub events: Vec<EventItem>,
    /// What each relay answered.
    pub coverage: Coverage,
    /// What may be missing, and why: at most 4,096 gaps, the first ones. A
    /// [`CaughtUp`](crate::GapCause::CaughtUp) closes what its relay had open before it.
    pub gaps: Vec<Gap>,
    /// Events that a relay sent and that were dropped for their size or shape: which relay, the id that the event claims,
    /// and why. At most 1,024, the first ones. What was fetched may be an older version of one of them.
    pub rejected: Vec<(RelayUrl, EventId, RejectedEvent)>,
    /// NOTICEs that seem to answer this request: which relay, and its words for people. At most 64, the first ones.
    pub notices: Vec<(RelayUrl, String)>,
    /// Events that were dropped because there were more than
    /// [`max_events`](FetchOptions::max_events) or [`max_bytes`](FetchOptions::max_bytes).
    pub dropped: u64,
    /// What the relays have proved to have told, for [`FetchOptions::resume`] or [`SubscribeOptions::resume`]: whoever
    /// keeps the events can go on from here. A relay that did not answer has no part in it and is asked for everything
    /// again. `None` if events were dropped: they would not come again.
    pub checkpoint: Option<Checkpoint>,
}

/// A fetch under way; see [`Pool::fetch`](crate::Pool::fetch). Dropping it ends it.
#[must_use = "dropping a fetch ends it"]
#[derive(Debug)]
pub struct Fetch {
    started: Result<Subscription, Option<CallError>>,
    found: Found,
    coverage: Option<Coverage>,
    gaps: Vec<Gap>,
    rejected: Vec<(RelayUrl, EventId, RejectedEvent)>,
    notices: Vec<(RelayUrl, String)>,
}

/// Gaps that are kept: more than any sane number of relays brings forth in one fetch.
const MAX_GAPS: usize = 4_096;
/// Rejected events that are kept.
const MAX_REJECTED: usize = 1_024;
/// NOTICEs that are kept; each may be 1 KiB long.
const MAX_NOTICES: usize = 64;

impl Fetch {
    pub(crate) fn start(shared: &Arc<Shared>, filters: Vec<Filter>, options: FetchOptions) -> Self {
        let limit = match filters.as_slice() {
            [only] => only.limit.and_then(|limit| usize::try_from(limit).ok()),
            _ => None,
        };
        let FetchOptions { target, timeout, max_events, max_bytes, versions, history, resume } = options;
        let options = SubscribeOptions {
            target,
            mode: Mode::UntilEose,
            eose_deadline: timeout,
            versions,
            history,
            resume,
            ..SubscribeOptions::default()
        };
        Self {
            started: Subscription::start(shared, filters, options).map_err(Some),
            found: Found { limit, max_events, max_bytes, ..Found::default() },
            coverage: None,
            gaps: Vec::new(),
            rejected: Vec::new(),
            notices: Vec::new(),
        }
    }

    fn take(&mut self, item: Item) -> Option<EndReason> {
        match item {
            Item::Event(event) => self.found.insert(event),
            Item::Eose(coverage) => self.coverage = Some(coverage),
            Item::Gap(gap) if self.gaps.len() < MAX_GAPS => self.gaps.push(gap),
            Item::Rejected { relay, event, why } if self.rejected.len() < MAX_REJECTED => {
                self.rejected.push((relay, event, why));
            }
            Item::Notice { relay, message } if self.notices.len() < MAX_NOTICES => self.notices.push((relay, message)),
            Item::End(reason) => return Some(reason),
            // An event of ours that nobody has yet is not what was asked for; it is fetched once a relay has it.
            _ => {}
        }
        None
    }

    fn finish(&mut self, reason: EndReason) -> Result<Fetched, FetchError> {
        let coverage = self.coverage.take().ok_or(FetchError::Ended(reason))?;
        let found = std::mem::take(&mut self.found);
        let checkpoint = match &mut self.started {
            // The only error is that it was ended from outside.
            Ok(subscription) if found.dropped == 0 => subscription.checkpoint().ok(),
            _ => None,
        };
        Ok(Fetched {
            events: found.events.into_values().collect(),
            coverage,
            gaps: std::mem::take(&mut self.gaps),
            rejected: std::mem::take(&mut self.rejected),
            notices: std::mem::take(&mut self.notices),
            dropped: found.dropped,
            checkpoint,
        })
    }
}

impl Future for Fetch {
    type Output = Result<Fetched, FetchError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let item = match &mut self.started {
                Ok(subscription) => ready!(futures::Stream::poll_next(Pin::new(subscription), cx)),
                Err(error) => return Poll::Ready(Err(error.take().unwrap_or(CallError::Closed).into())),
            };
            let ended = match item {
                Some(item) => self.take(item),
                None => Some(EndReason::Shutdown),
            };
            if let Some(reason) = ended {
                return Poll::Ready(self.finish(reason));
            }
        }
    }
}

/// The events so far, in the order in which they are returned.
#[derive(Debug, Default)]
struct Found {
    events: BTreeMap<(Reverse<Timestamp>, EventId), EventItem>,
    bytes: usize,
    limit: Option<usize>,
    max_events: usize,
    max_bytes: usize,
    dropped: u64,
}

impl Found {
    fn insert(&mut self, item: EventItem) {
        self.bytes += item.event.heap_bytes();
        self.events.insert((Reverse(item.event.created_at()), item.event.id()), item);
        if self.limit.is_some_and(|limit| self.events.len() > limit) {
            // What is beyond the user's own limit was not asked for.
            self.drop_oldest();
        }
        while self.events.len() > self.max_events || (self.bytes > self.max_bytes && self.events.len() > 1) {
            self.drop_oldest();
            self.dropped += 1;
        }
    }

    fn drop_oldest(&mut self) {
        if let Some((_, oldest)) = self.events.pop_last() {
            self.bytes -= oldest.event.heap_bytes();
        }
    }
}
