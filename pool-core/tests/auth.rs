//! Authentication (NIP-42) in the whole core: who asks the signer, what is repeated, and what is not.

#![allow(clippy::unwrap_used, clippy::panic, reason = "this is test code, its helpers included")]

use std::time::Duration;

use nostr_pool_core::*;
use nostr_proto::{Event, EventId, EventTemplate, Filter, Keys, Kind, PublicKey, RelayUrl, Timestamp, UnsignedEvent};

const SECOND: Duration = Duration::from_secs(1);

fn keys() -> Keys {
    Keys::from_entropy([7; 32]).unwrap()
}

fn url(n: usize) -> RelayUrl {
    RelayUrl::parse(&format!("wss://relay{n}.example.com")).unwrap()
}

fn config(auth: AuthPolicy) -> Config {
    Config { auth, identity: Some(keys().public_key()), ..Config::default() }
}

fn notes() -> Filter {
    Filter::new().kind(Kind::TEXT_NOTE)
}

fn gift_wraps() -> Filter {
    Filter::new().kind(Kind::GIFT_WRAP)
}

/// A core whose sockets take everything at once, and whose signer answers when told to.
struct Bench {
    core: Core,
    now: Now,
    commands: Vec<Command>,
    events: Vec<PoolEvent>,
}

impl Bench {
    fn new(config: Config) -> Self {
        let now = Now { mono: Instant::ZERO, unix: Timestamp::new(1_700_000_000) };
        Self { core: Core::new(config, [7; 32], now), now, commands: vec![], events: vec![] }
    }

    /// One that is connected to a relay, as the application added it.
    fn connected(config: Config, options: RelayOptions) -> (Self, SocketId) {
        let mut b = Self::new(config);
        b.call(Call::AddRelay { url: url(0), options }).unwrap();
        b.call(Call::Connect { which: Which::All }).unwrap();
        let socket = b.open(0);
        (b, socket)
    }

    fn call(&mut self, call: Call) -> Result<Reply, CallError> {
        let reply = self.core.handle_call(call, self.now);
        self.drain();
        reply
    }

    fn input(&mut self, input: Input<'_>) {
        self.core.handle_input(input, self.now);
        self.drain();
    }

