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
    /// Verdicts.
    pub verdicts: u64,
    /// What went wrong, by kind.
    pub faults: BTreeMap<&'static str, u64>,
}

impl Totals {
    /// One more of this kind went wrong.
    pub(crate) fn fault(&mut self, kind: &'static str) {
        *self.faults.entry(kind).or_default() += 1;
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
        for (kind, count) in &other.faults {
            *self.faults.entry(kind).or_default() += count;
        }
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { runs, steps, inputs, delivered, duplicates, forged, verdicts, .. } = self;
        let hours = self.virtual_micros / 3_600_000_000;
        writeln!(f, "{runs} runs: {hours} h of virtual time, {steps} steps, {inputs} inputs")?;
        writeln!(f, "events: {delivered} delivered, {duplicates} duplicates and {forged} forged dropped")?;
        writeln!(f, "verdicts of publishes: {verdicts}")?;
        let all: u64 = self.faults.values().sum();
        writeln!(f, "faults: {all} of {} kinds", self.faults.len())?;
        for (kind, count) in &self.faults {
            writeln!(f, "  {count:>9} {kind}")?;
        }
        Ok(())
    }
}
