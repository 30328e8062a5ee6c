//! Pending events: shown to the local subscriptions before any relay has them, and what became of them.
//!
//! | state \ news | quorum reached | other verdict | a relay has it | delivery over, no relay has it | signer refused | superseded |
//! |---|---|---|---|---|---|---|
//! | shown | `Published`, end | `Published`, judged | – | – | `NotSigned`, end | `Superseded`, end |
//! | judged | – | – | `AcceptedLate`, end | `NeverAccepted`, end | `NotSigned`, end | `Superseded`, end |
//!
//! Whether a relay has it counts from the other verdict on, so that both can be told in one step. One that is not signed
//! by then may still be refused by the signer. One final fate each, and nothing after it: see [`PendingOutcome`].

use alloc::string::ToString;
use alloc::vec::Vec;

use nostr_proto::{UnsignedEvent, VerifiedEvent};

use crate::event::{Item, PendingItem, PendingOutcome, Verdict};
use crate::ids::{PublishId, SubId};
use crate::index::EVERYWHERE;
use crate::planted::planted;

use super::Core;

/// A pending event whose fate is to be told.
#[derive(Debug)]
pub(super) struct Echo {
    /// Who saw it.
    subs: Vec<SubId>,
    /// The version that it replaces, for as long as it may have to give way to it. Its bytes count as the publish's.
    before: Option<VerifiedEvent>,
    /// A verdict other than success was told.
    judged: bool,
}

impl Echo {
    fn bytes(&self) -> usize {
        self.before.as_ref().map_or(0, |event| event.heap_bytes())
    }
}

impl Core {
    /// Shows an unsigned event to the local subscriptions that it matches. `before`: the version that it replaces.
    pub(super) fn echo(&mut self, publish: PublishId, event: &UnsignedEvent, before: Option<VerifiedEvent>) {
        let as_event = event.as_event();
        let mut subs: Vec<SubId> = Vec::new();
        for id in self.index.candidates(&as_event, &[EVERYWHERE]) {
            if let Some(sub) = self.subs.get_mut(&id)
                && sub.matches(&as_event)
            {
                let item = |seq| Item::Pending(PendingItem { event: event.clone(), publish, seq });
                if sub.tell_numbered(item, &mut self.fx) {
                    subs.push(sub.id);
                }
            }
        }
        if let Some(p) = self.publishes.get_mut(&publish).filter(|_| !subs.is_empty()) {
            p.echoed = true;
            self.echoes.insert(publish, Echo { subs, before, judged: false });
        }
    }

    /// Tells what is news of a pending event. To be called after every step of its publish.
    pub(super) fn settle_echo(&mut self, publish: PublishId) {
        let Some(echo) = self.echoes.get_mut(&publish) else { return };
        let Some(p) = self.publishes.get(&publish) else { return };
        if let Some(why) = p.refusal() {
            let outcome = PendingOutcome::NotSigned(why.to_string());
            return self.end_echo(publish, &outcome);
        }
        let Some(verdict) = p.verdict().cloned() else { return };
        let (out, done) = (p.is_out() || !self.dedup.relays(&p.event_id()).is_empty(), p.is_done());
        if verdict == Verdict::Reached {
            return self.end_echo(publish, &PendingOutcome::Published(verdict));
        }
        if !echo.judged {
            echo.judged = true;
            self.tell_echo(publish, &PendingOutcome::Published(verdict), None);
        }
        if out {
            self.end_echo(publish, &PendingOutcome::AcceptedLate);
        } else if done {
            self.end_echo(publish, &PendingOutcome::NeverAccepted);
        }
    }

    /// Tells the final fate of a pending event, if it is still to be told.
    pub(super) fn end_echo(&mut self, publish: PublishId, outcome: &PendingOutcome) {
        let rolls_back = matches!(outcome, PendingOutcome::NeverAccepted | PendingOutcome::NotSigned(_));
        let back_to = if rolls_back { self.version_before(publish) } else { None };
        self.tell_echo(publish, outcome, back_to.as_ref());
        if !planted!(self.config, FateTwice) {
            self.echoes.remove(&publish);
        }
    }

    fn tell_echo(&mut self, publish: PublishId, outcome: &PendingOutcome, back_to: Option<&VerifiedEvent>) {
        let Some(event) = self.publishes.get(&publish).map(|p| p.event_id()) else { return };
        let Some(echo) = self.echoes.get(&publish) else { return };
        for id in &echo.subs {
            if let Some(sub) = self.subs.get_mut(id) {
                let item = Item::Resolved { event, outcome: outcome.clone(), back_to: back_to.cloned() };
                sub.tell(item, &mut self.fx);
            }
        }
    }

    /// What the echo of a publish keeps, in bytes.
    pub(super) fn echo_bytes(&self, publish: PublishId) -> usize {
        self.echoes.get(&publish).map_or(0, Echo::bytes)
    }

    /// The version that counts again when a pending one does not: the newest that is at hand, or was when it was shown.
    fn version_before(&self, publish: PublishId) -> Option<VerifiedEvent> {
        if planted!(self.config, PendingNotRolledBack) {
            return None;
        }
        let before = self.echoes.get(&publish)?.before.clone();
        let event = match &self.publishes.get(&publish)?.body {
            crate::publish::Body::Unsigned(event) => event.as_event(),
            crate::publish::Body::Signed { event, .. } => event.clone(),
        };
        let now = self.now.unix;
        let versions = before.into_iter().chain(self.dedup.held_version(&event, now));
        versions.filter(|event| !event.is_expired_at(now)).min_by_key(newest_first)
    }

    /// The newest verified version of what this event replaces, as far as the pool still holds one.
    pub(super) fn held_version_of(&self, event: &UnsignedEvent) -> Option<VerifiedEvent> {
        self.dedup.held_version(&event.as_event(), self.now.unix)
    }
}

/// NIP-01's order of versions: the newest first, ties by the lowest id.
fn newest_first(event: &VerifiedEvent) -> (core::cmp::Reverse<nostr_proto::Timestamp>, nostr_proto::EventId) {
    (core::cmp::Reverse(event.created_at()), event.id())
}
