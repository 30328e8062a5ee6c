//! `nostr-relay-builder`: in this process, on a runtime of its own, whatever runtime the pool runs on.

use std::fmt;
use std::io;
use std::sync::Arc;

use nostr_relay_builder::builder::{RateLimit, RelayBuilderNip42};
use nostr_relay_builder::prelude::{MemoryDatabase, MemoryDatabaseOptions, NostrDatabase};
use nostr_relay_builder::{LocalRelay, RelayBuilder};

use super::{Profile, Site};

/// It, and the store that outlives it.
pub(super) struct InProcess {
    site: Site,
    store: Arc<dyn NostrDatabase>,
    /// Ends with all its tasks and sockets when it is dropped: the kill.
    running: Option<(LocalRelay, tokio::runtime::Runtime)>,
}

impl InProcess {
    pub(super) fn start(site: &Site) -> io::Result<Self> {
        let options = MemoryDatabaseOptions { events: true, max_events: Some(75_000) };
        let store = Arc::new(MemoryDatabase::with_opts(options));
        let mut relay = Self { site: site.clone(), store, running: None };
        relay.revive()?;
        Ok(relay)
    }

    pub(super) fn kill(&mut self) {
        if let Some((relay, runtime)) = self.running.take() {
            drop(relay);
            runtime.shutdown_background();
        }
    }

    pub(super) fn revive(&mut self) -> io::Result<()> {
        self.kill();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let mut builder = RelayBuilder::default().port(self.site.port).database(self.store.clone());
        if self.site.profile != Profile::Stock {
            builder = builder.rate_limit(RateLimit { max_reqs: 500, notes_per_minute: 1_000_000 });
        }
        if self.site.profile == Profile::Auth {
            builder = builder.nip42(RelayBuilderNip42::default()).auth_dm(true);
        }
        let relay = LocalRelay::new(builder);
        // The port is free but for a moment at most: the sockets of the one before may still be closing.
        for _ in 0..100 {
            if runtime.block_on(relay.run()).is_ok() {
                self.running = Some((relay, runtime));
                return Ok(());
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        Err(io::Error::other("its port stays taken"))
    }
}

impl Drop for InProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

impl fmt::Debug for InProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InProcess").field("site", &self.site).finish_non_exhaustive()
    }
}
