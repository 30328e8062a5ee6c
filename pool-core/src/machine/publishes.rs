//! Publishes: starting them, and what their relays and the signer say.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use nostr_proto::{BadSignature, Event, EventId, HashedEvent, Proof, Reason, RelayUrl, UnsignedEvent, VerifiedEvent};

use crate::auth::Refusal;
use crate::call::{CallError, Publish, PublishUnsigned, Quorum, Reply, Target};
use crate::command::Command;
use crate::config::Config;
use crate::effects::Effects;
use crate::event::{Item, PendingItem, PendingOutcome};
use crate::ids::{PublishId, RelayIx, SubId, Ticket};
#[cfg(feature = "planted-bugs")]
use crate::planted::planted;
use crate::publish::quorum::Rule;
use crate::publish::{Body, Next, Publication, refusal};
use crate::time::Now;
use crate::timers::TimerKey;

use super::{Core, Job};

impl Core {
    pub(super) fn publish(&mut self, request: Publish) -> Result<Reply, CallError> {
        let Publish { event, target, quorum, deadline } = request;
        let size = 2 * event.size();
        if !self.has_publish_room(size) {
            return Err(CallError::PublishQueueFull(event));
        }
        let relays = self.publish_target(&target)?;
        let rule = self.rule(quorum, &relays)?;
        #[cfg(feature = "planted-bugs")]
        let rule = self.with_aliases(rule, &relays, &target);
        self.make_publish_room(size);
        let reply = self.start_publish(Body::signed(event), relays, rule, deadline);
        if let Reply::Publishing(id, _) = reply {
            self.deliver_publish(id);
        }
        Ok(reply)
    }

    pub(super) fn publish_unsigned(&mut self, request: PublishUnsigned) -> Result<Reply, CallError> {
        let PublishUnsigned { event, target, quorum, deadline } = request;
        // Signed, it holds its message beside itself.
        let size = 3 * event.heap_bytes();
        if !self.has_publish_room(size) {
            return Err(CallError::UnsignedQueueFull(event));
        }
        let relays = self.publish_target(&target)?;
        let rule = self.rule(quorum, &relays)?;
        self.make_publish_room(size);
        let reply = self.start_publish(Body::Unsigned(event.clone()), relays, rule, deadline);
        if let Reply::Publishing(id, _) = reply {
            self.echo(id);
            self.sign(id, event);
            self.deliver_publish(id);
        }
        Ok(reply)
    }

    fn sign(&mut self, id: PublishId, event: UnsignedEvent) {
        let ticket = self.ticket(Job::Sign(id));
        self.signing.insert(id, ticket);
        self.fx.command(Command::Sign { ticket, event });
    }

    /// Publishes a remembered event once more, where it was not accepted.
    pub(super) fn retry(&mut self, event: &EventId, deadline: Option<Duration>) -> Result<Reply, CallError> {
        let earlier = self.by_event.get(event).and_then(|ids| self.publishes.get(ids.last()?));
        let Some(earlier) = earlier else { return Err(CallError::UnknownEvent(*event)) };
        let (old, body, quorum) = (earlier.id, earlier.body.clone(), earlier.quorum().clone());
        let (urls, size) = (earlier.remaining_urls(), earlier.bytes());
        if !self.has_publish_room(size) {
            return Err(match body {
                Body::Signed { event, .. } => CallError::PublishQueueFull(event),
                Body::Unsigned(event) => CallError::UnsignedQueueFull(event),
            });
        }
        let relays = self.target(&Target::Relays(urls), |_| true)?;
        let rule = self.rule(quorum, &relays)?;
        let unsigned = match &body {
            Body::Unsigned(event) => Some(event.clone()),
            Body::Signed { .. } => None,
        };
        let reply = self.start_publish(body, relays, rule, deadline);
        if let Reply::Publishing(id, _) = reply {
            if let Some(earlier) = self.publishes.remove(&old) {
                self.on_publish(id, |p, _, _, fx| p.carry_over(&earlier, fx));
                self.publishes.insert(old, earlier);
            }
            if let Some(event) = unsigned {
                self.sign(id, event);
            }
            self.deliver_publish(id);
        }
        self.make_publish_room(0);
        Ok(reply)
    }

