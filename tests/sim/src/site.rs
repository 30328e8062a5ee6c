//! The relays of a run.

use nostr_model_relay::{Config as RelayConfig, FaultPlan, Relay};
use nostr_pool_corpus::rng::Rng;
use nostr_proto::RelayUrl;

use super::persona::{Character, Persona};

/// A relay and whether it can be reached.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) url: RelayUrl,
    pub(super) relay: Relay,
    pub(super) persona: Persona,
    /// Its misbehaviour, as drawn.
    pub(super) faults: FaultPlan,
    pub(super) up: bool,
    /// Whether the oracle may rely on this in the end: what the relay holds and a live subscription asks it for, arrives.
    pub(super) honest: bool,
    /// Whether its trouble is over in the end.
    pub(super) heals: bool,
    /// Whether it starts anew when that is over: what it did to running connections, no healing undoes.
    pub(super) restarts: bool,
    /// When it started anew.
    pub(super) healed: Option<u64>,
    /// Whether anything that it sends is forged. If not, it is never quarantined.
    pub(super) forges: bool,
    /// Whether it gets far more events than the others.
    pub(super) floods: bool,
}

impl Site {
    /// The nth relay of a run; `draw` chooses how it misbehaves, and without one it is honest.
    /// `suspicious`: it wants to know who asks, whatever its draw, and never ceases to.
    pub(super) fn new(n: usize, draw: Option<u64>, suspicious: bool) -> Self {
        let (persona, character) = match draw {
            Some(draw) if suspicious => Persona::suspicious(&mut Rng::new(draw)),
            Some(draw) => Persona::draw(&mut Rng::new(draw), n),
            None => (Persona::Honest, Character::default()),
        };
        Self::with(n, persona, character)
    }

    /// The same, which forges a few of thousands.
    pub(super) fn sparse(n: usize) -> Self {
        let (persona, character) = Persona::sparse();
        Self::with(n, persona, character)
    }

    fn with(n: usize, persona: Persona, character: Character) -> Self {
        let url = RelayUrl::parse(&format!("wss://relay{n}.example.com")).expect("a valid URL");
        let config = RelayConfig { max_limit: 5_000, url: Some(url.to_string()), ..RelayConfig::default() };
        let mut relay = Relay::new(config);
        relay.set_faults(character.faults.clone());
        Self {
            url,
            relay,
            persona,
            forges: character.forges,
            faults: character.faults,
            up: true,
            honest: character.complete || character.heals,
            heals: character.heals,
            restarts: character.restarts,
            healed: None,
            floods: false,
        }
    }

    /// What it does wrong, by kind.
    pub(super) fn kinds_of_fault(&self) -> impl Iterator<Item = &'static str> {
        self.faults.faults().iter().map(nostr_model_relay::Fault::name)
    }

    /// Its trouble is over, if it ever is. Whether it starts anew for that: its connections are to be cut.
    pub(super) fn heal(&mut self, date: u64) -> bool {
        self.up = true;
        if self.heals {
            self.relay.set_faults(FaultPlan::new());
        }
        let restarts = self.heals && self.restarts;
        self.healed = restarts.then_some(date);
        restarts
    }
}

/// Whether the relay of this draw takes so many messages a window, and refuses the others.
pub(super) fn limits_rate(draw: u64) -> bool {
    Persona::draw(&mut Rng::new(draw), 0).0 == Persona::RateLimited
}

/// Whether the relay of this draw sends forged events, at whatever place it stands.
pub(super) fn forges(draw: u64) -> bool {
    Persona::draw(&mut Rng::new(draw), 0).1.forges
}
