//! One attempt: how it begins, by whom, and how it ends.

use nostr_proto::{EventTemplate, PublicKey};

use crate::effects::Effects;
use crate::time::Now;

use super::public::{AuthFailure, AuthPolicy, AuthState};
use super::state::{Challenge, Hand, Order, State};
use super::{Auth, Change, Context, Memory, Turn};

impl Auth {
    /// What may be done without asking again.
    pub(super) fn consent(&self, cx: &Context<'_>) -> AuthPolicy {
        if self.allowed.is_some() { AuthPolicy::Always } else { cx.policy }
    }

    /// Whom the relay may know us as on this connection: whom it has seen already, unless the application said otherwise.
    pub(super) fn identity(&self, cx: &Context<'_>) -> Option<PublicKey> {
        self.allowed.or(self.session.shown.first().copied()).or(cx.identity)
    }

    /// Something needs an authentication. `stay`: the state that it is without one, where that is not `Challenged`.
    pub(super) fn begin(
        &mut self,
        challenge: Challenge,
        stay: Option<State>,
        cx: &Context<'_>,
        fx: &mut Effects,
    ) -> Turn {
        match self.consent(cx) {
            AuthPolicy::Never => (stay.unwrap_or(State::Challenged { challenge }), Change::None),
            AuthPolicy::Ask => (State::Asking { challenge }, Change::None),
            AuthPolicy::Always => self.sign(challenge, cx, fx),
        }
    }

    pub(super) fn sign(&mut self, challenge: Challenge, cx: &Context<'_>, fx: &mut Effects) -> Turn {
        let Some(identity) = self.identity(cx) else {
            return self.fail(Hand::Used(challenge), AuthFailure::NoIdentity, fx);
        };
        let Now { mono, unix } = cx.now;
        if let Err(at) = self.pace.take(cx.config, mono) {
            self.session.hold_private = None;
            return (State::Paced { challenge, at }, Change::None);
        }
        let url = &self.url;
        #[cfg(feature = "planted-bugs")]
        let url = cx.other.unwrap_or(url);
        let event = EventTemplate::auth(url, &challenge, unix).unsigned(identity);
        self.session.hold_private = Some(mono + cx.config.auth_wait);
        let order = Order { event: event.id(), identity, until: mono + cx.config.auth_sign_deadline };
        (State::Signing { challenge, order, stale: false }, Change::Sign(event))
    }

    pub(super) fn grant(&mut self, state: State, identity: PublicKey) -> Turn {
        self.session.hold = None;
        self.session.hold_private = None;
        self.session.wanted = false;
        self.session.refusals = 0;
        self.epoch.0 += 1;
        if self.memory == Memory::Stranger {
            self.memory = Memory::Demands;
        }
        if let Err(at) = self.session.known.binary_search(&identity) {
            self.session.known.insert(at, identity);
        }
        (state, Change::Granted)
    }

    /// The attempt came to nothing. Where the relay knows us by another key, that is still so.
    pub(super) fn fail(&mut self, hand: Hand, failure: AuthFailure, fx: &mut Effects) -> Turn {
        self.session.hold = None;
        self.session.hold_private = None;
        self.allowed = None;
        if self.session.known.is_empty() {
            return (State::Failed { challenge: hand.latest(), failure }, Change::Denied);
        }
        self.tell(AuthState::Failed(failure), fx);
        (State::Authenticated { hand }, Change::Denied)
    }
}
