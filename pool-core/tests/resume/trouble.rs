//! What goes wrong while a page runs, and what comes that is no answer to it.

use nostr_pool_core::*;

use super::stage::*;
use crate::common::*;

#[test]
fn what_is_lost_in_the_middle_of_a_page_is_asked_for_again() {
    for how in ["disconnect", "timeout", "error: busy", "rate-limited: slow", "auth-required: who?"] {
        let mut s = Stage::behind(50, 100, Config::default());
        let main = s.take();
        s.answer(&main[0]);
        let page = s.take();
        assert_eq!(page.len(), 1);
        let found = s.found(&page[0].1);
        for event in found.iter().take(7) {
            s.brings(&page[0].0.clone(), event);
        }
        s.b.decide_all();
        match how {
            "disconnect" => s.offline(5),
            "timeout" => s.b.pass(10),
            reason => s.b.text(0, &format!("[\"CLOSED\",\"{}\",\"{reason}\"]", page[0].0)),
        }
        assert!(!s.is_caught_up(), "{how}");
        assert!(how == "disconnect" || s.take().is_empty(), "{how}: not at once");
        for _ in 0..10 {
            s.b.pass(2);
            s.serve();
        }
        assert!(s.has_all() && s.is_caught_up(), "{how}: {:?}", s.gaps());
    }
}

#[test]
fn a_page_that_is_refused_for_good_is_a_gap() {
    let mut s = Stage::behind(50, 100, Config::default());
    let main = s.take();
    s.answer(&main[0]);
    let page = s.take();
    s.b.text(0, &format!("[\"CLOSED\",\"{}\",\"blocked: no\"]", page[0].0));
    let gap = s.gaps().into_iter().find(|gap| gap.cause == GapCause::NotAnswered).unwrap();
    assert_eq!(gap.since, Some(second(-1_020)));
    assert!(s.is_caught_up());
    s.b.pass(300);
    assert!(s.take().is_empty());
    s.b.call(Call::Refill { sub: s.sub, gap });
    s.serve();
    assert!(s.has_all());
}

#[test]
fn what_is_pushed_while_a_page_runs_moves_nothing() {
    let mut s = Stage::behind(60, 100, Config::default());
    let main = s.take();
    s.answer(&main[0]);
    let page = s.take().remove(0);
    // Accepted now, dated long ago: the relay pushes it for both requests before it ends the page.
    let old = at(-500, "old");
    for event in s.found(&page.1) {
        s.brings(&page.0, &event);
    }
    let wire = main[0].0.clone();
    s.brings(&page.0, &old);
    s.brings(&wire, &old);
    s.b.decide_all();
    s.b.text(0, &format!("[\"EOSE\",\"{}\"]", page.0));
    s.serve();
    assert!(s.has_all() && s.is_caught_up());
}

#[test]
fn what_can_not_be_read_is_one_of_so_many_all_the_same() {
    let mut s = Stage::behind(60, 100, Config::default());
    s.cap = 12;
    let main = s.take().remove(0);
    // The newest two are no events as we know them.
    for _ in 0..2 {
        s.b.text(0, &format!("[ \"EVENT\" , \"{}\",{{\"id\":\"0\",\"kind\":1}}]", main.0));
    }
    for event in s.found(&main.1).into_iter().take(9) {
        s.brings(&main.0, &event);
    }
    s.b.decide_all();
    s.b.text(0, &format!("[\"EOSE\",\"{}\"]", main.0));
    s.serve();
    assert!(s.has_all(), "{:?}", s.gaps());
}

/// What nobody signed says nothing of how many stored events the relay gives at once.
#[test]
fn forged_events_do_not_make_an_answer_look_short() {
    let mut s = Stage::new(vec![notes()], Config { quarantine_min_forged: 1_000, ..Config::default() });
    s.serve();
    s.store = many(1, 60);
    s.offline(100);
    let main = s.take().remove(0);
    s.answer(&main);
    // The second page ends in the past.
    let first = s.take().remove(0);
    s.answer(&first);
    let second = s.take().remove(0);
    for event in many(1, 30) {
        s.b.text(0, &format!("[\"EVENT\",\"{}\",{}]", second.0, forged(&event, 1)));
    }
    s.b.decide_all();
    s.answer(&second);
    s.serve();
    assert!(s.has_all(), "{}", s.got());
    s.store.extend(many(2_000, 60));
    s.offline(2_100);
    s.serve();
    assert!(s.has_all(), "{}", s.got());
}

/// Nor does what was dropped before anybody checked it.
#[test]
fn dropped_events_do_not_make_an_answer_look_short() {
    let config = Config { quarantine_min_forged: 1_000, max_in_flight_per_relay: 25, ..Config::default() };
    let mut s = Stage::new(vec![notes()], config);
    s.serve();
    s.store = many(1, 60);
    s.offline(100);
    let main = s.take().remove(0);
    s.answer(&main);
    let first = s.take().remove(0);
    s.answer(&first);
    let second = s.take().remove(0);
    for event in many(-60, 90) {
        s.b.text(0, &format!("[\"EVENT\",\"{}\",{}]", second.0, forged(&event, 1)));
    }
    s.b.decide_all();
    s.answer(&second);
    for _ in 0..10 {
        s.b.pass(10);
        s.serve();
    }
    assert!(s.has_all() && s.is_caught_up(), "{}", s.got());
    s.store.extend(many(2_000, 60));
    s.offline(2_100);
    s.serve();
    assert!(s.has_all(), "{}", s.got());
}
