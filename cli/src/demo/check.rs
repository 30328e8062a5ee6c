//! The reckoning: what the relays hold against what was delivered.

use std::collections::{BTreeMap, BTreeSet};

use nostr_proto::{Event, EventId, verify_event};

use crate::exit::Stop;
use crate::output::{self, BAD, GOOD, count, styled};

use super::board::Board;
use super::cast::{Cast, LIAR, LOST};
use super::stage::Stage;

/// A thing that must hold, and whether it does.
struct Check {
    passed: bool,
    text: String,
}

/// Compares, prints the result, and says whether all is well.
pub(crate) async fn reckon(stage: &mut Stage) -> Result<bool, Stop> {
    stage.refresh();
    stage.screen.close_panel();
    let screen = &stage.screen;
    screen.act(5, "The reckoning", "What the relays hold, against what the subscription delivered.");
    let (table, checks, summary) = {
        let board = stage.board.lock();
        (table(&stage.cast, &board), checks(&stage.cast, &board), summary(&board))
    };
    screen.line("");
    for row in table {
        screen.line(&format!("    {row}"));
    }
    screen.line("");
    for check in &checks {
        let mark = if check.passed { styled(GOOD, "✓") } else { styled(BAD, "✗") };
        screen.line(&format!("    {mark} {}", check.text));
    }
    let failed = checks.iter().filter(|check| !check.passed).count();
    let seconds = screen.elapsed().as_secs_f64();
    screen.line("");
    if failed > 0 {
        let word = styled(BAD.bold(), "FAIL");
        screen.line(&format!(" {word}  {failed} of {}, after {seconds:.1} s", count(checks.len(), "check")));
    } else {
        screen.line(&format!(" {}  {summary} ({seconds:.1} s)", styled(GOOD.bold(), "PASS")));
        screen.line("");
        screen.line("    Now on real relays:");
        screen.line("    nostr-pool req --relay wss://A --relay wss://B --kind 1 --limit 5 --stats");
    }
    screen.check()?;
    Ok(failed == 0)
}

fn table(cast: &Cast, board: &Board) -> Vec<String> {
    let heading = ["relay", "holds", "sent", "copies", "forged", "dials", "gaps closed"];
    let mut rows = vec![heading.map(str::to_owned)];
    for (relay, row) in cast.relays.iter().zip(&board.rows) {
        let (holds, sent) = relay.server.with(|relay| (relay.len(), relay.stats().events_out));
        let c = &row.counters;
        let gaps = if row.gaps.0 == 0 { "none".to_owned() } else { format!("{} of {}", row.gaps.1, row.gaps.0) };
        let numbers = [sent, c.duplicates, c.forged, row.dials].map(|n| n.to_string());
        let [sent, copies, forged, dials] = numbers;
        rows.push([row.name.to_owned(), holds.to_string(), sent, copies, forged, dials, gaps]);
    }
    output::table(&rows, &[1, 2, 3, 4, 5, 6])
}

fn summary(board: &Board) -> String {
    let (copies, forged) = board.dropped();
    let events = count(board.delivered.len(), "event");
    format!("{events}, each exactly once; {copies} copies, {forged} forgeries dropped")
}

fn checks(cast: &Cast, board: &Board) -> Vec<Check> {
    let held: BTreeSet<EventId> = cast
        .relays
        .iter()
        .flat_map(|relay| relay.server.with(|relay| relay.events().map(Event::id).collect::<Vec<_>>()))
        .collect();
    vec![
        complete(&held, board),
        once(board),
        genuine(cast, &held, board),
        verdicts(board),
        everywhere(cast, board),
        gap(cast, board),
    ]
}

fn complete(held: &BTreeSet<EventId>, board: &Board) -> Check {
    let missing = held.iter().filter(|id| !board.delivered.contains_key(id)).count();
    let passed = missing == 0 && !held.is_empty();
    let text = if passed {
        format!("every one of the {} that some relay holds was delivered", count(held.len(), "event"))
    } else {
        format!("{missing} of the {} that some relay holds were not delivered", count(held.len(), "event"))
    };
    Check { passed, text }
}

