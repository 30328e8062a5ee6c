//! The swarm: a seed is a plan and its steps.

use nostr_pool_corpus::rng::Rng;

use super::choose::Kinds;
use super::plan::Plan;
use super::step::Step;

/// What a seed stands for.
pub fn draw(seed: u64) -> (Plan, Vec<Step>) {
    let mut rng = Rng::new(seed);
    let plan = Plan::choose(seed, &mut rng);
    let kinds = Kinds::choose(&mut rng);
    // The others are what they were before there were counts.
    let kinds = if seed % 3 == 1 { kinds.and_counts() } else { kinds };
    let count = rng.between(20, 90);
    let steps = (0..count).flat_map(|_| Step::with_pause(kinds, &mut rng)).collect();
    (plan, steps)
}
