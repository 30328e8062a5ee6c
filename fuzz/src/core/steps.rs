//! The steps: what each byte makes happen.

use std::collections::BTreeMap;
use std::time::Duration;

use nostr_pool_core::{
    Acknowledge, AuthPolicy, Call, Checkpoint, CloseReason, Command, Config, Core, Gap, GapCause, Group, History,
    Input, Instant, Mode, Now, Publish, PublishId, PublishUnsigned, Quorum, ReconnectOptions, RelayOptions, Reply,
    SocketId, SubId, Subscribe, Target, Ticket, Versions, Which,
};
use nostr_proto::{BadSignature, EventId, Kind, Proof, RelayInfo, RelayUrl, Timestamp, UnsignedEvent};

use super::bytes::Bytes;
use super::fixtures::{EPOCH, Fixtures, Sample, fixtures};
use super::sockets::{Sockets, State};
use super::watch::Watch;

const DEADLINE: Duration = Duration::from_secs(20);

/// A core, and the driver, relays and application around it.
pub(crate) struct Harness {
    core: Core,
    config: Config,
    now: Now,
    sockets: Sockets,
    watch: Watch,
    verify: Vec<(Ticket, EventId, bool)>,
    sign: Vec<(Ticket, EventId)>,
    /// Answers to challenges that are to be signed; and the proofs of those that were.
    auth: Vec<(Ticket, UnsignedEvent)>,
    proofs: BTreeMap<EventId, Proof>,
    /// The last AUTH that was signed.
    last_auth: Option<EventId>,
    subs: Vec<SubId>,
    /// The last one.
    checkpoint: Option<Checkpoint>,
    publishes: Vec<PublishId>,
    closed: bool,
    /// Everything that came out, for comparison.
    log: Vec<String>,
}

impl Harness {
    pub(crate) fn new(seed: u8) -> Self {
        let config = Config {
            max_connections: 3,
            max_subscriptions: 6,
            max_publishes: 1_000,
            queue_items: 4,
            max_in_flight_per_relay: 8,
            send_credits: 3,
            auth: [AuthPolicy::Never, AuthPolicy::Ask, AuthPolicy::Always][usize::from(seed % 3)],
            identity: Some(fixtures().keys.public_key()),
            ..Config::default()
        };
        let now = Now { mono: Instant::from_micros(1), unix: Timestamp::new(EPOCH + 60) };
        Self {
            core: Core::new(config.clone(), [seed; 32], now),
            config,
            now,
            sockets: Sockets::default(),
            watch: Watch::default(),
            verify: Vec::new(),
            sign: Vec::new(),
            auth: Vec::new(),
            proofs: BTreeMap::new(),
            last_auth: None,
            subs: Vec::new(),
            checkpoint: None,
            publishes: Vec::new(),
            closed: false,
            log: Vec::new(),
        }
    }

    pub(crate) fn step(&mut self, bytes: &mut Bytes<'_>) {
        match bytes.next() % 32 {
            0..=2 => self.call(bytes),
            3..=7 => self.dialled(bytes),
            8..=19 => self.frame(bytes),
            20..=29 => self.answer(bytes),
            30 => self.odd_input(bytes),
            _ => self.wait(bytes),
        }
        self.drain();
    }

    /// Ends everything and tells what came out.
    pub(crate) fn finish(mut self) -> Vec<String> {
        if !self.closed {
            self.core.handle_call(Call::Shutdown, self.now).expect("a core that is not shut down can be");
            self.closed = true;
        }
        self.drain();
        for socket in self.sockets.ids() {
            self.gone(socket);
        }
        self.drain();
        // Every question is answered. A bad signature leads to the next copy of its event, so there may be more.
        let mut answered = 0;
        while let Some((ticket, id, _)) = self.verify.pop() {
            self.core.handle_input(Input::Verified { ticket, outcome: Err(BadSignature { id }) }, self.now);
            self.drain();
            answered += 1;
            assert!(answered < 10_000, "the core goes on asking after the end");
        }
        self.watch.all_over();
        self.log
    }

