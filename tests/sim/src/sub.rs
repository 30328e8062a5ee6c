//! What has to hold of a subscription: what it is told, and when.

use std::collections::{BTreeMap, BTreeSet};

use nostr_pool_core::{Coverage, EndReason, Gap, GapCause, Instant, Item, LegOutcome, LegReport, LegState, Mark};
use nostr_proto::{EventId, Filter, RelayUrl};
use serde_json::Value;

use super::answers::Answers;
use super::shares::Shares;

/// A gap that is open since a connection was lost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open {
    /// The earliest date that may be missing.
    pub(super) since: u64,
    /// When it was told first, in true microseconds.
    pub(super) told: u64,
}

/// A subscription as the oracle knows it.
#[derive(Debug)]
pub(super) struct Sub {
    pub(super) filters: Vec<Filter>,
    /// The same, as JSON.
    pub(super) wanted: Vec<Value>,
    /// Whether it wants everything that relays have, and whether it goes on from a checkpoint.
    pub(super) history: bool,
    pub(super) resumed: bool,
    /// What its application was done with when that was written down.
    pub(super) before: BTreeSet<EventId>,
    /// There was no room even for news: what it was told of its legs may not be all.
    pub(super) deaf: bool,
    /// When each relay was first asked by this generation, when it was asked last, and when its first EOSE took effect: in
    /// true microseconds.
    pub(super) first_asked: BTreeMap<RelayUrl, u64>,
    pub(super) asked_at: BTreeMap<RelayUrl, u64>,
    pub(super) live_since: BTreeMap<RelayUrl, u64>,
    /// What was told to be missing, but for lost connections.
    pub(super) told: Vec<Gap>,
    /// What was told was asked for once more.
    pub(super) refilled: bool,
    /// Of that, what may never come from relays without room for pages.
    pub(super) refilling: Vec<Gap>,
    pub(super) relays: Vec<RelayUrl>,
    /// Whether it asks every relay of the pool that is read from.
    pub(super) all: bool,
    pub(super) live: bool,
    pub(super) ended: bool,
    /// Whether what comes for it may be skipped, or was, which is told when there is room again: its queue was full, or all
    /// of them together were.
    pub(super) skips: bool,
    /// How many events of these filters were told to be skipped for want of room, to be asked for again; and to be lost.
    skipped: u64,
    lost: u64,
    /// How many events were told to be dropped for want of room for their checks.
    pub(super) dropped: u64,
    /// What came for it and no relay keeps.
    pub(super) fleeting: BTreeSet<EventId>,
    /// Ground of which a relay's events were dropped for want of room, and are owed again.
    floods: Vec<Gap>,
    /// Relays that it lost because they were taken out, or are not read from.
    pub(super) left: BTreeSet<RelayUrl>,
    /// What it got, and whose share of the pool's memory that counts against: the relay's that brought it first.
    pub(super) delivered: BTreeMap<EventId, Option<RelayUrl>>,
    pub(super) next_seq: u64,
    /// Relays that were said to have refused for good, or to be gone.
    pub(super) closed: BTreeSet<RelayUrl>,
    /// Whether the pool said that it skipped or dropped events.
    pub(super) excused: bool,
    /// How often each relay was asked, and which are past their EOSE.
    pub(super) asked: BTreeMap<RelayUrl, u32>,
    pub(super) past_eose: BTreeSet<RelayUrl>,
    pub(super) updated: bool,
    /// Which generation of filters, since when, and whether its EOSE was told.
    pub(super) generation: u32,
    pub(super) started: Instant,
    pub(super) eose_told: bool,
    /// Relays to which the connection was lost, as was told, and since when something may be missing.
    pub(super) gaps: BTreeMap<RelayUrl, Open>,
    /// Pending events whose fate is not told, and how often each was shown.
    pending: BTreeMap<EventId, u32>,
}

