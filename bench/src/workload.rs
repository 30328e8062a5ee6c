//! The bytes that every contender gets.

use std::error::Error;

use nostr_pool_corpus as corpus;

use crate::args::Args;

/// The events of a run, as JSON texts. Made again from the seed in each process that needs them.
pub(crate) fn events(args: &Args) -> Result<Vec<String>, Box<dyn Error>> {
    let events = corpus::generated_with(args.seed, args.events, &args.mix()?);
    Ok(events.iter().map(nostr_proto::Event::to_json).collect())
}

/// Their mean size in bytes.
pub(crate) fn mean_size(events: &[String]) -> usize {
    events.iter().map(String::len).sum::<usize>() / events.len().max(1)
}

/// An EVENT message as a relay sends it.
pub(crate) fn message(subscription: &str, event: &str) -> String {
    format!("[\"EVENT\",\"{subscription}\",{event}]")
}
