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
    found(PlantedBug::SeenBeforeVerified, 6, "what a relay sent before its EOSE is delivered before it counts"),
    found(PlantedBug::VerdictByClaimedId, 2, "what a relay holds is delivered"),
    found(PlantedBug::NegativeCache, 0, "what a relay sent before its EOSE is delivered before it counts"),
    found(PlantedBug::ParkedCopyForgotten, 22, "what a relay sent before its EOSE is delivered before it counts"),
    found(PlantedBug::EoseOvertakes, 0, "what a relay sent before its EOSE is delivered before it counts"),
    found(PlantedBug::BackoffResetOnOpen, 12, "each failure in a row doubles the wait"),
    found(PlantedBug::StaleSocketAccepted, 4, "one live socket per relay"),
    found(PlantedBug::TwoVotesForAlias, 4, "a quorum is reached by as many relays"),
    found(PlantedBug::CapIgnoresDialing, 0, "no more sockets than allowed"),
    found(PlantedBug::TimerNotLater, 0, "a timer is later than now"),
    found(PlantedBug::QueueOverflowSilent, 7, "what a relay holds is delivered"),
    found(PlantedBug::EvictionByFlooder, 3, "an event is delivered once"),
    found(PlantedBug::LateOkChangesVerdict, 3, "a publish has one verdict"),
    found(PlantedBug::CloseLostOnDrop, 5, "what is not needed is closed"),
    found(PlantedBug::DuplicateRejected, 30, "a quorum fails when too many relays refused"),
    found(PlantedBug::RetryWithOtherBytes, 1, "the same bytes go out at every try"),
    found(PlantedBug::FiltersNotChecked, 0, "what is delivered was asked for"),
    found(PlantedBug::OneTakerOnly, 3, "what a relay holds is delivered"),
    found(PlantedBug::CreditsIgnored, 6, "no more frames are sent than there are credits"),
    found(PlantedBug::SilentRelayKept, 12, "what a relay holds is delivered"),
    found(PlantedBug::VerdictNeverDue, 3, "the verdict comes by the deadline"),
    found(PlantedBug::HonestQuarantined, 4, "a relay is left alone for forging alone, and not for little"),
    found(PlantedBug::QuarantineLiftedByNetworkChange, 176, "a relay that is left alone is not dialled"),
    found(PlantedBug::PaceIgnored, 7, "a relay that wanted a pause gets messages one by one"),
    found(PlantedBug::OneShotHogs, 6, "a connection that had its turn makes room"),
    found(PlantedBug::FutureWinsLatest, 4, "what a relay sent before its EOSE is delivered before it counts"),
    found(PlantedBug::OlderVersionDelivered, 7, "no older version comes after a newer one"),
    found(PlantedBug::ExpiredDelivered, 1, "what has expired is not delivered"),
    found(PlantedBug::RepairForgotten, 27, "what a relay sent before its EOSE is delivered before it counts"),
    found(PlantedBug::SuspectAfterOne, 4, "an event is suspect after two connections that ended right after it"),
    found(PlantedBug::OwnCloseBlamed, 14, "an event is suspect after two connections that ended right after it"),
    found(PlantedBug::OversizeSent, 36, "no event is sent to a relay that does not take as long a message"),
    found(PlantedBug::ExpiredSent, 1, "no event is sent that has expired"),
    found(PlantedBug::PendingNotRolledBack, 8, "a version that no relay took gives way to the newest one before it"),
    found(PlantedBug::FateTwice, 0, "a pending event has one fate"),
    found(PlantedBug::AuthOkAsPublishOk, 7, "a relay has accepted what it said that it has"),
    found(PlantedBug::AcceptedSentAgainAfterAuth, 87, "what a relay has accepted is not sent to it again"),
    found(PlantedBug::ChallengeSignedForOtherRelay, 7, "a challenge is answered for the relay that sent it"),
];
