//! What has to hold of the records of relays: they count what came, no more and no less.

use std::collections::BTreeMap;

use nostr_pool_core::RelayRecord;
use nostr_proto::RelayUrl;
use serde_json::Value;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Heard {
    frames: u64,
    bytes: u64,
    notices: u64,
    challenges: u64,
    /// EVENT messages, whatever they are for.
    events: u64,
    /// What is no JSON array at all.
    noise: u64,
    binary: u64,
}

/// What came from every relay.
#[derive(Debug, Default)]
pub(super) struct Records {
    heard: BTreeMap<RelayUrl, Heard>,
}

impl Records {
    /// A text frame reaches the pool on the relay's open socket.
    pub(super) fn heard(&mut self, relay: &RelayUrl, text: &str) {
        let heard = self.heard.entry(relay.clone()).or_default();
        heard.frames += 1;
        heard.bytes += text.len() as u64;
        match serde_json::from_str::<Value>(text) {
            Ok(message) => match message[0].as_str() {
                Some("NOTICE") if message[1].is_string() => heard.notices += 1,
                Some("AUTH") if message[1].is_string() => heard.challenges += 1,
                Some("EVENT") => heard.events += 1,
                Some(_) => {}
                None => heard.noise += 1,
            },
            // The head of what was cut off may be that of an event.
            Err(_) => heard.events += u64::from(text.starts_with("[\"EVENT\"")),
        }
    }

    /// A binary frame does.
    pub(super) fn heard_binary(&mut self, relay: &RelayUrl) {
        self.heard.entry(relay.clone()).or_default().binary += 1;
    }

    /// The relay is another one from now on.
    pub(super) fn forgotten(&mut self, relay: &RelayUrl) {
        self.heard.remove(relay);
    }

    /// What the pool says.
    pub(super) fn check(&self, record: &RelayRecord) -> Result<(), String> {
        let heard = self.heard.get(&record.url).copied().unwrap_or_default();
        let told = &record.counters;
        let told_exactly = (told.bytes, told.notices, told.challenges);
        let came = (heard.bytes, heard.notices, heard.challenges);
        if told.frames != heard.frames || told_exactly != came {
            return Err(format!("the record counts what came: {told:?}, not {heard:?}"));
        }
        if told.events > heard.events || told.garbage < heard.noise + heard.binary {
            return Err(format!("the record counts what came as what it is: {told:?}, not {heard:?}"));
        }
        let kinds = told.events + told.garbage + told.unknown + told.unsolicited + told.notices + told.challenges;
        if kinds < heard.events {
            return Err(format!("no event goes uncounted: {told:?}, not {heard:?}"));
        }
        Ok(())
    }
}
