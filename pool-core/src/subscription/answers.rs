//! What relays answer to a leg's request, and what silence means.

use alloc::vec::Vec;
use core::time::Duration;

use nostr_proto::{EoseHints, Filter, Reason, Timestamp};

use crate::call::{History, Mode};
use crate::config::Config;
use crate::effects::Effects;
use crate::event::{LegOutcome, Why};
use crate::ids::{RelayIx, WireId};
use crate::planted::planted;
use crate::time::{Instant, Now};

use super::leg::{self, Eose, Leg, Lost, Request, State};
use super::notice::Mumbled;
use super::paging::Ground;
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
        let allowance = request::allowance(&self.filters, now.unix, config);
        let filters = self.filters.clone();
        let leg = self.leg(relay).filter(|leg| leg.is_askable())?;
        let (sent, missed) = leg.sends(&filters, config, now);
        let (alive_until, whole) = (leg.alive_until, leg.whole);
        if whole {
            leg.resume.forget_floors();
        }
        leg.progress = leg.progress.max(now.mono);
        let first_load = alive_until.is_none() || whole;
        leg.dated = !first_load;
        leg.mumbled = None;
        leg.state = State::Requested(Request {
            wire,
            sent: now.unix,
            undecided: 0,
            received: 0,
            allowance: allowance.filter(|_| first_load),
            eose: None,
            closed: None,
        });
        leg.resume.asked(&sent, missed.as_deref());
        self.tell_leg(relay, fx);
        Some(sent)
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
    pub(crate) fn eose(&mut self, relay: RelayIx, eose: Eose, ground: Ground<'_>, fx: &mut Effects) -> Next {
        let (all, ends, filters) = (self.history == History::All, self.mode == Mode::UntilEose, self.filters.clone());
        if planted!(self, EoseGlobal) {
            let open = self.legs.values_mut().map(|(_, leg)| &mut leg.settled);
            open.for_each(|settled| {
                let _ = settled.get_or_insert(LegOutcome::Eose { complete: None });
            });
        }
        let Some((_, leg)) = self.legs.get_mut(&relay) else { return Next::Nothing };
        let State::Requested(request) = &leg.state else { return Next::Nothing };
        let &Request { wire, sent, received, undecided, .. } = request;
        leg.alive_until = leg.alive_until.max(Some(sent));
        leg.refusals = 0;
        leg.lately = ground.now.mono;
        leg.whole = false;
        leg.settled.get_or_insert(LegOutcome::Eose { complete: complete(eose.hints) });
        let answer = (eose.hints, eose.frames, received);
        let step = leg.resume.answered(answer, (all, sent), &ground.context(&filters, ends));
        let over = ends && !leg.resume.owes();
        leg.state = if over { State::Done } else { State::Live { wire, undecided, closing: None } };
        self.tell_leg(relay, fx);
        let _ = self.tell_step(relay, step, fx);
        self.settle(fx);
        if over { Next::Close(wire) } else { Next::Nothing }
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

    /// Its request begins too late, or makes room for others: it is to be asked again, as after a lost connection. Tells what
    /// runs, which is to be closed.
    pub(crate) fn ask_anew(
        &mut self,
        relay: RelayIx,
        proven: Option<Timestamp>,
        why: Why,
        fx: &mut Effects,
    ) -> Vec<WireId> {
        let Some(leg) = self.leg(relay).filter(|leg| leg.wire().is_some()) else { return Vec::new() };
        let running = leg.wires().collect();
        let lost = leg.lose(proven);
        leg.state = State::Waiting(why);
        let since = leg.alive_until;
        self.tell_leg(relay, fx);
        if lost == Lost::Live {
            self.tell_lost(relay, since, fx);
        }
        running
    }

    /// The events of a request whose connection was lost are decided. If its EOSE had come, it counts.
    pub(crate) fn drained(&mut self, relay: RelayIx, fx: &mut Effects) {
        let Some((_, leg)) = self.legs.get_mut(&relay) else { return };
        let Some(request) = leg.draining.take() else { return };
        if let Some(eose) = request.eose {
            leg.settled.get_or_insert(LegOutcome::Eose { complete: complete(eose.hints) });
            // In effect it was live when it was lost, and is asked for what it missed; unless it was asked for everything
            // anew meanwhile.
            if matches!(leg.state, State::Waiting(_)) {
                if self.history == History::All {
                    leg.resume.want_all(&self.filters);
                }
                if self.mode == Mode::UntilEose && !leg.resume.owes() {
                    leg.state = State::Done;
                    self.settle(fx);
                    return;
                }
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

    /// Settles the legs whose EOSE is overdue, and gives up pages that are.
    pub(crate) fn timeout(&mut self, config: &Config, now: Now, fx: &mut Effects) -> Overdue {
        let (started, patience, most) = (self.started, self.patience, config.eose_deadline_max);
        // Until the aggregate EOSE, it is not held up by what is owed.
        let ends = self.mode == Mode::UntilEose && self.eose_told;
        let ends_late = planted!(self, TimedOutLegEnded);
        let mut overdue = Overdue::default();
        let (mut late, mut stuck) = (Vec::new(), Vec::new());
        let page_patience = self.page_patience(config);
        for (&relay, (_, leg)) in &mut self.legs {
            if leg.retry_at.is_some_and(|at| at <= now.mono) {
                leg.retry_at = None;
                overdue.again.push(relay);
            }
            if leg.settled.is_none() && leg.overdue(started, patience, most) <= now.mono {
                leg.settled = Some(match leg.state {
                    State::Waiting(Why::Connection) => LegOutcome::NotConnected,
                    _ => LegOutcome::TimedOut,
                });
                if ends_late && leg.settled == Some(LegOutcome::TimedOut) {
                    leg.state = State::Done;
                }
            }
            if let Some((wire, runs)) = leg.resume.late(page_patience, most, now.mono) {
                late.push((relay, wire));
                overdue.close.extend(runs.then_some((relay, wire)));
            }
            if leg.resume.wake(now.mono) {
                overdue.pages.push(relay);
            }
            if ends && leg.gives_up_at(most, config.max_refusals).is_some_and(|at| at <= now.mono) {
                stuck.push(relay);
            }
        }
        for (relay, wire) in late {
            self.page_late(relay, wire, Ground { config, largest: 0, now }, fx);
            overdue.pages.push(relay);
        }
        for relay in stuck {
            self.give_up(relay, fx);
        }
        self.settle(fx);
        overdue
    }

    /// How long a page is waited for. Whoever wants an aggregate EOSE soon waits no less for what is made up for later: a relay
    /// that is always slower than that would never have caught up. A fetch ends by then.
    fn page_patience(&self, config: &Config) -> Duration {
        match self.mode {
            Mode::Live => self.patience.max(config.eose_deadline),
            Mode::UntilEose => self.patience,
        }
    }

    /// When [`Subscription::timeout`] wants to be called. Only moves later as events come.
    pub(crate) fn deadline(&mut self, config: &Config) -> Option<Instant> {
        let most = config.eose_deadline_max;
        let ends = self.mode == Mode::UntilEose && self.eose_told;
        let (started, patience) = (self.started, self.patience);
        let overdue = |leg: &Leg| leg.settled.is_none().then(|| leg.overdue(started, patience, most));
        let gives_up = |leg: &Leg| leg.gives_up_at(most, config.max_refusals).filter(|_| ends);
        let page_patience = self.page_patience(config);
        let mumbled = |leg: &Leg| leg.mumbled.as_ref().map(Mumbled::due);
        let due = |leg: &Leg| {
            let page = leg.resume.deadline(page_patience, most);
            [overdue(leg), leg.retry_at, page, gives_up(leg), mumbled(leg)].into_iter().flatten().min()
        };
        self.legs.first_due((started, patience, ends), due)
    }
}

/// What [`Subscription::timeout`] found.
#[derive(Debug, Default, PartialEq)]
#[must_use]
pub(crate) struct Overdue {
    /// To be asked again after a refusal.
    pub(crate) again: Vec<RelayIx>,
    /// A page ended, or a pause before one.
    pub(crate) pages: Vec<RelayIx>,
    /// Pages to close.
    pub(crate) close: Vec<(RelayIx, WireId)>,
}

fn complete(hints: EoseHints) -> Option<bool> {
    match (hints.finish, hints.more) {
        (true, false) => Some(true),
        (false, true) => Some(false),
        _ => None,
    }
}
