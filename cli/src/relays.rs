//! The pool as the commands use it, and its answers in words.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use nostr_pool_tokio::{
    AuthFailure, AuthPolicy, Config, GapCause, KeySigner, LegOutcome, Pool, PublishStatus, Rejection, RelayCounters,
    RelayRecord, Tokio, UnknownCause, Verdict,
};
use nostr_proto::{Keys, RelayUrl, Timestamp};

use crate::exit::Stop;
use crate::output;

/// Relays named more than once count once.
pub(crate) fn distinct(relays: &[RelayUrl]) -> Vec<RelayUrl> {
    relays.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect()
}

/// A pool of these relays, each with a connection of its own. `keys` are what relays get to know that ask for it.
pub(crate) fn open(relays: &[RelayUrl], config: &Config, keys: Option<Keys>) -> Result<Pool, Stop> {
    let connections = config.max_connections.max(relays.len());
    let mut builder = Pool::builder().config(Config { max_connections: connections, ..config.clone() });
    if let Some(keys) = keys {
        builder = builder.signer(KeySigner::new(keys)).auth_policy(AuthPolicy::Always);
    }
    for relay in relays {
        builder = builder.relay(relay.clone());
    }
    builder.build(Tokio::current()).map_err(|e| Stop::usage(format!("--relay: {e}")))
}

/// How a relay's answer to a request ended.
pub(crate) fn answer(outcome: &LegOutcome, record: Option<&RelayRecord>) -> String {
    match outcome {
        LegOutcome::Eose { complete: Some(false) } => "sent what it would, and says there is more".to_owned(),
        LegOutcome::Eose { .. } => "sent all it had".to_owned(),
        LegOutcome::TimedOut => "did not come to an end in time".to_owned(),
        LegOutcome::Closed(reason) => format!("refused: {reason}"),
        LegOutcome::Disconnected => with_error("connection lost", record),
        LegOutcome::NotConnected => with_error("not connected", record),
    }
}

fn with_error(what: &str, record: Option<&RelayRecord>) -> String {
    match record.and_then(|r| r.last_error.as_deref()) {
        Some(error) => format!("{what}: {error}"),
        None => what.to_owned(),
    }
}

/// Why a relay does not know who is asking.
pub(crate) fn auth_failure(failure: &AuthFailure) -> String {
    match failure {
        AuthFailure::Denied => "it was not allowed".to_owned(),
        AuthFailure::NoIdentity => "no key".to_owned(),
        AuthFailure::NotSigned(why) => format!("not signed: {why}"),
        AuthFailure::Refused(reason) => format!("refused: {reason}"),
        AuthFailure::ChallengeTooLong { bytes } => format!("a challenge of {bytes} bytes is too long"),
    }
}

/// What was wrong with a relay's messages; `None` if nothing was.
pub(crate) fn faults(counters: &RelayCounters) -> Option<String> {
    let mut faults = Vec::new();
    for (n, noun) in [
        (counters.forged, "forged event"),
        (counters.unmatched, "unwanted event"),
        (counters.dropped, "unverified event"),
    ] {
        if n > 0 {
            faults.push(format!("{} dropped", output::count(n, noun)));
        }
    }
    if counters.garbage > 0 {
        faults.push(format!("{} could not be read", output::count(counters.garbage, "message")));
    }
    (!faults.is_empty()).then(|| faults.join(", "))
}

