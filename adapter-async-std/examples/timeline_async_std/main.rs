//! A timeline on async-std: the same reader as on tokio.
//!
//! `cargo run -p nostr-pool-async-std --example timeline_async_std` needs no network; with `-- wss://relay.example.com …` it reads
//! from those relays until it is stopped.

use nostr_pool_async_std as nostr_pool;

#[path = "../../../adapter-tokio/examples/timeline/reader.rs"]
mod reader;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    async_std::task::block_on(reader::run(nostr_pool::AsyncStd, std::env::args().skip(1).collect()))
}
