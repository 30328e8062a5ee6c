//! `req --resume`: where the last run stopped, in a file.
//!
//! The first line is the pool's checkpoint; each further line is the id of an event that was printed, the latest last. The
//! ids are there because a relay is asked again for a while before it was last heard of, and for all that it has if it was
//! out of reach: what comes again is not printed again.

use std::collections::{HashSet, VecDeque};
use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nostr_pool_tokio::Checkpoint;
use nostr_proto::EventId;

use crate::exit::Stop;

/// Ids that are remembered; of more, the earliest are forgotten.
const MAX_IDS: usize = 50_000;

/// The longest file that is read: a checkpoint, and that many lines with an id each.
const MAX_BYTES: u64 = (Checkpoint::MAX_BYTES + 1 + MAX_IDS * 65) as u64;

/// How often the file is written at most while events come.
const EVERY: Duration = Duration::from_secs(3);

/// The file, and what is to be in it.
pub(crate) struct Resume {
    path: PathBuf,
    /// The last one that was read or written.
    checkpoint: Checkpoint,
    printed: HashSet<EventId>,
    /// The same, in the order in which they were printed.
    order: VecDeque<EventId>,
    /// When the file has to be written; `None` while nothing is new.
    due: Option<Instant>,
}

impl Resume {
    /// Reads the file, if it is there, and makes sure that it can be written.
    pub(crate) fn open(path: &Path) -> Result<(Self, Option<Checkpoint>), Stop> {
        let mut resume = Self {
            path: path.to_owned(),
            checkpoint: Checkpoint::default(),
            printed: HashSet::new(),
            order: VecDeque::new(),
            due: None,
        };
        match read(path) {
            Ok(text) => resume.parse(&text).map_err(|why| resume.fault(&why))?,
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            Err(e) => return Err(resume.fault(&e.to_string())),
        }
        resume.write().map_err(|e| resume.fault(&e.to_string()))?;
        let checkpoint = Some(resume.checkpoint.clone()).filter(|it| !it.is_empty());
        Ok((resume, checkpoint))
    }

    fn fault(&self, why: &str) -> Stop {
        Stop::usage(format!("--resume: {}: {why}", self.path.display()))
    }

    fn parse(&mut self, text: &str) -> Result<(), String> {
        let mut lines = text.lines();
        self.checkpoint = Checkpoint::from_json(lines.next().unwrap_or_default()).map_err(|e| e.to_string())?;
        for (line, n) in lines.zip(2..) {
            let id = line.parse().map_err(|_| format!("line {n} is no event id"))?;
            self.is_new(id);
        }
        Ok(())
    }

    /// Whether an event has not been printed, as far as is remembered; from now on it has.
    pub(crate) fn is_new(&mut self, id: EventId) -> bool {
        if !self.printed.insert(id) {
            return false;
        }
        self.order.push_back(id);
        if self.order.len() > MAX_IDS
            && let Some(oldest) = self.order.pop_front()
        {
            self.printed.remove(&oldest);
        }
        true
    }

    /// Something happened that the file does not know.
    pub(crate) fn touch(&mut self) {
        self.due.get_or_insert_with(|| Instant::now() + EVERY);
    }

    /// When it is time to [`save`](Self::save).
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Writes the file, with a newer checkpoint if there is one. What was printed must have been handed over before.
    pub(crate) fn save(&mut self, checkpoint: Option<Checkpoint>) -> Result<(), Stop> {
        self.due = None;
        if let Some(checkpoint) = checkpoint {
            self.checkpoint = checkpoint;
        }
        self.write().map_err(|e| Stop::failed(format!("cannot write {}: {e}", self.path.display())))
    }

    /// Whoever reads the file sees the old one or the new one, also after a crash.
    fn write(&self) -> io::Result<()> {
        let name = self.path.file_name().ok_or_else(|| io::Error::other("it names no file"))?;
        let mut new = name.to_owned();
        new.push(format!(".{}.new", std::process::id()));
        let new = self.path.with_file_name(new);
        let written = self.write_to(&new).and_then(|()| fs::rename(&new, &self.path));
        if written.is_err() {
            // There may be nothing to remove; the first error is the one to tell.
            let _ = fs::remove_file(&new);
        }
        written
    }

    fn write_to(&self, path: &Path) -> io::Result<()> {
        let mut out = BufWriter::new(File::create(path)?);
        writeln!(out, "{}", self.checkpoint.to_json())?;
        for id in &self.order {
            writeln!(out, "{id}")?;
        }
        out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let read = File::open(path)?.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    if read as u64 > MAX_BYTES {
        return Err(io::Error::other("it is too long to be a file of --resume"));
    }
    Ok(text)
}
