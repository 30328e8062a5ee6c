//! The subscription machine: what the application wants, and one leg per relay.
//!
//! A leg's life on one connection:
//!
//! | state \ input | asked | EOSE¹ | CLOSED¹ | connection lost | new filters | timeout |
//! |---|---|---|---|---|---|---|
//! | `Waiting` | `Requested` | – | – | `Waiting` | `Waiting` | settles |
//! | `Requested` | – | `Live` (or `Done`)| `Waiting` or `Closed`² | `Waiting` | `Waiting` | settles |
//! | `Live` | – | – | `Waiting` or `Closed`² | `Waiting`, gap | `Waiting` | – |
//! | `Closed` | – | – | – | – ³ | `Waiting` | – |
//! | `Done` | – | – | – | – | `Waiting` | – |
//!
//! ¹ They take effect when every event that came before them is decided, also if the connection is lost meanwhile.
//! ² By the reason: see [`Subscription::refused`]. ³ `Waiting` on the next connection, unless the refusal was final.
//!
//! A timeout or a lost connection *settles* a leg for the aggregate EOSE and nothing more: a late EOSE still makes it
//! live. The aggregate EOSE fires once per generation of filters, when every leg is settled. The aggregate never says
//! "complete" where a relay did not: EOSE, timeout, refusal and disconnect stay different facts.

mod known;
pub(crate) mod leg;
mod queue;
pub(crate) mod request;
#[cfg(test)]
mod tests;

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use nostr_proto::{EoseHints, Event, EventId, Filter, Reason, RelayUrl, Timestamp, VerifiedEvent};

use crate::call::{Mode, Subscribe, Target, Versions};
use crate::config::Config;
use crate::effects::Effects;
use crate::event::{Coverage, EndReason, EventItem, Gap, GapCause, Item, LegOutcome, LegReport, LegState, Mark, Why};
use crate::ids::{RelayIx, SubId, WireId};
use crate::planted::planted;
use crate::time::{Instant, Now};

use leg::{Leg, Lost, Request, State};
use queue::Queue;

/// What a step means for the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Next {
    /// Nothing.
    Nothing,
    /// Send CLOSE for this request.
    Close(WireId),
}

/// See the module's table.
#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) id: SubId,
    pub(crate) filters: Arc<[Filter]>,
    pub(crate) target: Target,
    mode: Mode,
    versions: Versions,
    generation: u32,
    /// When this generation began.
    started: Instant,
    patience: Duration,
    /// Whether this generation has begun: see `start`.
    all_in: bool,
    eose_told: bool,
    pub(crate) legs: BTreeMap<RelayIx, (RelayUrl, Leg)>,
    queue: Queue,
    next_seq: u64,
    #[cfg(feature = "planted-bugs")]
    planted: Option<crate::PlantedBug>,
}

impl Subscription {
    pub(crate) fn new(id: SubId, request: Subscribe, config: &Config, now: Now) -> Self {
        let Subscribe { filters, target, mode, eose_deadline, queue_items, versions } = request;
        let patience = eose_deadline.unwrap_or(config.eose_deadline).min(config.eose_deadline_max);
        let room = queue_items.unwrap_or(config.queue_items).min(config.queue_items);
        Self {
            id,
            filters: filters.into(),
            target,
            mode,
            versions,
            generation: 0,
            started: now.mono,
            patience,
            all_in: false,
            eose_told: false,
            legs: BTreeMap::new(),
            queue: Queue::new(room, config.queue_bytes),
            next_seq: 0,
            #[cfg(feature = "planted-bugs")]
            planted: config.planted,
        }
    }

    pub(crate) fn leg(&mut self, relay: RelayIx) -> Option<&mut Leg> {
        self.legs.get_mut(&relay).map(|(_, leg)| leg)
    }

    /// Whether it lasts until it is ended.
    pub(crate) fn is_standing(&self) -> bool {
        self.mode == Mode::Live
    }

    /// Whether the event is one that was asked for.
    pub(crate) fn matches(&self, event: &Event) -> bool {
        if planted!(self, FiltersNotChecked) {
            return true;
        }
        self.filters.iter().any(|f| f.matches(event))
    }

    /// Whether it takes an event of which a newer version is known: if it wants all versions, or asked for this id.
    pub(crate) fn takes_outdated(&self, event: &Event) -> bool {
        self.versions == Versions::All || self.filters.iter().any(|f| f.ids.is_some() && f.matches(event))
    }

    /// Whether it might, as far as the id tells.
    pub(crate) fn may_take_outdated(&self, id: &EventId) -> bool {
        let named = |f: &Filter| f.ids.as_ref().is_some_and(|ids| ids.contains(id));
        self.versions == Versions::All || self.filters.iter().any(named)
    }

    /// Takes a relay in.
    pub(crate) fn add_leg(&mut self, relay: RelayIx, url: RelayUrl, now: Now) {
        self.legs.insert(relay, (url, Leg::new(now.mono)));
    }

    /// All its relays have been looked at: from here on, the aggregate EOSE may be told.
    pub(crate) fn start(&mut self, fx: &mut Effects) {
        self.all_in = true;
        self.settle(fx);
    }

