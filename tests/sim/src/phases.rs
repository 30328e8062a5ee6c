//! How a run begins and ends: first trouble, then peace, in which everything has to converge.

use nostr_model_relay::{Fault, Unsolicited};
use nostr_pool_core::{Call, ConnectionState, ReconnectOptions, RelayCounters, RelayRecord, Which};

use super::site::Site;
use super::step::{Burst, Reader, Reading, What, Where};
use super::world::World;

const SECOND: u64 = 1_000_000;

/// How many events a relay holds that forges a few of them.
const THOUSANDS: usize = 2_400;

impl World {
    /// The relays are added, hold something, and are asked.
    pub fn begin(&mut self) {
        for n in 0..self.sites.len() {
            let pinned = self.rng.one_in(6);
            self.add_relay(n, u8::from(pinned) << 2);
            if self.sites[n].takes.is_some_and(|(_, says)| says) {
                self.relay_info(n, 60_000);
            }
        }
        if self.rng.one_in(2) && !self.plan.narrow {
            self.oracle.slots.kept(None);
            self.oracle.dials.user_wants(None, false);
            self.call(Call::Connect { which: Which::All }).expect("relays are there");
        }
        for _ in 0..3 {
            let relays = self.rng.next_u64().to_le_bytes()[0];
            self.note_elsewhere(relays);
        }
        // What is skipped for want of room is looked at where there is nothing so old.
        let roomy = self.plan.limits.queue_bytes == 0 && self.plan.limits.queued_bytes == 0;
        if roomy && self.plan.caps > 0 && self.rng.one_in(2) {
            self.fill_archives();
        }
        if self.plan.sparse {
            for _ in 0..THOUSANDS {
                let event = self.note();
                self.store(self.sites.len() - 1, &event);
            }
        }
        self.subscribe(What::All, Where::All, Reader::Prompt, Reading::default(), 0);
        // An application that knows what it wants asks before anything is connected: that is asked together.
        if !self.plan.narrow && self.rng.one_in(2) {
            let sorts =
                [What::Newest(3), What::Newest(9), What::Of(0), What::Of(1), What::Of(3), What::By(1), What::Named];
            for _ in 0..self.rng.between(2, 5) {
                let (what, all) = (*self.rng.pick(&sorts), self.rng.one_in(4));
                let reading = Reading { all, ..Reading::default() };
                self.subscribe(what, Where::All, Reader::Prompt, reading, 0);
            }
        }
    }

    /// What was asked of relays of the pool and not answered: live requests without EOSE, publishes without an OK
    /// that settles them.
    pub fn unserved(&self) -> Vec<String> {
        self.oracle.unserved()
    }

    /// Everything heals; what relays hold has to arrive, and every publish to end.
    ///
    /// # Panics
    /// When a rule is broken; the message names the seed, the virtual time and the rule.
    pub fn heal(&mut self) {
        self.catch_up(usize::MAX);
        self.heal_ways();
        self.catch_up(usize::MAX);
        for n in 0..self.sites.len() {
            let micros = self.clock.micros();
            if self.sites[n].heal(micros) {
                self.cut(n);
            }
        }
        self.while_away();
        if !self.shut {
            self.converge();
            self.oracle.counts.may_end();
            self.call(Call::Shutdown).expect("once");
        }
        // A closing handshake may still hang.
        self.pass(30 * SECOND);
        self.check(self.oracle.sockets() == 0, "no socket outlives the pool");
        let open = self.oracle.open_subscriptions();
        self.check(open.is_empty(), &format!("every subscription has ended; left: {open:?}"));
        let open = self.oracle.publishes.without_verdict();
        self.check(open.is_empty(), &format!("every publish has a verdict; missing: {open:?}"));
        let open = self.oracle.counts.untold();
        self.check(open.is_empty(), &format!("every count is told; missing: {open:?}"));
    }

    /// Some connections are lost once more, and relays take notes meanwhile: what is missed then has to be made up for. Now
    /// and then more is pushed while that is done, and it happens again.
    fn while_away(&mut self) {
        self.lose_some(3);
        for _ in 0..2 {
            let count = self.rng.between(1, 25);
            self.busy_relays(count);
            self.pass(SECOND / 10);
        }
        if !self.rng.one_in(4) {
            return;
        }
        let wait = self.rng.between(1_000, 2_200) as u64 * 1_000;
        self.pass(wait);
        for _ in 0..12 {
            self.burst(Burst { relays: u8::MAX, count: 3, ago: 0, over: 0, alike: false });
            self.pass(SECOND / 2);
        }
        self.pass(2 * SECOND);
        self.lose_some(1);
        self.busy_relays(45);
    }

    /// Connections to one relay in so many are lost.
    fn lose_some(&mut self, one_in: usize) {
        for n in 0..self.sites.len() {
            if self.rng.one_in(one_in) {
                self.cut(n);
            }
        }
    }

    fn busy_relays(&mut self, count: usize) {
        let (relays, alike) = (self.rng.next_u64().to_le_bytes()[0], self.rng.one_in(4));
        let (ago, over) = (*self.rng.pick(&[0, 0, 300, 899, -600]), *self.rng.pick(&[0, 1, 20]));
        let count = u8::try_from(count).unwrap_or(u8::MAX);
        self.burst(Burst { relays, count, ago, over, alike });
    }

    /// Nobody catches up who hangs up at every NOTICE of a relay that goes on sending them.
    fn is_heard_out(&self, site: &Site) -> bool {
        let is_notice = |fault: &Fault| matches!(fault, Fault::Unsolicited { what: Unsolicited::Notice, .. });
        let nags = !site.heals && site.faults.faults().iter().any(is_notice);
        let is_it = |n: &usize| self.sites.get(*n).is_some_and(|other| other.url == site.url);
        let hangs_up = self.members.iter().any(|(n, options)| is_it(n) && options.reconnect_on_notice);
        !(nags && hangs_up)
    }

