//! An event's id from its fields, beside SHA-256 alone over the same bytes.

use std::error::Error;
use std::hint::black_box;

use nostr_proto::Event;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::options::Options;
use super::race::{self, Contender, Heat};
use super::table::{self, Bound, Goal};

/// Events whose canonical form has a size in one range.
pub(super) struct EventSet {
    labels: Vec<String>,
    events: Vec<Event>,
    peers: Vec<nostr::event::Event>,
    canonical: Vec<String>,
}

pub(super) fn run(options: &Options) -> Result<Vec<Goal>, Box<dyn Error>> {
    let sets = sets(options)?;
    let times = race::run(sets.iter().map(heat).collect(), options.rounds, options.slice);
    println!("hash: the id of an event; MB/s of canonical bytes, median [min–max] of {} rounds", options.rounds);
    println!(
        "{}{:>22}{:>12}{:>12}{:>22}",
        table::set_heads(&["class", "bytes"]),
        "ours",
        "SHA-256",
        "nostr",
        "times SHA-256"
    );
    let mut small = Goal::new("hash, under 600 bytes: times as long as SHA-256 alone", Bound::AtMost(1.5));
    let mut large = Goal::new("hash, over 2 KB: times as long as SHA-256 alone", Bound::AtMost(1.2));
    for times in &times {
        let ratio = times.ratio("ours", "SHA-256");
        let goal = match times.labels[1].as_str() {
            SMALL => Some(&mut small),
            LARGE => Some(&mut large),
            _ => None,
        };
        let verdict = ratio.zip(goal).map_or("", |(ratio, goal)| goal.note(&times.labels, ratio.median));
        println!(
            "{}{}{}{}{} {verdict}",
            table::set_columns(times),
            table::spread(times.megabytes("ours")),
            table::median(times.megabytes("SHA-256")),
            table::median(times.megabytes("nostr")),
            table::spread(ratio)
        );
    }
    println!();
    Ok(vec![small, large])
}

const SMALL: &str = "under 600";
const MIDDLE: &str = "600 to 2000";
const LARGE: &str = "over 2000";

fn range(bytes: usize) -> &'static str {
    match bytes {
        0..600 => SMALL,
        600..=2_000 => MIDDLE,
        _ => LARGE,
    }
}

/// Events of each class asked for, by size.
pub(super) fn sets(options: &Options) -> Result<Vec<EventSet>, Box<dyn Error>> {
    let mut sets = Vec::new();
    for (class, events) in super::sets::events(options) {
        let mut ranges = [SMALL, MIDDLE, LARGE].map(|range| EventSet {
            labels: vec![class.name().to_owned(), range.to_owned()],
            events: Vec::new(),
            peers: Vec::new(),
            canonical: Vec::new(),
        });
        for event in events {
            let canonical = canonical(&event)?;
            // One of the two forms that control characters have in ids is enough here.
            let agrees = Sha256::digest(&canonical)[..] == event.id().as_bytes()[..];
            let Some(set) = ranges.iter_mut().find(|set| agrees && set.labels[1] == range(canonical.len())) else {
                continue;
            };
            set.peers.push(nostr::event::Event::from_json(event.to_json())?);
            set.events.push(event);
            set.canonical.push(canonical);
        }
        sets.extend(ranges.into_iter().filter(|set| set.events.len() >= 8));
    }
    Ok(sets)
}

/// The array that an id is the hash of, as NIP-01 has it.
fn canonical(event: &Event) -> Result<String, Box<dyn Error>> {
    let value: Value = serde_json::from_str(&event.to_json())?;
    let fields = ["pubkey", "created_at", "kind", "tags", "content"].map(|name| value[name].to_string());
    Ok(format!("[0,{}]", fields.join(",")))
}

/// The set with those who hash it.
pub(super) fn heat(set: &EventSet) -> Heat<'_> {
    let contenders = vec![
        Contender::new("ours", || {
            for event in &set.events {
                black_box(black_box(event).compute_id());
            }
        }),
        Contender::new("SHA-256", || {
            for text in &set.canonical {
                black_box(Sha256::digest(black_box(text)));
            }
        }),
        Contender::new("nostr", || {
            for event in &set.peers {
                black_box(black_box(event).verify_id());
            }
        }),
    ];
    let bytes = set.canonical.iter().map(String::len).sum();
    Heat { labels: set.labels.clone(), items: set.events.len(), bytes, contenders }
}
