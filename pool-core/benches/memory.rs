//! What relays, subscriptions and events take from the heap, in bytes that stay, each in the mean of many.
//!
//! `cargo bench -p nostr-pool-core --bench memory`. Counted, not timed: the figures are the same on any machine of the same
//! word size, whatever else it does.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark ends where its input is not what it should be")]

#[path = "../tests/common/rig.rs"]
mod rig;

use allocation_counter::measure;
use nostr_pool_core::*;
use nostr_proto::{Filter, Kind};

use rig::{Rig, Signed, stranger};

/// Does it so many times, and says what one takes.
fn each(what: &str, times: usize, mut work: impl FnMut(usize)) {
    let info = measure(|| (0..times).for_each(&mut work));
    println!("{:>9} bytes  {what}", info.bytes_current / i64::try_from(times).unwrap());
}

fn relays() {
    const RELAYS: usize = 1_000;
    let mut rig = Rig::idle(Config { max_connections: RELAYS, ..Config::default() });
    each("a relay, added", RELAYS, |n| rig.add_relay(n));
    let info = measure(|| drop(rig.call(Call::Connect { which: Which::All })));
    println!("{:>9} bytes  more while it is connected and idle", info.bytes_current / 1_000);
    rig.subscribe_to(Filter::new(), Target::All);
    let note = Signed::note(0);
    let frames: Vec<String> = (0..RELAYS).map(|n| note.frame(&rig.wire(n, 0))).collect();
    each("more once it has sent an event", RELAYS, |n| rig.text(n, &frames[n]));
}

fn subscriptions() {
    let filter = |n| Filter::new().kind(Kind::TEXT_NOTE).author(stranger(n));
    for relays in [1, 10, 100] {
        let mut rig = Rig::new(relays);
        let all: Vec<usize> = (0..relays).collect();
        each(&format!("a subscription to one author, at {relays} relays"), 1_000, |n| rig.open(filter(n), &all));
    }
    for relays in [1, 10] {
        let mut rig = Rig::new(relays);
        let all: Vec<usize> = (0..relays).collect();
        let authors = |n: usize| Filter::new().kind(Kind::TEXT_NOTE).authors((n..n + 1_000).map(stranger));
        each(&format!("to 1,000 authors, others each time, at {relays} relays"), 20, |n| {
            rig.open(authors(1_000 * n), &all);
        });
        let mut rig = Rig::new(relays);
        each(&format!("to the same 1,000 authors, at {relays} relays"), 20, |_| rig.open(authors(0), &all));
    }
}

fn events() {
    const EVENTS: usize = 2_000;
    let notes = Signed::notes(EVENTS);
    let mut rig = Rig::new(1);
    rig.subscribe(Filter::new(), &[0]);
    rig.know(&notes);
    let frames: Vec<String> = notes.iter().map(|note| note.frame("p0")).collect();
    each("a note of 660 bytes that was delivered, as long as it is held", EVENTS, |n| rig.text(0, &frames[n]));
    let mut rig = Rig::idle(Config { held_bytes: 0, ..Config::default() });
    rig.add_relay(0);
    rig.call(Call::Connect { which: Which::All });
    rig.subscribe(Filter::new(), &[0]);
    rig.know(&notes);
    each("the same once only its id is left", EVENTS, |n| rig.text(0, &frames[n]));
}

fn main() {
    relays();
    subscriptions();
    events();
}
