//! `nostr-pool keygen`: new keys, where they go, and that `publish` takes them.

// Helpers of tests fail as tests do; clippy only knows this inside of `#[test]`.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use common::{Run, command, finish, held, relay, run};
use nostr_proto::{Keys, PublicKey, SecretKey, verify_event};
use serde_json::Value;

/// A path of this test's own at which nothing is.
fn new_path(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-keygen-{name}", std::process::id()));
    let _ = fs::remove_file(&path);
    path
}

/// The value behind a label.
fn value<'a>(run: &'a Run, label: &str) -> &'a str {
    let line = run.stdout.lines().find_map(|line| line.strip_prefix(label));
    line.unwrap_or_else(|| panic!("no {label}: {run:?}")).trim()
}

/// The keys that a run printed, after a check that all four lines name the same.
fn printed(run: &Run) -> Keys {
    let secret = SecretKey::parse(value(run, "secret key (nsec)")).unwrap();
    assert_eq!(secret.to_hex(), value(run, "secret key (hex)"));
    let keys = Keys::new(secret);
    assert_eq!(keys.public_key(), PublicKey::parse(value(run, "public key (npub)")).unwrap());
    assert_eq!(keys.public_key().to_string(), value(run, "public key (hex)"));
    keys
}

#[test]
fn prints_a_pair_of_keys_that_is_another_each_time() {
    let mut seen = BTreeSet::new();
    for _ in 0..20 {
        let run = run(&["keygen"]).exits(0);
        assert_eq!((run.lines().len(), run.stderr.as_str()), (4, ""), "{run:?}");
        assert!(!run.stdout.contains('\u{1b}'), "colour where no terminal is: {run:?}");
        assert!(value(&run, "public key (npub)").starts_with("npub1"), "{run:?}");
        assert!(seen.insert(printed(&run).secret_key().to_hex()), "the same key again: {run:?}");
    }
    // Keys drawn at random differ in about half of their bits; a counter or a clock would not.
    let keys: Vec<Vec<u8>> = seen.iter().map(|hex| hex.bytes().collect()).collect();
    let alike = |a: &[u8], b: &[u8]| a.iter().zip(b).filter(|(a, b)| a == b).count();
    assert!(keys.windows(2).all(|pair| alike(&pair[0], &pair[1]) < 32), "{keys:?}");
}

#[test]
fn json_is_one_object() {
    let run = run(&["keygen", "--json"]).exits(0);
    assert_eq!((run.lines().len(), run.stderr.as_str()), (1, ""));
    let object: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(object.as_object().unwrap().len(), 4, "{object}");
    let text = |name: &str| object[name].as_str().unwrap();
    let keys = Keys::new(SecretKey::parse(text("nsec")).unwrap());
    assert_eq!(keys.secret_key().to_hex(), text("secret_key"));
    assert_eq!(keys.public_key().to_string(), text("public_key"));
    assert_eq!(keys.public_key().to_npub(), text("npub"));
}

#[test]
fn a_file_holds_the_secret_and_stdout_does_not() {
    for json in [false, true] {
        let path = new_path(&format!("file-{json}"));
        let shown = path.to_str().unwrap();
        let args = ["keygen", "--output", shown, "--json"];
        let run = run(&args[..if json { 4 } else { 3 }]).exits(0);
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!((text.lines().count(), text.ends_with('\n')), (1, true), "{text:?}");
        let keys = Keys::new(SecretKey::parse(text.trim_end()).unwrap());
        assert_eq!(text.trim_end(), keys.secret_key().to_nsec());
        if json {
            let object: Value = serde_json::from_str(&run.stdout).unwrap();
            assert_eq!(object.as_object().unwrap().len(), 3, "{object}");
            assert_eq!(object["npub"], keys.public_key().to_npub());
            assert_eq!(object["public_key"], keys.public_key().to_string());
            assert_eq!(object["output"], shown);
        } else {
            assert_eq!(value(&run, "public key (npub)"), keys.public_key().to_npub());
            assert_eq!(value(&run, "public key (hex)"), keys.public_key().to_string());
            assert_eq!(value(&run, "secret key in"), shown);
        }
        let all = format!("{}{}", run.stdout, run.stderr);
        assert!(!all.contains("nsec1") && !all.contains(&keys.secret_key().to_hex()), "{all}");
    }
}

