//! Walks every pair of the module's transition table: the table is read out of the module's own documentation.

use std::string::String;
use std::vec::Vec;

use super::part::State;
use super::*;
use crate::event::CountOutcome;
use crate::walked::table;

const A: RelayIx = RelayIx(0);

fn now(secs: u64) -> Now {
    Now { mono: Instant::from_micros(secs * 1_000_000), unix: nostr_proto::Timestamp::new(1_000_000) }
}

fn answer() -> CountAnswer {
    CountAnswer { count: 7, approximate: false, hll: None }
}

/// A count in one of the states, each reached on the way on which it comes about.
fn in_state(state: &str, config: &Config) -> Counting {
    let url = RelayUrl::parse("wss://r.example.com").unwrap();
    let mut c =
        Counting::new(CountId(1), [Filter::new()].into(), [(A, url)], Some(Duration::from_secs(60)), config, now(0));
    let ask = |c: &mut Counting| c.asked(A, WireId(3), Epoch::default());
    let refuse = |c: &mut Counting, text: &str| c.refused(A, Reason::parse(text), config, now(0));
    match state {
        "Waiting" | "Asked" => {}
        "Waiting refused" => {
            ask(&mut c);
            refuse(&mut c, "rate-limited: slowly");
        }
        "Waiting lost" | "Asked lost" => {
            ask(&mut c);
            c.lost(A);
        }
        "Waiting cut" => {
            ask(&mut c);
            c.cut(A);
        }
        "Asked last" => {
            for n in 1..u64::from(config.max_sends) {
                ask(&mut c);
                refuse(&mut c, "error: busy");
                c.timeout(A, now(n * 10));
            }
        }
        "Noticed" => {
            ask(&mut c);
            c.noticed(A, Reason::parse("unknown verb"), now(2).mono);
        }
        "Presumed" => {
            ask(&mut c);
            c.noticed(A, Reason::parse("unknown verb"), now(2).mono);
            c.timeout(A, now(2));
        }
        "Lacking" => {
            ask(&mut c);
            c.lacks_auth(A, Reason::parse("auth-required: who?"));
        }
        "Retry" => {
            ask(&mut c);
            refuse(&mut c, "error: busy");
        }
        "Done" => {
            ask(&mut c);
            c.counted(A, answer());
        }
        other => panic!("the table names a state that nobody can build: {other}"),
    }
    if state.starts_with("Asked") {
        ask(&mut c);
    }
    c
}

fn apply(input: &str, c: &mut Counting, config: &Config) {
    match input {
        "asked" => c.asked(A, WireId(4), Epoch::default()),
        "counted" => c.counted(A, answer()),
        "nonsense" => c.nonsense(A),
        "CLOSED, slow down" => c.refused(A, Reason::parse("rate-limited: slowly"), config, now(0)),
        "CLOSED, try again later" => c.refused(A, Reason::parse("error: busy"), config, now(0)),
        "CLOSED, for good" => c.refused(A, Reason::parse("unsupported: no"), config, now(0)),
        "CLOSED, `auth-required:`" => c.lacks_auth(A, Reason::parse("auth-required: who?")),
        "NOTICE" => c.noticed(A, Reason::parse("unknown verb"), now(2).mono),
        "authenticated" => c.authenticated(A),
        "not authenticated" => c.not_authenticated(A),
        "recalled" => c.recalled(A),
        "connection lost" => c.lost(A),
        "connection closed by us" => c.cut(A),
        "no connection" => c.unavailable(A, true),
        "no connection to come" => c.unavailable(A, false),
        "too large" => c.too_large(A, 5_000, 4_000),
        "due" => c.timeout(A, now(50)),
        "deadline" => c.timeout(A, now(60)),
        "cancelled, or relay removed" => c.cancel(A),
        other => panic!("the table names an input that nobody can make: {other}"),
    }
}

fn name(c: &Counting) -> &'static str {
    match &c.parts[&A].state {
        State::Waiting => "Waiting",
        State::Asked { .. } => "Asked",
        State::Noticed { .. } => "Noticed",
        State::Presumed { .. } => "Presumed",
        State::Lacking => "Lacking",
        State::Retry { .. } => "Retry",
        State::Done(outcome) => match outcome {
            CountOutcome::Counted(_) => "Counted",
            CountOutcome::Refused(_) => "Refused",
            CountOutcome::Silent => "Silent",
            CountOutcome::Nonsense => "Nonsense",
            CountOutcome::Lost => "Lost",
            CountOutcome::Unreachable => "Unreachable",
            CountOutcome::TooLarge { .. } => "TooLarge",
            CountOutcome::Cancelled => "Cancelled",
        },
    }
}

#[test]
fn every_input_in_every_state_does_what_the_documentation_says() {
    let config = Config::default();
    let (states, rows) = table(include_str!("mod.rs"));
    assert_eq!((states.len(), rows.len()), (12, 19), "the whole table is read");
    for row in &rows {
        assert_eq!(row.len(), states.len() + 1, "{row:?}");
        for (state, expected) in states.iter().zip(&row[1..]) {
            let mut c = in_state(state, &config);
            let (input, before) = (&row[0], c.parts[&A].clone());
            let word = state.split(' ').next().unwrap();
            assert!(word == "Done" || name(&c) == word, "{state} is {}", name(&c));
            apply(input, &mut c, &config);
            if expected == "–" {
                assert_eq!(c.parts[&A].state, before.state, "{input} in {state}");
            } else {
                assert_eq!(name(&c), expected, "{input} in {state}");
            }
        }
    }
}

/// A state or an input that is added to the machine is added here, and so to the table.
#[test]
fn no_state_and_no_input_is_left_out() {
    let (states, rows) = table(include_str!("mod.rs"));
    let once = |names: Vec<&String>| names.iter().all(|name| names.iter().filter(|other| other == &name).count() == 1);
    assert!(once(states.iter().collect()) && once(rows.iter().map(|row| &row[0]).collect()), "each once");
    let variants = include_str!("part.rs").split("enum State {").nth(1).unwrap().split("\n}").next().unwrap();
    let variants: Vec<&str> =
        variants.lines().filter_map(|line| line.trim().split(|c: char| !c.is_alphanumeric()).next()).collect();
    let variants: Vec<&str> = variants.into_iter().filter(|name| name.starts_with(char::is_uppercase)).collect();
    assert_eq!(variants.len(), 7, "{variants:?}");
    assert!(variants.iter().all(|name| states.iter().any(|state| state == name)), "{variants:?} have columns");
    let machine = include_str!("mod.rs").split("impl Counting {").nth(1).unwrap();
    let methods = machine.split("pub(crate) fn ").skip(1).filter_map(|method| method.split_once('('));
    let changing =
        methods.filter(|(_, arguments)| arguments.trim_start().starts_with("&mut self")).map(|(name, _)| name);
    let inputs: Vec<&str> = changing.collect();
    assert_eq!(inputs.len(), 15, "{inputs:?}");
    let walked = include_str!("walk.rs").split("\nfn apply(").nth(1).unwrap().split("\nfn ").next().unwrap();
    for input in inputs {
        assert!(walked.contains(&std::format!("c.{input}(")), "{input} has no row");
    }
}
