//! The world of these tests, and the relays and events that they share.

use std::time::Duration;

use nostr_pool_core::*;
use nostr_proto::{Event, EventId, EventTemplate, Filter, Keys, Kind, RelayInfo, RelayUrl, Timestamp, UnsignedEvent};

pub(crate) const EPOCH: u64 = 1_700_000_000;

/// A core, and everything outside of it.
pub(crate) struct World {
    pub(crate) core: Core,
    ms: u64,
    pub(crate) commands: Vec<Command>,
    pub(crate) events: Vec<PoolEvent>,
}

impl World {
    /// With relays 0 to n, all connected.
    pub(crate) fn with(relays: usize, config: &Config) -> Self {
        let config = Config { backoff_jitter: Duration::ZERO, ..config.clone() };
        let now = Now { mono: Instant::ZERO, unix: Timestamp::new(EPOCH) };
        let mut world = Self { core: Core::new(config, [7; 32], now), ms: 0, commands: vec![], events: vec![] };
        for n in 0..relays {
            world.call(Call::AddRelay { url: url(n), options: RelayOptions::default() }).unwrap();
        }
        world.call(Call::Connect { which: Which::All }).unwrap();
        for n in 0..relays {
            world.open(n);
        }
        world
    }

    pub(crate) fn now(&self) -> Now {
        Now { mono: Instant::from_micros(self.ms * 1_000), unix: Timestamp::new(EPOCH + self.ms / 1_000) }
    }

    fn drain(&mut self) {
        while let Some(command) = self.core.poll_command() {
            self.commands.push(command);
        }
        while let Some(event) = self.core.poll_event() {
            self.events.push(event);
        }
    }

    pub(crate) fn call(&mut self, call: Call) -> Result<Reply, CallError> {
        let reply = self.core.handle_call(call, self.now());
        self.drain();
        reply
    }

    pub(crate) fn input(&mut self, input: Input<'_>) {
        self.core.handle_input(input, self.now());
        self.drain();
    }

    pub(crate) fn pass(&mut self, ms: u64) {
        let end = self.ms + ms;
        while let Some(at) = self.core.poll_timeout().map(|d| d.at.as_micros().div_ceil(1_000)).filter(|at| *at <= end)
        {
            self.ms = self.ms.max(at);
            self.core.handle_timeout(self.now());
            self.drain();
        }
        self.ms = end;
    }

    pub(crate) fn socket(&self, n: usize) -> SocketId {
        let opened = self.commands.iter().rev().find_map(|c| match c {
            Command::Open { socket, url: to, .. } if *to == url(n) => Some(*socket),
            _ => None,
        });
        opened.expect("it was dialled")
    }

    pub(crate) fn open(&mut self, n: usize) {
        let socket = self.socket(n);
        self.input(Input::Opened { socket });
    }

    /// The sink takes everything.
    pub(crate) fn take(&mut self, n: usize) {
        let socket = self.socket(n);
        for _ in 0..64 {
            self.input(Input::Sent { socket });
        }
    }

    pub(crate) fn text(&mut self, n: usize, frame: &str) {
        let socket = self.socket(n);
        self.input(Input::Text { socket, frame });
    }