impl Sub {
    pub(super) fn new(filters: Vec<Filter>, relays: Vec<RelayUrl>, live: bool, all: bool, now: Instant) -> Self {
        Self {
            wanted: filters.iter().map(|filter| json(&filter.to_json())).collect(),
            filters,
            history: false,
            resumed: false,
            before: BTreeSet::new(),
            deaf: false,
            first_asked: BTreeMap::new(),
            asked_at: BTreeMap::new(),
            live_since: BTreeMap::new(),
            told: Vec::new(),
            refilled: false,
            refilling: Vec::new(),
            relays,
            all,
            live,
            ended: false,
            skips: false,
            skipped: 0,
            lost: 0,
            dropped: 0,
            fleeting: BTreeSet::new(),
            floods: Vec::new(),
            left: BTreeSet::new(),
            delivered: BTreeMap::new(),
            next_seq: 0,
            closed: BTreeSet::new(),
            excused: false,
            asked: BTreeMap::new(),
            past_eose: BTreeSet::new(),
            updated: false,
            generation: 0,
            started: now,
            eose_told: false,
            gaps: BTreeMap::new(),
            pending: BTreeMap::new(),
        }
    }

    pub(super) fn wants(&self, event: &Value) -> bool {
        self.wanted.iter().any(|filter| matches(filter, event))
    }

    /// What sort of subscription it is, and what became of it.
    pub(super) fn sort(&self) -> String {
        let is = [
            (self.history, "all history"),
            (self.resumed, "resumed"),
            (self.skips, "full"),
            (self.excused, "gaps"),
            (self.refilled, "refilled"),
            (self.updated, "updated"),
        ];
        let is = is.iter().filter(|(is, _)| *is).map(|(_, name)| *name).collect::<Vec<_>>().join(", ");
        format!("{is}; {}", self.wanted.iter().map(Value::to_string).collect::<String>())
    }

    pub(super) fn asks(&self, relay: &RelayUrl) -> bool {
        self.relays.contains(relay) && !self.closed.contains(relay)
    }

    /// Whether every relay was asked once and is past its EOSE: nothing that came before one can be outstanding.
    pub(super) fn is_past_eose(&self) -> bool {
        let pages = self.history || self.resumed || self.refilled || self.excused;
        !pages
            && !self.updated
            && self.relays.iter().all(|r| self.past_eose.contains(r) && self.asked.get(r) == Some(&1))
    }

