//! The machine against a naive relay: what is owed is delivered or told, and nothing is proven that was not delivered.

use std::collections::{BTreeMap, BTreeSet};
use std::vec::Vec;

use nostr_proto::{EoseHints, EventId, Filter, Kind, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::config::Config;
use crate::time::Now;

pub(super) const NOW: u64 = 10_000;

/// An event as far as it matters here: kind and date. Filters name kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ev {
    pub(super) at: u64,
    pub(super) n: u16,
    pub(super) kind: u16,
}

impl Ev {
    pub(super) fn id(self) -> EventId {
        let mut id = [0; 32];
        id[..2].copy_from_slice(&self.n.to_le_bytes());
        EventId::from_bytes(id)
    }
}

fn matches(filter: &Filter, ev: &Ev) -> bool {
    filter.kinds.as_ref().is_none_or(|kinds| kinds.contains(&Kind::new(ev.kind)))
        && filter.since.is_none_or(|since| since.as_secs() <= ev.at)
        && filter.until.is_none_or(|until| ev.at <= until.as_secs())
}

/// What becomes of a page.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Answered,
    /// Late, or refused.
    Failed,
    Lost,
    /// Answered with an event pushed before its EOSE, of this age, and as many of the last ones undelivered.
    Pushed {
        age: u64,
        kind: u16,
        first: bool,
    },
    Dropped,
}

#[derive(Clone, Debug)]
struct World {
    filters: Vec<Filter>,
    stored: Vec<Ev>,
    cap: usize,
    since: u64,
    fates: Vec<Fate>,
    hints: bool,
    max_pages: u32,
    max_page_events: usize,
    ends: bool,
}

fn world() -> impl Strategy<Value = World> {
    let kinds = prop::collection::btree_set(1_u16..6, 1..4);
    let filter = (kinds, prop::option::of(9_900_u64..NOW), prop::option::of(9_950_u64..10_050), any::<bool>());
    let filter = filter.prop_map(|(kinds, since, until, search)| {
        let mut filter = Filter::new().kinds(kinds.into_iter().map(Kind::new));
        filter.since = since.map(Timestamp::new);
        filter.until = until.map(Timestamp::new);
        filter.search = search.then(|| "x".into()).filter(|_| since.is_some_and(|s| s % 5 == 0));
        filter
    });
    let event = (9_900_u64..10_020, 1_u16..6, 0_u64..3).prop_map(|(at, kind, dense)| match dense {
        // Many in one second.
        0 => (at - at % 40, kind),
        _ => (at, kind),
    });
    let fate = prop_oneof![
        8 => Just(Fate::Answered),
        2 => Just(Fate::Failed),
        1 => Just(Fate::Lost),
        2 => (0_u64..120, 1_u16..6, any::<bool>()).prop_map(|(age, kind, first)| Fate::Pushed { age, kind, first }),
        1 => Just(Fate::Dropped),
    ];
    (
        prop::collection::vec(filter, 1..4),
        prop::collection::vec(event, 0..120),
        10_usize..25,
        9_850_u64..NOW,
        prop::collection::vec(fate, 0..40),
        any::<bool>(),
        prop_oneof![Just(20_u32), 1..6_u32],
        prop_oneof![Just(5_000_usize), 5..60_usize],
        any::<bool>(),
    )
        .prop_map(|(filters, stored, cap, since, fates, hints, max_pages, max_page_events, ends)| World {
            filters,
            stored: (0_u16..).zip(stored).map(|(n, (at, kind))| Ev { at, n, kind }).collect(),
            cap,
            since,
            fates,
            hints,
            max_pages,
            max_page_events,
            ends,
        })
}

/// A relay, newest first up to its cap, and what it has been seen to deliver.
struct Run_ {
    world: World,
    delivered: BTreeSet<Ev>,
    /// Gaps told, as ranges.
    told: Vec<Range>,
    caught_up: usize,
    largest: usize,
    now: u64,
    next: u64,
}

impl Run_ {
    fn answer(&self, filter: &Filter) -> (Vec<Ev>, EoseHints) {
        let mut found: Vec<Ev> = self.world.stored.iter().filter(|ev| matches(filter, ev)).copied().collect();
        found.sort_by_key(|ev| (core::cmp::Reverse(ev.at), ev.n));
        let whole = found.len() <= self.world.cap;
        found.truncate(self.world.cap);
        let hints = EoseHints { finish: whole && self.world.hints, more: !whole && self.world.hints };
        (found, hints)
    }