    pub(crate) fn ok(&mut self, n: usize, event: EventId, accepted: bool, reason: &str) {
        self.text(n, &format!(r#"["OK","{event}",{accepted},"{reason}"]"#));
    }

    /// The connection ends, and the next one opens.
    pub(crate) fn end(&mut self, n: usize, reason: CloseReason) {
        let socket = self.socket(n);
        self.input(Input::Closed { socket, reason });
        for _ in 0..700 {
            if self.socket(n) != socket {
                return self.open(n);
            }
            self.pass(100);
        }
    }

    /// The events that were sent to a relay since this was asked last.
    pub(crate) fn sent(&mut self, n: usize) -> Vec<EventId> {
        let mut sent = Vec::new();
        self.commands.retain(|c| match c {
            Command::Send { socket, frame } if frame.starts_with("[\"EVENT\"") && socket.slot() as usize == n => {
                sent.push(Event::from_json(&frame[9..frame.len() - 1]).unwrap().id());
                false
            }
            _ => true,
        });
        sent
    }

    pub(crate) fn publish(&mut self, event: &Event, quorum: Quorum) -> PublishId {
        let call = Publish { event: event.clone(), target: Target::All, quorum, deadline: None, link: None };
        id(self.call(Call::Publish(call)).unwrap())
    }

    pub(crate) fn publish_unsigned(
        &mut self,
        event: &UnsignedEvent,
        link: Option<PublishId>,
    ) -> Result<PublishId, CallError> {
        let (event, target, quorum) = (event.clone(), Target::All, Quorum::All);
        self.call(Call::PublishUnsigned(PublishUnsigned { event, target, quorum, deadline: None, link })).map(id)
    }

    /// The signer and the verifier answer.
    pub(crate) fn sign(&mut self) {
        self.sign_only();
        self.verify();
    }

    /// The signer answers.
    pub(crate) fn sign_only(&mut self) {
        let Some(at) = self.commands.iter().position(|c| matches!(c, Command::Sign { .. })) else {
            panic!("not asked")
        };
        let Command::Sign { ticket, event } = self.commands.remove(at) else { unreachable!() };
        self.input(Input::Signed { ticket, outcome: Ok(event.sign(&keys(), [0; 32])) });
    }

    pub(crate) fn verify(&mut self) {
        while let Some(at) = self.commands.iter().position(|c| matches!(c, Command::Verify { .. })) {
            let Command::Verify { ticket, event } = self.commands.remove(at) else { unreachable!() };
            let outcome = nostr_proto::verify(&event);
            self.input(Input::Verified { ticket, outcome });
        }
    }

    pub(crate) fn subscribe(&mut self) -> SubId {
        let (filters, target, mode) = (vec![Filter::new()], Target::All, Mode::Live);
        match self.call(Call::Subscribe(Subscribe {
            filters,
            target,
            mode,
            versions: Versions::Latest,
            ..Subscribe::default()
        })) {
            Ok(Reply::Subscribed(sub)) => sub,
            other => panic!("{other:?}"),
        }
    }

    /// A relay sends an event to a subscription that is the only one.
    pub(crate) fn relay_sends(&mut self, n: usize, event: &Event) {
        let wire = self.commands.iter().rev().find_map(|c| match c {
            Command::Send { socket, frame } if frame.starts_with("[\"REQ\"") && socket.slot() as usize == n => {
                Some(frame.split('"').nth(3).unwrap().to_owned())
            }
            _ => None,
        });
        self.text(n, &format!(r#"["EVENT","{}",{}]"#, wire.unwrap(), event.to_json()));
        self.verify();
    }

    pub(crate) fn status(&self, publish: PublishId, n: usize) -> PublishStatus {
        let report = self.core.publish_report(publish).unwrap();
        report.relays.into_iter().find(|(relay, _)| *relay == url(n)).unwrap().1
    }

    pub(crate) fn report(&self, publish: PublishId) -> PublishReport {
        self.core.publish_report(publish).unwrap()
    }

    /// What was told of pending events, and what to roll back to.
    pub(crate) fn fates(&self) -> Vec<(EventId, PendingOutcome, Option<EventId>)> {
        let resolved = |e: &PoolEvent| match e {
            PoolEvent::Item { item: Item::Resolved { event, outcome, back_to }, .. } => {
                Some((*event, outcome.clone(), back_to.as_ref().map(|e| e.id())))
            }
            _ => None,
        };
        self.events.iter().filter_map(resolved).collect()
    }
}

pub(crate) fn id(reply: Reply) -> PublishId {
    match reply {
        Reply::Publishing(id, _) => id,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn url(n: usize) -> RelayUrl {
    RelayUrl::parse(&format!("wss://r{n}.example.com")).unwrap()
}

pub(crate) fn keys() -> Keys {
    Keys::from_entropy([1; 32]).unwrap()
}

pub(crate) fn unsigned(content: impl Into<String>) -> UnsignedEvent {
    EventTemplate::text_note(content, Timestamp::new(EPOCH)).unsigned(keys().public_key())
}

pub(crate) fn note(content: impl Into<String>) -> Event {
    unsigned(content).sign(&keys(), [0; 32])
}

/// A version of a replaceable event.
pub(crate) fn profile(at: u64) -> UnsignedEvent {
    EventTemplate::new(Kind::METADATA, format!("{{\"name\":\"{at}\"}}"), Timestamp::new(EPOCH + at))
        .unsigned(keys().public_key())
}

pub(crate) fn info(max: u64) -> Box<RelayInfo> {
    let json = format!(r#"{{"limitation":{{"max_message_length":{max}}}}}"#);
    Box::new(RelayInfo::from_json(&json).unwrap())
}

pub(crate) fn remote(code: u16) -> CloseReason {
    CloseReason::Remote { code, reason: String::new() }
}

pub(crate) fn reset() -> CloseReason {
    CloseReason::Error("reset".into())
}

pub(crate) const SUSPECT: PublishStatus = PublishStatus::Rejected(Rejection::Suspect);
