//! Everything that an event costs but its signature, beside the signature.

use std::error::Error;
use std::hint::black_box;

use nostr_pool_corpus::{Class, Layout, Rng};
use nostr_proto::{Event, Filter, HashedEvent, Kind, PublicKey, RelayMessage, Timestamp, Verifier, verify};

use super::options::Options;
use super::race::{self, Contender, Heat};
use super::sets::SUBSCRIPTION;
use super::table::{self, Bound, Goal};

/// The sizes of the notes, in bytes.
const SIZES: std::ops::RangeInclusive<usize> = 450..=550;

/// How many notes at the most: a pass of verifications takes 50 µs for each.
const NOTES: usize = 256;

pub(super) fn run(options: &Options) -> Result<Vec<Goal>, Box<dyn Error>> {
    let mut notes = Class::Note.events(options.seed, options.bytes);
    notes.retain(|event| SIZES.contains(&event.size()));
    notes.truncate(NOTES);
    let filter = filter(options.seed, &notes);
    if !notes.iter().all(|event| filter.matches(event)) {
        return Err("the filter is made to match".into());
    }
    let heats = Layout::ALL.iter().map(|layout| heat(*layout, &notes, &filter)).collect::<Result<_, _>>()?;
    let times = race::run(heats, options.rounds, options.slice);

    println!(
        "checks: all of a note's work but the signature; ns per note, median [min–max] of {} rounds",
        options.rounds
    );
    println!(
        "{}{:>22}{:>12}{:>12}{:>12}{:>12}{:>12}{:>22}",
        table::set_heads(&["class", "layout"]),
        "all three",
        "parse",
        "check id",
        "match",
        "verify",
        "known key",
        "% of verify"
    );
    let mut goal = Goal::new("checks: % of a Schnorr verification, 500-byte note", Bound::AtMost(5.0));
    for times in &times {
        let share = times.ratio(ALL, "verify").map(|ratio| ratio.times(100.0));
        let verdict = share.map_or("", |share| goal.note(&times.labels, share.median));
        let parts =
            ["parse", "check id", "match", "verify", KNOWN].map(|name| table::median(times.nanos(name))).concat();
        println!(
            "{}{}{parts}{} {verdict}",
            table::set_columns(times),
            table::spread(times.nanos(ALL)),
            table::spread(share)
        );
    }
    println!();
    Ok(vec![goal])
}

const ALL: &str = "parse, check id, match";

/// Verifying by one that has met all authors.
const KNOWN: &str = "verify, known key";

/// The notes of a hundred authors, those of the set among them, since a while ago.
fn filter(seed: u64, notes: &[Event]) -> Filter {
    let mut rng = Rng::new(seed);
    let strangers = (0..50).map(|_| PublicKey::from_bytes(rng.bytes32()));
    let authors = notes.iter().map(Event::pubkey).chain(strangers);
    Filter::new().authors(authors).kinds([Kind::TEXT_NOTE, Kind::new(6)]).since(Timestamp::new(1_700_000_000))
}

fn heat<'a>(layout: Layout, notes: &'a [Event], filter: &'a Filter) -> Result<Heat<'a>, Box<dyn Error>> {
    let frames: Vec<String> = notes.iter().map(|event| layout.frame(SUBSCRIPTION, event)).collect();
    let hashed: Vec<HashedEvent> = notes.iter().cloned().map(Event::check_id).collect::<Result<_, _>>()?;
    let bytes = frames.iter().map(String::len).sum();
    let all = frames.clone();
    let again = hashed.clone();
    let mut verifier = Verifier::new();
    let contenders = vec![
        Contender::new(ALL, move || {
            for frame in &all {
                assert!(checked(black_box(frame), filter).is_some(), "a good note that matches");
            }
        }),
        Contender::new("parse", move || {
            for frame in &frames {
                assert!(black_box(RelayMessage::parse(black_box(frame))).is_ok(), "a good frame");
            }
        }),
        Contender::new("check id", move || {
            for event in notes {
                assert!(black_box(black_box(event).clone().check_id()).is_ok(), "a good id");
            }
        }),
        Contender::new("match", move || {
            for event in notes {
                assert!(filter.matches(black_box(event)), "made to match");
            }
        }),
        Contender::new("verify", move || {
            for event in &hashed {
                assert!(black_box(verify(black_box(event))).is_ok(), "a good signature");
            }
        }),
        Contender::new(KNOWN, move || {
            for outcome in verifier.verify_batch(&again) {
                assert!(black_box(outcome).is_ok(), "a good signature");
            }
        }),
    ];
    let labels = vec![Class::Note.name().to_owned(), layout.name().to_owned()];
    Ok(Heat { labels, items: notes.len(), bytes, contenders })
}

fn checked(frame: &str, filter: &Filter) -> Option<HashedEvent> {
    let RelayMessage::Event { event, .. } = RelayMessage::parse(frame).ok()? else { return None };
    let event = event.check_id().ok()?;
    filter.matches(&event).then_some(event)
}
