//! Walks every pair of the module's transition table: the table is read out of the module's own documentation.

use std::format;
use std::vec;
use std::vec::Vec;

use nostr_proto::{EoseHints, EventId, Filter, Timestamp};

use super::*;
use crate::config::Config;
use crate::time::Now;
use crate::walked::table;

const W: WireId = WireId(7);

fn range(since: u64, until: u64) -> Range {
    Range::new(Timestamp::new(since), Timestamp::new(until)).unwrap()
}

fn now(secs: u64) -> Now {
    Now { mono: Instant::from_micros(secs * 1_000_000), unix: Timestamp::new(1_000_000) }
}

fn filters() -> Vec<Filter> {
    vec![Filter::new()]
}

fn cx<'a>(filters: &'a [Filter], config: &'a Config) -> Context<'a> {
    Context { config, filters, largest: 0, ends: false, now: now(100) }
}

fn frames(frames: u64) -> End {
    End::Eose { hints: EoseHints::default(), frames }
}

/// The machine in one of the states, each reached on the way on which it comes about.
fn in_state(state: &str, config: &Config) -> Resume {
    let (filters, mut resume) = (filters(), Resume::new(1));
    resume.grounds[0].floor = Some(Timestamp::new(0));
    let cx = cx(&filters, config);
    match state {
        "settled" => {}
        "owing" | "paging" | "ended" | "paused" => resume.owe([0].into_iter(), range(100, 200)),
        "asked" => {
            resume.opened(None);
            resume.asked(&filters, Some(&filters));
        }
        other => panic!("the table names a state that nobody can build: {other}"),
    }
    if matches!(state, "paging" | "ended" | "paused") {
        assert!(resume.begin(W, &cx).is_some());
    }
    match state {
        "ended" => {
            resume.hold(W);
            assert_eq!(resume.ended(W, frames(3)), None);
        }
        "paused" => drop(resume.page_failed(W, &cx)),
        _ => {}
    }
    resume
}

fn seen(resume: &mut Resume, from: u8, at: u64) {
    for n in 0..20 {
        let at = Timestamp::new(at + u64::from(n) * u64::from(from));
        let _ = resume.seen(W, EventId::from_bytes([n; 32]), at, 5_000, Instant::ZERO);
    }
}

fn ends(resume: &mut Resume, end: End, cx: &Context<'_>) -> Step {
    match resume.ended(W, end) {
        // A second end changes nothing.
        Some(end) => resume.turned(W, end, cx),
        None => Step::default(),
    }
}

fn apply(input: &str, resume: &mut Resume, config: &Config) -> Step {
    let filters = filters();
    let cx = cx(&filters, config);
    let answer = |frames| ((EoseHints::default(), frames, frames), (false, Timestamp::new(300)));
    let mut none = Step::default();
    match input {
        "the leg is asked" => resume.asked(&filters, Some(&filters)),
        "EOSE, nothing was cut short" => none = resume.answered(answer(3).0, answer(3).1, &cx),
        "EOSE, something may have been" => none = resume.answered(answer(500).0, answer(500).1, &cx),
        "the request is lost" => drop(resume.lost()),
        "an event was not delivered" => resume.owe([0].into_iter(), range(5, 5)),
        "a page is due" => drop(resume.begin(W, &cx)),
        "the pause is over" => drop(resume.wake(now(101).mono)),
        "the page is whole" => return ends(resume, frames(3), &cx),
        "the page is full" => {
            seen(resume, 1, 150);
            return ends(resume, frames(20), &cx);
        }
        "the page is of one second" => {
            seen(resume, 0, 200);
            return ends(resume, frames(20), &cx);
        }
        "the page lacks what the relay has" => {
            // Whatever it says of itself.
            resume.has_event_of(0, Timestamp::new(200));
            return ends(resume, frames(3), &cx);
        }
        "the page tells nothing" => return ends(resume, frames(20), &cx),
        "the page ends, and events of it are undecided" => {
            resume.hold(W);
            return ends(resume, frames(3), &cx);
        }
        "they are decided" => {
            if let Some(end) = resume.release(W, Instant::ZERO) {
                return resume.turned(W, end, &cx);
            }
        }
        // Its request is closed by then: nothing can refuse it any more.
        "the page is refused" | "the page is refused for good" if resume.page().is_some_and(Page::has_ended) => {}
        "the page is late" | "the page is refused" => return resume.page_failed(W, &cx),
        "the page is refused for good" => return resume.page_closed(W, &cx),
        "the budget is spent" => {
            if resume.page().is_some_and(|page| !page.has_ended()) {
                resume.pages = config.max_pages;
            }
            seen(resume, 1, 150);
            return ends(resume, End::Cut, &cx);
        }
        "given up" => return resume.give_up(GapCause::NotAnswered),
        "what was given up is wanted" => {
            if resume.run == Run::Rest && !resume.owes() {
                resume.grounds[0].given_up.add(range(1, 2));
            }
            assert!(resume.refill(range(0, 9)) || resume.grounds[0].given_up.is_empty());
        }
        other => panic!("the table names an input that nobody can make: {other}"),
    }
    none
}

