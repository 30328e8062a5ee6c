//! `nostr-pool req`: events from relays to stdout.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use cpu_time::ProcessTime;
use futures::{FutureExt as _, StreamExt as _};
use indicatif::ProgressBar;
use nostr_pool_tokio::{
    AuthState, Config, Coverage, EventItem, Gap, GapCause, History, Item, LegOutcome, LegReport, LegState, Mode, Pool,
    RejectedEvent, RelayUpdate, SubscribeOptions, Subscription, Versions, Why,
};
use nostr_proto::{EventId, Filter, RelayUrl, Timestamp};

use crate::args::ReqArgs;
use crate::exit::{Exit, Stop};
use crate::hangup;
use crate::interrupt::interrupted;
use crate::key;
use crate::output::{self, Lines};
use crate::relays;
use crate::resume::Resume;

/// Items taken in a row before Ctrl-C and the relays' news get a look.
const ROW: u64 = 256;

/// Events that wait for a slow reader of stdout: as many as relays send to one request, many times over. Beyond it
/// events are skipped, which is said and shows in the exit code.
const QUEUE_ITEMS: usize = 100_000;

/// The same in bytes.
const QUEUE_BYTES: usize = 256 << 20;

/// Runs the command.
pub(crate) async fn run(args: &ReqArgs) -> Result<Exit, Stop> {
    let started = (Instant::now(), ProcessTime::now());
    let filters = args.filter.filters()?;
    let urls = relays::distinct(&args.relays);
    let keys = key::load_for_auth(args.auth, args.key_file.as_deref())?;
    let pool = relays::open(&urls, &config(args), keys, &args.network)?;
    let exit = read(args, filters, &urls, &pool, started).await;
    args.network.part(&pool).await;
    exit
}

async fn read(
    args: &ReqArgs,
    filters: Vec<Filter>,
    urls: &[RelayUrl],
    pool: &Pool,
    started: (Instant, ProcessTime),
) -> Result<Exit, Stop> {
    let mut options = SubscribeOptions::default().with_mode(if args.live { Mode::Live } else { Mode::UntilEose });
    options.eose_deadline = args.timeout;
    if args.all_versions {
        options.versions = Versions::All;
    }
    if args.all {
        options = options.with_history(History::All);
    }
    let resume = match args.resume.as_deref().map(Resume::open).transpose()? {
        Some((resume, checkpoint)) => {
            options.resume = checkpoint;
            Some(resume)
        }
        None => None,
    };
    // The relays are named by now, so only the filters can be at fault.
    let mut subscription = pool.subscribe(filters, options).map_err(|e| Stop::usage(format!("--filter: {e}")))?;
    let mut reading = Reading::new(args, pool, resume);
    let end = reading.run(&mut subscription).await;
    reading.bar.finish_and_clear();
    let end = end.and_then(|end| reading.save(&mut subscription).map(|()| end));
    drop(subscription);
    let exit = match end? {
        End::Settled => reading.conclude(),
        End::Interrupted => Exit::Interrupted,
    };
    reading.print_faults(urls);
    if args.stats {
        reading.print_stats(urls, started);
    }
    Ok(exit)
}

fn config(args: &ReqArgs) -> Config {
    let config = Config::default();
    // A timeout counts from the start: progress does not lengthen it.
    let longest = args.timeout.unwrap_or(config.eose_deadline_max);
    // Who asks for all of it means all of it, however many pages that is.
    let (max_pages, max_page_events) =
        if args.all { (u32::MAX, usize::MAX) } else { (config.max_pages, config.max_page_events) };
    Config {
        max_pages,
        max_page_events,
        eose_deadline_max: longest,
        dial_deadline: config.dial_deadline.min(longest),
        queue_items: QUEUE_ITEMS,
        queue_bytes: QUEUE_BYTES,
        ..config
    }
}

enum End {
    /// Every relay has answered or was given up.
    Settled,
    /// Ctrl-C.
    Interrupted,
}

struct Reading<'a> {
    args: &'a ReqArgs,
    pool: &'a Pool,
    lines: Lines,
    bar: ProgressBar,
    coverage: Option<Coverage>,
    /// How each relay's request stands, for the time before the coverage is known.
    legs: BTreeMap<RelayUrl, LegState>,
    /// Relays that refused for a time. The pool tells why only of those that refused for good.
    put_off: BTreeSet<RelayUrl>,
    resume: Option<Resume>,
    events: u64,
    /// When the oldest of them was created.
    oldest: Option<Timestamp>,
    /// Relays of which something is missing that will not be asked for again.
    incomplete: BTreeSet<RelayUrl>,
    /// The same of nobody in particular.
    lost: bool,
}

