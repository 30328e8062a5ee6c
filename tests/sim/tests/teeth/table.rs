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
    found(PlantedBug::SeenBeforeVerified, 10, "what a relay sent before its EOSE is delivered before it counts"),
    found(PlantedBug::VerdictByClaimedId, 1, "what a relay sent before its EOSE is delivered before it counts"),
    found(PlantedBug::NegativeCache, 9, "what a relay sent before its EOSE is delivered before it counts"),
    found(PlantedBug::ParkedCopyForgotten, 9, "what came is accounted for"),
    found(PlantedBug::EoseOvertakes, 0, "what a relay sent before its EOSE is delivered before it counts"),
    found(PlantedBug::BackoffResetOnOpen, 2, "each failure in a row doubles the wait"),
    found(PlantedBug::StaleSocketAccepted, 6, "one live socket per relay"),
    found(PlantedBug::TwoVotesForAlias, 0, "a quorum is reached by as many relays"),
    found(PlantedBug::CapIgnoresDialing, 0, "no more sockets than allowed"),
    found(PlantedBug::TimerNotLater, 2, "a timer is later than now"),
    found(PlantedBug::QueueOverflowSilent, 4, "what a relay holds is delivered"),
    found(PlantedBug::EvictionByFlooder, 18, "an event is delivered once"),
    found(PlantedBug::LateOkChangesVerdict, 3, "a publish has one verdict"),
    found(PlantedBug::CloseLostOnDrop, 1, "what is not needed is closed"),
    found(PlantedBug::DuplicateRejected, 39, "a quorum fails when too many relays refused"),
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
