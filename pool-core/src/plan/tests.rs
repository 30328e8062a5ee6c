#![allow(clippy::cast_possible_truncation, reason = "the numbers of a test are small")]

use std::collections::{BTreeMap, BTreeSet};
use std::vec::Vec;

use nostr_proto::{EoseHints, Event, EventTemplate, Filter, Keys, Kind, SortedSet, Timestamp};
use proptest::prelude::*;

use crate::config::Config;
use crate::ids::{SubId, WireId};
use crate::time::Instant;

use super::budget::{Budget, Limits};
use super::pack::{Candidate, Window, fuse, next_req, units};
use super::{Member, Part, Plan, Role, chunk, merge};

const NOW: Instant = Instant::ZERO;

fn keys(n: u8) -> Keys {
    Keys::from_entropy([n + 1; 32]).unwrap()
}

fn event(author: u8, kind: u16, at: u64, t: u8) -> Event {
    let template = EventTemplate::new(Kind::new(kind), "", Timestamp::new(at)).tag(["t", &std::format!("{t}")]);
    template.unsigned(keys(author).public_key()).sign(&keys(author), [0; 32])
}

/// Every event that matters to filters made of so few values.
fn world() -> Vec<Event> {
    let mut all = Vec::new();
    for author in 0..3 {
        for kind in 0..3 {
            for at in [5, 15, 25] {
                all.push(event(author, kind, at, (author + kind as u8) % 3));
            }
        }
    }
    all
}

fn filter() -> impl Strategy<Value = Filter> {
    let some = |n: u8| proptest::option::of(proptest::collection::btree_set(0..n, 1..3));
    let at = || proptest::option::weighted(0.3, prop_oneof![Just(10_u64), Just(20)]);
    let limit = proptest::option::weighted(0.2, 0_u32..4);
    (some(3), some(3), some(3), at(), at(), limit).prop_map(|(authors, kinds, tags, since, until, limit)| Filter {
        authors: authors.map(|list| list.into_iter().map(|n| keys(n).public_key()).collect()),
        kinds: kinds.map(|list| list.into_iter().map(|n| Kind::new(n.into())).collect()),
        tags: tags.into_iter().map(|list| ('t', list.into_iter().map(|n| std::format!("{n}")).collect())).collect(),
        since: since.map(Timestamp::new),
        until: until.map(Timestamp::new),
        limit,
        ..Filter::default()
    })
}

fn limits(reqs: usize, filters: usize, message: usize) -> Limits {
    let config = Config {
        unknown_max_requests: reqs,
        unknown_max_filters: filters,
        unknown_max_message: message,
        ..Config::default()
    };
    Budget::default().limits(&config)
}

fn wants(filters: &[Filter], event: &Event) -> bool {
    filters.iter().any(|filter| filter.matches(event))
}

/// A relay as NIP-01 has it, which gives so many events to one filter.
fn answer(filters: &[Filter], stored: &[Event], cap: usize) -> Vec<Event> {
    let mut ids = BTreeSet::new();
    let mut newest = stored.to_vec();
    newest.sort_by_key(|event| (core::cmp::Reverse(event.created_at()), event.id()));
    for filter in filters {
        let most = filter.limit.map_or(cap, |limit| cap.min(limit as usize));
        ids.extend(newest.iter().filter(|event| filter.matches(event)).take(most).map(Event::id));
    }
    newest.into_iter().filter(|event| ids.contains(&event.id())).collect()
}

/// One relay, and what every request received.
struct Stage {
    plan: Plan,
    limits: Limits,
    asks: Vec<Vec<Filter>>,
    stored: Vec<Event>,
    cap: usize,
    /// REQs that run: what they ask for.
    running: BTreeMap<WireId, Vec<Filter>>,
    got: Vec<BTreeSet<nostr_proto::EventId>>,
    eose: BTreeSet<u64>,
    next: u64,
}

