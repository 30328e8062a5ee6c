//! What authentication (NIP-42) means for a leg: refused for lack of it, it waits; once the relay knows us, it is asked
//! again, and so is what the relay may have hidden.

use alloc::vec::Vec;

use nostr_proto::{Prefix, PublicKey, Reason, Timestamp};

use crate::auth::{Epoch, could_match_private};
use crate::config::Config;
use crate::effects::Effects;
use crate::event::{LegOutcome, Why};
use crate::ids::{RelayIx, WireId};
use crate::planted::planted;
use crate::resume::Ground;
use crate::time::Now;

use super::Subscription;
use super::leg::{Leg, State};

/// What a leg had when the relay last knew us by keys that it does not know us by now. What it shows a stranger says
/// nothing of what it hides from one, so none of that is taken for proven until it knows us by them again.
#[derive(Clone, Debug)]
pub(crate) struct Better {
    pub(super) keys: Vec<PublicKey>,
    pub(super) alive_until: Timestamp,
    pub(super) grounds: Vec<Ground>,
}

impl Leg {
    /// It is about to be asked for what may be hidden, and the relay knows us by these keys.
    fn note_hidden(&mut self, known_as: &[PublicKey]) {
        let known = |key: &PublicKey| known_as.contains(key);
        if let Some(better) = self.better.take_if(|better| better.keys.iter().all(known)) {
            self.alive_until = self.alive_until.map(|at| at.min(better.alive_until));
            self.resume.owe_with(&better.grounds);
        }
        if let Some(alive_until) =
            self.alive_until.filter(|_| self.better.is_none() && !self.known_as.iter().all(known))
        {
            self.better = Some(Better { keys: self.known_as.clone(), alive_until, grounds: self.resume.grounds() });
        }
    }
}

impl Leg {
    /// See [`Subscription::ask_under`].
    pub(super) fn ask_under(&mut self, epoch: Epoch, known_as: &[PublicKey], may_hide: bool) {
        self.under = epoch;
        // What an earlier subscription had says nothing of what there is for other keys; what it owed is owed all the same.
        self.whole |= core::mem::take(&mut self.restored) && !same_keys(&self.known_as, known_as);
        if may_hide {
            self.note_hidden(known_as);
        }
        self.whole |= may_hide && known_as.iter().any(|key| !self.known_as.contains(key));
        self.known_as = known_as.to_vec();
    }
}

impl Subscription {
    /// CLOSED took effect, and an authentication is under way: the leg waits for it, unless it was refused
    /// `max_refusals` times without an EOSE between.
    pub(crate) fn lacks_auth(&mut self, relay: RelayIx, reason: Reason, config: &Config, fx: &mut Effects) {
        let Some(leg) = self.leg(relay) else { return };
        if leg.wire().is_none() {
            return;
        }
        let (was_live, since) = (leg.is_live(), leg.alive_until);
        leg.refusals += 1;
        if leg.refusals >= config.max_refusals {
            self.close_for_good(relay, reason, fx);
            return;
        }
        leg.state = State::Waiting(Why::Auth);
        leg.lack = Some(reason);
        self.tell_leg(relay, fx);
        if was_live {
            self.tell_lost(relay, since, fx);
        }
    }

    /// It is about to be asked, and the relay knows us as of `epoch`, by these keys. What it showed a stranger says nothing
    /// of what it has for one of them. `hides`: whatever is asked for.
    pub(crate) fn ask_under(&mut self, relay: RelayIx, epoch: Epoch, known_as: &[PublicKey], hides: bool) {
        let may_hide = hides || could_match_private(&self.filters);
        let waits = |leg: &&mut Leg| matches!(leg.state, State::Waiting(_)) && leg.lack.is_none();
        let Some(leg) = self.leg(relay).filter(waits) else { return };
        leg.ask_under(epoch, known_as, may_hide);
    }

    /// The relay knows us by these keys alone: one that was taken as known since `epoch` is not.
    pub(crate) fn asked_as(&mut self, relay: RelayIx, epoch: Epoch, known_as: &[PublicKey]) {
        if let Some(leg) = self.leg(relay).filter(|leg| leg.under >= epoch) {
            leg.known_as.retain(|key| known_as.contains(key));
        }
    }

    /// There is a new connection, on which an authentication may come about: what was refused for lack of it is asked
    /// again.
    pub(crate) fn reopen_unknown(&mut self, relay: RelayIx, fx: &mut Effects) {
        let Some(leg) = self.leg(relay) else { return };
        if matches!(&leg.state, State::Closed(reason) if reason.prefix == Some(Prefix::AuthRequired)) {
            leg.refusals = 0;
            leg.state = State::Waiting(Why::Connection);
            self.tell_leg(relay, fx);
        }
    }

    /// It is to be asked later than it was, if it has not come to its EOSE: the running request is to be closed.
    pub(crate) fn recall(&mut self, relay: RelayIx, fx: &mut Effects) -> Option<WireId> {
        let leg = self.leg(relay).filter(|leg| matches!(leg.state, State::Requested(_)))?;
        let wire = leg.wire();
        leg.state = State::Waiting(Why::Auth);
        self.tell_leg(relay, fx);
        wire
    }

    /// The relay knows us, as of `epoch`. Tells whether it is to be asked again; if so, with the request that runs, which
    /// is to be closed. `hides`: it may have hidden anything from a stranger, not private kinds alone.
    pub(crate) fn authenticated(
        &mut self,
        relay: RelayIx,
        epoch: Epoch,
        hides: bool,
        now: Now,
        fx: &mut Effects,
    ) -> Option<Option<WireId>> {
        let (hidden, told) = (hides || could_match_private(&self.filters), self.eose_told);
        let leg = self.leg(relay)?;
        if leg.under >= epoch {
            return None;
        }
        let refused = match &leg.state {
            State::Waiting(_) => leg.lack.take().is_some(),
            State::Closed(reason) => matches!(reason.prefix, Some(Prefix::AuthRequired | Prefix::Restricted)),
            State::Requested(_) | State::Live { .. } | State::Done => false,
        };
        let running = leg.wire();
        let may_hide = hidden && running.is_some();
        if !refused && !may_hide {
            return None;
        }
        if running.is_some() {
            leg.whole = true;
            leg.draining = None;
            if !told {
                leg.settled = None;
            }
        }
        leg.progress = leg.progress.max(now.mono);
        leg.state = State::Waiting(Why::Auth);
        self.tell_leg(relay, fx);
        Some(running)
    }

    /// There will be no authentication: what the relay refused stays refused.
    pub(crate) fn not_authenticated(&mut self, relay: RelayIx, fx: &mut Effects) {
        if let Some(reason) = self.leg(relay).and_then(|leg| leg.lack.take()) {
            self.close_for_good(relay, reason, fx);
        }
    }

    pub(super) fn close_for_good(&mut self, relay: RelayIx, reason: Reason, fx: &mut Effects) {
        let is_eose = planted!(self, ClosedIsEose);
        let Some(leg) = self.leg(relay) else { return };
        let outcome = match is_eose {
            true => LegOutcome::Eose { complete: None },
            false => LegOutcome::Closed(reason.clone()),
        };
        leg.settled.get_or_insert(outcome);
        leg.state = State::Closed(reason);
        self.tell_leg(relay, fx);
        self.closed_owing(relay, fx);
        self.settle(fx);
    }
}

fn same_keys(a: &[PublicKey], b: &[PublicKey]) -> bool {
    a.iter().all(|key| b.contains(key)) && b.iter().all(|key| a.contains(key))
}
