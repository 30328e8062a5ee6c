//! Recording what a core is fed, and playing it again: the format of bug reports.
//!
//! A core does the same whenever it is fed the same, so a recording of its configuration, its seed and its inputs, calls
//! and timeouts, each with its time, holds a whole run. [`Recorder`] writes one, [`Recording::read`] reads it, [`replay`] plays
//! it again and tells the first step of which something else came, and [`shrink`] cuts it down to what still shows a failure.
//!
//! # What it shows, and what not
//!
//! A recording shows whatever relays sent, and whatever the application asked for and published, drafts included; the
//! relays' URLs with their queries, the public keys, and the times. It holds no secret key and no password of a proxy:
//! neither ever comes to the core. It does hold
//!
//! - *what others say, in their own words*: relays, also where they repeat a header or a URL's query that they were sent; and
//!   the application's signer where it does not sign. A remote signer (NIP-46) that puts a token into its error puts it here;
//! - *answers to challenges* (NIP-42), which are signed for one relay and one connection that is over;
//! - *the seed*, which keys the core's hash maps and spreads its dials. Whoever has it can make up ids that collide in
//!   those maps, so do not hand out the recording of a core that still runs. A seed is for one core.
//!
//! # To replay is to run
//!
//! A replay runs a core by the configuration that the file brings along, and takes the time and the memory that the recorded
//! one took, or could have taken within those bounds. They are as wide as whoever made the file wants, and even within the
//! default ones short calls may ask for very much: a thousand subscriptions at a thousand relays each are less than 100 KB of
//! file, and in memory a part for each relay of each subscription. Only reading is bounded by the length of the file: see
//! [`Recording::read`]. So replay what a stranger sent in a process whose memory is limited; or by a [`Header::config`] of your
//! own, where it is enough that it runs and need not agree.
//!
//! # The format
//!
//! A number is written as LEB128: seven bits a byte, the lowest first, all bytes but the last with their highest bit set;
//! 64 bits at most. A text is its length in bytes and its UTF-8. A list is its length and its items. Something that may be
//! absent is `00`, or `01` and itself; *yes* is `01`, *no* is `00`. A duration is two numbers, seconds and nanoseconds. A struct is
//! its fields in order; an enum is the byte of its variant, and the fields of that. The tables of fields and variants are the
//! source (`config.rs`, `calls.rs`, `protocol.rs`, `step.rs`): the code is made of them.
//!
//! ```text
//! recording = "nostrpool" format library config seed mono unix entry* end?
//! format    = 01                      ; FORMAT; what is up to here and `library` stays the same in every version
//! library   = text                    ; the version of the library
//! config    = the fields of Config, and 00 (tests: the number of a planted bug)
//! seed      = 32 bytes
//! mono      = number                  ; microseconds on the driver's monotonic clock
//! unix      = number                  ; seconds on the wall clock
//!
//! entry     = step outcome
//! step      = 01 fed                  ; at the time of the step before
//!           | 02 mono± unix± fed      ; so much later or earlier
//! mono±, unix± = number               ; the distance d as (d << 1) ^ (d >> 63), in 64 bits, wrapping
//! outcome   = 03 digest               ; missing only where the core panicked: then at most an end follows
//! digest    = 4 bytes, little-endian  ; after this step: the low half of `whole`
//! end       = 00 why number whole     ; how many steps there are
//! why       = 00 closed | 01 at its size cap | 02 could not be written as fast as the core was fed
//! whole     = 8 bytes, little-endian
//!
//! fed       = 00 socket               ; Opened
//!           | 01 socket text          ; OpenFailed
//!           | 02 socket text          ; Text: the frame
//!           | 03 socket               ; Binary
//!           | 04 socket               ; Ping
//!           | 05 socket               ; Pong
//!           | 06 socket               ; Sent
//!           | 07 socket reason        ; Closed
//!           | 08 number answer mark   ; Verified: the ticket, yes or no, and 8 bytes: see Answer
//!           | 09 number 01 event      ; Signed: the ticket, and the event
//!           | 09 number 00 text       ;   or what the signer said
//!           | 0a call
//!           | 0b                      ; a timeout
//! socket    = number number           ; slot and generation
//! ```
//!
//! An event is its author (32 bytes), date, kind, tags, content, signature (64 bytes) and the id that it claims (32 bytes); one
//! that is not signed ends with its content. Ids, keys and signatures are raw bytes.
//!
//! The digest is SipHash-1-3 with a key of zeros. It goes over the bytes from `config` to `unix`; and then, for each step, over
//! the bytes of `step`, and over what came of it: the commands, each behind `00`, then the events, each behind `01`, then a
//! call's reply behind `02`, encoded like the rest; events are named by id and signature. It shows that a replay took
//! another way, or that a byte is not as it was written, and in which step. It is no seal: who means to can make up a
//! recording. What nobody can make up is a proof: the answer to a question for a signature is recorded as yes or no, and a
//! replay verifies again what is said to be good.

mod calls;
mod code;
mod config;
#[cfg(test)]
mod output_tests;
mod outputs;
mod protocol;
mod read;
mod recorder;
mod replay;
mod shrink;
mod step;
#[cfg(test)]
mod tests;

pub use read::{End, Header, ReadError, Recording};
pub use recorder::{Recorder, Tape};
pub use replay::{Forged, Outcome, ReplayError, Replayer, record_again, replay};
pub use shrink::shrink;
pub use step::{Answer, Fed, Step};

/// The version of the format. Raise it with every change to what is written, a new field of a type included: the test
/// `the_format_is_what_it_was` says so.
pub const FORMAT: u8 = 1;

/// What every recording begins with.
const MAGIC: &[u8] = b"nostrpool";

/// The first bytes of entries.
mod entry {
    pub(super) const END: u8 = 0;
    pub(super) const STEP: u8 = 1;
    pub(super) const STEP_LATER: u8 = 2;
    pub(super) const OUTCOME: u8 = 3;

    /// The shortest end and the longest, in bytes.
    pub(super) const MIN_END: usize = 1 + 1 + 1 + 8;
    pub(super) const MAX_END: usize = 1 + 1 + 10 + 8;

    /// The longest outcome and the longest end, in bytes.
    pub(super) const MAX_LAST: u64 = (1 + 4) + MAX_END as u64;
}

/// Why nothing more is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The recorder was told to end, or the pool ended.
    Closed,
    /// The recording has the size that it may have.
    SizeCap,
    /// The tape had no room: it could not be written as fast as the core was fed.
    Behind,
}

impl Ended {
    const ALL: [Self; 3] = [Self::Closed, Self::SizeCap, Self::Behind];

    fn byte(self) -> u8 {
        match self {
            Self::Closed => 0,
            Self::SizeCap => 1,
            Self::Behind => 2,
        }
    }

    fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.byte() == byte)
    }
}
