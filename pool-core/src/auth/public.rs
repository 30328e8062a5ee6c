//! What the application decides about authentication, and what it is told of it.

use alloc::string::String;
use alloc::vec::Vec;

use nostr_proto::{PublicKey, Reason};

use crate::time::Instant;

/// Whether relays get to know who is asking (NIP-42). An authentication tells the relay which key is behind this
/// connection and its address, so that the default is not to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AuthPolicy {
    /// Challenges are remembered, the latest one, and never answered; unless the application says so with
    /// [`Call::Authenticate`](crate::Call::Authenticate).
    #[default]
    Never,
    /// Where an authentication is needed, the application is asked by [`AuthState::Requested`], once per connection. It
    /// answers with [`Call::Authenticate`](crate::Call::Authenticate) or [`Call::DenyAuth`](crate::Call::DenyAuth).
    Ask,
    /// Challenges are answered where an authentication is needed: see the relay's
    /// [`auth_at_once`](crate::RelayOptions::auth_at_once) for the others. As the policy of a whole pool, also those of relays
    /// that only events named: [`RelayOptions::auth`](crate::RelayOptions::auth) says otherwise.
    Always,
}

/// How a relay's connection stands with authentication (NIP-42). Nothing of it outlives the connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AuthState {
    /// There is no connection, or the relay has sent no challenge, and nothing needs one.
    #[default]
    Unchallenged,
    /// Something needs an authentication, and the relay's challenge is waited for.
    Expected,
    /// The relay has sent a challenge, and nothing needs its answer.
    Challenged,
    /// The application is asked: [`Call::Authenticate`](crate::Call::Authenticate) or
    /// [`Call::DenyAuth`](crate::Call::DenyAuth). Without an answer, what was refused waits for as long as the connection
    /// lasts.
    Requested,
    /// So many challenges were answered lately that this one has to wait.
    Paced {
        /// When it will be signed, on the driver's monotonic clock.
        until: Instant,
    },
    /// The answer to a challenge is being signed, or waits for room in the socket's send buffer.
    Signing {
        /// By whom.
        identity: PublicKey,
    },
    /// The answer was sent.
    Sent {
        /// Whose.
        identity: PublicKey,
    },
    /// The relay knows who is asking.
    Authenticated {
        /// The keys that it knows this connection by, in order; one, unless
        /// [`link_identities`](crate::RelayOptions::link_identities) allows more.
        identities: Vec<PublicKey>,
        /// Whether it said so. Some relays never answer: then it is assumed.
        confirmed: bool,
    },
    /// There will be no authentication on this connection, unless the relay sends another challenge or the application
    /// insists. What was refused for lack of it stays refused.
    Failed(AuthFailure),
}

/// Why there is no authentication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthFailure {
    /// The application said no, or took back the policy that allowed it.
    Denied,
    /// No key is there to do it with: neither the relay's options nor the configuration name one.
    NoIdentity,
    /// The signer refused, in its words (at most 256 bytes), or did not answer in time.
    NotSigned(String),
    /// The relay refused the answer.
    Refused(Reason),
    /// The challenge is longer than [`Config::max_challenge_bytes`](crate::Config::max_challenge_bytes).
    ChallengeTooLong {
        /// Its length.
        bytes: usize,
    },
}
