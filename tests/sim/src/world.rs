//! The pool, the relays and what lies between them; and how time passes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use nostr_pool_core::{Call, CallError, Config, Input, Instant, Now, RelayOptions, Reply, SocketId, SubId, Ticket};
use nostr_pool_corpus::rng::Rng;
use nostr_proto::{BadSignature, Event, EventId, EventTemplate, Keys, Kind, Proof, Timestamp};

use super::bounds::Untaken;
use super::clock::Clock;
use super::links::{Line, Link};
use super::net::Network;
use super::oracle::Oracle;
use super::plan::Plan;
use super::progress::Progress;
use super::reads::{Asked, Saved};
use super::site::{Site, forges};
use super::step::{Burst, Note, Signer, Step};
use super::taped::Taped;
use super::totals::Totals;
use super::{Outcome, Trace};

/// What relays pass on and do not keep.
const EPHEMERAL: Kind = Kind::new(20_001);

/// How many seconds late an event of a burst may be.
const LATE: u64 = 905;

/// A whole run.
#[derive(Debug)]
pub struct World {
    pub(super) plan: Plan,
    pub(super) core: Taped,
    pub(super) sites: Vec<Site>,
    /// The relays that the application added.
    pub(super) members: BTreeMap<usize, RelayOptions>,
    pub(super) oracle: Oracle,
    pub(super) keys: Vec<Keys>,
    pub(super) totals: Totals,
    pub(super) clock: Clock,
    /// Whether things go wrong by themselves.
    pub(super) faulty: bool,
    /// The application has shut the pool down.
    pub(super) shut: bool,
    /// Subscriptions whose application is slow, with the room in their queues; and what is untaken of each.
    pub(super) slow: BTreeMap<SubId, usize>,
    pub(super) untaken: BTreeMap<SubId, Untaken>,
    /// How far the application is with each; how it asked for it, and what it wrote down of it.
    pub(super) progress: BTreeMap<SubId, Progress>,
    pub(super) asked: BTreeMap<SubId, Asked>,
    pub(super) saved: BTreeMap<SubId, Saved>,
    /// Whether the application is calling.
    pub(super) called: bool,
    /// The ways to the relays.
    pub(super) lines: Vec<Line>,
    pub(super) links: BTreeMap<SocketId, Link>,
    /// What each subscription had in the end: see [`Outcome::delivered`].
    pub(super) delivered: BTreeMap<SubId, BTreeSet<EventId>>,
    /// Where each socket leads.
    pub(super) ways: BTreeMap<SocketId, usize>,
    /// Sockets that are gone.
    pub(super) past: Vec<SocketId>,
    pub(super) net: Network,
    pub(super) signer: Signer,
    /// Milliseconds that the verifier takes at most.
    pub(super) verifier: u16,
    /// The last tickets that were answered.
    pub(super) answered: VecDeque<(Ticket, Result<Proof, BadSignature>)>,
    pub(super) rng: Rng,
    /// The signer's own, which takes nothing from the events of others.
    pub(super) signer_rng: Rng,
    trace: Trace,
    notes: u64,
    /// When the core last handled what was due.
    pub(super) timed: Option<Instant>,
}

