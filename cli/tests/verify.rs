//! `nostr-pool verify`.

mod common;

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;

use common::{command, finish, json_lines, notes, run, run_on, temp_file};

#[test]
fn valid_events_are_named_in_order() {
    let events = notes(3000);
    let run = run_on(json_lines(&events), &["verify"]).exits(0);
    let expected: Vec<_> = events.iter().map(|event| format!("valid {}", event.id())).collect();
    assert_eq!(run.lines(), expected);
    assert_eq!(run.stderr, "3000 events: 3000 valid, 0 not\n");
}

#[test]
fn every_sort_of_bad_line_is_named_with_its_reason() {
    let event = notes(1)[0].to_json();
    let other = notes(2)[1].signature().to_string();
    let signature = notes(1)[0].signature().to_string();
    let long = format!("\"{}\"", "x".repeat(1 << 20));
    let lines: &[(&str, &str)] = &[
        (&event.replace("note 0", "note X"), "id"),
        (&event.replace(&signature, &other), "signature"),
        ("nonsense", "at byte 0"),
        ("[]", "at byte 0"),
        (&event.replace("\"kind\":1", "\"kind\":1.5"), "kind"),
        (&event.replace("\"kind\":1", "\"kind\":1,\"kind\":1"), "kind"),
        (&long, "longer than 1 MiB"),
    ];
    let mut input = format!("{event}\n");
    for (line, _) in lines {
        input.push_str(line);
        input.push('\n');
    }
    let run = run_on(input, &["verify"]).exits(1);
    let found = run.lines();
    assert_eq!(found.len(), lines.len() + 1, "{run:?}");
    for (i, (_, reason)) in lines.iter().enumerate() {
        let expected = format!("line {}: ", i + 2);
        assert!(found[i + 1].starts_with(&expected) && found[i + 1].contains(reason), "{:?}: {reason}", found[i + 1]);
    }
    assert_eq!(run.stderr, format!("{} events: 1 valid, {} not\n", lines.len() + 1, lines.len()));
}

#[test]
fn bytes_that_are_no_text_are_a_bad_line() {
    let run = run_on(b"\xff\xfe\n".to_vec(), &["verify"]).exits(1);
    assert_eq!(run.lines(), ["line 1: the line is not UTF-8"]);
}

#[test]
fn files_are_told_apart() {
    let good = temp_file("a.jsonl", json_lines(&notes(1)).as_bytes());
    let bad = temp_file("b.jsonl", b"{}\n");
    let (good, bad) = (good.to_str().unwrap(), bad.to_str().unwrap());
    let run = run(&["verify", good, bad]).exits(1);
    assert!(run.lines()[0].starts_with(&format!("{good}: valid ")), "{run:?}");
    assert!(run.lines()[1].starts_with(&format!("{bad}: line 1: ")), "{run:?}");
    let quiet = common::run(&["verify", "--quiet", good]).exits(0);
    assert!(quiet.stdout.is_empty() && quiet.stderr == "1 event: 1 valid, 0 not\n", "{quiet:?}");
}

#[test]
#[cfg(unix)]
fn what_cannot_be_read_is_named() {
    let folder = env!("CARGO_TARGET_TMPDIR");
    let named = run(&["verify", folder]).exits(64);
    assert!(named.stderr.starts_with(&format!("error: {folder}: Is a directory")), "{named:?}");
    let stdin = std::fs::File::open(folder).unwrap();
    let unnamed = finish(command(&["verify"]).stdin(stdin).spawn().unwrap()).exits(64);
    assert!(unnamed.stderr.starts_with("error: stdin: Is a directory"), "{unnamed:?}");
}

#[test]
fn a_byte_order_mark_is_no_fault() {
    let run = run_on(format!("\u{feff}{}", json_lines(&notes(2))), &["verify"]).exits(0);
    assert_eq!(run.lines().len(), 2, "{run:?}");
}

#[test]
fn no_input_is_no_fault() {
    let run = run(&["verify"]).exits(0);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", "0 events: 0 valid, 0 not\n"));
}

#[test]
fn answers_come_while_the_input_is_still_open() {
    let mut child = command(&["verify"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    for event in notes(3) {
        writeln!(stdin, "{}", event.to_json()).unwrap();
        let mut answer = String::new();
        stdout.read_line(&mut answer).unwrap();
        assert_eq!(answer, format!("valid {}\n", event.id()));
    }
    drop(stdin);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let mut child = command(&["verify"]).stdin(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut stdin = child.stdin.take().unwrap();
    let lines = json_lines(&notes(2000));
    // The command ends before it has read all.
    let _ = stdin.write_all(lines.as_bytes());
    drop(stdin);
    let run = finish(child);
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
}

#[test]
fn real_events_are_valid() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/corpus/events.jsonl");
    if !std::path::Path::new(corpus).exists() {
        println!("skipped: no corpus of real events here");
        return;
    }
    let run = run(&["verify", "--quiet", corpus]).exits(0);
    assert!(run.stdout.is_empty(), "{}", run.stdout);
}
