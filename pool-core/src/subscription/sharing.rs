//! What the planner wants to know of a leg that is to be asked.

use alloc::vec::Vec;

use nostr_proto::{Filter, PublicKey, Reason};

use crate::auth::{Epoch, could_match_private};
use crate::call::History;
use crate::config::Config;
use crate::effects::Effects;
use crate::event::{Gap, GapCause, Item};
use crate::ids::RelayIx;
use crate::time::Now;

use super::leg::{Leg, State};
use super::{Subscription, request};

impl Leg {
    /// Whether it can be asked as it stands.
    pub(super) fn is_askable(&self) -> bool {
        matches!(self.state, State::Waiting(_)) && self.retry_at.is_none() && self.lack.is_none()
    }

    /// What it is asked for now, and what it missed, if it was live before.
    pub(super) fn sends(&self, filters: &[Filter], config: &Config, now: Now) -> (Vec<Filter>, Option<Vec<Filter>>) {
        // A wall clock that was ahead and has been set right must not make us ask from the future on.
        let alive_until = self.alive_until.map(|at| at.min(now.unix));
        let missed = alive_until.map(|at| request::catch_up(filters, at, config, now.unix));
        let sent = match &missed {
            Some(missed) if !self.whole => missed.clone(),
            _ => filters.to_vec(),
        };
        (sent, missed)
    }
}

impl Subscription {
    /// What [`Subscription::ask`] would have it send, after [`Subscription::ask_under`].
    pub(crate) fn would_ask(
        &self,
        relay: RelayIx,
        (epoch, known_as, hides): (Epoch, &[PublicKey], bool),
        config: &Config,
        now: Now,
    ) -> Option<Vec<Filter>> {
        let (_, leg) = self.legs.get(&relay).filter(|(_, leg)| leg.is_askable())?;
        let mut leg = leg.clone();
        leg.ask_under(epoch, known_as, hides || could_match_private(&self.filters));
        Some(leg.sends(&self.filters, config, now).0)
    }

    /// Whether an answer to its running request that is cut short for the sake of others is of no use: nothing is asked for in
    /// pages to make up for it.
    pub(crate) fn wants_whole(&self, relay: RelayIx) -> bool {
        self.history == History::FirstLoad && self.legs.get(&relay).is_some_and(|(_, leg)| !leg.dated)
    }

    /// So many messages may come for its running request before its EOSE; `None`: any number.
    pub(crate) fn allowed(&self, relay: RelayIx) -> Option<u64> {
        let (_, leg) = self.legs.get(&relay)?;
        match &leg.state {
            State::Requested(request) => request.allowance.map(|most| most.frames),
            _ => None,
        }
    }

    /// What the relay owes can't be asked for while this lives on the one request that it takes.
    pub(crate) fn has_no_room_for_pages(&mut self, relay: RelayIx, fx: &mut Effects) {
        self.give_up(relay, fx);
    }

    /// It asks for more than the relay takes, as far as is known.
    pub(crate) fn is_too_much(&mut self, relay: RelayIx, message: &str, fx: &mut Effects) {
        let Some((url, leg)) = self.legs.get_mut(&relay) else { return };
        leg.too_much = true;
        let gap = Gap { relay: Some(url.clone()), since: leg.alive_until, until: None, cause: GapCause::TooLarge };
        self.tell(Item::Gap(gap), fx);
        // Not for good: the next connection is asked again, and this one once the relay's document says that it takes more.
        let reason = Reason { prefix: Some(nostr_proto::Prefix::Error), message: message.into() };
        self.close_for_good(relay, reason, fx);
    }

    /// The relay may take more than it was thought to. Whether this is to be asked again.
    pub(crate) fn may_be_less_than_too_much(&mut self, relay: RelayIx, fx: &mut Effects) -> bool {
        let Some(leg) = self.leg(relay).filter(|leg| leg.too_much) else { return false };
        leg.reopen();
        let waits = matches!(leg.state, State::Waiting(_));
        if waits {
            self.tell_leg(relay, fx);
        }
        waits
    }
}
