//! What relays answer to a leg's request, and what silence means.

use alloc::vec::Vec;

use nostr_proto::{EoseHints, Filter, Reason, Timestamp};

use crate::call::Mode;
use crate::config::Config;
use crate::effects::Effects;
use crate::event::{Gap, GapCause, Item, LegOutcome, Why};
use crate::ids::{RelayIx, WireId};
use crate::planted::planted;
use crate::time::{Instant, Now};

use super::leg::{self, Leg, Lost, Request, State};
use super::notice::Mumbled;
use super::{Next, Subscription, request};

impl Subscription {
    /// What to send to a waiting leg's relay, which has been done when this returns. `None`: the leg does not wait.
    pub(crate) fn ask(
        &mut self,
        relay: RelayIx,
        wire: WireId,
        config: &Config,
        now: Now,
        fx: &mut Effects,
    ) -> Option<Vec<Filter>> {
        let leg = self.leg(relay)?;
        if !matches!(leg.state, State::Waiting(_)) || leg.retry_at.is_some() || leg.lack.is_some() {
            return None;
        }
        // A wall clock that was ahead and has been set right must not make us ask from the future on.
        let alive_until = leg.alive_until.map(|at| at.min(now.unix));
        let whole = core::mem::take(&mut leg.whole);
        leg.progress = leg.progress.max(now.mono);
        leg.mumbled = None;
        leg.state = State::Requested(Request {
            wire,
            sent: now.unix,
            catch_up: alive_until.is_some(),
            undecided: 0,
            received: 0,
            eose: None,
            closed: None,
        });
        self.tell_leg(relay, fx);
        Some(match alive_until {
            Some(at) if !whole => request::catch_up(&self.filters, at, config).0,
            _ => self.filters.to_vec(),
        })
    }

    /// Why a leg that waits still does.
    pub(crate) fn waits_for(&mut self, relay: RelayIx, why: Why, fx: &mut Effects) {
        if let Some(leg) = self.leg(relay)
            && matches!(&leg.state, State::Waiting(w) if *w != why)
        {
            leg.state = State::Waiting(why);
            self.tell_leg(relay, fx);
        }
    }

    /// EOSE takes effect.
    pub(crate) fn eose(&mut self, relay: RelayIx, hints: EoseHints, fx: &mut Effects) -> Next {
        let ends = self.mode == Mode::UntilEose;
        if planted!(self, EoseGlobal) {
            let open = self.legs.values_mut().map(|(_, leg)| &mut leg.settled);
            open.for_each(|settled| {
                let _ = settled.get_or_insert(LegOutcome::Eose { complete: None });
            });
        }
        let Some((url, leg)) = self.legs.get_mut(&relay) else { return Next::Nothing };
        let State::Requested(request) = &leg.state else { return Next::Nothing };
        let &Request { wire, sent, catch_up, received, undecided, .. } = request;
        let since = leg.alive_until;
        leg.alive_until = leg.alive_until.max(Some(sent));
        leg.refusals = 0;
        let complete = complete(hints);
        leg.settled.get_or_insert(LegOutcome::Eose { complete });
        leg.state = if ends { State::Done } else { State::Live { wire, undecided, closing: None } };
        let url = url.clone();
        self.tell_leg(relay, fx);
        if catch_up {
            let cause = GapCause::CaughtUp { events: received };
            self.tell(Item::Gap(Gap { relay: Some(url), since, until: None, cause }), fx);
        }
        self.settle(fx);
        if ends { Next::Close(wire) } else { Next::Nothing }
    }

    /// CLOSED takes effect: `rate-limited`, `error`, an unknown prefix or none → ask again after a pause, unless that was
    /// tried `max_refusals` times without an EOSE between; any other prefix → closed for good.
    pub(crate) fn refused(&mut self, relay: RelayIx, reason: Reason, config: &Config, now: Now, fx: &mut Effects) {
        let Some(leg) = self.leg(relay) else { return };
        if leg.wire().is_none() {
            return;
        }
        let was_live = matches!(leg.state, State::Live { .. });
        leg.refusals += 1;
        if leg::is_final(&reason) || leg.refusals >= config.max_refusals {
            self.close_for_good(relay, reason, fx);
            return;
        }
        let doubled = config.retry_base.saturating_mul(1_u32.checked_shl(leg.refusals - 1).unwrap_or(u32::MAX));
        leg.retry_at = Some(now.mono + doubled.min(config.backoff_max));
        leg.state = State::Waiting(Why::Pause);
        let since = leg.alive_until;
        self.tell_leg(relay, fx);
        if was_live {
            self.tell_lost(relay, since, fx);
        }
    }

