//! The gap that is open while a leg owes anything, and its end.

use nostr_proto::Timestamp;

use crate::event::GapCause;

use super::step::{Step, Told};
use super::{Resume, Run};

/// A catch-up that has yet to be told as over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct CatchUp {
    pub(super) since: Option<Timestamp>,
    /// Matching events that came for it.
    pub(super) events: u64,
}

impl Resume {
    /// A gap opens that is to be closed when nothing is owed any more. Tells where it begins: one that is still open is
    /// made up for with it.
    pub(crate) fn opened(&mut self, since: Option<Timestamp>) -> Option<Timestamp> {
        self.behind = true;
        self.catches_up_from(since)
    }

    /// Something is owed from then on, which is to be told when it is made up for. Tells from when on anything is.
    pub(super) fn catches_up_from(&mut self, since: Option<Timestamp>) -> Option<Timestamp> {
        let catch_up = self.catch_up.get_or_insert(CatchUp { since, events: 0 });
        catch_up.since = catch_up.since.min(since);
        catch_up.since
    }

    pub(super) fn tell_caught_up(&mut self, step: &mut Step) {
        if self.owes() || self.behind || matches!(self.run, Run::Asked(_)) {
            return;
        }
        if let Some(CatchUp { since, events }) = self.catch_up.take() {
            step.told.push(Told { since, until: None, cause: GapCause::CaughtUp { events } });
        }
    }
}
