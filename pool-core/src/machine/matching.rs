//! Which subscriptions a verified event is for, and the index that finds them.

use alloc::vec::Vec;

use nostr_proto::VerifiedEvent;

use crate::dedup::Waiter;
use crate::event::Mark;
use crate::ids::{RelayIx, SubId};
use crate::planted::planted;

#[cfg(any(test, feature = "planted-bugs"))]
use crate::subscription::Subscription;

use super::Core;

/// Who waits for an event, by subscription; of one subscription, whoever came first is first.
pub(super) struct BySub<'a>(Vec<&'a Waiter>);

impl<'a> BySub<'a> {
    pub(super) fn new(waiters: &'a [Waiter]) -> Self {
        let mut by_sub: Vec<&Waiter> = waiters.iter().collect();
        by_sub.sort_by_key(|waiter| waiter.sub);
        Self(by_sub)
    }

    pub(super) fn of(&self, sub: SubId) -> &[&'a Waiter] {
        let from = self.0.partition_point(|waiter| waiter.sub < sub);
        let to = from + self.0[from..].partition_point(|waiter| waiter.sub == sub);
        &self.0[from..to]
    }
}

impl Core {
    /// The subscriptions that an event matches and that ask one of its relays, in order, and how it is marked for each.
    pub(super) fn takers(&self, event: &VerifiedEvent, waiters: &BySub<'_>) -> Vec<(SubId, Mark)> {
        let mut candidates = self.index.candidates(event, self.dedup.relays(&event.id()));
        // The relay of a copy that was not looked at is not among those that have the event.
        candidates.extend(waiters.0.iter().map(|waiter| waiter.sub));
        candidates.sort_unstable();
        candidates.dedup();
        let takers: Vec<(SubId, Mark)> =
            candidates.into_iter().filter_map(|id| self.taker(id, event, waiters)).collect();
        #[cfg(any(test, feature = "planted-bugs"))]
        self.audit_takers(event, waiters, &takers);
        takers
    }

    fn taker(&self, id: SubId, event: &VerifiedEvent, waiters: &BySub<'_>) -> Option<(SubId, Mark)> {
        let sub = self.subs.get(&id).filter(|sub| !sub.id.is_hidden())?;
        // What came with others' events is no reason to have it.
        let unmatched = planted!(self.config, SharedUnmatched) && !waiters.of(id).is_empty();
        if !sub.matches(event) && !unmatched {
            return None;
        }
        // A relay that was taken out meanwhile brings nothing any more.
        let own = waiters.of(id).iter().find(|w| sub.legs.contains_key(&w.relay)).map(|w| w.mark);
        let mark = own.or_else(|| {
            let legs = self.dedup.relays(&event.id()).iter().filter_map(|ix| sub.legs.get(ix));
            let live = legs.map(|(_, leg)| leg.is_live()).reduce(|a, b| a || b)?;
            Some(if live { Mark::Live } else { Mark::Stored })
        });
        Some((id, mark?))
    }

    /// A subscription asks these relays.
    pub(super) fn enter_index(&mut self, id: SubId, relays: impl IntoIterator<Item = RelayIx>) {
        if let Some(sub) = self.subs.get(&id).filter(|sub| !sub.id.is_hidden()) {
            relays.into_iter().for_each(|ix| self.index.enter(id, &sub.filters, ix));
        }
    }

    /// A subscription is about to ask these relays no longer, or for something else.
    pub(super) fn leave_index(&mut self, id: SubId, relays: impl IntoIterator<Item = RelayIx>) {
        if let Some(sub) = self.subs.get(&id).filter(|sub| !sub.id.is_hidden()) {
            relays.into_iter().for_each(|ix| self.index.leave(id, &sub.filters, ix));
        }
    }
}

#[cfg(any(test, feature = "planted-bugs"))]
impl Core {
    /// What the index found, against looking at every subscription.
    fn audit_takers(&self, event: &VerifiedEvent, waiters: &BySub<'_>, takers: &[(SubId, Mark)]) {
        // Those that should not match are not found either.
        if planted!(self.config, FiltersNotChecked) || self.subs.len() > 1_000 {
            return;
        }
        let all = self.subs.keys().filter_map(|id| self.taker(*id, event, waiters));
        assert!(all.eq(takers.iter().copied()), "the index finds every subscription that an event is for");
    }

    /// The books by which subscriptions are found, against the subscriptions and their legs.
    pub(super) fn audit_index(&self) {
        let told = |sub: &Subscription| !sub.is_held_up() || self.fx.untaken.holds_up(sub.id);
        assert!(self.subs.values().all(|sub| told(sub)), "who is held up is told when there is room again");
        let seen = |sub: &&SubId| !sub.is_hidden();
        assert_eq!(self.index.len(crate::index::EVERYWHERE), self.subs.keys().filter(seen).count(), "all are entered");
        for (&ix, relay) in &self.relays {
            assert_eq!(self.index.len(ix), relay.legs.iter().filter(seen).count(), "every leg is entered");
        }
    }
}
