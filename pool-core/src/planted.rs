//! Bugs that tests plant on purpose, to show that the simulator finds them.
//!
//! Only the feature `planted-bugs` has them; without it every `planted!` is the constant `false`, and neither code nor
//! a branch of it is left. With it, `Config::planted` chooses one at run time.

/// A deviation of a few lines from one rule of the core. Each is documented by the rule that it breaks.
#[cfg(feature = "planted-bugs")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PlantedBug {
    /// *An id is seen only after its signature is verified.* Planted: copies of an event that is being verified are
    /// dropped as if it were seen.
    SeenBeforeVerified,
    /// *A verdict is about an event whose content hashed to its id.* Planted: where the content does not hash to the id
    /// that a copy claims, that id is remembered as forged.
    VerdictByClaimedId,
    /// *No id is ever remembered as bad.* Planted: one whose signature was wrong is.
    NegativeCache,
    /// *A forged copy delays the real one by a check, and no more.* Planted: the copies parked behind it go with it.
    ParkedCopyForgotten,
    /// *EOSE does not overtake events that are being verified.* Planted: no request waits for them.
    EoseOvertakes,
    /// *Back-off starts over only after a stable connection.* Planted: a connection that opens is enough.
    BackoffResetOnOpen,
    /// *An input for a socket that was given up changes nothing.* Planted: the end of an earlier socket ends this one.
    StaleSocketAccepted,
    /// *One canonical URL, one vote.* Planted: a relay that is named twice votes twice.
    TwoVotesForAlias,
    /// *Sockets being dialled count against the cap.* Planted: they do not.
    CapIgnoresDialing,
    /// *After a timeout was handled, the next one is later than now.* Planted: one timer is handled at a time.
    TimerNotLater,
    /// *What a full queue skips is told as a gap.* Planted: it is not.
    QueueOverflowSilent,
    /// *One relay can't flush what the others brought.* Planted: the relay that brought the least makes room.
    EvictionByFlooder,
    /// *A publish has one verdict.* Planted: a late OK brings another.
    LateOkChangesVerdict,
    /// *A request that nobody needs any more is closed.* Planted: not when its subscription is dropped.
    CloseLostOnDrop,
    /// *A relay that refuses to count has not counted none.* Planted: it has.
    CountRefusedIsZero,
    /// *The report of a count comes by its deadline.* Planted: when every relay has answered.
    CountNeverDue,
    /// *Registers of several relays are merged.* Planted: those of the last one count.
    CountLastRegistersWin,
    /// *`duplicate:` is acceptance, even with `false`.* Planted: it is refusal.
    DuplicateRejected,
    /// *The same bytes go out at every try.* Planted: from the second try on, there is a space more.
    RetryWithOtherBytes,
    /// *What comes is matched again, against what the user asked for.* Planted: everything matches.
    FiltersNotChecked,
    /// *An event reaches every subscription that it matches.* Planted: it reaches one.
    OneTakerOnly,
    /// *No more frames are given to a socket than its sink may have untaken.* Planted: any number is.
    CreditsIgnored,
    /// *A relay that answers two pings with nothing at all is gone.* Planted: it is pinged for ever.
    SilentRelayKept,
    /// *The verdict comes by its deadline.* Planted: it comes when the relays allow one.
    VerdictNeverDue,
    /// *Only forgery brings quarantine.* Planted: unmatched events and garbage count as forged.
    HonestQuarantined,
    /// *A new network does not end a quarantine.* Planted: it does.
    QuarantineLiftedByNetworkChange,
    /// *After `rate-limited`, messages go out one by one.* Planted: all at once, as soon as the pause is over.
    PaceIgnored,
    /// *A connection that serves only fetches and publishes makes room when it had its turn.* Planted: it stays.
    OneShotHogs,
    /// *A full queue is its own subscription's affair.* Planted: as long as one is full, the others get no events.
    OverflowStallsOthers,
    /// *A gap that is open does not shrink.* Planted: the next one begins where that connection was lost.
    GapShrinks,
    /// *A checkpoint counts on what is acknowledged only.* Planted: on everything that was delivered.
    AckByDelivery,
    /// *A future-dated version wins nothing until it is due.* Planted: it wins at once.
    FutureWinsLatest,
    /// *A version that comes after a newer one is not delivered.* Planted: it is.
    OlderVersionDelivered,
    /// *An expired event is not delivered.* Planted: it is.
    ExpiredDelivered,
    /// *What forged copies crowded out is fetched again.* Planted: it is not, and nobody is told.
    RepairForgotten,
    /// *An event is suspect when the connection ended twice right after it.* Planted: once is enough.
    SuspectAfterOne,
    /// *Connections that we close ourselves speak against no event.* Planted: they do.
    OwnCloseBlamed,
    /// *An EVENT message longer than the relay takes is not sent.* Planted: it is.
    OversizeSent,
    /// *An expired event is not sent.* Planted: it is.
    ExpiredSent,
    /// *A pending version that no relay took gives way to the one before it.* Planted: it does not say to which.
    PendingNotRolledBack,
    /// *A pending event has one fate.* Planted: what comes after the first is told, too.
    FateTwice,
    /// *The OK of an AUTH is no publish's.* Planted: whatever waits for an OK there takes it for its own.
    AuthOkAsPublishOk,
    /// *After an authentication, what was refused is repeated, and only that.* Planted: what was accepted is, too.
    AcceptedSentAgainAfterAuth,
    /// *A challenge is answered for the relay that sent it.* Planted: for the first other relay of the pool.
    ChallengeSignedForOtherRelay,
    /// *Up to when a relay has shown us everything is told by our own clock.* Planted: by the newest event that it sent.
    SinceFromEvents,
    /// *What is asked for after a connection was lost begins before it was lost.* Planted: it begins now.
    SinceNow,
    /// *A filter's `limit` is for the first load.* Planted: it is asked for again with every request.
    LimitReplayed,
    /// *What was not answered in time is not proven.* Planted: it is.
    CoverageOnTimeout,
    /// *The oldest event of a request with several filters says nothing about any of them.* Planted: everything after it is
    /// proven.
    MultiFilterOldest,
    /// *How many events a relay gives to one request is learnt from what it had stored.* Planted: what it pushed counts.
    LargestPageLive,
    /// *No request has a name that another had on the same connection.* Planted: a leg that is asked again uses its old one.
    WireIdReused,
    /// *The aggregate EOSE waits for every relay.* Planted: one relay's EOSE settles all.
    EoseGlobal,
    /// *A refusal is no EOSE.* Planted: a CLOSED settles as one.
    ClosedIsEose,
    /// *A timeout settles a leg and nothing more.* Planted: it ends it for good.
    TimedOutLegEnded,
    /// *What comes for a request that is over is dropped.* Planted: not where new filters took its place.
    StragglersDelivered,
    /// *A `limit` is for one asker's events.* Planted: filters with limits are merged as if they had none of their own.
    LimitsMerged,
    /// *Merged filters ask for nothing that nobody asked for.* Planted: filters merge though two of their lists differ.
    CrossProductsMerged,
    /// *What comes for a REQ that is shared is matched again for each subscription.* Planted: it is taken for whatever all of
    /// them asked for.
    SharedUnmatched,
    /// *New filters never join a running REQ.* Planted: what merges with one that runs lives on that.
    RunningReqJoined,
    /// *A list that is too long for one message is asked for in parts, and all of it.* Planted: the last of a part is left out.
    LastOfChunkDropped,
    /// *A REQ is closed when its last user leaves.* Planted: when the first does.
    ClosedForOthers,
    /// *Live requests give way to what has no place.* Planted: whoever is there stays.
    SlotsStarve,
    /// *No more REQs run at a relay than it takes.* Planted: any number does.
    BudgetIgnored,
    /// *An answer that was cut short for the sake of others is asked for again.* Planted: it is taken as it is.
    SharedCutBelieved,
}

