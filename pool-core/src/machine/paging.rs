//! Pages: what relays owe, asked for below everything else that goes out.

use core::ops::Bound;

use nostr_proto::Filter;

use crate::call::CallError;
use crate::event::Gap;
use crate::ids::{RelayIx, SocketId, SubId, WireId};
use crate::plan::{Member, Part, Role, chunk};
use crate::subscription::Next;
use crate::subscription::paging::Ground;

use super::Core;
use super::sending::request;

impl Core {
    /// A page of a leg may be due, or over, or void; or the leg with it.
    pub(super) fn review_page(&mut self, ix: RelayIx, id: SubId) {
        let now = self.backlog.listening(self.now.mono);
        let Some(sub) = self.subs.get_mut(&id) else { return };
        let dropped = sub.drop_page(ix);
        let next = sub.end_leg(ix);
        let due = sub.is_page_due(ix, now, &self.fx);
        sub.note_held_up(&mut self.fx);
        let runs = sub.leg(ix).is_some_and(|leg| leg.resume.page().is_some());
        let Some(relay) = self.relays.get_mut(&ix) else { return };
        let ended = !runs && relay.paging.remove(&id);
        if due {
            relay.lanes.pages.insert(id);
        } else {
            relay.lanes.pages.remove(&id);
        }
        if let Some(wire) = dropped {
            self.close_wire(ix, wire);
        }
        if let Next::Close(wire) = next {
            self.close_wire(ix, wire);
            self.note_need(ix, id);
        }
        if due || ended {
            self.pump(ix);
        }
    }

    /// The next page that may be sent: so many at once, in turn, and under the same holds as a request.
    pub(super) fn next_page(&self, ix: RelayIx) -> Option<SubId> {
        let relay = self.relays.get(&ix)?;
        let most = self.config.max_pages_at_once.max(1);
        let leg = |sub: &SubId| self.subs.get(sub)?.legs.get(&ix).map(|(_, leg)| leg);
        let runs = |sub: &&SubId| leg(sub).is_some_and(|leg| leg.resume.page().is_some());
        if relay.paging.iter().filter(runs).count() >= most || self.is_page_held_for_size(ix, relay) {
            return None;
        }
        if relay.plan.room(Role::Passing, &relay.plan.budget.limits(&self.config)) == 0 {
            return None;
        }
        let after = relay.last_page.map_or(Bound::Unbounded, Bound::Excluded);
        let in_turn = relay.lanes.pages.range((after, Bound::Unbounded)).chain(&relay.lanes.pages);
        in_turn.copied().find(|sub| !self.is_held_for_auth(relay, *sub))
    }

    /// Whether anything was sent.
    pub(super) fn send_page(&mut self, ix: RelayIx, socket: SocketId, id: SubId) -> bool {
        let wire = WireId(self.next_wire);
        let Some(relay) = self.relays.get(&ix) else { return false };
        let ground = Ground { config: &self.config, largest: relay.largest_page, now: self.backlog.hears(self.now) };
        let limit = relay.plan.budget.page_limit(self.config.min_page);
        let Some(filter) = self.subs.get_mut(&id).and_then(|sub| sub.begin_page(ix, wire, ground)) else {
            return false;
        };
        let filter = Filter { limit, ..filter };
        self.next_wire += 1;
        let limits = self.limits(relay);
        // One that can't be made short enough is of a filter that was not asked for either.
        let mut parts =
            chunk::parts(alloc::vec![filter.clone()], &limits).unwrap_or(alloc::vec![alloc::vec![filter]]).into_iter();
        let (count, first) = (parts.len(), parts.next().unwrap_or_default());
        let Some(relay) = self.relays.get_mut(&ix) else { return false };
        let frame = request(wire, relay.plan.name, &first);
        {
            let member = Member { request: wire, sub: id, page: true };
            let role = if count > 1 { Role::Stored } else { Role::Passing };
            relay.plan.begins(member, false, count);
            relay.plan.sent(wire, alloc::vec![member], &first, role, self.now.mono);
            for part in parts {
                relay.plan.queue(Part { requests: alloc::vec![member], filters: Some(part), role });
            }
            if let Some(leg) = self.subs.get_mut(&id).and_then(|sub| sub.leg(ix)) {
                let pushed = leg.wire().is_some_and(|own| relay.plan.is_pushed(own));
                leg.resume.differs(wire, count > 1, !pushed);
            }
            relay.paging.insert(id);
            relay.last_page = Some(id);
            relay.trial.asked(frame.len(), self.now.mono);
        }
        self.send_frame(ix, socket, frame);
        self.sync_sub(id);
        true
    }

    /// The application took items: pages that waited for room may go.
    pub(super) fn page_again(&mut self, id: SubId) {
        let Some(sub) = self.subs.get_mut(&id) else { return };
        if !sub.has_room_again(&self.fx) {
            return;
        }
        self.review_pages(id);
    }

    pub(super) fn review_pages(&mut self, id: SubId) {
        let legs = self.subs.get(&id).map(|sub| sub.legs.keys().copied());
        for ix in legs.into_iter().flatten().collect::<alloc::vec::Vec<RelayIx>>() {
            self.review_page(ix, id);
        }
    }

    /// What was given up there is asked for again, with a new budget.
    pub(super) fn refill(&mut self, id: SubId, gap: &Gap) -> Result<(), CallError> {
        let sub = self.subs.get(&id).filter(|_| !id.is_hidden()).ok_or(CallError::UnknownSubscription(id))?;
        let relays: alloc::vec::Vec<RelayIx> = match &gap.relay {
            None => sub.legs.keys().copied().collect(),
            Some(url) => sub.legs.iter().filter(|(_, (leg, _))| leg == url).map(|(&ix, _)| ix).collect(),
        };
        for ix in relays {
            if self.subs.get_mut(&id).is_some_and(|sub| sub.refill(ix, gap)) {
                self.review_page(ix, id);
            }
        }
        Ok(())
    }
}
