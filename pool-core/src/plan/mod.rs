//! The request planner: which REQs carry which requests, at one relay.
//!
//! Legs, pages and repairs make *requests*, each with a name of its own that nobody else sees. What the relay sees is a
//! *REQ*. Most requests have one each. Requests that merge share one, and where there is no room for a REQ each, several are
//! packed into one; a request that is too long for the relay has several. New requests never join a REQ that runs.
//!
//! What comes for a REQ is for those of its requests that it matches. A request has its EOSE when all of its REQs have theirs;
//! whoever judges by the number of messages goes by those of the whole REQs. An answer to several requests may have been
//! cut short by the relay where none of them alone would have been: then those to which that matters are asked *again*,
//! half of them at a time, until an answer is short enough or a request is alone. Such a REQ ends with its EOSE; what is new
//! comes by the one that is shared.
//!
//! | a REQ is | running | answered | over |
//! |---|---|---|---|
//! | EOSE | answered | – | – |
//! | EOSE, and it was for what is stored only | over, CLOSE | – | – |
//! | CLOSED | over | over | – |
//! | its last request leaves | over, CLOSE | over, CLOSE | – |
//! | the connection is lost | over | over | over |

pub(crate) mod alone;
pub(crate) mod budget;
pub(crate) mod chunk;
mod kin;
pub(crate) mod merge;
pub(crate) mod pack;
#[cfg(test)]
mod tests;
pub(crate) mod waiting;
pub(crate) mod way;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use nostr_proto::{EoseHints, EventId, Filter, Timestamp};

use crate::ids::{SubId, WireId};
use crate::time::Instant;

use alone::Alone;
use budget::{Budget, Limits};
use pack::Size;
use waiting::Waiting;

/// A request in a REQ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    /// As its leg knows it.
    pub(crate) request: WireId,
    pub(crate) sub: SubId,
    /// A page of that subscription's, not its own request.
    pub(crate) page: bool,
}

/// What a REQ is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// What subscriptions live on, and fetches while they are made up for in pages.
    Live,
    /// Fetches, repairs and pages, which end.
    Passing,
    /// What is stored, and nothing after that.
    Stored,
}

/// A REQ that was sent.
#[derive(Clone, Debug)]
struct Req {
    /// Its requests that are left, by subscription.
    members: Vec<Member>,
    /// How many it had.
    asked_by: usize,
    size: Size,
    role: Role,
    sent: Instant,
    /// EVENT messages that came for it, whatever they were.
    frames: u64,
    eose: bool,
    /// The relay has ended it.
    over: bool,
    /// The oldest event that came, where that matters.
    oldest: Option<Timestamp>,
    /// It asks for so many events: of a page that has them, the relay may have more.
    most: u64,
    /// So many messages may come before its EOSE, for all who share it; `None`: any number.
    allowed: Option<u64>,
    /// Events that came and could not be read, as far as its requests were told.
    unread: Vec<EventId>,
}

/// Of so many events that can't be read, the requests of a REQ are told.
const MOST_UNREAD: usize = 16;

/// An EVENT message that came for a REQ.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Came {
    /// Whose it is, if the REQ is of one request alone.
    pub(crate) only: Option<Member>,
    /// EVENT messages of the REQ so far, this one included.
    pub(crate) frames: u64,
    /// Those that are more than all of its requests asked for.
    pub(crate) excess: u64,
}

/// A request that runs.
#[derive(Clone, Debug)]
struct Request {
    /// An answer that was cut short for the sake of others is of no use to it.
    whole: bool,
    /// Its REQs.
    reqs: Vec<WireId>,
    /// Those whose EOSE it waits for.
    awaits: Vec<WireId>,
    /// REQs that it takes, as it stands.
    parts: usize,
    /// REQs of it that are still to be sent.
    unsent: usize,
    /// One was sent.
    sent: bool,
    /// What came before its EOSE.
    frames: u64,
    hints: Option<EoseHints>,
    /// One of several REQs may have been cut short there: of what is older, its answer says nothing.
    floor: Option<Timestamp>,
    answered: bool,
}

