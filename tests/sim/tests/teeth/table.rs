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
// A row is a line, for it is rewritten as one.
#[rustfmt::skip]
pub(crate) const RECORDED: &[Found] = &[
    found(PlantedBug::SeenBeforeVerified, 5, "whoever has caught up has everything"),
    found(PlantedBug::VerdictByClaimedId, 114, "what a relay sent before its EOSE is delivered before it counts"),
    found(PlantedBug::NegativeCache, 0, "what a relay sent before its EOSE is delivered before it counts"),
    found(PlantedBug::ParkedCopyForgotten, 24, "what a relay sent before its EOSE is delivered before it counts"),
    found(PlantedBug::EoseOvertakes, 1, "EOSE does not overtake what came before it"),
    found(PlantedBug::BackoffResetOnOpen, 3, "each failure in a row doubles the wait"),
    found(PlantedBug::StaleSocketAccepted, 1, "no more sockets than allowed"),
    found(PlantedBug::TwoVotesForAlias, 13, "a quorum is reached by as many relays"),
    found(PlantedBug::CapIgnoresDialing, 0, "no more sockets than allowed"),
    found(PlantedBug::TimerNotLater, 0, "a timer is later than now"),
    found(PlantedBug::QueueOverflowSilent, 11, "what a relay sent before its EOSE is delivered before it counts"),
    found(PlantedBug::EvictionByFlooder, 3, "an event is delivered once"),
    found(PlantedBug::LateOkChangesVerdict, 1, "a publish has one verdict"),
    found(PlantedBug::CloseLostOnDrop, 52, "no more requests run at a relay than it takes"),
    found(PlantedBug::DuplicateRejected, 203, "a quorum fails when too many relays refused"),
    found(PlantedBug::RetryWithOtherBytes, 1, "the same bytes go out at every try"),
    found(PlantedBug::FiltersNotChecked, 0, "what is delivered was asked for"),
    found(PlantedBug::OneTakerOnly, 1, "whoever has caught up has everything"),
    found(PlantedBug::CreditsIgnored, 16, "no more frames are sent than there are credits"),
    found(PlantedBug::SilentRelayKept, 5, "a relay that answers two pings with nothing is gone"),
    found(PlantedBug::VerdictNeverDue, 1, "the verdict comes by the deadline"),
    found(PlantedBug::HonestQuarantined, 4, "a relay is left alone for forging alone, and not for little"),
    found(PlantedBug::QuarantineLiftedByNetworkChange, 74, "a relay that is left alone is not dialled"),
    found(PlantedBug::PaceIgnored, 30, "a relay that wanted a pause gets messages one by one"),
    found(PlantedBug::OneShotHogs, 1, "a connection that had its turn makes room"),
    found(PlantedBug::OverflowStallsOthers, 11, "whoever has caught up has everything"),
    found(PlantedBug::GapShrinks, 4, "a gap that is open does not shrink"),
    found(PlantedBug::AckByDelivery, 247, "whoever has caught up has everything"),
    found(PlantedBug::FutureWinsLatest, 3, "what a relay holds is delivered"),
    found(PlantedBug::OlderVersionDelivered, 2, "no older version comes after a newer one"),
    found(PlantedBug::ExpiredDelivered, 0, "what has expired is not delivered"),
    found(PlantedBug::RepairForgotten, 34, "what a relay sent before its EOSE is delivered before it counts"),
    found(PlantedBug::SuspectAfterOne, 9, "an event is suspect after two connections that ended right after it"),
    found(PlantedBug::OwnCloseBlamed, 95, "an event is suspect after two connections that ended right after it"),
    found(PlantedBug::OversizeSent, 30, "no event is sent to a relay that does not take as long a message"),
    found(PlantedBug::ExpiredSent, 1, "no event is sent that has expired"),
    found(PlantedBug::PendingNotRolledBack, 1, "a version that no relay took gives way to the newest one before it"),
    found(PlantedBug::FateTwice, 0, "a pending event has one fate"),
    found(PlantedBug::AuthOkAsPublishOk, 7, "a relay has accepted what it said that it has"),
    found(PlantedBug::AcceptedSentAgainAfterAuth, 7, "what a relay has accepted is not sent to it again"),
    found(PlantedBug::ChallengeSignedForOtherRelay, 7, "a challenge is answered for the relay that sent it"),
    found(PlantedBug::SinceFromEvents, 2, "a catch-up looks back from what was proven"),
    found(PlantedBug::SinceNow, 1, "a catch-up looks back from what was proven"),
    found(PlantedBug::LimitReplayed, 2, "a leg is asked by a request that is theirs alone"),
    found(PlantedBug::CoverageOnTimeout, 104, "whoever has caught up has everything"),
    found(PlantedBug::MultiFilterOldest, 1, "whoever has caught up has everything"),
    found(PlantedBug::LargestPageLive, 997, "whoever has caught up has everything"),
    found(PlantedBug::WireIdReused, 1, "a request has a name of its own"),
    found(PlantedBug::EoseGlobal, 0, "what a relay sent before its EOSE is delivered before it counts"),
    found(PlantedBug::ClosedIsEose, 7, "what a relay sent before its EOSE is delivered before it counts"),
    found(PlantedBug::TimedOutLegEnded, 32, "relays are connected"),
    found(PlantedBug::StragglersDelivered, 1, "what is delivered came for a request that ran"),
    found(PlantedBug::CountRefusedIsZero, 1, "what a relay counted is what it said"),
    found(PlantedBug::CountNeverDue, 4, "a count is told by its deadline"),
    found(PlantedBug::CountLastRegistersWin, 202, "registers are those of the union"),
    found(PlantedBug::LimitsMerged, 2, "a leg is asked by a request that is theirs alone"),
    found(PlantedBug::CrossProductsMerged, 21, "a leg is asked by a request that is theirs alone"),
    found(PlantedBug::SharedUnmatched, 0, "what is delivered was asked for"),
    found(PlantedBug::RunningReqJoined, 0, "a request has a name of its own"),
    found(PlantedBug::LastOfChunkDropped, 416, "a leg is live after its own EOSE"),
    found(PlantedBug::ClosedForOthers, 2, "a request is closed when nobody needs it any more"),
    found(PlantedBug::SlotsStarve, 2, "whoever has no place gets one in time"),
    found(PlantedBug::BudgetIgnored, 4, "no more requests run at a relay than it takes"),
    found(PlantedBug::SharedCutBelieved, 15, "what several are answered may be cut short for one, and is asked for again"),
];
