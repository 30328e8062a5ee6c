//! The machines put together. `Core` routes between them, owns the one timer queue, and decides nothing itself.

mod auth;
mod backlog;
mod calls;
mod carried;
mod clock;
mod counts;
mod coverage;
mod decisions;
mod echoes;
mod forming;
mod frames;
mod lanes;
mod matching;
mod notice;
mod origins;
mod outputs;
mod oversize;
mod pace;
mod paging;
mod plan;
mod publishes;
mod relays;
mod repair;
mod retarget;
mod sending;
mod signing;
mod slots;
mod subscriptions;
mod versions;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use nostr_proto::{Event, EventId, HashedEvent, RelayUrl, UnsignedEvent};
use siphasher::sip::SipHasher13;

use crate::backlog::{Backlog, Untaken};
use crate::call::{Call, CallError, Reply};
use crate::command::Command;
use crate::config::Config;
use crate::count::Counting;
use crate::dedup::Dedup;
use crate::effects::Effects;
use crate::event::{PoolEvent, PublishReport};
use crate::ids::{CountId, PublishId, RelayIx, SubId, Ticket};
use crate::index::Index;
use crate::input::Input;
use crate::map::Map;
use crate::planted::planted;
use crate::publish::books::Books;
use crate::publish::warning::{Looks, PublishWarning, warnings};
use crate::publish::{Body, Publication};
use crate::record::{RelayRecord, Stats};
use crate::subscription::{Finished, Subscription};
use crate::time::{Instant, Now};
use crate::timers::{Deadline, TimerKey, Timers};

use echoes::Echo;
use relays::Relay;
use repair::Repair;
use slots::Slots;

/// A relay pool without I/O: inputs and calls go in, commands and events come out.
///
/// The run loop is always the same. Feed what happened; then take all commands and carry them out, and take all events
/// and hand them on; then wait for the next thing to happen, or until [`Core::poll_timeout`]:
///
/// ```
/// # use nostr_pool_core::*;
/// # fn socket_io(_: Command) {} fn show(_: PoolEvent) {}
/// # let now = Now { mono: Instant::ZERO, unix: nostr_proto::Timestamp::new(1_700_000_000) };
/// let mut core = Core::new(Config::default(), [7; 32], now);
/// let url = nostr_proto::RelayUrl::parse("wss://relay.example.com").unwrap();
/// core.handle_call(Call::AddRelay { url: url.clone(), options: RelayOptions::default() }, now).unwrap();
/// core.handle_call(Call::Connect { which: Which::All }, now).unwrap();
///
/// while let Some(command) = core.poll_command() {
///     // Command::Open { socket, url, origin }: dial, and answer with Input::Opened or Input::OpenFailed.
///     socket_io(command);
/// }
/// while let Some(event) = core.poll_event() {
///     show(event);
/// }
/// let deadline = core.poll_timeout().expect("a dial has a deadline");
/// let later = Now { mono: deadline.at, ..now };
/// core.handle_timeout(later);
/// assert!(core.poll_timeout().is_none_or(|next| next.at > later.mono));
/// ```
///
/// Never reads a clock, never draws a random number, never does I/O: the same seed and the same inputs give the same
/// commands and events, bit for bit. The polls only dequeue; only `handle_*` changes state.
#[derive(Debug)]
pub struct Core {
    config: Config,
    now: Now,
    fx: Effects,
    timers: Timers,
    relays: BTreeMap<RelayIx, Box<Relay>>,
    by_url: BTreeMap<RelayUrl, RelayIx>,
    slots: Slots,
    /// Relays that are not read from because too much of theirs is unverified.
    paused: BTreeSet<RelayIx>,
    subs: BTreeMap<SubId, Box<Subscription>>,
    /// The application's subscriptions, by what they ask for and where.
    index: Index,
    finished: Finished,
    backlog: Backlog,
    /// Relays that something is to be asked of, before this call into the core ends.
    asking: BTreeSet<RelayIx>,
    /// The relay whose requests are being told what became of them, if any are: see [`Core::telling`].
    telling: Option<RelayIx>,
    dedup: Dedup,
    /// Events that are being fetched again, by the subscription that does it.
    repairs: BTreeMap<SubId, Repair>,
    publishes: BTreeMap<PublishId, Publication>,
    by_event: BTreeMap<EventId, Vec<PublishId>>,
    /// What is being counted.
    counts: BTreeMap<CountId, Counting>,
    /// How many publishes there are, and their bytes.
    books: Books,
    /// Pending events whose fate is to be told.
    echoes: BTreeMap<PublishId, Echo>,
    jobs: Map<Ticket, Job>,
    /// Questions to the user's signer that are open.
    signing: BTreeMap<PublishId, Ticket>,
    /// Publishes before this one are forgotten at the next step.
    forget_before: Option<PublishId>,
    stats: Stats,
    seed: [u8; 32],
    next_relay: u32,
    next_sub: u64,
    next_repair: u64,
    next_publish: u64,
    next_count: u64,
    next_ticket: u64,
    next_wire: u64,
    closed: bool,
}

