//! `nostr-pool req` against relays on loopback.

#![allow(clippy::unwrap_used)] // Helpers outside of the tests' own functions are test code too.

mod common;

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Child;
use std::time::{Duration, Instant};

use common::{
    SECRET_HEX, SECRET_NSEC, command, finish, interrupt, nobody, notes, relay, relay_with, run, tagged, temp_file,
};
use nostr_model_relay::{Config, Fault, FaultPlan, Server};
use nostr_proto::{Event, EventId};

/// The ids of the events printed, each of which must parse.
fn ids(stdout: &str) -> Vec<EventId> {
    stdout.lines().map(|line| Event::from_json(line).unwrap().id()).collect()
}

fn set(events: &[Event]) -> BTreeSet<EventId> {
    events.iter().map(Event::id).collect()
}

fn args<'a>(urls: &'a [String], more: &[&'a str]) -> Vec<&'a str> {
    let relays = urls.iter().flat_map(|url| ["--relay", url.as_str()]);
    ["req"].into_iter().chain(relays).chain(more.iter().copied()).collect()
}

#[test]
fn events_of_all_relays_are_printed_once() {
    let events = notes(300);
    let relays = [relay_with(&events[..200]), relay_with(&events[100..]), relay_with(&events)];
    let urls = relays.each_ref().map(Server::url);
    let run = run(&args(&urls, &["--kind", "1"])).exits(0);
    let printed = ids(&run.stdout);
    assert_eq!(printed.len(), 300);
    assert_eq!(printed.into_iter().collect::<BTreeSet<_>>(), set(&events));
    assert_eq!(run.stderr, "");
}

#[test]
fn a_relay_named_twice_is_asked_once() {
    let relay = relay_with(&notes(3));
    let same = [relay.url(), format!("{}/", relay.url())];
    let run = run(&args(&same, &["--stats"])).exits(0);
    assert_eq!(run.lines().len(), 3);
    assert_eq!(relay.with(|relay| relay.stats().reqs), 1);
    assert_eq!(run.stderr.matches("ws://").count(), 1, "{run:?}");
}

#[test]
fn flags_make_one_filter_and_each_filter_adds_another() {
    let events = notes(20);
    let tagged_one = tagged(7, ["t", "a"]);
    let relay = relay_with(&[&events[..], std::slice::from_ref(&tagged_one)].concat());
    let url = [relay.url()];
    let ids_of = |more: &[&str]| ids(&run(&args(&url, more)).exits(0).stdout).into_iter().collect::<BTreeSet<_>>();
    let author = events[0].pubkey().to_string();
    let id = events[4].id().to_string();

    assert_eq!(ids_of(&[]).len(), 21);
    assert_eq!(ids_of(&["--limit", "5", "--kind", "1"]), set(&events[15..]));
    assert_eq!(ids_of(&["--id", &id]), set(&events[4..5]));
    assert_eq!(ids_of(&["--author", &author]), set(&events));
    assert_eq!(ids_of(&["--author", &events[0].pubkey().to_npub(), "--kind", "7"]), set(&[]));
    assert_eq!(ids_of(&["--since", "1700000003", "--until", "1700000005"]), set(&events[3..6]));
    assert_eq!(ids_of(&["--tag", "t=a", "--tag", "t=b"]), set(std::slice::from_ref(&tagged_one)));
    assert_eq!(ids_of(&["--tag", "t=a", "--tag", "r=b"]), set(&[]));
    let both = format!(r#"{{"ids":["{id}"]}}"#);
    assert_eq!(ids_of(&["--filter", &both, "--filter", r#"{"kinds":[7]}"#]).len(), 2);
    assert_eq!(ids_of(&["--filter", &both, "--kind", "7"]).len(), 2);
    assert_eq!(ids_of(&["--filter", &both]), set(&events[4..5]));
}

#[test]
fn liars_change_nothing_and_are_counted() {
    let events = notes(100);
    let (honest, liar, babbler) = (relay_with(&events), relay_with(&events), relay_with(&events));
    let lies = FaultPlan::new()
        .with(Fault::DuplicateEvents { copies: 2 })
        .with(Fault::ForgeContent { every: 3 })
        .with(Fault::ForgeSignature { every: 4 });
    liar.set_faults(lies);
    babbler.set_faults(Fault::Garbage { every: 2 });
    // The liar is heard first: a false copy of what is known already is a copy like any other.
    honest.set_delay(Duration::from_millis(400));
    babbler.set_delay(Duration::from_millis(400));
    let urls = [honest.url(), liar.url(), babbler.url()];
    let run = run(&args(&urls, &["--kind", "1", "--stats"])).exits(0);
    let printed = ids(&run.stdout);
    assert_eq!(printed.len(), 100);
    assert_eq!(printed.into_iter().collect::<BTreeSet<_>>(), set(&events));
    for line in run.stdout.lines() {
        assert!(events.contains(&Event::from_json(line).unwrap()), "not as it was written: {line}");
    }
    let row = |url: &str| {
        let row = run.stderr.lines().find(|line| line.starts_with(&format!("{url} "))).unwrap();
        row.split_whitespace().skip(1).take(4).map(|n| n.parse::<u64>().unwrap()).collect::<Vec<_>>()
    };
    let [_, _, honest_forged, honest_faults] = row(&urls[0])[..] else { panic!("{run:?}") };
    assert_eq!((honest_forged, honest_faults), (0, 0), "{run:?}");
    // After so many it is left alone.
    assert!((10..50).contains(&row(&urls[1])[2]), "{run:?}");
    assert!(row(&urls[2])[3] >= 49, "{run:?}");
    let (forged, faults) = (row(&urls[1])[2], row(&urls[2])[3]);
    let notes = [
        format!("{}: {forged} forged events dropped\n", urls[1]),
        format!("{}: {faults} messages could not be read\n", urls[2]),
    ];
    assert!(notes.iter().all(|note| run.stderr.contains(note)), "{run:?}");
    assert!(!run.stderr.contains(&format!("{}: ", urls[0])), "{run:?}");
}

#[test]
fn a_liar_is_named_without_being_asked_about() {
    let relay = relay_with(&notes(3));
    relay.set_faults(Fault::ForgeSignature { every: 1 });
    let run = run(&args(&[relay.url()], &[])).exits(0);
    assert_eq!(run.stdout, "");
    assert_eq!(run.fault(), format!("{}: 3 forged events dropped", relay.url()));
}

#[test]
fn an_oversized_event_costs_the_relay_its_connection_and_nobody_else_anything() {
    let events = notes(10);
    let (honest, big) = (relay_with(&events), relay_with(&events));
    big.set_faults(Fault::OversizeEvent { bytes: 5 << 20 });
    let urls = [honest.url(), big.url()];
    let run = run(&args(&urls, &["--timeout", "2"])).exits(0);
    assert_eq!(run.lines().len(), 10);
    assert!(run.stderr.contains(&urls[1]), "{run:?}");
}

#[test]
fn quiet_prints_no_events_and_stats_count_them() {
    let relay = relay_with(&notes(50));
    let run = run(&args(&[relay.url()], &["--quiet", "--stats"])).exits(0);
    assert_eq!(run.stdout, "");
    let [heading, relay_row, counts, times] = run.stderr.lines().collect::<Vec<_>>()[..] else { panic!("{run:?}") };
    assert!(heading.starts_with("relay ") && relay_row.ends_with("sent all it had"), "{run:?}");
    assert_eq!(counts, "50 events, each once; 50 verified, 0 copies dropped, 0 forged");
    assert!(times.contains(" s wall, ") && times.ends_with(" s CPU"), "{run:?}");
}

#[test]
fn nobody_there_is_a_failure_that_is_named() {
    let url = nobody();
    let run = run(&args(std::slice::from_ref(&url), &[])).exits(1);
    assert!(run.fault().starts_with(&format!("{url}: not connected")), "{run:?}");
    assert_eq!(run.stdout, "");
}

#[test]
fn one_relay_that_answers_is_enough_and_the_other_is_named() {
    let relay = relay_with(&notes(5));
    let urls = [nobody(), relay.url()];
    let run = run(&args(&urls, &[])).exits(0);
    assert_eq!(run.lines().len(), 5);
    assert!(run.fault().starts_with(&format!("{}: not connected", urls[0])), "{run:?}");
}

#[test]
fn a_refusal_is_a_failure_with_the_relays_words() {
    let relay = relay_with(&notes(5));
    relay.set_faults(Fault::RefuseReq { reason: "blocked: not you\u{1b}[31m".to_owned() });
    let run = run(&args(&[relay.url()], &[])).exits(1);
    assert!(run.fault().contains("refused: blocked: not you"), "{run:?}");
    assert!(!run.fault().contains('\u{1b}'), "{run:?}");
}

#[test]
fn no_end_in_time_leaves_it_open_whether_all_came() {
    let relay = relay_with(&notes(5));
    relay.set_faults(Fault::NeverEose);
    let begun = Instant::now();
    let run = run(&args(&[relay.url()], &["--timeout", "0.5"])).exits(2);
    assert!(begun.elapsed() < Duration::from_secs(4));
    assert_eq!(run.lines().len(), 5);
    assert!(run.fault().contains("did not come to an end in time"), "{run:?}");
}

#[test]
fn a_refusal_for_a_time_is_told_when_the_time_is_up() {
    let relay = relay_with(&notes(5));
    relay.set_faults(Fault::RefuseReq { reason: "rate-limited: later".to_owned() });
    let run = run(&args(&[relay.url()], &["--timeout", "0.7"])).exits(2);
    assert!(run.fault().contains("in time: it refused for now"), "{run:?}");
}

/// Starts a live read and waits until it has printed so many lines.
fn live(urls: &[String], more: &[&str], lines: usize) -> (Child, BufReader<std::process::ChildStdout>, Vec<String>) {
    let mut child = command(&args(urls, &[&["--live"], more].concat())).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let printed = (0..lines).map(|_| next_line(&mut stdout)).collect();
    (child, stdout, printed)
}

fn next_line(stdout: &mut BufReader<std::process::ChildStdout>) -> String {
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    line
}

#[test]
fn live_prints_new_events_at_once_and_ends_in_good_order_on_ctrl_c() {
    let events = notes(12);
    let relays = [relay_with(&events[..10]), relay_with(&events[..10])];
    let urls = relays.each_ref().map(Server::url);
    let (child, mut stdout, _) = live(&urls, &["--stats"], 10);
    for event in &events[10..] {
        for relay in &relays {
            relay.with(|relay| relay.store(event.clone()));
        }
        assert_eq!(Event::from_json(next_line(&mut stdout).trim_end()).unwrap(), *event);
    }
    interrupt(&child);
    let begun = Instant::now();
    let run = finish(child).exits(130);
    assert!(begun.elapsed() < Duration::from_secs(4), "it took {:?}", begun.elapsed());
    assert!(run.stderr.contains("12 events, each once"), "{run:?}");
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
    for relay in &relays {
        assert_eq!(relay.with(|relay| relay.stats().closes), 1, "no CLOSE was sent");
    }
}

#[test]
fn an_older_version_is_printed_only_where_all_are_asked_for() {
    let keys = nostr_proto::Keys::from_entropy([3; 32]).unwrap();
    let profile = |at: u64| {
        let at = nostr_proto::Timestamp::new(at);
        keys.sign(&nostr_proto::EventTemplate::new(nostr_proto::Kind::METADATA, "{}", at), [0; 32])
    };
    let (old, new, other) = (profile(1_700_000_000), profile(1_700_000_001), tagged(1, ["t", "last"]));
    for (more, expected) in [(&["--all-versions"][..], vec![&old, &other]), (&[], vec![&other])] {
        let (one, another) = (relay_with(std::slice::from_ref(&new)), relay());
        let (child, mut stdout, _) = live(&[one.url(), another.url()], more, 1);
        another.with(|relay| relay.store(old.clone()));
        another.with(|relay| relay.store(other.clone()));
        let printed: String = expected.iter().map(|_| next_line(&mut stdout)).collect();
        assert_eq!(ids(&printed).into_iter().collect::<BTreeSet<_>>(), expected.iter().map(|e| e.id()).collect());
        interrupt(&child);
        finish(child).exits(130);
        let mut rest = String::new();
        stdout.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "", "{more:?}");
    }
}

#[test]
fn live_catches_up_with_a_relay_that_was_away() {
    let events = notes(3);
    let relay = relay_with(&events[..1]);
    let (child, mut stdout, _) = live(&[relay.url()], &[], 1);
    relay.kill();
    std::thread::sleep(Duration::from_millis(100));
    let keys = nostr_proto::Keys::from_entropy([3; 32]).unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let template = nostr_proto::EventTemplate::text_note("meanwhile", nostr_proto::Timestamp::new(now));
    let missed = keys.sign(&template, [0; 32]);
    relay.with(|relay| relay.store(missed.clone()));
    relay.revive().unwrap();
    assert_eq!(Event::from_json(next_line(&mut stdout).trim_end()).unwrap(), missed);
    interrupt(&child);
    let run = finish(child).exits(130);
    assert!(run.stderr.contains("connection lost") && run.stderr.contains("caught up"), "{run:?}");
}

#[test]
fn a_slow_reader_misses_nothing() {
    let events = notes(6_000);
    let relay = Server::start(Config { max_limit: events.len(), ..Config::default() }).unwrap();
    for event in &events {
        relay.with(|relay| relay.store(event.clone()));
    }
    let mut child = command(&args(&[relay.url()], &["--stats"])).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    std::thread::sleep(Duration::from_secs(1));
    let mut printed = String::new();
    stdout.read_to_string(&mut printed).unwrap();
    let run = finish(child).exits(0);
    assert_eq!(ids(&printed).into_iter().collect::<BTreeSet<_>>(), set(&events), "{run:?}");
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let relay = relay_with(&notes(500));
    let mut child = command(&args(&[relay.url()], &["--live"])).spawn().unwrap();
    drop(child.stdout.take());
    let run = finish(child).exits(0);
    assert!(!run.stderr.contains("error"), "{run:?}");
}

#[test]
#[cfg(unix)]
fn a_reader_that_goes_away_is_noticed_though_nothing_is_printed() {
    let relay = relay_with(&notes(1));
    let (mut child, stdout, _) = live(&[relay.url()], &[], 1);
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(child.try_wait().unwrap(), None, "it goes on for as long as somebody reads");
    drop(stdout);
    let begun = Instant::now();
    finish(child).exits(0);
    assert!(begun.elapsed() < Duration::from_secs(4), "it took {:?}", begun.elapsed());
}

#[test]
fn there_is_no_colour_where_no_terminal_is_or_none_is_wanted() {
    let relay = relay_with(&notes(1));
    let url = [relay.url()];
    let plain = run(&args(&url, &["--stats"])).exits(0);
    assert!(!format!("{}{}", plain.stdout, plain.stderr).contains('\u{1b}'), "{plain:?}");
    let spawn = |no_colour: bool| {
        let mut command = command(&args(&url, &["--stats"]));
        command.env("CLICOLOR_FORCE", "1");
        if no_colour {
            command.env("NO_COLOR", "1");
        }
        finish(command.spawn().unwrap()).exits(0)
    };
    let forced = spawn(false);
    assert!(forced.stderr.contains('\u{1b}') && !forced.stdout.contains('\u{1b}'), "{forced:?}");
    assert!(!spawn(true).stderr.contains('\u{1b}'));
}

#[test]
fn an_empty_relay_is_an_answer() {
    let relay = relay();
    let run = run(&args(&[relay.url()], &[])).exits(0);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
}

#[test]
fn a_relay_that_asks_who_is_reading_is_told_with_auth_alone() {
    let relay = relay_with(&notes(3));
    relay.set_faults(Fault::AuthRequired { reads: true, writes: true, challenge_on_connect: true });
    let file = temp_file("auth-key", format!("{SECRET_NSEC}\n").as_bytes());
    let (url, file) = (relay.url(), file.to_str().unwrap().to_owned());
    let told = run(&["req", "--relay", &url, "--auth", "--key-file", &file]).exits(0);
    assert_eq!(told.lines().len(), 3);
    let untold = run(&["req", "--relay", &url]).exits(1);
    assert!(untold.fault().contains("refused: auth-required"), "{untold:?}");
    for run in [&told, &untold] {
        assert!(!run.stderr.contains(SECRET_NSEC) && !run.stderr.contains(SECRET_HEX), "{run:?}");
    }
    let without = run(&["req", "--relay", &url, "--auth"]).exits(64);
    assert!(without.fault().contains("no key to sign with"), "{without:?}");
    run(&["req", "--relay", &url, "--key-file", &file]).exits(64);
}

/// A note of so many seconds ago.
fn recent(n: u64, ago: u64) -> Event {
    let keys = nostr_proto::Keys::from_entropy([3; 32]).unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let template = nostr_proto::EventTemplate::text_note(format!("{n}"), nostr_proto::Timestamp::new(now - ago));
    keys.sign(&template, [0; 32])
}

fn capped(max_limit: usize, events: &[Event]) -> Server {
    let relay = Server::start(Config { max_limit, ..Config::default() }).unwrap();
    for event in events {
        relay.with(|relay| relay.store(event.clone()));
    }
    relay
}

#[test]
fn all_is_everything_however_little_a_relay_gives_at_once() {
    let events = notes(700);
    // Thirty pages at least, which is more than are asked for by themselves.
    let relay = capped(20, &events);
    let capped = run(&args(&[relay.url()], &["--kind", "1"])).exits(0);
    assert_eq!(capped.lines().len(), 20);
    let all = run(&args(&[relay.url()], &["--kind", "1", "--all"])).exits(0);
    assert_eq!(all.lines().len(), 700);
    assert_eq!(ids(&all.stdout).into_iter().collect::<BTreeSet<_>>(), set(&events));
    assert_eq!(all.stderr, "");
    let since = events[300].created_at().to_string();
    let later = run(&args(&[relay.url()], &["--kind", "1", "--all", "--since", &since])).exits(0);
    assert_eq!(ids(&later.stdout).into_iter().collect::<BTreeSet<_>>(), set(&events[300..]));
}

#[test]
fn a_second_with_more_than_a_relay_gives_is_told() {
    let events: Vec<Event> = (0..60).map(|n| recent(n, 1_000)).collect();
    let relay = capped(20, &events);
    let run = run(&args(&[relay.url()], &["--all"])).exits(2);
    assert_eq!(run.lines().len(), 20);
    assert!(run.fault().contains("it has more events of second "), "{run:?}");
}

#[test]
fn runs_with_one_file_print_each_event_once_and_miss_none() {
    let file = temp_file("resume", b"");
    std::fs::remove_file(&file).unwrap();
    let path = file.to_str().unwrap().to_owned();
    let mut events: Vec<Event> = (0..30).map(|n| recent(n, 600 - n)).collect();
    let relays = [capped(20, &events[..20]), capped(20, &events[10..])];
    let urls = relays.each_ref().map(Server::url);
    let resume = ["--kind", "1", "--resume", path.as_str()];
    let first = run(&args(&urls, &resume)).exits(0);
    assert_eq!(ids(&first.stdout).into_iter().collect::<BTreeSet<_>>(), set(&events));

    let none = run(&args(&urls, &resume)).exits(0);
    assert_eq!((none.stdout.as_str(), none.stderr.as_str()), ("", ""));

    // One relay is away, the other has more than it gives at once.
    let later: Vec<Event> = (100..170).map(|n| recent(n, 200 - n)).collect();
    later[..60].iter().for_each(|event| assert!(relays[0].with(|relay| relay.store(event.clone()))));
    later[50..].iter().for_each(|event| assert!(relays[1].with(|relay| relay.store(event.clone()))));
    relays[1].kill();
    let second = run(&args(&urls, &resume)).exits(0);
    assert_eq!(ids(&second.stdout).into_iter().collect::<BTreeSet<_>>(), set(&later[..60]));
    assert_eq!(second.lines().len(), 60);
    relays[1].revive().unwrap();
    let third = run(&args(&urls, &resume)).exits(0);
    assert_eq!(ids(&third.stdout).into_iter().collect::<BTreeSet<_>>(), set(&later[60..]));
    events.extend(later);

    // Another question is asked from the beginning.
    let other = run(&args(&urls, &["--resume", path.as_str(), "--limit", "5"])).exits(0);
    assert_eq!(other.stdout, "", "and what was printed is not printed again");
    assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 1 + events.len());
    std::fs::remove_file(&file).unwrap();
}

#[test]
fn a_live_run_is_resumed_where_it_was_ended() {
    let file = temp_file("resume-live", b"");
    std::fs::remove_file(&file).unwrap();
    let path = file.to_str().unwrap().to_owned();
    let relay = relay_with(&[recent(0, 100)]);
    let url = [relay.url()];
    let (child, mut stdout, _) = live(&url, &["--resume", &path], 1);
    relay.with(|relay| relay.store(recent(1, 0)));
    next_line(&mut stdout);
    interrupt(&child);
    finish(child).exits(130);
    relay.with(|relay| relay.store(recent(2, 0)));
    let run = run(&args(&url, &["--resume", &path])).exits(0);
    assert_eq!(run.lines().len(), 1);
    assert!(run.stdout.contains(r#""content":"2""#), "{run:?}");
    std::fs::remove_file(&file).unwrap();
}

#[test]
fn a_file_that_is_none_of_ours_is_named_and_left_alone() {
    let relay = relay_with(&notes(1));
    let file = temp_file("no-resume", b"something dear\n");
    let path = file.to_str().unwrap().to_owned();
    let other = run(&args(&[relay.url()], &["--resume", &path])).exits(64);
    assert!(other.fault().contains("--resume") && other.fault().contains(&path), "{other:?}");
    assert_eq!(std::fs::read(&file).unwrap(), b"something dear\n");
    std::fs::remove_file(&file).unwrap();
    let nowhere = run(&args(&[relay.url()], &["--resume", &format!("{path}/nowhere/file")])).exits(64);
    assert!(nowhere.fault().contains("--resume"), "{nowhere:?}");
}
