//! The machine as the server's thread and its users share it.

use crate::connection::ConnId;
use crate::relay::Relay;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// How a connection's task learns that it has something to do.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    /// There is output.
    pub(crate) output: Notify,
    /// The output ends with the end of the connection.
    pub(crate) ending: Notify,
}

struct Hub {
    relay: Relay,
    signals: BTreeMap<ConnId, Arc<Signals>>,
}

impl Hub {
    fn signal(&self) {
        for conn in self.relay.connections_with_output() {
            if let Some(signals) = self.signals.get(&conn) {
                signals.output.notify_one();
                if !self.relay.is_open(conn) {
                    signals.ending.notify_one();
                }
            }
        }
    }
}

pub(crate) struct Shared {
    hub: Mutex<Hub>,
    delay_micros: AtomicU64,
}

impl Shared {
    pub(crate) fn new(relay: Relay) -> Self {
        Self { hub: Mutex::new(Hub { relay, signals: BTreeMap::new() }), delay_micros: AtomicU64::new(0) }
    }

    /// A panic in a user's closure must not take the relay down with it.
    fn lock(&self) -> MutexGuard<'_, Hub> {
        self.hub.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works on the relay, and wakes the connections that have output then.
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut Relay) -> R) -> R {
        let mut hub = self.lock();
        let result = f(&mut hub.relay);
        hub.signal();
        result
    }

    /// Opens a connection.
    pub(crate) fn connect(&self) -> (ConnId, Arc<Signals>) {
        let signals = Arc::new(Signals::default());
        let mut hub = self.lock();
        let conn = hub.relay.connect();
        hub.signals.insert(conn, Arc::clone(&signals));
        hub.signal();
        (conn, signals)
    }

    /// Ends a connection.
    pub(crate) fn disconnect(&self, conn: ConnId) {
        let mut hub = self.lock();
        hub.relay.disconnect(conn);
        hub.signals.remove(&conn);
    }

    pub(crate) fn set_delay(&self, delay: Duration) {
        self.delay_micros.store(u64::try_from(delay.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(crate) fn delay(&self) -> Duration {
        Duration::from_micros(self.delay_micros.load(Ordering::Relaxed))
    }
}
