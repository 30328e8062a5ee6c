//! What was in a recording, and how its replay went.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Debug, Write as _};

use nostr_pool_tokio::recording::{End, Ended, Fed, Outcome, Recording, ReplayError, Step};
use nostr_pool_tokio::{GapCause, Item, PoolEvent};
use nostr_proto::RelayUrl;

use crate::output;

use super::play::Stopped;

/// Relays that are named.
const NAMED: usize = 10;

/// Counts of everything that went in and came out.
#[derive(Debug, Default)]
pub(super) struct Summary {
    inputs: Counts,
    calls: Counts,
    timeouts: u64,
    commands: Counts,
    events: Counts,
    delivered: u64,
    gaps: u64,
    /// Those of which there was news.
    relays: BTreeSet<RelayUrl>,
}

/// How many of each kind.
#[derive(Debug, Default)]
struct Counts(BTreeMap<String, u64>);

impl Counts {
    fn add(&mut self, kind: &impl Debug) {
        *self.0.entry(name(kind)).or_default() += 1;
    }

    fn total(&self) -> u64 {
        self.0.values().sum()
    }
}

/// The total, and the kinds, the most frequent first.
impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.total())?;
        let mut kinds: Vec<(&String, &u64)> = self.0.iter().collect();
        kinds.sort_by_key(|(name, count)| (std::cmp::Reverse(**count), *name));
        for (n, (name, count)) in kinds.into_iter().enumerate() {
            write!(f, "{}{count} {name}", if n == 0 { ": " } else { ", " })?;
        }
        Ok(())
    }
}

/// The name of a variant: what its `Debug` begins with. The rest, which may be long, is not written.
fn name(kind: &impl Debug) -> String {
    struct First(String);

    impl fmt::Write for First {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            let end = text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.len());
            self.0.push_str(&text[..end]);
            if end == text.len() { Ok(()) } else { Err(fmt::Error) }
        }
    }

    let mut first = First(String::new());
    // It breaks off behind the name.
    let _ = write!(first, "{kind:?}");
    first.0
}

impl Summary {
    pub(super) fn add(&mut self, step: &Step<'_>, outcome: &Outcome) {
        match &step.fed {
            Fed::Call(call) => self.calls.add(call),
            Fed::Timeout => self.timeouts += 1,
            fed => self.inputs.add(fed),
        }
        outcome.commands.iter().for_each(|command| self.commands.add(command));
        for event in &outcome.events {
            match event {
                PoolEvent::Item { item, .. } => {
                    self.events.add(item);
                    self.delivered += u64::from(matches!(item, Item::Event(_)));
                    let missing = |cause: &GapCause| !matches!(cause, GapCause::CaughtUp { .. });
                    self.gaps += u64::from(matches!(item, Item::Gap(gap) if missing(&gap.cause)));
                }
                other => {
                    self.events.add(other);
                    if let PoolEvent::Relay { relay, .. } = other {
                        self.relays.insert(relay.clone());
                    }
                }
            }
        }
    }

    /// How many, and the first of them.
    fn relays(&self) -> String {
        let names: Vec<&str> = self.relays.iter().take(NAMED).map(RelayUrl::as_str).collect();
        let more = if self.relays.len() > NAMED { ", …" } else { "" };
        match self.relays.len() {
            0 => "0".to_owned(),
            count => format!("{count}: {}{more}", names.join(", ")),
        }
    }

    pub(super) fn lines(&self, recording: &Recording<'_>, stopped: &Stopped) -> Vec<String> {
        let header = &recording.header;
        let span =
            recording.steps.last().map_or(0.0, |last| last.now.mono.saturating_since(header.now.mono).as_secs_f64());
        let played = self.inputs.total() + self.calls.total() + self.timeouts;
        let made = format!(
            "by nostr-pool {} on {}, over {span:.3} s",
            output::one_line(&header.library),
            output::date(header.now.unix)
        );
        let steps = format!("{played} of {} played: {} timeouts", recording.steps.len(), self.timeouts);
        let delivered = format!("{}, {}", output::count(self.delivered, "event"), output::count(self.gaps, "gap"));
        let rows = [
            ("recorded", made),
            ("ends", end(recording.end)),
            ("steps", steps),
            ("inputs", self.inputs.to_string()),
            ("calls", self.calls.to_string()),
            ("commands", self.commands.to_string()),
            ("told", self.events.to_string()),
            ("relays", self.relays()),
            ("delivered", delivered),
            ("replay", how(stopped, recording)),
        ];
        rows.into_iter().map(|(name, what)| format!("{name:<9} {what}")).collect()
    }
}

fn end(end: End) -> String {
    match end {
        End::Marked { why: Ended::Closed, .. } => "with its marker".to_owned(),
        End::Marked { why: Ended::SizeCap, .. } => "at its size cap: the pool went on".to_owned(),
        End::Marked { why: Ended::Behind, .. } => "where the disk was too slow: the pool went on".to_owned(),
        End::BrokenOff { at, lost: 0 } => format!("without its marker: it breaks off at byte {at}"),
        End::BrokenOff { at, lost } => {
            format!("without its marker: it breaks off within a step, at byte {at}; {} not read", bytes(lost))
        }
        End::Damaged { at, lost, what } => format!("damaged at byte {at}: {what}; {} not read", bytes(lost)),
    }
}

/// Those which are not read.
fn bytes(count: usize) -> String {
    format!("{} {}", output::count(count, "byte"), if count == 1 { "is" } else { "are" })
}

fn how(stopped: &Stopped, recording: &Recording<'_>) -> String {
    let how = match stopped {
        Stopped::AtEnd => "the same in every step".to_owned(),
        Stopped::AtText { step } => format!("the same up to step {step}, which shows the text"),
        Stopped::Diverged(error) => error.to_string(),
        Stopped::Forged(forged, _) => forged.to_string(),
        Stopped::Panicked { step, panic } => {
            format!("step {step} panics at {}: {}", panic.place, output::one_line(&panic.message))
        }
        Stopped::Interrupted => "interrupted".to_owned(),
    };
    let ours = env!("CARGO_PKG_VERSION");
    match stopped {
        Stopped::Diverged(ReplayError::Diverged { .. } | ReplayError::DivergedAtEnd { .. })
            if recording.header.library != ours =>
        {
            format!(
                "{how}; but this is nostr-pool {ours}, which may well do other things than the one that recorded it"
            )
        }
        _ => how,
    }
}
