//! `nostr-pool publish`: events to relays, and what became of each.

mod follow;
mod report;
mod source;

use std::time::Duration;

use futures::StreamExt as _;
use futures::future::{BoxFuture, FutureExt as _};
use futures::stream::FuturesUnordered;
use indicatif::ProgressBar;
use nostr_pool_tokio::{CallError, Config, Connect, ConnectError, ConnectOutcome, Pool, PublishOptions, Quorum};
use nostr_proto::RelayUrl;

use crate::args::PublishArgs;
use crate::exit::{Exit, Stop};
use crate::interrupt::interrupted;
use crate::key;
use crate::lines;
use crate::output::{self, Lines};
use crate::relays;

use self::follow::Outcome;
use self::source::{Job, Source};

/// Events under way at once.
const MAX_UNDER_WAY: usize = 64;

/// How long the first event waits for the relays to be dialled.
const DIAL: Duration = Duration::from_secs(3);

/// Runs the command.
pub(crate) async fn run(args: PublishArgs) -> Result<Exit, Stop> {
    let urls = relays::distinct(&args.relays);
    check_quorum(&args.quorum, urls.len())?;
    let source = if args.signs() {
        Source::signed(&args)?
    } else if args.key_file.is_some() && !args.auth {
        return Err(Stop::usage("--key-file: nothing to sign; events on stdin are signed, and others need --content"));
    } else {
        lines::note_terminal();
        Source::stdin()
    };
    let keys = key::load_for_auth(args.auth, args.key_file.as_deref())?;
    let pool = relays::open(&urls, &config(&args), keys, &args.network)?;
    let mut publisher = Publisher::new(&args, &pool, urls);
    let end = tokio::select! {
        end = publisher.work(source) => end.map(|()| None),
        () = interrupted() => Ok(Some(Exit::Interrupted)),
    };
    publisher.bar.finish_and_clear();
    let exit = publisher.exit;
    let under_way = publisher.under_way.len();
    args.network.part(&pool).await;
    if let Some(interrupted) = end? {
        if under_way > 0 {
            output::note(&format!("{} without a verdict", output::count(under_way, "event")));
        }
        return Ok(interrupted);
    }
    Ok(exit)
}

fn config(args: &PublishArgs) -> Config {
    let config = Config::default();
    Config { publish_lifetime: config.publish_lifetime.max(args.timeout), ..config }
}

/// A quorum of more relays than there are is a mistake in the arguments, whatever the events.
fn check_quorum(quorum: &Quorum, relays: usize) -> Result<(), Stop> {
    match quorum {
        Quorum::AtLeast(needed) if *needed > relays => Err(Stop::usage(format!(
            "--quorum: {needed} relays cannot accept where only {relays} {} named",
            if relays == 1 { "is" } else { "are" }
        ))),
        _ => Ok(()),
    }
}

struct Publisher<'a> {
    args: &'a PublishArgs,
    pool: &'a Pool,
    urls: Vec<RelayUrl>,
    lines: Lines,
    bar: ProgressBar,
    under_way: FuturesUnordered<BoxFuture<'static, Outcome>>,
    done: u64,
    exit: Exit,
}

impl<'a> Publisher<'a> {
    fn new(args: &'a PublishArgs, pool: &'a Pool, urls: Vec<RelayUrl>) -> Self {
        let bar = if output::may_draw(true) { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        bar.enable_steady_tick(Duration::from_millis(120));
        let under_way = FuturesUnordered::new();
        Self { args, pool, urls, lines: Lines::stdout(), bar, under_way, done: 0, exit: Exit::Ok }
    }

    /// Publishes what the source has, until it ends and the last event is done.
    async fn work(&mut self, mut source: Source) -> Result<(), Stop> {
        self.connect().await;
        let (mut more, mut seen) = (true, false);
        // An event that found the pool's queue full: it goes before any other.
        let mut held = None;
        loop {
            self.show_progress();
            let room = self.under_way.len() < MAX_UNDER_WAY;
            tokio::select! {
                Some(outcome) = self.under_way.next() => {
                    self.report(&outcome)?;
                    if let Some(job) = held.take() {
                        held = self.start(job)?;
                    }
                }
                job = source.next(), if more && room && held.is_none() => match job {
                    None => {
                        more = false;
                        if !seen {
                            self.note("no events on stdin");
                        }
                    }
                    Some(Err(fault)) => {
                        seen = true;
                        self.bad_input(&fault);
                    }
                    Some(Ok(job)) => {
                        seen = true;
                        held = self.start(job)?;
                    }
                },
                else => return Ok(()),
            }
        }
    }

    /// Waits until every relay was dialled once, so that a first verdict does not pass over a relay still dialling.
    async fn connect(&self) {
        let connected = self.pool.connect(DIAL.min(self.args.timeout), Connect::Lenient).await;
        let (Ok(report) | Err(ConnectError::Incomplete(report))) = connected else {
            // Only a pool that is being shut down refuses; then nothing else works either.
            return;
        };
        for (relay, outcome) in &report.relays {
            match outcome {
                ConnectOutcome::Connected { .. } => {}
                ConnectOutcome::Failed(error) => self.note(&format!("{relay}: not connected: {error}")),
                ConnectOutcome::TimedOut => self.note(&format!("{relay}: not connected yet")),
            }
        }
    }

    /// Hands an event to the pool; gives it back if it has to wait for another one to finish.
    fn start(&mut self, job: Job) -> Result<Option<Job>, Stop> {
        let Job { line, event } = job;
        let options = PublishOptions::default().with_quorum(self.args.quorum.clone()).with_deadline(self.args.timeout);
        match self.pool.publish(event, options) {
            Ok(publishing) => {
                self.under_way.push(follow::follow(self.pool.clone(), publishing, line, self.urls.clone()).boxed());
                Ok(None)
            }
            Err(CallError::PublishQueueFull(event)) if !self.under_way.is_empty() => Ok(Some(Job { line, event })),
            Err(e @ (CallError::EventTooLarge(_) | CallError::Expired(_))) => {
                let place = line.map(|line| format!("stdin, line {line}: ")).unwrap_or_default();
                self.bad_input(&format!("{place}{e}"));
                Ok(None)
            }
            Err(e) => Err(Stop::failed(format!("cannot publish: {e}"))),
        }
    }

    fn bad_input(&mut self, fault: &str) {
        self.bar.suspend(|| output::error(fault));
        self.exit = self.exit.worst(Exit::Usage);
    }

    fn report(&mut self, outcome: &Outcome) -> Result<(), Stop> {
        self.done += 1;
        self.exit = self.exit.worst(outcome.exit());
        if self.args.json {
            self.lines.line(&report::json(outcome))?;
        } else {
            for line in report::plain(outcome) {
                self.lines.line(&line)?;
            }
        }
        self.lines.flush()
    }

    fn note(&self, text: &str) {
        self.bar.suspend(|| output::note(&output::one_line(text)));
    }

    fn show_progress(&self) {
        if !self.bar.is_hidden() {
            let done = output::count(self.done, "event");
            self.bar.set_message(format!("{done} done, {} under way", self.under_way.len()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quorum_that_cannot_be_reached_is_refused_at_once() {
        assert!(check_quorum(&Quorum::AtLeast(2), 2).is_ok());
        assert!(check_quorum(&Quorum::AtLeast(3), 2).is_err());
        assert!(check_quorum(&Quorum::All, 1).is_ok());
        assert!(check_quorum(&Quorum::Majority, 1).is_ok());
    }
}
