//! Wall clocks that step, or were ahead.

use nostr_pool_core::*;

use super::stage::*;
use crate::common::*;

#[test]
fn a_wall_clock_that_steps_loses_nothing() {
    for step in [-50_000_i64, 50_000] {
        let mut s = Stage::new(vec![notes()], Config::default());
        s.serve();
        s.store = many(1, 60);
        s.b.unix = s.b.unix.saturating_add_signed(step);
        s.offline(100);
        s.serve();
        assert!(s.has_all(), "by {step}");
        s.b.unix = s.b.unix.saturating_add_signed(-step);
        s.store.extend(many(150, 60));
        s.offline(100);
        s.serve();
        assert!(s.has_all(), "and back by {step}");
    }
}

/// The connection is lost while the clock is right again, and for longer than clocks differ.
#[test]
fn a_wall_clock_that_was_ahead_for_a_while_loses_nothing() {
    let mut s = Stage::new(vec![notes()], Config::default());
    s.serve();
    s.b.unix += 50_000;
    s.offline(1);
    s.serve();
    s.b.pass(40);
    s.b.unix -= 50_000;
    s.b.pass(20);
    let reason = CloseReason::Error("gone".into());
    s.b.core.handle_input(Input::Closed { socket: s.socket(), reason }, s.b.now());
    s.b.drain();
    s.store = many(100, 60);
    s.offline(3_000);
    s.serve();
    assert!(s.has_all());
}

#[test]
fn a_wall_clock_that_was_ahead_and_is_set_right_loses_nothing() {
    for (while_up, pongs) in [(false, false), (true, false), (false, true), (true, true)] {
        let (mut s, ahead) = (Stage::new(vec![notes()], Config::default()), 50_000);
        s.b.unix += ahead;
        s.offline(1);
        s.serve();
        s.b.pass(1);
        if pongs {
            s.b.pass(40);
            s.b.core.handle_input(Input::Pong { socket: s.socket() }, s.b.now());
        }
        if while_up {
            s.b.unix -= ahead;
            s.b.pass(1);
        }
        let lost = i64::try_from(s.b.unix - START).unwrap() - if while_up { 0 } else { 50_000 };
        s.store = many(lost + 1, 60);
        let (socket, now) = (s.socket(), s.b.now());
        s.b.core.handle_input(Input::Closed { socket, reason: CloseReason::Error("gone".into()) }, now);
        if !while_up {
            s.b.unix -= ahead;
        }
        s.b.core.handle_timeout(s.b.now());
        s.b.both(20_000);
        s.b.sockets.clear();
        s.b.pass(70);
        s.serve();
        assert!(s.has_all(), "set right while it was connected: {while_up}, {pongs}: {:?}", s.asked.last());
    }
}

/// What is pushed is what the request asks for: one that began at a date ahead would miss what comes from now on.
#[test]
fn a_request_that_begins_too_late_is_made_again_when_the_clock_is_set_right() {
    let (mut s, ahead) = (Stage::new(vec![notes()], Config::default()), 50_000);
    s.serve();
    s.b.unix += ahead;
    s.offline(1);
    s.serve();
    s.b.pass(40);
    s.b.core.handle_input(Input::Pong { socket: s.socket() }, s.b.now());
    s.offline(1);
    s.serve();
    let late = s.asked.last().and_then(|(_, filters)| filters[0].since).unwrap();
    assert!(late.as_secs() > s.b.unix - ahead, "a test of nothing");
    s.b.unix -= ahead;
    s.b.pass(1);
    s.b.pass(1);
    let again = s.take();
    let since = again.first().and_then(|(_, filters)| filters[0].since).expect("it is asked again");
    assert!(since.as_secs() < s.b.unix - 900, "{since:?}");
    again.iter().for_each(|request| s.answer(request));
    s.serve();
    assert!(s.is_caught_up());
}

/// What was written down by a clock that was ahead is not taken for what was shown since.
#[test]
fn a_checkpoint_of_a_clock_that_was_ahead_hides_nothing_that_comes_later() {
    let mut s = Stage::new(vec![notes()], Config::default());
    s.serve();
    s.offline(86_400);
    s.serve();
    s.b.call(Call::Taken { sub: s.sub, items: 0, bytes: 0 });
    let Reply::Checkpoint(kept) = s.b.call(Call::Checkpoint { sub: s.sub }) else { panic!("it is one") };
    let request = Subscribe { filters: vec![notes()], resume: Some(*kept), ..Subscribe::default() };
    let mut later = Stage::with(request, Vec::new(), Config::default());
    later.serve();
    later.store = many(3_000, 3);
    later.offline(10_000);
    later.serve();
    assert!(later.has_all(), "{:?} {:?}", later.asked, later.gaps());
}