/// What an open ticket is about.
#[derive(Debug)]
enum Job {
    /// The signature of an event that a relay sent.
    Copy(EventId),
    /// A signature by the user's signer.
    Sign(PublishId),
    /// The signature that the user's signer made.
    CheckSigned(PublishId, HashedEvent),
    /// The answer to a relay's challenge, by the user's signer.
    SignAuth(RelayIx, EventId),
    /// The signature of that answer.
    CheckAuth(RelayIx, HashedEvent),
}

impl Core {
    /// A pool without relays. `seed` keys the hash maps and spreads the dials: secret and random in use, fixed in tests.
    pub fn new(config: Config, seed: [u8; 32], now: Now) -> Self {
        let dedup = Dedup::new(&config, derive(&seed, b"dedup", 0));
        Self {
            dedup,
            jobs: Map::new(derive(&seed, b"jobs", 0)),
            fx: Effects { untaken: Untaken::new(config.max_queued_bytes), ..Effects::default() },
            config,
            now,
            timers: Timers::default(),
            relays: BTreeMap::new(),
            by_url: BTreeMap::new(),
            slots: Slots::default(),
            paused: BTreeSet::new(),
            subs: BTreeMap::new(),
            index: Index::new(derive(&seed, b"index", 0)),
            finished: Finished::default(),
            backlog: Backlog::default(),
            asking: BTreeSet::new(),
            telling: None,
            repairs: BTreeMap::new(),
            publishes: BTreeMap::new(),
            by_event: BTreeMap::new(),
            counts: BTreeMap::new(),
            books: Books::default(),
            echoes: BTreeMap::new(),
            signing: BTreeMap::new(),
            forget_before: None,
            stats: Stats::default(),
            seed,
            next_relay: 0,
            next_sub: 0,
            next_repair: 0,
            next_publish: 0,
            next_count: 0,
            next_ticket: 0,
            next_wire: 0,
            closed: false,
        }
    }

    /// Something happened outside. Every input is legal at every time; what fits nothing is counted.
    pub fn handle_input(&mut self, input: Input<'_>, now: Now) {
        self.advance(now);
        match input {
            Input::Opened { socket } => self.on_opened(socket),
            Input::OpenFailed { socket, error } => self.on_open_failed(socket, &error),
            Input::Text { socket, frame } => self.on_text(socket, frame),
            Input::Binary { socket } => self.on_binary(socket),
            Input::Ping { socket } => self.on_ping(socket),
            Input::Pong { socket } => self.on_pong(socket),
            Input::Sent { socket } => self.on_sent(socket),
            Input::Closed { socket, reason } => self.on_closed(socket, &reason),
            Input::Verified { ticket, outcome } => self.on_verified(ticket, outcome),
            Input::Signed { ticket, outcome } => self.on_signed(ticket, outcome),
        }
        self.ask_together();
        self.review_backlog();
        #[cfg(any(test, feature = "planted-bugs"))]
        self.audit();
    }

    /// The application wants something.
    ///
    /// # Errors
    /// The call cannot be carried out, and has changed nothing: see [`CallError`].
    pub fn handle_call(&mut self, call: Call, now: Now) -> Result<Reply, CallError> {
        self.advance(now);
        let reply = self.on_call(call);
        self.ask_together();
        self.review_backlog();
        #[cfg(any(test, feature = "planted-bugs"))]
        self.audit();
        reply
    }

    /// Time has passed. Afterwards [`Core::poll_timeout`] is `None` or later than `now`. Calling it early is harmless.
    pub fn handle_timeout(&mut self, now: Now) {
        self.advance(now);
        while let Some(key) = self.timers.pop_due(self.now.mono) {
            match key {
                TimerKey::Connection(ix) => self.on_connection_timer(ix),
                TimerKey::Auth(ix) => self.on_auth_timer(ix),
                TimerKey::Lanes(ix) => self.on_pause_over(ix),
                TimerKey::Slots => self.fill_slots(),
                TimerKey::Trial(ix) => self.pump(ix),
                TimerKey::Clock => self.on_clock_set_back(),
                TimerKey::Subscription(sub) => self.on_subscription_timer(sub),
                TimerKey::Publish(publish) => self.on_publish_timer(publish),
                TimerKey::Count(count) => self.on_count_timer(count),
                TimerKey::Backlog => self.review_backlog(),
            }
            // What is due at once is one tick: see `Group::Tick`.
            if !self.timers.is_any_due(self.now.mono) {
                self.ask_together();
            }
            if planted!(self.config, TimerNotLater) {
                break;
            }
        }
        self.ask_together();
        self.review_backlog();
        #[cfg(any(test, feature = "planted-bugs"))]
        self.audit();
    }

    /// The next thing for the driver to do.
    pub fn poll_command(&mut self) -> Option<Command> {
        self.fx.commands.pop_front()
    }

    /// The next thing for the application to see.
    pub fn poll_event(&mut self) -> Option<PoolEvent> {
        self.fx.events.pop_front()
    }

    /// When [`Core::handle_timeout`] is to be called, unless something happens before.
    pub fn poll_timeout(&self) -> Option<Deadline> {
        self.timers.next()
    }

