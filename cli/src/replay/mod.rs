//! `nostr-pool replay`: a recording, played again.

mod cut;
mod play;
mod read;
mod show;
mod summary;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use nostr_pool_tokio::recording::{ReadError, Recording};

use crate::args::ReplayArgs;
use crate::exit::{Exit, Stop};
use crate::interrupt::interrupted;
use crate::output::{self, Lines};

use self::cut::Out;
use self::play::{Stopped, play};
use self::summary::Summary;

/// How long a step may take to end after Ctrl-C, where nothing is to be written.
const GRACE: Duration = Duration::from_millis(500);

/// Steps between two looks at the progress.
const ROW: usize = 256;

/// Runs the command.
pub(crate) async fn run(args: ReplayArgs) -> Result<Exit, Stop> {
    let stop = Arc::new(AtomicBool::new(false));
    // To write what --shrink has come to takes one more replay of that. Another Ctrl-C ends that, too.
    let grace = if args.shrink.is_some() { Duration::MAX } else { GRACE };
    let mut work = tokio::task::spawn_blocking({
        let stop = Arc::clone(&stop);
        move || replay(&args, &stop)
    });
    let outcome = tokio::select! {
        outcome = &mut work => outcome,
        () = interrupted() => {
            stop.store(true, Ordering::Relaxed);
            match tokio::time::timeout(grace, work).await {
                Ok(outcome) => outcome,
                Err(_) => return Ok(Exit::Interrupted),
            }
        }
    };
    outcome.map_err(|e| Stop::failed(format!("the replay broke off: {e}")))?
}

fn replay(args: &ReplayArgs, stop: &AtomicBool) -> Result<Exit, Stop> {
    let path = output::one_line(&args.file.display().to_string());
    let at_fault = |what: &dyn std::fmt::Display| Stop::usage(format!("{path}: {what}"));
    let out = args.shrink.as_deref().map(Out::create).transpose()?;
    let bytes = read::whole(&args.file, args.max_bytes).map_err(|e| at_fault(&e))?;
    let recording = Recording::read(&bytes).map_err(|e: ReadError| at_fault(&e))?;
    let mut lines = Lines::stdout();
    let mut summary = Summary::default();
    let bar = bar(args.print, recording.steps.len());
    let stopped = play(&recording, args.until.as_deref(), stop, |index, outcome| {
        let step = &recording.steps[index];
        summary.add(step, outcome);
        if index.is_multiple_of(ROW) {
            bar.set_position(u64::try_from(index).unwrap_or_default());
        }
        if args.print {
            for line in show::lines(index, &recording, outcome) {
                lines.line(&line)?;
            }
        }
        Ok(())
    })?;
    bar.finish_and_clear();
    if args.print
        && let Stopped::Panicked { step, .. } | Stopped::Forged(_, step) = &stopped
    {
        lines.line(&show::step(*step, &recording))?;
    }
    for line in summary.lines(&recording, &stopped) {
        lines.line(&line)?;
    }
    lines.flush()?;
    match out {
        Some(out) if stopped != Stopped::Interrupted => shrink(args, &recording, &stopped, out, stop),
        _ => Ok(exit(&stopped, args)),
    }
}

/// What a replay came to, as an exit code.
fn exit(stopped: &Stopped, args: &ReplayArgs) -> Exit {
    match stopped {
        Stopped::Interrupted => Exit::Interrupted,
        Stopped::AtText { .. } => Exit::Ok,
        Stopped::AtEnd if args.until.is_none() => Exit::Ok,
        Stopped::AtEnd | Stopped::Diverged(_) | Stopped::Forged(..) | Stopped::Panicked { .. } => Exit::Failed,
    }
}

/// Where a smaller recording of a failure was asked for, having it is success.
fn shrink(
    args: &ReplayArgs,
    recording: &Recording<'_>,
    stopped: &Stopped,
    out: Out<'_>,
    stop: &AtomicBool,
) -> Result<Exit, Stop> {
    if !matches!(stopped, Stopped::Panicked { .. } | Stopped::AtText { .. }) {
        return Err(Stop::usage(
            "--shrink: nothing to keep: the replay does not panic, and --until names no text that shows",
        ));
    }
    let bar = spinner();
    let small = cut::cut(recording, args.until.as_deref(), stopped, args.tries, stop, |tries, steps| {
        bar.set_message(format!("{}, {} left", output::count(tries, "try"), output::count(steps, "step")));
    });
    bar.finish_and_clear();
    let exit = if stop.load(Ordering::Relaxed) { Exit::Interrupted } else { Exit::Ok };
    let (before, after) = (recording.steps.len(), small.steps.len());
    if exit == Exit::Interrupted && after == before {
        return Ok(exit);
    }
    let name = out.name();
    out.write(&small)?;
    output::note(&format!("{name}: {} of {before}", output::count(after, "step")));
    Ok(exit)
}

fn bar(prints: bool, steps: usize) -> ProgressBar {
    if !output::may_draw(prints) {
        return ProgressBar::hidden();
    }
    let template = "{wide_bar} {percent}% {human_pos}/{human_len} steps";
    // The template is constant and right.
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(u64::try_from(steps).unwrap_or(u64::MAX)).with_style(style)
}

fn spinner() -> ProgressBar {
    if !output::may_draw(false) {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner();
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}
