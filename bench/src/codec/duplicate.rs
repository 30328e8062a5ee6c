//! A known event's frame to "already seen".

use std::collections::HashSet;
use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use nostr_pool_corpus::Rng;
use nostr_proto::{EventId, Head, scan_head};

use super::options::Options;
use super::peers::{self, SimdJson};
use super::race::{self, Contender, Heat, Times};
use super::sets::{self, FrameSet};
use super::skip;
use super::table::{self, Bound, Goal};
use crate::spread::Spread;

/// How many ids have been seen.
const SEEN: usize = 100_000;

/// From how many bytes on a frame's own speed counts.
const LARGE: usize = 2_000;

/// The ids seen so far. Its hash is keyed (SipHash-1-3), as it has to be where peers choose the keys.
pub(super) type Seen = HashSet<EventId>;

pub(super) fn run(options: &Options) -> Result<Vec<Goal>, Box<dyn Error>> {
    let sets = sets::frames(options);
    let seen = seen(options, &sets)?;
    let times = race::run(sets.iter().map(|set| heat(set, &seen)).collect(), options.rounds, options.slice);
    let mut goals = print(options, &sets, &times);
    goals.extend(large(options, &sets, &seen));
    Ok(goals)
}

/// The ids of all frames, and others.
pub(super) fn seen(options: &Options, sets: &[FrameSet]) -> Result<Seen, Box<dyn Error>> {
    let mut rng = Rng::new(options.seed);
    let mut seen: Seen =
        sets.iter().flat_map(|set| &set.frames).filter_map(|frame| skip::id(frame)?.parse().ok()).collect();
    while seen.len() < SEEN {
        seen.insert(EventId::from_bytes(rng.bytes32()));
    }
    for frame in sets.iter().flat_map(|set| &set.frames) {
        if !ours(&seen, frame) {
            return Err(format!("the head scan does not recognise {frame}").into());
        }
    }
    Ok(seen)
}

fn ours(seen: &Seen, frame: &str) -> bool {
    matches!(scan_head(frame), Some(Head::Event { id, .. }) if seen.contains(&id))
}

fn known(seen: &Seen, id: &str) -> bool {
    id.parse().is_ok_and(|id: EventId| seen.contains(&id))
}

/// The set with those who recognise it.
pub(super) fn heat<'a>(set: &'a FrameSet, seen: &'a Seen) -> Heat<'a> {
    let frames = &set.frames;
    let ids: Vec<EventId> = frames.iter().filter_map(|frame| skip::id(frame)?.parse().ok()).collect();
    let mut simd = SimdJson::default();
    let contenders = vec![
        Contender::new("lookup", move || {
            for id in &ids {
                assert!(seen.contains(black_box(id)), "every id is in the set");
            }
        }),
        Contender::new("ours", move || each(frames, |frame| ours(seen, frame))),
        Contender::new("nostr", move || {
            each(frames, |frame| black_box(nostr::message::RelayMessage::from_json(frame)).is_ok());
        }),
        Contender::new("sonic-rs", move || {
            each(frames, |frame| peers::sonic_id(frame, |id| known(seen, id)) == Some(true));
        }),
        Contender::new("simd-json", move || each(frames, |frame| simd.id(frame, |id| known(seen, id)) == Some(true))),
        Contender::new("memchr", move || each(frames, |frame| skip::id(frame).is_some_and(|id| known(seen, id)))),
    ];
    Heat { labels: set.labels(), items: frames.len(), bytes: set.bytes(), contenders }
}

fn each(frames: &[String], mut is_known: impl FnMut(&str) -> bool) {
    for frame in frames {
        assert!(is_known(black_box(frame)), "every id is in the set");
    }
}