impl World {
    /// The relays and the pool of a plan, not connected yet; `change` has the last word on the pool's configuration.
    pub fn new(plan: &Plan, change: impl FnOnce(&mut Config)) -> Self {
        let mut rng = Rng::new(plan.seed);
        let last = plan.relays.len() - 1;
        let suspicious = |n, draw: Option<u64>| plan.authenticates() && n == last && !draw.is_some_and(forges);
        let site = |(n, &draw): (usize, &Option<u64>)| Site::new(n, draw, plan.caps, suspicious(n, draw));
        let mut sites: Vec<Site> = plan.relays.iter().enumerate().map(site).collect();
        let lines = (0..sites.len()).map(|_| Line::new(rng.next_u64())).collect();
        let mut config = plan.config();
        for site in sites.iter_mut().filter(|site| site.is_wordy(plan.limits.frame)) {
            site.honest = false;
        }
        if plan.sparse
            && let Some((n, last)) = sites.iter_mut().enumerate().last()
        {
            *last = Site::sparse(n);
        }
        if let Some(site) = plan.mute.and_then(|mute| sites.get_mut(mute)) {
            site.honest = false;
        }
        if plan.limits.max_seen > 0
            && let Some(last) = sites.last_mut()
        {
            last.floods = true;
        }
        change(&mut config);
        let mut totals = Totals { runs: 1, ..Totals::default() };
        for kind in sites.iter().flat_map(Site::kinds_of_fault) {
            totals.relay(kind);
        }
        let mut clock = Clock::default();
        let oracle = Oracle::new(&config, &sites);
        let core = Taped::new(config, rng.bytes32(), clock.read());
        let keys = (0..3).map(|_| Keys::from_entropy(rng.bytes32()).expect("a scalar in range")).collect();
        let signer_rng = Rng::new(rng.next_u64());
        Self {
            plan: plan.clone(),
            core,
            sites,
            members: BTreeMap::new(),
            oracle,
            keys,
            totals,
            clock,
            faulty: true,
            shut: false,
            slow: BTreeMap::new(),
            untaken: BTreeMap::new(),
            progress: BTreeMap::new(),
            asked: BTreeMap::new(),
            saved: BTreeMap::new(),
            called: false,
            lines,
            links: BTreeMap::new(),
            delivered: BTreeMap::new(),
            ways: BTreeMap::new(),
            past: Vec::new(),
            net: Network::default(),
            signer: Signer::Signs,
            verifier: 5,
            answered: VecDeque::new(),
            rng,
            signer_rng,
            trace: Trace::new(),
            notes: 0,
            timed: None,
        }
    }

    /// Makes a step happen, and looks whether everything still holds.
    ///
    /// # Panics
    /// When a rule is broken; the message names the seed, the virtual time and the rule.
    pub fn apply(&mut self, step: &Step) {
        self.totals.steps += 1;
        self.trace.tell(self.clock.micros(), step);
        match step {
            Step::Pass { micros } => self.pass(*micros),
            Step::Note { relays } => self.note_elsewhere(*relays),
            Step::Burst(burst) => self.burst(*burst),
            Step::App(app) => self.app(*app),
            Step::Nemesis(nemesis) => self.nemesis(*nemesis),
            Step::Odd(odd) => self.odd(*odd),
        }
        self.check_bounds();
    }

    /// What the device's clocks read, as one who knows that a monotonic clock never goes back takes it.
    pub(super) fn now(&self) -> Now {
        self.clock.now()
    }

    /// Something that will arrive after so many microseconds.
    pub(super) fn after(&self, micros: u64) -> u64 {
        self.clock.micros() + micros
    }

    /// A new, signed event of one of the authors.
    pub(super) fn note(&mut self) -> Event {
        let keys = self.rng.pick(&self.keys).clone();
        let event = self.template().unsigned(keys.public_key()).sign(&keys, [0; 32]);
        self.oracle.answers.made(&event);
        event
    }

    /// The same of another client, which may date it wrongly or let it expire.
    pub(super) fn note_of_others(&mut self) -> Event {
        let keys = self.rng.pick(&self.keys).clone();
        let date = self.clock.date();
        let mut template = self.template();
        if self.rng.one_in(8) {
            template.created_at = date.saturating_add(*self.rng.pick(&[100, 800, 1_000, 100_000]));
            self.totals.fault("event dated ahead");
        }
        if self.rng.one_in(10) {
            let expires = date.as_secs() - 50 + self.rng.below(900) as u64;
            template = template.tag(["expiration", &expires.to_string()]);
            self.totals.fault("event that expires");
        }
        if self.rng.one_in(10) {
            template.kind = EPHEMERAL;
        }
        let event = template.unsigned(keys.public_key()).sign(&keys, [0; 32]);
        self.oracle.answers.made(&event);
        event
    }

