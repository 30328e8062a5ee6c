//! Waiting for connections.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::BoxFuture;
use nostr_pool_core::{Call, CallError, ConnectionState, RelayRecord, Which};
use nostr_proto::RelayUrl;

use crate::error::ConnectError;
use crate::mailbox::{Flag, Mailbox};
use crate::shared::{Shared, Watcher};

/// How many relays must connect for [`Pool::connect`](crate::Pool::connect) to succeed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Connect {
    /// Every relay.
    Strict,
    /// One relay, unless the pool has none at all.
    #[default]
    Lenient,
}

/// How each relay's first dial went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectReport {
    /// Every relay of the pool, in order of their URLs.
    pub relays: Vec<(RelayUrl, ConnectOutcome)>,
}

impl ConnectReport {
    /// How many relays connected.
    pub fn connected(&self) -> usize {
        self.relays.iter().filter(|(_, outcome)| matches!(outcome, ConnectOutcome::Connected { .. })).count()
    }
}

/// How a relay's first dial went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectOutcome {
    /// It is connected.
    Connected {
        /// How long that took from the call.
        after: Duration,
    },
    /// The dial failed, or the connection was lost again. It is tried again in the background, as its options say.
    Failed(String),
    /// Neither was certain in time. The dial, or the wait for a free slot, goes on.
    TimedOut,
}

/// Waits for the relays of the pool to connect; see [`Pool::connect`](crate::Pool::connect).
#[must_use = "futures do nothing unless they are awaited, though the dials have begun"]
pub struct Connecting {
    work: BoxFuture<'static, Result<ConnectReport, ConnectError>>,
}

impl Connecting {
    pub(crate) fn new(shared: &Arc<Shared>, timeout: Duration, connect: Connect) -> Self {
        let begun = shared.instant();
        let watch = Watch::new(shared);
        let (called, before) = shared.enter(|state, now| {
            let before = state.core.relays();
            (state.core.handle_call(Call::Connect { which: Which::All }, now), before)
        });
        let work = match called {
            Ok(_) => {
                let relays = before.into_iter().map(|record| Waiting { before: record, outcome: None }).collect();
                let limit = shared.engine.sleep(timeout);
                Wait { watch, relays, begun, limit }.run(connect).boxed()
            }
            Err(e) => std::future::ready(Err(ConnectError::Call(e))).boxed(),
        };
        Self { work }
    }
}

impl Future for Connecting {
    type Output = Result<ConnectReport, ConnectError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.work.poll_unpin(cx)
    }
}

impl std::fmt::Debug for Connecting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connecting").finish_non_exhaustive()
    }
}

struct Wait {
    watch: Watch,
    relays: Vec<Waiting>,
    begun: Instant,
    limit: BoxFuture<'static, ()>,
}

struct Waiting {
    before: RelayRecord,
    outcome: Option<ConnectOutcome>,
}

impl Wait {
    async fn run(mut self, connect: Connect) -> Result<ConnectReport, ConnectError> {
        let ended = poll_fn(|cx| self.poll_settled(cx)).await;
        if ended {
            return Err(ConnectError::Call(CallError::Closed));
        }
        let relays: Vec<_> = self
            .relays
            .into_iter()
            .map(|relay| (relay.before.url, relay.outcome.unwrap_or(ConnectOutcome::TimedOut)))
            .collect();
        let report = ConnectReport { relays };
        let enough = match connect {
            Connect::Strict => report.connected() == report.relays.len(),
            Connect::Lenient => report.connected() > 0 || report.relays.is_empty(),
        };
        if enough { Ok(report) } else { Err(ConnectError::Incomplete(report)) }
    }

