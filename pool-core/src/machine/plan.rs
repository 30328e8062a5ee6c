//! Requests and the REQs that carry them: what goes out together, where there is room for it, and who makes room. What that
//! means is decided in [`crate::plan`].
//!
//! A relay's REQs are shared out: live subscriptions may not take the last one, and neither may all the rest. So nothing starves
//! but by its own kind, and there a live REQ gives way: one that fits beside what waits as soon as that has waited for a
//! moment; where nothing fits, each in turn. Where a relay takes one REQ at once, live ones give way to what passes, too, and
//! nothing is asked for in pages that a live subscription is owed.

use alloc::vec::Vec;
use core::time::Duration;

use nostr_proto::{Filter, Reason};

use crate::event::Why;
use crate::ids::{RelayIx, SocketId, SubId, WireId};
use crate::plan::budget::{Limits, TooMany, complaint};
use crate::plan::pack::{Size, fuse};
use crate::plan::way::Age;
use crate::plan::{Member, Part, Role, chunk};
use crate::planted::planted;
use crate::subscription::leg::Ending;
use crate::time::Instant;

use super::Core;
use super::relays::Relay;
use super::sending::request;

/// What waits has waited for so long before others make room for it.
pub(super) const MOMENT: Duration = Duration::from_millis(500);

/// What is asked for next.
#[derive(Debug)]
pub(super) enum NextAsk {
    /// More of what was asked for.
    Part,
    /// Of these, in so many REQs.
    Together(Vec<SubId>, Role, usize),
}

impl Core {
    pub(super) fn limits(&self, relay: &Relay) -> Limits {
        let mut limits = relay.plan.budget.limits(&self.config);
        if planted!(self.config, BudgetIgnored) {
            limits.reqs = usize::MAX;
        }
        limits
    }

    pub(super) fn role(&self, sub: SubId) -> Role {
        let standing = self.subs.get(&sub).is_some_and(|sub| sub.is_standing());
        if standing { Role::Live } else { Role::Passing }
    }

    /// What may be asked for now, if anything: what is left of what runs, and then whoever waits longest, with those that it shares a
    /// REQ with.
    pub(super) fn next_ask(&mut self, ix: RelayIx) -> Option<NextAsk> {
        let relay = self.relays.get_mut(&ix)?;
        let last = relay.next_ask.take();
        let relay = self.relays.get(&ix)?;
        if let Some(NextAsk::Together(_, role, reqs)) = &last
            && *reqs <= relay.plan.room(*role, &self.limits(relay))
        {
            // Something else was sent first.
            return last;
        }
        if relay.plan.has_room_for_part(&self.limits(relay)) {
            return Some(NextAsk::Part);
        }
        if relay.plan.waiting.gathers_until.is_some_and(|until| until > self.now.mono) {
            return None;
        }
        let mut wake: Option<Instant> = None;
        for role in relay.plan.waiting.roles() {
            let relay = self.relays.get(&ix)?;
            let limits = self.limits(relay);
            let room = relay.plan.room(role, &limits);
            if room == 0 || role == Role::Live && relay.plan.waiting.rests(room, self.now.mono) {
                continue;
            }
            match self.gather(ix, role, room, limits) {
                Ok(Some((together, reqs))) => return Some(NextAsk::Together(together, role, reqs)),
                Ok(None) => {}
                Err(soonest) => wake = Some(wake.map_or(soonest, |wake| wake.min(soonest))),
            }
        }
        if let Some(relay) = self.relays.get_mut(&ix) {
            relay.plan.waiting.gathers_until = wake;
        }
        None
    }

    /// Whether anything was sent.
    pub(super) fn send_ask(&mut self, ix: RelayIx, socket: SocketId) -> bool {
        match self.relays.get_mut(&ix).and_then(|relay| relay.next_ask.take()) {
            Some(NextAsk::Part) => self.send_part(ix, socket),
            Some(NextAsk::Together(subs, role, _)) => self.send_together(ix, socket, &subs, role),
            None => false,
        }
    }

