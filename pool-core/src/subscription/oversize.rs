//! A relay whose answer has a message beyond the size limit is cut off by our own side, and would be for ever: the
//! request that asks for it is found, and ended.

use alloc::string::String;

use nostr_proto::{Prefix, Reason};

use crate::effects::Effects;
use crate::event::{Gap, GapCause, Item};
use crate::ids::{RelayIx, WireId};

use super::Subscription;
use super::leg::{Leg, State};

/// What is held against a leg.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Suspicion {
    /// Nothing.
    #[default]
    None,
    /// Its request had no EOSE when the socket was closed for size.
    Suspect,
    /// The same, and now it is asked with no other request before its EOSE beside it.
    Alone,
}

impl Leg {
    fn awaits_eose(&self) -> bool {
        matches!(&self.state, State::Requested(request) if request.eose.is_none())
    }

    /// Whether it runs alone and has no EOSE.
    pub(crate) fn is_on_trial(&self) -> bool {
        self.suspicion == Suspicion::Alone && self.awaits_eose()
    }
}

impl Subscription {
    /// The socket is to be closed for size. `Some`: that is the second time for this leg, it was alone, and it has ended,
    /// with the request that ran. Otherwise it is a suspect if it awaits its EOSE.
    pub(crate) fn too_large(&mut self, relay: RelayIx, fx: &mut Effects) -> Option<WireId> {
        let (url, leg) = self.legs.get_mut(&relay).filter(|(_, leg)| leg.awaits_eose())?;
        if leg.suspicion != Suspicion::Alone {
            leg.suspicion = Suspicion::Suspect;
            return None;
        }
        leg.suspicion = Suspicion::None;
        let wire = leg.wire();
        let gap = Gap { relay: Some(url.clone()), since: leg.alive_until, until: None, cause: GapCause::TooLarge };
        let message = String::from("its answer has a message beyond the size limit");
        self.tell(Item::Gap(gap), fx);
        self.close_for_good(relay, Reason { prefix: Some(Prefix::Unsupported), message }, fx);
        wire
    }
}
