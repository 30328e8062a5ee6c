//! What waits at a relay, as it is to go out: whom each REQ is for, and whether that can be asked for at all.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::call::Group;
use crate::ids::{RelayIx, SubId};
use crate::plan::budget::Limits;
use crate::plan::pack::{Candidate, MOST_TOGETHER, Unit, Window, next_req, units};
use crate::plan::{Role, chunk};
use crate::time::Instant;

use super::Core;
use super::plan::MOMENT;
use super::relays::Relay;

/// What waits, as it is to go out: formed once for as long as nothing but REQs is sent.
#[derive(Debug, Default)]
pub(super) struct Formed {
    live: Units,
    passing: Units,
}

/// Units, and the subscriptions that their members are.
#[derive(Debug, Default)]
struct Units(VecDeque<Unit>, Vec<SubId>);

impl Formed {
    fn of(&mut self, role: Role) -> &mut Units {
        if role == Role::Live { &mut self.live } else { &mut self.passing }
    }
}

impl Core {
    /// What waits, as it is to go out; or when the first may.
    fn form(&mut self, ix: RelayIx, role: Role, limits: &Limits) -> Result<Units, Instant> {
        let Some(relay) = self.relays.get(&ix) else { return Ok(Units::default()) };
        let most = if relay.suspects.is_empty() { MOST_TOGETHER } else { 1 };
        let waiting = self.may_be_asked(ix, role, MOST_TOGETHER);
        let due = |sub: &SubId| self.relays.get(&ix).and_then(|relay| self.window(relay, *sub)).map(Window::due);
        // What none of them would be sent for alone, all of them are not.
        if let Some(soonest) = waiting.iter().filter_map(due).min().filter(|soonest| *soonest > self.now.mono) {
            return Err(soonest);
        }
        let (mut subs, mut candidates) = (Vec::new(), Vec::new());
        for sub in waiting {
            if candidates.len() >= most {
                break;
            }
            match self.candidate(ix, sub) {
                Some(candidate) => {
                    subs.push(sub);
                    candidates.push(candidate);
                }
                None => self.no_ask(ix, sub),
            }
        }
        Ok(Units(units(&candidates, limits), subs))
    }

    /// Those that go out next, and in how many REQs; or when the first may.
    pub(super) fn gather(
        &mut self,
        ix: RelayIx,
        role: Role,
        room: usize,
        limits: Limits,
    ) -> Result<Option<(Vec<SubId>, usize)>, Instant> {
        let formed = self.relays.get_mut(&ix).and_then(|relay| relay.formed.as_mut());
        let mut formed = formed.map(|formed| core::mem::take(formed.of(role))).unwrap_or_default();
        let kept = !formed.0.is_empty();
        if !kept {
            formed = self.form(ix, role, &limits)?;
        }
        let units = &mut formed.0;
        let mut next = next_req(units, room, &limits, self.now.mono);
        if kept && next.is_err() {
            // Others may have waited behind these.
            formed = self.form(ix, role, &limits)?;
            next = next_req(&mut formed.0, room, &limits, self.now.mono);
        }
        let subs = &formed.1;
        let unit = match next {
            Ok(unit) => unit,
            Err(soonest) => return soonest.map_or(Ok(None), Err),
        };
        let together: Vec<SubId> = unit.members.iter().filter_map(|n| subs.get(*n).copied()).collect();
        if let Some(relay) = self.relays.get_mut(&ix).filter(|relay| relay.suspects.is_empty()) {
            *relay.formed.get_or_insert_default().of(role) = formed;
        }
        let parts = chunk::parts(unit.filters, &limits).map(|parts| parts.len());
        let live = together.first().is_some_and(|sub| self.role(*sub) == Role::Live);
        let message = match parts {
            None => "it asks for more than the relay takes in one message",
            Some(parts) if live && parts > limits.share() => "it asks for more than the relay takes at once",
            Some(parts) if live && parts > room => {
                if let Some(relay) = self.relays.get_mut(&ix) {
                    together.into_iter().for_each(|sub| relay.plan.waiting.takes(sub, parts));
                    relay.plan.waiting.rest(room, self.now.mono + MOMENT);
                    relay.formed = None;
                }
                return Ok(None);
            }
            Some(parts) => return Ok(Some((together, if live { parts } else { 1 }))),
        };
        for sub in together {
            self.no_ask(ix, sub);
            if let Some(s) = self.subs.get_mut(&sub) {
                s.is_too_much(ix, message, &mut self.fx);
                self.note_need(ix, sub);
                self.sync_sub(sub);
            }
        }
        self.asking.insert(ix);
        Ok(None)
    }

    pub(super) fn no_ask(&mut self, ix: RelayIx, sub: SubId) {
        if let Some(relay) = self.relays.get_mut(&ix) {
            relay.plan.waiting.remove(sub);
        }
    }

    /// A relay may take more than was known.
    pub(super) fn takes_more(&mut self, ix: RelayIx) {
        let legs: Vec<SubId> =
            self.relays.get(&ix).map(|relay| relay.legs.iter().copied().collect()).unwrap_or_default();
        for sub in legs {
            if self.subs.get_mut(&sub).is_some_and(|s| s.may_be_less_than_too_much(ix, &mut self.fx)) {
                self.note_need(ix, sub);
                self.enqueue_ask(ix, sub);
                self.sync_sub(sub);
            }
        }
        self.asking.insert(ix);
    }

    fn candidate(&self, ix: RelayIx, sub: SubId) -> Option<Candidate> {
        let (relay, s) = (self.relays.get(&ix)?, self.subs.get(&sub)?);
        let under = (relay.auth.epoch(), relay.auth.known_as(), relay.options.auth_at_once);
        let filters = s.would_ask(ix, under, &self.config, self.backlog.hears(self.now))?;
        Some(Candidate {
            filters,
            alone: relay.plan.alone.contains(sub) || !relay.suspects.is_empty(),
            merges: s.group != Group::Alone,
            window: self.window(relay, sub)?,
        })
    }

    /// When it is to be asked, going by what it said of others.
    pub(super) fn window(&self, relay: &Relay, sub: SubId) -> Option<Window> {
        let (_, since) = relay.plan.waiting.place(sub)?;
        let most = self.config.group_max;
        let (ready, latest) = match self.subs.get(&sub)?.group {
            Group::Tick | Group::Alone => (since, since),
            Group::AtLeast(wait) => (since + wait.min(most), since + most),
            Group::AtMost(wait) => (since, since + wait.min(most)),
        };
        Some(Window { ready, latest })
    }
}
