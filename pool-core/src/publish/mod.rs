//! The publish machine: one event, its relays, one verdict.
//!
//! A relay's part. The columns are its states; the last three of the first six are told apart because they end
//! differently: *again* was sent before, *doubted* was sent before and the connection ended right after it (see
//! [`trial`]), *last* was sent as often as it may be. A dash: nothing changes, and nothing is told.
//!
//! | input \ state | Unsigned | Queued | Queued again | InFlight | InFlight doubted | InFlight last | Retry | Lacking | Accepted | Rejected | Unknown |
//! |---|---|---|---|---|---|---|---|---|---|---|---|
//! | signed | Queued | – | – | – | – | – | – | – | – | – | – |
//! | not signed | Unknown | – | – | – | – | – | – | – | – | – | – |
//! | sent | – | InFlight | InFlight | – | – | – | – | – | – | – | – |
//! | OK true | – | – | Accepted | Accepted | Accepted | Accepted | Accepted | Accepted | – | Accepted | Accepted |
//! | OK false, `duplicate:` | – | – | Accepted | Accepted | Accepted | Accepted | Accepted | Accepted | – | Accepted | Accepted |
//! | OK false, try again later¹ | – | – | – | Retry | Retry | Unknown | – | – | – | – | – |
//! | OK false, for good² | – | – | Rejected | Rejected | Rejected | Rejected | Rejected | Rejected | – | – | Rejected |
//! | OK false, `auth-required:`⁴ | – | – | Lacking | Lacking | Lacking | Rejected | Lacking | – | – | – | Rejected |
//! | authenticated | – | – | – | – | – | – | – | Queued | – | – | – |
//! | not authenticated | – | – | – | – | – | – | – | Rejected | – | – | – |
//! | put off⁵ | – | – | – | InFlight | InFlight | InFlight | – | – | – | – | – |
//! | due³ | – | – | – | Queued | Queued | Unknown | Queued | – | – | – | – |
//! | connection lost | – | – | – | Queued | Queued | Unknown | – | Queued | – | – | – |
//! | connection lost right after | – | – | – | Queued | Rejected | Unknown | – | Queued | – | – | – |
//! | connection closed for its size | – | – | – | Rejected | Rejected | Rejected | – | Queued | – | – | – |
//! | longer than the relay takes | Rejected | Rejected | Rejected | – | – | – | Rejected | Rejected | – | – | – |
//! | expired | Unknown | Unknown | Unknown | – | – | – | Unknown | Unknown | – | – | – |
//! | lifetime over | Unknown | Unknown | Unknown | Unknown | Unknown | Unknown | Unknown | Unknown | – | – | – |
//! | cancelled | Unknown | Unknown | Unknown | Unknown | Unknown | Unknown | Unknown | Unknown | – | – | – |
//! | relay removed | Unknown | Unknown | Unknown | Unknown | Unknown | Unknown | Unknown | Unknown | – | – | – |
//!
//! ¹ `rate-limited`, `error`; and unknown or empty reasons, which are tried fewer times. ² Every other prefix; that is
//! `auth-required`, too, where nobody authenticates. ³ The OK is overdue, or the wait is over.
//! What is in flight when its relay is said to take no message as long is `Rejected` where it would wait again.
//! ⁴ Or `restricted:`, while an authentication is under way (see [`auth`](crate::auth)). ⁵ Nothing was read from the relay
//! for a while: its OK is overdue that much later.
//!
//! The verdict comes exactly once: `Reached`, `Failed` as soon as the quorum is out of reach, `Indeterminate` at the
//! deadline. Later OKs change the relays' statuses, never the verdict. Delivery goes on past the verdict until every
//! relay is settled or the publish's lifetime is over. The same bytes go out at every try. The relays are those of the
//! call: one that is dialled, connected or added to the pool later gets the event if it was named, or was there.

pub(crate) mod books;
mod known;
mod part;
pub(crate) mod pow;
pub(crate) mod quorum;
#[cfg(test)]
mod tests;
pub(crate) mod trial;
#[cfg(test)]
mod walk;
pub(crate) mod warning;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use nostr_proto::{Event, EventId, Reason, RelayUrl, Timestamp, UnsignedEvent, encode};

