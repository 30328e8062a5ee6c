//! What the driver tells the core.

use alloc::string::String;

use nostr_proto::{BadSignature, Event, Proof};

use crate::ids::{SocketId, Ticket};

/// Something that happened outside. Every input is legal at every time; one that fits nothing is counted.
#[derive(Debug)]
pub enum Input<'a> {
    /// A dial succeeded: the WebSocket is open.
    Opened {
        /// Which dial.
        socket: SocketId,
    },
    /// A dial failed. The socket is gone.
    OpenFailed {
        /// Which dial.
        socket: SocketId,
        /// Why, for people.
        error: String,
    },
    /// A text frame arrived.
    Text {
        /// Where.
        socket: SocketId,
        /// The whole message.
        frame: &'a str,
    },
    /// A frame arrived that is not text: Nostr has no use for it, but the relay is alive.
    Binary {
        /// Where.
        socket: SocketId,
    },
    /// A ping arrived, which the driver's WebSocket answers by itself: the relay is alive, but it answers nothing of ours.
    Ping {
        /// Where.
        socket: SocketId,
    },
    /// A pong arrived.
    Pong {
        /// Where.
        socket: SocketId,
    },
    /// The sink took one frame of a [`Command::Send`](crate::Command::Send) or a ping: its credit comes back.
    Sent {
        /// Where.
        socket: SocketId,
    },
    /// The socket is gone, whoever closed it. Error and close together are one input.
    Closed {
        /// Which.
        socket: SocketId,
        /// What is known of why.
        reason: CloseReason,
    },
    /// The answer to [`Command::Verify`](crate::Command::Verify).
    Verified {
        /// Whose answer.
        ticket: Ticket,
        /// Proof of the signature, or that it is none.
        outcome: Result<Proof, BadSignature>,
    },
    /// The answer to [`Command::Sign`](crate::Command::Sign) or [`Command::SignAuth`](crate::Command::SignAuth).
    Signed {
        /// Whose answer.
        ticket: Ticket,
        /// The signed event, or why the signer refused, for people.
        outcome: Result<Event, String>,
    },
}

/// Why a socket is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The relay sent a close frame, with its code and reason (RFC 6455, section 7.4) if it named any.
    Remote {
        /// The close code, 1005 if there was none.
        code: u16,
        /// The relay's words, at most 123 bytes by the protocol.
        reason: String,
    },
    /// We closed it.
    Local,
    /// The transport failed, for people: reset, end of stream without a close frame, TLS or framing error.
    Error(String),
    /// The relay sent a message larger than the limit.
    TooLarge,
}
