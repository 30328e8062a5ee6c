//! A deterministic simulation: a [`Core`](nostr_pool_core::Core) and its relays in one thread, on a virtual clock.
//!
//! A run is named by its seed. [`run`] goes through two phases: *safety*, in which connections are reset or go
//! half-open, dials are refused or hang, relays die and come back, the device sleeps, applications are slow and
//! signatures are checked in any order while events flow; then *liveness*, in which everything heals and has to converge
//! in bounded virtual time. The [`Oracle`] looks on after every step. `TEETH.md` shows which planted bugs it finds.

#![allow(clippy::panic, reason = "this crate is a test: a broken rule ends it")]

mod dials;
mod net;
mod oracle;
mod quorum;
mod script;
mod shares;
mod site;
mod versions;
mod wire;
mod world;

use std::hash::{DefaultHasher, Hash, Hasher};

pub use oracle::Oracle;
pub use world::{Totals, World};

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// A digest of every command and event, in order: the same for the same seed.
    pub trace: u64,
    /// What happened in it.
    pub totals: Totals,
}

/// Runs one seed.
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
pub fn run_with(seed: u64, change: impl FnOnce(&mut nostr_pool_core::Config)) -> Outcome {
    let mut world = World::new(seed, change);
    script::safety(&mut world);
    script::liveness(&mut world);
    world.finish()
}

/// A running digest. Not keyed, so that two runs can be compared.
#[derive(Clone, Debug, Default)]
struct Trace(DefaultHasher);

impl Trace {
    fn note(&mut self, what: &impl std::fmt::Debug) {
        format!("{what:?}").hash(&mut self.0);
    }

    fn digest(&self) -> u64 {
        self.0.finish()
    }
}