    fn send_together(&mut self, ix: RelayIx, socket: SocketId, subs: &[SubId], role: Role) -> bool {
        let Some(limits) = self.relays.get(&ix).map(|relay| self.limits(relay)) else { return false };
        let mut members: Vec<(Member, Option<Vec<Filter>>)> = Vec::new();
        let mut filters: Vec<Filter> = Vec::new();
        for &sub in subs {
            self.no_ask(ix, sub);
            let wire = self.wire_for(ix, sub);
            let Some(relay) = self.relays.get(&ix) else { return false };
            let Some(s) = self.subs.get_mut(&sub) else { continue };
            s.ask_under(ix, relay.auth.epoch(), relay.auth.known_as(), relay.options.auth_at_once);
            let Some(asks) = s.ask(ix, wire, &self.config, self.backlog.hears(self.now), &mut self.fx) else {
                continue;
            };
            let own = s.wants_whole(ix).then(|| asks.clone());
            self.next_wire = self.next_wire.max(wire.0 + 1);
            members.push((Member { request: wire, sub, page: false }, own));
            if subs.len() == 1 { filters = asks } else { fuse(&mut filters, asks, &limits) }
        }
        // Whoever asks for no less than is asked for has the answer that it would have alone.
        let whole: Vec<bool> = members.iter().map(|(_, own)| own.as_ref().is_some_and(|own| *own != filters)).collect();
        let Some(first) = members.first().map(|(first, _)| *first) else { return false };
        self.note_sent_for_size(ix, first.sub);
        let Some(relay) = self.relays.get_mut(&ix) else { return false };
        let mut parts = chunk::parts(filters, &limits).unwrap_or_default().into_iter();
        let role = match role {
            // What is new is told from what was stored by what comes for this while pages run, so that it stays open.
            Role::Passing if limits.reqs > 1 && parts.len() <= relay.plan.room(Role::Live, &limits) => Role::Live,
            Role::Passing => Role::Stored,
            role => role,
        };
        for ((member, _), whole) in members.iter().zip(whole) {
            relay.plan.begins(*member, whole, parts.len());
        }
        let requests: Vec<Member> = members.into_iter().map(|(member, _)| member).collect();
        let now = parts.next().unwrap_or_default();
        for part in parts {
            relay.plan.queue(Part { requests: requests.clone(), filters: Some(part), role });
        }
        let subs: Vec<SubId> = requests.iter().map(|member| member.sub).collect();
        self.send_req(ix, socket, requests, &now, role);
        subs.into_iter().for_each(|sub| self.sync_sub(sub));
        true
    }

    fn send_part(&mut self, ix: RelayIx, socket: SocketId) -> bool {
        let Some(limits) = self.relays.get(&ix).map(|relay| self.limits(relay)) else { return false };
        let Some(part) = self.relays.get_mut(&ix).and_then(|relay| relay.plan.next_part()) else { return false };
        let filters = part.filters.unwrap_or_else(|| {
            let mut filters = Vec::new();
            if let [one] = &part.requests[..] {
                return self.subs.get(&one.sub).map(|s| s.filters.to_vec()).unwrap_or_default();
            }
            for s in part.requests.iter().filter_map(|member| self.subs.get(&member.sub)) {
                fuse(&mut filters, s.filters.to_vec(), &limits);
            }
            filters
        });
        // What can't be cut as short as the relay says by now goes as it is: that is for the relay to refuse.
        let parts = chunk::parts(filters.clone(), &limits).unwrap_or_else(|| alloc::vec![filters]);
        let mut parts = parts.into_iter();
        let filters = parts.next().unwrap_or_default();
        if let Some(relay) = self.relays.get_mut(&ix) {
            for more in parts {
                relay.plan.queue_more(Part { requests: part.requests.clone(), filters: Some(more), role: part.role });
            }
        }
        self.send_req(ix, socket, part.requests, &filters, part.role);
        true
    }

    fn send_req(&mut self, ix: RelayIx, socket: SocketId, requests: Vec<Member>, filters: &[Filter], role: Role) {
        let own = requests.first().map(|member| member.request);
        let allowed = |member: &Member| self.subs.get(&member.sub).and_then(|sub| sub.allowed(ix));
        let allowed = requests.iter().map(allowed).sum::<Option<u64>>();
        let Some(relay) = self.relays.get_mut(&ix) else { return };
        // The name of its first request, if that was not used.
        let own = own.filter(|own| relay.plan.is_fresh(*own));
        #[cfg(feature = "planted-bugs")]
        let own = relay.plan.any_live().filter(|_| planted!(self.config, RunningReqJoined)).or(own);
        let name = own.unwrap_or_else(|| {
            let name = WireId(self.next_wire);
            self.next_wire += 1;
            name
        });
        let frame = request(name, relay.plan.name, filters);
        relay.plan.sent(name, requests, filters, role, self.now.mono);
        if let Some(frames) = allowed {
            relay.plan.allow(name, frames);
        }
        relay.vitals.asked(name, self.now.mono);
        relay.trial.asked(frame.len(), self.now.mono);
        self.send_frame(ix, socket, frame);
    }

    /// A name for a leg's request that no request had before.
    fn wire_for(&mut self, ix: RelayIx, sub: SubId) -> WireId {
        let fresh = WireId(self.next_wire);
        #[cfg(feature = "planted-bugs")]
        if planted!(self.config, WireIdReused)
            && let Some(leg) = self.subs.get_mut(&sub).and_then(|s| s.leg(ix))
        {
            return *leg.first_wire.get_or_insert(fresh);
        }
        let _ = (ix, sub);
        fresh
    }

