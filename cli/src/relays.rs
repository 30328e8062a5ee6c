//! The pool as the commands use it, and its answers in words.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use nostr_pool_tokio::{
    AuthFailure, AuthPolicy, Config, Gap, GapCause, KeySigner, LegOutcome, Pool, PublishStatus, RejectedEvent,
    Rejection, RelayCounters, RelayRecord, UnknownCause, Verdict,
};
use nostr_proto::{Keys, RelayUrl, Timestamp};

use crate::exit::Stop;
use crate::network::NetworkArgs;
use crate::output;

/// Relays named more than once count once.
pub(crate) fn distinct(relays: &[RelayUrl]) -> Vec<RelayUrl> {
    relays.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect()
}

/// A pool of these relays, each with a connection of its own. `keys` are what relays get to know that ask for it.
pub(crate) fn open(
    relays: &[RelayUrl],
    config: &Config,
    keys: Option<Keys>,
    network: &NetworkArgs,
) -> Result<Pool, Stop> {
    let connections = config.max_connections.max(relays.len());
    let mut builder = Pool::builder().config(Config { max_connections: connections, ..config.clone() });
    if let Some(keys) = keys {
        builder = builder.signer(KeySigner::new(keys)).auth_policy(AuthPolicy::Always);
    }
    for relay in relays {
        builder = builder.relay(relay.clone());
    }
    network.build(builder)
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
pub(crate) fn gap(gap: &Gap) -> String {
    let events = |n: u64| output::count(n, "event");
    match &gap.cause {
        GapCause::Disconnected => "connection lost; what it gets meanwhile is fetched when it is back".to_owned(),
        GapCause::CaughtUp { events: n } => format!("caught up with ({})", events(*n)),
        GapCause::QueueFull { skipped, lost: 0 } => {
            format!("{} came faster than they were printed; asked for again", events(*skipped))
        }
        GapCause::QueueFull { skipped, lost } => {
            let skipped = events(*skipped);
            format!("{skipped} came faster than they were printed; {lost} of them can't be asked for again")
        }
        GapCause::Flooded { dropped } => {
            format!("{} came faster than they can be verified; asked for again", events(*dropped))
        }
        GapCause::Budget => format!("it has more{} than is asked for without --all", stretch(gap)),
        GapCause::DenseSecond => format!("it has more events{} than it gives at once", stretch(gap)),
        GapCause::Unprovable => "a search can't be made up for: events may be missing".to_owned(),
        GapCause::OverDelivered { dropped } => {
            format!("{} dropped: it sent far more than was asked for", events(*dropped))
        }
        GapCause::TooLarge => "its answer had a message beyond the size limit, twice; not asked again".to_owned(),
        GapCause::NotAnswered => {
            format!("what is missing{} can't be had: it does not answer, refused, or is gone", stretch(gap))
        }
    }
}

/// The time that a gap is about, as far as it is known.
fn stretch(gap: &Gap) -> String {
    let time = |at: Timestamp| at.as_secs();
    match (gap.since, gap.until) {
        (Some(since), Some(until)) if since == until => format!(" of second {}", time(since)),
        (Some(since), Some(until)) => format!(" from {} to {}", time(since), time(until)),
        (Some(since), None) => format!(" since {}", time(since)),
        (None, Some(until)) => format!(" until {}", time(until)),
        (None, None) => String::new(),
    }
}

/// Why an event was dropped unseen.
pub(crate) fn rejected_event(why: RejectedEvent) -> &'static str {
    match why {
        RejectedEvent::TooLong => "longer than 1 MiB",
        RejectedEvent::Malformed => "not in the form that events have",
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
    fn a_gap_says_what_is_missing_and_what_becomes_of_it() {
        let told = |since: Option<u64>, until: Option<u64>, cause| {
            gap(&Gap { relay: None, since: since.map(Timestamp::new), until: until.map(Timestamp::new), cause })
        };
        let full = |skipped, lost| told(None, None, GapCause::QueueFull { skipped, lost });
        assert_eq!(full(1, 0), "1 event came faster than they were printed; asked for again");
        assert_eq!(full(9, 2), "9 events came faster than they were printed; 2 of them can't be asked for again");
        assert_eq!(
            told(Some(3), Some(3), GapCause::DenseSecond),
            "it has more events of second 3 than it gives at once"
        );
        assert_eq!(told(Some(3), Some(9), GapCause::Budget), "it has more from 3 to 9 than is asked for without --all");
        assert_eq!(told(None, Some(9), GapCause::Budget), "it has more until 9 than is asked for without --all");
        assert_eq!(
            told(Some(5), None, GapCause::NotAnswered),
            "what is missing since 5 can't be had: it does not answer, refused, or is gone"
        );
        assert_eq!(told(None, None, GapCause::CaughtUp { events: 1 }), "caught up with (1 event)");
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
