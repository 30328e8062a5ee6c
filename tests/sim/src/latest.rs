//! What has to hold of versions (NIP-01) and of dates: no older version after a newer one, none withheld for one that is
//! not due, the future flagged, nothing that has expired (NIP-40).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use nostr_pool_core::{Config, EventItem, Item, PendingOutcome, SubId};
use nostr_proto::EventId;
use serde_json::Value;

use super::judge::{Judge, Judged};
use super::sub::json;

/// The pool keeps at least so many bytes of events at hand.
const AT_HAND: usize = 2 << 20;

/// What versions have in common: kind, author, `d`.
type Address = (u64, String, String);
/// The newest is the greatest; of one second, the lowest id.
type Version = (u64, Reverse<String>);

/// Every version that reached the pool, and the dates of everything.
#[derive(Debug)]
pub(super) struct Dates {
    window: u64,
    deliver_expired: bool,
    /// Genuine versions that came.
    came: BTreeMap<Address, BTreeSet<Version>>,
    /// Versions that were delivered when they were due.
    delivered: BTreeMap<Address, BTreeSet<Version>>,
    /// Genuine versions that came to the pools before this one.
    earlier: BTreeMap<Address, BTreeSet<Version>>,
    /// The newest version that an application was done with before its subscription went on from a checkpoint.
    had: BTreeMap<(SubId, Address), Version>,
    /// Subscriptions that want every version.
    all_versions: BTreeSet<SubId>,
    /// The latest that the device's wall clock read since this pool began, and ever.
    latest_wall: u64,
    latest_ever: u64,
    /// The wall clock was set: what won by it stays won, and nobody else knows what that is.
    stepped: bool,
    /// Pending events: what each is a version of.
    pending: BTreeMap<String, Address>,
    /// When versions expire.
    expires: BTreeMap<String, u64>,
    /// Bytes of the events that came.
    bytes: usize,
}

