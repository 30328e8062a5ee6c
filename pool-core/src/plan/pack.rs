//! Which of the requests that wait share a REQ.
//!
//! Requests that merge into the same filters are a *unit*: a REQ that has no more filters than each of them had. Where there
//! are more units than room for REQs, several are packed into one, each with filters of its own.

use alloc::vec::Vec;

use nostr_proto::Filter;

use crate::planted::planted;
use crate::time::Instant;

use super::budget::Limits;
use super::merge::{is_mergeable, merge};

/// So many requests are looked at together; later ones have their turn after them.
pub(crate) const MOST_TOGETHER: usize = 1_024;

/// A request that waits.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) filters: Vec<Filter>,
    /// It shares its REQ with no other.
    pub(crate) alone: bool,
    /// It may share filters with others.
    pub(crate) merges: bool,
    pub(crate) window: Window,
}

/// When a request is to be sent: not before `ready`, if it may wait so long; not after `latest`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) ready: Instant,
    pub(crate) latest: Instant,
}

impl Window {
    fn with(self, other: Self) -> Self {
        Self { ready: self.ready.max(other.ready), latest: self.latest.min(other.latest) }
    }

    pub(crate) fn due(self) -> Instant {
        self.ready.min(self.latest)
    }
}

/// Requests that share their filters.
#[derive(Clone, Debug)]
pub(crate) struct Unit {
    /// Which candidates.
    pub(crate) members: Vec<usize>,
    pub(crate) filters: Vec<Filter>,
    /// As many bytes as the filters have at most.
    bytes: usize,
    /// Whether its filters may stand beside others in a REQ.
    packs: bool,
    merges: bool,
    window: Window,
}

/// The units of these, in order of their first members.
pub(crate) fn units(candidates: &[Candidate], limits: &Limits) -> Vec<Unit> {
    let mut units: Vec<Unit> = Vec::new();
    for (n, candidate) in candidates.iter().enumerate() {
        let packs = !candidate.alone && candidate.filters.iter().all(|filter| filter.search.is_none());
        let limited = planted!(limits, LimitsMerged) && packs;
        let merges = packs && candidate.merges && (limited || candidate.filters.iter().all(is_mergeable));
        let bytes = length(&candidate.filters);
        let joined = units.iter_mut().filter(|unit| merges && unit.merges).any(|unit| {
            let Some(filters) = join(&unit.filters, &candidate.filters, planted!(limits, CrossProductsMerged)) else {
                return false;
            };
            let more = if filters == unit.filters { 0 } else { bytes };
            if unit.bytes + more > limits.filter_bytes() {
                return false;
            }
            unit.filters = filters;
            unit.bytes += more;
            unit.members.push(n);
            unit.window = unit.window.with(candidate.window);
            true
        });
        if !joined {
            let (filters, window) = (candidate.filters.clone(), candidate.window);
            units.push(Unit { members: alloc::vec![n], filters, bytes, packs, merges, window });
        }
    }
    units
}

/// What goes out in the next REQ, where there is room for so many; or when something is due.
pub(crate) fn next_req(units: Vec<Unit>, room: usize, limits: &Limits, now: Instant) -> Result<Unit, Option<Instant>> {
    let soonest = units.iter().map(|unit| unit.window.due()).min();
    let mut due = units.into_iter().filter(|unit| unit.window.due() <= now);
    let Some(mut req) = due.next() else { return Err(soonest) };
    let rest: Vec<Unit> = due.collect();
    let share = (rest.len() + 1).div_ceil(room.max(1));
    if !req.packs || req.filters.len() > limits.filters || req.bytes > limits.filter_bytes() {
        return Ok(req);
    }
    for unit in rest.into_iter().filter(|unit| unit.packs).take(share.saturating_sub(1)) {
        let (filters, bytes) = (req.filters.len() + unit.filters.len(), req.bytes + unit.bytes);
        if filters <= limits.filters && bytes <= limits.filter_bytes() {
            req.members.extend(unit.members);
            req.filters.extend(unit.filters);
            req.bytes = bytes;
        }
    }
    Ok(req)
}

/// One set of filters that asks for what both ask for, with no more filters than the first has.
fn join(all: &[Filter], more: &[Filter], crossing: bool) -> Option<Vec<Filter>> {
    let mut all = all.to_vec();
    for filter in more {
        let merged = all.iter().enumerate().find_map(|(at, one)| Some((at, merge(one, filter, crossing)?)));
        let (at, merged) = merged?;
        if let Some(one) = all.get_mut(at) {
            *one = merged;
        }
    }
    Some(all)
}

/// Adds filters to those of a REQ, merged where that adds none.
pub(crate) fn fuse(all: &mut Vec<Filter>, more: Vec<Filter>, limits: &Limits) {
    let _ = limits;
    let merges = |filter: &Filter| is_mergeable(filter) || planted!(limits, LimitsMerged);
    for filter in more {
        let crossing = planted!(limits, CrossProductsMerged);
        let mut others = all.iter_mut().filter(|one| merges(one) && merges(&filter));
        match others.find_map(|one| Some((merge(one, &filter, crossing)?, one))) {
            Some((merged, one)) => *one = merged,
            None => all.push(filter),
        }
    }
}

/// What filters take of a REQ, at most: asked again, each may have a `since` that it had not.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Size {
    pub(crate) filters: usize,
    bytes: usize,
}

impl Size {
    pub(crate) fn of(filters: &[Filter]) -> Self {
        const SINCE: usize = r#","since":1700000000"#.len();
        let undated = filters.iter().filter(|filter| filter.since.is_none()).count();
        Self { filters: filters.len(), bytes: length(filters) + undated * SINCE }
    }

    /// Whether a REQ takes both.
    pub(crate) fn fits_beside(self, other: Self, limits: &Limits) -> bool {
        self.filters.saturating_add(other.filters) <= limits.filters
            && self.bytes.saturating_add(other.bytes) <= limits.filter_bytes()
    }
}

/// How long the filters are in a message, with what is between them.
pub(crate) fn length(filters: &[Filter]) -> usize {
    filters.iter().map(|filter| filter.to_json().len() + 1).sum()
}
