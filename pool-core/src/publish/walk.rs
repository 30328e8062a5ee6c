//! Walks every pair of the module's transition table: the table is read out of the module's own documentation.

use std::format;
use std::string::String;
use std::vec::Vec;

use nostr_proto::{EventTemplate, Keys, Timestamp};

use super::*;
use crate::event::{PublishStatus, Rejection};
use crate::walked::table;

const A: RelayIx = RelayIx(0);
const EXPIRES: u64 = 5_000_000;

fn now(secs: u64) -> Now {
    Now { mono: Instant::from_micros(secs * 1_000_000), unix: Timestamp::new(1_000_000) }
}

fn keys() -> Keys {
    Keys::from_entropy([7; 32]).unwrap()
}

fn event() -> UnsignedEvent {
    EventTemplate::text_note("hello", Timestamp::new(1))
        .expires_at(Timestamp::new(EXPIRES))
        .unsigned(keys().public_key())
}

/// A publish in one of the states, each reached on the way on which it comes about.
fn in_state(state: &str, config: &Config, fx: &mut Effects) -> Publication {
    let body = match state {
        "Unsigned" => Body::Unsigned(event()),
        _ => Body::signed(event().sign(&keys(), [0; 32])),
    };
    let url = RelayUrl::parse("wss://r.example.com").unwrap();
    let other = RelayUrl::parse("wss://other.example.com").unwrap();
    // The other relay is never heard of: without it, some inputs would end the publish, and this is about a part.
    let rule = Rule::new(&Quorum::All, 2, |_| None).unwrap();
    let terms = Terms { quorum: Quorum::All, rule, patience: config.publish_deadline, link: None };
    let mut p = Publication::new(PublishId(1), body, [(A, url), (RelayIx(1), other)], terms, config, now(0));
    let send = |p: &mut Publication, fx: &mut Effects| assert!(p.send(A, config, now(0), fx).is_some());
    let refuse = |p: &mut Publication, text: &str, fx: &mut Effects| {
        let _ = p.ok(A, false, &Reason::parse(text), config, now(0), fx);
    };
    match state {
        "Unsigned" | "Queued" => {}
        "Queued again" => {
            send(&mut p, fx);
            p.lost(A, Loss::Innocent, config, now(0), fx);
        }
        "InFlight" => send(&mut p, fx),
        "InFlight doubted" => {
            send(&mut p, fx);
            p.lost(A, Loss::RightAfter, config, now(0), fx);
            send(&mut p, fx);
        }
        "InFlight last" => {
            for _ in 1..config.max_sends {
                send(&mut p, fx);
                p.lost(A, Loss::Innocent, config, now(0), fx);
            }
            send(&mut p, fx);
        }
        "Retry" => {
            send(&mut p, fx);
            refuse(&mut p, "error: busy", fx);
        }
        "Lacking" => {
            send(&mut p, fx);
            p.lacks_auth(A, &Reason::parse("auth-required: who?"), config, now(0), fx);
        }
        "Accepted" => {
            send(&mut p, fx);
            let _ = p.ok(A, true, &Reason::parse(""), config, now(0), fx);
        }
        "Rejected" => {
            send(&mut p, fx);
            refuse(&mut p, "blocked: no", fx);
        }
        "Unknown" => {
            send(&mut p, fx);
            p.cancel(fx);
        }
        other => panic!("the table names a state that nobody can build: {other}"),
    }
    fx.events.clear();
    p
}

fn apply(input: &str, p: &mut Publication, config: &Config, fx: &mut Effects) {
    let mut ok = |accepted: bool, text: &str, p: &mut Publication| {
        let _ = p.ok(A, accepted, &Reason::parse(text), config, now(0), fx);
    };
    match input {
        "signed" => p.signed(event().sign(&keys(), [0; 32])),
        "not signed" => p.not_signed("no", fx),
        "sent" => drop(p.send(A, config, now(0), fx)),
        "OK true" => ok(true, "", p),
        "OK false, `duplicate:`" => ok(false, "duplicate: have it", p),
        "OK false, try again later" => ok(false, "error: busy", p),
        "OK false, for good" => ok(false, "invalid: no", p),
        // An authentication is under way for as long as there is something to wait for.
        "OK false, `auth-required:`" if p.unsettled_under(A).is_none() => ok(false, "auth-required: who?", p),
        "OK false, `auth-required:`" => p.lacks_auth(A, &Reason::parse("auth-required: who?"), config, now(0), fx),
        "authenticated" => p.authenticated(A, fx),
        "not authenticated" => p.not_authenticated(A, now(0), fx),
        "put off" => drop(p.put_off(|at| at + config.queue_pause)),
        "due" => drop(p.timeout(config, now(11), fx)),
        "connection lost" => p.lost(A, Loss::Innocent, config, now(0), fx),
        "connection lost right after" => p.lost(A, Loss::RightAfter, config, now(0), fx),
        "connection closed for its size" => p.lost(A, Loss::ForSize, config, now(0), fx),
        "longer than the relay takes" => p.limit(A, Some(10), fx),
        "expired" => drop(p.timeout(config, Now { unix: Timestamp::new(EXPIRES), ..now(0) }, fx)),
        "lifetime over" => drop(p.timeout(config, now(600), fx)),
        "cancelled" => p.cancel(fx),
        "relay removed" => p.relay_removed(A, fx),
        other => panic!("the table names an input that nobody can make: {other}"),
    }
}

