//! Where machines put what is to happen outside.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::sync::Arc;

use nostr_proto::RelayUrl;

use crate::backlog::Untaken;
use crate::command::Command;
use crate::event::{CountReport, Item, PoolEvent, PublishUpdate, RelayUpdate};
use crate::ids::{PublishId, SocketId, SubId};

/// Commands and events in the order in which they came about. The driver empties it after every step.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    pub(crate) commands: VecDeque<Command>,
    pub(crate) events: VecDeque<PoolEvent>,
    /// What the applications have not taken of the items.
    pub(crate) untaken: Untaken,
}

impl Effects {
    pub(crate) fn command(&mut self, command: Command) {
        self.commands.push_back(command);
    }

    pub(crate) fn send(&mut self, socket: SocketId, frame: Arc<str>) {
        self.command(Command::Send { socket, frame });
    }

    pub(crate) fn close(&mut self, socket: SocketId, code: u16, reason: String) {
        self.command(Command::Close { socket, code, reason });
    }

    pub(crate) fn item(&mut self, sub: SubId, item: Item) {
        self.events.push_back(PoolEvent::Item { sub, item });
    }

    pub(crate) fn publish(&mut self, publish: PublishId, update: PublishUpdate) {
        self.events.push_back(PoolEvent::Publish { publish, update });
    }

    pub(crate) fn counted(&mut self, report: CountReport) {
        self.events.push_back(PoolEvent::Counted(Box::new(report)));
    }

    pub(crate) fn relay(&mut self, relay: &RelayUrl, update: RelayUpdate) {
        self.events.push_back(PoolEvent::Relay { relay: relay.clone(), update });
    }
}
