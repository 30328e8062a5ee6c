//! Side-by-side benchmarks of nostr-pool against other Nostr libraries.
//!
//! A replay server in a process of its own answers any REQ with N prepared events and EOSE, over loopback. Each
//! contender reads them in a fresh process of its own, so that neither caches nor leftover tasks of one touch the next.
//! `NOTES.md` says how to read the figures.

mod args;
mod child;
mod contenders;
mod floors;
mod measure;
mod report;
mod serve;
mod workload;

use std::error::Error;
use std::process::ExitCode;

use args::{Args, Role};

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
    let args = Args::parse(std::env::args().skip(1))?;
    match &args.role {
        Role::Help => {
            print!("{}", args::HELP);
            Ok(())
        }
        Role::Serve => serve::run(&args),
        Role::Measure(contender) => child::run(contender, &args),
        Role::Floors => report::floors(&args),
        Role::Workloads { w2 } => report::workloads(&args, *w2),
        Role::All => {
            report::floors(&args)?;
            report::workloads(&args, true)
        }
    }
}
