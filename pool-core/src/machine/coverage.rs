//! What the application is done with, and what it wants again.

use crate::call::CallError;
use crate::ids::SubId;
use crate::subscription::Checkpoint;

use super::Core;

impl Core {
    pub(super) fn acknowledge(&mut self, id: SubId, _seq: u64) -> Result<(), CallError> {
        Err(CallError::UnknownSubscription(id))
    }

    pub(super) fn checkpoint(&mut self, id: SubId) -> Result<Checkpoint, CallError> {
        Err(CallError::UnknownSubscription(id))
    }
}
