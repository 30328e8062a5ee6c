//! Checking signatures on threads of their own, in batches; and mining, while there is nothing to check.

use std::collections::VecDeque;
use std::io;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Weak};
use std::thread;

use nostr_pool_core::{Input, Ticket};
use nostr_proto::{BadSignature, HashedEvent, Proof, Verifier, verify};

use crate::metrics::Count;
use crate::mining::Mine;
use crate::shared::{LOCK_TIME, Shared, UNPOISONED};

/// Signatures that a thread takes at once. Handing over one at a time costs more than checking it.
const BATCH: usize = 32;
/// As many of those may be of one relay while those of others wait: the relays take turns.
const TURN: usize = 8;

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
    waiting: Lanes<Job>,
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

    /// `relay`: who brought them, if one did. Returns how many threads it woke.
    pub(crate) fn push(&self, relay: Option<u32>, jobs: Vec<Job>) -> usize {
        let mut inner = self.lock();
        inner.waiting.push(relay, jobs);
        // A thread per batch is enough; those that are busy come back for more by themselves.
        let wanted = inner.waiting.jobs.div_ceil(BATCH).min(inner.idle);
        drop(inner);
        for _ in 0..wanted {
            self.ready.notify_one();
        }
        wanted
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
        while inner.waiting.jobs == 0 && inner.mines.is_empty() && !inner.stopped {
            inner.idle += 1;
            inner = self.ready.wait(inner).expect(UNPOISONED);
            inner.idle -= 1;
        }
        if inner.stopped {
            return Turn::Stop;
        }
        if inner.waiting.jobs == 0
            && let Some(mine) = inner.mines.pop_front()
        {
            return Turn::Mine(mine);
        }
        inner.waiting.take(batch);
        Turn::Verify
    }
}

/// What waits, by the relay that brought it: one that brings much delays another by a turn at a time, not by all of its
/// own.
#[derive(Debug)]
struct Lanes<J> {
    /// In the order of their turns; none is empty. As many as there are relays with something in it, and one.
    lanes: VecDeque<(Option<u32>, VecDeque<J>)>,
    jobs: usize,
}

impl<J> Default for Lanes<J> {
    fn default() -> Self {
        Self { lanes: VecDeque::new(), jobs: 0 }
    }
}

impl<J> Lanes<J> {
    fn push(&mut self, relay: Option<u32>, jobs: Vec<J>) {
        self.jobs += jobs.len();
        match self.lanes.iter_mut().find(|(of, _)| *of == relay) {
            Some((_, waiting)) => waiting.extend(jobs),
            None if jobs.is_empty() => {}
            None => self.lanes.push_back((relay, jobs.into())),
        }
    }

    /// Fills the batch.
    fn take(&mut self, batch: &mut Vec<J>) {
        while batch.len() < BATCH
            && let Some((relay, mut waiting)) = self.lanes.pop_front()
        {
            let count = waiting.len().min(TURN).min(BATCH - batch.len());
            batch.extend(waiting.drain(..count));
            self.jobs -= count;
            if !waiting.is_empty() {
                self.lanes.push_back((relay, waiting));
            }
        }
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
        shared.meter.add(Count::Batch, 1);
        shared.meter.add(Count::Signature, answers.len());
        // An answer may concern thousands of subscriptions.
        let mut answers = answers.into_iter();
        while answers.len() > 0 {
            shared.enter(|state, now| {
                let begun = shared.instant();
                for answer in answers.by_ref() {
                    state.core.handle_input(answer.into_input(), now);
                    if shared.is_over(LOCK_TIME, begun) {
                        break;
                    }
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    /// Pushes and takes in an order made up from the seed. Every job comes out once, those of one relay in their order,
    /// and between two turns of a relay that has more no other relay has more than a turn.
    #[test]
    fn relays_take_turns() {
        for seed in 1..200_u64 {
            let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mut random = |below: u64| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                usize::try_from(state % below).unwrap()
            };
            let mut lanes = Lanes::default();
            // Per relay: pushed, taken, and what others had taken since it came to wait or was served last.
            let (mut pushed, mut taken, mut others) = ([0; 5], [0; 5], [[0; 5]; 5]);
            let mut last = 5;
            for _ in 0..300 {
                let relay = random(5);
                if random(3) > 0 {
                    let most = [2, 2, 9, 70, 600][relay];
                    let count = random(most);
                    if pushed[relay] == taken[relay] {
                        others[relay] = [0; 5];
                    }
                    let jobs: Vec<(usize, usize)> =
                        (pushed[relay]..pushed[relay] + count).map(|n| (relay, n)).collect();
                    pushed[relay] += count;
                    lanes.push(u32::try_from(relay).ok().filter(|r| *r > 0), jobs);
                } else {
                    let mut batch = Vec::new();
                    let waiting = lanes.jobs;
                    lanes.take(&mut batch);
                    assert_eq!(batch.len(), waiting.min(BATCH), "a batch is as full as can be");
                    for (relay, n) in batch {
                        assert_eq!(n, taken[relay], "the order of one relay");
                        taken[relay] += 1;
                        if relay != last {
                            others[relay] = [0; 5];
                        }
                        last = relay;
                        for waits in (0..5).filter(|r| *r != relay && taken[*r] < pushed[*r]) {
                            others[waits][relay] += 1;
                            assert!(others[waits][relay] <= TURN, "seed {seed}: {relay} before {waits}: {others:?}");
                        }
                    }
                }
                assert_eq!(lanes.jobs, pushed.iter().sum::<usize>() - taken.iter().sum::<usize>());
                assert!(lanes.lanes.len() <= 5 && lanes.lanes.iter().all(|(_, waiting)| !waiting.is_empty()));
            }
        }
    }

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
