//! The command against a relay of independent make: `nostr-relay-builder`, in this process, on loopback.

mod common;

use std::collections::BTreeSet;

use common::{json_lines, notes, run, run_on};
use nostr_relay_builder::{LocalRelay, RelayBuilder};

#[test]
fn publish_and_req() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let relay = LocalRelay::new(RelayBuilder::default());
    runtime.block_on(relay.run()).unwrap();
    let url = runtime.block_on(relay.url()).to_string();

    // As many as it takes from one connection in a minute.
    let events = notes(40);
    let published = run_on(json_lines(&events), &["publish", "--relay", &url, "--quorum", "all"]).exits(0);
    assert_eq!(published.lines().iter().filter(|line| line.contains(" reached: 1 of 1 ")).count(), 40);

    let read = run(&["req", "--relay", &url, "--kind", "1", "--stats"]).exits(0);
    let expected: BTreeSet<String> = events.iter().map(nostr_proto::Event::to_json).collect();
    assert_eq!(read.lines().into_iter().map(str::to_owned).collect::<BTreeSet<_>>(), expected);
    assert_eq!(read.lines().len(), 40, "each once");

    let one = run(&["req", "--relay", &url, "--id", &events[7].id().to_string()]).exits(0);
    assert_eq!(one.lines(), [events[7].to_json()]);
}
