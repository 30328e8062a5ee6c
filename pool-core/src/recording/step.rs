//! What the core is fed, as a value that can be kept.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use nostr_proto::{BadSignature, Event, EventId, HashedEvent, Proof, Signature};

use crate::call::Call;
use crate::ids::{SocketId, Ticket};
use crate::input::{CloseReason, Input};
use crate::time::Now;

use super::code::{Encode, coded_enum, coded_struct};

/// A step of a recording.
#[derive(Clone, Debug, PartialEq)]
pub struct Step<'a> {
    /// When, by the clocks that the core was given.
    pub now: Now,
    /// What the core was fed.
    pub fed: Fed<'a>,
    /// The digest when the step was done, of it and everything before, and of what came of all that. `None` if the
    /// recording breaks off before, as it does where the core panicked, and in a recording that was cut down.
    pub digest: Option<u32>,
}

/// What the core was fed: an [`Input`], a [`Call`] or a timeout.
#[derive(Clone, Debug, PartialEq)]
pub enum Fed<'a> {
    /// [`Input::Opened`].
    Opened {
        /// Which dial.
        socket: SocketId,
    },
    /// [`Input::OpenFailed`].
    OpenFailed {
        /// Which dial.
        socket: SocketId,
        /// Why, for people.
        error: String,
    },
    /// [`Input::Text`].
    Text {
        /// Where.
        socket: SocketId,
        /// The whole message.
        frame: &'a str,
    },
    /// [`Input::Binary`].
    Binary {
        /// Where.
        socket: SocketId,
    },
    /// [`Input::Ping`].
    Ping {
        /// Where.
        socket: SocketId,
    },
    /// [`Input::Pong`].
    Pong {
        /// Where.
        socket: SocketId,
    },
    /// [`Input::Sent`].
    Sent {
        /// Where.
        socket: SocketId,
    },
    /// [`Input::Closed`].
    Closed {
        /// Which.
        socket: SocketId,
        /// What is known of why.
        reason: CloseReason,
    },
    /// [`Input::Verified`], without the proof: that is made again by verifying the event.
    Verified {
        /// Whose answer.
        ticket: Ticket,
        /// What it was.
        answer: Answer,
    },
    /// [`Input::Signed`].
    Signed {
        /// Whose answer.
        ticket: Ticket,
        /// The signed event, or why the signer refused.
        outcome: Result<Event, String>,
    },
    /// [`Core::handle_call`](crate::Core::handle_call).
    Call(Arc<Call>),
    /// [`Core::handle_timeout`](crate::Core::handle_timeout).
    Timeout,
}

coded_enum! {
    Fed<'a> {
        0 Opened { socket },
        1 OpenFailed { socket, error },
        2 Text { socket, frame },
        3 Binary { socket },
        4 Ping { socket },
        5 Pong { socket },
        6 Sent { socket },
        7 Closed { socket, reason },
        8 Verified { ticket, answer },
        9 Signed { ticket, outcome },
        10 Call(call),
        11 Timeout,
    }
}

/// The byte of [`Fed::Call`].
const CALL: u8 = 10;

coded_enum! { CloseReason { 0 Remote { code, reason }, 1 Local, 2 Error(words), 3 TooLarge } }

impl<'a> Fed<'a> {
    /// A call that is not shared yet.
    pub(super) fn encode_call(call: &Call, out: &mut Vec<u8>) {
        out.push(CALL);
        call.encode(out);
    }

    /// What is kept of an input.
    pub(super) fn of(input: &Input<'a>) -> Self {
        match input {
            Input::Opened { socket } => Self::Opened { socket: *socket },
            Input::OpenFailed { socket, error } => Self::OpenFailed { socket: *socket, error: error.clone() },
            Input::Text { socket, frame } => Self::Text { socket: *socket, frame },
            Input::Binary { socket } => Self::Binary { socket: *socket },
            Input::Ping { socket } => Self::Ping { socket: *socket },
            Input::Pong { socket } => Self::Pong { socket: *socket },
            Input::Sent { socket } => Self::Sent { socket: *socket },
            Input::Closed { socket, reason } => Self::Closed { socket: *socket, reason: reason.clone() },
            Input::Verified { ticket, outcome } => Self::Verified { ticket: *ticket, answer: Answer::of(outcome) },
            Input::Signed { ticket, outcome } => Self::Signed { ticket: *ticket, outcome: outcome.clone() },
        }
    }
}

/// The answer to a question for a signature, without anything that could pass for a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Whether the signature is its author's.
    pub good: bool,
    /// Which event was answered for: of a good one, the first four bytes of the id and of the signature; of a bad one, the
    /// first eight of the id.
    pub mark: [u8; 8],
}

coded_struct! { Answer { good, mark } }

impl Answer {
    fn of(outcome: &Result<Proof, BadSignature>) -> Self {
        match outcome {
            Ok(proof) => Self { good: true, mark: good_mark(proof.id(), proof.signature()) },
            Err(BadSignature { id }) => Self { good: false, mark: bad_mark(*id) },
        }
    }

    /// Whether it was given for this event.
    pub(super) fn is_about(&self, event: &HashedEvent) -> bool {
        self.mark == if self.good { good_mark(event.id(), event.signature()) } else { bad_mark(event.id()) }
    }
}

fn good_mark(id: EventId, signature: Signature) -> [u8; 8] {
    let mut mark = bad_mark(id);
    mark[4..].copy_from_slice(&signature.as_bytes()[..4]);
    mark
}

fn bad_mark(id: EventId) -> [u8; 8] {
    let mut mark = [0; 8];
    mark.copy_from_slice(&id.as_bytes()[..8]);
    mark
}
