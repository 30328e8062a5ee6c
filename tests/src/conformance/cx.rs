//! What a script is given, and the words that traces are made of.

use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use futures::executor::block_on;
use nostr_pool_driver::{
    Connect, ConnectError, ConnectOutcome, ConnectionState, EndReason, GapCause, Item, LegOutcome, LegState, Mark,
    Pool, PublishReport, PublishStatus, Rejection, RelayRecord, Runtime, UnknownCause, Verdict,
};

use crate::scenarios::{PATIENCE, within};

/// How often a script looks whether something is so.
const LOOK: Duration = Duration::from_millis(2);

/// A script's runtime, and its trace so far.
#[derive(Debug)]
pub struct Cx<R> {
    /// What is on trial.
    pub runtime: R,
    trace: Mutex<Vec<String>>,
}

impl<R: Runtime> Cx<R> {
    pub(super) fn new(runtime: R) -> Self {
        Self { runtime, trace: Mutex::default() }
    }

    /// Adds a line to the trace.
    pub fn say(&self, line: impl Into<String>) {
        self.trace.lock().unwrap_or_else(PoisonError::into_inner).push(line.into());
    }

    /// How many lines there are.
    pub(super) fn lines(&self) -> usize {
        self.trace.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Puts a name before all lines from this one on.
    pub(super) fn prefix(&self, from: usize, name: &str) {
        for line in self.trace.lock().unwrap_or_else(PoisonError::into_inner).iter_mut().skip(from) {
            *line = format!("{name} {line}");
        }
    }

    pub(super) fn into_trace(self) -> Vec<String> {
        self.trace.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a future of the pool to its end, on this thread.
    ///
    /// # Panics
    /// It takes longer than anything does that works.
    pub fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        block_on(within(&self.runtime, PATIENCE, work))
    }

    /// Waits until something is so.
    ///
    /// # Panics
    /// It never is.
    pub fn until(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let patience = Instant::now() + PATIENCE;
        while !is_so() {
            assert!(Instant::now() < patience, "waited in vain until {what}");
            thread::sleep(LOOK);
        }
    }

    /// Says what becomes of dialling the one relay of a pool.
    pub fn say_dial(&self, pool: &Pool) {
        let told = match self.wait(pool.connect(PATIENCE / 2, Connect::Strict)) {
            Ok(_) => "connected".to_owned(),
            Err(ConnectError::Incomplete(report)) => match &report.relays[0].1 {
                ConnectOutcome::Failed(why) => format!("failed: {}", kind(why)),
                other => format!("{other:?}"),
            },
            Err(other) => format!("error: {other}"),
        };
        self.say(told);
    }
}

/// What sort of error a line of text for people tells of.
pub(super) fn kind(error: &str) -> String {
    const KINDS: [(&str, &str); 9] = [
        ("cannot resolve the host", "resolve"),
        ("cannot connect to", "connect"),
        ("TLS handshake failed", "tls"),
        ("the relay sent a message", "too large"),
        ("the relay sent text that is not UTF-8", "not UTF-8"),
        ("WebSocket protocol error", "protocol"),
        ("transport error", "transport"),
        ("the connection ended without a close frame", "ended"),
        ("the task of the socket was dropped", "task dropped"),
    ];
    if let Some((_, kind)) = KINDS.iter().find(|(text, _)| error.starts_with(text)) {
        return (*kind).to_owned();
    }
    // The opening handshake is the driver's own, and so are its words.
    if let Some(fault) = error.strip_prefix("WebSocket upgrade failed: ") {
        return fault.to_owned();
    }
    if let Some((_, status)) = error.split_once("the server answered the WebSocket upgrade with ") {
        return status.to_owned();
    }
    match error.split_once(" was not done within ") {
        Some((step, _)) => format!("timed out: {}", step.split(',').next().unwrap_or(step)),
        None => error.to_owned(),
    }
}

/// A state without its times.
pub(super) fn state(record: &RelayRecord) -> &'static str {
    match record.state {
        ConnectionState::Idle => "idle",
        ConnectionState::WaitingForSlot => "waiting for a slot",
        ConnectionState::Dialing => "dialling",
        ConnectionState::Open => "open",
        ConnectionState::Closing => "closing",
        ConnectionState::Backoff { .. } => "backoff",
        ConnectionState::Quarantined { .. } => "quarantined",
        ConnectionState::Disabled => "disabled",
    }
}

