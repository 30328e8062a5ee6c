//! The process dies, and another begins: nothing is left of the pool, of its connections and of what was on its way, but what
//! the application had written down.

use nostr_pool_core::{Call, Checkpoint};

use super::net::Network;
use super::oracle::Oracle;
use super::reads::Saved;
use super::step::{Reader, Reading, What, Where};
use super::world::World;

impl World {
    /// Nothing is left but what was written down.
    pub(super) fn crash(&mut self) {
        if self.shut {
            return;
        }
        self.totals.fault("crash");
        let live = self.oracle.live_subscriptions();
        let saved: Vec<Saved> = live.iter().filter_map(|sub| self.saved.remove(sub)).collect();
        self.die();
        for (relay, options) in self.members.clone() {
            let url = self.url(relay);
            self.oracle.reads(&url, options.read);
            self.oracle.watch.added(&url, options, self.now().mono);
            self.call(Call::AddRelay { url, options }).expect("there is room");
        }
        if saved.is_empty() {
            self.subscribe(What::All, Where::All, Reader::Prompt, Reading::default(), 0);
        }
        for mut saved in saved {
            saved.checkpoint = Checkpoint::from_json(&saved.text).expect("it was read before");
            self.start(saved.asked, saved.filters.clone(), Some(saved));
        }
    }

    /// The relays and their world go on; whatever knew of the old pool begins anew.
    fn die(&mut self) {
        self.harvest();
        for socket in self.links.keys().copied().collect::<Vec<_>>() {
            self.drop_link(socket);
        }
        self.net = Network::default();
        for relay in 0..self.sites.len() {
            while self.sites[relay].relay.poll_output().is_some() {}
            self.wake_later(relay);
        }
        let config = self.core.config().clone();
        let oracle = Oracle::new(&config, &self.sites);
        let before = std::mem::replace(&mut self.oracle, oracle);
        self.oracle.goes_on(before);
        if self.clock.ahead() != 0 {
            // It will be set right while this pool runs.
            self.oracle.wall_is_ahead(self.clock.ahead());
        }
        self.clock.begin_anew();
        self.core.begin_anew(config, self.rng.bytes32(), self.clock.read());
        self.timed = None;
        self.slow.clear();
        self.untaken.clear();
        self.progress.clear();
        self.asked.clear();
        self.saved.clear();
        self.ways.clear();
        self.past.clear();
        self.answered.clear();
    }
}
