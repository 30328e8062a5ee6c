//! What things cost, counted: allocations, and bytes that stay. Times are the benchmarks' affair.

#![allow(clippy::unwrap_used, clippy::panic, reason = "this is test code, its helpers included")]

#[path = "common/rig.rs"]
mod rig;

use std::sync::Arc;

use allocation_counter::{AllocationInfo, measure};
use nostr_pool_core::*;
use nostr_proto::{Event, EventTemplate, Filter, Kind, Timestamp};

use rig::{Others, Rig, Signed, crowd, keys, shared_crowd, stranger, url};

/// Does the work; what it gave, and what it took.
fn counted<T>(work: impl FnOnce() -> T) -> (T, AllocationInfo) {
    let mut result = None;
    let info = measure(|| result = Some(work()));
    (result.unwrap(), info)
}

#[test]
fn an_event_takes_as_much_among_ten_subscriptions_as_among_ten_thousand() {
    let notes = Signed::notes(20);
    let alone = Others::ALL.map(|others| (others, crowd as fn(Others, usize) -> Rig));
    let shared = Others::SHARING.map(|others| (others, shared_crowd as fn(Others, usize) -> Rig));
    for (others, crowd) in alone.into_iter().chain(shared) {
        let taken: Vec<_> = [10, 1_000, 10_000]
            .map(|n| {
                let mut rig = crowd(others, n);
                rig.know(&notes);
                let wire = rig.wire(0, 0);
                let frames: Vec<String> = notes.iter().map(|note| note.frame(&wire)).collect();
                let ((), info) = counted(|| frames.iter().for_each(|frame| rig.text(0, frame)));
                assert_eq!(rig.delivered, 200, "each to ten");
                (info.count_total, info.bytes_total)
            })
            .into();
        assert!(taken.windows(2).all(|two| two[0] == two[1]), "among {others:?}: {taken:?}");
    }
}

#[test]
fn a_publish_to_fifty_relays_is_written_once() {
    let mut rig = Rig::new(50);
    let text = "x".repeat(100_000);
    let event = Signed::new(EventTemplate::text_note(text, Timestamp::new(1_700_000_000))).event;
    let publish = Publish { event, target: Target::All, quorum: Quorum::All, deadline: None, link: None };
    let (_, info) = counted(|| rig.call(Call::Publish(publish)));
    assert_eq!(rig.published.len(), 50);
    assert!(rig.published.iter().all(|frame| Arc::ptr_eq(frame, &rig.published[0])), "they share the bytes");
    // One copy of them is made while the text becomes the shared one.
    assert!(info.bytes_total < 300_000, "{} bytes", info.bytes_total);
}

fn per(n: usize, info: &AllocationInfo) -> i64 {
    println!("{n}: {} bytes each", info.bytes_current / i64::try_from(n).unwrap());
    info.bytes_current / i64::try_from(n).unwrap()
}

#[test]
fn an_idle_relay_takes_little() {
    const RELAYS: usize = 1_000;
    let config = Config { max_connections: RELAYS, ..Config::default() };
    let mut rig = Rig::idle(config);
    let ((), added) = counted(|| (0..RELAYS).for_each(|n| rig.add_relay(n)));
    assert!(per(RELAYS, &added) < 2_048);
    let (_, connected) = counted(|| rig.call(Call::Connect { which: Which::All }));
    assert!(per(RELAYS, &connected) < 1_024);
    let note = Signed::note(0);
    rig.subscribe_to(Filter::new(), Target::All);
    let frames: Vec<String> = (0..RELAYS).map(|n| note.frame(&rig.wire(n, 0))).collect();
    rig.text(0, &frames[0]);
    // Sketches of what it sent, by which it is told whether forged events are many or few.
    let ((), heard) = counted(|| (1..RELAYS).for_each(|n| rig.text(n, &frames[n])));
    assert!(per(RELAYS - 1, &heard) < 1_024);
}

#[test]
fn a_subscription_takes_little() {
    const SUBS: usize = 10_000;
    let mut rig = Rig::new(10);
    let filter = |n| Filter::new().kind(Kind::TEXT_NOTE).author(stranger(n));
    let all: Vec<usize> = (0..10).collect();
    let ((), one) = counted(|| (0..SUBS).for_each(|n| rig.open(filter(n), &[0])));
    assert!(per(SUBS, &one) < 4_096, "at one relay");
    let ((), ten) = counted(|| (0..SUBS / 10).for_each(|n| rig.open(filter(n), &all)));
    assert!(per(SUBS / 10, &ten) < 20_000, "at ten");
    let authors = Filter::new().kind(Kind::TEXT_NOTE).authors((0..1_000).map(stranger));
    let (_, follows) = counted(|| rig.subscribe(authors.clone(), &all));
    assert!(per(1, &follows) < 500_000, "a thousand authors at ten relays");
    let subs: Vec<SubId> = (0..(SUBS + SUBS / 10 + 1) as u64).map(SubId::from_u64).collect();
    // The last first: with no more than a thousand left, tests audit every step.
    let ((), ended) = counted(|| subs.iter().rev().for_each(|sub| drop(rig.call(Call::Unsubscribe { sub: *sub }))));
    let (held, given) = (one.bytes_current + ten.bytes_current + follows.bytes_current, -ended.bytes_current);
    // Tables keep their room. The filter of the last came from outside.
    assert!(given * 10 > held * 8, "{given} of {held} bytes come back");
}

