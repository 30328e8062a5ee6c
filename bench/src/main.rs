//! Side-by-side benchmarks of nostr-pool against other Nostr libraries.
//!
//! A replay server in a process of its own answers any REQ with N prepared events and EOSE, over loopback. Each
//! contender reads them in a fresh process of its own, so that neither caches nor leftover tasks of one touch the next.
//! `NOTES.md` says how to read the figures.

mod args;
mod child;
mod contenders;
mod fairness;
mod floors;
mod measure;
mod metrics;
mod report;
mod serve;
mod workload;

use std::error::Error;
use std::process::ExitCode;

use args::{Args, Role};
use nostr_pool_bench::codec;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("bench: {e}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1).peekable();
    if words.next_if(|word| word == "codec").is_some() {
        return run_codec(words);
    }
    let args = Args::parse(words)?;
    match &args.role {
        Role::Help => {
            print!("{}", args::HELP);
            Ok(())
        }
        Role::Serve => serve::run(&args),
        Role::Measure(contender) => child::run(contender, &args),
        Role::Fairness => fairness::report(&args),
        Role::FairRelays => fairness::serve(&args),
        Role::Probe(case) => fairness::probe(case, &args),
        Role::Metrics => metrics::report(&args),
        Role::Meter(load) => metrics::measure(load, &args),
        Role::Floors => report::floors(&args),
        Role::Workloads { w2 } => report::workloads(&args, *w2),
        Role::All => {
            let mut options = codec::Options::default();
            options.rounds = args.rounds;
            options.seed = args.seed;
            codec::run(&options)?;
            report::floors(&args)?;
            report::workloads(&args, true)
        }
    }
}

fn run_codec(words: impl Iterator<Item = String>) -> Result<(), Box<dyn Error>> {
    match codec::Options::parse(words)? {
        Some(options) => codec::run(&options),
        None => {
            print!("{}", codec::HELP);
            Ok(())
        }
    }
}