    pub(super) fn item(&mut self, item: &Item, shares: &Shares, at: u64, known: bool) -> Result<(), &'static str> {
        if self.ended {
            return Err("nothing comes after the end");
        }
        match item {
            Item::Event(e) => {
                let before = self.delivered.insert(e.event.id(), e.relays.first().cloned());
                if before.flatten().is_some_and(|owner| shares.is_safe(&owner)) {
                    return Err("an event is delivered once");
                }
                if e.mark == Mark::Stored && self.is_past_eose() {
                    return Err("EOSE does not overtake what came before it");
                }
                let json = json(&e.event.to_json());
                if !self.wants(&json) {
                    return Err("what is delivered was asked for");
                }
                if e.relays.is_empty() {
                    return Err("an event comes from somewhere");
                }
                self.number(e.seq)
            }
            Item::Pending(p) => {
                *self.pending.entry(p.event.id()).or_default() += 1;
                self.number(p.seq)
            }
            Item::Resolved { event, outcome, .. } => self.resolved(event, outcome.is_final()),
            Item::Leg { relay, state } => {
                self.leg(relay, state, at);
                Ok(())
            }
            Item::Gap(gap) => self.gap(gap, at, known),
            Item::Eose(coverage) => {
                if self.eose_told {
                    return Err("the aggregate EOSE comes once per generation");
                }
                self.eose_told = true;
                let right = coverage.generation == self.generation;
                if right { Ok(()) } else { Err("the aggregate EOSE is of the generation of now") }
            }
            Item::End(reason) => {
                self.ended = true;
                let complete = *reason == EndReason::Complete;
                if complete && self.live {
                    return Err("a live subscription does not end by itself");
                }
                if complete && !self.eose_told {
                    return Err("a fetch ends after its EOSE");
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn leg(&mut self, relay: &RelayUrl, state: &LegState, at: u64) {
        match state {
            LegState::Requested => {
                *self.asked.entry(relay.clone()).or_default() += 1;
                self.asked_at.insert(relay.clone(), at);
                self.first_asked.entry(relay.clone()).or_insert(at);
                // What came for the request before it, after that was given up, lies in the gap that was told.
                if self.gaps.contains_key(relay) {
                    let delivered = &self.delivered;
                    self.fleeting.retain(|event| delivered.contains_key(event));
                }
            }
            LegState::Live => {
                self.past_eose.insert(relay.clone());
                self.live_since.entry(relay.clone()).or_insert(at);
            }
            _ => drop(self.past_eose.remove(relay)),
        }
        if matches!(state, LegState::Closed(_) | LegState::Removed) {
            self.closed.insert(relay.clone());
        } else {
            self.closed.remove(relay);
            self.left.remove(relay);
        }
        if matches!(state, LegState::Removed) {
            self.left.insert(relay.clone());
            self.without(relay);
        }
    }

    /// It takes the place of one that was written down.
    pub(super) fn goes_on(
        &mut self,
        before: BTreeSet<EventId>,
        told: Vec<Gap>,
        first_asked: BTreeMap<RelayUrl, u64>,
        live_since: BTreeMap<RelayUrl, u64>,
    ) {
        self.resumed = true;
        (self.before, self.told, self.first_asked, self.live_since) = (before, told, first_asked, live_since);
    }

    /// It has nothing to do with this relay any more: whatever it knew of it is void.
    pub(super) fn without(&mut self, relay: &RelayUrl) {
        self.gaps.remove(relay);
        for times in [&mut self.first_asked, &mut self.asked_at, &mut self.live_since] {
            times.remove(relay);
        }
        self.told.retain(|gap| gap.relay.as_ref() != Some(relay));
        self.fleeting.clear();
    }

    /// Its filters are others from now on.
    pub(super) fn replaced(&mut self, filters: Vec<Filter>, now: Instant) {
        self.wanted = filters.iter().map(|filter| json(&filter.to_json())).collect();
        self.filters = filters;
        self.closed = self.left.clone();
        self.updated = true;
        self.generation += 1;
        self.started = now;
        self.eose_told = false;
        self.gaps.clear();
        self.told.clear();
        self.floods.clear();
        self.refilling.clear();
        self.fleeting.clear();
        (self.skipped, self.lost) = (0, 0);
        for times in [&mut self.first_asked, &mut self.asked_at, &mut self.live_since] {
            times.clear();
        }
    }

    /// What a relay sent before its EOSE is delivered before the EOSE counts; unless it is excused, lies in a gap that was told of
    /// this relay, or was skipped by a full queue: so many were told, or are going to be when there is room.
    pub(super) fn covered(
        &self,
        coverage: &Coverage,
        answers: &Answers,
        excused: impl Fn(&Value) -> bool,
    ) -> Result<(), &'static str> {
        let said = |leg: &&LegReport| matches!(leg.outcome, LegOutcome::Eose { .. });
        for leg in coverage.legs.iter().filter(said).filter(|_| !self.skips) {
            let date = |event: &Value| event["created_at"].as_u64().unwrap_or_default();
            let dropped = |event: &Value| self.floods.iter().any(|gap| covers(gap, &leg.relay, date(event)));
            let excused = |event: &Value| excused(event) || dropped(event) || self.is_told(&leg.relay, date(event));
            if !answers.is_delivered(&leg.relay, &self.wanted, self.started, &self.delivered, (&excused, self.skipped))
            {
                return Err("what a relay sent before its EOSE is delivered before it counts");
            }
        }
        Ok(())
    }

    /// A pending event's fate is told.
    fn resolved(&mut self, event: &EventId, is_final: bool) -> Result<(), &'static str> {
        match self.pending.get_mut(event) {
            Some(open @ 1..) => {
                *open -= u32::from(is_final);
                Ok(())
            }
            _ => Err("a pending event has one fate"),
        }
    }

    /// A gap is opened before it is closed. `known`: the relay was told who is asking.
    pub(super) fn gap(&mut self, gap: &Gap, at: u64, known: bool) -> Result<(), &'static str> {
        match (&gap.cause, &gap.relay) {
            (GapCause::Disconnected, Some(relay)) => {
                let since = gap.since.map_or(0, |since| since.as_secs());
                let open = self.gaps.entry(relay.clone()).or_insert(Open { since, told: at });
                if open.since < since {
                    return Err("a gap that is open does not shrink");
                }
                open.since = since;
                // What was being checked then lies in that gap, and is not asked for by those that can't be.
                self.fleeting.retain(|event| self.delivered.contains_key(event));
            }
            (GapCause::CaughtUp { .. }, Some(relay)) => {
                let more = self.excused || self.history || self.resumed || self.refilled || known;
                if self.gaps.remove(relay).is_none() && !more {
                    return Err("a gap is told before it is closed");
                }
            }
            (GapCause::Disconnected | GapCause::CaughtUp { .. }, None) => return Err("a connection is a relay's"),
            // What was skipped or dropped is asked for again, but for so many that no relay can be asked for.
            (GapCause::QueueFull { skipped, lost }, _) => {
                (self.excused, self.skips) = (true, false);
                self.skipped += skipped;
                self.lost += lost;
            }
            (GapCause::Flooded { dropped }, _) => {
                self.dropped += dropped;
                self.excused = true;
                self.floods.push(gap.clone());
            }
            _ => {
                self.excused = true;
                if !self.told.contains(gap) {
                    self.told.push(gap.clone());
                }
            }
        }
        Ok(())
    }

