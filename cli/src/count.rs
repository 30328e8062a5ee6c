//! `nostr-pool count`: how many events relays have.

use nostr_pool_tokio::{Config, CountOptions, CountOutcome, CountReport, Pool};
use nostr_proto::{Filter, RelayUrl};
use serde_json::{Map, Value, json};

use crate::args::CountArgs;
use crate::exit::{Exit, Stop};
use crate::interrupt::interrupted;
use crate::key;
use crate::output::{self, BAD, GOOD, Lines, STRONG, WARN, styled};
use crate::relays;

/// Runs the command.
pub(crate) async fn run(args: &CountArgs) -> Result<Exit, Stop> {
    let filters = args.filter.filters()?;
    let urls = relays::distinct(&args.relays);
    let keys = key::load_for_auth(args.auth, args.key_file.as_deref())?;
    let config = Config::default();
    let config = Config { dial_deadline: config.dial_deadline.min(args.timeout), ..config };
    let pool = relays::open(&urls, &config, keys, &args.network)?;
    let exit = ask(args, filters, &pool).await;
    args.network.part(&pool).await;
    exit
}

async fn ask(args: &CountArgs, filters: Vec<Filter>, pool: &Pool) -> Result<Exit, Stop> {
    let counting = pool.count(filters, CountOptions::default().with_timeout(args.timeout));
    let report = tokio::select! {
        biased;
        () = interrupted() => return Ok(Exit::Interrupted),
        report = counting => report,
    };
    // The relays are named by now, so only the filters can be at fault.
    let report = report.map_err(|e| Stop::usage(format!("--filter: {e}")))?;
    let mut out = Lines::stdout();
    let lines = if args.json { vec![machine(&report, pool)] } else { plain(&report, pool) };
    lines.iter().try_for_each(|line| out.line(line))?;
    out.flush()?;
    Ok(exit(&report))
}

/// A line for the numbers, and one per relay.
fn plain(report: &CountReport, pool: &Pool) -> Vec<String> {
    let head = match (&report.merged, report.maximum) {
        (_, None) => "no relay counted".to_owned(),
        (None, Some(maximum)) => format!("maximum {maximum}"),
        (Some(merged), Some(maximum)) => {
            format!("estimate {} (from {}), maximum {maximum}", merged.estimate, output::count(merged.relays, "relay"))
        }
    };
    let relays = report.relays.iter().map(|(url, outcome)| {
        let style = match outcome {
            CountOutcome::Counted(_) => GOOD,
            CountOutcome::Refused(_) | CountOutcome::Nonsense | CountOutcome::TooLarge { .. } => BAD,
            CountOutcome::Silent | CountOutcome::Lost | CountOutcome::Unreachable | CountOutcome::Cancelled => WARN,
        };
        let words = match (outcome, why(url, outcome, pool)) {
            (CountOutcome::Counted(answer), _) if answer.approximate => format!("about {}", answer.count),
            (CountOutcome::Counted(answer), _) => answer.count.to_string(),
            (_, Some(why)) => format!("{}: {why}", status(outcome)),
            (_, None) => status(outcome).to_owned(),
        };
        format!("  {url}  {}", styled(style, output::one_line(&words)))
    });
    std::iter::once(styled(STRONG, head)).chain(relays).collect()
}

/// The same as one JSON object.
fn machine(report: &CountReport, pool: &Pool) -> String {
    let relay = |(url, outcome): &(RelayUrl, CountOutcome)| {
        let mut relay = Map::new();
        relay.insert("relay".to_owned(), url.as_str().into());
        relay.insert("status".to_owned(), status(outcome).into());
        if let CountOutcome::Counted(answer) = outcome {
            relay.insert("count".to_owned(), answer.count.into());
            relay.insert("approximate".to_owned(), answer.approximate.into());
        }
        if let Some(why) = why(url, outcome, pool) {
            relay.insert("reason".to_owned(), why.into());
        }
        Value::Object(relay)
    };
    json!({
        "maximum": report.maximum,
        "estimate": report.merged.as_ref().map(|merged| merged.estimate),
        "authors": report.merged.as_ref().map(|merged| merged.authors),
        "relays": report.relays.iter().map(relay).collect::<Vec<_>>(),
    })
    .to_string()
}

/// What came of it at a relay, in one word.
fn status(outcome: &CountOutcome) -> &'static str {
    match outcome {
        CountOutcome::Counted(_) => "counted",
        CountOutcome::Refused(_) => "refused",
        CountOutcome::Silent => "silent",
        CountOutcome::Nonsense => "nonsense",
        CountOutcome::Lost => "lost",
        CountOutcome::Unreachable => "unreachable",
        CountOutcome::TooLarge { .. } => "too-large",
        CountOutcome::Cancelled => "cancelled",
    }
}

/// And more for people, where there is more.
fn why(url: &RelayUrl, outcome: &CountOutcome, pool: &Pool) -> Option<String> {
    match outcome {
        CountOutcome::Refused(reason) => Some(reason.to_string()),
        CountOutcome::TooLarge { bytes, max } => Some(format!("{bytes} bytes, where it takes {max}")),
        CountOutcome::Lost | CountOutcome::Unreachable => pool.relay(url).and_then(|record| record.last_error),
        CountOutcome::Counted(_) | CountOutcome::Silent | CountOutcome::Nonsense | CountOutcome::Cancelled => None,
    }
}

/// One relay that counted is enough; where none did, it matters whether one was asked and is still to answer.
fn exit(report: &CountReport) -> Exit {
    let mut outcomes = report.relays.iter().map(|(_, outcome)| outcome);
    if report.maximum.is_some() {
        Exit::Ok
    } else if outcomes.any(|outcome| matches!(outcome, CountOutcome::Silent | CountOutcome::Lost)) {
        Exit::Indeterminate
    } else {
        Exit::Failed
    }
}
