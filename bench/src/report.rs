//! Rounds of measurements, and the tables made of them.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use crate::args::Args;
use crate::child;
use crate::contenders;
use crate::floors as parts;
use crate::measure::Outcome;
use crate::serve::Server;
use nostr_pool_bench::spread::Spread;

/// Measures and prints the parts on their own.
pub(crate) fn floors(args: &Args) -> Result<(), Box<dyn Error>> {
    let events = parts::corpus(args)?;
    let mut figures: Vec<(&str, Vec<f64>)> = Vec::new();
    for _ in 0..args.rounds {
        for (i, floor) in parts::measure(&events)?.into_iter().enumerate() {
            if figures.len() <= i {
                figures.push((floor.name, Vec::new()));
            }
            figures[i].1.push(micros(floor.per_event));
        }
    }
    println!("\nµs per event on one thread, median [min–max] of {} rounds", args.rounds);
    for (name, figures) in figures {
        if let Some(spread) = Spread::of(figures) {
            println!("  {name:<30} {spread}");
        }
    }
    println!();
    Ok(())
}

/// What one contender did in each round.
#[derive(Default)]
struct Runs {
    w1: Vec<Outcome>,
    w2: Vec<Outcome>,
    /// CPU time of the server per frame, in µs.
    server: Vec<f64>,
}

/// Measures and prints W1, and W2 if asked for.
pub(crate) fn workloads(args: &Args, w2: bool) -> Result<(), Box<dyn Error>> {
    let mut server = Server::start(args)?;
    let ports = server.ports.clone();
    println!("{} events, {} bytes in the mean (mix {})", args.events, server.mean_size, args.mix);
    let mut runs: BTreeMap<&str, Runs> = BTreeMap::new();
    for round in 1..=args.rounds {
        for (name, _) in contenders::ALL.iter().filter(|(name, _)| args.wants(name)) {
            let runs = runs.entry(*name).or_default();
            let before = server.cpu()?;
            runs.w1.push(child::measure(name, &ports[..1], args)?);
            let mut frames = args.events;
            if w2 {
                runs.w2.push(child::measure(name, &ports, args)?);
                frames += args.events * ports.len();
            }
            runs.server.push(micros(server.cpu()?.saturating_sub(before)) / frames as f64);
            eprintln!("round {round} of {}: {name}", args.rounds);
        }
    }
    print_unique(args, &runs);
    if w2 {
        print_duplicates(args, ports.len(), &runs);
    }
    print_server(&runs);
    Ok(())
}

fn print_unique(args: &Args, runs: &BTreeMap<&str, Runs>) {
    println!("\nW1: µs per unique event, one relay, median [min–max] of {} rounds", args.rounds);
    let n = args.events as f64;
    each(runs, |runs| {
        let wall = runs.w1.iter().map(|o| micros(o.spent.wall) / n).collect();
        (wall, runs.w1.iter().map(|o| micros(o.spent.cpu) / n).collect())
    });
}

/// A duplicate frame costs what W2 took longer than W1 of the same round, shared out among the copies.
fn print_duplicates(args: &Args, relays: usize, runs: &BTreeMap<&str, Runs>) {
    println!("\nW2 − W1: µs per duplicate frame, {relays} relays");
    let copies = (args.events * (relays - 1)) as f64;
    each(runs, |runs| {
        let pairs = || runs.w1.iter().zip(&runs.w2);
        let wall = pairs().map(|(one, all)| (micros(all.spent.wall) - micros(one.spent.wall)) / copies).collect();
        (wall, pairs().map(|(one, all)| (micros(all.spent.cpu) - micros(one.spent.cpu)) / copies).collect())
    });
}

fn each(runs: &BTreeMap<&str, Runs>, figures: impl Fn(&Runs) -> (Vec<f64>, Vec<f64>)) {
    for (name, description) in contenders::ALL {
        let Some(runs) = runs.get(name) else { continue };
        let (wall, cpu) = figures(runs);
        if let (Some(wall), Some(cpu)) = (Spread::of(wall), Spread::of(cpu)) {
            println!("  {description:<30} wall {:<26} CPU {cpu}", wall.to_string());
        }
    }
}

fn print_server(runs: &BTreeMap<&str, Runs>) {
    println!("\nThe replay server's own CPU, in another process: µs per frame sent");
    for (name, description) in contenders::ALL {
        if let Some(spread) = runs.get(name).and_then(|runs| Spread::of(runs.server.clone())) {
            println!("  {description:<30} {spread}");
        }
    }
}

fn micros(d: Duration) -> f64 {
    d.as_secs_f64() * 1e6
}
