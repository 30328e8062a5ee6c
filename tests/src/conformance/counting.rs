//! Counting: what goes out, and what counts as an answer.

use std::time::Duration;

use nostr_pool_driver::{Config, CountOptions, CountOutcome, Pool, Runtime};

use super::Script;
use super::cx::Cx;
use super::peer::{Got, Listener, Peer};
use super::session::{config, pool};
use crate::scenarios::notes;

pub(super) fn scripts<R: Runtime>() -> Vec<Script<R>> {
    vec![Script::new(
        "counting: what a relay says",
        |cx| what_a_relay_says(cx),
        &[
            r#"asked: {"kinds":[1]}"#,
            "a number: counted 7",
            "an object: counted 8",
            "an approximation: about 9",
            "registers: counted 5, with registers",
            "registers that are too short: counted 5",
            "less than none: nonsense",
            "an EOSE: nonsense",
            "a refusal: refused: unsupported: no",
            "the verb in a NOTICE: refused: unknown verb COUNT",
            "nothing: silent",
            "another name: silent",
            "put off, and asked again: counted 3",
            "the end, and a new connection: counted 4",
        ],
    )]
}

/// The name of the next COUNT that the relay gets.
fn asked(peer: &mut Peer) -> (String, String) {
    loop {
        if let Got::Text(text) = peer.receive() {
            let (head, filters) = text.split_once(",{").expect("a question has a filter");
            let name = head.split('"').nth(3).expect("a question has a name");
            assert!(head.starts_with("[\"COUNT\""), "{text}");
            return (name.to_owned(), format!("{{{}", filters.trim_end_matches(']')));
        }
    }
}

fn words(outcome: &CountOutcome) -> String {
    match outcome {
        CountOutcome::Counted(answer) => {
            let how = if answer.approximate { "about" } else { "counted" };
            let with = if answer.hll.is_some() { ", with registers" } else { "" };
            format!("{how} {}{with}", answer.count)
        }
        CountOutcome::Refused(reason) => format!("refused: {reason}"),
        CountOutcome::Silent => "silent".to_owned(),
        CountOutcome::Nonsense => "nonsense".to_owned(),
        other => format!("{other:?}"),
    }
}

fn what_a_relay_says<R: Runtime>(cx: &Cx<R>) {
    let listener = Listener::start();
    let pool =
        pool(cx, Config { backoff_base: Duration::ZERO, backoff_jitter: Duration::ZERO, ..config() }, &listener.url());
    let ask = |pool: &Pool, seconds| {
        pool.count([notes()], CountOptions::default().with_timeout(Duration::from_secs(seconds)))
    };
    let registers = format!(r#"["COUNT","NAME",{{"count":5,"hll":"{}"}}]"#, "00".repeat(256));
    let first = ask(&pool, 20);
    let mut peer = listener.accept_upgraded();
    let (name, filters) = asked(&mut peer);
    cx.say(format!("asked: {filters}"));
    peer.text(&format!(r#"["COUNT","{name}",7]"#));
    let say =
        |what: &str, report: nostr_pool_driver::CountReport| cx.say(format!("{what}: {}", words(&report.relays[0].1)));
    say("a number", cx.wait(first).expect("the arguments are right"));
    for (what, answer, seconds) in [
        ("an object", r#"["COUNT","NAME",{"count":8}]"#, 20),
        ("an approximation", r#"["COUNT","NAME",{"count":9,"approximate":true}]"#, 20),
        ("registers", registers.as_str(), 20),
        ("registers that are too short", r#"["COUNT","NAME",{"count":5,"hll":"00"}]"#, 20),
        ("less than none", r#"["COUNT","NAME",{"count":-1}]"#, 20),
        ("an EOSE", r#"["EOSE","NAME"]"#, 20),
        ("a refusal", r#"["CLOSED","NAME","unsupported: no"]"#, 20),
        ("the verb in a NOTICE", r#"["NOTICE","unknown verb COUNT"]"#, 20),
        ("nothing", "", 1),
        ("another name", r#"["COUNT","NAME0",{"count":8}]"#, 1),
    ] {
        let counting = ask(&pool, seconds);
        let (name, _) = asked(&mut peer);
        if !answer.is_empty() {
            peer.text(&answer.replace("NAME", &name));
        }
        say(what, cx.wait(counting).expect("the arguments are right"));
    }
    let counting = ask(&pool, 20);
    let (name, _) = asked(&mut peer);
    peer.text(&format!(r#"["CLOSED","{name}","rate-limited: slowly"]"#));
    let (again, _) = asked(&mut peer);
    assert_ne!(again, name);
    peer.text(&format!(r#"["COUNT","{again}",{{"count":3}}]"#));
    say("put off, and asked again", cx.wait(counting).expect("the arguments are right"));
    let counting = ask(&pool, 20);
    asked(&mut peer);
    peer.reset();
    let mut peer = listener.accept_upgraded();
    let (name, _) = asked(&mut peer);
    peer.text(&format!(r#"["COUNT","{name}",{{"count":4}}]"#));
    say("the end, and a new connection", cx.wait(counting).expect("the arguments are right"));
}
