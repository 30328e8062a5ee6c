//! The conformance suite over every adapter of this workspace: each keeps every rule, and all have the same traces.

use std::sync::LazyLock;

use nostr_pool_async_std::AsyncStd;
use nostr_pool_tests::conformance::{self, Report};
use nostr_pool_tokio::Tokio;

static RUNTIME: LazyLock<tokio::runtime::Runtime> =
    LazyLock::new(|| tokio::runtime::Runtime::new().expect("tokio starts"));

fn tokio() -> Tokio {
    Tokio::new(RUNTIME.handle().clone())
}

/// `CONFORMANCE=framing cargo test …` runs the scripts whose names have that in them.
fn wanted(name: &str) -> bool {
    std::env::var("CONFORMANCE").map_or(true, |part| name.contains(&part))
}

#[test]
fn every_adapter_keeps_every_rule() {
    let reports: Vec<(&str, Report)> = vec![
        ("tokio", conformance::run_some(tokio(), wanted)),
        ("async-std", conformance::run_some(AsyncStd, wanted)),
    ];
    let mut bad = String::new();
    for (name, report) in &reports {
        println!("{name}\n{report}");
        bad += &report.differences();
        let (first, other) = &reports[0];
        for line in [report.differences_from(other)].iter().filter(|text| !text.is_empty()) {
            bad += &format!("{name} is not as {first}:\n{line}");
        }
    }
    assert!(bad.is_empty(), "- expected, + found\n{bad}");
}

#[test]
fn two_runtimes_live_in_one_process() {
    let (trace, expected) = conformance::together(tokio(), AsyncStd);
    assert_eq!(trace, expected);
}