fn name(resume: &Resume) -> &'static str {
    match &resume.run {
        Run::Rest if resume.owes() => "owing",
        Run::Rest => "settled",
        Run::Asked(_) => "asked",
        Run::Page(page) if page.has_ended() => "ended",
        Run::Page(_) => "paging",
        Run::Pause(_) => "paused",
    }
}

#[test]
fn every_input_in_every_state_does_what_the_documentation_says() {
    let config = Config::default();
    let (states, rows) = table(include_str!("mod.rs"));
    assert_eq!((states.len(), rows.len()), (6, 20), "the whole table is read");
    for row in &rows {
        assert_eq!(row.len(), states.len() + 1, "{row:?}");
        for (state, expected) in states.iter().zip(&row[1..]) {
            let mut resume = in_state(state, &config);
            assert_eq!(name(&resume), state);
            let step = apply(&row[0], &mut resume, &config);
            let expected = if expected == "–" { state } else { expected };
            assert_eq!(name(&resume), expected, "{} in {state}", row[0]);
            let given_up = !resume.grounds[0].given_up.is_empty();
            let told = step.told.iter().any(|told| !matches!(told.cause, GapCause::CaughtUp { .. }));
            assert_eq!(told, given_up, "what is given up is told: {} in {state}", row[0]);
            let over = step.told.iter().any(|told| matches!(told.cause, GapCause::CaughtUp { .. }));
            let settled = state != expected && expected == "settled";
            assert_eq!(over, settled, "that it is over is told: {} in {state}", row[0]);
        }
    }
}

/// An input that is added to the machine is added here, and so to the table.
#[test]
fn no_input_is_left_out() {
    let sources = [
        include_str!("mod.rs"),
        include_str!("giving_up.rs"),
        include_str!("witness.rs"),
        include_str!("catching_up.rs"),
    ];
    let methods = sources.iter().flat_map(|text| text.split("pub(crate) fn ").skip(1));
    let methods = methods.filter_map(|method| method.split_once('('));
    let changing = methods.filter(|(_, arguments)| arguments.trim_start().starts_with("&mut self"));
    let walked = include_str!("walk.rs");
    // What these note is looked at when the page ends or its connection is lost; or they are of one filter's standing, and no state.
    let notes = [
        "dropped",
        "pushed",
        "want_all",
        "forget_floors",
        "opened",
        "renew",
        "page_too_large",
        "owe_with",
        "forged",
        "floor",
        "differs",
    ];
    for (name, _) in changing.filter(|(name, _)| !notes.contains(name)) {
        assert!(walked.contains(&format!("resume.{name}(")), "{name} has no row");
    }
}
