//! What is shown of an event before relays have it, what becomes of it, and what to roll back to.

use nostr_pool_core::*;
use nostr_proto::{EventTemplate, Kind, Timestamp};

use super::world::*;

#[test]
fn a_signer_that_refuses_after_the_verdict_is_the_final_fate() {
    for refuses in [true, false] {
        let mut w = World::with(1, &Config::default());
        w.subscribe();
        w.publish_unsigned(&unsigned("x"), None).unwrap();
        w.pass(31_000);
        let ticket =
            w.commands.iter().find_map(|c| if let Command::Sign { ticket, .. } = c { Some(*ticket) } else { None });
        if refuses {
            w.input(Input::Signed { ticket: ticket.unwrap(), outcome: Err("no".into()) });
        }
        w.pass(600_000);
        let told: Vec<PendingOutcome> = w.fates().into_iter().map(|(_, outcome, _)| outcome).collect();
        let why = if refuses { "no" } else { "the signer did not answer" };
        let published = PendingOutcome::Published(Verdict::Indeterminate);
        assert_eq!(told, [published, PendingOutcome::NotSigned(why.into())]);
    }
}

/// A relay, and its OK.
type Answer = (usize, bool, &'static str);

#[test]
fn a_pending_event_has_one_fate() {
    use PendingOutcome::{AcceptedLate, NeverAccepted, Published};
    use Verdict::{Failed, Indeterminate, Reached};
    // What two relays answer, before the verdict's deadline and after it; both are needed.
    let cases: [(&[Answer], &[Answer], &[PendingOutcome]); 6] = [
        (&[(0, true, ""), (1, true, "")], &[], &[Published(Reached)]),
        (&[(0, false, "blocked: x"), (1, false, "blocked: x")], &[], &[Published(Failed), NeverAccepted]),
        (&[(0, true, ""), (1, false, "blocked: x")], &[], &[Published(Failed), AcceptedLate]),
        (&[(0, false, "blocked: x")], &[(1, true, "")], &[Published(Failed), AcceptedLate]),
        (&[], &[(0, true, ""), (1, true, "")], &[Published(Indeterminate), AcceptedLate]),
        (&[], &[], &[Published(Indeterminate), NeverAccepted]),
    ];
    for (early, late, expected) in cases {
        let mut w = World::with(2, &Config::default());
        w.subscribe();
        let event = unsigned("x");
        let p = w.publish_unsigned(&event, None).unwrap();
        w.sign();
        early.iter().for_each(|(n, ok, reason)| w.ok(*n, event.id(), *ok, reason));
        w.pass(30_000);
        late.iter().for_each(|(n, ok, reason)| w.ok(*n, event.id(), *ok, reason));
        w.pass(600_000);
        let told: Vec<PendingOutcome> = w.fates().into_iter().map(|(_, outcome, _)| outcome).collect();
        assert_eq!(told, expected, "{early:?}, {late:?}");
        assert!(told.iter().rev().skip(1).all(|o| !o.is_final()) && told.last().unwrap().is_final());
        // However late, an OK is news of the relay only.
        w.ok(0, event.id(), true, "");
        assert_eq!(w.fates().len(), told.len(), "{:?}", w.report(p));
    }
}

/// Brings a pending event into a state of the table, and lets a piece of news come. What is told of it, in the table's
/// words, and whether that is the end: nothing that comes later is told.
fn news(state: &str, news: &str) -> String {
    let mut w = World::with(2, &Config::default());
    w.subscribe();
    let event = unsigned("x");
    let p = w.publish_unsigned(&event, None).unwrap();
    let deadline = || Config::default().publish_deadline.as_millis().try_into().unwrap();
    match (state, news) {
        ("judged", "signer refused") => w.pass(deadline()),
        (_, "signer refused") => {}
        ("judged", _) => {
            w.sign();
            w.ok(0, event.id(), false, "blocked: no");
        }
        _ => w.sign(),
    }
    let before = w.fates().len();
    assert_eq!(before, usize::from(state == "judged"), "{:?}", w.fates());
    match news {
        // There is one verdict, and it was: what could bring another is an OK, and that is other news.
        "quorum reached" | "other verdict" if state == "judged" => w.pass(deadline()),
        "quorum reached" => (0..2).for_each(|n| w.ok(n, event.id(), true, "")),
        "other verdict" => w.ok(0, event.id(), false, "blocked: no"),
        "a relay has it" => w.ok(1, event.id(), true, ""),
        // Before a verdict, delivery can't be over.
        "delivery over, no relay has it" if state == "shown" => w.pass(1_000),
        "delivery over, no relay has it" => w.ok(1, event.id(), false, "blocked: no"),
        "signer refused" => {
            let asked = |c: &Command| if let Command::Sign { ticket, .. } = c { Some(*ticket) } else { None };
            let ticket = w.commands.iter().find_map(asked).unwrap();
            w.input(Input::Signed { ticket, outcome: Err("no".into()) });
        }
        "superseded" => {
            w.publish_unsigned(&unsigned("y"), Some(p)).unwrap();
        }
        other => panic!("the table has news that nobody walks: {other}"),
    }
    let own = |w: &World| w.fates().into_iter().filter(|(id, ..)| *id == event.id()).count();
    let told: Vec<_> = w.fates().split_off(before).into_iter().map(|(_, outcome, _)| outcome).collect();
    let [outcome] = &told[..] else {
        assert!(told.is_empty(), "{told:?}");
        return "–".to_owned();
    };
    let (name, after) = (format!("{outcome:?}"), own(&w));
    w.ok(1, event.id(), true, "");
    w.pass(700_000);
    let end = if own(&w) == after { "end" } else { "judged" };
    assert_eq!(outcome.is_final(), end == "end", "{outcome:?}");
    format!("`{}`, {end}", name.split(['(', ' ']).next().unwrap())
}

/// The table of pending events in `machine/echoes.rs`: every state, and all news.
#[test]
fn every_piece_of_news_of_a_pending_event_does_what_the_documentation_says() {
    let cells = |line: &'static str| -> Vec<&'static str> {
        line.trim_start_matches("//! |").trim_end_matches('|').split('|').map(str::trim).collect()
    };
    let mut rows = include_str!("../../src/machine/echoes.rs").lines().filter(|line| line.starts_with("//! |"));
    let heads = cells(rows.next().unwrap());
    assert_eq!(heads.len(), 7, "{heads:?}");
    let rows: Vec<_> = rows.skip(1).map(cells).collect();
    assert_eq!(rows.iter().map(|row| row[0]).collect::<Vec<_>>(), ["shown", "judged"]);
    for row in rows {
        for (what, cell) in heads.iter().zip(&row).skip(1) {
            assert_eq!(*cell, news(row[0], what), "{} × {what}: the table is on the left", row[0]);
        }
        assert_eq!(row.len(), heads.len());
    }
}

#[test]
fn an_event_that_a_relay_sends_is_out_whatever_the_answers_were() {
    let mut w = World::with(1, &Config::default());
    w.subscribe();
    let event = unsigned("x");
    w.publish_unsigned(&event, None).unwrap();
    w.sign();
    w.relay_sends(0, &event.sign(&keys(), [0; 32]));
    w.ok(0, event.id(), false, "error: who knows");
    w.pass(700_000);
    assert_eq!(w.fates().last().unwrap().1, PendingOutcome::AcceptedLate);
}

#[test]
fn a_pending_version_that_nobody_took_gives_way_to_the_one_before() {
    let mut w = World::with(1, &Config::default());
    w.subscribe();
    let [oldest, before, newer] = [1, 2, 4].map(|at| profile(at).sign(&keys(), [0; 32]));
    let pending = profile(3);
    for (meanwhile, expected) in [(None, &before), (Some(&newer), &newer)] {
        w.events.clear();
        w.relay_sends(0, &before);
        w.relay_sends(0, &oldest);
        w.publish_unsigned(&pending, None).unwrap();
        w.sign();
        if let Some(event) = meanwhile {
            w.relay_sends(0, event);
        }
        w.ok(0, pending.id(), false, "blocked: no");
        let fates = w.fates();
        assert_eq!(fates[0], (pending.id(), PendingOutcome::Published(Verdict::Failed), None));
        assert_eq!(fates[1], (pending.id(), PendingOutcome::NeverAccepted, Some(expected.id())));
    }
    w.events.clear();
    w.publish_unsigned(&unsigned("a note"), None).unwrap();
    let ticket =
        w.commands.iter().find_map(|c| if let Command::Sign { ticket, .. } = c { Some(*ticket) } else { None });
    w.input(Input::Signed { ticket: ticket.unwrap(), outcome: Err("no".into()) });
    assert_eq!(w.fates().pop().unwrap().1, PendingOutcome::NotSigned("no".into()));
    assert_eq!(w.fates().pop().unwrap().2, None, "a note replaces nothing");
}

/// The pool remembers few events: the one before is kept for as long as it may be needed, and counts.
#[test]
fn the_version_before_is_kept_and_counted() {
    let mut w = World::with(1, &Config { held_bytes: 1_000, max_publish_bytes: 4_500, ..Config::default() });
    w.subscribe();
    let before = profile(1).sign(&keys(), [0; 32]);
    w.relay_sends(0, &before);
    let pending = profile(2);
    w.publish_unsigned(&pending, None).unwrap();
    for n in 0..9 {
        w.relay_sends(0, &note(format!("{n}")));
    }
    w.sign();
    w.ok(0, pending.id(), false, "blocked: no");
    assert_eq!(w.fates().pop().unwrap().2, Some(before.id()));
}

#[test]
fn what_is_tried_again_is_pending_again() {
    let mut w = World::with(1, &Config::default());
    w.subscribe();
    let event = unsigned("x");
    w.publish_unsigned(&event, None).unwrap();
    w.sign();
    w.ok(0, event.id(), false, "blocked: not now");
    w.events.clear();
    w.call(Call::Retry { event: event.id(), deadline: None }).unwrap();
    let pending = |e: &&PoolEvent| matches!(e, PoolEvent::Item { item: Item::Pending(p), .. } if p.event == event);
    assert_eq!(w.events.iter().filter(pending).count(), 1);
    w.ok(0, event.id(), true, "");
    assert_eq!(w.fates(), [(event.id(), PendingOutcome::Published(Verdict::Reached), None)]);
}

#[test]
fn a_signer_that_refuses_and_what_has_expired_bring_back_the_right_version() {
    let mut w = World::with(1, &Config::default());
    w.subscribe();
    let before = profile(1).sign(&keys(), [0; 32]);
    w.relay_sends(0, &before);
    w.publish_unsigned(&profile(2), None).unwrap();
    let asked = |c: &Command| if let Command::Sign { ticket, .. } = c { Some(*ticket) } else { None };
    let ticket = w.commands.iter().find_map(asked).unwrap();
    w.input(Input::Signed { ticket, outcome: Err("no".into()) });
    assert_eq!(w.fates().pop().unwrap().2, Some(before.id()));
    // One that has expired meanwhile is for nobody.
    let mut w = World::with(1, &Config::default());
    w.subscribe();
    let brief = EventTemplate::new(Kind::METADATA, "{}", Timestamp::new(EPOCH)).expires_at(Timestamp::new(EPOCH + 5));
    w.relay_sends(0, &keys().sign(&brief, [0; 32]));
    w.publish_unsigned(&profile(2), None).unwrap();
    w.sign();
    w.pass(6_000);
    w.ok(0, profile(2).id(), false, "blocked: no");
    assert_eq!(w.fates().pop().unwrap().2, None);
}

/// What an echo keeps to roll back to takes room that other publishes then do not have.
#[test]
fn the_version_before_counts_as_the_publish_s() {
    for (long, room) in [(8_000, false), (10, true)] {
        let mut w = World::with(1, &Config { max_publish_bytes: 9_000, ..Config::default() });
        w.subscribe();
        let before = EventTemplate::new(Kind::METADATA, "x".repeat(long), Timestamp::new(EPOCH));
        w.relay_sends(0, &keys().sign(&before, [0; 32]));
        w.publish_unsigned(&profile(2), None).unwrap();
        let (event, target) = (note("x".repeat(1_000)), Target::All);
        let call = Publish { event, target, quorum: Quorum::All, deadline: None, link: None };
        let reply = w.call(Call::Publish(call));
        assert_eq!(reply.is_ok(), room, "{reply:?}");
    }
}
