//! The swarm: a seed is a plan and its steps.

use nostr_pool_corpus::rng::Rng;

use super::choose::Kinds;
use super::plan::Plan;
use super::step::{App, Step};

/// What a seed stands for.
pub fn draw(seed: u64) -> (Plan, Vec<Step>) {
    let mut rng = Rng::new(seed);
    let plan = Plan::choose(seed, &mut rng);
    let kinds = Kinds::choose(&mut rng);
    // The others are what they were before there were counts.
    let kinds = if seed % 3 == 1 { kinds.and_counts() } else { kinds };
    let count = rng.between(20, 90);
    let mut steps: Vec<Step> = (0..count).flat_map(|_| Step::with_pause(kinds, &mut rng)).collect();
    if seed % 5 == 2 {
        restart_often(&mut steps, &mut rng);
    }
    (plan, steps)
}

/// An application that writes down what it has and begins anew from that, while some of it waits to be read: by chance alone,
/// the one seldom follows right on the other.
fn restart_often(steps: &mut Vec<Step>, rng: &mut Rng) {
    for _ in 0..6 {
        let (at, sub) = (rng.between(0, steps.len()), rng.next_u64().to_le_bytes()[0]);
        let begins_anew = if rng.one_in(3) { App::Crash } else { App::Resume { sub } };
        steps.splice(at..at, [Step::App(App::Checkpoint { sub }), Step::App(begins_anew)]);
    }
}
