//! How far the application is done with what was delivered, and what may be kept of that for later.
//!
//! A checkpoint is good if everything that was delivered when it was taken is acknowledged. Of those that were asked for
//! too early, the first is kept until it is; then it is the newest good one, and another may be kept. So there are two at
//! most, and a stream that never pauses still has checkpoints that move on.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use nostr_proto::Timestamp;

use crate::call::Acknowledge;
use crate::ids::RelayIx;
use crate::planted::planted;

use super::checkpoint::RelayGround;
use super::legs::Entry;
use super::paging::Snapshot;
use super::{Checkpoint, Subscription};

/// What the application has taken, what it is done with, and the checkpoints that wait for that or had it.
#[derive(Debug)]
pub(crate) struct Acknowledged {
    by: Acknowledge,
    /// Items in the stream so far, news included.
    told: u64,
    /// Of those, how many were taken.
    taken: u64,
    /// Where in the stream each event stands that is not acknowledged. No more than the queue holds, and one.
    places: VecDeque<u64>,
    /// Every event with a lower `seq` is acknowledged.
    until: u64,
    good: Checkpoint,
    early: Option<Early>,
}

/// A checkpoint of ground whose events were not all acknowledged.
#[derive(Debug)]
struct Early {
    /// All below have to be.
    until: u64,
    checkpoint: Checkpoint,
}

impl Acknowledged {
    /// `first`: what the subscription begins with.
    pub(crate) fn new(by: Acknowledge, first: Checkpoint) -> Self {
        Self { by, told: 0, taken: 0, places: VecDeque::new(), until: 0, good: first, early: None }
    }

    /// An item went into the stream; `numbered`: with a `seq`.
    pub(crate) fn told(&mut self, numbered: bool) {
        if numbered && self.by == Acknowledge::ByNext {
            self.places.push_back(self.told);
        }
        self.told += 1;
    }

    /// The application took items; none: it asks for the next one, and there is none yet.
    pub(crate) fn taken(&mut self, items: usize) {
        let items = u64::try_from(items).unwrap_or(u64::MAX);
        self.taken = self.taken.saturating_add(items).min(self.told);
        let done = if items == 0 { self.taken } else { self.taken.saturating_sub(1) };
        while self.places.pop_front_if(|place| *place < done).is_some() {
            self.until += 1;
        }
    }

    /// The application says that it is done with everything up to `seq`, of `delivered` events. False: that many were not.
    pub(crate) fn acknowledge(&mut self, seq: u64, delivered: u64) -> bool {
        if seq >= delivered {
            return false;
        }
        while self.until <= seq {
            self.until += 1;
            self.places.pop_front();
        }
        true
    }

    /// Whether everything is acknowledged of so many events.
    fn is_done(&self, delivered: u64) -> bool {
        self.until >= delivered
    }

    /// The newest checkpoint of which everything is acknowledged. `now`: what there is now, after so many events.
    pub(crate) fn checkpoint(&mut self, now: Checkpoint, delivered: u64, by_delivery: bool) -> Checkpoint {
        if self.is_done(delivered) || by_delivery {
            self.early = None;
            self.good = now;
            return self.good.clone();
        }
        if self.early.as_ref().is_some_and(|early| self.until >= early.until)
            && let Some(early) = self.early.take()
        {
            self.good = early.checkpoint;
        }
        self.early.get_or_insert(Early { until: delivered, checkpoint: now });
        self.good.clone()
    }

    /// New filters: what was proven of the old ones says nothing of them.
    pub(crate) fn restart(&mut self, first: Checkpoint) {
        self.good = first;
        self.early = None;
    }
}

impl Subscription {
    /// The newest checkpoint that is acknowledged. `proven`: up to when a relay's connection was shown to be alive.
    pub(crate) fn checkpoint(&mut self, proven: impl Fn(RelayIx) -> Option<Timestamp>) -> Checkpoint {
        let now = self.ledger(proven);
        self.acknowledged.checkpoint(now, self.next_seq, planted!(self, AckByDelivery))
    }

    /// What is proven now.
    pub(super) fn ledger(&self, proven: impl Fn(RelayIx) -> Option<Timestamp>) -> Checkpoint {
        let ground = |(&ix, (url, leg)): (&RelayIx, &Entry)| {
            let Snapshot { alive_until, known_as, grounds } = leg.snapshot(proven(ix))?;
            let mut keys = known_as;
            keys.sort_unstable();
            keys.dedup();
            let proven = self.filters.iter().zip(&grounds).map(|(filter, ground)| ground.proven(filter, alive_until));
            let floors = grounds.iter().map(crate::resume::Ground::lowest).collect();
            Some(RelayGround { relay: url.clone(), keys, alive_until, floors, proven: proven.collect() })
        };
        let mut relays: Vec<RelayGround> = self.legs.iter().filter_map(ground).collect();
        relays.sort_unstable_by(|a, b| a.relay.cmp(&b.relay));
        Checkpoint { filters: self.filters.to_vec(), relays }
    }
}