    /// The relay's connection is gone. `promising`: another is on its way already.
    pub(crate) fn disconnected(
        &mut self,
        relay: RelayIx,
        proven: Option<Timestamp>,
        promising: bool,
        fx: &mut Effects,
    ) {
        let Some(leg) = self.leg(relay) else { return };
        let before = leg.public_state();
        let lost = leg.lose(proven);
        let since = leg.alive_until;
        if !promising && leg.needs_connection() && leg.draining.is_none() {
            let outcome = if lost == Lost::Idle { LegOutcome::NotConnected } else { LegOutcome::Disconnected };
            leg.settled.get_or_insert(outcome);
        }
        if leg.public_state() != before {
            self.tell_leg(relay, fx);
        }
        if lost == Lost::Live {
            self.tell_lost(relay, since, fx);
        }
        self.settle(fx);
    }

    /// The events of a request whose connection was lost are decided. If its EOSE had come, it counts.
    pub(crate) fn drained(&mut self, relay: RelayIx, fx: &mut Effects) {
        let Some((_, leg)) = self.legs.get_mut(&relay) else { return };
        let Some(request) = leg.draining.take() else { return };
        if let Some(hints) = request.eose {
            leg.settled.get_or_insert(LegOutcome::Eose { complete: complete(hints) });
            // In effect it was live when it was lost, and is asked for what it missed; unless it was asked for everything
            // anew meanwhile.
            if matches!(leg.state, State::Waiting(_)) && self.mode == Mode::Live {
                leg.alive_until = leg.alive_until.max(Some(request.sent));
                let since = leg.alive_until;
                self.tell_lost(relay, since, fx);
            }
        } else if matches!(leg.state, State::Waiting(Why::Connection)) {
            leg.settled.get_or_insert(LegOutcome::Disconnected);
        }
        self.settle(fx);
    }

    /// There is a new connection to this relay.
    pub(crate) fn reconnected(&mut self, relay: RelayIx, fx: &mut Effects) {
        let Some(leg) = self.leg(relay) else { return };
        let before = leg.public_state();
        leg.reopen();
        if leg.public_state() != before {
            self.tell_leg(relay, fx);
        }
    }

    /// There will be no connection to this relay for a while.
    pub(crate) fn unavailable(&mut self, relay: RelayIx, fx: &mut Effects) {
        if let Some(leg) = self.leg(relay)
            && matches!(leg.state, State::Waiting(_))
            && leg.draining.is_none()
        {
            leg.settled.get_or_insert(LegOutcome::NotConnected);
            self.settle(fx);
        }
    }

    /// Settles the legs whose EOSE is overdue. Returns the relays to ask again after a refusal.
    pub(crate) fn timeout(&mut self, config: &Config, now: Now, fx: &mut Effects) -> Vec<RelayIx> {
        let (started, patience) = (self.started, self.patience);
        let ends = planted!(self, TimedOutLegEnded);
        let mut again = Vec::new();
        for (&relay, (_, leg)) in &mut self.legs {
            if leg.retry_at.is_some_and(|at| at <= now.mono) {
                leg.retry_at = None;
                again.push(relay);
            }
            if leg.settled.is_none() && leg.overdue(started, patience, config.eose_deadline_max) <= now.mono {
                leg.settled = Some(match leg.state {
                    State::Waiting(Why::Connection) => LegOutcome::NotConnected,
                    _ => LegOutcome::TimedOut,
                });
                if ends && leg.settled == Some(LegOutcome::TimedOut) {
                    leg.state = State::Done;
                }
            }
        }
        self.settle(fx);
        again
    }

    /// When [`Subscription::timeout`] wants to be called. Only moves later as events come.
    pub(crate) fn deadline(&self, config: &Config) -> Option<Instant> {
        let overdue = |leg: &Leg| {
            leg.settled.is_none().then(|| leg.overdue(self.started, self.patience, config.eose_deadline_max))
        };
        let mumbled = |leg: &Leg| leg.mumbled.as_ref().map(Mumbled::due);
        self.legs.values().flat_map(|(_, leg)| [overdue(leg), leg.retry_at, mumbled(leg)]).flatten().min()
    }
}

fn complete(hints: EoseHints) -> Option<bool> {
    match (hints.finish, hints.more) {
        (true, false) => Some(true),
        (false, true) => Some(false),
        _ => None,
    }
}