impl Stage {
    fn new(asks: Vec<Vec<Filter>>, stored: Vec<Event>, cap: usize, limits: Limits) -> Self {
        let got = std::vec![BTreeSet::new(); asks.len()];
        let next = asks.len() as u64;
        let (plan, running, eose) = (Plan::default(), BTreeMap::new(), BTreeSet::new());
        Self { plan, limits, asks, stored, cap, running, got, eose, next }
    }

    fn member(n: usize) -> Member {
        Member { request: WireId(n as u64), sub: SubId(n as u64), page: false }
    }

    /// Sends what there is room for.
    fn send(&mut self, waiting: &mut Vec<usize>) {
        while self.plan.has_room_for_part(&self.limits) {
            let part = self.plan.next_part().unwrap();
            let filters = part.filters.clone().unwrap_or_else(|| {
                let mut filters = Vec::new();
                if let [one] = &part.requests[..] {
                    return self.asks[one.sub.0 as usize].clone();
                }
                part.requests
                    .iter()
                    .for_each(|m| fuse(&mut filters, self.asks[m.sub.0 as usize].clone(), &self.limits));
                filters
            });
            self.req(part.requests, filters, part.role);
        }
        while !waiting.is_empty() {
            let room = self.plan.room(Role::Live, &self.limits);
            if room == 0 {
                return;
            }
            let window = Window { ready: NOW, latest: NOW };
            let candidate =
                |n: &usize| Candidate { filters: self.asks[*n].clone(), alone: false, merges: true, window };
            let candidates: Vec<Candidate> = waiting.iter().map(candidate).collect();
            let unit = next_req(&mut units(&candidates, &self.limits), room, &self.limits, NOW).unwrap();
            let together: Vec<usize> = unit.members.iter().map(|n| waiting[*n]).collect();
            let mut parts = chunk::parts(unit.filters.clone(), &self.limits).unwrap().into_iter();
            if parts.len() > room {
                return;
            }
            waiting.retain(|n| !together.contains(n));
            for &n in &together {
                self.plan.begins(Self::member(n), self.asks[n] != unit.filters, parts.len());
            }
            let requests: Vec<Member> = together.into_iter().map(Self::member).collect();
            let first = parts.next().unwrap();
            for part in parts {
                self.plan.queue(Part { requests: requests.clone(), filters: Some(part), role: Role::Live });
            }
            self.req(requests, first, Role::Live);
        }
    }

    fn req(&mut self, requests: Vec<Member>, filters: Vec<Filter>, role: Role) {
        assert!(filters.len() <= self.limits.filters && super::pack::length(&filters) <= self.limits.message);
        let asked_for = |event: &Event| requests.iter().any(|m| wants(&self.asks[m.sub.0 as usize], event));
        for event in world().iter().filter(|event| wants(&filters, event)) {
            assert!(asked_for(event), "{filters:?} asks for what nobody asked for");
        }
        let limits = filters.iter().filter(|f| f.limit.is_some());
        for limited in limits {
            let own = |m: &Member| self.asks[m.sub.0 as usize].iter().any(|f| f.limit == limited.limit);
            assert!(requests.iter().any(own), "a limit is somebody's own");
        }
        let name = WireId(self.next);
        self.next += 1;
        self.plan.sent(name, requests, &filters, role, NOW);
        assert!(self.running.insert(name, filters).is_none(), "no filter joins a running REQ");
        assert!(self.running.len() <= self.limits.reqs, "no more REQs than the relay takes");
    }

    /// An event of a REQ comes, and is matched again.
    fn hears(&mut self, name: WireId, event: &Event) {
        self.plan.event(name).unwrap();
        for member in self.plan.members(name).unwrap() {
            let n = member.sub.0 as usize;
            if wants(&self.asks[n], event) {
                self.got[n].insert(event.id());
            }
        }
    }

