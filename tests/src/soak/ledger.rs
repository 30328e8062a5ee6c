//! What was written, and what of it is due to whom.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use nostr_pool_driver::{Gap, GapCause};
use nostr_proto::{Event, EventId, RelayUrl};
use serde_json::Value;

use super::reader::{Habit, Seen};
use super::sites::{Site, Sites};
use super::want::Want;

/// An event of this round, read apart from the code under test.
#[derive(Debug)]
struct Written {
    id: EventId,
    value: Value,
    created_at: u64,
    /// What its versions have in common; `None` for what nothing replaces.
    address: Option<String>,
}

/// The events of this round, and the newest version of everything.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    written: Vec<Written>,
    /// Those of the round before: what is due of them has been reckoned up.
    before: Vec<Written>,
    /// Which version of each address relays prefer: the newest, of the same second that with the lowest id.
    newest: BTreeMap<String, (u64, Reverse<String>)>,
    pub(super) events: u64,
}

impl Ledger {
    pub(super) fn enter(&mut self, event: &Event) {
        let value: Value = serde_json::from_str(&event.to_json()).expect("an event is JSON");
        let created_at = value["created_at"].as_u64().expect("a date");
        let address = address(&value);
        if let Some(address) = &address {
            let version = (created_at, Reverse(event.id().to_string()));
            let newest = self.newest.entry(address.clone()).or_insert_with(|| version.clone());
            *newest = newest.clone().max(version);
        }
        self.written.push(Written { id: event.id(), value, created_at, address });
        self.events += 1;
    }

    /// What is due to a subscription and was not delivered.
    ///
    /// Due is what a correct relay of it holds and it wants, but for versions that newer ones replaced somewhere: the
    /// pool may know those.
    pub(super) fn reckon(&self, sites: &Sites, habit: Habit, seen: &Seen) -> Missing {
        let (relays, wants) = (habit.relays(), habit.wants());
        let mut missing = Missing::default();
        for event in self.written.iter().filter(|event| !seen.delivered.contains_key(&event.id)) {
            let current = event.address.as_ref().is_none_or(|address| {
                self.newest.get(address).is_some_and(|(_, Reverse(id))| *id == event.id.to_string())
            });
            if !current || !wants.iter().any(|want| want.is_met_by(&event.value)) {
                continue;
            }
            let holders: Vec<&Site> = relays
                .iter()
                .map(|n| &sites.all()[*n])
                .filter(|site| site.correct && site.server.with(|relay| relay.contains(&event.id)))
                .collect();
            let told = |site: &&Site| {
                seen.gaps.iter().any(|gap| covers(gap, &site.url, event.created_at))
                    && self.of_second(event.created_at, &wants) >= site.cap
            };
            if holders.is_empty() {
                continue;
            }
            if holders.iter().all(told) {
                missing.excused += 1;
            } else {
                let ports: Vec<_> = holders.iter().map(|site| site.url.to_string()).collect();
                missing.lost.push(format!("{} of {} at {}", event.id, event.created_at, ports.join(", ")));
            }
        }
        missing
    }

    /// How many that one of these wants were written with this date, to whichever relay.
    fn of_second(&self, created_at: u64, wants: &[Want]) -> usize {
        let events = self.before.iter().chain(&self.written).filter(|event| event.created_at == created_at);
        events.filter(|event| wants.iter().any(|want| want.is_met_by(&event.value))).count()
    }

    /// The next round reckons with what is written in it.
    pub(super) fn close(&mut self) {
        self.before = std::mem::take(&mut self.written);
    }
}

/// What a subscription lacks.
#[derive(Debug, Default)]
pub(super) struct Missing {
    /// Without an excuse.
    pub(super) lost: Vec<String>,
    /// Of a second that has more events than the relays give, and the subscription was told so.
    pub(super) excused: u64,
}

/// Whether a gap says of this relay and this second that it has more events than can be had. No other cause is an excuse
/// here: what the others tell is made up for, refilled when asked, or has no reason to come up.
fn covers(gap: &Gap, relay: &RelayUrl, created_at: u64) -> bool {
    gap.cause == GapCause::DenseSecond
        && gap.relay.as_ref().is_none_or(|of| of == relay)
        && gap.since.is_none_or(|since| since.as_secs() <= created_at)
        && gap.until.is_none_or(|until| created_at <= until.as_secs())
}

fn address(event: &Value) -> Option<String> {
    let kind = event["kind"].as_u64()?;
    let identifier = match kind {
        0 | 3 | 10_000..20_000 => "",
        30_000..40_000 => {
            let tags = event["tags"].as_array()?;
            tags.iter().find(|tag| tag[0] == "d").and_then(|tag| tag[1].as_str()).unwrap_or_default()
        }
        _ => return None,
    };
    Some(format!("{kind}:{}:{identifier}", event["pubkey"]))
}
