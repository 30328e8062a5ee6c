//! What its relays owe a subscription, and the pages that are asked for to make up for it.

use alloc::vec::Vec;

use nostr_proto::{Event, Filter, PublicKey, Timestamp};

use crate::call::Mode;
use crate::config::Config;
use crate::effects::Effects;
use crate::event::{Gap, GapCause, Item};
use crate::ids::{RelayIx, WireId};
use crate::resume;
use crate::resume::seconds::Range;
use crate::resume::{Context, End, Resume, Step};
use crate::time::{Instant, Now};

use super::checkpoint::RelayGround;
use super::known::Better;
use super::leg::{self, Leg, State};
use super::{Next, Subscription, request};

/// What pages go by, the subscription's own apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ground<'a> {
    pub(crate) config: &'a Config,
    /// The most stored events that this relay ever gave to one page.
    pub(crate) largest: usize,
    pub(crate) now: Now,
}

impl<'a> Ground<'a> {
    pub(super) fn context(&self, filters: &'a [Filter], ends: bool) -> Context<'a> {
        Context { config: self.config, filters, largest: self.largest, ends, now: self.now }
    }
}

/// What a leg stands on, as a checkpoint keeps it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Snapshot {
    /// Up to when the relay has shown us everything, but for what is not proven.
    pub(crate) alive_until: Timestamp,
    /// The keys that the relay knew us by.
    pub(crate) known_as: Vec<PublicKey>,
    /// Per filter, in order.
    pub(crate) grounds: Vec<resume::Ground>,
}

impl Leg {
    /// What it stands on; `None`: it never came to an EOSE. `proven` is how long its connection was shown to be alive.
    pub(crate) fn snapshot(&self, proven: Option<Timestamp>) -> Option<Snapshot> {
        // What came before the pong and is not decided is not delivered.
        let decided = matches!(self.state, State::Live { undecided: 0, .. }) && self.draining.is_none();
        let proven = proven.filter(|_| decided);
        let alive_until = self.alive_until?.max(proven.unwrap_or(Timestamp::new(0)));
        let mut grounds = self.resume.grounds();
        let Some(Better { keys, alive_until: until, grounds: others }) = &self.better else {
            return Some(Snapshot { alive_until, known_as: self.known_as.clone(), grounds });
        };
        grounds.iter_mut().zip(others).for_each(|(ground, other)| ground.open_with(other));
        Some(Snapshot { alive_until: alive_until.min(*until), known_as: keys.clone(), grounds })
    }

    /// It goes on from there, if the relay knows us by the same keys.
    pub(crate) fn restore(&mut self, ground: &RelayGround, filters: &[Filter], reaches: &[u64], now: Timestamp) {
        let grounds = filters.iter().zip(&ground.floors).zip(&ground.proven);
        let grounds = grounds.map(|((filter, floor), proven)| resume::Ground::known(filter, *floor, proven)).collect();
        // A clock that was ahead when that was written down must not hide what comes from now on.
        let alive_until = ground.alive_until.min(now);
        self.alive_until = Some(alive_until);
        self.known_as = ground.keys.clone();
        self.resume = Resume::restore(grounds, request::missed_from(filters, reaches, alive_until));
        self.restored = true;
    }
}

impl Subscription {
    /// Whether some relay owes something that is going to be asked for.
    pub(crate) fn owes(&self) -> bool {
        self.legs.values().any(|(_, leg)| leg.needs_connection() && leg.resume.owes())
    }

    /// An event that this relay sent was not delivered. Tells whether it is going to be asked for again: no relay keeps
    /// ephemeral ones, and what only a `search` found may not be found again.
    pub(crate) fn owe_event(&mut self, relay: RelayIx, event: &Event) -> bool {
        let Some((_, leg)) = self.legs.get_mut(&relay) else { return false };
        if event.kind().is_ephemeral() || !leg.needs_connection() {
            return false;
        }
        let filters = self.filters.iter().enumerate();
        let matching = filters.filter(|(_, filter)| filter.search.is_none() && filter.matches(event)).map(|(at, _)| at);
        let matching: Vec<usize> = matching.collect();
        leg.resume.owe(matching.iter().copied(), Range::second(event.created_at()));
        !matching.is_empty()
    }

    /// An event of this request was dropped for lack of room.
    pub(crate) fn flooded(&mut self, relay: RelayIx, wire: WireId, event: &Event) {
        if let Some(leg) = self.leg(relay) {
            leg.flooded += 1;
            let second = Range::second(event.created_at());
            leg.flood = Some(leg.flood.map_or(second, |flood| flood.hull(&second)));
            leg.resume.dropped(wire, &event.id());
        }
        self.owe_event(relay, event);
    }

    /// What was given up there is asked for again.
    pub(crate) fn refill(&mut self, relay: RelayIx, gap: &Gap) -> bool {
        let range = Range::new(gap.since.unwrap_or(Timestamp::new(0)), gap.until.unwrap_or(Timestamp::MAX));
        let leg = self.leg(relay).filter(|leg| leg.needs_connection());
        leg.zip(range).is_some_and(|(leg, range)| leg.resume.refill(range))
    }

