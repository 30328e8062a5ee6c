//! What authentication (NIP-42) means for a publish: refused for lack of it, it waits, and is sent again once the relay
//! knows us.

use nostr_proto::Reason;

use crate::auth::Epoch;
use crate::config::Config;
use crate::effects::Effects;
use crate::event::Rejection;
use crate::ids::RelayIx;
use crate::planted::planted;
use crate::time::Now;

use super::Publication;
use super::part::{Part, State};

impl Publication {
    /// It is about to be sent, and the relay knows us as of `epoch`.
    pub(crate) fn send_under(&mut self, relay: RelayIx, epoch: Epoch) {
        if let Some(part) = self.parts.get_mut(&relay).filter(|part| part.state == State::Queued) {
            part.under = epoch;
        }
    }

    /// Whether an OK from this relay is due.
    pub(crate) fn is_in_flight(&self, relay: RelayIx) -> bool {
        self.in_flight_under(relay).is_some()
    }

    /// Which knowledge of us it was sent under, if an OK is due.
    pub(crate) fn in_flight_under(&self, relay: RelayIx) -> Option<Epoch> {
        let part = self.parts.get(&relay)?;
        matches!(part.state, State::InFlight { .. }).then_some(part.under)
    }

    /// Which knowledge of us it was last sent under, as long as its relay has not settled it: a refusal for lack of an
    /// authentication may be late, and answer an earlier try.
    pub(crate) fn unsettled_under(&self, relay: RelayIx) -> Option<Epoch> {
        let part = self.parts.get(&relay)?;
        (part.sends > 0 && !part.is_final()).then_some(part.under)
    }

    /// The relay refused it, and an authentication is under way: it waits for that, unless it was sent as often as it may
    /// be.
    pub(crate) fn lacks_auth(&mut self, relay: RelayIx, reason: &Reason, config: &Config, now: Now, fx: &mut Effects) {
        if self.parts.get_mut(&relay).is_some_and(|part| part.lacks_auth(reason, config)) {
            self.settle(relay, now, fx);
        }
    }

    /// The relay knows us: what it refused for lack of that is sent again.
    pub(crate) fn authenticated(&mut self, relay: RelayIx, fx: &mut Effects) {
        let Some(part) = self.parts.get_mut(&relay) else { return };
        let repeats = planted!(self, AcceptedSentAgainAfterAuth) && part.has_accepted();
        if matches!(part.state, State::Lacking(_)) || repeats {
            part.state = State::Queued;
            self.tell(relay, fx);
        }
    }

    /// There will be no authentication: what the relay refused stays refused.
    pub(crate) fn not_authenticated(&mut self, relay: RelayIx, now: Now, fx: &mut Effects) {
        let Some(part) = self.parts.get_mut(&relay) else { return };
        if let State::Lacking(reason) = &part.state {
            part.state = State::Rejected(Rejection::Refused(reason.clone()));
            self.settle(relay, now, fx);
        }
    }
}

impl Part {
    /// False: that changes nothing.
    fn lacks_auth(&mut self, reason: &Reason, config: &Config) -> bool {
        if self.sends == 0 || self.is_final() || matches!(self.state, State::Lacking(_)) {
            return false;
        }
        // It lives to tell.
        self.doubted = false;
        let again = self.sends < config.max_sends;
        let rejected = || State::Rejected(Rejection::Refused(reason.clone()));
        self.state = if again { State::Lacking(reason.clone()) } else { rejected() };
        true
    }
}
