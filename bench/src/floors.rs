//! What the parts cost on their own, on one thread and without a socket.

use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

use nostr_proto::{Event, RelayMessage};
use sha2::{Digest, Sha256};

use crate::args::Args;
use crate::workload;

/// A part and what it costs per event.
pub(crate) struct Floor {
    pub(crate) name: &'static str,
    pub(crate) per_event: Duration,
}

/// One measurement of each part, over the events of the run.
pub(crate) fn measure(events: &[String]) -> Result<Vec<Floor>, Box<dyn Error>> {
    let frames: Vec<String> = events.iter().map(|event| workload::message("p1", event)).collect();
    let parsed = events.iter().map(|json| Event::from_json(json)).collect::<Result<Vec<_>, _>>()?;
    let hashed = parsed.iter().cloned().map(Event::check_id).collect::<Result<Vec<_>, _>>()?;
    let floor = |name, start: Instant| Floor { name, per_event: start.elapsed() / u32_len(events) };
    let mut floors = Vec::new();

    let start = Instant::now();
    for frame in &frames {
        black_box(nostr_proto::scan_head(black_box(frame)));
    }
    floors.push(floor("scan the head of a frame", start));

    let start = Instant::now();
    for frame in &frames {
        black_box(RelayMessage::parse(black_box(frame))?);
    }
    floors.push(floor("parse a frame", start));

    let start = Instant::now();
    for json in events {
        black_box(Sha256::digest(black_box(json)));
    }
    floors.push(floor("SHA-256 over an event's JSON", start));

    let start = Instant::now();
    for event in parsed {
        black_box(black_box(event).check_id()?);
    }
    floors.push(floor("check an id", start));

    let start = Instant::now();
    for event in &hashed {
        black_box(nostr_proto::verify(black_box(event))?);
    }
    floors.push(floor("verify a signature", start));
    Ok(floors)
}

/// The events of a run, and what to say about them.
pub(crate) fn corpus(args: &Args) -> Result<Vec<String>, Box<dyn Error>> {
    let events = workload::events(args)?;
    println!("{} events, {} bytes in the mean (mix {})", events.len(), workload::mean_size(&events), args.mix);
    Ok(events)
}

fn u32_len(events: &[String]) -> u32 {
    u32::try_from(events.len()).unwrap_or(u32::MAX)
}
