//! Which events a filter is to bring, by plain code over the naive reading of events.

#[path = "../../tests/round_trip/naive.rs"]
mod naive;

use std::collections::BTreeSet;

use nostr_proto::Event;
use serde_json::Value;

use naive::{Naive, keep};

/// What a relay is to hold, oldest comers first.
#[derive(Debug)]
pub struct Held {
    events: Vec<Naive>,
    /// What `until` is taken for: the last second, or the first one that is not wanted any more.
    until: Until,
}

/// How a relay reads `until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// `created_at <= until`, as NIP-01 says.
    Inclusive,
    /// `created_at < until`.
    Exclusive,
}

impl Held {
    /// What stays of these, in this order of arrival, by NIP-01 alone.
    ///
    /// # Panics
    /// If a version comes after one that wins over it: then relays differ in their answers.
    pub fn of(arriving: &[Event], until: Until) -> Self {
        let events: Vec<Naive> = arriving.iter().map(|event| Naive::new(&event.to_json())).collect();
        let kept = keep(&events);
        assert!(kept.too_late.is_empty(), "no version comes too late");
        assert_eq!(
            kept.stored.len() + kept.ephemeral.len() + kept.overwritten.len(),
            arriving.len(),
            "all are distinct"
        );
        Self { events: events.into_iter().filter(|event| kept.stored.contains(&event.id)).collect(), until }
    }

    /// The ids of those that match any of the filters, whose limits are not looked at.
    pub fn matching(&self, filters: &[Value]) -> BTreeSet<String> {
        let wanted = |event: &&Naive| filters.iter().any(|filter| matches(filter, event, self.until));
        self.events.iter().filter(wanted).map(|event| event.id.clone()).collect()
    }

    /// The dates of those that match, newest first.
    pub fn dates(&self, filter: &Value) -> Vec<u64> {
        let mut dates: Vec<u64> = self
            .events
            .iter()
            .filter(|event| matches(filter, event, self.until))
            .map(|event| event.created_at)
            .collect();
        dates.sort_unstable_by_key(|date| std::cmp::Reverse(*date));
        dates
    }

    /// The values that tags of this name have, the most frequent first.
    pub fn values(&self, tag: &str) -> Vec<String> {
        self.ranked(|event| event.all(tag).map(str::to_owned).collect::<BTreeSet<_>>())
    }

    /// The authors, the busiest first.
    pub fn authors(&self) -> Vec<String> {
        self.ranked(|event| BTreeSet::from([event.author.clone()]))
    }

    /// The kinds, the most frequent first.
    pub fn kinds(&self) -> Vec<u64> {
        self.ranked(|event| BTreeSet::from([event.kind]))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    fn ranked<T: Ord>(&self, of: impl Fn(&Naive) -> BTreeSet<T>) -> Vec<T> {
        let mut counts = std::collections::BTreeMap::<T, usize>::new();
        for value in self.events.iter().flat_map(of) {
            *counts.entry(value).or_default() += 1;
        }
        let mut ranked: Vec<(T, usize)> = counts.into_iter().collect();
        ranked.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        ranked.into_iter().map(|(value, _)| value).collect()
    }
}

/// Whether an event is one that every relay here takes, whenever it comes: it has not expired (NIP-40), it deletes nothing
/// (NIP-09), it is not ephemeral, and an addressable one has a `d`. Deletions and ephemeral events are looked at apart.
pub fn is_plain(event: &Event, now: u64) -> bool {
    let event = Naive::new(&event.to_json());
    let expires = event.first("expiration").is_some_and(|at| at.parse::<u64>().is_ok_and(|at| at < now + 3_600));
    let nameless = (30_000..40_000).contains(&event.kind) && event.first("d").is_none();
    // A relay may keep these for nobody or for one (NIP-42, NIP-46, NIP-70), or take them for its own.
    let private = matches!(event.kind, 4 | 44 | 1059 | 22_242) || event.all("-").next().is_some();
    !expires && event.kind != 5 && !event.is_ephemeral() && !nameless && !private
}

/// Whether it has a control character other than those for which NIP-01 has an escape: implementations differ in what they
/// hash for one.
pub fn has_control_characters(event: &Event) -> bool {
    event.to_json().contains("\\u00")
}

/// Whether an event is kept at all, and by what it is replaced.
pub fn is_regular(event: &Event) -> bool {
    let event = Naive::new(&event.to_json());
    !event.is_ephemeral() && event.address().is_none()
}

fn matches(filter: &Value, event: &Naive, exact: Until) -> bool {
    let filter = filter.as_object().expect("a filter is an object");
    filter.iter().all(|(name, wanted)| {
        let any = |is_it: &dyn Fn(&Value) -> bool| wanted.as_array().is_some_and(|wanted| wanted.iter().any(is_it));
        match name.as_str() {
            "ids" => any(&|id| *id == event.id),
            "authors" => any(&|author| *author == event.author),
            "kinds" => any(&|kind| *kind == event.kind),
            "since" => wanted.as_u64().is_some_and(|since| event.created_at >= since),
            "until" => wanted.as_u64().is_some_and(|until| match exact {
                Until::Inclusive => event.created_at <= until,
                Until::Exclusive => event.created_at < until,
            }),
            "limit" => true,
            tag => any(&|value| event.all(&tag[1..]).any(|held| value == held)),
        }
    })
}
