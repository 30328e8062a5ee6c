//! Where the events to publish come from.

use std::io::{self, BufReader};

use nostr_proto::{Event, EventTemplate, Kind};
use tokio::sync::mpsc;

use crate::args::PublishArgs;
use crate::exit::Stop;
use crate::key;
use crate::lines::{Line, LineReader};
use crate::relays;
use crate::verify::read_event;

/// Events read ahead of what is being published.
const READ_AHEAD: usize = 16;

/// An event to publish.
#[derive(Debug)]
pub(crate) struct Job {
    /// The line of the input that it was on.
    pub(crate) line: Option<u64>,
    pub(crate) event: Event,
}

/// Events to publish, or one-line messages of why a line holds none.
#[derive(Debug)]
pub(crate) struct Source(mpsc::Receiver<Result<Job, String>>);

impl Source {
    /// The one event that the arguments describe, signed with the user's key.
    pub(crate) fn signed(args: &PublishArgs) -> Result<Self, Stop> {
        let event = sign(args)?;
        let (sender, receiver) = mpsc::channel(1);
        sender.try_send(Ok(Job { line: None, event })).expect("a new channel with room for one takes one");
        Ok(Self(receiver))
    }

    /// The lines of stdin. They are read and verified on a thread of their own, a few ahead.
    pub(crate) fn stdin() -> Self {
        let (sender, receiver) = mpsc::channel(READ_AHEAD);
        // It waits for input for as long as there may be some; the process does not wait for it.
        std::thread::spawn(move || read_lines(&sender));
        Self(receiver)
    }

    /// The next event; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Result<Job, String>> {
        self.0.recv().await
    }
}

fn read_lines(sender: &mpsc::Sender<Result<Job, String>>) {
    let mut reader = LineReader::new(BufReader::new(io::stdin()));
    loop {
        let (job, last) = match reader.next() {
            Ok(None) => return,
            Ok(Some((number, line))) => (read_job(number, line), false),
            Err(e) => (Err(format!("stdin: {e}")), true),
        };
        if sender.blocking_send(job).is_err() || last {
            return;
        }
    }
}

fn read_job(number: u64, line: Line) -> Result<Job, String> {
    let event = match line {
        Line::Text(text) => read_event(&text),
        Line::Bad(why) => Err(why.to_owned()),
    };
    match event {
        Ok(event) => Ok(Job { line: Some(number), event }),
        Err(why) => Err(format!("stdin, line {number}: {why}")),
    }
}

fn sign(args: &PublishArgs) -> Result<Event, Stop> {
    let keys = key::load(args.key_file.as_deref())?;
    let content = args.content.clone().unwrap_or_default();
    let mut template = EventTemplate::new(args.kind.unwrap_or(Kind::TEXT_NOTE), content, relays::unix_now());
    for tag in &args.tags {
        template = template.tag(tag.0.iter().cloned());
    }
    let mut aux = [0; 32];
    getrandom::fill(&mut aux).map_err(|e| Stop::failed(format!("no randomness to sign with: {e}")))?;
    Ok(keys.sign(&template, aux))
}
