//! Every kind of value is written and read again; and what a recording does at its bounds, and with bytes that are not
//! as they were written.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::ControlFlow::{Break, Continue};
use core::time::Duration;
use std::collections::BTreeSet;
use std::format;

use nostr_proto::{
    Event, EventId, EventTemplate, Fee, Fees, Filter, Keys, Kind, Limitation, PublicKey, RelayInfo, RelayUrl,
    Retention, Timestamp, verify,
};
use proptest::prelude::*;

use crate::call::*;
use crate::event::{Gap, GapCause};
use crate::subscription::{Checkpoint, RelayGround};
use crate::{
    AuthPolicy, CloseReason, Command, Config, Core, CountId, Input, Instant, Now, PublishId, SocketId, SubId, Ticket,
};

use super::code::{Decode, Encode, Source};
use super::recorder::Digest;
use super::*;

fn keys() -> Keys {
    Keys::from_entropy([3; 32]).unwrap()
}

fn url(n: u8) -> RelayUrl {
    RelayUrl::parse(&format!("wss://r{n}.example.com/path?token=x")).unwrap()
}

fn note(content: &str) -> Event {
    let template = EventTemplate::new(Kind::TEXT_NOTE, content, Timestamp::new(50)).tag(["t", "tag"]).tag([""; 0]);
    template.unsigned(keys().public_key()).sign(&keys(), [0; 32])
}

fn filter() -> Filter {
    let filter =
        Filter::new().id(EventId::from_bytes([1; 32])).author(keys().public_key()).kinds([Kind::new(0), Kind::AUTH]);
    let filter = filter.since(Timestamp::new(1)).until(Timestamp::MAX).limit(0).search("what\nis");
    // Relays would refuse it, and it has no JSON that is read back.
    filter.tag('e', "no id").tag('Z', "")
}

fn checkpoint() -> Checkpoint {
    let ground = |n| RelayGround {
        relay: url(n),
        keys: vec![keys().public_key()],
        alive_until: Timestamp::new(9),
        floors: vec![None, Some(Timestamp::new(3))],
        proven: vec![vec![(1, 2), (4, 4)], vec![]],
    };
    Checkpoint { filters: vec![filter(), Filter::new()], relays: vec![ground(1), ground(2)] }
}

fn info() -> RelayInfo {
    let text = || Some(String::from("text"));
    RelayInfo {
        name: text(),
        description: text(),
        banner: text(),
        icon: text(),
        pubkey: Some(PublicKey::from_bytes([9; 32])),
        self_pubkey: None,
        contact: text(),
        supported_nips: vec![1, 65_535],
        software: text(),
        version: text(),
        terms_of_service: text(),
        limitation: Limitation {
            max_message_length: Some(u64::MAX),
            auth_required: Some(true),
            ..Limitation::default()
        },
        payments_url: text(),
        fees: Fees {
            admission: vec![Fee { amount: 3, unit: "msats".into(), period: Some(4), kinds: vec![Kind::new(5)] }],
            ..Fees::default()
        },
        posting_policy: text(),
        privacy_policy: text(),
        relay_countries: vec!["DE".into()],
        language_tags: vec!["*".into()],
        tags: vec!["sfw-only".into()],
        retention: vec![Retention { kinds: vec![(Kind::new(1), Kind::new(9))], time: None, count: Some(7) }],
        ignored: 3,
    }
}

fn gaps() -> Vec<GapCause> {
    vec![
        GapCause::Disconnected,
        GapCause::CaughtUp { events: 1 },
        GapCause::QueueFull { skipped: 2, lost: u64::MAX },
        GapCause::Flooded { dropped: 3 },
        GapCause::Budget,
        GapCause::DenseSecond,
        GapCause::Unprovable,
        GapCause::OverDelivered { dropped: 4 },
        GapCause::TooLarge,
        GapCause::NotAnswered,
    ]
}

