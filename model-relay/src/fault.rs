//! How a relay misbehaves: a script, as data.

/// One way to misbehave. Counting is per relay unless it says otherwise, starts with
/// [`Relay::set_faults`](crate::Relay::set_faults) and is deterministic. An `every` of 0 means never,
/// of 1 always.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// Never says that the stored events are through.
    NeverEose,
    /// Says so twice.
    EoseTwice,
    /// Sends no `EOSE` where every filter has `limit: 0`, as some deployed relays do.
    NoEoseForLimitZero,
    /// Takes events and never says so.
    NeverOk,
    /// Refuses every event with this reason, prefix included.
    OkFalse {
        /// The fourth element of `OK`.
        reason: String,
    },
    /// Answers every event and every AUTH twice.
    DuplicateOk,
    /// Leaves the event id in `OK` empty.
    EmptyOkId,
    /// Says `OK` to every nth event and loses it.
    LoseEvents {
        /// The n.
        every: u64,
    },
    /// Refuses every `REQ` and `COUNT` outright with this reason.
    RefuseReq {
        /// The third element of `CLOSED`.
        reason: String,
    },
    /// Sends the stored events and then `CLOSED` instead of `EOSE`.
    ClosedInsteadOfEose {
        /// The third element of `CLOSED`.
        reason: String,
    },
    /// Says by `NOTICE`, which names no subscription, what belongs into a `CLOSED`.
    NoticeInsteadOfClosed,
    /// Answers a client's `CLOSE` with `CLOSED`, as some deployed relays do.
    AnswerClose,
    /// Goes on sending events after a client's `CLOSE`.
    IgnoreClose,
    /// Answers `COUNT` with a bare number instead of an object.
    BareCount,
    /// Refuses with `rate-limited:` what a connection sends beyond so many `EVENT`, `REQ` and `COUNT` messages.
    RateLimit {
        /// Messages taken per connection and window.
        messages: u64,
        /// How long a window lasts from its first message; 0 means until the connection ends.
        window_secs: u64,
    },
    /// Wants NIP-42 authentication; refuses with `auth-required:` before it.
    AuthRequired {
        /// For `REQ` and `COUNT`.
        reads: bool,
        /// For `EVENT`.
        writes: bool,
        /// Sends the challenge on connecting; otherwise right before the first refusal.
        challenge_on_connect: bool,
    },
    /// Never answers an AUTH, though it counts.
    NeverOkAuth,
    /// Sends every nth event with one byte of its signature flipped.
    ForgeSignature {
        /// The n.
        every: u64,
    },
    /// Sends every nth event with other content under the same id and signature.
    ForgeContent {
        /// The n.
        every: u64,
    },
    /// Sends each event so many times more than it should.
    DuplicateEvents {
        /// Additional copies, 100 at most.
        copies: usize,
    },
    /// Sends events that no filter of the subscription asked for.
    UnmatchedEvents {
        /// How many stored ones, the newest, ahead of the answer to each `REQ`.
        per_req: usize,
        /// Whether new events go to every subscription of every connection.
        live: bool,
    },
    /// Returns all that matches, whatever the limits say.
    IgnoreLimit,
    /// Returns stored events oldest first.
    OldestFirst,
    /// Follows every nth frame with one that is no message of the protocol.
    Garbage {
        /// The n.
        every: u64,
    },
    /// Ahead of the answer to each `REQ`, sends an event with so much content, a right id and no signature of anyone.
    OversizeEvent {
        /// Length of the content, [`MAX_OVERSIZE_BYTES`] at most.
        bytes: usize,
    },
    /// Closes a connection after it was sent so many frames.
    DisconnectAfter {
        /// Frames per connection, the one that goes out last included.
        frames: u64,
        /// The WebSocket close code; 1006 ends the connection without a close frame.
        code: u16,
        /// The close reason.
        reason: String,
    },
}

/// The longest content that [`Fault::OversizeEvent`] makes: 16 MiB.
pub const MAX_OVERSIZE_BYTES: usize = 16 << 20;

/// The longest row of copies that [`Fault::DuplicateEvents`] makes.
const MAX_COPIES: usize = 100;

/// A relay's misbehaviour: any number of [`Fault`]s at once. Of two of a sort the first counts. Empty means honest.
///
/// ```
/// use nostr_model_relay::{Fault, FaultPlan};
///
/// let plan = FaultPlan::new().with(Fault::NeverEose).with(Fault::ForgeSignature { every: 3 });
/// assert_eq!(plan.faults().len(), 2);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct FaultPlan {
    faults: Vec<Fault>,
}

impl FaultPlan {
    /// An honest relay.
    pub const fn new() -> Self {
        Self { faults: Vec::new() }
    }

    /// The plan with one more fault.
    #[must_use]
    pub fn with(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    /// The faults in the order in which they were added.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }
}

impl From<Fault> for FaultPlan {
    fn from(fault: Fault) -> Self {
        Self { faults: vec![fault] }
    }
}

impl FromIterator<Fault> for FaultPlan {
    fn from_iter<I: IntoIterator<Item = Fault>>(faults: I) -> Self {
        Self { faults: faults.into_iter().collect() }
    }
}

/// A plan at work: the faults and their counters.
#[derive(Debug, Default)]
pub(crate) struct FaultState {
    plan: FaultPlan,
    events_taken: u64,
    events_sent: u64,
    frames_sent: u64,
}

/// What to do to an event on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Forgery {
    pub(crate) signature: bool,
    pub(crate) content: bool,
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

