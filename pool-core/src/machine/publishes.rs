//! Publishes: starting them, and what their relays say.

use alloc::collections::BTreeMap;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::time::Duration;

use nostr_proto::{Event, EventId, EventTemplate, Prefix, Reason, RelayInfo, RelayUrl, UnsignedEvent};

use crate::call::{CallError, Publish, PublishUnsigned, Quorum, Reply, Target};
use crate::config::Config;
use crate::effects::Effects;
use crate::event::PendingOutcome;
use crate::ids::{PublishId, RelayIx};
use crate::planted::planted;
use crate::publish::quorum::Rule;
use crate::publish::{Body, Publication, Terms};
use crate::time::Now;
use crate::timers::TimerKey;

use super::Core;

impl Core {
    pub(super) fn publish(&mut self, request: Publish) -> Result<Reply, CallError> {
        let Publish { event, target, quorum, deadline, link } = request;
        if event.size() > self.config.max_event_bytes {
            return Err(CallError::EventTooLarge(event));
        }
        if event.is_expired_at(self.now.unix) {
            return Err(CallError::Expired(event));
        }
        let size = 2 * event.size();
        if !self.books.has_room(size, &self.config) {
            return Err(CallError::PublishQueueFull(event));
        }
        self.check_link(link)?;
        let (relays, terms) = self.terms(&target, quorum, deadline, link)?;
        self.make_publish_room(size);
        let (id, reply) = self.start_publish(Body::signed(event), relays, terms);
        self.supersede(link, id);
        self.deliver_publish(id);
        Ok(reply)
    }

    pub(super) fn publish_unsigned(&mut self, request: PublishUnsigned) -> Result<Reply, CallError> {
        let PublishUnsigned { event, target, quorum, deadline, link } = request;
        if event.as_event().size() > self.config.max_event_bytes {
            return Err(CallError::UnsignedTooLarge(event));
        }
        if event.tags().is_expired_at(self.now.unix) {
            return Err(CallError::UnsignedExpired(event));
        }
        let before = self.held_version_of(&event);
        // Signed, it holds its message beside itself.
        let size = 3 * event.heap_bytes() + before.as_ref().map_or(0, |before| before.heap_bytes());
        if !self.books.has_room(size, &self.config) {
            return Err(CallError::UnsignedQueueFull(event));
        }
        self.check_link(link)?;
        let (relays, terms) = self.terms(&target, quorum, deadline, link)?;
        self.make_publish_room(size);
        let (id, reply) = self.start_publish(Body::Unsigned(event.clone()), relays, terms);
        self.echo(id, &event, before);
        self.note_publish(id);
        self.supersede(link, id);
        self.deliver_publish(id);
        self.sign(id, event);
        Ok(reply)
    }

    /// Publishes a remembered event once more, where it was not accepted.
    pub(super) fn retry(&mut self, event: &EventId, deadline: Option<Duration>) -> Result<Reply, CallError> {
        let earlier = self.by_event.get(event).and_then(|ids| self.publishes.get(ids.last()?));
        let Some(earlier) = earlier else { return Err(CallError::UnknownEvent(*event)) };
        let (old, body, quorum) = (earlier.id, earlier.body.clone(), earlier.quorum().clone());
        let (urls, accepted, size) = (earlier.remaining_urls(), earlier.accepted(), earlier.bytes());
        let shows = earlier.echoed && !earlier.is_out() && !self.echoes.contains_key(&old);
        let unsigned = match &body {
            Body::Unsigned(event) => event.clone(),
            Body::Signed { event, .. } => unsigned(event),
        };
        let before = if shows { self.held_version_of(&unsigned) } else { None };
        let size = size + before.as_ref().map_or(0, |before| before.heap_bytes());
        let (expired, room) = (unsigned.tags().is_expired_at(self.now.unix), self.books.has_room(size, &self.config));
        if expired || !room {
            return Err(match body {
                Body::Signed { event, .. } if expired => CallError::Expired(event),
                Body::Unsigned(event) if expired => CallError::UnsignedExpired(event),
                Body::Signed { event, .. } => CallError::PublishQueueFull(event),
                Body::Unsigned(event) => CallError::UnsignedQueueFull(event),
            });
        }
        let relays = self.target(&Target::Relays(urls), Some(old), |_| true)?;
        let terms = self.terms_for(&relays, quorum, deadline, None)?;
        let is_signed = matches!(body, Body::Signed { .. });
        self.make_publish_room(size);
        let (id, reply) = self.start_publish(body, relays, terms);
        if shows {
            self.echo(id, &unsigned, before);
            self.note_publish(id);
        }
        self.on_publish(id, |p, _, _, fx| p.carry_over(&accepted, fx));
        self.deliver_publish(id);
        if !is_signed {
            self.sign(id, unsigned);
        }
        Ok(reply)
    }

