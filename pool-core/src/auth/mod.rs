//! The authentication machine (NIP-42): one per relay; all but what is remembered of the relay ends with the connection.
//!
//! What the relay and the wire do:
//!
//! | state \ input | opened | lost | challenge | too long | auth-required | restricted | OK true | OK false |
//! |---|---|---|---|---|---|---|---|---|
//! | `Down` | `Unchallenged`¹ | – | – | – | final | final | – | – |
//! | `Unchallenged` | `Unchallenged`¹ | `Down` | `Challenged`² | `Failed` | `Expecting`³ wait | final | – | – |
//! | `Expecting` | `Unchallenged`¹ | `Down` | begin | `Failed` denied | wait | wait | – | – |
//! | `Challenged` | `Unchallenged`¹ | `Down` | – | `Failed` | begin | begin | – | – |
//! | `Asking` | `Unchallenged`¹ | `Down` | – | `Failed` denied | wait | wait | – | – |
//! | `Paced` | `Unchallenged`¹ | `Down` | – | `Failed` denied | wait | wait | – | – |
//! | `Signing` | `Unchallenged`¹ | `Down` | `Signing*` | `Failed` denied | wait | wait | – | – |
//! | `Signing*` | `Unchallenged`¹ | `Down` | – | `Failed` denied | wait | wait | – | – |
//! | `Ready` | `Unchallenged`¹ | `Down` | `Signing` sign | `Failed` denied | wait | wait | – | – |
//! | `Sent` | `Unchallenged`¹ | `Down` | `Sent*` | – | wait | wait | `Authenticated` granted | `Failed` denied |
//! | `Sent*` | `Unchallenged`¹ | `Down` | – | `Sent` | wait | wait | `Authenticated*` granted | `Signing` sign⁴ |
//! | `Assumed` | `Unchallenged`¹ | `Down` | `Assumed*` | – | final⁵ | final⁵ | `Authenticated` granted⁸ | `Failed` denied |
//! | `Assumed*` | `Unchallenged`¹ | `Down` | – | `Assumed` | begin⁵ | final⁵ | `Authenticated*` granted⁸ | `Challenged` denied |
//! | `Authenticated` | `Unchallenged`¹ | `Down` | `Authenticated*` | – | final⁵ | final⁵ | – | – |
//! | `Authenticated*` | `Unchallenged`¹ | `Down` | – | `Authenticated` | begin⁵ | final⁵ | – | – |
//! | `Failed` | `Unchallenged`¹ | `Down` | `Challenged`⁶ | – | final | final | – | – |
//!
//! What we do:
//!
//! | state \ input | private | allow | deny | signed | not signed | sent | timeout | taken back |
//! |---|---|---|---|---|---|---|---|---|
//! | `Down` | – | –⁷ | – | – | – | – | – | – |
//! | `Unchallenged` | – | `Expecting` | – | – | – | – | – | – |
//! | `Expecting` | – | – | `Failed` denied | – | – | – | `Unchallenged` denied | `Unchallenged` denied |
//! | `Challenged` | begin | `Signing` sign | `Failed` denied | – | – | – | – | – |
//! | `Asking` | – | `Signing` sign | `Failed` denied | – | – | – | – | `Failed` denied |
//! | `Paced` | – | – | `Failed` denied | – | – | – | `Signing` sign | `Failed` denied |
//! | `Signing` | – | – | `Failed` denied | `Ready` ready | `Failed` denied | – | `Failed` denied | `Failed` denied |
//! | `Signing*` | – | – | `Failed` denied | `Signing` sign | `Failed` denied | – | `Failed` denied | `Failed` denied |
//! | `Ready` | – | – | `Failed` denied | – | – | `Sent` | – | `Failed` denied |
//! | `Sent` | – | – | – | – | – | – | `Assumed` granted | – |
//! | `Sent*` | – | – | – | – | – | – | `Assumed*` granted | – |
//! | `Assumed` | – | – | – | – | – | – | – | – |
//! | `Assumed*` | – | – | – | – | – | – | – | – |
//! | `Authenticated` | – | – | – | – | – | – | – | – |
//! | `Authenticated*` | – | – | – | – | – | – | – | – |
//! | `Failed` | – | `Signing` sign | – | – | – | – | – | – |
//!
//! `*`: the relay's latest challenge is newer than the one that was answered, or given to the signer. *begin*: by the
//! policy – `Never`: nothing, and a refusal is final; `Ask`: `Asking`, wait; `Always`: `Signing` sign, wait.
//! *sign* is `Paced` where too many challenges were answered lately, and `Failed` denied without a key. `Failed` is told,
//! and then it is `Authenticated` again where the relay knows another key of ours.
//!
//! ¹ `Expecting`, and requests are held, if the relay demanded it before or the application asked for it. ² *begin* if
//! something needs it. ³ Final by the policy `Never`. ⁴ By the policy as it is now: `Ask`:
//! `Asking`; `Never`, or as often as `MAX_REFUSALS` in a row: `Failed` denied.
//! ⁵ *again*, if it was sent before the relay knew us. ⁶ *begin* if something was refused, and not more than that
//! often; `Failed` if the application said no. ⁷ It counts for the next connection.
//! ⁸ What was asked meanwhile may have been refused, or hidden from a stranger.
//!
//! An authentication is *needed* where the relay refused something with `auth-required`; or with `restricted`, while it
//! does not know us and a challenge is in hand; where direct messages or gift wraps are asked for, because relays answer
//! those to strangers as if there were none; where the relay demanded it on an earlier connection. A relay that never
//! does and hides other things needs [`RelayOptions::auth_at_once`](crate::RelayOptions::auth_at_once).
//!
//! Never signs but for the relay's own canonical URL and its latest challenge, never asks for two signatures at once,
//! never answers the same challenge again by itself, never shows a relay two keys on one connection unless that is
//! allowed, never holds requests for longer than `auth_wait` after the connection opened, or those for private kinds for
//! longer than `auth_wait` for the signature and `auth_ok_deadline` for the OK, never reads a clock.