fn once(board: &Board) -> Check {
    let twice = board.delivered.values().filter(|times| **times != 1).count();
    let in_order = board.items.iter().zip(0..).all(|(item, seq)| item.seq == seq);
    let text = match (twice, in_order) {
        (0, true) => "each came exactly once, numbered without a hole".to_owned(),
        (0, false) => "each came exactly once, but the numbers have holes".to_owned(),
        (n, _) => format!("{n} came more than once"),
    };
    Check { passed: twice == 0 && in_order, text }
}

fn genuine(cast: &Cast, held: &BTreeSet<EventId>, board: &Board) -> Check {
    let written: BTreeMap<EventId, &Event> = cast.written().iter().map(|event| (event.id(), event)).collect();
    let is_genuine = |event: &Event| {
        let original = written.get(&event.id()).is_some_and(|original| **original == *event);
        original && held.contains(&event.id()) && verify_event(event.clone()).is_ok()
    };
    let false_ones = board.items.iter().filter(|item| !is_genuine(&item.event)).count();
    let forged = board.rows[LIAR].counters.forged;
    let text = match (false_ones, forged) {
        (0, 0) => "mallory's forgeries were not noticed".to_owned(),
        (0, n) => format!("each is word for word as written; mallory's {n} forgeries stayed out"),
        (n, _) => format!("{n} delivered events are not as they were written"),
    };
    Check { passed: false_ones == 0 && forged > 0, text }
}

fn verdicts(board: &Board) -> Check {
    let (reached, not) = board.verdicts;
    let text = match not {
        0 => format!("all {reached} publishes reached their quorum, with a relay down too"),
        n => format!("{n} of {} publishes did not reach their quorum", reached + n),
    };
    Check { passed: not == 0 && reached > 0, text }
}

fn everywhere(cast: &Cast, board: &Board) -> Check {
    let mut missing = 0;
    let mut published = 0;
    for event in cast.written().iter().filter(|event| event.pubkey() == cast.ada()) {
        published += 1;
        let lacks = |relay: &&super::cast::Relay| relay.server.with(|relay| !relay.contains(&event.id()));
        missing += cast.relays[..LIAR].iter().filter(lacks).count();
    }
    let all = published == board.verdicts.0 + board.verdicts.1;
    let text = match (missing, all) {
        (0, true) => "past the quorum they reached all four honest relays, charlie once back".to_owned(),
        (0, false) => format!("{published} were published, but there are not as many verdicts"),
        (n, _) => format!("{n} deliveries did not come to pass"),
    };
    Check { passed: missing == 0 && all, text }
}

fn gap(cast: &Cast, board: &Board) -> Check {
    let (opened, closed) = board.rows[LOST].gaps;
    let only_there = |event: &&Event| {
        let holders = cast.relays.iter().filter(|relay| relay.server.with(|relay| relay.contains(&event.id()))).count();
        holders == 1 && cast.relays[LOST].server.with(|relay| relay.contains(&event.id()))
    };
    let rare: Vec<_> = cast.written().iter().filter(only_there).collect();
    let seen = rare.iter().filter(|event| board.delivered.contains_key(&event.id())).count();
    let passed = opened > 0 && opened == closed && seen == rare.len();
    let text = if passed {
        format!("charlie's gap was closed: all {seen} notes that only charlie has are here")
    } else {
        format!("charlie: {closed} of {opened} gaps closed, {seen} of its own {} notes are here", rare.len())
    };
    Check { passed, text }
}

#[cfg(test)]
mod tests {
    use nostr_pool_tokio::{EventItem, Mark};

    use super::*;

    /// A demo that went well: two notes everywhere, one on the lost relay only, all delivered.
    fn all_is_well() -> (Cast, Board) {
        let mut cast = Cast::assemble().unwrap();
        for n in 0..2 {
            let note = cast.note(format!("note {n}"));
            for relay in &cast.relays {
                relay.server.with(|relay| relay.store(note.clone()));
            }
        }
        cast.note_elsewhere(LOST, "unseen");
        let mut board = Board::new(&cast);
        for event in cast.written() {
            deliver(&mut board, event.clone());
        }
        board.verdicts = (2, 0);
        board.rows[LOST].gaps = (1, 1);
        board.rows[LIAR].counters.forged = 1;
        (cast, board)
    }

