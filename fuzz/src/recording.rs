//! Recordings.

use nostr_pool_core::Config;
use nostr_pool_core::recording::{End, Recording, Step, record_again, replay};

/// Any bytes are read or refused. Where reading ends early, the rest is told, and what is before it reads as the same steps.
/// What is read is replayed, whatever comes of it, and a recording of that reads as the same steps, replays as it was recorded,
/// and is recorded to the same bytes.
pub fn recording(data: &[u8]) {
    let Ok(mut recording) = Recording::read(data) else { return };
    if let End::BrokenOff { at, lost } | End::Damaged { at, lost, .. } = recording.end {
        assert_eq!(at + lost, data.len());
        let before = Recording::read(&data[..at]).expect("its header is whole");
        assert!(before.steps == recording.steps && !matches!(before.end, End::Damaged { .. }));
    }
    // The bounds are the user's own; those of chance may be as large as memory.
    recording.header.config = Config::default();
    let _ = replay(&recording, |_, _| ());
    let Ok(bytes) = record_again(&recording, Vec::new()) else { return };
    let again = Recording::read(&bytes).expect("what is recorded can be read");
    let same = |(a, b): (&Step<'_>, &Step<'_>)| a.now == b.now && a.fed == b.fed;
    assert!(again.steps.len() == recording.steps.len() && again.steps.iter().zip(&recording.steps).all(same));
    replay(&again, |_, _| ()).expect("what is recorded replays");
    assert!(record_again(&again, Vec::new()).as_ref() == Ok(&bytes), "bit for bit");
}
