//! One publish from the call to the point where nothing more is worth waiting for.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt as _;
use nostr_pool_tokio::{ConnectionState, Pool, PublishStatus, PublishUpdate, Publishing, Verdict};
use nostr_proto::{EventId, RelayUrl};
use tokio::time::{Instant, sleep_until};

use crate::exit::Exit;

/// How long connected relays may take for their answer after the verdict.
const GRACE: Duration = Duration::from_secs(2);

/// What became of an event.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) event: EventId,
    /// The line of the input that it was on.
    pub(crate) line: Option<u64>,
    /// None only where the pool was shut down before.
    pub(crate) verdict: Option<Verdict>,
    /// Relays that must accept.
    pub(crate) needed: usize,
    pub(crate) relays: BTreeMap<RelayUrl, PublishStatus>,
}

impl Outcome {
    /// Relays that accepted it.
    pub(crate) fn accepted(&self) -> usize {
        self.relays.values().filter(|s| matches!(s, PublishStatus::Accepted { .. })).count()
    }

    pub(crate) fn exit(&self) -> Exit {
        match self.verdict {
            Some(Verdict::Reached) => Exit::Ok,
            Some(Verdict::Failed) => Exit::Failed,
            Some(Verdict::Indeterminate) | None => Exit::Indeterminate,
        }
    }

    /// Whether a relay that is connected still owes its answer.
    fn awaits_an_answer(&self, pool: &Pool) -> bool {
        let open = |url| pool.relay(url).is_some_and(|record| record.state == ConnectionState::Open);
        self.relays.iter().any(|(url, status)| !status.is_final() && open(url))
    }
}

/// Follows a publish to its verdict, and then on for as long as a connected relay owes an answer, within [`GRACE`].
/// What is not delivered by then is given up: the process is not going to stay for it.
pub(crate) async fn follow(
    pool: Pool,
    mut publishing: Publishing,
    line: Option<u64>,
    relays: Vec<RelayUrl>,
) -> Outcome {
    let relays = relays.into_iter().map(|url| (url, PublishStatus::Queued)).collect();
    let mut outcome = Outcome { event: publishing.event_id(), line, verdict: None, needed: 0, relays };
    let mut grace_ends = None;
    loop {
        let end = grace_ends.unwrap_or_else(Instant::now);
        let update = tokio::select! {
            update = publishing.progress().next() => update,
            () = sleep_until(end), if grace_ends.is_some() => break,
        };
        match update {
            Some(PublishUpdate::Relay { relay, status, .. }) => {
                outcome.relays.insert(relay, status);
            }
            Some(PublishUpdate::Verdict(verdict)) => {
                // An indeterminate verdict came because the time was up: there is no more of it.
                let grace = if verdict == Verdict::Indeterminate { Duration::ZERO } else { GRACE };
                outcome.verdict = Some(verdict);
                grace_ends = Some(Instant::now() + grace);
            }
            Some(PublishUpdate::Done) | None => break,
            // An update of a sort that is yet to be invented changes nothing here.
            Some(_) => {}
        }
        if outcome.verdict.is_some() && !outcome.awaits_an_answer(&pool) {
            break;
        }
    }
    // Refused only if it is done already.
    let _ = publishing.cancel();
    // There is a verdict by now, and with it a report. Updates tell the number too, but none comes from a relay that is
    // never reached.
    outcome.needed = publishing.await.needed;
    outcome
}
