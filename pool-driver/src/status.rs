//! News of relays for whoever listens.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::Stream;
use nostr_pool_core::{AuthFailure, AuthState, RelayRecord, RelayUpdate};
use nostr_proto::{PublicKey, RelayUrl};

use crate::mailbox::{Mailbox, Ring};
use crate::shared::{Shared, StatusRing};

/// News that a listener may leave waiting before the oldest are forgotten, in count.
const MAX_WAITING: usize = 1_024;
/// The same in bytes.
const MAX_WAITING_BYTES: usize = 4 << 20;

/// News of a relay.
#[derive(Clone, Debug, PartialEq)]
pub struct StatusUpdate {
    /// Which relay.
    pub relay: RelayUrl,
    /// What happened: a new state of its connection or of its authentication, a NOTICE, or that it was taken out of the
    /// pool.
    pub update: RelayUpdate,
    /// The relay as it stands; `None` if it is no longer in the pool.
    pub record: Option<RelayRecord>,
    /// News that were forgotten right before these, because the listener was too slow.
    pub lagged: u64,
}

/// The news of all relays as a stream. It ends with the pool.
///
/// Up to 1,024 news and 4 MiB wait for a slow listener; beyond that the oldest are forgotten, and
/// [`StatusUpdate::lagged`] says how many.
#[must_use = "streams do nothing unless they are read"]
pub struct StatusStream {
    shared: Arc<Shared>,
    ring: Arc<StatusRing>,
}

impl StatusStream {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        let ring = Arc::new(Mailbox::new(Ring::new(MAX_WAITING, MAX_WAITING_BYTES)));
        shared.look(|state| state.listen(&ring));
        Self { shared: shared.clone(), ring }
    }
}

impl Stream for StatusStream {
    type Item = StatusUpdate;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<StatusUpdate>> {
        self.ring.poll_pop(cx).map(|news| news.map(|(update, lagged)| StatusUpdate { lagged, ..update }))
    }
}

impl Drop for StatusStream {
    fn drop(&mut self) {
        self.shared.enter_dropping(|state, _| state.unlisten(&self.ring));
    }
}

impl std::fmt::Debug for StatusStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StatusStream").finish_non_exhaustive()
    }
}

/// What an update counts while it waits. What it shares with others is not counted.
pub(crate) fn size(update: &StatusUpdate) -> usize {
    let text = match &update.update {
        RelayUpdate::Notice(text) => text.len(),
        RelayUpdate::Auth(state) => auth_size(state),
        _ => 0,
    };
    let record = update.record.as_ref().map_or(0, |r| {
        let close = r.last_close.as_ref().map_or(0, |(_, reason)| reason.len());
        close + r.last_error.as_ref().map_or(0, String::len) + auth_size(&r.auth)
    });
    size_of::<StatusUpdate>() + text + record
}

fn auth_size(state: &AuthState) -> usize {
    match state {
        AuthState::Authenticated { identities, .. } => identities.len() * size_of::<PublicKey>(),
        AuthState::Failed(AuthFailure::NotSigned(why)) => why.len(),
        AuthState::Failed(AuthFailure::Refused(reason)) => reason.message.len(),
        _ => 0,
    }
}
