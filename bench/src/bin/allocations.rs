//! What a parsed event takes from the heap. A program of its own, because the counting allocator slows what allocates.

use std::alloc::System;
use std::error::Error;

use nostr_pool_bench::codec::{self, Options, allocations};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> Result<(), Box<dyn Error>> {
    match Options::parse(std::env::args().skip(1))? {
        Some(options) => allocations::run(&options, HEAP),
        None => {
            print!("{}", codec::HELP);
            Ok(())
        }
    }
}