#[test]
fn a_count_takes_as_much_per_relay_among_a_thousand_as_among_a_hundred() {
    let per_relay = |relays: usize| {
        let mut rig = Rig::new(relays);
        let request = Count { filters: vec![Filter::new()], target: Target::All, deadline: None };
        let ((), info) = counted(|| {
            rig.call(Call::Count(request));
            (0..relays).for_each(|n| rig.text(n, &format!("[\"COUNT\",\"p{n}\",{{\"count\":{n}}}]")));
        });
        assert_eq!(rig.counted, 1, "all have answered");
        info.bytes_total / relays as u64
    };
    let (few, many) = (per_relay(100), per_relay(1_000));
    assert!(many * 2 < few * 3, "{few} bytes each, and {many}");
}

/// What a relay sends to one that has asked it for all notes and for a count, has published a note there, and would
/// authenticate; and what that is to show.
struct Stream {
    name: &'static str,
    frames: Vec<String>,
    verifies: bool,
    takes: bool,
}

/// The frames of a stream, up to a megabyte of them or twenty thousand.
fn frames(make: impl Fn(usize) -> String) -> Vec<String> {
    let mut bytes = 0;
    let more = |frame: &String| {
        bytes += frame.len();
        bytes < 1 << 20
    };
    (0..20_000).map(make).take_while(more).collect()
}

fn stream(name: &'static str, make: impl Fn(usize) -> String) -> Stream {
    Stream { name, frames: frames(make), verifies: true, takes: true }
}

fn hex(n: usize) -> String {
    format!("{n:064x}")
}

/// An event that nobody signed. Its id is right.
fn unsigned(template: EventTemplate) -> Event {
    template.unsigned(keys().public_key()).as_event()
}

fn at(n: usize) -> Timestamp {
    Timestamp::new(1_600_000_000 + 1_000 * n as u64)
}

fn noted(n: usize) -> EventTemplate {
    EventTemplate::text_note(format!("{n}"), at(n))
}

const WIRE: &str = "p0";
const COUNT: &str = "p1";

fn event(json: &str) -> String {
    format!("[\"EVENT\",\"{WIRE}\",{json}]")
}

