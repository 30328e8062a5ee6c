//! Recordings of small runs, each with a few kinds of steps.

use nostr_pool_core::recording::{Ended, Recorder};
use nostr_pool_core::{
    AuthPolicy, Call, CloseReason, Command, Config, Core, Gap, GapCause, Input, Instant, Now, PoolEvent, Publish,
    PublishId, PublishUnsigned, Quorum, ReconnectOptions, RelayOptions, SocketId, SubId, Subscribe, Target, Which,
};
use nostr_proto::{Event, EventTemplate, Filter, Keys, Kind, RelayInfo, RelayUrl, Timestamp, verify};

const SUB: SubId = SubId::from_u64(0);

/// A core that is recorded, one second a step.
struct Run {
    core: Core,
    recorder: Recorder<Vec<u8>>,
    seconds: u64,
}

impl Run {
    fn new() -> Self {
        let (config, seed, now) = (Config { auth: AuthPolicy::Always, ..Config::default() }, [7; 32], at(0));
        let recorder = Recorder::new(Vec::new(), u64::MAX, &config, &seed, now);
        Self { core: Core::new(config, seed, now), recorder, seconds: 0 }
    }

    fn now(&mut self) -> Now {
        self.seconds += 1;
        at(self.seconds)
    }

    fn call(&mut self, call: Call) {
        let now = self.now();
        // Calls that fail are recorded like others.
        let _ = self.recorder.call(&mut self.core, call, now);
    }

    fn input(&mut self, input: Input<'_>) {
        let now = self.now();
        self.recorder.input(&mut self.core, input, now);
    }

    fn timeout(&mut self) {
        let now = self.now();
        self.recorder.timeout(&mut self.core, now);
    }

    /// A relay that is connected, with a subscription.
    fn connected() -> (Self, SocketId) {
        let mut run = Self::new();
        run.call(Call::AddRelay { url: url(), options: RelayOptions::default() });
        let filters = vec![Filter::new().kind(Kind::TEXT_NOTE).tag('t', "x").limit(3)];
        run.call(Call::Subscribe(Subscribe { filters, ..Subscribe::default() }));
        let socket = SocketId::new(0, 1);
        run.input(Input::Opened { socket });
        (run, socket)
    }

    /// Answers what the core asks.
    fn answer(&mut self) {
        while let Some(command) = self.core.poll_command() {
            match command {
                Command::Verify { ticket, event } => self.input(Input::Verified { ticket, outcome: verify(&event) }),
                Command::Sign { ticket, event } | Command::SignAuth { ticket, event, .. } => {
                    self.input(Input::Signed { ticket, outcome: Ok(event.sign(&keys(), [0; 32])) });
                }
                _ => {}
            }
        }
        let _: Vec<PoolEvent> = std::iter::from_fn(|| self.core.poll_event()).collect();
    }

    fn end(mut self) -> Vec<u8> {
        self.recorder.end(Ended::Closed);
        self.recorder.into_tape()
    }
}

fn at(seconds: u64) -> Now {
    Now { mono: Instant::from_micros(seconds * 1_000_000), unix: Timestamp::new(1_750_000_000 + seconds) }
}

fn url() -> RelayUrl {
    RelayUrl::parse("wss://a.example").expect("a valid URL")
}

fn keys() -> Keys {
    Keys::from_entropy([3; 32]).expect("a small number is a valid key")
}

fn template() -> EventTemplate {
    EventTemplate::text_note("hello", Timestamp::new(1_750_000_000)).tag(["t", "x"])
}

fn note() -> Event {
    keys().sign(&template(), [0; 32])
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let (mut reads, socket) = Run::connected();
    reads.input(Input::Text { socket, frame: &format!("[\"EVENT\",\"p0\",{}]", note()) });
    reads.answer();
    reads.input(Input::Text { socket, frame: "[\"EOSE\",\"p0\"]" });
    reads.call(Call::Taken { sub: SUB, items: 1, bytes: 300 });
    reads.call(Call::Checkpoint { sub: SUB });
    let whole = reads.end();

    let (mut publishes, socket) = Run::connected();
    let (target, quorum) = (Target::All, Quorum::Percent(60));
    publishes.call(Call::Publish(Publish {
        event: note(),
        target: target.clone(),
        quorum,
        deadline: None,
        link: None,
    }));
    let (event, quorum) = (template().unsigned(keys().public_key()), Quorum::Named(vec![url()]));
    publishes.call(Call::PublishUnsigned(PublishUnsigned { event, target, quorum, deadline: None, link: None }));
    publishes.answer();
    publishes.input(Input::Sent { socket });
    publishes.input(Input::Text { socket, frame: &format!("[\"OK\",\"{}\",true,\"\"]", note().id()) });
    publishes.call(Call::Cancel { publish: PublishId::from_u64(1) });
    publishes.call(Call::Retry { event: note().id(), deadline: None });

    let (mut auths, socket) = Run::connected();
    auths.input(Input::Text { socket, frame: "[\"AUTH\",\"challenge\"]" });
    auths.call(Call::Authenticate { url: url(), identity: Some(keys().public_key()) });
    auths.answer();
    auths.call(Call::DenyAuth { url: url() });

    let (mut odd, socket) = Run::connected();
    odd.input(Input::Binary { socket });
    odd.input(Input::Ping { socket });
    odd.input(Input::Pong { socket });
    odd.input(Input::OpenFailed { socket: SocketId::new(0, 2), error: "refused".into() });
    odd.input(Input::Closed { socket, reason: CloseReason::Remote { code: 1001, reason: "bye".into() } });
    odd.timeout();
    odd.call(Call::Reconnect { which: Which::All, options: ReconnectOptions::default() });
    odd.call(Call::NetworkChanged);

    let (mut changes, _) = Run::connected();
    changes.call(Call::Update { sub: SUB, filters: vec![Filter::new().search("words")] });
    changes.call(Call::Retarget { sub: SUB, target: Target::Hinted(vec![url()]) });
    let gap = Gap { relay: Some(url()), since: None, until: Some(Timestamp::new(5)), cause: GapCause::Budget };
    changes.call(Call::Refill { sub: SUB, gap });
    let info = RelayInfo { name: Some("a".into()), supported_nips: vec![1, 11], ..RelayInfo::default() };
    changes.call(Call::RelayInfo { url: url(), info: Box::new(info) });
    changes.call(Call::Disconnect { which: Which::One(url()), code: 1000, reason: String::new() });
    changes.call(Call::RemoveRelay { url: url() });
    changes.call(Call::StartClean);
    changes.call(Call::Shutdown);

    let broken_off = whole[..whole.len() - 40].to_vec();
    vec![whole, publishes.end(), auths.end(), odd.end(), changes.end(), Run::new().end(), broken_off]
}
