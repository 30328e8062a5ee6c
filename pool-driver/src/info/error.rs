//! What can go wrong with a relay's information document.

use std::fmt;
use std::io;
use std::time::Duration;

use nostr_pool_core::CallError;
use nostr_proto::ParseError;

use crate::frame::SocketError;

/// Why there is no information document of a relay. `Display` is one line for people; what the server said is never part of
/// it.
#[derive(Debug)]
#[non_exhaustive]
pub enum RelayInfoError {
    /// The relay is not in the pool, or the pool was shut down.
    Call(CallError),
    /// As many fetches as may wait for their turn do: 1,024.
    TooMany,
    /// No connection to the relay, for the reason that a dial of its WebSocket would have.
    Unreachable(SocketError),
    /// The connection is there, but the answer had not come to its end by
    /// [`StepDeadlines::info`](crate::StepDeadlines::info).
    TimedOut {
        /// That deadline, which the dial is part of.
        after: Duration,
    },
    /// The connection failed in mid-request or in mid-answer.
    Lost(io::Error),
    /// The server answered with another HTTP status than 200. Redirects are not followed.
    Refused {
        /// The HTTP status code.
        status: u16,
    },
    /// What came is no HTTP answer that can be read.
    Answer(AnswerFault),
    /// The document is longer than 64 KiB.
    TooLong,
    /// What came is not UTF-8.
    NotUtf8,
    /// What came is no document: no JSON, no object, or nested too deep.
    NotDocument(ParseError),
}

/// What is wrong with a server's answer to the request for its document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AnswerFault {
    /// It is no HTTP/1.0 or HTTP/1.1.
    NotHttp,
    /// Its head is longer than 16 KiB, or has more than 64 headers.
    HeadTooLarge,
    /// The connection ended before it did.
    Ended,
    /// It says how long it is in several ways, or in none that can be read.
    Length,
    /// It comes in chunks that are none.
    Chunks,
    /// It is compressed, or encoded otherwise. No encoding was asked for.
    Encoded,
}

impl fmt::Display for RelayInfoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(e) => e.fmt(f),
            Self::TooMany => f.write_str("1,024 other documents wait to be fetched"),
            Self::Unreachable(e) => e.fmt(f),
            Self::TimedOut { after } => write!(f, "the document was not there within {after:?}"),
            Self::Lost(e) => write!(f, "connection lost before the document was there: {e}"),
            Self::Refused { status: status @ 300..=399 } => {
                write!(f, "the server answered with HTTP {status}: redirects are not followed")
            }
            Self::Refused { status } => write!(f, "the server answered with HTTP {status}"),
            Self::Answer(fault) => fault.fmt(f),
            Self::TooLong => f.write_str("the document is longer than 64 KiB"),
            Self::NotUtf8 => f.write_str("no information document: it is not UTF-8"),
            Self::NotDocument(e) => write!(f, "no information document: {e}"),
        }
    }
}

impl fmt::Display for AnswerFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotHttp => "the answer is no HTTP/1.0 or HTTP/1.1",
            Self::HeadTooLarge => "the answer's head has more than 16 KiB or 64 headers",
            Self::Ended => "the connection ended before the answer did",
            Self::Length => "the answer does not say how long it is, or says so in several ways",
            Self::Chunks => "the answer comes in chunks that are none",
            Self::Encoded => "the answer is encoded in a way that was not asked for",
        })
    }
}

impl std::error::Error for RelayInfoError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreachable(e) => e.source(),
            Self::Lost(e) => Some(e),
            Self::NotDocument(e) => Some(e),
            _ => None,
        }
    }
}

impl From<CallError> for RelayInfoError {
    fn from(e: CallError) -> Self {
        Self::Call(e)
    }
}

impl From<AnswerFault> for RelayInfoError {
    fn from(fault: AnswerFault) -> Self {
        Self::Answer(fault)
    }
}
