//! The runtime behind handles that do not name it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use nostr_pool_core::SocketId;

use crate::dial::Dial;
use crate::info::{self, RelayInfoError};
use crate::outbox::Outbox;
use crate::runtime::Runtime;
use crate::shared::Shared;
use crate::socket;

/// A [`Runtime`] without its types: what is left of it for code that is not generic. Only the socket loop is.
pub(crate) trait Engine: Send + Sync {
    fn now(&self) -> Instant;
    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()>;
    fn spawn(&self, future: BoxFuture<'static, ()>);
    /// Spawns the task of one socket, from its dial to its end.
    fn open(&self, order: OpenOrder);
    /// Fetches the text of a relay's information document. To be polled in a task of the runtime.
    fn fetch_info(&self, shared: Arc<Shared>, dial: Dial) -> BoxFuture<'static, Result<String, RelayInfoError>>;
}

/// A dial that the core asked for.
pub(crate) struct OpenOrder {
    pub(crate) shared: Arc<Shared>,
    pub(crate) socket: SocketId,
    pub(crate) dial: Dial,
    pub(crate) outbox: Arc<Outbox>,
}

impl<R: Runtime> Engine for R {
    fn now(&self) -> Instant {
        Runtime::now(self)
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        Runtime::sleep(self, time)
    }

    fn spawn(&self, future: BoxFuture<'static, ()>) {
        Runtime::spawn(self, future);
    }

    fn open(&self, order: OpenOrder) {
        Runtime::spawn(self, Box::pin(socket::run(self.clone(), order)));
    }

    fn fetch_info(&self, shared: Arc<Shared>, dial: Dial) -> BoxFuture<'static, Result<String, RelayInfoError>> {
        let runtime = self.clone();
        Box::pin(async move { info::fetch(&runtime, &dial, &shared.dial).await })
    }
}
