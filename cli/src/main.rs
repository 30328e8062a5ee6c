//! The `nostr-pool` command: read from, publish to and check Nostr relays.

mod args;
mod count;
mod demo;
mod exit;
mod filter;
mod filter_args;
mod hangup;
mod info;
mod interrupt;
mod key;
mod keygen;
mod lines;
mod network;
mod output;
mod parse;
mod publish;
mod relays;
mod replay;
mod req;
mod resume;
mod secrets;
mod usage;
mod verify;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Cli, Command};
use crate::exit::{Exit, Stop};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage::answer(&error).into(),
    };
    let exit = match run(cli.command) {
        Ok(exit) => exit,
        Err(Stop::PipeClosed) => Exit::Ok,
        Err(Stop::Error(exit, message)) => {
            output::error(&message);
            exit
        }
    };
    exit.into()
}

fn run(command: Command) -> Result<Exit, Stop> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Stop::failed(format!("cannot start: {e}")))?;
    let result = runtime.block_on(async {
        match command {
            Command::Demo(args) => demo::run(&args).await,
            Command::Req(args) => req::run(&args).await,
            Command::Count(args) => count::run(&args).await,
            Command::Info(args) => info::run(&args).await,
            Command::Publish(args) => publish::run(*args).await,
            Command::Verify(args) => verify::run(args).await,
            Command::Keygen(args) => keygen::run(&args),
            Command::Replay(args) => replay::run(args).await,
        }
    });
    // A name that is still being looked up must not keep the process from ending.
    runtime.shutdown_background();
    result
}
