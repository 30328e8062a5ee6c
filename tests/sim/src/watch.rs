//! What is watched of each relay: forgeries and quarantines, refusals and pauses, records, the dates of what it sent.

use nostr_pool_core::{Config, ConnectionState, EventItem, Instant, Item, Now, RelayOptions, SubId};
use nostr_proto::RelayUrl;
use serde_json::Value;

use super::judge::{Judge, Judged};
use super::latest::Dates;
use super::pace::Paces;
use super::quarantine::Quarantines;
use super::records::Records;
use super::site::Site;
use super::sources::Sources;

/// See the module.
#[derive(Debug)]
pub(super) struct Watch {
    judge: Judge,
    pub(super) dates: Dates,
    pub(super) quarantines: Quarantines,
    pub(super) paces: Paces,
    pub(super) sources: Sources,
    pub(super) records: Records,
}

impl Watch {
    pub(super) fn new(config: &Config, sites: &[Site]) -> Self {
        let mut quarantines = Quarantines::new(config);
        for site in sites.iter().filter(|site| !site.forges) {
            quarantines.is_honest(&site.url);
        }
        let (judge, records) = (Judge::default(), Records::default());
        let (dates, paces, sources) = (Dates::new(config), Paces::new(config), Sources::default());
        Self { judge, dates, quarantines, paces, sources, records }
    }

    /// A frame reaches the pool on an open socket of a relay. `runs`: whether a request of that name runs there;
    /// `was_used`: whether one ever had it.
    pub(super) fn heard(
        &mut self,
        site: &Site,
        text: &str,
        runs: impl FnOnce(&str) -> bool,
        was_used: impl FnOnce(&str) -> bool,
        now: Now,
    ) -> Result<(), &'static str> {
        self.records.heard(&site.url, text);
        self.dates.reads(now.unix.as_secs());
        let now = now.mono;
        let Ok(message) = serde_json::from_str::<Value>(text) else {
            // A copy that was cut off is known by its id all the same.
            if let Some(id) = text.split_once("\"id\":\"").and_then(|(_, rest)| rest.get(..64)) {
                self.sources.heard(&site.url, id);
            }
            return Ok(());
        };
        match (message[0].as_str(), message[1].as_str()) {
            (Some("EVENT"), Some(name)) => {
                let event = &message[2];
                self.dates.heard(event, text.len(), &mut self.judge);
                let Some(id) = event["id"].as_str() else { return Ok(()) };
                self.sources.heard(&site.url, id);
                // What an honest relay sends is only told apart where versions count.
                let judged = if site.forges { self.judge.judge(event) } else { Judged::Good };
                self.quarantines.heard(&site.url, id, judged, runs(name), now)
            }
            (Some("CLOSED"), Some(name)) if !was_used(name) => Ok(()),
            _ => {
                self.paces.heard(&site.url, &message, now);
                Ok(())
            }
        }
    }

    /// A frame goes out to a relay.
    pub(super) fn sent(&mut self, relay: &RelayUrl, frame: &str, now: Instant) -> Result<(), &'static str> {
        self.paces.sent(relay, frame, now)
    }

    pub(super) fn dialled(&mut self, relay: &RelayUrl, now: Instant) -> Result<(), &'static str> {
        self.quarantines.dialled(relay, now)
    }

    pub(super) fn state(&mut self, relay: &RelayUrl, state: ConnectionState, now: Instant) -> Result<(), &'static str> {
        self.quarantines.state(relay, state, now)
    }

    /// An event is delivered. `made`: some author is known to have made it; `named`: see [`Sources::delivered`].
    pub(super) fn delivered(
        &mut self,
        sub: SubId,
        item: &EventItem,
        event: &Value,
        (made, named): (bool, Option<&[RelayUrl]>),
        unix: u64,
    ) -> Result<(), &'static str> {
        if !made && self.judge.judge(event) != Judged::Good {
            return Err("what is delivered is genuine");
        }
        self.sources.delivered(item, named)?;
        self.dates.reads(unix);
        self.dates.delivered(sub, item, event, unix)
    }

    /// Something else is told of a relay's doing.
    pub(super) fn attributed(&self, item: &Item) -> Result<(), &'static str> {
        self.sources.attributed(item)
    }

    /// The application adds a relay or changes its options.
    pub(super) fn added(&mut self, relay: &RelayUrl, options: RelayOptions, now: Instant) {
        self.quarantines.vouched(relay, !options.quarantine, now);
    }

    /// The application takes a relay out of the pool, or it was out at last.
    pub(super) fn removed(&mut self, relay: &RelayUrl, now: Instant) {
        self.quarantines.lifted(Some(relay), now);
        self.paces.forgotten(Some(relay));
        self.records.forgotten(relay);
    }

    /// The application wants a connection, whatever was.
    pub(super) fn wanted(&mut self, relay: Option<&RelayUrl>, now: Instant) {
        self.quarantines.lifted(relay, now);
    }

    /// The pool forgot everything.
    pub(super) fn start_clean(&mut self, now: Instant) {
        self.quarantines.lifted(None, now);
        self.records = Records::default();
        self.paces.forgotten(None);
        self.dates.forgotten();
    }
}
