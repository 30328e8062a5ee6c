//! What comes for a REQ, told to the requests that it carries: whom an event may be for, who has an EOSE by it, and whom a CLOSED
//! concerns.

use alloc::vec::Vec;

use nostr_proto::{EoseHints, Event, EventId, ParseError, Prefix, Reason};

use crate::ids::{RelayIx, SubId, WireId};
use crate::plan::{Came, Member};
use crate::planted::planted;
use crate::subscription::leg::{Ending, Eose};

use super::Core;
use super::frames::Request;

/// What an EVENT message may be for: most REQs are of one request.
#[derive(Clone, Copy)]
pub(super) enum Carried {
    One(Request),
    Many(Shared),
}

/// A REQ that several requests share, or shared.
#[derive(Clone, Copy)]
pub(super) struct Shared {
    name: WireId,
    /// EVENT messages that are more than they asked for between them.
    excess: u64,
}

/// That many requests are looked at sooner than found by the index; to tests, few are.
const FEW: usize = if cfg!(any(test, feature = "planted-bugs")) { 1 } else { 16 };

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
        self.telling(ix, |core| {
            if eose.close {
                core.close_req(ix, name);
            }
            for (member, hints, frames) in eose.answered {
                core.end_request(ix, member, Ending::Eose(Eose { hints, frames }));
            }
        });
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

    /// The running REQ of this name, which an event came for, a copy of a known one perhaps. An event for one that is over is
    /// counted, and CLOSE said once more.
    pub(super) fn carried(&mut self, ix: RelayIx, subscription: &str, id: &EventId) -> Option<Carried> {
        let name = WireId::parse(subscription);
        if let Some(name) = name
            && let Some(relay) = self.relays.get_mut(&ix)
            && let Some(Came { only, frames, excess }) = relay.plan.event(name)
        {
            relay.counters.events += 1;
            if relay.options.quarantine {
                relay.conn.quarantine.event(id, &self.config, self.now.mono);
            }
            if relay.vitals.heard(name) {
                self.note_answered(ix, name);
            }
            return Some(match only {
                Some(Member { request: wire, sub, page }) => {
                    Carried::One(Request { name, wire, sub, page, frames, counts: true })
                }
                None => Carried::Many(Shared { name, excess }),
            });
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

    /// The first message for a REQ came.
    fn note_answered(&mut self, ix: RelayIx, name: WireId) {
        for member in self.members(ix, name).unwrap_or_default() {
            if let Some(sub) = self.subs.get_mut(&member.sub) {
                sub.answered(ix, member.request);
            }
        }
    }

    /// The requests of a REQ whose subscription asks for the event, one of which counts it. Others cost nothing, unless they
    /// are few.
    pub(super) fn sharing(&self, ix: RelayIx, Shared { name, excess }: Shared, event: &Event) -> Vec<Request> {
        let Some(relay) = self.relays.get(&ix) else { return Vec::new() };
        let members = relay.plan.members(name).unwrap_or_default();
        let wants = |member: &&Member| {
            let wants = self.subs.get(&member.sub).is_some_and(|sub| sub.matches(event));
            wants || planted!(self.config, SharedUnmatched)
        };
        let wanting: Vec<&Member> = if members.len() <= FEW || planted!(self.config, SharedUnmatched) {
            members.iter().filter(wants).collect()
        } else {
            self.candidates_among(ix, members, event).filter(wants).collect()
        };
        #[cfg(any(test, feature = "planted-bugs"))]
        assert!(
            members.iter().filter(wants).eq(wanting.iter().copied()) || planted!(self.config, FiltersNotChecked),
            "the index finds whoever shares a REQ"
        );
        let request = |&&Member { request: wire, sub, page }: &&Member| {
            // What several may have brought between them is no one's excess.
            let allowed = self.subs.get(&sub).and_then(|sub| sub.allowed(ix)).unwrap_or(0);
            Request { name, wire, sub, page, frames: allowed.saturating_add(excess), counts: false }
        };
        let mut requests: Vec<Request> = wanting.iter().map(request).collect();
        // Its fate is that for the first that it is news to.
        let news = |request: &Request| self.may_be_news(ix, request, event);
        let counts = requests.iter().position(news).unwrap_or(0);
        if let Some(request) = requests.get_mut(counts) {
            request.counts = true;
        }
        requests
    }

    /// Whether more than a look will be needed to say what becomes of an event for a request.
    fn may_be_news(&self, ix: RelayIx, request: &Request, event: &Event) -> bool {
        let (id, sub) = (event.id(), self.subs.get(&request.sub));
        let not_for = |sub| self.dedup.facts(&id).is_some_and(|facts| self.is_not_for(sub, &facts));
        !self.dedup.was_delivered(&id, request.sub)
            && !self.is_excess(ix, *request, event.created_at())
            && !sub.is_some_and(|sub| not_for(sub))
    }

    /// Those that the index leads to, and those of hidden subscriptions, which it does not know: they are last.
    fn candidates_among<'a>(
        &self,
        ix: RelayIx,
        members: &'a [Member],
        event: &Event,
    ) -> impl Iterator<Item = &'a Member> + use<'a> {
        let hidden = members.partition_point(|member| !member.sub.is_hidden());
        let (seen, hidden) = members.split_at(hidden);
        let of = move |sub: SubId| {
            let from = seen.partition_point(|member| member.sub < sub);
            seen[from..].iter().take_while(move |member| member.sub == sub)
        };
        self.index.candidates(event, &[ix]).into_iter().flat_map(of).chain(hidden)
    }

    /// An event that can't be read came for several: they are told, unless they have the event.
    pub(super) fn on_unread(&mut self, ix: RelayIx, Shared { name, .. }: Shared, id: EventId, error: &ParseError) {
        let told = self.relays.get_mut(&ix).is_some_and(|relay| relay.plan.unread(name, id));
        for member in self.members(ix, name).filter(|_| told).unwrap_or_default() {
            if self.dedup.was_delivered(&id, member.sub) {
                continue;
            }
            if let Some(sub) = self.subs.get_mut(&member.sub) {
                sub.rejected(ix, id, error, &mut self.fx);
            }
        }
    }

    pub(super) fn runs(&self, ix: RelayIx, request: WireId) -> bool {
        self.relays.get(&ix).is_some_and(|relay| relay.plan.runs(request))
    }
}
