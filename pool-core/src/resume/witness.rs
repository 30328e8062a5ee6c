//! What a relay is known to have, and how it reads `until`.
//!
//! NIP-01 counts the second `until` in. A relay that leaves it out would skip, with each page that begins at the second at
//! which the one before ended, what is left of that second. It is found out by an event that it is known to have.

use nostr_proto::Timestamp;

use super::Resume;
use super::page::Page;

impl Resume {
    /// The relay has an event of this second, for this filter.
    pub(crate) fn has_event_of(&mut self, filter: usize, second: Timestamp) {
        if let Some(ground) = self.grounds.get_mut(filter) {
            ground.witness = Some(second);
        }
    }

    /// Whether it turns out with this page that the relay leaves out the second `until`: that page says nothing, then, and is
    /// asked for again.
    pub(super) fn is_found_exclusive(&mut self, page: &Page) -> bool {
        let witness = self.grounds.get(page.filter).and_then(|ground| ground.witness);
        let lacks = witness == Some(page.range.until) && !page.dropped && !page.has_of(page.range.until);
        let found = lacks && !self.exclusive && self.dense.is_none();
        self.exclusive |= found;
        found
    }
}