use crate::call::Quorum;
use crate::config::Config;
use crate::effects::Effects;
use crate::event::{PublishReport, PublishUpdate, UnknownCause, Verdict};
use crate::ids::{PublishId, RelayIx};
use crate::planted::planted;
use crate::time::{Instant, Now};

use part::{Answer, Part, State};
use quorum::Rule;
use trial::Loss;

/// What is to be published.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    /// Not signed yet.
    Unsigned(UnsignedEvent),
    /// Signed, with its EVENT message: serialised once, shared by all relays and tries.
    Signed { event: Event, frame: Arc<str> },
}

impl Body {
    pub(crate) fn signed(event: Event) -> Self {
        let frame = encode::event(&event).into();
        Self::Signed { event, frame }
    }

    fn id(&self) -> EventId {
        match self {
            Self::Unsigned(event) => event.id(),
            Self::Signed { event, .. } => event.id(),
        }
    }

    fn expiration(&self) -> Option<Timestamp> {
        match self {
            Self::Unsigned(event) => event.tags().expiration(),
            Self::Signed { event, .. } => event.expiration(),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Unsigned(event) => event.heap_bytes(),
            // The event, and the message that holds it. Not what the event really takes, which depends on how the text that
            // it was read from was written: a recording of the call does not know that.
            Self::Signed { frame, .. } => 2 * frame.len(),
        }
    }

    /// The length of the EVENT message, which a signature does not change.
    fn message_bytes(&self) -> usize {
        const AROUND: usize = r#"["EVENT",]"#.len();
        match self {
            Self::Unsigned(event) => event.as_event().size() + AROUND,
            Self::Signed { frame, .. } => frame.len(),
        }
    }
}

/// What was asked for, and when.
#[derive(Debug)]
pub(crate) struct Terms {
    pub(crate) quorum: Quorum,
    pub(crate) rule: Rule,
    /// How long until the verdict.
    pub(crate) patience: Duration,
    pub(crate) link: Option<PublishId>,
}

/// See the module's table.
#[derive(Debug)]
pub(crate) struct Publication {
    pub(crate) id: PublishId,
    pub(crate) body: Body,
    /// When the event expires (NIP-40).
    expiration: Option<Timestamp>,
    message_bytes: usize,
    parts: BTreeMap<RelayIx, Part>,
    /// Those of its relays that an event named: to name them again is no more than that.
    pub(crate) hinted: BTreeSet<RelayUrl>,
    quorum: Quorum,
    rule: Rule,
    deadline: Instant,
    /// When delivery is given up.
    ends: Instant,
    verdict: Option<Verdict>,
    done_told: bool,
    /// The publish that it was linked to, and the one that was linked to it.
    pub(crate) link: Option<PublishId>,
    pub(crate) successor: Option<PublishId>,
    /// Local subscriptions saw it pending.
    pub(crate) echoed: bool,
    #[cfg(feature = "planted-bugs")]
    planted: Option<crate::PlantedBug>,
}

impl Publication {
    pub(crate) fn new(
        id: PublishId,
        body: Body,
        relays: impl IntoIterator<Item = (RelayIx, RelayUrl)>,
        terms: Terms,
        config: &Config,
        now: Now,
    ) -> Self {
        let Terms { quorum, rule, patience, link } = terms;
        let deadline = now.mono + patience;
        Self {
            id,
            expiration: body.expiration(),
            message_bytes: body.message_bytes(),
            body,
            parts: relays.into_iter().map(|(ix, url)| (ix, Part::new(url))).collect(),
            hinted: BTreeSet::new(),
            quorum,
            rule,
            deadline,
            ends: (now.mono + config.publish_lifetime).max(deadline),
            verdict: None,
            done_told: false,
            link,
            successor: None,
            echoed: false,
            #[cfg(feature = "planted-bugs")]
            planted: config.planted,
        }
    }

    pub(crate) fn event_id(&self) -> EventId {
        self.body.id()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.body.bytes()
    }

