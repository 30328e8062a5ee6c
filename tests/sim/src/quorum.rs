//! What has to hold of publishes: one verdict, in time, and none that the relays' answers do not bear out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use nostr_pool_core::{Instant, PublishId, PublishStatus, Quorum, Rejection, SocketId, Verdict};
use nostr_proto::{EventId, RelayUrl};
use serde_json::Value;

use super::sending::Sending;

#[derive(Debug)]
struct Published {
    event: EventId,
    /// Its relays, each once, however often it was named.
    relays: BTreeSet<RelayUrl>,
    quorum: Quorum,
    deadline: Instant,
    verdict: bool,
    /// A signer may refuse, and then it fails without any relay's answer.
    unsigned: bool,
    /// Relays that were taken out of the pool: they never answer.
    removed: BTreeSet<RelayUrl>,
}

/// Every publish of a run, and what relays said to the pool.
#[derive(Debug, Default)]
pub(super) struct Publishes {
    known: BTreeMap<PublishId, Published>,
    /// Verdicts told during the call that started the publish, before anyone knew its number.
    early: BTreeMap<PublishId, Verdict>,
    /// The same for relays that are known not to take what is so long.
    early_refused: BTreeMap<PublishId, BTreeSet<RelayUrl>>,
    reached: u64,
    /// Who has said of which event for good whether it takes it.
    settled: BTreeSet<(EventId, RelayUrl)>,
    accepted: BTreeMap<EventId, BTreeSet<RelayUrl>>,
    refused: BTreeMap<EventId, BTreeSet<RelayUrl>>,
    /// What was sent on each socket since its relay was last heard there.
    unanswered: BTreeMap<SocketId, BTreeSet<EventId>>,
    /// Connections that the pool did not end and that ended before the relay said anything after this event.
    ended_after: BTreeMap<(RelayUrl, EventId), u32>,
}

/// A publish as the script asked for it.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) relays: BTreeSet<RelayUrl>,
    pub(super) quorum: Quorum,
    pub(super) unsigned: bool,
}