    /// Ready when every relay is settled or the time is over; whether the pool ended meanwhile.
    fn poll_settled(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        loop {
            let shared = &self.watch.shared;
            let after = shared.instant().saturating_duration_since(self.begun);
            let ended = shared.look(|state| {
                for relay in self.relays.iter_mut().filter(|relay| relay.outcome.is_none()) {
                    relay.outcome = outcome(&relay.before, state.core.relay(&relay.before.url), after);
                }
                state.has_ended()
            });
            if ended || self.relays.iter().all(|relay| relay.outcome.is_some()) {
                return Poll::Ready(ended);
            }
            if self.limit.poll_unpin(cx).is_ready() {
                return Poll::Ready(false);
            }
            if self.watch.poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

/// What became of a relay since `before`, if that is certain.
fn outcome(before: &RelayRecord, now: Option<RelayRecord>, after: Duration) -> Option<ConnectOutcome> {
    let Some(now) = now else {
        return Some(ConnectOutcome::Failed("taken out of the pool".to_owned()));
    };
    // Not the state alone: a failed dial may have been followed by the next one before anyone looked.
    let failed = |record: &RelayRecord| {
        let underway = u64::from(record.state == ConnectionState::Dialing);
        record.dials.saturating_sub(record.opened + underway)
    };
    match now.state {
        ConnectionState::Open => Some(ConnectOutcome::Connected { after }),
        ConnectionState::Backoff { .. } | ConnectionState::Quarantined { .. } | ConnectionState::Disabled => {
            Some(ConnectOutcome::Failed(why(&now)))
        }
        _ if failed(&now) > failed(before) => Some(ConnectOutcome::Failed(why(&now))),
        _ => None,
    }
}

fn why(record: &RelayRecord) -> String {
    match (&record.last_error, &record.last_close) {
        (Some(error), _) => error.clone(),
        (None, Some((code, reason))) => format!("closed by the relay: {code} {reason}"),
        (None, None) => "not connected".to_owned(),
    }
}

/// A registration for changes of the pool's records.
pub(crate) struct Watch {
    pub(crate) shared: Arc<Shared>,
    watcher: Arc<Watcher>,
}

impl Watch {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        let watcher = Arc::new(Mailbox::new(Flag::default()));
        shared.look(|state| state.watch(&watcher));
        Self { shared: shared.clone(), watcher }
    }

    /// Ready when something changed since it was last ready.
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.watcher.poll_pop(cx).map(|_| ())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.enter_dropping(|state, _| state.unwatch(&self.watcher));
    }
}

#[cfg(test)]
mod tests {
    use nostr_pool_core::{Health, Instant, RelayCounters, RelayOptions};

    use super::*;

    fn record(state: ConnectionState, dials: u64, opened: u64) -> RelayRecord {
        RelayRecord {
            url: RelayUrl::parse("ws://127.0.0.1:1").unwrap(),
            options: RelayOptions::default(),
            state,
            auth: nostr_pool_core::AuthState::default(),
            dials,
            opened,
            failures_in_row: 0,
            last_connected: None,
            active_requests: 0,
            pending_publishes: 0,
            last_close: None,
            last_error: None,
            counters: RelayCounters::default(),
            health: Health::default(),
        }
    }

    #[test]
    fn a_failure_between_two_looks_is_seen() {
        let none = Duration::ZERO;
        let idle = record(ConnectionState::Idle, 3, 3);
        let dialing = record(ConnectionState::Dialing, 4, 3);
        assert_eq!(outcome(&idle, Some(dialing.clone()), none), None);
        let dialing_again = record(ConnectionState::Dialing, 5, 3);
        assert!(matches!(outcome(&idle, Some(dialing_again.clone()), none), Some(ConnectOutcome::Failed(_))));
        assert!(matches!(outcome(&dialing, Some(dialing_again), none), Some(ConnectOutcome::Failed(_))));
        let backoff = record(ConnectionState::Backoff { until: Instant::FAR }, 4, 3);
        assert!(matches!(outcome(&idle, Some(backoff), none), Some(ConnectOutcome::Failed(_))));
        let open = record(ConnectionState::Open, 4, 4);
        assert_eq!(outcome(&dialing, Some(open), none), Some(ConnectOutcome::Connected { after: none }));
        assert_eq!(outcome(&idle, Some(record(ConnectionState::WaitingForSlot, 3, 3)), none), None);
        assert!(matches!(outcome(&idle, None, none), Some(ConnectOutcome::Failed(_))));
    }
}
