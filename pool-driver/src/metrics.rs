//! What the pool costs the machine: wake-ups, and the time that the core's lock is held.
//!
//! Counted only with the feature `metrics`, which is for benchmarks. Without it a [`Meter`] has no size, and what it is
//! told is compiled away.

#[cfg(feature = "metrics")]
pub(crate) use on::Meter;
#[cfg(feature = "metrics")]
pub use on::Metrics;

#[cfg(not(feature = "metrics"))]
pub(crate) use off::Meter;

/// Something that is counted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Count {
    /// A task was woken by us.
    Wake,
    /// A verifier thread was woken.
    Notify,
    /// The task of an open socket had nothing to do, and waited to be woken.
    Wait,
    /// It let others go first.
    Yield,
    /// A frame was handed to the core.
    Frame,
    /// A lone signature was checked by the task that brought it.
    Inline,
    /// A verifier thread took a batch.
    Batch,
    /// A signature in it.
    Signature,
}

#[cfg(feature = "metrics")]
mod on {
    use std::panic::Location;
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    use std::sync::{Mutex, PoisonError};
    use std::time::{Duration, Instant};

    use super::Count;

    /// One for each [`Count`].
    const COUNTS: usize = Count::Signature as usize + 1;
    /// A hold of 2^n to 2^(n+1) - 1 ns is counted in place n.
    const PLACES: usize = 40;

    /// What a pool has cost since it was built. Only with the feature `metrics`.
    #[derive(Clone, Debug, Default)]
    #[non_exhaustive]
    pub struct Metrics {
        /// Times that the core's lock was taken.
        pub locks: u64,
        /// For how long in all.
        pub held: Duration,
        /// The longest. A thread that loses its core while it holds the lock is in here.
        pub max_held: Duration,
        /// Where the longest began.
        pub max_held_at: Option<&'static Location<'static>>,
        /// How long the lock was waited for, in all.
        pub waited: Duration,
        /// The longest wait.
        pub max_waited: Duration,
        /// Tasks woken by the pool. A task that is woken twice before it runs is counted twice.
        pub wakes: u64,
        /// Verifier threads woken.
        pub notifies: u64,
        /// Times that the task of an open socket had nothing to do and waited, to be woken by us, its socket or a timer.
        pub waits: u64,
        /// Times that it let others go first although it had more to do, and woke itself.
        pub yields: u64,
        /// Frames handed to the core.
        pub frames: u64,
        /// Signatures checked by the task that read them.
        pub inline: u64,
        /// Batches taken by verifier threads.
        pub batches: u64,
        /// Signatures in them.
        pub signatures: u64,
        places: Vec<u64>,
    }

    impl Metrics {
        /// No more than this share of the holds (0 to 1) was longer than this, to the next power of two in ns.
        #[must_use]
        pub fn held_quantile(&self, quantile: f64) -> Duration {
            let mut left = (self.locks as f64 * quantile).ceil();
            for (place, count) in self.places.iter().enumerate() {
                left -= *count as f64;
                if left <= 0.0 {
                    return Duration::from_nanos(1 << (place + 1)).min(self.max_held);
                }
            }
            self.max_held
        }
    }

    #[derive(Debug, Default)]
    pub(crate) struct Meter {
        counts: [AtomicU64; COUNTS],
        /// Told when the core is unlocked again, so that it makes no hold longer.
        locks: Mutex<Metrics>,
    }

    impl Meter {
        pub(crate) fn add(&self, count: Count, n: usize) {
            self.counts[count as usize].fetch_add(n as u64, Relaxed);
        }

        /// The lock is about to be taken.
        #[track_caller]
        pub(crate) fn asked(&self) -> Hold<'_> {
            let now = Instant::now();
            Hold { meter: self, at: Location::caller(), asked: now, taken: now }
        }

        pub(crate) fn report(&self) -> Metrics {
            let of = |count: Count| self.counts[count as usize].load(Relaxed);
            Metrics {
                wakes: of(Count::Wake),
                notifies: of(Count::Notify),
                waits: of(Count::Wait),
                yields: of(Count::Yield),
                frames: of(Count::Frame),
                inline: of(Count::Inline),
                batches: of(Count::Batch),
                signatures: of(Count::Signature),
                ..self.locks.lock().unwrap_or_else(PoisonError::into_inner).clone()
            }
        }
    }

    /// One hold of the lock.
    pub(crate) struct Hold<'a> {
        meter: &'a Meter,
        at: &'static Location<'static>,
        asked: Instant,
        taken: Instant,
    }

    impl Hold<'_> {
        /// The lock is taken.
        pub(crate) fn taken(&mut self) {
            self.taken = Instant::now();
        }

        /// `unlock` unlocks it.
        pub(crate) fn released(self, unlock: impl FnOnce()) {
            let held = self.taken.elapsed();
            unlock();
            let waited = self.taken.saturating_duration_since(self.asked);
            let mut locks = self.meter.locks.lock().unwrap_or_else(PoisonError::into_inner);
            locks.locks += 1;
            locks.held += held;
            locks.waited += waited;
            locks.max_waited = locks.max_waited.max(waited);
            if held >= locks.max_held {
                locks.max_held = held;
                locks.max_held_at = Some(self.at);
            }
            locks.places.resize(PLACES, 0);
            let nanos = u64::try_from(held.as_nanos()).unwrap_or(u64::MAX).max(1);
            locks.places[(nanos.ilog2() as usize).min(PLACES - 1)] += 1;
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn holds_are_counted_and_their_quantiles_are_powers_of_two() {
            let meter = Meter::default();
            for n in 0..10 {
                let mut hold = meter.asked();
                hold.taken();
                if n == 9 {
                    std::thread::sleep(Duration::from_millis(20));
                }
                hold.released(|| {});
            }
            meter.add(Count::Wake, 3);
            meter.add(Count::Signature, 4);
            let metrics = meter.report();
            assert_eq!((metrics.locks, metrics.wakes, metrics.signatures, metrics.frames), (10, 3, 4, 0));
            assert!(metrics.max_held >= Duration::from_millis(20) && metrics.held >= metrics.max_held);
            assert!(metrics.held_quantile(0.5) < Duration::from_millis(5), "{metrics:?}");
            assert_eq!(metrics.held_quantile(1.0), metrics.max_held);
            assert!(metrics.max_held_at.unwrap().file().ends_with("metrics.rs"));
        }
    }
}

#[cfg(not(feature = "metrics"))]
mod off {
    use super::Count;

    #[derive(Debug, Default)]
    pub(crate) struct Meter {}

    impl Meter {
        pub(crate) fn add(&self, _: Count, _: usize) {}

        pub(crate) fn asked(&self) -> Hold {
            Hold
        }
    }

    pub(crate) struct Hold;

    impl Hold {
        pub(crate) fn taken(&mut self) {}

        pub(crate) fn released(self, unlock: impl FnOnce()) {
            unlock();
        }
    }

    /// Users pay nothing.
    const _: () = assert!(size_of::<Meter>() == 0 && size_of::<Hold>() == 0);
}
