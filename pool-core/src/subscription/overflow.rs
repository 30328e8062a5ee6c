//! What a full queue means: events are skipped, owed by a relay that has them, and asked for when there is room again.

use nostr_proto::{Timestamp, VerifiedEvent};

use crate::config::Config;
use crate::effects::Effects;
use crate::event::{Item, Mark};
use crate::ids::RelayIx;
use crate::planted::planted;

use super::Subscription;

impl Subscription {
    /// Whether it skips what comes, because its queue was full.
    pub(crate) fn is_overflowing(&self) -> bool {
        self.queue.is_overflowing()
    }

    /// If it skipped, and there is room again: says so, and skips no more. What was skipped is to be asked for.
    pub(crate) fn relieve(&mut self, fx: &mut Effects) -> bool {
        let gap = self.queue.relieve(&fx.untaken);
        let relieved = gap.is_some();
        if let Some(gap) = gap
            && !planted!(self, QueueOverflowSilent)
        {
            self.tell(Item::Gap(gap), fx);
        }
        relieved
    }

    /// There was no room for an event that one of these relays brought, and the others have.
    pub(crate) fn skip(
        &mut self,
        event: &VerifiedEvent,
        _mark: Mark,
        _has: &[RelayIx],
        _config: &Config,
        _now: Timestamp,
    ) {
        if event.kind().is_ephemeral() {
            self.queue.lose();
        }
    }
}