    pub(super) fn cancel(&mut self, id: PublishId) -> Result<(), CallError> {
        if !self.publishes.contains_key(&id) {
            return Err(CallError::UnknownPublish(id));
        }
        self.on_publish(id, |p, _, _, fx| p.cancel(fx));
        Ok(())
    }

    /// Runs one step of a publish and keeps the books on it.
    pub(super) fn on_publish<R>(
        &mut self,
        id: PublishId,
        step: impl FnOnce(&mut Publication, &Config, Now, &mut Effects) -> R,
    ) -> Option<R> {
        let publication = self.publishes.get_mut(&id)?;
        let result = step(publication, &self.config, self.now, &mut self.fx);
        let deadline = publication.deadline();
        let relays: Vec<(RelayIx, bool)> = publication.relays().map(|(ix, _)| (ix, publication.is_open(ix))).collect();
        let fate = publication.verdict().map(|verdict| match refusal(publication) {
            Some(why) => PendingOutcome::NotSigned(why),
            None => PendingOutcome::Published(verdict.clone()),
        });
        let (event, done) = (publication.event_id(), publication.is_done());
        self.arm(TimerKey::Publish(id), deadline);
        if done && let Some(ticket) = self.signing.remove(&id) {
            // The signer's answer would come too late.
            self.jobs.remove(&ticket);
        }
        for (ix, open) in relays {
            let Some(relay) = self.relays.get_mut(&ix) else { continue };
            if open {
                relay.publishes.insert(id);
            } else if relay.publishes.remove(&id) {
                relay.lanes.events.remove(&id);
                self.review(ix);
            }
        }
        if let Some(outcome) = fate {
            self.resolve_echo(id, event, &outcome);
        }
        Some(result)
    }

    pub(super) fn on_publish_timer(&mut self, id: PublishId) {
        let again = self.on_publish(id, |p, config, now, fx| p.timeout(config, now, fx));
        for ix in again.into_iter().flatten() {
            self.enqueue_event(ix, id);
        }
    }

    /// A relay answered with OK.
    pub(super) fn on_ok(&mut self, ix: RelayIx, event: Option<EventId>, accepted: bool, reason: &Reason) {
        if self.is_auth_ok(ix, event, accepted, reason) {
            return;
        }
        let ids = event.and_then(|id| self.by_event.get(&id)).cloned().unwrap_or_default();
        let mut answered = false;
        for id in ids {
            if !accepted && self.publish_lacks_auth(ix, id, reason) {
                answered = true;
                continue;
            }
            match self.on_publish(id, |p, config, now, fx| p.ok(ix, accepted, reason, config, now, fx)) {
                Some(Next::Nothing) => answered = true,
                Some(Next::Pause) => {
                    answered = true;
                    self.pause_lanes(ix);
                }
                Some(Next::Unsolicited) | None => {}
            }
        }
        let Some(relay) = self.relays.get_mut(&ix) else { return };
        if !answered {
            relay.counters.unsolicited += 1;
        } else if accepted {
            relay.lanes.went_well();
        }
    }

    /// Whether a refused publish waits for an authentication, or is sent again because of one.
    fn publish_lacks_auth(&mut self, ix: RelayIx, id: PublishId, reason: &Reason) -> bool {
        let under = self.publishes.get(&id).and_then(|p| p.in_flight_under(ix));
        let refusal = under.and_then(|under| self.lacks_auth(ix, reason, under));
        let Some(refusal) = refusal.filter(|refusal| *refusal != Refusal::Final) else { return false };
        self.on_publish(id, |p, config, _, fx| p.lacks_auth(ix, reason, config, fx));
        if refusal == Refusal::Again {
            self.on_publish(id, |p, _, _, fx| p.authenticated(ix, fx));
            self.enqueue_event(ix, id);
        }
        true
    }