    fn drain(&mut self) {
        while let Some(command) = self.core.poll_command() {
            self.log.push(format!("{command:?}"));
            let dials = matches!(command, Command::Open { .. });
            assert!(!(self.closed && dials), "{command:?} after the shutdown");
            self.sockets.command(&command, &self.config);
            match command {
                Command::Verify { ticket, event } => {
                    let samples = &fixtures().samples;
                    let genuine = samples.iter().any(|sample| sample.event.signature() == event.signature());
                    if event.kind() == Kind::AUTH {
                        self.proofs.extend(nostr_proto::verify(&event).map(|proof| (event.id(), proof)));
                    }
                    self.verify.push((ticket, event.id(), genuine));
                }
                Command::Sign { ticket, event } => self.sign.push((ticket, event.id())),
                Command::SignAuth { ticket, relay, event } => {
                    assert_eq!(
                        event.tags().value_of("relay"),
                        Some(relay.as_str()),
                        "a challenge is answered for its relay"
                    );
                    assert_ne!(self.config.auth, AuthPolicy::Never, "nothing is signed without consent");
                    self.auth.push((ticket, event));
                }
                _ => {}
            }
        }
        while let Some(event) = self.core.poll_event() {
            self.log.push(format!("{event:?}"));
            self.watch.event(&event);
        }
    }

    /// A call of the application.
    fn call(&mut self, bytes: &mut Bytes<'_>) {
        let Fixtures { relays, samples, filters, .. } = fixtures();
        let (Some(relay), Some(sample)) = (bytes.pick(relays), bytes.pick(samples)) else { return };
        let (url, deadline) = (relay.clone(), Some(DEADLINE));
        // What tears down is rare, or nothing would ever be up.
        let call = match bytes.next() % 40 {
            0..=4 => Call::AddRelay { url, options: RelayOptions::default() },
            5 => Call::RemoveRelay { url },
            6 => Call::Connect { which: Which::All },
            7 => Call::Disconnect { which: Which::One(url), code: 1000, reason: "é".repeat(100) },
            8 => Call::Reconnect { which: Which::One(url), options: ReconnectOptions::default() },
            9 => Call::NetworkChanged,
            10..=19 => {
                let filters = bytes.pick(filters).cloned().into_iter().collect();
                let mode = if bytes.once_in(2) { Mode::Live } else { Mode::UntilEose };
                let target = target(bytes, relay);
                let versions = if bytes.once_in(4) { Versions::All } else { Versions::Latest };
                let history = if bytes.once_in(4) { History::All } else { History::FirstLoad };
                let acknowledge = if bytes.once_in(4) { Acknowledge::ByHand } else { Acknowledge::ByNext };
                let resume = if bytes.once_in(2) { self.checkpoint.clone() } else { None };
                let second = Duration::from_secs(1);
                let groups = [Group::Tick, Group::Alone, Group::AtLeast(second), Group::AtMost(second)];
                let group = bytes.pick(&groups).copied().unwrap_or_default();
                let (eose_deadline, queue_items) = (None, None);
                Call::Subscribe(Subscribe {
                    filters,
                    target,
                    mode,
                    eose_deadline,
                    queue_items,
                    versions,
                    history,
                    acknowledge,
                    resume,
                    group,
                })
            }
            20..=27 => {
                let quorum = [Quorum::First, Quorum::All, Quorum::AtLeast(2), Quorum::Majority];
                let quorum = bytes.pick(&quorum).cloned().unwrap_or_default();
                let target = target(bytes, relay);
                let link = if bytes.once_in(8) { self.publishes.last().copied() } else { None };
                Call::Publish(Publish { event: sample.event.clone(), target, quorum, deadline, link })
            }
            28..=30 => {
                let event = sample.unsigned.clone();
                Call::PublishUnsigned(PublishUnsigned {
                    event,
                    target: Target::All,
                    quorum: Quorum::First,
                    deadline,
                    link: None,
                })
            }
            31 | 32 => Call::Retry { event: sample.event.id(), deadline },
            33..=37 => return self.on_sub_or_publish(bytes),
            38 if bytes.once_in(2) => Call::StartClean,
            38 if bytes.once_in(2) => Call::DenyAuth { url },
            38 if self.config.auth == AuthPolicy::Ask => Call::Authenticate { url, identity: None },
            // Shutting down ends the fun, so it takes a rare byte.
            _ if bytes.next() == 255 => Call::Shutdown,
            _ => Call::Connect { which: Which::One(url) },
        };
        self.make(call);
    }

