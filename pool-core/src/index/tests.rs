use std::string::{String, ToString};
use std::vec::Vec;

use nostr_proto::{EventTemplate, Keys, Kind, PublicKey, Timestamp};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// One letter of the alphabet among the names, one that only a filter made by hand has, and one longer than a letter.
const NAMES: [&str; 5] = ["e", "p", "ß", "long", ""];

fn author(n: u8) -> PublicKey {
    Keys::from_entropy([n + 1; 32]).unwrap().public_key()
}

fn event(author_: u8, kind: u16, at: u64, tags: &[Vec<String>]) -> Event {
    let template = EventTemplate::new(Kind::new(kind), "", Timestamp::new(at));
    let template = tags.iter().fold(template, |template, tag| template.tag(tag.iter().map(String::as_str)));
    template.unsigned(author(author_)).as_event()
}

fn tag() -> impl Strategy<Value = Vec<String>> {
    let value = (0..3_u8).prop_map(|n| std::format!("v{n}"));
    (prop::sample::select(&NAMES[..]), vec(value, 0..3))
        .prop_map(|(name, values)| core::iter::once(name.to_string()).chain(values).collect())
}

fn events() -> impl Strategy<Value = Event> {
    (0..3_u8, 0..3_u16, 0..4_u64, vec(tag(), 0..5)).prop_map(|(a, k, at, tags)| event(a, k, at, &tags))
}

fn filter() -> impl Strategy<Value = Filter> {
    let some = |most: usize| prop::option::of(vec(0..3_u8, 0..=most));
    let tags = vec((prop::sample::select(&['e', 'p', 'ß'][..]), vec(0..3_u8, 0..3)), 0..3);
    // Long lists are of values that no event has, most of them: they are what decides between kinds of keys.
    let many = prop::option::weighted(0.2, Just(70_u16));
    (some(2), some(3), tags, any::<bool>(), many, prop::option::of(0..4_u64)).prop_map(
        |(authors, kinds, tags, own, many, since)| {
            let mut filter = Filter::new();
            filter.since = since.map(Timestamp::new);
            if let Some(authors) = authors {
                filter = filter.authors(authors.into_iter().map(author));
            }
            if let Some(kinds) = kinds {
                filter = filter.kinds(kinds.into_iter().map(|n| Kind::new(n.into())));
                filter = filter.kinds((1_000..1_000 + many.unwrap_or(0)).map(Kind::new));
            }
            for (name, values) in tags {
                filter.tags.entry(name).or_default().extend(values.iter().map(|n| std::format!("v{n}")));
            }
            if own {
                filter = filter.ids([event(0, 0, 0, &[]).id(), event(1, 1, 1, &[]).id()]);
            }
            filter
        },
    )
}

#[derive(Clone, Debug)]
enum Op {
    Subscribe(Vec<Filter>),
    Leg(prop::sample::Index, u32),
    NoLeg(prop::sample::Index, prop::sample::Index),
    Update(prop::sample::Index, Vec<Filter>),
    End(prop::sample::Index),
    Event(Event, Vec<u32>),
}

fn op() -> impl Strategy<Value = Op> {
    let any_sub = any::<prop::sample::Index>;
    prop_oneof![
        2 => vec(filter(), 1..4).prop_map(Op::Subscribe),
        4 => (any_sub(), 0..4_u32).prop_map(|(sub, relay)| Op::Leg(sub, relay)),
        1 => (any_sub(), any_sub()).prop_map(|(sub, leg)| Op::NoLeg(sub, leg)),
        1 => (any_sub(), vec(filter(), 1..4)).prop_map(|(sub, filters)| Op::Update(sub, filters)),
        1 => any_sub().prop_map(Op::End),
        5 => (events(), vec(0..4_u32, 0..4)).prop_map(|(event, relays)| Op::Event(event, relays)),
        1 => Just(Op::Event(event(0, 0, 0, &[]), std::vec![0, 1, 2, 3])),
    ]
}

/// A subscription as a list has it.
struct Sub {
    id: SubId,
    filters: Vec<Filter>,
    relays: Vec<RelayIx>,
}

