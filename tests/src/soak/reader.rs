//! Subscriptions, and how their readers are.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{Either, select};
use nostr_pool_corpus::Rng;
use nostr_pool_driver::{Gap, GapCause, Item, LegOutcome, Pool, Runtime, SubscribeOptions, Subscription};
use nostr_proto::EventId;

use super::Phase;
use super::sites::Sites;
use super::want::Want;
use super::writer;

/// A way of reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Habit {
    /// Everything, at once.
    Everything,
    /// Several filters in one subscription.
    ManyFilters,
    /// With a short queue and long pauses.
    Slow,
    /// From two relays only.
    Named,
    /// In lives that end in crashes, from two relays that give little at once: [`Resumer`](super::resumer::Resumer).
    Resuming,
}

impl Habit {
    /// Those of one life.
    pub(super) const STEADY: [Self; 4] = [Self::Everything, Self::ManyFilters, Self::Slow, Self::Named];

    pub(super) fn wants(self) -> Vec<Want> {
        match self {
            Self::Everything | Self::Resuming => vec![Want::default()],
            Self::ManyFilters => {
                let authors = writer::authors().iter().step_by(2).map(|keys| keys.public_key()).collect();
                vec![
                    Want { kinds: vec![1], authors, ..Want::default() },
                    Want { kinds: vec![7], limit: Some(5), ..Want::default() },
                    Want { topics: vec!["salt", "rope"], ..Want::default() },
                ]
            }
            Self::Slow => vec![Want { kinds: vec![0, 1, 7], ..Want::default() }],
            Self::Named => vec![Want { kinds: vec![1, 3, 6], ..Want::default() }],
        }
    }

    /// Whether a second with more events than a relay gives can be had in parts, by kind.
    pub(super) fn can_be_split(self) -> bool {
        matches!(self, Self::Slow | Self::Named)
    }

    /// The numbers of its relays.
    pub(super) fn relays(self) -> Vec<usize> {
        match self {
            Self::Named | Self::Resuming => vec![1, 3],
            _ => (0..=Sites::LIAR).collect(),
        }
    }
}

/// What a reader has seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Each with the life in which it was delivered last; all but the resumer have one.
    pub(super) delivered: BTreeMap<EventId, u64>,
    pub(super) twice: Vec<EventId>,
    /// Delivered in this life, as in an earlier one.
    pub(super) again: u64,
    life: u64,
    /// Gaps told in this round.
    pub(super) gaps: Vec<Gap>,
    /// How many of each sort were told before.
    pub(super) told: BTreeMap<&'static str, u64>,
    pub(super) refills: u64,
    /// What never came and was told to be of a second with too many events.
    pub(super) excused: u64,
    next_seq: u64,
}

impl Seen {
    /// Notes an item; returns a gap that is worth asking to refill.
    pub(super) fn take(&mut self, item: Item) -> Option<Gap> {
        match item {
            Item::Event(event) => {
                assert_eq!(event.seq, self.next_seq, "the numbers have a hole");
                self.next_seq += 1;
                match self.delivered.insert(event.event.id(), self.life) {
                    Some(life) if life == self.life => self.twice.push(event.event.id()),
                    Some(_) => self.again += 1,
                    None => {}
                }
                None
            }
            Item::Gap(gap) if gap.cause == GapCause::Budget => {
                self.refills += 1;
                Some(gap)
            }
            Item::Gap(gap) => {
                self.gaps.push(gap);
                None
            }
            Item::Pending(_) => unreachable!("only what is signed is published"),
            Item::End(reason) => unreachable!("nobody ends it, but it ended: {reason:?}"),
            _ => None,
        }
    }
}

impl Seen {
    /// Another subscription goes on: it may bring again what was not acknowledged, and numbers from 0.
    pub(super) fn begin_another_life(&mut self) {
        self.next_seq = 0;
        self.life += 1;
    }

    /// The next round has gaps of its own.
    pub(super) fn close(&mut self, excused: u64) {
        self.excused += excused;
        for gap in self.gaps.drain(..) {
            *self.told.entry(name(&gap.cause)).or_default() += 1;
        }
    }
}

fn name(cause: &GapCause) -> &'static str {
    match cause {
        GapCause::Disconnected => "disconnected",
        GapCause::CaughtUp { .. } => "caught up",
        GapCause::QueueFull { .. } => "queue full",
        GapCause::Flooded { .. } => "flooded",
        GapCause::Budget => "budget",
        GapCause::DenseSecond => "dense second",
        GapCause::Unprovable => "unprovable",
        GapCause::OverDelivered { .. } => "over-delivered",
        GapCause::TooLarge => "too large",
        GapCause::NotAnswered => "not answered",
    }
}

/// Who reads a subscription.
pub(super) struct Reader {
    pub(super) habit: Habit,
    pub(super) seen: RefCell<Seen>,
    rng: Rng,
}

impl Reader {
    pub(super) fn new(habit: Habit, seed: u64) -> Self {
        Self { habit, seen: RefCell::default(), rng: Rng::new(seed) }
    }

    /// Subscribes, and reads until the first EOSE: from there on, nothing may be lost.
    pub(super) async fn subscribe(&mut self, pool: &Pool, sites: &Sites) -> Subscription {
        let mut options = SubscribeOptions::default();
        if self.habit == Habit::Named {
            options = options.with_relays(sites.urls(self.habit));
        }
        if self.habit == Habit::Slow {
            options = options.with_queue_items(64);
        }
        let filters: Vec<_> = self.habit.wants().iter().map(Want::filter).collect();
        let mut subscription = pool.subscribe(filters, options).expect("the pool takes it");
        loop {
            let item = subscription.next().await.expect("it goes on");
            if let Item::Eose(coverage) = &item {
                for leg in coverage.legs.iter().filter(|leg| leg.relay != sites.all()[Sites::LIAR].url) {
                    let eose = matches!(leg.outcome, LegOutcome::Eose { .. });
                    assert!(eose, "nothing has happened yet: {leg:?}");
                }
                return subscription;
            }
            self.seen.borrow_mut().take(item);
        }
    }

    /// Reads until the round is over.
    pub(super) async fn read<R: Runtime>(&self, subscription: &mut Subscription, runtime: &R, phase: &Phase) {
        let mut rng = self.rng.clone();
        while !phase.over.get() {
            let Some(item) = next_soon(subscription, runtime).await else { continue };
            let refill = self.seen.borrow_mut().take(item);
            if let Some(gap) = refill {
                subscription.refill(&gap).expect("it lives, and so does the relay");
            }
            if self.habit == Habit::Slow && !phase.healing.get() && rng.one_in(100) {
                runtime.sleep(Duration::from_millis(rng.between(50, 600) as u64)).await;
            }
        }
    }
}

/// The next item, unless none comes for a short while: then it is time to look around.
pub(super) async fn next_soon<R: Runtime>(subscription: &mut Subscription, runtime: &R) -> Option<Item> {
    if let Some(item) = subscription.next().now_or_never() {
        return Some(item.expect("it goes on"));
    }
    match select(pin!(subscription.next()), runtime.sleep(Duration::from_millis(50))).await {
        Either::Left((item, _)) => Some(item.expect("it goes on")),
        Either::Right(_) => None,
    }
}