    /// The relay answers a REQ.
    fn answers(&mut self, name: WireId, enough: u64) {
        let filters = self.running[&name].clone();
        for event in answer(&filters, &self.stored, self.cap) {
            self.hears(name, &event);
        }
        let eose = self.plan.eose(name, EoseHints::default(), enough).unwrap();
        for (member, _, _) in eose.answered {
            let n = member.sub.0 as usize;
            assert!(self.eose.insert(member.sub.0), "one EOSE");
            for event in answer(&self.asks[n], &self.stored, self.cap) {
                assert!(self.got[n].contains(&event.id()), "what it would have received alone, before its EOSE");
            }
        }
        if eose.close && self.plan.close(name) {
            self.running.remove(&name);
        }
    }

    fn pushes(&mut self, event: &Event) {
        let to: Vec<WireId> = self.running.iter().filter(|(_, f)| wants(f, event)).map(|(name, _)| *name).collect();
        to.into_iter().for_each(|name| self.hears(name, event));
    }
}

proptest! {
    #[test]
    fn everybody_receives_what_it_would_have_received_alone(
        asks in proptest::collection::vec(proptest::collection::vec(filter(), 1..3), 1..12),
        stored in proptest::collection::btree_set(0_usize..27, 0..27),
        pushed in proptest::collection::vec(0_usize..27, 0..8),
        cap in 1_usize..12,
        (reqs, filters, message) in (2_usize..8, 4_usize..10, prop_oneof![Just(600_usize), Just(5_000)]),
        order in proptest::collection::vec(any::<proptest::sample::Index>(), 64),
        leaves in proptest::collection::vec(any::<bool>(), 12),
    ) {
        let all = world();
        let stored: Vec<Event> = stored.into_iter().map(|n| all[n].clone()).collect();
        let mut s = Stage::new(asks, stored, cap, limits(reqs, filters, message));
        let mut waiting: Vec<usize> = (0..s.asks.len()).collect();
        let mut order = order.into_iter().cycle();
        s.send(&mut waiting);
        let mut done = BTreeSet::new();
        loop {
            let open: Vec<WireId> = s.running.keys().copied().filter(|name| !done.contains(name)).collect();
            if open.is_empty() {
                break;
            }
            let name = open[order.next().unwrap().index(open.len())];
            s.answers(name, cap.min(10) as u64);
            done.insert(name);
            s.send(&mut waiting);
        }
        // Whoever has a place is answered, and there is one for all that can be packed.
        for n in 0..s.asks.len() {
            prop_assert_eq!(s.eose.contains(&(n as u64)), !waiting.contains(&n));
        }
        for n in pushed {
            s.pushes(&all[n]);
            for (sub, asks) in s.asks.iter().enumerate().filter(|(sub, _)| !waiting.contains(sub)) {
                let wanted = wants(asks, &all[n]);
                prop_assert!(!wanted || s.got[sub].contains(&all[n].id()), "what is new reaches all who asked for it");
            }
        }
        for (n, got) in s.got.iter().enumerate() {
            let asked_for = |id: &nostr_proto::EventId| all.iter().any(|event| event.id() == *id && wants(&s.asks[n], event));
            prop_assert!(got.iter().all(asked_for));
        }
        // CLOSE goes out when the last one leaves, and not before.
        let mut left: Vec<usize> = (0..s.asks.len()).filter(|n| !waiting.contains(n)).collect();
        left.sort_by_key(|n| leaves.get(*n).copied());
        while let Some(n) = left.pop() {
            let before: BTreeSet<WireId> = s.running.keys().copied().collect();
            let closes: BTreeSet<WireId> = s.plan.leaves(WireId(n as u64)).into_iter().collect();
            for name in &before {
                let members = s.plan.members(*name);
                prop_assert_eq!(closes.contains(name), members.is_none());
                prop_assert!(members.is_none_or(|members| members.iter().all(|m| left.contains(&(m.sub.0 as usize)))));
            }
            closes.iter().for_each(|name| drop(s.running.remove(name)));
        }
        prop_assert!(s.running.is_empty() && s.plan.running() == 0);
    }

    #[test]
    fn a_merged_filter_matches_what_either_of_the_two_does(a in filter(), b in filter()) {
        if merge::is_mergeable(&a) && merge::is_mergeable(&b) && merge::merges(&a, &b, false) {
            let mut merged = a.clone();
            prop_assert_eq!(merge::merge(&mut merged, &b), merged != a);
            for event in world() {
                prop_assert_eq!(merged.matches(&event), a.matches(&event) || b.matches(&event));
            }
        }
    }

    #[test]
    fn parts_ask_for_the_whole_and_fit(
        authors in 0_u8..60, kinds in 0_u16..40, values in 0_u8..40, others in 0_usize..6, filters in 1_usize..4,
    ) {
        let authors: SortedSet<_> = (0..authors).map(|n| keys(n).public_key()).collect();
        let kinds: SortedSet<_> = (0..kinds).map(Kind::new).collect();
        let values: SortedSet<_> = (0..values).map(|n| std::format!("{n}")).collect();
        let long = Filter {
            authors: (!authors.is_empty()).then(|| authors.clone()),
            kinds: (!kinds.is_empty()).then(|| kinds.clone()),
            tags: (!values.is_empty()).then(|| ('t', values.clone())).into_iter().collect(),
            limit: Some(9),
            ..Filter::default()
        };
        let mut all = std::vec![Filter::new().kind(Kind::new(7)); others];
        all.push(long);
        let limits = limits(9, filters, 600);
        let parts = chunk::parts(all, &limits).unwrap();
        prop_assert!(parts.iter().all(|p| p.len() <= filters && super::pack::length(p) <= limits.filter_bytes()));
        // Every combination is asked for by one part, and once.
        let each = |n: usize| if n == 0 { std::vec![None] } else { (0..n).map(Some).collect() };
        let has = |f: &Filter, (a, k, v): (Option<usize>, Option<usize>, Option<usize>)| {
            a.is_none_or(|n| f.authors.as_ref().is_some_and(|list| list.contains(&authors[n])))
                && k.is_none_or(|n| f.kinds.as_ref().is_some_and(|list| list.contains(&kinds[n])))
                && v.is_none_or(|n| f.tags.get(&'t').is_some_and(|list| list.contains(&values[n])))
        };
        let limited: Vec<&Filter> = parts.iter().flatten().filter(|f| f.limit == Some(9)).collect();
        for a in each(authors.len()) {
            for k in each(kinds.len().min(5)) {
                for v in each(values.len().min(5)) {
                    prop_assert_eq!(limited.iter().filter(|f| has(f, (a, k, v))).count(), 1);
                }
            }
        }
        prop_assert_eq!(parts.iter().flatten().count() - limited.len(), others);
    }
}

