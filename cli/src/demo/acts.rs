//! The acts.

use std::time::Duration;

use nostr_pool_tokio::{Connect, ConnectOutcome};
use tokio::time::Instant;

use crate::exit::Stop;

use super::board::{Board, Part};
use super::cast::LOST;
use super::stage::{QUORUM, Stage};

/// Longer than anything here takes where all is well.
const LONG: Duration = Duration::from_secs(5);

/// Notes that are published before reading begins.
const NOTES: usize = 20;

/// Notes that each honest relay has and no other.
const RARE: usize = 2;

/// Notes that Ada writes while a relay is away.
const AWAY: usize = 6;

/// Notes that come to the lost relay while it is out of the pool's sight.
const UNSEEN: usize = 3;

fn millis(all: [u64; 5]) -> [Duration; 5] {
    all.map(Duration::from_millis)
}

/// What it is all about.
pub(crate) fn prologue(stage: &Stage) {
    stage.screen.prose(
        "",
        "A Nostr client talks to many relays that disagree, lie, stall and vanish. A pool makes one reliable source \
         of them. See how, in a quarter of a minute.",
    );
}

/// Act 1.
pub(crate) async fn connect(stage: &mut Stage) -> Result<(), Stop> {
    stage.screen.act(
        1,
        "Five relays, one pool",
        "Five small relays now run on this machine, each on a port of its own. Four are honest; mallory is not. \
         One pool connects to all of them.",
    );
    stage.pause(1200).await?;
    let report = stage.pool.connect(LONG, Connect::Lenient).await.map_err(|e| Stop::failed(e.to_string()))?;
    for relay in &stage.cast.relays {
        let (name, url) = (relay.name, &relay.url);
        if let Some((_, ConnectOutcome::Connected { after })) = report.relays.iter().find(|(of, _)| of == url) {
            stage.screen.tell(&format!("{name:<8} connected to {url} in {} ms", after.as_millis()));
        }
    }
    stage.screen.say(&format!("{} of {} relays connected.", report.connected(), report.relays.len()));
    stage.pause(1000).await
}

/// Act 2.
pub(crate) async fn publish(stage: &mut Stage) -> Result<(), Stop> {
    stage.screen.act(
        2,
        "A note that counts once three relays have it",
        "Ada publishes a note to all five with a quorum of three. Some relays are slower than others: watch the \
         quorum fill up. The verdict comes with the third; delivery goes on to the rest.",
    );
    stage.pause(700).await?;
    let delays = millis([300, 650, 1000, 1350, 1700]).map(|delay| stage.pace(delay));
    stage.cast.set_delays(delays);
    let note = stage.cast.note("Hello from Ada.");
    let begun = Instant::now();
    stage.publish(note, "“Hello from Ada.”", true)?;
    stage.until(LONG, |board| board.publish.as_ref().is_some_and(|publish| publish.verdict.is_some())).await?;
    let verdict = begun.elapsed();
    stage.all_delivered().await;
    let (verdict, all) = (verdict.as_secs_f64(), begun.elapsed().as_secs_f64());
    stage.screen.say(&format!("Verdict after {verdict:.2} s, when {QUORUM} had it; all five after {all:.2} s."));
    stage.pause(700).await
}

/// Act 3.
pub(crate) async fn read(stage: &mut Stage) -> Result<(), Stop> {
    stage.screen.act(
        3,
        "Read from all five, see every note once",
        "Ada writes twenty more. Each honest relay also has two notes that no other has. One subscription asks all \
         five; mallory repeats itself, rewrites notes and spoils signatures, until the pool leaves it alone.",
    );
    stage.cast.set_delays(millis([0; 5]));
    for n in 1..=NOTES {
        let note = stage.cast.note(format!("Note {n} by Ada."));
        stage.publish(note, &format!("note {n} of {NOTES}"), false)?;
        stage.pause(30).await?;
    }
    stage.all_delivered().await;
    for relay in 0..stage.cast.relays.len() - 1 {
        for n in 1..=RARE {
            let name = stage.cast.relays[relay].name;
            stage.cast.note_elsewhere(relay, format!("Note {n} by Ben, on {name} only."));
        }
    }
    stage.cast.let_the_liar_lie();
    // mallory is first: a false copy of a note that is known already would be a copy like any other.
    let delays = millis([500, 800, 1100, 1400, 0]).map(|delay| stage.pace(delay));
    stage.cast.set_delays(delays);
    stage.subscribe()?;
    stage.until(LONG, |board| board.coverage.is_some()).await?;
    stage.cast.set_delays(millis([0; 5]));
    stage.refresh();
    let said = {
        let board = stage.board.lock();
        let (copies, forged) = board.dropped();
        let delivered = board.delivered.len();
        let sent = stage.cast.events_sent();
        format!("{sent} events came in: {delivered} delivered, {copies} copies and {forged} forgeries dropped.")
    };
    stage.screen.say(&said);
    stage.pause(900).await
}

/// Act 4.
pub(crate) async fn lose_a_relay(stage: &mut Stage) -> Result<(), Stop> {
    stage.screen.act(
        4,
        "A relay goes down while notes keep coming",
        "Ada keeps writing. charlie goes down, and while the pool can't see it, three notes by Ben come to charlie \
         and no other relay. When charlie is back, the pool asks it for what was missed.",
    );
    let lost = |board: &Board| board.rows[LOST].part == Part::Gap;
    let back = |board: &Board| board.rows[LOST].gaps.1 > 0;
    let mut n = NOTES;
    write(stage, &mut n, 4).await?;
    stage.screen.say("charlie goes down now. The quorum stays in reach: three relays are left.");
    stage.cast.relays[LOST].server.kill();
    stage.until(LONG, lost).await?;
    write(stage, &mut n, AWAY).await?;
    stage.screen.tell(&format!("{AWAY} more notes were published to the three that are left"));
    for n in 1..=UNSEEN {
        stage.cast.note_elsewhere(LOST, format!("Note {n} by Ben that only charlie got."));
    }
    stage.screen.say("charlie comes back now, with three notes that nobody else has.");
    let revived = stage.cast.relays[LOST].server.revive();
    revived.map_err(|e| Stop::failed(format!("cannot bring charlie back: {e}")))?;
    let deadline = Instant::now() + LONG;
    while !back(&stage.board.lock()) && Instant::now() < deadline {
        write(stage, &mut n, 1).await?;
    }
    write(stage, &mut n, 3).await?;
    stage.all_delivered().await;
    stage.screen.say(if back(&stage.board.lock()) {
        "The gap is closed. charlie also got the notes that it had missed."
    } else {
        "charlie was not caught up with in time."
    });
    // What was published last comes back from the relays.
    let expected = stage.cast.written().len();
    stage.until(LONG, |board| board.delivered.len() >= expected).await?;
    stage.pause(300).await
}

async fn write(stage: &mut Stage, n: &mut usize, notes: usize) -> Result<(), Stop> {
    for _ in 0..notes {
        *n += 1;
        let note = stage.cast.note(format!("Note {n} by Ada."));
        stage.publish(note, &format!("note {n}"), false)?;
        stage.pause(200).await?;
    }
    Ok(())
}