    fn on_sub_or_publish(&mut self, bytes: &mut Bytes<'_>) {
        let what = bytes.next() % 9;
        if what == 4 {
            if let Some(url) = bytes.pick(&fixtures().relays).cloned() {
                let max = u64::from(bytes.next()) * 16;
                let info = RelayInfo::from_json(&format!("{{\"limitation\":{{\"max_message_length\":{max}}}}}"));
                self.make(Call::RelayInfo { url, info: Box::new(info.expect("it is a document")) });
            }
            return;
        }
        if what == 3 {
            if let Some(publish) = bytes.pick(&self.publishes).copied() {
                self.make(Call::Cancel { publish });
            }
            return;
        }
        let Some(sub) = bytes.pick(&self.subs).copied() else { return };
        match what {
            0 => self.make(Call::Unsubscribe { sub }),
            1 => {
                let filters = bytes.pick(&fixtures().filters).cloned().into_iter().collect();
                self.make(Call::Update { sub, filters });
            }
            5 => {
                let Some(relay) = bytes.pick(&fixtures().relays) else { return };
                let target = target(bytes, relay);
                self.make(Call::Retarget { sub, target });
            }
            6 => {
                let since = Timestamp::new(EPOCH + 60 - u64::from(bytes.next()));
                let relay = bytes.pick(&fixtures().relays).cloned().filter(|_| since.as_secs().is_multiple_of(2));
                let gap = Gap { relay, since: Some(since), until: None, cause: GapCause::Budget };
                self.make(Call::Refill { sub, gap });
            }
            7 => self.make(Call::Acknowledge { sub, seq: u64::from(bytes.next() % 8) }),
            8 => self.make(Call::Checkpoint { sub }),
            _ => {
                let items = self.watch.queued(sub);
                self.watch.taken(sub, items);
                self.make(Call::Taken { sub, items, bytes: usize::MAX });
            }
        }
    }

    fn make(&mut self, call: Call) {
        let is_shutdown = call == Call::Shutdown;
        let published = match &call {
            Call::Publish(publish) => Some(publish.event.id()),
            Call::PublishUnsigned(publish) => Some(publish.event.id()),
            _ => None,
        };
        if let Some(event) = published {
            self.watch.sent_by(event, None);
        }
        let made = call.clone();
        let reply = self.core.handle_call(call, self.now);
        self.log.push(format!("{reply:?}"));
        let harmless = matches!(made, Call::Shutdown | Call::Taken { .. });
        assert!(!self.closed || harmless || reply.is_err(), "{made:?} was taken after the shutdown");
        match (reply, made) {
            (Ok(Reply::Subscribed(sub)), Call::Subscribe(call)) => {
                let relays = if let Target::Relays(relays) = call.target { Some(relays) } else { None };
                self.watch.subscribed(sub, call.filters, relays);
                self.subs.push(sub);
            }
            (Ok(Reply::Publishing(publish, _)), _) => {
                self.watch.publishing(publish, self.now.mono + DEADLINE);
                self.publishes.push(publish);
            }
            (Ok(Reply::Checkpoint(checkpoint)), _) => {
                let read = Checkpoint::from_json(&checkpoint.to_json());
                assert_eq!(read.as_ref(), Ok(&*checkpoint), "what is written down can be read");
                self.checkpoint = Some(*checkpoint);
            }
            (Ok(Reply::Done), Call::Retarget { sub, target }) => {
                self.watch.retargeted(sub, if let Target::Relays(relays) = target { Some(relays) } else { None });
            }
            (Ok(Reply::Done), Call::Update { sub, filters }) => self.watch.updated(sub, filters),
            _ => {}
        }
        self.closed |= is_shutdown;
    }

