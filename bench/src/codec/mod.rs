//! The codec beside the `nostr` crate, `serde_json` into owned structs, and other JSON parsers, in one run.

pub mod allocations;
mod checks;
mod duplicate;
mod encode;
mod hash;
mod instructions;
mod options;
mod parse;
mod peers;
mod race;
mod sets;
mod skip;
mod table;

use std::error::Error;

pub use options::{HELP, Options, Row};

use options::Task;
use table::Goal;

/// Measures the rows asked for and prints a table of each, then how each stands to its goal.
///
/// # Errors
///
/// If there is nothing to measure, or a contender does not read what it is given.
pub fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    match &options.task {
        Task::Time => {}
        Task::Instructions => return instructions::run(options),
        Task::Count { contender } => return instructions::count(options, options.heat, contender),
    }
    let mut goals: Vec<Goal> = Vec::new();
    for row in &options.rows {
        goals.extend(match row {
            Row::Parse => parse::run(options)?,
            Row::Duplicate => duplicate::run(options)?,
            Row::Hash => hash::run(options)?,
            Row::Checks => checks::run(options)?,
            Row::Encode => encode::run(options)?,
        });
    }
    table::print_goals(&goals);
    Ok(())
}
