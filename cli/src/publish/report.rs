//! What became of an event, for people and for machines.

use nostr_pool_tokio::{PublishStatus, Verdict};
use serde_json::{Map, Value, json};

use crate::output::{self, BAD, FAINT, GOOD, STRONG, WARN, styled};
use crate::relays;

use super::follow::Outcome;

/// A line for the verdict, and one per relay.
pub(crate) fn plain(outcome: &Outcome) -> Vec<String> {
    let style = match outcome.verdict {
        Some(Verdict::Reached) => GOOD,
        Some(Verdict::Failed) => BAD,
        Some(Verdict::Indeterminate) | None => WARN,
    };
    let verdict = outcome.verdict.as_ref().map_or("indeterminate", relays::verdict);
    let counts = format!(
        "{} of {} accepted, {} needed",
        outcome.accepted(),
        output::count(outcome.relays.len(), "relay"),
        outcome.needed
    );
    let head = format!("{} {}: {counts}", styled(STRONG, outcome.event), styled(style, verdict));
    let relays = outcome.relays.iter().map(|(url, status)| {
        let style = match status {
            PublishStatus::Accepted { .. } => GOOD,
            PublishStatus::Rejected(_) => BAD,
            PublishStatus::Unknown(_) => WARN,
            PublishStatus::Queued | PublishStatus::InFlight => FAINT,
        };
        format!("  {url}  {}", styled(style, output::one_line(&words(status))))
    });
    std::iter::once(head).chain(relays).collect()
}

fn words(status: &PublishStatus) -> String {
    match (status, relays::status(status)) {
        (PublishStatus::Accepted { duplicate: true }, _) => "accepted: it had it already".to_owned(),
        (PublishStatus::Queued, _) => "not sent: no connection in time".to_owned(),
        (PublishStatus::InFlight, _) => "sent, no answer yet".to_owned(),
        (_, (word, Some(reason))) => format!("{word}: {reason}"),
        (_, (word, None)) => word.to_owned(),
    }
}

/// The same as one JSON object.
pub(crate) fn json(outcome: &Outcome) -> String {
    let relays: Vec<Value> = outcome
        .relays
        .iter()
        .map(|(url, status)| {
            let (word, reason) = relays::status(status);
            let mut relay = Map::new();
            relay.insert("relay".to_owned(), url.as_str().into());
            relay.insert("status".to_owned(), word.into());
            if let PublishStatus::Accepted { duplicate } = status {
                relay.insert("duplicate".to_owned(), (*duplicate).into());
            }
            if let Some(reason) = reason {
                relay.insert("reason".to_owned(), reason.into());
            }
            if let Some(bits) = status.pow_asked() {
                relay.insert("pow".to_owned(), bits.into());
            }
            Value::Object(relay)
        })
        .collect();
    json!({
        "id": outcome.event.to_string(),
        "line": outcome.line,
        "verdict": outcome.verdict.as_ref().map_or("indeterminate", relays::verdict),
        "accepted": outcome.accepted(),
        "needed": outcome.needed,
        "relays": relays,
    })
    .to_string()
}
