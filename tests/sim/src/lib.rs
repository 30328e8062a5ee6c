//! A deterministic simulation: a [`Core`](nostr_pool_core::Core) and its relays in one thread, on a virtual clock.
//!
//! A run is named by its seed. [`run`] goes through two phases: *safety*, in which connections are reset or go
//! half-open, dials are refused or hang, relays die and come back, the device sleeps, applications are slow and
//! signatures are checked in any order while events flow; then *liveness*, in which everything heals and has to converge
//! in bounded virtual time. The [`Oracle`] looks on after every step. `TEETH.md` shows which planted bugs it finds.

#![allow(clippy::panic, reason = "this crate is a test: a broken rule ends it")]

mod accepted;
mod answers;
mod app;
mod asking;
mod auth;
mod bounds;
mod budget;
mod choices;
mod choose;
mod clock;
mod counts;
mod dials;
mod driver;
mod due;
mod fleeting;
mod given;
mod judge;
mod latest;
mod links;
mod nemesis;
mod net;
mod odd;
mod oracle;
mod pace;
mod parts;
mod persona;
mod phases;
mod pings;
mod plan;
mod progress;
mod quarantine;
mod quorum;
mod reads;
mod reborn;
mod records;
mod reqs;
mod sending;
mod shares;
mod site;
mod slots;
mod sources;
pub mod step;
mod sub;
mod swarm;
mod takes;
mod taped;
mod target;
mod totals;
mod unread;
mod watch;
mod wire;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use nostr_pool_core::{Config, SubId};
use nostr_proto::EventId;

pub use choices::{Bytes, Choices};
pub use choose::Kinds;
pub use oracle::Oracle;
pub use plan::{Limits, Plan, Rates};
pub use step::Step;
pub use swarm::draw;
pub use totals::Totals;
pub use world::World;

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// A digest of every command and event, in order: the same for the same seed.
    pub trace: u64,
    /// What happened in it.
    pub totals: Totals,
    /// Of what honest, connected relays held in the end, what each live subscription got that told of no loss of its own.
    pub delivered: BTreeMap<SubId, BTreeSet<EventId>>,
}

/// Runs one seed of the swarm.
///
/// # Panics
/// When a rule is broken; the message names the seed, the virtual time and the rule.
pub fn run(seed: u64) -> Outcome {
    run_with(seed, |_| ())
}

/// Runs one seed with a configuration that is changed in the end.
///
/// # Panics
/// As [`run`].
pub fn run_with(seed: u64, change: impl FnOnce(&mut Config)) -> Outcome {
    let (plan, steps) = draw(seed);
    replay_with(&plan, &steps, change)
}

/// Runs one seed with every core of it recorded, and replays those recordings. Tells also how many bytes and steps that was.
///
/// # Panics
/// As [`run`], and when a recording does not replay bit for bit.
pub fn run_recorded(seed: u64) -> (Outcome, (usize, usize)) {
    let (plan, steps) = draw(seed);
    let mut world = World::new(&plan, |_| ());
    world.core.record();
    world.begin();
    for step in &steps {
        world.apply(step);
    }
    world.heal();
    let recorded = world.core.finish();
    (world.finish(), recorded)
}

/// Runs a plan and its steps, heals everything and looks whether it converges.
///
/// # Panics
/// As [`run`].
pub fn replay(plan: &Plan, steps: &[Step]) -> Outcome {
    replay_with(plan, steps, |_| ())
}

fn replay_with(plan: &Plan, steps: &[Step], change: impl FnOnce(&mut Config)) -> Outcome {
    let mut world = World::new(plan, change);
    world.begin();
    for step in steps {
        world.apply(step);
    }
    world.heal();
    world.finish()
}

/// Whether the relay of this draw, in [`Plan::relays`], takes so many messages a window and refuses the others.
pub fn limits_rate(draw: u64) -> bool {
    site::limits_rate(draw)
}

/// Whether the relay of this draw, in [`Plan::relays`], sends forged events.
pub fn forges(draw: u64) -> bool {
    site::forges(draw)
}

/// A running digest. Not keyed, so that two runs can be compared. With `SIM_TRACE` set, everything is printed, too.
#[derive(Clone, Debug)]
struct Trace {
    digest: DefaultHasher,
    print: bool,
}

impl Trace {
    fn new() -> Self {
        Self { digest: DefaultHasher::default(), print: std::env::var_os("SIM_TRACE").is_some() }
    }

    /// What came out of the core.
    fn note(&mut self, micros: u64, what: &impl std::fmt::Debug) {
        let text = format!("{what:?}");
        text.hash(&mut self.digest);
        if self.print {
            println!("{micros:>12} {text}");
        }
    }

    /// What went in, which is no part of the digest.
    fn tell(&self, micros: u64, what: &impl std::fmt::Debug) {
        if self.print {
            println!("{micros:>12}   {what:?}");
        }
    }

    fn digest(&self) -> u64 {
        self.digest.finish()
    }
}
