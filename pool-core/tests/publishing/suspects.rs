//! An event after which connections end is suspect, and no other is.

use std::time::Duration;

use nostr_pool_core::*;
use nostr_proto::Event;
use proptest::prelude::*;

use super::world::*;

#[test]
fn the_second_connection_that_ends_right_after_an_event_makes_it_suspect() {
    for reason in [remote(1006), remote(1000), reset()] {
        let mut w = World::with(1, &Config::default());
        let p = w.publish(&note("x"), Quorum::All);
        w.take(0);
        w.pass(1_000);
        w.end(0, reason.clone());
        assert_eq!(w.status(p, 0), PublishStatus::InFlight, "once may be chance");
        w.take(0);
        w.end(0, reason);
        assert_eq!((w.status(p, 0), w.report(p).verdict), (SUSPECT, Some(Verdict::Failed)));
        w.pass(700_000);
        assert_eq!(w.sent(0).len(), 2);
    }
}

#[test]
fn whatever_a_relay_says_but_a_ping_speaks_for_the_event_before_it() {
    type Said = fn(SocketId) -> Input<'static>;
    let said: [(Said, bool); 4] = [
        (|socket| Input::Binary { socket }, true),
        (|socket| Input::Pong { socket }, true),
        (|socket| Input::Text { socket, frame: "?" }, true),
        (|socket| Input::Ping { socket }, false),
    ];
    for (input, speaks) in said {
        let mut w = World::with(1, &Config::default());
        let p = w.publish(&note("x"), Quorum::All);
        for _ in 0..2 {
            w.take(0);
            let socket = w.socket(0);
            w.input(input(socket));
            w.end(0, reset());
        }
        assert_eq!(w.status(p, 0) != SUSPECT, speaks, "{:?}", input(w.socket(0)));
    }
}

#[test]
fn one_of_many_is_found_and_the_others_arrive() {
    let mut w = World::with(1, &Config::default());
    w.subscribe();
    let events: Vec<Event> = (0..5).map(|n| note(format!("{n}"))).collect();
    let publishes: Vec<PublishId> = events.iter().map(|e| w.publish(e, Quorum::All)).collect();
    let poison = events[2].id();
    let mut connections = 0;
    while !publishes.iter().all(|p| w.status(*p, 0).is_final()) {
        w.take(0);
        let sent = w.sent(0);
        assert!(connections == 0 || sent.len() <= 1, "what is doubted is sent alone: {sent:?}");
        if sent.contains(&poison) {
            connections += 1;
            w.end(0, reset());
        } else if sent.is_empty() {
            w.pass(2_000);
        } else {
            sent.into_iter().for_each(|event| w.ok(0, event, true, ""));
        }
        assert!(connections < 4);
    }
    assert_eq!(connections, 2);
    for (event, p) in events.iter().zip(publishes) {
        let expected = if event.id() == poison { SUSPECT } else { PublishStatus::Accepted { duplicate: false } };
        assert_eq!(w.status(p, 0), expected);
    }
}

/// A relay that says nothing at all does not hold up what waits for the doubted ones.
#[test]
fn silence_delays_the_next_by_the_window_only() {
    let mut w = World::with(1, &Config { ok_deadline: Duration::from_secs(100), ..Config::default() });
    for n in 0..4 {
        w.publish(&note(format!("{n}")), Quorum::All);
    }
    w.take(0);
    w.end(0, reset());
    assert_eq!(w.sent(0).len(), 5);
    w.take(0);
    for _ in 0..3 {
        w.pass(1_999);
        assert_eq!(w.sent(0).len(), 0);
        w.pass(1);
        assert_eq!(w.sent(0).len(), 1);
        w.take(0);
    }
}

/// How a connection ends that has nothing to do with what was sent.
#[derive(Clone, Copy, Debug)]
pub(super) enum Honest {
    Answered,
    Ponged,
    Later,
    Ours,
    Untaken,
    TooLarge,
}

fn honest() -> impl Strategy<Value = Honest> {
    use Honest::*;
    prop_oneof![Just(Answered), Just(Ponged), Just(Later), Just(Ours), Just(Untaken), Just(TooLarge)]
}

pub(super) fn end_honestly(w: &mut World, how: Honest, code: u16) {
    let socket = w.socket(0);
    if !matches!(how, Honest::Untaken) {
        w.take(0);
    }
    match how {
        Honest::Answered => w.text(0, r#"["NOTICE","goodbye"]"#),
        Honest::Ponged => w.input(Input::Pong { socket }),
        Honest::Later => w.pass(2_000),
        Honest::Ours => {
            w.call(Call::Reconnect { which: Which::All, options: ReconnectOptions::default() }).map(drop).unwrap();
        }
        Honest::Untaken | Honest::TooLarge => {}
    }
    let reason = if matches!(how, Honest::TooLarge) { CloseReason::TooLarge } else { remote(code) };
    w.end(0, reason);
}

proptest! {
    #[test]
    fn honest_disconnects_speak_against_no_event(
        events in 1..5_usize,
        ends in proptest::collection::vec((honest(), prop_oneof![Just(1000_u16), Just(1006), Just(1009)]), 1..6),
    ) {
        let mut w = World::with(1, &Config::default());
        let publishes: Vec<PublishId> = (0..events).map(|n| w.publish(&note(format!("{n}")), Quorum::All)).collect();
        for (how, code) in ends {
            end_honestly(&mut w, how, code);
            for p in &publishes {
                prop_assert!(!matches!(w.status(*p, 0), PublishStatus::Rejected(_)), "{:?}", w.report(*p));
            }
        }
    }
}
