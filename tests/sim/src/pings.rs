//! What has to hold of silence: whoever answers two pings with nothing at all is gone, and gets no third.

use std::collections::BTreeMap;

use nostr_pool_core::SocketId;

/// Pings on each socket since anything was heard there, while it was read from.
#[derive(Debug, Default)]
pub(super) struct Pings {
    unheard: BTreeMap<SocketId, u32>,
}

impl Pings {
    /// A ping goes out. `unread`: the socket is not read from, so that silence says nothing.
    pub(super) fn pinged(&mut self, socket: SocketId, unread: bool) -> Result<(), &'static str> {
        let unheard = self.unheard.entry(socket).or_default();
        *unheard = if unread { 0 } else { *unheard + 1 };
        if *unheard > 2 { Err("a relay that answers two pings with nothing is gone") } else { Ok(()) }
    }

    /// Anything comes, or the socket is gone.
    pub(super) fn heard(&mut self, socket: SocketId) {
        self.unheard.remove(&socket);
    }
}
