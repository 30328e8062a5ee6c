//! A plan at work: the faults and their counters.

use super::garbage::GARBAGE;
use super::{Fault, FaultPlan, MAX_OVERSIZE_BYTES, Unsolicited};

/// The longest row of copies or of events of its own that a relay makes.
const MAX_COPIES: usize = 100;

/// The longest row of made-up events and of unsolicited frames.
const MAX_FLOOD: usize = 1_000;

/// How often each of the things happened that are counted.
#[derive(Debug, Default)]
struct Counts {
    reqs: u64,
    events_taken: u64,
    oks: u64,
    events_sent: u64,
    wrong_subscription: u64,
    frames_sent: u64,
    truncated: u64,
    made_up: u64,
    answers: u64,
}

#[derive(Debug, Default)]
pub(crate) struct FaultState {
    plan: FaultPlan,
    counts: Counts,
}

/// What to do to an event on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Forgery {
    pub(crate) signature: bool,
    pub(crate) content: bool,
}

/// Why, where and how a connection ends.
pub(crate) type Ending = (u16, String);

/// One field of the first fault of a sort.
macro_rules! field {
    ($state:expr, $variant:ident . $field:ident) => {
        $state.find(|fault| if let Fault::$variant { $field, .. } = fault { Some($field.clone()) } else { None })
    };
}

impl FaultState {
    pub(crate) fn new(plan: FaultPlan) -> Self {
        Self { plan, ..Self::default() }
    }

    /// Whether a fault without parameters is in the plan.
    pub(crate) fn has(&self, fault: &Fault) -> bool {
        self.plan.faults.contains(fault)
    }

    fn find<'a, T>(&'a self, pick: impl Fn(&'a Fault) -> Option<T>) -> Option<T> {
        self.plan.faults.iter().find_map(pick)
    }

    pub(crate) fn eose_early(&self) -> Option<usize> {
        field!(self, EoseEarly.after)
    }

    /// Seconds.
    pub(crate) fn eose_late(&self) -> Option<u64> {
        field!(self, EoseLate.secs)
    }

    pub(crate) fn notice_instead_of_eose(&self) -> Option<String> {
        field!(self, NoticeInsteadOfEose.text)
    }

    pub(crate) fn notice_only(&self) -> Option<String> {
        field!(self, NoticeOnly.text)
    }

    /// Seconds.
    pub(crate) fn ok_late(&self) -> Option<u64> {
        field!(self, OkLate.secs)
    }

    pub(crate) fn ok_false(&self) -> Option<String> {
        field!(self, OkFalse.reason)
    }

    pub(crate) fn ok_false_then_true(&self) -> Option<String> {
        field!(self, OkFalseThenTrue.reason)
    }

    /// Whether an `EVENT` of so many bytes ends its connection.
    pub(crate) fn close_on_event(&self, bytes: usize) -> Option<Ending> {
        self.find(|fault| match fault {
            Fault::CloseOnEvent { min_bytes, code, reason } if bytes >= *min_bytes => Some((*code, reason.clone())),
            _ => None,
        })
    }

    /// How a message that it does not know ends its connection.
    pub(crate) fn close_on_unknown(&self) -> Option<Ending> {
        self.find(|fault| match fault {
            Fault::CloseOnUnknown { code, reason } => Some((*code, reason.clone())),
            _ => None,
        })
    }

    /// Seconds.
    pub(crate) fn close_late(&self) -> Option<u64> {
        field!(self, CloseLate.secs)
    }

    /// Seconds.
    pub(crate) fn stale_answers(&self) -> Option<u64> {
        field!(self, StaleAnswers.secs)
    }

    pub(crate) fn refuse_req(&self) -> Option<String> {
        field!(self, RefuseReq.reason)
    }

    pub(crate) fn refuse_count(&self) -> Option<String> {
        field!(self, RefuseCount.reason)
    }

    pub(crate) fn notice_on_count(&self) -> Option<String> {
        field!(self, NoticeOnCount.text)
    }

    /// How a `COUNT` ends its connection.
    pub(crate) fn close_on_count(&self) -> Option<Ending> {
        self.find(|fault| match fault {
            Fault::CloseOnCount { code, reason } => Some((*code, reason.clone())),
            _ => None,
        })
    }

    pub(crate) fn refuse_auth(&self) -> Option<String> {
        field!(self, RefuseAuth.reason)
    }

    pub(crate) fn closed_instead_of_eose(&self) -> Option<String> {
        field!(self, ClosedInsteadOfEose.reason)
    }