/// A REQ that is still to be sent, of requests that run.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) requests: Vec<Member>,
    /// `None`: what these ask for.
    pub(crate) filters: Option<Vec<Filter>>,
    pub(crate) role: Role,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    reqs: BTreeMap<WireId, Req>,
    requests: BTreeMap<WireId, Request>,
    more: VecDeque<Part>,
    pub(crate) budget: Budget,
    /// Characters in the name of a REQ, as of when the connection opened: one that runs keeps its name.
    pub(crate) name: usize,
    pub(crate) alone: Alone,
    /// Who is to be asked.
    pub(crate) waiting: Waiting,
}

/// What an EOSE means.
#[derive(Debug, Default, PartialEq)]
#[must_use]
pub(crate) struct Answered {
    /// Requests that have their EOSE now, and what came before it.
    pub(crate) answered: Vec<(Member, EoseHints, u64)>,
    /// Everybody whose REQ it was.
    pub(crate) members: Vec<Member>,
    /// The REQ has done its duty, and is to be closed.
    pub(crate) close: bool,
}

/// A REQ that the relay refused or ended.
#[derive(Debug, PartialEq)]
pub(crate) struct Refused {
    pub(crate) members: Vec<Member>,
    /// Several requests were in it.
    pub(crate) shared: bool,
    pub(crate) filters: usize,
}

impl Plan {
    /// A request that is being made. `whole`: see the module; `reqs`: how many REQs it takes.
    pub(crate) fn begins(&mut self, member: Member, whole: bool, reqs: usize) {
        let request = Request {
            whole,
            reqs: Vec::new(),
            awaits: Vec::new(),
            parts: reqs,
            unsent: reqs,
            sent: false,
            frames: 0,
            hints: None,
            floor: None,
            answered: false,
        };
        self.requests.insert(member.request, request);
    }

    /// A REQ for these, which have begun, goes out.
    pub(crate) fn sent(
        &mut self,
        name: WireId,
        mut members: Vec<Member>,
        filters: &[Filter],
        role: Role,
        now: Instant,
    ) {
        members.sort_by_key(|member| member.sub);
        for member in &members {
            if let Some(request) = self.requests.get_mut(&member.request) {
                request.unsent = request.unsent.saturating_sub(1);
                request.sent = true;
                request.reqs.push(name);
                request.awaits.push(name);
            }
        }
        let pages = members.iter().any(|member| member.page);
        let most = filters.iter().filter_map(|f| f.limit.filter(|_| pages)).min().map_or(u64::MAX, u64::from);
        let req = Req {
            asked_by: members.len(),
            members,
            size: Size::of(filters),
            role,
            sent: now,
            frames: 0,
            eose: false,
            over: false,
            oldest: None,
            most,
            allowed: None,
            unread: Vec::new(),
        };
        self.reqs.insert(name, req);
    }

    /// More of it is to be sent, which its requests count already.
    pub(crate) fn queue(&mut self, part: Part) {
        self.more.push_back(part);
    }

    /// One more than its requests count.
    pub(crate) fn queue_more(&mut self, part: Part) {
        for member in &part.requests {
            if let Some(request) = self.requests.get_mut(&member.request) {
                request.unsent += 1;
            }
        }
        self.more.push_front(part);
    }

    /// Whether there is room for the next of that. For parts of live requests it is kept, unless the relay takes less meanwhile.
    pub(crate) fn has_room_for_part(&self, limits: &Limits) -> bool {
        let kept = |part: &Part| part.role == Role::Live && self.running() < limits.reqs;
        self.more.front().is_some_and(|part| kept(part) || self.room(part.role, limits) > 0)
    }

    pub(crate) fn next_part(&mut self) -> Option<Part> {
        self.more.pop_front()
    }

    /// So many messages may come for a REQ before its EOSE.
    pub(crate) fn allow(&mut self, name: WireId, frames: u64) {
        if let Some(req) = self.reqs.get_mut(&name) {
            req.allowed = Some(frames);
        }
    }

    /// An EVENT message came for this REQ. `None`: it does not run.
    pub(crate) fn event(&mut self, name: WireId) -> Option<Came> {
        let req = self.reqs.get_mut(&name)?;
        req.frames += 1;
        Some(Came {
            only: req.members.first().copied().filter(|_| req.asked_by == 1),
            frames: req.frames,
            excess: req.allowed.map_or(0, |allowed| req.frames.saturating_sub(allowed)),
        })
    }

