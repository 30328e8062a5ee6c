//! What the relay says: challenges, refusals, and the OK.

use nostr_proto::{EventId, Prefix, Reason};

use crate::effects::Effects;

use super::public::{AuthFailure, AuthPolicy, AuthState};
use super::state::{Challenge, Hand, State};
use super::{Auth, Change, Context, Epoch, Lack, MAX_REFUSALS, Memory, Refusal, Turn};

impl Auth {
    /// The relay sent a challenge. Only the latest counts.
    pub(crate) fn challenged(&mut self, text: &str, cx: &Context<'_>, fx: &mut Effects) -> Change {
        if text.len() > cx.config.max_challenge_bytes {
            return self.unanswerable(text.len(), fx);
        }
        let new: Challenge = text.into();
        if self.state.challenge().is_some_and(|old| old == new) {
            // Whatever became of it, it says nothing new.
            return Change::None;
        }
        let needed = self.session.wanted || self.memory != Memory::Stranger || self.allowed.is_some();
        let asked = self.allowed.is_some_and(|key| !self.session.known.contains(&key));
        self.turn(fx, |auth, state, fx| match state {
            State::Down => (State::Down, Change::None),
            State::Unchallenged if needed || cx.at_once => auth.begin(new, None, cx, fx),
            State::Expecting { .. } => auth.begin(new, None, cx, fx),
            State::Unchallenged | State::Challenged { .. } => (State::Challenged { challenge: new }, Change::None),
            State::Asking { .. } => (State::Asking { challenge: new }, Change::None),
            State::Paced { at, .. } => (State::Paced { challenge: new, at }, Change::None),
            State::Signing { order, .. } => (State::Signing { challenge: new, order, stale: true }, Change::None),
            State::Ready { .. } => auth.sign(new, cx, fx),
            State::Sent { event, identity, until, .. } => {
                (State::Sent { hand: Hand::Newer(new), event, identity, until }, Change::None)
            }
            State::Assumed { .. } | State::Authenticated { .. } if asked => auth.sign(new, cx, fx),
            State::Assumed { event, identity, .. } => {
                (State::Assumed { hand: Hand::Newer(new), event, identity }, Change::None)
            }
            State::Authenticated { .. } => (State::Authenticated { hand: Hand::Newer(new) }, Change::None),
            State::Failed { failure, .. } => auth.challenged_again(new, failure, cx, fx),
        })
    }

    /// A refusal of ours is not asked about again; one of the relay's is met by another try, a few times.
    fn challenged_again(&mut self, new: Challenge, failure: AuthFailure, cx: &Context<'_>, fx: &mut Effects) -> Turn {
        match failure {
            AuthFailure::Denied => (State::Failed { challenge: Some(new), failure }, Change::None),
            AuthFailure::Refused(_) if self.session.wanted && self.session.refusals < MAX_REFUSALS => {
                self.begin(new, None, cx, fx)
            }
            _ => (State::Challenged { challenge: new }, Change::None),
        }
    }

    /// The latest challenge voids the one before, and can't be kept.
    fn unanswerable(&mut self, bytes: usize, fx: &mut Effects) -> Change {
        self.turn(fx, |auth, state, fx| match state {
            State::Down => (State::Down, Change::None),
            State::Sent { event, identity, until, .. } => {
                (State::Sent { hand: Hand::Empty, event, identity, until }, Change::None)
            }
            State::Assumed { event, identity, .. } => {
                (State::Assumed { hand: Hand::Empty, event, identity }, Change::None)
            }
            State::Authenticated { .. } => (State::Authenticated { hand: Hand::Empty }, Change::None),
            State::Failed { failure, .. } => (State::Failed { challenge: None, failure }, Change::None),
            // Nobody waits yet: a flood of these costs nobody anything.
            State::Unchallenged | State::Challenged { .. } => {
                let (failed, _) = auth.fail(Hand::Empty, AuthFailure::ChallengeTooLong { bytes }, fx);
                (failed, Change::None)
            }
            _ => auth.fail(Hand::Empty, AuthFailure::ChallengeTooLong { bytes }, fx),
        })
    }

    /// The relay refused something that was sent under `under`.
    pub(crate) fn refused(
        &mut self,
        lack: Lack,
        under: Epoch,
        cx: &Context<'_>,
        fx: &mut Effects,
    ) -> (Refusal, Change) {
        if lack == Lack::Unknown && self.memory == Memory::Stranger {
            self.memory = Memory::Demands;
        }
        if !self.session.known.is_empty() && under < self.epoch {
            return (Refusal::Again, Change::None);
        }
        self.session.wanted |= lack == Lack::Unknown;
        let change = self.turn(fx, |auth, state, fx| match (state, lack) {
            (State::Unchallenged, Lack::Unknown) if auth.consent(cx) != AuthPolicy::Never => {
                (State::Expecting { until: cx.now.mono + cx.config.auth_wait }, Change::None)
            }
            (State::Challenged { challenge }, _) => auth.begin(challenge, None, cx, fx),
            (State::Assumed { hand: Hand::Newer(new), event, identity }, Lack::Unknown) => {
                let stay = State::Assumed { hand: Hand::Newer(new.clone()), event, identity };
                auth.begin(new, Some(stay), cx, fx)
            }
            (State::Authenticated { hand: Hand::Newer(new) }, Lack::Unknown) => {
                let stay = State::Authenticated { hand: Hand::Newer(new.clone()) };
                auth.begin(new, Some(stay), cx, fx)
            }
            (state, _) => (state, Change::None),
        });
        (if self.state.is_under_way() { Refusal::Wait } else { Refusal::Final }, change)
    }

    /// The relay sent an OK. `None`: it is none of ours. An OK that names no event is ours only if nothing else waits
    /// for one, which the caller knows.
    pub(crate) fn ok(
        &mut self,
        named: Option<EventId>,
        accepted: bool,
        reason: &Reason,
        cx: &Context<'_>,
        fx: &mut Effects,
    ) -> Option<Change> {
        match &self.state {
            State::Sent { event, .. } if named.is_none_or(|id| id == *event) => {}
            State::Assumed { event, .. } if named == Some(*event) => {}
            _ => return None,
        }
        // It has this very answer already.
        let accepted = accepted || reason.prefix == Some(Prefix::Duplicate);
        let (refused, consent) = (AuthFailure::Refused(reason.clone()), self.consent(cx));
        Some(self.turn(fx, |auth, state, fx| match state {
            State::Sent { hand, identity, .. } if accepted => auth.grant(State::Authenticated { hand }, identity),
            // It was slow: what it refused or hid until now, it did to a stranger.
            State::Assumed { hand, identity, .. } if accepted => auth.grant(State::Authenticated { hand }, identity),
            State::Sent { hand, .. } => {
                auth.session.refusals += 1;
                match hand {
                    Hand::Newer(new) if auth.session.refusals < MAX_REFUSALS && consent != AuthPolicy::Never => {
                        auth.begin(new, None, cx, fx)
                    }
                    hand => auth.fail(hand, refused, fx),
                }
            }
            State::Assumed { hand, identity, .. } => {
                auth.session.refusals += 1;
                auth.session.known.retain(|key| *key != identity);
                match hand {
                    Hand::Newer(challenge) if auth.session.known.is_empty() => {
                        auth.allowed = None;
                        auth.session.hold_private = None;
                        auth.tell(AuthState::Failed(refused), fx);
                        (State::Challenged { challenge }, Change::Denied)
                    }
                    hand => auth.fail(hand, refused, fx),
                }
            }
            state => (state, Change::None),
        }))
    }
}
