//! The simulator as a fuzz target: bytes are a plan and its steps.

use nostr_pool_sim::{Bytes, Choices, Kinds, Plan, Step, replay};

/// Steps taken of one input, so that none takes long.
const MAX_STEPS: usize = 120;

/// Runs them twice: every oracle of the simulator looks on, everything converges in the end, and the same bytes are the
/// same run.
pub(crate) fn run(data: &[u8]) {
    let (plan, steps) = decode(data);
    let first = replay(&plan, &steps);
    let second = replay(&plan, &steps);
    assert!(first == second, "the same inputs led to other outputs");
}

/// The seed, the plan, and the steps: legal and illegal ones, in any order.
fn decode(data: &[u8]) -> (Plan, Vec<Step>) {
    let mut bytes = Bytes::new(data);
    let seed = (0..4).fold(0, |seed, _| seed << 8 | u64::from(bytes.byte()));
    let plan = Plan::choose(seed, &mut bytes);
    let mut steps = Vec::new();
    while !bytes.is_empty() && steps.len() < MAX_STEPS {
        if bytes.below(3) == 2 {
            let millis = bytes.below(1 << 14) as u64;
            steps.push(Step::Pass { micros: millis * millis });
        } else {
            steps.push(Step::choose(Kinds::ALL, &mut bytes));
        }
    }
    (plan, steps)
}
