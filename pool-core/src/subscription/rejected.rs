//! Events that were dropped for their size or shape.

use nostr_proto::{EventId, ParseError, ParseErrorKind};

use crate::effects::Effects;
use crate::event::{Item, RejectedEvent};
use crate::ids::RelayIx;

use super::Subscription;

/// So many are told of per leg and generation of filters, each once.
const MOST: usize = 16;

impl Subscription {
    /// An event of a running request was dropped, which claims this id. Whoever keeps the newest version of something
    /// learns that there may be a newer one.
    pub(crate) fn rejected(&mut self, relay: RelayIx, event: EventId, error: &ParseError, fx: &mut Effects) {
        let Some((url, leg)) = self.legs.get_mut(&relay) else { return };
        if leg.rejected.len() >= MOST || leg.rejected.contains(&event) {
            return;
        }
        leg.rejected.push(event);
        let why = match error.kind {
            ParseErrorKind::TooLarge { .. } => RejectedEvent::TooLong,
            _ => RejectedEvent::Malformed,
        };
        let item = Item::Rejected { relay: url.clone(), event, why };
        self.tell(item, fx);
    }
}
