//! What was recorded is replayed, and what is not as it was recorded is noticed.

use alloc::string::ToString;
use alloc::vec::Vec;

use nostr_proto::Event;

use crate::Instant;
use crate::recording::*;

use super::run::small;
use super::values::note;

#[test]
fn what_was_recorded_is_replayed() {
    let bytes = small(u64::MAX);
    let recording = Recording::read(&bytes).unwrap();
    let mut events = 0;
    replay(&recording, |step, outcome| {
        assert!(outcome.agrees_with(step));
        events += outcome
            .events
            .iter()
            .filter(|it| matches!(it, crate::PoolEvent::Item { item: crate::Item::Event(_), .. }))
            .count();
    })
    .unwrap();
    assert_eq!((recording.steps.len(), events), (10, 1));
    assert!(matches!(recording.end, End::Marked { why: Ended::Closed, .. }));
    assert_eq!(record_again(&recording, Vec::new()).unwrap(), bytes, "bit for bit");
}

#[test]
fn a_forged_answer_is_refused() {
    let bytes = small(u64::MAX);
    let mut recording = Recording::read(&bytes).unwrap();
    let forged = note("b").to_json().replace(&note("b").signature().to_string()[..8], "00000000");
    let forged = Event::from_json(&forged).unwrap();
    let mut at = 0;
    for (index, step) in recording.steps.iter_mut().enumerate() {
        if let Fed::Verified { answer, .. } = &mut step.fed
            && !answer.good
        {
            answer.good = true;
            answer.mark[4..].copy_from_slice(&forged.signature().as_bytes()[..4]);
            at = index;
        }
    }
    let forged = Forged { step: at, event: forged.id() };
    assert_eq!(replay(&recording, |_, _| ()), Err(ReplayError::Forged(forged)));
    assert_eq!(record_again(&recording, Vec::new()), Err(forged));
}

#[test]
fn the_step_that_diverges_is_named() {
    let bytes = small(u64::MAX);
    let whole = Recording::read(&bytes).unwrap();
    for index in 0..whole.steps.len() {
        let mut doctored = whole.clone();
        doctored.steps[index].now.mono = Instant::from_micros(doctored.steps[index].now.mono.as_micros() + 1);
        let Err(ReplayError::Diverged { step, .. }) = replay(&doctored, |_, _| ()) else { panic!("{index}") };
        assert_eq!(step, index);
    }
}