mod attempt;
mod ours;
mod pace;
mod private;
mod public;
mod relay;
mod state;
mod step;
#[cfg(test)]
mod tests;

use alloc::string::String;
use alloc::vec::Vec;

use nostr_proto::{EventId, PublicKey, RelayUrl};

use crate::effects::Effects;
use crate::event::RelayUpdate;
use crate::time::Instant;

use pace::Pace;
pub(crate) use private::{asks_for_private, could_match_private};
pub use public::{AuthFailure, AuthPolicy, AuthState};
use state::{Hand, State};
pub(crate) use step::{Change, Context, Epoch, Lack, NotAllowed, Refusal};

/// Keys by which one connection may be known, where linking them is allowed at all.
pub(crate) const MAX_IDENTITIES: usize = 8;

/// Answers that a relay may refuse in a row on one connection before its next challenge is not answered by itself.
const MAX_REFUSALS: u32 = 3;

/// See the module's tables.
#[derive(Debug)]
pub(crate) struct Auth {
    url: RelayUrl,
    state: State,
    memory: Memory,
    pace: Pace,
    epoch: Epoch,
    /// The application asked for an authentication as this key, on this connection or the next one if there is none.
    allowed: Option<PublicKey>,
    session: Session,
    silent: bool,
}

/// What is remembered of a relay from one connection to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Memory {
    /// It never demanded an authentication.
    Stranger,
    /// It did: the next time, it is answered before requests are sent.
    Demands,
    /// It does, but sends its challenge only after it has refused something: there is nothing to wait for.
    DemandsLate,
}

/// What holds on one connection beside the state.
#[derive(Debug, Default)]
struct Session {
    /// Until when requests are held, all of them.
    hold: Option<Instant>,
    /// Until when those for private kinds are, because an authentication is on its way.
    hold_private: Option<Instant>,
    /// Something needed an authentication, and there was none since.
    wanted: bool,
    /// The keys that the relay knows us by.
    known: Vec<PublicKey>,
    /// The keys that it has seen.
    shown: Vec<PublicKey>,
    /// Answers refused in a row.
    refusals: u32,
}

/// The next state, and what it means.
type Turn = (State, Change);

impl Auth {
    pub(crate) fn new(url: RelayUrl) -> Self {
        Self {
            url,
            state: State::Down,
            memory: Memory::Stranger,
            pace: Pace::default(),
            epoch: Epoch::default(),
            allowed: None,
            session: Session::default(),
            silent: false,
        }
    }

    /// The state as the application sees it.
    pub(crate) fn state(&self) -> AuthState {
        match &self.state {
            State::Down | State::Unchallenged => AuthState::Unchallenged,
            State::Expecting { .. } => AuthState::Expected,
            State::Challenged { .. } => AuthState::Challenged,
            State::Asking { .. } => AuthState::Requested,
            State::Paced { at, .. } => AuthState::Paced { until: *at },
            State::Signing { order, .. } => AuthState::Signing { identity: order.identity },
            State::Ready { event, .. } => AuthState::Signing { identity: event.pubkey() },
            State::Sent { identity, .. } => AuthState::Sent { identity: *identity },
            State::Assumed { .. } => self.authenticated(false),
            State::Authenticated { .. } => self.authenticated(true),
            State::Failed { failure, .. } => AuthState::Failed(failure.clone()),
        }
    }

