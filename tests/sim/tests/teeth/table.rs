//! What was found, and by which seed. `TEETH.md` tells the same.

use nostr_pool_core::PlantedBug;

/// A bug, the first seed that finds it, and the rule that is then found broken.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) bug: PlantedBug,
    pub(crate) seed: u64,
    pub(crate) oracle: &'static str,
}

const fn found(bug: PlantedBug, seed: u64, oracle: &'static str) -> Found {
    Found { bug, seed, oracle }
}

/// Replayed by the ordinary test run.
pub(crate) const RECORDED: &[Found] = &[
    found(PlantedBug::SeenBeforeVerified, 22, "what a relay holds is delivered"),
    found(PlantedBug::VerdictByClaimedId, 22, "what a relay holds is delivered"),
    found(PlantedBug::NegativeCache, 0, "what a relay holds is delivered"),
    found(PlantedBug::ParkedCopyForgotten, 14, "what came is accounted for"),
    found(PlantedBug::EoseOvertakes, 2, "EOSE does not overtake what came before it"),
    found(PlantedBug::BackoffResetOnOpen, 4, "each failure in a row doubles the wait"),
    found(PlantedBug::StaleSocketAccepted, 2, "one live socket per relay"),
    found(PlantedBug::TwoVotesForAlias, 8, "a quorum is reached by as many relays"),
    found(PlantedBug::CapIgnoresDialing, 0, "no more sockets than allowed"),
    found(PlantedBug::TimerNotLater, 2, "a timer is later than now"),
    found(PlantedBug::QueueOverflowSilent, 0, "what a relay holds is delivered"),
    found(PlantedBug::EvictionByFlooder, 7, "an event is delivered once"),
    found(PlantedBug::LateOkChangesVerdict, 1, "a publish has one verdict"),
    found(PlantedBug::CloseLostOnDrop, 11, "what is not needed is closed"),
    found(PlantedBug::DuplicateRejected, 2, "a quorum fails when too many relays refused"),
    found(PlantedBug::RetryWithOtherBytes, 1, "the same bytes go out at every try"),
    found(PlantedBug::FiltersNotChecked, 0, "what is delivered was asked for"),
    found(PlantedBug::OneTakerOnly, 0, "what a relay holds is delivered"),
    found(PlantedBug::CreditsIgnored, 17, "no more frames are sent than there are credits"),
    found(PlantedBug::SilentRelayKept, 15, "what a relay holds is delivered"),
    found(PlantedBug::VerdictNeverDue, 0, "every publish has a verdict"),
    found(PlantedBug::SuspectAfterOne, 1, "an event is suspect after two connections that ended right after it"),
    found(PlantedBug::FateTwice, 0, "a pending event has one fate"),
];

/// What the swarm does not meet: it publishes nothing that expires, replaces or is too large for a relay, and seldom
/// closes a connection twice right after an event. The core's own tests, `tests/publishing.rs`, find each.
pub(crate) const UNMET: &[PlantedBug] =
    &[PlantedBug::OwnCloseBlamed, PlantedBug::OversizeSent, PlantedBug::ExpiredSent, PlantedBug::PendingNotRolledBack];