/// How the last connection ended, as far as the record tells.
pub(super) fn end_of(record: &RelayRecord) -> String {
    match (&record.last_close, &record.last_error) {
        (None, None) => "no error".to_owned(),
        (Some((code, reason)), None) => format!("closed by the relay: {code} {reason:?}"),
        (None, Some(error)) => kind(error),
        (Some((code, _)), Some(error)) => format!("closed by the relay: {code}, and {}", kind(error)),
    }
}

/// An item without its relays and times.
pub(super) fn item(item: &Item) -> String {
    match item {
        Item::Event(e) => {
            let mark = if e.mark == Mark::Stored { "stored" } else { "live" };
            let content: String = e.event.content().chars().take(20).collect();
            format!("{mark}: {content}")
        }
        Item::Eose(coverage) => {
            let legs: Vec<_> = coverage.legs.iter().map(|leg| leg_outcome(&leg.outcome)).collect();
            format!("eose: {}", legs.join(", "))
        }
        Item::Leg { state, .. } => match state {
            LegState::Waiting(why) => format!("leg: waiting for {why:?}"),
            LegState::Closed(reason) => format!("leg: closed, {:?}", reason.prefix),
            other => format!("leg: {other:?}").to_lowercase(),
        },
        Item::Gap(gap) => format!("gap: {}", gap_cause(&gap.cause)),
        Item::Notice { message, .. } => format!("notice: {message}"),
        Item::Rejected { why, .. } => format!("rejected: {why:?}"),
        Item::End(reason) => end(*reason).to_owned(),
        Item::Pending(_) => "pending".to_owned(),
        other => format!("{other:?}"),
    }
}

/// The end of a subscription.
pub(super) fn end(reason: EndReason) -> &'static str {
    match reason {
        EndReason::Complete => "end: complete",
        EndReason::Unsubscribed => "end: unsubscribed",
        EndReason::StartedClean => "end: started clean",
        EndReason::Shutdown => "end: shutdown",
    }
}

/// How a relay's part went.
pub(super) fn leg_outcome(outcome: &LegOutcome) -> &'static str {
    match outcome {
        LegOutcome::Eose { .. } => "all",
        LegOutcome::TimedOut => "timed out",
        LegOutcome::Closed(_) => "refused",
        LegOutcome::Disconnected => "disconnected",
        LegOutcome::NotConnected => "not connected",
    }
}

fn gap_cause(cause: &GapCause) -> String {
    let text = format!("{cause:?}");
    text.split([' ', '{']).next().unwrap_or_default().to_owned()
}

/// A verdict, and where the event stands at each relay in order of what is said of them.
pub(super) fn verdict(report: &PublishReport) -> String {
    let verdict = match report.verdict {
        Some(Verdict::Reached) => "reached",
        Some(Verdict::Failed) => "failed",
        Some(Verdict::Indeterminate) => "indeterminate",
        None => "no verdict",
    };
    let mut relays: Vec<_> = report.relays.iter().map(|(_, status)| status_of(status)).collect();
    relays.sort_unstable();
    format!("{verdict}: {}", relays.join(", "))
}

fn status_of(status: &PublishStatus) -> &'static str {
    match status {
        PublishStatus::Queued => "queued",
        PublishStatus::InFlight => "in flight",
        PublishStatus::Accepted { .. } => "accepted",
        PublishStatus::Rejected(Rejection::Refused(_)) => "refused",
        PublishStatus::Rejected(Rejection::TooLarge { .. }) => "too large",
        PublishStatus::Rejected(Rejection::Suspect) => "suspect",
        PublishStatus::Unknown(UnknownCause::NoAnswer) => "no answer",
        PublishStatus::Unknown(UnknownCause::NoConnection) => "no connection",
        PublishStatus::Unknown(_) => "unknown",
    }
}
