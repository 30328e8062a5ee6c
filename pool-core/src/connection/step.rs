//! What a step of the machine is given, and what it means to others.

use crate::call::RelayOptions;
use crate::config::Config;
use crate::time::Now;

/// What a step meant for the requests and publishes of this relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Change {
    /// Nothing.
    None,
    /// The socket is open: ask and publish.
    Up,
    /// There was a socket, and it is gone or going.
    Down,
    /// There is no socket and will be none for a while.
    Unavailable,
}

/// What the machine may know of its surroundings in one step.
pub(crate) struct Context<'a> {
    pub(crate) config: &'a Config,
    pub(crate) options: RelayOptions,
    /// Whether this relay may open a socket: more of them are free than relays wait before it. A socket of its own that
    /// is going counts as free.
    pub(crate) slot_free: bool,
    /// Whether it may before long: some socket is going, or can go when it had its turn.
    pub(crate) slot_coming: bool,
    /// Whether a request, a publish or the user needs this relay.
    pub(crate) wanted: bool,
    pub(crate) now: Now,
}
