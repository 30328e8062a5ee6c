//! Bad input: one line that names the argument and the reason, and exit 64. Help, and the secrecy of keys.

mod common;

use common::{PUBLIC_HEX, SECRET_HEX, SECRET_NSEC, command, finish, run, run_on, temp_file};

const URL: &str = "ws://127.0.0.1:1";

#[test]
fn every_bad_argument_is_named_with_its_reason() {
    // The arguments, and what the line must contain: the argument's name and a word of the reason.
    let table: &[(&[&str], &[&str])] = &[
        (&["fly"], &["unrecognized subcommand", "fly"]),
        (&["req"], &["--relay", "not provided"]),
        (&["req", "--relay"], &["--relay", "value is required"]),
        (&["req", "--relay", "relay.example.com"], &["--relay", "relay.example.com"]),
        (&["req", "--relay", "https://relay.example.com"], &["--relay", "https"]),
        (&["req", "--relay", "wss://user:pw@relay.example.com"], &["--relay"]),
        (&["req", "--relay", "wss://"], &["--relay"]),
        (&["req", "--relay", "ws://a b"], &["--relay"]),
        (&["req", "--relay", URL, "--filter", "{"], &["--filter", "at byte 1"]),
        (&["req", "--relay", URL, "--filter", "[]"], &["--filter", "at byte 0"]),
        (&["req", "--relay", URL, "--filter", r#"{"kinds":["1"]}"#], &["--filter", "kinds"]),
        (&["req", "--relay", URL, "--filter", r#"{"authors":["abc"]}"#], &["--filter", "authors"]),
        (&["req", "--relay", URL, "--kind", "65536"], &["--kind", "0 to 65535"]),
        (&["req", "--relay", URL, "--kind", "note"], &["--kind", "0 to 65535"]),
        (&["req", "--relay", URL, "--author", "npub1xyz"], &["--author", "npub1"]),
        (&["req", "--relay", URL, "--author", "ABC"], &["--author", "hex"]),
        (&["req", "--relay", URL, "--id", "123"], &["--id", "64 hex digits"]),
        (&["req", "--relay", URL, "--tag", "title=x"], &["--tag", "one letter"]),
        (&["req", "--relay", URL, "--tag", "e=abc"], &["--tag", "64 lowercase hex digits"]),
        (&["req", "--relay", URL, "--tag", "e"], &["--tag", "LETTER=VALUE"]),
        (&["req", "--relay", URL, "--since", "yesterday"], &["--since", "seconds since 1970"]),
        (&["req", "--relay", URL, "--until=-5"], &["--until", "seconds since 1970"]),
        (&["req", "--relay", URL, "--since", "2", "--until", "1"], &["--since", "later than --until"]),
        (&["req", "--relay", URL, "--since", "-5"], &["--since", "seconds since 1970"]),
        (&["req", "--relay", URL, "--kind", "-1"], &["--kind", "0 to 65535"]),
        (&["req", "--relay", URL, "--limit", "-1"], &["--limit", "0 to 4294967295"]),
        (&["req", "--relay", URL, "--timeout", "-1"], &["--timeout", "more than 0"]),
        (&["req", "--relay", URL, "--limit", "many"], &["--limit", "a limit is a number"]),
        (
            &["req", "--relay", URL, "--limit", "99999999999999999999"],
            &["--limit", "a limit is a number from 0 to 4294967295"],
        ),
        (
            &["req", "--relay", URL, "--filter", r#"{"kind":[1]}"#],
            &["--filter", "field \"kind\" (did you mean \"kinds\"?)"],
        ),
        (&["req", "--relay", URL, "--filter", r#"{"since":2,"until":1}"#], &["--filter", "later than until"]),
        (&["req", "--relay", URL, "--timeout", "0"], &["--timeout", "more than 0"]),
        (&["req", "--relay", URL, "--bogus"], &["--bogus"]),
        (&["publish", "--relay", URL, "--quorum", "0"], &["--quorum", "at least one"]),
        (&["publish", "--relay", URL, "--quorum", "-1"], &["--quorum", "majority"]),
        (&["publish", "--relay", URL, "--timeout", "-1"], &["--timeout", "more than 0"]),
        (&["publish", "--relay", URL, "--quorum", "some"], &["--quorum", "majority"]),
        (&["publish", "--relay", URL, "--quorum", "2"], &["--quorum", "only 1 is named"]),
        (&["publish", "--relay", URL, "--relay", "ws://127.0.0.1:1/", "--quorum", "2"], &["--quorum", "only 1"]),
        (&["publish", "--relay", URL, "--timeout", "soon"], &["--timeout", "seconds"]),
        (&["publish", "--relay", URL, "--content", "x"], &["--key-file", "NOSTR_SECRET_KEY"]),
        (&["publish", "--relay", URL, "--tag", "novalue"], &["--tag", "NAME=VALUE"]),
        (&["publish", "--relay", URL, "--tag", "[1]"], &["--tag", "array of strings"]),
        (&["publish", "--relay", URL, "--kind", "-1"], &["--kind", "0 to 65535"]),
        (&["publish", "--relay", URL, "--key-file", "k"], &["--key-file", "nothing to sign"]),
        (
            &["publish", "--relay", URL, "--content", "x", "--key-file", "/no/such"],
            &["--key-file", "/no/such", "No such file"],
        ),
        (&["publish", "--relay", URL, "--content", "x", "--key-file", "/"], &["--key-file", "directory"]),
        (&["verify", "--fast"], &["--fast"]),
        (&["demo", "now"], &["now"]),
    ];
    all_are_named(table);
}

#[test]
fn every_bad_argument_of_info_is_named_with_its_reason() {
    all_are_named(&[
        (&["info"], &["<RELAY>", "not provided"]),
        (&["info", "relay.example.com"], &["<RELAY>", "relay.example.com"]),
        (&["info", "https://relay.example.com"], &["<RELAY>", "https"]),
        (&["info", URL, "--timeout", "0"], &["--timeout", "more than 0"]),
        (&["info", URL, "--relay", URL], &["--relay", "unexpected"]),
    ]);
}

fn all_are_named(table: &[(&[&str], &[&str])]) {
    for (args, parts) in table {
        let run = run(args).exits(64);
        let fault = run.fault();
        assert!(fault.starts_with("error: "), "{args:?}: {fault}");
        for part in *parts {
            assert!(fault.contains(part), "{args:?}: {part:?} is not in: {fault}");
        }
        assert!(run.stdout.is_empty(), "{args:?}: {}", run.stdout);
    }
}

#[test]
fn too_many_filters_are_refused() {
    let mut args = vec!["req", "--relay", URL];
    args.extend(["--filter", "{}"].repeat(11));
    let run = run(&args).exits(64);
    assert!(run.fault().contains("--filter") && run.fault().contains("not 11"), "{run:?}");
}

#[test]
fn a_missing_file_is_named_and_the_others_are_checked() {
    let good = temp_file("good.jsonl", common::json_lines(&common::notes(2)).as_bytes());
    let run = run(&["verify", "/no/such.jsonl", good.to_str().unwrap()]).exits(64);
    assert!(run.stderr.contains("error: /no/such.jsonl: No such file"), "{run:?}");
    assert_eq!(run.lines().len(), 2, "{run:?}");
}

#[test]
fn no_command_prints_help_and_is_a_fault() {
    let run = run(&[]).exits(64);
    assert!(run.stderr.contains("Usage:") && run.stdout.is_empty(), "{run:?}");
}

#[test]
fn help_is_everywhere_with_examples_and_exit_codes() {
    for command in [
        &["--help"][..],
        &["demo", "--help"],
        &["req", "--help"],
        &["count", "--help"],
        &["info", "--help"],
        &["publish", "--help"],
        &["verify", "--help"],
        &["keygen", "--help"],
        &["replay", "--help"],
    ] {
        let run = run(command).exits(0);
        assert!(run.stdout.contains("Examples:\n  nostr-pool "), "{}", run.stdout);
        assert!(run.stdout.contains("Exit codes"), "{}", run.stdout);
        assert!(run.stdout.is_ascii() || !run.stdout.contains('\u{1b}'), "colour where no terminal is");
        assert!(run.stdout.lines().all(|line| line.chars().count() <= 120), "{}", run.stdout);
    }
    assert_eq!(run(&["--version"]).exits(0).stdout, format!("nostr-pool {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_fault_stays_on_one_line_whatever_was_given() {
    let run = run(&["req", "--relay", "wss://a\n\u{1b}[31mb"]).exits(64);
    assert!(!run.fault().contains('\u{1b}'), "{run:?}");
    let long = "x".repeat(5000);
    let run = common::run(&["req", "--relay", &long]).exits(64);
    assert!(run.fault().len() < 400, "{run:?}");
}

#[test]
fn a_key_is_never_shown() {
    let no_key = &SECRET_HEX[..63];
    let file = temp_file("no-key", no_key.as_bytes());
    let file = file.to_str().unwrap();
    let in_folder = concat!("/no/such/", "67dea2ed018072d675f5415ecfaed7d2597555e202d85b3d65ea4e58d2d92ffa");
    let publish = ["publish", "--relay", URL, "--content", "x"];
    let with = |more: &[&'static str]| [&publish[..], more].concat();
    let cases = [
        with(&["--key-file", SECRET_NSEC]),
        with(&["--key-file", SECRET_HEX]),
        with(&["--key", SECRET_NSEC]),
        with(&[SECRET_NSEC]),
        vec!["req", "--relay", SECRET_NSEC],
        with(&["--key-file", no_key]),
        with(&["--key-file", in_folder]),
        with(&["--key", SECRET_HEX]),
        vec!["req", "--relay", SECRET_HEX],
        vec!["info", SECRET_NSEC],
        vec!["info", SECRET_HEX],
        vec!["req", "--relay", URL, "--author", SECRET_NSEC],
        vec!["publish", "--relay", URL, "--content", "x", "--key-file", file],
    ];
    for args in &cases {
        let run = run(args).exits(64);
        let shown = format!("{}{}", run.stdout, run.fault());
        for secret in [SECRET_NSEC, no_key, &SECRET_HEX[..60], &SECRET_NSEC[6..30], "……"] {
            assert!(!shown.contains(secret), "{args:?}: {shown}");
        }
    }
    for variable in [no_key, "", "nsec1oops", &SECRET_NSEC[..62]] {
        let run = finish(command(&publish).env("NOSTR_SECRET_KEY", variable).spawn().unwrap()).exits(64);
        assert!(run.fault().contains("NOSTR_SECRET_KEY"), "{run:?}");
        assert!(variable.is_empty() || !run.fault().contains(variable), "{run:?}");
    }
}

#[test]
fn a_password_in_a_url_is_never_shown() {
    let long = format!("ws://user:hunter2{}@relay.example", "x".repeat(100));
    let urls = ["ws://user:hunter2@relay.example", "ws://user:a hunter2'@relay", "ws://user:hunter2/@relay:x", &long];
    for url in urls {
        for args in
            [&["req", "--relay", url][..], &["publish", "--relay", url], &["verify", "--relay", url], &["info", url]]
        {
            let run = run(args).exits(64);
            assert!(!run.fault().contains("hunter2"), "{run:?}");
        }
    }
    for proxy in ["socks5://me:hunter2", "hunter2@host:1", "socks5://hunter2@host:x", "http://me:hunter2@host:1"] {
        let run = run(&["req", "--relay", "ws://relay.example", "--proxy", proxy]).exits(64);
        assert!(!run.fault().contains("hunter2") && run.fault().contains("--proxy"), "{run:?}");
    }
    let run = run(&["req", "--relay", urls[0]]).exits(64);
    assert!(run.fault().contains("ws://…@relay.example") && run.fault().contains("user name or password"), "{run:?}");
}

#[test]
#[cfg(unix)]
fn the_command_keeps_its_name_whatever_it_is_called_by() {
    use std::os::unix::process::CommandExt as _;

    for args in [&["--help"][..], &["req", "--help"]] {
        let run = finish(command(args).arg0("some/other-name").spawn().unwrap()).exits(0);
        assert!(run.stdout.contains("Usage: nostr-pool ") && !run.stdout.contains("other-name"), "{run:?}");
    }
}

#[test]
fn a_public_key_given_as_npub_is_taken() {
    // Refused for the relay that nobody runs, not for the key.
    let npub = nostr_proto::PublicKey::parse(PUBLIC_HEX).unwrap().to_npub();
    run(&["req", "--relay", &common::nobody(), "--author", &npub, "--author", PUBLIC_HEX]).exits(1);
}

#[test]
fn bad_lines_are_named_and_the_rest_goes_on() {
    let events = common::notes(2);
    let forged = events[1].to_json().replace("note 1", "note 2");
    let input = format!("{}\nnonsense\n\n{forged}\n{}\n", events[0].to_json(), events[1].to_json());
    let relay = common::relay();
    let run = run_on(input, &["publish", "--relay", &relay.url()]).exits(64);
    let faults: Vec<_> = run.stderr.lines().collect();
    assert_eq!(faults.len(), 2, "{run:?}");
    assert!(faults[0].starts_with("error: stdin, line 2: at byte 0"), "{run:?}");
    assert!(faults[1].starts_with("error: stdin, line 4: "), "{run:?}");
    assert_eq!(relay.with(|relay| relay.len()), 2);
}