    fn drain(&mut self) {
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

    fn pass(&mut self, by: Duration) {
        let end = self.now.mono + by;
        while let Some(due) = self.core.poll_timeout().filter(|due| due.at <= end) {
            self.advance(due.at);
            self.core.handle_timeout(self.now);
            self.drain();
        }
        self.advance(end);
    }

    fn advance(&mut self, to: Instant) {
        let micros = to.as_micros();
        self.now = Now { mono: to, unix: Timestamp::new(1_700_000_000 + micros / 1_000_000) };
    }

    fn open(&mut self, n: usize) -> SocketId {
        let dialled = self.commands.iter().rev().find_map(|c| match c {
            Command::Open { socket, url: u, .. } if *u == url(n) => Some(*socket),
            _ => None,
        });
        let socket = dialled.expect("a dial");
        self.input(Input::Opened { socket });
        socket
    }

    fn lose(&mut self, socket: SocketId) {
        self.input(Input::Closed { socket, reason: CloseReason::Error("reset".into()) });
    }

    fn text(&mut self, socket: SocketId, frame: &str) {
        self.input(Input::Text { socket, frame });
    }

    /// What went out since the last look, apart from dials and pings.
    fn sent(&mut self) -> Vec<String> {
        let frames = self.commands.iter().filter_map(|c| match c {
            Command::Send { frame, .. } => Some(frame.to_string()),
            _ => None,
        });
        let frames = frames.collect();
        self.commands.retain(|c| !matches!(c, Command::Send { .. }));
        frames
    }

    /// The names of the requests that went out since the last look; nothing else did.
    fn requests(&mut self) -> Vec<String> {
        let name = |frame: &String| {
            assert!(frame.starts_with("[\"REQ\""), "{frame}");
            frame.split('"').nth(3).unwrap().to_owned()
        };
        self.sent().iter().map(name).collect()
    }

    /// The questions to the signer since the last look.
    fn orders(&mut self) -> Vec<(Ticket, RelayUrl, UnsignedEvent)> {
        let orders = self.commands.iter().filter_map(|c| match c {
            Command::SignAuth { ticket, relay, event } => Some((*ticket, relay.clone(), event.clone())),
            _ => None,
        });
        let orders = orders.collect();
        self.commands.retain(|c| !matches!(c, Command::SignAuth { .. }));
        orders
    }

    /// Signs the one thing that is to be signed; it goes out, and this is its id.
    fn sign(&mut self) -> EventId {
        let orders = self.orders();
        let [(ticket, _, event)] = &orders[..] else { panic!("one thing to sign, not {orders:?}") };
        self.input(Input::Signed { ticket: *ticket, outcome: Ok(event.sign(&keys(), [0; 32])) });
        let sent = self.sent();
        assert!(sent.len() == 1 && sent[0].starts_with("[\"AUTH\""), "{sent:?}");
        event.id()
    }

    /// The same where other things may go out beside it.
    fn sign_among(&mut self) -> EventId {
        let (ticket, _, event) = self.orders().pop().expect("something to sign");
        self.input(Input::Signed { ticket, outcome: Ok(event.sign(&keys(), [0; 32])) });
        event.id()
    }

    fn ok(&mut self, socket: SocketId, id: EventId, accepted: bool, text: &str) {
        self.text(socket, &format!("[\"OK\",\"{id}\",{accepted},\"{text}\"]"));
    }

    fn subscribe(&mut self, filter: Filter, mode: Mode) -> SubId {
        let (filters, target) = (vec![filter], Target::Relays(vec![url(0)]));
        let call =
            // Requests of its own: what is grouped has scripts of its own.
            Call::Subscribe(Subscribe { filters, target, mode, group: Group::Alone, ..Subscribe::default() });
        let Ok(Reply::Subscribed(sub)) = self.call(call) else { panic!("subscribed") };
        sub
    }

    fn publish(&mut self, event: &Event) -> PublishId {
        let (target, quorum) = (Target::Relays(vec![url(0)]), Quorum::All);
        let call = Call::Publish(Publish { event: event.clone(), target, quorum, deadline: None, link: None });
        let Ok(Reply::Publishing(publish, _)) = self.call(call) else { panic!("publishing") };
        publish
    }

    fn status(&self, publish: PublishId) -> PublishStatus {
        self.core.publish_report(publish).unwrap().relays[0].1.clone()
    }

    fn auth(&self) -> AuthState {
        self.core.relay(&url(0)).unwrap().auth
    }

    /// The last that was told of this subscription's leg.
    fn leg(&self, of: SubId) -> LegState {
        let states = self.events.iter().rev().find_map(|e| match e {
            PoolEvent::Item { sub, item: Item::Leg { state, .. } } if *sub == of => Some(state.clone()),
            _ => None,
        });
        states.expect("told of the leg")
    }

    fn coverage(&self, of: SubId) -> Option<LegOutcome> {
        self.events.iter().rev().find_map(|e| match e {
            PoolEvent::Item { sub, item: Item::Eose(coverage) } if *sub == of => Some(coverage.legs[0].outcome.clone()),
            _ => None,
        })
    }
}

fn note(text: &str) -> Event {
    EventTemplate::text_note(text, Timestamp::new(5)).unsigned(keys().public_key()).sign(&keys(), [0; 32])
}

fn closed(request: &str, text: &str) -> String {
    format!("[\"CLOSED\",\"{request}\",\"{text}\"]")
}

#[test]
fn what_was_refused_is_repeated_once_and_only_that() {
    let (mut b, socket) = Bench::connected(config(AuthPolicy::Always), RelayOptions::default());
    b.text(socket, "[\"AUTH\",\"c\"]");
    let (refused, other) = (b.subscribe(notes(), Mode::Live), b.subscribe(notes(), Mode::Live));
    let names = b.requests();
    assert_eq!(b.orders().len(), 0, "nothing needs it yet");
    b.text(socket, &closed(&names[0], "auth-required: who are you?"));
    assert_eq!(b.leg(refused), LegState::Waiting(Why::Auth));
    let id = b.sign();
    assert!(matches!(b.auth(), AuthState::Sent { .. }));
    b.ok(socket, id, true, "");
    assert_eq!(b.auth(), AuthState::Authenticated { identities: vec![keys().public_key()], confirmed: true });
    let again = b.requests();
    assert_eq!(again.len(), 1);
    assert!(!names.contains(&again[0]), "under a name of its own");
    assert_eq!((b.leg(refused), b.leg(other)), (LegState::Requested, LegState::Requested));
    b.text(socket, &closed(&again[0], "auth-required: still"));
    assert!(matches!(b.leg(refused), LegState::Closed(_)));
    assert!(b.orders().is_empty() && b.sent().is_empty());
}

#[test]
fn never_means_never() {
    let (mut b, socket) = Bench::connected(config(AuthPolicy::Never), RelayOptions::default());
    b.text(socket, "[\"AUTH\",\"c\"]");
    let sub = b.subscribe(gift_wraps(), Mode::Live);
    let names = b.requests();
    b.text(socket, &closed(&names[0], "auth-required: who are you?"));
    assert!(matches!(b.leg(sub), LegState::Closed(_)));
    assert!(b.orders().is_empty());
    assert_eq!(b.auth(), AuthState::Challenged, "it is remembered");
    // Until the application says so; then what was refused for it is asked again.
    b.call(Call::Authenticate { url: url(0), identity: None }).unwrap();
    let id = b.sign();
    b.ok(socket, id, true, "");
    assert_eq!(b.requests().len(), 1);
    assert_eq!(b.leg(sub), LegState::Requested);
}

#[test]
fn a_publish_is_sent_again_once_and_what_was_accepted_is_not() {
    let (mut b, socket) = Bench::connected(config(AuthPolicy::Always), RelayOptions::default());
    b.text(socket, "[\"AUTH\",\"c\"]");
    let (public, private) = (note("public"), note("private"));
    let (first, second) = (b.publish(&public), b.publish(&private));
    let frames = b.sent();
    b.ok(socket, public.id(), true, "");
    b.ok(socket, private.id(), false, "auth-required: who are you?");
    assert_eq!(b.status(second), PublishStatus::Queued);
    let id = b.sign();
    b.ok(socket, id, true, "");
    assert_eq!(b.sent(), frames[1..], "the same bytes, of that one only");
    assert_eq!(b.status(first), PublishStatus::Accepted { duplicate: false });
    b.ok(socket, private.id(), false, "auth-required: still");
    assert!(matches!(b.status(second), PublishStatus::Rejected(_)));
    assert!(b.orders().is_empty() && b.sent().is_empty());
}

/// Some relays refuse without saying which event, which is no question where only one is unanswered.
#[test]
fn a_refusal_that_names_no_event_has_the_relay_know_us_if_one_alone_is_unanswered() {
    for (others, orders) in [(0, 1), (1, 0)] {
        for said in ["auth-required: who are you?", "restricted: members only"] {
            let (mut b, socket) = Bench::connected(config(AuthPolicy::Always), RelayOptions::default());
            b.text(socket, "[\"AUTH\",\"c\"]");
            let publish = b.publish(&note("hello"));
            for n in 0..others {
                b.publish(&note(&format!("other {n}")));
            }
            let frames = b.sent();
            b.text(socket, &format!("[\"OK\",\"\",false,\"{said}\"]"));
            assert_eq!(b.commands.iter().filter(|c| matches!(c, Command::SignAuth { .. })).count(), orders, "{said}");
            if orders > 0 {
                let id = b.sign();
                b.ok(socket, id, true, "");
                assert!(b.sent().is_empty(), "whether it was refused is not known");
                b.pass(Config::default().ok_deadline);
                assert_eq!(b.sent(), frames, "the same again");
            }
            // Of any other refusal it is not known what it is about, and nothing without a name is a yes.
            for other in ["false,\"blocked: no\"", "true,\"\""] {
                b.text(socket, &format!("[\"OK\",\"\",{other}]"));
            }
            assert_eq!(b.status(publish), PublishStatus::InFlight);
        }
    }
}

#[test]
fn restricted_is_tried_once_where_a_challenge_is_in_hand() {
    for (challenged, orders) in [(true, 1), (false, 0)] {
        let (mut b, socket) = Bench::connected(config(AuthPolicy::Always), RelayOptions::default());
        if challenged {
            b.text(socket, "[\"AUTH\",\"c\"]");
        }
        let event = note("hello");
        let publish = b.publish(&event);
        b.sent();
        b.ok(socket, event.id(), false, "restricted: members only");
        assert_eq!(b.commands.iter().filter(|c| matches!(c, Command::SignAuth { .. })).count(), orders);
        if challenged {
            let id = b.sign();
            b.ok(socket, id, true, "");
            assert_eq!(b.sent().len(), 1);
            b.ok(socket, event.id(), false, "restricted: members only");
        }
        assert!(matches!(b.status(publish), PublishStatus::Rejected(_)));
    }
}

#[test]
fn a_challenge_may_come_after_the_refusal_that_it_explains() {
    let (mut b, socket) = Bench::connected(config(AuthPolicy::Always), RelayOptions::default());
    let sub = b.subscribe(notes(), Mode::Live);
    let names = b.requests();
    b.text(socket, &closed(&names[0], "auth-required: who are you?"));
    assert_eq!((b.leg(sub), b.auth()), (LegState::Waiting(Why::Auth), AuthState::Expected));
    b.pass(SECOND);
    b.text(socket, "[\"AUTH\",\"c\"]");
    let id = b.sign();
    b.ok(socket, id, true, "");
    assert_eq!(b.requests().len(), 1);
}

#[test]
fn a_challenge_that_never_comes_is_not_waited_for_for_ever() {
    let (mut b, socket) = Bench::connected(config(AuthPolicy::Always), RelayOptions::default());
    let sub = b.subscribe(notes(), Mode::Live);
    let names = b.requests();
    b.text(socket, &closed(&names[0], "auth-required: who are you?"));
    b.pass(b.core.config().auth_wait);
    assert!(matches!(b.leg(sub), LegState::Closed(_)));
    assert!(matches!(b.coverage(sub), Some(LegOutcome::Closed(_))));
    // It was late, no more.
    b.text(socket, "[\"AUTH\",\"c\"]");
    let id = b.sign();
    b.ok(socket, id, true, "");
    assert_eq!((b.requests().len(), b.leg(sub)), (1, LegState::Requested));
}

#[test]
fn a_relay_that_never_says_ok_is_taken_to_have_said_yes() {
    let (mut b, socket) = Bench::connected(config(AuthPolicy::Always), RelayOptions::default());
    b.text(socket, "[\"AUTH\",\"c\"]");
    b.subscribe(notes(), Mode::Live);
    let names = b.requests();
    b.text(socket, &closed(&names[0], "auth-required: who are you?"));
    b.sign();
    b.pass(b.core.config().auth_ok_deadline - SECOND);
    assert_eq!(b.sent().len(), 0);
    b.pass(SECOND);
    assert_eq!(b.requests().len(), 1);
    assert!(matches!(b.auth(), AuthState::Authenticated { confirmed: false, .. }));
}

#[test]
fn an_ok_without_an_id_is_taken_where_nothing_else_waits_for_one() {
    for in_flight in [false, true] {
        let (mut b, socket) = Bench::connected(config(AuthPolicy::Always), RelayOptions::default());
        b.text(socket, "[\"AUTH\",\"c\"]");
        b.subscribe(notes(), Mode::Live);
        let names = b.requests();
        b.text(socket, &closed(&names[0], "auth-required: who are you?"));
        b.sign();
        if in_flight {
            b.publish(&note("which of the two?"));
        }
        b.text(socket, "[\"OK\",\"\",true,\"\"]");
        assert_eq!(matches!(b.auth(), AuthState::Authenticated { .. }), !in_flight, "{:?}", b.auth());
    }
}

#[test]
fn the_ok_of_an_auth_is_no_publishs() {
    let (mut b, socket) = Bench::connected(config(AuthPolicy::Always), RelayOptions::default());
    b.text(socket, "[\"AUTH\",\"c\"]");
    let event = note("hello");
    let publish = b.publish(&event);
    b.ok(socket, event.id(), false, "auth-required: who are you?");
    b.sent();
    let id = b.sign();
    let before = b.core.relay(&url(0)).unwrap().counters.unsolicited;
    b.ok(socket, id, true, "");
    assert_eq!(b.status(publish), PublishStatus::InFlight);
    assert_eq!(b.core.relay(&url(0)).unwrap().counters.unsolicited, before, "it was expected");
}

#[test]
fn requests_wait_for_it_on_the_next_connection_and_not_for_ever() {
    let (mut b, socket) = Bench::connected(config(AuthPolicy::Always), RelayOptions::default());
    b.text(socket, "[\"AUTH\",\"c\"]");
    let sub = b.subscribe(notes(), Mode::Live);
    let names = b.requests();
    b.text(socket, &closed(&names[0], "auth-required: who are you?"));
    let id = b.sign();
    b.ok(socket, id, true, "");
    b.requests();
    b.lose(socket);
    b.pass(SECOND * 3);
    let socket = b.open(0);
    assert_eq!((b.sent().len(), b.leg(sub)), (0, LegState::Waiting(Why::Auth)));
    b.text(socket, "[\"AUTH\",\"d\"]");
    let id = b.sign();
    assert_eq!(b.sent().len(), 0);
    b.ok(socket, id, true, "");
    assert_eq!(b.requests().len(), 1);
    // The third time, the relay has changed its mind.
    b.lose(socket);
    b.pass(SECOND * 5);
    b.open(0);
    assert_eq!(b.sent().len(), 0);
    b.pass(b.core.config().auth_wait);
    assert_eq!((b.requests().len(), b.leg(sub)), (1, LegState::Requested));
}

#[test]
fn what_relays_hide_from_strangers_is_asked_again() {
    let (mut b, socket) = Bench::connected(config(AuthPolicy::Always), RelayOptions::default());
    let (hidden, open) = (b.subscribe(gift_wraps(), Mode::Live), b.subscribe(notes(), Mode::Live));
    let names = b.requests();
    b.text(socket, &format!("[\"EOSE\",\"{}\"]", names[0]));
    b.text(socket, &format!("[\"EOSE\",\"{}\"]", names[1]));
    assert_eq!((b.leg(hidden), b.leg(open)), (LegState::Live, LegState::Live));
    b.text(socket, "[\"AUTH\",\"c\"]");
    let id = b.sign();
    b.ok(socket, id, true, "");
    let sent = b.sent();
    assert_eq!(sent.len(), 2, "{sent:?}");
    assert_eq!(sent[0], format!("[\"CLOSE\",\"{}\"]", names[0]));
    assert!(sent[1].starts_with("[\"REQ\"") && sent[1].contains("[1059]") && !sent[1].contains("since"), "{sent:?}");
    assert_eq!((b.leg(hidden), b.leg(open)), (LegState::Requested, LegState::Live));
}

#[test]
fn what_was_shown_to_a_stranger_is_no_ground_to_catch_up_from() {
    let (mut b, socket) = Bench::connected(config(AuthPolicy::Ask), RelayOptions::default());
    let (hidden, open) = (b.subscribe(gift_wraps(), Mode::Live), b.subscribe(notes(), Mode::Live));
    for name in b.requests() {
        b.text(socket, &format!("[\"EOSE\",\"{name}\"]"));
    }
    b.lose(socket);
    b.call(Call::Authenticate { url: url(0), identity: None }).unwrap();
    b.pass(SECOND * 3);
    let socket = b.open(0);
    b.text(socket, "[\"AUTH\",\"c\"]");
    let id = b.sign();
    b.ok(socket, id, true, "");
    let sent = b.sent();
    assert!(sent[0].contains("[1059]") && !sent[0].contains("since"), "{sent:?}");
    assert!(sent[1].contains("[1]") && sent[1].contains("since"), "{sent:?}");
    assert_eq!((b.leg(hidden), b.leg(open)), (LegState::Requested, LegState::Requested));
}

/// The REQs that went out since the last look, as they are.
fn asked(b: &mut Bench) -> Vec<String> {
    b.sent().into_iter().filter(|frame| frame.starts_with("[\"REQ\"")).collect()
}

fn name(frame: &str) -> String {
    frame.split('"').nth(3).unwrap().to_owned()
}

#[test]
fn what_a_stranger_is_shown_proves_nothing_for_whom_the_relay_knew_before() {
    let direct = Filter::new().kind(Kind::new(4)).limit(1);
    let (mut b, socket) = Bench::connected(config(AuthPolicy::Always), RelayOptions::default());
    b.text(socket, "[\"AUTH\",\"c\"]");
    let sub = b.subscribe(direct, Mode::Live);
    let id = b.sign();
    b.ok(socket, id, true, "");
    let live = b.requests();
    b.text(socket, &format!("[\"EOSE\",\"{}\"]", live[0]));
    let since = 1_700_000_000 - 1_020;
    b.lose(socket);
    b.advance(Instant::from_micros(20_000_000_000));
    b.core.handle_timeout(b.now);
    b.drain();
    let socket = b.open(0);
    b.pass(b.core.config().auth_wait);
    let stranger = asked(&mut b);
    assert!(stranger[0].contains(&format!("\"since\":{since}")), "{stranger:?}");
    b.text(socket, &format!("[\"EOSE\",\"{}\"]", name(&stranger[0])));
    assert_eq!(b.leg(sub), LegState::Live);
    let Ok(Reply::Checkpoint(checkpoint)) = b.call(Call::Checkpoint { sub }) else { panic!("a checkpoint") };
    let text = checkpoint.to_json();
    assert!(text.contains("\"alive_until\":1700000000") && text.contains(&keys().public_key().to_string()), "{text}");
    b.text(socket, "[\"AUTH\",\"d\"]");
    let id = b.sign_among();
    b.ok(socket, id, true, "");
    let whole = asked(&mut b);
    assert!(whole[0].contains("\"limit\":1") && !whole[0].contains("since"), "{whole:?}");
    // It has more than the limit allows.
    let event = EventTemplate::new(Kind::new(4), "x", Timestamp::new(1_700_019_000)).unsigned(keys().public_key());
    let event = event.sign(&keys(), [0; 32]).to_json();
    b.text(socket, &format!("[\"EVENT\",\"{}\",{event}]", name(&whole[0])));
    b.text(socket, &format!("[\"EOSE\",\"{}\"]", name(&whole[0])));
    let page = asked(&mut b);
    assert!(page[0].contains(&format!("\"since\":{since}")) && !page[0].contains("limit"), "{page:?}");
}

#[test]
fn a_checkpoint_of_other_keys_loses_nothing() {
    let (mut b, socket) = Bench::connected(config(AuthPolicy::Always), RelayOptions::default());
    let filters = vec![Filter::new().kind(Kind::TEXT_NOTE).limit(1)];
    let text = format!(
        "{{\"version\":1,\"filters\":[{{\"kinds\":[1],\"limit\":1}}],\"relays\":[{{\"relay\":\"{}\",\"keys\":[\"{}\"],\"alive_until\":1699990000,\"floors\":[1699980000],\"proven\":[[[1699980000,1699990000]]]}}]}}",
        url(0),
        keys().public_key()
    );
    let resume = Some(Checkpoint::from_json(&text).unwrap());
    let call = Call::Subscribe(Subscribe { filters, resume, ..Subscribe::default() });
    b.call(call).unwrap();
    let whole = asked(&mut b);
    assert!(whole[0].contains("limit") && !whole[0].contains("since"), "as at the beginning: {whole:?}");
    let event = EventTemplate::text_note("x", Timestamp::new(1_699_999_000)).unsigned(keys().public_key());
    let event = event.sign(&keys(), [0; 32]).to_json();
    b.text(socket, &format!("[\"EVENT\",\"{}\",{event}]", name(&whole[0])));
    b.text(socket, &format!("[\"EOSE\",\"{}\"]", name(&whole[0])));
    let page = asked(&mut b);
    assert!(page[0].contains("\"since\":1699988980") && !page[0].contains("limit"), "{page:?}");
}

#[test]
fn who_is_refused_for_good_is_not_caught_up() {
    let (mut b, socket) = Bench::connected(config(AuthPolicy::Ask), RelayOptions::default());
    let sub = b.subscribe(notes(), Mode::Live);
    let names = b.requests();
    b.text(socket, &format!("[\"EOSE\",\"{}\"]", names[0]));
    b.text(socket, "[\"AUTH\",\"c\"]");
    b.text(socket, &closed(&names[0], "auth-required: who are you?"));
    assert_eq!(b.leg(sub), LegState::Waiting(Why::Auth));
    b.call(Call::DenyAuth { url: url(0) }).unwrap();
    assert!(matches!(b.leg(sub), LegState::Closed(_)));
    let gap = |event: &PoolEvent| match event {
        PoolEvent::Item { item: Item::Gap(gap), .. } => Some(gap.cause.clone()),
        _ => None,
    };
    let gaps: Vec<GapCause> = b.events.iter().filter_map(gap).collect();
    assert_eq!(gaps, [GapCause::Disconnected], "what comes from now on is missed");
}

#[test]
fn a_fetch_of_private_kinds_waits_for_an_authentication_that_can_be_had() {
    let (mut b, socket) = Bench::connected(config(AuthPolicy::Always), RelayOptions::default());
    b.text(socket, "[\"AUTH\",\"c\"]");
    let sub = b.subscribe(gift_wraps(), Mode::UntilEose);
    let public = b.subscribe(notes(), Mode::UntilEose);
    assert_eq!(b.leg(sub), LegState::Waiting(Why::Auth));
    assert_eq!(b.leg(public), LegState::Requested, "others do not wait");
    assert_eq!(b.requests().len(), 1);
    let id = b.sign();
    b.ok(socket, id, true, "");
    assert_eq!(b.requests().len(), 1);
    assert_eq!(b.leg(sub), LegState::Requested);
}

#[test]
fn a_fetch_of_private_kinds_that_was_under_way_is_made_after_the_authentication() {
    for yes in [true, false] {
        let (mut b, socket) = Bench::connected(config(AuthPolicy::Always), RelayOptions::default());
        let sub = b.subscribe(gift_wraps(), Mode::UntilEose);
        let first = b.requests();
        b.text(socket, "[\"AUTH\",\"c\"]");
        assert_eq!(b.leg(sub), LegState::Waiting(Why::Auth));
        assert_eq!(b.sent(), [format!("[\"CLOSE\",\"{}\"]", first[0])]);
        b.text(socket, &format!("[\"EOSE\",\"{}\"]", first[0]));
        assert_eq!(b.coverage(sub), None, "that was for a stranger");
        let id = b.sign();
        b.ok(socket, id, yes, "");
        let second = b.requests();
        b.text(socket, &format!("[\"EOSE\",\"{}\"]", second[0]));
        assert_eq!(b.coverage(sub), Some(LegOutcome::Eose { complete: None }));
    }
}

#[test]
fn the_application_is_asked_and_its_word_is_kept() {
    for yes in [true, false] {
        let (mut b, socket) = Bench::connected(config(AuthPolicy::Ask), RelayOptions::default());
        b.text(socket, "[\"AUTH\",\"c\"]");
        let sub = b.subscribe(notes(), Mode::Live);
        let event = note("hello");
        let publish = b.publish(&event);
        let name = b.sent()[0].split('"').nth(3).unwrap().to_owned();
        b.text(socket, &closed(&name, "auth-required: who are you?"));
        b.ok(socket, event.id(), false, "auth-required: who are you?");
        let asked =
            |e: &&PoolEvent| matches!(e, PoolEvent::Relay { update: RelayUpdate::Auth(AuthState::Requested), .. });
        assert_eq!(b.events.iter().filter(asked).count(), 1);
        assert!(b.orders().is_empty());
        b.pass(SECOND * 5);
        if yes {
            b.call(Call::Authenticate { url: url(0), identity: None }).unwrap();
            let id = b.sign();
            b.ok(socket, id, true, "");
            assert_eq!(b.sent().len(), 2);
            assert_eq!((b.leg(sub), b.status(publish)), (LegState::Requested, PublishStatus::InFlight));
        } else {
            b.call(Call::DenyAuth { url: url(0) }).unwrap();
            assert!(matches!(b.leg(sub), LegState::Closed(_)));
            assert!(matches!(b.status(publish), PublishStatus::Rejected(_)));
        }
    }
}

#[test]
fn each_relay_has_its_own_policy_key_and_challenge() {
    let mut b = Bench::new(Config { identity: None, ..config(AuthPolicy::Never) });
    let other = Keys::from_entropy([8; 32]).unwrap().public_key();
    let options = |auth, identity: PublicKey| RelayOptions {
        auth: Some(auth),
        identity: Some(identity),
        auth_at_once: true,
        ..RelayOptions::default()
    };
    let me = keys().public_key();
    for (n, options) in
        [options(AuthPolicy::Always, me), options(AuthPolicy::Always, other), options(AuthPolicy::Never, me)]
            .into_iter()
            .enumerate()
    {
        b.call(Call::AddRelay { url: url(n), options }).unwrap();
    }
    b.call(Call::Connect { which: Which::All }).unwrap();
    let sockets: Vec<_> = (0..3).map(|n| b.open(n)).collect();
    for (n, socket) in sockets.into_iter().enumerate() {
        b.text(socket, &format!("[\"AUTH\",\"challenge {n}\"]"));
    }
    let orders = b.orders();
    assert_eq!(orders.len(), 2);
    for (n, who) in [(0, me), (1, other)] {
        let (_, relay, event) = &orders[n];
        assert_eq!((relay, event.pubkey()), (&url(n), who));
        assert_eq!(event.tags().value_of("relay"), Some(url(n).as_str()));
        assert_eq!(event.tags().value_of("challenge"), Some(&*format!("challenge {n}")));
    }
}

#[test]
fn a_signer_that_fails_lies_or_sleeps_leaves_things_refused() {
    type Answer = fn(&UnsignedEvent) -> Option<Result<Event, String>>;
    let answers: [(Answer, &str); 4] = [
        (|_| Some(Err("not today".into())), "not today"),
        (|_| Some(Ok(note("another"))), "the signer returned another event than it was given"),
        (
            |event| Some(Ok(event.sign(&Keys::from_entropy([8; 32]).unwrap(), [0; 32]))),
            "the signer returned a wrong signature",
        ),
        (|_| None, "the signer did not answer"),
    ];
    for (answer, why) in answers {
        let (mut b, socket) = Bench::connected(config(AuthPolicy::Always), RelayOptions::default());
        b.text(socket, "[\"AUTH\",\"c\"]");
        let sub = b.subscribe(notes(), Mode::Live);
        let names = b.requests();
        b.text(socket, &closed(&names[0], "auth-required: who are you?"));
        let (ticket, _, event) = b.orders().pop().unwrap();
        match answer(&event) {
            Some(outcome) => b.input(Input::Signed { ticket, outcome }),
            None => b.pass(b.core.config().auth_sign_deadline),
        }
        assert_eq!(b.auth(), AuthState::Failed(AuthFailure::NotSigned(why.to_owned())));
        assert!(matches!(b.leg(sub), LegState::Closed(_)));
        assert!(b.sent().iter().all(|frame| !frame.contains("AUTH")));
        // An answer that comes too late is counted, and changes nothing.
        let before = b.core.stats().unknown_tickets;
        b.input(Input::Signed { ticket, outcome: Ok(event.sign(&keys(), [0; 32])) });
        assert_eq!(b.core.stats().unknown_tickets, before + 1);
        assert!(b.sent().is_empty());
    }
}

#[test]
fn a_signature_for_a_lost_connection_goes_nowhere() {
    let options = RelayOptions { auth_at_once: true, ..RelayOptions::default() };
    let (mut b, socket) = Bench::connected(config(AuthPolicy::Always), options);
    b.text(socket, "[\"AUTH\",\"c\"]");
    let (ticket, _, event) = b.orders().pop().unwrap();
    b.lose(socket);
    b.pass(SECOND * 3);
    b.open(0);
    b.input(Input::Signed { ticket, outcome: Ok(event.sign(&keys(), [0; 32])) });
    assert!(b.sent().is_empty());
    assert_eq!((b.auth(), b.core.stats().unknown_tickets), (AuthState::Unchallenged, 1));
}

#[test]
fn calls_say_what_is_wrong() {
    let (mut b, socket) =
        Bench::connected(Config { identity: None, ..config(AuthPolicy::Never) }, RelayOptions::default());
    let (me, other) = (keys().public_key(), Keys::from_entropy([8; 32]).unwrap().public_key());
    let as_whom = |identity| Call::Authenticate { url: url(0), identity };
    assert_eq!(b.call(as_whom(None)), Err(CallError::NoIdentity));
    let unknown = Call::Authenticate { url: url(5), identity: Some(me) };
    assert_eq!(b.call(unknown), Err(CallError::UnknownRelay(url(5))));
    assert_eq!(b.call(Call::DenyAuth { url: url(5) }), Err(CallError::UnknownRelay(url(5))));
    b.text(socket, "[\"AUTH\",\"c\"]");
    b.call(as_whom(Some(me))).unwrap();
    let under_way = CallError::AuthUnderWay { relay: url(0), identity: me };
    assert_eq!(b.call(as_whom(Some(other))), Err(under_way));
    let id = b.sign();
    b.ok(socket, id, true, "");
    let linked = CallError::LinkedIdentities { relay: url(0), seen: me };
    assert_eq!(b.call(as_whom(Some(other))), Err(linked));
    assert_eq!(b.call(as_whom(Some(me))), Ok(Reply::Done), "it is that already");
    assert!(b.orders().is_empty());
}

#[test]
fn a_removed_relay_and_a_clean_start_forget_it() {
    let options = RelayOptions { auth_at_once: true, ..RelayOptions::default() };
    let (mut b, socket) = Bench::connected(config(AuthPolicy::Always), options);
    b.text(socket, "[\"AUTH\",\"c\"]");
    let id = b.sign();
    b.ok(socket, id, true, "");
    b.call(Call::StartClean).unwrap();
    b.input(Input::Closed { socket, reason: CloseReason::Local });
    b.call(Call::Connect { which: Which::All }).unwrap();
    b.subscribe(notes(), Mode::Live);
    let socket = b.open(0);
    assert_eq!(b.requests().len(), 1, "nothing is remembered to be demanded");
    b.text(socket, "[\"AUTH\",\"c\"]");
    let (ticket, _, event) = b.orders().pop().unwrap();
    b.events.clear();
    b.call(Call::RemoveRelay { url: url(0) }).unwrap();
    b.input(Input::Signed { ticket, outcome: Ok(event.sign(&keys(), [0; 32])) });
    assert!(!b.events.iter().any(|e| matches!(e, PoolEvent::Relay { update: RelayUpdate::Auth(_), .. })));
    assert!(b.sent().iter().all(|frame| !frame.contains("AUTH")));
}

#[test]
fn a_challenge_too_long_is_told_and_not_kept() {
    let (mut b, socket) = Bench::connected(config(AuthPolicy::Always), RelayOptions::default());
    let bytes = b.core.config().max_challenge_bytes + 1;
    b.text(socket, &format!("[\"AUTH\",\"{}\"]", "x".repeat(bytes)));
    assert_eq!(b.auth(), AuthState::Failed(AuthFailure::ChallengeTooLong { bytes }));
    b.text(socket, "[\"AUTH\",\"c\"]");
    assert_eq!(b.auth(), AuthState::Challenged);
}

fn private() -> RelayOptions {
    RelayOptions { auth: Some(AuthPolicy::Always), ..RelayOptions::default() }
}

fn eose(request: &str) -> String {
    format!("[\"EOSE\",\"{request}\"]")
}

#[test]
fn a_late_refusal_of_an_earlier_try_is_no_end_while_an_authentication_is_under_way() {
    let (mut b, socket) = Bench::connected(config(AuthPolicy::Always), private());
    b.text(socket, "[\"AUTH\",\"c\"]");
    let event = note("slow");
    let publish = b.publish(&event);
    b.pass(b.core.config().ok_deadline);
    assert_eq!(b.sent().len(), 2, "tried twice");
    // The relay answers both.
    for _ in 0..2 {
        b.ok(socket, event.id(), false, "auth-required: who are you?");
        assert_eq!(b.status(publish), PublishStatus::Queued);
    }
    let id = b.sign();
    b.ok(socket, id, true, "");
    assert_eq!(b.sent().len(), 1);
    b.ok(socket, event.id(), true, "");
    assert_eq!(b.status(publish), PublishStatus::Accepted { duplicate: false });
}

#[test]
fn a_refusal_that_comes_while_another_try_waits_has_it_wait_for_the_authentication() {
    let config = Config { send_credits: 1, ..config(AuthPolicy::Always) };
    let (mut b, socket) = Bench::connected(config, private());
    b.text(socket, "[\"AUTH\",\"c\"]");
    let (event, other) = (note("slow"), note("busy"));
    let publish = b.publish(&event);
    b.publish(&other);
    b.ok(socket, other.id(), false, "rate-limited: slow down");
    b.pass(b.core.config().ok_deadline);
    b.ok(socket, other.id(), false, "rate-limited: slow down");
    b.ok(socket, event.id(), false, "auth-required: who are you?");
    assert_eq!(b.status(publish), PublishStatus::Queued);
    b.sent();
    let (ticket, _, unsigned) = b.orders().pop().expect("a challenge to answer");
    b.input(Input::Signed { ticket, outcome: Ok(unsigned.sign(&keys(), [0; 32])) });
    b.ok(socket, unsigned.id(), true, "");
    b.pass(SECOND * 60);
    assert!(b.sent().iter().any(|frame| frame.contains(&event.id().to_string())));
}

#[test]
fn a_key_that_is_taken_back_is_shown_to_nobody() {
    let other = Keys::from_entropy([8; 32]).unwrap();
    for signed in [false, true] {
        // The socket takes nothing more, so that what is signed waits.
        let config = Config { send_credits: 1, ..config(AuthPolicy::Always) };
        let (mut b, socket) = Bench::connected(config, RelayOptions { auth_at_once: true, ..private() });
        b.text(socket, "[\"AUTH\",\"c\"]");
        let (ticket, _, event) = b.orders().pop().unwrap();
        assert_eq!(event.pubkey(), keys().public_key());
        if signed {
            b.core
                .handle_call(
                    Call::Publish(Publish {
                        event: note("in the way"),
                        target: Target::Relays(vec![url(0)]),
                        quorum: Quorum::All,
                        deadline: None,
                        link: None,
                    }),
                    b.now,
                )
                .unwrap();
            b.core.handle_input(Input::Signed { ticket, outcome: Ok(event.sign(&keys(), [0; 32])) }, b.now);
            while let Some(command) = b.core.poll_command() {
                if let Command::Verify { ticket, event } = command {
                    let outcome = nostr_proto::verify(&event);
                    b.core.handle_input(Input::Verified { ticket, outcome }, b.now);
                }
            }
            assert!(matches!(b.auth(), AuthState::Signing { .. }));
        }
        let identity = Some(other.public_key());
        b.core
            .handle_call(Call::AddRelay { url: url(0), options: RelayOptions { identity, ..private() } }, b.now)
            .unwrap();
        b.input(Input::Sent { socket });
        b.input(Input::Signed { ticket, outcome: Ok(event.sign(&keys(), [0; 32])) });
        assert!(b.sent().iter().all(|frame| !frame.contains("AUTH")), "it would show the first key");
        let (ticket, _, event) = b.orders().pop().expect("the other one is asked");
        assert_eq!(event.pubkey(), other.public_key());
        b.input(Input::Signed { ticket, outcome: Ok(event.sign(&other, [0; 32])) });
        assert_eq!(b.sent().iter().filter(|frame| frame.contains("AUTH")).count(), 1);
    }
}

#[test]
fn an_ok_that_is_late_still_has_what_was_refused_meanwhile_repeated() {
    let (mut b, socket) = Bench::connected(config(AuthPolicy::Always), private());
    b.text(socket, "[\"AUTH\",\"c\"]");
    let (refused, hidden) = (b.subscribe(notes(), Mode::Live), b.subscribe(gift_wraps(), Mode::Live));
    let names = b.requests();
    b.text(socket, &closed(&names[0], "auth-required: who are you?"));
    let id = b.sign();
    b.pass(b.core.config().auth_ok_deadline);
    let again = b.requests();
    // It is slow: it still takes us for a stranger.
    for name in &again {
        b.text(socket, &closed(name, "auth-required: who are you?"));
    }
    assert!(matches!(b.leg(refused), LegState::Closed(_)));
    b.ok(socket, id, true, "");
    assert_eq!(b.requests().len(), 2);
    assert_eq!((b.leg(refused), b.leg(hidden)), (LegState::Requested, LegState::Requested));
}

#[test]
fn ground_that_was_shown_to_a_key_which_the_relay_refused_later_is_asked_for_again() {
    let (mut b, socket) = Bench::connected(config(AuthPolicy::Always), private());
    b.text(socket, "[\"AUTH\",\"c\"]");
    b.subscribe(gift_wraps(), Mode::Live);
    let id = b.sign();
    b.pass(b.core.config().auth_ok_deadline);
    // Asked as one whom the relay knows, as it seemed.
    let names = b.requests();
    b.text(socket, &eose(names.last().unwrap()));
    b.ok(socket, id, false, "error: database");
    b.sent();
    b.lose(socket);
    b.pass(SECOND * 3);
    let socket = b.open(0);
    b.text(socket, "[\"AUTH\",\"d\"]");
    let id = b.sign();
    b.ok(socket, id, true, "");
    let sent = b.sent();
    assert!(sent.last().unwrap().contains("[1059]") && !sent.last().unwrap().contains("since"), "{sent:?}");
}

#[test]
fn a_request_that_the_relay_has_closed_is_not_closed_once_more_when_it_waits() {
    let (mut b, socket) = Bench::connected(config(AuthPolicy::Always), private());
    let sub = b.subscribe(gift_wraps(), Mode::Live);
    let names = b.requests();
    b.text(socket, &closed(&names[0], "auth-required: who are you?"));
    assert_eq!(b.leg(sub), LegState::Waiting(Why::Auth));
    b.text(socket, "[\"AUTH\",\"c\"]");
    let id = b.sign();
    b.ok(socket, id, true, "");
    assert_eq!(b.requests().len(), 1);
    // The same with a challenge in hand that was not answered by itself, after so many refused ones.
    let (mut b, socket) = Bench::connected(config(AuthPolicy::Always), private());
    let sub = b.subscribe(gift_wraps(), Mode::Live);
    let mut last = String::new();
    for n in 0..3 {
        b.text(socket, &format!("[\"AUTH\",\"c{n}\"]"));
        let id = b.sign_among();
        b.ok(socket, id, false, "error: no");
        last = b.sent().last().unwrap().split('"').nth(3).unwrap().to_owned();
    }
    b.text(socket, "[\"AUTH\",\"last\"]");
    assert_eq!((b.auth(), b.leg(sub)), (AuthState::Challenged, LegState::Requested));
    b.text(socket, &closed(&last, "auth-required: who are you?"));
    assert_eq!(b.leg(sub), LegState::Waiting(Why::Auth));
    assert!(b.sent().is_empty());
    let id = b.sign();
    b.ok(socket, id, true, "");
    assert_eq!(b.requests().len(), 1);
}

#[test]
fn where_the_relay_is_said_to_hide_things_everything_that_a_stranger_asked_is_asked_again() {
    let (mut b, socket) =
        Bench::connected(config(AuthPolicy::Always), RelayOptions { auth_at_once: true, ..private() });
    let sub = b.subscribe(notes(), Mode::Live);
    let names = b.requests();
    b.text(socket, &eose(&names[0]));
    b.text(socket, "[\"AUTH\",\"c\"]");
    let id = b.sign();
    b.ok(socket, id, true, "");
    let sent = b.sent();
    assert_eq!(sent[0], format!("[\"CLOSE\",\"{}\"]", names[0]));
    assert!(sent[1].starts_with("[\"REQ\"") && !sent[1].contains("since"), "{sent:?}");
    assert_eq!(b.leg(sub), LegState::Requested);
}

#[test]
fn a_flood_of_challenges_costs_the_signer_no_more_than_the_window_allows() {
    let (mut b, socket) =
        Bench::connected(config(AuthPolicy::Always), RelayOptions { auth_at_once: true, ..private() });
    b.subscribe(gift_wraps(), Mode::Live);
    b.subscribe(notes(), Mode::Live);
    let mut orders = 0;
    for n in 0..5_000 {
        b.text(socket, &format!("[\"AUTH\",\"c{n}\"]"));
        for (ticket, _, event) in b.orders() {
            orders += 1;
            b.input(Input::Signed { ticket, outcome: Ok(event.sign(&keys(), [0; 32])) });
            b.ok(socket, event.id(), n % 2 == 0, "");
        }
        for frame in b.sent() {
            if frame.starts_with("[\"REQ\"") {
                let name = frame.split('"').nth(3).unwrap().to_owned();
                b.text(socket, &closed(&name, "auth-required: again"));
            }
        }
    }
    assert!(orders <= b.core.config().max_auth_signings, "{orders}");
}

/// Two subscriptions and two publishes are refused at once; one of each kind was taken before.
#[test]
fn everything_that_was_refused_at_once_is_repeated_once() {
    let (mut b, socket) = Bench::connected(config(AuthPolicy::Always), private());
    b.text(socket, "[\"AUTH\",\"c\"]");
    let (taken, first, second) = (note("taken"), note("first"), note("second"));
    let subs =
        [b.subscribe(notes(), Mode::Live), b.subscribe(notes(), Mode::UntilEose), b.subscribe(notes(), Mode::Live)];
    let publishes = [b.publish(&taken), b.publish(&first), b.publish(&second)];
    let frames = b.sent();
    let names: Vec<_> = frames[..3].iter().map(|frame| frame.split('"').nth(3).unwrap().to_owned()).collect();
    b.text(socket, &eose(&names[2]));
    b.ok(socket, taken.id(), true, "");
    for name in &names[..2] {
        b.text(socket, &closed(name, "auth-required: who are you?"));
    }
    for event in [&first, &second] {
        b.ok(socket, event.id(), false, "restricted: who are you?");
    }
    let id = b.sign();
    b.ok(socket, id, true, "");
    let again = b.sent();
    assert_eq!(again.iter().filter(|frame| frame.starts_with("[\"EVENT\"")).count(), 2, "{again:?}");
    assert_eq!(again.iter().filter(|frame| frame.starts_with("[\"REQ\"")).count(), 2, "{again:?}");
    assert_eq!(again.len(), 4);
    assert_eq!(b.leg(subs[2]), LegState::Live);
    assert_eq!(b.status(publishes[0]), PublishStatus::Accepted { duplicate: false });
    assert_eq!(b.status(publishes[2]), PublishStatus::InFlight);
}

/// Whatever an authentication was at when the connection went, the next one begins anew, and nothing of the old one holds.
#[test]
fn a_connection_lost_at_any_moment_of_an_authentication_starts_over() {
    for lost_at in 0..6 {
        let (mut b, socket) = Bench::connected(config(AuthPolicy::Always), private());
        let sub = b.subscribe(notes(), Mode::Live);
        let event = note("hello");
        let publish = b.publish(&event);
        let name = b.sent()[0].split('"').nth(3).unwrap().to_owned();
        let steps: [&dyn Fn(&mut Bench); 3] = [
            &|b| b.text(socket, &closed(&name, "auth-required: who are you?")),
            &|b| b.ok(socket, event.id(), false, "auth-required: who are you?"),
            &|b| b.text(socket, "[\"AUTH\",\"c\"]"),
        ];
        steps.iter().take(lost_at).for_each(|step| step(&mut b));
        if lost_at > 3 {
            let id = b.sign();
            if lost_at > 4 {
                b.ok(socket, id, true, "");
            }
        }
        b.sent();
        b.orders();
        b.lose(socket);
        b.pass(SECOND * 3);
        let socket = b.open(0);
        assert_eq!(b.auth(), if lost_at == 0 { AuthState::Unchallenged } else { AuthState::Expected });
        b.text(socket, "[\"AUTH\",\"d\"]");
        if lost_at > 0 {
            let id = b.sign_among();
            b.ok(socket, id, true, "");
        }
        let sent = b.sent();
        assert!(sent.iter().any(|frame| frame.starts_with("[\"REQ\"")), "{lost_at}: {sent:?}");
        assert_eq!(b.leg(sub), LegState::Requested, "{lost_at}");
        assert_eq!(b.status(publish), PublishStatus::InFlight, "{lost_at}");
    }
}

/// Whatever a relay does about authentication, and the application with it: nothing waits for what will not come, a key
/// is shown only while the application names it, and in the end, with a relay that has come to its senses, every
/// subscription is live and every publish settled.
mod storm {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Op {
        Challenge(u8),
        TooLong,
        /// The nth running request, or the nth EVENT that was sent, is refused.
        Close(usize, &'static str),
        Refuse(usize, &'static str),
        Eose(usize),
        Accept(usize),
        /// The answer to an AUTH: to the nth that was sent, or to one that never was.
        Ok(usize, bool),
        OkOfNothing(bool),
        Sign(bool),
        Subscribe(bool),
        Publish(u8),
        Options(Option<AuthPolicy>, Option<u8>, bool),
        Authenticate,
        Deny,
        Lose,
        Pass(u64),
    }

    const LACKS: [&str; 4] = ["auth-required: x", "restricted: x", "auth-required:", "Auth-Required : who"];

    fn op() -> impl Strategy<Value = Op> {
        let lack = || (0..LACKS.len()).prop_map(|n| LACKS[n]);
        let nth = || 0..4_usize;
        let policy = prop_oneof![
            1 => Just(Some(AuthPolicy::Never)), 1 => Just(Some(AuthPolicy::Ask)), 3 => Just(Some(AuthPolicy::Always))
        ];
        prop_oneof![
            6 => (0..4_u8).prop_map(Op::Challenge),
            1 => Just(Op::TooLong),
            6 => (nth(), lack()).prop_map(|(n, lack)| Op::Close(n, lack)),
            4 => (nth(), lack()).prop_map(|(n, lack)| Op::Refuse(n, lack)),
            3 => nth().prop_map(Op::Eose),
            2 => nth().prop_map(Op::Accept),
            6 => (nth(), any::<bool>()).prop_map(|(n, yes)| Op::Ok(n, yes)),
            1 => any::<bool>().prop_map(Op::OkOfNothing),
            6 => prop_oneof![5 => Just(true), 1 => Just(false)].prop_map(Op::Sign),
            3 => any::<bool>().prop_map(Op::Subscribe),
            3 => any::<u8>().prop_map(Op::Publish),
            2 => (policy, prop::option::weighted(0.8, 0..2_u8), any::<bool>())
                .prop_map(|(policy, who, at_once)| Op::Options(policy, who, at_once)),
            1 => Just(Op::Authenticate),
            1 => Just(Op::Deny),
            2 => Just(Op::Lose),
            4 => prop_oneof![0..3_u64, 0..20_u64].prop_map(Op::Pass),
        ]
    }

    fn person(n: u8) -> Keys {
        Keys::from_entropy([20 + n; 32]).unwrap()
    }

    /// What the relay and the application know.
    struct Scene {
        b: Bench,
        socket: SocketId,
        running: Vec<String>,
        sent: Vec<EventId>,
        auths: Vec<EventId>,
        accepted: Vec<EventId>,
        order: Vec<(Ticket, UnsignedEvent)>,
        options: RelayOptions,
        allowed: bool,
        shown: Option<PublicKey>,
        opened_at: Instant,
        subs: Vec<SubId>,
        publishes: Vec<PublishId>,
        /// Events that the application published more than once.
        twice: BTreeMap<EventId, u32>,
    }

    impl Scene {
        fn new() -> Self {
            let config = Config { max_refusals: 1_000, ..config(AuthPolicy::Always) };
            let options = RelayOptions { identity: Some(person(0).public_key()), ..private() };
            let (b, socket) = Bench::connected(Config { identity: None, ..config }, options);
            Self {
                b,
                socket,
                running: vec![],
                sent: vec![],
                auths: vec![],
                accepted: vec![],
                order: vec![],
                options,
                allowed: false,
                shown: None,
                opened_at: Instant::ZERO,
                subs: vec![],
                publishes: vec![],
                twice: BTreeMap::new(),
            }
        }

        /// What went out; the key of an AUTH is one that is named.
        fn look(&mut self) -> Result<(), TestCaseError> {
            self.order.extend(self.b.orders().into_iter().map(|(ticket, _, event)| (ticket, event)));
            for frame in self.b.sent() {
                let name = frame.split('"').nth(3).unwrap_or_default().to_owned();
                if frame.starts_with("[\"REQ\"") {
                    self.running.push(name);
                } else if frame.starts_with("[\"CLOSE\"") {
                    self.running.retain(|other| *other != name);
                } else {
                    let json = &frame[frame.find('{').unwrap()..frame.len() - 1];
                    let event = Event::from_json(json).unwrap();
                    if frame.starts_with("[\"AUTH\"") {
                        let named = self.shown.or(self.options.identity);
                        prop_assert!(self.allowed || named == Some(event.pubkey()), "shown is who is named");
                        let may = self.options.auth == Some(AuthPolicy::Always) || self.allowed;
                        prop_assert!(may, "shown with consent");
                        self.shown.get_or_insert(event.pubkey());
                        self.auths.push(event.id());
                    } else {
                        let again = self.twice.get(&event.id()).is_some_and(|n| *n > 1);
                        prop_assert!(
                            again || !self.accepted.contains(&event.id()),
                            "what was accepted is not sent again"
                        );
                        self.sent.push(event.id());
                    }
                }
            }
            let state = self.b.auth();
            let under_way = !matches!(
                state,
                AuthState::Unchallenged
                    | AuthState::Challenged
                    | AuthState::Authenticated { .. }
                    | AuthState::Failed(_)
            );
            for sub in &self.subs {
                if self.b.leg(*sub) == LegState::Waiting(Why::Auth) {
                    // A challenge may be waited for, while a connection is new.
                    let new = self.b.now.mono <= self.opened_at + self.b.core.config().auth_wait;
                    prop_assert!(under_way || new, "{sub} waits for what will not come: {state:?}");
                }
            }
            Ok(())
        }

        fn step(&mut self, op: &Op) -> Result<(), TestCaseError> {
            let socket = self.socket;
            match op {
                Op::Challenge(n) => self.b.text(socket, &format!("[\"AUTH\",\"c{n}\"]")),
                Op::TooLong => self.b.text(socket, &format!("[\"AUTH\",\"{}\"]", "x".repeat(5_000))),
                Op::Close(n, lack) if !self.running.is_empty() => {
                    let name = self.running.remove(n % self.running.len());
                    self.b.text(socket, &closed(&name, lack));
                }
                Op::Eose(n) if !self.running.is_empty() => {
                    let name = self.running[n % self.running.len()].clone();
                    self.b.text(socket, &eose(&name));
                }
                Op::Refuse(n, lack) if !self.sent.is_empty() => {
                    let id = self.sent[n % self.sent.len()];
                    self.b.ok(socket, id, false, lack);
                }
                Op::Accept(n) if !self.sent.is_empty() => {
                    let id = self.sent[n % self.sent.len()];
                    self.accepted.push(id);
                    self.b.ok(socket, id, true, "");
                }
                Op::Ok(n, yes) if !self.auths.is_empty() => {
                    let id = self.auths[n % self.auths.len()];
                    self.b.ok(socket, id, *yes, "error: hm");
                }
                Op::OkOfNothing(yes) => self.b.text(socket, &format!("[\"OK\",\"\",{yes},\"\"]")),
                Op::Sign(yes) => self.sign(*yes),
                Op::Subscribe(hidden) => {
                    let filter = if *hidden { gift_wraps() } else { notes() };
                    let sub = self.b.subscribe(filter, Mode::Live);
                    self.subs.push(sub);
                }
                Op::Publish(n) => {
                    let event = note(&format!("{n}"));
                    *self.twice.entry(event.id()).or_default() += 1;
                    let publish = self.b.publish(&event);
                    self.publishes.push(publish);
                }
                Op::Options(auth, who, auth_at_once) => {
                    let identity = who.map(|n| person(n).public_key());
                    self.options = RelayOptions { auth: *auth, identity, auth_at_once: *auth_at_once, ..private() };
                    self.b.call(Call::AddRelay { url: url(0), options: self.options }).unwrap();
                }
                Op::Authenticate => {
                    let done = self.b.call(Call::Authenticate { url: url(0), identity: None });
                    self.allowed |= done.is_ok();
                }
                Op::Deny => {
                    self.b.call(Call::DenyAuth { url: url(0) }).unwrap();
                }
                Op::Lose => self.reconnect(),
                Op::Pass(seconds) => (0..*seconds).for_each(|_| self.pass()),
                _ => {}
            }
            self.look()
        }

        fn sign(&mut self, yes: bool) {
            let Some((ticket, event)) = self.order.pop() else { return };
            let signer = (0..2).map(person).find(|keys| keys.public_key() == event.pubkey()).unwrap();
            let outcome = if yes { Ok(event.sign(&signer, [0; 32])) } else { Err("no".to_owned()) };
            self.b.input(Input::Signed { ticket, outcome });
        }

        fn reconnect(&mut self) {
            // What had gone out by then was seen.
            self.look().unwrap();
            self.b.lose(self.socket);
            self.running.clear();
            self.auths.clear();
            (self.shown, self.allowed) = (None, false);
            self.b.call(Call::Reconnect { which: Which::All, options: ReconnectOptions::default() }).unwrap();
            self.opened_at = self.b.now.mono;
            self.socket = self.b.open(0);
        }

        /// The relay does what NIP-42 says from now on.
        fn heal(&mut self) -> Result<(), TestCaseError> {
            let identity = Some(person(0).public_key());
            self.options = RelayOptions { identity, auth_at_once: true, ..private() };
            self.b.call(Call::AddRelay { url: url(0), options: self.options }).unwrap();
            self.reconnect();
            let (socket, mut known, mut answered) = (self.socket, false, BTreeSet::new());
            self.b.text(socket, "[\"AUTH\",\"fresh\"]");
            for _ in 0..400 {
                let (sent, auths) = (self.sent.len(), self.auths.len());
                self.look()?;
                while !self.order.is_empty() {
                    self.sign(true);
                    self.look()?;
                }
                for id in self.auths.clone().drain(auths..) {
                    known = true;
                    self.b.ok(socket, id, true, "");
                }
                for id in self.sent.clone().drain(sent..) {
                    self.b.ok(socket, id, known, "auth-required: x");
                }
                for name in self.running.clone().into_iter().filter(|name| answered.insert(name.clone())) {
                    let answer = if known { eose(&name) } else { closed(&name, "auth-required: x") };
                    if !known {
                        self.running.retain(|other| *other != name);
                    }
                    self.b.text(socket, &answer);
                }
                self.pass();
            }
            Ok(())
        }

        /// A second, in which the relay is alive.
        fn pass(&mut self) {
            self.b.input(Input::Ping { socket: self.socket });
            self.b.pass(SECOND);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn nothing_waits_for_ever(ops in prop::collection::vec(op(), 1..80)) {
            let mut scene = Scene::new();
            for op in &ops {
                scene.step(op)?;
            }
            scene.heal()?;
            for sub in scene.subs.clone() {
                prop_assert_eq!(scene.b.leg(sub), LegState::Live, "{}", sub);
            }
            for publish in scene.publishes.clone() {
                let status = scene.b.core.publish_report(publish).map(|report| report.relays[0].1.clone());
                let open = matches!(status, Some(PublishStatus::Queued | PublishStatus::InFlight));
                prop_assert!(!open, "{:?} is {:?}", publish, status);
            }
        }
    }

    /// What they shared was refused for lack of an authentication: each was asked alone, for which there were too few places.
    #[test]
    fn many_that_shared_what_was_refused_all_live_in_the_end() {
        let some = |n: usize| core::iter::repeat_n(Op::Subscribe(false), n);
        let ops = [Op::Subscribe(false), Op::Subscribe(true), Op::Challenge(0), Op::Deny].into_iter();
        let ops = ops.chain(some(3)).chain([Op::Authenticate, Op::Challenge(1), Op::Sign(true), Op::Sign(true)]);
        let ops = ops.chain(some(7)).chain([Op::Ok(0, false)]).chain(some(2)).chain([Op::Authenticate]);
        let mut scene = Scene::new();
        ops.for_each(|op| scene.step(&op).unwrap());
        scene.heal().unwrap();
        for sub in &scene.subs {
            assert_eq!(scene.b.leg(*sub), LegState::Live, "{sub}");
        }
    }
}
