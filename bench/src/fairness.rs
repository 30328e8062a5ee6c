//! How much a flooding relay delays another: its EOSE, and its OK.
//!
//! One relay floods a subscription of its own, as fast as its socket is read. Meanwhile the pool asks another relay for 100
//! events it has not seen, again and again, and publishes to it. Both relays live in a process of their own, each pool in
//! a fresh one. Times are taken by the application: from its call to the item, or the verdict, that answers it.

mod probe;
mod relays;

use std::error::Error;
use std::process::{Command, Stdio};

use crate::args::Args;

pub(crate) use probe::run as probe;
pub(crate) use relays::run as serve;

/// What a relay floods with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flood {
    /// Nothing.
    None,
    /// Events that nobody has seen.
    Unique,
    /// The same thousand events, over and over.
    Duplicates,
    /// Texts that are no messages.
    Garbage,
    /// Events with the signatures of others.
    Forged,
}

impl Flood {
    pub(crate) const ALL: [(&str, Self); 5] = [
        ("none", Self::None),
        ("unique", Self::Unique),
        ("duplicates", Self::Duplicates),
        ("garbage", Self::Garbage),
        ("forged", Self::Forged),
    ];
}

/// Where the pool runs.
const RUNTIMES: [&str; 3] = ["tokio-1", "tokio", "async-std"];

/// Measures and prints every case on every runtime.
pub(crate) fn report(args: &Args) -> Result<(), Box<dyn Error>> {
    let relays = relays::Relays::start(args)?;
    println!("ms from the call to EOSE after 100 unseen events, and to the verdict of a publish");
    println!(
        "{:<10} {:<11} {:>32}   {:>32}   flood",
        "", "", "EOSE: n   p50    p99    max", "OK: n   p50    p99    max"
    );
    for runtime in RUNTIMES.iter().filter(|runtime| args.wants(runtime)) {
        for (name, _) in Flood::ALL {
            let status = Command::new(std::env::current_exe()?)
                .args([
                    "--probe",
                    name,
                    "--only",
                    runtime,
                    "--ports",
                    &relays.ports,
                    "--seconds",
                    &args.seconds.to_string(),
                ])
                .args(args.for_child())
                .stdin(Stdio::null())
                .status()?;
            if !status.success() {
                return Err(format!("{name} on {runtime} failed: {status}").into());
            }
        }
    }
    Ok(())
}
