//! A timeline on tokio: see `reader.rs` for what it does.
//!
//! `cargo run -p nostr-pool-tokio --example timeline` needs no network; with `-- wss://relay.example.com …` it reads from
//! those relays until it is stopped.

use nostr_pool_tokio as nostr_pool;

mod reader;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    reader::run(nostr_pool::Tokio::current(), std::env::args().skip(1).collect()).await
}