    fn note(&mut self, step: Step) {
        self.largest = self.largest.max(step.learnt.unwrap_or(0));
        for told in step.told {
            if matches!(told.cause, GapCause::CaughtUp { .. }) {
                self.caught_up += 1;
            } else {
                let until = told.until.unwrap_or(Timestamp::MAX);
                self.told.push(Range::new(told.since.unwrap(), until).unwrap());
            }
        }
    }

    /// Ground that is proven was delivered.
    fn check(&self, resume: &Resume, complete: bool) -> Result<(), TestCaseError> {
        for (ground, filter) in resume.grounds().iter().zip(&self.world.filters) {
            let since = self.world.since.max(filter.since.map_or(0, |s| s.as_secs()));
            let inside = |ev: &&Ev| matches(filter, ev) && ev.at >= since;
            for ev in self.world.stored.iter().filter(inside) {
                let at = Timestamp::new(ev.at);
                let has = |set: &seconds::Seconds| set.ranges().iter().any(|r| r.since <= at && at <= r.until);
                let told = has(&ground.given_up) && self.told.iter().any(|r| r.since <= at && at <= r.until);
                let open = filter.search.is_some() || told || (has(&ground.owed) && !complete);
                prop_assert!(open || self.delivered.contains(ev), "{ev:?} of {filter:?}: {ground:?}");
            }
        }
        Ok(())
    }

    fn main(&mut self, resume: &mut Resume, config: &Config) {
        let asked: Vec<Filter> = self
            .world
            .filters
            .iter()
            .map(|filter| {
                let since = filter.since.map_or(self.world.since, |own| own.as_secs().max(self.world.since));
                let since = filter.until.map_or(since, |until| until.as_secs().min(since));
                Filter { since: Some(Timestamp::new(since)), ..filter.clone() }
            })
            .collect();
        resume.opened(None);
        resume.asked(&asked, Some(&asked));
        let mut found: Vec<Ev> = asked.iter().flat_map(|filter| self.answer(filter).0).collect();
        let whole = asked.iter().all(|filter| self.answer(filter).1.finish);
        let frames = found.len() as u64;
        self.delivered.extend(found.drain(..));
        let hints = EoseHints { finish: whole, more: false };
        let filters = self.world.filters.clone();
        let cx = self.context(config, &filters);
        let step = resume.answered((hints, frames, frames), (false, Timestamp::new(NOW)), &cx);
        self.note(step);
    }

    fn context<'a>(&self, config: &'a Config, filters: &'a [Filter]) -> Context<'a> {
        let now = Now { mono: Instant::from_micros(self.now * 1_000_000), unix: Timestamp::new(NOW + self.now) };
        Context { config, filters, largest: self.largest, ends: self.world.ends, now }
    }

