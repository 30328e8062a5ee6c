//! The timeline of `nostr-pool-tokio`, on smol.
//!
//! `cargo run -p nostr-pool-smol --example timeline_smol` needs no network; with `-- wss://relay.example.com …` it reads
//! from those relays until it is stopped.

use std::sync::Arc;

use nostr_pool_smol as nostr_pool;

#[path = "../../../../adapter-tokio/examples/timeline/reader.rs"]
mod reader;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // One thread does for a reader; more of them would each run the executor, too.
    let executor = Arc::new(async_executor::Executor::new());
    let runtime = nostr_pool::Smol::new(&executor);
    async_io::block_on(executor.run(reader::run(runtime, std::env::args().skip(1).collect())))
}
