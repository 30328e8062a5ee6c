//! A contender's own process, from both sides.

use std::error::Error;
use std::process::{Command, Stdio};

use crate::args::Args;
use crate::contenders;
use crate::measure::Outcome;

/// Inside the process: run the contender once and tell the outcome on standard output.
pub(crate) fn run(contender: &str, args: &Args) -> Result<(), Box<dyn Error>> {
    let urls: Vec<String> = args.ports.iter().map(|port| format!("ws://127.0.0.1:{port}")).collect();
    println!("{}", contenders::run(contender, &urls, args)?);
    Ok(())
}

/// Outside: start such a process and wait for its outcome.
pub(crate) fn measure(contender: &str, ports: &[String], args: &Args) -> Result<Outcome, Box<dyn Error>> {
    let output = Command::new(std::env::current_exe()?)
        .args(["--measure", contender, "--ports", &ports.join(",")])
        .args(args.for_child())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(format!("{contender} failed: {}", output.status).into());
    }
    let outcome = Outcome::parse(std::str::from_utf8(&output.stdout)?.trim())?;
    if outcome.delivered < args.events {
        return Err(format!("{contender} delivered {} of {} events", outcome.delivered, args.events).into());
    }
    Ok(outcome)
}
