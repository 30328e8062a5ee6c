//! What was written, and what of it is due to whom.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use nostr_pool_driver::{Gap, GapCause};
use nostr_proto::{Event, EventId, RelayUrl};
use serde_json::Value;

use super::reader::{Habit, Seen};
use super::sites::Sites;

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

    /// What is due to a subscription, was not delivered, and lies in no gap that it was told.
    ///
    /// Due is what a correct relay of it holds and it wants, but for versions that newer ones replaced somewhere: the
    /// pool may know those.
    pub(super) fn lost(&self, sites: &Sites, habit: Habit, seen: &Seen) -> Vec<String> {
        let (relays, wants) = (habit.relays(), habit.wants());
        let mut lost = Vec::new();
        for event in self.written.iter().filter(|event| !seen.delivered.contains_key(&event.id)) {
            let current = event.address.as_ref().is_none_or(|address| {
                self.newest.get(address).is_some_and(|(_, Reverse(id))| *id == event.id.to_string())
            });
            if !current || !wants.iter().any(|want| want.is_met_by(&event.value)) {
                continue;
            }
            let holders: Vec<&RelayUrl> = relays
                .iter()
                .map(|n| &sites.all()[*n])
                .filter(|site| site.correct && site.server.with(|relay| relay.contains(&event.id)))
                .map(|site| &site.url)
                .collect();
            let told = |relay: &&RelayUrl| seen.gaps.iter().any(|gap| covers(gap, relay, event.created_at));
            if !holders.is_empty() && !holders.iter().all(told) {
                let ports: Vec<_> = holders.iter().map(|url| url.to_string()).collect();
                lost.push(format!("{} of {} at {}", event.id, event.created_at, ports.join(", ")));
            }
        }
        lost
    }

    /// The next round reckons with what is written in it.
    pub(super) fn close(&mut self) {
        self.written.clear();
    }
}

/// Whether a gap says of this relay and this second that something may be missing for good.
fn covers(gap: &Gap, relay: &RelayUrl, created_at: u64) -> bool {
    let final_cause = match gap.cause {
        // These are made up for; what a full queue lost for good, no relay holds.
        GapCause::Disconnected | GapCause::CaughtUp { .. } | GapCause::Flooded { .. } | GapCause::QueueFull { .. } => {
            false
        }
        _ => true,
    };
    final_cause
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
