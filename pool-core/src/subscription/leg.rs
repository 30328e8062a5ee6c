//! One relay's part in a subscription.

use alloc::vec::Vec;
use core::time::Duration;

use nostr_proto::{EoseHints, EventId, PublicKey, Reason, Timestamp};

use crate::auth::Epoch;
use crate::event::{LegOutcome, LegState, Why};
use crate::ids::WireId;
use crate::resume::seconds::Range;
use crate::resume::{End, Resume};
use crate::time::{Instant, Now};

use super::known::Better;
use super::legs::Noted;
use super::notice::Mumbled;
use super::overflow::Skipped;
use super::oversize::Suspicion;
use super::request::Allowance;

/// Where a leg stands. `wire` is the id of the request on this connection.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum State {
    /// Not asked.
    Waiting(Why),
    /// Asked, and no EOSE has taken effect yet.
    Requested(Request),
    /// Past EOSE.
    Live { wire: WireId, undecided: u32, closing: Option<Reason> },
    /// Refused.
    Closed(Reason),
    /// Had its EOSE and was ended by us, because the subscription was to last no longer.
    Done,
}

/// A running request before its EOSE.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Request {
    pub(crate) wire: WireId,
    /// When it was sent, by the wall clock.
    pub(crate) sent: Timestamp,
    /// Events of this request whose signature is being checked. EOSE may not overtake them.
    pub(crate) undecided: u32,
    /// Matching events so far.
    pub(crate) received: u64,
    /// What it may bring, if that was said.
    pub(crate) allowance: Option<Allowance>,
    /// EOSE came and waits for the undecided.
    pub(crate) eose: Option<Eose>,
    /// CLOSED came and waits for the undecided, and for an EOSE before it.
    pub(crate) closed: Option<Reason>,
}

impl Request {
    /// What takes effect now that everything is decided, in order.
    fn endings(&mut self) -> Vec<Ending> {
        let eose = self.eose.take().map(Ending::Eose);
        let closed = self.closed.take().map(Ending::Closed);
        eose.into_iter().chain(closed).collect()
    }
}

/// An EOSE, and how many EVENT messages came before it, whatever they were.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Eose {
    pub(crate) hints: EoseHints,
    pub(crate) frames: u64,
}

/// What ends a request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Ending {
    Eose(Eose),
    Closed(Reason),
    /// A page ended.
    Page(End),
    /// A page was refused.
    PageClosed(Reason),
    /// The connection went before; everything that had come by then is decided now.
    Lost,
}

/// A leg: its state on this connection, and what outlives connections.
#[derive(Clone, Debug)]
pub(crate) struct Leg {
    pub(crate) state: State,
    /// How it settled in this generation; the aggregate EOSE counts these.
    pub(crate) settled: Option<LegOutcome>,
    /// Matching events in this generation until it settled.
    pub(crate) events: u64,
    /// Up to when this relay has shown us everything, by our wall clock: the send time of the newest request or ping
    /// that was answered past EOSE. Never derived from an event, so that no relay can move it.
    pub(crate) alive_until: Option<Timestamp>,
    /// When it last made progress; its EOSE deadline runs from here.
    pub(crate) progress: Instant,
    /// When it was last live.
    pub(crate) lately: Instant,
    /// Refusals since the last EOSE.
    pub(crate) refusals: u32,
    /// When a refused request may be repeated.
    pub(crate) retry_at: Option<Instant>,
    /// The request that was running when the connection was lost, as long as events of it are undecided.
    pub(crate) draining: Option<Request>,
    /// Which knowledge of us it was asked under.
    pub(crate) under: Epoch,
    /// The keys that the relay knew us by when it was last asked.
    pub(crate) known_as: Vec<PublicKey>,
    /// The relay knows us better than when it was asked before: it is asked for everything, not for what was missed.
    pub(crate) whole: bool,
    /// Its request begins at a date that the wall clock gave.
    pub(crate) dated: bool,
    /// What it had when the relay knew us better than it does now.
    pub(crate) better: Option<Better>,
    /// What the relay said when it refused for lack of authentication, as long as that is under way.
    pub(crate) lack: Option<Reason>,
    /// Events dropped because too many were unverified, not yet told.
    pub(crate) flooded: u64,
    /// From the oldest to the newest of those, where that is known.
    pub(crate) flood: Option<Range>,
    /// Events dropped because they were more than twice what was asked for and a hundred, not yet told.
    pub(crate) excess: u64,
    /// What was skipped there for lack of room in the queue, and is owed.
    pub(crate) skipped: Skipped,
    /// What it owes, and the page that runs.
    pub(crate) resume: Resume,
    /// It has what an earlier subscription had, if the relay knows us by the same keys as then.
    pub(crate) restored: bool,
    /// What the relay said by NOTICE, as long as it may be all that it answers.
    pub(crate) mumbled: Option<Mumbled>,
    /// Ids that events claim which were dropped for their size or shape, as told; bounded.
    pub(crate) rejected: Vec<EventId>,
    /// Whether its answer may have had a message beyond the size limit.
    pub(crate) suspicion: Suspicion,
    /// It asked for more than the relay was thought to take, and was closed for that.
    pub(crate) too_much: bool,
    /// The name of its first request.
    #[cfg(feature = "planted-bugs")]
    pub(crate) first_wire: Option<WireId>,
    /// The same of what it owes: a page was running when the socket was closed for size, and none was answered since.
    pub(crate) owes_too_much: bool,
    pub(super) noted: Noted,
}

