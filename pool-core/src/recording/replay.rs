//! Playing a recording again.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;

use nostr_proto::{BadSignature, EventId, HashedEvent, Proof, Verifier};

use crate::call::{CallError, Reply};
use crate::command::Command;
use crate::event::PoolEvent;
use crate::ids::Ticket;
use crate::input::Input;
use crate::machine::Core;

use super::Ended;
use super::read::{End, Header, Recording};
use super::recorder::{Recorder, Tape};
use super::step::{Answer, Fed, Step};

/// What came of a step.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// What the core wanted done, in order.
    pub commands: Vec<Command>,
    /// What the application was told, in order.
    pub events: Vec<PoolEvent>,
    /// What a call came to.
    pub reply: Option<Result<Reply, CallError>>,
    /// The digest of everything so far: see [`Step::digest`].
    pub digest: u32,
}

impl Outcome {
    /// Whether the same came out when the step was recorded, as far as that is noted.
    pub fn agrees_with(&self, step: &Step<'_>) -> bool {
        step.digest.is_none_or(|noted| noted == self.digest)
    }
}

/// Feeds a new core the steps of a recording.
#[derive(Debug)]
pub struct Replayer<T = ()> {
    core: Core,
    recorder: Recorder<T>,
    verifier: Verifier,
    /// What the core has asked and was not told.
    asked: BTreeMap<Ticket, Question>,
    /// Whether a question is known by what it is about: its number may be another.
    by_event: bool,
    steps: usize,
}

/// A question of the core.
#[derive(Debug)]
enum Question {
    Verify(HashedEvent),
    Sign(EventId),
}

impl Replayer {
    /// A core as the recorded one was in the beginning.
    pub fn new(recording: &Recording<'_>) -> Self {
        Self::onto((), recording)
    }
}

impl<T: Tape> Replayer<T> {
    /// The same, and records anew.
    pub fn onto(tape: T, recording: &Recording<'_>) -> Self {
        let Header { config, seed, now, .. } = &recording.header;
        Self {
            core: Core::new(config.clone(), *seed, *now),
            recorder: Recorder::new(tape, u64::MAX, config, seed, *now),
            verifier: Verifier::new(),
            asked: BTreeMap::new(),
            by_event: recording.cut,
            steps: 0,
        }
    }

    /// Feeds the core the next step, and tells what came of it. Signatures are verified: what takes long is that.
    ///
    /// # Errors
    /// The recording says that a signature is good, and it is not: it was tampered with. The core was not fed it.
    pub fn step(&mut self, step: &Step<'_>) -> Result<Outcome, Forged> {
        let (core, recorder, now) = (&mut self.core, &mut self.recorder, step.now);
        let mut reply = None;
        match &step.fed {
            Fed::Call(call) => reply = Some(recorder.call(core, (**call).clone(), now)),
            Fed::Timeout => recorder.timeout(core, now),
            fed => {
                let fed = self.as_asked(fed);
                let input = self.input(&fed)?;
                self.recorder.input_as(&mut self.core, &fed, input, now);
            }
        }
        self.steps += 1;
        let commands: Vec<_> = core::iter::from_fn(|| self.core.poll_command()).collect();
        let events = core::iter::from_fn(|| self.core.poll_event()).collect();
        self.note_questions(&commands);
        Ok(Outcome { commands, events, reply, digest: self.recorder.digest().short() })
    }

    /// The core, to look at.
    pub fn core(&self) -> &Core {
        &self.core
    }

    /// Whether the recording could be read to its end, and the digest is that of the marker there, if it has one.
    ///
    /// # Errors
    /// [`ReplayError::Damaged`] and [`ReplayError::DivergedAtEnd`].
    pub fn check_end(&self, recording: &Recording<'_>) -> Result<(), ReplayError> {
        // The marker does not know what came of a step that made the core panic.
        let whole = recording.steps.last().is_none_or(|step| step.digest.is_some());
        let found = if whole { self.recorder.digest() } else { self.recorder.begun() }.long();
        match recording.end {
            End::Marked { digest: noted, .. } if noted != found => Err(ReplayError::DivergedAtEnd { noted, found }),
            End::Damaged { at, lost, what } => Err(ReplayError::Damaged { at, lost, what }),
            _ => Ok(()),
        }
    }

    /// Writes the marker at the end of what is recorded anew, and gives the tape back.
    pub fn finish(mut self, why: Ended) -> T {
        self.recorder.end(why);
        self.recorder.into_tape()
    }

    fn note_questions(&mut self, commands: &[Command]) {
        for command in commands {
            let (ticket, question) = match command {
                Command::Verify { ticket, event } => (*ticket, Question::Verify(event.clone())),
                Command::Sign { ticket, event } | Command::SignAuth { ticket, event, .. } => {
                    (*ticket, Question::Sign(event.id()))
                }
                _ => continue,
            };
            self.asked.insert(ticket, question);
        }
    }

