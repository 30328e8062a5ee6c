//! Counting (NIP-45) in the whole core: who is asked, what counts as an answer, and that the report comes once.

#![allow(clippy::unwrap_used, clippy::panic, reason = "this is test code, its helpers included")]

use std::time::Duration;

use nostr_pool_core::*;
use nostr_proto::{Filter, Keys, Kind, Reason, RelayInfo, RelayUrl, Timestamp};

const SECOND: Duration = Duration::from_secs(1);

fn url(n: usize) -> RelayUrl {
    RelayUrl::parse(&format!("wss://relay{n}.example.com")).unwrap()
}

fn keys() -> Keys {
    Keys::from_entropy([7; 32]).unwrap()
}

fn counted(count: u64) -> CountOutcome {
    CountOutcome::Counted(CountAnswer { count, approximate: false, hll: None })
}

fn refused(text: &str) -> CountOutcome {
    CountOutcome::Refused(Reason::parse(text))
}

/// A core whose sockets take everything at once.
struct Bench {
    core: Core,
    now: Now,
    dials: Vec<(SocketId, RelayUrl)>,
    sent: Vec<(SocketId, String)>,
    signs: Vec<Ticket>,
    orders: Vec<nostr_proto::UnsignedEvent>,
    reports: Vec<CountReport>,
}

impl Bench {
    /// With so many relays added, none dialled.
    fn new(relays: usize, config: Config) -> Self {
        let now = Now { mono: Instant::ZERO, unix: Timestamp::new(1_700_000_000) };
        let core = Core::new(config, [7; 32], now);
        let mut b = Self { core, now, dials: vec![], sent: vec![], signs: vec![], orders: vec![], reports: vec![] };
        for n in 0..relays {
            b.call(Call::AddRelay { url: url(n), options: RelayOptions::default() }).unwrap();
        }
        b
    }

    fn call(&mut self, call: Call) -> Result<Reply, CallError> {
        let reply = self.core.handle_call(call, self.now);
        self.drain();
        reply
    }

    fn count(&mut self, filter: Filter) -> CountId {
        match self.call(Call::Count(Count { filters: vec![filter], ..Count::default() })).unwrap() {
            Reply::Counting(id) => id,
            other => panic!("{other:?}"),
        }
    }

    fn input(&mut self, input: Input<'_>) {
        self.core.handle_input(input, self.now);
        self.drain();
    }