#[cfg(feature = "planted-bugs")]
impl PlantedBug {
    /// All of them.
    pub const ALL: [Self; 64] = [
        Self::SeenBeforeVerified,
        Self::VerdictByClaimedId,
        Self::NegativeCache,
        Self::ParkedCopyForgotten,
        Self::EoseOvertakes,
        Self::BackoffResetOnOpen,
        Self::StaleSocketAccepted,
        Self::TwoVotesForAlias,
        Self::CapIgnoresDialing,
        Self::TimerNotLater,
        Self::QueueOverflowSilent,
        Self::EvictionByFlooder,
        Self::LateOkChangesVerdict,
        Self::CloseLostOnDrop,
        Self::DuplicateRejected,
        Self::RetryWithOtherBytes,
        Self::FiltersNotChecked,
        Self::OneTakerOnly,
        Self::CreditsIgnored,
        Self::SilentRelayKept,
        Self::VerdictNeverDue,
        Self::HonestQuarantined,
        Self::QuarantineLiftedByNetworkChange,
        Self::PaceIgnored,
        Self::OneShotHogs,
        Self::OverflowStallsOthers,
        Self::GapShrinks,
        Self::AckByDelivery,
        Self::FutureWinsLatest,
        Self::OlderVersionDelivered,
        Self::ExpiredDelivered,
        Self::RepairForgotten,
        Self::SuspectAfterOne,
        Self::OwnCloseBlamed,
        Self::OversizeSent,
        Self::ExpiredSent,
        Self::PendingNotRolledBack,
        Self::FateTwice,
        Self::AuthOkAsPublishOk,
        Self::AcceptedSentAgainAfterAuth,
        Self::ChallengeSignedForOtherRelay,
        Self::SinceFromEvents,
        Self::SinceNow,
        Self::LimitReplayed,
        Self::CoverageOnTimeout,
        Self::MultiFilterOldest,
        Self::LargestPageLive,
        Self::WireIdReused,
        Self::EoseGlobal,
        Self::ClosedIsEose,
        Self::TimedOutLegEnded,
        Self::StragglersDelivered,
        Self::CountRefusedIsZero,
        Self::CountNeverDue,
        Self::CountLastRegistersWin,
        Self::LimitsMerged,
        Self::CrossProductsMerged,
        Self::SharedUnmatched,
        Self::RunningReqJoined,
        Self::LastOfChunkDropped,
        Self::ClosedForOthers,
        Self::SlotsStarve,
        Self::BudgetIgnored,
        Self::SharedCutBelieved,
    ];
}

/// Whether this bug is planted: in a [`Config`](crate::Config), or in a machine that keeps its `planted`.
#[cfg(feature = "planted-bugs")]
macro_rules! planted {
    ($holder:expr, $bug:ident) => {
        $holder.planted == Some($crate::planted::PlantedBug::$bug)
    };
}

/// Nothing is planted.
#[cfg(not(feature = "planted-bugs"))]
macro_rules! planted {
    ($holder:expr, $bug:ident) => {
        false
    };
}

pub(crate) use planted;
