//! Sequences of inputs and calls for the core: steps of the simulator, or raw scripts.

mod bytes;
mod fixtures;
mod harness;
mod sockets;
mod steps;
mod watch;

use bytes::Bytes;
use steps::Harness;

/// Steps taken of one raw script, so that none takes long.
const MAX_STEPS: usize = 400;

/// Any sequence of inputs and calls keeps the promises of the core that can be seen from outside, and the same
/// sequence makes it do the same again.
///
/// The first byte chooses. Below 128, the rest is a plan and steps of the simulator, with relays that answer, stale and
/// made-up inputs, clocks that stand or step, and all of its oracles; `harness.rs` reads them. From 128 on, the rest is a
/// raw script without relays, in which any frame may come at any time, arbitrary bytes too: two bytes are a step, what
/// happens, and to which of the relays, sockets, subscriptions, publishes or events there are; some steps read more.
pub fn core_inputs(data: &[u8]) {
    match data.split_first() {
        Some((128.., script)) => {
            let first = run(script);
            let second = run(script);
            assert!(first == second, "the same inputs led to other outputs");
        }
        Some((_, rest)) => harness::run(rest),
        None => {}
    }
}

fn run(data: &[u8]) -> Vec<String> {
    let mut bytes = Bytes::new(data);
    let mut harness = Harness::new(bytes.next());
    for _ in 0..MAX_STEPS {
        if bytes.is_empty() {
            break;
        }
        harness.step(&mut bytes);
    }
    harness.finish()
}
