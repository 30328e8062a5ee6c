//! Who takes part: relays on loopback ports, and authors with keys made up for the day.

use std::time::Duration;

use nostr_model_relay::{Config, Fault, FaultPlan, Server};
use nostr_proto::{Event, EventId, EventTemplate, Keys, PublicKey, RelayUrl};

use crate::exit::Stop;
use crate::relays::unix_now;

/// The relay that goes down.
pub(crate) const LOST: usize = 2;
/// The relay that lies.
pub(crate) const LIAR: usize = 4;

const NAMES: [&str; 5] = ["alpha", "bravo", "charlie", "delta", "mallory"];

/// A relay of the demo.
#[derive(Debug)]
pub(crate) struct Relay {
    pub(crate) name: &'static str,
    pub(crate) url: RelayUrl,
    pub(crate) server: Server,
}

/// Everyone who takes part, and everything that was ever written.
#[derive(Debug)]
pub(crate) struct Cast {
    pub(crate) relays: Vec<Relay>,
    ada: Keys,
    ben: Keys,
    written: Vec<Event>,
}

impl Cast {
    /// Starts the relays.
    pub(crate) fn assemble() -> Result<Self, Stop> {
        let start = |name| {
            let server = Server::start(Config::default())
                .map_err(|e| Stop::failed(format!("cannot start a relay on a loopback port: {e}")))?;
            let url = RelayUrl::parse(&server.url()).map_err(|e| Stop::failed(format!("the relay's URL: {e}")))?;
            Ok(Relay { name, url, server })
        };
        let relays = NAMES.into_iter().map(start).collect::<Result<_, Stop>>()?;
        let keys = |n| Keys::from_entropy([n; 32]).expect("small numbers are keys");
        Ok(Self { relays, ada: keys(1), ben: keys(2), written: Vec::new() })
    }

    /// Ada's public key.
    pub(crate) fn ada(&self) -> PublicKey {
        self.ada.public_key()
    }

    /// A note by Ada, who writes through the pool.
    pub(crate) fn note(&mut self, content: impl Into<String>) -> Event {
        self.write(true, content.into())
    }

    /// A note by Ben that reaches one relay by a way of its own, past the pool.
    pub(crate) fn note_elsewhere(&mut self, relay: usize, content: impl Into<String>) -> EventId {
        let event = self.write(false, content.into());
        let id = event.id();
        self.relays[relay].server.with(|relay| relay.store(event));
        id
    }

    fn write(&mut self, ada: bool, content: String) -> Event {
        let keys = if ada { &self.ada } else { &self.ben };
        let event = keys.sign(&EventTemplate::text_note(content, unix_now()), [0; 32]);
        self.written.push(event.clone());
        event
    }

    /// Every note in the order of writing.
    pub(crate) fn written(&self) -> &[Event] {
        &self.written
    }

    /// Events that the relays have sent so far, by their own count.
    pub(crate) fn events_sent(&self) -> u64 {
        self.relays.iter().map(|relay| relay.server.with(|relay| relay.stats().events_out)).sum()
    }

    /// Makes the relays answer that much late, in the order of the cast.
    pub(crate) fn set_delays(&self, delays: [Duration; NAMES.len()]) {
        for (relay, delay) in self.relays.iter().zip(delays) {
            relay.server.set_delay(delay);
        }
    }

    /// Makes the liar lie: it repeats itself, rewrites notes and spoils signatures.
    pub(crate) fn let_the_liar_lie(&self) {
        let plan = FaultPlan::new()
            .with(Fault::DuplicateEvents { copies: 1 })
            .with(Fault::ForgeContent { every: 3 })
            .with(Fault::ForgeSignature { every: 4 });
        self.relays[LIAR].server.set_faults(plan);
    }
}