    /// How many subscriptions a connection keeps.
    pub(crate) fn evict_beyond(&self) -> Option<usize> {
        field!(self, EvictSubscriptions.keep)
    }

    /// Messages per window, and the window in seconds.
    pub(crate) fn rate_limit(&self) -> Option<(u64, u64)> {
        Some((field!(self, RateLimit.messages)?, field!(self, RateLimit.window_secs)?))
    }

    /// Events per window, and the window in seconds.
    pub(crate) fn publish_limit(&self) -> Option<(u64, u64)> {
        Some((field!(self, PublishLimit.events)?, field!(self, PublishLimit.window_secs)?))
    }

    /// Messages per window, and the window in seconds.
    pub(crate) fn stall_over(&self) -> Option<(u64, u64)> {
        Some((field!(self, StallOverRate.messages)?, field!(self, StallOverRate.window_secs)?.max(1)))
    }

    pub(crate) fn auth_for_reads(&self) -> bool {
        field!(self, AuthRequired.reads).unwrap_or_default()
    }

    pub(crate) fn auth_for_writes(&self) -> bool {
        field!(self, AuthRequired.writes).unwrap_or_default()
    }

    pub(crate) fn hides_private(&self) -> bool {
        field!(self, HidePrivate.challenge_on_connect).is_some()
    }

    pub(crate) fn challenge_on_connect(&self) -> bool {
        field!(self, AuthRequired.challenge_on_connect).unwrap_or_default()
            || field!(self, HidePrivate.challenge_on_connect).unwrap_or_default()
    }

    /// Counts an answer; how many of `found` stored events are in it.
    pub(crate) fn cap_this_answer(&mut self, found: usize) -> usize {
        let count = one_more(&mut self.counts.answers);
        let Some(fewest) = field!(self, UnstableCap.fewest).map(|fewest| fewest.max(1)) else {
            return found;
        };
        // A third less each time, until there are too few; then all again.
        let round = u32::try_from(count % 4).unwrap_or_default();
        let less = (0..round).fold(found, |left, _| left - left / 3);
        less.max(fewest).min(found)
    }

    /// How often an event is sent.
    pub(crate) fn copies(&self) -> usize {
        1 + field!(self, DuplicateEvents.copies).unwrap_or_default().min(MAX_COPIES)
    }

    /// How many forged copies go ahead of an event, and the salt.
    pub(crate) fn forge_ahead(&self) -> (usize, u8) {
        let copies = field!(self, ForgeAhead.copies).unwrap_or_default().min(MAX_COPIES);
        (copies, field!(self, ForgeAhead.salt).unwrap_or_default())
    }

    pub(crate) fn forged_per_req(&self) -> usize {
        field!(self, ForgedFlood.per_req).unwrap_or_default().min(MAX_FLOOD)
    }

    /// How many, and seconds ahead.
    pub(crate) fn future_per_req(&self) -> Option<(usize, u64)> {
        Some((field!(self, FutureEvents.per_req)?.min(MAX_COPIES), field!(self, FutureEvents.ahead_secs)?))
    }

    /// How many, and seconds ago.
    pub(crate) fn expired_per_req(&self) -> Option<(usize, u64)> {
        Some((field!(self, ExpiredEvents.per_req)?.min(MAX_COPIES), field!(self, ExpiredEvents.ago_secs)?))
    }

    pub(crate) fn long_tag(&self) -> Option<usize> {
        field!(self, LongTag.bytes).map(|bytes| bytes.min(MAX_OVERSIZE_BYTES))
    }

    pub(crate) fn unmatched_per_req(&self) -> usize {
        field!(self, UnmatchedEvents.per_req).unwrap_or_default()
    }

    pub(crate) fn unmatched_live(&self) -> bool {
        field!(self, UnmatchedEvents.live).unwrap_or_default()
    }

    /// Every sort in the plan, and how many frames of it.
    pub(crate) fn unsolicited(&self) -> Vec<(Unsolicited, usize)> {
        let pick = |fault: &Fault| match fault {
            Fault::Unsolicited { what, per_message } => Some((*what, (*per_message).min(MAX_FLOOD))),
            _ => None,
        };
        self.plan.faults.iter().filter_map(pick).collect()
    }

    pub(crate) fn oversize(&self) -> Option<usize> {
        field!(self, OversizeEvent.bytes).map(|bytes| bytes.min(MAX_OVERSIZE_BYTES))
    }

    pub(crate) fn oversize_notice(&self) -> Option<usize> {
        field!(self, OversizeNotice.bytes).map(|bytes| bytes.min(MAX_OVERSIZE_BYTES))
    }