/// A matching event of a leg's request or page, a copy of a known one perhaps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sighting {
    pub(crate) wire: WireId,
    pub(crate) id: EventId,
    /// Known for the events of pages.
    pub(crate) created_at: Option<Timestamp>,
}

impl Leg {
    pub(crate) fn new(now: Instant, filters: usize) -> Self {
        Self {
            state: State::Waiting(Why::Connection),
            settled: None,
            events: 0,
            alive_until: None,
            progress: now,
            lately: now,
            refusals: 0,
            retry_at: None,
            draining: None,
            under: Epoch::default(),
            known_as: Vec::new(),
            whole: false,
            dated: false,
            better: None,
            lack: None,
            flooded: 0,
            flood: None,
            excess: 0,
            skipped: Skipped::default(),
            resume: Resume::new(filters),
            restored: false,
            mumbled: None,
            rejected: Vec::new(),
            suspicion: Suspicion::None,
            too_much: false,
            #[cfg(feature = "planted-bugs")]
            first_wire: None,
            owes_too_much: false,
            noted: Noted::default(),
        }
    }

    /// As the application sees it; `None` for a leg that we ended, which is no news.
    pub(crate) fn public_state(&self) -> Option<LegState> {
        match &self.state {
            State::Waiting(why) => Some(LegState::Waiting(*why)),
            State::Requested(_) => Some(LegState::Requested),
            State::Live { .. } => Some(LegState::Live),
            State::Closed(reason) => Some(LegState::Closed(reason.clone())),
            State::Done => None,
        }
    }

    /// The running request's id.
    pub(crate) fn wire(&self) -> Option<WireId> {
        match &self.state {
            State::Requested(request) => Some(request.wire),
            State::Live { wire, .. } => Some(*wire),
            State::Waiting(_) | State::Closed(_) | State::Done => None,
        }
    }

    /// The requests that run: its own, and its page.
    pub(crate) fn wires(&self) -> impl Iterator<Item = WireId> + use<> {
        let page = self.resume.page().filter(|page| !page.has_ended()).map(|page| page.wire);
        self.wire().into_iter().chain(page)
    }

    /// Whether it is past EOSE and the relay pushes what is new.
    pub(crate) fn is_live(&self) -> bool {
        matches!(self.state, State::Live { .. })
    }

    /// Whether the relay's connection serves it, or would.
    pub(crate) fn needs_connection(&self) -> bool {
        !matches!(self.state, State::Closed(_) | State::Done)
    }

    /// Whether an event of this date that just came is more than was asked for: before EOSE, beyond the allowance, and not
    /// of the live window.
    pub(crate) fn is_excess(&self, wire: WireId, frames: u64, created_at: Timestamp) -> bool {
        match &self.state {
            State::Requested(Request { wire: w, eose: None, closed: None, allowance: Some(most), .. }) => {
                *w == wire && frames > most.frames && created_at < most.before
            }
            _ => false,
        }
    }