    /// Relays hold what is older than any catch-up looks back.
    pub(super) fn fill_archives(&mut self) {
        for _ in 0..self.rng.between(4, 16) {
            let keys = self.rng.pick(&self.keys).clone();
            let (ago, relays) = (self.rng.between(3_600, 500_000) as u64, self.rng.next_u64());
            let mut template = self.template();
            (template.kind, template.tags) = (Kind::TEXT_NOTE, Vec::new());
            template.created_at = template.created_at.saturating_sub(ago);
            let event = template.unsigned(keys.public_key()).sign(&keys, [0; 32]);
            self.oracle.answers.made(&event);
            for relay in (0..self.sites.len()).filter(|n| relays >> n & 1 == 1) {
                self.store(relay, &event);
            }
        }
    }

    /// Other clients publish a lot at once.
    pub(super) fn burst(&mut self, burst: Burst) {
        self.totals.fault("burst of events");
        let (now, author) = (self.clock.date().as_secs(), self.rng.pick(&self.keys).clone());
        for n in 0..u64::from(burst.count) {
            let mut template = self.template();
            if burst.alike {
                (template.kind, template.tags) = (Kind::TEXT_NOTE, Vec::new());
            }
            if n % 8 == 5 {
                template.kind = EPHEMERAL;
            }
            let earlier = if burst.over == 0 { 0 } else { n % (u64::from(burst.over) + 1) };
            let date = now.saturating_add_signed(-i64::from(burst.ago)).saturating_sub(earlier);
            // Later than that, nobody is promised to get it.
            template.created_at = Timestamp::new(if burst.ago > 0 { date.max(now.saturating_sub(LATE)) } else { date });
            let keys = if burst.alike { author.clone() } else { self.rng.pick(&self.keys).clone() };
            let event = template.unsigned(keys.public_key()).sign(&keys, [0; 32]);
            self.oracle.answers.made(&event);
            for relay in 0..self.sites.len() {
                if burst.relays >> (relay % 8) & 1 == 1 {
                    self.store(relay, &event);
                }
            }
        }
    }

    /// An event to be, dated truly.
    pub(super) fn template(&mut self) -> EventTemplate {
        self.notes += 1;
        let kind = *self.rng.pick(&[Kind::TEXT_NOTE, Kind::TEXT_NOTE, Kind::REACTION, Kind::new(30_000)]);
        let text = format!("note {} of {}", self.notes, self.plan.seed);
        let template = EventTemplate::new(kind, text, self.clock.date());
        if kind.as_u16() == 30_000 { template.tag(["d", &format!("{}", self.notes % 3)]) } else { template }
    }

    /// What the application publishes, dated truly.
    pub(super) fn template_of(&mut self, note: Note) -> EventTemplate {
        let template = self.template();
        match note {
            Note::Plain => template,
            Note::Expiring(seconds) => {
                let expires = self.now().unix.as_secs() + u64::from(seconds);
                template.tag(["expiration", &expires.to_string()])
            }
            Note::Long(bytes) => {
                let content = template.content.clone() + &"x".repeat(usize::from(bytes));
                EventTemplate { content, ..template }
            }
            Note::Version(3) => EventTemplate { kind: Kind::METADATA, tags: Vec::new(), ..template },
            Note::Version(n) => {
                let template = EventTemplate { kind: Kind::new(30_000), tags: Vec::new(), ..template };
                template.tag(["d", &n.to_string()])
            }
        }
    }

    /// A call of the application.
    pub(super) fn call(&mut self, call: Call) -> Result<Reply, CallError> {
        self.called = true;
        let reply = self.core.handle_call(call, self.clock.read());
        self.settle();
        self.check_timer();
        self.called = false;
        reply
    }

    /// Something happens to the core.
    pub(super) fn input(&mut self, input: Input<'_>) {
        self.totals.inputs += 1;
        self.trace.tell(self.clock.micros(), &input);
        self.core.handle_input(input, self.clock.read());
        self.settle();
        self.check_timer();
    }

