//! One relay's part in a publish.

use core::time::Duration;

use nostr_proto::{Prefix, Reason, RelayUrl};

use crate::auth::Epoch;
use crate::config::Config;
use crate::event::{PublishStatus, Rejection, UnknownCause};
use crate::planted::planted;
use crate::time::Instant;

use super::quorum::Vote;
use super::trial::Loss;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum State {
    Queued,
    InFlight {
        until: Instant,
    },
    Retry {
        at: Instant,
        said: Reason,
    },
    /// Refused for lack of authentication, which is under way.
    Lacking(Reason),
    Accepted {
        duplicate: bool,
    },
    Rejected(Rejection),
    Unknown(UnknownCause),
}

#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) url: RelayUrl,
    pub(super) state: State,
    pub(super) sends: u32,
    /// Which knowledge of us it was last sent under.
    pub(super) under: Epoch,
    /// The connection ended right after it once: see [`trial`](super::trial).
    pub(super) doubted: bool,
    /// The relay was taken out of the pool meanwhile.
    pub(super) removed: bool,
    /// The relay takes no message as long, as far as is known: what is in flight is not sent there again.
    too_long: Option<TooLong>,
}

/// A message's length, and that of the longest that a relay takes.
#[derive(Clone, Copy, Debug)]
struct TooLong {
    bytes: usize,
    max: u64,
}

/// What an OK changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It answers nothing here.
    Unsolicited,
    /// It answers what was sent before, and does not change the state.
    Known,
    /// The state.
    Changed,
}

impl Part {
    pub(super) fn new(url: RelayUrl) -> Self {
        Self {
            url,
            state: State::Queued,
            sends: 0,
            under: Epoch::default(),
            doubted: false,
            removed: false,
            too_long: None,
        }
    }

    pub(super) fn sent(&mut self, until: Instant) {
        self.sends += 1;
        self.state = State::InFlight { until };
    }

    /// Puts off when its OK is overdue. False: none is awaited.
    pub(super) fn put_off(&mut self, shift: impl FnOnce(Instant) -> Instant) -> bool {
        let State::InFlight { until } = &mut self.state else { return false };
        *until = shift(*until);
        true
    }

    pub(super) fn answered(&mut self, accepted: bool, reason: &Reason, config: &Config, now: Instant) -> Answer {
        if self.sends == 0 || matches!(self.state, State::Accepted { .. }) {
            return Answer::Unsolicited;
        }
        // It lives to tell.
        self.doubted = false;
        let duplicate = reason.prefix == Some(Prefix::Duplicate) && !planted!(config, DuplicateRejected);
        if accepted || duplicate {
            self.state = State::Accepted { duplicate };
            return Answer::Changed;
        }
        let Some(most) = tries(reason, config) else {
            if let State::Rejected(_) = self.state {
                return Answer::Unsolicited;
            }
            self.state = State::Rejected(Rejection::Refused(reason.clone()));
            return Answer::Changed;
        };
        match self.state {
            State::Rejected(_) => return Answer::Unsolicited,
            State::InFlight { .. } => {}
            _ => return Answer::Known,
        }
        self.state = if self.sends < most {
            self.again(State::Retry { at: now + wait(self.sends, config), said: reason.clone() })
        } else {
            State::Unknown(UnknownCause::Refused(reason.clone()))
        };
        Answer::Changed
    }

    /// The connection is gone. `bytes`: the EVENT message's. False: that changes nothing.
    pub(super) fn lost(&mut self, loss: Loss, bytes: usize, config: &Config) -> bool {
        let again = self.after_silence(config);
        match self.state {
            State::InFlight { .. } => {}
            // It was answered: whatever ended the connection, it was not this.
            State::Lacking(_) => {
                self.state = again;
                return true;
            }
            _ => return false,
        }
        self.state = match loss {
            Loss::Innocent => again,
            Loss::ForSize => State::Rejected(Rejection::TooLarge { bytes, max: None }),
            Loss::RightAfter if self.doubted || planted!(config, SuspectAfterOne) => {
                State::Rejected(Rejection::Suspect)
            }
            Loss::RightAfter => {
                self.doubted = true;
                again
            }
        };
        true
    }

    /// What is known of the longest message that the relay takes; `None`: nothing. False: that changes nothing; what is in
    /// flight has yet to be answered.
    pub(super) fn limit(&mut self, bytes: usize, max: Option<u64>) -> bool {
        let too_long = max.filter(|max| u64::try_from(bytes).map_or(true, |bytes| bytes > *max));
        self.too_long = too_long.map(|max| TooLong { bytes, max });
        let changes = self.waits() && too_long.is_some();
        if changes {
            self.state = self.again(State::Queued);
        }
        changes
    }

