//! What a step of the machine is given, and what it means to others.

use nostr_proto::{PublicKey, UnsignedEvent};

use crate::config::Config;
use crate::time::Now;

use super::public::AuthPolicy;

/// What the machine may know of its surroundings in one step.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) config: &'a Config,
    /// What holds for this relay.
    pub(crate) policy: AuthPolicy,
    /// Whom it may know us as.
    pub(crate) identity: Option<PublicKey>,
    /// Answer the first challenge of a connection, needed or not.
    pub(crate) at_once: bool,
    /// It may know us as several at once.
    pub(crate) link: bool,
    pub(crate) now: Now,
    /// Another relay, to answer for, which should not be.
    #[cfg(feature = "planted-bugs")]
    pub(crate) other: Option<&'a nostr_proto::RelayUrl>,
}

/// What a step meant for the requests and publishes of this relay.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub(crate) enum Change {
    /// Nothing.
    None,
    /// Have this signed, and tell [`Auth::signed`](super::Auth::signed). What was to be signed before is void.
    Sign(UnsignedEvent),
    /// An AUTH is ready to be sent.
    Ready,
    /// The relay knows us: what was refused for lack of that is repeated, and what it may have hidden asked again.
    Granted,
    /// It will not know us: what waits for that is refused for good.
    Denied,
}

/// What a relay refused for lack of authentication, as it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lack {
    /// `auth-required`: who are you?
    Unknown,
    /// `restricted`: not for you. Some relays say so to those whom they do not know.
    Restricted,
}

/// What becomes of something that a relay refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It waits for [`Change::Granted`] or [`Change::Denied`].
    Wait,
    /// It is repeated right away: the relay knows us better than it did when this was sent.
    Again,
    /// It stays refused.
    Final,
}

/// Why the application cannot have an authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotAllowed {
    /// No key to do it with.
    NoIdentity,
    /// The relay has seen another key on this connection, and the two are not to be linked.
    Linked(PublicKey),
    /// Another key's authentication is under way.
    UnderWay(PublicKey),
}

/// Which knowledge of us a request was sent under. A later one is greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Epoch(pub(super) u64);
