//! What recordings take: reading one, at the worst, of bytes that are short for what they stand for; and recording a step of
//! which much comes.

use nostr_pool_core::recording::{Recorder, Recording, Replayer};
use nostr_pool_core::{
    Call, Command, Config, Core, Input, Instant, Now, Publish, Quorum, RelayOptions, SocketId, Target, Which,
};
use nostr_proto::{EventTemplate, Keys, Kind, RelayUrl, Timestamp};

/// As the documentation of [`Recording::read`] says.
const TIMES: u64 = 96;
const ASIDE: u64 = 16 << 10;

const NOW: Now = Now { mono: Instant::ZERO, unix: Timestamp::new(0) };

fn header() -> Vec<u8> {
    Recorder::new(Vec::new(), u64::MAX, &Config::default(), &[7; 32], NOW).into_tape()
}

/// A number of two bytes.
fn long(n: usize) -> [u8; 2] {
    let byte = |n: usize| u8::try_from(n).expect("fourteen bits at most");
    [byte(n & 0x7f) | 0x80, byte(n >> 7)]
}

fn check(what: &str, body: &[u8]) {
    let bytes = [&header()[..], body].concat();
    let mut is_read = false;
    let taken = allocation_counter::measure(|| is_read = Recording::read(&bytes).is_ok());
    assert!(is_read, "{what}");
    let most = TIMES * bytes.len() as u64 + ASIDE;
    println!("{what}: {} bytes, {} taken at most", bytes.len(), taken.bytes_max);
    assert!(taken.bytes_max <= most, "{what}: {} of {most} for {} bytes", taken.bytes_max, bytes.len());
}

/// A list of so many items, each of these bytes, behind what goes before it and in front of what comes after it.
fn list(before: &[u8], item: &[u8], after: &[u8]) -> Vec<u8> {
    // Just more than a power of two, where a list that grows takes most.
    const ITEMS: usize = 8_200;
    [before, &long(ITEMS), &item.repeat(ITEMS), after].concat()
}

#[test]
fn reading_takes_no_more_than_it_says() {
    // A timeout, and its outcome.
    check("steps", &[1, 11, 3, 0, 0, 0, 0].repeat(10_000));
    // `Call::Unsubscribe`: the shortest call that is held apart.
    check("calls", &[1, 10, 12, 0, 3, 0, 0, 0, 0].repeat(10_000));
    // `Call::Update` with filters of nothing; `Call::Disconnect` of a text.
    check("filters", &list(&[1, 10, 7, 0], &[0; 8], &[3, 0, 0, 0, 0]));
    check("kinds", &list(&[1, 10, 7, 0, 1, 0, 0, 1], &[1], &[0; 5]));
    check("ids", &list(&[1, 10, 7, 0, 1, 1], &[0; 32], &[0; 7]));
    check("tag values", &list(&[1, 10, 7, 0, 1, 0, 0, 0, 1, b'e'], &[0], &[0; 4]));
    check("tags of a filter", &list(&[1, 10, 7, 0, 1, 0, 0, 0], &[b'e', 0], &[0; 4]));
    // `Call::Publish` of an event with empty tags.
    let event = [&[1, 10, 14][..], &[0; 32], &[0, 1]].concat();
    check("tags", &list(&event, &[0], &[&[0][..], &[0; 64], &[0; 32], &[0, 0, 0, 0]].concat()));
    check("tag items", &list(&[&event[..], &[1]].concat(), &[0], &[]));
    // `Call::RelayInfo` with countries of no name.
    let info = [&[1, 10, 20, 5][..], b"wss:/"].concat();
    check("a URL that is none", &list(&info, &[0], &[]));
    // A count of which nothing follows, and a text that says it is long.
    check("a count alone", &[1, 10, 7, 0, 0xff, 0xff, 0xff, 0xff, 0x0f]);
    check("a text alone", &[1, 2, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f]);
}

/// The sockets that the core wants opened.
fn opened(core: &mut Core) -> Vec<SocketId> {
    let open = |command| if let Command::Open { socket, .. } = command { Some(socket) } else { None };
    std::iter::from_fn(|| core.poll_command()).filter_map(open).collect()
}

/// One step has the core send a megabyte to each of fifty relays. They share it, and whoever records that, or plays it again,
/// does not hold a copy for each.
#[test]
fn a_step_takes_no_more_for_many_relays_than_for_one() {
    const RELAYS: u32 = 50;
    const CONTENT: usize = 1_000_000;
    /// The event, its frame, and what is written: the step, which grows to at most twice its length, and one output.
    const MOST: u64 = 8 * CONTENT as u64;

    let config = Config { max_connections: RELAYS as usize, ..Config::default() };
    let mut core = Core::new(config.clone(), [7; 32], NOW);
    let mut recorder = Recorder::new(Vec::with_capacity(4 * CONTENT), u64::MAX, &config, &[7; 32], NOW);
    for n in 0..RELAYS {
        let url = RelayUrl::parse(&format!("wss://r{n}.example.com")).expect("a URL");
        recorder.call(&mut core, Call::AddRelay { url, options: RelayOptions::default() }, NOW).expect("it is new");
    }
    recorder.call(&mut core, Call::Connect { which: Which::All }, NOW).expect("they are there");
    let sockets = opened(&mut core);
    sockets.into_iter().for_each(|socket| recorder.input(&mut core, Input::Opened { socket }, NOW));
    let keys = Keys::from_entropy([3; 32]).expect("a key");
    let template = EventTemplate::new(Kind::TEXT_NOTE, "x".repeat(CONTENT), Timestamp::new(0));
    let event = template.unsigned(keys.public_key()).sign(&keys, [0; 32]);
    let publish = Publish { event, target: Target::All, quorum: Quorum::All, deadline: None, link: None };
    let recorded = allocation_counter::measure(|| {
        recorder.call(&mut core, Call::Publish(publish), NOW).expect("it is taken");
    });
    let sent = std::iter::from_fn(|| core.poll_command()).filter(|it| matches!(it, Command::Send { .. })).count();
    assert_eq!(sent, RELAYS as usize, "all of them in this step");
    println!("recorded: {} taken at most", recorded.bytes_max);
    assert!(recorded.bytes_max <= MOST, "{} of {MOST}", recorded.bytes_max);

    let bytes = recorder.into_tape();
    let recording = Recording::read(&bytes).expect("it can be read");
    let (last, before) = recording.steps.split_last().expect("there are steps");
    let mut replayer = Replayer::new(&recording);
    before.iter().for_each(|step| drop(replayer.step(step).expect("nothing is forged")));
    let replayed = allocation_counter::measure(|| drop(replayer.step(last).expect("nothing is forged")));
    println!("replayed: {} taken at most", replayed.bytes_max);
    assert!(replayed.bytes_max <= MOST, "{} of {MOST}", replayed.bytes_max);
}
