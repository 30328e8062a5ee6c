//! Those that read the events: the bare socket, this library on its runtimes, and another library.

mod bare;
pub(crate) mod pool;
mod sdk;

use std::error::Error;

use nostr_pool_async_std::AsyncStd;
use nostr_pool_tokio::Tokio;

use crate::args::Args;
use crate::measure::Outcome;

/// Names and descriptions, in the order in which they run and are shown.
pub(crate) const ALL: [(&str, &str); 4] = [
    ("bare", "bare socket, our read buffer"),
    ("tokio", "nostr-pool on tokio"),
    ("async-std", "nostr-pool on async-std"),
    ("sdk", "nostr-sdk 0.44.1"),
];

/// Runs one of them once: one subscription to all of these relays, until the last has sent its EOSE.
pub(crate) fn run(name: &str, urls: &[String], args: &Args) -> Result<Outcome, Box<dyn Error>> {
    match name {
        "bare" => tokio()?.block_on(bare::run(urls, args)),
        "tokio" => tokio()?.block_on(async { pool::run(Tokio::current(), urls, args).await }),
        "async-std" => async_std::task::block_on(pool::run(AsyncStd, urls, args)),
        "sdk" => tokio()?.block_on(sdk::run(urls, args)),
        _ => Err(format!("no contender {name}").into()),
    }
}

fn tokio() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}
