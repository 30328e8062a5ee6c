//! What a relay is known to have, and how it reads `until`.
//!
//! NIP-01 counts the second `until` in. A relay that leaves it out would skip, with each page that begins at the second at
//! which the one before ended, what is left of that second. It is found out by an event that it is known to have. One that
//! then brings an event of the very second that it was asked for as the last counts that in, after all or from now on, and
//! is taken at that: nobody goes to and fro with it.

use nostr_proto::Timestamp;

use super::Resume;
use super::page::Page;

/// How a relay reads `until`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Until {
    /// As NIP-01 has it, until it is found out.
    #[default]
    Presumed,
    /// It leaves out what is of that second: it is asked for one more.
    LeftOut,
    /// It was thought to leave it out, and does not.
    CountedIn,
}

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
        let found = lacks && self.until == Until::Presumed && self.dense.is_none();
        if found {
            self.until = Until::LeftOut;
        }
        found
    }

    /// Whether it turns out with this page that a relay that was thought to leave out the second `until` does not: of the page's
    /// own range, it may have brought nothing for that.
    pub(super) fn is_found_inclusive(&mut self, page: &Page) -> bool {
        let found = page.has_one_more && self.until == Until::LeftOut;
        if found {
            self.until = Until::CountedIn;
        }
        found
    }
}
