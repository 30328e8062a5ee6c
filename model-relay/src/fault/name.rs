//! What faults are called where they are counted.

use super::Fault;

/// A function from a fault to its name, and all names.
macro_rules! names {
    ($($pattern:pat => $name:literal,)+) => {
        impl Fault {
            /// What sort of fault this is, in a few words; the same for all of a sort.
            ///
            /// ```
            /// use nostr_model_relay::Fault;
            ///
            /// assert_eq!(Fault::OkLate { secs: 3 }.name(), "OK late");
            /// ```
            pub const fn name(&self) -> &'static str {
                match self {
                    $($pattern => $name,)+
                }
            }

            /// The names of all sorts.
            pub const NAMES: &'static [&'static str] = &[$($name),+];
        }
    };
}

names! {
    Self::NeverEose => "never EOSE",
    Self::EoseTwice => "EOSE twice",
    Self::NoEoseForLimitZero => "no EOSE for limit zero",
    Self::EoseEarly { .. } => "EOSE early",
    Self::EoseLate { .. } => "EOSE late",
    Self::NoticeInsteadOfEose { .. } => "NOTICE instead of EOSE",
    Self::NoticeOnly { .. } => "NOTICE only",
    Self::IgnoreReq { .. } => "ignore REQ",
    Self::NeverOk => "never OK",
    Self::SkipOk { .. } => "skip OK",
    Self::NeverOkEphemeral => "never OK ephemeral",
    Self::OkLate { .. } => "OK late",
    Self::NoticeInsteadOfOk => "NOTICE instead of OK",
    Self::OkFalse { .. } => "OK false",
    Self::DuplicateOk => "duplicate OK",
    Self::EmptyOkId => "empty OK id",
    Self::EmptyRefusedOkId => "empty refused OK id",
    Self::DuplicateFalse => "duplicate false",
    Self::OkUnknownId => "OK unknown id",
    Self::OkFalseThenTrue { .. } => "OK false then true",
    Self::CloseOnEvent { .. } => "close on event",
    Self::LoseEvents { .. } => "lose events",
    Self::RefuseReq { .. } => "refuse REQ",
    Self::ClosedInsteadOfEose { .. } => "CLOSED instead of EOSE",
    Self::NoticeInsteadOfClosed => "NOTICE instead of CLOSED",
    Self::NoticeNamesClosed => "NOTICE names closed",
    Self::NoPrefix => "no prefix",
    Self::AnswerClose => "answer close",
    Self::IgnoreClose => "ignore close",
    Self::CloseLate { .. } => "close late",
    Self::CloseOnUnknown { .. } => "close on unknown",
    Self::EvictSubscriptions { .. } => "evict subscriptions",
    Self::BareCount => "bare count",
    Self::ApproximateCount => "approximate count",
    Self::CountRegisters => "count registers",
    Self::ShortRegisters => "short registers",
    Self::NonsenseCount => "nonsense count",
    Self::IgnoreCount => "ignore COUNT",
    Self::RefuseCount { .. } => "refuse COUNT",
    Self::NoticeOnCount { .. } => "NOTICE on COUNT",
    Self::CloseOnCount { .. } => "close on COUNT",
    Self::RateLimit { .. } => "rate limit",
    Self::PublishLimit { .. } => "publish limit",
    Self::StallOverRate { .. } => "stall over rate",
    Self::AuthRequired { .. } => "AUTH required",
    Self::ChallengeBehind => "challenge behind",
    Self::NeverOkAuth => "never OK AUTH",
    Self::RefuseAuth { .. } => "refuse AUTH",
    Self::HidePrivate { .. } => "hide private",
    Self::ForgeSignature { .. } => "forge signature",
    Self::ForgeContent { .. } => "forge content",
    Self::ForgeFirst { .. } => "forge first",
    Self::ForgeAhead { .. } => "forge ahead",
    Self::ForgedFlood { .. } => "forged flood",
    Self::FutureEvents { .. } => "future events",
    Self::ExpiredEvents { .. } => "expired events",
    Self::LongTag { .. } => "long tag",
    Self::KeepVersions => "keep versions",
    Self::DuplicateEvents { .. } => "duplicate events",
    Self::UnmatchedEvents { .. } => "unmatched events",
    Self::WrongSubscription { .. } => "wrong subscription",
    Self::Unsolicited { .. } => "unsolicited",
    Self::IgnoreLimit => "ignore limit",
    Self::ExclusiveUntil => "exclusive until",
    Self::OldestFirst => "oldest first",
    Self::UnstableCap { .. } => "unstable cap",
    Self::StaleAnswers { .. } => "stale answers",
    Self::Garbage { .. } => "garbage",
    Self::Truncate { .. } => "truncate",
    Self::OversizeNotice { .. } => "oversize NOTICE",
    Self::OversizeEvent { .. } => "oversize event",
    Self::DisconnectAfter { .. } => "disconnect after",
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_sorts_share_a_name() {
        assert_eq!(Fault::NAMES.iter().collect::<BTreeSet<_>>().len(), Fault::NAMES.len());
    }
}
