//! What happened in a run, or in many.

use std::collections::BTreeMap;
use std::fmt;

/// Counts of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Runs.
    pub runs: u64,
    /// Microseconds of virtual time.
    pub virtual_micros: u64,
    /// Steps of the runs.
    pub steps: u64,
    /// Things that happened to the core.
    pub inputs: u64,
    /// Events delivered to subscriptions.
    pub delivered: u64,
    /// Copies that the pool dropped.
    pub duplicates: u64,
    /// Forged events that it dropped.
    pub forged: u64,
    /// Verdicts: all of them, and those that tell of success.
    pub verdicts: u64,
    /// See `verdicts`.
    pub reached: u64,
    /// Counts that were told.
    pub counted: u64,
    /// Aggregate EOSEs to which every relay had contributed.
    pub complete: u64,
    /// Relays that misbehaved, by kind of misbehaviour: each does so all the time.
    pub relays: BTreeMap<&'static str, u64>,
    /// What went wrong on the way, in the device and in the application, by kind.
    pub faults: BTreeMap<&'static str, u64>,
}

impl Totals {
    /// One more of this kind went wrong.
    pub(crate) fn fault(&mut self, kind: &'static str) {
        *self.faults.entry(kind).or_default() += 1;
    }

    /// A relay that misbehaves in this way takes part.
    pub(crate) fn relay(&mut self, kind: &'static str) {
        *self.relays.entry(kind).or_default() += 1;
    }

    /// Adds another run's.
    pub fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.virtual_micros += other.virtual_micros;
        self.steps += other.steps;
        self.inputs += other.inputs;
        self.delivered += other.delivered;
        self.duplicates += other.duplicates;
        self.forged += other.forged;
        self.verdicts += other.verdicts;
        self.reached += other.reached;
        self.counted += other.counted;
        self.complete += other.complete;
        for (all, others) in [(&mut self.relays, &other.relays), (&mut self.faults, &other.faults)] {
            for (kind, count) in others {
                *all.entry(kind).or_default() += count;
            }
        }
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { runs, steps, inputs, delivered, duplicates, forged, verdicts, reached, counted, complete, .. } =
            self;
        let hours = self.virtual_micros / 3_600_000_000;
        writeln!(f, "{runs} runs: {hours} h of virtual time, {steps} steps, {inputs} inputs")?;
        writeln!(f, "events: {delivered} delivered, {duplicates} duplicates and {forged} forged dropped")?;
        writeln!(
            f,
            "verdicts of publishes: {verdicts}, success in {reached}; counts told: {counted}; EOSE of every relay asked: {complete}"
        )?;
        let parts = [("relays that misbehave", &self.relays), ("what went wrong besides", &self.faults)];
        for (what, kinds) in parts {
            let all: u64 = kinds.values().sum();
            writeln!(f, "{what}: {all}, of {} kinds", kinds.len())?;
            for (kind, count) in kinds {
                writeln!(f, "  {count:>9} {kind}")?;
            }
        }
        Ok(())
    }
}
