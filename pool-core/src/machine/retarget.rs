//! Sending a live subscription to other relays.

use crate::call::{CallError, Target};
use crate::ids::SubId;

use super::Core;

impl Core {
    pub(super) fn retarget(&mut self, id: SubId, _target: &Target) -> Result<(), CallError> {
        Err(CallError::UnknownSubscription(id))
    }
}