    /// Which knowledge of us a request that is sent now is sent under.
    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The keys that the relay knows us by.
    pub(crate) fn known_as(&self) -> &[PublicKey] {
        &self.session.known
    }

    /// Whether requests have to wait; those for private kinds also while an authentication is on its way.
    pub(crate) fn holds(&self, private: bool) -> bool {
        self.session.hold.is_some() || (private && self.session.hold_private.is_some())
    }

    /// Whether an AUTH waits to be sent.
    pub(crate) fn is_ready(&self) -> bool {
        matches!(self.state, State::Ready { .. })
    }

    /// Whether an AUTH was sent, and neither was answered nor is overdue.
    pub(crate) fn is_sent(&self) -> bool {
        matches!(self.state, State::Sent { .. })
    }

    /// The event that is being signed. An answer for any other is void.
    pub(crate) fn awaited(&self) -> Option<EventId> {
        match &self.state {
            State::Signing { order, .. } => Some(order.event),
            _ => None,
        }
    }

    /// From here on, no change is news: the relay was taken out of the pool.
    pub(crate) fn silence(&mut self) {
        self.silent = true;
    }

    /// Forgets what the relay demanded, as for another account.
    pub(crate) fn forget(&mut self) {
        self.memory = Memory::Stranger;
        self.allowed = None;
    }

    /// The connection is open.
    pub(crate) fn opened(&mut self, cx: &Context<'_>, fx: &mut Effects) {
        self.session = Session::default();
        self.epoch.0 += 1;
        let demanded = match self.memory {
            Memory::Stranger => self.allowed.is_some(),
            Memory::Demands => self.consent(cx) != AuthPolicy::Never && self.identity(cx).is_some(),
            Memory::DemandsLate => false,
        };
        let _ = self.turn(fx, |auth, _, _| {
            if !demanded {
                return (State::Unchallenged, Change::None);
            }
            let until = cx.now.mono + cx.config.auth_wait;
            auth.session.hold = Some(until);
            (State::Expecting { until }, Change::None)
        });
    }

    /// The connection is gone.
    pub(crate) fn lost(&mut self, fx: &mut Effects) {
        self.session = Session::default();
        if self.state != State::Down {
            self.allowed = None;
        }
        let _ = self.turn(fx, |_, _, _| (State::Down, Change::None));
    }

    /// Its timer fired; early firings change nothing.
    pub(crate) fn timeout(&mut self, cx: &Context<'_>, fx: &mut Effects) -> Change {
        let now = cx.now.mono;
        if self.session.hold.is_some_and(|at| at <= now) {
            self.session.hold = None;
            if matches!(self.state, State::Expecting { .. }) && self.memory == Memory::Demands {
                self.memory = Memory::DemandsLate;
            }
        }
        self.session.hold_private = self.session.hold_private.filter(|at| *at > now);
        if self.state.deadline().is_none_or(|at| at > now) {
            return Change::None;
        }
        self.turn(fx, |auth, state, fx| match state {
            State::Expecting { .. } => (State::Unchallenged, Change::Denied),
            State::Paced { challenge, .. } => auth.sign(challenge, cx, fx),
            State::Signing { challenge, .. } => {
                auth.fail(Hand::Used(challenge), AuthFailure::NotSigned(String::from("the signer did not answer")), fx)
            }
            State::Sent { hand, event, identity, .. } => auth.grant(State::Assumed { hand, event, identity }, identity),
            state => (state, Change::None),
        })
    }

    /// When [`Auth::timeout`] wants to be called.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        [self.state.deadline(), self.session.hold, self.session.hold_private].into_iter().flatten().min()
    }

    fn authenticated(&self, confirmed: bool) -> AuthState {
        AuthState::Authenticated { identities: self.session.known.clone(), confirmed }
    }

    /// One transition: what the application sees of it is told.
    fn turn(&mut self, fx: &mut Effects, step: impl FnOnce(&mut Self, State, &mut Effects) -> Turn) -> Change {
        let before = self.state();
        let state = self.state.take();
        let (state, change) = step(self, state, fx);
        self.state = state;
        let after = self.state();
        if after != before {
            self.tell(after, fx);
        }
        change
    }

    fn tell(&self, state: AuthState, fx: &mut Effects) {
        if !self.silent {
            fx.relay(&self.url, RelayUpdate::Auth(state));
        }
    }
}