    /// It waits to be sent once more, unless the relay takes no message as long.
    fn again(&self, waits: State) -> State {
        match self.too_long {
            Some(TooLong { bytes, max }) => State::Rejected(Rejection::TooLarge { bytes, max: Some(max) }),
            None => waits,
        }
    }

    fn after_silence(&self, config: &Config) -> State {
        if self.sends < config.max_sends { self.again(State::Queued) } else { State::Unknown(UnknownCause::NoAnswer) }
    }

    /// The event has expired. False: that changes nothing; what is in flight may still be answered.
    pub(super) fn expired(&mut self) -> bool {
        let waits = self.waits();
        if waits {
            self.state = State::Unknown(UnknownCause::Expired);
        }
        waits
    }

    /// Its time has come: the OK is overdue, or the wait before another try is over. False: not yet.
    pub(super) fn due(&mut self, config: &Config, now: Instant) -> bool {
        self.state = match &self.state {
            State::InFlight { until } if *until <= now => self.after_silence(config),
            State::Retry { at, .. } if *at <= now => State::Queued,
            _ => return false,
        };
        true
    }

    /// It is not tried any longer. `idle`: the cause, if nothing was ever sent. False: it was settled before.
    pub(super) fn lifetime_over(&mut self, idle: impl FnOnce() -> UnknownCause) -> bool {
        self.state = State::Unknown(match &self.state {
            State::Queued if self.sends == 0 => idle(),
            State::Queued | State::InFlight { .. } => UnknownCause::NoAnswer,
            State::Retry { said, .. } | State::Lacking(said) => UnknownCause::Refused(said.clone()),
            State::Accepted { .. } | State::Rejected(_) | State::Unknown(_) => return false,
        });
        true
    }

    /// It is to be sent, now or later.
    fn waits(&self) -> bool {
        matches!(self.state, State::Queued | State::Retry { .. } | State::Lacking(_))
    }

    pub(super) fn is_final(&self) -> bool {
        matches!(self.state, State::Accepted { .. } | State::Rejected(_) | State::Unknown(_))
    }

    pub(super) fn has_accepted(&self) -> bool {
        matches!(self.state, State::Accepted { .. })
    }

    pub(super) fn vote(&self) -> Vote {
        match self.state {
            State::Accepted { .. } => Vote::Accepted,
            State::Rejected(_) => Vote::Rejected,
            State::Queued | State::InFlight { .. } | State::Retry { .. } | State::Lacking(_) | State::Unknown(_) => {
                Vote::Open
            }
        }
    }

    pub(super) fn status(&self) -> PublishStatus {
        match &self.state {
            State::Queued | State::Retry { .. } | State::Lacking(_) => PublishStatus::Queued,
            State::InFlight { .. } => PublishStatus::InFlight,
            State::Accepted { duplicate } => PublishStatus::Accepted { duplicate: *duplicate },
            State::Rejected(rejection) => PublishStatus::Rejected(rejection.clone()),
            State::Unknown(cause) => PublishStatus::Unknown(cause.clone()),
        }
    }

    /// When something is due; `expiry`: when the event expires. `None`: never.
    pub(super) fn deadline(&self, expiry: Option<Instant>) -> Option<Instant> {
        let (own, expires) = match &self.state {
            State::InFlight { until } => (Some(*until), None),
            State::Retry { at, .. } => (Some(*at), expiry),
            State::Queued | State::Lacking(_) => (None, expiry),
            State::Accepted { .. } | State::Rejected(_) | State::Unknown(_) => (None, None),
        };
        own.into_iter().chain(expires).min()
    }
}

/// How often an event may be sent to a relay that refuses it with this reason; `None`: the refusal is final.
fn tries(reason: &Reason, config: &Config) -> Option<u32> {
    match reason.prefix {
        Some(Prefix::RateLimited | Prefix::Error) => Some(config.max_sends),
        // `closed` speaks of reconciliations (NIP-77): on an OK it tells nothing.
        None | Some(Prefix::Closed) => Some(config.max_sends_unknown),
        Some(_) => None,
    }
}

/// The wait before the next try, after so many.
fn wait(sends: u32, config: &Config) -> Duration {
    let doubled = config.retry_base.saturating_mul(1_u32.checked_shl(sends.saturating_sub(1)).unwrap_or(u32::MAX));
    doubled.min(config.backoff_max)
}
