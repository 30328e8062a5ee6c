//! Steps as chosen: by the swarm, which weighs them, or by a fuzzer, which is free.

use super::choices::Choices;
use super::step::{
    Age, App, Burst, Dialling, Nemesis, Note, Odd, Reader, Reading, Said, Signer, Sink, Step, Terms, Votes, What, Where,
};

const SECOND: u64 = 1_000_000;

/// Kinds of trouble that a run has; each seed of the swarm switches some of them off.
#[derive(Clone, Copy, Debug)]
pub struct Kinds(u32);

/// Whether the application has relays count. Beyond those that are drawn, so that runs without counts are what they were.
const COUNTS: u32 = 24;

impl Kinds {
    /// All of them.
    pub const ALL: Self = Self(u32::MAX);

    /// Some of them.
    pub fn choose(from: &mut impl Choices) -> Self {
        Self((0..24).fold(0, |bits, _| bits << 1 | u32::from(from.below(2) == 1)))
    }

    /// These, and counts.
    pub const fn and_counts(self) -> Self {
        Self(self.0 | 1 << COUNTS)
    }

    fn has(self, n: u32) -> bool {
        self.0 >> n & 1 == 1
    }
}

impl Step {
    /// A step, and the pause after it.
    pub fn with_pause(kinds: Kinds, from: &mut impl Choices) -> [Self; 2] {
        let step = Self::choose(kinds, from);
        let micros = match from.below(10) {
            9 => from.between(1, 90) as u64 * SECOND,
            6..=8 => from.between(1, 3_000) as u64 * 1_000,
            _ => from.between(0, 40) as u64 * 1_000,
        };
        [step, Self::Pass { micros }]
    }

    /// A step; where its kind is off, another client's note.
    pub fn choose(kinds: Kinds, from: &mut impl Choices) -> Self {
        let note = Self::Note { relays: from.byte() };
        match from.below(100) {
            20..=25 if kinds.has(17) => Self::Burst(Burst::choose(from)),
            0..=25 => note,
            26..=72 => App::choose(kinds, from).map_or(note, Self::App),
            73..=92 => Nemesis::choose(kinds, from).map_or(note, Self::Nemesis),
            _ if kinds.has(0) => Self::Odd(Odd::choose(from)),
            _ => note,
        }
    }
}

impl Where {
    fn choose(from: &mut impl Choices) -> Self {
        match from.below(6) {
            0..=2 => Self::All,
            3 | 4 => Self::One(from.byte()),
            _ => Self::Twice(from.byte()),
        }
    }
}

impl What {
    fn choose(from: &mut impl Choices) -> Self {
        match from.below(14) {
            12 | 13 => Self::Of(from.byte()),
            0..=2 => Self::All,
            3 | 4 => Self::Notes,
            5 => Self::By(from.byte()),
            6 => Self::Two(from.byte()),
            7 => Self::Apart,
            8 | 9 => Self::Newest(from.byte() % 24),
            10 => Self::Named,
            _ => Self::Around(from.byte() % 40),
        }
    }
}

impl Burst {
    /// More than a cap, often of one second; late or ahead, as a rule not more than may be.
    fn choose(from: &mut impl Choices) -> Self {
        let count = if from.one_in(4) { from.between(20, 60) } else { from.between(5, 30) };
        let ago = match from.below(6) {
            0..=2 => 0,
            3 => i16::try_from(from.below(901)).unwrap_or_default(),
            4 => -i16::try_from(from.below(901)).unwrap_or_default(),
            _ => from.pick(&[899, 900, 901, 1_000, -899, -900, 60]),
        };
        let over = from.pick(&[0, 0, 1, 2, 10, 60, 200]);
        let count = u8::try_from(count).unwrap_or(u8::MAX);
        Self { relays: from.byte(), count, ago, over, alike: from.one_in(4) }
    }
}

impl Reading {
    fn choose(from: &mut impl Choices) -> Self {
        Self { all: from.one_in(3), by_hand: from.one_in(4), group: from.byte() }
    }
}