    /// A relay's information document came.
    pub(super) fn relay_info(&mut self, url: &RelayUrl, info: &RelayInfo) -> Result<(), CallError> {
        let ix = *self.by_url.get(url).ok_or_else(|| CallError::UnknownRelay(url.clone()))?;
        let Some(relay) = self.relays.get_mut(&ix) else { return Ok(()) };
        let before = relay.plan.budget.limits(&self.config);
        relay.plan.budget.stated(&info.limitation);
        let grew = relay.plan.budget.limits(&self.config).exceed(&before);
        let max = relay.plan.budget.message();
        let open: Vec<PublishId> = relay.publishes.iter().copied().collect();
        for id in open {
            self.on_publish(id, |p, _, _, fx| p.limit(ix, max, fx));
        }
        if grew {
            self.takes_more(ix);
        }
        Ok(())
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
        let deadline = publication.deadline(self.now);
        let relays: Vec<(RelayIx, bool)> = publication.relays().map(|(ix, _)| (ix, publication.is_open(ix))).collect();
        let done = publication.is_done();
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
                relay.vitals.forget_publish(id);
                self.review(ix);
            }
        }
        self.settle_echo(id);
        self.note_publish(id);
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
            if planted!(self.config, AuthOkAsPublishOk) {
                let open = self.relays.get(&ix).map(|relay| relay.publishes.clone()).unwrap_or_default();
                for id in open {
                    self.on_publish(id, |p, config, now, fx| p.ok(ix, accepted, reason, config, now, fx));
                }
            }
            return;
        }
        if event.is_none() && !accepted {
            self.on_nameless_refusal(ix, reason);
        }
        let ids = event.and_then(|id| self.by_event.get(&id)).cloned().unwrap_or_default();
        // It slows the whole relay, whichever try it answers.
        if !accepted
            && reason.prefix == Some(Prefix::RateLimited)
            && ids.iter().filter_map(|id| self.publishes.get(id)).any(|p| p.was_sent(ix))
        {
            self.pause_lanes(ix);
        }
        let mut answered = false;
        for id in ids {
            if let Some(relay) = self.relays.get_mut(&ix) {
                relay.vitals.answered(id, self.now.mono);
            }
            if !accepted && self.publish_lacks_auth(ix, id, reason) {
                answered = true;
                continue;
            }
            answered |= self
                .on_publish(id, |p, config, now, fx| p.ok(ix, accepted, reason, config, now, fx))
                .unwrap_or_default();
        }
        let Some(relay) = self.relays.get_mut(&ix) else { return };
        if !answered {
            relay.counters.unsolicited += 1;
        } else if accepted {
            relay.lanes.went_well(&self.config, self.now.mono);
        }
    }

    fn start_publish(&mut self, body: Body, relays: Vec<(RelayIx, RelayUrl)>, terms: Terms) -> (PublishId, Reply) {
        let id = PublishId(self.next_publish);
        self.next_publish += 1;
        let hinted = relays.iter().filter(|(ix, _)| self.is_hinted(*ix)).map(|(_, url)| url.clone()).collect();
        let mut publication = Publication::new(id, body, relays, terms, &self.config, self.now);
        publication.hinted = hinted;
        let event = publication.event_id();
        self.publishes.insert(id, publication);
        self.by_event.entry(event).or_default().push(id);
        self.on_publish(id, |_, _, _, _| ());
        (id, Reply::Publishing(id, event))
    }

    /// Sees to it that the relays of a publish are connected, and that it is sent to those that are and take it.
    pub(super) fn deliver_publish(&mut self, id: PublishId) {
        let relays = self.publishes.get(&id).map(Publication::open_relays).unwrap_or_default();
        let limits = relays.into_iter().filter_map(|ix| Some((ix, self.relays.get(&ix)?.plan.budget.message()?)));
        for (ix, max) in limits.collect::<Vec<_>>() {
            self.on_publish(id, |p, _, _, fx| p.limit(ix, Some(max), fx));
        }
        for ix in self.publishes.get(&id).map(Publication::open_relays).unwrap_or_default() {
            self.review(ix);
            self.enqueue_event(ix, id);
        }
    }

    fn check_link(&self, link: Option<PublishId>) -> Result<(), CallError> {
        let Some(id) = link else { return Ok(()) };
        match self.publishes.get(&id).map(|p| p.successor) {
            None => Err(CallError::UnknownPublish(id)),
            Some(Some(successor)) => Err(CallError::HasSuccessor(successor)),
            Some(None) => Ok(()),
        }
    }

    /// A publish takes the place of the one that it is linked to. That may have been forgotten to make room for it.
    fn supersede(&mut self, link: Option<PublishId>, by: PublishId) {
        let Some(earlier) = link else { return };
        if let Some(p) = self.publishes.get_mut(&earlier) {
            p.successor = Some(by);
        } else if let Some(p) = self.publishes.get_mut(&by) {
            p.link = None;
        }
        self.end_echo(earlier, &PendingOutcome::Superseded { by });
        self.note_publish(earlier);
    }

    fn terms(
        &mut self,
        target: &Target,
        quorum: Quorum,
        deadline: Option<Duration>,
        link: Option<PublishId>,
    ) -> Result<(Vec<(RelayIx, RelayUrl)>, Terms), CallError> {
        let relays = self.publish_target(target, link)?;
        let terms = self.terms_for(&relays, quorum, deadline, link)?;
        #[cfg(feature = "planted-bugs")]
        let terms = Terms { rule: self.with_aliases(terms.rule, &relays, target), ..terms };
        Ok((relays, terms))
    }

    fn terms_for(
        &mut self,
        relays: &[(RelayIx, RelayUrl)],
        quorum: Quorum,
        deadline: Option<Duration>,
        link: Option<PublishId>,
    ) -> Result<Terms, CallError> {
        let rule = self.rule(&quorum, relays)?;
        Ok(Terms { quorum, rule, patience: deadline.unwrap_or(self.config.publish_deadline), link })
    }

    /// The relays of a publish: those named, and the pinned ones.
    fn publish_target(
        &mut self,
        target: &Target,
        link: Option<PublishId>,
    ) -> Result<Vec<(RelayIx, RelayUrl)>, CallError> {
        let pinned = self.relays.iter().filter(|(_, r)| r.added && !r.removed && r.options.pinned);
        let mut relays: BTreeMap<RelayIx, RelayUrl> = pinned.map(|(&ix, r)| (ix, r.url.clone())).collect();
        match self.target(target, link, |options| options.write) {
            Ok(named) => relays.extend(named),
            Err(CallError::NoRelays) if !relays.is_empty() => {}
            Err(error) => return Err(error),
        }
        Ok(relays.into_iter().collect())
    }

    fn rule(&mut self, quorum: &Quorum, relays: &[(RelayIx, RelayUrl)]) -> Result<Rule, CallError> {
        let find = |url: &RelayUrl| relays.iter().find(|(_, known)| known == url).map(|(ix, _)| *ix);
        let rule = Rule::new(quorum, relays.len(), find);
        if rule.is_err() {
            // Relays that were taken in for this call only go again.
            for (ix, _) in relays {
                self.review(*ix);
            }
        }
        rule
    }

    /// Notes the relays that were named twice.
    #[cfg(feature = "planted-bugs")]
    fn with_aliases(&self, mut rule: Rule, relays: &[(RelayIx, RelayUrl)], target: &Target) -> Rule {
        if planted!(self.config, TwoVotesForAlias)
            && let Target::Relays(urls) = target
        {
            let twice = |url: &RelayUrl| urls.iter().filter(|u| *u == url).count() > 1;
            rule.twice = relays.iter().filter(|(_, url)| twice(url)).map(|(ix, _)| *ix).collect();
        }
        rule
    }

    /// Brings the books up to date about a publish.
    fn note_publish(&mut self, id: PublishId) {
        if let Some(p) = self.publishes.get(&id) {
            self.books.note(id, p.bytes() + self.echo_bytes(id), p.is_done());
        }
    }

    /// Forgets finished publishes, oldest first, until another of this size fits.
    fn make_publish_room(&mut self, bytes: usize) {
        while let Some(id) = self.books.to_forget(bytes, &self.config) {
            self.forget_publish(id);
        }
    }

    pub(super) fn forget_publish(&mut self, id: PublishId) {
        self.books.forget(id);
        self.echoes.remove(&id);
        self.timers.set(TimerKey::Publish(id), None);
        let Some(gone) = self.publishes.remove(&id) else { return };
        if let Some(earlier) = gone.link.and_then(|id| self.publishes.get_mut(&id)) {
            earlier.successor = None;
        }
        if let Some(later) = gone.successor.and_then(|id| self.publishes.get_mut(&id)) {
            later.link = None;
        }
        let event = gone.event_id();
        if let Some(ids) = self.by_event.get_mut(&event) {
            ids.retain(|known| *known != id);
            if ids.is_empty() {
                self.by_event.remove(&event);
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

/// A signed event as it was before.
fn unsigned(event: &Event) -> UnsignedEvent {
    let tags = event.tags().map(|tag| tag.iter().map(ToString::to_string).collect()).collect();
    let template = EventTemplate { tags, ..EventTemplate::new(event.kind(), event.content(), event.created_at()) };
    template.unsigned(event.pubkey())
}
