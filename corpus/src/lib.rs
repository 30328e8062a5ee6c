//! Events to test with: a generated corpus that anyone can make again, and the shared one of real events.
//!
//! The generated corpus has the kinds, sizes and oddities of the real one: profiles, notes, reactions, contact lists
//! with hundreds of entries, reposts and zap receipts that carry JSON inside JSON, drafts, articles. Every event is
//! really signed. Same seed, same bytes.

#![allow(clippy::panic, reason = "this crate makes test data: a broken rule ends the test")]

mod classes;
mod frames;
pub mod rng;
mod shapes;

use std::fs;
use std::path::PathBuf;

use nostr_proto::{Event, Keys};

pub use classes::Class;
pub use frames::Layout;
pub use rng::Rng;
pub use shapes::Shape;

use shapes::Generator;

/// What a generated corpus is made of.
#[derive(Clone, Debug)]
pub struct Mix {
    /// How many authors write it. At least 1.
    pub authors: usize,
    /// How often each shape comes, relative to the others.
    pub weights: Vec<(Shape, u32)>,
    /// Whether no event may replace another: replaceable ones then get an author each, addressable ones a `d` each.
    pub distinct: bool,
}

impl Mix {
    /// The kinds and sizes of the shared corpus: 1.1 KB in the mean, written by 50 authors who replace their own events.
    pub fn like_shared() -> Self {
        Self { authors: 50, weights: Shape::WEIGHTS.to_vec(), distinct: false }
    }

    /// Nothing but this shape, none of which replaces another.
    pub fn only(shape: Shape) -> Self {
        Self { authors: 50, weights: vec![(shape, 1)], distinct: true }
    }

    /// The same kinds with more contact lists among them, 1.6 KB in the mean, none of which replaces another.
    pub fn heavy() -> Self {
        let mut weights = Shape::WEIGHTS.to_vec();
        for (shape, weight) in &mut weights {
            if *shape == Shape::Contacts {
                *weight = 80;
            }
        }
        Self { authors: 50, weights, distinct: true }
    }
}

/// `n` signed events in the mix of the shared corpus. The same seed gives the same bytes.
pub fn generated(seed: u64, n: usize) -> Vec<Event> {
    generated_with(seed, n, &Mix::like_shared())
}

/// `n` signed events in a mix of the caller's. The same seed gives the same bytes.
pub fn generated_with(seed: u64, n: usize, mix: &Mix) -> Vec<Event> {
    let mut generator = Generator::new(seed, mix);
    (0..n).map(|_| generator.next_event()).collect()
}

/// The keys behind [`generated`], in a fixed order, for tests that write more in their authors' names.
pub fn authors(seed: u64, mix: &Mix) -> Vec<Keys> {
    Generator::new(seed, mix).into_authors()
}

/// The events of the shared corpus, one JSON text each; `None`, with a line on standard error, where it is absent.
pub fn shared() -> Option<Vec<String>> {
    shared_lines("events.jsonl")
}

/// The raw relay frames of the shared corpus; a few of them are not valid JSON on purpose.
/// `None`, with a line on standard error, where it is absent.
pub fn shared_frames() -> Option<Vec<String>> {
    shared_lines("frames.txt")
}

fn shared_lines(file: &str) -> Option<Vec<String>> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpus")).join(file);
    match fs::read_to_string(&path) {
        Ok(text) => Some(text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()),
        Err(e) => {
            eprintln!("skipped: the shared corpus has no {file} here ({e})");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        let json = |seed| -> Vec<String> { generated(seed, 60).iter().map(Event::to_json).collect() };
        assert_eq!(json(7), json(7));
        assert_ne!(json(7), json(8));
    }

    #[test]
    fn a_longer_corpus_starts_with_the_shorter_one() {
        let (short, long) = (generated(3, 20), generated(3, 40));
        assert_eq!(short, long[..20]);
    }

    #[test]
    fn every_event_is_valid_and_unlike_the_others() {
        let events = generated(1, 400);
        let ids: BTreeSet<_> = events.iter().map(Event::id).collect();
        assert_eq!(ids.len(), events.len());
        for event in events {
            let kind = event.kind();
            nostr_proto::verify_event(event).unwrap_or_else(|e| panic!("kind {}: {e}", kind.as_u16()));
        }
    }

    #[test]
    fn sizes_and_kinds_are_those_of_the_real_corpus() {
        let events = generated(1, 2_000);
        let mean = events.iter().map(Event::size).sum::<usize>() / events.len();
        assert!((900..1_500).contains(&mean), "mean size {mean}");
        let mut kinds = BTreeMap::new();
        for event in &events {
            *kinds.entry(event.kind().as_u16()).or_insert(0_usize) += 1;
        }
        for kind in [0, 1, 3, 5, 6, 7, 9041, 9735, 10002, 30023, 31234, 6300, 22456] {
            assert!(kinds.contains_key(&kind), "kind {kind} is missing");
        }
        assert!(kinds[&1] > kinds[&7] && kinds[&7] > kinds[&3]);
    }

    #[test]
    fn the_heavy_mix_weighs_what_it_says_and_replaces_nothing() {
        let events = generated_with(2, 2_000, &Mix::heavy());
        let mean = events.iter().map(Event::size).sum::<usize>() / events.len();
        assert!((1_450..1_800).contains(&mean), "mean size {mean}");
        let mut addresses = BTreeSet::new();
        for event in &events {
            if let Some(address) = event.address() {
                assert!(addresses.insert(format!("{address:?}")), "two versions of {address:?}");
            }
        }
    }
}
