//! Reading a recording.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::config::Config;
use crate::time::{Instant, Now};

use super::code::{Decode, Source, distance_from};
use super::step::{Fed, Step};
use super::{Ended, FORMAT, MAGIC, entry};

/// What a recording begins with.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// The version of the library that made it. Another version may well do other things with the same steps.
    pub library: String,
    /// The configuration of the core.
    pub config: Config,
    /// Its seed.
    pub seed: [u8; 32],
    /// The clocks when it was made.
    pub now: Now,
}

/// A recording, read.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording<'a> {
    /// What it begins with.
    pub header: Header,
    /// What the core was fed, in order.
    pub steps: Vec<Step<'a>>,
    /// How it ends.
    pub end: End,
    /// Whether steps were taken out, so that the numbers in those that are left need not be those of a replay.
    pub(super) cut: bool,
}

/// How a recording ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With its marker.
    Marked {
        /// Why nothing more was recorded.
        why: Ended,
        /// The digest of everything.
        digest: u64,
    },
    /// Without one: the process died, or the file was cut off or could not be written. What is before that is whole.
    BrokenOff {
        /// Where, in bytes from the beginning: what begins there is missing or incomplete.
        at: usize,
    },
}

/// Why a value can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// There are too few bytes.
    Short,
    Bad(&'static str),
}

/// Bytes that are no recording that this library reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// They do not begin like a recording.
    NotARecording,
    /// The recording is of another version of the format: [`FORMAT`] is read.
    Format {
        /// That version.
        found: u8,
        /// The version of the library that made it.
        library: String,
    },
    /// What stands there makes no sense.
    Malformed {
        /// Where, in bytes from the beginning.
        at: usize,
        /// In which step, the first one being 0; `None`: before the first.
        step: Option<usize>,
        /// What is wrong.
        what: &'static str,
    },
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotARecording => f.write_str("this is no recording of nostr-pool"),
            Self::Format { found, library } => write!(
                f,
                "this recording is of format {found}, made by nostr-pool {library}; this is nostr-pool {}, which reads \
                 format {FORMAT}",
                env!("CARGO_PKG_VERSION"),
            ),
            Self::Malformed { at, step: None, what } => write!(f, "byte {at}, before the first step: {what}"),
            Self::Malformed { at, step: Some(step), what } => write!(f, "byte {at}, in step {step}: {what}"),
        }
    }
}

impl core::error::Error for ReadError {}

impl<'a> Recording<'a> {
    /// Reads a recording. The frames of relays are borrowed from the bytes; everything else takes no more memory than 96
    /// times their length and 16 KiB, whatever they are.
    ///
    /// # Errors
    /// The first thing that is wrong. A recording that breaks off anywhere behind its header is read as far as it goes:
    /// see [`End::BrokenOff`].
    pub fn read(bytes: &'a [u8]) -> Result<Self, ReadError> {
        let mut from = Source::new(bytes);
        if from.take(MAGIC.len()) != Ok(MAGIC) {
            return Err(ReadError::NotARecording);
        }
        let header = read_header(&mut from)?;
        let mut body = Body { now: header.now, steps: Vec::new() };
        let end = loop {
            let at = from.offset();
            if from.is_empty() {
                break End::BrokenOff { at };
            }
            match body.entry(&mut from) {
                Ok(None) => {}
                Ok(Some(end)) if from.is_empty() => break end,
                Ok(Some(_)) => return Err(body.malformed(from.offset(), "something comes after the end")),
                Err(Fault::Short) => break End::BrokenOff { at },
                Err(Fault::Bad(what)) => return Err(body.malformed(from.offset(), what)),
            }
        };
        Ok(Self { header, steps: body.steps, end, cut: false })
    }
}

/// These first parts stay as they are in every version of the format, so that each can name the other.
fn read_header(from: &mut Source<'_>) -> Result<Header, ReadError> {
    let malformed = |from: &Source<'_>, fault| ReadError::Malformed {
        at: from.offset(),
        step: None,
        what: match fault {
            Fault::Short => "it ends within its header",
            Fault::Bad(what) => what,
        },
    };
    let version = from.byte().and_then(|format| Ok((format, String::decode(from)?)));
    let (format, library) = version.map_err(|fault| malformed(from, fault))?;
    if format != FORMAT {
        return Err(ReadError::Format { found: format, library });
    }
    let read = |from: &mut Source<'_>| {
        let (config, seed) = (Config::decode(from)?, from.array()?);
        let now = Now { mono: Instant::from_micros(u64::decode(from)?), unix: Decode::decode(from)? };
        Ok(Header { library, config, seed, now })
    };
    read(from).map_err(|fault| malformed(from, fault))
}

/// What follows the header, as far as it is read.
struct Body<'a> {
    now: Now,
    steps: Vec<Step<'a>>,
}

impl<'a> Body<'a> {
    fn malformed(&self, at: usize, what: &'static str) -> ReadError {
        // A step without an outcome is the one that is being read.
        let done = self.steps.len();
        let step = if self.has_open_step() { done.saturating_sub(1) } else { done };
        ReadError::Malformed { at, step: Some(step), what }
    }

    fn has_open_step(&self) -> bool {
        self.steps.last().is_some_and(|step| step.digest.is_none())
    }

    fn entry(&mut self, from: &mut Source<'a>) -> Result<Option<End>, Fault> {
        match from.byte()? {
            entry::STEP | entry::STEP_LATER if self.has_open_step() => Err(Fault::Bad("a step has no outcome")),
            entry::STEP => self.step(self.now, from),
            entry::STEP_LATER => {
                let mono = Instant::from_micros(distance_from(self.now.mono.as_micros(), from)?);
                let unix = nostr_proto::Timestamp::new(distance_from(self.now.unix.as_secs(), from)?);
                self.step(Now { mono, unix }, from)
            }
            entry::OUTCOME => {
                let digest = u32::from_le_bytes(from.array()?);
                self.outcome(digest)
            }
            entry::END => {
                let why = Ended::from_byte(from.byte()?).ok_or(Fault::Bad("no such end"))?;
                let (steps, digest) = (u64::decode(from)?, u64::from_le_bytes(from.array()?));
                if u64::try_from(self.steps.len()) == Ok(steps) {
                    Ok(Some(End::Marked { why, digest }))
                } else {
                    Err(Fault::Bad("there were more steps, or fewer"))
                }
            }
            _ => Err(Fault::Bad("no such entry")),
        }
    }

    fn step(&mut self, now: Now, from: &mut Source<'a>) -> Result<Option<End>, Fault> {
        let fed = Fed::decode(from)?;
        self.now = now;
        self.steps.push(Step { now, fed, digest: None });
        Ok(None)
    }

    fn outcome(&mut self, digest: u32) -> Result<Option<End>, Fault> {
        match self.steps.last_mut() {
            Some(step) if step.digest.is_none() => {
                step.digest = Some(digest);
                Ok(None)
            }
            _ => Err(Fault::Bad("an outcome of no step")),
        }
    }
}
