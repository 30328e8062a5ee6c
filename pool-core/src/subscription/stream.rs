//! What a subscription's application sees, and what it has taken.

use alloc::vec::Vec;

use nostr_proto::{RelayUrl, Timestamp, VerifiedEvent};

use crate::call::Mode;
use crate::effects::Effects;
use crate::event::{Coverage, EndReason, EventItem, Gap, GapCause, Item, LegOutcome, LegReport, Mark};
use crate::ids::RelayIx;

use super::Subscription;
use crate::planted::planted;

use super::request;

impl Subscription {
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
        let fits = self.queue.admit(&item, &mut fx.untaken);
        if fits {
            self.acknowledged.told(matches!(item, Item::Event(_) | Item::Pending(_)));
            fx.item(self.id, item);
        }
        self.note_held_up(fx);
        fits
    }

    /// The application took items; none: it asks for the next one.
    pub(crate) fn taken(&mut self, items: usize, bytes: usize, fx: &mut Effects) {
        self.acknowledged.taken(items);
        self.queue.taken(items, bytes, &mut fx.untaken);
    }

    /// The application is done with everything up to `seq`. False: there was no such event yet.
    pub(crate) fn acknowledge(&mut self, seq: u64) -> bool {
        self.acknowledged.acknowledge(seq, self.next_seq)
    }

    /// Dropped events become a gap, once the flood is over.
    pub(crate) fn tell_flooded(&mut self, relay: RelayIx, fx: &mut Effects) {
        let Some((url, leg)) = self.legs.get_mut(&relay) else { return };
        let (flooded, excess) = (core::mem::take(&mut leg.flooded), core::mem::take(&mut leg.excess));
        let url = url.clone();
        let flood = leg.flood.take();
        let causes = [
            (flooded, flood, GapCause::Flooded { dropped: flooded }),
            (excess, None, GapCause::OverDelivered { dropped: excess }),
        ];
        for (_, range, cause) in causes.into_iter().filter(|(dropped, ..)| *dropped > 0) {
            let (since, until) = (range.map(|range| range.since), range.map(|range| range.until));
            self.tell(Item::Gap(Gap { relay: Some(url.clone()), since, until, cause }), fx);
        }
    }

    /// Tells the aggregate EOSE if it is time.
    pub(crate) fn settle(&mut self, fx: &mut Effects) {
        if !self.all_in || self.eose_told || !self.legs.are_settled() {
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
        self.mode == Mode::UntilEose && self.all_in && self.eose_told && !self.owes()
    }

    /// The last words.
    pub(crate) fn end(&mut self, reason: EndReason, fx: &mut Effects) {
        let relays: Vec<RelayIx> = self.legs.keys().copied().collect();
        for relay in relays {
            self.tell_flooded(relay, fx);
        }
        if let Some(gap) = self.queue.last_gap() {
            self.tell(Item::Gap(gap), fx);
        }
        self.tell(Item::End(reason), fx);
        self.queue.leave(&mut fx.untaken);
        fx.untaken.forget(self.id);
    }

    /// If it skips what comes, or a page waits for room, it is to be told when there is some.
    pub(crate) fn note_held_up(&self, fx: &mut Effects) {
        if self.is_held_up() {
            fx.untaken.hold_up(self.id);
        }
    }

    pub(crate) fn is_held_up(&self) -> bool {
        self.is_overflowing() || self.waits_for_room
    }

    pub(super) fn tell_leg(&mut self, relay: RelayIx, fx: &mut Effects) {
        let Some((url, leg)) = self.legs.get(&relay) else { return };
        if let Some(state) = leg.public_state() {
            let item = Item::Leg { relay: url.clone(), state };
            self.tell(item, fx);
        }
    }

    /// It was live, until then by the wall clock at least, and is no longer: what is late may be dated before that.
    pub(super) fn tell_lost(&mut self, relay: RelayIx, alive_until: Option<Timestamp>, fx: &mut Effects) {
        let Some((url, leg)) = self.legs.get_mut(&relay) else { return };
        let missed = alive_until.map(|at| request::missed_from(&self.filters, &self.reaches, at));
        let since = leg.resume.opened(missed);
        let since = if planted!(self, GapShrinks) { missed } else { since };
        let gap = Gap { relay: Some(url.clone()), since, until: None, cause: GapCause::Disconnected };
        self.tell(Item::Gap(gap), fx);
    }
}