    fn deliver(board: &mut Board, event: Event) {
        let seq = board.items.len() as u64;
        let event = verify_event(event).unwrap();
        board.deliver(EventItem { event, mark: Mark::Stored, relays: Vec::new(), future_dated: false, seq });
    }

    #[test]
    fn no_line_is_wider_than_a_terminal() {
        let (mut cast, mut board) = all_is_well();
        for n in 0..60 {
            let note = cast.note(format!("more {n}"));
            for relay in &cast.relays {
                relay.server.with(|relay| relay.store(note.clone()));
            }
            deliver(&mut board, note);
        }
        for n in 0..120 {
            cast.note_elsewhere(LOST, format!("unseen {n}"));
            deliver(&mut board, cast.written().last().unwrap().clone());
        }
        board.verdicts = (62, 0);
        for row in &mut board.rows {
            row.counters.forged = 199;
            row.counters.duplicates = 199;
        }
        let mut texts: Vec<_> = checks(&cast, &board).into_iter().map(|check| (check.passed, check.text)).collect();
        assert!(texts.iter().all(|(passed, _)| *passed), "{texts:?}");
        board.verdicts = (100, 100);
        board.rows[LOST].gaps = (100, 0);
        board.delivered.clear();
        texts.extend(checks(&cast, &board).into_iter().map(|check| (check.passed, check.text)));
        for (_, text) in texts {
            assert!("    ✓ ".chars().count() + text.chars().count() <= 80, "{text}");
        }
        let pass = format!(" PASS  {} (14.9 s)", summary(&board));
        assert!(pass.chars().count() <= 80, "{pass}");
        for row in table(&cast, &board) {
            assert!(anstream::adapter::strip_str(&row).to_string().chars().count() <= 76, "{row}");
        }
    }

    /// Which checks fail after something was done to the board and the cast.
    fn failing(spoil: impl FnOnce(&mut Cast, &mut Board)) -> Vec<usize> {
        let (mut cast, mut board) = all_is_well();
        spoil(&mut cast, &mut board);
        let checks = checks(&cast, &board);
        (0..checks.len()).filter(|i| !checks[*i].passed).collect()
    }

    #[test]
    fn every_fault_fails_its_check() {
        const COMPLETE: usize = 0;
        const ONCE: usize = 1;
        const GENUINE: usize = 2;
        const VERDICTS: usize = 3;
        const EVERYWHERE: usize = 4;
        const GAP: usize = 5;
        assert!(failing(|_, _| {}).is_empty());
        let lose = |n: usize| {
            move |_: &mut Cast, board: &mut Board| {
                board.delivered.remove(&board.items[n].event.id()).unwrap();
            }
        };
        assert_eq!(failing(lose(0)), [COMPLETE]);
        assert_eq!(failing(lose(2)), [COMPLETE, GAP]);
        assert_eq!(failing(|cast, board| deliver(board, cast.written()[0].clone())), [ONCE]);
        assert_eq!(failing(|_, board| board.items[1].seq = 5), [ONCE]);
        assert_eq!(failing(|cast, board| deliver(board, cast.note("held by nobody"))), [GENUINE, EVERYWHERE]);
        assert_eq!(failing(|_, board| board.rows[LIAR].counters.forged = 0), [GENUINE]);
        assert_eq!(failing(|_, board| board.verdicts = (1, 1)), [VERDICTS]);
        assert_eq!(failing(|_, board| board.verdicts = (1, 0)), [EVERYWHERE]);
        assert_eq!(failing(|_, board| board.rows[LOST].gaps = (1, 0)), [GAP]);
        assert_eq!(failing(|_, board| board.rows[LOST].gaps = (0, 0)), [GAP]);
    }
}