    /// The device sleeps: time passes, and nothing happens in it.
    pub(super) fn sleep(&mut self, micros: u64) {
        let from = self.now().mono;
        let end = self.after(micros);
        self.go_to(end);
        let until = self.now().mono;
        self.oracle.publishes.slept(from, until);
        self.oracle.counts.slept(from, until);
    }

    /// Lets so much virtual time pass.
    pub(super) fn pass(&mut self, micros: u64) {
        let end = self.after(micros);
        loop {
            let timer = self.core.poll_timeout().map(|d| self.clock.when(d.at));
            let next = [self.net.next(), timer].into_iter().flatten().min().filter(|at| *at <= end);
            let Some(at) = next else { break };
            self.go_to(at);
            if timer.is_some_and(|t| t <= self.clock.micros()) {
                self.time_out();
            }
            while let Some(arrival) = self.net.arrive(self.clock.micros()) {
                self.arrive(arrival);
            }
        }
        self.go_to(end);
    }

    /// The core handles what is due.
    pub(super) fn time_out(&mut self) {
        self.core.handle_timeout(self.clock.read());
        self.timed = Some(self.now().mono);
        self.check_timer();
        self.settle();
        let now = self.now().mono;
        if let Err(rule) = self.oracle.timed(now) {
            self.check(false, &rule);
        }
    }

    fn go_to(&mut self, micros: u64) {
        if let Some(stood) = self.clock.go_to(micros) {
            let until = self.now().mono;
            self.oracle.publishes.slept(stood, until);
            self.oracle.counts.slept(stood, until);
        }
    }

    /// Once what was due at a time is handled, nothing is due at that time any more.
    fn check_timer(&self) {
        let now = self.now().mono;
        if self.timed == Some(now) {
            let next = self.core.poll_timeout().map(|d| d.at);
            self.check(next.is_none_or(|t| t > now), "a timer is later than now");
        }
    }

    /// Carries out what the core wants, and shows the oracle everything.
    pub(super) fn settle(&mut self) {
        loop {
            if let Some(command) = self.core.poll_command() {
                self.trace.note(self.clock.micros(), &command);
                self.carry_out(command);
            } else if let Some(event) = self.core.poll_event() {
                self.trace.note(self.clock.micros(), &event);
                self.show(&event);
            } else {
                break;
            }
        }
        let unix = self.now().unix.as_secs();
        if let Err(rule) = self.oracle.settled(unix) {
            self.check(false, rule);
        }
    }

    /// Ends the run.
    pub fn finish(mut self) -> Outcome {
        self.core.finish();
        self.totals.virtual_micros = self.clock.micros();
        self.harvest();
        Outcome { trace: self.trace.digest(), totals: self.totals, delivered: self.delivered }
    }

    /// Adds up what this pool did.
    pub(super) fn harvest(&mut self) {
        let stats = self.core.stats();
        self.totals.delivered += self.oracle.delivered();
        self.totals.duplicates += stats.duplicates;
        self.totals.forged += stats.forged;
        self.totals.verdicts += self.oracle.publishes.verdicts();
        self.totals.counted += self.oracle.counts.told();
        for _ in 0..self.oracle.auths.answers() {
            self.totals.fault("relay that wants to know who asks");
        }
        self.totals.reached += self.oracle.publishes.reached();
        self.totals.complete += self.oracle.complete();
        for _ in 0..self.oracle.watch.quarantines.begun() {
            self.totals.fault("relay quarantined");
        }
    }

    pub(super) fn check(&self, holds: bool, rule: &str) {
        let (seed, micros) = (self.plan.seed, self.clock.micros());
        let relays = || self.sites.iter().map(|site| (site.persona, site.faults.faults())).collect::<Vec<_>>();
        assert!(holds, "SIM_SEED={seed} at {micros} µs: broken: {rule}; relays: {:?}", relays());
    }
}
