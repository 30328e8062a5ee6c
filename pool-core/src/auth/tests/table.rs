//! Every state × every input × every policy, as the module's tables have it.

use std::borrow::ToOwned;
use std::collections::BTreeSet;
use std::format;
use std::string::ToString;
use std::vec;

use super::*;

const POLICIES: [AuthPolicy; 3] = [AuthPolicy::Never, AuthPolicy::Ask, AuthPolicy::Always];

/// A machine in this row's state, on the way there that is the simplest under any policy.
fn machine(row: &str, policy: AuthPolicy) -> Bench {
    let mut b = Bench::new(policy);
    if row != "Down" {
        b.opened();
    }
    let until = b.now.mono + Duration::from_secs(5);
    let (first, second): (state::Challenge, state::Challenge) = ("first".into(), "second".into());
    let hand = if row.ends_with('*') { Hand::Newer(second.clone()) } else { Hand::Used(first.clone()) };
    let unsigned = nostr_proto::EventTemplate::auth(&url(), "first", b.now.unix).unsigned(key(0));
    let (event, identity) = (unsigned.id(), key(0));
    let order = state::Order { event, identity, until };
    if matches!(row.trim_end_matches('*'), "Sent" | "Assumed" | "Authenticated") {
        b.auth.session.shown = vec![identity];
    }
    if matches!(row.trim_end_matches('*'), "Assumed" | "Authenticated") {
        b.auth.session.known = vec![identity];
    }
    b.auth.state = match row {
        "Down" => State::Down,
        "Unchallenged" => State::Unchallenged,
        "Expecting" => State::Expecting { until },
        "Challenged" => State::Challenged { challenge: first },
        "Asking" => State::Asking { challenge: first },
        "Paced" => State::Paced { challenge: first, at: until },
        "Signing" => State::Signing { challenge: first, order, stale: false },
        "Signing*" => State::Signing { challenge: second, order, stale: true },
        "Ready" => State::Ready { challenge: first, event: unsigned.sign(&keys(0), [0; 32]) },
        "Sent" | "Sent*" => State::Sent { hand, event, identity, until },
        "Assumed" | "Assumed*" => State::Assumed { hand, event, identity },
        "Authenticated" | "Authenticated*" => State::Authenticated { hand },
        "Failed" => State::Failed { challenge: Some(first), failure: AuthFailure::Refused(reason("no")) },
        other => panic!("no state {other}"),
    };
    b.fx = Effects::default();
    b
}

/// The row that a machine is in.
fn row_of(b: &Bench) -> String {
    let newer = |hand: &Hand| if matches!(hand, Hand::Newer(_)) { "*" } else { "" };
    match &b.auth.state {
        State::Signing { stale, .. } => format!("Signing{}", if *stale { "*" } else { "" }),
        State::Sent { hand, .. } => format!("Sent{}", newer(hand)),
        State::Assumed { hand, .. } => format!("Assumed{}", newer(hand)),
        State::Authenticated { hand } => format!("Authenticated{}", newer(hand)),
        other => format!("{other:?}").split([' ', '{']).next().unwrap().to_owned(),
    }
}