    /// An event that can't be read came for this REQ, and claims this id. Whether its requests are to be told.
    pub(crate) fn unread(&mut self, name: WireId, event: EventId) -> bool {
        let Some(req) = self.reqs.get_mut(&name) else { return false };
        let new = req.unread.len() < MOST_UNREAD && !req.unread.contains(&event);
        if new {
            req.unread.push(event);
        }
        new
    }

    /// An event of a page came: it was made then.
    pub(crate) fn dated(&mut self, name: WireId, created_at: Timestamp) {
        if let Some(req) = self.reqs.get_mut(&name).filter(|req| !req.eose) {
            req.oldest = Some(req.oldest.map_or(created_at, |oldest| oldest.min(created_at)));
        }
    }

    /// See [`Request::floor`].
    pub(crate) fn floor(&self, request: WireId) -> Option<Timestamp> {
        self.requests.get(&request)?.floor
    }

    /// Whether a request runs.
    pub(crate) fn runs(&self, request: WireId) -> bool {
        self.requests.contains_key(&request)
    }

    /// Whether what is new comes for a request.
    pub(crate) fn is_pushed(&self, request: WireId) -> bool {
        let reqs = self.requests.get(&request).map(|request| &request.reqs[..]).unwrap_or_default();
        reqs.iter().filter_map(|name| self.reqs.get(name)).any(|req| req.role == Role::Live && !req.over)
    }

    /// The requests of a REQ that runs, by its name; in the order of their subscriptions.
    pub(crate) fn members(&self, name: WireId) -> Option<&[Member]> {
        self.reqs.get(&name).map(|req| &req.members[..])
    }

    /// Whether a request shares a REQ, or did.
    pub(crate) fn is_shared(&self, request: WireId) -> bool {
        let reqs = self.requests.get(&request).map(|request| &request.reqs[..]).unwrap_or_default();
        reqs.iter().filter_map(|name| self.reqs.get(name)).any(|req| req.asked_by > 1)
    }

    /// The EOSE of a REQ came. An answer of `enough` messages to several requests may be cut short.
    pub(crate) fn eose(&mut self, name: WireId, hints: EoseHints, enough: u64) -> Option<Answered> {
        let req = self.reqs.get_mut(&name).filter(|req| !req.eose && !req.over)?;
        req.eose = true;
        let hints = EoseHints { more: hints.more || (req.frames >= req.most && !hints.finish), ..hints };
        let (frames, members, oldest) = (req.frames, req.members.clone(), req.oldest);
        let whole = !hints.more && (hints.finish || frames < enough.max(1));
        let shared = req.asked_by > 1;
        let stored = req.role == Role::Stored;
        let mut done = Answered { members: members.clone(), ..Answered::default() };
        let mut again = Vec::new();
        for member in members {
            let Some(request) = self.requests.get_mut(&member.request) else { continue };
            request.awaits.retain(|awaited| *awaited != name);
            if shared && !whole && request.whole && !request.answered {
                again.push(member);
                request.unsent += 1;
                continue;
            }
            request.frames += frames;
            if request.parts > 1 && (hints.more || frames >= enough.max(1)) {
                request.floor = request.floor.max(Some(oldest.unwrap_or(Timestamp::MAX)));
            }
            let before = request.hints.unwrap_or(EoseHints { finish: true, more: false });
            request.hints = Some(EoseHints { finish: before.finish && hints.finish, more: before.more || hints.more });
            if request.awaits.is_empty() && request.unsent == 0 && !request.answered {
                request.answered = true;
                if !shared {
                    self.alone.answered(member.sub);
                }
                done.answered.push((member, request.hints.unwrap_or(hints), request.frames));
            }
        }
        let half = again.len().div_ceil(2);
        let rest = again.split_off(half);
        for requests in [again, rest].into_iter().filter(|requests| !requests.is_empty()) {
            self.more.push_back(Part { requests, filters: None, role: Role::Stored });
        }
        done.close = stored;
        Some(done)
    }

    /// The relay refused or ended a REQ. `closed`: it said so, and needs no CLOSE.
    pub(crate) fn refused(&mut self, name: WireId, closed: bool) -> Option<Refused> {
        let req = self.reqs.get_mut(&name).filter(|req| !req.over)?;
        req.over = closed;
        Some(Refused { members: req.members.clone(), shared: req.asked_by > 1, filters: req.size.filters })
    }