    /// The input that was recorded. A call and a timeout are none.
    fn input<'a>(&mut self, fed: &Fed<'a>) -> Result<Input<'a>, Forged> {
        Ok(match fed {
            Fed::Opened { socket } => Input::Opened { socket: *socket },
            Fed::OpenFailed { socket, error } => Input::OpenFailed { socket: *socket, error: error.clone() },
            Fed::Text { socket, frame } => Input::Text { socket: *socket, frame },
            Fed::Binary { socket } => Input::Binary { socket: *socket },
            Fed::Ping { socket } => Input::Ping { socket: *socket },
            Fed::Pong { socket } => Input::Pong { socket: *socket },
            Fed::Sent { socket } => Input::Sent { socket: *socket },
            Fed::Closed { socket, reason } => Input::Closed { socket: *socket, reason: reason.clone() },
            Fed::Verified { ticket, answer } => {
                Input::Verified { ticket: *ticket, outcome: self.answer(*ticket, answer)? }
            }
            Fed::Signed { ticket, outcome } => {
                if let Some(Question::Sign(_)) = self.asked.get(ticket) {
                    self.asked.remove(ticket);
                }
                Input::Signed { ticket: *ticket, outcome: outcome.clone() }
            }
            Fed::Call(_) | Fed::Timeout => unreachable!("these are fed by calls of their own"),
        })
    }

    /// The proof is made here, of the event that the core asks about. Of an answer that was given for another, or for
    /// nothing that was asked, the core only sees that it proves nothing.
    fn answer(&mut self, ticket: Ticket, answer: &Answer) -> Result<Result<Proof, BadSignature>, Forged> {
        match self.asked.remove(&ticket) {
            Some(Question::Verify(event)) if answer.good && answer.is_about(&event) => {
                match self.verifier.verify(&event) {
                    Ok(proof) => Ok(Ok(proof)),
                    Err(BadSignature { id }) => Err(Forged { step: self.steps, event: id }),
                }
            }
            Some(Question::Verify(event)) => Ok(Err(BadSignature { id: event.id() })),
            Some(question @ Question::Sign(_)) => {
                self.asked.insert(ticket, question);
                Ok(Err(BadSignature { id: EventId::from_bytes([0; 32]) }))
            }
            None => Ok(Err(BadSignature { id: EventId::from_bytes([0; 32]) })),
        }
    }

    /// Brings an answer to the question that it fits, where steps were taken out and the one that it names is another.
    fn as_asked<'a>(&self, fed: &Fed<'a>) -> Fed<'a> {
        let mut fed = fed.clone();
        match &mut fed {
            Fed::Verified { ticket, answer } => {
                let fits = |it: &Question| matches!(it, Question::Verify(event) if answer.is_about(event));
                *ticket = self.find(*ticket, fits);
            }
            Fed::Signed { ticket, outcome: Ok(signed) } => {
                *ticket = self.find(*ticket, |it| matches!(it, Question::Sign(id) if *id == signed.id()));
            }
            _ => {}
        }
        fed
    }

    fn find(&self, named: Ticket, fits: impl Fn(&Question) -> bool) -> Ticket {
        if !self.by_event || self.asked.get(&named).is_some_and(&fits) {
            return named;
        }
        self.asked.iter().find(|(_, question)| fits(question)).map_or(named, |(ticket, _)| *ticket)
    }
}

/// Plays a recording from the beginning to its end, or to the first step of which something else comes than was noted.
/// `see` is shown every step and what came of it, the diverging one included.
///
/// # Errors
/// It diverged, or says that a forged signature is good; or it can't be read to its end, and all before that was played. A
/// recording that was made by another version of the library may diverge rightfully: [`Header::library`] tells.
pub fn replay(recording: &Recording<'_>, mut see: impl FnMut(&Step<'_>, &Outcome)) -> Result<(), ReplayError> {
    let mut replayer = Replayer::new(recording);
    for (index, step) in recording.steps.iter().enumerate() {
        let outcome = replayer.step(step).map_err(ReplayError::Forged)?;
        see(step, &outcome);
        if let Some(noted) = step.digest
            && noted != outcome.digest
        {
            return Err(ReplayError::Diverged { step: index, noted, found: outcome.digest });
        }
    }
    replayer.check_end(recording)
}

/// Plays a recording from the beginning to its end, whatever comes of it, and records that anew: after steps were taken
/// out, say, or with another version of the library.
///
/// # Errors
/// It says that a forged signature is good.
pub fn record_again<T: Tape>(recording: &Recording<'_>, tape: T) -> Result<T, Forged> {
    let mut replayer = Replayer::onto(tape, recording);
    for step in &recording.steps {
        replayer.step(step)?;
    }
    Ok(replayer.finish(match recording.end {
        End::Marked { why, .. } => why,
        End::BrokenOff { .. } | End::Damaged { .. } => Ended::Closed,
    }))
}

/// A recording says of a signature that it is good, and it is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forged {
    /// In which step, the first one being 0.
    pub step: usize,
    /// Of which event.
    pub event: EventId,
}

impl fmt::Display for Forged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { step, event } = self;
        write!(f, "step {step} says that the signature of event {event} is good, and it is not: this was tampered with")
    }
}

impl core::error::Error for Forged {}

/// Why a replay is not what was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplayError {
    /// Something else came of a step.
    Diverged {
        /// Which, the first one being 0.
        step: usize,
        /// The digest that was noted.
        noted: u32,
        /// The digest now.
        found: u32,
    },
    /// Only the digest in the marker at the end is another.
    DivergedAtEnd {
        /// The digest that was noted.
        noted: u64,
        /// The digest now.
        found: u64,
    },
    /// Nothing diverges in what can be read, but that is not all of it: see [`End::Damaged`].
    Damaged {
        /// Where, in bytes from the beginning.
        at: usize,
        /// How many bytes are not read.
        lost: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// A signature that is said to be good is not.
    Forged(Forged),
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Diverged { step, noted, found } => {
                write!(f, "step {step} diverges: its digest is {found:08x}, and {noted:08x} was noted")
            }
            Self::DivergedAtEnd { noted, found } => {
                write!(f, "no step diverges, but the digest at the end is {found:016x}, and {noted:016x} was noted")
            }
            Self::Damaged { at, lost, what } => {
                write!(f, "no step diverges, but from byte {at} on, {lost} bytes can't be read: {what}")
            }
            Self::Forged(forged) => forged.fmt(f),
        }
    }
}

impl core::error::Error for ReplayError {}
