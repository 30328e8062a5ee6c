//! A reader that crashes, and goes on from its checkpoint in a new pool.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::time::Duration;

use nostr_pool_corpus::Rng;
use nostr_pool_driver::{Acknowledge, Checkpoint, Item, Runtime, SubscribeOptions, Subscription};
use nostr_proto::{EventId, Filter};

use super::reader::{Habit, Seen, next_soon};
use super::sites::Sites;
use super::want::Want;
use super::{Phase, build};

/// How many events it is done with late.
const LAG: usize = 3;

/// A reader that acknowledges by hand. What it holds in its hands when it crashes is lost to it, but for
/// the checkpoint that it wrote down last.
pub(super) struct Resumer {
    /// What any of its lives was done with.
    pub(super) seen: RefCell<Seen>,
    pub(super) lives: Cell<u64>,
    checkpoint: RefCell<Checkpoint>,
    rng: RefCell<Rng>,
}

/// What a life has to end it.
enum Fate {
    Crash,
    RoundOver,
}

impl Resumer {
    /// Its first life, before the trouble begins: until the first EOSE, and a checkpoint there.
    pub(super) async fn start<R: Runtime>(runtime: &R, sites: &Sites, seed: u64) -> Self {
        let pool = build(runtime, sites);
        let mut subscription = pool.subscribe(filters(), options(sites, None)).expect("the pool takes it");
        let mut seen = Seen::default();
        loop {
            match subscription.next().await.expect("it goes on") {
                Item::Eose(_) => break,
                item => drop(seen.take(item)),
            }
        }
        let checkpoint = subscription.checkpoint().expect("it lives");
        Self {
            seen: RefCell::new(seen),
            lives: Cell::new(1),
            checkpoint: RefCell::new(checkpoint),
            rng: RefCell::new(Rng::new(seed ^ 0x5eed)),
        }
    }

    /// Life after life, until the round is over.
    pub(super) async fn live<R: Runtime>(&self, runtime: &R, sites: &Sites, phase: &Phase) {
        loop {
            let pool = build(runtime, sites);
            // As it would be in another process.
            let checkpoint = Checkpoint::from_json(&self.checkpoint.borrow().to_json()).expect("its own text is read");
            let mut subscription =
                pool.subscribe(filters(), options(sites, Some(checkpoint))).expect("the pool takes it");
            self.lives.set(self.lives.get() + 1);
            self.seen.borrow_mut().begin_another_life();
            if let Fate::RoundOver = self.read(&mut subscription, runtime, phase).await {
                return;
            }
        }
    }

    async fn read<R: Runtime>(&self, subscription: &mut Subscription, runtime: &R, phase: &Phase) -> Fate {
        let life = Duration::from_millis(self.rng.borrow_mut().between(300, 3_000) as u64);
        let crash = runtime.now() + life;
        // Taken and not done with.
        let mut in_hand: VecDeque<Held> = VecDeque::new();
        loop {
            if phase.over.get() {
                self.write_down(subscription, &mut in_hand);
                return Fate::RoundOver;
            }
            if !phase.healing.get() && runtime.now() >= crash {
                let mut seen = self.seen.borrow_mut();
                for held in in_hand.iter().filter(|held| held.is_new) {
                    seen.delivered.remove(&held.id);
                }
                return Fate::Crash;
            }
            match next_soon(subscription, runtime).await {
                Some(item) => {
                    if let Item::Event(event) = &item {
                        let id = event.event.id();
                        let is_new = !self.seen.borrow().delivered.contains_key(&id);
                        in_hand.push_back(Held { seq: event.seq, id, is_new });
                    }
                    if in_hand.len() > LAG
                        && let Some(done) = in_hand.pop_front()
                    {
                        subscription.acknowledge(done.seq).expect("it lives");
                    }
                    let refill = self.seen.borrow_mut().take(item);
                    if let Some(gap) = refill {
                        subscription.refill(&gap).expect("it lives, and so does the relay");
                    }
                    if self.rng.borrow_mut().one_in(150) {
                        *self.checkpoint.borrow_mut() = subscription.checkpoint().expect("it lives");
                    }
                }
                None => self.write_down(subscription, &mut in_hand),
            }
        }
    }

    fn write_down(&self, subscription: &mut Subscription, in_hand: &mut VecDeque<Held>) {
        if let Some(last) = in_hand.back() {
            subscription.acknowledge(last.seq).expect("it lives");
            in_hand.clear();
        }
        *self.checkpoint.borrow_mut() = subscription.checkpoint().expect("it lives");
    }
}

/// An event that is being worked on.
struct Held {
    seq: u64,
    id: EventId,
    /// No earlier life was done with it: after a crash it must come again.
    is_new: bool,
}

fn filters() -> Vec<Filter> {
    Habit::Resuming.wants().iter().map(Want::filter).collect()
}

fn options(sites: &Sites, resume: Option<Checkpoint>) -> SubscribeOptions {
    SubscribeOptions { resume, ..SubscribeOptions::default() }
        .with_relays(sites.urls(Habit::Resuming))
        .with_acknowledge(Acknowledge::ByHand)
}