impl<'a> Reading<'a> {
    fn new(args: &'a ReqArgs, pool: &'a Pool, resume: Option<Resume>) -> Self {
        let bar = if output::may_draw(!args.quiet) { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        bar.enable_steady_tick(Duration::from_millis(120));
        Self {
            args,
            pool,
            lines: Lines::stdout(),
            bar,
            coverage: None,
            legs: BTreeMap::new(),
            put_off: BTreeSet::new(),
            resume,
            events: 0,
            oldest: None,
            incomplete: BTreeSet::new(),
            lost: false,
        }
    }

    async fn run(&mut self, subscription: &mut Subscription) -> Result<End, Stop> {
        let mut news = self.pool.status();
        let mut interrupt = Box::pin(interrupted());
        let mut gone = Box::pin(hangup::reader_gone());
        let mut taken = 0_u64;
        loop {
            taken += 1;
            let at_hand = if taken.is_multiple_of(ROW) { None } else { subscription.next().now_or_never() };
            let item = match at_hand {
                Some(item) => item,
                None => {
                    self.lines.flush()?;
                    self.show_progress();
                    let due = self.resume.as_ref().and_then(Resume::due);
                    if due.is_some_and(|due| due <= Instant::now()) {
                        self.save(subscription)?;
                    }
                    tokio::select! {
                        biased;
                        () = &mut interrupt => return Ok(End::Interrupted),
                        () = &mut gone, if !self.args.quiet => return Err(Stop::PipeClosed),
                        Some(news) = news.next() => {
                            self.relay_news(&news.relay, &news.update);
                            continue;
                        }
                        item = subscription.next() => item,
                        () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now).into()), if due.is_some() => continue,
                    }
                }
            };
            let Some(item) = item else {
                self.lines.flush()?;
                return Ok(End::Settled);
            };
            self.take(item)?;
        }
    }

    fn take(&mut self, item: Item) -> Result<(), Stop> {
        match item {
            Item::Event(found) => self.print(&found)?,
            Item::Eose(coverage) => {
                if self.args.live {
                    self.print_incomplete(&coverage);
                }
                self.coverage = Some(coverage);
            }
            Item::Leg { relay, state } => {
                if self.args.live && matches!(state, LegState::Live) {
                    self.say(&relay, "live");
                } else if let (true, LegState::Closed(reason)) = (self.args.live, &state) {
                    self.say(&relay, &format!("refused: {reason}"));
                }
                if matches!(state, LegState::Waiting(Why::Pause)) {
                    self.put_off.insert(relay.clone());
                }
                self.legs.insert(relay, state);
            }
            Item::Gap(gap) => self.take_gap(&gap),
            Item::Rejected { relay, event, why } => self.take_rejected(&relay, &event, why),
            // Nothing is published here, and the end shows as the end of the stream.
            _ => {}
        }
        if let Some(resume) = &mut self.resume {
            resume.touch();
        }
        Ok(())
    }

    fn print(&mut self, found: &EventItem) -> Result<(), Stop> {
        if self.resume.as_mut().is_some_and(|resume| !resume.is_new(found.event.id())) {
            return Ok(());
        }
        self.events += 1;
        let created_at = found.event.created_at();
        self.oldest = Some(self.oldest.map_or(created_at, |oldest| oldest.min(created_at)));
        if self.args.quiet { Ok(()) } else { self.lines.line(&found.event.to_json()) }
    }

    fn take_gap(&mut self, gap: &Gap) {
        let made_up_for = match gap.cause {
            GapCause::Disconnected | GapCause::CaughtUp { .. } | GapCause::Flooded { .. } => true,
            GapCause::QueueFull { lost, .. } => lost == 0,
            _ => false,
        };
        if !made_up_for {
            match &gap.relay {
                Some(relay) => drop(self.incomplete.insert(relay.clone())),
                None => self.lost = true,
            }
        }
        if !made_up_for || self.args.live {
            let what = relays::gap(gap);
            match &gap.relay {
                Some(relay) => self.say(relay, &what),
                None => self.note(&what),
            }
        }
    }

    fn take_rejected(&mut self, relay: &RelayUrl, event: &EventId, why: RejectedEvent) {
        self.say(relay, &format!("event {event} dropped: {}", relays::rejected_event(why)));
    }

    /// Writes down how far it got. What was printed has been handed over.
    fn save(&mut self, subscription: &mut Subscription) -> Result<(), Stop> {
        let Some(resume) = &mut self.resume else { return Ok(()) };
        self.lines.flush()?;
        // The only error is that it was ended from outside: then the last one holds.
        resume.save(subscription.checkpoint().ok())
    }

    fn relay_news(&self, relay: &RelayUrl, update: &RelayUpdate) {
        match update {
            RelayUpdate::Notice(text) => self.say(relay, &format!("says: {text}")),
            RelayUpdate::Auth(AuthState::Failed(failure)) => {
                self.say(relay, &format!("not authenticated: {}", relays::auth_failure(failure)));
            }
            _ => {}
        }
    }

    fn say(&self, relay: &RelayUrl, what: &str) {
        self.note(&format!("{relay}: {what}"));
    }

    fn note(&self, text: &str) {
        self.bar.suspend(|| output::note(&output::one_line(text)));
    }

    fn show_progress(&self) {
        if !self.bar.is_hidden() {
            let done = self.legs.values().filter(|s| matches!(s, LegState::Live | LegState::Closed(_))).count();
            let relays = output::count(self.pool.relays().len(), "relay");
            let back = match self.oldest {
                Some(oldest) if self.args.all => format!(", back to {}", output::date(oldest)),
                _ => String::new(),
            };
            self.bar.set_message(format!("{}{back} · {done} of {relays} done", output::count(self.events, "event")));
        }
    }

    /// The exit code for what the relays answered; those that did not answer in full are named.
    fn conclude(&self) -> Exit {
        let Some(coverage) = &self.coverage else { return Exit::Failed };
        self.print_incomplete(coverage);
        let legs = coverage.legs.iter();
        exit(legs.map(|leg| (&leg.outcome, self.lost || self.incomplete.contains(&leg.relay))))
    }

    fn print_incomplete(&self, coverage: &Coverage) {
        for leg in &coverage.legs {
            if !matches!(leg.outcome, LegOutcome::Eose { .. }) {
                self.say(&leg.relay, &self.answer(leg));
            }
        }
    }

    fn answer(&self, leg: &LegReport) -> String {
        let answer = relays::answer(&leg.outcome, self.pool.relay(&leg.relay).as_ref());
        if leg.outcome == LegOutcome::TimedOut && self.put_off.contains(&leg.relay) {
            format!("{answer}: it refused for now, and wants to be asked again later")
        } else {
            answer
        }
    }

    /// Names the relays whose messages were not all as they should be.
    fn print_faults(&self, urls: &[RelayUrl]) {
        for url in urls {
            if let Some(faults) = self.pool.relay(url).and_then(|record| relays::faults(&record.counters)) {
                self.say(url, &faults);
            }
        }
    }

    fn print_stats(&self, urls: &[RelayUrl], (wall, cpu): (Instant, ProcessTime)) {
        let mut table = vec![["relay", "events", "copies", "forged", "faults", "bytes", "answer"].map(str::to_owned)];
        for url in urls {
            let record = self.pool.relay(url);
            let c = record.as_ref().map(|r| r.counters).unwrap_or_default();
            let leg = self.coverage.iter().flat_map(|c| &c.legs).find(|leg| leg.relay == *url);
            let answer = match leg {
                Some(leg) => self.answer(leg),
                None => "had not come to an end".to_owned(),
            };
            let faults = c.unmatched + c.garbage + c.unsolicited + c.dropped;
            let numbers = [c.events, c.duplicates, c.forged, faults, c.bytes].map(|n| n.to_string());
            let [events, copies, forged, faults, bytes] = numbers;
            table.push([url.to_string(), events, copies, forged, faults, bytes, output::one_line(&answer)]);
        }
        for row in output::table(&table, &[1, 2, 3, 4, 5]) {
            output::note(&row);
        }
        let stats = self.pool.stats();
        let (wall, cpu) = (wall.elapsed().as_secs_f64(), cpu.elapsed().as_secs_f64());
        output::note(&format!(
            "{}, each once; {} verified, {} copies dropped, {} forged",
            output::count(self.events, "event"),
            stats.verified,
            stats.duplicates,
            stats.forged,
        ));
        output::note(&format!("{wall:.3} s wall, {cpu:.3} s CPU"));
    }
}

