//! Steps as lines, for people.

use nostr_pool_tokio::recording::{Fed, Outcome, Recording};

use crate::output;

/// A step, and what came of it: `→` what the core wants done, `=` what a call came to, `←` what the application is told.
pub(super) fn lines(index: usize, recording: &Recording<'_>, outcome: &Outcome) -> Vec<String> {
    let mut lines = vec![step(index, recording)];
    let mut add = |mark, what: String| lines.push(format!("    {mark} {}", output::one_line(&what)));
    outcome.commands.iter().for_each(|command| add("→", format!("{command:?}")));
    match &outcome.reply {
        None => {}
        Some(Ok(reply)) => add("=", format!("{reply:?}")),
        Some(Err(error)) => add("=", format!("{error}")),
    }
    outcome.events.iter().for_each(|event| add("←", format!("{event:?}")));
    lines
}

/// A step alone: its number, its time, and what the core was fed.
pub(super) fn step(index: usize, recording: &Recording<'_>) -> String {
    let step = &recording.steps[index];
    let since = step.now.mono.saturating_since(recording.header.now.mono).as_secs_f64();
    let what = match &step.fed {
        Fed::Text { socket, frame } => format!("Text {socket} {frame}"),
        Fed::Call(call) => format!("Call {call:?}"),
        fed => format!("{fed:?}"),
    };
    format!("#{index} +{since:.6} {}", output::one_line(&what))
}