    /// Whether something that waits has no place at this relay.
    pub(super) fn lacks_room(&self, relay: &Relay, sub: SubId) -> bool {
        relay.plan.room(self.role(sub), &self.limits(relay)) < relay.plan.waiting.reqs_for(sub)
    }

    /// Live requests give way to what has waited for a moment and has no place. Whether one did.
    pub(super) fn make_room(&mut self, ix: RelayIx) -> bool {
        let Some(relay) = self.relays.get(&ix) else { return false };
        if planted!(self.config, SlotsStarve) {
            return false;
        }
        let (now, limits) = (self.now.mono, self.limits(relay));
        if limits.reqs == 1
            && let Some(members) = self.relays.get_mut(&ix).and_then(|relay| relay.plan.take_stuck(&limits))
        {
            // What may have been cut short is asked again, for which there is no second REQ.
            self.ask_alone(ix, &members);
            return true;
        }
        if limits.reqs == 1 && self.owed_without_room(ix) {
            return true;
        }
        let Some(relay) = self.relays.get(&ix) else { return false };
        if self.is_crowded(relay, &limits) {
            // It takes less than it was thought to: what lives there is packed, as soon as it may be.
            let age = Age { now, patience: self.config.eose_deadline, turn: self.config.request_turn };
            let Some(members) = relay.plan.gives_way(Some(Size::default()), &limits, age) else { return false };
            return self.recall(ix, &members);
        }
        let waited = |sub: &SubId| self.window(relay, *sub).is_some_and(|window| window.due() + MOMENT <= now);
        let held = |sub: &SubId| self.is_held_for_auth(relay, *sub) || self.is_held_for_size(ix, relay, *sub);
        let long_enough = |sub: &SubId| relay.plan.waiting.place(*sub).is_some_and(|(_, since)| since + MOMENT <= now);
        let first_of = |role: Role| {
            let mut waiting = relay.plan.waiting.of(role).take_while(long_enough);
            waiting.find(|sub| waited(sub) && !held(sub) && self.lacks_room(relay, *sub))
        };
        let waiting = [Role::Live, Role::Passing].into_iter().filter_map(first_of);
        let page = relay.lanes.pages.first().filter(|_| limits.reqs == 1 && relay.plan.live() > 0);
        let first = waiting.min_by_key(|sub| relay.plan.waiting.place(*sub)).or(page.copied());
        let Some(first) = first else { return false };
        let passing = self.role(first) == Role::Passing;
        if passing && relay.plan.runs_passing() {
            return false;
        }
        let turn = if passing || limits.reqs == 1 { MOMENT } else { self.config.request_turn };
        let age = Age { now, patience: self.config.eose_deadline, turn };
        let Some(s) = self.subs.get(&first) else { return false };
        let one = relay.plan.waiting.reqs_for(first) == 1;
        let packs = !passing && one && !relay.plan.alone.contains(first) && relay.suspects.is_empty();
        let packs = packs && s.filters.iter().all(|f| f.search.is_none());
        let waiting = packs.then(|| Size::of(&s.filters));
        let Some(members) = relay.plan.gives_way(waiting, &limits, age) else { return false };
        self.recall(ix, &members)
    }

    /// Where one REQ runs at a time, there is none for what a live subscription is owed: that is told. Whether there was any.
    fn owed_without_room(&mut self, ix: RelayIx) -> bool {
        let Some(relay) = self.relays.get(&ix) else { return false };
        let owed = relay.lanes.pages.iter().copied().find(|sub| self.role(*sub) == Role::Live);
        let Some(sub) = owed else { return false };
        if let Some(s) = self.subs.get_mut(&sub) {
            s.has_no_room_for_pages(ix, &mut self.fx);
        }
        self.review_page(ix, sub);
        self.sync_sub(sub);
        true
    }

    /// Whether more live REQs run than may, and something waits for the room that they take.
    fn is_crowded(&self, relay: &Relay, limits: &Limits) -> bool {
        let waits = relay.plan.asks_for_more() || !relay.lanes.pages.is_empty();
        waits && relay.plan.live() > limits.share() && relay.plan.running() >= limits.reqs
    }

    /// Requests are made again when there is room for them: their legs are asked as after a lost connection. Whether any are.
    fn recall(&mut self, ix: RelayIx, members: &[Member]) -> bool {
        let mut any = false;
        let proven = self.relays.get(&ix).and_then(|relay| relay.conn.proven());
        for member in members.iter().filter(|member| !member.page) {
            let Some(sub) = self.subs.get_mut(&member.sub) else { continue };
            if sub.leg(ix).is_some_and(|leg| leg.wire() == Some(member.request)) {
                let running = sub.ask_anew(ix, proven, Why::Slot, &mut self.fx);
                any |= !running.is_empty();
                running.into_iter().for_each(|wire| self.release_wire(ix, wire));
                self.enqueue_ask(ix, member.sub);
            }
        }
        for member in members {
            self.review_page(ix, member.sub);
            self.note_need(ix, member.sub);
            self.sync_sub(member.sub);
        }
        any
    }