#[expect(clippy::too_many_lines, reason = "one of every kind")]
fn calls() -> Vec<Call> {
    let (sub, publish) = (SubId::from_u64(7), PublishId::from_u64(u64::MAX));
    let odd = RelayOptions {
        auth: Some(AuthPolicy::Ask),
        identity: Some(keys().public_key()),
        origin: Origin::Hinted,
        pinned: true,
        ..RelayOptions::default()
    };
    let unsigned = EventTemplate::new(Kind::TEXT_NOTE, "draft\u{1}", Timestamp::new(5)).unsigned(keys().public_key());
    let subscribe = Subscribe {
        filters: vec![filter()],
        target: Target::Hinted(vec![url(1), url(2)]),
        mode: Mode::UntilEose,
        eose_deadline: Some(Duration::new(3, 999_999_999)),
        queue_items: Some(usize::MAX),
        versions: Versions::All,
        history: History::All,
        acknowledge: Acknowledge::ByHand,
        resume: Some(checkpoint()),
        group: Group::AtLeast(Duration::from_millis(7)),
    };
    let quorums = [
        Quorum::First,
        Quorum::AtLeast(3),
        Quorum::Percent(255),
        Quorum::Majority,
        Quorum::All,
        Quorum::Named(vec![url(3)]),
    ];
    let publishes = quorums.into_iter().map(|quorum| {
        let (event, target) = (note("a"), Target::Relays(vec![url(1)]));
        Call::Publish(Publish { event, target, quorum, deadline: None, link: Some(publish) })
    });
    let policies = [AuthPolicy::Never, AuthPolicy::Ask, AuthPolicy::Always].map(|policy| Call::AddRelay {
        url: url(4),
        options: RelayOptions { auth: Some(policy), ..RelayOptions::default() },
    });
    let refills = gaps().into_iter().map(|cause| {
        let gap = Gap { relay: Some(url(1)), since: None, until: Some(Timestamp::new(5)), cause };
        Call::Refill { sub, gap }
    });
    let mut calls = vec![
        Call::AddRelay { url: url(1), options: odd },
        Call::RemoveRelay { url: url(1) },
        Call::Connect { which: Which::All },
        Call::Connect { which: Which::One(url(2)) },
        Call::Disconnect { which: Which::All, code: 4_999, reason: "ß".into() },
        Call::Reconnect { which: Which::All, options: ReconnectOptions { keep_open: true, keep_backoff: false } },
        Call::NetworkChanged,
        Call::Subscribe(Subscribe::default()),
        Call::Subscribe(subscribe),
        Call::Update { sub, filters: vec![filter(), Filter::new()] },
        Call::Retarget { sub, target: Target::All },
        Call::Acknowledge { sub, seq: 1 << 40 },
        Call::Checkpoint { sub },
        Call::Unsubscribe { sub },
        Call::Taken { sub, items: 0, bytes: 5 },
        Call::PublishUnsigned(PublishUnsigned {
            event: unsigned,
            target: Target::All,
            quorum: Quorum::All,
            deadline: Some(Duration::MAX),
            link: None,
        }),
        Call::Retry { event: EventId::from_bytes([4; 32]), deadline: None },
        Call::Cancel { publish },
        Call::Authenticate { url: url(1), identity: None },
        Call::DenyAuth { url: url(1) },
        Call::RelayInfo { url: url(1), info: Box::new(info()) },
        Call::StartClean,
        Call::Shutdown,
        Call::Count(Count { filters: vec![filter()], target: Target::All, deadline: Some(Duration::from_millis(1)) }),
        Call::CancelCount { count: CountId::from_u64(9) },
    ];
    calls.extend(publishes.chain(policies).chain(refills));
    calls
}

fn reasons() -> Vec<CloseReason> {
    vec![
        CloseReason::Remote { code: 1_006, reason: "bye".into() },
        CloseReason::Local,
        CloseReason::Error("reset".into()),
        CloseReason::TooLarge,
    ]
}

