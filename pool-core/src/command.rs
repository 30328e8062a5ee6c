//! What the core asks the driver to do.

use alloc::string::String;
use alloc::sync::Arc;

use nostr_proto::{HashedEvent, RelayUrl, UnsignedEvent};

use crate::call::Origin;
use crate::ids::{SocketId, Ticket};

/// Work for the driver. Exhaustive on purpose: a driver that misses one does not compile.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Dial. Answered by `Opened` or `OpenFailed`, unless `Close` for the same socket comes first.
    Open {
        /// The name under which the driver speaks of this dial from now on.
        socket: SocketId,
        /// Where to.
        url: RelayUrl,
        /// Who named it: where this is [`Origin::Hinted`], only a public address may be dialled.
        origin: Origin,
    },
    /// Send a text frame. Answered by `Sent` once the sink took it.
    Send {
        /// Where.
        socket: SocketId,
        /// The message; shared, because one publish goes to many relays.
        frame: Arc<str>,
    },
    /// Send a WebSocket ping. Answered by `Sent` once the sink took it.
    Ping {
        /// Where.
        socket: SocketId,
    },
    /// Close the socket, or give the dial up. Answered by `Closed`; the core stops waiting for that by itself.
    Close {
        /// Which.
        socket: SocketId,
        /// The close code (RFC 6455, section 7.4).
        code: u16,
        /// The reason, at most 123 bytes.
        reason: String,
    },
    /// Read nothing from this socket until `ResumeRead`.
    PauseRead {
        /// Which.
        socket: SocketId,
    },
    /// Read from this socket again.
    ResumeRead {
        /// Which.
        socket: SocketId,
    },
    /// Check a signature. Answered by `Verified`, in any order.
    Verify {
        /// To be named in the answer.
        ticket: Ticket,
        /// The event; that its id is the hash of its content has been checked.
        event: HashedEvent,
    },
    /// Ask the user's signer. Answered by `Signed`.
    Sign {
        /// To be named in the answer.
        ticket: Ticket,
        /// What to sign.
        event: UnsignedEvent,
    },
    /// Have the user's signer answer a relay's challenge (NIP-42). Answered by `Signed`, or not at all if the connection
    /// is lost before: the core stops waiting for it by itself.
    SignAuth {
        /// To be named in the answer.
        ticket: Ticket,
        /// The relay that gets to know the event's author.
        relay: RelayUrl,
        /// What to sign: kind 22242, for this relay and its challenge.
        event: UnsignedEvent,
    },
}
