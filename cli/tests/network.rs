//! `req` and `publish` over `wss://`, through proxies, with headers, on either runtime.

#![allow(clippy::unwrap_used)] // Helpers outside of the tests' own functions are test code too.

mod common;

use std::io::Write as _;
use std::sync::{Arc, Mutex};

use common::{held, json_lines, notes, relay, relay_with, run, run_on, temp_file};
use nostr_pool_tests::fronts::{Authority, Raw, Socks, SocksFront, TlsFront, Valid, address_of, read_head};

const RUNTIMES: [&str; 2] = ["tokio", "async-std"];

#[test]
fn both_commands_work_over_tls_with_a_custom_root_on_either_runtime() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    for runtime in RUNTIMES {
        let server = relay();
        let front = TlsFront::start(&server, ours.vouch("localhost", Valid::Now));
        let url = front.url("localhost");
        let root = temp_file(&format!("{runtime}-ours.pem"), ours.pem().as_bytes());
        let other = temp_file(&format!("{runtime}-theirs.pem"), theirs.pem().as_bytes());
        let (root, other) = (root.to_str().unwrap(), other.to_str().unwrap());
        let trusting = ["--relay", &url, "--runtime", runtime, "--root", other, "--root", root];

        let events = notes(1);
        let args: Vec<_> = ["publish"].into_iter().chain(trusting).collect();
        run_on(json_lines(&events), &args).exits(0);
        assert_eq!(held(&server).id(), events[0].id());

        for roots in ["bundled", "none"] {
            let args: Vec<_> = ["req", "--roots", roots].into_iter().chain(trusting).collect();
            assert_eq!(run(&args).exits(0).stdout, json_lines(&events));
        }

        let wary = run(&["req", "--relay", &url, "--runtime", runtime, "--root", other, "--timeout", "5"]).exits(1);
        assert!(wary.stderr.contains("the server's certificate comes from nobody that is trusted"), "{wary:?}");
        let wary = run_on(json_lines(&events), &["publish", "--relay", &url, "--runtime", runtime, "--timeout", "2"]);
        assert!(wary.exits(2).stderr.contains("comes from nobody that is trusted"));
    }
}

#[test]
fn both_commands_go_through_a_proxy_on_either_runtime() {
    for runtime in RUNTIMES {
        let events = notes(2);
        let server = relay_with(&events[..1]);
        let proxy = SocksFront::start(Socks::Login(address_of(&server), "me", "p@ss"));
        let url = proxy.url().replace("//", "//me:p%40ss@");
        let there = ["--relay", "ws://relay.invalid:7777", "--runtime", runtime, "--proxy", &url];
        let args: Vec<_> = ["req"].into_iter().chain(there).collect();
        assert_eq!(run(&args).exits(0).stdout, json_lines(&events[..1]));
        let args: Vec<_> = ["publish"].into_iter().chain(there).collect();
        run_on(json_lines(&events[1..]), &args).exits(0);
        assert_eq!(server.with(|relay| relay.len()), 2);
        assert!(proxy.asked().iter().all(|asked| (asked.host.as_str(), asked.port) == ("relay.invalid", 7777)));

        // Not an onion service, so not the proxy's.
        let before = proxy.accepted();
        run(&["req", "--relay", &server.url(), "--runtime", runtime, "--proxy", &url, "--proxy-onion-only"]).exits(0);
        assert_eq!(proxy.accepted(), before);
    }
}

#[test]
fn an_onion_service_without_a_proxy_is_told_apart() {
    let run = run(&["req", "--relay", "ws://abc.onion", "--timeout", "5"]).exits(1);
    assert!(run.stderr.contains("it is an onion service and there is no proxy"), "{run:?}");
}

#[test]
fn headers_are_sent() {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let book = heads.clone();
    let server = Raw::start(move |mut tcp| {
        let head = read_head(&mut tcp)?;
        book.lock().unwrap().push(head);
        tcp.write_all(b"HTTP/1.1 401 No\r\n\r\n")
    });
    let url = format!("ws://{}", server.address());
    let args = ["req", "--relay", &url, "--header", "Authorization: Bearer 1", "--header", "X-A:b", "--timeout", "5"];
    let run = run(&args).exits(1);
    assert!(run.stderr.contains("HTTP 401"), "{run:?}");
    let heads = heads.lock().unwrap();
    assert!(heads[0].contains("\r\nAuthorization: Bearer 1\r\nX-A: b\r\n"), "{}", heads[0]);
}

#[test]
fn bad_arguments_about_the_network_are_named_and_show_no_secret() {
    let empty = temp_file("empty.pem", b"");
    let empty = empty.to_str().unwrap();
    let junk = temp_file("junk.pem", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let junk = junk.to_str().unwrap();
    // The arguments, what the line must contain, and what it must not.
    let table: &[(&[&str], &[&str])] = &[
        (&["--root", "nowhere.pem"], &["--root", "nowhere.pem"]),
        (&["--root", empty], &["--root", "no certificate in it"]),
        (&["--root", junk], &["--root", "cannot be read"]),
        (&["--roots", "none"], &["--roots", "nobody to trust"]),
        (&["--roots", "some"], &["--roots", "bundled"]),
        (&["--proxy", "http://localhost:1"], &["--proxy", "socks5://"]),
        (&["--proxy", "socks5://me:secret@localhost"], &["--proxy", "port"]),
        (&["--proxy-onion-only"], &["--proxy"]),
        (&["--header", "secret"], &["--header", "NAME: VALUE"]),
        (&["--header", "Host: secret"], &["--header", "Host"]),
        (&["--header", "A b: secret"], &["--header", "no name of a header"]),
        (&["--header", "A: secret\u{7f}"], &["--header", "visible ASCII"]),
        (&["--runtime", "other"], &["--runtime", "async-std"]),
    ];
    for command in ["req", "publish"] {
        for (args, words) in table {
            let args: Vec<_> =
                [command, "--relay", "ws://127.0.0.1:1"].into_iter().chain(args.iter().copied()).collect();
            let run = run(&args).exits(64);
            let fault = run.fault();
            assert!(words.iter().all(|word| fault.contains(word)), "{args:?}: {fault}");
            assert!(!fault.contains("secret"), "{args:?}: {fault}");
        }
    }
}