    fn drain(&mut self) {
        loop {
            if let Some(command) = self.core.poll_command() {
                match command {
                    Command::Open { socket, url, .. } => self.dials.push((socket, url)),
                    Command::Send { socket, frame } => {
                        self.core.handle_input(Input::Sent { socket }, self.now);
                        self.sent.push((socket, frame.to_string()));
                    }
                    Command::Ping { socket } => {
                        self.core.handle_input(Input::Sent { socket }, self.now);
                        self.core.handle_input(Input::Pong { socket }, self.now);
                    }
                    Command::SignAuth { ticket, event, .. } => {
                        self.signs.push(ticket);
                        self.orders.push(event);
                    }
                    Command::Verify { ticket, event } => {
                        let outcome = nostr_proto::verify(&event);
                        self.core.handle_input(Input::Verified { ticket, outcome }, self.now);
                    }
                    Command::Close { socket, .. } => {
                        self.core.handle_input(Input::Closed { socket, reason: CloseReason::Local }, self.now);
                    }
                    _ => {}
                }
            } else if let Some(event) = self.core.poll_event() {
                if let PoolEvent::Counted(report) = event {
                    self.reports.push(*report);
                }
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
        self.now = Now { mono: to, unix: Timestamp::new(1_700_000_000 + to.as_micros() / 1_000_000) };
    }

    fn open(&mut self, n: usize) -> SocketId {
        let (socket, _) = self.dials.iter().rev().find(|(_, at)| *at == url(n)).cloned().expect("a dial");
        self.input(Input::Opened { socket });
        socket
    }

    fn lose(&mut self, socket: SocketId) {
        self.input(Input::Closed { socket, reason: CloseReason::Error("reset".into()) });
    }

    fn text(&mut self, socket: SocketId, frame: &str) {
        self.input(Input::Text { socket, frame });
    }

    /// The names of the COUNTs that went out since the last look; nothing else did.
    fn asked(&mut self) -> Vec<String> {
        let frames = std::mem::take(&mut self.sent);
        frames
            .iter()
            .map(|(_, frame)| {
                let rest = frame.strip_prefix("[\"COUNT\",\"").unwrap_or_else(|| panic!("{frame}"));
                rest.split('"').next().unwrap().to_owned()
            })
            .collect()
    }

    fn report(&mut self) -> CountReport {
        assert_eq!(self.reports.len(), 1, "it is told once");
        self.reports.remove(0)
    }

    /// The only relay's outcome.
    fn outcome(&mut self) -> CountOutcome {
        self.report().relays.remove(0).1
    }
}

/// One relay, connected and asked; the socket and the name of the question.
fn one(config: Config, filter: Filter) -> (Bench, SocketId, String) {
    let mut b = Bench::new(1, config);
    b.count(filter);
    let socket = b.open(0);
    let asked = b.asked();
    assert_eq!(asked.len(), 1);
    (b, socket, asked[0].clone())
}

fn notes() -> Filter {
    Filter::new().kind(Kind::TEXT_NOTE)
}

#[test]
fn every_relay_is_asked_and_the_largest_number_is_the_maximum() {
    let mut b = Bench::new(3, Config::default());
    let id = b.count(notes());
    let sockets: Vec<SocketId> = (0..3).map(|n| b.open(n)).collect();
    assert_eq!(b.sent[0].1, r#"["COUNT","p0",{"kinds":[1]}]"#);
    assert_eq!(b.asked(), ["p0", "p1", "p2"], "no two have one name");
    b.text(sockets[0], r#"["COUNT","p0",{"count":5}]"#);
    b.text(sockets[1], r#"["COUNT","p1",7]"#);
    b.text(sockets[0], r#"["COUNT","p0",{"count":500}]"#);
    b.text(sockets[2], r#"["COUNT","p1",{"count":500}]"#);
    assert!(b.reports.is_empty());
    b.text(sockets[2], r#"["COUNT","p2",{"count":6,"approximate":true}]"#);
    let report = b.report();
    let rough = CountOutcome::Counted(CountAnswer { count: 6, approximate: true, hll: None });
    let relays = [(url(0), counted(5)), (url(1), counted(7)), (url(2), rough)];
    assert_eq!((report.count, report.relays.as_slice()), (id, relays.as_slice()));
    assert_eq!((report.maximum, report.merged.clone(), report.best()), (Some(7), None, Some(7)));
    // A second answer, and one for another relay's question.
    assert_eq!(b.core.relay(&url(0)).unwrap().counters.unsolicited, 1);
    assert_eq!(b.core.relay(&url(2)).unwrap().counters.unsolicited, 1);
    b.text(sockets[2], r#"["COUNT","p2",{"count":900}]"#);
    assert_eq!(b.core.relay(&url(2)).unwrap().counters.unsolicited, 2, "a late one changes nothing");
    b.pass(100 * SECOND);
    assert!(b.reports.is_empty());
}

#[test]
fn silence_and_nonsense_are_told_apart() {
    for (frame, expected) in [
        (None, CountOutcome::Silent),
        (Some(r#"["COUNT","NAME",{"count":-5}]"#), CountOutcome::Nonsense),
        (Some(r#"["COUNT","NAME",{"count":"5"}]"#), CountOutcome::Nonsense),
        (Some(r#"["COUNT","NAME"]"#), CountOutcome::Nonsense),
        (Some(r#"["COUNT","NAME",{}]"#), CountOutcome::Nonsense),
        (Some(r#"["EOSE","NAME"]"#), CountOutcome::Nonsense),
        (Some(r#"["COUNT","NAME",{"count":5,"hll":"0607"}]"#), counted(5)),
        (Some(r#"["CLOSED","NAME","unsupported: no COUNT here"]"#), refused("unsupported: no COUNT here")),
        (Some(r#"["NOTICE","bad message NAME"]"#), refused("bad message p0")),
    ] {
        let (mut b, socket, name) = one(Config::default(), notes());
        if let Some(frame) = frame {
            b.text(socket, &frame.replace("NAME", &name));
        }
        match expected {
            CountOutcome::Silent => {
                b.pass(Duration::from_millis(9_999));
                assert!(b.reports.is_empty());
                b.pass(Duration::from_millis(1));
                assert_eq!(b.outcome(), expected);
            }
            _ => {
                b.pass(Duration::from_millis(1));
                assert_eq!(b.outcome(), expected, "{frame:?}");
            }
        }
    }
}

#[test]
fn a_notice_in_place_of_an_answer_ends_the_wait_and_an_answer_after_it_counts() {
    let (mut b, socket, name) = one(Config::default(), notes());
    b.text(socket, r#"["NOTICE","ERROR: bad msg: unknown cmd"]"#);
    b.pass(SECOND);
    assert!(b.reports.is_empty());
    b.text(socket, &format!(r#"["COUNT","{name}",{{"count":3}}]"#));
    assert_eq!(b.outcome(), counted(3));

    let (mut b, socket, _) = one(Config::default(), notes());
    b.text(socket, r#"["NOTICE","ERROR: bad msg: unknown cmd"]"#);
    b.pass(2 * SECOND);
    assert_eq!(b.outcome(), refused("ERROR: bad msg: unknown cmd"));

    // One that names the verb may be a word of welcome.
    let (mut b, socket, name) = one(Config::default(), notes());
    b.text(socket, r#"["NOTICE","we have COUNT, too"]"#);
    b.pass(SECOND);
    b.text(socket, &format!(r#"["COUNT","{name}",{{"count":3}}]"#));
    assert_eq!(b.outcome(), counted(3));

    // One that names the verb and says why is about the question that was put first.
    let mut b = Bench::new(1, Config::default());
    b.count(notes());
    b.count(Filter::new());
    let socket = b.open(0);
    b.text(socket, r#"["NOTICE","unsupported: unknown verb COUNT"]"#);
    assert_eq!((b.report().count.as_u64(), b.reports.len()), (0, 0));

    // And one that could be about two questions is about none.
    let mut b = Bench::new(1, Config::default());
    b.count(notes());
    b.call(Call::Subscribe(Subscribe { filters: vec![notes()], ..Subscribe::default() })).unwrap();
    let socket = b.open(0);
    b.text(socket, r#"["NOTICE","hello"]"#);
    b.pass(5 * SECOND);
    assert!(b.reports.is_empty());
    b.pass(5 * SECOND);
    assert_eq!(b.outcome(), CountOutcome::Silent);
}

#[test]
fn an_answer_that_comes_long_after_a_notice_counts_while_others_are_waited_for() {
    let mut b = Bench::new(2, Config::default());
    b.count(notes());
    let sockets = [b.open(0), b.open(1)];
    let names = b.asked();
    b.text(sockets[0], r#"["NOTICE","welcome"]"#);
    b.pass(3 * SECOND);
    assert!(b.reports.is_empty(), "the other is waited for");
    b.text(sockets[0], &format!(r#"["COUNT","{}",{{"count":3}}]"#, names[0]));
    b.text(sockets[1], &format!(r#"["COUNT","{}",{{"count":4}}]"#, names[1]));
    let outcomes: Vec<CountOutcome> = b.report().relays.into_iter().map(|(_, outcome)| outcome).collect();
    assert_eq!(outcomes, [counted(3), counted(4)]);
}

#[test]
fn connections_that_we_close_are_not_held_against_the_relay() {
    let (mut b, _, _) = one(Config::default(), notes());
    for n in 1..=3 {
        let options = ReconnectOptions { keep_open: false, keep_backoff: false };
        b.call(Call::Reconnect { which: Which::All, options }).unwrap();
        b.pass(SECOND);
        b.open(0);
        assert_eq!(b.asked(), [format!("p{n}")]);
    }
    b.pass(10 * SECOND);
    assert_eq!(b.outcome(), CountOutcome::Silent);
}

#[test]
fn what_is_put_off_is_asked_again_under_another_name() {
    let (mut b, socket, name) = one(Config::default(), notes());
    b.text(socket, &format!(r#"["CLOSED","{name}","rate-limited: slowly"]"#));
    b.pass(Duration::from_millis(999));
    assert!(b.asked().is_empty(), "the relay wanted a pause");
    b.pass(Duration::from_millis(1));
    assert_eq!(b.asked(), ["p1"]);
    b.text(socket, r#"["CLOSED","p1","error: busy"]"#);
    b.text(socket, &format!(r#"["COUNT","{name}",{{"count":3}}]"#));
    assert!(b.reports.is_empty(), "the first question is over");
    b.pass(SECOND);
    assert_eq!(b.asked(), ["p2"]);
    b.text(socket, r#"["COUNT","p2",{"count":4}]"#);
    assert_eq!(b.outcome(), counted(4));
}

#[test]
fn a_lost_connection_is_made_up_for_once() {
    let (mut b, socket, _) = one(Config::default(), notes());
    b.lose(socket);
    assert!(b.reports.is_empty());
    b.pass(3 * SECOND);
    let socket = b.open(0);
    assert_eq!(b.asked(), ["p1"]);
    b.text(socket, r#"["COUNT","p1",{"count":4}]"#);
    assert_eq!(b.outcome(), counted(4));

    let (mut b, socket, _) = one(Config::default(), notes());
    b.lose(socket);
    b.pass(3 * SECOND);
    let socket = b.open(0);
    b.lose(socket);
    assert_eq!(b.outcome(), CountOutcome::Lost);
    b.pass(100 * SECOND);
    assert_eq!(b.dials.len(), 2, "and nobody needs the relay any more");
}

#[test]
fn a_relay_that_can_t_be_reached_is_not_waited_for() {
    let mut b = Bench::new(1, Config::default());
    b.count(notes());
    let (socket, _) = b.dials[0].clone();
    b.input(Input::OpenFailed { socket, error: "refused".into() });
    assert_eq!(b.outcome(), CountOutcome::Unreachable);
    // In back-off it is so at once.
    b.count(notes());
    assert_eq!(b.outcome(), CountOutcome::Unreachable);
}

#[test]
fn a_count_is_a_one_shot_need_and_waits_for_a_slot() {
    let mut b = Bench::new(2, Config { max_connections: 1, ..Config::default() });
    b.count(notes());
    assert_eq!(b.dials.len(), 1);
    let socket = b.open(0);
    b.text(socket, r#"["COUNT","p0",{"count":4}]"#);
    assert_eq!(b.dials.len(), 2, "the first one makes room");
    let socket = b.open(1);
    b.text(socket, r#"["COUNT","p1",{"count":5}]"#);
    assert_eq!(b.report().maximum, Some(5));
    b.pass(100 * SECOND);
    assert_eq!(b.core.relay(&url(1)).unwrap().state, ConnectionState::Idle);
}

#[test]
fn auth_required_is_answered_where_the_policy_allows_it_and_asked_again_once() {
    let config = Config { auth: AuthPolicy::Always, identity: Some(keys().public_key()), ..Config::default() };
    for good in [true, false] {
        let (mut b, socket, name) = one(config.clone(), notes());
        b.text(socket, r#"["AUTH","who"]"#);
        b.text(socket, &format!(r#"["CLOSED","{name}","auth-required: who?"]"#));
        let order = b.orders.remove(0);
        let id = order.id();
        let event = order.sign(&keys(), [0; 32]);
        let ticket = b.signs[0];
        b.input(Input::Signed { ticket, outcome: Ok(event) });
        assert!(b.sent.remove(0).1.starts_with("[\"AUTH\""));
        b.text(socket, &format!(r#"["OK","{id}",{good},"restricted: not you"]"#));
        if good {
            assert_eq!(b.asked(), ["p1"]);
            b.text(socket, r#"["CLOSED","p1","auth-required: who?"]"#);
        }
        assert_eq!(b.outcome(), refused("auth-required: who?"));
        assert!(b.sent.is_empty());
    }
    let (mut b, socket, name) = one(Config::default(), notes());
    b.text(socket, r#"["AUTH","who"]"#);
    b.text(socket, &format!(r#"["CLOSED","{name}","auth-required: who?"]"#));
    assert_eq!(b.outcome(), refused("auth-required: who?"), "by the policy Never");
}

#[test]
fn private_kinds_are_counted_for_who_may_see_them() {
    let config = Config { auth: AuthPolicy::Always, identity: Some(keys().public_key()), ..Config::default() };
    let (mut b, socket, name) = one(config, Filter::new().kind(Kind::GIFT_WRAP));
    // The relay wants to know who asks, and would have counted what a stranger may see.
    b.text(socket, r#"["AUTH","who"]"#);
    b.text(socket, &format!(r#"["COUNT","{name}",{{"count":0}}]"#));
    let first = b.reports.len();
    if first == 0 {
        let event = b.orders.remove(0).sign(&keys(), [0; 32]);
        let (ticket, id) = (b.signs[0], event.id());
        b.input(Input::Signed { ticket, outcome: Ok(event) });
        b.sent.clear();
        b.text(socket, &format!(r#"["OK","{id}",true,""]"#));
        assert_eq!(b.asked(), ["p1"]);
        b.text(socket, r#"["COUNT","p1",{"count":9}]"#);
        assert_eq!(b.outcome(), counted(9));
    } else {
        panic!("an answer for a stranger counts for nothing: {:?}", b.reports);
    }
}

#[test]
fn the_bounds_are_kept() {
    let mut b = Bench::new(1, Config { max_counts: 2, max_count_bytes: 200, ..Config::default() });
    let count = |filters: Vec<Filter>| Call::Count(Count { filters, ..Count::default() });
    assert_eq!(b.call(count(vec![])), Err(CallError::FilterCount { given: 0, max: 10 }));
    assert_eq!(b.call(count(vec![notes(); 11])), Err(CallError::FilterCount { given: 11, max: 10 }));
    let long = Filter::new().search("x".repeat(200));
    assert!(matches!(b.call(count(vec![long])), Err(CallError::CountTooLarge { bytes: 200.., max: 200 })));
    b.count(notes());
    let second = b.count(notes());
    assert_eq!(b.call(count(vec![notes()])), Err(CallError::TooManyCounts(2)));
    b.call(Call::CancelCount { count: second }).unwrap();
    assert_eq!(b.report().relays, [(url(0), CountOutcome::Cancelled)]);
    assert_eq!(b.call(Call::CancelCount { count: second }), Err(CallError::UnknownCount(second)));
    b.count(notes());
}

#[test]
fn a_message_longer_than_the_relay_takes_is_not_sent() {
    let mut b = Bench::new(1, Config::default());
    let mut info = RelayInfo::default();
    info.limitation.max_message_length = Some(2_000);
    b.call(Call::RelayInfo { url: url(0), info: Box::new(info) }).unwrap();
    b.count(Filter::new().search("x".repeat(3_000)));
    b.open(0);
    assert!(b.sent.is_empty());
    assert!(matches!(b.outcome(), CountOutcome::TooLarge { bytes: 3_000.., max: 2_000 }));
}

#[test]
fn whatever_ends_the_relay_or_the_pool_ends_the_count() {
    type End = fn() -> Call;
    let ends: [End; 3] = [|| Call::RemoveRelay { url: url(0) }, || Call::StartClean, || Call::Shutdown];
    for end in ends {
        let (mut b, _, _) = one(Config::default(), notes());
        b.call(end()).unwrap();
        assert_eq!(b.outcome(), CountOutcome::Cancelled);
        b.pass(100 * SECOND);
        assert!(b.reports.is_empty());
    }
}

#[test]
fn a_relay_that_only_a_count_named_goes_when_it_is_told() {
    let mut b = Bench::new(0, Config::default());
    assert_eq!(
        b.call(Call::Count(Count { filters: vec![notes()], ..Count::default() })),
        Err(CallError::NoRelays),
        "there is none"
    );
    let target = Target::Relays(vec![url(3)]);
    b.call(Call::Count(Count { filters: vec![notes()], target, deadline: Some(3 * SECOND) })).unwrap();
    b.open(3);
    b.pass(3 * SECOND);
    assert_eq!(b.outcome(), CountOutcome::Silent);
    b.pass(100 * SECOND);
    assert!(b.core.relays().is_empty());
}