    /// The relays it goes to.
    pub(crate) fn relays(&self) -> impl Iterator<Item = (RelayIx, &RelayUrl)> {
        self.parts.iter().map(|(&ix, part)| (ix, &part.url))
    }

    /// Relays that it still has to reach.
    pub(crate) fn open_relays(&self) -> Vec<RelayIx> {
        self.parts.iter().filter(|(_, p)| !p.is_final()).map(|(&ix, _)| ix).collect()
    }

    /// Whether it still has to reach this relay.
    pub(crate) fn is_open(&self, relay: RelayIx) -> bool {
        self.parts.get(&relay).is_some_and(|p| !p.is_final())
    }

    /// Whether nothing will change any more but by a late OK.
    pub(crate) fn is_done(&self) -> bool {
        self.verdict.is_some() && self.parts.values().all(Part::is_final)
    }

    pub(crate) fn verdict(&self) -> Option<&Verdict> {
        self.verdict.as_ref()
    }

    /// Whether some relay said that it has the event.
    pub(crate) fn is_out(&self) -> bool {
        self.parts.values().any(Part::has_accepted)
    }

    /// Why the event was never signed.
    pub(crate) fn refusal(&self) -> Option<&str> {
        self.parts.values().find_map(|p| match &p.state {
            State::Unknown(UnknownCause::NotSigned(why)) => Some(why.as_str()),
            _ => None,
        })
    }

    fn is_signed(&self) -> bool {
        matches!(self.body, Body::Signed { .. })
    }

    /// The EVENT message, if it is this relay's turn. The caller has sent it when this returns.
    pub(crate) fn send(&mut self, relay: RelayIx, config: &Config, now: Now, fx: &mut Effects) -> Option<Arc<str>> {
        for relay in self.expire(now) {
            self.tell(relay, fx);
        }
        self.tell_done(fx);
        let Body::Signed { frame, .. } = &self.body else { return None };
        let frame = frame.clone();
        let part = self.parts.get_mut(&relay).filter(|part| part.state == State::Queued)?;
        part.sent(now.mono + config.ok_deadline);
        let again = part.sends > 1;
        self.tell(relay, fx);
        Some(if again && planted!(config, RetryWithOtherBytes) { frame.replacen(',', ", ", 1).into() } else { frame })
    }

    /// Puts off when OKs are overdue, and nothing else. False: none is awaited.
    pub(crate) fn put_off(&mut self, shift: impl Fn(Instant) -> Instant) -> bool {
        self.parts.values_mut().map(|part| part.put_off(&shift)).filter(|awaited| *awaited).count() > 0
    }

    /// Whether the next EVENT for this relay can be sent.
    pub(crate) fn is_sendable(&self, relay: RelayIx) -> bool {
        self.is_signed() && self.parts.get(&relay).is_some_and(|p| p.state == State::Queued)
    }

    /// Whether the connection to this relay ended right after it once.
    pub(crate) fn is_doubted(&self, relay: RelayIx) -> bool {
        self.parts.get(&relay).is_some_and(|p| p.doubted)
    }

    /// Whether it was sent to this relay.
    pub(crate) fn was_sent(&self, relay: RelayIx) -> bool {
        self.parts.get(&relay).is_some_and(|p| p.sends > 0)
    }

    /// The relay answered with OK. False: that answers nothing here.
    pub(crate) fn ok(
        &mut self,
        relay: RelayIx,
        accepted: bool,
        reason: &Reason,
        config: &Config,
        now: Now,
        fx: &mut Effects,
    ) -> bool {
        let Some(part) = self.parts.get_mut(&relay) else { return false };
        let answer = part.answered(accepted, reason, config, now.mono);
        if answer == Answer::Changed {
            self.settle(relay, now, fx);
        }
        answer != Answer::Unsolicited
    }

    /// The connection to a relay is gone: what was in flight there has to be sent again.
    pub(crate) fn lost(&mut self, relay: RelayIx, loss: Loss, config: &Config, now: Now, fx: &mut Effects) {
        let bytes = self.message_bytes;
        let Some(part) = self.parts.get_mut(&relay) else { return };
        if part.lost(loss, bytes, config) {
            self.settle(relay, now, fx);
        }
    }

