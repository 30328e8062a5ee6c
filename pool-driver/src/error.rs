//! What can go wrong in the application's own calls.

use std::fmt;
use std::io;

use nostr_pool_core::{CallError, EndReason};
use nostr_proto::{RelayUrl, RelayUrlError};

use crate::connect::ConnectReport;
use crate::dial::RootsError;

/// Why a pool could not be built. `Display` is one line that names the argument and the reason.
#[derive(Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// A relay was not taken in.
    Relay(AddRelayError),
    /// The user agent has characters that a header can't carry: anything but visible ASCII and spaces.
    UserAgent(String),
    /// The roots to trust can't be used.
    Roots(RootsError),
    /// The system gave no entropy for the seed.
    Seed(getrandom::Error),
    /// A verifier thread could not be started.
    Thread(io::Error),
    /// What is to be recorded to can't be opened, or is there already; or the thread that writes it could not be started.
    Recording(io::Error),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Relay(e) => e.fmt(f),
            Self::UserAgent(given) => write!(f, "user agent {given:?}: only visible ASCII and spaces may be in it"),
            Self::Roots(e) => write!(f, "roots: {e}"),
            Self::Seed(e) => write!(f, "no entropy for the seed: {e}"),
            Self::Thread(e) => write!(f, "cannot start a verifier thread: {e}"),
            Self::Recording(e) => write!(f, "cannot record: {e}"),
        }
    }
}

impl std::error::Error for BuildError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Relay(e) => e.source(),
            Self::UserAgent(_) => None,
            Self::Roots(e) => Some(e),
            Self::Seed(e) => Some(e),
            Self::Thread(e) | Self::Recording(e) => Some(e),
        }
    }
}

impl From<AddRelayError> for BuildError {
    fn from(e: AddRelayError) -> Self {
        Self::Relay(e)
    }
}

/// Why a relay could not be taken into the pool. `Display` is one line that names the relay and the reason.
#[derive(Debug)]
#[non_exhaustive]
pub enum AddRelayError {
    /// Its URL is no relay URL.
    Url {
        /// As it was given.
        given: String,
        /// What is wrong with it.
        error: RelayUrlError,
    },
    /// The pool does not take it.
    Call {
        /// Which.
        relay: RelayUrl,
        /// Why not.
        error: CallError,
    },
}

impl fmt::Display for AddRelayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url { given, error } => write!(f, "relay {given:?}: {error}"),
            Self::Call { relay, error } => write!(f, "relay {relay}: {error}"),
        }
    }
}

impl std::error::Error for AddRelayError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Url { error, .. } => Some(error),
            Self::Call { error, .. } => Some(error),
        }
    }
}

/// Why an unsigned event was not published.
#[derive(Debug)]
#[non_exhaustive]
pub enum PublishUnsignedError {
    /// The pool was built without a signer.
    NoSigner,
    /// The pool does not take it.
    Call(CallError),
}

impl fmt::Display for PublishUnsignedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSigner => f.write_str("the pool has no signer: give it one when building it"),
            Self::Call(e) => e.fmt(f),
        }
    }
}

impl std::error::Error for PublishUnsignedError {}

/// Why an event was not mined, or not published when it was.
#[derive(Debug)]
#[non_exhaustive]
pub enum MineError {
    /// No relay has refused it with `pow:` and said how much it wants.
    NotAsked,
    /// Every relay that refused it asks for more than the caller allows.
    TooHard {
        /// The least that one of them asks for, in bits.
        asked: u8,
    },
    /// The pool was built without a signer.
    NoSigner,
    /// The pool's signer signs for another author.
    NotOurs,
    /// Every nonce was tried. With difficulties that anyone reaches, that does not happen.
    Exhausted,
    /// The pool does not take it.
    Call(CallError),
}

impl fmt::Display for MineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAsked => f.write_str("no relay has asked for proof of work"),
            Self::TooHard { asked } => write!(f, "the relays ask for {asked} bits of proof of work or more"),
            Self::NoSigner => PublishUnsignedError::NoSigner.fmt(f),
            Self::NotOurs => f.write_str("the pool's signer signs for another author"),
            Self::Exhausted => f.write_str("no nonce gives that much proof of work"),
            Self::Call(e) => e.fmt(f),
        }
    }
}

impl std::error::Error for MineError {}

/// Why a fetch has no result.
#[derive(Debug)]
#[non_exhaustive]
pub enum FetchError {
    /// The pool does not take it.
    Call(CallError),
    /// It was ended from outside before every relay was done.
    Ended(EndReason),
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(e) => e.fmt(f),
            Self::Ended(EndReason::StartedClean) => f.write_str("the fetch ended because the pool started clean"),
            Self::Ended(_) => f.write_str("the fetch ended because the pool was shut down"),
        }
    }
}

impl std::error::Error for FetchError {}

/// Why connecting failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// The pool does not take the call.
    Call(CallError),
    /// Fewer relays are connected than was asked for.
    Incomplete(ConnectReport),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(e) => e.fmt(f),
            Self::Incomplete(report) => {
                write!(f, "{} of {} relays connected", report.connected(), report.relays.len())
            }
        }
    }
}

impl std::error::Error for ConnectError {}

macro_rules! from_call_error {
    ($($error:ident),+) => {
        $(impl From<CallError> for $error {
            fn from(e: CallError) -> Self {
                Self::Call(e)
            }
        })+
    };
}

from_call_error!(PublishUnsignedError, MineError, FetchError, ConnectError);
