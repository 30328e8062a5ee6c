//! `nostr-pool replay`, and `--record`.

mod common;

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::time::Duration;

use common::{SECRET_HEX, SECRET_NSEC, command, finish, interrupt, notes, relay_with, run, temp_file};
use nostr_model_relay::Fault;
use nostr_pool_tokio::recording::Recording;

/// A path where nothing is yet.
fn new_file(name: &str) -> PathBuf {
    let path = temp_file(name, b"");
    std::fs::remove_file(&path).expect("it was made just now");
    path
}

fn recorded(name: &str) -> PathBuf {
    let (relay, path) = (relay_with(&notes(20)), new_file(name));
    let done =
        run(&["req", "--relay", &relay.url(), "--kind", "1", "--record", path.to_str().expect("UTF-8")]).exits(0);
    assert_eq!(done.lines().len(), 20);
    path
}

#[test]
fn what_req_recorded_is_replayed_summed_up_and_printed() {
    let path = recorded("replayed.recording");
    let path = path.to_str().unwrap();
    let summary = run(&["replay", path]).exits(0);
    let has = |words: &str| assert!(summary.stdout.contains(words), "{words}: {summary:?}");
    has(concat!("recorded  by nostr-pool ", env!("CARGO_PKG_VERSION")));
    has("ends      with its marker");
    has("delivered 20 events, 0 gaps");
    has("relays    1: ws://127.0.0.1:");
    has("20 Verify");
    has("1 AddRelay");
    has("replay    the same in every step");
    let printed = run(&["replay", path, "--print"]).exits(0);
    assert!(printed.lines()[0].starts_with("#0 +0.000000 Call AddRelay"), "{printed:?}");
    assert!(
        printed.stdout.contains("    → Open")
            && printed.stdout.contains("    ← Item")
            && printed.stdout.contains("    = ")
    );
    let id = notes(20)[7].id().to_string();
    assert!(printed.stdout.contains(&id));
    let until = run(&["replay", path, "--until", &id, "--print"]).exits(0);
    assert!(until.lines().len() < printed.lines().len());
    assert!(until.stdout.contains("which shows the text"), "{until:?}");
    run(&["replay", path, "--until", "no such text"]).exits(1);
}

#[test]
fn publish_records_and_no_key_is_in_it() {
    let (relay, path) = (relay_with(&[]), new_file("published.recording"));
    relay.set_faults(Fault::AuthRequired { reads: true, writes: true, challenge_on_connect: true });
    let url = relay.url();
    let mut publish =
        command(&["publish", "--relay", &url, "--content", "x", "--auth", "--record", path.to_str().unwrap()]);
    publish.env("NOSTR_SECRET_KEY", SECRET_NSEC);
    finish(publish.spawn().unwrap()).exits(0);
    let bytes = std::fs::read(&path).unwrap();
    let raw: Vec<u8> = (0..32).map(|at| u8::from_str_radix(&SECRET_HEX[2 * at..2 * at + 2], 16).unwrap()).collect();
    for secret in [SECRET_HEX.as_bytes(), SECRET_NSEC.as_bytes(), &raw] {
        assert!(!bytes.windows(secret.len()).any(|window| window == secret));
    }
    let summary = run(&["replay", path.to_str().unwrap()]).exits(0);
    assert!(summary.stdout.contains("1 SignAuth") && summary.stdout.contains("the same in every step"), "{summary:?}");
}

#[test]
fn count_records() {
    let (relay, path) = (relay_with(&notes(5)), new_file("counted.recording"));
    let url = relay.url();
    let path = path.to_str().unwrap();
    let counted = run(&["count", "--relay", &url, "--kind", "1", "--record", path]).exits(0);
    assert_eq!(counted.stderr, "");
    let summary = run(&["replay", path]).exits(0);
    for words in ["ends      with its marker", "1 Count", "1 Counted", "the same in every step"] {
        assert!(summary.stdout.contains(words), "{words}: {summary:?}");
    }
}

/// What failed is what a recording is wanted of.
#[test]
fn a_call_that_fails_is_recorded_too() {
    let relay = relay_with(&notes(5));
    let (url, many) = (relay.url(), ["--filter", "{}"].repeat(11));
    for what in ["req", "count"] {
        let path = new_file(&format!("failed-{what}.recording"));
        let path = path.to_str().unwrap();
        let args = [&[what, "--relay", &url, "--record", path][..], &many].concat();
        let failed = run(&args).exits(64);
        assert!(failed.fault().contains("--filter"), "{failed:?}");
        let printed = run(&["replay", "--print", path]).exits(0);
        assert!(printed.stdout.contains("ends      with its marker"), "{printed:?}");
        assert!(printed.stdout.contains(if what == "req" { " Call Subscribe" } else { " Call Count" }), "{printed:?}");
    }
}

