//! What has to hold of versions (NIP-01) and of dates: no older version after a newer one, none withheld for one that is
//! not due, the future flagged, nothing that has expired (NIP-40).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use nostr_pool_core::{Config, EventItem, SubId};
use serde_json::Value;

use super::judge::{Judge, Judged};

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
    /// Subscriptions that want every version.
    all_versions: BTreeSet<SubId>,
    /// The latest that the device's wall clock ever read.
    latest_wall: u64,
}

impl Dates {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            window: config.future_window.as_secs(),
            deliver_expired: config.deliver_expired,
            came: BTreeMap::new(),
            delivered: BTreeMap::new(),
            all_versions: BTreeSet::new(),
            latest_wall: 0,
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

    /// An event reaches the pool.
    pub(super) fn heard(&mut self, event: &Value, judge: &mut Judge) {
        if let Some(address) = address(event)
            && judge.judge(event) == Judged::Good
        {
            self.came.entry(address).or_default().insert(version(event));
        }
    }

    /// The wall clock reads this.
    pub(super) fn reads(&mut self, unix: u64) {
        self.latest_wall = self.latest_wall.max(unix);
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
        if is_outdated && !self.all_versions.contains(&sub) {
            return Err("no older version comes after a newer one");
        }
        Ok(())
    }

    /// Whether an event need not be delivered: a newer version of it came that is due, or it has expired.
    pub(super) fn excuses(&self, sub: SubId, event: &Value, unix: u64) -> bool {
        // What was due by a clock that stepped back since may have replaced it.
        let wall = self.latest_wall.max(unix);
        let due = wall.saturating_add(self.window);
        let own = version(event);
        let is_outdated = || {
            let versions = address(event).and_then(|address| self.came.get(&address));
            versions.is_some_and(|versions| versions.iter().any(|other| *other > own && other.0 <= due))
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
