//! What reading a recording takes, at the worst: bytes that are short for what they stand for.

use nostr_pool_core::recording::{Recorder, Recording};
use nostr_pool_core::{Config, Instant, Now};
use nostr_proto::Timestamp;

/// As the documentation of [`Recording::read`] says.
const TIMES: u64 = 96;
const ASIDE: u64 = 16 << 10;

fn header() -> Vec<u8> {
    let now = Now { mono: Instant::ZERO, unix: Timestamp::new(0) };
    Recorder::new(Vec::new(), u64::MAX, &Config::default(), &[7; 32], now).into_tape()
}

/// A number of two bytes.
fn long(n: usize) -> [u8; 2] {
    let byte = |n: usize| u8::try_from(n).expect("fourteen bits at most");
    [byte(n & 0x7f) | 0x80, byte(n >> 7)]
}

fn check(what: &str, body: &[u8], is_ok: bool) {
    let bytes = [&header()[..], body].concat();
    let mut steps = None;
    let taken = allocation_counter::measure(|| steps = Recording::read(&bytes).ok().map(|it| it.steps.len()));
    assert_eq!(steps.is_some(), is_ok, "{what}");
    let most = TIMES * bytes.len() as u64 + ASIDE;
    println!("{what}: {} bytes, {} taken at most", bytes.len(), taken.bytes_max);
    assert!(taken.bytes_max <= most, "{what}: {} of {most} for {} bytes", taken.bytes_max, bytes.len());
}

/// A list of so many items, each of these bytes, behind what goes before it and in front of what comes after it.
fn list(before: &[u8], item: &[u8], after: &[u8]) -> Vec<u8> {
    // Just more than a power of two, where a list that grows takes most.
    const ITEMS: usize = 8_200;
    [before, &long(ITEMS), &item.repeat(ITEMS), after].concat()
}

#[test]
fn reading_takes_no_more_than_it_says() {
    // A timeout, and its outcome.
    check("steps", &[1, 11, 3, 0, 0, 0, 0].repeat(10_000), true);
    // `Call::Unsubscribe`: the shortest call that is held apart.
    check("calls", &[1, 10, 12, 0, 3, 0, 0, 0, 0].repeat(10_000), true);
    // `Call::Update` with filters of nothing; `Call::Disconnect` of a text.
    check("filters", &list(&[1, 10, 7, 0], &[0; 8], &[3, 0, 0, 0, 0]), true);
    check("kinds", &list(&[1, 10, 7, 0, 1, 0, 0, 1], &[1], &[0; 5]), true);
    check("ids", &list(&[1, 10, 7, 0, 1, 1], &[0; 32], &[0; 7]), true);
    check("tag values", &list(&[1, 10, 7, 0, 1, 0, 0, 0, 1, b'e'], &[0], &[0; 4]), true);
    check("tags of a filter", &list(&[1, 10, 7, 0, 1, 0, 0, 0], &[b'e', 0], &[0; 4]), true);
    // `Call::Publish` of an event with empty tags.
    let event = [&[1, 10, 14][..], &[0; 32], &[0, 1]].concat();
    check("tags", &list(&event, &[0], &[&[0][..], &[0; 64], &[0; 32], &[0, 0, 0, 0]].concat()), true);
    check("tag items", &list(&[&event[..], &[1]].concat(), &[0], &[]), true);
    // `Call::RelayInfo` with countries of no name.
    let info = [&[1, 10, 20, 5][..], b"wss:/"].concat();
    check("a URL that is none", &list(&info, &[0], &[]), false);
    // A count of which nothing follows, and a text that says it is long.
    check("a count alone", &[1, 10, 7, 0, 0xff, 0xff, 0xff, 0xff, 0x0f], true);
    check("a text alone", &[1, 2, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f], true);
}
