//! What the application is done with, and what it wants again.

use crate::call::CallError;
use crate::ids::{RelayIx, SubId};
use crate::subscription::Checkpoint;

use super::Core;

impl Core {
    pub(super) fn acknowledge(&mut self, id: SubId, seq: u64) -> Result<(), CallError> {
        let running = self.subs.get_mut(&id).filter(|sub| !sub.id.is_hidden()).map(|sub| sub.acknowledge(seq));
        let known = running.or_else(|| self.finished.acknowledge(id, seq)).ok_or(CallError::UnknownSubscription(id))?;
        if known { Ok(()) } else { Err(CallError::NotDelivered { sub: id, seq }) }
    }

    pub(super) fn checkpoint(&mut self, id: SubId) -> Result<Checkpoint, CallError> {
        let proven = |ix: RelayIx| self.relays.get(&ix).and_then(|relay| relay.conn.proven());
        match self.subs.get_mut(&id).filter(|sub| !sub.id.is_hidden()) {
            Some(sub) => Ok(sub.checkpoint(proven)),
            None => self.finished.checkpoint(id).ok_or(CallError::UnknownSubscription(id)),
        }
    }

    /// The application took items of a subscription.
    pub(super) fn taken(&mut self, id: SubId, items: usize, bytes: usize) {
        if let Some(sub) = self.subs.get_mut(&id) {
            sub.taken(items, bytes, &mut self.fx);
            self.relieve_sub(id);
        } else {
            self.finished.taken(id, items);
        }
    }

    /// What a subscription's full queue skipped is asked for, and what waited for room in it, if there is some now.
    pub(super) fn relieve_sub(&mut self, id: SubId) {
        let relieved = self.subs.get_mut(&id).is_some_and(|sub| sub.relieve(&mut self.fx));
        if relieved {
            self.review_pages(id);
        }
        self.page_again(id);
    }
}
