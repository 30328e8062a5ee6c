//! The publish machine: one event, its relays, one verdict.
//!
//! A relay's part:
//!
//! | state \ input | sent | OK true, `duplicate:` | OK false, later¹ | OK false, final² | deadline | connection lost |
//! |---|---|---|---|---|---|---|
//! | `Unsigned` | – | – | – | – | – | – |
//! | `Queued` | `InFlight` | – | – | – | – | – |
//! | `InFlight` | – | `Accepted` | `Retry` | `Rejected` | `Queued`³ | `Queued`³ |
//! | `Retry` | – | `Accepted` | – | `Rejected` | `Queued` | – |
//! | `Accepted` | – | – | – | – | – | – |
//! | `Rejected` | – | `Accepted` | – | – | – | – |
//! | `Unknown` | – | `Accepted` | – | `Rejected` | – | – |
//!
//! ¹ `rate-limited`, `error`; and unknown or empty reasons, which are tried fewer times. ² Every other prefix. ³ `Unknown`
//! once it was sent as often as it may be.
//!
//! The verdict comes exactly once: `Reached`, `Failed` as soon as the quorum is out of reach, `Indeterminate` at the
//! deadline. Later OKs change the relays' statuses, never the verdict. Delivery goes on past the verdict until every
//! relay is settled or the publish's lifetime is over. The same bytes go out at every try.

pub(crate) mod quorum;
#[cfg(test)]
mod tests;

mod known;

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use nostr_proto::{Event, EventId, Prefix, Reason, RelayUrl, UnsignedEvent, encode};

use crate::auth::Epoch;
use crate::call::Quorum;
use crate::config::Config;
use crate::effects::Effects;
use crate::event::{PublishReport, PublishStatus, PublishUpdate, UnknownCause, Verdict};
use crate::ids::{PublishId, RelayIx};
use crate::planted::planted;
use crate::time::{Instant, Now};

