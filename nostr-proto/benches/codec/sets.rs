//! The sets that are worked on.

use std::fmt;

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use nostr_pool_corpus::{Class, Layout};
use nostr_proto::Event;
use serde::{Deserialize, Serialize};

/// The least size of a set, in bytes.
const BYTES: usize = 500_000;

/// A class of events in one spelling.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    pub(crate) class: Class,
    layout: Layout,
}

impl Case {
    /// Every class there is, in every spelling.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        classes().flat_map(|class| Layout::ALL.map(|layout| Self { class, layout }))
    }

    pub(crate) fn frames(self) -> Vec<String> {
        events(self.class).iter().map(|event| self.layout.frame("sub:1", event)).collect()
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.class, self.layout)
    }
}

/// Every class that has events here.
pub(crate) fn classes() -> impl Iterator<Item = Class> {
    Class::ALL.into_iter().filter(|class| !class.events(1, 1).is_empty())
}

pub(crate) fn events(class: Class) -> Vec<Event> {
    class.events(1, BYTES)
}

/// An event as a plain struct that owns all of its strings.
#[derive(Deserialize, Serialize)]
pub(crate) struct OwnedEvent {
    pub(crate) id: String,
    pubkey: String,
    created_at: u64,
    kind: u16,
    tags: Vec<Vec<String>>,
    content: String,
    sig: String,
}

/// Measures passes over a set, of so many bytes in all.
pub(crate) fn passes<T, R>(bencher: Bencher<'_, '_>, items: &[T], bytes: usize, work: impl Fn(&T) -> R) {
    bencher.counter(BytesCount::new(bytes)).counter(ItemsCount::new(items.len())).bench_local(|| {
        for item in items {
            divan::black_box(work(divan::black_box(item)));
        }
    });
}

/// Measures passes over texts.
pub(crate) fn over_texts<R>(bencher: Bencher<'_, '_>, texts: &[String], work: impl Fn(&str) -> R) {
    passes(bencher, texts, texts.iter().map(String::len).sum(), |text| work(text));
}
