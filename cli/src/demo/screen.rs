//! Where the demo is watched: a terminal with a panel that changes in place, or plain lines.

use std::io::{self, IsTerminal as _};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anstream::adapter::strip_str;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::exit::Stop;
use crate::output::{FAINT, Lines, PLACE, STRONG, styled};

use super::board::Board;
use super::echo::NoEcho;
use super::panel;

/// Columns that prose is wrapped to.
const WIDTH: usize = 78;

/// The screen.
#[derive(Debug)]
pub(crate) struct Screen {
    kind: Kind,
    started: Instant,
}

#[derive(Debug)]
enum Kind {
    Panel { multi: MultiProgress, bars: Mutex<Bars>, colour: bool },
    Plain { lines: Mutex<Lines>, broken: Mutex<Option<Stop>> },
}

/// The lines of the panel.
#[derive(Debug, Default)]
struct Bars {
    lines: Vec<ProgressBar>,
    /// The panel is gone for good.
    closed: bool,
    /// For as long as there is a panel.
    no_echo: Option<NoEcho>,
}

impl Screen {
    /// A panel where stdout is a terminal that can move its cursor, plain lines elsewhere.
    pub(crate) fn new(plain: bool) -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let kind = if plain || dumb || !io::stdout().is_terminal() {
            Kind::Plain { lines: Mutex::new(Lines::stdout()), broken: Mutex::new(None) }
        } else {
            let colour = anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never;
            let multi = MultiProgress::with_draw_target(ProgressDrawTarget::stdout());
            let bars = Bars { no_echo: Some(NoEcho::new()), ..Bars::default() };
            Kind::Panel { multi, bars: Mutex::new(bars), colour }
        };
        Self { kind, started: Instant::now() }
    }

    /// Whether somebody watches, so that things should happen at the speed of reading.
    pub(crate) fn is_watched(&self) -> bool {
        matches!(self.kind, Kind::Panel { .. })
    }

    /// Time since the start.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Opens an act: its number, its title, and what it is about.
    pub(crate) fn act(&self, number: u32, title: &str, about: &str) {
        self.line("");
        self.line(&format!(" {}  {}", styled(PLACE, number), styled(STRONG, title)));
        self.prose("    ", about);
    }

    /// Sentences, wrapped.
    pub(crate) fn prose(&self, indent: &str, text: &str) {
        for line in wrap(text, WIDTH - indent.len()) {
            self.line(&format!("{indent}{line}"));
        }
    }

    /// Something worth telling in any case.
    pub(crate) fn say(&self, text: &str) {
        self.line(&format!("    {} {text}", styled(PLACE, "›")));
    }

    /// Something that the panel shows by itself: told only where there is none.
    pub(crate) fn tell(&self, text: &str) {
        if !self.is_watched() {
            let seconds = self.elapsed().as_secs_f64();
            self.line(&format!("    {} {text}", styled(FAINT, format!("{seconds:6.2} s"))));
        }
    }

    /// A line as it is.
    pub(crate) fn line(&self, text: &str) {
        match &self.kind {
            Kind::Panel { multi, colour, .. } => {
                let text = if *colour { text.to_owned() } else { strip_str(text).to_string() };
                // A terminal that is gone ends the process by its own signal.
                let _ = multi.println(if text.is_empty() { " ".to_owned() } else { text });
            }
            Kind::Plain { lines, broken } => {
                let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
                if let Err(stop) = lines.line(text).and_then(|()| lines.flush()) {
                    *broken.lock().unwrap_or_else(PoisonError::into_inner) = Some(stop);
                }
            }
        }
    }

    /// Whether anybody still reads.
    pub(crate) fn check(&self) -> Result<(), Stop> {
        match &self.kind {
            Kind::Panel { .. } => Ok(()),
            Kind::Plain { broken, .. } => {
                broken.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), Err)
            }
        }
    }

    /// Shows the board as it is now, where there is a panel.
    pub(crate) fn draw(&self, board: &Board) {
        let Kind::Panel { multi, bars, colour } = &self.kind else { return };
        let mut bars = bars.lock().unwrap_or_else(PoisonError::into_inner);
        if bars.closed {
            return;
        }
        let lines = panel::lines(board);
        while bars.lines.len() < lines.len() {
            let style = ProgressStyle::with_template("{wide_msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
            bars.lines.push(multi.add(ProgressBar::new(0).with_style(style)));
        }
        for (bar, line) in bars.lines.iter().zip(lines) {
            bar.set_message(if *colour { line } else { strip_str(&line).to_string() });
        }
    }

    /// Takes the panel away for good.
    pub(crate) fn close_panel(&self) {
        if let Kind::Panel { multi, bars, .. } = &self.kind {
            let mut bars = bars.lock().unwrap_or_else(PoisonError::into_inner);
            bars.closed = true;
            for bar in bars.lines.drain(..) {
                multi.remove(&bar);
            }
            // As above: a terminal that is gone ends the process by its own signal.
            let _ = multi.clear();
            bars.no_echo = None;
        }
    }
}

/// Prose as lines of at most `width` characters, longer words apart.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is one from the start, and none is taken away");
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_is_wrapped_between_words() {
        assert_eq!(wrap("one two  three", 7), ["one two", "three"]);
        assert_eq!(wrap("immeasurable one", 4), ["immeasurable", "one"]);
        assert_eq!(wrap("", 4), [""]);
    }
}
