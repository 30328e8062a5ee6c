//! The reader itself, the same on every runtime: what is stored comes first and is shown oldest first, then what is new as
//! it comes. Lost connections, refusals and what may be missing are told where they happen.
//!
//! Without a relay to read from, it reads from one that runs on a loopback port, dies in the middle and comes back.

use std::error::Error;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nostr_model_relay::{Config as RelayConfig, Server};

use crate::nostr_pool::{
    Event, EventItem, EventTemplate, Filter, Gap, GapCause, Item, Keys, Kind, LegOutcome, LegState, Mark, Pool,
    Runtime, SubscribeOptions, Timestamp,
};

/// Stored notes that are shown.
const STORED: u32 = 20;

pub(crate) async fn run(runtime: impl Runtime, urls: Vec<String>) -> Result<(), Box<dyn Error>> {
    if !urls.is_empty() {
        return read(runtime, &urls, usize::MAX).await;
    }
    // More notes than the relay gives at once come while it is away.
    let relay = Server::start(RelayConfig { max_limit: 25, ..RelayConfig::default() })?;
    for n in 0..100 {
        relay.with(|relay| relay.store(note(&format!("stored {n}"), 86_400 - n * 60)));
    }
    let url = relay.url();
    let life = thread::spawn(move || live_and_die(&relay));
    read(runtime, &[url], STORED as usize + LIVE).await?;
    life.join().map_err(|_| "the relay's thread has panicked")??;
    Ok(())
}

async fn read(runtime: impl Runtime, urls: &[String], enough: usize) -> Result<(), Box<dyn Error>> {
    let builder = urls.iter().fold(Pool::builder(), |builder, url| builder.relay(url));
    let pool = builder.build(runtime)?;
    // The limit is for the first load. Whatever is missed after that is asked for, however much it is.
    let filter = Filter::new().kind(Kind::TEXT_NOTE).limit(STORED);
    let mut timeline = pool.subscribe([filter], SubscribeOptions::default())?;
    let mut stored = Vec::new();
    let mut shown = 0;
    while let Some(item) = timeline.next().await {
        match item {
            Item::Event(found) if found.mark == Mark::Stored && shown == 0 => stored.push(found),
            Item::Event(found) => shown += show(&found),
            // Each relay gives its newest; together they may be more than were asked for.
            Item::Eose(coverage) => {
                stored.sort_by_key(|found| (found.event.created_at(), std::cmp::Reverse(found.event.id())));
                let first = stored.len().saturating_sub(STORED as usize);
                shown += stored.drain(..).skip(first).map(|found| show(&found)).sum::<usize>();
                for leg in coverage.legs.iter().filter(|leg| !matches!(leg.outcome, LegOutcome::Eose { .. })) {
                    println!("-- {}: {:?}", leg.relay, leg.outcome);
                }
            }
            Item::Leg { relay, state: LegState::Closed(reason) } => println!("-- {relay} refuses: {reason}"),
            Item::Gap(gap) => tell(&gap),
            Item::Rejected { relay, event, why } => println!("-- {relay} sent {event}, which is not shown: {why:?}"),
            Item::Notice { relay, message } => println!("-- {relay} says: {message}"),
            Item::End(reason) => println!("-- the end: {reason:?}"),
            _ => {}
        }
        if shown >= enough {
            break;
        }
    }
    pool.shutdown(Duration::from_secs(1)).await;
    Ok(())
}

fn show(found: &EventItem) -> usize {
    let author: String = found.event.pubkey().to_npub().chars().take(12).collect();
    println!("{} {author}… {}", found.event.created_at(), found.event.content().replace('\n', " "));
    1
}

fn tell(gap: &Gap) {
    let relay = gap.relay.as_ref().map_or_else(|| "here".to_owned(), ToString::to_string);
    match &gap.cause {
        GapCause::Disconnected => println!("-- {relay}: connection lost; what comes meanwhile is asked for later"),
        GapCause::CaughtUp { events } => println!("-- {relay}: nothing is missing any more ({events} events)"),
        GapCause::QueueFull { skipped, .. } => println!("-- {relay}: {skipped} events came too fast"),
        // `Subscription::refill` would ask for what is left where the cause is `Budget`.
        cause => println!("-- {relay}: something is missing: {cause:?}"),
    }
}

/// Notes that come after the stored ones.
const LIVE: usize = 44;

/// What the relay goes through: two new notes, a crash, forty notes while it is away, two more.
fn live_and_die(relay: &Server) -> std::io::Result<()> {
    let pause = || thread::sleep(Duration::from_millis(400));
    let live = |n: u32| {
        relay.with(|relay| relay.store(note(&format!("live {n}"), 0)));
    };
    while relay.with(|relay| relay.open_subscriptions()) == 0 {
        thread::sleep(Duration::from_millis(10));
    }
    pause();
    (0..2).for_each(live);
    pause();
    relay.kill();
    pause();
    for n in 0..40 {
        relay.with(|relay| relay.store(note(&format!("missed {n}"), 40 - n)));
    }
    relay.revive()?;
    while relay.with(|relay| relay.open_subscriptions()) == 0 {
        thread::sleep(Duration::from_millis(10));
    }
    pause();
    (2..4).for_each(live);
    // The reader ends when it has them; only then may the relay go.
    while relay.connections() > 0 {
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// A note of so many seconds ago.
fn note(text: &str, ago: u64) -> Event {
    let keys = Keys::from_entropy([7; 32]).expect("small numbers are secret keys");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    keys.sign(&EventTemplate::text_note(text, Timestamp::new(now - ago)), [0; 32])
}