proptest! {
    /// Against a loop over all subscriptions.
    #[test]
    fn whom_an_event_matches_is_among_those_found(ops in vec(op(), 0..60)) {
        let (mut index, mut subs) = (Index::new([7; 16]), Vec::<Sub>::new());
        for (n, op) in (0..).zip(ops) {
            let at = |nth: prop::sample::Index| (!subs.is_empty()).then(|| nth.index(subs.len()));
            match op {
                Op::Subscribe(filters) => {
                    let id = SubId::from_u64(n);
                    index.enter(id, &filters, EVERYWHERE);
                    subs.push(Sub { id, filters, relays: std::vec![EVERYWHERE] });
                }
                Op::Leg(nth, relay) => {
                    let Some(sub) = at(nth).map(|at| &mut subs[at]) else { continue };
                    if !sub.relays.contains(&RelayIx(relay)) {
                        index.enter(sub.id, &sub.filters, RelayIx(relay));
                        sub.relays.push(RelayIx(relay));
                    }
                }
                Op::NoLeg(nth, leg) => {
                    let Some(sub) = at(nth).map(|at| &mut subs[at]) else { continue };
                    let relay = sub.relays.remove(leg.index(sub.relays.len()));
                    index.leave(sub.id, &sub.filters, relay);
                    if sub.relays.is_empty() {
                        let id = sub.id;
                        subs.retain(|sub| sub.id != id);
                    }
                }
                Op::Update(nth, filters) => {
                    let Some(sub) = at(nth).map(|at| &mut subs[at]) else { continue };
                    sub.relays.iter().for_each(|relay| index.leave(sub.id, &sub.filters, *relay));
                    sub.filters = filters;
                    sub.relays.iter().for_each(|relay| index.enter(sub.id, &sub.filters, *relay));
                }
                Op::End(nth) => {
                    let Some(at) = at(nth) else { continue };
                    let sub = subs.remove(at);
                    sub.relays.iter().for_each(|relay| index.leave(sub.id, &sub.filters, *relay));
                }
                Op::Event(event, relays) => {
                    for relays in [relays.into_iter().map(RelayIx).collect(), std::vec![EVERYWHERE]] {
                        let found = index.candidates(&event, &relays);
                        prop_assert!(found.is_sorted_by(|a, b| a < b), "in order, each once");
                        let there = |sub: &&Sub| relays.iter().any(|ix| sub.relays.contains(ix));
                        let there: Vec<&Sub> = subs.iter().filter(there).collect();
                        prop_assert!(found.iter().all(|id| there.iter().any(|sub| sub.id == *id)), "nobody elsewhere");
                        let matches = |sub: &&&Sub| sub.filters.iter().any(|filter| filter.matches(&event));
                        let missed = there.iter().filter(matches).find(|sub| !found.contains(&sub.id));
                        prop_assert!(missed.is_none(), "{:?} is not found", missed.map(|sub| &sub.filters));
                    }
                }
            }
        }
        for sub in subs {
            sub.relays.iter().for_each(|relay| index.leave(sub.id, &sub.filters, *relay));
        }
        prop_assert!(index.entries.is_empty() && index.per_key.len() == 0, "nothing is left");
        prop_assert!(index.tags.len() == 0 && index.bases.is_empty(), "of what was chosen, either");
        prop_assert!(index.per_relay.is_empty() && index.shapes.is_empty(), "nor of the counts");
    }
}

/// Ten subscriptions at relay 1 that the event matches, and so many others that differ from them, each in one thing: by
/// all that a filter may say, or by the relay.
fn crowd(others: usize) -> (Index, Event) {
    let event = event(0, 1, 5, &[["e", "root"], ["p", "me"]].map(|tag| tag.map(String::from).to_vec()));
    let (me, mut index) = (event.pubkey(), Index::new([7; 16]));
    let matching = [
        Filter::new(),
        Filter::new().id(event.id()),
        Filter::new().author(me),
        Filter::new().kinds([Kind::new(0), Kind::new(1)]),
        Filter::new().tag('p', "me"),
        Filter::new().author(me).kind(Kind::new(1)),
        Filter::new().tag('e', "root").kind(Kind::new(1)),
        Filter::new().tag('e', "root").author(me),
        Filter::new().tag('e', "root").tag('p', "me").author(me).kind(Kind::new(1)),
        Filter::new().authors((1..100).map(author).chain([me])).kind(Kind::new(1)),
    ];
    let mut next = 0;
    let mut subscribe = |filter: Filter, relay| {
        index.enter(SubId::from_u64(next), &[filter], RelayIx(relay));
        next += 1;
    };
    for (n, filter) in matching.iter().cycle().take(others).enumerate() {
        let (kind, text) = (Kind::new(1_000 + u16::try_from(n).unwrap()), std::format!("other {n}"));
        let mut bytes = [3; 32];
        bytes[..8].copy_from_slice(&n.to_be_bytes());
        let id = nostr_proto::EventId::from_bytes(bytes);
        match n % 11 {
            0 => subscribe(filter.clone(), 2),
            1 => subscribe(Filter::new().id(id), 1),
            2 => subscribe(Filter::new().kind(kind), 1),
            3 => subscribe(Filter::new().tag('p', text), 1),
            4 => subscribe(Filter::new().author(me).kind(kind), 1),
            5 => subscribe(Filter::new().author(me).tag('e', text), 1),
            6 => subscribe(Filter::new().author(me).kind(Kind::new(1)).tag('e', text), 1),
            7 => subscribe(Filter::new().tag('p', "me").kind(kind), 1),
            8 => subscribe(Filter::new().tag('p', text).kinds([Kind::new(1), Kind::new(7)]), 1),
            9 => subscribe(Filter::new().author(author(200)).kind(Kind::new(1)), 1),
            _ => subscribe(filter.clone(), 3),
        }
    }
    matching.into_iter().for_each(|filter| subscribe(filter, 1));
    (index, event)
}

