//! How relays misbehave: characters, each a combination of faults, and what may be relied on in spite of them.

use nostr_model_relay::{Fault, FaultPlan, Unsolicited};
use nostr_pool_corpus::rng::Rng;

/// A sort of relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Persona {
    /// Does nothing wrong.
    Honest,
    /// Does things that are allowed and not usual, several at once, and serves everything.
    Quirky,
    /// Ends the stored events never, early, late, twice or by NOTICE.
    Endless,
    /// Sends forged events, more than any relay by mistake.
    Forger,
    /// Sends a few forged events, too few to be left alone for it.
    FewForged,
    /// Sends forged copies ahead of the right one, others than its likes send.
    Poisoner,
    /// Says what nobody asked for, and much of it.
    Flooder,
    /// Says of what was published what is not true, or nothing.
    Liar,
    /// Refuses requests, in every wording.
    Refuser,
    /// Answers by NOTICE, or not at all.
    Mumbler,
    /// Takes so much a minute and refuses the rest.
    RateLimited,
    /// Takes so much a minute and then stalls whole.
    Stalling,
    /// Wants to know who asks.
    AuthRequired,
    /// Sends events from the future, and some that have expired.
    Timetraveller,
    /// Keeps every version of what is replaceable, and sends the older ones after the newer, or before.
    OldVersions,
    /// Forgets subscriptions without a word.
    Evictor,
    /// Ends connections: after some frames, or right after an EVENT.
    Dropper,
    /// Returns now more, now less of what it has.
    Fickle,
    /// Takes few requests at once, and says so by CLOSED or by NOTICE.
    Crowded,
    /// Sends frames and events that are too long, cut off, or no messages at all.
    Babbler,
    /// Has a habit that was seen of a relay in use (`tests/interop/RELAYS.md`).
    Deployed,
}

const ALL: [Persona; 20] = [
    Persona::Honest,
    Persona::Quirky,
    Persona::Endless,
    Persona::Forger,
    Persona::FewForged,
    Persona::Poisoner,
    Persona::Flooder,
    Persona::Liar,
    Persona::Refuser,
    Persona::Mumbler,
    Persona::RateLimited,
    Persona::Stalling,
    Persona::AuthRequired,
    Persona::Timetraveller,
    Persona::OldVersions,
    Persona::Evictor,
    Persona::Dropper,
    Persona::Fickle,
    Persona::Crowded,
    Persona::Babbler,
];

/// Wordings of a refusal: NIP-01's prefixes, in any case, unknown ones, none.
const REFUSALS: [&str; 12] = [
    "error: busy",
    "rate-limited: slow down",
    "blocked: not you",
    "restricted: members only",
    "ERROR: Busy",
    "Rate-Limited: slow down",
    "pow: 20 bits needed",
    "mute: nobody listens",
    "unsupported: no such thing",
    "invalid: no",
    "odd-prefix: hm",
    "go away",
];

/// What a relay says instead of taking an event.
const REJECTIONS: [&str; 12] = [
    "blocked: no",
    "duplicate: have it",
    "Duplicate: have it",
    "error: try later",
    "rate-limited: slow down",
    "pow: 28 bits needed",
    "invalid: too old",
    "replaced: have a newer version",
    "deleted: by its author",
    "restricted: members only",
    "odd-prefix: hm",
    "",
];

/// A character's faults, and what may be relied on.
#[derive(Clone, Debug)]
pub(super) struct Character {
    pub(super) faults: FaultPlan,
    /// What it holds and is asked for arrives in spite of its faults.
    pub(super) complete: bool,
    /// Its faults end, and from then on the same is true of it.
    pub(super) heals: bool,
    /// It starts anew when they end.
    pub(super) restarts: bool,
    /// Some of what it sends is forged.
    pub(super) forges: bool,
}

impl Default for Character {
    fn default() -> Self {
        Self { faults: FaultPlan::new(), complete: true, heals: false, restarts: false, forges: false }
    }
}

/// Serves everything in spite of these.
fn complete(faults: impl IntoIterator<Item = Fault>) -> Character {
    Character { faults: faults.into_iter().collect(), ..Character::default() }
}

/// Serves everything once these are over, and whoever was refused asks again by himself.
fn healing(faults: impl IntoIterator<Item = Fault>) -> Character {
    Character { complete: false, heals: true, ..complete(faults) }
}

/// Serves everything once these are over and it started anew.
fn restarting(faults: impl IntoIterator<Item = Fault>) -> Character {
    Character { restarts: true, ..healing(faults) }
}

impl Persona {
    /// The character of the nth relay. Half of all are honest.
    pub(super) fn draw(rng: &mut Rng, n: usize) -> (Self, Character) {
        let persona = if rng.one_in(3) { Self::Honest } else { *rng.pick(&ALL) };
        let character = persona.character(rng, n);
        // Drawn last, and not one of `ALL`, so that the seeds of old find what they found.
        if persona != Self::Honest && rng.one_in(12) {
            return (Self::Deployed, deployed(rng));
        }
        (persona, character)
    }