    /// Whether a connection that was sent `frames` frames ends now.
    pub(crate) fn disconnect_after(&self, frames: u64) -> Option<Ending> {
        self.find(|fault| match fault {
            Fault::DisconnectAfter { frames: allowed, code, reason } if frames >= *allowed => {
                Some((*code, reason.clone()))
            }
            _ => None,
        })
    }

    /// Counts a `REQ`; whether to leave it without an answer.
    pub(crate) fn ignore_this_req(&mut self) -> bool {
        let count = one_more(&mut self.counts.reqs);
        field!(self, IgnoreReq.every).is_some_and(|every| is_nth(count, every))
    }

    /// Counts an accepted event; whether to lose it.
    pub(crate) fn lose_this_event(&mut self) -> bool {
        let count = one_more(&mut self.counts.events_taken);
        field!(self, LoseEvents.every).is_some_and(|every| is_nth(count, every))
    }

    /// Counts an answer to an event; whether to keep it back.
    pub(crate) fn skip_this_ok(&mut self) -> bool {
        let count = one_more(&mut self.counts.oks);
        field!(self, SkipOk.every).is_some_and(|every| is_nth(count, every))
    }

    /// Counts an event on its way out; what to forge.
    pub(crate) fn forge_this_event(&mut self) -> Forgery {
        let count = one_more(&mut self.counts.events_sent);
        let nth = |every: Option<u64>| every.is_some_and(|every| is_nth(count, every));
        let first = field!(self, ForgeFirst.events).is_some_and(|events| count <= events);
        Forgery {
            signature: first || nth(field!(self, ForgeSignature.every)),
            content: nth(field!(self, ForgeContent.every)),
        }
    }

    /// Counts an event on its way out; whether a copy goes ahead under a subscription id of nobody's.
    pub(crate) fn misname_this_event(&mut self) -> bool {
        let count = one_more(&mut self.counts.wrong_subscription);
        field!(self, WrongSubscription.every).is_some_and(|every| is_nth(count, every))
    }

    /// The number of the next thing that is made up.
    pub(crate) fn make_up(&mut self) -> u64 {
        one_more(&mut self.counts.made_up)
    }

    /// Whether frames may have to be cut at all.
    pub(crate) fn truncates(&self) -> bool {
        field!(self, Truncate.every).is_some()
    }

    /// Counts a frame on its way out; whether its first half goes ahead.
    pub(crate) fn truncate_this_frame(&mut self) -> bool {
        let count = one_more(&mut self.counts.truncated);
        field!(self, Truncate.every).is_some_and(|every| is_nth(count, every))
    }

    /// Counts a frame on its way out; the garbage that follows it.
    pub(crate) fn garbage_after_this_frame(&mut self) -> Option<&'static str> {
        let count = one_more(&mut self.counts.frames_sent);
        let every = field!(self, Garbage.every)?;
        let pick = |sort: u64| GARBAGE.iter().cycle().nth(usize::try_from(sort % 64).unwrap_or_default()).copied();
        if is_nth(count, every) { pick(count / every) } else { None }
    }
}

fn one_more(count: &mut u64) -> u64 {
    *count += 1;
    *count
}

fn is_nth(count: u64, every: u64) -> bool {
    every != 0 && count.is_multiple_of(every)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counting_is_from_one_and_zero_is_never() {
        let mut state = FaultState::new(Fault::ForgeSignature { every: 3 }.into());
        let forged: Vec<bool> = (0..6).map(|_| state.forge_this_event().signature).collect();
        assert_eq!(forged, [false, false, true, false, false, true]);
        let mut never = FaultState::new(Fault::ForgeSignature { every: 0 }.into());
        assert!((0..10).all(|_| !never.forge_this_event().signature));
    }

    #[test]
    fn garbage_of_every_sort_comes_up() {
        let mut state = FaultState::new(Fault::Garbage { every: 1 }.into());
        let seen: std::collections::BTreeSet<_> = (0..16).filter_map(|_| state.garbage_after_this_frame()).collect();
        assert_eq!(seen.len(), GARBAGE.len());
    }

    #[test]
    fn the_first_of_a_sort_counts() {
        let plan: FaultPlan =
            [Fault::DuplicateEvents { copies: 1 }, Fault::DuplicateEvents { copies: 1_000_000 }].into_iter().collect();
        assert_eq!(FaultState::new(plan).copies(), 2);
        assert_eq!(FaultState::new(Fault::DuplicateEvents { copies: 1_000_000 }.into()).copies(), 101);
    }
}