impl Reader {
    fn choose(from: &mut impl Choices) -> Self {
        match from.below(12) {
            0..=8 => Self::Prompt,
            9 | 10 => Self::Slow(u8::try_from(from.between(2, 12)).unwrap_or(2)),
            _ => Self::Drops,
        }
    }
}

impl Note {
    fn choose(from: &mut impl Choices) -> Self {
        match from.below(10) {
            0..=5 => Self::Plain,
            6 | 7 => Self::Expiring(from.byte() % 60 + 1),
            8 => Self::Long(from.small(300, 3_000)),
            _ => Self::Version(from.byte() % 4),
        }
    }
}

impl Terms {
    fn choose(from: &mut impl Choices) -> Self {
        let follows = from.one_in(8).then(|| from.byte() % 3);
        Self { patience: patience(from), follows }
    }
}

/// Seconds; 0 is the default.
fn patience(from: &mut impl Choices) -> u8 {
    if from.one_in(4) { from.pick(&[1, 3, 20, 90]) } else { 0 }
}

impl App {
    /// What is published to go wrong, or in a way of its own.
    fn publish(from: &mut impl Choices) -> Self {
        let relay = from.byte();
        match from.below(10) {
            0..=4 => {
                let note = if from.one_in(2) { Note::Version(from.byte() % 4) } else { Note::choose(from) };
                Self::PublishUnsigned { target: Where::choose(from), note, terms: Terms::choose(from) }
            }
            5 | 6 => Self::Impatient { relay, times: from.byte() % 3 + 1, millis: from.small(20, 1_500) },
            7 | 8 => Self::RelayInfo { relay, max: from.pick(&[1_024, 1_500, 2_500, 500, 60_000]) },
            _ => Self::Retry { publish: from.byte() % 3, patience: patience(from) },
        }
    }

    /// What has to do with counts.
    fn count(from: &mut impl Choices) -> Self {
        if from.one_in(8) {
            return Self::CancelCount;
        }
        let (what, tagged) = (What::choose(from), from.one_in(2));
        Self::Count { what, tagged, target: Where::choose(from), patience: patience(from) }
    }

    /// What goes on from somewhere.
    fn resume(kinds: Kinds, from: &mut impl Choices) -> Option<Self> {
        let sub = from.byte();
        Some(match from.below(16) {
            0 | 1 => Self::Retarget { sub, target: Where::choose(from) },
            2..=4 => Self::Refill { sub, gap: from.byte() },
            5 | 6 => Self::Acknowledge { sub, but: from.pick(&[0, 0, 1, 3, 20]) },
            7..=10 => Self::Checkpoint { sub },
            11 | 12 => Self::Resume { sub },
            13 if kinds.has(18) => Self::Crash,
            14 | 15 => Self::TakeSome { items: from.byte() % 12 },
            _ => return None,
        })
    }

    fn choose(kinds: Kinds, from: &mut impl Choices) -> Option<Self> {
        let votes = [Votes::First, Votes::Majority, Votes::All, Votes::Third];
        let (relay, sub, publish) = (from.byte(), from.byte(), from.byte() % 3);
        if from.one_in(6) {
            return Self::resume(kinds, from);
        }
        if kinds.has(COUNTS) && from.one_in(12) {
            return Some(Self::count(from));
        }
        Some(match from.below(60) {
            0..=19 => {
                let (target, votes) = (Where::choose(from), from.pick(&votes));
                Self::Publish { target, votes, note: Note::choose(from), terms: Terms::choose(from) }
            }
            20..=26 => {
                let (what, target, reader) = (What::choose(from), Where::choose(from), Reader::choose(from));
                Self::Subscribe { what, target, reader, reading: Reading::choose(from), patience: patience(from) }
            }
            27..=31 => {
                let (what, target) = (What::choose(from), Where::choose(from));
                Self::Fetch { what, target, all: from.one_in(3), patience: patience(from) }
            }
            32..=35 => Self::Update { sub, what: What::choose(from) },
            36..=38 => Self::Unsubscribe { sub },
            39..=42 | 54..=59 => Self::publish(from),
            43 => Self::CatchUp,
            44 => Self::NetworkChanged,
            45 => Self::Reconnect { relay, keep_open: from.one_in(3), keep_backoff: from.one_in(3) },
            46 => Self::Cancel { publish },
            47 if kinds.has(1) => Self::AddRelay { relay, options: from.byte() & from.byte() },
            48 if kinds.has(2) => Self::RemoveRelay { relay },
            49 if kinds.has(2) => Self::AddRelay { relay, options: 0 },
            50 if kinds.has(3) => Self::Disconnect { relay: (!from.one_in(8)).then_some(relay), code: 1_000 },
            51 if kinds.has(3) => Self::Connect { relay: from.one_in(2).then_some(relay) },
            52 => Self::Unknown { call: from.byte() },
            53 if kinds.has(4) && from.one_in(6) => Self::StartClean,
            53 if kinds.has(5) && from.one_in(20) => Self::Shutdown,
            _ => return None,
        })
    }
}

