//! Publishing through the whole core: what is not sent, what ends connections, what takes another's place, and what
//! becomes of pending events.

#![allow(clippy::unwrap_used, clippy::panic, reason = "this is test code, its helpers included")]

use std::time::Duration;

use nostr_pool_core::*;
use nostr_proto::{Event, EventId, EventTemplate, Filter, Keys, Kind, RelayInfo, RelayUrl, Timestamp, UnsignedEvent};
use proptest::prelude::*;

const EPOCH: u64 = 1_700_000_000;

/// A core, and everything outside of it.
struct World {
    core: Core,
    ms: u64,
    commands: Vec<Command>,
    events: Vec<PoolEvent>,
}

impl World {
    /// With relays 0 to n, all connected.
    fn with(relays: usize, config: &Config) -> Self {
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

    fn now(&self) -> Now {
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

    fn call(&mut self, call: Call) -> Result<Reply, CallError> {
        let reply = self.core.handle_call(call, self.now());
        self.drain();
        reply
    }

    fn input(&mut self, input: Input<'_>) {
        self.core.handle_input(input, self.now());
        self.drain();
    }

    fn pass(&mut self, ms: u64) {
        let end = self.ms + ms;
        while let Some(at) = self.core.poll_timeout().map(|d| d.at.as_micros().div_ceil(1_000)).filter(|at| *at <= end)
        {
            self.ms = self.ms.max(at);
            self.core.handle_timeout(self.now());
            self.drain();
        }
        self.ms = end;
    }

    fn socket(&self, n: usize) -> SocketId {
        let opened = self.commands.iter().rev().find_map(|c| match c {
            Command::Open { socket, url: to, .. } if *to == url(n) => Some(*socket),
            _ => None,
        });
        opened.expect("it was dialled")
    }

    fn open(&mut self, n: usize) {
        let socket = self.socket(n);
        self.input(Input::Opened { socket });
    }

    /// The sink takes everything.
    fn take(&mut self, n: usize) {
        let socket = self.socket(n);
        for _ in 0..64 {
            self.input(Input::Sent { socket });
        }
    }

    fn text(&mut self, n: usize, frame: &str) {
        let socket = self.socket(n);
        self.input(Input::Text { socket, frame });
    }

    fn ok(&mut self, n: usize, event: EventId, accepted: bool, reason: &str) {
        self.text(n, &format!(r#"["OK","{event}",{accepted},"{reason}"]"#));
    }

    /// The connection ends, and the next one opens.
    fn end(&mut self, n: usize, reason: CloseReason) {
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
    fn sent(&mut self, n: usize) -> Vec<EventId> {
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

    fn publish(&mut self, event: &Event, quorum: Quorum) -> PublishId {
        let call = Publish { event: event.clone(), target: Target::All, quorum, deadline: None, link: None };
        id(self.call(Call::Publish(call)).unwrap())
    }

    fn publish_unsigned(&mut self, event: &UnsignedEvent, link: Option<PublishId>) -> Result<PublishId, CallError> {
        let (event, target, quorum) = (event.clone(), Target::All, Quorum::All);
        self.call(Call::PublishUnsigned(PublishUnsigned { event, target, quorum, deadline: None, link })).map(id)
    }

    /// The signer and the verifier answer.
    fn sign(&mut self) {
        self.sign_only();
        self.verify();
    }

    /// The signer answers.
    fn sign_only(&mut self) {
        let Some(at) = self.commands.iter().position(|c| matches!(c, Command::Sign { .. })) else {
            panic!("not asked")
        };
        let Command::Sign { ticket, event } = self.commands.remove(at) else { unreachable!() };
        self.input(Input::Signed { ticket, outcome: Ok(event.sign(&keys(), [0; 32])) });
    }

    fn verify(&mut self) {
        while let Some(at) = self.commands.iter().position(|c| matches!(c, Command::Verify { .. })) {
            let Command::Verify { ticket, event } = self.commands.remove(at) else { unreachable!() };
            let outcome = nostr_proto::verify(&event);
            self.input(Input::Verified { ticket, outcome });
        }
    }

    fn subscribe(&mut self) -> SubId {
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
    fn relay_sends(&mut self, n: usize, event: &Event) {
        let wire = self.commands.iter().rev().find_map(|c| match c {
            Command::Send { socket, frame } if frame.starts_with("[\"REQ\"") && socket.slot() as usize == n => {
                Some(frame.split('"').nth(3).unwrap().to_owned())
            }
            _ => None,
        });
        self.text(n, &format!(r#"["EVENT","{}",{}]"#, wire.unwrap(), event.to_json()));
        self.verify();
    }

    fn status(&self, publish: PublishId, n: usize) -> PublishStatus {
        let report = self.core.publish_report(publish).unwrap();
        report.relays.into_iter().find(|(relay, _)| *relay == url(n)).unwrap().1
    }

    fn report(&self, publish: PublishId) -> PublishReport {
        self.core.publish_report(publish).unwrap()
    }

    /// What was told of pending events, and what to roll back to.
    fn fates(&self) -> Vec<(EventId, PendingOutcome, Option<EventId>)> {
        let resolved = |e: &PoolEvent| match e {
            PoolEvent::Item { item: Item::Resolved { event, outcome, back_to }, .. } => {
                Some((*event, outcome.clone(), back_to.as_ref().map(|e| e.id())))
            }
            _ => None,
        };
        self.events.iter().filter_map(resolved).collect()
    }
}

fn id(reply: Reply) -> PublishId {
    match reply {
        Reply::Publishing(id, _) => id,
        other => panic!("{other:?}"),
    }
}

fn url(n: usize) -> RelayUrl {
    RelayUrl::parse(&format!("wss://r{n}.example.com")).unwrap()
}

fn keys() -> Keys {
    Keys::from_entropy([1; 32]).unwrap()
}

fn unsigned(content: impl Into<String>) -> UnsignedEvent {
    EventTemplate::text_note(content, Timestamp::new(EPOCH)).unsigned(keys().public_key())
}

fn note(content: impl Into<String>) -> Event {
    unsigned(content).sign(&keys(), [0; 32])
}

/// A version of a replaceable event.
fn profile(at: u64) -> UnsignedEvent {
    EventTemplate::new(Kind::METADATA, format!("{{\"name\":\"{at}\"}}"), Timestamp::new(EPOCH + at))
        .unsigned(keys().public_key())
}

fn info(max: u64) -> Box<RelayInfo> {
    let json = format!(r#"{{"limitation":{{"max_message_length":{max}}}}}"#);
    Box::new(RelayInfo::from_json(&json).unwrap())
}

fn remote(code: u16) -> CloseReason {
    CloseReason::Remote { code, reason: String::new() }
}

fn reset() -> CloseReason {
    CloseReason::Error("reset".into())
}

const SUSPECT: PublishStatus = PublishStatus::Rejected(Rejection::Suspect);

#[test]
fn what_a_relay_does_not_take_is_not_sent_to_it() {
    let mut w = World::with(2, &Config::default());
    w.call(Call::RelayInfo { url: url(0), info: info(1_500) }).unwrap();
    let large = note("x".repeat(2_000));
    let bytes = large.size() + 10;
    let p = w.publish(&large, Quorum::All);
    assert_eq!(w.status(p, 0), PublishStatus::Rejected(Rejection::TooLarge { bytes, max: Some(1_500) }));
    assert_eq!(w.report(p).verdict, Some(Verdict::Failed));
    assert_eq!((w.sent(0), w.sent(1)), (vec![], vec![large.id()]));
    let small = note("x");
    w.publish(&small, Quorum::All);
    assert_eq!(w.sent(0), [small.id()]);
}

#[test]
fn a_message_of_the_very_length_is_taken_and_absurd_lengths_are_ignored() {
    let event = note("x".repeat(2_000));
    let exact = event.size() as u64 + 10;
    for (max, sent) in [(exact, true), (exact - 1, false), (1_024, false), (1_023, true), (1, true), (0, true)] {
        let mut w = World::with(1, &Config::default());
        w.call(Call::RelayInfo { url: url(0), info: info(max) }).unwrap();
        w.publish(&event, Quorum::All);
        assert_eq!(w.sent(0).len(), usize::from(sent), "{max}");
    }
    let mut w = World::with(1, &Config::default());
    let unknown = w.call(Call::RelayInfo { url: url(9), info: info(2_000) });
    assert_eq!(unknown, Err(CallError::UnknownRelay(url(9))));
}

#[test]
fn what_waits_is_rejected_when_the_document_comes_and_what_is_in_flight_is_not() {
    let mut w = World::with(2, &Config::default());
    w.call(Call::Disconnect { which: Which::One(url(0)), code: 1000, reason: String::new() }).unwrap();
    let p = w.publish(&note("x".repeat(2_000)), Quorum::All);
    for n in 0..2 {
        w.call(Call::RelayInfo { url: url(n), info: info(1_500) }).unwrap();
    }
    assert!(matches!(w.status(p, 0), PublishStatus::Rejected(Rejection::TooLarge { max: Some(1_500), .. })));
    assert_eq!(w.status(p, 1), PublishStatus::InFlight, "it has yet to say");
}

#[test]
fn what_is_known_to_be_too_long_is_not_sent_again() {
    let large = note("x".repeat(2_000));
    let too_large = |w: &World, p| matches!(w.status(p, 0), PublishStatus::Rejected(Rejection::TooLarge { .. }));
    // It is not answered in time.
    let mut w = World::with(1, &Config::default());
    let p = w.publish(&large, Quorum::All);
    w.take(0);
    w.call(Call::RelayInfo { url: url(0), info: info(1_500) }).unwrap();
    assert_eq!(w.sent(0).len(), 1);
    w.pass(11_000);
    assert!(w.sent(0).is_empty() && too_large(&w, p), "{:?}", w.status(p, 0));
    // The connection is lost.
    let mut w = World::with(1, &Config::default());
    let p = w.publish(&large, Quorum::All);
    w.call(Call::RelayInfo { url: url(0), info: info(1_500) }).unwrap();
    assert_eq!(w.sent(0).len(), 1);
    w.end(0, reset());
    assert!(w.sent(0).is_empty() && too_large(&w, p), "{:?}", w.status(p, 0));
    // The relay says to try again later.
    let mut w = World::with(1, &Config::default());
    let p = w.publish(&large, Quorum::All);
    w.call(Call::RelayInfo { url: url(0), info: info(1_500) }).unwrap();
    assert_eq!(w.sent(0).len(), 1);
    w.ok(0, large.id(), false, "error: busy");
    w.pass(10_000);
    assert!(w.sent(0).is_empty() && too_large(&w, p), "{:?}", w.status(p, 0));
}

#[test]
fn the_signer_is_not_asked_for_what_nobody_takes() {
    let mut w = World::with(1, &Config::default());
    w.call(Call::RelayInfo { url: url(0), info: info(1_500) }).unwrap();
    let p = w.publish_unsigned(&unsigned("x".repeat(2_000)), None).unwrap();
    assert_eq!(w.report(p).verdict, Some(Verdict::Failed));
    assert!(!w.commands.iter().any(|c| matches!(c, Command::Sign { .. })));
}

#[test]
fn a_connection_closed_for_size_speaks_against_the_largest() {
    let mut w = World::with(1, &Config::default());
    let (small, large) = (note("x"), note("x".repeat(2_000)));
    let (p, q) = (w.publish(&small, Quorum::All), w.publish(&large, Quorum::All));
    w.take(0);
    w.end(0, remote(1009));
    assert_eq!(w.status(q, 0), PublishStatus::Rejected(Rejection::TooLarge { bytes: large.size() + 10, max: None }));
    assert_eq!(w.status(p, 0), PublishStatus::InFlight);
    assert_eq!(w.sent(0), [small.id(), large.id(), small.id()]);
}

#[test]
fn the_second_connection_that_ends_right_after_an_event_makes_it_suspect() {
    for reason in [remote(1006), remote(1000), reset()] {
        let mut w = World::with(1, &Config::default());
        let p = w.publish(&note("x"), Quorum::All);
        w.take(0);
        w.pass(1_000);
        w.end(0, reason.clone());
        assert_eq!(w.status(p, 0), PublishStatus::InFlight, "once may be chance");
        w.take(0);
        w.end(0, reason);
        assert_eq!((w.status(p, 0), w.report(p).verdict), (SUSPECT, Some(Verdict::Failed)));
        w.pass(700_000);
        assert_eq!(w.sent(0).len(), 2);
    }
}

#[test]
fn whatever_a_relay_says_but_a_ping_speaks_for_the_event_before_it() {
    type Said = fn(SocketId) -> Input<'static>;
    let said: [(Said, bool); 4] = [
        (|socket| Input::Binary { socket }, true),
        (|socket| Input::Pong { socket }, true),
        (|socket| Input::Text { socket, frame: "?" }, true),
        (|socket| Input::Ping { socket }, false),
    ];
    for (input, speaks) in said {
        let mut w = World::with(1, &Config::default());
        let p = w.publish(&note("x"), Quorum::All);
        for _ in 0..2 {
            w.take(0);
            let socket = w.socket(0);
            w.input(input(socket));
            w.end(0, reset());
        }
        assert_eq!(w.status(p, 0) != SUSPECT, speaks, "{:?}", input(w.socket(0)));
    }
}

#[test]
fn a_relay_that_is_rate_limited_is_left_in_peace_however_late_it_says_so() {
    let config = Config { max_sends: 1, ..Config::default() };
    let (event, more) = (note("x"), ["a", "b"].map(note));
    let ways: [fn(&mut World, EventId); 3] = [
        |_, _| (),
        // It is given up already.
        |w, _| w.pass(11_000),
        // It was refused for another reason.
        |w, id| w.ok(0, id, false, "error: busy"),
    ];
    for before in ways {
        let mut w = World::with(1, &config);
        w.publish(&event, Quorum::All);
        w.take(0);
        before(&mut w, event.id());
        w.ok(0, event.id(), false, "rate-limited: slow down");
        w.sent(0);
        for event in &more {
            w.publish(event, Quorum::All);
        }
        assert_eq!(w.sent(0), []);
        w.pass(1_100);
        assert_eq!(w.sent(0), [more[0].id()], "one by one");
    }
}

#[test]
fn one_of_many_is_found_and_the_others_arrive() {
    let mut w = World::with(1, &Config::default());
    w.subscribe();
    let events: Vec<Event> = (0..5).map(|n| note(format!("{n}"))).collect();
    let publishes: Vec<PublishId> = events.iter().map(|e| w.publish(e, Quorum::All)).collect();
    let poison = events[2].id();
    let mut connections = 0;
    while !publishes.iter().all(|p| w.status(*p, 0).is_final()) {
        w.take(0);
        let sent = w.sent(0);
        assert!(connections == 0 || sent.len() <= 1, "what is doubted is sent alone: {sent:?}");
        if sent.contains(&poison) {
            connections += 1;
            w.end(0, reset());
        } else if sent.is_empty() {
            w.pass(2_000);
        } else {
            sent.into_iter().for_each(|event| w.ok(0, event, true, ""));
        }
        assert!(connections < 4);
    }
    assert_eq!(connections, 2);
    for (event, p) in events.iter().zip(publishes) {
        let expected = if event.id() == poison { SUSPECT } else { PublishStatus::Accepted { duplicate: false } };
        assert_eq!(w.status(p, 0), expected);
    }
}

/// A relay that says nothing at all does not hold up what waits for the doubted ones.
#[test]
fn silence_delays_the_next_by_the_window_only() {
    let mut w = World::with(1, &Config { ok_deadline: Duration::from_secs(100), ..Config::default() });
    for n in 0..4 {
        w.publish(&note(format!("{n}")), Quorum::All);
    }
    w.take(0);
    w.end(0, reset());
    assert_eq!(w.sent(0).len(), 5);
    w.take(0);
    for _ in 0..3 {
        w.pass(1_999);
        assert_eq!(w.sent(0).len(), 0);
        w.pass(1);
        assert_eq!(w.sent(0).len(), 1);
        w.take(0);
    }
}

/// How a connection ends that has nothing to do with what was sent.
#[derive(Clone, Copy, Debug)]
enum Honest {
    Answered,
    Ponged,
    Later,
    Ours,
    Untaken,
    TooLarge,
}

fn honest() -> impl Strategy<Value = Honest> {
    use Honest::*;
    prop_oneof![Just(Answered), Just(Ponged), Just(Later), Just(Ours), Just(Untaken), Just(TooLarge)]
}

fn end_honestly(w: &mut World, how: Honest, code: u16) {
    let socket = w.socket(0);
    if !matches!(how, Honest::Untaken) {
        w.take(0);
    }
    match how {
        Honest::Answered => w.text(0, r#"["NOTICE","goodbye"]"#),
        Honest::Ponged => w.input(Input::Pong { socket }),
        Honest::Later => w.pass(2_000),
        Honest::Ours => {
            w.call(Call::Reconnect { which: Which::All, options: ReconnectOptions::default() }).map(drop).unwrap();
        }
        Honest::Untaken | Honest::TooLarge => {}
    }
    let reason = if matches!(how, Honest::TooLarge) { CloseReason::TooLarge } else { remote(code) };
    w.end(0, reason);
}

proptest! {
    #[test]
    fn honest_disconnects_speak_against_no_event(
        events in 1..5_usize,
        ends in proptest::collection::vec((honest(), prop_oneof![Just(1000_u16), Just(1006), Just(1009)]), 1..6),
    ) {
        let mut w = World::with(1, &Config::default());
        let publishes: Vec<PublishId> = (0..events).map(|n| w.publish(&note(format!("{n}")), Quorum::All)).collect();
        for (how, code) in ends {
            end_honestly(&mut w, how, code);
            for p in &publishes {
                prop_assert!(!matches!(w.status(*p, 0), PublishStatus::Rejected(_)), "{:?}", w.report(*p));
            }
        }
    }
}

#[test]
fn an_event_too_large_or_expired_comes_back() {
    let mut w = World::with(1, &Config { max_event_bytes: 600, ..Config::default() });
    let publish = |event: &Event| {
        Call::Publish(Publish {
            event: event.clone(),
            target: Target::All,
            quorum: Quorum::All,
            deadline: None,
            link: None,
        })
    };
    let large = note("x".repeat(600));
    assert_eq!(w.call(publish(&large)), Err(CallError::EventTooLarge(large)));
    let large = unsigned("x".repeat(600));
    assert_eq!(w.publish_unsigned(&large, None), Err(CallError::UnsignedTooLarge(large)));
    let brief = |secs| EventTemplate::text_note("x", Timestamp::new(EPOCH)).expires_at(Timestamp::new(EPOCH + secs));
    let (old, new) = (brief(0).unsigned(keys().public_key()), brief(1).unsigned(keys().public_key()));
    assert_eq!(w.publish_unsigned(&old, None), Err(CallError::UnsignedExpired(old.clone())));
    let signed = old.sign(&keys(), [0; 32]);
    assert_eq!(w.call(publish(&signed)), Err(CallError::Expired(signed)));
    let signed = new.sign(&keys(), [0; 32]);
    let p = id(w.call(publish(&signed)).unwrap());
    w.pass(1_000);
    assert_eq!(w.status(p, 0), PublishStatus::InFlight);
    w.end(0, reset());
    assert_eq!(w.status(p, 0), PublishStatus::Unknown(UnknownCause::Expired));
    assert_eq!(w.sent(0).len(), 1);
    let again = w.call(Call::Retry { event: signed.id(), deadline: None });
    assert_eq!(again, Err(CallError::Expired(signed)));
}

#[test]
fn linked_publishes_name_each_other() {
    let mut w = World::with(1, &Config::default());
    w.subscribe();
    let (first, second) = (unsigned("first"), unsigned("second"));
    let p = w.publish_unsigned(&first, None).unwrap();
    let q = w.publish_unsigned(&second, Some(p)).unwrap();
    assert_eq!((w.report(p).link, w.report(p).successor), (None, Some(q)));
    assert_eq!((w.report(q).link, w.report(q).successor), (Some(p), None));
    assert_eq!(w.fates(), [(first.id(), PendingOutcome::Superseded { by: q }, None)]);
    assert_eq!(w.publish_unsigned(&unsigned("third"), Some(p)), Err(CallError::HasSuccessor(q)));
    let unknown = PublishId::from_u64(99);
    assert_eq!(w.publish_unsigned(&unsigned("third"), Some(unknown)), Err(CallError::UnknownPublish(unknown)));
    // What relays make of the first one goes on, and is no news to those who saw it pending.
    w.sign();
    w.ok(0, first.id(), true, "");
    assert_eq!(w.report(p).verdict, Some(Verdict::Reached));
    assert_eq!(w.fates().len(), 1);
}

#[test]
fn a_forgotten_publish_is_named_no_longer() {
    let mut w = World::with(1, &Config { max_publishes: 2, ..Config::default() });
    let (a, b) = (note("a"), note("b"));
    let p = w.publish(&a, Quorum::All);
    w.ok(0, a.id(), true, "");
    let link = Some(p);
    let call = Publish { event: b, target: Target::All, quorum: Quorum::All, deadline: None, link };
    let q = id(w.call(Call::Publish(call)).unwrap());
    assert_eq!(w.report(q).link, Some(p));
    w.publish(&note("c"), Quorum::All);
    assert_eq!((w.core.publish_report(p), w.report(q).link), (None, None));
}

#[test]
fn trying_again_makes_room_for_one_and_keeps_it() {
    let mut w = World::with(1, &Config { max_publishes: 1, ..Config::default() });
    let event = note("x");
    let again = |w: &mut World| id(w.call(Call::Retry { event: event.id(), deadline: None }).unwrap());
    w.publish(&event, Quorum::First);
    w.ok(0, event.id(), true, "");
    let p = again(&mut w);
    assert_eq!(w.report(p).verdict, Some(Verdict::Reached), "it is done at once, and remembered");
    let mut w = World::with(1, &Config { max_publishes: 3, ..Config::default() });
    let old: Vec<_> = ["a", "b", "x"].map(|text| w.publish(&note(text), Quorum::First)).into();
    for text in ["a", "b", "x"] {
        w.ok(0, note(text).id(), false, "blocked: x");
    }
    again(&mut w);
    let remembered = |p: &PublishId| w.core.publish_report(*p).is_some();
    assert_eq!(old.iter().map(remembered).collect::<Vec<_>>(), [false, true, true], "the oldest made room, alone");
}

#[test]
fn a_signer_that_refuses_after_the_verdict_is_the_final_fate() {
    for refuses in [true, false] {
        let mut w = World::with(1, &Config::default());
        w.subscribe();
        w.publish_unsigned(&unsigned("x"), None).unwrap();
        w.pass(31_000);
        let ticket =
            w.commands.iter().find_map(|c| if let Command::Sign { ticket, .. } = c { Some(*ticket) } else { None });
        if refuses {
            w.input(Input::Signed { ticket: ticket.unwrap(), outcome: Err("no".into()) });
        }
        w.pass(600_000);
        let told: Vec<PendingOutcome> = w.fates().into_iter().map(|(_, outcome, _)| outcome).collect();
        let why = if refuses { "no" } else { "the signer did not answer" };
        let published = PendingOutcome::Published(Verdict::Indeterminate);
        assert_eq!(told, [published, PendingOutcome::NotSigned(why.into())]);
    }
}

/// A relay, and its OK.
type Answer = (usize, bool, &'static str);

#[test]
fn a_pending_event_has_one_fate() {
    use PendingOutcome::{AcceptedLate, NeverAccepted, Published};
    use Verdict::{Failed, Indeterminate, Reached};
    // What two relays answer, before the verdict's deadline and after it; both are needed.
    let cases: [(&[Answer], &[Answer], &[PendingOutcome]); 6] = [
        (&[(0, true, ""), (1, true, "")], &[], &[Published(Reached)]),
        (&[(0, false, "blocked: x"), (1, false, "blocked: x")], &[], &[Published(Failed), NeverAccepted]),
        (&[(0, true, ""), (1, false, "blocked: x")], &[], &[Published(Failed), AcceptedLate]),
        (&[(0, false, "blocked: x")], &[(1, true, "")], &[Published(Failed), AcceptedLate]),
        (&[], &[(0, true, ""), (1, true, "")], &[Published(Indeterminate), AcceptedLate]),
        (&[], &[], &[Published(Indeterminate), NeverAccepted]),
    ];
    for (early, late, expected) in cases {
        let mut w = World::with(2, &Config::default());
        w.subscribe();
        let event = unsigned("x");
        let p = w.publish_unsigned(&event, None).unwrap();
        w.sign();
        early.iter().for_each(|(n, ok, reason)| w.ok(*n, event.id(), *ok, reason));
        w.pass(30_000);
        late.iter().for_each(|(n, ok, reason)| w.ok(*n, event.id(), *ok, reason));
        w.pass(600_000);
        let told: Vec<PendingOutcome> = w.fates().into_iter().map(|(_, outcome, _)| outcome).collect();
        assert_eq!(told, expected, "{early:?}, {late:?}");
        assert!(told.iter().rev().skip(1).all(|o| !o.is_final()) && told.last().unwrap().is_final());
        // However late, an OK is news of the relay only.
        w.ok(0, event.id(), true, "");
        assert_eq!(w.fates().len(), told.len(), "{:?}", w.report(p));
    }
}

/// Brings a pending event into a state of the table, and lets a piece of news come. What is told of it, in the table's
/// words, and whether that is the end: nothing that comes later is told.
fn news(state: &str, news: &str) -> String {
    let mut w = World::with(2, &Config::default());
    w.subscribe();
    let event = unsigned("x");
    let p = w.publish_unsigned(&event, None).unwrap();
    let deadline = || Config::default().publish_deadline.as_millis().try_into().unwrap();
    match (state, news) {
        ("judged", "signer refused") => w.pass(deadline()),
        (_, "signer refused") => {}
        ("judged", _) => {
            w.sign();
            w.ok(0, event.id(), false, "blocked: no");
        }
        _ => w.sign(),
    }
    let before = w.fates().len();
    assert_eq!(before, usize::from(state == "judged"), "{:?}", w.fates());
    match news {
        // There is one verdict, and it was: what could bring another is an OK, and that is other news.
        "quorum reached" | "other verdict" if state == "judged" => w.pass(deadline()),
        "quorum reached" => (0..2).for_each(|n| w.ok(n, event.id(), true, "")),
        "other verdict" => w.ok(0, event.id(), false, "blocked: no"),
        "a relay has it" => w.ok(1, event.id(), true, ""),
        // Before a verdict, delivery can't be over.
        "delivery over, no relay has it" if state == "shown" => w.pass(1_000),
        "delivery over, no relay has it" => w.ok(1, event.id(), false, "blocked: no"),
        "signer refused" => {
            let asked = |c: &Command| if let Command::Sign { ticket, .. } = c { Some(*ticket) } else { None };
            let ticket = w.commands.iter().find_map(asked).unwrap();
            w.input(Input::Signed { ticket, outcome: Err("no".into()) });
        }
        "superseded" => {
            w.publish_unsigned(&unsigned("y"), Some(p)).unwrap();
        }
        other => panic!("the table has news that nobody walks: {other}"),
    }
    let own = |w: &World| w.fates().into_iter().filter(|(id, ..)| *id == event.id()).count();
    let told: Vec<_> = w.fates().split_off(before).into_iter().map(|(_, outcome, _)| outcome).collect();
    let [outcome] = &told[..] else {
        assert!(told.is_empty(), "{told:?}");
        return "–".to_owned();
    };
    let (name, after) = (format!("{outcome:?}"), own(&w));
    w.ok(1, event.id(), true, "");
    w.pass(700_000);
    let end = if own(&w) == after { "end" } else { "judged" };
    assert_eq!(outcome.is_final(), end == "end", "{outcome:?}");
    format!("`{}`, {end}", name.split(['(', ' ']).next().unwrap())
}

/// The table of pending events in `machine/echoes.rs`: every state, and all news.
#[test]
fn every_piece_of_news_of_a_pending_event_does_what_the_documentation_says() {
    let cells = |line: &'static str| -> Vec<&'static str> {
        line.trim_start_matches("//! |").trim_end_matches('|').split('|').map(str::trim).collect()
    };
    let mut rows = include_str!("../src/machine/echoes.rs").lines().filter(|line| line.starts_with("//! |"));
    let heads = cells(rows.next().unwrap());
    assert_eq!(heads.len(), 7, "{heads:?}");
    let rows: Vec<_> = rows.skip(1).map(cells).collect();
    assert_eq!(rows.iter().map(|row| row[0]).collect::<Vec<_>>(), ["shown", "judged"]);
    for row in rows {
        for (what, cell) in heads.iter().zip(&row).skip(1) {
            assert_eq!(*cell, news(row[0], what), "{} × {what}: the table is on the left", row[0]);
        }
        assert_eq!(row.len(), heads.len());
    }
}

#[test]
fn an_event_that_a_relay_sends_is_out_whatever_the_answers_were() {
    let mut w = World::with(1, &Config::default());
    w.subscribe();
    let event = unsigned("x");
    w.publish_unsigned(&event, None).unwrap();
    w.sign();
    w.relay_sends(0, &event.sign(&keys(), [0; 32]));
    w.ok(0, event.id(), false, "error: who knows");
    w.pass(700_000);
    assert_eq!(w.fates().last().unwrap().1, PendingOutcome::AcceptedLate);
}

#[test]
fn a_pending_version_that_nobody_took_gives_way_to_the_one_before() {
    let mut w = World::with(1, &Config::default());
    w.subscribe();
    let [oldest, before, newer] = [1, 2, 4].map(|at| profile(at).sign(&keys(), [0; 32]));
    let pending = profile(3);
    for (meanwhile, expected) in [(None, &before), (Some(&newer), &newer)] {
        w.events.clear();
        w.relay_sends(0, &before);
        w.relay_sends(0, &oldest);
        w.publish_unsigned(&pending, None).unwrap();
        w.sign();
        if let Some(event) = meanwhile {
            w.relay_sends(0, event);
        }
        w.ok(0, pending.id(), false, "blocked: no");
        let fates = w.fates();
        assert_eq!(fates[0], (pending.id(), PendingOutcome::Published(Verdict::Failed), None));
        assert_eq!(fates[1], (pending.id(), PendingOutcome::NeverAccepted, Some(expected.id())));
    }
    w.events.clear();
    w.publish_unsigned(&unsigned("a note"), None).unwrap();
    let ticket =
        w.commands.iter().find_map(|c| if let Command::Sign { ticket, .. } = c { Some(*ticket) } else { None });
    w.input(Input::Signed { ticket: ticket.unwrap(), outcome: Err("no".into()) });
    assert_eq!(w.fates().pop().unwrap().1, PendingOutcome::NotSigned("no".into()));
    assert_eq!(w.fates().pop().unwrap().2, None, "a note replaces nothing");
}

/// The pool remembers few events: the one before is kept for as long as it may be needed, and counts.
#[test]
fn the_version_before_is_kept_and_counted() {
    let mut w = World::with(1, &Config { held_bytes: 1_000, max_publish_bytes: 4_500, ..Config::default() });
    w.subscribe();
    let before = profile(1).sign(&keys(), [0; 32]);
    w.relay_sends(0, &before);
    let pending = profile(2);
    w.publish_unsigned(&pending, None).unwrap();
    for n in 0..9 {
        w.relay_sends(0, &note(format!("{n}")));
    }
    w.sign();
    w.ok(0, pending.id(), false, "blocked: no");
    assert_eq!(w.fates().pop().unwrap().2, Some(before.id()));
}

#[test]
fn what_is_tried_again_is_pending_again() {
    let mut w = World::with(1, &Config::default());
    w.subscribe();
    let event = unsigned("x");
    w.publish_unsigned(&event, None).unwrap();
    w.sign();
    w.ok(0, event.id(), false, "blocked: not now");
    w.events.clear();
    w.call(Call::Retry { event: event.id(), deadline: None }).unwrap();
    let pending = |e: &&PoolEvent| matches!(e, PoolEvent::Item { item: Item::Pending(p), .. } if p.event == event);
    assert_eq!(w.events.iter().filter(pending).count(), 1);
    w.ok(0, event.id(), true, "");
    assert_eq!(w.fates(), [(event.id(), PendingOutcome::Published(Verdict::Reached), None)]);
}

#[test]
fn a_relay_that_is_added_later_gets_what_named_it_and_nothing_else() {
    let mut w = World::with(1, &Config::default());
    let (all, named) = (note("all"), note("named"));
    let p = w.publish(&all, Quorum::All);
    let target = Target::Relays(vec![url(1)]);
    let call = Publish { event: named.clone(), target, quorum: Quorum::All, deadline: None, link: None };
    let q = id(w.call(Call::Publish(call)).unwrap());
    w.call(Call::AddRelay { url: url(1), options: RelayOptions { pinned: true, ..RelayOptions::default() } }).unwrap();
    w.open(1);
    assert_eq!(w.sent(1), [named.id()]);
    w.ok(1, named.id(), true, "");
    assert_eq!(w.report(q).verdict, Some(Verdict::Reached));
    assert_eq!(w.report(p).relays.len(), 1);
}

#[test]
fn one_ok_answers_every_publish_of_the_event_that_was_sent() {
    let mut w = World::with(1, &Config::default());
    let event = note("x");
    let (p, q) = (w.publish(&event, Quorum::All), w.publish(&event, Quorum::First));
    w.ok(0, event.id(), false, "duplicate: have it");
    for publish in [p, q] {
        assert_eq!(w.report(publish).verdict, Some(Verdict::Reached));
        assert_eq!(w.status(publish, 0), PublishStatus::Accepted { duplicate: true });
    }
}

#[test]
fn errors_about_other_arguments_change_nothing() {
    let mut w = World::with(1, &Config { max_relays: 1, ..Config::default() });
    let publish =
        |target, quorum| Call::Publish(Publish { event: note("x"), target, quorum, deadline: None, link: None });
    assert_eq!(w.call(publish(Target::Relays(vec![]), Quorum::All)), Err(CallError::NoRelays));
    assert_eq!(w.call(publish(Target::Relays(vec![url(1)]), Quorum::All)), Err(CallError::TooManyRelays(1)));
    let impossible = CallError::ImpossibleQuorum { needed: 2, relays: 1 };
    assert_eq!(w.call(publish(Target::All, Quorum::AtLeast(2))), Err(impossible));
    assert!(w.core.unfinished().is_empty());
}

#[test]
fn what_is_not_answered_is_sent_again_and_what_is_refused_after_a_doubling_wait() {
    let config = Config { max_sends: 12, publish_lifetime: Duration::from_secs(10_000), ..Config::default() };
    let mut w = World::with(1, &config);
    let event = note("x");
    w.publish(&event, Quorum::All);
    assert_eq!(w.sent(0), [event.id()]);
    w.pass(9_999);
    assert!(w.sent(0).is_empty());
    w.pass(1);
    assert_eq!(w.sent(0), [event.id()], "the OK is overdue");
    // It was sent twice by now.
    for seconds in [2, 4, 8, 16, 32, 60, 60] {
        w.ok(0, event.id(), false, "error: busy");
        w.pass(seconds * 1_000 - 1);
        assert!(w.sent(0).is_empty(), "{seconds}");
        w.pass(1);
        assert_eq!(w.sent(0), [event.id()], "{seconds}");
    }
}

#[test]
fn what_waits_is_given_up_when_it_expires() {
    let config = Config { retry_base: Duration::from_secs(50), ..Config::default() };
    for refused in [true, false] {
        let mut w = World::with(1, &config);
        if !refused {
            w.call(Call::Disconnect { which: Which::One(url(0)), code: 1000, reason: String::new() }).unwrap();
        }
        let brief = EventTemplate::text_note("x", Timestamp::new(EPOCH)).expires_at(Timestamp::new(EPOCH + 5));
        let event = keys().sign(&brief, [0; 32]);
        let p = w.publish(&event, Quorum::All);
        if refused {
            w.ok(0, event.id(), false, "error: busy");
        }
        w.pass(4_999);
        assert_eq!(w.status(p, 0), PublishStatus::Queued);
        w.pass(1);
        assert_eq!(w.status(p, 0), PublishStatus::Unknown(UnknownCause::Expired));
    }
}

#[test]
fn delivery_goes_on_until_the_deadline_where_that_is_after_the_lifetime() {
    let mut w = World::with(1, &Config { publish_lifetime: Duration::from_secs(5), ..Config::default() });
    w.call(Call::Disconnect { which: Which::One(url(0)), code: 1000, reason: String::new() }).unwrap();
    let p = w.publish(&note("x"), Quorum::All);
    w.pass(29_999);
    assert_eq!((w.status(p, 0), w.report(p).verdict), (PublishStatus::Queued, None));
    w.pass(1);
    assert!(w.status(p, 0).is_final() && w.report(p).verdict == Some(Verdict::Indeterminate));
}

#[test]
fn a_signer_that_signs_something_else_or_refuses_has_nothing_sent() {
    let answers = [
        Ok(note("something else")),
        Ok(unsigned("x").sign(&Keys::from_entropy([9; 32]).unwrap(), [0; 32])),
        Err("no".to_owned()),
    ];
    for outcome in answers {
        let mut w = World::with(1, &Config::default());
        let p = w.publish_unsigned(&unsigned("x"), None).unwrap();
        let asked = |c: &Command| if let Command::Sign { ticket, .. } = c { Some(*ticket) } else { None };
        let ticket = w.commands.iter().find_map(asked).unwrap();
        w.input(Input::Signed { ticket, outcome: outcome.clone() });
        w.verify();
        assert!(matches!(w.status(p, 0), PublishStatus::Unknown(UnknownCause::NotSigned(_))), "{outcome:?}");
        assert_eq!((w.report(p).verdict, w.sent(0)), (Some(Verdict::Failed), vec![]), "{outcome:?}");
    }
}

#[test]
fn a_signer_s_answer_that_nobody_waits_for_is_counted() {
    let mut w = World::with(1, &Config::default());
    let p = w.publish_unsigned(&unsigned("x"), None).unwrap();
    let asked = |c: &Command| if let Command::Sign { ticket, .. } = c { Some(*ticket) } else { None };
    let ticket = w.commands.iter().find_map(asked).unwrap();
    w.call(Call::Cancel { publish: p }).unwrap();
    for count in 1..3 {
        w.input(Input::Signed { ticket, outcome: Ok(note("x")) });
        assert_eq!(w.core.stats().unknown_tickets, count);
    }
    assert!(!w.commands.iter().any(|c| matches!(c, Command::Verify { .. })));
}

#[test]
fn pinned_relays_get_every_publish_and_may_be_all_there_is() {
    let mut w = World::with(0, &Config::default());
    let options = RelayOptions { write: false, pinned: true, ..RelayOptions::default() };
    w.call(Call::AddRelay { url: url(0), options }).unwrap();
    let p = w.publish(&note("x"), Quorum::All);
    assert_eq!(w.report(p).relays.len(), 1);
    w.open(0);
    assert_eq!(w.sent(0).len(), 1);
    w.call(Call::RemoveRelay { url: url(0) }).unwrap();
    w.call(Call::AddRelay { url: url(1), options: RelayOptions::default() }).unwrap();
    let q = w.publish(&note("y"), Quorum::All);
    assert_eq!(w.report(q).relays.iter().map(|(relay, _)| relay).collect::<Vec<_>>(), [&url(1)]);
}

#[test]
fn an_event_of_the_very_size_is_taken() {
    let event = note("x".repeat(600));
    for (max_event_bytes, taken) in [(event.size(), true), (event.size() - 1, false)] {
        let mut w = World::with(1, &Config { max_event_bytes, ..Config::default() });
        let call =
            Publish { event: event.clone(), target: Target::All, quorum: Quorum::All, deadline: None, link: None };
        assert_eq!(w.call(Call::Publish(call)).is_ok(), taken);
    }
}

#[test]
fn a_retry_shows_nothing_that_is_out_or_still_pending_and_keeps_the_earlier_report() {
    let pending = |w: &World| {
        let shown = |e: &&PoolEvent| matches!(e, PoolEvent::Item { item: Item::Pending(_), .. });
        w.events.iter().filter(shown).count()
    };
    for out in [true, false] {
        let mut w = World::with(2, &Config::default());
        w.subscribe();
        let event = unsigned("x");
        let p = w.publish_unsigned(&event, None).unwrap();
        w.sign();
        w.ok(0, event.id(), out, "blocked: no");
        if out {
            w.ok(1, event.id(), false, "blocked: no");
        }
        assert_eq!(pending(&w), 1);
        w.call(Call::Retry { event: event.id(), deadline: None }).unwrap();
        assert_eq!(pending(&w), 1, "out: {out}");
        assert_eq!(w.report(p).event, event.id());
    }
}

#[test]
fn a_retry_of_what_all_accepted_is_over_at_once() {
    let mut w = World::with(2, &Config::default());
    let event = note("x");
    w.publish(&event, Quorum::All);
    (0..2).for_each(|n| w.ok(n, event.id(), true, ""));
    let again = id(w.call(Call::Retry { event: event.id(), deadline: None }).unwrap());
    assert_eq!(w.report(again).verdict, Some(Verdict::Reached));
    assert_eq!((w.sent(0).len(), w.sent(1).len()), (1, 1));
}

#[test]
fn a_retry_makes_room_for_itself() {
    let mut w = World::with(1, &Config { max_publishes: 2, ..Config::default() });
    let (a, b) = (note("a"), note("b"));
    let publishes = [&a, &b].map(|event| {
        let p = w.publish(event, Quorum::All);
        w.ok(0, event.id(), false, "blocked: no");
        p
    });
    w.call(Call::Retry { event: a.id(), deadline: None }).unwrap();
    let kept = publishes.iter().filter(|p| w.core.publish_report(**p).is_some()).count();
    assert!(kept <= 1, "with the new one, no more than two are remembered");
}

#[test]
fn a_link_ends_with_either_of_the_two() {
    let link_to = |event: &Event, link| Publish {
        event: event.clone(),
        target: Target::All,
        quorum: Quorum::All,
        deadline: None,
        link: Some(link),
    };
    // The earlier one makes room for the later one itself.
    let mut w = World::with(1, &Config { max_publishes: 1, ..Config::default() });
    let (a, b) = (note("a"), note("b"));
    let p = w.publish(&a, Quorum::All);
    w.ok(0, a.id(), true, "");
    let q = id(w.call(Call::Publish(link_to(&b, p))).unwrap());
    assert_eq!((w.core.publish_report(p), w.report(q).link), (None, None));
    // The later one is forgotten first.
    let mut w = World::with(1, &Config { max_publishes: 2, ..Config::default() });
    let p = w.publish(&a, Quorum::All);
    let q = id(w.call(Call::Publish(link_to(&b, p))).unwrap());
    w.ok(0, b.id(), true, "");
    w.publish(&note("c"), Quorum::All);
    assert_eq!((w.core.publish_report(q), w.report(p).successor), (None, None));
}

#[test]
fn a_relay_that_was_taken_in_for_a_call_that_fails_goes_again() {
    let mut w = World::with(0, &Config::default());
    let target = Target::Relays(vec![url(7)]);
    let call = Publish { event: note("x"), target, quorum: Quorum::AtLeast(2), deadline: None, link: None };
    assert!(matches!(w.call(Call::Publish(call)), Err(CallError::ImpossibleQuorum { .. })));
    assert_eq!(w.core.relay(&url(7)), None);
}

#[test]
fn a_connection_for_a_publish_alone_goes_when_that_is_done() {
    let mut w = World::with(0, &Config::default());
    let event = note("x");
    let target = Target::Relays(vec![url(1), url(0)]);
    let call = Publish { event: event.clone(), target, quorum: Quorum::All, deadline: None, link: None };
    let p = id(w.call(Call::Publish(call)).unwrap());
    assert!(w.report(p).relays.is_sorted_by_key(|(relay, _)| relay.clone()));
    w.open(0);
    let socket = w.socket(0);
    w.text(0, &format!(r#"["OK","{}",true,""]"#, event.id()));
    w.pass(59_000);
    let closes = |w: &World| w.commands.iter().any(|c| matches!(c, Command::Close { socket: s, .. } if *s == socket));
    assert!(!closes(&w));
    w.pass(1_000);
    assert!(closes(&w));
    w.input(Input::Closed { socket, reason: CloseReason::Local });
    assert_eq!(w.core.relay(&url(0)), None);
}

#[test]
fn a_signer_that_refuses_and_what_has_expired_bring_back_the_right_version() {
    let mut w = World::with(1, &Config::default());
    w.subscribe();
    let before = profile(1).sign(&keys(), [0; 32]);
    w.relay_sends(0, &before);
    w.publish_unsigned(&profile(2), None).unwrap();
    let asked = |c: &Command| if let Command::Sign { ticket, .. } = c { Some(*ticket) } else { None };
    let ticket = w.commands.iter().find_map(asked).unwrap();
    w.input(Input::Signed { ticket, outcome: Err("no".into()) });
    assert_eq!(w.fates().pop().unwrap().2, Some(before.id()));
    // One that has expired meanwhile is for nobody.
    let mut w = World::with(1, &Config::default());
    w.subscribe();
    let brief = EventTemplate::new(Kind::METADATA, "{}", Timestamp::new(EPOCH)).expires_at(Timestamp::new(EPOCH + 5));
    w.relay_sends(0, &keys().sign(&brief, [0; 32]));
    w.publish_unsigned(&profile(2), None).unwrap();
    w.sign();
    w.pass(6_000);
    w.ok(0, profile(2).id(), false, "blocked: no");
    assert_eq!(w.fates().pop().unwrap().2, None);
}

/// What an echo keeps to roll back to takes room that other publishes then do not have.
#[test]
fn the_version_before_counts_as_the_publish_s() {
    for (long, room) in [(8_000, false), (10, true)] {
        let mut w = World::with(1, &Config { max_publish_bytes: 9_000, ..Config::default() });
        w.subscribe();
        let before = EventTemplate::new(Kind::METADATA, "x".repeat(long), Timestamp::new(EPOCH));
        w.relay_sends(0, &keys().sign(&before, [0; 32]));
        w.publish_unsigned(&profile(2), None).unwrap();
        let (event, target) = (note("x".repeat(1_000)), Target::All);
        let call = Publish { event, target, quorum: Quorum::All, deadline: None, link: None };
        let reply = w.call(Call::Publish(call));
        assert_eq!(reply.is_ok(), room, "{reply:?}");
    }
}

#[test]
fn the_next_version_minds_the_kind_the_d_and_what_lies_far_ahead() {
    let mut w = World::with(1, &Config::default());
    let of = |kind: u16, d: &str, ahead: u64| {
        let template = EventTemplate::new(Kind::new(kind), "x", Timestamp::new(EPOCH + ahead)).tag(["d", d]);
        keys().sign(&template, [0; 32])
    };
    for event in [of(30_000, "a", 100), of(30_000, "far", 100_000), of(10_000, "a", 200), of(1, "a", 300)] {
        w.publish(&event, Quorum::All);
    }
    let cases = [(30_000, "a", 101), (30_000, "b", 0), (30_000, "far", 0), (10_000, "b", 201), (1, "a", 0)];
    for (kind, d, ahead) in cases {
        let next = w.core.next_created_at(Kind::new(kind), keys().public_key(), d, w.now());
        assert_eq!(next.as_secs(), EPOCH + ahead, "{kind}, {d}");
    }
}

#[test]
fn a_quorum_of_no_named_relays_takes_one_all_the_same() {
    let mut w = World::with(1, &Config::default());
    let event = note("x");
    let p = w.publish(&event, Quorum::Named(vec![]));
    assert_eq!(w.report(p).verdict, None);
    w.ok(0, event.id(), true, "");
    assert_eq!(w.report(p).verdict, Some(Verdict::Reached));
}

/// Each bug that can be planted here changes what happens.
#[cfg(feature = "planted-bugs")]
mod planted {
    use super::*;

    fn config(planted: Option<PlantedBug>) -> Config {
        Config { planted, ..Config::default() }
    }

    fn differs<T: PartialEq + std::fmt::Debug>(bug: PlantedBug, run: impl Fn(World) -> T) {
        let (right, wrong) = (run(World::with(1, &config(None))), run(World::with(1, &config(Some(bug)))));
        assert_ne!(right, wrong, "{bug:?}");
    }

    #[test]
    fn each_shows() {
        differs(PlantedBug::SuspectAfterOne, |mut w| {
            let p = w.publish(&note("x"), Quorum::All);
            w.take(0);
            w.end(0, reset());
            w.status(p, 0)
        });
        differs(PlantedBug::OwnCloseBlamed, |mut w| {
            let p = w.publish(&note("x"), Quorum::All);
            for _ in 0..2 {
                end_honestly(&mut w, Honest::Ours, 1000);
            }
            w.status(p, 0)
        });
        differs(PlantedBug::OversizeSent, |mut w| {
            w.call(Call::RelayInfo { url: url(0), info: info(1_500) }).unwrap();
            w.publish(&note("x".repeat(2_000)), Quorum::All);
            w.sent(0)
        });
        differs(PlantedBug::ExpiredSent, |mut w| {
            let brief = EventTemplate::text_note("x", Timestamp::new(EPOCH)).expires_at(Timestamp::new(EPOCH + 1));
            w.publish(&keys().sign(&brief, [0; 32]), Quorum::All);
            w.end(0, reset());
            w.sent(0)
        });
        differs(PlantedBug::PendingNotRolledBack, |mut w| {
            w.subscribe();
            w.relay_sends(0, &profile(1).sign(&keys(), [0; 32]));
            w.publish_unsigned(&profile(2), None).unwrap();
            w.sign();
            w.ok(0, profile(2).id(), false, "blocked: no");
            w.fates()
        });
        differs(PlantedBug::FateTwice, |mut w| {
            w.subscribe();
            w.publish_unsigned(&unsigned("x"), None).unwrap();
            w.sign();
            w.ok(0, unsigned("x").id(), false, "blocked: no");
            w.ok(0, unsigned("x").id(), true, "");
            w.fates()
        });
    }
}

/// Whatever was under way: signing, checking a signature, a pace, an EVENT on trial, a relay that was named only.
#[test]
fn nothing_is_left_to_wait_for_after_the_end() {
    for end in [Call::StartClean, Call::Shutdown] {
        let mut w = World::with(2, &Config::default());
        w.subscribe();
        let event = note("x");
        w.publish(&event, Quorum::All);
        (0..2).for_each(|n| w.take(n));
        w.end(0, reset());
        w.ok(1, event.id(), false, "rate-limited: slow down");
        w.publish(&note("y"), Quorum::All);
        w.publish_unsigned(&unsigned("unsigned"), None).unwrap();
        w.publish_unsigned(&unsigned("unchecked"), None).unwrap();
        w.sign_only();
        let (filters, target) = (vec![Filter::new()], Target::Relays(vec![url(7)]));
        let mode = Mode::UntilEose;
        let versions = Versions::Latest;
        let named = Subscribe { filters, target, mode, versions, ..Subscribe::default() };
        w.call(Call::Subscribe(named)).unwrap();
        w.call(end).unwrap();
        assert!(w.core.unfinished().is_empty());
        for n in [0, 1, 7] {
            let socket = w.socket(n);
            w.input(Input::Closed { socket, reason: CloseReason::Local });
        }
        let told = w.events.len();
        w.pass(60_000);
        w.verify();
        w.pass(10_000_000);
        assert_eq!((w.core.poll_timeout(), w.core.relays().len()), (None, 2));
        assert_eq!(w.events.len(), told, "{:?}", &w.events[told..]);
    }
}
