//! Fetching an event again whose copies were crowded out.
//!
//! Of an event in flight, only so many other signatures are kept. When all of those turn out forged, one that was not
//! kept may have been the real one. So the relays that brought those are asked for that id, if a request that they brought
//! them for is still of interest, by a subscription of the core's own: its retries, deadlines and CLOSE are those of any other. Whatever it brings goes the ordinary way and
//! reaches everybody who asked for it; nobody sees the subscription itself.
//!
//! Meanwhile the requests that brought a copy wait as they do while a signature is being checked: their EOSE may not
//! overtake the event. If it ends without the event, that is a gap, as it is at once where too many are running.

use alloc::boxed::Box;
use alloc::vec::Vec;

use nostr_proto::{EventId, Filter, RelayUrl};

use crate::call::{Mode, Subscribe, Target, Versions};
use crate::dedup::Waiter;
use crate::event::EndReason;
use crate::ids::{RelayIx, SubId};
use crate::planted::planted;
use crate::subscription::Subscription;

use super::Core;

/// An event that is being fetched again.
#[derive(Debug)]
pub(super) struct Repair {
    event: EventId,
    /// Who is asked.
    relays: Vec<RelayIx>,
    /// Whose copy nobody has looked at.
    crowded_out: Vec<RelayIx>,
    /// Whose EOSE waits for it.
    waiters: Vec<Waiter>,
}

impl Core {
    /// All copies that were kept were forged; these relays had brought others.
    pub(super) fn repair(&mut self, event: EventId, crowded_out: Vec<RelayIx>, waiters: Vec<Waiter>) {
        if planted!(self.config, RepairForgotten) {
            self.release(waiters);
            return;
        }
        let missed = |waiter: &Waiter| crowded_out.contains(&waiter.relay) && self.subs.contains_key(&waiter.sub);
        if !waiters.iter().any(missed) {
            // Whoever asked for it has gone.
            self.release(waiters);
            return;
        }
        let relays: Vec<(RelayIx, RelayUrl)> =
            crowded_out.iter().filter_map(|ix| Some((*ix, self.may_repair(*ix)?))).collect();
        let running = self.repairs.values().any(|repair| repair.event == event);
        if running || relays.is_empty() || self.repairs.len() >= self.config.max_repairs {
            let lost = waiters.iter().filter(|waiter| crowded_out.contains(&waiter.relay)).copied();
            self.tell_crowded_out(lost.collect());
            self.release(waiters);
            return;
        }
        let id = SubId::hidden(self.next_repair);
        self.next_repair += 1;
        self.stats.repairs += 1;
        let request = Subscribe {
            filters: alloc::vec![Filter::new().id(event)],
            target: Target::Relays(relays.iter().map(|(_, url)| url.clone()).collect()),
            mode: Mode::UntilEose,
            versions: Versions::All,
            ..Subscribe::default()
        };
        let sub = Subscription::new(id, request, &self.config, self.backlog.hears(self.now));
        self.subs.insert(id, Box::new(sub));
        let asked = relays.iter().map(|(ix, _)| *ix).collect();
        self.repairs.insert(id, Repair { event, relays: asked, crowded_out, waiters });
        for (ix, url) in relays {
            self.add_leg(id, ix, url);
        }
        self.settle_sub(id);
    }

    /// An event was verified. If it was being fetched again, and everybody who waits for it has it, that is over.
    pub(super) fn review_repair(&mut self, event: &EventId) {
        let over = |(_, repair): &(&SubId, &Repair)| {
            repair.event == *event && repair.waiters.iter().all(|waiter| self.is_served(repair, waiter))
        };
        if let Some(id) = self.repairs.iter().find(over).map(|(&id, _)| id) {
            self.end_sub(id, EndReason::Complete);
        }
    }

    /// A subscription has ended. If it fetched an event again: who did not get it is told, and whoever waited goes on.
    pub(super) fn repair_over(&mut self, id: SubId) {
        let Some(repair) = self.repairs.remove(&id) else { return };
        let lost: Vec<Waiter> =
            repair.waiters.iter().filter(|waiter| !self.is_served(&repair, waiter)).copied().collect();
        self.tell_crowded_out(lost);
        self.release(repair.waiters);
    }

    /// Whether nothing is missing from a request that brought a copy: that copy was looked at, or the subscription has the
    /// event, or it is known by now to be a version that is not for it.
    fn is_served(&self, repair: &Repair, waiter: &Waiter) -> bool {
        let Some(sub) = self.subs.get(&waiter.sub) else { return true };
        !repair.crowded_out.contains(&waiter.relay)
            || self.dedup.was_delivered(&repair.event, waiter.sub)
            || self.dedup.facts(&repair.event).is_some_and(|facts| self.is_not_for(sub, &facts))
    }

    /// The URL of a relay that can be asked for one more event.
    fn may_repair(&self, ix: RelayIx) -> Option<RelayUrl> {
        let asked = self.repairs.values().filter(|repair| repair.relays.contains(&ix)).count();
        let relay = self.relays.get(&ix).filter(|relay| !relay.removed)?;
        (asked < self.config.max_repairs_per_relay).then(|| relay.url.clone())
    }
}