    /// A relay takes no message longer than this; `None`: that is not known. Also what is in flight now is not sent there
    /// again if it is longer.
    pub(crate) fn limit(&mut self, relay: RelayIx, max: Option<u64>, fx: &mut Effects) {
        let (bytes, max) = (self.message_bytes, max.filter(|_| !planted!(self, OversizeSent)));
        if self.parts.get_mut(&relay).is_some_and(|part| part.limit(bytes, max)) {
            self.tell(relay, fx);
            self.judge(fx);
        }
    }

    /// Settles what is overdue. Returns the relays whose turn it is again.
    pub(crate) fn timeout(&mut self, config: &Config, now: Now, fx: &mut Effects) -> Vec<RelayIx> {
        let over = self.ends <= now.mono;
        let idle = match &self.body {
            Body::Unsigned(_) => UnknownCause::NotSigned(String::from("the signer did not answer")),
            Body::Signed { .. } => UnknownCause::NoConnection,
        };
        let due = |p: &mut Part| {
            if over { p.lifetime_over(|| idle.clone()) } else { p.due(config, now.mono) }
        };
        let changed: Vec<RelayIx> = self.parts.iter_mut().filter_map(|(&ix, p)| due(p).then_some(ix)).collect();
        let expired = self.expire(now);
        for &relay in changed.iter().chain(expired.iter().filter(|relay| !changed.contains(relay))) {
            self.tell(relay, fx);
        }
        self.judge(fx);
        if self.verdict.is_none() && self.deadline <= now.mono && !planted!(self, VerdictNeverDue) {
            self.decide(Verdict::Indeterminate, fx);
        }
        self.tell_done(fx);
        changed.into_iter().filter(|relay| self.is_sendable(*relay)).collect()
    }

    /// When [`Publication::timeout`] wants to be called.
    pub(crate) fn deadline(&self, now: Now) -> Option<Instant> {
        let due = self.verdict.is_none() && !planted!(self, VerdictNeverDue);
        let verdict = due.then_some(self.deadline);
        let expiry = self.expiration.filter(|_| !planted!(self, ExpiredSent)).map(|at| {
            let left = at.as_secs().saturating_sub(now.unix.as_secs());
            now.mono + Duration::from_secs(left)
        });
        let open = self.parts.values().any(|p| !p.is_final()).then_some(self.ends);
        let parts = self.parts.values().filter_map(|p| p.deadline(expiry));
        parts.chain(verdict).chain(open).min()
    }

    /// The signer delivered, and the signature is good.
    pub(crate) fn signed(&mut self, event: Event) {
        if !self.is_signed() {
            self.body = Body::signed(event);
        }
    }

    /// The signer refused: nothing was sent and nothing will be.
    pub(crate) fn not_signed(&mut self, why: &str, fx: &mut Effects) {
        if self.is_signed() {
            return;
        }
        self.give_up(&UnknownCause::NotSigned(crate::text::shown(why, 256)), fx);
        if self.verdict.is_none() {
            self.decide(Verdict::Failed, fx);
        }
        self.tell_done(fx);
    }

    /// The application gave it up.
    pub(crate) fn cancel(&mut self, fx: &mut Effects) {
        self.give_up(&UnknownCause::Cancelled, fx);
        if self.verdict.is_none() {
            self.decide(Verdict::Indeterminate, fx);
        }
        self.tell_done(fx);
    }

    /// A relay was taken out of the pool.
    pub(crate) fn relay_removed(&mut self, relay: RelayIx, fx: &mut Effects) {
        let Some(part) = self.parts.get_mut(&relay) else { return };
        part.removed = true;
        if !part.is_final() {
            part.state = State::Unknown(UnknownCause::Cancelled);
            self.tell(relay, fx);
            self.tell_done(fx);
        }
    }

    /// Who accepted it, and whether they had it before.
    pub(crate) fn accepted(&self) -> Vec<(RelayUrl, bool)> {
        let accepted = |p: &Part| match p.state {
            State::Accepted { duplicate } => Some((p.url.clone(), duplicate)),
            _ => None,
        };
        self.parts.values().filter_map(accepted).collect()
    }

