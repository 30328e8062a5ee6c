//! Merging filters, only where the union asks for nothing that nobody asked for.

use nostr_proto::{Filter, SortedSet};

/// Whether a filter may ever be merged: a `limit` is for one asker's events, and what a `search` finds has no bounds.
pub(crate) fn is_mergeable(filter: &Filter) -> bool {
    filter.limit.is_none() && filter.search.is_none()
}

/// The filter that asks for what either of the two does and for nothing else, if there is one: they have the same shape and
/// window, and differ in one list at most. Where two lists differ, the product asks for pairs that nobody asked for.
pub(crate) fn merge(a: &Filter, b: &Filter, crossing: bool) -> Option<Filter> {
    if (a.since, a.until) != (b.since, b.until) || a.tags.len() != b.tags.len() {
        return None;
    }
    let (ids, authors, kinds) = (list(&a.ids, &b.ids)?, list(&a.authors, &b.authors)?, list(&a.kinds, &b.kinds)?);
    let mut differing = usize::from(ids) + usize::from(authors) + usize::from(kinds);
    for (name, values) in &a.tags {
        differing += usize::from(b.tags.get(name)? != values);
    }
    if differing > 1 && !crossing {
        return None;
    }
    let mut union = a.clone();
    add(&mut union.ids, b.ids.as_ref());
    add(&mut union.authors, b.authors.as_ref());
    add(&mut union.kinds, b.kinds.as_ref());
    for (name, values) in &mut union.tags {
        if let Some(more) = b.tags.get(name) {
            values.extend(more.iter().cloned());
        }
    }
    Some(union)
}

/// Whether two lists differ; `None`: one filter has the list and the other has not.
fn list<T: PartialEq>(a: &Option<SortedSet<T>>, b: &Option<SortedSet<T>>) -> Option<bool> {
    match (a, b) {
        (None, None) => Some(false),
        (Some(a), Some(b)) => Some(a != b),
        _ => None,
    }
}

fn add<T: Ord + Clone>(to: &mut Option<SortedSet<T>>, from: Option<&SortedSet<T>>) {
    if let (Some(to), Some(from)) = (to, from) {
        to.extend(from.iter().cloned());
    }
}
