//! Shrinking leaves what a failure needs.

use alloc::vec::Vec;
use core::ops::ControlFlow::{Break, Continue};

use crate::recording::*;

use super::run::small;

#[test]
fn shrinking_leaves_what_the_failure_needs() {
    let bytes = small(u64::MAX);
    let recording = Recording::read(&bytes).unwrap();
    let delivers = |recording: &Recording<'_>| {
        let mut delivered = false;
        let _ = replay(recording, |_, outcome| {
            let is_event =
                |it: &crate::PoolEvent| matches!(it, crate::PoolEvent::Item { item: crate::Item::Event(_), .. });
            delivered |= outcome.events.iter().any(is_event);
        });
        delivered
    };
    let mut asked = 0;
    let small = shrink(&recording, 1_000, |it| {
        asked += 1;
        Continue(delivers(it))
    });
    // The relay, the subscription, the connection, the event, the answer.
    assert_eq!(small.steps.len(), 5, "{:?}", small.steps);
    assert!(delivers(&small) && asked < 100, "{asked}");
    let again = record_again(&small, Vec::new()).unwrap();
    let again = Recording::read(&again).unwrap();
    assert!(delivers(&again));
    replay(&again, |_, _| ()).unwrap();
    // Bounded, and of what does not fail nothing is taken.
    let mut asked = 0;
    let _ = shrink(&recording, 3, |_| {
        asked += 1;
        Continue(true)
    });
    assert_eq!(asked, 3);
    assert_eq!(shrink(&recording, 1_000, |_| Continue(false)).steps.len(), recording.steps.len());
    assert!(shrink(&recording, 1_000, |_| Continue(true)).steps.is_empty());
}

/// Where the search is broken off, what it has come to is what comes back, and nothing more is asked.
#[test]
fn shrinking_ends_when_it_is_broken_off() {
    let bytes = small(u64::MAX);
    let recording = Recording::read(&bytes).unwrap();
    for last in 0..4 {
        let (mut asked, mut left) = (0, recording.steps.len());
        let cut = shrink(&recording, 1_000, |it| {
            if asked == last {
                return Break(());
            }
            asked += 1;
            left = it.steps.len();
            Continue(true)
        });
        assert_eq!((asked, cut.steps.len()), (last, left));
    }
}

/// The first event has a ticket before the second: without it, the second has another, and is found all the same.
#[test]
fn answers_find_their_question_after_a_step_was_taken_out() {
    let bytes = small(u64::MAX);
    let recording = Recording::read(&bytes).unwrap();
    let forged = |recording: &Recording<'_>| {
        let mut replayer = Replayer::new(recording);
        recording.steps.iter().try_for_each(|step| replayer.step(step).map(drop)).unwrap();
        replayer.core().stats().forged == 1
    };
    let small = shrink(&recording, 1_000, |it| Continue(forged(it)));
    assert!(forged(&small));
    assert_eq!(small.steps.len(), 5, "{:?}", small.steps);
}
