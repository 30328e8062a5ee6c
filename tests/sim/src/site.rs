//! The relays of a run.

use nostr_model_relay::{Config as RelayConfig, Fault, FaultPlan, Relay};
use nostr_pool_corpus::rng::Rng;
use nostr_proto::RelayUrl;

use super::accepted::Accepted;
use super::persona::{Character, Persona, counting};
use super::plan::MIN_PAGE;
use super::takes::Takes;

/// What a relay without a cap returns at once: more than any run has.
const AMPLE: usize = 5_000;

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
    /// When it started anew, in true microseconds.
    pub(super) healed: Option<u64>,
    /// Whether it may return less to a request than it has.
    pub(super) capped: bool,
    /// What it gives to one request if it has as much, where that can be relied on and it does not say more of its answers.
    pub(super) cap: Option<usize>,
    /// What it takes and holds its clients to; and whether it says so.
    pub(super) takes: Option<(Takes, bool)>,
    /// How many requests it takes at once.
    pub(super) most_requests: Option<usize>,
    /// Whether it says of an answer what is not so.
    pub(super) misleads: bool,
    /// Whether it ends no answer in time for a page.
    pub(super) is_endless: bool,
    /// Whether it says that an answer is whole before it is: what comes after that is lost with the connection.
    pub(super) is_hasty: bool,
    /// What it took, and when.
    pub(super) accepted: Accepted,
    /// Whether anything that it sends is forged. If not, it is never quarantined.
    pub(super) forges: bool,
    /// Whether it gets far more events than the others.
    pub(super) floods: bool,
}

impl Site {
    /// The nth relay of a run; `draw` chooses how it misbehaves, and without one it is honest; `caps`: see [`Plan::caps`](super::Plan::caps).
    /// `suspicious`: it wants to know who asks, whatever its draw, and never ceases to.
    pub(super) fn new(n: usize, draw: Option<u64>, caps: u64, suspicious: bool) -> Self {
        let (persona, character) = match draw {
            Some(draw) if suspicious => Persona::suspicious(&mut Rng::new(draw)),
            Some(draw) => Persona::draw(&mut Rng::new(draw), n),
            None => (Persona::Honest, Character::default()),
        };
        Self::with(n, persona, character, caps)
    }

    /// The same, which forges a few of thousands.
    pub(super) fn sparse(n: usize) -> Self {
        let (persona, character) = Persona::sparse();
        Self::with(n, persona, character, 0)
    }

    fn with(n: usize, persona: Persona, mut character: Character, caps: u64) -> Self {
        let url = RelayUrl::parse(&format!("wss://relay{n}.example.com")).expect("a valid URL");
        let mut rng = Rng::new(caps ^ (n as u64 + 1) << 32);
        let mut config = RelayConfig { max_limit: AMPLE, url: Some(url.to_string()), ..RelayConfig::default() };
        if caps > 0 && n > 0 && persona == Persona::Honest && rng.one_in(3) {
            // It takes its time: what is new meanwhile comes amid its answers.
            character.faults = Fault::EoseLate { secs: rng.between(1, 3) as u64 }.into();
        }
        let misleads = character.faults.faults().iter().any(misleads);
        // One that says what is not so of what it has may be relied on as long as there is nothing that it keeps back.
        if caps > 0 && !rng.one_in(5) && (!misleads || rng.one_in(3)) {
            config.max_limit = rng.between(MIN_PAGE.into(), 40);
            config.max_limit_is_per_req = rng.one_in(3);
        }
        config.eose_hints = caps > 0 && rng.one_in(3);
        if persona == Persona::Crowded {
            config.max_subscriptions_per_connection = rng.between(2, 4);
        }
        let most_requests = (persona == Persona::Crowded).then_some(config.max_subscriptions_per_connection);
        let capped = config.max_limit < AMPLE;
        if let Some(habit) = counting(&mut Rng::new(caps ^ (n as u64 + 1) << 20)) {
            character.faults = character.faults.with(habit);
        }
        // Drawn last, so that nothing else moves.
        let takes = (caps > 0 && n > 0 && persona == Persona::Honest && rng.one_in(3)).then(|| {
            let takes = Takes { requests: rng.between(2, 6), filters: rng.between(6, 12), ..Takes::default() };
            config.max_subscriptions_per_connection = takes.requests;
            config.max_filters = takes.filters;
            (takes, rng.one_in(2))
        });
        let cap = (!misleads && !config.eose_hints).then_some(config.max_limit);
        let mut relay = Relay::new(config);
        relay.set_faults(character.faults.clone());
        let adds = character.faults.faults().iter().any(|f| tries_patience(f) && !matches!(f, Fault::EoseLate { .. }));
        // What it makes up for each answer is in no order.
        let misleads = misleads || adds;
        let is_endless = character.faults.faults().iter().any(is_endless);
        let is_hasty = character.faults.faults().iter().any(|fault| matches!(fault, Fault::EoseEarly { .. }));
        // Nor is it to be relied on for more pages than it takes requests, if it never lets go of one.
        let hoards = character.faults.faults().iter().any(|fault| matches!(fault, Fault::IgnoreClose));
        let relied_on = character.complete && !(capped && (misleads || hoards));
        Self {
            url,
            relay,
            persona,
            forges: character.forges,
            faults: character.faults,
            up: true,
            honest: relied_on || character.heals,
            heals: character.heals,
            restarts: character.restarts,
            healed: None,
            capped,
            cap,
            takes,
            most_requests,
            misleads,
            is_endless: is_endless && !character.heals,
            is_hasty: is_hasty && !character.heals,
            accepted: Accepted::default(),
            floods: false,
        }
    }

