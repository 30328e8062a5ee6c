//! Runs every target over its seeds and over seeded mutations of them. Finds regressions on stable, in seconds.

mod mutate;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use mutate::Mutator;
use nostr_pool_corpus::{self as corpus, Mix, Rng};
use nostr_pool_fuzz::{TARGETS, Target};

/// Mutations of a target's seeds, all of its seeds together.
const MUTATIONS: usize = 4_000;
/// The same where one input is hundreds of steps.
const LONG_MUTATIONS: usize = 300;

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
    let entries = fs::read_dir(&folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let mut files: Vec<_> = entries.expect("the target has a folder of seeds").iter().map(fs::DirEntry::path).collect();
    files.sort();
    files.iter().map(|file| fs::read(file).expect("a seed can be read")).collect()
}

fn run(name: &str, target: Target, input: &[u8]) {
    let result = catch_unwind(AssertUnwindSafe(|| target(input)));
    assert!(result.is_ok(), "{name} broke on {:?}", String::from_utf8_lossy(input));
}

fn replay(name: &str, mutations: usize) {
    let (_, target) = TARGETS.iter().find(|(n, _)| *n == name).expect("a target of that name");
    let seeds = seeds(name);
    assert!(seeds.len() >= 5, "{name} has {} seeds", seeds.len());
    for seed in &seeds {
        run(name, *target, seed);
    }
    let mut mutator = Mutator::new(name.bytes().map(u64::from).sum(), &seeds);
    for _ in 0..mutations {
        run(name, *target, &mutator.next_input());
    }
}

#[test]
fn client_message() {
    replay("client_message", MUTATIONS);
}

#[test]
fn core_inputs() {
    replay("core_inputs", LONG_MUTATIONS);
}

#[test]
fn event() {
    replay("event", MUTATIONS);
}

#[test]
fn filter() {
    replay("filter", MUTATIONS);
}

#[test]
fn head_scan_agrees() {
    replay("head_scan_agrees", MUTATIONS);
}

#[test]
fn count_hll() {
    replay("count_hll", MUTATIONS);
}

#[test]
fn nip11() {
    replay("nip11", MUTATIONS);
}

#[test]
fn nip77() {
    replay("nip77", MUTATIONS);
}

#[test]
fn recording() {
    replay("recording", MUTATIONS);
}

#[test]
fn relay_frame() {
    replay("relay_frame", MUTATIONS);
}

#[test]
fn relay_url() {
    replay("relay_url", MUTATIONS);
}

#[test]
fn every_target_is_replayed_and_has_a_binary() {
    let source = include_str!("replay.rs");
    for (name, _) in TARGETS {
        assert!(source.contains(&format!("fn {name}()")), "{name} is not replayed");
        let binary = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fuzz_targets/{name}.rs"));
        assert!(binary.is_file(), "{name} has no binary");
    }
}

/// A message in one direction or the other.
fn is_message(text: &str) -> bool {
    nostr_proto::ClientMessage::from_json(text).is_ok() || nostr_proto::RelayMessage::parse(text).is_ok()
}

/// A target whose seeds are all refused at once tests nothing: most of them must be what the target is about.
#[test]
fn most_seeds_are_valid() {
    let text = |seed: &Vec<u8>| String::from_utf8(seed.clone()).unwrap_or_default();
    type IsValid = fn(&str) -> bool;
    let valid: [(&str, IsValid); 8] = [
        ("client_message", |s| nostr_proto::ClientMessage::from_json(s).is_ok()),
        ("event", |s| nostr_proto::Event::from_json(s).is_ok()),
        ("filter", |s| nostr_proto::Filter::from_json(s.lines().next().unwrap_or_default()).is_ok()),
        ("head_scan_agrees", |s| nostr_proto::scan_head(s).is_some()),
        ("nip11", |s| nostr_proto::RelayInfo::from_json(s).is_ok_and(|info| info != nostr_proto::RelayInfo::default())),
        ("nip77", |s| s.contains("NEG-") && is_message(s)),
        ("relay_frame", |s| nostr_proto::RelayMessage::parse(s).is_ok()),
        ("relay_url", |s| nostr_proto::RelayUrl::parse(s).is_ok()),
    ];
    for (name, is_valid) in valid {
        let seeds = seeds(name);
        let good = seeds.iter().filter(|seed| is_valid(&text(seed))).count();
        assert!(good * 2 > seeds.len(), "{name}: {good} of {} seeds are valid", seeds.len());
    }
}

/// After a change of the format, they are to be made again.
#[test]
fn the_seeds_of_recording_are_recordings() {
    for seed in seeds("recording") {
        let recording = nostr_pool_core::recording::Recording::read(&seed).expect("make_seeds writes them again");
        nostr_pool_core::recording::replay(&recording, |_, _| ()).expect("it replays");
    }
}

/// What we generate and what relays really sent goes through all targets that take such bytes.
#[test]
fn both_corpora_pass_every_target() {
    let mut inputs: Vec<String> =
        corpus::generated_with(11, 300, &Mix::like_shared()).iter().map(nostr_proto::Event::to_json).collect();
    inputs.extend(corpus::shared().unwrap_or_default());
    let mut frames: Vec<String> = inputs.iter().map(|event| format!(r#"["EVENT","p1",{event}]"#)).collect();
    frames.extend(corpus::shared_frames().unwrap_or_default());
    for (name, target) in TARGETS {
        // To the simulator, one text is as good as another, and takes as long as a thousand do elsewhere.
        let step = if *name == "core_inputs" { 8 } else { 1 };
        for input in inputs.iter().chain(&frames).step_by(step) {
            run(name, *target, input.as_bytes());
        }
    }
}

#[test]
fn the_mutator_is_deterministic_and_changes_its_seeds() {
    let seeds = vec![b"{\"kinds\":[1]}".to_vec(), b"{}".to_vec()];
    let inputs = |seed| -> Vec<Vec<u8>> {
        let mut mutator = Mutator::new(seed, &seeds);
        (0..100).map(|_| mutator.next_input()).collect()
    };
    assert_eq!(inputs(1), inputs(1));
    assert_ne!(inputs(1), inputs(2));
    let changed = inputs(1).iter().filter(|input| !seeds.contains(input)).count();
    assert!(changed > 70, "only {changed} of 100 inputs differ from their seeds");
    assert_eq!(Rng::new(5).next_u64(), Rng::new(5).next_u64());
}