/// What may be missing, and why.
pub(crate) fn gap(cause: &GapCause) -> String {
    match cause {
        GapCause::Disconnected => "connection lost; what it gets meanwhile is fetched when it is back".to_owned(),
        GapCause::CaughtUp { events } => format!("back, and caught up with ({events} events)"),
        GapCause::QueueFull { skipped, .. } => {
            format!("{skipped} events skipped: they came faster than they were printed")
        }
        GapCause::Flooded { dropped } => {
            format!("{dropped} events dropped: they came faster than they can be verified")
        }
        GapCause::Budget => "it has more than is asked for by itself".to_owned(),
        GapCause::DenseSecond => "it has more events of one second than it gives".to_owned(),
        GapCause::Unprovable => "what it missed of a search can't be told".to_owned(),
        GapCause::OverDelivered { dropped } => format!("{dropped} events dropped: far more than was asked for"),
        GapCause::TooLarge => "its answer is too long, twice".to_owned(),
        GapCause::NotAnswered => "it did not answer when asked for older events".to_owned(),
    }
}

/// A relay's part in a publish: one word for machines, and more for people.
pub(crate) fn status(status: &PublishStatus) -> (&'static str, Option<String>) {
    match status {
        PublishStatus::Queued => ("queued", None),
        PublishStatus::InFlight => ("sent", None),
        PublishStatus::Accepted { .. } => ("accepted", None),
        PublishStatus::Rejected(rejection) => ("rejected", Some(rejected(rejection))),
        PublishStatus::Unknown(cause) => ("unknown", Some(unknown(cause))),
    }
}

fn rejected(rejection: &Rejection) -> String {
    match rejection {
        Rejection::Refused(reason) => reason.to_string(),
        Rejection::TooLarge { bytes, max: Some(max) } => format!("too large: {bytes} bytes, where it takes {max}"),
        Rejection::TooLarge { bytes, max: None } => format!("too large: it hung up on {bytes} bytes, with code 1009"),
        Rejection::Suspect => "it hung up twice right after this event".to_owned(),
    }
}

fn unknown(cause: &UnknownCause) -> String {
    match cause {
        UnknownCause::NoAnswer => "no answer".to_owned(),
        UnknownCause::NoConnection => "no connection".to_owned(),
        UnknownCause::Cancelled => "given up".to_owned(),
        UnknownCause::Refused(reason) => format!("asked to try again later: {reason}"),
        UnknownCause::NotSigned(why) => format!("not signed: {why}"),
        UnknownCause::Expired => "expired before it was accepted".to_owned(),
    }
}

/// A verdict in one word.
pub(crate) fn verdict(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Reached => "reached",
        Verdict::Failed => "failed",
        Verdict::Indeterminate => "indeterminate",
    }
}

/// The wall clock. One that is set before 1970 reads as 1970.
pub(crate) fn unix_now() -> Timestamp {
    Timestamp::new(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs())
}

#[cfg(test)]
mod tests {
    use nostr_proto::Reason;

    use super::*;

    #[test]
    fn every_fault_of_a_relay_is_told_and_nothing_else() {
        let well = RelayCounters { events: 9, duplicates: 4, notices: 1, unsolicited: 2, ..RelayCounters::default() };
        assert_eq!(faults(&well), None);
        let one = RelayCounters { garbage: 1, ..well };
        assert_eq!(faults(&one).unwrap(), "1 message could not be read");
        let all = RelayCounters { forged: 5, unmatched: 1, dropped: 2, garbage: 3, ..well };
        assert_eq!(
            faults(&all).unwrap(),
            "5 forged events dropped, 1 unwanted event dropped, 2 unverified events dropped, 3 messages could not be read"
        );
    }

    #[test]
    fn a_rejection_says_why() {
        let rejected = |rejection| status(&PublishStatus::Rejected(rejection)).1.unwrap();
        assert_eq!(rejected(Rejection::Refused(Reason::parse("pow: 20 bits"))), "pow: 20 bits");
        let known = rejected(Rejection::TooLarge { bytes: 70_000, max: Some(65_536) });
        assert_eq!(known, "too large: 70000 bytes, where it takes 65536");
        let learnt = rejected(Rejection::TooLarge { bytes: 70_000, max: None });
        assert_eq!(learnt, "too large: it hung up on 70000 bytes, with code 1009");
        assert_eq!(rejected(Rejection::Suspect), "it hung up twice right after this event");
    }
}
