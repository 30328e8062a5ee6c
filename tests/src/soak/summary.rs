//! What happened, in a few lines.

use std::collections::BTreeMap;
use std::fmt;

use nostr_pool_driver::{Pool, Stats};

use super::ledger::Ledger;
use super::reader::Reader;
use super::resumer::Resumer;
use super::sites::Sites;
use super::writer::{Verdicts, Writer};

/// What happened in a soak. Nothing was lost, nothing came twice, and every publish had one verdict, or there is none.
#[derive(Debug)]
pub struct Summary {
    rounds: u64,
    events: u64,
    verdicts: Verdicts,
    kills: u64,
    hang_ups: u64,
    reconnects: u64,
    gaps: BTreeMap<&'static str, u64>,
    refills: u64,
    delivered: usize,
    lives: u64,
    /// Events that came again after a crash.
    again: u64,
    /// Deliveries that never came, in seconds that were told to have too many events.
    excused: u64,
    stats: Stats,
    memory: Option<u64>,
}

impl Summary {
    pub(super) fn of(
        pool: &Pool,
        sites: &Sites,
        ledger: &Ledger,
        writer: &Writer,
        readers: &[Reader],
        resumer: &Resumer,
        rounds: u64,
    ) -> Self {
        let mut gaps = BTreeMap::new();
        let (mut refills, mut delivered, mut excused) = (0, 0, 0);
        for seen in readers.iter().map(|reader| &reader.seen).chain([&resumer.seen]) {
            let seen = seen.borrow();
            for (name, told) in &seen.told {
                *gaps.entry(*name).or_default() += told;
            }
            refills += seen.refills;
            excused += seen.excused;
            delivered += seen.delivered.len();
        }
        Self {
            rounds,
            events: ledger.events,
            verdicts: writer.verdicts.clone(),
            kills: sites.kills(),
            hang_ups: sites.hang_ups(),
            reconnects: pool.relays().iter().map(|relay| relay.opened.saturating_sub(1)).sum(),
            gaps,
            refills,
            delivered,
            lives: resumer.lives.get(),
            again: resumer.seen.borrow().again,
            excused,
            stats: pool.stats(),
            memory: high_water_mark(),
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Verdicts { reached, failed, indeterminate, why_failed, why_indeterminate } = &self.verdicts;
        let published = reached + failed + indeterminate;
        let rounds = self.rounds;
        writeln!(f, "{} events written in {rounds} rounds, {published} of them published by the pool", self.events)?;
        writeln!(f, "verdicts: {reached} reached, {failed} failed, {indeterminate} indeterminate")?;
        writeln!(f, "relays of the failed: {why_failed:?}; of the indeterminate: {why_indeterminate:?}")?;
        writeln!(f, "{} kills, {} hang-ups, {} reconnects", self.kills, self.hang_ups, self.reconnects)?;
        writeln!(f, "{} lives of the reader that crashes; {} events came again to it", self.lives, self.again)?;
        writeln!(f, "gaps told: {:?}, {} asked to refill", self.gaps, self.refills)?;
        let s = &self.stats;
        writeln!(
            f,
            "{} deliveries; {} copies dropped, {} forged, {} outdated, {} skipped",
            self.delivered, s.duplicates, s.forged, s.outdated, s.skipped
        )?;
        match self.memory {
            Some(kib) => write!(f, "memory of the whole process, relays included: {} MiB at most", kib / 1_024),
            None => f.write_str("memory: not told by this system"),
        }?;
        write!(f, "; lost 0, doubled 0, missing in dense seconds {}", self.excused)
    }
}

/// The most memory that this process has had, in KiB, where the system tells it as Linux does.
fn high_water_mark() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