fn feds() -> Vec<Fed<'static>> {
    let (socket, ticket) = (SocketId::new(u32::MAX, 0), Ticket::from_u64(3));
    let mut feds = vec![
        Fed::Opened { socket },
        Fed::OpenFailed { socket, error: "no route".into() },
        Fed::Text { socket, frame: "[\"NOTICE\",\"ü\"]" },
        Fed::Binary { socket },
        Fed::Ping { socket },
        Fed::Pong { socket },
        Fed::Sent { socket },
        Fed::Verified { ticket, answer: Answer { good: true, mark: [5; 8] } },
        Fed::Signed { ticket, outcome: Ok(note("signed")) },
        Fed::Signed { ticket, outcome: Err("no".into()) },
        Fed::Timeout,
    ];
    feds.extend(reasons().into_iter().map(|reason| Fed::Closed { socket, reason }));
    feds.extend(calls().into_iter().map(|call| Fed::Call(Arc::new(call))));
    feds
}

fn bytes_of(value: &impl Encode) -> Vec<u8> {
    let mut out = Vec::new();
    value.encode(&mut out);
    out
}

fn read_back<'a, T: Decode<'a>>(bytes: &'a [u8]) -> T {
    let mut from = Source::new(bytes);
    let value = T::decode(&mut from).unwrap();
    assert!(from.is_empty(), "all of it is read");
    value
}

/// Whether a first byte names no variant, as the one behind the last does.
fn is_unknown<'a, T: Decode<'a>>(first: &'a [u8; 1]) -> bool {
    T::decode(&mut Source::new(first)).is_err_and(|fault| matches!(fault, read::Fault::Bad(_)))
}

