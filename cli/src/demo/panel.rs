//! The panel: one line per relay, the publish on show, and what came out of it all.

use nostr_pool_tokio::{ConnectionState, Verdict};

use crate::output::{BAD, FAINT, GOOD, STRONG, WARN, count, cut, styled};

use super::board::{Board, Part, Publish, Row};

/// Characters of a publish's title that are shown.
const TITLE: usize = 18;

/// The board in lines of at most 78 columns.
pub(crate) fn lines(board: &Board) -> Vec<String> {
    let rule = styled(FAINT, format!("    {}", "─".repeat(74)));
    let heading = format!(
        "    {:<9}{:<19}{:<22}{:>8}{:>8}{:>8}",
        "RELAY", "CONNECTION", "SUBSCRIPTION", "EVENTS", "COPIES", "FORGED"
    );
    let mut lines = vec![rule.clone(), styled(FAINT, heading)];
    lines.extend(board.rows.iter().map(row));
    lines.push(rule);
    lines.push(board.publish.as_ref().map_or_else(|| label("PUBLISH", "nothing yet"), publish));
    lines.push(delivered(board));
    lines
}

fn label(name: &str, text: &str) -> String {
    format!("    {}{text}", styled(FAINT, format!("{name:<11}")))
}

fn row(row: &Row) -> String {
    let number = |n: u64| if n == 0 { "·".to_owned() } else { n.to_string() };
    let c = &row.counters;
    let name = styled(STRONG, format!("{:<9}", row.name));
    let (events, copies, forged) = (number(c.events), number(c.duplicates), number(c.forged));
    let forged = styled(if c.forged == 0 { FAINT } else { BAD }, format!("{forged:>8}"));
    format!("    {name}{}{}{events:>8}{copies:>8}{forged}", connection(row), subscription(row))
}

fn connection(row: &Row) -> String {
    let (style, text) = match row.state {
        ConnectionState::Open => (GOOD, "● open".to_owned()),
        ConnectionState::Dialing => (WARN, format!("◌ dialling, try {}", row.dials)),
        ConnectionState::Backoff { .. } => (BAD, format!("○ down, {}", count(row.dials, "dial"))),
        ConnectionState::Quarantined { .. } => (BAD, "○ in quarantine".to_owned()),
        ConnectionState::WaitingForSlot => (WARN, "○ waits for a slot".to_owned()),
        ConnectionState::Closing => (WARN, "◌ closing".to_owned()),
        ConnectionState::Idle => (FAINT, "○ not connected".to_owned()),
        ConnectionState::Disabled => (BAD, "○ off".to_owned()),
    };
    styled(style, format!("{text:<19}"))
}

fn subscription(row: &Row) -> String {
    let (style, text) = match row.part {
        Part::None => (FAINT, "·"),
        Part::Asked => (WARN, "asked, no EOSE yet"),
        Part::Live if row.gaps.1 > 0 => (GOOD, "✓ gap closed, live"),
        Part::Live => (GOOD, "✓ EOSE, now live"),
        Part::Gap => (BAD, "✗ GAP OPEN"),
        Part::CatchingUp => (WARN, "catching up"),
    };
    styled(style, format!("{text:<22}"))
}

/// One square per relay, filled when it accepted, and a mark where the quorum is.
fn publish(publish: &Publish) -> String {
    let mut bar = String::new();
    for place in 0..publish.relays {
        if place == publish.needed {
            bar.push_str(" │");
        }
        bar.push_str(if place < publish.accepted { " ■" } else { " □" });
    }
    let (style, verdict) = match publish.verdict {
        None => (WARN, format!("{} of the {} needed", publish.accepted, publish.needed)),
        Some(Verdict::Reached) => (GOOD, format!("QUORUM, {} of {} have it", publish.accepted, publish.relays)),
        Some(Verdict::Failed) => (BAD, "failed".to_owned()),
        Some(Verdict::Indeterminate) => (BAD, "indeterminate".to_owned()),
    };
    let title = cut(&publish.title, TITLE);
    label("PUBLISH", &format!("{title:<TITLE$}{}  {}", styled(style, bar), styled(style, verdict)))
}

fn delivered(board: &Board) -> String {
    let (copies, forged) = board.dropped();
    let twice = board.delivered.values().filter(|times| **times > 1).count();
    let once = if twice == 0 { styled(GOOD, "each once") } else { styled(BAD, format!("{twice} more than once")) };
    let forged = match forged {
        0 => "no forgery so far".to_owned(),
        1 => "1 forgery dropped".to_owned(),
        n => format!("{n} forgeries dropped"),
    };
    let events = styled(STRONG, count(board.delivered.len(), "event"));
    label("DELIVERED", &format!("{events}, {once}; {copies} copies and {forged}"))
}
