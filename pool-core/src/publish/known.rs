//! What authentication (NIP-42) means for a publish: refused for lack of it, it waits, and is sent again once the relay
//! knows us.

use nostr_proto::Reason;

use crate::auth::Epoch;
use crate::config::Config;
use crate::effects::Effects;
use crate::ids::RelayIx;

use super::{Publication, State};

impl Publication {
    /// It was sent when the relay knew us as of `epoch`.
    pub(crate) fn sent_under(&mut self, relay: RelayIx, epoch: Epoch) {
        if let Some(part) = self.parts.get_mut(&relay) {
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

    /// The relay refused it, and an authentication is under way: it waits for that, unless it was sent as often as it may
    /// be.
    pub(crate) fn lacks_auth(&mut self, relay: RelayIx, reason: &Reason, config: &Config, fx: &mut Effects) {
        let Some(part) = self.parts.get_mut(&relay) else { return };
        if matches!(part.state, State::InFlight { .. }) {
            let again = part.sends < config.max_sends;
            part.state = if again { State::Lacking(reason.clone()) } else { State::Rejected(reason.clone()) };
            self.tell(relay, fx);
            self.judge(fx);
        }
    }

    /// The relay knows us: what it refused for lack of that is sent again.
    pub(crate) fn authenticated(&mut self, relay: RelayIx, fx: &mut Effects) {
        let Some(part) = self.parts.get_mut(&relay) else { return };
        if let State::Lacking(_) = part.state {
            part.state = State::Queued;
            self.tell(relay, fx);
        }
    }

    /// There will be no authentication: what the relay refused stays refused.
    pub(crate) fn not_authenticated(&mut self, relay: RelayIx, fx: &mut Effects) {
        let Some(part) = self.parts.get_mut(&relay) else { return };
        if let State::Lacking(reason) = &part.state {
            part.state = State::Rejected(reason.clone());
            self.tell(relay, fx);
            self.judge(fx);
        }
    }
}
