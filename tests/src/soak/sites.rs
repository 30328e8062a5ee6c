//! The relays, and what happens to them.

use std::cell::Cell;
use std::time::Duration;

use nostr_model_relay::{Config, Fault, FaultPlan, Server, Unsolicited};
use nostr_pool_corpus::Rng;
use nostr_pool_driver::Runtime;
use nostr_proto::RelayUrl;

use super::Phase;
use super::reader::Habit;

/// A relay.
pub(super) struct Site {
    pub(super) server: Server,
    pub(super) url: RelayUrl,
    /// Whether it can be relied on: it answers newest first up to its cap, and pushes what is new.
    pub(super) correct: bool,
    /// The most events that it gives in answer to a filter.
    pub(super) cap: usize,
    /// Its habits when nothing else is the matter with it.
    habits: FaultPlan,
}

/// The relays.
pub(super) struct Sites {
    all: Vec<Site>,
    kills: Cell<u64>,
    hang_ups: Cell<u64>,
}

impl Sites {
    /// The number of the liar; those before it are correct.
    pub(super) const LIAR: usize = 4;
    /// Troublemakers at once, each with relays of its own.
    pub(super) const NEMESES: usize = 2;

    pub(super) fn start() -> Self {
        let capped = |max_limit: usize| Config { max_limit, ..Config::default() };
        let sites = [
            (capped(500), FaultPlan::new()),
            (capped(120), FaultPlan::new().with(Fault::AnswerClose).with(Fault::SkipOk { every: 7 })),
            (
                capped(150),
                FaultPlan::new()
                    .with(Fault::DuplicateEvents { copies: 1 })
                    .with(Fault::Garbage { every: 10 })
                    .with(Fault::Unsolicited { what: Unsolicited::Eose, per_message: 1 }),
            ),
            (
                Config { eose_hints: true, ..capped(200) },
                FaultPlan::new().with(Fault::NoEoseForLimitZero).with(Fault::DuplicateOk),
            ),
            (
                capped(80),
                FaultPlan::new()
                    .with(Fault::ForgeSignature { every: 40 })
                    .with(Fault::LoseEvents { every: 3 })
                    .with(Fault::OldestFirst)
                    .with(Fault::IgnoreReq { every: 5 }),
            ),
        ];
        let all = sites
            .into_iter()
            .enumerate()
            .map(|(n, (config, habits))| {
                let cap = config.max_limit;
                let server = Server::start(config).expect("a loopback port is free");
                server.set_faults(habits.clone());
                let url = RelayUrl::parse(&server.url()).expect("the server's URL is one");
                Site { server, url, correct: n != Self::LIAR, cap, habits }
            })
            .collect();
        Self { all, kills: Cell::new(0), hang_ups: Cell::new(0) }
    }

    pub(super) fn all(&self) -> &[Site] {
        &self.all
    }

    /// The relays that one reads from who reads in this way.
    pub(super) fn urls(&self, habit: Habit) -> Vec<RelayUrl> {
        habit.relays().into_iter().map(|n| self.all[n].url.clone()).collect()
    }

    pub(super) fn kills(&self) -> u64 {
        self.kills.get()
    }

    pub(super) fn hang_ups(&self) -> u64 {
        self.hang_ups.get()
    }

    /// Makes trouble for every relay whose number leaves this remainder, one at a time, until it is time to heal; and
    /// heals what it did.
    pub(super) async fn nemesis<R: Runtime>(&self, runtime: &R, phase: &Phase, seed: u64, remainder: usize) {
        let mut rng = Rng::new(seed.wrapping_mul(31).wrapping_add(remainder as u64));
        while !phase.healing.get() {
            runtime.sleep(millis(&mut rng, 200, 900)).await;
            let mine: Vec<&Site> = self.all.iter().skip(remainder).step_by(Self::NEMESES).collect();
            let site = *rng.pick(&mine);
            match rng.below(4) {
                0 | 1 => {
                    site.server.kill();
                    self.kills.set(self.kills.get() + 1);
                    runtime.sleep(millis(&mut rng, 50, 1_500)).await;
                    revive(runtime, site).await;
                }
                2 => {
                    // Right in the middle of an answer, more often than not.
                    let frames = rng.between(5, 120) as u64;
                    let code = *rng.pick(&[1000, 1006, 1011]);
                    let hang_up = Fault::DisconnectAfter { frames, code, reason: "that is all".into() };
                    site.server.set_faults(site.habits.clone().with(hang_up));
                    self.hang_ups.set(self.hang_ups.get() + 1);
                    runtime.sleep(millis(&mut rng, 200, 1_500)).await;
                    site.server.set_faults(site.habits.clone());
                }
                _ => {
                    site.server.set_delay(millis(&mut rng, 1, 60));
                    runtime.sleep(millis(&mut rng, 200, 1_000)).await;
                    site.server.set_delay(Duration::ZERO);
                }
            }
        }
    }
}

/// The port is free but for a moment at most: outgoing connections may have been given it.
async fn revive<R: Runtime>(runtime: &R, site: &Site) {
    for _ in 0..100 {
        if site.server.revive().is_ok() {
            return;
        }
        runtime.sleep(Duration::from_millis(50)).await;
    }
    panic!("the port of {} stays taken", site.url);
}

fn millis(rng: &mut Rng, low: usize, high: usize) -> Duration {
    Duration::from_millis(rng.between(low, high) as u64)
}