fn print(options: &Options, sets: &[FrameSet], times: &[Times]) -> Vec<Goal> {
    let rounds = options.rounds;
    println!(
        "duplicate: frame in, \"already seen\" out, {SEEN} ids seen; ns per frame, median [min–max] of {rounds} rounds"
    );
    println!(
        "{}{:>22}{:>12}{:>12}{:>12}{:>13}{:>12}{:>12}{:>22}",
        table::set_heads(&["class", "layout"]),
        "ours",
        "MB/s",
        "lookup",
        "nostr parse",
        "sonic-rs get",
        "simd-json",
        "memchr",
        "times nostr"
    );
    let mut before = Goal::new("duplicate, id before the tags: times as cheap as nostr", Bound::AtLeast(20.0));
    let mut after = Goal::new("duplicate, id last: times as cheap as nostr", Bound::AtLeast(10.0));
    for (set, times) in sets.iter().zip(times) {
        let goal = if set.layout.id_precedes_tags() { &mut before } else { &mut after };
        let ratio = times.ratio("nostr", "ours");
        let verdict = ratio.map_or("", |ratio| goal.note(&times.labels, ratio.median));
        let others = ["lookup", "nostr", "sonic-rs", "simd-json", "memchr"]
            .map(|name| table::median(times.nanos(name)))
            .concat();
        println!(
            "{}{}{}{others}{} {verdict}",
            table::set_columns(times),
            table::spread(times.nanos("ours")),
            table::median(times.megabytes("ours")),
            table::spread(ratio)
        );
    }
    println!();
    vec![before, after]
}

/// Each large frame on its own, in passes over the set: the speed of the frame in the middle, and of the slowest.
fn large(options: &Options, sets: &[FrameSet], seen: &Seen) -> Vec<Goal> {
    println!("duplicate, frames above {LARGE} bytes, each timed on its own: GB/s, the median of its passes");
    println!("{}{:>12}{:>12}{:>12}", table::set_heads(&["class", "layout"]), "median", "slowest", "fastest");
    let mut median = Goal::new("duplicate, frames over 2 KB: GB/s of the median frame", Bound::AtLeast(5.0));
    let mut worst = Goal::new("duplicate, frames over 2 KB: GB/s of the slowest frame", Bound::AtLeast(3.0));
    for set in sets {
        let frames: Vec<&String> = set.frames.iter().filter(|frame| frame.len() > LARGE).collect();
        let Some(speed) = Spread::of(speeds(options, &frames, seen)) else { continue };
        let (labels, bytes) = (set.labels(), frames.iter().map(|frame| frame.len()).sum::<usize>());
        let verdicts = (median.note(&labels, speed.median), worst.note(&labels, speed.min));
        let columns: String = labels.iter().map(|text| table::label(text)).collect();
        let (count, mean) = (frames.len(), bytes / frames.len());
        let Spread { min, median, max } = speed;
        println!("{columns}{count:>6}{mean:>8}{median:>12.2}{min:>12.2}{max:>12.2}  {} {}", verdicts.0, verdicts.1);
    }
    println!();
    vec![median, worst]
}

/// GB/s of each frame.
fn speeds(options: &Options, frames: &[&String], seen: &Seen) -> Vec<f64> {
    let passes = options.rounds * 9;
    let mut times: Vec<Vec<f64>> = vec![Vec::with_capacity(passes); frames.len()];
    let mut clock = Vec::with_capacity(passes);
    for _ in 0..passes {
        for (frame, times) in frames.iter().zip(&mut times) {
            let start = Instant::now();
            black_box(ours(seen, black_box(frame)));
            times.push(start.elapsed().as_nanos() as f64);
        }
        let start = Instant::now();
        clock.push(black_box(start).elapsed().as_nanos() as f64);
    }
    let clock = Spread::of(clock).map_or(0.0, |clock| clock.median);
    let speed = |(frame, times): (&&String, Vec<f64>)| {
        let nanos = Spread::of(times)?.median - clock;
        Some(frame.len() as f64 / nanos.max(1.0))
    };
    frames.iter().zip(times).filter_map(speed).collect()
}