    /// Whether a loss there was told: a gap names its ground.
    pub(super) fn is_told(&self, relay: &RelayUrl, created_at: u64) -> bool {
        self.told.iter().any(|gap| covers(gap, relay, created_at))
    }

    /// Whether it was told, and asked for again.
    pub(super) fn is_refilling(&self, relay: &RelayUrl, created_at: u64) -> bool {
        self.refilling.iter().any(|gap| covers(gap, relay, created_at))
    }

    /// How many events may be missing, whatever their dates: that many were told to be lost for want of room, or are going to be.
    /// `unpaged`: so may what was skipped, for no page can make up for it.
    pub(super) fn may_lack(&self, unpaged: bool) -> u64 {
        let skipped = if unpaged { self.skipped } else { 0 };
        if self.skips { u64::MAX } else { self.lost + skipped }
    }

    pub(super) fn number(&mut self, seq: u64) -> Result<(), &'static str> {
        let right = seq == self.next_seq;
        self.next_seq += 1;
        if right { Ok(()) } else { Err("events are numbered without holes") }
    }
}

/// Whether a gap names this relay, if any, and this date.
fn covers(gap: &Gap, relay: &RelayUrl, created_at: u64) -> bool {
    gap.relay.as_ref().is_none_or(|of| of == relay)
        && gap.since.is_none_or(|since| since.as_secs() <= created_at)
        && gap.until.is_none_or(|until| created_at <= until.as_secs())
}

pub(super) fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("events are JSON")
}

/// NIP-01's filter match, over JSON: kinds, authors, dates and tags, which is what the script asks for.
pub(super) fn matches(filter: &Value, event: &Value) -> bool {
    filter.as_object().expect("a filter is an object").iter().all(|(field, wanted)| {
        let among = |value: &Value| wanted.as_array().is_some_and(|list| list.contains(value));
        match field.as_str() {
            "kinds" => among(&event["kind"]),
            "authors" => among(&event["pubkey"]),
            "since" => event["created_at"].as_u64() >= wanted.as_u64(),
            "until" => event["created_at"].as_u64() <= wanted.as_u64(),
            "limit" => true,
            tag if tag.starts_with('#') => {
                let tags = event["tags"].as_array().into_iter().flatten();
                tags.filter(|it| it[0] == tag[1..]).any(|it| among(&it[1]))
            }
            other => panic!("the script does not ask for {other}"),
        }
    })
}
