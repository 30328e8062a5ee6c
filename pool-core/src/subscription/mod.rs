//! The subscription machine: what the application wants, and one leg per relay.
//!
//! A leg's life. Each cell is the next state; ● settles the leg for the aggregate EOSE, ▼ tells a gap that is open until it
//! is caught up; – is nothing at all. A test reads this table and walks every cell.
//!
//! | input \ state | `Waiting` | `Requested` | `Live` | `Closed` | `Closed`, final | `Done` |
//! |---|---|---|---|---|---|---|
//! | asked | `Requested` | – | – | – | – | – |
//! | EOSE | – | `Live` ● | – | – | – | – |
//! | EOSE, and it ends with that | – | `Done` ● | – | – | – | – |
//! | the same, and it owes | – | `Live` ● | – | – | – | – |
//! | CLOSED | – | `Waiting` | `Waiting` ▼ | – | – | – |
//! | CLOSED, once too often | – | `Closed` ● | `Closed` | – | – | – |
//! | CLOSED, for good | – | `Closed`, final ● | `Closed`, final | – | – | – |
//! | connection lost | ● | `Waiting` ● | `Waiting` ▼ | – | – | – |
//! | connection lost, another is on its way | – | `Waiting` | `Waiting` ▼ | – | – | – |
//! | no connection for a while | ● | – | – | – | – | – |
//! | connection there | – | – | – | `Waiting` | – | – |
//! | new filters | – | `Waiting` | `Waiting` | `Waiting` | `Waiting` | `Waiting` |
//! | time | ● | ● | – | – | – | – |
//!
//! EOSE and CLOSED take effect when every event that came before them is decided, also if the connection is lost meanwhile.
//! What a CLOSED means goes by its reason: see [`Subscription::refused`]; of those for lack of authentication, see
//! [`known`].
//!
//! A NOTICE that names the request is its CLOSED; one that comes in place of any answer becomes that when the EOSE is
//! overdue (see [`notice`]). A request whose answer has a message beyond the size limit is found, and ends `Closed` (see
//! [`oversize`]).
//!
//! A live leg is asked, besides, for what it owes, a page at a time (see [`paging`] and [`crate::resume`]): whatever ends
//! its request ends its page. A leg of a subscription that ends with its EOSE stays `Live` while it owes something, so that
//! what is pushed can be told from what was stored; then it is `Done`.
//!
//! A timeout or a lost connection *settles* a leg for the aggregate EOSE and nothing more: a late EOSE still makes it
//! live. The aggregate EOSE fires once per generation of filters, when every leg is settled. The aggregate never says
//! "complete" where a relay did not: EOSE, timeout, refusal and disconnect stay different facts.

mod acknowledged;
mod answers;
mod checkpoint;
mod finished;
mod known;
pub(crate) mod leg;
mod legs;
mod notice;
mod overflow;
pub(crate) mod oversize;
pub(crate) mod paging;
mod queue;
mod rejected;
pub(crate) mod request;
mod sharing;
mod stream;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod walk;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use nostr_proto::{Event, EventId, Filter, RelayUrl};

use crate::call::{Group, History, Mode, Subscribe, Target, Versions};
use crate::config::Config;
use crate::effects::Effects;
use crate::event::{Item, LegState};
use crate::ids::{RelayIx, SubId, WireId};
use crate::planted::planted;
use crate::time::{Instant, Now};

use acknowledged::Acknowledged;
pub(crate) use checkpoint::RelayGround;
pub use checkpoint::{Checkpoint, CheckpointError};
pub(crate) use finished::Finished;
use leg::Leg;
use legs::Legs;
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
    /// How far back each may lack something: see `request::reaches`.
    reaches: Vec<u64>,
    pub(crate) target: Target,
    mode: Mode,
    versions: Versions,
    history: History,
    pub(crate) group: Group,
    generation: u32,
    /// When this generation began.
    started: Instant,
    patience: Duration,
    /// Whether this generation has begun: see `start`.
    all_in: bool,
    eose_told: bool,
    pub(crate) legs: Legs,
    queue: Queue,
    /// A page waits for room in the queue.
    waits_for_room: bool,
    next_seq: u64,
    acknowledged: Acknowledged,
    /// What an earlier subscription to these filters had, by relay.
    earlier: Vec<RelayGround>,
    #[cfg(feature = "planted-bugs")]
    planted: Option<crate::PlantedBug>,
}

