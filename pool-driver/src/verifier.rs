//! Checking signatures on threads of their own, in batches; and mining, while there is nothing to check.

use std::collections::VecDeque;
use std::io;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Weak};
use std::thread;

use nostr_pool_core::{Input, Ticket};
use nostr_proto::{BadSignature, HashedEvent, Proof, Verifier, verify};

use crate::mining::Mine;
use crate::shared::{Shared, UNPOISONED};

/// Signatures that a thread takes at once. Handing over one at a time costs more than checking it.
const BATCH: usize = 32;

/// A signature to check.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) ticket: Ticket,
    pub(crate) event: HashedEvent,
}

impl Job {
    /// Checks it. A panic of the crypto library counts as a bad signature: every ticket is answered.
    pub(crate) fn answer(self) -> Answer {
        self.answer_by(verify)
    }

    fn answer_by(self, verify: impl FnOnce(&HashedEvent) -> Result<Proof, BadSignature>) -> Answer {
        let outcome = catch_unwind(AssertUnwindSafe(|| verify(&self.event)))
            .unwrap_or_else(|_| Err(BadSignature { id: self.event.id() }));
        Answer { ticket: self.ticket, outcome }
    }
}

/// A signature that was checked.
pub(crate) struct Answer {
    ticket: Ticket,
    outcome: Result<Proof, BadSignature>,
}

impl Answer {
    pub(crate) fn into_input(self) -> Input<'static> {
        Input::Verified { ticket: self.ticket, outcome: self.outcome }
    }
}

/// The signatures that wait for a thread. Bounded by the core, which asks for `max_in_flight` at once.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    inner: Mutex<Inner>,
    ready: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    waiting: VecDeque<Job>,
    /// Events to mine, in turns of a slice each. As many as the application asked for and still waits for.
    mines: VecDeque<Mine>,
    /// Threads that wait for a job.
    idle: usize,
    stopped: bool,
}

impl Jobs {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect(UNPOISONED)
    }

    pub(crate) fn push(&self, jobs: Vec<Job>) {
        let mut inner = self.lock();
        inner.waiting.extend(jobs);
        // A thread per batch is enough; those that are busy come back for more by themselves.
        let wanted = inner.waiting.len().div_ceil(BATCH).min(inner.idle);
        drop(inner);
        for _ in 0..wanted {
            self.ready.notify_one();
        }
    }

    /// Has an event mined. Once stopped, it is dropped.
    pub(crate) fn mine(&self, mine: Mine) {
        let mut inner = self.lock();
        if inner.stopped {
            drop(inner);
            drop(mine);
            return;
        }
        inner.mines.push_back(mine);
        drop(inner);
        self.ready.notify_one();
    }

    /// Ends the threads. What waits is dropped: nobody waits for the answers.
    pub(crate) fn stop(&self) {
        let mut inner = self.lock();
        inner.stopped = true;
        let dropped = (std::mem::take(&mut inner.waiting), std::mem::take(&mut inner.mines));
        drop(inner);
        drop(dropped);
        self.ready.notify_all();
    }

    /// Waits for something to do: signatures before proof of work.
    fn take(&self, batch: &mut Vec<Job>) -> Turn {
        let mut inner = self.lock();
        while inner.waiting.is_empty() && inner.mines.is_empty() && !inner.stopped {
            inner.idle += 1;
            inner = self.ready.wait(inner).expect(UNPOISONED);
            inner.idle -= 1;
        }
        if inner.stopped {
            return Turn::Stop;
        }
        if inner.waiting.is_empty()
            && let Some(mine) = inner.mines.pop_front()
        {
            return Turn::Mine(mine);
        }
        let count = inner.waiting.len().min(BATCH);
        batch.extend(inner.waiting.drain(..count));
        Turn::Verify
    }
}

/// What a thread does next.
enum Turn {
    /// Checks what it took.
    Verify,
    /// Mines for a moment.
    Mine(Mine),
    /// Ends.
    Stop,
}

/// Threads to check signatures on, unless told otherwise: one fewer than there are cores, but two on two cores. One
/// would be what everything waits for there, while the other core idles: see `bench/NOTES.md`.
pub(crate) fn default_threads() -> usize {
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    (cores - 1).max(2).min(cores)
}

/// Starts the threads. They end after [`Jobs::stop`].
pub(crate) fn start(threads: usize, jobs: &Arc<Jobs>, shared: &Weak<Shared>) -> io::Result<()> {
    for _ in 0..threads {
        let (jobs, shared) = (jobs.clone(), shared.clone());
        thread::Builder::new().name("nostr-verify".into()).spawn(move || work(&jobs, &shared))?;
    }
    Ok(())
}

fn work(jobs: &Jobs, shared: &Weak<Shared>) {
    let mut batch = Vec::with_capacity(BATCH);
    let mut verifier = Verifier::new();
    loop {
        match jobs.take(&mut batch) {
            Turn::Verify => {}
            Turn::Mine(mine) => {
                // A panic in it ends this mining and no thread.
                let left = catch_unwind(AssertUnwindSafe(|| mine.slice())).ok().flatten();
                left.into_iter().for_each(|mine| jobs.mine(mine));
                continue;
            }
            Turn::Stop => return,
        }
        let answers: Vec<Answer> = batch.drain(..).map(|job| job.answer_by(|event| verifier.verify(event))).collect();
        let Some(shared) = shared.upgrade() else { return };
        shared.enter(|state, now| {
            for answer in answers {
                state.core.handle_input(answer.into_input(), now);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn stopped_threads_end() {
        let jobs = Arc::new(Jobs::default());
        start(3, &jobs, &Weak::new()).unwrap();
        let alive = Arc::downgrade(&jobs);
        jobs.stop();
        drop(jobs);
        let patience = Instant::now() + Duration::from_secs(5);
        while alive.upgrade().is_some() {
            assert!(Instant::now() < patience, "a thread still holds its queue");
            thread::yield_now();
        }
    }
}