    /// Takes a relay out; its running request is to be closed.
    pub(crate) fn remove_leg(&mut self, relay: RelayIx, fx: &mut Effects) -> Next {
        self.tell_flooded(relay, fx);
        if let Some((url, _)) = self.legs.get(&relay) {
            let item = Item::Leg { relay: url.clone(), state: LegState::Removed };
            self.tell(item, fx);
        }
        match self.legs.remove(&relay).and_then(|(_, leg)| leg.wire()) {
            Some(wire) => Next::Close(wire),
            None => Next::Nothing,
        }
    }

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
            let cause = GapCause::CaughtUp { events: received, complete };
            self.tell(Item::Gap(Gap { relay: Some(url), since, cause }), fx);
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
            leg.settled.get_or_insert(LegOutcome::Closed(reason.clone()));
            leg.state = State::Closed(reason);
            self.tell_leg(relay, fx);
            self.settle(fx);
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
        self.legs.values().flat_map(|(_, leg)| [overdue(leg), leg.retry_at]).flatten().min()
    }

    /// New filters: a new generation, which begins with [`Subscription::start`]. Returns the running requests, which are
    /// to be closed.
    pub(crate) fn replace(&mut self, filters: Vec<Filter>, now: Now) -> Vec<(RelayIx, WireId)> {
        self.filters = filters.into();
        self.generation += 1;
        self.started = now.mono;
        self.all_in = false;
        self.eose_told = false;
        let mut running = Vec::new();
        for (&relay, (_, leg)) in &mut self.legs {
            running.extend(leg.wire().map(|wire| (relay, wire)));
            leg.restart(now);
        }
        running
    }

    /// Hands an event to the application. False: there is no room, and the gap is noted.
    pub(crate) fn deliver(
        &mut self,
        event: &VerifiedEvent,
        mark: Mark,
        relays: Vec<RelayUrl>,
        future_dated: bool,
        fx: &mut Effects,
    ) -> bool {
        let item = |seq| Item::Event(EventItem { event: event.clone(), mark, relays, future_dated, seq });
        self.tell_numbered(item, fx)
    }

    /// Puts an item with a sequence number into the stream, if there is room.
    pub(crate) fn tell_numbered(&mut self, item: impl FnOnce(u64) -> Item, fx: &mut Effects) -> bool {
        let went = self.tell(item(self.next_seq), fx);
        self.next_seq += u64::from(went);
        went
    }

    /// Puts an item into the stream, if there is room. A subscription of the core's own has no stream.
    pub(crate) fn tell(&mut self, item: Item, fx: &mut Effects) -> bool {
        if self.id.is_hidden() {
            return false;
        }
        let fits = self.queue.admit(&item);
        if fits {
            fx.item(self.id, item);
        }
        fits
    }

    /// The application took items.
    pub(crate) fn taken(&mut self, items: usize, bytes: usize, fx: &mut Effects) {
        if let Some(gap) = self.queue.taken(items, bytes)
            && !planted!(self, QueueOverflowSilent)
        {
            self.tell(Item::Gap(gap), fx);
        }
    }

    /// Dropped events become a gap, once the flood is over.
    pub(crate) fn tell_flooded(&mut self, relay: RelayIx, fx: &mut Effects) {
        let Some((url, leg)) = self.legs.get_mut(&relay) else { return };
        let dropped = core::mem::take(&mut leg.flooded);
        if dropped > 0 {
            let gap = Gap { relay: Some(url.clone()), since: None, cause: GapCause::Flooded { dropped } };
            self.tell(Item::Gap(gap), fx);
        }
    }

    /// Tells the aggregate EOSE if it is time.
    pub(crate) fn settle(&mut self, fx: &mut Effects) {
        if !self.all_in || self.eose_told || self.legs.values().any(|(_, leg)| leg.settled.is_none()) {
            return;
        }
        self.eose_told = true;
        let legs = self
            .legs
            .values()
            .map(|(url, leg)| LegReport {
                relay: url.clone(),
                outcome: leg.settled.clone().unwrap_or(LegOutcome::NotConnected),
                events: leg.events,
            })
            .collect::<Vec<_>>();
        let mut coverage = Coverage { generation: self.generation, legs };
        coverage.legs.sort_by(|a, b| a.relay.cmp(&b.relay));
        self.tell(Item::Eose(coverage), fx);
    }

    /// Whether it has nothing more to do.
    pub(crate) fn is_complete(&self) -> bool {
        self.mode == Mode::UntilEose && self.eose_told
    }

    /// The last words.
    pub(crate) fn end(&mut self, reason: EndReason, fx: &mut Effects) {
        let relays: Vec<RelayIx> = self.legs.keys().copied().collect();
        for relay in relays {
            self.tell_flooded(relay, fx);
        }
        if let Some(gap) = self.queue.gap() {
            self.tell(Item::Gap(gap), fx);
        }
        self.tell(Item::End(reason), fx);
    }

    fn tell_leg(&mut self, relay: RelayIx, fx: &mut Effects) {
        let Some((url, leg)) = self.legs.get(&relay) else { return };
        if let Some(state) = leg.public_state() {
            let item = Item::Leg { relay: url.clone(), state };
            self.tell(item, fx);
        }
    }

    fn tell_lost(&mut self, relay: RelayIx, since: Option<Timestamp>, fx: &mut Effects) {
        let Some((url, _)) = self.legs.get(&relay) else { return };
        let gap = Gap { relay: Some(url.clone()), since, cause: GapCause::Disconnected };
        self.tell(Item::Gap(gap), fx);
    }
}

fn complete(hints: EoseHints) -> Option<bool> {
    match (hints.finish, hints.more) {
        (true, false) => Some(true),
        (false, true) => Some(false),
        _ => None,
    }
}
