//! Whether the simulator bites: each bug that can be planted in the core is found, by the seed recorded for it, and so
//! that chance is not all, each breaks a rule and the core without it does not. `TEETH.md` has the table.
//!
//! `TEETH_SEEDS=1000 cargo test -p nostr-pool-tests --test teeth -- --ignored --nocapture` searches from seed 0 on and
//! prints the table; `TEETH_BUG=EoseOvertakes` searches for that one alone.

mod bite;
mod table;

use bite::bite;
use nostr_pool_core::PlantedBug;
use table::RECORDED;

/// Seeds tried beside the recorded one: a bug that takes so many more to be found is hidden from the swarm.
const FRESH: u64 = 4;

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
fn fresh_seeds_bite_too() {
    // Most bugs show in one seed of a few: among so many fresh ones, planted in turn, some have to be found.
    let start = 1_000_000;
    let found = PlantedBug::ALL.iter().flat_map(|bug| (start..start + FRESH).map(move |seed| bite(seed, Some(*bug))));
    let found = found.flatten().count();
    assert!(found >= PlantedBug::ALL.len() / 2, "only {found} finds");
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
        assert!(RECORDED.iter().any(|found| found.bug == bug), "{bug:?} can be planted and is not recorded");
    }
}

#[test]
#[ignore = "searches; see the module's documentation"]
fn search() {
    let number = |name: &str| std::env::var(name).ok().and_then(|n| n.parse::<u64>().ok());
    let seeds = number("TEETH_SEEDS").unwrap_or(1_000);
    let only = std::env::var("TEETH_BUG").ok();
    let mut hidden = Vec::new();
    println!("| bug | seeds until found | oracle |\n|---|---|---|");
    for bug in PlantedBug::ALL {
        if only.as_ref().is_some_and(|name| *name != format!("{bug:?}")) {
            continue;
        }
        match (0..seeds).find_map(|seed| Some((seed, bite(seed, Some(bug))?))) {
            Some((seed, oracle)) => println!("| `{bug:?}` | {} (seed {seed}) | {oracle} |", seed + 1),
            None => {
                println!("| `{bug:?}` | not within {seeds} | |");
                hidden.push(bug);
            }
        }
    }
    assert!(hidden.is_empty(), "not found within {seeds} seeds: {hidden:?}");
}
