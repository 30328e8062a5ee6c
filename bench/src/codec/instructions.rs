//! Instructions instead of time, which other work on the machine does not change: one pass of a contender in a process of
//! its own under callgrind, which counts within [`counted_pass`] alone.
//!
//! Callgrind runs no SHA instructions and nothing wider than AVX2, so that SHA-256 counts as its portable code.

use std::error::Error;
use std::hint::black_box;
use std::process::Command;

use super::options::{Options, Row};
use super::race::Heat;
use super::table;
use super::{duplicate, encode, hash, parse, sets};

/// The size of a set, in bytes: signing its events is what takes time under callgrind.
const BYTES: usize = 40_000;

/// The contenders that are counted, of those that a row has.
const CONTENDERS: [&str; 4] = ["ours", "memchr", "SHA-256", "serde_json"];

/// Counts each set of the rows asked for and prints a table.
pub(super) fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    println!("instructions per item, and per byte, of {BYTES} bytes or 8 items");
    println!("{:<12}{:<15}{:<15}{:<12}{:>14}{:>10}", "row", "set", "", "contender", "per item", "per byte");
    for row in options.rows.iter().copied().filter(|row| *row != Row::Checks) {
        let options = Options { rows: vec![row], bytes: BYTES, ..options.clone() };
        with_heats(&options, |heats| {
            for (at, heat) in heats.iter().enumerate() {
                for name in CONTENDERS.into_iter().filter(|name| heat.contender(name).is_some()) {
                    let count = measure(&options, row, at, name)? as f64;
                    let labels: String = (0..2).map(|i| table::label(heat.labels.get(i).map_or("", |l| l))).collect();
                    let (item, byte) = (count / heat.items as f64, count / heat.bytes as f64);
                    println!("{:<12}{labels}{name:<12}{item:>14.1}{byte:>10.3}", row.name());
                }
            }
            Ok(())
        })?;
    }
    println!();
    Ok(())
}

/// Inside the process: the pass that is counted, after one that is not.
pub(super) fn count(options: &Options, heat: usize, contender: &str) -> Result<(), Box<dyn Error>> {
    with_heats(options, |heats| {
        let heat = heats.get_mut(heat).ok_or("there are not so many sets")?;
        let pass = heat.contender(contender).ok_or("the set has no such contender")?;
        let pass = &mut heat.contenders[pass].pass;
        pass();
        counted_pass(pass);
        Ok(())
    })
}

#[inline(never)]
fn counted_pass(pass: &mut dyn FnMut()) {
    black_box(pass)();
}

/// The sets of the row, with those who work on them.
fn with_heats<T>(
    options: &Options,
    run: impl FnOnce(&mut [Heat<'_>]) -> Result<T, Box<dyn Error>>,
) -> Result<T, Box<dyn Error>> {
    match options.rows.first() {
        Some(Row::Parse) => {
            let sets = sets::frames(options);
            run(&mut sets.iter().map(parse::heat).collect::<Vec<_>>())
        }
        Some(Row::Duplicate) => {
            let sets = sets::frames(options);
            let seen = duplicate::seen(options, &sets)?;
            run(&mut sets.iter().map(|set| duplicate::heat(set, &seen)).collect::<Vec<_>>())
        }
        Some(Row::Hash) => {
            let sets = hash::sets(options)?;
            run(&mut sets.iter().map(hash::heat).collect::<Vec<_>>())
        }
        Some(Row::Encode) => run(&mut encode::heats(options)?),
        Some(Row::Checks) | None => Err("no instructions are counted of this row".into()),
    }
}

fn measure(options: &Options, row: Row, heat: usize, contender: &str) -> Result<u64, Box<dyn Error>> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=*counted_pass*"])
        .arg(std::env::current_exe()?)
        .args(["--count", contender, "--heat", &heat.to_string(), "--rows", row.name()])
        .args(options.sets())
        .output()
        .map_err(|e| format!("valgrind: {e}"))?;
    let report = String::from_utf8_lossy(&output.stderr);
    let collected = report.lines().find_map(|line| line.split_once("Collected : "));
    match collected {
        Some((_, count)) if output.status.success() => Ok(count.trim().parse()?),
        _ => Err(format!("valgrind gave no count: {report}").into()),
    }
}