    /// A REQ has done its duty. False: it runs no longer.
    pub(crate) fn close(&mut self, name: WireId) -> bool {
        let Some(req) = self.reqs.remove(&name) else { return false };
        for member in req.members {
            if let Some(request) = self.requests.get_mut(&member.request) {
                request.reqs.retain(|of| *of != name);
            }
        }
        !req.over
    }

    /// A request is over for us. Returns the REQs that nobody needs any more and that are to be closed.
    pub(crate) fn leaves(&mut self, request: WireId) -> Vec<WireId> {
        let Some(gone) = self.requests.remove(&request) else { return Vec::new() };
        for part in &mut self.more {
            part.requests.retain(|member| member.request != request);
        }
        self.more.retain(|part| !part.requests.is_empty());
        let mut close = Vec::new();
        for name in gone.reqs {
            let Some(req) = self.reqs.get_mut(&name) else { continue };
            req.members.retain(|member| member.request != request);
            if req.members.is_empty() {
                if !req.over {
                    close.push(name);
                }
                self.reqs.remove(&name);
            }
        }
        close
    }

    /// The connection is gone, and all that ran on it.
    pub(crate) fn disconnected(&mut self) {
        self.reqs.clear();
        self.requests.clear();
        self.more.clear();
        self.alone.clear();
        self.waiting = Waiting::default();
        self.budget.disconnected();
    }

    /// Whether a request that has begun was never in a REQ, so that its own name is free for one.
    pub(crate) fn is_fresh(&self, request: WireId) -> bool {
        let fresh = |request: &Request| !request.sent;
        self.requests.get(&request).is_some_and(fresh)
    }

    /// The REQs of a request.
    #[cfg(feature = "planted-bugs")]
    pub(crate) fn reqs_of(&self, request: WireId) -> Vec<WireId> {
        self.requests.get(&request).map(|request| request.reqs.clone()).unwrap_or_default()
    }

    /// A live REQ that runs.
    #[cfg(feature = "planted-bugs")]
    pub(crate) fn any_live(&self) -> Option<WireId> {
        self.reqs.iter().find(|(_, req)| req.role == Role::Live).map(|(name, _)| *name)
    }

    /// How many filters a REQ has.
    pub(crate) fn filters(&self, name: WireId) -> Option<usize> {
        self.reqs.get(&name).map(|req| req.size.filters)
    }

    /// Whether anything runs that will end.
    pub(crate) fn runs_passing(&self) -> bool {
        self.reqs.values().any(|req| !req.over && req.role != Role::Live)
    }

    /// How many REQs run.
    pub(crate) fn running(&self) -> usize {
        self.reqs.values().filter(|req| !req.over).count()
    }

    /// How many of them are what subscriptions live on.
    pub(crate) fn live(&self) -> usize {
        self.reqs.values().filter(|req| !req.over && req.role == Role::Live).count()
    }

    pub(crate) fn has_parts(&self) -> bool {
        !self.more.is_empty()
    }

    /// Whether anything is to be asked for, when that may be.
    pub(crate) fn asks_for_more(&self) -> bool {
        self.has_parts() || !self.waiting.is_empty()
    }

    /// The requests of the next part, if nothing will make room for it by itself: it is to be sent no more.
    pub(crate) fn take_stuck(&mut self, limits: &Limits) -> Option<Vec<Member>> {
        let role = self.more.front()?.role;
        let stuck = role != Role::Live && self.room(role, limits) == 0 && !self.runs_passing();
        if stuck { self.more.pop_front().map(|part| part.requests) } else { None }
    }

    /// How many more REQs of a kind may run now.
    pub(crate) fn room(&self, role: Role, limits: &Limits) -> usize {
        let live = role == Role::Live;
        let parts = self.more.iter().filter(|part| part.role == Role::Live).count();
        let of = self.reqs.values().filter(|req| !req.over && (req.role == Role::Live) == live).count();
        let own = limits.share().saturating_sub(of + if live { parts } else { 0 });
        own.min(limits.reqs.saturating_sub(self.running() + parts))
    }

    /// It is not to be asked any more.
    pub(crate) fn forget(&mut self, sub: SubId) {
        self.waiting.remove(sub);
        self.alone.forget(sub);
    }

    /// Whether something that waits has no room.
    pub(crate) fn lacks_room(&self, limits: &Limits) -> bool {
        [Role::Live, Role::Passing].into_iter().any(|role| self.waiting.lacks(role, self.room(role, limits)))
    }
}
