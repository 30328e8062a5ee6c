//! The codec's benchmarks alone: as `nostr-pool-bench codec`, but built without the sockets.

use std::error::Error;

use nostr_pool_bench::codec::{self, Options};

fn main() -> Result<(), Box<dyn Error>> {
    match Options::parse(std::env::args().skip(1))? {
        Some(options) => codec::run(&options),
        None => {
            print!("{}", codec::HELP);
            Ok(())
        }
    }
}