    /// One that wants to know who asks, and serves everything to whoever says so; it may not say that it believes them.
    pub(super) fn suspicious(rng: &mut Rng) -> (Self, Character) {
        let quirk = match rng.below(4) {
            0 => Some(Fault::NeverOkAuth),
            1 => Some(Fault::EmptyOkId),
            _ => None,
        };
        (Self::AuthRequired, complete([auth(rng)].into_iter().chain(quirk)))
    }

    /// A few forged events among thousands.
    pub(super) fn sparse() -> (Self, Character) {
        let few = Fault::ForgeSignature { every: 150 };
        (Self::FewForged, Character { forges: true, ..restarting([few]) })
    }

    fn character(self, rng: &mut Rng, n: usize) -> Character {
        match self {
            Self::Honest => Character::default(),
            Self::Quirky => complete((0..rng.between(1, 3)).map(|_| quirk(rng))),
            Self::Endless => complete([endless(rng)]),
            Self::Forger => Character { forges: true, ..restarting((0..rng.between(1, 2)).map(|_| forgery(rng))) },
            Self::FewForged => {
                let few = Fault::ForgeFirst { events: rng.between(1, 9) as u64 };
                Character { forges: true, ..restarting([few]) }
            }
            Self::Poisoner => {
                let ahead = Fault::ForgeAhead { copies: rng.between(1, 3), salt: u8::try_from(n).unwrap_or_default() };
                Character { forges: true, ..restarting([ahead]) }
            }
            Self::Flooder => complete((0..rng.between(1, 2)).map(|_| flood(rng))),
            Self::Liar => complete([lie(rng)]),
            Self::Refuser => refuser(rng),
            Self::Mumbler => mumbler(rng),
            Self::RateLimited => healing([Fault::RateLimit {
                messages: rng.between(3, 20) as u64,
                window_secs: *rng.pick(&[10, 30, 60]),
            }]),
            Self::Stalling => restarting([Fault::StallOverRate {
                messages: rng.between(3, 20) as u64,
                window_secs: *rng.pick(&[5, 20, 60]),
            }]),
            Self::AuthRequired => restarting([auth(rng)]),
            Self::Timetraveller => complete([
                Fault::FutureEvents { per_req: rng.between(1, 2), ahead_secs: *rng.pick(&[600, 1_000, 100_000]) },
                Fault::ExpiredEvents { per_req: rng.between(0, 2), ago_secs: *rng.pick(&[0, 10, 100_000]) },
            ]),
            Self::OldVersions if rng.one_in(2) => complete([Fault::KeepVersions, Fault::OldestFirst]),
            Self::OldVersions => complete([Fault::KeepVersions]),
            Self::Evictor => restarting([Fault::EvictSubscriptions { keep: rng.between(1, 3) }]),
            Self::Dropper => healing([dropping(rng)]),
            Self::Fickle => restarting([Fault::UnstableCap { fewest: rng.between(1, 10) }]),
            Self::Crowded => match rng.below(3) {
                0 => Character::default(),
                1 => Character { complete: false, ..complete([Fault::NoticeInsteadOfClosed]) },
                _ => complete([Fault::NoticeNamesClosed]),
            },
            Self::Deployed => deployed(rng),
            Self::Babbler => {
                let oversize = Fault::OversizeEvent { bytes: rng.between(1_000, 20_000) };
                // Nobody signed what is so long.
                Character { forges: true, ..complete([babble(rng), oversize]) }
            }
        }
    }
}

/// How a relay counts, where it does not do so plainly. Drawn by itself, so that it changes nothing about the rest.
pub(super) fn counting(rng: &mut Rng) -> Option<Fault> {
    Some(match rng.below(16) {
        0..=4 => return None,
        5..=8 => Fault::CountRegisters,
        9 => Fault::ShortRegisters,
        10 => Fault::BareCount,
        11 => Fault::ApproximateCount,
        12 => Fault::NonsenseCount,
        13 => Fault::IgnoreCount,
        14 => Fault::RefuseCount { reason: (*rng.pick(&REFUSALS)).to_owned() },
        _ if rng.one_in(2) => Fault::NoticeOnCount { text: "ERROR: bad msg: unknown cmd COUNT".to_owned() },
        _ => Fault::CloseOnCount { code: *rng.pick(&[1000, 1006, 1008]), reason: String::new() },
    })
}

fn quirk(rng: &mut Rng) -> Fault {
    match rng.below(19) {
        16..=18 => Fault::EoseLate { secs: rng.between(1, 4) as u64 },
        0 => Fault::EoseTwice,
        1 => Fault::DuplicateOk,
        2 => Fault::DuplicateEvents { copies: rng.between(1, 3) },
        3 => Fault::NeverOk,
        4 => Fault::IgnoreClose,
        5 => Fault::AnswerClose,
        6 => Fault::WrongSubscription { every: rng.between(1, 4) as u64 },
        7 => Fault::OldestFirst,
        8 => Fault::NoEoseForLimitZero,
        9 => Fault::EmptyOkId,
        10 => Fault::OkUnknownId,
        11 => Fault::SkipOk { every: 2 },
        12 => Fault::NoticeInsteadOfOk,
        13 => Fault::IgnoreLimit,
        14 => Fault::UnmatchedEvents { per_req: 2, live: true },
        _ => Fault::HidePrivate { challenge_on_connect: rng.one_in(2) },
    }
}

