//! What goes to stdout and stderr, and in which colours.

use std::fmt::{self, Write as _};
use std::io::{self, BufWriter, IsTerminal as _, Write as _};

use anstyle::{AnsiColor, Style};

use nostr_proto::Timestamp;

use crate::exit::Stop;
use crate::secrets;

/// Headings and names.
pub(crate) const STRONG: Style = Style::new().bold();
/// What matters less.
pub(crate) const FAINT: Style = Style::new().dimmed();
/// What is well.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// What needs a look.
pub(crate) const WARN: Style = AnsiColor::Yellow.on_default();
/// What is wrong.
pub(crate) const BAD: Style = AnsiColor::Red.on_default();
/// Where one is.
pub(crate) const PLACE: Style = AnsiColor::Cyan.on_default().bold();

/// Text in a style; the stream that it goes to strips it where colour is not wanted.
pub(crate) fn styled(style: Style, text: impl fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// The product of a command: lines on stdout, buffered until [`Lines::flush`].
#[derive(Debug)]
pub(crate) struct Lines {
    out: BufWriter<anstream::AutoStream<io::Stdout>>,
}

impl Lines {
    /// Lines on this process's stdout.
    pub(crate) fn stdout() -> Self {
        Self { out: BufWriter::with_capacity(64 << 10, anstream::AutoStream::auto(io::stdout())) }
    }

    /// Adds a line.
    pub(crate) fn line(&mut self, text: &str) -> Result<(), Stop> {
        self.out.write_all(text.as_bytes()).and_then(|()| self.out.write_all(b"\n")).map_err(|e| stdout_stop(&e))
    }

    /// Hands everything over to the reader.
    pub(crate) fn flush(&mut self) -> Result<(), Stop> {
        self.out.flush().map_err(|e| stdout_stop(&e))
    }
}

fn stdout_stop(error: &io::Error) -> Stop {
    if error.kind() == io::ErrorKind::BrokenPipe {
        Stop::PipeClosed
    } else {
        Stop::failed(format!("cannot write to stdout: {error}"))
    }
}

/// A line on stderr. A closed stderr is no reason to stop.
pub(crate) fn note(text: &str) {
    let _ = writeln!(anstream::stderr(), "{text}");
}

/// An error on stderr: always exactly one line.
pub(crate) fn error(message: &str) {
    note(&format!("{} {}", styled(BAD.bold(), "error:"), one_line(message)));
}

/// Whether progress may be drawn: a person watches stderr, and no lines on stdout would get in between.
pub(crate) fn may_draw(prints_lines: bool) -> bool {
    io::stderr().is_terminal() && !(prints_lines && io::stdout().is_terminal())
}

/// Text from outside made safe to show: control characters escaped, secret keys left out.
pub(crate) fn one_line(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            // Writing to a String cannot fail.
            let _ = write!(shown, "{}", c.escape_default());
        } else {
            shown.push(c);
        }
    }
    secrets::without_nsec(&shown)
}

/// At most `max` characters of a text, with a sign that more was there.
pub(crate) fn cut(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// A count with its noun: `1 relay`, `2 relays`.
pub(crate) fn count(n: impl TryInto<u64>, noun: &str) -> String {
    // Every count here is a usize or u64, which fits on all platforms that Rust has.
    let n = n.try_into().unwrap_or(u64::MAX);
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

/// The day of a time, as `2024-02-29` (UTC). Beyond the year 9999: `the far future`.
pub(crate) fn date(at: Timestamp) -> String {
    let mut days = at.as_secs() / 86_400;
    let is_leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    if days > 8_030 * 366 {
        return "the far future".to_owned();
    }
    let mut year = 1970;
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let mut month = 1;
    for length in [31, 28 + u64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    format!("{year}-{month:02}-{:02}", days + 1)
}

/// Rows as lines with aligned columns, the first row being the heading. The last column is never padded.
pub(crate) fn table<const N: usize>(rows: &[[String; N]], numbers: &[usize]) -> Vec<String> {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |row: &[String; N]| {
        let cells = row.iter().enumerate().map(|(column, cell)| match widths[column] {
            width if numbers.contains(&column) => format!("{cell:>width$}"),
            _ if column + 1 == N => cell.clone(),
            width => format!("{cell:<width$}"),
        });
        cells.collect::<Vec<_>>().join("  ")
    };
    rows.iter().enumerate().map(|(i, row)| if i == 0 { styled(STRONG, line(row)) } else { line(row) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_outside_stays_on_its_line() {
        assert_eq!(one_line("a\nb\x1b[31m\u{9b}c"), "a\\nb\\u{1b}[31m\\u{9b}c");
    }

    #[test]
    fn a_day_is_told_from_its_seconds() {
        let table = [
            (0, "1970-01-01"),
            (86_399, "1970-01-01"),
            (951_782_400, "2000-02-29"),
            (1_709_164_800, "2024-02-29"),
            (1_735_689_599, "2024-12-31"),
            (4_107_542_400, "2100-03-01"),
            (u64::MAX, "the far future"),
        ];
        for (secs, day) in table {
            assert_eq!(date(Timestamp::new(secs)), day);
        }
    }

    #[test]
    fn cutting_counts_characters_not_bytes() {
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("äöüß", 3), "äöü…");
    }
}