    /// When what waits at a relay is to be looked at again.
    pub(super) fn plan_wake(&self, relay: &Relay) -> Option<Instant> {
        let limits = self.limits(relay);
        let lacks = self.is_crowded(relay, &limits) || relay.plan.lacks_room(&limits);
        let waiting = &relay.plan.waiting;
        let gathers = waiting.gathers_until.filter(|at| *at > self.now.mono && !waiting.is_empty());
        let rests = waiting.rests_until().filter(|at| *at > self.now.mono);
        gathers.into_iter().chain(rests).chain(lacks.then(|| self.now.mono + MOMENT)).min()
    }

    /// The requests of a REQ that runs.
    pub(super) fn members(&self, ix: RelayIx, name: WireId) -> Option<Vec<Member>> {
        self.relays.get(&ix)?.plan.members(name).map(<[Member]>::to_vec)
    }

    pub(super) fn shares(&self, ix: RelayIx, request: WireId) -> bool {
        self.relays.get(&ix).is_some_and(|relay| relay.plan.is_shared(request))
    }

    /// A request is over, and its connection goes with it.
    pub(super) fn forget_wire(&mut self, ix: RelayIx, request: WireId) {
        if let Some(relay) = self.relays.get_mut(&ix) {
            let _ = relay.plan.leaves(request);
        }
    }

    /// What nobody needs any more goes on all the same.
    pub(super) fn linger(&mut self, ix: RelayIx, sub: SubId, request: WireId) {
        if let Some(relay) = self.relays.get_mut(&ix) {
            let member = Member { request, sub, page: false };
            relay.plan.begins(member, false, 1);
            relay.plan.sent(request, alloc::vec![member], &[], Role::Live, self.now.mono);
        }
    }

    /// The relay refused or ended a REQ. `closed`: by CLOSED, so that it needs no CLOSE.
    pub(super) fn on_req_refused(&mut self, ix: RelayIx, name: WireId, reason: &Reason, closed: bool) {
        let limited = reason.prefix == Some(nostr_proto::Prefix::RateLimited);
        if limited {
            self.pause_lanes(ix);
        }
        let Some(relay) = self.relays.get_mut(&ix) else { return };
        relay.vitals.forget_request(name);
        let Some(refused) = relay.plan.refused(name, closed) else {
            self.count(ix, |c| &mut c.unsolicited);
            return;
        };
        let running = relay.plan.running() + usize::from(closed);
        let what = complaint(&alloc::format!("{reason}"));
        let had = if what == Some(TooMany::Filters) { refused.filters } else { running };
        let learnt = what.is_some_and(|what| relay.plan.budget.refused(what, had, &self.config));
        for member in &refused.members {
            self.note_in_size(ix, member.sub, member.request);
        }
        let page = refused.members.iter().any(|member| member.page);
        if learnt && !page {
            self.recall(ix, &refused.members);
        } else if refused.shared && !limited {
            self.ask_alone(ix, &refused.members);
        } else {
            self.telling(ix, |core| {
                for member in refused.members {
                    core.end_request(ix, member, Ending::Closed(reason.clone()));
                }
            });
        }
        self.next_suspect(ix);
    }

    /// A refusal of what several share says nothing of any of them: each is asked alone.
    pub(super) fn ask_alone(&mut self, ix: RelayIx, members: &[Member]) {
        if let Some(relay) = self.relays.get_mut(&ix) {
            members.iter().for_each(|member| relay.plan.alone.refused(member.sub));
        }
        self.recall(ix, members);
    }

    /// A NOTICE that names no request says that there is too much: what had no answer at all goes again within what that leaves.
    /// Whether that teaches anything.
    pub(super) fn on_complaint(&mut self, ix: RelayIx, what: TooMany) -> bool {
        let Some(relay) = self.relays.get_mut(&ix) else { return false };
        let silent = relay.vitals.silent();
        let most = silent.iter().filter_map(|name| relay.plan.filters(*name)).max().unwrap_or(0);
        let had = match what {
            TooMany::Reqs => relay.plan.running().saturating_sub(silent.len()) + 1,
            TooMany::Filters => most,
        };
        if silent.is_empty() || !relay.plan.budget.refused(what, had, &self.config) {
            return false;
        }
        let again = |name: &WireId| what == TooMany::Reqs || relay.plan.filters(*name) == Some(most);
        let again = silent.iter().filter(|name| again(name)).filter_map(|name| relay.plan.members(*name));
        let again: Vec<Member> = again.flatten().copied().collect();
        self.recall(ix, &again);
        true
    }
}