    /// The bounds and delays in force.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The relays of the pool, in order of their URLs.
    pub fn relays(&self) -> Vec<RelayRecord> {
        self.by_url.values().filter_map(|ix| self.relays.get(ix)).map(|relay| self.record(relay)).collect()
    }

    /// One relay of the pool.
    pub fn relay(&self, url: &RelayUrl) -> Option<RelayRecord> {
        let relay = self.relays.get(self.by_url.get(url)?)?;
        Some(self.record(relay))
    }

    /// A publish that is remembered, as it stands.
    pub fn publish_report(&self, publish: PublishId) -> Option<PublishReport> {
        self.publishes.get(&publish).map(Publication::report)
    }

    /// The event of a publish that is remembered.
    pub fn publish_event(&self, publish: PublishId) -> Option<Unfinished> {
        self.publishes.get(&publish).map(event_of)
    }

    /// What the documents of these relays (NIP-11) say against an event that is published now, as far as they are known: a
    /// relay may refuse it all the same, or take it in spite of that. Relays that are not in the pool say nothing.
    pub fn publish_warnings(
        &self,
        event: &Unfinished,
        relays: &[RelayUrl],
        now: Now,
    ) -> Vec<(RelayUrl, PublishWarning)> {
        let event = match event {
            Unfinished::Signed(e) => {
                Looks { id: e.id(), tags: e.tags().count(), content: e.content(), created_at: e.created_at() }
            }
            Unfinished::Unsigned(e) => {
                Looks { id: e.id(), tags: e.tags().count(), content: e.content(), created_at: e.created_at() }
            }
        };
        let of = |url: &RelayUrl| Some(self.relays.get(self.by_url.get(url)?)?.plan.budget.says());
        let told = relays.iter().filter_map(|url| Some((url, of(url)?)));
        told.flat_map(|(url, says)| warnings(event, &says, now.unix).into_iter().map(|warning| (url.clone(), warning)))
            .collect()
    }

    /// Publishes that some relay has not settled yet, or that have no verdict yet, oldest first.
    pub fn unfinished(&self) -> Vec<(PublishReport, Unfinished)> {
        let open = self.publishes.values().filter(|p| !p.is_done());
        open.map(|p| (p.report(), event_of(p))).collect()
    }

    /// The relays known to have a verified event, the first one first; empty if the event is not remembered.
    pub fn seen_on(&self, event: &EventId) -> Vec<RelayUrl> {
        self.urls(self.dedup.relays(event))
    }

    /// Counters since the pool began, or began anew.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// The monotonic clock never runs backwards here, whatever the driver's does.
    fn advance(&mut self, now: Now) {
        if now.mono < self.now.mono {
            self.stats.clock_backwards += 1;
        }
        // The end of time is never now: there is always a later instant to arm a timer for.
        let last = Instant::from_micros(u64::MAX - 1);
        let mono = now.mono.max(self.now.mono).min(last);
        let before = core::mem::replace(&mut self.now, Now { mono, unix: now.unix });
        self.note_wall_clock(before.mono, before.unix);
        if let Some(before) = self.forget_before.take() {
            self.forget_publishes(before);
        }
    }

    /// Arms a timer: later than now, so that handling what is due ends, whatever the configured delays. One that is due
    /// already, and still to be handled, is left to that.
    fn arm(&mut self, key: TimerKey, at: Option<Instant>) {
        let now = self.now.mono;
        if at.is_some_and(|at| at <= now) && self.timers.is_due(key, now) {
            return;
        }
        let soonest = now + core::time::Duration::from_micros(1);
        self.timers.set(key, at.map(|at| at.max(soonest)));
    }

    fn ticket(&mut self, job: Job) -> Ticket {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.jobs.insert(ticket, job);
        ticket
    }

    fn urls(&self, relays: &[RelayIx]) -> Vec<RelayUrl> {
        relays.iter().filter_map(|ix| self.relays.get(ix)).map(|relay| relay.url.clone()).collect()
    }
}

fn event_of(publication: &Publication) -> Unfinished {
    match &publication.body {
        Body::Unsigned(event) => Unfinished::Unsigned(event.clone()),
        Body::Signed { event, .. } => Unfinished::Signed(event.clone()),
    }
}

/// The event of a publish.
#[derive(Clone, Debug, PartialEq)]
pub enum Unfinished {
    /// Signed: it can be published again as it is.
    Signed(Event),
    /// The signer has not answered.
    Unsigned(UnsignedEvent),
}

/// A key of its own for each use of the seed.
fn derive(seed: &[u8; 32], what: &[u8], n: u32) -> [u8; 16] {
    use core::hash::Hasher;
    let (mut first, mut second) = ([0; 16], [0; 16]);
    first.copy_from_slice(&seed[..16]);
    second.copy_from_slice(&seed[16..]);
    let mut key = [0; 16];
    for (half, half_key) in key.chunks_exact_mut(8).zip([first, second]) {
        let mut h = SipHasher13::new_with_key(&half_key);
        h.write(what);
        h.write_u32(n);
        half.copy_from_slice(&h.finish().to_le_bytes());
    }
    key
}
