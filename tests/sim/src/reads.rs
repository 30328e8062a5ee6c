//! What the application reads: subscriptions, and going on from where it was.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use nostr_pool_core::{
    Acknowledge, Call, Checkpoint, Gap, GapCause, Group, History, Mode, Reply, SubId, Subscribe, Versions,
};
use nostr_proto::{EventId, Filter, Kind, RelayUrl};

use super::app::seconds;
use super::step::{Reader, Reading, What, Where};
use super::world::World;

/// How something was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    what: What,
    target: Where,
    reading: Reading,
    room: Option<usize>,
    patience: u8,
    mode: Mode,
    versions: Option<Versions>,
}

/// A checkpoint, and what the application knew when it wrote it down.
#[derive(Clone, Debug)]
pub(super) struct Saved {
    pub(super) checkpoint: Checkpoint,
    /// The same, as it is written down.
    pub(super) text: String,
    pub(super) asked: Asked,
    /// Its filters: what is meant by a time is meant as of then.
    pub(super) filters: Vec<Filter>,
    acknowledged: BTreeSet<EventId>,
    told: Vec<Gap>,
    first_asked: BTreeMap<RelayUrl, u64>,
    live_since: BTreeMap<RelayUrl, u64>,
}

impl World {
    pub(super) fn filters(&self, what: What) -> Vec<Filter> {
        let author = |n: u8| self.keys[usize::from(n) % self.keys.len()].public_key();
        match what {
            What::All => vec![Filter::new()],
            What::Notes => vec![Filter::new().kind(Kind::TEXT_NOTE)],
            What::By(n) => vec![Filter::new().author(author(n))],
            What::Two(n) => {
                vec![Filter::new().kind(Kind::REACTION), Filter::new().author(author(n)).kind(Kind::new(30_000))]
            }
            What::Apart => vec![Filter::new().kind(Kind::TEXT_NOTE), Filter::new().kind(Kind::REACTION)],
            What::Newest(n) => vec![Filter::new().limit(n.into())],
            What::Of(n) => {
                let kind = if n % 2 == 0 { Kind::TEXT_NOTE } else { Kind::REACTION };
                vec![Filter::new().author(author(n / 2)).kind(kind)]
            }
            What::Named => {
                let kinds = [Kind::TEXT_NOTE, Kind::REACTION].into_iter().fold(Filter::new(), Filter::kind);
                vec![self.keys.iter().fold(kinds, |filter, keys| filter.author(keys.public_key()))]
            }
            What::Around(minutes) => {
                let (now, span) = (self.clock.date(), u64::from(minutes) * 60);
                let filter = Filter::new().kind(Kind::TEXT_NOTE);
                vec![filter.since(now.saturating_sub(span)).until(now.saturating_add(span))]
            }
        }
    }

    pub(super) fn start(&mut self, asked: Asked, filters: Vec<Filter>, saved: Option<Saved>) -> Option<SubId> {
        let Asked { target, reading, room, patience, mode, .. } = asked;
        let (all, (target, urls)) = (target == Where::All, self.target(target, |options| options.read));
        let now = self.now().mono;
        // What is told during the call itself has to find the oracle informed.
        let id = self.oracle.expect_subscription(filters.clone(), urls, mode == Mode::Live, all, now);
        self.note_crowd();
        if let Some(room) = room {
            self.slow.insert(id, room);
        }
        let other = if id.as_u64() % 5 == 4 { Versions::All } else { Versions::Latest };
        let versions = asked.versions.unwrap_or(other);
        if versions == Versions::All {
            self.oracle.watch.dates.wants_all(id);
        }
        if reading.by_hand {
            self.progress.entry(id).or_default().by_hand();
        }
        let resume = saved.as_ref().map(|saved| saved.checkpoint.clone());
        if let Some(saved) = &saved {
            self.oracle.watch.dates.resumed(id, &saved.acknowledged);
        }
        if let Some(sub) = self.oracle.sub_mut(id) {
            sub.history = reading.all;
            if let Some(saved) = saved {
                sub.goes_on(saved.acknowledged, saved.told, saved.first_asked, saved.live_since);
            }
        }
        let request = Subscribe {
            filters,
            target,
            mode,
            eose_deadline: seconds(patience),
            queue_items: room,
            versions,
            history: if reading.all { History::All } else { History::FirstLoad },
            acknowledge: if reading.by_hand { Acknowledge::ByHand } else { Acknowledge::ByNext },
            resume,
            group: reading.group(),
        };
        match self.try_call(Call::Subscribe(request)) {
            Some(Reply::Subscribed(sub)) => {
                self.check(sub == id, "subscriptions are numbered in order");
                self.asked.insert(id, Asked { versions: Some(versions), ..asked });
                Some(sub)
            }
            _ => {
                self.oracle.forget_subscription(id);
                self.slow.remove(&id);
                self.progress.remove(&id);
                None
            }
        }
    }

    pub(super) fn subscribe(&mut self, what: What, target: Where, reader: Reader, reading: Reading, patience: u8) {
        let target = if self.plan.narrow { Where::One(0) } else { target };
        let room = if let Reader::Slow(room) = reader { Some(usize::from(room.max(1))) } else { None };
        let asked = Asked { what, target, reading, room, patience, mode: Mode::Live, versions: None };
        let sub = self.start(asked, self.filters(what), None);
        if reader == Reader::Drops
            && let Some(sub) = sub
        {
            self.totals.fault("subscription dropped at once");
            self.try_call(Call::Unsubscribe { sub });
        }
    }

    pub(super) fn fetch(&mut self, what: What, target: Where, all: bool, patience: u8) {
        let reading = Reading { all, by_hand: false, group: all.into() };
        let asked = Asked { what, target, reading, room: None, patience, mode: Mode::UntilEose, versions: None };
        self.start(asked, self.filters(what), None);
    }