    /// A dial succeeds or fails, or a connection ends.
    fn dialled(&mut self, bytes: &mut Bytes<'_>) {
        let Some(id) = bytes.pick(&self.sockets.ids()).copied() else { return };
        let Some(socket) = self.sockets.live.get_mut(&id) else { return };
        let unlucky = bytes.once_in(8);
        match socket.state {
            State::Dialing if !unlucky => {
                socket.state = State::Open;
                self.core.handle_input(Input::Opened { socket: id }, self.now);
            }
            State::Dialing => {
                self.sockets.live.remove(&id);
                let error = "no route".to_owned();
                self.core.handle_input(Input::OpenFailed { socket: id, error }, self.now);
            }
            State::Open if !unlucky => {}
            State::Open | State::Closing => self.gone(id),
        }
    }

    fn gone(&mut self, id: SocketId) {
        let Some(socket) = self.sockets.live.remove(&id) else { return };
        let reason = match socket.state {
            State::Closing => CloseReason::Local,
            State::Open | State::Dialing => CloseReason::Remote { code: 1006, reason: "bye".to_owned() },
        };
        self.core.handle_input(Input::Closed { socket: id, reason }, self.now);
    }

    /// A relay says something.
    fn frame(&mut self, bytes: &mut Bytes<'_>) {
        let open: Vec<SocketId> =
            self.sockets.live.iter().filter(|(_, s)| s.state != State::Dialing).map(|(id, _)| *id).collect();
        let Some(id) = bytes.pick(&open).copied() else { return };
        let Some(socket) = self.sockets.live.get(&id) else { return };
        let request = bytes.pick(&socket.requests).cloned().unwrap_or_else(|| "p0".to_owned());
        let url = socket.url.clone();
        let Some(sample) = bytes.pick(&fixtures().samples) else { return };
        let frame = self.words(bytes, &request, sample, url);
        self.core.handle_input(Input::Text { socket: id, frame: &frame }, self.now);
    }

