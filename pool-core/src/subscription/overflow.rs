//! What a full queue means: events are skipped, owed by the relays that brought them, and asked for when there is room again.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use nostr_proto::{Filter, Timestamp, VerifiedEvent};

use crate::config::Config;
use crate::effects::Effects;
use crate::event::{Item, Mark};
use crate::ids::RelayIx;
use crate::planted::planted;
use crate::resume::seconds::Range;

use super::{Subscription, request};

impl Subscription {
    /// Whether it skips what comes, because its queue was full.
    pub(crate) fn is_overflowing(&self) -> bool {
        self.queue.is_overflowing()
    }

    /// If it skipped, and there is room again: says so, and skips no more. What was skipped is to be asked for, with a new
    /// budget.
    pub(crate) fn relieve(&mut self, fx: &mut Effects) -> bool {
        let Some(gap) = self.queue.relieve(&fx.untaken) else { return false };
        for (_, leg) in self.legs.values_mut() {
            leg.skipped = Skipped::default();
            leg.resume.renew();
        }
        if !planted!(self, QueueOverflowSilent) {
            self.tell(Item::Gap(gap), fx);
        }
        true
    }

    /// There was no room for an event that relays brought for this: each of them owes it, for none answers for another. If
    /// none did, one of those that have it. `now`: by the wall clock.
    pub(crate) fn skip(
        &mut self,
        event: &VerifiedEvent,
        mark: Mark,
        (brought, has): (&[RelayIx], &[RelayIx]),
        now: Timestamp,
        config: &Config,
    ) {
        let live_from = request::live_from(&self.filters, now, config);
        let at = event.created_at();
        let filters = self.filters.iter().enumerate();
        let provable = |filter: &Filter| filter.search.is_none() && filter.matches(event);
        let matching: Vec<usize> = filters.filter(|(_, filter)| provable(filter)).map(|(at, _)| at).collect();
        let takes = |relay: &RelayIx| self.legs.get(relay).is_some_and(|(_, leg)| leg.needs_connection());
        let mut owing: Vec<RelayIx> = brought.iter().copied().filter(takes).collect();
        if planted!(self, SkippedOwedByOne) {
            owing.truncate(1);
        }
        if owing.is_empty() {
            owing.extend(has.iter().copied().find(takes));
        }
        if event.kind().is_ephemeral() || matching.is_empty() || owing.is_empty() {
            self.queue.lose();
            return;
        }
        for relay in owing {
            let Some(leg) = self.leg(relay) else { continue };
            for &filter in &matching {
                let range = match mark {
                    Mark::Stored => leg.skipped.stored(filter, at),
                    Mark::Live if at >= live_from => leg.skipped.live(filter, at),
                    Mark::Live => Range::second(at),
                };
                leg.resume.owe(core::iter::once(filter), range);
            }
        }
    }
}

/// What was skipped of a leg since the queue was full, by filter: from the oldest to the newest, for it is likely that all
/// between was skipped, too, and one stretch takes fewer pages than many. What is new and what was stored lie apart.
#[derive(Clone, Debug, Default)]
pub(crate) struct Skipped {
    stored: BTreeMap<usize, Range>,
    live: BTreeMap<usize, Range>,
}

impl Skipped {
    fn stored(&mut self, filter: usize, at: Timestamp) -> Range {
        widen(&mut self.stored, filter, at)
    }

    fn live(&mut self, filter: usize, at: Timestamp) -> Range {
        widen(&mut self.live, filter, at)
    }
}

fn widen(ranges: &mut BTreeMap<usize, Range>, filter: usize, at: Timestamp) -> Range {
    let range = ranges.entry(filter).or_insert(Range::second(at));
    *range = range.hull(&Range::second(at));
    *range
}
