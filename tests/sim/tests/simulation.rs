//! The multi-relay simulation: many seeds, each a run of its own. `SIM_SEED=7 cargo test -p nostr-pool-tests --test
//! simulation` replays one; `SIM_SEEDS=10000` (and `--release`) runs more.

use nostr_pool_sim as sim;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    assert!(text.bytes().all(|b| b.is_ascii_digit()), "{name} must be a whole number, not {text:?}");
    text.parse().ok()
}

#[test]
fn nothing_is_lost_or_doubled_and_every_publish_ends() {
    let seeds = match number("SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SIM_SEEDS").unwrap_or(150),
    };
    let mut all = sim::Totals::default();
    let count = seeds.end - seeds.start;
    for seed in seeds {
        let totals = sim::run(seed).totals;
        all.virtual_micros += totals.virtual_micros;
        all.steps += totals.steps;
        all.delivered += totals.delivered;
        all.duplicates += totals.duplicates;
        all.forged += totals.forged;
        all.resets += totals.resets;
        all.verdicts += totals.verdicts;
        all.sleeps += totals.sleeps;
        all.hung += totals.hung;
        all.half_open += totals.half_open;
    }
    let hours = all.virtual_micros / 3_600_000_000;
    println!(
        "{count} seeds: {hours} h of virtual time, {} inputs, {} events delivered, {} duplicates and {} forged dropped, \
         {} connections lost and {} half-open, {} dials and closing handshakes hung, {} sleeps, {} verdicts",
        all.steps,
        all.delivered,
        all.duplicates,
        all.forged,
        all.resets,
        all.half_open,
        all.hung,
        all.sleeps,
        all.verdicts
    );
    if count > 100 {
        assert!(all.duplicates > 0 && all.forged > 0 && all.resets > 0 && all.verdicts > 0, "the runs saw no trouble");
    }
}

#[test]
fn the_same_seed_gives_the_same_commands_and_events() {
    for seed in [3, 14, 15] {
        assert_eq!(sim::run(seed), sim::run(seed));
    }
    assert_ne!(sim::run(1).trace, sim::run(2).trace);
}