    /// The user's signer answered.
    pub(super) fn on_signed(&mut self, ticket: Ticket, outcome: Result<Event, String>) {
        let id = match self.jobs.get(&ticket) {
            Some(Job::Sign(id)) => *id,
            Some(&Job::SignAuth(ix, event)) => {
                self.jobs.remove(&ticket);
                return self.on_auth_signed((ix, event), outcome);
            }
            _ => {
                self.stats.unknown_tickets += 1;
                return;
            }
        };
        self.jobs.remove(&ticket);
        self.signing.remove(&id);
        let Some(publication) = self.publishes.get(&id) else { return };
        let expected = publication.event_id();
        let hashed = outcome.and_then(|event| {
            event
                .check_id()
                .ok()
                .filter(|event| event.id() == expected)
                .ok_or_else(|| String::from("the signer returned another event than it was given"))
        });
        match hashed {
            Ok(event) => {
                let ticket = self.ticket(Job::CheckSigned(id, event.clone()));
                self.fx.command(Command::Verify { ticket, event });
            }
            Err(why) => self.not_signed(id, &why),
        }
    }

    /// The verifier answered about what the user's signer made.
    pub(super) fn on_signature_checked(
        &mut self,
        id: PublishId,
        event: HashedEvent,
        outcome: Result<Proof, BadSignature>,
    ) {
        let verified = outcome.ok().and_then(|proof| VerifiedEvent::new(event, proof).ok());
        let Some(event) = verified else {
            self.not_signed(id, "the signer returned a wrong signature");
            return;
        };
        self.on_publish(id, |p, _, _, _| p.signed(event.into_event()));
        for ix in self.publishes.get(&id).map(Publication::open_relays).unwrap_or_default() {
            self.enqueue_event(ix, id);
        }
    }

    fn not_signed(&mut self, id: PublishId, why: &str) {
        self.on_publish(id, |p, _, _, fx| p.not_signed(why, fx));
    }

    fn start_publish(
        &mut self,
        body: Body,
        relays: Vec<(RelayIx, RelayUrl)>,
        rule: (Quorum, Rule),
        deadline: Option<Duration>,
    ) -> Reply {
        let id = PublishId(self.next_publish);
        self.next_publish += 1;
        let patience = deadline.unwrap_or(self.config.publish_deadline);
        let publication = Publication::new(id, body, relays, rule, patience, &self.config, self.now);
        let event = publication.event_id();
        self.publishes.insert(id, publication);
        self.by_event.entry(event).or_default().push(id);
        self.on_publish(id, |_, _, _, _| ());
        Reply::Publishing(id, event)
    }

    /// Sees to it that the relays of a publish are connected, and that it is sent to those that are.
    fn deliver_publish(&mut self, id: PublishId) {
        for ix in self.publishes.get(&id).map(Publication::open_relays).unwrap_or_default() {
            self.review(ix);
            self.enqueue_event(ix, id);
        }
    }

    /// The relays of a publish: those named, and the pinned ones.
    fn publish_target(&mut self, target: &Target) -> Result<Vec<(RelayIx, RelayUrl)>, CallError> {
        let pinned = self.relays.iter().filter(|(_, r)| r.added && !r.removed && r.options.pinned);
        let mut relays: BTreeMap<RelayIx, RelayUrl> = pinned.map(|(&ix, r)| (ix, r.url.clone())).collect();
        match self.target(target, |options| options.write) {
            Ok(named) => relays.extend(named),
            Err(CallError::NoRelays) if !relays.is_empty() => {}
            Err(error) => return Err(error),
        }
        Ok(relays.into_iter().collect())
    }

