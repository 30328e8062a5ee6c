//! Playing, as far as it goes.

use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use nostr_pool_tokio::recording::{Forged, Outcome, Recording, ReplayError, Replayer};

use crate::exit::Stop;

use super::show;

/// Where a replay stopped, and why.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Stopped {
    /// At the end.
    AtEnd,
    /// At the first step that shows a text.
    AtText { step: usize },
    /// Something else came than was noted, or the recording can't be read to its end.
    Diverged(ReplayError),
    /// A signature that is said to be good is not.
    Forged(Forged, usize),
    /// The core panicked.
    Panicked { step: usize, panic: Panic },
    /// Ctrl-C.
    Interrupted,
}

/// A panic, known by its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Panic {
    pub(super) place: String,
    pub(super) message: String,
}

/// Plays a recording; `see` is shown what came of each step.
pub(super) fn play(
    recording: &Recording<'_>,
    until: Option<&str>,
    stop: &AtomicBool,
    mut see: impl FnMut(usize, &Outcome) -> Result<(), Stop>,
) -> Result<Stopped, Stop> {
    let panics = Panics::listen();
    let mut replayer = match panics.catch(|| Replayer::new(recording)) {
        Ok(replayer) => replayer,
        Err(panic) => return Ok(Stopped::Panicked { step: 0, panic }),
    };
    for (index, step) in recording.steps.iter().enumerate() {
        if stop.load(Ordering::Relaxed) {
            return Ok(Stopped::Interrupted);
        }
        let outcome = match panics.catch(|| replayer.step(step)) {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(forged)) => return Ok(Stopped::Forged(forged, index)),
            Err(panic) => return Ok(Stopped::Panicked { step: index, panic }),
        };
        see(index, &outcome)?;
        if let Some(noted) = step.digest
            && noted != outcome.digest
        {
            return Ok(Stopped::Diverged(ReplayError::Diverged { step: index, noted, found: outcome.digest }));
        }
        if until.is_some_and(|text| show::lines(index, recording, &outcome).iter().any(|line| line.contains(text))) {
            return Ok(Stopped::AtText { step: index });
        }
    }
    Ok(replayer.check_end(recording).map_or_else(Stopped::Diverged, |()| Stopped::AtEnd))
}

type Hook = Box<dyn Fn(&PanicHookInfo<'_>) + Sync + Send + 'static>;

/// Panics of this thread are kept for whoever asks instead of being printed.
pub(super) struct Panics {
    last: Arc<Mutex<Option<Panic>>>,
    before: Option<Arc<Hook>>,
}

impl Panics {
    pub(super) fn listen() -> Self {
        let (last, before) = (Arc::new(Mutex::new(None)), Arc::new(panic::take_hook()));
        let (kept, others, ours) = (last.clone(), before.clone(), thread::current().id());
        panic::set_hook(Box::new(move |info| {
            if thread::current().id() != ours {
                return others(info);
            }
            let place = info.location().map(ToString::to_string).unwrap_or_default();
            let message = info.payload_as_str().unwrap_or("a panic without words").to_owned();
            *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(Panic { place, message });
        }));
        Self { last, before: Some(before) }
    }

    pub(super) fn catch<T>(&self, work: impl FnOnce() -> T) -> Result<T, Panic> {
        panic::catch_unwind(AssertUnwindSafe(work)).map_err(|_| {
            let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).take();
            last.unwrap_or(Panic { place: String::new(), message: String::new() })
        })
    }
}

impl Drop for Panics {
    fn drop(&mut self) {
        if thread::panicking() {
            return;
        }
        // Ours goes first, for it holds on to the one before.
        drop(panic::take_hook());
        if let Some(Ok(before)) = self.before.take().map(Arc::try_unwrap) {
            panic::set_hook(before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_known_by_its_place_and_others_are_left_alone() {
        let panics = Panics::listen();
        assert_eq!(panics.catch(|| 5), Ok(5));
        let one = |n: u32| panics.catch(|| assert!(n > 9, "too small: {n}")).unwrap_err();
        let other = panics.catch(|| panic!("at once")).unwrap_err();
        assert_eq!((one(1).message, one(2).message), ("too small: 1".into(), "too small: 2".into()));
        assert!(one(1).place == one(2).place && one(1).place != other.place);
        assert!(other.place.contains("play.rs:"), "{other:?}");
        drop(panics);
        assert!(panic::catch_unwind(|| panic!("as before")).is_err());
    }
}
