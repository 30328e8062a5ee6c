//! What the resume machine goes by, and what comes of a step.

use alloc::vec::Vec;

use nostr_proto::{Filter, Timestamp};

use crate::config::Config;
use crate::event::GapCause;
use crate::time::Now;

use super::seconds::Range;

/// What the machine goes by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'a> {
    pub(crate) config: &'a Config,
    /// The subscription's filters.
    pub(crate) filters: &'a [Filter],
    /// The most stored events that this relay ever gave to one page.
    pub(crate) largest: usize,
    /// Whether it ends when nothing is owed, and so can't wait for ever.
    pub(crate) ends: bool,
    pub(crate) now: Now,
}

impl Context<'_> {
    /// An answer of so many messages may be cut short by the relay.
    pub(super) fn enough(&self) -> u64 {
        self.largest.max(self.config.min_page) as u64
    }
}

/// What a step means for the application, and for what is known of the relay.
#[derive(Debug, Default, PartialEq)]
#[must_use]
pub(crate) struct Step {
    pub(crate) told: Vec<Told>,
    /// The relay gave so many stored events to one page.
    pub(crate) learnt: Option<usize>,
}

/// A gap of the leg's relay.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Told {
    pub(crate) since: Option<Timestamp>,
    pub(crate) until: Option<Timestamp>,
    pub(crate) cause: GapCause,
}

impl Step {
    pub(super) fn tell(&mut self, range: Range, cause: GapCause) {
        self.told.push(Told { since: Some(range.since), until: range.end(), cause });
    }
}
