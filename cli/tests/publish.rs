//! `nostr-pool publish` against relays on loopback.

mod common;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::{
    PUBLIC_HEX, SECRET_HEX, SECRET_NSEC, command, finish, held, json_lines, nobody, notes, relay, run, run_on,
    temp_file,
};
use nostr_model_relay::{Fault, Server};
use nostr_proto::verify_event;
use serde_json::Value;

fn args<'a>(urls: &'a [String], more: &[&'a str]) -> Vec<&'a str> {
    let relays = urls.iter().flat_map(|url| ["--relay", url.as_str()]);
    ["publish"].into_iter().chain(relays).chain(more.iter().copied()).collect()
}

fn urls(relays: &[Server]) -> Vec<String> {
    relays.iter().map(Server::url).collect()
}

#[test]
fn a_stream_of_events_reaches_every_relay() {
    let events = notes(300);
    let relays = [relay(), relay(), relay()];
    let run = run_on(json_lines(&events), &args(&urls(&relays), &["--quorum", "all"])).exits(0);
    assert_eq!(run.stderr, "");
    let verdicts: Vec<_> = run.lines().into_iter().filter(|line| !line.starts_with(' ')).collect();
    assert_eq!(verdicts.len(), 300);
    assert!(verdicts.iter().all(|line| line.ends_with(" reached: 3 of 3 relays accepted, 3 needed")), "{verdicts:?}");
    assert_eq!(run.lines().into_iter().filter(|line| line.ends_with("  accepted")).count(), 900);
    for relay in &relays {
        assert!(events.iter().all(|event| relay.with(|relay| relay.contains(&event.id()))));
    }
}

#[test]
fn json_is_one_object_per_event() {
    let events = notes(5);
    let (willing, unwilling) = (relay(), relay());
    unwilling.set_faults(Fault::OkFalse { reason: "blocked: not \"you\"\n".to_owned() });
    willing.with(|relay| relay.store(events[0].clone()));
    let urls = [willing.url(), unwilling.url()];
    let run = run_on(json_lines(&events), &args(&urls, &["--json", "--quorum", "1"])).exits(0);
    assert_eq!(run.lines().len(), 5);
    let mut lines = BTreeSet::new();
    for line in run.lines() {
        let object: Value = serde_json::from_str(line).unwrap();
        let number = usize::try_from(object["line"].as_u64().unwrap()).unwrap();
        lines.insert(number);
        assert_eq!(object["id"], events[number - 1].id().to_string());
        assert_eq!(
            (&object["verdict"], &object["accepted"], &object["needed"]),
            (&"reached".into(), &1.into(), &1.into())
        );
        let of = |url: &str| object["relays"].as_array().unwrap().iter().find(|r| r["relay"] == url).unwrap().clone();
        assert_eq!(
            (of(&urls[0])["status"].clone(), of(&urls[0])["duplicate"].clone()),
            ("accepted".into(), (number == 1).into())
        );
        assert_eq!(of(&urls[1])["status"], "rejected");
        assert!(of(&urls[1])["reason"].as_str().unwrap().starts_with("blocked: not \"you\""), "{object}");
    }
    assert_eq!(lines, (1..=5).collect());
}

#[test]
fn every_verdict_has_its_exit_code_and_the_worst_counts() {
    let event = json_lines(&notes(1));
    let willing = relay();
    let unwilling = relay();
    unwilling.set_faults(Fault::OkFalse { reason: "blocked: no".to_owned() });
    let silent = relay();
    silent.set_faults(Fault::NeverOk);
    let cases: &[(&[&Server], &str, i32, &str)] = &[
        (&[&willing], "1", 0, "reached"),
        (&[&willing, &unwilling], "1", 0, "reached"),
        (&[&willing, &unwilling], "all", 1, "failed"),
        (&[&willing, &unwilling], "majority", 1, "failed"),
        (&[&willing, &silent], "1", 0, "reached"),
        (&[&willing, &silent], "2", 2, "indeterminate"),
        (&[&unwilling, &silent], "all", 1, "failed"),
        (&[&silent], "1", 2, "indeterminate"),
    ];
    std::thread::scope(|scope| {
        for (relays, quorum, code, verdict) in cases {
            let (urls, event) = (relays.iter().map(|relay| relay.url()).collect::<Vec<_>>(), event.clone());
            scope.spawn(move || {
                let run = run_on(event, &args(&urls, &["--quorum", quorum, "--timeout", "1"])).exits(*code);
                assert!(run.lines()[0].contains(&format!(" {verdict}: ")), "{run:?}");
                assert_eq!(run.lines().len(), 1 + relays.len(), "{run:?}");
            });
        }
    });
}

#[test]
fn a_bad_line_outranks_every_verdict() {
    let silent = relay();
    silent.set_faults(Fault::NeverOk);
    let input = format!("{}oops\n", json_lines(&notes(1)));
    let run = run_on(input, &args(&[silent.url()], &["--timeout", "0.5"])).exits(64);
    assert!(run.lines()[0].contains(" indeterminate: ") && run.stderr.contains("stdin, line 2"), "{run:?}");
}

#[test]
fn nobody_there_is_indeterminate_at_the_timeout_and_said_at_once() {
    let begun = Instant::now();
    let run = run_on(json_lines(&notes(1)), &args(&[nobody()], &["--timeout", "1"])).exits(2);
    assert!(begun.elapsed() >= Duration::from_secs(1) && begun.elapsed() < Duration::from_secs(5));
    assert!(run.fault().contains("not connected: "), "{run:?}");
    assert!(run.lines()[0].ends_with(" indeterminate: 0 of 1 relay accepted, 1 needed"), "{run:?}");
    assert!(run.lines()[1].contains("no connection"), "{run:?}");
    let urls = [nobody(), nobody(), nobody()];
    let more = ["--timeout", "0.5", "--quorum", "majority", "--json"];
    let run = run_on(json_lines(&notes(1)), &args(&urls, &more)).exits(2);
    let object: Value = serde_json::from_str(run.lines()[0]).unwrap();
    assert_eq!((&object["accepted"], &object["needed"]), (&0.into(), &2.into()), "{run:?}");
}

#[test]
fn a_dead_relay_delays_no_event_that_reached_its_quorum() {
    let living = relay();
    let urls = [nobody(), living.url()];
    let begun = Instant::now();
    let run = run_on(json_lines(&notes(200)), &args(&urls, &[])).exits(0);
    assert!(begun.elapsed() < Duration::from_secs(5), "it took {:?}", begun.elapsed());
    assert_eq!(run.lines().into_iter().filter(|line| line.contains(" reached: 1 of 2")).count(), 200);
    assert_eq!(living.with(|relay| relay.len()), 200);
}

#[test]
fn a_relay_that_comes_late_still_counts() {
    let late = relay();
    late.kill();
    let child = command(&args(&[late.url()], &["--timeout", "20"])).stdin(Stdio::piped()).spawn().unwrap();
    let mut child = child;
    child.stdin.take().unwrap().write_all(json_lines(&notes(1)).as_bytes()).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    late.revive().unwrap();
    let run = finish(child).exits(0);
    assert!(run.lines()[0].contains(" reached: "), "{run:?}");
}

#[test]
fn a_key_signs_from_a_file_or_the_environment_and_is_never_shown() {
    let file = temp_file("key", format!("{SECRET_NSEC}\n").as_bytes());
    let file = file.to_str().unwrap();
    let sign = ["--content", "hello é", "--kind", "30023", "--tag", "d=x", "--tag", r#"["e","1","wss://r","root"]"#];
    for key in ["file", "hex", "nsec"] {
        let relay = relay();
        let url = [relay.url()];
        let mut all = args(&url, &sign);
        if key == "file" {
            all.extend(["--key-file", file]);
        }
        let mut command = command(&all);
        match key {
            "hex" => command.env("NOSTR_SECRET_KEY", SECRET_HEX),
            "nsec" => command.env("NOSTR_SECRET_KEY", SECRET_NSEC),
            // The file goes before the variable, which is not even looked at.
            _ => command.env("NOSTR_SECRET_KEY", "no key"),
        };
        let run = finish(command.spawn().unwrap()).exits(0);
        let event = held(&relay);
        verify_event(event.clone()).unwrap();
        assert_eq!(event.pubkey().to_string(), PUBLIC_HEX);
        assert_eq!((event.content(), event.kind().as_u16(), event.identifier()), ("hello é", 30023, "x"));
        let tags: Vec<Vec<_>> = event.tags().map(|tag| tag.iter().collect()).collect();
        assert_eq!(tags, [vec!["d", "x"], vec!["e", "1", "wss://r", "root"]]);
        assert!(run.lines()[0].starts_with(&event.id().to_string()), "{run:?}");
        let shown = format!("{}{}", run.stdout, run.stderr);
        assert!(!shown.contains(SECRET_HEX) && !shown.contains(SECRET_NSEC), "{shown}");
    }
}

#[test]
fn a_kind_or_tag_alone_is_an_event_without_content() {
    let relay = relay();
    let url = [relay.url()];
    let child = command(&args(&url, &["--tag", "t=x"])).env("NOSTR_SECRET_KEY", SECRET_HEX).spawn().unwrap();
    finish(child).exits(0);
    let event = held(&relay);
    assert_eq!((event.content(), event.kind().as_u16(), event.tags().len()), ("", 1, 1));
}

#[test]
fn no_events_are_no_fault() {
    let relay = relay();
    let run = run(&args(&[relay.url()], &[])).exits(0);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", "no events on stdin\n"));
}

#[test]
fn ctrl_c_ends_it_in_good_order() {
    let silent = relay();
    silent.set_faults(Fault::NeverOk);
    let mut child = command(&args(&[silent.url()], &[])).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(json_lines(&notes(1)).as_bytes()).unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while silent.with(|relay| relay.len()) == 0 && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
    let status = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(status.success());
    let run = finish(child).exits(130);
    assert_eq!(run.fault(), "1 event without a verdict");
    drop(stdin);
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let relay = relay();
    let mut child = command(&args(&[relay.url()], &[])).stdin(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    // The command may end before it has read all.
    let _ = child.stdin.take().unwrap().write_all(json_lines(&notes(10)).as_bytes());
    let run = finish(child).exits(0);
    assert_eq!(run.stderr, "");
}

#[test]
fn what_req_prints_publish_takes() {
    let events = notes(40);
    let (from, to) = (common::relay_with(&events), relay());
    let read = run(&["req", "--relay", &from.url()]).exits(0);
    run_on(read.stdout, &args(&[to.url()], &["--quorum", "all"])).exits(0);
    assert_eq!(to.with(|relay| relay.len()), 40);
}

#[test]
fn a_relay_that_asks_who_is_publishing_is_told_with_auth_alone() {
    let file = temp_file("auth-key", SECRET_HEX.as_bytes());
    let key = ["--auth", "--key-file", file.to_str().unwrap()];
    for early in [true, false] {
        let relay = relay();
        relay.set_faults(Fault::AuthRequired { reads: false, writes: true, challenge_on_connect: early });
        let url = [relay.url()];
        let untold = run_on(json_lines(&notes(1)), &args(&url, &[])).exits(1);
        assert!(untold.stdout.contains("auth-required"), "{untold:?}");
        run_on(json_lines(&notes(1)), &args(&url, &key)).exits(0);
        assert_eq!(held(&relay), notes(1)[0]);
        let mut signed = key.to_vec();
        signed.extend(["--content", "signed here"]);
        run(&args(&url, &signed)).exits(0);
    }
}
