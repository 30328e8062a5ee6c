//! Client messages to JSON.

use std::error::Error;
use std::hint::black_box;

use nostr::filter::Filter as PeerFilter;
use nostr::message::{ClientMessage, SubscriptionId};
use nostr_pool_corpus::{Class, Rng};
use nostr_proto::{Event, EventTemplate, Filter, Keys, Kind, PublicKey, Timestamp, encode};
use serde::Serialize;

use super::options::Options;
use super::peers::OwnedEvent;
use super::race::{self, Contender, Heat};
use super::table::{self, Bound, Goal};

type Fallible<T> = Result<T, Box<dyn Error>>;

/// A filter as a plain struct that owns all of its strings.
#[derive(Debug, Serialize)]
struct OwnedFilter {
    authors: Vec<String>,
    kinds: Vec<u16>,
    since: u64,
    limit: u32,
}

pub(super) fn run(options: &Options) -> Fallible<Vec<Goal>> {
    let times = race::run(heats(options)?, options.rounds, options.slice);
    println!("encode: client messages to JSON; ns per message, median [min–max] of {} rounds", options.rounds);
    println!(
        "{}{:>22}{:>12}{:>12}{:>12}{:>22}{:>22}",
        table::set_heads(&["message"]),
        "ours",
        "MB/s",
        "serde_json",
        "nostr",
        "times serde_json",
        "times nostr"
    );
    let mut goal = Goal::new("encode: times as fast as serde_json", Bound::AtLeast(2.0));
    for times in &times {
        let ratio = times.ratio("serde_json", "ours");
        let verdict = ratio.map_or("", |ratio| goal.note(&times.labels, ratio.median));
        println!(
            "{}{}{}{}{}{} {verdict:<5}{}",
            table::set_columns(times),
            table::spread(times.nanos("ours")),
            table::median(times.megabytes("ours")),
            table::median(times.nanos("serde_json")),
            table::median(times.nanos("nostr")),
            table::spread(ratio),
            table::spread(times.ratio("nostr", "ours"))
        );
    }
    println!();
    Ok(vec![goal])
}

/// A heat for each kind of message.
pub(super) fn heats(options: &Options) -> Fallible<Vec<Heat<'static>>> {
    let mut rng = Rng::new(options.seed);
    let (some, few) = ((options.bytes / 5_000).max(8), (options.bytes / 100_000).max(1));
    Ok(vec![
        events("EVENT note", "EVENT", Class::Note.events(options.seed, options.bytes))?,
        events("EVENT mix", "EVENT", Class::Mix.events(options.seed, options.bytes))?,
        events("AUTH", "AUTH", auths(&mut rng, some)?)?,
        filters("REQ 10", "REQ", (0..some).map(|_| authors(&mut rng, 10)).collect::<Fallible<_>>()?)?,
        filters("REQ 1000", "REQ", (0..few).map(|_| authors(&mut rng, 1_000)).collect::<Fallible<_>>()?)?,
        filters("COUNT 10", "COUNT", (0..some).map(|_| authors(&mut rng, 10)).collect::<Fallible<_>>()?)?,
        closes()?,
    ])
}

fn auths(rng: &mut Rng, count: usize) -> Fallible<Vec<Event>> {
    let keys = Keys::from_entropy(rng.bytes32())?;
    let auth = |_| {
        let mut template = EventTemplate::new(Kind::new(22242), "", Timestamp::new(1_741_300_000));
        let pair = |name: &str, value: &str| vec![name.to_owned(), value.to_owned()];
        template.tags = vec![pair("relay", "wss://relay.example/"), pair("challenge", &rng.hex(32))];
        keys.sign(&template, rng.bytes32())
    };
    Ok((0..count).map(auth).collect())
}

/// Real keys, in order: points on the curve, as the others may insist on.
fn authors(rng: &mut Rng, count: usize) -> Fallible<Vec<PublicKey>> {
    let mut authors = Vec::with_capacity(count);
    while authors.len() < count {
        authors.push(Keys::from_entropy(rng.bytes32())?.public_key());
    }
    authors.sort_unstable();
    Ok(authors)
}

