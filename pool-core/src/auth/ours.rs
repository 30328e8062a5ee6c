//! What we do: the application decides, the signer signs, the socket takes the answer.

use alloc::sync::Arc;

use nostr_proto::{Event, EventId, PublicKey, encode};

use crate::effects::Effects;
use crate::text::shown;

use super::public::{AuthFailure, AuthPolicy, AuthState};
use super::state::{Hand, State};
use super::{Auth, Change, Context, MAX_IDENTITIES, NotAllowed};

impl Auth {
    /// Private kinds are asked for.
    pub(crate) fn private(&mut self, cx: &Context<'_>, fx: &mut Effects) -> Change {
        self.session.wanted = true;
        self.turn(fx, |auth, state, fx| match state {
            State::Challenged { challenge } => auth.begin(challenge, None, cx, fx),
            state => (state, Change::None),
        })
    }

    /// The policy, or what else is known of the relay, has changed. What was sent already can't be taken back.
    pub(crate) fn reconsider(&mut self, cx: &Context<'_>, fx: &mut Effects) -> Change {
        let (consent, wanted) = (self.consent(cx), self.session.wanted);
        if consent == AuthPolicy::Never {
            self.session.hold = None;
        }
        if consent != AuthPolicy::Always {
            self.session.hold_private = None;
        }
        self.turn(fx, |auth, state, fx| match (state, consent) {
            (State::Expecting { .. }, AuthPolicy::Never) => (State::Unchallenged, Change::Denied),
            (
                State::Asking { challenge }
                | State::Paced { challenge, .. }
                | State::Signing { challenge, .. }
                | State::Ready { challenge, .. },
                AuthPolicy::Never,
            ) => auth.fail(Hand::Used(challenge), AuthFailure::Denied, fx),
            (State::Challenged { challenge }, _) if wanted => auth.begin(challenge, None, cx, fx),
            (State::Asking { challenge }, AuthPolicy::Always) => auth.sign(challenge, cx, fx),
            // The key was taken back, or another put in its place.
            (State::Signing { challenge, order, .. }, AuthPolicy::Always)
                if auth.identity(cx) != Some(order.identity) =>
            {
                auth.sign(challenge, cx, fx)
            }
            (State::Ready { challenge, event }, AuthPolicy::Always) if auth.identity(cx) != Some(event.pubkey()) => {
                auth.sign(challenge, cx, fx)
            }
            (
                State::Paced { challenge, .. } | State::Signing { challenge, .. } | State::Ready { challenge, .. },
                AuthPolicy::Ask,
            ) => (State::Asking { challenge }, Change::None),
            (state, _) => (state, Change::None),
        })
    }

    /// The application wants an authentication, whatever the policy: on this connection, or else on the next one.
    pub(crate) fn allow(
        &mut self,
        identity: Option<PublicKey>,
        cx: &Context<'_>,
        fx: &mut Effects,
    ) -> Result<Change, NotAllowed> {
        let identity = identity.or(self.identity(cx)).ok_or(NotAllowed::NoIdentity)?;
        match self.state() {
            AuthState::Signing { identity: other } | AuthState::Sent { identity: other } if other != identity => {
                return Err(NotAllowed::UnderWay(other));
            }
            _ => {}
        }
        let shown = &self.session.shown;
        if let Some(other) = shown.first().filter(|_| !shown.contains(&identity))
            && (!cx.link || shown.len() >= MAX_IDENTITIES)
        {
            return Err(NotAllowed::Linked(*other));
        }
        self.allowed = Some(identity);
        let known = self.session.known.contains(&identity);
        Ok(self.turn(fx, |auth, state, fx| match state {
            State::Unchallenged | State::Failed { challenge: None, .. } => {
                (State::Expecting { until: cx.now.mono + cx.config.auth_wait }, Change::None)
            }
            State::Challenged { challenge }
            | State::Asking { challenge }
            | State::Failed { challenge: Some(challenge), .. } => auth.sign(challenge, cx, fx),
            State::Assumed { ref hand, .. } | State::Authenticated { ref hand } if !known => match hand.latest() {
                Some(challenge) => auth.sign(challenge, cx, fx),
                None => (state, Change::None),
            },
            state => (state, Change::None),
        }))
    }

    /// The application does not want one on this connection. What was sent already can't be taken back.
    pub(crate) fn deny(&mut self, fx: &mut Effects) -> Change {
        self.allowed = None;
        self.session.hold = None;
        self.turn(fx, |auth, state, fx| match state {
            State::Expecting { .. } => auth.fail(Hand::Empty, AuthFailure::Denied, fx),
            State::Challenged { challenge }
            | State::Asking { challenge }
            | State::Paced { challenge, .. }
            | State::Signing { challenge, .. }
            | State::Ready { challenge, .. } => auth.fail(Hand::Used(challenge), AuthFailure::Denied, fx),
            state => (state, Change::None),
        })
    }

    /// The signer answered; that the event is the one it was given, and well signed, has been checked.
    pub(crate) fn signed(
        &mut self,
        order_of: EventId,
        outcome: Result<Event, &str>,
        cx: &Context<'_>,
        fx: &mut Effects,
    ) -> Change {
        self.turn(fx, |auth, state, fx| match (state, outcome) {
            (State::Signing { challenge, order, .. }, Err(why)) if order.event == order_of => {
                auth.fail(Hand::Used(challenge), AuthFailure::NotSigned(shown(why, 256)), fx)
            }
            (State::Signing { challenge, order, stale: true }, Ok(_)) if order.event == order_of => {
                auth.sign(challenge, cx, fx)
            }
            (State::Signing { challenge, order, .. }, Ok(event)) if order.event == order_of => {
                (State::Ready { challenge, event }, Change::Ready)
            }
            (state, _) => (state, Change::None),
        })
    }

    /// The AUTH message, if one waits to be sent. The caller has sent it when this returns.
    pub(crate) fn send(&mut self, cx: &Context<'_>, fx: &mut Effects) -> Option<Arc<str>> {
        let mut frame = None;
        let _ = self.turn(fx, |auth, state, _| match state {
            State::Ready { challenge, event } => {
                frame = Some(encode::auth(&event).into());
                let identity = event.pubkey();
                if !auth.session.shown.contains(&identity) {
                    auth.session.shown.push(identity);
                }
                let until = cx.now.mono + cx.config.auth_ok_deadline;
                auth.session.hold_private = Some(until);
                (State::Sent { hand: Hand::Used(challenge), event: event.id(), identity, until }, Change::None)
            }
            state => (state, Change::None),
        });
        frame
    }
}
