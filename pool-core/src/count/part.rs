//! One relay's part in a count.

use core::time::Duration;

use nostr_proto::{Prefix, Reason, RelayUrl};

use crate::auth::Epoch;
use crate::config::Config;
use crate::event::{CountAnswer, CountOutcome};
use crate::ids::WireId;
use crate::time::Instant;

/// Connections that may end while a relay is asked before it is not asked again.
const MAX_LOSSES: u8 = 2;

/// See the table of the module above.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// To be asked as soon as may be.
    Waiting,
    /// The COUNT is sent.
    Asked { wire: WireId },
    /// So it is, and what the relay said since may be all that it says.
    Noticed { wire: WireId, until: Instant },
    /// It was all for so long that nobody waits for more; should more come, that counts.
    Presumed { wire: WireId },
    /// Refused, until the relay knows us.
    Lacking,
    /// Refused, and to be asked again then.
    Retry { at: Instant },
    /// Settled.
    Done(CountOutcome),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) url: RelayUrl,
    pub(super) state: State,
    /// What the relay said last in place of an answer.
    pub(super) said: Option<Reason>,
    /// What the relay knew of us when it was asked last.
    pub(super) under: Epoch,
    /// Times that it refused and was to be asked again.
    refusals: u32,
    /// Connections that ended while it was asked.
    losses: u8,
    /// We closed one while it was asked, which says nothing of the relay.
    cut: bool,
}

impl Part {
    pub(super) fn new(url: RelayUrl) -> Self {
        Self { url, state: State::Waiting, said: None, under: Epoch::default(), refusals: 0, losses: 0, cut: false }
    }

    /// Runs one step: the part is consumed, and there again.
    pub(super) fn step(&mut self, step: impl FnOnce(Self) -> Self) {
        *self = step(self.clone());
    }

    pub(super) fn asked(mut self, wire: WireId, under: Epoch) -> Self {
        if self.waits() {
            self.under = under;
            self.said = None;
            self.state = State::Asked { wire };
        }
        self
    }

    pub(super) fn counted(self, answer: CountAnswer) -> Self {
        self.answered(|_| CountOutcome::Counted(answer))
    }

    pub(super) fn nonsense(self) -> Self {
        self.answered(|_| CountOutcome::Nonsense)
    }

    pub(super) fn refused(mut self, reason: Reason, config: &Config, now: Instant) -> Self {
        if self.wire().is_none() {
            return self;
        }
        if self.is_settled() {
            return self.done(CountOutcome::Refused(reason));
        }
        let most = match reason.prefix {
            // The lanes hold it up.
            Some(Prefix::RateLimited) => {
                self.said = Some(reason);
                return self.with(State::Waiting);
            }
            Some(Prefix::Error) => config.max_sends,
            None | Some(Prefix::Closed) => config.max_sends_unknown,
            Some(_) => 0,
        };
        self.refusals = self.refusals.saturating_add(1);
        if self.refusals >= most {
            return self.done(CountOutcome::Refused(reason));
        }
        self.said = Some(reason);
        let at = now + wait(self.refusals, config);
        self.with(State::Retry { at })
    }

    pub(super) fn lacks_auth(mut self, reason: Reason) -> Self {
        if self.wire().is_none() {
            return self;
        }
        if self.is_settled() {
            return self.done(CountOutcome::Refused(reason));
        }
        self.said = Some(reason);
        self.with(State::Lacking)
    }

    pub(super) fn noticed(mut self, reason: Reason, until: Instant) -> Self {
        match self.state {
            State::Asked { wire } => {
                self.said = Some(reason);
                self.with(State::Noticed { wire, until })
            }
            _ => self,
        }
    }

    pub(super) fn authenticated(self) -> Self {
        if self.state == State::Lacking { self.with(State::Waiting) } else { self }
    }

    pub(super) fn not_authenticated(self) -> Self {
        if self.state == State::Lacking { self.put_off() } else { self }
    }

    pub(super) fn recalled(self) -> Self {
        if self.wire().is_some() && !self.is_settled() { self.with(State::Waiting) } else { self }
    }

    pub(super) fn lost(mut self) -> Self {
        match self.state {
            State::Asked { .. } => {
                self.losses += 1;
                if self.losses >= MAX_LOSSES { self.done(CountOutcome::Lost) } else { self.with(State::Waiting) }
            }
            // It said something, and closed: that was its answer.
            State::Noticed { .. } | State::Presumed { .. } => self.put_off(),
            State::Lacking => self.with(State::Waiting),
            State::Waiting | State::Retry { .. } | State::Done(_) => self,
        }
    }

