//! Which of the requests that wait share a REQ.
//!
//! Requests that merge into the same filters are a *unit*: a REQ that has no more filters than each of them had. Where there
//! are more units than room for REQs, several are packed into one, each with filters of its own.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use nostr_proto::Filter;

use crate::planted::planted;
use crate::time::Instant;

use super::budget::Limits;
use super::kin::Kin;
use super::merge::{is_mergeable, merge, merges};

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
pub(crate) fn units(candidates: &[Candidate], limits: &Limits) -> VecDeque<Unit> {
    let crossing = planted!(limits, CrossProductsMerged);
    let (mut units, mut kin): (Vec<Unit>, Kin) = (Vec::new(), Kin::default());
    for (n, candidate) in candidates.iter().enumerate() {
        let packs = !candidate.alone && candidate.filters.iter().all(|filter| filter.search.is_none());
        let limited = planted!(limits, LimitsMerged) && packs;
        let merges = packs && candidate.merges && (limited || candidate.filters.iter().all(is_mergeable));
        let bytes = length(&candidate.filters);
        let found = match merges {
            true if crossing => (0..units.len()).filter(|at| units[*at].merges).collect(),
            true => kin.of(&candidate.filters),
            false => Vec::new(),
        };
        let joins = |at: &usize| units.get_mut(*at).is_some_and(|unit| unit.join(n, candidate, bytes, limits));
        if !found.iter().any(joins) {
            if merges {
                kin.enter(units.len(), &candidate.filters);
            }
            let (filters, window) = (candidate.filters.clone(), candidate.window);
            units.push(Unit { members: alloc::vec![n], filters, bytes, packs, merges, window });
        }
    }
    units.into()
}

/// What goes out in the next REQ, where there is room for so many; or when something is due.
pub(crate) fn next_req(
    units: &mut VecDeque<Unit>,
    room: usize,
    limits: &Limits,
    now: Instant,
) -> Result<Unit, Option<Instant>> {
    let is_due = |unit: &Unit| unit.window.due() <= now;
    let Some(first) = units.iter().position(is_due) else {
        return Err(units.iter().map(|unit| unit.window.due()).min());
    };
    let share = units.iter().skip(first).filter(|unit| is_due(unit)).count().div_ceil(room.max(1));
    let Some(mut req) = units.remove(first) else { return Err(None) };
    if !req.packs || req.filters.len() > limits.filters || req.bytes > limits.filter_bytes() {
        return Ok(req);
    }
    let (mut at, mut looked_at) = (first, 1);
    while looked_at < share
        && let Some(unit) = units.get(at)
    {
        if !unit.packs || !is_due(unit) {
            at += 1;
            continue;
        }
        looked_at += 1;
        let (filters, bytes) = (req.filters.len() + unit.filters.len(), req.bytes + unit.bytes);
        if filters > limits.filters || bytes > limits.filter_bytes() {
            at += 1;
        } else if let Some(unit) = units.remove(at) {
            req.members.extend(unit.members);
            req.filters.extend(unit.filters);
            req.bytes = bytes;
        }
    }
    Ok(req)
}

impl Unit {
    /// Takes a request in, if there is a set of filters that asks for what both ask for, with no more filters than the unit has, and
    /// that is not too long.
    fn join(&mut self, n: usize, candidate: &Candidate, bytes: usize, limits: &Limits) -> bool {
        let crossing = planted!(limits, CrossProductsMerged);
        let most = limits.filter_bytes();
        if self.bytes > most || self.filters.len() > limits.filters {
            // What takes several REQs shares none of them.
            return false;
        }
        let more = if let [one] = &candidate.filters[..] {
            let Some(own) = self.filters.iter_mut().find(|own| merges(own, one, crossing)) else { return false };
            // That it might ask for no more is looked at only where that decides.
            let fits = self.bytes + bytes <= most || !merge(&mut own.clone(), one);
            if !fits {
                return false;
            }
            merge(own, one)
        } else {
            let mut all = self.filters.clone();
            let mut more = false;
            for filter in &candidate.filters {
                let Some(own) = all.iter_mut().find(|own| merges(own, filter, crossing)) else { return false };
                more |= merge(own, filter);
            }
            if more && self.bytes + bytes > most {
                return false;
            }
            self.filters = all;
            more
        };
        self.bytes += if more { bytes } else { 0 };
        self.members.push(n);
        self.window = self.window.with(candidate.window);
        true
    }
}

/// Adds filters to those of a REQ, merged where that adds none.
pub(crate) fn fuse(all: &mut Vec<Filter>, more: Vec<Filter>, limits: &Limits) {
    let _ = limits;
    let may_merge = |filter: &Filter| is_mergeable(filter) || planted!(limits, LimitsMerged);
    let crossing = planted!(limits, CrossProductsMerged);
    for filter in more {
        let mut others = all.iter_mut().filter(|one| may_merge(one) && may_merge(&filter));
        match others.find(|one| merges(one, &filter, crossing)) {
            Some(one) => {
                merge(one, &filter);
            }
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