fn name(p: &Publication) -> &'static str {
    match &p.parts[&A].state {
        State::Queued if !p.is_signed() => "Unsigned",
        State::Queued => "Queued",
        State::InFlight { .. } => "InFlight",
        State::Retry { .. } => "Retry",
        State::Lacking(_) => "Lacking",
        State::Accepted { .. } => "Accepted",
        State::Rejected(_) => "Rejected",
        State::Unknown(_) => "Unknown",
    }
}

#[test]
fn every_input_in_every_state_does_what_the_documentation_says() {
    let config = Config::default();
    let (states, rows) = table(include_str!("mod.rs"));
    assert_eq!((states.len(), rows.len()), (11, 20), "the whole table is read");
    let once = |names: Vec<&String>| names.iter().all(|name| names.iter().filter(|other| other == &name).count() == 1);
    assert!(once(states.iter().collect()) && once(rows.iter().map(|row| &row[0]).collect()), "each once");
    for row in &rows {
        assert_eq!(row.len(), states.len() + 1, "{row:?}");
        for (state, expected) in states.iter().zip(&row[1..]) {
            let mut fx = Effects::default();
            let mut p = in_state(state, &config, &mut fx);
            let (input, before) = (&row[0], p.parts[&A].clone());
            apply(input, &mut p, &config, &mut fx);
            if expected == "–" {
                assert_eq!(p.parts[&A].state, before.state, "{input} in {state}");
                let about = |e: &_| matches!(e, crate::event::PoolEvent::Publish { update: PublishUpdate::Relay { relay, .. }, .. } if *relay == before.url);
                assert!(!fx.events.iter().any(about), "{input} in {state} is told");
            } else {
                assert_eq!(name(&p), expected, "{input} in {state}");
            }
        }
    }
}

/// A state or an input that is added to the machine is added here, and so to the table.
#[test]
fn no_state_and_no_input_is_left_out() {
    let (states, _) = table(include_str!("mod.rs"));
    let variants = include_str!("part.rs").split("enum State {").nth(1).unwrap().split("\n}").next().unwrap();
    let variants: Vec<&str> =
        variants.lines().filter_map(|line| line.trim().split(|c: char| !c.is_alphanumeric()).next()).collect();
    let variants: Vec<&str> = variants.into_iter().filter(|name| name.starts_with(char::is_uppercase)).collect();
    assert_eq!(variants.len(), 7, "{variants:?}");
    assert!(variants.iter().all(|name| states.iter().any(|state| state == name)), "{variants:?} have columns");
    let machine = include_str!("mod.rs").split("impl Publication {").nth(1).unwrap();
    let methods = machine.split("pub(crate) fn ").skip(1).filter_map(|method| method.split_once('('));
    let changing =
        methods.filter(|(_, arguments)| arguments.trim_start().starts_with("&mut self")).map(|(name, _)| name);
    // A new publish of an event takes over who has it: that is how it begins, no input of it.
    let inputs: Vec<&str> = changing.filter(|name| *name != "carry_over").collect();
    assert_eq!(inputs.len(), 10, "{inputs:?}");
    let walked = include_str!("walk.rs").split("\nfn apply(").nth(1).unwrap().split("\nfn ").next().unwrap();
    for input in inputs {
        assert!(walked.contains(&format!("p.{input}(")), "{input} has no row");
    }
}

#[test]
fn a_rejection_tells_its_cause() {
    let config = Config::default();
    let bytes = Body::signed(event().sign(&keys(), [0; 32])).message_bytes();
    for (state, input, expected) in [
        ("InFlight doubted", "connection lost right after", Rejection::Suspect),
        ("InFlight", "connection closed for its size", Rejection::TooLarge { bytes, max: None }),
        ("Unsigned", "longer than the relay takes", Rejection::TooLarge { bytes, max: Some(10) }),
        ("Queued", "longer than the relay takes", Rejection::TooLarge { bytes, max: Some(10) }),
        ("InFlight", "OK false, for good", Rejection::Refused(Reason::parse("invalid: no"))),
    ] {
        let mut fx = Effects::default();
        let mut p = in_state(state, &config, &mut fx);
        apply(input, &mut p, &config, &mut fx);
        assert_eq!(p.parts[&A].status(), PublishStatus::Rejected(expected));
    }
}

#[test]
fn an_unknown_end_tells_its_cause() {
    let config = Config::default();
    for (state, input, expected) in [
        ("Queued", "expired", UnknownCause::Expired),
        ("Retry", "expired", UnknownCause::Expired),
        ("Queued", "lifetime over", UnknownCause::NoConnection),
        ("Queued again", "lifetime over", UnknownCause::NoAnswer),
        ("InFlight", "lifetime over", UnknownCause::NoAnswer),
        ("InFlight last", "due", UnknownCause::NoAnswer),
        ("InFlight last", "OK false, try again later", UnknownCause::Refused(Reason::parse("error: busy"))),
        ("Lacking", "lifetime over", UnknownCause::Refused(Reason::parse("auth-required: who?"))),
        ("Retry", "lifetime over", UnknownCause::Refused(Reason::parse("error: busy"))),
        ("Queued", "relay removed", UnknownCause::Cancelled),
        ("Unsigned", "not signed", UnknownCause::NotSigned("no".into())),
    ] {
        let mut fx = Effects::default();
        let mut p = in_state(state, &config, &mut fx);
        apply(input, &mut p, &config, &mut fx);
        assert_eq!(p.parts[&A].status(), PublishStatus::Unknown(expected), "{input} in {state}");
    }
}
