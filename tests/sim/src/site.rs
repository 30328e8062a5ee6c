//! The relays of a run and how they misbehave.

use nostr_model_relay::{Config as RelayConfig, Fault, FaultPlan, Relay};
use nostr_proto::RelayUrl;

use nostr_pool_corpus::rng::Rng;

/// A relay and whether it can be reached.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) url: RelayUrl,
    pub(super) relay: Relay,
    pub(super) up: bool,
    /// Whether it plays by the rules, so that the oracle may rely on what it holds.
    pub(super) honest: bool,
    /// Whether its trouble is over in the end.
    pub(super) heals: bool,
    /// Whether it gets far more events than the others.
    pub(super) floods: bool,
}

impl Site {
    /// The nth relay of a run; `draw` chooses how it misbehaves, and without one it is honest.
    pub(super) fn new(n: usize, draw: Option<u64>) -> Self {
        let mut relay = Relay::new(RelayConfig { max_limit: 5_000, ..RelayConfig::default() });
        let fault = draw.and_then(|draw| fault(&mut Rng::new(draw)));
        let heals = matches!(
            fault,
            Some(Fault::RefuseReq { .. } | Fault::DisconnectAfter { .. } | Fault::ClosedInsteadOfEose { .. })
        );
        let quirk = matches!(
            fault,
            Some(
                Fault::Garbage { .. }
                    | Fault::EoseTwice
                    | Fault::DuplicateOk
                    | Fault::DuplicateEvents { .. }
                    | Fault::NeverOk
                    | Fault::IgnoreClose
                    | Fault::AnswerClose
            )
        );
        let honest = fault.is_none() || heals || quirk;
        if let Some(fault) = fault {
            relay.set_faults(FaultPlan::new().with(fault));
        }
        let url = RelayUrl::parse(&format!("wss://relay{n}.example.com")).expect("a valid URL");
        Self { url, relay, up: true, honest, heals, floods: false }
    }
}

fn fault(rng: &mut Rng) -> Option<Fault> {
    match rng.below(24) {
        0 => Some(Fault::ForgeSignature { every: 3 }),
        1 => Some(Fault::ForgeContent { every: 3 }),
        2 => Some(Fault::Garbage { every: 4 }),
        3 => Some(Fault::NeverEose),
        4 => Some(Fault::OkFalse { reason: "blocked: no".to_owned() }),
        5 => Some(Fault::RefuseReq { reason: "error: busy".to_owned() }),
        6 => Some(Fault::DisconnectAfter { frames: rng.between(1, 60) as u64, code: 1000, reason: String::new() }),
        7 => Some(Fault::OkFalse { reason: "duplicate: have it".to_owned() }),
        8 => Some(Fault::OkFalse { reason: "error: try later".to_owned() }),
        9 => Some(Fault::EoseTwice),
        10 => Some(Fault::DuplicateOk),
        11 => Some(Fault::DuplicateEvents { copies: 1 }),
        12 => Some(Fault::NeverOk),
        13 => Some(Fault::IgnoreClose),
        14 => Some(Fault::AnswerClose),
        15 => Some(Fault::ClosedInsteadOfEose { reason: "error: shutting down".to_owned() }),
        16 => Some(Fault::ForgeSignature { every: 1 }),
        17 => Some(Fault::UnmatchedEvents { per_req: 2, live: true }),
        _ => None,
    }
}

/// Whether the relay of this draw sends forged events.
pub(super) fn forges(draw: u64) -> bool {
    matches!(fault(&mut Rng::new(draw)), Some(Fault::ForgeSignature { .. } | Fault::ForgeContent { .. }))
}
