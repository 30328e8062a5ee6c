//! `nostr-pool count` against relays on loopback.

#![allow(clippy::unwrap_used)] // Helpers outside of the tests' own functions are test code too.

mod common;

use common::{SECRET_HEX, command, finish, nobody, notes, relay_with, run};
use nostr_model_relay::{Fault, FaultPlan, Server};
use nostr_proto::{Event, EventTemplate, Keys, Kind, Timestamp};
use serde_json::{Value, json};

fn args<'a>(urls: &'a [String], more: &[&'a str]) -> Vec<&'a str> {
    let relays = urls.iter().flat_map(|url| ["--relay", url.as_str()]);
    ["count"].into_iter().chain(relays).chain(more.iter().copied()).collect()
}

/// Reactions to one note, each of another author.
fn reactions(to: &str, authors: std::ops::Range<u8>) -> Vec<Event> {
    let react = |n| {
        let keys = Keys::from_entropy([n; 32]).unwrap();
        keys.sign(&EventTemplate::new(Kind::REACTION, "+", Timestamp::new(1_700_000_000)).tag(["e", to]), [0; 32])
    };
    authors.map(react).collect()
}

#[test]
fn each_relay_counts_and_the_largest_number_is_told() {
    let relays = [relay_with(&notes(5)), relay_with(&notes(8)), relay_with(&notes(3))];
    relays[2].set_faults(Fault::ApproximateCount);
    let urls = relays.each_ref().map(Server::url);
    let run = run(&args(&urls, &["--kind", "1"])).exits(0);
    let lines = run.lines();
    assert_eq!((lines.len(), lines[0], run.stderr.as_str()), (4, "maximum 8", ""));
    for (url, words) in urls.iter().zip(["5", "8", "about 3"]) {
        assert!(lines.iter().any(|line| line.contains(url.as_str()) && line.ends_with(words)), "{run:?}");
    }
    assert_eq!(relays.each_ref().map(|relay| relay.with(|relay| relay.stats().counts)), [1, 1, 1]);
}

#[test]
fn registers_are_merged() {
    let note = "ab".repeat(32);
    let relays = [relay_with(&reactions(&note, 1..80)), relay_with(&reactions(&note, 40..120))];
    relays.iter().for_each(|relay| relay.set_faults(Fault::CountRegisters));
    let urls = relays.each_ref().map(Server::url);
    let tag = format!("e={note}");
    let told = run(&args(&urls, &["--kind", "7", "--tag", &tag, "--json"])).exits(0);
    let told: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(told["maximum"], 80);
    let estimate = told["estimate"].as_u64().unwrap();
    assert!((95..145).contains(&estimate), "119 reactions are about {estimate}");
    let plain = run(&args(&urls, &["--kind", "7", "--tag", &tag])).exits(0);
    assert_eq!(plain.lines()[0], format!("estimate {estimate} (from 2 relays), maximum 80"));
}

#[test]
fn whoever_does_not_count_is_told_by_what_it_did() {
    let faults = [
        Fault::RefuseCount { reason: "unsupported: no COUNT".to_owned() },
        Fault::NonsenseCount,
        Fault::NoticeOnCount { text: "unknown verb COUNT".to_owned() },
        Fault::IgnoreCount,
    ];
    let relays = faults.map(|fault| {
        let relay = relay_with(&notes(5));
        relay.set_faults(FaultPlan::from(fault));
        relay
    });
    let urls = [&relays.each_ref().map(Server::url)[..], &[nobody()]].concat();
    let ended = run(&args(&urls, &["--timeout", "5", "--json"])).exits(2);
    let told: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((&told["maximum"], &told["estimate"], &told["authors"]), (&Value::Null, &Value::Null, &Value::Null));
    let of = |n: usize| {
        let url = nostr_proto::RelayUrl::parse(&urls[n]).unwrap();
        let all = told["relays"].as_array().unwrap();
        all.iter().find(|relay| relay["relay"] == url.as_str()).unwrap_or_else(|| panic!("{url} in {told}")).clone()
    };
    assert_eq!((&of(0)["status"], &of(0)["reason"]), (&json!("refused"), &json!("unsupported: no COUNT")));
    assert_eq!(of(1)["status"], "nonsense");
    assert_eq!((&of(2)["status"], &of(2)["reason"]), (&json!("refused"), &json!("unknown verb COUNT")));
    assert_eq!(of(3)["status"], "silent");
    assert_eq!(of(4)["status"], "unreachable");
    // Without the silent one, it is certain that there is no number.
    let ended = run(&args(&urls[..3], &["--timeout", "5"])).exits(1);
    assert_eq!(ended.lines()[0], "no relay counted");
}

#[test]
fn a_relay_that_asks_who_counts_is_told_with_auth_only() {
    let relay = relay_with(&notes(5));
    relay.set_faults(Fault::AuthRequired { reads: true, writes: false, challenge_on_connect: true });
    let url = [relay.url()];
    run(&args(&url, &["--timeout", "5"])).exits(1);
    let known = finish(command(&args(&url, &["--auth"])).env("NOSTR_SECRET_KEY", SECRET_HEX).spawn().unwrap()).exits(0);
    assert_eq!(known.lines()[0], "maximum 5");
}

#[test]
fn filters_are_those_of_req() {
    let events = notes(20);
    let url = [relay_with(&events).url()];
    run(&args(&url, &["--since", "9", "--until", "3"])).exits(64);
    let relay = relay_with(&events);
    let url = [relay.url()];
    let number = |more: &[&str]| run(&args(&url, more)).exits(0).lines()[0].to_owned();
    assert_eq!(number(&["--kind", "7"]), "maximum 0");
    assert_eq!(number(&["--since", "1700000003", "--until", "1700000005"]), "maximum 3");
    let one = format!(r#"{{"ids":["{}"]}}"#, events[4].id());
    assert_eq!(number(&["--filter", &one]), "maximum 1");
}
