//! Authentication put together with requests and publishes: who waits for it, and who is told what came of it.

use alloc::string::String;
use alloc::vec::Vec;

use nostr_proto::VerifiedEvent;
use nostr_proto::{
    BadSignature, Event, EventId, HashedEvent, Prefix, Proof, PublicKey, Reason, RelayUrl, UnsignedEvent,
};

use crate::auth::{self, Auth, AuthPolicy, Change, Context, Epoch, Lack, NotAllowed, Refusal};
use crate::call::CallError;
use crate::command::Command;
use crate::effects::Effects;
use crate::event::Why;
use crate::ids::{PublishId, RelayIx, SocketId, SubId, Ticket};
use crate::plan::Role;
use crate::plan::waiting::Holds;
use crate::planted::planted;
use crate::timers::TimerKey;

use super::relays::Relay;
use super::{Core, Job};

/// A question to the signer, or to the verifier about its answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct AuthTicket {
    ticket: Ticket,
    event: EventId,
}

impl Core {
    /// Runs one step of a relay's authentication, keeps the books on it, and passes on what it means.
    fn drive_auth<R>(
        &mut self,
        ix: RelayIx,
        step: impl FnOnce(&mut Auth, &Context<'_>, &mut Effects) -> (R, Change),
    ) -> Option<R> {
        let relay = self.relays.get_mut(&ix)?;
        let options = &relay.options;
        let cx = Context {
            config: &self.config,
            policy: options.auth.unwrap_or(self.config.auth),
            identity: options.identity.or(self.config.identity),
            at_once: options.auth_at_once,
            link: options.link_identities,
            now: self.now,
            #[cfg(feature = "planted-bugs")]
            other: self
                .by_url
                .keys()
                .find(|url| **url != relay.url)
                .filter(|_| planted!(self.config, ChallengeSignedForOtherRelay)),
        };
        let held = (relay.auth.holds(false), relay.auth.holds(true));
        let (result, change) = step(&mut relay.auth, &cx, &mut self.fx);
        let holds = (relay.auth.holds(false), relay.auth.holds(true));
        let deadline = relay.auth.deadline();
        if let Some(asked) = relay.auth_ticket.filter(|asked| relay.auth.awaited() != Some(asked.event)) {
            // The answer would come too late.
            relay.auth_ticket = None;
            self.jobs.remove(&asked.ticket);
        }
        self.arm(TimerKey::Auth(ix), deadline);
        if holds != held {
            self.form_anew(ix);
        }
        match change {
            Change::None => {}
            Change::Sign(event) => self.order_auth(ix, event),
            Change::Ready => self.pump(ix),
            Change::Granted => self.on_granted(ix),
            Change::Denied => self.on_denied(ix),
        }
        if holds.1 && !held.1 {
            self.recall_private(ix);
        }
        if (held.0 && !holds.0) || (held.1 && !holds.1) {
            self.pump(ix);
            self.tell_waiting(ix);
        }
        Some(result)
    }

    /// A challenge is to be answered.
    fn order_auth(&mut self, ix: RelayIx, event: UnsignedEvent) {
        let ticket = self.ticket(Job::SignAuth(ix, event.id()));
        if let Some(relay) = self.relays.get_mut(&ix) {
            relay.auth_ticket = Some(AuthTicket { ticket, event: event.id() });
            let url = relay.url.clone();
            self.fx.command(Command::SignAuth { ticket, relay: url, event });
        }
    }

    pub(super) fn on_auth_opened(&mut self, ix: RelayIx) {
        self.drive_auth(ix, |auth, cx, fx| {
            auth.opened(cx, fx);
            ((), Change::None)
        });
    }

    pub(super) fn on_auth_lost(&mut self, ix: RelayIx) {
        self.drive_auth(ix, |auth, _, fx| {
            auth.lost(fx);
            ((), Change::None)
        });
    }

    pub(super) fn on_challenge(&mut self, ix: RelayIx, challenge: &str) {
        self.drive_auth(ix, |auth, cx, fx| ((), auth.challenged(challenge, cx, fx)));
    }

    pub(super) fn on_auth_timer(&mut self, ix: RelayIx) {
        self.drive_auth(ix, |auth, cx, fx| ((), auth.timeout(cx, fx)));
    }

    /// The relay's options have changed.
    pub(super) fn reconsider_auth(&mut self, ix: RelayIx) {
        self.drive_auth(ix, |auth, cx, fx| ((), auth.reconsider(cx, fx)));
    }

    /// Private kinds are asked for: some relays hide them from strangers.
    pub(super) fn note_private(&mut self, ix: RelayIx) {
        self.drive_auth(ix, |auth, cx, fx| ((), auth.private(cx, fx)));
    }

    pub(super) fn authenticate(&mut self, url: &RelayUrl, identity: Option<PublicKey>) -> Result<(), CallError> {
        let ix = *self.by_url.get(url).ok_or_else(|| CallError::UnknownRelay(url.clone()))?;
        let allowed = self.drive_auth(ix, |auth, cx, fx| match auth.allow(identity, cx, fx) {
            Ok(change) => (Ok(()), change),
            Err(why) => (Err(why), Change::None),
        });
        let relay = url.clone();
        allowed.unwrap_or(Ok(())).map_err(|why| match why {
            NotAllowed::NoIdentity => CallError::NoIdentity,
            NotAllowed::Linked(seen) => CallError::LinkedIdentities { relay, seen },
            NotAllowed::UnderWay(identity) => CallError::AuthUnderWay { relay, identity },
        })
    }

    pub(super) fn deny_auth(&mut self, url: &RelayUrl) -> Result<(), CallError> {
        let ix = *self.by_url.get(url).ok_or_else(|| CallError::UnknownRelay(url.clone()))?;
        self.drive_auth(ix, |auth, _, fx| ((), auth.deny(fx)));
        Ok(())
    }

    /// What becomes of something sent under `under` that the relay refused; `None`: not for lack of authentication.
    pub(super) fn lacks_auth(&mut self, ix: RelayIx, reason: &Reason, under: Epoch) -> Option<Refusal> {
        let lack = match reason.prefix? {
            Prefix::AuthRequired => Lack::Unknown,
            Prefix::Restricted => Lack::Restricted,
            _ => return None,
        };
        self.drive_auth(ix, |auth, cx, fx| auth.refused(lack, under, cx, fx))
    }

    /// The signer answered to [`Command::SignAuth`].
    pub(super) fn on_auth_signed(&mut self, (ix, asked): (RelayIx, EventId), outcome: Result<Event, String>) {
        let hashed = outcome.and_then(|event| {
            let hashed = event.check_id().ok().filter(|event| event.id() == asked);
            hashed.ok_or_else(|| String::from("the signer returned another event than it was given"))
        });
        match hashed {
            Ok(event) => {
                let ticket = self.ticket(Job::CheckAuth(ix, event.clone()));
                if let Some(relay) = self.relays.get_mut(&ix) {
                    relay.auth_ticket = Some(AuthTicket { ticket, event: asked });
                }
                self.fx.command(Command::Verify { ticket, event });
            }
            Err(why) => self.auth_outcome(ix, asked, Err(&why)),
        }
    }

    /// The verifier answered about what the signer made.
    pub(super) fn on_auth_checked(&mut self, ix: RelayIx, event: HashedEvent, outcome: Result<Proof, BadSignature>) {
        let id = event.id();
        let verified = outcome.ok().and_then(|proof| VerifiedEvent::new(event, proof).ok());
        match verified {
            Some(event) => self.auth_outcome(ix, id, Ok(event.into_event())),
            None => self.auth_outcome(ix, id, Err("the signer returned a wrong signature")),
        }
    }

    fn auth_outcome(&mut self, ix: RelayIx, id: EventId, outcome: Result<Event, &str>) {
        self.drive_auth(ix, |auth, cx, fx| ((), auth.signed(id, outcome, cx, fx)));
    }

    /// Sends the answer to a challenge, which is ready.
    pub(super) fn send_auth(&mut self, ix: RelayIx, socket: SocketId) {
        let frame = self.drive_auth(ix, |auth, cx, fx| (auth.send(cx, fx), Change::None)).flatten();
        if let Some(frame) = frame {
            self.send_frame(ix, socket, frame);
        }
    }

    /// Whether a refused publish waits for an authentication, or is sent again because of one.
    pub(super) fn publish_lacks_auth(&mut self, ix: RelayIx, id: PublishId, reason: &Reason) -> bool {
        let under = self.publishes.get(&id).and_then(|p| p.unsettled_under(ix));
        let refusal = under.and_then(|under| self.lacks_auth(ix, reason, under));
        let Some(refusal) = refusal.filter(|refusal| *refusal != Refusal::Final) else { return false };
        self.on_publish(id, |p, config, now, fx| p.lacks_auth(ix, reason, config, now, fx));
        if refusal == Refusal::Again {
            self.on_publish(id, |p, _, _, fx| p.authenticated(ix, fx));
            self.enqueue_event(ix, id);
        }
        true
    }

    /// A refusal that names no event: if it is for lack of an authentication, and one event alone is unanswered, it is of that,
    /// and the relay gets to know us. The event is not settled by what does not name it: it goes out again when its OK is
    /// overdue.
    pub(super) fn on_nameless_refusal(&mut self, ix: RelayIx, reason: &Reason) {
        let Some(relay) = self.relays.get(&ix) else { return };
        let mut due = relay.publishes.iter().filter_map(|id| self.publishes.get(id)?.in_flight_under(ix));
        if let (Some(under), None) = (due.next(), due.next()) {
            let _ = self.lacks_auth(ix, reason, under);
        }
    }

    /// Whether an OK was the answer to an AUTH, and so none to a publish.
    pub(super) fn is_auth_ok(&mut self, ix: RelayIx, event: Option<EventId>, accepted: bool, reason: &Reason) -> bool {
        if event.is_none() && (!self.is_auth_sent(ix) || self.has_event_in_flight(ix)) {
            return false;
        }
        let ours = self.drive_auth(ix, |auth, cx, fx| match auth.ok(event, accepted, reason, cx, fx) {
            Some(change) => (true, change),
            None => (false, Change::None),
        });
        ours.unwrap_or(false)
    }

    fn is_auth_sent(&self, ix: RelayIx) -> bool {
        self.relays.get(&ix).is_some_and(|relay| relay.auth.is_sent())
    }

    fn has_event_in_flight(&self, ix: RelayIx) -> bool {
        let Some(relay) = self.relays.get(&ix) else { return false };
        relay.publishes.iter().any(|id| self.publishes.get(id).is_some_and(|p| p.is_in_flight(ix)))
    }

    /// The relay knows us: what it refused for lack of that is repeated, and what it may have hidden is asked for again.
    fn on_granted(&mut self, ix: RelayIx) {
        let Some(relay) = self.relays.get(&ix) else { return };
        let legs: Vec<SubId> = relay.legs.iter().copied().collect();
        let publishes: Vec<PublishId> = relay.publishes.iter().copied().collect();
        for sub in legs {
            self.ask_again_known(ix, sub);
        }
        let publishes = if planted!(self.config, AcceptedSentAgainAfterAuth) {
            self.publishes.keys().copied().collect()
        } else {
            publishes
        };
        for publish in publishes {
            self.on_publish(publish, |p, _, _, fx| p.authenticated(ix, fx));
            self.enqueue_event(ix, publish);
        }
        self.counts_granted(ix);
    }

    /// The relay will not know us: what it refused for lack of that stays refused.
    fn on_denied(&mut self, ix: RelayIx) {
        let Some(relay) = self.relays.get(&ix) else { return };
        let legs: Vec<SubId> = relay.legs.iter().copied().collect();
        let publishes: Vec<PublishId> = relay.publishes.iter().copied().collect();
        let (epoch, known) = (relay.auth.epoch(), relay.auth.known_as().to_vec());
        for sub in legs {
            if let Some(s) = self.subs.get_mut(&sub) {
                s.asked_as(ix, epoch, &known);
                s.not_authenticated(ix, &mut self.fx);
                self.note_need(ix, sub);
                self.sync_sub(sub);
            }
        }
        for publish in publishes {
            self.on_publish(publish, |p, _, now, fx| p.not_authenticated(ix, now, fx));
        }
        self.counts_denied(ix);
        self.review(ix);
    }

    /// So many requests of a kind that do not have to wait for an authentication, or because of size; the longest waiting first.
    pub(super) fn may_be_asked(&mut self, ix: RelayIx, role: Role, most: usize) -> Vec<SubId> {
        let Some(relay) = self.relays.get(&ix).filter(|relay| !relay.auth.holds(false)) else { return Vec::new() };
        if !relay.auth.holds(true) && relay.plan.waiting.of(role).take(most).any(|sub| self.asks_for_private(sub)) {
            // Which may well hold those.
            self.note_private(ix);
        }
        let Some(relay) = self.relays.get(&ix) else { return Vec::new() };
        let held = |sub: &SubId| self.is_held_for_auth(relay, *sub) || self.is_held_for_size(ix, relay, *sub);
        relay.plan.waiting.of(role).filter(|sub| !held(sub)).take(most).collect()
    }

    /// What requests wait for at a relay, as far as that is the same for all of a kind.
    pub(super) fn holds(&self, relay: &Relay) -> Holds {
        let limits = self.limits(relay);
        let room = |role| relay.plan.room(role, &limits) > 0;
        Holds {
            auth: (relay.auth.holds(false), relay.auth.holds(true)),
            pause: relay.lanes.is_held(self.now.mono),
            turn: !relay.suspects.is_empty(),
            room: (room(Role::Live), room(Role::Passing)),
            gathers: relay.plan.waiting.gathers_until.is_some(),
        }
    }

    /// What a request waits for that could not be sent.
    pub(super) fn why_waiting(&self, relay: &Relay, sub: SubId) -> Why {
        if self.is_held_for_auth(relay, sub) {
            Why::Auth
        } else if relay.lanes.is_held(self.now.mono) {
            Why::Pause
        } else if !relay.suspects.is_empty() {
            Why::Turn
        } else if self.lacks_room(relay, sub) {
            Why::Slot
        } else if relay.plan.waiting.gathers_until.is_some() {
            Why::Group
        } else {
            Why::Credit
        }
    }

    pub(super) fn is_held_for_auth(&self, relay: &Relay, sub: SubId) -> bool {
        relay.auth.holds(false) || (relay.auth.holds(true) && self.asks_for_private(sub))
    }

    fn asks_for_private(&self, sub: SubId) -> bool {
        self.subs.get(&sub).is_some_and(|s| auth::asks_for_private(&s.filters))
    }

    /// An authentication is on its way: what is asked for of private kinds is asked for after it, instead of twice. An
    /// EOSE for a stranger would only end it before its time.
    fn recall_private(&mut self, ix: RelayIx) {
        self.recall_counts(ix, |count| count.is_private());
        let Some(relay) = self.relays.get(&ix) else { return };
        let legs: Vec<SubId> = relay.legs.iter().copied().filter(|sub| self.asks_for_private(*sub)).collect();
        for sub in legs {
            let wire = self.subs.get_mut(&sub).and_then(|s| s.leg(ix)?.wire());
            // The refusal that led here has ended its request already.
            if wire.is_none_or(|wire| !self.relays.get(&ix).is_some_and(|relay| relay.plan.runs(wire))) {
                continue;
            }
            if let Some(wire) = self.subs.get_mut(&sub).and_then(|s| s.recall(ix, &mut self.fx)) {
                self.close_wire(ix, wire);
                self.enqueue_ask(ix, sub);
            }
        }
    }

    /// Repeats a request that the relay refused when it did not know us as it does now.
    pub(super) fn ask_again_known(&mut self, ix: RelayIx, sub: SubId) {
        let Some(relay) = self.relays.get(&ix) else { return };
        let (epoch, hides) = (relay.auth.epoch(), relay.options.auth_at_once);
        let Some(s) = self.subs.get_mut(&sub) else { return };
        let Some(running) = s.authenticated(ix, epoch, hides, self.backlog.hears(self.now), &mut self.fx) else {
            return;
        };
        if let Some(wire) = running {
            self.close_wire(ix, wire);
        }
        self.review_page(ix, sub);
        self.note_need(ix, sub);
        self.engage_leg(sub, ix);
    }

    /// Whether the policy for this relay lets it know us at all.
    pub(super) fn may_authenticate(&self, ix: RelayIx) -> bool {
        let policy = self.relays.get(&ix).and_then(|relay| relay.options.auth);
        policy.unwrap_or(self.config.auth) != AuthPolicy::Never
    }
}