    pub(crate) fn ok_false(&self) -> Option<String> {
        self.find(|fault| if let Fault::OkFalse { reason } = fault { Some(reason.clone()) } else { None })
    }

    pub(crate) fn refuse_req(&self) -> Option<String> {
        self.find(|fault| if let Fault::RefuseReq { reason } = fault { Some(reason.clone()) } else { None })
    }

    pub(crate) fn closed_instead_of_eose(&self) -> Option<String> {
        self.find(|fault| if let Fault::ClosedInsteadOfEose { reason } = fault { Some(reason.clone()) } else { None })
    }

    /// Messages per window, and the window in seconds.
    pub(crate) fn rate_limit(&self) -> Option<(u64, u64)> {
        self.find(|fault| match fault {
            Fault::RateLimit { messages, window_secs } => Some((*messages, *window_secs)),
            _ => None,
        })
    }

    pub(crate) fn auth_for_reads(&self) -> bool {
        self.find(|fault| if let Fault::AuthRequired { reads, .. } = fault { Some(*reads) } else { None })
            .unwrap_or_default()
    }

    pub(crate) fn auth_for_writes(&self) -> bool {
        self.find(|fault| if let Fault::AuthRequired { writes, .. } = fault { Some(*writes) } else { None })
            .unwrap_or_default()
    }

    pub(crate) fn challenge_on_connect(&self) -> bool {
        let pick = |fault: &Fault| match fault {
            Fault::AuthRequired { challenge_on_connect, .. } => Some(*challenge_on_connect),
            _ => None,
        };
        self.find(pick).unwrap_or_default()
    }

    pub(crate) fn copies(&self) -> usize {
        let pick = |fault: &Fault| {
            if let Fault::DuplicateEvents { copies } = fault { Some(*copies) } else { None }
        };
        1 + self.find(pick).unwrap_or_default().min(MAX_COPIES)
    }

    pub(crate) fn unmatched_per_req(&self) -> usize {
        self.find(|fault| if let Fault::UnmatchedEvents { per_req, .. } = fault { Some(*per_req) } else { None })
            .unwrap_or_default()
    }

    pub(crate) fn unmatched_live(&self) -> bool {
        self.find(|fault| if let Fault::UnmatchedEvents { live, .. } = fault { Some(*live) } else { None })
            .unwrap_or_default()
    }

    pub(crate) fn oversize(&self) -> Option<usize> {
        self.find(|fault| if let Fault::OversizeEvent { bytes } = fault { Some(*bytes) } else { None })
            .map(|bytes| bytes.min(MAX_OVERSIZE_BYTES))
    }

    /// Whether a connection that was sent `frames` frames ends now, with code and reason.
    pub(crate) fn disconnect_after(&self, frames: u64) -> Option<(u16, String)> {
        self.find(|fault| match fault {
            Fault::DisconnectAfter { frames: allowed, code, reason } if frames >= *allowed => {
                Some((*code, reason.clone()))
            }
            _ => None,
        })
    }

    /// Counts an accepted event; whether to lose it.
    pub(crate) fn lose_this_event(&mut self) -> bool {
        self.events_taken += 1;
        let count = self.events_taken;
        self.find(|fault| if let Fault::LoseEvents { every } = fault { Some(is_nth(count, *every)) } else { None })
            .unwrap_or_default()
    }

    /// Counts an event on its way out; what to forge.
    pub(crate) fn forge_this_event(&mut self) -> Forgery {
        self.events_sent += 1;
        let count = self.events_sent;
        let signature = |fault: &Fault| match fault {
            Fault::ForgeSignature { every } => Some(is_nth(count, *every)),
            _ => None,
        };
        let content = |fault: &Fault| match fault {
            Fault::ForgeContent { every } => Some(is_nth(count, *every)),
            _ => None,
        };
        Forgery { signature: self.find(signature).unwrap_or_default(), content: self.find(content).unwrap_or_default() }
    }

    /// Counts a frame on its way out; the garbage that follows it.
    pub(crate) fn garbage_after_this_frame(&mut self) -> Option<&'static str> {
        self.frames_sent += 1;
        let count = self.frames_sent;
        let every = self.find(|fault| if let Fault::Garbage { every } = fault { Some(*every) } else { None })?;
        let pick = |sort: u64| GARBAGE.iter().cycle().nth(usize::try_from(sort % 64).unwrap_or_default()).copied();
        if is_nth(count, every) { pick(count / every) } else { None }
    }
}

fn is_nth(count: u64, every: u64) -> bool {
    every != 0 && count.is_multiple_of(every)
}

/// What is no message of the protocol, or only looks like one.
const GARBAGE: [&str; 16] = [
    "",
    "hello",
    "{}",
    "[]",
    "[",
    "null",
    "[\"EVENT\"]",
    "[\"EVENT\",1,{}]",
    "[\"EVENT\",\"sub\",{\"id\":\"00\",\"kind\":-1}]",
    "[\"OK\",\"zz\",\"yes\",7]",
    "[\"EOSE\"]",
    "[\"EOSE\",{\"sub\":1}]",
    "[\"CLOSED\"]",
    "[\"COUNT\",\"sub\",{\"count\":-5}]",
    "[\"\u{0}\",\"\u{202e}\"]",
    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
];

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
