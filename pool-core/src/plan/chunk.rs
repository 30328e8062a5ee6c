//! Requests that are too long or have too many filters are made as several.

use alloc::vec::Vec;

use nostr_proto::{Filter, SortedSet};

use crate::planted::planted;

use super::budget::Limits;
use super::pack::length;

/// The filters as those of so many REQs, each of which the relay takes. `None`: one can't be made short enough.
pub(crate) fn parts(filters: Vec<Filter>, limits: &Limits) -> Option<Vec<Vec<Filter>>> {
    let most = limits.filter_bytes();
    if filters.len() <= limits.filters && length(&filters) <= most {
        return Some(alloc::vec![filters]);
    }
    let mut pending = filters;
    pending.reverse();
    let mut parts: Vec<Vec<Filter>> = Vec::new();
    let mut bytes = 0;
    while let Some(filter) = pending.pop() {
        let own = length(core::slice::from_ref(&filter));
        if own > most {
            let (first, second) = halves(filter, limits)?;
            pending.push(second);
            pending.push(first);
            continue;
        }
        match parts.last_mut().filter(|part| part.len() < limits.filters && bytes + own <= most) {
            Some(part) => {
                part.push(filter);
                bytes += own;
            }
            None => {
                parts.push(alloc::vec![filter]);
                bytes = own;
            }
        }
    }
    Some(parts)
}

/// Two filters that ask for what the one does: each has half of its longest list.
fn halves(filter: Filter, limits: &Limits) -> Option<(Filter, Filter)> {
    // Of a list of one, there are no halves.
    let several = |n: usize, each: usize| if n > 1 { n * each } else { 0 };
    let ids = filter.ids.as_ref().map_or(0, |list| several(list.len(), 67));
    let authors = filter.authors.as_ref().map_or(0, |list| several(list.len(), 67));
    let kinds = filter.kinds.as_ref().map_or(0, |list| several(list.len(), 6));
    let tags = filter.tags.iter().filter(|(_, values)| values.len() > 1);
    let tag = tags.map(|(name, values)| (values.iter().map(|v| v.len() + 3).sum::<usize>(), *name)).max();
    let tags = tag.map_or(0, |(bytes, _)| bytes);
    let (mut first, mut second) = (filter.clone(), filter);
    let split = if ids.max(authors).max(kinds) >= tags {
        if ids >= authors.max(kinds) {
            divide(&mut first.ids, &mut second.ids, limits)
        } else if authors >= kinds {
            divide(&mut first.authors, &mut second.authors, limits)
        } else {
            divide(&mut first.kinds, &mut second.kinds, limits)
        }
    } else {
        let (_, name) = tag?;
        let (mut one, mut other) = (first.tags.remove(&name), second.tags.remove(&name));
        let split = divide(&mut one, &mut other, limits);
        first.tags.extend(one.map(|list| (name, list)));
        second.tags.extend(other.map(|list| (name, list)));
        split
    };
    split.then_some((first, second))
}

/// Leaves one half of a list in each of two copies; false if there is nothing to divide.
fn divide<T: Ord + Clone>(
    first: &mut Option<SortedSet<T>>,
    second: &mut Option<SortedSet<T>>,
    limits: &Limits,
) -> bool {
    let _ = limits;
    let Some(list) = first.as_ref().filter(|list| list.len() > 1) else { return false };
    let (one, other) = list.split_at(list.len() / 2);
    let one = if planted!(limits, LastOfChunkDropped) { one.get(..one.len() - 1).unwrap_or(one) } else { one };
    (*first, *second) = (Some(one.iter().cloned().collect()), Some(other.iter().cloned().collect()));
    true
}
