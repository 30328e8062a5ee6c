//! A relay that says that it is too fast is sent to at a pace that it takes.

use std::collections::VecDeque;

use nostr_pool_core::*;

use super::bench::*;

/// A relay that takes so many EVENTs a minute and refuses the others. Returns how many refusals it took to publish all.
fn publish_to_limited(config: Config, most: usize, events: u64) -> (usize, u64) {
    let mut b = Bench::new(config);
    b.add(0);
    let ids: Vec<PublishId> = (0..events).map(|n| b.publish(&note(n), Target::All)).collect();
    let (mut taken, mut refusals, mut last): (VecDeque<u64>, usize, u64) = (VecDeque::new(), 0, 0);
    for _ in 0..600 * 20 {
        b.open_all();
        for (socket, frame) in std::mem::take(&mut b.frames) {
            let Some(id) = frame.split("\"id\":\"").nth(1).map(|rest| &rest[..64]) else { continue };
            while taken.front().is_some_and(|at| at + 60 * S <= b.micros) {
                taken.pop_front();
            }
            let answer = if taken.len() < most {
                taken.push_back(b.micros);
                last = b.micros;
                format!("[\"OK\",\"{id}\",true,\"\"]")
            } else {
                refusals += 1;
                format!("[\"OK\",\"{id}\",false,\"rate-limited: slow down\"]")
            };
            b.input(Input::Text { socket, frame: &answer });
        }
        b.pass(S / 20, true);
    }
    let done = ids.iter().filter(|id| b.core.publish_report(**id).is_some_and(|r| r.accepted() == 1)).count();
    assert_eq!(done, ids.len(), "{refusals} refusals");
    (refusals, last / S)
}

#[test]
fn a_relay_that_takes_some_in_a_minute_gets_all_in_the_end() {
    let config = || Config { max_sends: 50, ..Config::default() };
    for (most, events) in [(60, 100), (20, 80), (6, 20)] {
        let (refusals, seconds) = publish_to_limited(config(), most, events);
        // Those that were sent before the first refusal was heard, and a few probes.
        assert!(
            refusals + most < usize::try_from(events).unwrap() + 40,
            "{refusals} refusals of {events} at {most} a minute"
        );
        assert!(seconds < 500, "{seconds} s");
    }
}

#[test]
fn a_pace_holds_up_neither_closes_nor_pings_and_serves_reqs_and_events_in_turn() {
    let mut b = Bench::new(Config { max_sends: 50, ..Config::default() });
    b.add(0);
    let first = b.publish(&note(0), Target::All);
    b.open_all();
    let id = note(0).id();
    b.text(0, &format!("[\"OK\",\"{id}\",false,\"rate-limited: slow\"]"));
    let live = b.subscribe(Target::All, Mode::Live);
    let subs: Vec<SubId> = (0..3).map(|_| b.subscribe(Target::All, Mode::Live)).collect();
    (1..5).for_each(|n| {
        b.publish(&note(n), Target::All);
    });
    b.frames.clear();
    b.pass(999_999, true);
    assert!(b.frames.is_empty(), "a pause: {:?}", b.frames);
    b.pass(1, true);
    let mut kinds = String::new();
    for _ in 0..7 {
        assert_eq!(b.frames.len(), 1, "one by one: {:?}", b.frames);
        kinds.push_str(if b.frames.pop_front().unwrap().1.starts_with("[\"REQ\"") { "r" } else { "e" });
        b.pass(S, true);
    }
    assert!(["erererer", "rererere"].iter().any(|turns| turns.starts_with(&kinds)), "{kinds}");
    b.frames.clear();
    for sub in subs.into_iter().chain([live]) {
        b.call(Call::Unsubscribe { sub }).unwrap();
    }
    assert_eq!(b.frames.len(), 4, "CLOSEs are not held up: {:?}", b.frames);
    assert!(b.core.publish_report(first).is_some());
}
