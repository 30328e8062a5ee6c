//! A bot that answers whoever mentions it: each mention once, also across crashes and lost connections.
//!
//! Two things make it so. A mention is acknowledged only when its answer has reached its quorum, and the checkpoint is
//! written after that: whatever the crash, the mention comes again. And an answer is made of its mention alone, down to its
//! date and signature: given twice, it is the same event, which relays hold once and say `duplicate` to.
//!
//! Run it with `cargo run -p nostr-pool-tokio --example mention_bot`. It needs no network: two relays run on loopback
//! ports, and the bot crashes once on purpose, at the worst moment. A bot of your own would do what `live` does, with real
//! relays, its key from a safe place, and its checkpoint in a lasting file.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nostr_model_relay::{Config as RelayConfig, Server};
use nostr_pool_tokio::{
    Acknowledge, Checkpoint, Event, EventItem, EventTemplate, Filter, GapCause, Item, Keys, Kind, Pool, PublishOptions,
    Quorum, SubscribeOptions, Subscription, Timestamp, Tokio, Verdict,
};

/// Mentions that are older are not worth an answer any more.
const STALE: u64 = 3_600;

/// What becomes of the bot after an answer.
enum Next {
    GoOn,
    /// It crashes before anything is written down.
    Crash,
    /// It is stopped in good order.
    Stop,
}

/// One life of the bot. `next` is asked after each answer, with how many there were in this life.
async fn live(bot: &Keys, relays: &[String], state: &Path, next: impl Fn(usize) -> Next) -> Result<(), Box<dyn Error>> {
    let pool = relays.iter().fold(Pool::builder(), |builder, url| builder.relay(url)).build(Tokio::current())?;
    let mentions = Filter::new().kind(Kind::TEXT_NOTE).tag('p', bot.public_key().to_string());
    let mut options = SubscribeOptions::default().with_acknowledge(Acknowledge::ByHand);
    match fs::read_to_string(state) {
        Ok(text) => options = options.with_resume(Checkpoint::from_json(&text)?),
        Err(_) => println!("bot: no checkpoint, a fresh start"),
    }
    let mut inbox = pool.subscribe([mentions], options)?;
    let mut answers = 0;
    while let Some(item) = inbox.next().await {
        match item {
            Item::Event(mention) => {
                answer(bot, &pool, &mention).await?;
                answers += 1;
                let next = next(answers);
                if matches!(next, Next::Crash) {
                    println!("bot: crashes before it can write that down");
                    return Ok(());
                }
                inbox.acknowledge(mention.seq)?;
                write_down(&mut inbox, state)?;
                if matches!(next, Next::Stop) {
                    break;
                }
            }
            // From here on nothing is missed, whatever happens.
            Item::Eose(_) => write_down(&mut inbox, state)?,
            // More was missed than is asked for by itself; the bot wants all of it.
            Item::Gap(gap) if gap.cause == GapCause::Budget => inbox.refill(&gap)?,
            Item::Gap(gap) => println!("bot: {:?}", gap.cause),
            _ => {}
        }
    }
    pool.shutdown(Duration::from_secs(1)).await;
    Ok(())
}

/// Publishes the answer to a mention, and waits until most relays have it.
async fn answer(bot: &Keys, pool: &Pool, mention: &EventItem) -> Result<(), Box<dyn Error>> {
    let mention = &mention.event;
    if mention.pubkey() == bot.public_key() || mention.created_at().as_secs() + STALE < now() {
        return Ok(());
    }
    let template =
        EventTemplate::text_note(format!("You said: {}", mention.content()), mention.created_at().saturating_add(1))
            .tag(["e", &mention.id().to_string(), "", "root"])
            .tag(["p", &mention.pubkey().to_string()]);
    let answer = bot.sign(&template, [0; 32]);
    let options = || PublishOptions::default().with_quorum(Quorum::Majority).with_deadline(Duration::from_secs(10));
    let mut report = pool.publish(answer.clone(), options())?.await;
    for _ in 0..2 {
        if report.verdict != Some(Verdict::Indeterminate) {
            break;
        }
        report = pool.retry(answer.id(), None)?.await;
    }
    println!("bot: answered {:?}: {:?}, {} relays", mention.content(), report.verdict, report.accepted());
    match report.verdict {
        Some(Verdict::Reached) => Ok(()),
        // To be acknowledged all the same would lose it; whoever runs the bot has to look.
        verdict => Err(format!("the answer to {} came to {verdict:?}", mention.id()).into()),
    }
}

/// Whoever reads it finds the old one or the new one, whole.
fn write_down(inbox: &mut Subscription, state: &Path) -> Result<(), Box<dyn Error>> {
    let new = state.with_extension("new");
    fs::write(&new, inbox.checkpoint()?.to_json())?;
    Ok(fs::rename(new, state)?)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Keys of nobody.
    let (bot, fan) = (Keys::from_entropy([1; 32])?, Keys::from_entropy([2; 32])?);
    let relays = [Server::start(RelayConfig::default())?, Server::start(RelayConfig::default())?];
    let urls = relays.each_ref().map(Server::url);
    let state = std::env::temp_dir().join(format!("mention-bot-{}.json", std::process::id()));
    let to_bot = bot.public_key().to_string();
    let mention = |n: u64| -> Event {
        let template = EventTemplate::text_note(format!("hello {n}"), Timestamp::new(now() - 100 + n));
        fan.sign(&template.tag(["p", &to_bot]), [0; 32])
    };
    let send = |n: u64| {
        for relay in &relays {
            relay.with(|relay| relay.store(mention(n)));
        }
    };

    (1..=3).for_each(send);
    live(&bot, &urls, &state, |answers| if answers == 2 { Next::Crash } else { Next::GoOn }).await?;
    // While nobody listens, two more come, one of them to one relay only.
    send(4);
    relays[1].with(|relay| relay.store(mention(5)));
    let stop_at_five = |_| if answered(&relays, &bot) == 5 { Next::Stop } else { Next::GoOn };
    live(&bot, &urls, &state, stop_at_five).await?;
    fs::remove_file(&state)?;
    println!("{} answers to 5 mentions", answered(&relays, &bot));
    // One answer each: a second one would be another event.
    if answered(&relays, &bot) == 5 { Ok(()) } else { Err("not every mention has one answer".into()) }
}

/// Answers that every relay has.
fn answered(relays: &[Server], bot: &Keys) -> usize {
    let count =
        |relay: &Server| relay.with(|relay| relay.events().filter(|event| event.pubkey() == bot.public_key()).count());
    relays.iter().map(count).min().unwrap_or_default()
}