    /// A matching event of its request or page came. Tells whether that makes as many as a page may have, which are
    /// `most`.
    pub(crate) fn received(&mut self, seen: Sighting, most: usize, now: Instant) -> bool {
        self.progress = now;
        if self.wire() != Some(seen.wire) {
            let at = seen.created_at.unwrap_or(Timestamp::MAX);
            return self.resume.seen(seen.wire, seen.id, at, most, now);
        }
        self.resume.pushed(&seen.id, most);
        if self.settled.is_none() {
            self.events += 1;
        }
        if let State::Requested(request) = &mut self.state {
            request.received += 1;
        }
        false
    }

    /// An event of the request `wire` went to verification.
    pub(crate) fn hold(&mut self, wire: WireId) {
        match &mut self.state {
            State::Requested(Request { wire: w, undecided, .. }) | State::Live { wire: w, undecided, .. }
                if *w == wire =>
            {
                *undecided += 1;
            }
            _ => self.resume.hold(wire),
        }
    }

    /// An event of the request `wire` is decided. Tells what takes effect now, in order.
    pub(crate) fn release(&mut self, wire: WireId, now: Instant) -> Vec<Ending> {
        self.progress = self.progress.max(now);
        match &mut self.state {
            State::Requested(request) if request.wire == wire => {
                request.undecided = request.undecided.saturating_sub(1);
                return if request.undecided == 0 { request.endings() } else { Vec::new() };
            }
            State::Live { wire: w, undecided, closing } if *w == wire => {
                *undecided = undecided.saturating_sub(1);
                let closed = if *undecided == 0 { closing.take() } else { None };
                return closed.map(Ending::Closed).into_iter().collect();
            }
            _ => {}
        }
        if let Some(end) = self.resume.release(wire, now) {
            return alloc::vec![Ending::Page(end)];
        }
        let Some(request) = self.draining.as_mut().filter(|r| r.wire == wire) else { return Vec::new() };
        request.undecided = request.undecided.saturating_sub(1);
        if request.undecided == 0 { alloc::vec![Ending::Lost] } else { Vec::new() }
    }