/// One relay that sent all it had is enough; where none did, it matters whether one was asked. With each outcome comes
/// whether something of it is missing all the same.
fn exit<'a>(outcomes: impl Iterator<Item = (&'a LegOutcome, bool)>) -> Exit {
    let mut exit = Exit::Failed;
    for (outcome, lossy) in outcomes {
        match outcome {
            LegOutcome::Eose { .. } if !lossy => return Exit::Ok,
            LegOutcome::Eose { .. } | LegOutcome::TimedOut | LegOutcome::Disconnected => exit = Exit::Indeterminate,
            LegOutcome::Closed(_) | LegOutcome::NotConnected => {}
        }
    }
    exit
}

#[cfg(test)]
mod tests {
    use nostr_proto::Reason;

    use super::*;

    #[test]
    fn the_exit_code_says_how_much_is_known() {
        let eose = LegOutcome::Eose { complete: None };
        let closed = LegOutcome::Closed(Reason::parse("blocked: no"));
        let (late, cut, down) = (LegOutcome::TimedOut, LegOutcome::Disconnected, LegOutcome::NotConnected);
        let table: &[(&[&LegOutcome], Exit)] = &[
            (&[&eose], Exit::Ok),
            (&[&down, &closed, &late, &eose], Exit::Ok),
            (&[&closed, &down], Exit::Failed),
            (&[&closed, &late], Exit::Indeterminate),
            (&[&cut, &down], Exit::Indeterminate),
            (&[], Exit::Failed),
        ];
        for (outcomes, expected) in table {
            assert_eq!(exit(outcomes.iter().map(|outcome| (*outcome, false))), *expected, "{outcomes:?}");
        }
        assert_eq!(exit([(&eose, true)].into_iter()), Exit::Indeterminate);
        assert_eq!(exit([(&eose, true), (&eose, false)].into_iter()), Exit::Ok);
    }
}