impl Publishes {
    pub(super) fn published(
        &mut self,
        publish: PublishId,
        event: EventId,
        asked: Asked,
        deadline: Instant,
    ) -> Result<(), &'static str> {
        let Asked { relays, quorum, unsigned } = asked;
        self.known.insert(
            publish,
            Published { event, relays, quorum, deadline, verdict: false, unsigned, removed: BTreeSet::new() },
        );
        if let Some(relays) = self.early_refused.remove(&publish) {
            self.refused.entry(event).or_default().extend(relays);
        }
        match self.early.remove(&publish) {
            Some(verdict) => self.verdict(publish, &verdict, Instant::ZERO),
            None => Ok(()),
        }
    }

    /// A frame goes out.
    pub(super) fn sent(&mut self, socket: SocketId, frame: &str) -> Result<(), &'static str> {
        if !frame.starts_with("[\"EVENT\"") {
            return Ok(());
        }
        let message: Value = serde_json::from_str(frame).map_err(|_| "an EVENT message is JSON")?;
        let id = message[1]["id"].as_str().and_then(|id| id.parse().ok()).ok_or("an event has an id")?;
        self.unanswered.entry(socket).or_default().insert(id);
        Ok(())
    }

    /// A frame of the relay reached the pool.
    pub(super) fn heard(&mut self, socket: SocketId) {
        self.unanswered.remove(&socket);
    }

    /// A socket is gone. `by_pool`: the pool closed it.
    pub(super) fn ended(&mut self, relay: &RelayUrl, socket: SocketId, by_pool: bool) {
        for id in self.unanswered.remove(&socket).unwrap_or_default() {
            *self.ended_after.entry((relay.clone(), id)).or_default() += u32::from(!by_pool);
        }
    }

    /// A relay's part has a new status.
    pub(super) fn status(
        &mut self,
        publish: PublishId,
        relay: &RelayUrl,
        status: &PublishStatus,
        sending: &Sending,
    ) -> Result<(), &'static str> {
        if let PublishStatus::Rejected(Rejection::TooLarge { bytes, max: Some(_) }) = status {
            match self.known.get(&publish).map(|p| p.event) {
                Some(event) => self.refused.entry(event).or_default().insert(relay.clone()),
                None => self.early_refused.entry(publish).or_default().insert(relay.clone()),
            };
            let fits = sending.fits(relay, *bytes);
            return if fits { Err("what is too large for a relay is longer than it takes") } else { Ok(()) };
        }
        // During the call that starts a publish, nobody knows it yet, and nothing can have been in flight.
        let Some(event) = self.known.get(&publish).map(|p| p.event) else { return Ok(()) };
        match status {
            PublishStatus::Rejected(Rejection::Suspect) => {
                let ended = self.ended_after.get(&(relay.clone(), event)).copied().unwrap_or(0);
                self.refused.entry(event).or_default().insert(relay.clone());
                if ended >= 2 {
                    Ok(())
                } else {
                    Err("an event is suspect after two connections that ended right after it")
                }
            }
            // By the close code 1009.
            PublishStatus::Rejected(Rejection::TooLarge { .. }) => {
                let ended = self.ended_after.get(&(relay.clone(), event)).copied().unwrap_or(0);
                self.refused.entry(event).or_default().insert(relay.clone());
                if ended >= 1 { Ok(()) } else { Err("an event is too large after a connection that ended over it") }
            }
            PublishStatus::Accepted { .. } => {
                let said = self.accepted.get(&event).is_some_and(|relays| relays.contains(relay));
                if said { Ok(()) } else { Err("a relay has accepted what it said that it has") }
            }
            _ => Ok(()),
        }
    }

    /// Whether the application asked for this event more than once.
    pub(super) fn is_repeated(&self, event: &str) -> bool {
        event.parse().is_ok_and(|id: EventId| self.known.values().filter(|p| p.event == id).count() > 1)
    }

    /// A relay's OK reached the pool.
    pub(super) fn ok(&mut self, relay: &RelayUrl, ok: &Value) {
        let Some(id) = ok[1].as_str().and_then(|id| id.parse::<EventId>().ok()) else { return };
        let prefix = ok[3].as_str().unwrap_or_default().split(':').next().unwrap_or_default();
        if !prefix.eq_ignore_ascii_case("rate-limited") {
            self.settled.insert((id, relay.clone()));
        }
        if ok[2] == true || prefix.eq_ignore_ascii_case("duplicate") {
            self.accepted.entry(id).or_default().insert(relay.clone());
        } else {
            self.refused.entry(id).or_default().insert(relay.clone());
        }
    }

    pub(super) fn verdict(&mut self, publish: PublishId, verdict: &Verdict, now: Instant) -> Result<(), &'static str> {
        let Some(p) = self.known.get_mut(&publish) else {
            return match self.early.insert(publish, verdict.clone()) {
                None => Ok(()),
                Some(_) => Err("a publish has one verdict"),
            };
        };
        if p.verdict {
            return Err("a publish has one verdict");
        }
        p.verdict = true;
        self.reached += u64::from(*verdict == Verdict::Reached);
        if now > p.deadline {
            return Err("the verdict comes by the deadline");
        }
        let none = BTreeSet::new();
        let by = |by: &'_ BTreeMap<EventId, BTreeSet<RelayUrl>>| by.get(&p.event).unwrap_or(&none).clone();
        let accepted = by(&self.accepted).intersection(&p.relays).count();
        let refused = by(&self.refused).union(&p.removed).filter(|relay| p.relays.contains(*relay)).count();
        let (all, needed) = (p.relays.len(), needed(&p.quorum, p.relays.len()));
        match verdict {
            Verdict::Reached if accepted < needed => Err("a quorum is reached by as many relays"),
            Verdict::Failed if !p.unsigned && all - refused >= needed => {
                Err("a quorum fails when too many relays refused")
            }
            _ => Ok(()),
        }
    }

    /// The device slept: what was due meanwhile is due when it wakes, or right after a call that comes first.
    pub(super) fn slept(&mut self, from: Instant, until: Instant) {
        for p in self.known.values_mut().filter(|p| p.deadline >= from) {
            p.deadline = p.deadline.max(until + Duration::from_millis(1));
        }
    }

    /// A relay is taken out of the pool.
    pub(super) fn removed(&mut self, relay: &RelayUrl) {
        for p in self.known.values_mut() {
            p.removed.insert(relay.clone());
        }
    }

    /// The nth publish, the newest first, and how it was asked for.
    pub(super) fn nth(&self, n: u8) -> Option<(EventId, PublishId, Asked)> {
        let (&publish, p) = self.known.iter().nth_back(usize::from(n) % self.known.len().max(1))?;
        let asked = Asked { relays: p.relays.clone(), quorum: p.quorum.clone(), unsigned: p.unsigned };
        Some((p.event, publish, asked))
    }

    pub(super) fn verdicts(&self) -> u64 {
        self.known.values().filter(|p| p.verdict).count() as u64
    }

    /// Publishes of which some of their relays never said for good whether they take them.
    pub(super) fn unserved(&self) -> Vec<String> {
        let open = self.known.iter().flat_map(|(id, p)| {
            let open = |relay: &&RelayUrl| !self.settled.contains(&(p.event, RelayUrl::clone(relay)));
            p.relays.iter().filter(open).map(move |relay| format!("publish {id} at {relay}")).collect::<Vec<_>>()
        });
        open.collect()
    }

    /// Verdicts that tell of success.
    pub(super) fn reached(&self) -> u64 {
        self.reached
    }

    pub(super) fn without_verdict(&self) -> Vec<PublishId> {
        self.known.iter().filter(|(_, p)| !p.verdict).map(|(&id, _)| id).collect()
    }
}

fn needed(quorum: &Quorum, relays: usize) -> usize {
    match quorum {
        Quorum::First => 1,
        Quorum::Majority => relays / 2 + 1,
        Quorum::All => relays,
        Quorum::Percent(30) => (3 * relays).div_ceil(10),
        other => panic!("the script does not ask for {other:?}"),
    }
}