#[test]
fn a_recording_is_shrunk_to_what_shows_a_text() {
    let (path, small) = (recorded("whole.recording"), new_file("small.recording"));
    let (path, small) = (path.to_str().unwrap(), small.to_str().unwrap());
    let id = notes(20)[7].id().to_string();
    let until = format!("event: VerifiedEvent(Event {{ id: {id}");
    let done = run(&["replay", path, "--until", &until, "--shrink", small]).exits(0);
    assert!(done.stderr.contains("small.recording: ") && done.stderr.contains(" steps of "), "{done:?}");
    let again = run(&["replay", small, "--until", &until]).exits(0);
    let steps = |run: &common::Run| -> usize {
        let line = run.lines().into_iter().find(|line| line.starts_with("steps")).unwrap().to_owned();
        line.split_whitespace().nth(3).unwrap().parse().unwrap()
    };
    assert!(steps(&again) < 12 && steps(&again) * 4 < steps(&done), "{again:?}");
    run(&["replay", small]).exits(0);
    let taken = run(&["replay", path, "--until", &until, "--shrink", small]).exits(64);
    assert!(taken.fault().contains("--shrink"), "no file is overwritten: {taken:?}");
    assert_eq!(taken.stdout, "", "and that is found out before anything is done");
    run(&["replay", small]).exits(0);
    let other = new_file("other-small.recording");
    let nothing = run(&["replay", path, "--shrink", other.to_str().unwrap()]).exits(64);
    assert!(nothing.fault().contains("nothing to keep"), "{nothing:?}");
    assert!(!other.exists(), "an empty file is no recording");
}

/// The search would go on for minutes: every event is needed, and each try plays them all. Of what comes after them, and can be
/// spared, a part is taken out at once.
#[test]
fn ctrl_c_ends_the_search_with_what_it_has_come_to() {
    let (relay, path, small) =
        (relay_with(&notes(1_500)), new_file("long.recording"), new_file("interrupted.recording"));
    let (path, small) = (path.to_str().unwrap(), small.to_str().unwrap());
    run(&["req", "--relay", &relay.url(), "--kind", "1", "--all", "--record", path]).exits(0);
    let until = "seq: 700 }";
    let args = ["replay", path, "--until", until, "--shrink", small, "--tries", "1000000"];
    let mut child = command(&args).spawn().unwrap();
    // What the whole of it came to is printed before the search begins.
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("which shows the text")));
    std::thread::sleep(Duration::from_secs(3));
    interrupt(&child);
    let ended = finish(child).exits(130);
    assert!(ended.stderr.contains("interrupted.recording: "), "{ended:?}");
    let steps = |bytes: Vec<u8>| Recording::read(&bytes).unwrap().steps.len();
    let (before, after) = (steps(std::fs::read(path).unwrap()), steps(std::fs::read(small).unwrap()));
    assert!(after < before && after > 1_400, "{after} of {before}");
    run(&["replay", small, "--until", until]).exits(0);
}

#[test]
fn what_is_no_recording_or_no_longer_the_same_is_told() {
    let path = recorded("doctored.recording");
    let bytes = std::fs::read(&path).unwrap();
    let note = notes(20)[3].content().as_bytes().to_vec();
    let at = bytes.windows(note.len()).position(|window| window == note).unwrap();
    let doctored = |name: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = bytes.clone();
        change(&mut bytes);
        temp_file(name, &bytes).to_str().unwrap().to_owned()
    };
    let changed = run(&["replay", &doctored("changed.recording", &|bytes| bytes[at] ^= 1)]).exits(1);
    assert!(changed.stdout.contains("diverges"), "{changed:?}");
    let cut = run(&["replay", &doctored("cut.recording", &|bytes| bytes.truncate(bytes.len() - 30))]).exits(0);
    assert!(cut.stdout.contains("it breaks off") && cut.stdout.contains("not read"), "{cut:?}");
    let zeros = |bytes: &mut Vec<u8>| bytes[at..].fill(0);
    let zeros = run(&["replay", &doctored("zeros.recording", &zeros)]).exits(1);
    assert!(zeros.stdout.contains("steps     ") && !zeros.stdout.contains("steps     0 "), "{zeros:?}");
    let marker = bytes.len() - if Recording::read(&bytes).unwrap().steps.len() < 128 { 11 } else { 12 };
    let damaged = run(&["replay", &doctored("damaged.recording", &|bytes| bytes[marker] = 0x77)]).exits(1);
    assert!(damaged.stdout.contains("ends      damaged at byte"), "{damaged:?}");
    assert!(damaged.stdout.contains("no step diverges, but from byte"), "{damaged:?}");
    let other = run(&["replay", &doctored("other.recording", &|bytes| bytes[9] = 77)]).exits(64);
    assert!(other.fault().contains("format 77") && other.fault().contains("other.recording"), "{other:?}");
    let text = temp_file("text.recording", b"hello");
    let none = run(&["replay", text.to_str().unwrap()]).exits(64);
    assert!(none.fault().contains("no recording"), "{none:?}");
    let path = path.to_str().unwrap();
    let long = run(&["replay", path, "--max-bytes", "1000"]).exits(64);
    assert!(long.fault().contains("longer than 1000 bytes") && long.fault().contains("--max-bytes"), "{long:?}");
    run(&["replay", path, "--max-bytes", &bytes.len().to_string()]).exits(0);
    let nowhere = run(&["replay", "/nowhere/at.all"]).exits(64);
    assert!(nowhere.fault().contains("/nowhere/at.all"), "{nowhere:?}");
}

#[test]
fn every_bad_argument_is_named_with_its_reason() {
    let table: [(&[&str], &[&str]); 4] = [
        (&["replay"], &["<FILE>", "not provided"]),
        (&["replay", "x", "--tries", "5"], &["--shrink", "not provided"]),
        (&["replay", "/no/such.recording"], &["/no/such.recording", "No such file"]),
        (
            &["req", "--relay", "ws://127.0.0.1:1", "--record", "/no/such/folder"],
            &["--record", "/no/such/folder", "No such file"],
        ),
    ];
    for (args, parts) in table {
        let run = run(args).exits(64);
        for part in parts {
            assert!(run.fault().contains(part), "{args:?}: {run:?}");
        }
    }
}
