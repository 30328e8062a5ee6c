//! Reading a recording.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use nostr_proto::limits::MAX_MESSAGE_BYTES;

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
        /// How many bytes there are of what is incomplete: at most [`End::MAX_PART`].
        lost: usize,
    },
    /// It can't be read any further, although there is more of it. What is before that is as it was written, as far as the digests
    /// of its steps tell.
    Damaged {
        /// Where, in bytes from the beginning: what begins there makes no sense.
        at: usize,
        /// How many bytes are not read.
        lost: usize,
        /// What is wrong.
        what: &'static str,
    },
}

impl End {
    /// What is cut off is hardly ever longer, in bytes: the longest message of a relay, and what goes with it. If more bytes
    /// seem to be part of one entry, its length is not as it was written.
    pub const MAX_PART: usize = MAX_MESSAGE_BYTES + (64 << 10);
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
    /// What stands before the first step makes no sense, or not all of it is there.
    Malformed {
        /// Where, in bytes from the beginning.
        at: usize,
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
            Self::Malformed { at, what } => write!(f, "byte {at}, before the first step: {what}"),
        }
    }
}

impl core::error::Error for ReadError {}

impl Recording<'_> {
    /// What every recording begins with, of whatever version: what begins otherwise is none, and need not be read any further.
    pub const BEGINNING: &'static [u8] = MAGIC;
}

impl<'a> Recording<'a> {
    /// Reads a recording. The frames of relays are borrowed from the bytes; everything else takes no more memory than 96
    /// times their length and 16 KiB, whatever they are.
    ///
    /// # Errors
    /// What is wrong before the first step. Whatever is wrong behind that, the steps before it are read: see
    /// [`End::BrokenOff`] and [`End::Damaged`].
    pub fn read(bytes: &'a [u8]) -> Result<Self, ReadError> {
        let mut from = Source::new(bytes);
        if from.take(MAGIC.len()) != Ok(MAGIC) {
            return Err(ReadError::NotARecording);
        }
        let header = read_header(&mut from)?;
        let mut body = Body { now: header.now, steps: Vec::new() };
        let end = loop {
            let at = from.offset();
            let damaged = |at, what| End::Damaged { at, lost: bytes.len() - at, what };
            if from.is_empty() {
                break End::BrokenOff { at, lost: 0 };
            }
            match body.entry(&mut from) {
                Ok(None) => {}
                Ok(Some(end)) if from.is_empty() => break end,
                Ok(Some(_)) => break damaged(from.offset(), "something comes after the end"),
                Err(Fault::Short) if body.is_cut_off(&bytes[at..]) => {
                    break End::BrokenOff { at, lost: bytes.len() - at };
                }
                Err(Fault::Short) => break damaged(at, "a length reaches beyond the end"),
                Err(Fault::Bad(what)) => break damaged(at, what),
            }
        };
        Ok(Self { header, steps: body.steps, end, cut: false })
    }
}

/// These first parts stay as they are in every version of the format, so that each can name the other.
fn read_header(from: &mut Source<'_>) -> Result<Header, ReadError> {
    let malformed = |from: &Source<'_>, fault| ReadError::Malformed {
        at: from.offset(),
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

/// Whether these bytes are the marker of an end, with the digest of the outcome that is right before it. That is missing only
/// behind a step that made the core panic.
fn is_end(before: &[u8], marker: &[u8]) -> bool {
    let mut from = Source::new(marker);
    let digest = |from: &mut Source<'_>| {
        let (first, why, _) = (from.byte()?, from.byte()?, u64::decode(from)?);
        Ok::<_, Fault>((first == entry::END && Ended::from_byte(why).is_some()).then_some(from.array::<8>()?))
    };
    let Ok(Some([a, b, c, d, ..])) = digest(&mut from) else { return false };
    from.is_empty() && before.ends_with(&[entry::OUTCOME, a, b, c, d])
}

impl<'a> Body<'a> {
    /// Whether an entry of which this is the rest is one that was not written to its end. Otherwise a length in it is wrong: there
    /// is more than any entry needs, or the end is there, with its marker.
    fn is_cut_off(&self, rest: &[u8]) -> bool {
        let shortest = rest.len().saturating_sub(entry::MIN_END);
        let longest = rest.len().saturating_sub(entry::MAX_END);
        let mut splits = (longest..=shortest).filter_map(|at| rest.split_at_checked(at));
        rest.len() <= End::MAX_PART && !splits.any(|(before, marker)| is_end(before, marker))
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