    /// One page, from being asked for to its end.
    fn page(&mut self, resume: &mut Resume, fate: Fate, config: &Config) -> Result<(), TestCaseError> {
        let filters = self.world.filters.clone();
        let wire = WireId(self.next);
        self.next += 1;
        let cx = self.context(config, &filters);
        let Some(filter) = resume.begin(wire, &cx) else { return Ok(()) };
        prop_assert!(filter.limit.is_none() && filter.search.is_none());
        prop_assert!(filter.since.is_none_or(|since| filter.until.is_none_or(|until| since <= until)), "{filter:?}");
        let (mut found, hints) = self.answer(&filter);
        match fate {
            Fate::Failed => {
                let step = resume.page_failed(wire, &cx);
                self.note(step);
                return Ok(());
            }
            Fate::Lost => {
                let _ = resume.lost();
                self.main(resume, config);
                return Ok(());
            }
            Fate::Pushed { age, kind, first } => {
                let n = u16::try_from(self.world.stored.len()).unwrap();
                let ev = Ev { at: NOW + 10 - age, n, kind };
                self.world.stored.push(ev);
                // It comes by the live request, too; before or after the copy of the page.
                if self.world.filters.iter().any(|filter| matches(filter, &ev)) {
                    self.delivered.insert(ev);
                    resume.pushed(&ev.id(), config.max_page_events);
                }
                if matches(&filter, &ev) {
                    found.insert(if first { 0 } else { found.len() }, ev);
                }
            }
            Fate::Answered | Fate::Dropped => {}
        }
        let mut end = End::Eose { hints, frames: found.len() as u64 };
        for (nth, ev) in found.iter().enumerate() {
            if matches!(fate, Fate::Dropped) && nth == found.len() / 2 {
                // It never arrives; but it is known to be there.
                let _ = resume.seen(wire, ev.id(), Timestamp::new(ev.at), config.max_page_events, cx.now.mono);
                resume.dropped(wire, &ev.id());
                let of = |(_, filter): &(usize, &Filter)| filter.search.is_none() && matches(filter, ev);
                let wanted: Vec<usize> = filters.iter().enumerate().filter(of).map(|(at, _)| at).collect();
                resume.owe(wanted.into_iter(), Range::second(Timestamp::new(ev.at)));
                continue;
            }
            self.delivered.insert(*ev);
            if resume.seen(wire, ev.id(), Timestamp::new(ev.at), config.max_page_events, cx.now.mono) {
                end = End::Cut;
                break;
            }
        }
        let end = resume.ended(wire, end).unwrap();
        let step = resume.turned(wire, end, &cx);
        self.note(step);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_owed_is_delivered_or_told_and_nothing_else_is_proven(world in world()) {
        let config = Config {
            max_pages: world.max_pages,
            max_page_events: world.max_page_events,
            ..Config::default()
        };
        let mut resume = Resume::new(world.filters.len());
        for ground in &mut resume.grounds {
            ground.floor = Some(Timestamp::new(0));
        }
        let fates = world.fates.clone();
        let mut run = Run_ {
            world, delivered: BTreeSet::new(), told: Vec::new(), caught_up: 0, largest: 0, now: 0, next: 0,
        };
        run.main(&mut resume, &config);
        run.check(&resume, false)?;
        let ends = run.world.ends;
        let bad = fates.iter().filter(|fate| matches!(fate, Fate::Lost | Fate::Dropped)).count();
        let pages = usize::try_from(config.max_pages).unwrap();
        let mut left = (pages + 1) * (bad + 1) + fates.len() + 5;
        for fate in fates.into_iter().chain(core::iter::repeat(Fate::Answered)) {
            if !resume.owes() {
                break;
            }
            prop_assert!(left > 0, "pages end within their budget: {resume:?}");
            left -= 1;
            run.now += 100;
            let _ = resume.wake(Instant::from_micros(run.now * 1_000_000));
            run.page(&mut resume, fate, &config)?;
            run.check(&resume, false)?;
        }
        run.check(&resume, true)?;
        prop_assert!(run.caught_up > 0 && resume.catch_up.is_none(), "it is told that it is over");
        let _ = ends;
        // What was given up is there for the asking.
        let given_up = resume.grounds().iter().any(|ground| !ground.given_up.is_empty());
        let all = Range::new(Timestamp::new(0), Timestamp::MAX).unwrap();
        prop_assert_eq!(resume.refill(all), given_up);
        prop_assert_eq!(resume.owes(), given_up);
    }

    #[test]
    fn with_a_budget_nothing_is_given_up_but_dense_seconds(mut world in world()) {
        world.fates.clear();
        world.filters.iter_mut().for_each(|filter| filter.search = None);
        let config = Config { max_pages: 1_000, ..Config::default() };
        let mut resume = Resume::new(world.filters.len());
        let mut run = Run_ {
            world, delivered: BTreeSet::new(), told: Vec::new(), caught_up: 0, largest: 0, now: 0, next: 0,
        };
        run.main(&mut resume, &config);
        while resume.owes() {
            run.page(&mut resume, Fate::Answered, &config)?;
        }
        let mut dense: BTreeMap<(u64, u16), usize> = BTreeMap::new();
        for ev in &run.world.stored {
            *dense.entry((ev.at, ev.kind)).or_default() += 1;
        }
        for range in &run.told {
            prop_assert_eq!(range.since, range.until, "one second");
            let full = |(at, _): &(u64, u16), n: usize| Timestamp::new(*at) == range.since && n >= config.min_page;
            prop_assert!(dense.iter().any(|(key, n)| full(key, *n)), "{range:?}");
        }
        run.check(&resume, true)?;
    }
}
