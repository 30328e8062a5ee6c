//! The bench of these tests, and the relays, filters and frames that they share.

use std::time::Duration;

use nostr_pool_core::*;
use nostr_proto::{Event, EventId, EventTemplate, Filter, Keys, Kind, RelayUrl, Timestamp, UnsignedEvent};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn keys() -> Keys {
    Keys::from_entropy([7; 32]).unwrap()
}

pub(crate) fn url(n: usize) -> RelayUrl {
    RelayUrl::parse(&format!("wss://relay{n}.example.com")).unwrap()
}

pub(crate) fn config(auth: AuthPolicy) -> Config {
    Config { auth, identity: Some(keys().public_key()), ..Config::default() }
}

pub(crate) fn notes() -> Filter {
    Filter::new().kind(Kind::TEXT_NOTE)
}

pub(crate) fn gift_wraps() -> Filter {
    Filter::new().kind(Kind::GIFT_WRAP)
}

/// A core whose sockets take everything at once, and whose signer answers when told to.
pub(crate) struct Bench {
    pub(crate) core: Core,
    pub(crate) now: Now,
    pub(crate) commands: Vec<Command>,
    pub(crate) events: Vec<PoolEvent>,
}

impl Bench {
    pub(crate) fn new(config: Config) -> Self {
        let now = Now { mono: Instant::ZERO, unix: Timestamp::new(1_700_000_000) };
        Self { core: Core::new(config, [7; 32], now), now, commands: vec![], events: vec![] }
    }

    /// One that is connected to a relay, as the application added it.
    pub(crate) fn connected(config: Config, options: RelayOptions) -> (Self, SocketId) {
        let mut b = Self::new(config);
        b.call(Call::AddRelay { url: url(0), options }).unwrap();
        b.call(Call::Connect { which: Which::All }).unwrap();
        let socket = b.open(0);
        (b, socket)
    }

    pub(crate) fn call(&mut self, call: Call) -> Result<Reply, CallError> {
        let reply = self.core.handle_call(call, self.now);
        self.drain();
        reply
    }

    pub(crate) fn input(&mut self, input: Input<'_>) {
        self.core.handle_input(input, self.now);
        self.drain();
    }

    pub(crate) fn drain(&mut self) {
        loop {
            if let Some(command) = self.core.poll_command() {
                if let Command::Send { socket, .. } | Command::Ping { socket } = command {
                    self.core.handle_input(Input::Sent { socket }, self.now);
                }
                if let Command::Verify { ticket, event } = command {
                    let outcome = nostr_proto::verify(&event);
                    self.core.handle_input(Input::Verified { ticket, outcome }, self.now);
                } else {
                    self.commands.push(command);
                }
            } else if let Some(event) = self.core.poll_event() {
                if let PoolEvent::Item { sub, item } = &event {
                    let taken = Call::Taken { sub: *sub, items: 1, bytes: item.bytes() };
                    self.core.handle_call(taken, self.now).unwrap();
                }
                self.events.push(event);
            } else {
                return;
            }
        }
    }

    pub(crate) fn pass(&mut self, by: Duration) {
        let end = self.now.mono + by;
        while let Some(due) = self.core.poll_timeout().filter(|due| due.at <= end) {
            self.advance(due.at);
            self.core.handle_timeout(self.now);
            self.drain();
        }
        self.advance(end);
    }

    pub(crate) fn advance(&mut self, to: Instant) {
        let micros = to.as_micros();
        self.now = Now { mono: to, unix: Timestamp::new(1_700_000_000 + micros / 1_000_000) };
    }

    pub(crate) fn open(&mut self, n: usize) -> SocketId {
        let dialled = self.commands.iter().rev().find_map(|c| match c {
            Command::Open { socket, url: u, .. } if *u == url(n) => Some(*socket),
            _ => None,
        });
        let socket = dialled.expect("a dial");
        self.input(Input::Opened { socket });
        socket
    }

    pub(crate) fn lose(&mut self, socket: SocketId) {
        self.input(Input::Closed { socket, reason: CloseReason::Error("reset".into()) });
    }

    pub(crate) fn text(&mut self, socket: SocketId, frame: &str) {
        self.input(Input::Text { socket, frame });
    }

    /// What went out since the last look, apart from dials and pings.
    pub(crate) fn sent(&mut self) -> Vec<String> {
        let frames = self.commands.iter().filter_map(|c| match c {
            Command::Send { frame, .. } => Some(frame.to_string()),
            _ => None,
        });
        let frames = frames.collect();
        self.commands.retain(|c| !matches!(c, Command::Send { .. }));
        frames
    }

