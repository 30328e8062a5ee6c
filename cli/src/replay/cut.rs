//! A smaller recording that still shows the failure.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use nostr_pool_tokio::recording::{Recording, record_again, shrink};

use crate::exit::Stop;
use crate::output;

use super::play::{Panics, Stopped, play};

/// Cuts a recording down to what still panics in the same place, or still shows the text. `stop` ends the search with what it
/// has come to.
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
        asked += 1;
        let played = play(candidate, until, stop, |_, _| Ok(()));
        let fails = match (played, stopped) {
            (Ok(Stopped::Interrupted), _) => return ControlFlow::Break(()),
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
        ControlFlow::Continue(fails)
    })
}

/// The file that the smaller recording goes into. It is made before anything else is done, so that no work is in vain; if
/// nothing is written to it, it is taken away again.
#[derive(Debug)]
pub(super) struct Out<'a> {
    path: &'a Path,
    file: File,
    written: bool,
}

impl<'a> Out<'a> {
    /// Makes the file, which must be new.
    pub(super) fn create(path: &'a Path) -> Result<Self, Stop> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).map_err(|e| Stop::usage(fault(path, &e)))?;
        Ok(Self { path, file, written: false })
    }

    pub(super) fn name(&self) -> String {
        output::one_line(&self.path.display().to_string())
    }

    /// Records it anew. Where the core panics, the file ends with the step that makes it.
    pub(super) fn write(mut self, small: &Recording<'_>) -> Result<(), Stop> {
        let mut bytes = Vec::new();
        let recorded = Panics::listen().catch(|| record_again(small, &mut bytes).map(drop));
        if let Ok(Err(forged)) = recorded {
            return Err(Stop::failed(forged.to_string()));
        }
        self.file.write_all(&bytes).map_err(|e| Stop::failed(fault(self.path, &e)))?;
        self.written = true;
        Ok(())
    }
}

impl Drop for Out<'_> {
    fn drop(&mut self) {
        if !self.written {
            // Otherwise it stays, empty or cut off, and nobody is misled by that.
            let _ = fs::remove_file(self.path);
        }
    }
}

fn fault(path: &Path, error: &std::io::Error) -> String {
    format!("--shrink: {}: {error}", output::one_line(&path.display().to_string()))
}