impl Subscription {
    pub(crate) fn new(id: SubId, request: Subscribe, config: &Config, now: Now) -> Self {
        let Subscribe {
            filters,
            target,
            mode,
            eose_deadline,
            queue_items,
            versions,
            history,
            acknowledge,
            group,
            resume,
        } = request;
        let first = resume.filter(|it| it.filters == filters).unwrap_or_else(|| Checkpoint::of(&filters));
        let patience = eose_deadline.unwrap_or(config.eose_deadline).min(config.eose_deadline_max);
        let room = queue_items.unwrap_or(config.queue_items).min(config.queue_items);
        Self {
            id,
            reaches: request::reaches(&filters, config),
            filters: filters.into(),
            target,
            mode,
            versions,
            history,
            group,
            generation: 0,
            started: now.mono,
            patience,
            all_in: false,
            eose_told: false,
            legs: Legs::default(),
            queue: Queue::new(room, config.queue_bytes),
            waits_for_room: false,
            next_seq: 0,
            earlier: first.relays.clone(),
            acknowledged: Acknowledged::new(acknowledge, first),
            #[cfg(feature = "planted-bugs")]
            planted: config.planted,
        }
    }

    pub(crate) fn leg(&mut self, relay: RelayIx) -> Option<&mut Leg> {
        self.legs.get_mut(&relay).map(|(_, leg)| &mut **leg)
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
        let mut leg = Leg::new(now.mono, self.filters.len());
        if let Some(ground) = self.earlier.iter().find(|ground| ground.relay == url) {
            leg.restore(ground, &self.filters, &self.reaches, now.unix);
        }
        self.legs.insert(relay, url, leg);
    }

    /// All its relays have been looked at: from here on, the aggregate EOSE may be told.
    pub(crate) fn start(&mut self, fx: &mut Effects) {
        self.all_in = true;
        self.settle(fx);
    }

    /// Takes a relay out. What it owes is told as a gap. Returns its running requests, which are to be closed.
    pub(crate) fn remove_leg(&mut self, relay: RelayIx, fx: &mut Effects) -> Vec<WireId> {
        self.tell_flooded(relay, fx);
        let running = self.legs.get(&relay).map(|(_, leg)| leg.wires().collect()).unwrap_or_default();
        self.give_up(relay, fx);
        if let Some((url, _)) = self.legs.get(&relay) {
            let item = Item::Leg { relay: url.clone(), state: LegState::Removed };
            self.tell(item, fx);
        }
        self.legs.remove(relay);
        running
    }

    /// Its relays are about to change: the aggregate EOSE is not told before [`Subscription::start`].
    pub(crate) fn retarget(&mut self, target: Target) {
        self.target = target;
        self.all_in = false;
    }

    /// New filters: a new generation, which begins with [`Subscription::start`]. Returns the running requests, which are
    /// to be closed.
    pub(crate) fn replace(&mut self, filters: Vec<Filter>, config: &Config, now: Now) -> Vec<(RelayIx, WireId)> {
        self.acknowledged.restart(Checkpoint::of(&filters));
        self.earlier = Vec::new();
        self.reaches = request::reaches(&filters, config);
        self.filters = filters.into();
        self.generation += 1;
        self.started = now.mono;
        self.all_in = false;
        self.eose_told = false;
        let mut running = Vec::new();
        for (&relay, (_, leg)) in &mut self.legs {
            running.extend(leg.wires().map(|wire| (relay, wire)));
            leg.restart(now, self.filters.len());
        }
        running
    }
}
