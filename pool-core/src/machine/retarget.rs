//! Sending a live subscription to other relays.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use crate::call::{CallError, Target};
use crate::ids::{RelayIx, SubId};

use super::Core;

impl Core {
    /// Legs that stay are not touched. A new one is asked as at the beginning; one that leaves has its request closed.
    /// That brings no other aggregate EOSE: the one of this generation, if it is not told yet, is about the new relays.
    pub(super) fn retarget(&mut self, id: SubId, target: &Target) -> Result<(), CallError> {
        if id.is_hidden() || !self.subs.contains_key(&id) {
            return Err(CallError::UnknownSubscription(id));
        }
        let relays = self.target(target, None, |options| options.read)?;
        let Some(sub) = self.subs.get_mut(&id) else { return Ok(()) };
        sub.retarget(target.clone());
        let has: BTreeSet<RelayIx> = sub.legs.keys().copied().collect();
        let wants: BTreeSet<RelayIx> = relays.iter().map(|(ix, _)| *ix).collect();
        let leaves: Vec<RelayIx> = has.difference(&wants).copied().collect();
        for ix in leaves {
            self.take_leg(id, ix);
        }
        for (ix, url) in relays {
            if !has.contains(&ix) {
                self.add_leg(id, ix, url);
            }
        }
        self.settle_sub(id);
        Ok(())
    }
}