/// Wrong bytes, and messages that nobody asked for.
fn noise() -> Vec<Stream> {
    let long = |text: &str, n: usize| format!("{n}{}", text.repeat(5_000));
    vec![
        stream("Babbler: bytes", |_| "x".into()),
        stream("Babbler: brackets", |_| "[".repeat(1_000)),
        stream("Babbler: long garbage", move |n| format!("[\"EVENT\",{}", long("xyz", n))),
        stream("Babbler: cut off", |n| event(&unsigned(noted(n)).to_json())[..300].into()),
        stream("Babbler: events of the wrong shape", |n| event(&format!("{{\"id\":\"{}\",\"kind\":\"x\"}}", hex(n)))),
        stream("Babbler: long NOTICEs", move |n| format!("[\"NOTICE\",\"{}\"]", long("\\u001b", n))),
        stream("Babbler: unknown verbs", |n| format!("[\"X{n}\",[[[[]]]],{{\"a\":{{}}}}]")),
        stream("Flooder: NOTICEs", |n| format!("[\"NOTICE\",\"{n}\"]")),
        stream("Flooder: CLOSEDs", |n| format!("[\"CLOSED\",\"p{n}\",\"error: {n}\"]")),
        stream("Flooder: EOSEs", |n| format!("[\"EOSE\",\"p{n}\"]")),
        stream("Flooder: OKs", |n| format!("[\"OK\",\"{}\",false,\"error: {n}\"]", hex(n))),
        stream("Flooder: challenges", |n| format!("[\"AUTH\",\"{n}\"]")),
        stream("Flooder: long challenges", move |n| format!("[\"AUTH\",\"{}\"]", long("a", n))),
        stream("Flooder: COUNTs", |n| format!("[\"COUNT\",\"p{n}\",{{\"count\":{n}}}]")),
        stream("Flooder: events of no request", |n| format!("[\"EVENT\",\"p{n}\",{}]", unsigned(noted(n)).to_json())),
        stream("Mumbler: NOTICEs about the request", |n| format!("[\"NOTICE\",\"{WIRE}: {n}\"]")),
        stream("Endless: EOSEs", |_| format!("[\"EOSE\",\"{WIRE}\"]")),
        stream("Refuser: refusals", |n| format!("[\"CLOSED\",\"p{}\",\"error: {n}\"]", n / 2)),
        stream("RateLimited: refusals", |n| format!("[\"CLOSED\",\"{WIRE}\",\"rate-limited: {n}\"]")),
        stream("AuthRequired: refusals", |n| match n % 2 {
            0 => format!("[\"AUTH\",\"{n}\"]"),
            _ => format!("[\"CLOSED\",\"p{}\",\"auth-required: {n}\"]", n / 2),
        }),
        stream("AuthRequired: OKs for no AUTH of ours", |n| {
            format!("[\"OK\",\"{}\",false,\"auth-required: {n}\"]", hex(n))
        }),
        stream("Crowded, Evictor: requests that are too many", |n| {
            format!("[\"CLOSED\",\"p{}\",\"error: too many subscriptions {n}\"]", n % 3)
        }),
        stream("Quirky: OKs without an id", |n| format!("[\"OK\",\"\",true,\"{n}\"]")),
        stream("Quirky: counts of many kinds", |n| {
            format!("[\"COUNT\",\"{COUNT}\",{{\"count\":\"{n}\",\"hll\":\"{}\"}}]", "0".repeat(512))
        }),
        stream("Liar: OKs for the note", |n| {
            format!("[\"OK\",\"{}\",{},\"error: {n}\"]", published().id(), n % 2 == 0)
        }),
        stream("Stalling: pieces of the answer", |n| match n % 3 {
            0 => event(&unsigned(noted(n)).to_json()),
            1 => format!("[\"NOTICE\",\"busy {n}\"]"),
            _ => format!("[\"EOSE\",\"p{n}\"]"),
        }),
    ]
}

/// A note of ours that is on its way.
fn published() -> Event {
    Signed::new(EventTemplate::text_note("ours", Timestamp::new(1_700_000_000))).event
}

/// Events that nobody signed, or that are not what was asked for.
fn wrong() -> Vec<Stream> {
    let small = |n| event(&unsigned(noted(n)).to_json());
    let tags = |n: usize| {
        let template = EventTemplate::text_note(format!("{n}"), at(n));
        (0..2_000).fold(template, |template, _| template.tag(["p"]))
    };
    let copies = |n: usize| event(&unsigned(noted(0)).to_json().replace(&"0".repeat(128), &format!("{n:0128x}")));
    let waiting = |stream: Stream| Stream { verifies: false, ..stream };
    vec![
        stream("Forger: signatures", small),
        stream("Forger: content", |n| {
            event(&unsigned(noted(n)).to_json().replace("\"content\":\"", "\"content\":\"x"))
        }),
        stream("Forger: many tags", move |n| event(&unsigned(tags(n)).to_json())),
        stream("Poisoner: signatures of one event", copies),
        stream("FewForged: one in ten is right", {
            let good: Vec<Signed> = (0..2_000).map(|n| Signed::new(noted(1_000_000 + n))).collect();
            move |n| if n % 10 == 0 { event(&good[n / 10].json) } else { small(n) }
        }),
        waiting(stream("Poisoner, and the verifier is busy", copies)),
        waiting(stream("Forger, and the verifier is busy", small)),
        waiting(stream("Forger: many tags, and the verifier is busy", move |n| event(&unsigned(tags(n)).to_json()))),
        stream("Flooder: events that do not match", |n| {
            event(&unsigned(EventTemplate::new(Kind::new(7), "", at(n))).to_json())
        }),
        stream("Timetraveller: expired events", |n| event(&unsigned(noted(n).expires_at(Timestamp::new(1))).to_json())),
    ]
}

/// Events that are what they should be, and too many.
fn right() -> Vec<Stream> {
    let signed = |name, make: &dyn Fn(usize) -> EventTemplate| {
        let frames = (0..1_500).map(|n| event(&Signed::new(make(n)).json)).collect();
        Stream { name, frames, verifies: true, takes: true }
    };
    let version = |n: usize| EventTemplate::new(Kind::new(30_000), "", at(1)).tag(["d".to_string(), n.to_string()]);
    let ahead = |n: usize| EventTemplate::text_note("", Timestamp::new(1_800_000_000 + n as u64));
    let old = |n: usize| EventTemplate::new(Kind::new(30_000), format!("{n}"), at(n)).tag(["d", ""]);
    let notes = signed("Fickle: notes", &noted);
    let untaken = Stream { name: "Fickle, and nobody takes them", takes: false, frames: notes.frames.clone(), ..notes };
    vec![
        notes,
        untaken,
        signed("OldVersions: of each its own", &version),
        signed("OldVersions: of one", &old),
        signed("Timetraveller: from the future", &ahead),
    ]
}

