//! Whatever happens to a pool, a recording of it replays bit for bit: stale, early and made-up inputs, clocks that stand or
//! step, crashes and calls of what never was included.

use nostr_pool_sim as sim;

#[test]
fn every_run_replays_from_its_recording() {
    let (mut bytes, mut steps) = (0, 0);
    for seed in 20_000..20_060 {
        let (outcome, (recorded, fed)) = sim::run_recorded(seed);
        assert_eq!(outcome, sim::run(seed), "seed {seed}: being recorded changes nothing");
        (bytes, steps) = (bytes + recorded, steps + fed);
    }
    println!("{steps} steps in {bytes} bytes");
    assert!(steps > 10_000, "{steps}");
}
