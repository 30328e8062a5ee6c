//! `nostr-pool info` against servers on loopback.

#![allow(clippy::unwrap_used)] // Helpers outside of the tests' own functions are test code too.

mod common;

use std::io;
use std::time::{Duration, Instant};

use common::{command, finish, nobody, relay, run, temp_file};
use nostr_pool_tests::fronts::{Authority, Documents, TlsFront, Valid};
use nostr_proto::RelayUrl;
use serde_json::{Value, json};

const DOCUMENT: &str = r#"{
    "name": "a relay", "description": "one line\nand another", "software": "https://a.example", "version": "1.2",
    "supported_nips": [1, 11, 42], "pubkey": "7e7e9c42a91bfef19fa929e5fda1b72e0ebc1a4c1141673e2794234d86addf4e",
    "limitation": {"max_message_length": 65536, "max_subscriptions": 20, "max_filters": 10, "max_limit": 500,
        "auth_required": false, "payment_required": true, "min_pow_difficulty": "none"},
    "number": 1.50, "nested": {"z": [], "a": null}
}"#;

/// As the command shows it.
fn shown(url: &str) -> String {
    RelayUrl::parse(url).unwrap().to_string()
}

fn objects(stdout: &str) -> Vec<Value> {
    stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_document_is_shown_as_far_as_it_matters() {
    let relay = relay();
    let front = Documents::serve(&relay, DOCUMENT);
    let url = front.url();
    let run = run(&["info", &url]).exits(0);
    assert_eq!(run.stderr, "");
    let rows: Vec<_> = run.lines()[1..].iter().map(|line| line.trim().split_once(' ').unwrap()).collect();
    let rows: Vec<_> = rows.into_iter().map(|(name, value)| (name, value.trim())).collect();
    assert_eq!(run.lines()[0], shown(&url));
    assert_eq!(
        rows,
        [
            ("name", "a relay"),
            ("description", "one line\\nand another"),
            ("software", "https://a.example, version 1.2"),
            ("supported_nips", "1, 11, 42"),
            ("pubkey", "npub10elfcs4fr0l0r8af98jlmgdh9c8tcxjvz9qkw038js35mp4dma8qzvjptg"),
            ("auth_required", "no"),
            ("payment_required", "yes"),
            ("max_message_length", "65536 bytes"),
            ("max_subscriptions", "20"),
            ("max_filters", "10"),
            ("max_limit", "500"),
            ("ignored", "1 senseless value"),
        ]
    );
    assert_eq!(relay.connections(), 0, "no WebSocket");
}

#[test]
fn a_document_in_json_is_as_it_came_on_one_line() {
    for runtime in ["tokio", "async-std"] {
        let front = Documents::serve(&relay(), DOCUMENT);
        let url = front.url();
        let run = run(&["info", &url, "--json", "--runtime", runtime]).exits(0);
        assert_eq!((run.lines().len(), run.stderr.as_str()), (1, ""));
        let document: Value = serde_json::from_str(DOCUMENT).unwrap();
        assert_eq!(objects(&run.stdout), [json!({"relay": shown(&url), "status": "found", "document": document})]);
        assert!(run.stdout.contains(r#""number":1.50,"nested":{"z":[],"a":null}}"#), "{run:?}");
    }
}

#[test]
fn every_relay_has_its_line_and_each_failure_its_word() {
    let relay = relay();
    let fronts = [
        Documents::serve(&relay, "{}"),
        Documents::say(&relay, "HTTP/1.1 302 Found\r\nLocation: http://elsewhere.example/\r\n\r\n"),
        Documents::serve(&relay, &"x".repeat(70_000)),
        Documents::serve(&relay, "<!DOCTYPE html>\u{1b}[31m"),
        Documents::start(&relay, |mut tcp| io::copy(&mut tcp, &mut io::sink()).map(drop)),
    ];
    let urls = [fronts.each_ref().map(Documents::url).to_vec(), vec![nobody()]].concat();
    let words = ["found", "refused", "too-long", "nonsense", "timed-out", "unreachable"];
    let all: Vec<&str> = ["info", "--timeout", "2"].into_iter().chain(urls.iter().map(String::as_str)).collect();
    // The same one twice is one.
    let all = [&all[..], &[&urls[0]]].concat();
    let machine = run(&[&all[..], &["--json"]].concat()).exits(0);
    let told = objects(&machine.stdout);
    assert_eq!((told.len(), machine.stderr.as_str()), (urls.len(), ""));
    for (url, word) in urls.iter().zip(words) {
        let of = told.iter().find(|line| line["relay"] == shown(url)).unwrap();
        assert_eq!(of["status"], word);
        assert_eq!((of.get("document").is_some(), of.get("reason").is_some()), (word == "found", word != "found"));
    }

    let plain = run(&all).exits(0);
    assert_eq!((plain.lines().len(), plain.stderr.as_str()), (urls.len(), ""));
    let line = |n: usize| plain.lines().into_iter().find(|line| line.starts_with(&shown(&urls[n]))).unwrap().to_owned();
    assert_eq!(line(0), shown(&urls[0]));
    let end = "  refused: the server answered with HTTP 302: redirects are not followed";
    assert_eq!(line(1), format!("{}{end}", shown(&urls[1])));
    assert!(line(5).contains("  unreachable: cannot connect to "), "{plain:?}");
    assert!(!plain.stdout.contains("DOCTYPE"), "what the server says is not shown");

    // Without one that came: certain, and uncertain.
    run(&["info", &urls[1], &urls[3], &urls[5]]).exits(1);
    run(&["info", "--timeout", "0.3", &urls[4], &urls[1]]).exits(2);
}

#[test]
fn texts_of_a_relay_stay_on_their_line_and_hold_no_key() {
    let secret = common::SECRET_NSEC;
    let name = format!(
        r#"{{"name":"a\u001b[31mb\nc{}\u009b","description":"{}","contact":"{secret}"}}"#,
        '\u{9b}',
        "long ".repeat(900)
    );
    let front = Documents::serve(&relay(), &name);
    let plain = run(&["info", &front.url()]).exits(0);
    assert_eq!(plain.lines().len(), 4);
    assert!(!plain.stdout.chars().any(|c| c.is_control() && c != '\n') && !plain.stdout.contains(secret), "{plain:?}");
    assert!(plain.stdout.len() < 1_000);
    let machine = run(&["info", "--json", &front.url()]).exits(0);
    assert!(!machine.stdout.trim_end().chars().any(char::is_control), "{machine:?}");
    assert_eq!(objects(&machine.stdout)[0]["document"], serde_json::from_str::<Value>(&name).unwrap());
}

#[test]
fn many_relays_come_in_order() {
    let front = Documents::serve(&relay(), "{}");
    let urls: Vec<String> = (0..100).map(|n| format!("{}/{n:03}", front.url())).collect();
    let args: Vec<&str> = ["info", "--json"].into_iter().chain(urls.iter().rev().map(String::as_str)).collect();
    let told = objects(&run(&args).exits(0).stdout);
    let in_order: Vec<Value> =
        urls.iter().map(|url| json!({"relay": url, "status": "found", "document": {}})).collect();
    assert_eq!(told, in_order);
}

#[test]
fn it_is_fetched_over_tls_from_whom_is_trusted() {
    let authority = Authority::new("ours");
    let front = Documents::serve(&relay(), "{}");
    let tls = TlsFront::before(front.address(), authority.vouch("localhost", Valid::Now));
    let url = tls.url("localhost");
    let root = temp_file("info.pem", authority.pem().as_bytes());
    run(&["info", &url, "--root", root.to_str().unwrap()]).exits(0);
    let wary = run(&["info", &url]).exits(1);
    assert!(
        wary.stdout.contains("unreachable: TLS handshake failed: the server's certificate comes from nobody"),
        "{wary:?}"
    );
}

#[test]
fn a_recording_has_the_document() {
    let front = Documents::serve(&relay(), DOCUMENT);
    let url = front.url();
    let path = temp_file("info.recording", b"");
    std::fs::remove_file(&path).unwrap();
    let path = path.to_str().unwrap();
    run(&["info", &url, "--record", path]).exits(0);
    let replayed = run(&["replay", path, "--print"]).exits(0);
    assert!(replayed.stdout.contains("max_message_length: Some(65536)"), "{replayed:?}");
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let front = Documents::serve(&relay(), DOCUMENT);
    let mut child = command(&["info", &front.url()]).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(finish(child).exits(0).stderr, "");
}

#[test]
fn ctrl_c_ends_it_at_once() {
    let silent = Documents::start(&relay(), |mut tcp| io::copy(&mut tcp, &mut io::sink()).map(drop));
    let child = command(&["info", &silent.url()]).spawn().unwrap();
    let begun = Instant::now();
    while silent.asked().is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(10), "it asks");
        std::thread::sleep(Duration::from_millis(10));
    }
    let status = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(status.success());
    let run = finish(child).exits(130);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
    assert!(begun.elapsed() < Duration::from_secs(8), "not after its timeout");
}