/// The first so many bytes of a stream. The most that the heap grew by, and what it is then; `None`: it is hardly longer than half of
/// that.
fn growth(stream: &Stream, quarantine: bool, most: usize) -> Option<(usize, AllocationInfo)> {
    let mut rig = Rig::new(2);
    let filter = Filter::new().kinds([Kind::TEXT_NOTE, Kind::new(30_000)]);
    rig.subscribe(filter, &[0]);
    assert_eq!(rig.wire(0, 0), WIRE);
    let target = Target::Relays(vec![url(0)]);
    rig.call(Call::Count(Count { filters: vec![Filter::new()], target: target.clone(), deadline: None }));
    let publish = Publish { event: published(), target, quorum: Quorum::All, deadline: None, link: None };
    rig.call(Call::Publish(publish));
    let (auth, identity) = (Some(AuthPolicy::Always), Some(keys().public_key()));
    let options = RelayOptions { quarantine, auth, identity, auth_at_once: true, ..RelayOptions::default() };
    rig.call(Call::AddRelay { url: url(0), options });
    (rig.verifies, rig.takes) = (stream.verifies, stream.takes);
    let (bytes, info) = counted(|| {
        let mut bytes = 0;
        for frame in &stream.frames {
            let Some(&socket) = rig.sockets.get(&0).filter(|_| bytes < most) else { break };
            bytes += frame.len();
            rig.input(Input::Text { socket, frame });
        }
        bytes
    });
    (bytes > most / 2 || most == LEAST).then_some((bytes, info))
}

const LEAST: usize = 1 << 16;

/// At each of several lengths: what grows fast and stops is seen, too.
#[test]
fn whatever_a_relay_sends_grows_the_heap_by_no_more_than_four_times_its_bytes() {
    let mut worst = Vec::new();
    let streams: Vec<Stream> = noise().into_iter().chain(wrong()).chain(right()).collect();
    // Where a relay is left alone that forges, only what came before counts; others are vouched for, and go on for ever.
    let forges = |stream: &Stream| stream.name.contains("Forge") || stream.name.contains("Poisoner");
    let vouched = streams.iter().filter(|stream| forges(stream)).map(|stream| (stream, false));
    let all = streams.iter().map(|stream| (stream, true)).chain(vouched);
    for (stream, quarantine) in all {
        let grown = (0..5).filter_map(|power| growth(stream, quarantine, LEAST << power));
        let times = |(bytes, info): &(usize, AllocationInfo)| info.bytes_max as f64 / *bytes as f64;
        let most = grown.max_by(|a, b| times(a).total_cmp(&times(b))).expect("at the least length, in any case");
        let (ratio, name, (bytes, info)) = (times(&most), stream.name, &most);
        println!("{ratio:6.2} {name}: {} for {bytes} bytes, {} stay", info.bytes_max, info.bytes_current);
        if ratio > 4.0 {
            worst.push(format!("{name}: {ratio:.2}"));
        }
    }
    assert!(worst.is_empty(), "{worst:#?}");
}

#[test]
fn connections_that_come_and_go_leave_nothing() {
    let mut rig = Rig::new(1);
    rig.subscribe(Filter::new(), &[0]);
    let mut round = |n: usize| {
        let wire = rig.wires.pop_first().unwrap().1.pop().unwrap();
        rig.text(0, &format!("[\"EOSE\",\"{wire}\"]"));
        let (socket, reason) = (rig.sockets[&0], format!("{n}: {}", "so long ".repeat(14)));
        rig.input(Input::Closed { socket, reason: CloseReason::Remote { code: 4_000, reason } });
        while rig.wires.is_empty() {
            assert!(rig.wait());
        }
    };
    (0..10).for_each(&mut round);
    let ((), info) = counted(|| (10..200).for_each(round));
    assert!(info.bytes_current < 4_096, "{} bytes", info.bytes_current);
}

#[test]
fn relays_that_come_and_go_leave_nothing() {
    let mut rig = Rig::idle(Config::default());
    let mut round = |n: usize| {
        rig.add_relay(n);
        rig.call(Call::Connect { which: Which::All });
        let sub = rig.subscribe_to(Filter::new(), Target::All);
        rig.text(n, "[\"EOSE\",\"p0\"]");
        rig.call(Call::Unsubscribe { sub });
        rig.call(Call::RemoveRelay { url: url(n) });
        rig.sockets.clear();
        rig.wires.clear();
    };
    round(0);
    let ((), info) = counted(|| (1..100).for_each(round));
    assert!(info.bytes_current < 4_096, "{} bytes", info.bytes_current);
}