/// Applies a column's input; what it said beside the state, as the table writes it.
fn apply(b: &mut Bench, input: &str) -> String {
    let event = match &b.auth.state {
        State::Signing { order, .. } => order.event,
        State::Sent { event, .. } | State::Assumed { event, .. } => *event,
        _ => EventId::from_bytes([9; 32]),
    };
    let event_of_order = nostr_proto::EventTemplate::auth(&url(), "first", b.now.unix).unsigned(key(0));
    let change = match input {
        "opened" => {
            b.opened();
            Change::None
        }
        "lost" => {
            b.step(|auth, _, fx| auth.lost(fx));
            Change::None
        }
        "challenge" => b.challenge("third"),
        "too long" => b.challenge(&"x".repeat(b.config.max_challenge_bytes + 1)),
        "auth-required" | "restricted" => {
            let (refusal, change) = b.refuse(if input == "restricted" { Lack::Restricted } else { Lack::Unknown });
            let refusal = match refusal {
                Refusal::Wait => "wait",
                Refusal::Again => "again",
                Refusal::Final => "final",
            };
            return format!("{} {refusal}", word(&change)).trim().to_owned();
        }
        "OK true" => b.ok(Some(event), true, "").unwrap_or(Change::None),
        "OK false" => b.ok(Some(event), false, "no").unwrap_or(Change::None),
        "private" => b.step(Auth::private),
        "allow" => b.allow(0).unwrap(),
        "deny" => b.deny(),
        "signed" => b.sign(&event_of_order),
        "not signed" => b.signed(&event_of_order, Err("no")),
        "sent" => {
            b.send();
            Change::None
        }
        "timeout" => {
            b.pass(Duration::from_secs(3_600));
            b.step(Auth::timeout)
        }
        "taken back" => {
            b.policy = AuthPolicy::Never;
            b.step(Auth::reconsider)
        }
        other => panic!("no input {other}"),
    };
    word(&change).to_owned()
}

fn word(change: &Change) -> &'static str {
    match change {
        Change::None => "",
        Change::Sign(_) => "sign",
        Change::Ready => "ready",
        Change::Granted => "granted",
        Change::Denied => "denied",
    }
}

/// What a cell says of the next state, and of the rest.
fn expected(row: &str, input: &str, cell: &str, policy: AuthPolicy) -> (String, String) {
    let text: String = cell.chars().filter(|c| !"¹²³⁴⁵⁶⁷⁸`–".contains(*c)).collect();
    let refusal = matches!(input, "auth-required" | "restricted");
    if text.trim() == "begin" {
        let (state, said) = match policy {
            AuthPolicy::Never if refusal => (row, "final"),
            AuthPolicy::Never if input == "challenge" => ("Challenged", ""),
            AuthPolicy::Never => (row, ""),
            AuthPolicy::Ask => ("Asking", if refusal { "wait" } else { "" }),
            AuthPolicy::Always => ("Signing", if refusal { "sign wait" } else { "sign" }),
        };
        return (state.to_owned(), said.to_owned());
    }
    if cell.contains('⁴') && policy != AuthPolicy::Always {
        let state = if policy == AuthPolicy::Ask { ("Asking", "") } else { ("Failed", "denied") };
        return (state.0.to_owned(), state.1.to_owned());
    }
    if cell.contains('³') && policy == AuthPolicy::Never {
        return (row.to_owned(), "final".to_owned());
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.first().filter(|w| w.starts_with(char::is_uppercase)) {
        Some(state) => ((*state).to_string(), words[1..].join(" ")),
        None => (row.to_owned(), words.join(" ")),
    }
}

#[test]
fn every_cell_holds() {
    let docs = include_str!("../mod.rs");
    let lines = docs.lines().filter_map(|line| line.strip_prefix("//! |"));
    let mut header: Vec<String> = Vec::new();
    let (mut rows, mut cells) = (BTreeSet::new(), 0);
    for line in lines.filter(|line| !line.starts_with("---")) {
        let fields: Vec<String> = line.trim_end_matches('|').split('|').map(|f| f.trim().to_owned()).collect();
        if fields[0].starts_with("state") {
            header = fields;
            continue;
        }
        let row = fields[0].trim_matches('`');
        rows.insert(row.to_owned());
        assert_eq!(fields.len(), header.len(), "{row}");
        for (input, cell) in header.iter().zip(&fields).skip(1) {
            for policy in POLICIES {
                let mut b = machine(row, policy);
                let said = apply(&mut b, input);
                let found = (row_of(&b), said);
                assert_eq!(found, expected(row, input, cell, policy), "{row} × {input}, {policy:?}");
                let told = b.told();
                assert!(told.is_empty() || told.last() == Some(&b.auth.state()), "{row} × {input}: {told:?}");
            }
            cells += 1;
        }
    }
    assert_eq!((rows.len(), cells), (16, 16 * 16), "every state has a row in both tables");
}