    fn rule(&mut self, quorum: Quorum, relays: &[(RelayIx, RelayUrl)]) -> Result<(Quorum, Rule), CallError> {
        let find = |url: &RelayUrl| relays.iter().find(|(_, known)| known == url).map(|(ix, _)| *ix);
        let rule = Rule::new(&quorum, relays.len(), find);
        if rule.is_err() {
            // Relays that were taken in for this call only go again.
            for (ix, _) in relays {
                self.review(*ix);
            }
        }
        rule.map(|rule| (quorum, rule))
    }

    /// Notes the relays that were named twice.
    #[cfg(feature = "planted-bugs")]
    fn with_aliases(
        &self,
        (quorum, mut rule): (Quorum, Rule),
        relays: &[(RelayIx, RelayUrl)],
        target: &Target,
    ) -> (Quorum, Rule) {
        if planted!(self.config, TwoVotesForAlias)
            && let Target::Relays(urls) = target
        {
            let twice = |url: &RelayUrl| urls.iter().filter(|u| *u == url).count() > 1;
            rule.twice = relays.iter().filter(|(_, url)| twice(url)).map(|(ix, _)| *ix).collect();
        }
        (quorum, rule)
    }

    fn has_publish_room(&self, bytes: usize) -> bool {
        let open = self.publishes.values().filter(|p| !p.is_done());
        let (count, held) = open.fold((0, 0), |(n, b), p| (n + 1, b + p.bytes()));
        count < self.config.max_publishes && (count == 0 || held + bytes <= self.config.max_publish_bytes)
    }

    /// Forgets finished publishes, oldest first, until another of this size fits.
    fn make_publish_room(&mut self, bytes: usize) {
        let mut held: usize = self.publishes.values().map(Publication::bytes).sum();
        while self.publishes.len() >= self.config.max_publishes || held + bytes > self.config.max_publish_bytes {
            let Some(oldest) = self.publishes.values().find(|p| p.is_done()) else { break };
            held -= oldest.bytes();
            let (id, event) = (oldest.id, oldest.event_id());
            self.forget_publish(id, &event);
        }
    }

    pub(super) fn forget_publish(&mut self, id: PublishId, event: &EventId) {
        self.publishes.remove(&id);
        self.echoes.remove(&id);
        self.timers.set(TimerKey::Publish(id), None);
        if let Some(ids) = self.by_event.get_mut(event) {
            ids.retain(|known| *known != id);
            if ids.is_empty() {
                self.by_event.remove(event);
            }
        }
    }

    /// Shows an unsigned event to the local subscriptions that it matches.
    fn echo(&mut self, id: PublishId) {
        let Some(Body::Unsigned(event)) = self.publishes.get(&id).map(|p| &p.body) else { return };
        let (event, as_event) = (event.clone(), event.as_event());
        let mut shown: Vec<SubId> = Vec::new();
        for sub in self.subs.values_mut() {
            if sub.matches(&as_event) {
                let item = |seq| Item::Pending(PendingItem { event: event.clone(), publish: id, seq });
                if sub.tell_numbered(item, &mut self.fx) {
                    shown.push(sub.id);
                }
            }
        }
        self.echoes.insert(id, shown);
    }

    /// Tells those subscriptions what became of it, once.
    fn resolve_echo(&mut self, id: PublishId, event: EventId, outcome: &PendingOutcome) {
        for sub in self.echoes.remove(&id).unwrap_or_default() {
            if let Some(sub) = self.subs.get_mut(&sub) {
                sub.tell(Item::Resolved { event, outcome: outcome.clone() }, &mut self.fx);
            }
        }
    }

    /// Ends every publish that is not done.
    pub(super) fn cancel_all(&mut self) {
        let open: Vec<PublishId> = self.publishes.values().filter(|p| !p.is_done()).map(|p| p.id).collect();
        for id in open {
            self.on_publish(id, |p, _, _, fx| p.cancel(fx));
        }
    }
}
