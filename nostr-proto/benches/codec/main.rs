//! What the codec's parts cost, per class of events and spelling of frames, in bytes a second.
//!
//! One iteration works on a whole set of different events, half a megabyte of them, so that no branch is learnt from one
//! input: divide a time by the set's frames for that of one. `cargo bench -p nostr-proto --features std -- parse`
//! measures what has `parse` in its name. How other libraries do is measured in the workspace's `bench`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark ends where its input is not what it should be")]

mod encoding;
mod reading;
mod sets;

fn main() {
    divan::main();
}