#[test]
fn every_kind_of_step_is_read_as_it_was_written() {
    for fed in feds() {
        let bytes = bytes_of(&fed);
        assert_eq!(read_back::<Fed<'_>>(&bytes), fed);
        for cut in 0..bytes.len() {
            assert!(Fed::decode(&mut Source::new(&bytes[..cut])).is_err(), "{fed:?} cut to {cut}");
        }
    }
    // None is missing above.
    let kinds: BTreeSet<u8> = feds().iter().map(|fed| bytes_of(fed)[0]).collect();
    assert!(kinds.iter().copied().eq(0..=11) && is_unknown::<Fed<'_>>(&[12]));
    let kinds: BTreeSet<u8> = calls().iter().map(|call| bytes_of(call)[0]).collect();
    assert!(kinds.iter().copied().eq(0..=24) && is_unknown::<Call>(&[25]));
    let kinds: BTreeSet<u8> = gaps().iter().map(|cause| bytes_of(cause)[0]).collect();
    assert!(kinds.iter().copied().eq(0..=9) && is_unknown::<GapCause>(&[10]));
    let kinds: BTreeSet<u8> = reasons().iter().map(|reason| bytes_of(reason)[0]).collect();
    assert!(kinds.iter().copied().eq(0..=3) && is_unknown::<CloseReason>(&[4]));
}

#[test]
fn events_are_read_as_they_were_written_whatever_they_claim() {
    let long = note(&"x".repeat(3 << 20));
    let id = note("a").id().to_string();
    let false_id = Event::from_json(&note("a").to_json().replacen(&id, &format!("00{}", &id[2..]), 1)).unwrap();
    assert_ne!(false_id.id(), false_id.compute_id());
    let odd = Event::from_json(&note("\u{1}\"\\").to_json().replacen("tag", "t\\u0061g", 1)).unwrap();
    for event in [note(""), note("\u{0}\u{7f}ü\u{10ffff}"), long, false_id, odd] {
        assert_eq!(read_back::<Event>(&bytes_of(&event)), event);
    }
}

#[test]
fn a_config_is_read_as_it_was_written() {
    let odd = Config {
        max_relays: usize::MAX,
        auth: AuthPolicy::Always,
        identity: Some(keys().public_key()),
        ..Config::default()
    };
    for config in [Config::default(), odd] {
        assert_eq!(read_back::<Config>(&bytes_of(&config)), config);
    }
    #[cfg(feature = "planted-bugs")]
    for bug in crate::PlantedBug::ALL {
        let config = Config { planted: Some(bug), ..Config::default() };
        assert_eq!(read_back::<Config>(&bytes_of(&config)), config);
    }
}

/// If this fails, what is written has changed, and [`FORMAT`] is to be raised: note what the new one comes to.
#[test]
fn the_format_is_what_it_was() {
    let mut all = bytes_of(&Config::default());
    feds().iter().for_each(|fed| fed.encode(&mut all));
    let mut digest = Digest::default();
    digest.add(&all);
    assert_eq!((FORMAT, digest.long()), (1, 9_961_977_027_553_849_405));
}

proptest! {
    #[test]
    fn numbers_are_read_as_they_were_written(n in any::<u64>(), shift in 0..64_u32, to in any::<u64>()) {
        let n = n >> shift;
        prop_assert_eq!(read_back::<u64>(&bytes_of(&n)), n);
        let mut out = Vec::new();
        code::put_distance(n, to, &mut out);
        prop_assert_eq!(code::distance_from(n, &mut Source::new(&out)), Ok(to));
        prop_assert!(out.len() <= 10);
    }

    /// Any bytes behind a header are a recording or an error, never a panic.
    #[test]
    fn nothing_panics(body in prop::collection::vec(prop_oneof![0..13_u8, any::<u8>()], 0..200)) {
        let mut bytes = small(u64::MAX);
        bytes.truncate(header_bytes());
        bytes.extend_from_slice(&body);
        if let Ok(recording) = Recording::read(&bytes) {
            let _ = replay(&recording, |_, _| ());
        }
    }
}

fn now(secs: u64) -> Now {
    Now { mono: Instant::from_micros(secs * 1_000_000 + 7), unix: Timestamp::new(1_700_000_000 + secs) }
}

fn header_bytes() -> usize {
    Recorder::new(Vec::new(), u64::MAX, &Config::default(), &[7; 32], now(0)).into_tape().len()
}

/// A small run: a relay, a subscription, an event that is verified, one that is forged, and a lost connection.
fn small(max_bytes: u64) -> Vec<u8> {
    let mut core = Core::new(Config::default(), [7; 32], now(0));
    let mut recorder = Recorder::new(Vec::new(), max_bytes, &Config::default(), &[7; 32], now(0));
    recorder.call(&mut core, Call::AddRelay { url: url(1), options: RelayOptions::default() }, now(0)).unwrap();
    let request = Subscribe { filters: vec![Filter::new().kind(Kind::TEXT_NOTE)], ..Subscribe::default() };
    recorder.call(&mut core, Call::Subscribe(request), now(0)).unwrap();
    let Some(Command::Open { socket, .. }) = core.poll_command() else { panic!("the relay is dialled") };
    recorder.input(&mut core, Input::Opened { socket }, now(1));
    let forged = note("b").to_json().replace(&note("b").signature().to_string()[..8], "00000000");
    for event in [note("a").to_json(), forged] {
        recorder.input(&mut core, Input::Text { socket, frame: &format!("[\"EVENT\",\"p0\",{event}]") }, now(2));
    }
    recorder.input(&mut core, Input::Text { socket, frame: "[\"EOSE\",\"p0\"]" }, now(2));
    let mut verified = 0;
    while let Some(command) = core.poll_command() {
        if let Command::Verify { ticket, event } = command {
            verified += 1;
            recorder.input(&mut core, Input::Verified { ticket, outcome: verify(&event) }, now(3));
        }
    }
    assert_eq!(verified, 2);
    recorder.input(&mut core, Input::Closed { socket, reason: CloseReason::Local }, now(4));
    recorder.timeout(&mut core, now(60));
    recorder.end(Ended::Closed);
    recorder.into_tape()
}

fn steps_of(bytes: &[u8]) -> usize {
    Recording::read(bytes).unwrap().steps.len()
}

#[test]
fn what_was_recorded_is_replayed() {
    let bytes = small(u64::MAX);
    let recording = Recording::read(&bytes).unwrap();
    let mut events = 0;
    replay(&recording, |step, outcome| {
        assert!(outcome.agrees_with(step));
        events += outcome
            .events
            .iter()
            .filter(|it| matches!(it, crate::PoolEvent::Item { item: crate::Item::Event(_), .. }))
            .count();
    })
    .unwrap();
    assert_eq!((recording.steps.len(), events), (10, 1));
    assert!(matches!(recording.end, End::Marked { why: Ended::Closed, .. }));
    assert_eq!(record_again(&recording, Vec::new()).unwrap(), bytes, "bit for bit");
}

#[test]
fn a_byte_that_is_not_as_it_was_written_is_noticed() {
    let bytes = small(u64::MAX);
    let library = MAGIC.len() + 1..MAGIC.len() + 2 + env!("CARGO_PKG_VERSION").len();
    for at in (0..bytes.len()).filter(|at| !library.contains(at)) {
        for bit in 0..8 {
            let mut doctored = bytes.clone();
            doctored[at] ^= 1 << bit;
            let noticed = match Recording::read(&doctored) {
                Err(_) => true,
                Ok(read) => {
                    // A length that reaches beyond the end, or an end that is none.
                    let broken = matches!(read.end, End::BrokenOff { .. });
                    let whole = Recording::read(&bytes).unwrap();
                    let why = |end| match end {
                        End::Marked { why, .. } => Some(why),
                        End::BrokenOff { .. } | End::Damaged { .. } => None,
                    };
                    broken || why(read.end) != why(whole.end) || replay(&read, |_, _| ()).is_err()
                }
            };
            assert!(noticed, "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn a_forged_answer_is_refused() {
    let bytes = small(u64::MAX);
    let mut recording = Recording::read(&bytes).unwrap();
    let forged = note("b").to_json().replace(&note("b").signature().to_string()[..8], "00000000");
    let forged = Event::from_json(&forged).unwrap();
    let mut at = 0;
    for (index, step) in recording.steps.iter_mut().enumerate() {
        if let Fed::Verified { answer, .. } = &mut step.fed
            && !answer.good
        {
            answer.good = true;
            answer.mark[4..].copy_from_slice(&forged.signature().as_bytes()[..4]);
            at = index;
        }
    }
    let forged = Forged { step: at, event: forged.id() };
    assert_eq!(replay(&recording, |_, _| ()), Err(ReplayError::Forged(forged)));
    assert_eq!(record_again(&recording, Vec::new()), Err(forged));
}

#[test]
fn a_recording_that_breaks_off_is_read_as_far_as_it_goes() {
    let bytes = small(u64::MAX);
    let whole = Recording::read(&bytes).unwrap();
    let header = header_bytes();
    for cut in 0..bytes.len() {
        match Recording::read(&bytes[..cut]) {
            Ok(read) => {
                assert!(cut >= header);
                let End::BrokenOff { at, lost } = read.end else { panic!("{cut}: {:?}", read.end) };
                assert_eq!(at + lost, cut);
                assert!(read.steps.len() <= whole.steps.len());
                replay(&read, |_, _| ()).unwrap();
                let last = read.steps.len().saturating_sub(1);
                assert_eq!(read.steps[..last], whole.steps[..last]);
            }
            Err(ReadError::NotARecording) => assert!(cut < MAGIC.len()),
            Err(ReadError::Malformed { .. }) => assert!(cut < header),
            Err(other) => panic!("{cut}: {other}"),
        }
    }
}

/// What a lost power supply leaves behind: the tail of the file is zeros, of which the first are read as an end without steps.
#[test]
fn what_is_before_a_tail_of_zeros_is_read() {
    let bytes = small(u64::MAX);
    let whole = Recording::read(&bytes).unwrap();
    for (kept, zeros) in (header_bytes()..bytes.len()).flat_map(|kept| [1, 11, 12, 4_096].map(|zeros| (kept, zeros))) {
        let mut doctored = bytes[..kept].to_vec();
        doctored.resize(kept + zeros, 0);
        let read = Recording::read(&doctored).unwrap_or_else(|e| panic!("{kept}: {e}"));
        let good = Recording::read(&bytes[..kept]).unwrap().steps.len().saturating_sub(1);
        assert!(read.steps.len() >= good && read.steps[..good] == whole.steps[..good], "{kept}");
        // Zeros may be the rest of a step or of a digest; then that is another.
        let is_told = !matches!(read.end, End::Marked { .. }) || replay(&read, |_, _| ()).is_err();
        assert!(is_told, "{kept} bytes and {zeros} zeros: {:?}", read.end);
    }
}

/// The marker at the end is what tells a length that is wrong from a file that was cut off.
#[test]
fn a_length_that_reaches_beyond_the_end_is_no_end() {
    let bytes = small(u64::MAX);
    let whole = Recording::read(&bytes).unwrap();
    let at = bytes.windows(7).position(|window| window == b"[\"EOSE\"").unwrap();
    let mut doctored = bytes.clone();
    // "EOSE" and its id are 13 bytes long, which this makes more than are left.
    assert_eq!(doctored[at - 1], 13);
    doctored.splice(at - 1..at, [0x8d, 0x20]);
    let read = Recording::read(&doctored).unwrap();
    let End::Damaged { at: told, lost, .. } = read.end else { panic!("{:?}", read.end) };
    assert!(told < at && told + 20 > at && told + lost == doctored.len());
    assert!(read.steps.len() > 3 && read.steps[..] == whole.steps[..read.steps.len()]);
    assert!(matches!(replay(&read, |_, _| ()), Err(ReplayError::Damaged { .. })));
    // The same without its marker was cut off, for all that can be known, unless too much is missing.
    doctored.truncate(doctored.len() - 3);
    assert!(matches!(Recording::read(&doctored).unwrap().end, End::BrokenOff { .. }));
    doctored.splice(at - 1..=at, [0xff, 0xff, 0xff, 0x7f]);
    doctored.resize(told + End::MAX_PART, 1);
    assert!(matches!(Recording::read(&doctored).unwrap().end, End::BrokenOff { lost: End::MAX_PART, .. }));
    doctored.push(1);
    assert!(matches!(Recording::read(&doctored).unwrap().end, End::Damaged { .. }));
}

#[test]
fn a_recording_keeps_to_its_size() {
    let whole = small(u64::MAX);
    let header = header_bytes();
    for max in 0..whole.len() {
        let bytes = small(max as u64);
        assert!(bytes.len() <= max.max(header + 25), "{} bytes of {max}", bytes.len());
        let read = Recording::read(&bytes).unwrap();
        assert!(matches!(read.end, End::Marked { why: Ended::SizeCap, .. }), "{max}: {:?}", read.end);
        replay(&read, |_, _| ()).unwrap();
    }
    assert_eq!(steps_of(&small(0)), 0);
    assert_eq!(small(whole.len() as u64 + 16), whole);
}

/// A tape with room for so many pieces.
struct Short(usize, Vec<u8>, Option<Ended>);

impl Tape for Short {
    fn write(&mut self, bytes: &[u8]) -> bool {
        let room = self.0 > 0;
        self.0 = self.0.saturating_sub(1);
        room && self.1.write(bytes)
    }

    fn end(&mut self, bytes: &[u8], why: Ended) {
        self.1.end(bytes, why);
        self.2 = Some(why);
    }
}

#[test]
fn a_tape_without_room_ends_the_recording_and_not_the_core() {
    for room in 1..8 {
        let mut core = Core::new(Config::default(), [7; 32], now(0));
        let mut recorder = Recorder::new(Short(room, Vec::new(), None), u64::MAX, &Config::default(), &[7; 32], now(0));
        for n in 0..9 {
            let call = Call::AddRelay { url: url(n), options: RelayOptions::default() };
            recorder.call(&mut core, call, now(u64::from(n))).unwrap();
        }
        assert_eq!(core.relays().len(), 9);
        assert!(recorder.has_ended());
        let Short(_, bytes, why) = recorder.into_tape();
        let read = Recording::read(&bytes).unwrap();
        assert_eq!((read.steps.len(), why), (room - 1, Some(Ended::Behind)));
        assert!(matches!(read.end, End::Marked { why: Ended::Behind, .. }));
        replay(&read, |_, _| ()).unwrap();
    }
}

#[test]
fn another_format_is_refused_with_both_names() {
    let mut bytes = small(u64::MAX);
    bytes[MAGIC.len()] = 99;
    let refused = Recording::read(&bytes).unwrap_err();
    let ours = env!("CARGO_PKG_VERSION");
    assert_eq!(refused, ReadError::Format { found: 99, library: ours.into() });
    let told = refused.to_string();
    assert!(told.contains("format 99") && told.contains(&format!("format {FORMAT}")) && told.contains(ours), "{told}");
}

#[test]
fn the_step_that_diverges_is_named() {
    let bytes = small(u64::MAX);
    let whole = Recording::read(&bytes).unwrap();
    for index in 0..whole.steps.len() {
        let mut doctored = whole.clone();
        doctored.steps[index].now.mono = Instant::from_micros(doctored.steps[index].now.mono.as_micros() + 1);
        let Err(ReplayError::Diverged { step, .. }) = replay(&doctored, |_, _| ()) else { panic!("{index}") };
        assert_eq!(step, index);
    }
}

#[test]
fn shrinking_leaves_what_the_failure_needs() {
    let bytes = small(u64::MAX);
    let recording = Recording::read(&bytes).unwrap();
    let delivers = |recording: &Recording<'_>| {
        let mut delivered = false;
        let _ = replay(recording, |_, outcome| {
            let is_event =
                |it: &crate::PoolEvent| matches!(it, crate::PoolEvent::Item { item: crate::Item::Event(_), .. });
            delivered |= outcome.events.iter().any(is_event);
        });
        delivered
    };
    let mut asked = 0;
    let small = shrink(&recording, 1_000, |it| {
        asked += 1;
        Continue(delivers(it))
    });
    // The relay, the subscription, the connection, the event, the answer.
    assert_eq!(small.steps.len(), 5, "{:?}", small.steps);
    assert!(delivers(&small) && asked < 100, "{asked}");
    let again = record_again(&small, Vec::new()).unwrap();
    let again = Recording::read(&again).unwrap();
    assert!(delivers(&again));
    replay(&again, |_, _| ()).unwrap();
    // Bounded, and of what does not fail nothing is taken.
    let mut asked = 0;
    let _ = shrink(&recording, 3, |_| {
        asked += 1;
        Continue(true)
    });
    assert_eq!(asked, 3);
    assert_eq!(shrink(&recording, 1_000, |_| Continue(false)).steps.len(), recording.steps.len());
    assert!(shrink(&recording, 1_000, |_| Continue(true)).steps.is_empty());
}

/// Where the search is broken off, what it has come to is what comes back, and nothing more is asked.
#[test]
fn shrinking_ends_when_it_is_broken_off() {
    let bytes = small(u64::MAX);
    let recording = Recording::read(&bytes).unwrap();
    for last in 0..4 {
        let (mut asked, mut left) = (0, recording.steps.len());
        let cut = shrink(&recording, 1_000, |it| {
            if asked == last {
                return Break(());
            }
            asked += 1;
            left = it.steps.len();
            Continue(true)
        });
        assert_eq!((asked, cut.steps.len()), (last, left));
    }
}

/// The first event has a ticket before the second: without it, the second has another, and is found all the same.
#[test]
fn answers_find_their_question_after_a_step_was_taken_out() {
    let bytes = small(u64::MAX);
    let recording = Recording::read(&bytes).unwrap();
    let forged = |recording: &Recording<'_>| {
        let mut replayer = Replayer::new(recording);
        recording.steps.iter().try_for_each(|step| replayer.step(step).map(drop)).unwrap();
        replayer.core().stats().forged == 1
    };
    let small = shrink(&recording, 1_000, |it| Continue(forged(it)));
    assert!(forged(&small));
    assert_eq!(small.steps.len(), 5, "{:?}", small.steps);
}