fn events(label: &str, verb: &'static str, ours: Vec<Event>) -> Fallible<Heat<'static>> {
    let owned: Vec<OwnedEvent> =
        ours.iter().map(|event| serde_json::from_str(&event.to_json())).collect::<Result<_, _>>()?;
    let peers = ours.iter().map(|event| nostr::event::Event::from_json(event.to_json()));
    let auth = verb == "AUTH";
    let peer = |event| if auth { ClientMessage::auth(event) } else { ClientMessage::event(event) };
    let peers: Vec<ClientMessage<'static>> = peers.map(|event| event.map(peer)).collect::<Result<_, _>>()?;
    let encode = move |event: &Event| if auth { encode::auth(event) } else { encode::event(event) };
    heat(label, (ours, encode), (owned, move |event| serde_json::to_string(&(verb, event)).ok()), peers)
}

fn filters(label: &str, verb: &'static str, sets: Vec<Vec<PublicKey>>) -> Fallible<Heat<'static>> {
    const KINDS: [u16; 2] = [1, 6];
    const SINCE: u64 = 1_741_300_000;
    const LIMIT: u32 = 500;
    let name = |at: usize| format!("sub:{at}");
    let (mut ours, mut owned, mut peers) = (Vec::new(), Vec::new(), Vec::new());
    for (at, authors) in sets.into_iter().enumerate() {
        let hex: Vec<String> = authors.iter().map(PublicKey::to_string).collect();
        let theirs = hex.iter().map(|key| nostr::key::PublicKey::from_hex(key)).collect::<Result<Vec<_>, _>>()?;
        let theirs = PeerFilter::new().authors(theirs).kinds(KINDS.map(nostr::event::Kind::from)).limit(500);
        let theirs = theirs.since(nostr::types::Timestamp::from_secs(SINCE));
        let id = SubscriptionId::new(name(at));
        peers.push(if verb == "REQ" { ClientMessage::req(id, vec![theirs]) } else { ClientMessage::count(id, theirs) });
        owned.push((verb, name(at), OwnedFilter { authors: hex, kinds: KINDS.to_vec(), since: SINCE, limit: LIMIT }));
        let filter = Filter::new().authors(authors).kinds(KINDS.map(Kind::new));
        ours.push((name(at), filter.since(Timestamp::new(SINCE)).limit(LIMIT)));
    }
    let req = verb == "REQ";
    let encode = move |(name, filter): &(String, Filter)| {
        if req { encode::req(name, [filter]) } else { encode::count(name, [filter]) }
    };
    heat(label, (ours, encode), (owned, |message| serde_json::to_string(message).ok()), peers)
}

fn closes() -> Fallible<Heat<'static>> {
    let names: Vec<String> = (0..1_000).map(|at| format!("sub:{at}")).collect();
    let peers = names.iter().map(|name| ClientMessage::close(SubscriptionId::new(name))).collect();
    let owned: Vec<(&'static str, String)> = names.iter().map(|name| ("CLOSE", name.clone())).collect();
    let encode = |name: &String| encode::close(name);
    heat("CLOSE", (names, encode), (owned, |message| serde_json::to_string(message).ok()), peers)
}

/// The three at work on their own form of the same messages.
fn heat<A: 'static, B: 'static>(
    label: &str,
    (ours, encode): (Vec<A>, impl Fn(&A) -> String + 'static),
    (owned, serialize): (Vec<B>, impl Fn(&B) -> Option<String> + 'static),
    peers: Vec<ClientMessage<'static>>,
) -> Fallible<Heat<'static>> {
    let (items, mut bytes) = (ours.len(), 0);
    for ((a, b), c) in ours.iter().zip(&owned).zip(&peers) {
        let text = encode(a);
        let value: serde_json::Value = serde_json::from_str(&text)?;
        let others = [serialize(b).ok_or("serde_json refuses")?, c.as_json()];
        for other in others {
            if serde_json::from_str::<serde_json::Value>(&other)? != value {
                return Err(format!("{label}: {text} is not {other}").into());
            }
        }
        bytes += text.len();
    }
    let contenders = vec![
        Contender::new("ours", move || each(&ours, |item| black_box(encode(item)).len())),
        Contender::new("serde_json", move || {
            each(&owned, |item| black_box(serialize(item)).map_or(0, |text| text.len()));
        }),
        Contender::new("nostr", move || each(&peers, |item| black_box(item.as_json()).len())),
    ];
    Ok(Heat { labels: vec![label.to_owned()], items, bytes, contenders })
}

fn each<T>(items: &[T], encode: impl Fn(&T) -> usize) {
    for item in items {
        assert!(encode(black_box(item)) > 0, "a message has a text");
    }
}
