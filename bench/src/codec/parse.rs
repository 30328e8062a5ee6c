//! A relay's EVENT frame to an event, without verification.

use std::error::Error;
use std::hint::black_box;

use nostr_proto::RelayMessage;

use super::options::Options;
use super::peers::{OwnedFrame, SimdJson};
use super::race::{self, Contender, Heat, Times};
use super::sets::{self, FrameSet};
use super::table::{self, Bound, Goal};

pub(super) fn run(options: &Options) -> Result<Vec<Goal>, Box<dyn Error>> {
    let sets = sets::frames(options);
    let heats = sets.iter().map(heat).collect();
    let times = race::run(heats, options.rounds, options.slice);

    println!("parse: an EVENT frame to an event, no verification; MB/s, median [min–max] of {} rounds", options.rounds);
    println!(
        "{}{:>22}{:>12}{:>12}{:>12}{:>12}{:>22}{:>22}",
        table::set_heads(&["class", "layout"]),
        "ours",
        "nostr",
        "serde_json",
        "sonic-rs",
        "simd-json",
        "times nostr",
        "times serde_json"
    );
    let mut nostr = Goal::new("parse: times as fast as the nostr crate", Bound::AtLeast(4.0));
    let mut serde = Goal::new("parse: times as fast as serde_json", Bound::AtLeast(2.0));
    for times in &times {
        line(times, &mut nostr, &mut serde);
    }
    println!();
    Ok(vec![nostr, serde])
}

fn line(times: &Times, nostr: &mut Goal, serde: &mut Goal) {
    let rates: String =
        ["nostr", "serde_json", "sonic-rs", "simd-json"].map(|name| table::median(times.megabytes(name))).concat();
    let ratios = [(nostr, "nostr"), (serde, "serde_json")].map(|(goal, name)| {
        let ratio = times.ratio(name, "ours");
        let verdict = ratio.map_or("", |ratio| goal.note(&times.labels, ratio.median));
        format!("{} {verdict:<5}", table::spread(ratio))
    });
    let ours = table::spread(times.megabytes("ours"));
    println!("{}{ours}{rates}{}", table::set_columns(times), ratios.concat());
}

/// The set with those who parse it.
pub(super) fn heat(set: &FrameSet) -> Heat<'_> {
    let frames = &set.frames;
    let mut simd = SimdJson::default();
    let contenders = vec![
        Contender::new("ours", move || each(frames, |frame| black_box(RelayMessage::parse(frame)).is_ok())),
        Contender::new("nostr", move || {
            each(frames, |frame| black_box(nostr::message::RelayMessage::from_json(frame)).is_ok());
        }),
        Contender::new("serde_json", move || {
            each(frames, |frame| black_box(serde_json::from_str::<OwnedFrame>(frame)).is_ok());
        }),
        Contender::new("sonic-rs", move || {
            each(frames, |frame| black_box(sonic_rs::from_str::<OwnedFrame>(frame)).is_ok());
        }),
        Contender::new("simd-json", move || each(frames, |frame| black_box(simd.frame(frame)).is_some())),
    ];
    Heat { labels: set.labels(), items: frames.len(), bytes: set.bytes(), contenders }
}

fn each(frames: &[String], mut parse: impl FnMut(&str) -> bool) {
    for frame in frames {
        assert!(parse(black_box(frame)), "parsed a moment ago");
    }
}
