//! Having relays count.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use nostr_pool_core::{Call, CallError, Count, CountId, CountReport, Target};
use nostr_proto::{Filter, RelayUrl};

use crate::mailbox::Mailbox;
use crate::shared::Shared;

/// How to count. The default: every relay for reading is asked, and waited for as long as configured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CountOptions {
    /// Who is asked.
    pub target: Target,
    /// Time for the report; `None`: [`Config::count_deadline`](crate::Config::count_deadline), 10 s by default.
    pub timeout: Option<Duration>,
}

impl CountOptions {
    /// Asking these relays.
    #[must_use]
    pub fn with_target(mut self, target: Target) -> Self {
        self.target = target;
        self
    }

    /// Asking these relays only. One that is not in the pool is taken in for as long as it is used. URLs that came out of
    /// events belong into [`Target::Hinted`].
    #[must_use]
    pub fn with_relays(mut self, relays: impl IntoIterator<Item = RelayUrl>) -> Self {
        self.target = Target::Relays(relays.into_iter().collect());
        self
    }

    /// Reporting after this at the latest.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}

/// A count under way; see [`Pool::count`](crate::Pool::count). Dropping it ends it.
#[must_use = "dropping a count ends it"]
pub struct Counting {
    shared: Arc<Shared>,
    started: Result<Arc<CountCell>, Option<CallError>>,
}

impl Counting {
    pub(crate) fn start(shared: &Arc<Shared>, filters: Vec<Filter>, options: CountOptions) -> Self {
        let CountOptions { target, timeout } = options;
        let call = Call::Count(Count { filters, target, deadline: timeout });
        let started = shared.enter(|state, now| state.count(call, now)).map_err(Some);
        Self { shared: shared.clone(), started }
    }
}

impl Future for Counting {
    type Output = Result<CountReport, CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.started {
            // Without a report it is closed only where the pool is.
            Ok(cell) => cell.report.poll_pop(cx).map(|report| report.map(|it| *it).ok_or(CallError::Closed)),
            Err(error) => Poll::Ready(Err(error.take().unwrap_or(CallError::Closed))),
        }
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        if let Ok(cell) = &self.started
            && !cell.report.is_closed()
        {
            let id = cell.id;
            cell.report.abandon();
            self.shared.enter_dropping(|state, now| state.cancel_count(id, now));
        }
    }
}

impl std::fmt::Debug for Counting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Counting").field("id", &self.started.as_ref().map(|cell| cell.id)).finish_non_exhaustive()
    }
}

/// Where the report goes.
#[derive(Debug)]
pub(crate) struct CountCell {
    id: CountId,
    report: Mailbox<Option<Box<CountReport>>>,
}

impl CountCell {
    pub(crate) fn new(id: CountId) -> Self {
        Self { id, report: Mailbox::new(None) }
    }

    /// The report is there.
    pub(crate) fn settle(&self, report: Box<CountReport>, wakers: &mut Vec<Waker>) {
        self.report.put(wakers, |slot| *slot = Some(report));
        self.report.close(wakers);
    }

    /// There will be none.
    pub(crate) fn close(&self, wakers: &mut Vec<Waker>) {
        self.report.close(wakers);
    }
}
