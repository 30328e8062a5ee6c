//! `nostr-pool demo`: it ends by itself, in time, and with every check passed.

mod common;

use std::time::{Duration, Instant};

use common::{command, finish, run};

#[test]
fn the_demo_passes_and_tells_what_happens() {
    let begun = Instant::now();
    let run = run(&["demo"]).exits(0);
    assert!(begun.elapsed() < Duration::from_secs(15), "it took {:?}", begun.elapsed());
    assert_eq!(run.stderr, "");
    let told = [
        "5 of 5 relays connected",
        "QUORUM REACHED",
        "EOSE: it has sent all it had",
        "copies and",
        "forgeries dropped",
        "charlie goes down now",
        "GAP OPEN",
        "GAP CLOSED",
        "PASS",
    ];
    let mut rest = run.stdout.as_str();
    for part in told {
        let Some(at) = rest.find(part) else { panic!("{part:?} is not told, or out of order: {run:?}") };
        rest = &rest[at..];
    }
    // Connections and gaps are told by different streams, so which comes first is open.
    assert!(run.stdout.contains("charlie  connection open again"), "{run:?}");
    assert!(run.stdout.contains("mallory  sent forged events; it is left alone for a while"), "{run:?}");
    assert_eq!(run.stdout.matches("    ✓ ").count(), 6, "{}", run.stdout);
    for line in run.stdout.lines() {
        assert!(line.chars().count() <= 80, "wider than 80 columns: {line}");
    }
    // No event is counted twice over.
    for name in ["alpha", "bravo", "charlie", "delta", "mallory"] {
        let table = run.stdout.lines().skip_while(|line| !line.trim_start().starts_with("relay "));
        let row = table.map(str::trim).find(|line| line.starts_with(name)).unwrap();
        let numbers = row.split_whitespace().skip(1).take(4).map(|n| n.parse::<u64>().unwrap()).collect::<Vec<_>>();
        let [_, sent, copies, forged] = numbers[..] else { panic!("{row}") };
        assert!(sent >= copies + forged, "{row}");
    }
    assert!(!run.stdout.contains('✗') && !run.stdout.contains('\u{1b}'), "{}", run.stdout);
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let mut child = command(&["demo"]).spawn().unwrap();
    drop(child.stdout.take());
    let run = finish(child).exits(0);
    assert_eq!(run.stderr, "");
}

#[test]
fn ctrl_c_ends_it_at_once() {
    let child = command(&["demo"]).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    let status = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(status.success());
    let begun = Instant::now();
    finish(child).exits(130);
    assert!(begun.elapsed() < Duration::from_secs(4), "it took {:?}", begun.elapsed());
}
