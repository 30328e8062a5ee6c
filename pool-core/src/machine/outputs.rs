//! What waits to be taken out of the core, for whoever records it.

use crate::command::Command;
use crate::event::PoolEvent;

use super::Core;

impl Core {
    /// How many commands and events nobody has taken yet.
    pub(crate) fn waiting(&self) -> (usize, usize) {
        (self.fx.commands.len(), self.fx.events.len())
    }

    /// Those behind the first so many: what came of the last step, if so many waited before it.
    pub(crate) fn waiting_since(
        &self,
        (commands, events): (usize, usize),
    ) -> (impl Iterator<Item = &Command>, impl Iterator<Item = &PoolEvent>) {
        (self.fx.commands.iter().skip(commands), self.fx.events.iter().skip(events))
    }
}