impl Nemesis {
    fn choose(kinds: Kinds, from: &mut impl Choices) -> Option<Self> {
        let relay = from.byte();
        let millis = from.small(1, 20_000);
        Some(match from.below(24) {
            0..=3 if kinds.has(6) => Self::Cut { relay },
            4 | 5 if kinds.has(7) => Self::CutAfter { relay, frames: from.byte() % 16 },
            6 | 7 if kinds.has(8) => Self::HalfOpen { relay },
            8..=11 if kinds.has(9) => Self::Toggle { relay },
            12 | 13 if kinds.has(10) => {
                let to = [Dialling::Works, Dialling::Refused, Dialling::Slow(millis), Dialling::Hangs];
                Self::Dialling { relay, to: from.pick(&to) }
            }
            14 | 15 if kinds.has(11) => {
                let to = [Sink::Prompt, Sink::Late(millis / 4), Sink::Bursts(millis), Sink::Stuck];
                Self::Sink { relay, to: from.pick(&to) }
            }
            16 if kinds.has(12) => Self::Verifier { millis },
            17 if kinds.has(12) => Self::Verifier { millis: 5 },
            18 if kinds.has(13) => {
                Self::Signer(from.pick(&[Signer::Signs, Signer::Refuses, Signer::Silent, Signer::Wrong]))
            }
            19 if kinds.has(14) => Self::Sleep { seconds: from.small(1, 400) },
            20 | 21 if kinds.has(15) => {
                let seconds = from.pick(&[1, -1, 60, -60, 800, -800, -901, 1_000, -7_200, 7_200]);
                Self::WallStep { seconds }
            }
            22 | 23 if kinds.has(16) => {
                Self::MonoStands { millis, back: if from.one_in(2) { from.small(1, 9_000) } else { 0 } }
            }
            _ => return None,
        })
    }
}

impl Odd {
    fn choose(from: &mut impl Choices) -> Self {
        let nth = from.byte();
        match from.below(10) {
            0..=6 => Self::Socket { relay: from.byte(), age: Age::choose(from), said: Said::choose(from) },
            7 => Self::VerifiedAgain { nth },
            8 => Self::UnknownTicket { ticket: nth, sign: from.one_in(2) },
            _ => Self::EarlyTimeout,
        }
    }
}

impl Age {
    fn choose(from: &mut impl Choices) -> Self {
        match from.below(6) {
            0 => Self::Current,
            1..=3 => Self::Earlier(from.byte()),
            4 => Self::Later(from.byte()),
            _ => Self::Never,
        }
    }
}

impl Said {
    fn choose(from: &mut impl Choices) -> Self {
        match from.below(8) {
            0 => Self::Opened,
            1 => Self::OpenFailed,
            2 => Self::Text(from.byte()),
            3 => Self::Binary,
            4 => Self::Ping,
            5 => Self::Pong,
            6 => Self::Sent,
            _ => Self::Closed(from.byte()),
        }
    }
}