fn endless(rng: &mut Rng) -> Fault {
    match rng.below(5) {
        0 => Fault::NeverEose,
        1 => Fault::EoseTwice,
        2 => Fault::EoseEarly { after: rng.below(4) },
        3 => Fault::EoseLate { secs: rng.between(1, 40) as u64 },
        _ => Fault::NoticeInsteadOfEose { text: "that was all".to_owned() },
    }
}

fn forgery(rng: &mut Rng) -> Fault {
    match rng.below(5) {
        0 => Fault::ForgeSignature { every: 1 },
        1 => Fault::ForgeSignature { every: 3 },
        2 => Fault::ForgeContent { every: rng.between(1, 3) as u64 },
        3 => Fault::ForgedFlood { per_req: rng.between(1, 9) },
        _ => Fault::ForgedFlood { per_req: rng.between(20, 40) },
    }
}

fn flood(rng: &mut Rng) -> Fault {
    let sorts = [
        Unsolicited::Closed,
        Unsolicited::Eose,
        Unsolicited::Ok,
        Unsolicited::Challenge,
        Unsolicited::Notice,
        Unsolicited::Count,
    ];
    Fault::Unsolicited { what: *rng.pick(&sorts), per_message: rng.between(1, 12) }
}

fn lie(rng: &mut Rng) -> Fault {
    match rng.below(6) {
        0 => Fault::LoseEvents { every: 2 },
        1 => Fault::OkLate { secs: rng.between(1, 60) as u64 },
        2 => Fault::OkFalseThenTrue { reason: (*rng.pick(&REJECTIONS)).to_owned() },
        _ => Fault::OkFalse { reason: (*rng.pick(&REJECTIONS)).to_owned() },
    }
}

fn refuser(rng: &mut Rng) -> Character {
    let reason = (*rng.pick(&REFUSALS)).to_owned();
    match rng.below(3) {
        0 => healing([Fault::ClosedInsteadOfEose { reason }]),
        _ => healing([Fault::RefuseReq { reason }]),
    }
}

fn mumbler(rng: &mut Rng) -> Character {
    match rng.below(3) {
        0 => restarting([Fault::NoticeOnly { text: "ERROR: bad req".to_owned() }]),
        1 => {
            let reason = (*rng.pick(&REFUSALS)).to_owned();
            let by_notice = [Fault::NoticeInsteadOfClosed, Fault::NoticeNamesClosed];
            restarting([rng.pick(&by_notice).clone(), Fault::RefuseReq { reason }])
        }
        _ => restarting([Fault::IgnoreReq { every: rng.between(1, 3) as u64 }]),
    }
}

fn auth(rng: &mut Rng) -> Fault {
    let (reads, challenge_on_connect) = (rng.one_in(2), rng.one_in(2));
    Fault::AuthRequired { reads, writes: !reads || rng.one_in(2), challenge_on_connect }
}

fn dropping(rng: &mut Rng) -> Fault {
    let code = *rng.pick(&[1000, 1001, 1006, 1008, 1009, 4000]);
    let reason = if rng.one_in(2) { String::new() } else { "go away".to_owned() };
    match rng.below(3) {
        0 => Fault::CloseOnEvent { min_bytes: *rng.pick(&[0, 350]), code, reason },
        _ => Fault::DisconnectAfter { frames: rng.between(1, 60) as u64, code, reason },
    }
}

fn babble(rng: &mut Rng) -> Fault {
    match rng.below(4) {
        0 => Fault::Garbage { every: rng.between(1, 4) as u64 },
        1 => Fault::Truncate { every: rng.between(1, 4) as u64 },
        2 => Fault::OversizeNotice { bytes: rng.between(1_000, 100_000) },
        _ => Fault::LongTag { bytes: rng.between(1_000, 100_000) },
    }
}

fn deployed(rng: &mut Rng) -> Character {
    match rng.below(10) {
        0 => complete([Fault::EmptyRefusedOkId]),
        1 => complete([Fault::DuplicateFalse]),
        2 => complete([Fault::NoPrefix]),
        3 => complete([Fault::CloseLate { secs: rng.between(1, 4) as u64 }]),
        4 => complete([Fault::CloseOnUnknown { code: 1006, reason: String::new() }]),
        5 => complete([Fault::NeverOkEphemeral]),
        6 => {
            let asks = Fault::AuthRequired { reads: true, writes: rng.one_in(2), challenge_on_connect: false };
            restarting([asks, Fault::ChallengeBehind])
        }
        7 => {
            healing([Fault::PublishLimit { events: rng.between(3, 20) as u64, window_secs: *rng.pick(&[10, 30, 60]) }])
        }
        // What it gives says less than its EOSE claims.
        8 => restarting([Fault::StaleAnswers { secs: rng.between(1, 10) as u64 }]),
        _ => restarting([Fault::ExclusiveUntil]),
    }
}
