//! What has to hold when a live subscription is sent to other relays: those that stay notice nothing.

use nostr_pool_core::{Item, LegState, SubId};
use nostr_proto::RelayUrl;

use super::oracle::Oracle;

/// Whom a subscription asked before.
#[derive(Clone, Debug)]
pub(super) struct Before {
    relays: Vec<RelayUrl>,
    all: bool,
}

/// A subscription that is being sent elsewhere, and the relays that stay.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    sub: SubId,
    stay: Vec<RelayUrl>,
}

impl Sent {
    /// Something is told meanwhile.
    pub(super) fn told(&self, id: SubId, item: &Item) -> Result<(), &'static str> {
        match item {
            Item::Leg { relay, state: LegState::Requested | LegState::Closed(_) | LegState::Removed }
                if id == self.sub && self.stay.contains(relay) =>
            {
                Err("a relay that stays notices nothing of the others")
            }
            _ => Ok(()),
        }
    }
}

impl Oracle {
    /// A live subscription is being sent to these relays; `all`: to every one of the pool.
    pub(super) fn retargets(&mut self, id: SubId, relays: Vec<RelayUrl>, all: bool) -> Option<Before> {
        let sub = self.sub_mut(id)?;
        let before = Before { relays: sub.relays.clone(), all: sub.all };
        let is_kept = |relay: &&RelayUrl| before.relays.contains(relay) && !sub.left.contains(relay);
        let stay: Vec<RelayUrl> = relays.iter().filter(is_kept).cloned().collect();
        for relay in relays.iter().filter(|relay| !stay.contains(relay)) {
            sub.closed.remove(relay);
            sub.left.remove(relay);
            sub.without(relay);
        }
        (sub.relays, sub.all) = (relays, all);
        self.sent = Some(Sent { sub: id, stay });
        Some(before)
    }

    /// It is not, after all.
    pub(super) fn keeps_target(&mut self, id: SubId, before: Before) {
        self.sent = None;
        if let Some(sub) = self.sub_mut(id) {
            (sub.relays, sub.all) = (before.relays, before.all);
        }
    }

    /// It is: whoever is not asked any more was taken out.
    pub(super) fn has_target(&mut self, id: SubId, before: &Before) -> bool {
        self.sent = None;
        let Some(sub) = self.sub_mut(id) else { return true };
        let gone: Vec<&RelayUrl> = before.relays.iter().filter(|relay| !sub.relays.contains(relay)).collect();
        gone.iter().for_each(|relay| sub.without(relay));
        gone.iter().all(|relay| sub.left.contains(relay))
    }
}