    /// For a new publish of the same event: who accepted the earlier one need not be asked again.
    pub(crate) fn carry_over(&mut self, accepted: &[(RelayUrl, bool)], fx: &mut Effects) {
        for part in self.parts.values_mut() {
            if let Some((_, duplicate)) = accepted.iter().find(|(url, _)| *url == part.url) {
                part.state = State::Accepted { duplicate: *duplicate };
                part.sends = 1;
            }
        }
        self.judge(fx);
    }

    /// The quorum as it was asked for.
    pub(crate) fn quorum(&self) -> &Quorum {
        &self.quorum
    }

    /// The relays that it goes to, without those that were taken out of the pool.
    pub(crate) fn remaining_urls(&self) -> Vec<RelayUrl> {
        self.parts.values().filter(|p| !p.removed).map(|p| p.url.clone()).collect()
    }

    pub(crate) fn report(&self) -> PublishReport {
        let mut relays: Vec<_> = self.parts.values().map(|p| (p.url.clone(), p.status())).collect();
        relays.sort_by(|a, b| a.0.cmp(&b.0));
        PublishReport {
            publish: self.id,
            event: self.event_id(),
            verdict: self.verdict.clone(),
            needed: self.rule.needed,
            relays,
            link: self.link,
            successor: self.successor,
        }
    }

    /// Tells what became of a relay's part, and of those that wait for nothing if the event has expired meanwhile.
    fn settle(&mut self, relay: RelayIx, now: Now, fx: &mut Effects) {
        let expired = self.expire(now);
        self.tell(relay, fx);
        for other in expired.into_iter().filter(|other| *other != relay) {
            self.tell(other, fx);
        }
        self.judge(fx);
    }

    /// Gives up what waits to be sent, if the event has expired by the wall clock. It remains to tell of it.
    fn expire(&mut self, now: Now) -> Vec<RelayIx> {
        if self.expiration.is_none_or(|at| at > now.unix) || planted!(self, ExpiredSent) {
            return Vec::new();
        }
        self.parts.iter_mut().filter_map(|(&ix, p)| p.expired().then_some(ix)).collect()
    }

    fn give_up(&mut self, cause: &UnknownCause, fx: &mut Effects) {
        for relay in self.open_relays() {
            if let Some(part) = self.parts.get_mut(&relay) {
                part.state = State::Unknown(cause.clone());
            }
            self.tell(relay, fx);
        }
    }

    fn judge(&mut self, fx: &mut Effects) {
        if self.verdict.is_none() {
            let votes = self.parts.iter().map(|(&relay, part)| (relay, part.vote()));
            if let Some(verdict) = self.rule.judge(votes) {
                self.decide(verdict, fx);
            }
        } else if planted!(self, LateOkChangesVerdict) {
            let votes = self.parts.iter().map(|(&relay, part)| (relay, part.vote()));
            let late = self.rule.judge(votes).filter(|verdict| self.verdict.as_ref() != Some(verdict));
            late.into_iter().for_each(|verdict| fx.publish(self.id, PublishUpdate::Verdict(verdict)));
        }
        self.tell_done(fx);
    }

    fn decide(&mut self, verdict: Verdict, fx: &mut Effects) {
        debug_assert!(self.verdict.is_none(), "a publish has one verdict");
        self.verdict = Some(verdict.clone());
        fx.publish(self.id, PublishUpdate::Verdict(verdict));
    }

    fn tell_done(&mut self, fx: &mut Effects) {
        if !self.done_told && self.is_done() {
            self.done_told = true;
            fx.publish(self.id, PublishUpdate::Done);
        }
    }

    fn tell(&self, relay: RelayIx, fx: &mut Effects) {
        if self.done_told {
            return;
        }
        let Some(part) = self.parts.get(&relay) else { return };
        let accepted = self.parts.values().filter(|p| p.has_accepted()).count();
        let update =
            PublishUpdate::Relay { relay: part.url.clone(), status: part.status(), accepted, needed: self.rule.needed };
        fx.publish(self.id, update);
    }
}