    fn converge(&mut self) {
        // What is being closed is closed by then.
        self.pass(30 * SECOND);
        // The pool has to come back by itself, unless the application told it not to.
        let left =
            |site: &Site| self.core.relay(&site.url).is_some_and(|record| record.state == ConnectionState::Disabled);
        let asks = self.plan.asks_in_the_end || self.sites.iter().any(left);
        let picky =
            self.members.values().any(|o| !o.reconnect_on_close || !o.reconnect_on_error || o.reconnect_on_notice);
        if asks {
            let options = ReconnectOptions { keep_open: true, keep_backoff: false };
            self.oracle.dials.user_wants(None, true);
            self.oracle.slots.kept(None);
            let now = self.now().mono;
            self.oracle.watch.wanted(None, now);
            self.call(Call::Reconnect { which: Which::All, options }).expect("the pool is open");
        }
        self.pass(700 * SECOND);
        self.wait_for_the_slow();
        let is_open =
            |site: &&Site| self.core.relay(&site.url).is_some_and(|record| record.state == ConnectionState::Open);
        let connected: Vec<&Site> = self.sites.iter().filter(is_open).collect();
        // Relays beyond the cap wait for a slot, which is told; all others that someone needs are back.
        let expected = if asks { self.members.len() } else { self.oracle.needed(&self.sites) };
        // One that forges may be in quarantine, which is told, too.
        let in_quarantine = |record: &RelayRecord| matches!(record.state, ConnectionState::Quarantined { .. });
        let expected =
            expected.saturating_sub(self.core.relays().iter().filter(|record| in_quarantine(record)).count());
        let expected = if picky { 0 } else { expected.min(self.core.config().max_connections) };
        self.check(connected.len() >= expected, &format!("{expected} relays are connected, not {}", connected.len()));
        let missing = self.oracle.missing(&connected, self.now().unix.as_secs());
        self.check(missing.is_empty(), &format!("what a relay holds is delivered; missing: {}", few(&missing)));
        let heard_out: Vec<&Site> = connected.iter().copied().filter(|site| self.is_heard_out(site)).collect();
        let open = self.oracle.open_gaps(&heard_out);
        self.check(open.is_empty(), &format!("what a lost connection cost is made up for; left: {open:?}"));
        let silent = self.oracle.lost_silently();
        self.check(
            silent.is_empty(),
            &format!("what no relay keeps is delivered, or told to be lost; missing: {silent:?}"),
        );
        self.delivered = self.oracle.deliveries(&connected);
        let unfinished = self.core.unfinished();
        self.check(unfinished.is_empty(), &format!("every publish is done; left: {unfinished:?}"));
        self.check_books();
        self.check_records();
        self.check_requests();
    }

    /// A relay that said `rate-limited` gets one message at a time, half a minute apart perhaps, and pages of one subscription
    /// wait for those of another: that takes longer, but not for ever.
    fn wait_for_the_slow(&mut self) {
        const ROUNDS: usize = 60;
        for _ in 0..ROUNDS {
            let is_slow = |site: &&Site| self.oracle.watch.paces.is_slow(&site.url) && self.is_heard_out(site);
            let slow: Vec<&Site> = self.sites.iter().filter(is_slow).collect();
            let missing = self.oracle.missing(&slow, self.now().unix.as_secs());
            if self.oracle.open_gaps(&slow).is_empty() && missing.is_empty() {
                return;
            }
            self.pass(60 * SECOND);
        }
    }

    /// Every event that came is accounted for, once. A relay that is taken out takes its counters with it.
    fn check_books(&self) {
        if self.oracle.has_removed() {
            return;
        }
        let relays = self.core.relays();
        let sum = |count: fn(&RelayCounters) -> u64| relays.iter().map(|r| count(&r.counters)).sum::<u64>();
        let (came, verified) = (sum(|c| c.events), self.core.stats().verified);
        let dropped = sum(|c| c.duplicates + c.forged + c.unmatched + c.dropped + c.expired + c.excess);
        // The head of an event that was cut off counts as an event, and the whole as garbage.
        let cut =
            self.sites.iter().any(|site| site.faults.faults().iter().any(|f| matches!(f, Fault::Truncate { .. })));
        let unreadable = if cut { sum(|c| c.garbage) } else { 0 };
        self.check(
            (verified + dropped..=verified + dropped + unreadable).contains(&came),
            &format!("what came is accounted for: {came} events, {verified} good, {dropped} dropped"),
        );
    }

    /// The records of relays count what came.
    fn check_records(&self) {
        for record in self.core.relays() {
            if let Err(rule) = self.oracle.watch.records.check(&record) {
                self.check(false, &format!("{rule}: {}", record.url));
            }
        }
    }

    /// Every request that runs at a relay is one that the pool knows of.
    fn check_requests(&self) {
        for (&socket, link) in &self.links {
            let url = &self.sites[link.relay].url;
            let known = self.core.relay(url).map_or(0, |record| record.active_requests);
            let running = self.oracle.wire.running(socket);
            self.check(running <= known, &format!("what is not needed is closed: {running} requests run, not {known}"));
        }
    }
}

/// The first few of many.
pub(super) fn few<T: std::fmt::Debug>(all: &[T]) -> String {
    let (first, more) = all.split_at(all.len().min(4));
    format!("{first:?} and {} more", more.len())
}