    fn words(&mut self, bytes: &mut Bytes<'_>, request: &str, sample: &Sample, url: RelayUrl) -> String {
        let id = sample.event.id();
        let what = bytes.next() % 16;
        if what <= 6 {
            // A forged copy of what is known already says no more than that this relay has the event, too.
            self.watch.sent_by(id, Some(url));
        }
        match what {
            0..=4 => format!(r#"["EVENT","{request}",{}]"#, sample.json),
            5 => format!(r#"["EVENT","{request}",{}]"#, sample.bad_signature),
            6 => format!(r#"["EVENT","{request}",{}]"#, sample.bad_content),
            7 => format!(r#"["EOSE","{request}"]"#),
            8 => format!(r#"["OK","{id}",true,""]"#),
            9 => format!(r#"["OK","{id}",true,"duplicate: "]"#),
            10 => {
                let reason = bytes.pick(&["blocked: no", "rate-limited: slow", "error: x", "", "auth-required: who"]);
                format!(r#"["OK","{id}",false,"{}"]"#, reason.copied().unwrap_or_default())
            }
            11 => {
                let reason =
                    bytes.pick(&["rate-limited: slow", "error: x", "restricted: no", "auth-required: who", ""]);
                format!(r#"["CLOSED","{request}","{}"]"#, reason.copied().unwrap_or_default())
            }
            12 => r#"["NOTICE","\u001b[31mslow down"]"#.to_owned(),
            13 => match (bytes.next(), self.last_auth) {
                (n @ 0..=127, Some(id)) => format!(r#"["OK","{id}",{},""]"#, n % 4 != 0),
                (n, _) => format!(r#"["AUTH","challenge {}"]"#, n % 4),
            },
            14 => format!(r#"["EOSE","{request}",["finish"]]"#),
            _ => String::from_utf8_lossy(bytes.take(40)).into_owned(),
        }
    }

    /// The driver answers a question or a send.
    fn answer(&mut self, bytes: &mut Bytes<'_>) {
        if bytes.once_in(4) {
            let Some(id) = bytes.pick(&self.sockets.ids()).copied() else { return };
            let Some(socket) = self.sockets.live.get_mut(&id) else { return };
            if let Some(less) = socket.unsent.checked_sub(1) {
                socket.unsent = less;
                self.core.handle_input(Input::Sent { socket: id }, self.now);
            }
            return;
        }
        let which = usize::from(bytes.next());
        if let Some(at) = which.checked_rem(self.verify.len()) {
            let (ticket, event, genuine) = self.verify.remove(at);
            let outcome = match self.proofs.get(&event) {
                Some(proof) => Ok(*proof),
                None if genuine => proof(event),
                None => Err(BadSignature { id: event }),
            };
            self.core.handle_input(Input::Verified { ticket, outcome }, self.now);
        } else if let Some(at) = which.checked_rem(self.sign.len()) {
            let (ticket, event) = self.sign.remove(at);
            let signed = fixtures().samples.iter().find(|sample| sample.event.id() == event);
            let outcome = signed.filter(|_| which < 200).map(|s| s.event.clone()).ok_or_else(|| "refused".to_owned());
            self.core.handle_input(Input::Signed { ticket, outcome }, self.now);
        } else if let Some(at) = which.checked_rem(self.auth.len()) {
            let (ticket, event) = self.auth.remove(at);
            self.last_auth = Some(event.id());
            let signed = event.sign(&fixtures().keys, [7; 32]);
            let outcome = if which < 200 { Ok(signed) } else { Err("refused".to_owned()) };
            self.core.handle_input(Input::Signed { ticket, outcome }, self.now);
        }
    }

    /// What no driver should do, and what must do no harm.
    fn odd_input(&mut self, bytes: &mut Bytes<'_>) {
        let socket = SocketId::new(u32::from(bytes.next() % 4), 1_000_000 + u32::from(bytes.next()));
        let ticket = Ticket::from_u64(u64::MAX - u64::from(bytes.next()));
        let input = match bytes.next() % 8 {
            0 => Input::Opened { socket },
            1 => Input::OpenFailed { socket, error: String::new() },
            2 => Input::Text { socket, frame: "[\"EOSE\",\"p1\"]" },
            3 => Input::Binary { socket },
            4 => Input::Pong { socket },
            5 => Input::Sent { socket },
            6 => Input::Closed { socket, reason: CloseReason::TooLarge },
            _ => Input::Verified { ticket, outcome: Err(BadSignature { id: EventId::from_bytes([0; 32]) }) },
        };
        self.core.handle_input(input, self.now);
    }

    /// Time passes: a little, until the next deadline, or a lot; the wall clock may jump.
    fn wait(&mut self, bytes: &mut Bytes<'_>) {
        let length = bytes.next();
        let until_deadline = self.core.poll_timeout().map(|deadline| deadline.at.saturating_since(self.now.mono));
        let passed = match length % 4 {
            0 | 1 => Duration::from_millis(u64::from(length)),
            2 => until_deadline.unwrap_or(Duration::from_millis(1)),
            _ => Duration::from_secs(u64::from(length)),
        };
        self.now.mono = self.now.mono + passed;
        let seconds = passed.as_secs();
        self.now.unix = match bytes.next() {
            255 => Timestamp::new(EPOCH - 10_000),
            _ => Timestamp::new(self.now.unix.as_secs() + seconds),
        };
        self.timeout();
        self.drain();
        self.watch.time_is(self.now.mono);
    }
    /// Tells the core the time as a driver does: again for as long as it wants to be woken at once.
    fn timeout(&mut self) {
        const AT_ONCE: Duration = Duration::from_micros(1);
        for _ in 0..100 {
            self.core.handle_timeout(self.now);
            let Some(deadline) = self.core.poll_timeout() else { return };
            assert!(deadline.at > self.now.mono, "the deadline {deadline:?} is not after {:?}", self.now.mono);
            if deadline.at > self.now.mono + AT_ONCE {
                return;
            }
            self.now.mono = self.now.mono + AT_ONCE;
        }
        assert!(self.core.poll_timeout().is_none(), "the core wants to be woken for ever");
    }
}

fn target(bytes: &mut Bytes<'_>, relay: &RelayUrl) -> Target {
    if bytes.once_in(3) { Target::Relays(vec![relay.clone()]) } else { Target::All }
}

fn proof(event: EventId) -> Result<Proof, BadSignature> {
    let sample = fixtures().samples.iter().find(|sample| sample.event.id() == event);
    sample.map(|sample| sample.proof).ok_or(BadSignature { id: event })
}
