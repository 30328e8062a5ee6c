//! The machine against a naive relay: what is owed is delivered or told, and nothing is proven that was not delivered.

use std::collections::{BTreeMap, BTreeSet};
use std::vec;
use std::vec::Vec;

use nostr_proto::{EoseHints, EventId, Filter, Kind, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::config::Config;
use crate::time::Now;

const NOW: u64 = 10_000;

/// An event as far as it matters here: kind and date. Filters name kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Ev {
    at: u64,
    n: u16,
    kind: u16,
}

impl Ev {
    fn id(self) -> EventId {
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

fn one(filter: Filter) -> (Vec<Filter>, Config, Resume) {
    let mut resume = Resume::new(1);
    resume.asked(core::slice::from_ref(&filter), None);
    (vec![filter], Config::default(), resume)
}

fn cx<'a>(filters: &'a [Filter], config: &'a Config) -> Context<'a> {
    Context { config, filters, largest: 0, ends: false, now: Now { mono: Instant::ZERO, unix: Timestamp::new(NOW) } }
}

fn plain(frames: u64) -> (EoseHints, u64, u64) {
    (EoseHints::default(), frames, frames)
}

#[test]
fn a_first_load_owes_nothing_and_all_of_history_is_owed_unless_it_fitted() {
    for (filter, frames, all, owed) in [
        (Filter::new(), 500, false, false),
        (Filter::new(), 500, true, true),
        (Filter::new(), 9, true, false),
        (Filter::new().limit(3), 3, true, true),
        (Filter::new().limit(0), 0, true, true),
        (Filter::new().limit(5), 3, true, false),
    ] {
        let (filters, config, mut resume) = one(filter);
        let step = resume.answered(plain(frames), (all, Timestamp::new(NOW)), &cx(&filters, &config));
        assert_eq!(resume.owes(), owed, "{filters:?}, {frames} events");
        assert_eq!(!step.told.is_empty(), all && !owed, "the end of history is told");
    }
}

#[test]
fn the_hints_of_the_relay_count() {
    for (hints, frames, owed) in [
        (EoseHints { finish: true, more: false }, 500, false),
        (EoseHints { finish: true, more: true }, 500, true),
        (EoseHints { finish: false, more: true }, 3, true),
        (EoseHints { finish: false, more: true }, 0, true),
        (EoseHints::default(), 3, false),
    ] {
        let (filters, config, mut resume) = one(Filter::new());
        let _ = resume.answered((hints, frames, frames), (true, Timestamp::new(NOW)), &cx(&filters, &config));
        assert_eq!(resume.owes(), owed, "{hints:?}, {frames} events");
    }
}

#[test]
fn a_page_without_anything_to_go_by_is_asked_for_again_and_ends_with_the_budget() {
    let (filters, config, mut resume) = one(Filter::new());
    let cx = cx(&filters, &config);
    let _ = resume.answered(plain(500), (true, Timestamp::new(NOW)), &cx);
    let more = EoseHints { finish: false, more: true };
    let mut now = 0;
    for n in 0..config.max_pages {
        now += 1_000;
        let _ = resume.wake(Instant::from_micros(now * 1_000_000));
        assert!(resume.begin(WireId(n.into()), &cx).is_some(), "page {n}");
        let end = resume.ended(WireId(n.into()), End::Eose { hints: more, frames: 0 }).unwrap();
        let _ = resume.turned(WireId(n.into()), end, &cx);
    }
    assert!(!resume.owes());
}

#[test]
fn what_was_missed_while_a_page_ran_is_not_proven_by_it() {
    let (filters, config, mut resume) = one(Filter::new());
    let cx = cx(&filters, &config);
    let _ = resume.answered(plain(500), (true, Timestamp::new(NOW)), &cx);
    resume.begin(WireId(1), &cx).unwrap();
    let missed = Range::second(Timestamp::new(77));
    resume.owe([0].into_iter(), missed);
    let end = resume.ended(WireId(1), End::Eose { hints: EoseHints::default(), frames: 2 }).unwrap();
    let step = resume.turned(WireId(1), end, &cx);
    assert_eq!(resume.grounds()[0].owed.ranges(), [missed]);
    assert_eq!(step.told, [], "it is not over");
}

#[test]
fn a_checkpoint_keeps_what_runs_as_owed_and_restores_what_was_given_up() {
    let (filters, config, mut resume) = one(Filter::new());
    let config = Config { max_pages: 1, ..config };
    let cx = cx(&filters, &config);
    let _ = resume.answered(plain(500), (true, Timestamp::new(NOW)), &cx);
    let before = resume.grounds();
    resume.begin(WireId(1), &cx).unwrap();
    assert_eq!(resume.grounds(), before);
    for n in 0..20 {
        let _ = resume.seen(
            WireId(1),
            Ev { at: 0, n, kind: 0 }.id(),
            Timestamp::new(500 + u64::from(n)),
            5_000,
            Instant::ZERO,
        );
    }
    let end = resume.ended(WireId(1), End::Eose { hints: EoseHints::default(), frames: 20 }).unwrap();
    let step = resume.turned(WireId(1), end, &cx);
    assert!(matches!(step.told[0].cause, GapCause::Budget));
    assert!(!resume.owes());
    let alive_until = Timestamp::new(NOW);
    let ground = &resume.grounds()[0];
    let proven = ground.proven(&filters[0], alive_until);
    assert_eq!(proven, [(501, NOW)]);
    let known = Ground::known(&filters[0], ground.lowest(), &proven);
    let range = |since, until| Range::new(Timestamp::new(since), Timestamp::new(until)).unwrap();
    assert_eq!(known.owed.ranges(), [range(0, 500), range(NOW + 1, u64::MAX)]);
}

#[test]
fn relays_that_push_while_a_page_runs_move_nothing() {
    let (filters, config, mut resume) = one(Filter::new());
    let cx = cx(&filters, &config);
    let _ = resume.answered(plain(500), (true, Timestamp::new(NOW)), &cx);
    resume.begin(WireId(1), &cx).unwrap();
    let id = |n| Ev { at: 0, n, kind: 0 }.id();
    for n in 0..20 {
        let _ = resume.seen(WireId(1), id(n), Timestamp::new(5_000 + u64::from(n)), 5_000, Instant::ZERO);
    }
    // One that was just accepted, with an old date; the live request brings it, too.
    let _ = resume.seen(WireId(1), id(99), Timestamp::new(3), 5_000, Instant::ZERO);
    resume.pushed(&id(99), 5_000);
    let end = resume.ended(WireId(1), End::Eose { hints: EoseHints::default(), frames: 21 }).unwrap();
    let step = resume.turned(WireId(1), end, &cx);
    assert_eq!(resume.grounds()[0].owed.ranges(), [Range::new(Timestamp::new(0), Timestamp::new(5_000)).unwrap()]);
    assert_eq!(step.learnt, None, "a page that is open at the end says nothing of how many it gives");
    let next = resume.begin(WireId(2), &cx).unwrap();
    assert_eq!(next.until, Some(Timestamp::new(5_000)));
}

#[test]
fn a_part_of_a_dense_second_that_brings_nothing_of_it_holds_up_the_rest_for_a_few_pages_only() {
    let (filters, config, mut resume) = one(Filter::new().kinds([Kind::new(1), Kind::new(2)]));
    let cx = cx(&filters, &config);
    let _ = resume.answered(plain(0), (false, Timestamp::new(NOW)), &cx);
    let (dense, rest) = (Range::second(Timestamp::new(100)), Range::second(Timestamp::new(50)));
    for range in [dense, rest] {
        resume.owe([0].into_iter(), range);
    }
    let end = End::Eose { hints: EoseHints { finish: false, more: true }, frames: 1 };
    resume.begin(WireId(0), &cx).unwrap();
    let _ = resume.seen(WireId(0), Ev { at: 100, n: 1, kind: 1 }.id(), dense.since, 5_000, Instant::ZERO);
    let _ = resume.turned(WireId(0), end, &cx);
    for n in 1..=config.max_refusals {
        let _ = resume.wake(Instant::from_micros(u64::from(n) * 1_000_000_000));
        let part = resume.begin(WireId(n.into()), &cx).unwrap();
        assert_eq!(
            (part.since, part.kinds.map(|kinds| kinds.as_slice().len())),
            (Some(dense.since), Some(1)),
            "page {n}"
        );
        let step = resume.turned(WireId(n.into()), end, &cx);
        let told: Vec<GapCause> = step.told.into_iter().map(|told| told.cause).collect();
        assert_eq!(told, if n < config.max_refusals { vec![] } else { vec![GapCause::DenseSecond] });
    }
    assert_eq!(resume.grounds()[0].owed.ranges(), [rest]);
}

#[test]
fn a_page_in_parts_or_without_a_live_request_beside_it_teaches_less() {
    for (divided, alone) in [(false, false), (true, false), (false, true)] {
        let (filters, config, mut resume) = one(Filter::new());
        let cx = cx(&filters, &config);
        let _ = resume.answered(plain(0), (false, Timestamp::new(NOW)), &cx);
        resume.owe([0].into_iter(), Range::new(Timestamp::new(0), Timestamp::new(500)).unwrap());
        resume.begin(WireId(1), &cx).unwrap();
        resume.differs(WireId(1), divided, alone);
        for n in 0..20 {
            let at = 480 + u64::from(n);
            let _ = resume.seen(WireId(1), Ev { at, n, kind: 1 }.id(), Timestamp::new(at), 5_000, Instant::ZERO);
        }
        let end = End::Eose { hints: EoseHints::default(), frames: 20 };
        let step = resume.turned(WireId(1), end, &cx);
        assert_eq!(
            step.learnt,
            (!divided && !alone).then_some(20),
            "each part has a cap of its own, and what is new counts"
        );
        let left = resume.grounds()[0].owed.hull().map(|range| range.until);
        assert_eq!(left, Some(Timestamp::new(if alone { 500 } else { 480 })), "the oldest may be new");
    }
}
