//! What a relay says by NOTICE where an answer is due.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use nostr_proto::Reason;

use crate::config::Config;
use crate::effects::Effects;
use crate::event::Item;
use crate::ids::{RelayIx, WireId};
use crate::time::{Instant, Now};

use super::Subscription;
use super::leg::State;

/// So many texts are told per request; of more, the last is what counts, and nothing is told.
const MOST_TOLD: u8 = 4;

/// What the relay said instead of an answer to the running request.
#[derive(Clone, Debug)]
pub(crate) struct Mumbled {
    wire: WireId,
    /// At most 1 KiB.
    text: String,
    told: u8,
    /// When it counts as a refusal, unless an answer comes.
    due: Instant,
}

impl Subscription {
    /// A text came while only this request of the relay's had had no answer at all. Should none come until the EOSE is
    /// overdue, that was it. Relays that are slow rather than unwilling get more time with each refusal.
    pub(crate) fn mumbled(
        &mut self,
        relay: RelayIx,
        wire: WireId,
        text: &str,
        config: &Config,
        now: Now,
        fx: &mut Effects,
    ) {
        let patience = self.patience;
        let Some(leg) = self.leg(relay).filter(|leg| matches!(leg.state, State::Requested(_))) else { return };
        if leg.wire() != Some(wire) {
            return;
        }
        let longer = 1_u32.checked_shl(leg.refusals).unwrap_or(u32::MAX);
        let wait = patience.saturating_mul(longer).min(config.eose_deadline_max.max(patience));
        let due = (leg.progress + wait).max(now.mono);
        let before = leg.mumbled.take();
        let (same, told) = before.map_or((false, 0), |before| (before.text == text, before.told));
        let tells = !same && told < MOST_TOLD;
        leg.mumbled = Some(Mumbled { wire, text: text.to_string(), told: told + u8::from(tells), due });
        if tells {
            self.tell_notice(relay, text, fx);
        }
    }

    /// The relay has an answer to this request: what it said before was none.
    pub(crate) fn answered(&mut self, relay: RelayIx, wire: WireId) {
        if let Some(leg) = self.leg(relay).filter(|leg| leg.wire() == Some(wire)) {
            leg.mumbled = None;
        }
    }

    pub(crate) fn tell_notice(&mut self, relay: RelayIx, text: &str, fx: &mut Effects) {
        if let Some((url, _)) = self.legs.get(&relay) {
            let item = Item::Notice { relay: url.clone(), message: text.to_string() };
            self.tell(item, fx);
        }
    }

    /// The requests that were answered by NOTICE alone, as it turns out now.
    pub(crate) fn refused_by_notice(&mut self, now: Now) -> Vec<(RelayIx, WireId, Reason)> {
        let mut refused = Vec::new();
        for (&relay, (_, leg)) in &mut self.legs {
            let wire = leg.wire();
            if let Some(said) = leg.mumbled.take_if(|said| said.due <= now.mono)
                && wire == Some(said.wire)
            {
                refused.push((relay, said.wire, Reason::parse(&said.text)));
            }
        }
        refused
    }
}

impl Mumbled {
    pub(super) fn due(&self) -> Instant {
        self.due
    }
}
