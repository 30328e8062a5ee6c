//! A smaller recording that still shows the failure.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use nostr_pool_tokio::recording::{Recording, record_again, shrink};

use crate::exit::Stop;
use crate::output;

use super::play::{Panics, Stopped, play};

/// Cuts a recording down to what still panics in the same place, or still shows the text. Ctrl-C ends the search with what
/// it has come to.
pub(super) fn cut<'a>(
    recording: &Recording<'a>,
    until: Option<&str>,
    stopped: &Stopped,
    tries: usize,
    stop: &AtomicBool,
    mut tell: impl FnMut(usize, usize),
) -> Recording<'a> {
    let (mut asked, mut left) = (0, recording.steps.len());
    shrink(recording, tries, |candidate| {
        if stop.load(Ordering::Relaxed) {
            return false;
        }
        asked += 1;
        let played = play(candidate, until, &AtomicBool::new(false), |_, _| Ok(()));
        let fails = match (played, stopped) {
            (Ok(Stopped::Panicked { panic, .. }), Stopped::Panicked { panic: wanted, .. }) => {
                panic.place == wanted.place
            }
            (Ok(Stopped::AtText { .. }), Stopped::AtText { .. }) => true,
            _ => false,
        };
        if fails {
            left = candidate.steps.len();
        }
        tell(asked, left);
        fails
    })
}

/// Records it anew, into a new file. Where the core panics, the file ends with the step that makes it.
pub(super) fn write(small: &Recording<'_>, out: &Path) -> Result<(), Stop> {
    let mut bytes = Vec::new();
    let recorded = Panics::listen().catch(|| record_again(small, &mut bytes).map(drop));
    if let Ok(Err(forged)) = recorded {
        return Err(Stop::failed(forged.to_string()));
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(out).and_then(|mut file| file.write_all(&bytes));
    written.map_err(|e| Stop::usage(format!("--shrink: {}: {e}", output::one_line(&out.display().to_string()))))
}