    /// We closed the connection, for reasons of our own.
    pub(super) fn cut(mut self) -> Self {
        match self.state {
            State::Asked { .. } | State::Noticed { .. } => {
                self.cut = true;
                self.with(State::Waiting)
            }
            State::Presumed { .. } => self.put_off(),
            State::Lacking => self.with(State::Waiting),
            State::Waiting | State::Retry { .. } | State::Done(_) => self,
        }
    }

    pub(super) fn unavailable(self, later: bool) -> Self {
        match self.state {
            State::Waiting if later && (self.losses > 0 || self.cut || self.said.is_some()) => self,
            State::Retry { .. } if later => self,
            State::Waiting | State::Retry { .. } => self.put_off(),
            State::Asked { .. } | State::Noticed { .. } | State::Presumed { .. } | State::Lacking | State::Done(_) => {
                self
            }
        }
    }

    pub(super) fn too_large(self, bytes: usize, max: u64) -> Self {
        if self.waits() { self.done(CountOutcome::TooLarge { bytes, max }) } else { self }
    }

    pub(super) fn cancelled(self) -> Self {
        if self.is_done() { self } else { self.done(CountOutcome::Cancelled) }
    }

    /// The time is over for all.
    pub(super) fn over(self) -> Self {
        match self.state {
            State::Asked { .. } => self.done(CountOutcome::Silent),
            // It did not have its turn again.
            State::Waiting if self.cut && self.losses == 0 && self.said.is_none() => self.done(CountOutcome::Silent),
            State::Waiting | State::Noticed { .. } | State::Presumed { .. } | State::Lacking | State::Retry { .. } => {
                self.put_off()
            }
            State::Done(_) => self,
        }
    }

    /// A wait of its own is over.
    pub(super) fn due(self, now: Instant) -> Self {
        match self.state {
            State::Noticed { wire, until } if until <= now => self.with(State::Presumed { wire }),
            State::Retry { at } if at <= now => self.with(State::Waiting),
            _ => self,
        }
    }

    pub(super) fn due_at(&self) -> Option<Instant> {
        match self.state {
            State::Noticed { until, .. } => Some(until),
            State::Retry { at } => Some(at),
            State::Waiting | State::Asked { .. } | State::Presumed { .. } | State::Lacking | State::Done(_) => None,
        }
    }

    pub(super) fn waits(&self) -> bool {
        self.state == State::Waiting
    }

    fn is_done(&self) -> bool {
        matches!(self.state, State::Done(_))
    }

    /// Whether nobody waits for more of it.
    pub(super) fn is_settled(&self) -> bool {
        matches!(self.state, State::Done(_) | State::Presumed { .. })
    }

    pub(super) fn wire(&self) -> Option<WireId> {
        match self.state {
            State::Asked { wire } | State::Noticed { wire, .. } | State::Presumed { wire } => Some(wire),
            State::Waiting | State::Lacking | State::Retry { .. } | State::Done(_) => None,
        }
    }

    pub(super) fn outcome(self) -> CountOutcome {
        match self.over().state {
            State::Done(outcome) => outcome,
            _ => CountOutcome::Silent,
        }
    }

    fn answered(self, outcome: impl FnOnce(&Self) -> CountOutcome) -> Self {
        if self.wire().is_none() {
            return self;
        }
        let outcome = outcome(&self);
        self.done(outcome)
    }

    /// Settled without an answer: by what the relay said last, or by how far it came.
    fn put_off(mut self) -> Self {
        let outcome = match self.said.take() {
            Some(said) => CountOutcome::Refused(said),
            None if self.losses > 0 || self.cut => CountOutcome::Lost,
            None => CountOutcome::Unreachable,
        };
        self.done(outcome)
    }

    fn done(self, outcome: CountOutcome) -> Self {
        self.with(State::Done(outcome))
    }

    fn with(self, state: State) -> Self {
        Self { state, ..self }
    }
}

/// The wait before the next try, after so many refusals.
fn wait(refusals: u32, config: &Config) -> Duration {
    let doubled = config.retry_base.saturating_mul(1_u32.checked_shl(refusals.saturating_sub(1)).unwrap_or(u32::MAX));
    doubled.min(config.backoff_max)
}