impl Dates {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            window: config.future_window.as_secs(),
            deliver_expired: config.deliver_expired,
            came: BTreeMap::new(),
            delivered: BTreeMap::new(),
            earlier: BTreeMap::new(),
            had: BTreeMap::new(),
            all_versions: BTreeSet::new(),
            latest_wall: 0,
            latest_ever: 0,
            stepped: false,
            pending: BTreeMap::new(),
            expires: BTreeMap::new(),
            bytes: 0,
        }
    }

    /// This subscription wants every version.
    pub(super) fn wants_all(&mut self, sub: SubId) {
        self.all_versions.insert(sub);
    }

    /// The pool forgot everything.
    pub(super) fn forgotten(&mut self) {
        self.delivered.clear();
    }

    /// Another pool takes the place of the one that this watched.
    pub(super) fn goes_on(&mut self, before: Self) {
        self.earlier = before.earlier;
        for (address, versions) in before.came {
            self.earlier.entry(address).or_default().extend(versions);
        }
        self.latest_ever = before.latest_ever;
    }

    /// A subscription goes on from where its application was done with these.
    pub(super) fn resumed(&mut self, sub: SubId, done_with: &BTreeSet<EventId>) {
        let ids: BTreeSet<String> = done_with.iter().map(ToString::to_string).collect();
        for (address, versions) in self.earlier.iter().chain(&self.came) {
            if let Some(newest) = versions.iter().rev().find(|version| ids.contains(&version.1.0)) {
                let had = self.had.entry((sub, address.clone())).or_insert_with(|| newest.clone());
                *had = (*had).clone().max(newest.clone());
            }
        }
    }

    /// An event reaches the pool.
    pub(super) fn heard(&mut self, event: &Value, bytes: usize, judge: &mut Judge) {
        self.bytes += bytes;
        if let Some(address) = address(event)
            && judge.judge(event) == Judged::Good
        {
            let version = version(event);
            expiration(event).map(|at| self.expires.insert(version.1.0.clone(), at));
            self.came.entry(address).or_default().insert(version);
        }
    }

    /// The wall clock is set.
    pub(super) fn stepped(&mut self) {
        self.stepped = true;
    }

    /// A pending event is shown, or its fate told: where no relay has it, the version counts again that counted before.
    pub(super) fn pending(&mut self, item: &Item, unix: u64) -> Result<(), &'static str> {
        let (event, outcome, back_to) = match item {
            Item::Pending(p) => {
                let event = json(&p.event.as_event().to_json());
                address(&event).map(|address| self.pending.insert(p.event.id().to_string(), address));
                return Ok(());
            }
            Item::Resolved { event, outcome, back_to } => (event.to_string(), outcome, back_to),
            _ => return Ok(()),
        };
        let back_to = back_to.as_ref().map(|event| json(&event.to_json()));
        if !matches!(outcome, PendingOutcome::NeverAccepted | PendingOutcome::NotSigned(_)) {
            return if back_to.is_none() { Ok(()) } else { Err("only what no relay took gives way") };
        }
        let Some(own) = self.pending.get(&event) else {
            return if back_to.is_none() { Ok(()) } else { Err("only a version gives way to a version") };
        };
        let (none, wall) = (BTreeSet::new(), self.latest_wall.max(unix));
        let came = self.came.get(own).unwrap_or(&none);
        let expired = |v: &Version| self.expires.get(&v.1.0).is_some_and(|at| *at <= wall);
        let told = back_to.as_ref().map(version);
        if let (Some(told), Some(back_to)) = (&told, &back_to)
            && (address(back_to).as_ref() != Some(own)
                || told.1.0 == event
                || !came.contains(told)
                || expiration(back_to).is_some_and(|at| at <= unix))
        {
            return Err("a version gives way to another that came and has not expired");
        }
        let delivered = self.delivered.get(own).unwrap_or(&none);
        let before = delivered.iter().rev().find(|v| v.1.0 != event && !expired(v));
        // What replaced it and has expired since, or is the event itself, leaves nothing to go back to.
        let hidden = |before: &Version| came.iter().any(|v| v > before && (expired(v) || v.1.0 == event));
        match before {
            Some(before)
                if !self.stepped && self.bytes < AT_HAND && !hidden(before) && told.as_ref() < Some(before) =>
            {
                Err("a version that no relay took gives way to the newest one before it")
            }
            _ => Ok(()),
        }
    }

    /// The wall clock reads this.
    pub(super) fn reads(&mut self, unix: u64) {
        self.latest_wall = self.latest_wall.max(unix);
        self.latest_ever = self.latest_ever.max(unix);
    }

    /// An event is delivered.
    pub(super) fn delivered(
        &mut self,
        sub: SubId,
        item: &EventItem,
        event: &Value,
        unix: u64,
    ) -> Result<(), &'static str> {
        let due = unix.saturating_add(self.window);
        let is_future = event["created_at"].as_u64().is_none_or(|at| at > due);
        if item.future_dated != is_future {
            return Err("what is dated ahead is flagged, and nothing else");
        }
        if !self.deliver_expired && expiration(event).is_some_and(|at| at <= unix) {
            return Err("what has expired is not delivered");
        }
        let Some(address) = address(event) else { return Ok(()) };
        let own = version(event);
        let known = self.delivered.entry(address).or_default();
        let is_outdated = known.iter().any(|other| *other > own && other.0 <= due);
        if !is_future {
            known.insert(own);
        }
        // After a step back, what had won may not be due any more, and what it had replaced is forgotten.
        if is_outdated && !self.stepped && !self.all_versions.contains(&sub) {
            return Err("no older version comes after a newer one");
        }
        Ok(())
    }

    /// Whether an event need not be delivered: a newer version of it came that is due, perhaps before the subscription went on
    /// from a checkpoint, or it has expired.
    pub(super) fn excuses(&self, sub: SubId, event: &Value, unix: u64) -> bool {
        // What was due by a clock that stepped back since may have replaced it.
        let wall = self.latest_wall.max(unix);
        let due = wall.saturating_add(self.window);
        let own = version(event);
        let ever_due = self.latest_ever.max(unix).saturating_add(self.window);
        let is_outdated = || {
            let Some(address) = address(event) else { return false };
            let versions = self.came.get(&address);
            versions.is_some_and(|versions| versions.iter().any(|other| *other > own && other.0 <= due))
                || self.had.get(&(sub, address)).is_some_and(|had| *had > own && had.0 <= ever_due)
        };
        expiration(event).is_some_and(|at| at <= wall) || (!self.all_versions.contains(&sub) && is_outdated())
    }
}

fn version(event: &Value) -> Version {
    (event["created_at"].as_u64().unwrap_or_default(), Reverse(event["id"].as_str().unwrap_or_default().to_owned()))
}

fn address(event: &Value) -> Option<Address> {
    let kind = event["kind"].as_u64()?;
    let d = match kind {
        0 | 3 | 10_000..=19_999 => "",
        30_000..=39_999 => tag(event, "d").unwrap_or_default(),
        _ => return None,
    };
    Some((kind, event["pubkey"].as_str()?.to_owned(), d.to_owned()))
}

/// When it expires.
fn expiration(event: &Value) -> Option<u64> {
    tag(event, "expiration")?.parse().ok()
}

/// The value of the first tag of that name.
fn tag<'a>(event: &'a Value, name: &str) -> Option<&'a str> {
    event["tags"].as_array()?.iter().find(|tag| tag[0] == name)?[1].as_str()
}