#[test]
#[cfg(unix)]
fn only_the_owner_can_read_the_file_whatever_the_umask() {
    use std::os::unix::fs::PermissionsExt as _;

    for umask in ["000", "022", "077"] {
        let path = new_path(&format!("mode-{umask}"));
        let script = format!("umask {umask}; exec \"$0\" keygen --output \"$1\"");
        let binary = env!("CARGO_BIN_EXE_nostr-pool");
        let shell = std::process::Command::new("sh").args(["-c", &script, binary]).arg(&path).output().unwrap();
        assert!(shell.status.success(), "{shell:?}");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600, "umask {umask}");
    }
}

#[test]
fn nothing_is_ever_overwritten() {
    let path = new_path("kept");
    fs::write(&path, "precious").unwrap();
    let run_1 = run(&["keygen", "--output", path.to_str().unwrap()]).exits(64);
    assert!(run_1.fault().contains("--output") && run_1.fault().contains("never overwritten"), "{run_1:?}");
    assert_eq!((run_1.stdout.as_str(), fs::read_to_string(&path).unwrap().as_str()), ("", "precious"));
}

#[test]
#[cfg(unix)]
fn a_link_that_leads_nowhere_is_not_followed() {
    let (link, target) = (new_path("link"), new_path("target"));
    std::os::unix::fs::symlink(&target, &link).unwrap();
    let run = run(&["keygen", "--output", link.to_str().unwrap()]).exits(64);
    assert!(run.fault().contains("never overwritten") && !target.exists(), "{run:?}");
}

#[test]
fn a_file_that_cannot_be_is_named_and_no_key_is_printed() {
    let folder = env!("CARGO_TARGET_TMPDIR");
    for (path, reason) in [("/no/such/folder/key", "No such file"), (folder, "never overwritten")] {
        let run = run(&["keygen", "--output", path]).exits(64);
        assert!(run.fault().contains("--output") && run.fault().contains(reason), "{run:?}");
        assert_eq!(run.stdout, "");
    }
}

#[test]
fn a_key_given_in_place_of_a_path_is_not_shown() {
    for key in [common::SECRET_HEX, common::SECRET_NSEC] {
        let run = run(&["keygen", "--output", key]).exits(64);
        assert!(!run.fault().contains(&key[..60]) && run.fault().contains("--output"), "{run:?}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_key_that_could_not_be_printed_is_a_failure() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let run = finish(command(&["keygen"]).stdout(full).spawn().unwrap()).exits(1);
    assert!(run.fault().contains("stdout"), "{run:?}");
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let mut child = command(&["keygen"]).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(finish(child).exits(0).stderr, "");
}

#[test]
fn publish_signs_with_the_new_key() {
    let path = new_path("publish");
    let path = path.to_str().unwrap();
    let made = run(&["keygen", "--output", path]).exits(0);
    let by_file = relay();
    run(&["publish", "--relay", &by_file.url(), "--content", "hello", "--key-file", path]).exits(0);
    let event = held(&by_file);
    verify_event(event.clone()).unwrap();
    assert_eq!(event.pubkey().to_string(), value(&made, "public key (hex)"));

    // And from the environment, in both forms that are printed.
    let made = run(&["keygen"]).exits(0);
    for label in ["secret key (nsec)", "secret key (hex)"] {
        let relay = relay();
        let mut publish = command(&["publish", "--relay", &relay.url(), "--content", "hello"]);
        finish(publish.env("NOSTR_SECRET_KEY", value(&made, label)).spawn().unwrap()).exits(0);
        assert_eq!(held(&relay).pubkey(), printed(&made).public_key());
    }
}

#[test]
fn arguments_of_others_are_refused() {
    for args in [&["keygen", "x"][..], &["keygen", "--key-file", "x"], &["keygen", "--output"]] {
        let run = run(args).exits(64);
        assert!(run.stdout.is_empty() && run.fault().starts_with("error: "), "{run:?}");
    }
}
