//! Subscriptions that came to their own end, while their last items wait to be taken: what they had is known until the
//! application has had the chance to ask.

use alloc::collections::BTreeMap;

use nostr_proto::Timestamp;

use crate::call::Acknowledge;
use crate::ids::{RelayIx, SubId};

use super::acknowledged::Acknowledged;
use super::{Checkpoint, Subscription};

/// How many are remembered; of more, the earliest are forgotten.
const MOST: usize = 256;

/// Those subscriptions.
#[derive(Debug, Default)]
pub(crate) struct Finished {
    all: BTreeMap<SubId, Last>,
}

/// What one of them had at its end.
#[derive(Debug)]
pub(crate) struct Last {
    ground: Checkpoint,
    acknowledged: Acknowledged,
    delivered: u64,
}

impl Finished {
    pub(crate) fn keep(&mut self, id: SubId, last: Last) {
        self.all.insert(id, last);
        if self.all.len() > MOST {
            self.all.pop_first();
        }
    }

    pub(crate) fn forget(&mut self, id: SubId) {
        self.all.remove(&id);
    }

    pub(crate) fn forget_all(&mut self) {
        self.all.clear();
    }

    pub(crate) fn taken(&mut self, id: SubId, items: usize) {
        if let Some(last) = self.all.get_mut(&id) {
            last.acknowledged.taken(items);
        }
    }

    /// `None`: it is not among them. `Some(false)`: so many events were not delivered.
    pub(crate) fn acknowledge(&mut self, id: SubId, seq: u64) -> Option<bool> {
        self.all.get_mut(&id).map(|last| last.acknowledged.acknowledge(seq, last.delivered))
    }

    pub(crate) fn checkpoint(&mut self, id: SubId) -> Option<Checkpoint> {
        self.all.get_mut(&id).map(|last| last.acknowledged.checkpoint(last.ground.clone(), last.delivered, false))
    }
}

impl Subscription {
    /// What it has at its end. Its last item has been told.
    pub(crate) fn last(&mut self, proven: impl Fn(RelayIx) -> Option<Timestamp>) -> Last {
        let ground = self.ledger(proven);
        let nothing = Acknowledged::new(Acknowledge::ByHand, Checkpoint::default());
        let acknowledged = core::mem::replace(&mut self.acknowledged, nothing);
        Last { ground, acknowledged, delivered: self.next_seq }
    }
}