    /// What it does wrong, by kind.
    pub(super) fn kinds_of_fault(&self) -> impl Iterator<Item = &'static str> {
        self.faults.faults().iter().map(Fault::name)
    }

    /// Whether it sends frames of more than so many bytes, 0 being any, with each answer: its requests end over that.
    pub(super) fn is_wordy(&self, most: u16) -> bool {
        let long = |fault: &Fault| match fault {
            Fault::OversizeEvent { bytes } | Fault::OversizeNotice { bytes } | Fault::LongTag { bytes } => Some(*bytes),
            _ => None,
        };
        // What is around it is shorter than that.
        most > 0 && self.faults.faults().iter().filter_map(long).any(|bytes| bytes + 1_000 > usize::from(most))
    }

    /// Its trouble is over, if it ever is. Whether it starts anew for that: its connections are to be cut.
    pub(super) fn heal(&mut self, micros: u64) -> bool {
        self.up = true;
        if self.heals {
            self.relay.set_faults(FaultPlan::new());
        }
        let restarts = self.heals && self.restarts;
        self.healed = restarts.then_some(micros);
        restarts
    }
}

/// Seconds after which an EOSE comes too late for a page.
const IN_TIME: u64 = 9;

/// Whether no answer ends because of it, or none in time.
fn is_endless(fault: &Fault) -> bool {
    matches!(fault, Fault::NeverEose | Fault::EoseLate { secs: IN_TIME.. } | Fault::NoticeInsteadOfEose { .. })
}

/// Whether it says of an answer, in this way, what is not so, or not in time: that it is whole, that it is not, what of
/// all that matches is in it.
fn misleads(fault: &Fault) -> bool {
    matches!(fault, Fault::EoseEarly { .. } | Fault::OldestFirst | Fault::UnstableCap { .. }) || is_endless(fault)
}

/// Whether pages may tell nothing because of it, however often they are asked for: nothing but what nobody asked for comes, or
/// nothing in time.
fn tries_patience(fault: &Fault) -> bool {
    matches!(
        fault,
        Fault::EoseLate { .. }
            | Fault::FutureEvents { .. }
            | Fault::ExpiredEvents { .. }
            | Fault::UnmatchedEvents { .. }
            | Fault::LongTag { .. }
            | Fault::OversizeEvent { .. }
    )
}

/// Whether the relay of this draw takes so many messages a window, and refuses the others.
pub(super) fn limits_rate(draw: u64) -> bool {
    Persona::draw(&mut Rng::new(draw), 0).0 == Persona::RateLimited
}

/// Whether the relay of this draw sends forged events, at whatever place it stands.
pub(super) fn forges(draw: u64) -> bool {
    Persona::draw(&mut Rng::new(draw), 0).1.forges
}