    /// The live subscription that a step means.
    fn nth_live(&self, sub: u8) -> Option<SubId> {
        let live = self.oracle.live_subscriptions();
        live.get(usize::from(sub).checked_rem(live.len())?).copied()
    }

    pub(super) fn update(&mut self, sub: u8, what: What) {
        if let Some(sub) = self.nth_live(sub) {
            let filters = self.filters(what);
            self.saved.remove(&sub);
            if let Some(asked) = self.asked.get_mut(&sub) {
                asked.what = what;
            }
            self.oracle.updated(sub, filters.clone(), self.now().mono);
            self.try_call(Call::Update { sub, filters });
        }
    }

    pub(super) fn unsubscribe(&mut self, sub: u8) {
        if let Some(sub) = self.nth_live(sub).filter(|_| self.oracle.live_subscriptions().len() > 1) {
            self.try_call(Call::Unsubscribe { sub });
        }
    }

    /// Relays that stay notice nothing; the others are asked, or no longer.
    pub(super) fn retarget(&mut self, sub: u8, target: Where) {
        let Some(id) = self.nth_live(sub).filter(|_| !self.plan.narrow) else { return };
        let (all, (to, urls)) = (target == Where::All, self.target(target, |options| options.read));
        let Some(before) = self.oracle.retargets(id, urls, all) else { return };
        if self.try_call(Call::Retarget { sub: id, target: to }).is_none() {
            self.oracle.keeps_target(id, before);
            return;
        }
        let right = self.oracle.has_target(id, &before);
        self.check(right, "a relay that is not asked any more is told to be out");
        if let Some(asked) = self.asked.get_mut(&id) {
            asked.target = target;
        }
        self.totals.fault("subscription sent elsewhere");
    }

    /// What was given up is asked for again.
    pub(super) fn refill(&mut self, sub: u8, gap: u8) {
        let Some((id, sub)) = self.nth_live(sub).and_then(|id| Some((id, self.oracle.sub_mut(id)?))) else { return };
        let given_up = |gap: &&Gap| {
            matches!(gap.cause, GapCause::Budget | GapCause::DenseSecond | GapCause::TooLarge | GapCause::NotAnswered)
        };
        let gaps: Vec<Gap> = sub.told.iter().filter(given_up).cloned().collect();
        let Some(gap) = usize::from(gap).checked_rem(gaps.len()).map(|n| gaps[n].clone()) else { return };
        sub.told.retain(|told| *told != gap);
        sub.refilled = true;
        sub.refilling.push(gap.clone());
        self.oracle.budgets.renewed(id, None);
        if self.try_call(Call::Refill { sub: id, gap: gap.clone() }).is_some() {
            self.totals.fault("gap to be filled");
        } else if let Some(sub) = self.oracle.sub_mut(id) {
            sub.told.push(gap);
        }
    }

    pub(super) fn acknowledge(&mut self, sub: u8, but: u8) {
        let Some(sub) = self.nth_live(sub) else { return };
        let Some(progress) = self.progress.get_mut(&sub).filter(|progress| progress.is_by_hand()) else { return };
        let Some(seq) = progress.last_but(but.into()) else { return };
        progress.is_done_with(seq);
        self.try_call(Call::Acknowledge { sub, seq });
    }

    pub(super) fn checkpoint(&mut self, sub: u8) {
        let Some(id) = self.nth_live(sub) else { return };
        let acknowledged = self.progress.get(&id).map(|progress| progress.acknowledged()).unwrap_or_default();
        let Some(Reply::Checkpoint(checkpoint)) = self.try_call(Call::Checkpoint { sub: id }) else { return };
        let (Some(asked), Some(sub)) = (self.asked.get(&id).copied(), self.oracle.sub(id)) else { return };
        // What is written down is text.
        let text = checkpoint.to_json();
        let read = Checkpoint::from_json(&text);
        self.check(read.as_ref() == Ok(&*checkpoint), &format!("what is written down can be read: {text}"));
        let covered = |times: &BTreeMap<RelayUrl, u64>| {
            let covered = times.iter().filter(|(relay, _)| text.contains(relay.as_str()));
            covered.map(|(relay, at)| (relay.clone(), *at)).collect()
        };
        let saved = Saved {
            checkpoint: *checkpoint,
            asked,
            filters: sub.filters.clone(),
            // What it had before, it has still.
            acknowledged: acknowledged.union(&sub.before).copied().collect(),
            told: sub.told.clone(),
            text: text.clone(),
            first_asked: covered(&sub.first_asked),
            live_since: covered(&sub.live_since),
        };
        self.totals.fault("checkpoint");
        self.saved.insert(id, saved);
    }

    /// Goes on from a checkpoint by another subscription, while the first still runs or after it.
    pub(super) fn resume(&mut self, sub: u8) {
        let Some(sub) = self.nth_live(sub) else { return };
        let Some(saved) = self.saved.remove(&sub) else { return };
        self.totals.fault("subscription goes on from a checkpoint");
        if sub.as_u64() % 2 == 0 {
            self.try_call(Call::Unsubscribe { sub });
        }
        self.start(saved.asked, saved.filters.clone(), Some(saved));
        if sub.as_u64() % 2 == 1 {
            self.try_call(Call::Unsubscribe { sub });
        }
    }
}

impl Reading {
    /// Whether it waits for others: most do not.
    fn group(self) -> Group {
        let wait = Duration::from_millis(u64::from(self.group) * 20);
        match self.group % 8 {
            0..=3 => Group::Tick,
            4 => Group::Alone,
            5 | 6 => Group::AtLeast(wait),
            _ => Group::AtMost(wait),
        }
    }
}