use quorum::{Rule, Vote};

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

    fn bytes(&self) -> usize {
        match self {
            Self::Unsigned(event) => event.heap_bytes(),
            Self::Signed { event, frame } => event.heap_bytes() + frame.len(),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
enum State {
    Queued,
    InFlight {
        until: Instant,
    },
    Retry {
        at: Instant,
        said: Option<Reason>,
    },
    /// Refused for lack of authentication, which is under way.
    Lacking(Reason),
    Accepted {
        duplicate: bool,
    },
    Rejected(Reason),
    Unknown(UnknownCause),
}

#[derive(Clone, Debug)]
struct Part {
    url: RelayUrl,
    state: State,
    sends: u32,
    /// Which knowledge of us it was last sent under.
    under: Epoch,
    /// The relay was taken out of the pool meanwhile.
    removed: bool,
}

/// See the module's table.
#[derive(Debug)]
pub(crate) struct Publication {
    pub(crate) id: PublishId,
    pub(crate) body: Body,
    parts: BTreeMap<RelayIx, Part>,
    quorum: Quorum,
    rule: Rule,
    deadline: Instant,
    /// When delivery is given up.
    expires: Instant,
    verdict: Option<Verdict>,
    done_told: bool,
    #[cfg(feature = "planted-bugs")]
    planted: Option<crate::PlantedBug>,
}

/// What a step means for the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Next {
    /// Nothing.
    Nothing,
    /// The relay wants a pause.
    Pause,
    /// The OK answers nothing here.
    Unsolicited,
}

impl Publication {
    pub(crate) fn new(
        id: PublishId,
        body: Body,
        relays: impl IntoIterator<Item = (RelayIx, RelayUrl)>,
        (quorum, rule): (Quorum, Rule),
        patience: Duration,
        config: &Config,
        now: Now,
    ) -> Self {
        let parts = relays
            .into_iter()
            .map(|(ix, url)| {
                (ix, Part { url, state: State::Queued, sends: 0, under: Epoch::default(), removed: false })
            })
            .collect();
        let deadline = now.mono + patience;
        Self {
            id,
            body,
            parts,
            quorum,
            rule,
            deadline,
            expires: (now.mono + config.publish_lifetime).max(deadline),
            verdict: None,
            done_told: false,
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
        self.parts.iter().filter(|(_, p)| !p.state.is_final()).map(|(&ix, _)| ix).collect()
    }

    /// Whether it still has to reach this relay.
    pub(crate) fn is_open(&self, relay: RelayIx) -> bool {
        self.parts.get(&relay).is_some_and(|p| !p.state.is_final())
    }

    /// Whether nothing will change any more but by a late OK.
    pub(crate) fn is_done(&self) -> bool {
        self.verdict.is_some() && self.parts.values().all(|p| p.state.is_final())
    }

    pub(crate) fn verdict(&self) -> Option<&Verdict> {
        self.verdict.as_ref()
    }

    /// The EVENT message, if it is this relay's turn. The caller has sent it when this returns.
    pub(crate) fn send(&mut self, relay: RelayIx, config: &Config, now: Now, fx: &mut Effects) -> Option<Arc<str>> {
        let Body::Signed { frame, .. } = &self.body else { return None };
        let frame = frame.clone();
        let part = self.parts.get_mut(&relay)?;
        if part.state != State::Queued {
            return None;
        }
        part.sends += 1;
        let again = part.sends > 1;
        part.state = State::InFlight { until: now.mono + config.ok_deadline };
        self.tell(relay, fx);
        Some(if again && planted!(config, RetryWithOtherBytes) { frame.replacen(',', ", ", 1).into() } else { frame })
    }

    /// Whether the next EVENT for this relay can be sent, and how large it is.
    pub(crate) fn is_sendable(&self, relay: RelayIx) -> bool {
        matches!(self.body, Body::Signed { .. }) && self.parts.get(&relay).is_some_and(|p| p.state == State::Queued)
    }

    /// The relay answered with OK.
    pub(crate) fn ok(
        &mut self,
        relay: RelayIx,
        accepted: bool,
        reason: &Reason,
        config: &Config,
        now: Now,
        fx: &mut Effects,
    ) -> Next {
        let Some(part) = self.parts.get_mut(&relay) else { return Next::Unsolicited };
        if part.sends == 0 || matches!(part.state, State::Accepted { .. }) {
            return Next::Unsolicited;
        }
        let duplicate = reason.prefix == Some(Prefix::Duplicate) && !planted!(config, DuplicateRejected);
        let mut next = Next::Nothing;
        part.state = if accepted || duplicate {
            State::Accepted { duplicate }
        } else {
            match (tries(reason, config), &part.state) {
                (_, State::Rejected(_)) => return Next::Unsolicited,
                (Some(_), State::Queued | State::Retry { .. } | State::Lacking(_) | State::Unknown(_)) => {
                    return Next::Nothing;
                }
                (Some(most), _) => {
                    if reason.prefix == Some(Prefix::RateLimited) {
                        next = Next::Pause;
                    }
                    if part.sends < most {
                        let at = now.mono + wait(part.sends, config);
                        State::Retry { at, said: Some(reason.clone()) }
                    } else {
                        State::Unknown(UnknownCause::Refused(reason.clone()))
                    }
                }
                (None, _) => State::Rejected(reason.clone()),
            }
        };
        self.tell(relay, fx);
        self.judge(fx);
        next
    }

    /// The connection to a relay is gone: what was in flight there has to be sent again.
    pub(crate) fn disconnected(&mut self, relay: RelayIx, config: &Config, fx: &mut Effects) {
        let Some(part) = self.parts.get_mut(&relay) else { return };
        if let State::InFlight { .. } | State::Lacking(_) = part.state {
            part.state = after_silence(part.sends, config);
            self.tell(relay, fx);
            self.judge(fx);
        }
    }

    /// Settles what is overdue. Returns the relays whose turn it is again.
    pub(crate) fn timeout(&mut self, config: &Config, now: Now, fx: &mut Effects) -> Vec<RelayIx> {
        let mut again = Vec::new();
        let mut changed = Vec::new();
        for (&relay, part) in &mut self.parts {
            let next = match &part.state {
                _ if part.state.is_final() => continue,
                State::InFlight { .. } if self.expires <= now.mono => State::Unknown(UnknownCause::NoAnswer),
                State::Retry { said: Some(reason), .. } | State::Lacking(reason) if self.expires <= now.mono => {
                    State::Unknown(UnknownCause::Refused(reason.clone()))
                }
                _ if self.expires <= now.mono => State::Unknown(match &self.body {
                    Body::Unsigned(_) => UnknownCause::NotSigned(String::from("the signer did not answer")),
                    Body::Signed { .. } if part.sends > 0 => UnknownCause::NoAnswer,
                    Body::Signed { .. } => UnknownCause::NoConnection,
                }),
                State::InFlight { until } if *until <= now.mono => after_silence(part.sends, config),
                State::Retry { at, .. } if *at <= now.mono => State::Queued,
                _ => continue,
            };
            if next == State::Queued {
                again.push(relay);
            }
            part.state = next;
            changed.push(relay);
        }
        for relay in changed {
            self.tell(relay, fx);
        }
        self.judge(fx);
        if self.verdict.is_none() && self.deadline <= now.mono && !planted!(self, VerdictNeverDue) {
            self.decide(Verdict::Indeterminate, fx);
        }
        self.tell_done(fx);
        again
    }

    /// When [`Publication::timeout`] wants to be called.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let due = self.verdict.is_none() && !planted!(self, VerdictNeverDue);
        let verdict = due.then_some(self.deadline);
        let parts = self.parts.values().filter_map(|p| match &p.state {
            State::InFlight { until } => Some((*until).min(self.expires)),
            State::Retry { at, .. } => Some((*at).min(self.expires)),
            State::Queued | State::Lacking(_) => Some(self.expires),
            State::Accepted { .. } | State::Rejected(_) | State::Unknown(_) => None,
        });
        parts.chain(verdict).min()
    }

    /// The signer delivered, and the signature is good.
    pub(crate) fn signed(&mut self, event: Event) {
        self.body = Body::signed(event);
    }

    /// The signer refused: nothing was sent and nothing will be.
    pub(crate) fn not_signed(&mut self, why: &str, fx: &mut Effects) {
        self.give_up(&UnknownCause::NotSigned(crate::text::clip(why, 256)), fx);
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
        if !part.state.is_final() {
            part.state = State::Unknown(UnknownCause::Cancelled);
            self.tell(relay, fx);
            self.tell_done(fx);
        }
    }

    /// For a new publish of the same event: who accepted the earlier one need not be asked again.
    pub(crate) fn carry_over(&mut self, earlier: &Self, fx: &mut Effects) {
        for part in self.parts.values_mut() {
            let before = earlier.parts.values().find(|p| p.url == part.url).map(|p| &p.state);
            if let Some(State::Accepted { duplicate }) = before {
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
        let mut relays: Vec<_> = self.parts.values().map(|p| (p.url.clone(), p.state.status())).collect();
        relays.sort_by(|a, b| a.0.cmp(&b.0));
        PublishReport {
            publish: self.id,
            event: self.event_id(),
            verdict: self.verdict.clone(),
            needed: self.rule.needed,
            relays,
        }
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
            let votes = self.parts.iter().map(|(&relay, part)| (relay, part.state.vote()));
            if let Some(verdict) = self.rule.judge(votes) {
                self.decide(verdict, fx);
            }
        } else if planted!(self, LateOkChangesVerdict) {
            let votes = self.parts.iter().map(|(&relay, part)| (relay, part.state.vote()));
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
        let accepted = self.parts.values().filter(|p| matches!(p.state, State::Accepted { .. })).count();
        let update = PublishUpdate::Relay {
            relay: part.url.clone(),
            status: part.state.status(),
            accepted,
            needed: self.rule.needed,
        };
        fx.publish(self.id, update);
    }
}

impl State {
    fn is_final(&self) -> bool {
        matches!(self, Self::Accepted { .. } | Self::Rejected(_) | Self::Unknown(_))
    }

    fn vote(&self) -> Vote {
        match self {
            Self::Accepted { .. } => Vote::Accepted,
            Self::Rejected(_) => Vote::Rejected,
            Self::Queued | Self::InFlight { .. } | Self::Retry { .. } | Self::Lacking(_) | Self::Unknown(_) => {
                Vote::Open
            }
        }
    }

    fn status(&self) -> PublishStatus {
        match self {
            Self::Queued | Self::Retry { .. } | Self::Lacking(_) => PublishStatus::Queued,
            Self::InFlight { .. } => PublishStatus::InFlight,
            Self::Accepted { duplicate } => PublishStatus::Accepted { duplicate: *duplicate },
            Self::Rejected(reason) => PublishStatus::Rejected(reason.clone()),
            Self::Unknown(cause) => PublishStatus::Unknown(cause.clone()),
        }
    }
}

/// How often an event may be sent to a relay that refuses it with this reason; `None`: the refusal is final.
fn tries(reason: &Reason, config: &Config) -> Option<u32> {
    match reason.prefix {
        Some(Prefix::RateLimited | Prefix::Error) => Some(config.max_sends),
        // `closed` speaks of reconciliations (NIP-77): on an OK it tells nothing.
        None | Some(Prefix::Closed) => Some(config.max_sends_unknown),
        Some(_) => None,
    }
}

fn after_silence(sends: u32, config: &Config) -> State {
    if sends < config.max_sends { State::Queued } else { State::Unknown(UnknownCause::NoAnswer) }
}

/// The wait before the next try, after so many.
fn wait(sends: u32, config: &Config) -> Duration {
    let doubled = config.retry_base.saturating_mul(1_u32.checked_shl(sends.saturating_sub(1)).unwrap_or(u32::MAX));
    doubled.min(config.backoff_max)
}

/// Says why an event was never signed, for the subscriptions that saw it pending.
pub(crate) fn refusal(publication: &Publication) -> Option<String> {
    publication.parts.values().find_map(|p| match &p.state {
        State::Unknown(UnknownCause::NotSigned(why)) => Some(why.clone()),
        _ => None,
    })
}
