//! Which live REQ makes room for what waits.

use alloc::vec::Vec;
use core::time::Duration;

use crate::ids::WireId;
use crate::time::Instant;

use super::budget::Limits;
use super::pack::Size;
use super::{Member, Plan, Req, Role};

/// How long a REQ has to have run to give way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Age {
    pub(crate) now: Instant,
    /// Where it is not answered.
    pub(crate) patience: Duration,
    /// Where it is not packed with what it gives way to.
    pub(crate) turn: Duration,
}

impl Plan {
    /// Whether all of its requests have their EOSE, those included that are asked again in parts.
    fn is_answered(&self, req: &Req) -> bool {
        let has = |member: &Member| self.requests.get(&member.request).is_none_or(|request| request.answered);
        req.eose && req.members.iter().all(has)
    }

    /// When it went out, or the last part of what is asked again of it.
    fn asked_last(&self, req: &Req) -> Instant {
        let requests = req.members.iter().filter_map(|member| self.requests.get(&member.request));
        let awaited = requests.flat_map(|request| &request.awaits).filter_map(|name| self.reqs.get(name));
        awaited.map(|req| req.sent).max().map_or(req.sent, |last| last.max(req.sent))
    }

    /// The live REQ that makes room, and its requests. One that fits beside what waits, if that may share one, makes room at
    /// once, the smallest first; any other when it had its turn, the oldest first. Only one that is answered, for all of its
    /// requests, or has been waited for long enough.
    pub(crate) fn gives_way(
        &self,
        waiting: Option<Size>,
        limits: &Limits,
        Age { now, patience, turn }: Age,
    ) -> Option<Vec<Member>> {
        let live = self.reqs.iter().filter(|(_, req)| req.role == Role::Live && !req.over);
        let ripe = live.filter(|(_, req)| self.is_answered(req) || self.asked_last(req) + patience <= now);
        // One of several of a request that is too long for one leaves no room beside it.
        let parts = |member: &Member| self.requests.get(&member.request).map_or(1, |request| request.parts);
        let whole = waiting.is_some_and(|waiting| waiting.filters > 0);
        let alone = |member: &Member| self.alone.contains(member.sub) || whole && parts(member) > 1;
        let shares = |req: &Req| !req.members.iter().any(alone);
        let fits = |(_, req): &(&WireId, &Req)| {
            waiting.is_some_and(|waiting| req.size.fits_beside(waiting, limits)) && shares(req)
        };
        let smallest = ripe.clone().filter(fits).min_by_key(|(_, req)| (req.members.len(), req.sent));
        let oldest = || ripe.filter(|(_, req)| req.sent + turn <= now).min_by_key(|(_, req)| req.sent);
        smallest.or_else(oldest).map(|(_, req)| req.members.clone())
    }
}