    /// The names of the requests that went out since the last look; nothing else did.
    pub(crate) fn requests(&mut self) -> Vec<String> {
        let name = |frame: &String| {
            assert!(frame.starts_with("[\"REQ\""), "{frame}");
            frame.split('"').nth(3).unwrap().to_owned()
        };
        self.sent().iter().map(name).collect()
    }

    /// The questions to the signer since the last look.
    pub(crate) fn orders(&mut self) -> Vec<(Ticket, RelayUrl, UnsignedEvent)> {
        let orders = self.commands.iter().filter_map(|c| match c {
            Command::SignAuth { ticket, relay, event } => Some((*ticket, relay.clone(), event.clone())),
            _ => None,
        });
        let orders = orders.collect();
        self.commands.retain(|c| !matches!(c, Command::SignAuth { .. }));
        orders
    }

    /// Signs the one thing that is to be signed; it goes out, and this is its id.
    pub(crate) fn sign(&mut self) -> EventId {
        let orders = self.orders();
        let [(ticket, _, event)] = &orders[..] else { panic!("one thing to sign, not {orders:?}") };
        self.input(Input::Signed { ticket: *ticket, outcome: Ok(event.sign(&keys(), [0; 32])) });
        let sent = self.sent();
        assert!(sent.len() == 1 && sent[0].starts_with("[\"AUTH\""), "{sent:?}");
        event.id()
    }

    /// The same where other things may go out beside it.
    pub(crate) fn sign_among(&mut self) -> EventId {
        let (ticket, _, event) = self.orders().pop().expect("something to sign");
        self.input(Input::Signed { ticket, outcome: Ok(event.sign(&keys(), [0; 32])) });
        event.id()
    }

    pub(crate) fn ok(&mut self, socket: SocketId, id: EventId, accepted: bool, text: &str) {
        self.text(socket, &format!("[\"OK\",\"{id}\",{accepted},\"{text}\"]"));
    }

    pub(crate) fn subscribe(&mut self, filter: Filter, mode: Mode) -> SubId {
        let (filters, target) = (vec![filter], Target::Relays(vec![url(0)]));
        let call =
            // Requests of its own: what is grouped has scripts of its own.
            Call::Subscribe(Subscribe { filters, target, mode, group: Group::Alone, ..Subscribe::default() });
        let Ok(Reply::Subscribed(sub)) = self.call(call) else { panic!("subscribed") };
        sub
    }

    pub(crate) fn publish(&mut self, event: &Event) -> PublishId {
        let (target, quorum) = (Target::Relays(vec![url(0)]), Quorum::All);
        let call = Call::Publish(Publish { event: event.clone(), target, quorum, deadline: None, link: None });
        let Ok(Reply::Publishing(publish, _)) = self.call(call) else { panic!("publishing") };
        publish
    }

    pub(crate) fn status(&self, publish: PublishId) -> PublishStatus {
        self.core.publish_report(publish).unwrap().relays[0].1.clone()
    }

    pub(crate) fn auth(&self) -> AuthState {
        self.core.relay(&url(0)).unwrap().auth
    }

    /// The last that was told of this subscription's leg.
    pub(crate) fn leg(&self, of: SubId) -> LegState {
        let states = self.events.iter().rev().find_map(|e| match e {
            PoolEvent::Item { sub, item: Item::Leg { state, .. } } if *sub == of => Some(state.clone()),
            _ => None,
        });
        states.expect("told of the leg")
    }

    pub(crate) fn coverage(&self, of: SubId) -> Option<LegOutcome> {
        self.events.iter().rev().find_map(|e| match e {
            PoolEvent::Item { sub, item: Item::Eose(coverage) } if *sub == of => Some(coverage.legs[0].outcome.clone()),
            _ => None,
        })
    }
}

pub(crate) fn note(text: &str) -> Event {
    EventTemplate::text_note(text, Timestamp::new(5)).unsigned(keys().public_key()).sign(&keys(), [0; 32])
}

pub(crate) fn closed(request: &str, text: &str) -> String {
    format!("[\"CLOSED\",\"{request}\",\"{text}\"]")
}

pub(crate) fn private() -> RelayOptions {
    RelayOptions { auth: Some(AuthPolicy::Always), ..RelayOptions::default() }
}

pub(crate) fn eose(request: &str) -> String {
    format!("[\"EOSE\",\"{request}\"]")
}
