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
    found(PlantedBug::SeenBeforeVerified, 9, "what a relay sent before its EOSE is delivered before it counts"),
    found(PlantedBug::VerdictByClaimedId, 114, "what a relay sent before its EOSE is delivered before it counts"),
    found(PlantedBug::NegativeCache, 0, "what a relay sent before its EOSE is delivered before it counts"),
    found(PlantedBug::ParkedCopyForgotten, 13, "what came is accounted for"),
    found(PlantedBug::EoseOvertakes, 1, "EOSE does not overtake what came before it"),
    found(PlantedBug::BackoffResetOnOpen, 4, "each failure in a row doubles the wait"),
    found(PlantedBug::StaleSocketAccepted, 3, "a record tells what is so"),
    found(PlantedBug::TwoVotesForAlias, 20, "a quorum is reached by as many relays"),
    found(PlantedBug::CapIgnoresDialing, 0, "no more sockets than allowed"),
    found(PlantedBug::TimerNotLater, 1, "a timer is later than now"),
    found(PlantedBug::QueueOverflowSilent, 5, "a gap is told before it is closed"),
    found(PlantedBug::EvictionByFlooder, 3, "an event is delivered once"),
    found(PlantedBug::LateOkChangesVerdict, 1, "a publish has one verdict"),
    found(PlantedBug::CloseLostOnDrop, 37, "what is not needed is closed"),
    found(PlantedBug::DuplicateRejected, 36, "a quorum fails when too many relays refused"),
    found(PlantedBug::RetryWithOtherBytes, 1, "the same bytes go out at every try"),
    found(PlantedBug::FiltersNotChecked, 7, "what is delivered was asked for"),
    found(PlantedBug::OneTakerOnly, 1, "whoever has caught up has everything"),
    found(PlantedBug::CreditsIgnored, 16, "no more frames are sent than there are credits"),
    found(PlantedBug::SilentRelayKept, 13, "a relay that answers two pings with nothing is gone"),
    found(PlantedBug::VerdictNeverDue, 1, "the verdict comes by the deadline"),
    found(PlantedBug::HonestQuarantined, 4, "a relay is left alone for forging alone, and not for little"),
    found(PlantedBug::QuarantineLiftedByNetworkChange, 74, "a relay that is left alone is not dialled"),
    found(PlantedBug::PaceIgnored, 30, "a relay that wanted a pause gets messages one by one"),
    found(PlantedBug::OneShotHogs, 14, "a connection that had its turn makes room"),
    found(PlantedBug::OverflowStallsOthers, 5, "what a relay sent before its EOSE is delivered before it counts"),
    found(PlantedBug::GapShrinks, 3, "a gap that is open does not shrink"),
    found(PlantedBug::AckByDelivery, 2, "whoever has caught up has everything"),
    found(PlantedBug::FutureWinsLatest, 9, "what a relay sent before its EOSE is delivered before it counts"),
    found(PlantedBug::OlderVersionDelivered, 2, "no older version comes after a newer one"),
    found(PlantedBug::ExpiredDelivered, 0, "what has expired is not delivered"),
    found(PlantedBug::RepairForgotten, 27, "what a relay sent before its EOSE is delivered before it counts"),
    found(PlantedBug::SuspectAfterOne, 9, "an event is suspect after two connections that ended right after it"),
    found(PlantedBug::OwnCloseBlamed, 93, "an event is suspect after two connections that ended right after it"),
    found(PlantedBug::OversizeSent, 16, "no event is sent to a relay that does not take as long a message"),
    found(PlantedBug::ExpiredSent, 1, "no event is sent that has expired"),
    found(PlantedBug::PendingNotRolledBack, 1, "a version that no relay took gives way to the newest one before it"),
    found(PlantedBug::FateTwice, 1, "a pending event has one fate"),
    found(PlantedBug::AuthOkAsPublishOk, 7, "a relay has accepted what it said that it has"),
    found(PlantedBug::AcceptedSentAgainAfterAuth, 23, "what a relay has accepted is not sent to it again"),
    found(PlantedBug::ChallengeSignedForOtherRelay, 7, "a challenge is answered for the relay that sent it"),
    found(PlantedBug::SinceFromEvents, 2, "a catch-up looks back from what was proven"),
    found(PlantedBug::SinceNow, 2, "a catch-up looks back from what was proven"),
    found(PlantedBug::LimitReplayed, 2, "whoever has caught up has everything"),
    found(PlantedBug::CoverageOnTimeout, 40, "whoever has caught up has everything"),
    found(PlantedBug::MultiFilterOldest, 26, "whoever has caught up has everything"),
    found(PlantedBug::LargestPageLive, 196, "whoever has caught up has everything"),
    found(PlantedBug::WireIdReused, 1, "a request has a name of its own"),
    found(PlantedBug::EoseGlobal, 0, "what a relay sent before its EOSE is delivered before it counts"),
    found(PlantedBug::ClosedIsEose, 7, "what a relay sent before its EOSE is delivered before it counts"),
    found(PlantedBug::TimedOutLegEnded, 21, "what a relay holds is delivered"),
    found(PlantedBug::StragglersDelivered, 9, "what is delivered came for a request that ran"),
    found(PlantedBug::CountRefusedIsZero, 1, "what a relay counted is what it said"),
    found(PlantedBug::CountNeverDue, 13, "a count is told by its deadline"),
    found(PlantedBug::CountLastRegistersWin, 109, "registers are those of the union"),
    found(PlantedBug::LimitsMerged, 0, "not searched"),
    found(PlantedBug::CrossProductsMerged, 0, "not searched"),
    found(PlantedBug::SharedUnmatched, 0, "not searched"),
    found(PlantedBug::RunningReqJoined, 0, "not searched"),
    found(PlantedBug::LastOfChunkDropped, 0, "not searched"),
    found(PlantedBug::ClosedForOthers, 0, "not searched"),
    found(PlantedBug::SlotsStarve, 0, "not searched"),
    found(PlantedBug::BudgetIgnored, 0, "not searched"),
    found(PlantedBug::SharedCutBelieved, 0, "not searched"),
];