#[test]
fn as_many_are_looked_at_among_ten_thousand_as_among_none() {
    for others in [0, 10, 1_000, 10_000] {
        let (index, event) = crowd(others);
        let last = others as u64;
        let found = index.candidates(&event, &[RelayIx(1)]);
        assert_eq!(found, (last..last + 10).map(SubId::from_u64).collect::<Vec<_>>(), "among {others}");
    }
}

/// Whatever it is in which they differ, as long as one constraint of the filter tells them apart.
#[test]
fn a_crowd_is_told_apart_by_what_it_differs_in() {
    let e_tag = event(0, 1, 5, &[["e", "root"], ["p", "user 7"]].map(|tag| tag.map(String::from).to_vec()));
    let hashtag = event(0, 1, 5, &[["t".to_string(), "topic 7".to_string()].to_vec()]);
    let authors: Vec<PublicKey> = (0..100).map(author).collect();
    let many = |n: usize| authors[..n].iter().copied();
    let crowds: [(&dyn Fn(u16) -> Filter, &Event); 4] = [
        (&|n| Filter::new().tag('e', "root").tag('p', std::format!("user {n}")), &e_tag),
        (
            &|n| Filter::new().authors(many(40)).tag('t', std::format!("topic {n}")).tag('t', std::format!("else {n}")),
            &hashtag,
        ),
        (&|n| Filter::new().authors(many(100)).kinds([Kind::new(2 * n), Kind::new(2 * n + 1)]), &e_tag),
        (
            &|n| Filter::new().kinds((0..100).map(Kind::new)).tag('p', "me").tag('t', std::format!("topic {n}")),
            &hashtag,
        ),
    ];
    for (at, (filter, event)) in crowds.into_iter().enumerate() {
        let mut index = Index::new([7; 16]);
        (0..10_000_u16).for_each(|n| index.enter(SubId::from_u64(n.into()), &[filter(n)], RelayIx(1)));
        let found = index.candidates(event, &[RelayIx(1)]);
        assert!(found.len() <= 2 * CROWD as usize, "{} of crowd {at}", found.len());
        (0..10_000_u16).for_each(|n| index.leave(SubId::from_u64(n.into()), &[filter(n)], RelayIx(1)));
        assert!(index.entries.is_empty());
    }
}

#[test]
fn lists_multiply_only_as_long_as_that_is_little() {
    let keys = |filter: Filter| {
        let mut index = Index::new([7; 16]);
        index.enter(SubId::from_u64(0), &[filter], RelayIx(1));
        // One is for being there at all.
        index.entries.len() - 1
    };
    let authors = |n: u8| Filter::new().authors((0..n).map(author));
    let kinds = |filter: Filter, n: u16| filter.kinds((0..n).map(Kind::new));
    assert_eq!(keys(Filter::new()), 1);
    assert_eq!(keys(Filter::new().authors([])), 0, "nothing matches it");
    assert_eq!(keys(kinds(authors(8), 8)), 64);
    assert_eq!(keys(kinds(authors(8), 9)), 8);
    assert_eq!(keys(kinds(authors(100), 1)), 100, "one value joins at no cost");
    assert_eq!(keys(kinds(authors(100), 2)), 100);
    assert_eq!(keys(kinds(authors(1), 100)), 1);
    assert_eq!(keys(kinds(Filter::new(), 100)), 100, "there is nothing else");
    assert_eq!(keys(kinds(authors(9), 9).id(event(0, 0, 0, &[]).id())), 1, "an id says it all");
}

/// Each of these subscriptions has each of the event's values, and is found by the first few of them.
#[test]
fn an_event_that_names_what_all_ask_for_many_times_finds_each_once() {
    let values = || (0..1_000).map(|n| std::format!("{n}"));
    let mut index = Index::new([7; 16]);
    let filter = values().fold(Filter::new(), |filter, value| filter.tag('p', value));
    (0..20).for_each(|n| index.enter(SubId::from_u64(n), core::slice::from_ref(&filter), RelayIx(1)));
    index.enter(SubId::from_u64(20), &[Filter::new().kind(Kind::new(9))], RelayIx(1));
    let tags: Vec<Vec<String>> = values().map(|value| std::vec!["p".to_string(), value]).collect();
    let found = index.candidates(&event(0, 1, 5, &tags), &[RelayIx(1)]);
    assert_eq!(found.len(), 21, "beyond that many, all that are there are as good");
}
