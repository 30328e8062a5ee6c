//! Sequences of inputs and calls for the core.

mod bytes;
mod fixtures;
mod sockets;
mod steps;
mod watch;

use bytes::Bytes;
use steps::Harness;

/// Steps taken of one input, so that none takes long.
const MAX_STEPS: usize = 400;

/// Any sequence of inputs and calls keeps the promises of the core that can be seen from outside, and the same
/// sequence makes it do the same again.
///
/// Two bytes of the input are a step: what happens, and to which of the relays, sockets, subscriptions, publishes or
/// events there are; some steps read more.
pub fn core_inputs(data: &[u8]) {
    let first = run(data);
    let second = run(data);
    assert!(first == second, "the same inputs led to other outputs");
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
