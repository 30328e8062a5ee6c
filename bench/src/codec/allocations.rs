//! What a parsed event takes from the heap, ours and others'.

use std::alloc::System;
use std::error::Error;

use stats_alloc::{Region, Stats, StatsAlloc};

use super::options::Options;
use super::peers::OwnedEvent;
use super::sets;
use super::table::{self, Bound, Goal};
use crate::spread::Spread;

/// What one event took.
struct Taken {
    /// Allocations and reallocations while it was parsed.
    calls: f64,
    /// Allocations that it still holds.
    held: f64,
    /// Bytes that it still holds, by those of its minified JSON.
    bytes: f64,
}

/// Counts and prints, for each class asked for, what an event takes while it is parsed and after.
///
/// # Errors
///
/// If somebody does not read an event, or `heap` is not the allocator.
pub fn run(options: &Options, heap: &StatsAlloc<System>) -> Result<(), Box<dyn Error>> {
    let sets = sets::events(options);
    println!(
        "allocations while an event is parsed, those it holds, and bytes held ÷ its minified JSON: median [min–max]"
    );
    println!("{}{:>15}{:>22}{:>22}{:>22}", table::set_heads(&["class"]), "parser", "allocations", "held", "bytes");
    let mut calls = Goal::new("allocations while any event is parsed", Bound::AtMost(2.0));
    let mut holds = Goal::new("allocations that any event holds", Bound::AtMost(2.0));
    let mut bytes = Goal::new("heap bytes ÷ minified JSON of any event", Bound::AtMost(1.1));
    for (class, events) in &sets {
        let texts: Vec<String> = events.iter().map(nostr_proto::Event::to_json).collect();
        let label = [class.name().to_owned()];
        let ours = each(heap, &texts, |json| nostr_proto::Event::from_json(json).ok())?;
        let nostr = each(heap, &texts, |json| nostr::event::Event::from_json(json).ok())?;
        let serde = each(heap, &texts, |json| serde_json::from_str::<OwnedEvent>(json).ok())?;
        for (parser, taken) in [("ours", ours), ("nostr", nostr), ("serde_json", serde)] {
            let of = |figure: fn(&Taken) -> f64| Spread::of(taken.iter().map(figure).collect());
            let (called, held, ratio) = (of(|t| t.calls), of(|t| t.held), of(|t| t.bytes));
            let mut verdict = String::new();
            if parser == "ours" {
                let worst = |figure: Option<Spread>| figure.map_or(f64::NAN, |spread| spread.max);
                let figures = [(&mut calls, called), (&mut holds, held), (&mut bytes, ratio)];
                verdict = figures.map(|(goal, figure)| goal.note(&label, worst(figure))).join(" ");
            }
            let size = texts.iter().map(String::len).sum::<usize>() / texts.len();
            let columns = [called, held, ratio].map(table::spread).concat();
            println!("{}{:>6}{size:>8}{parser:>15}{columns}  {verdict}", table::label(class.name()), texts.len());
        }
    }
    println!();
    table::print_goals(&[calls, holds, bytes]);
    Ok(())
}

fn each<T>(
    heap: &StatsAlloc<System>,
    texts: &[String],
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Vec<Taken>, Box<dyn Error>> {
    let mut all = Vec::with_capacity(texts.len());
    for json in texts {
        let region = Region::new(heap);
        let event = parse(json);
        let Stats { allocations, deallocations, reallocations, bytes_allocated, bytes_deallocated, .. } =
            region.change();
        if event.is_none() || allocations == 0 {
            return Err(format!("{allocations} allocations for {json}").into());
        }
        all.push(Taken {
            calls: (allocations + reallocations) as f64,
            held: (allocations - deallocations) as f64,
            bytes: (bytes_allocated - bytes_deallocated) as f64 / json.len() as f64,
        });
    }
    Ok(all)
}