    /// Whether a page may be asked for. If it waits for room in the queue, that is remembered.
    pub(crate) fn is_page_due(&mut self, relay: RelayIx, now: Instant, fx: &Effects) -> bool {
        let Some((_, leg)) = self.legs.get(&relay) else { return false };
        let due = leg.is_live() && leg.resume.is_due(now);
        let has_room = self.queue.has_room(&fx.untaken);
        self.waits_for_room |= due && !has_room;
        due && has_room
    }

    /// Whether pages that waited for room may be asked for now.
    pub(crate) fn has_room_again(&mut self, fx: &Effects) -> bool {
        self.waits_for_room && self.queue.has_room(&fx.untaken) && core::mem::take(&mut self.waits_for_room)
    }

    /// What to ask for in a page, which has been done when this returns.
    pub(crate) fn begin_page(&mut self, relay: RelayIx, wire: WireId, ground: Ground<'_>) -> Option<Filter> {
        let (filters, ends) = (self.filters.clone(), self.mode == Mode::UntilEose);
        let leg = self.leg(relay).filter(|leg| leg.is_live())?;
        leg.resume.begin(wire, &ground.context(&filters, ends))
    }

    /// A page's end takes effect. Tells what the page says of how many events the relay gives.
    pub(crate) fn page_turned(
        &mut self,
        relay: RelayIx,
        wire: WireId,
        end: End,
        ground: Ground<'_>,
        fx: &mut Effects,
    ) -> Option<usize> {
        self.step(relay, ground, fx, |resume, cx| resume.turned(wire, end, cx))
    }

    /// A page was refused; for good, if the relay would say the same again. What lacks an authentication is asked for again
    /// like what failed: the leg's own request has had its answer.
    pub(crate) fn page_closed(
        &mut self,
        relay: RelayIx,
        wire: WireId,
        reason: &nostr_proto::Reason,
        ground: Ground<'_>,
        fx: &mut Effects,
    ) {
        let for_good = leg::is_final(reason) && reason.prefix != Some(nostr_proto::Prefix::AuthRequired);
        self.step(relay, ground, fx, |resume, cx| match for_good {
            true => resume.page_closed(wire, cx),
            false => resume.page_failed(wire, cx),
        });
    }

    /// A page was not answered in time.
    pub(super) fn page_late(&mut self, relay: RelayIx, wire: WireId, ground: Ground<'_>, fx: &mut Effects) {
        self.step(relay, ground, fx, |resume, cx| resume.page_failed(wire, cx));
    }

    fn step(
        &mut self,
        relay: RelayIx,
        ground: Ground<'_>,
        fx: &mut Effects,
        step: impl FnOnce(&mut Resume, &Context<'_>) -> Step,
    ) -> Option<usize> {
        let (filters, ends) = (self.filters.clone(), self.mode == Mode::UntilEose);
        let leg = self.leg(relay)?;
        leg.progress = leg.progress.max(ground.now.mono);
        leg.lately = leg.lately.max(ground.now.mono);
        let step = step(&mut leg.resume, &ground.context(&filters, ends));
        self.tell_step(relay, step, fx)
    }

    /// A leg that was to end, and was live only for what it owed, ends if it owes nothing any more.
    pub(crate) fn end_leg(&mut self, relay: RelayIx) -> Next {
        let ends = self.mode == Mode::UntilEose;
        let leg = self.leg(relay).filter(|leg| ends && leg.is_live() && !leg.resume.owes());
        let Some((leg, wire)) = leg.and_then(|leg| leg.wire().map(|wire| (leg, wire))) else { return Next::Nothing };
        leg.state = State::Done;
        Next::Close(wire)
    }

    /// A leg that is not live has no page. Returns the one that is to be closed.
    pub(crate) fn drop_page(&mut self, relay: RelayIx) -> Option<WireId> {
        if self.leg(relay)?.is_live() { None } else { self.lose_page(relay) }
    }

    /// The leg's request is over, and its page with it. Returns the one that is to be closed.
    pub(crate) fn lose_page(&mut self, relay: RelayIx) -> Option<WireId> {
        let leg = self.leg(relay)?;
        leg.resume.page().is_some().then(|| leg.resume.lost()).flatten()
    }

    /// Its relay will not be asked again: what it owes is lost.
    pub(super) fn closed_owing(&mut self, relay: RelayIx, fx: &mut Effects) {
        let ends = self.mode == Mode::UntilEose;
        let for_good = |leg: &Leg| matches!(&leg.state, State::Closed(reason) if ends || leg::is_final(reason));
        if self.legs.get(&relay).is_some_and(|(_, leg)| for_good(leg)) {
            self.give_up(relay, fx);
        }
    }

    pub(super) fn give_up(&mut self, relay: RelayIx, fx: &mut Effects) {
        if let Some(leg) = self.leg(relay) {
            let step = leg.resume.give_up(GapCause::NotAnswered);
            self.tell_step(relay, step, fx);
        }
    }

    pub(super) fn tell_step(&mut self, relay: RelayIx, step: Step, fx: &mut Effects) -> Option<usize> {
        let Some((url, _)) = self.legs.get(&relay).filter(|_| !step.told.is_empty()) else { return step.learnt };
        let url = url.clone();
        for told in step.told {
            let gap = Gap { relay: Some(url.clone()), since: told.since, until: told.until, cause: told.cause };
            self.tell(Item::Gap(gap), fx);
        }
        step.learnt
    }
}