    /// EOSE or CLOSED came for its request or its page. Tells what takes effect now; otherwise it waits for the undecided events. A second EOSE, and
    /// whatever comes after CLOSED, changes nothing.
    pub(crate) fn ending(&mut self, wire: WireId, end: Ending) -> Vec<Ending> {
        if self.wire() != Some(wire) {
            let end = match end {
                Ending::Eose(Eose { hints, frames }) => {
                    self.resume.ended(wire, End::Eose { hints, frames }).map(Ending::Page)
                }
                Ending::Page(end) => self.resume.ended(wire, end).map(Ending::Page),
                Ending::Closed(reason) => Some(Ending::PageClosed(reason)),
                Ending::PageClosed(_) | Ending::Lost => None,
            };
            return end.into_iter().collect();
        }
        match (&mut self.state, end) {
            (State::Requested(request), end) if request.closed.is_none() => {
                match end {
                    Ending::Eose(eose) => request.eose = request.eose.or(Some(eose)),
                    Ending::Closed(reason) => request.closed = Some(reason),
                    Ending::Page(_) | Ending::PageClosed(_) | Ending::Lost => {}
                }
                if request.undecided == 0 { request.endings() } else { Vec::new() }
            }
            (State::Live { undecided: 0, .. }, end @ Ending::Closed(_)) => alloc::vec![end],
            (State::Live { closing, .. }, Ending::Closed(reason)) => {
                closing.get_or_insert(reason);
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// Events that it waits for, of the running request or of the one before.
    fn is_undecided(&self) -> bool {
        let running = matches!(&self.state, State::Requested(request) if request.undecided > 0);
        running || self.draining.is_some()
    }

    /// When its EOSE is overdue: `patience` after its last progress, `most` after the generation began. While events of
    /// it are being verified it is us who is slow, and only `most` counts.
    pub(crate) fn overdue(&self, started: Instant, patience: Duration, most: Duration) -> Instant {
        let last = started + most;
        if self.is_undecided() { last } else { (self.progress.max(started) + patience).min(last) }
    }

    /// When a leg that is to end gives up what it owes: nothing has come of it for so long, and it is not live; or it has not
    /// been live for `tries` times as long, whatever came. One that never had a connection, and owes what an earlier
    /// subscription missed, is not waited for, as it is not where it owes nothing.
    pub(crate) fn gives_up_at(&self, most: Duration, tries: u32) -> Option<Instant> {
        let waits = self.settled.is_some() && !self.is_live() && self.needs_connection();
        let unreached = self.settled == Some(LegOutcome::NotConnected) && self.state == State::Waiting(Why::Connection);
        let patience = if unreached { Duration::ZERO } else { most };
        let last = self.lately + most.saturating_mul(tries);
        (waits && self.resume.owes()).then(|| (self.progress + patience).min(last))
    }

    /// The connection is gone. `proven` is how long it was shown to be alive.
    pub(crate) fn lose(&mut self, proven: Option<Timestamp>) -> Lost {
        let lost = match &mut self.state {
            State::Requested(request) => {
                let undecided = request.undecided > 0;
                self.draining = undecided.then(|| request.clone());
                Lost::Asked
            }
            State::Live { .. } => {
                self.alive_until = self.alive_until.max(proven);
                Lost::Live
            }
            State::Waiting(_) => Lost::Idle,
            // What was refused does not make the relay needed: see `reopen`.
            State::Closed(_) | State::Done => return Lost::Idle,
        };
        let _ = self.resume.lost();
        self.refusals = 0;
        self.retry_at = None;
        self.lack = None;
        self.mumbled = None;
        if self.suspicion == Suspicion::Alone {
            self.suspicion = Suspicion::Suspect;
        }
        self.state = State::Waiting(Why::Connection);
        lost
    }

    /// There is a new connection. A refusal was the old one's, unless it was final: the relay is asked again.
    pub(crate) fn reopen(&mut self) {
        if matches!(&self.state, State::Closed(reason) if !is_final(reason)) {
            self.refusals = 0;
            self.too_much = false;
            self.state = State::Waiting(Why::Connection);
        }
    }

    /// A new generation of filters: everything about the old request is void.
    pub(crate) fn restart(&mut self, now: Now, filters: usize) {
        self.state = State::Waiting(Why::Connection);
        self.settled = None;
        self.events = 0;
        self.refusals = 0;
        self.retry_at = None;
        self.lack = None;
        self.draining = None;
        self.start_over(filters);
        self.mumbled = None;
        self.rejected.clear();
        self.suspicion = Suspicion::None;
        self.owes_too_much = false;
        self.too_much = false;
        self.progress = now.mono;
        self.lately = now.mono;
    }
}

impl Leg {
    /// The wall clock was set back by so many seconds: what it said before was too late by as much, perhaps.
    pub(crate) fn set_back(&mut self, seconds: u64) {
        let running = if let State::Requested(request) = &mut self.state { Some(&mut request.sent) } else { None };
        let before = self.draining.as_mut().map(|request| &mut request.sent);
        let better = self.better.as_mut().map(|better| &mut better.alive_until);
        for at in [running, before, better, self.alive_until.as_mut()].into_iter().flatten() {
            *at = at.saturating_sub(seconds);
        }
    }

    /// Whether a request runs that may begin too late, if the wall clock was ahead.
    pub(crate) fn is_dated(&self) -> bool {
        self.dated && self.wire().is_some()
    }

    /// Nothing is known to have been shown.
    pub(crate) fn start_over(&mut self, filters: usize) {
        self.alive_until = None;
        self.whole = false;
        self.better = None;
        self.resume = Resume::new(filters);
        self.restored = false;
    }
}

/// What a lost connection meant for a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// Nothing was running.
    Idle,
    /// A request without its EOSE.
    Asked,
    /// A live leg: what comes from now on is missed until it is back.
    Live,
}

/// Whether a CLOSED with this reason ends the leg for good: the relay would say the same again.
pub(crate) fn is_final(reason: &Reason) -> bool {
    use nostr_proto::Prefix;
    match reason.prefix {
        Some(
            Prefix::Restricted
            | Prefix::Blocked
            | Prefix::Invalid
            | Prefix::Unsupported
            | Prefix::Pow
            | Prefix::Mute
            | Prefix::AuthRequired,
        ) => true,
        Some(_) | None => false,
    }
}
