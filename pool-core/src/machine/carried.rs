//! What comes for a REQ, told to the requests that it carries: whom an event may be for, who has an EOSE by it, and whom a CLOSED
//! concerns.

use alloc::vec::Vec;

use nostr_proto::{EoseHints, EventId, Prefix, Reason};

use crate::ids::{RelayIx, WireId};
use crate::plan::Member;
use crate::planted::planted;
use crate::subscription::leg::{Ending, Eose};

use super::Core;
use super::frames::Request;

/// The requests that an EVENT message may be for: most REQs have one.
pub(super) enum Carried {
    One(Request),
    Many(Vec<Request>),
}

impl Core {
    /// The REQ of this name, if it is one of ours.
    fn req_of(&self, ix: RelayIx, subscription: &str) -> Option<WireId> {
        let name = WireId::parse(subscription).filter(|name| name.0 < self.next_wire)?;
        self.members(ix, name).map(|_| name)
    }

    pub(super) fn on_eose(&mut self, ix: RelayIx, subscription: &str, hints: EoseHints) {
        if let Some(name) = WireId::parse(subscription)
            && self.on_count_ending(ix, name, None)
        {
            return;
        }
        let Some(name) = self.req_of(ix, subscription) else {
            self.count(ix, |c| &mut c.unsolicited);
            return;
        };
        let now = self.now.mono;
        let Some(relay) = self.relays.get_mut(&ix) else { return };
        relay.vitals.eose(name, now);
        let enough = relay.plan.budget.page().unwrap_or(0).max(relay.largest_page).max(self.config.min_page);
        let enough = if planted!(self.config, SharedCutBelieved) { usize::MAX } else { enough };
        let Some(eose) = relay.plan.eose(name, hints, enough as u64) else { return };
        for member in &eose.members {
            self.note_in_size(ix, member.sub, member.request);
            if let Some(s) = self.subs.get_mut(&member.sub) {
                s.answered(ix, member.request);
                if let Some(leg) = s.leg(ix).filter(|_| !member.page) {
                    leg.progress = leg.progress.max(self.backlog.listening(now));
                }
            }
        }
        for (member, ..) in &eose.answered {
            let floor = self.relays.get(&ix).and_then(|relay| relay.plan.floor(member.request));
            if let Some(floor) = floor
                && let Some(leg) = self.subs.get_mut(&member.sub).and_then(|s| s.leg(ix))
            {
                leg.resume.floor(member.request, floor);
            }
        }
        if eose.close {
            self.close_req(ix, name);
        }
        for (member, hints, frames) in eose.answered {
            self.end_request(ix, member, Ending::Eose(Eose { hints, frames }));
        }
        self.asking.insert(ix);
        self.next_suspect(ix);
    }

    pub(super) fn on_closed_by_relay(&mut self, ix: RelayIx, subscription: &str, reason: &Reason) {
        let named = WireId::parse(subscription).filter(|name| name.0 < self.next_wire);
        if let Some(name) = named
            && self.on_count_ending(ix, name, Some(reason))
        {
            return;
        }
        match self.req_of(ix, subscription) {
            Some(name) => self.on_req_refused(ix, name, reason, true),
            None => {
                self.count(ix, |c| &mut c.unsolicited);
                // It slows the whole relay: also if the request is over.
                if named.is_some() && reason.prefix == Some(Prefix::RateLimited) {
                    self.pause_lanes(ix);
                }
            }
        }
    }

    /// A request came to its EOSE, or the relay ended it.
    pub(super) fn end_request(&mut self, ix: RelayIx, member: Member, end: Ending) {
        let Member { request: wire, sub, page } = member;
        if page {
            self.end_page(ix, sub, wire, end);
            return;
        }
        let now = self.now.mono;
        let Some(s) = self.subs.get_mut(&sub) else { return };
        s.tell_flooded(ix, &mut self.fx);
        s.answered(ix, wire);
        let Some(leg) = s.leg(ix) else { return };
        leg.progress = self.backlog.listening(now);
        for end in leg.ending(wire, end) {
            self.apply_ending(sub, ix, wire, end);
        }
    }

    /// The requests of the running REQ of this name, which an event came for, a copy of a known one perhaps. An event for one
    /// that is over is counted, and CLOSE said once more.
    pub(super) fn requests(&mut self, ix: RelayIx, subscription: &str, id: &EventId) -> Option<Carried> {
        let name = WireId::parse(subscription);
        if let Some(name) = name
            && let Some(relay) = self.relays.get_mut(&ix)
            && let Some((frames, members, complete)) = relay.plan.event(name)
        {
            let request = |member: &Member| {
                let &Member { request: wire, sub, page } = member;
                Request { name, wire, sub, page, frames, counts: true }
            };
            let carried = match members {
                [one] if complete => Carried::One(request(one)),
                members => Carried::Many(members.iter().map(request).collect()),
            };
            relay.counters.events += 1;
            if relay.options.quarantine {
                relay.conn.quarantine.event(id, &self.config, self.now.mono);
            }
            let first = relay.vitals.heard(name);
            return Some(self.carried(ix, carried, complete, first));
        }
        self.count(ix, |c| &mut c.unsolicited);
        let now = self.now.mono;
        if let Some(name) = name.filter(|w| w.0 < self.next_wire)
            && let Some(relay) = self.relays.get_mut(&ix)
        {
            relay.lanes.close_stray(name, now);
            self.pump(ix);
        }
        None
    }

    /// What several requests may have brought between them is no one's excess. `complete`: none has left their REQ.
    fn carried(&mut self, ix: RelayIx, mut carried: Carried, complete: bool, first: bool) -> Carried {
        let requests = match &mut carried {
            Carried::One(one) => core::slice::from_mut(one),
            Carried::Many(many) => {
                let allowed = |request: &Request| self.subs.get(&request.sub).and_then(|sub| sub.allowed(ix));
                let all = many.iter().map(allowed).sum::<Option<u64>>().filter(|_| complete);
                for (nth, request) in many.iter_mut().enumerate() {
                    let own = self.subs.get(&request.sub).and_then(|sub| sub.allowed(ix)).unwrap_or(0);
                    request.frames = all.map_or(0, |all| request.frames.saturating_sub(all - own));
                    request.counts = nth == 0;
                }
                &mut many[..]
            }
        };
        for request in requests.iter().filter(|_| first) {
            if let Some(sub) = self.subs.get_mut(&request.sub) {
                sub.answered(ix, request.wire);
            }
        }
        carried
    }

    pub(super) fn runs(&self, ix: RelayIx, request: WireId) -> bool {
        self.relays.get(&ix).is_some_and(|relay| relay.plan.runs(request))
    }
}
