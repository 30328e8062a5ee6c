//! Cutting a recording down to what shows a failure.

use alloc::vec::Vec;
use core::ops::ControlFlow;

use super::read::{End, Recording};
use super::step::Step;

/// Takes steps out of a recording for as long as it still fails: large stretches first, then smaller ones, and single
/// ones again and again until none can be spared; but asks `fails` at most `tries` times, and no more once that breaks off. A
/// recording that does not fail in the first place comes back whole.
///
/// What `fails` is shown has no digests, for other things come of the steps now; it replays like any other, by
/// [`Replayer`](super::Replayer) say. Numbers that the core gave out shift when a step is missing that used one up; an answer
/// to a question is brought to the question that it fits, everything else stays as it was recorded. [`record_again`](super::record_again)
/// makes a recording of what comes back that is one like any other.
pub fn shrink<'a>(
    recording: &Recording<'a>,
    tries: usize,
    mut fails: impl FnMut(&Recording<'a>) -> ControlFlow<(), bool>,
) -> Recording<'a> {
    let bare = |step: &Step<'a>| Step { digest: None, ..step.clone() };
    let mut kept = Recording {
        header: recording.header.clone(),
        steps: recording.steps.iter().map(bare).collect(),
        end: End::BrokenOff { at: 0, lost: 0 },
        cut: true,
    };
    let mut left = tries;
    // `None`: there is nothing more to ask.
    let mut ask = |candidate: &Recording<'a>| {
        left = left.checked_sub(1)?;
        fails(candidate).continue_value()
    };
    if ask(&kept) != Some(true) {
        return kept;
    }
    let mut stretch = kept.steps.len().div_ceil(2);
    while stretch > 0 {
        let mut spared = false;
        // From the end: what came late is needed least.
        let mut end = kept.steps.len();
        while end > 0 {
            let begin = end.saturating_sub(stretch);
            let candidate = without(&kept, begin, end);
            match ask(&candidate) {
                None => return kept,
                Some(true) => (kept, spared) = (candidate, true),
                Some(false) => {}
            }
            end = begin;
        }
        stretch = match stretch {
            1 if spared => 1,
            1 => 0,
            _ => stretch / 2,
        };
    }
    kept
}

fn without<'a>(recording: &Recording<'a>, begin: usize, end: usize) -> Recording<'a> {
    let (before, after) = (&recording.steps[..begin], &recording.steps[end..]);
    let steps: Vec<Step<'a>> = before.iter().chain(after).cloned().collect();
    Recording { header: recording.header.clone(), steps, ..*recording }
}
