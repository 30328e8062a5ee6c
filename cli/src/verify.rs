//! `nostr-pool verify`: the ids and signatures of events, line by line.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use nostr_proto::{Event, EventId, verify_event};

use crate::args::VerifyArgs;
use crate::exit::{Exit, Stop};
use crate::interrupt::interrupted;
use crate::lines::{self, Line, LineReader};
use crate::output::{self, Lines};

/// Lines checked together, spread over the processor's cores.
const BATCH: usize = 1024;

/// Bytes of those lines after which a batch is full.
const BATCH_BYTES: usize = 4 << 20;

/// Bytes read at once.
const READ: usize = 256 << 10;

/// How long a batch may take to end after Ctrl-C.
const GRACE: Duration = Duration::from_millis(500);

/// Runs the command.
pub(crate) async fn run(args: VerifyArgs) -> Result<Exit, Stop> {
    let tally = Arc::new(Tally::default());
    let mut work = tokio::task::spawn_blocking({
        let tally = Arc::clone(&tally);
        move || check_all(&args, &tally)
    });
    let outcome = tokio::select! {
        outcome = &mut work => outcome,
        () = interrupted() => {
            tally.stop.store(true, Ordering::Relaxed);
            // Waiting for input can't be interrupted; then there is nothing unprinted either.
            let _ = tokio::time::timeout(GRACE, work).await;
            tally.print();
            return Ok(Exit::Interrupted);
        }
    };
    let exit = outcome.map_err(|e| Stop::failed(format!("the check broke off: {e}")))??;
    tally.print();
    Ok(exit)
}

/// What was found so far.
#[derive(Debug, Default)]
struct Tally {
    valid: AtomicU64,
    bad: AtomicU64,
    stop: AtomicBool,
}

impl Tally {
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn print(&self) {
        let (valid, bad) = (self.valid.load(Ordering::Relaxed), self.bad.load(Ordering::Relaxed));
        output::note(&format!("{}: {valid} valid, {bad} not", output::count(valid + bad, "event")));
    }
}

fn check_all(args: &VerifyArgs, tally: &Tally) -> Result<Exit, Stop> {
    let stdin = [PathBuf::from("-")];
    let files: &[PathBuf] = if args.files.is_empty() { &stdin } else { &args.files };
    let several = files.len() > 1;
    let mut lines = Lines::stdout();
    let mut exit = Exit::Ok;
    for file in files {
        let path = file.display().to_string();
        let name = if several { format!("{}: ", output::one_line(&path)) } else { String::new() };
        let checked = if file.as_os_str() == "-" {
            lines::note_terminal();
            let bar = bar(args, None);
            Check { args, tally, source: "stdin".to_owned(), name, lines: &mut lines, bar }.input(io::stdin())
        } else {
            open(file).and_then(|(input, length)| {
                let bar = bar(args, Some(length));
                Check { args, tally, source: path, name, lines: &mut lines, bar }.input(input)
            })
        };
        match checked {
            Ok(()) => {}
            Err(Stop::Error(why, message)) => {
                output::error(&message);
                exit = exit.worst(why);
            }
            Err(stop) => return Err(stop),
        }
    }
    if tally.bad.load(Ordering::Relaxed) > 0 {
        exit = exit.worst(Exit::Failed);
    }
    Ok(exit)
}

fn open(path: &Path) -> Result<(File, u64), Stop> {
    let fail = |e: io::Error| Stop::usage(format!("{}: {e}", path.display()));
    let file = File::open(path).map_err(fail)?;
    let length = file.metadata().map_err(fail)?.len();
    Ok((file, length))
}

/// Progress on stderr, where somebody watches: bytes of a file, or a count where the length is not known.
fn bar(args: &VerifyArgs, length: Option<u64>) -> ProgressBar {
    if !output::may_draw(!args.quiet) {
        return ProgressBar::hidden();
    }
    let (bar, template) = match length {
        Some(length) => (ProgressBar::new(length), "{wide_bar} {percent}% {bytes}/{total_bytes} {msg}"),
        None => (ProgressBar::new_spinner(), "{spinner} {bytes} {msg}"),
    };
    // The templates are constant and right.
    bar.with_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// The check of one input.
struct Check<'a> {
    args: &'a VerifyArgs,
    tally: &'a Tally,
    /// What is read: a path, or `stdin`.
    source: String,
    /// What goes before each line of output.
    name: String,
    lines: &'a mut Lines,
    bar: ProgressBar,
}

impl Check<'_> {
    fn input(mut self, input: impl Read) -> Result<(), Stop> {
        let mut reader = LineReader::new(BufReader::with_capacity(READ, input));
        while !self.tally.stopped() {
            let batch = self.read_batch(&mut reader)?;
            if batch.is_empty() {
                break;
            }
            for ((number, _), found) in batch.iter().zip(check_batch(&batch)) {
                self.print(*number, found)?;
            }
            self.lines.flush()?;
            self.bar.set_position(reader.bytes());
        }
        self.bar.finish_and_clear();
        Ok(())
    }

    /// What is at hand: a batch never waits for more input than its first line.
    fn read_batch<R: Read>(&self, reader: &mut LineReader<BufReader<R>>) -> Result<Vec<(u64, Line)>, Stop> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        loop {
            match reader.next() {
                Ok(None) => return Ok(batch),
                Ok(Some((number, line))) => {
                    if let Line::Text(text) = &line {
                        bytes += text.len();
                    }
                    batch.push((number, line));
                }
                Err(e) => return Err(Stop::usage(format!("{}: {e}", self.source))),
            }
            if batch.len() >= BATCH || bytes >= BATCH_BYTES || !reader.has_line_at_hand() {
                return Ok(batch);
            }
        }
    }

    fn print(&mut self, number: u64, found: Result<EventId, String>) -> Result<(), Stop> {
        match found {
            Ok(id) => {
                self.tally.valid.fetch_add(1, Ordering::Relaxed);
                if self.args.quiet { Ok(()) } else { self.lines.line(&format!("{}valid {id}", self.name)) }
            }
            Err(why) => {
                self.tally.bad.fetch_add(1, Ordering::Relaxed);
                self.lines.line(&format!("{}line {number}: {}", self.name, output::one_line(&why)))
            }
        }
    }
}

/// Checks a batch on all cores; the answers are in the order of the lines.
fn check_batch(batch: &[(u64, Line)]) -> Vec<Result<EventId, String>> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let share = batch.len().div_ceil(cores).max(1);
    if batch.len() == share {
        return batch.iter().map(|(_, line)| check(line)).collect();
    }
    std::thread::scope(|scope| {
        let workers: Vec<_> = batch
            .chunks(share)
            .map(|part| scope.spawn(|| part.iter().map(|(_, line)| check(line)).collect::<Vec<_>>()))
            .collect();
        // Checking never panics; should it do so all the same, the panic goes on here.
        workers.into_iter().flat_map(|w| w.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    })
}

/// The event of a line, its id and signature checked.
fn check(line: &Line) -> Result<EventId, String> {
    match line {
        Line::Text(text) => read_event(text).map(|event| event.id()),
        Line::Bad(why) => Err((*why).to_owned()),
    }
}

/// Parses an event and checks its id and signature.
pub(crate) fn read_event(text: &str) -> Result<Event, String> {
    let event = Event::from_json(text).map_err(|e| e.to_string())?;
    verify_event(event).map(|verified| verified.into_event()).map_err(|e| e.to_string())
}
