//! The command line.

use std::path::{Path, PathBuf};

use clap::builder::PossibleValuesParser;
use clap::{Parser, ValueEnum};
use nostr_pool_interop::make::Make;

/// Run the end-to-end suite against relays of independent make, and look at their habits.
///
/// Relays are installed from the package registries, with the registries' ordinary clients, under one directory of this
/// repository and nowhere else, and started on ports of 127.0.0.1. One that can't be had is skipped, and it is said why.
///
/// For each relay the suite publishes a corpus, reads it back by every sort of filter, follows live events, kills the
/// relay and goes on where it was cut off, replaces, deletes and authenticates: over plain and TLS sockets, on tokio and
/// on async-std. What comes is held against an oracle of plain code.
#[derive(Debug, Parser)]
#[command(name = "interop", version, after_help = HELP, max_term_width = 100)]
pub(crate) struct Args {
    /// Which relays; all of them unless any is named
    #[arg(value_name = "RELAY", value_parser = PossibleValuesParser::new(Make::ALL.map(Make::name)))]
    relays: Vec<String>,
    /// Look at habits only: what each relay does, as it comes, where NIP-01 leaves room
    #[arg(long)]
    pub(crate) habits: bool,
    /// Write the table of habits into this file, between its two marks, instead of printing it; implies a look at them
    #[arg(long, value_name = "FILE")]
    pub(crate) write: Option<PathBuf>,
    /// Skip relays that are not installed yet
    #[arg(long)]
    pub(crate) no_install: bool,
    /// Say which relays there are, what they need and whether they are installed
    #[arg(long)]
    pub(crate) list: bool,
    /// Fail with code 3 if fewer relays than this could be had
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) at_least: usize,
    /// On this adapter only
    #[arg(long, value_enum)]
    adapter: Option<Adapter>,
    /// Generated events to publish, the shared corpus apart
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = clap::value_parser!(usize))]
    pub(crate) events: usize,
    /// What they are made from
    #[arg(long, default_value_t = 44)]
    pub(crate) seed: u64,
    /// Where relays are installed and run [default: target/interop of this repository]
    #[arg(long, value_name = "DIR", default_value_os_t = home(), hide_default_value = true)]
    pub(crate) home: PathBuf,
}

const HELP: &str = "\
Examples:
  interop --list
  interop builder python node              those that take no long build
  interop --at-least 4                     all, of which four must be there
  interop --habits --write tests/interop/RELAYS.md

Exit codes:
    0  every relay that could be had passed
    1  one did not
    3  fewer could be had than --at-least says (1 by default)
   64  an argument is at fault

Progress goes to stderr, the outcome to stdout.";

/// On which runtime the pool runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Adapter {
    /// nostr-pool-tokio
    Tokio,
    /// nostr-pool-async-std
    AsyncStd,
}

/// The package is two folders deep in the repository.
fn home() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.ancestors().nth(2).unwrap_or(package).join("target/interop")
}

impl Args {
    pub(crate) fn makes(&self) -> Vec<Make> {
        let named = |make: &Make| self.relays.is_empty() || self.relays.iter().any(|name| name == make.name());
        Make::ALL.into_iter().filter(named).collect()
    }

    pub(crate) fn adapters(&self) -> Vec<Adapter> {
        self.adapter.map_or_else(|| vec![Adapter::Tokio, Adapter::AsyncStd], |adapter| vec![adapter])
    }

    pub(crate) fn looks_at_habits(&self) -> bool {
        self.habits || self.write.is_some()
    }
}
