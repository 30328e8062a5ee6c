//! Frames as the run loop sees them, whatever WebSocket library an adapter uses.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::dial::{BadCertificate, ProxyFailure, Step, UpgradeFault};

/// A frame that came in. Fragmented messages come whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming<T> {
    /// Text. That it is UTF-8 has been checked by the adapter, once.
    Text(T),
    /// Anything binary. Nostr has no use for it, so the bytes are not handed on.
    Binary,
    /// A ping. The adapter's WebSocket answers it by itself.
    Ping,
    /// The answer to one of our pings.
    Pong,
    /// A close frame. Nothing comes after it.
    Close {
        /// The close code, 1005 if the frame named none (RFC 6455, section 7.1.5).
        code: u16,
        /// The peer's words, at most 123 bytes.
        reason: String,
    },
}

/// A frame to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// Text; shared, because one publish goes to many relays.
    Text(Arc<str>),
    /// A ping without a payload.
    Ping,
    /// A close frame, the last one.
    Close {
        /// The close code.
        code: u16,
        /// The reason, at most 123 bytes.
        reason: String,
    },
}

/// What can go wrong with a socket, from resolving its host to its last frame.
///
/// Its `Display` is one line for people; what a peer said is never part of it.
#[derive(Debug)]
#[non_exhaustive]
pub enum SocketError {
    /// The host name could not be resolved.
    Resolve(io::Error),
    /// No TCP connection to the host; this is the last address tried.
    Connect {
        /// Where to.
        address: SocketAddr,
        /// Why not.
        error: io::Error,
    },
    /// The host has no public address, and only events named it ([`Origin::Hinted`](crate::Origin::Hinted)).
    NotPublic {
        /// Its first address.
        address: IpAddr,
        /// What that range of addresses is for.
        range: &'static str,
        /// How many more it has.
        others: u64,
    },
    /// Only events named the relay, and its URL is not `wss`.
    InsecureHint,
    /// Only events named the relay, and it can't be checked before the proxy looks it up: see
    /// [`Proxy::with_hinted_names`](crate::Proxy::with_hinted_names).
    HintThroughProxy,
    /// The host is an onion service, and there is no proxy for it.
    OnionWithoutProxy,
    /// No connection through the proxy.
    Proxy(ProxyFailure),
    /// The server's certificate is no good.
    Certificate(BadCertificate),
    /// The TLS handshake failed otherwise.
    Tls(io::Error),
    /// The server answered the WebSocket upgrade with another HTTP status than 101. Redirects are not followed.
    Upgrade {
        /// The HTTP status code.
        status: u16,
    },
    /// The server's answer to the WebSocket upgrade is none.
    Handshake(UpgradeFault),
    /// A step of the dial was not over by its deadline, or by that of the dial.
    TimedOut {
        /// Which step.
        step: Step,
        /// With whom: the last address that was tried, or the proxy's.
        address: Option<SocketAddr>,
        /// The deadline.
        after: Duration,
        /// Whether it is that of the whole dial, not of the step.
        whole: bool,
    },
    /// The connection ended without a close frame.
    Ended,
    /// The peer sent a message larger than [`FrameLimits::max_message`](crate::FrameLimits::max_message).
    TooLarge,
    /// The peer sent text that is not UTF-8.
    NotUtf8,
    /// The peer broke the WebSocket protocol.
    Protocol(String),
    /// The transport failed.
    Io(io::Error),
}

impl SocketError {
    /// The close code (RFC 6455, section 7.4.1) that tells the peer what it did wrong, if it did.
    pub(crate) fn close_code(&self) -> Option<u16> {
        match self {
            Self::TooLarge => Some(1009),
            Self::NotUtf8 => Some(1007),
            Self::Protocol(_) => Some(1002),
            _ => None,
        }
    }
}

impl fmt::Display for SocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resolve(e) => write!(f, "cannot resolve the host: {e}"),
            Self::Connect { address, error } => write!(f, "cannot connect to {address}: {error}"),
            Self::NotPublic { address, range, others } => {
                write!(f, "not dialled, for an event named it and its address is not public: {address} ({range})")?;
                if *others > 0 { write!(f, " and {others} more") } else { Ok(()) }
            }
            Self::InsecureHint => f.write_str("not dialled, for an event named it and its URL is not wss"),
            Self::HintThroughProxy => {
                f.write_str("not dialled, for an event named it and only the proxy would know its address")
            }
            Self::OnionWithoutProxy => f.write_str("not dialled, for it is an onion service and there is no proxy"),
            Self::Proxy(failure) => failure.fmt(f),
            Self::Certificate(bad) => write!(f, "TLS handshake failed: {bad}"),
            Self::Tls(e) => write!(f, "TLS handshake failed: {e}"),
            Self::Upgrade { status: status @ 300..=399 } => {
                write!(f, "the server answered the WebSocket upgrade with HTTP {status}: redirects are not followed")
            }
            Self::Upgrade { status } => write!(f, "the server answered the WebSocket upgrade with HTTP {status}"),
            Self::Handshake(fault) => write!(f, "WebSocket upgrade failed: {fault}"),
            Self::TimedOut { step, address, after, whole } => {
                write!(f, "{step}")?;
                if let Some(address) = address {
                    write!(f, ", {address},")?;
                }
                write!(f, " was not done within {after:?}{}", if *whole { " of dialling" } else { "" })
            }
            Self::Ended => f.write_str("the connection ended without a close frame"),
            Self::TooLarge => f.write_str("the relay sent a message over the size limit"),
            Self::NotUtf8 => f.write_str("the relay sent text that is not UTF-8"),
            Self::Protocol(what) => write!(f, "WebSocket protocol error: {what}"),
            Self::Io(e) => write!(f, "transport error: {e}"),
        }
    }
}

impl std::error::Error for SocketError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Resolve(e) | Self::Tls(e) | Self::Io(e) | Self::Connect { error: e, .. } => Some(e),
            Self::Proxy(failure) => failure.source(),
            _ => None,
        }
    }
}

impl From<io::Error> for SocketError {
    fn from(e: io::Error) -> Self {
        Self::Io(e)
    }
}
