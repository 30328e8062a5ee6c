//! Whether the simulator bites: each bug that can be planted in the core is found by the seed recorded for it, which is
//! clean without the bug, and by one of a few seeds that nobody chose. `TEETH.md` has the table.
//!
//! `TEETH_SEEDS=1000 cargo test -p nostr-pool-sim --test teeth -- --ignored --nocapture` searches from seed 0 on and
//! prints what it finds; `TEETH_WRITE=1` writes that to `table.rs` and `TEETH.md`, too, and `TEETH_BUG=EoseOvertakes`
//! searches for that one alone.

mod bite;
mod table;
mod write;

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use bite::bite;
use nostr_pool_core::PlantedBug;
use table::RECORDED;
use write::deserves;

/// A bug that is not found by so many seeds in a row is hidden from the swarm.
const FRESH: std::ops::Range<u64> = 1_000_000..1_001_000;

#[test]
fn every_planted_bug_is_found_by_its_recorded_seed_and_nothing_is_found_without_it() {
    for found in RECORDED {
        let oracle = bite(found.seed, Some(found.bug));
        let rule = oracle.unwrap_or_else(|| panic!("{:?} is not found by seed {} any more", found.bug, found.seed));
        assert!(rule.contains(found.oracle), "{:?}, seed {}: found by another oracle: {rule}", found.bug, found.seed);
        assert_eq!(bite(found.seed, None), None, "seed {} without {:?}", found.seed, found.bug);
    }
}

#[test]
fn every_planted_bug_is_found_by_fresh_seeds_too() {
    let (next, hidden) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some(&bug) = PlantedBug::ALL.get(next.fetch_add(1, Ordering::Relaxed)) {
            if !FRESH.into_iter().any(|seed| bite(seed, Some(bug)).is_some()) {
                hidden.lock().expect("no thread panics while it holds the lock").push(bug);
            }
        }
    };
    on_all_cores(work);
    let hidden = hidden.into_inner().expect("no thread panics while it holds the lock");
    assert!(hidden.is_empty(), "not found by {FRESH:?}: {hidden:?}");
}

/// As many threads as there are cores.
fn on_all_cores(work: impl Fn() + Sync) {
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, NonZero::get) {
            scope.spawn(&work);
        }
    });
}

#[test]
fn the_table_names_each_bug_once_and_is_written_down() {
    let text = include_str!("../../TEETH.md");
    for found in RECORDED {
        assert_eq!(RECORDED.iter().filter(|other| other.bug == found.bug).count(), 1, "{:?}", found.bug);
        let row = format!("| `{:?}` |", found.bug);
        let line = text.lines().find(|line| line.starts_with(&row)).unwrap_or_else(|| panic!("{row} has no row"));
        assert!(line.contains(&format!("| {} |", found.seed)), "the row tells another seed: {line}");
        assert!(line.contains(found.oracle), "the row tells another oracle: {line}");
    }
    for bug in PlantedBug::ALL {
        let recorded = RECORDED.iter().any(|found| found.bug == bug);
        assert!(recorded, "{bug:?} can be planted and is not recorded");
    }
}

/// Writes the table down, too, if `TEETH_WRITE` is set: see `write.rs`.
#[test]
#[ignore = "searches; see the module's documentation"]
fn search() {
    let number = |name: &str| std::env::var(name).ok().and_then(|n| n.parse::<u64>().ok());
    let seeds = number("TEETH_SEEDS").unwrap_or(1_000);
    let only = std::env::var("TEETH_BUG").ok();
    let bugs: Vec<PlantedBug> = PlantedBug::ALL
        .into_iter()
        .filter(|bug| only.as_ref().is_none_or(|name| *name == format!("{bug:?}")))
        .collect();
    let (next, finds) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    let work = || {
        while let Some(&bug) = bugs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let found = (0..seeds).find_map(|seed| {
                let rule = bite(seed, Some(bug)).filter(|rule| deserves(bug, rule))?;
                // A seed that breaks a rule without the bug shows nothing.
                bite(seed, None).is_none().then_some((seed, rule))
            });
            finds.lock().expect("no thread panics while it holds the lock").insert(bug, found);
        }
    };
    on_all_cores(work);
    let finds = finds.into_inner().expect("no thread panics while it holds the lock");
    let found: Vec<(PlantedBug, u64, String)> =
        bugs.iter().filter_map(|bug| finds[bug].clone().map(|(seed, rule)| (*bug, seed, rule))).collect();
    for (bug, seed, oracle) in &found {
        println!("| `{bug:?}` | {seed} | {oracle} |");
    }
    if std::env::var_os("TEETH_WRITE").is_some() {
        write::down(&found);
    }
    let hidden: Vec<_> = finds.iter().filter(|(_, found)| found.is_none()).map(|(bug, _)| bug).collect();
    assert!(hidden.is_empty(), "not found within {seeds} seeds: {hidden:?}");
}