#[test]
fn what_can_not_be_made_short_enough_is_not_asked_for() {
    let filter = Filter::new().tag('t', "x".repeat(2_000));
    assert_eq!(chunk::parts(std::vec![filter], &limits(9, 9, 1_024)), None);
}

#[test]
fn at_least_holds_unless_an_at_most_forbids_it() {
    let at = |s: u64| NOW + core::time::Duration::from_secs(s);
    let asks = |kind: u16, ready: u64, latest: u64| Candidate {
        filters: std::vec![Filter::new().kind(Kind::new(kind))],
        alone: false,
        merges: true,
        window: Window { ready: at(ready), latest: at(latest) },
    };
    let limits = limits(10, 10, 5_000);
    let due = |candidates: &[Candidate], now: u64| next_req(&mut units(candidates, &limits), 9, &limits, at(now));
    let patient = [asks(1, 2, 9), asks(2, 4, 9)];
    assert_eq!(due(&patient, 3).unwrap_err(), Some(at(4)), "the longer one counts");
    assert_eq!(due(&patient, 4).unwrap().members, [0, 1]);
    let pressed = [asks(1, 2, 9), asks(2, 0, 1)];
    assert_eq!(due(&pressed, 0).unwrap_err(), Some(at(1)));
    assert_eq!(due(&pressed, 1).unwrap().members, [0, 1], "it can't wait for the other");
}
