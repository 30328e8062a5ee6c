//! Merging filters, only where the union asks for nothing that nobody asked for.

use nostr_proto::{Filter, SortedSet};

/// Whether a filter may ever be merged: a `limit` is for one asker's events, and what a `search` finds has no bounds.
pub(crate) fn is_mergeable(filter: &Filter) -> bool {
    filter.limit.is_none() && filter.search.is_none()
}

/// Whether there is a filter that asks for what either of the two does and for nothing else: they have the same shape and
/// window, and differ in one list at most. Where two lists differ, the product asks for pairs that nobody asked for.
pub(crate) fn merges(a: &Filter, b: &Filter, crossing: bool) -> bool {
    if (a.since, a.until) != (b.since, b.until) || a.tags.len() != b.tags.len() {
        return false;
    }
    let differing = || {
        let lists = [list(&a.ids, &b.ids)?, list(&a.authors, &b.authors)?, list(&a.kinds, &b.kinds)?];
        let mut differing = lists.into_iter().map(usize::from).sum::<usize>();
        for (name, values) in &a.tags {
            differing += usize::from(b.tags.get(name)? != values);
        }
        Some(differing)
    };
    differing().is_some_and(|differing| differing <= 1 || crossing)
}

/// That filter, made of the first of two that merge. Whether it asks for more than the first did.
pub(crate) fn merge(a: &mut Filter, b: &Filter) -> bool {
    let mut more = add(&mut a.ids, b.ids.as_ref());
    more |= add(&mut a.authors, b.authors.as_ref());
    more |= add(&mut a.kinds, b.kinds.as_ref());
    for (name, values) in &mut a.tags {
        more |= b.tags.get(name).is_some_and(|others| extend(values, others));
    }
    more
}

/// Whether two lists differ; `None`: one filter has the list and the other has not.
fn list<T: PartialEq>(a: &Option<SortedSet<T>>, b: &Option<SortedSet<T>>) -> Option<bool> {
    match (a, b) {
        (None, None) => Some(false),
        (Some(a), Some(b)) => Some(a != b),
        _ => None,
    }
}

fn add<T: Ord + Clone>(to: &mut Option<SortedSet<T>>, from: Option<&SortedSet<T>>) -> bool {
    to.as_mut().zip(from).is_some_and(|(to, from)| extend(to, from))
}

fn extend<T: Ord + Clone>(to: &mut SortedSet<T>, from: &SortedSet<T>) -> bool {
    // To put one into its place is cheaper than to sort all.
    const FEW: usize = 8;
    let before = to.len();
    if from.len() <= FEW {
        for item in from {
            to.insert(item.clone());
        }
    } else {
        to.extend(from.iter().cloned());
    }
    to.len() > before
}
