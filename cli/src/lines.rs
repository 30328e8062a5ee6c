//! Lines of input, each of bounded length.

use std::io::{self, BufRead, IsTerminal as _};

use crate::output;

/// Bytes of one line that are looked at: the largest event that the library takes.
pub(crate) const MAX_LINE: usize = 1 << 20;

/// The byte order mark that some editors put at the start of a file.
const BOM: &[u8] = "\u{feff}".as_bytes();

/// Tells a person who may wonder what is waited for.
pub(crate) fn note_terminal() {
    if io::stdin().is_terminal() {
        output::note("reading events from stdin, one JSON object a line; Ctrl-D ends");
    }
}

/// One line of input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// Its text, without the line break.
    Text(String),
    /// Why it is none that can be read.
    Bad(&'static str),
}

/// Reads lines without ever holding more than one of bounded length.
#[derive(Debug)]
pub(crate) struct LineReader<R> {
    input: R,
    max: usize,
    number: u64,
    bytes: u64,
}

impl<R: BufRead> LineReader<R> {
    /// Lines of `input` of at most [`MAX_LINE`] bytes.
    pub(crate) fn new(input: R) -> Self {
        Self { input, max: MAX_LINE, number: 0, bytes: 0 }
    }

    /// The next line that is not blank, with its number counted from 1; `None` at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<(u64, Line)>> {
        loop {
            match self.read_line()? {
                None => return Ok(None),
                Some(Line::Text(text)) if text.trim().is_empty() => {}
                Some(line) => return Ok(Some((self.number, line))),
            }
        }
    }

    /// Bytes read so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    fn read_line(&mut self) -> io::Result<Option<Line>> {
        let mut line = Vec::new();
        let mut too_long = false;
        let mut started = false;
        loop {
            let chunk = match self.input.fill_buf() {
                Ok(chunk) => chunk,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            };
            if chunk.is_empty() {
                if !started {
                    return Ok(None);
                }
                break;
            }
            if !started {
                started = true;
                self.number += 1;
            }
            let end = chunk.iter().position(|b| *b == b'\n');
            let text = &chunk[..end.unwrap_or(chunk.len())];
            if line.len() + text.len() > self.max {
                too_long = true;
            } else if !too_long {
                line.extend_from_slice(text);
            }
            let used = end.map_or(chunk.len(), |at| at + 1);
            self.input.consume(used);
            self.bytes += used as u64;
            if end.is_some() {
                break;
            }
        }
        if self.number == 1 && line.starts_with(BOM) {
            line.drain(..BOM.len());
        }
        Ok(Some(if too_long {
            Line::Bad("the line is longer than 1 MiB")
        } else {
            String::from_utf8(line).map_or(Line::Bad("the line is not UTF-8"), Line::Text)
        }))
    }
}

impl<R: io::Read> LineReader<io::BufReader<R>> {
    /// Whether another line can be had without waiting for input.
    pub(crate) fn has_line_at_hand(&self) -> bool {
        self.input.buffer().contains(&b'\n')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(input: &[u8], buffer: usize, max: usize) -> Vec<(u64, Line)> {
        let mut reader = LineReader::new(io::BufReader::with_capacity(buffer, input));
        reader.max = max;
        let mut lines = Vec::new();
        while let Some(line) = reader.next().unwrap() {
            lines.push(line);
        }
        assert_eq!(reader.bytes(), input.len() as u64);
        lines
    }

    #[test]
    fn blank_lines_are_skipped_and_counted() {
        let text = |s: &str| Line::Text(s.to_owned());
        for buffer in [1, 2, 3, 64] {
            assert_eq!(read(b"a\n\n \r\nb", buffer, 8), [(1, text("a")), (4, text("b"))]);
            assert_eq!(read(b"", buffer, 8), []);
            assert_eq!(read(b"\n\n", buffer, 8), []);
        }
    }

    #[test]
    fn a_line_that_is_too_long_or_not_text_spoils_only_itself() {
        for buffer in [1, 3, 64] {
            let lines = read(b"12345678\n123456789\n\xff\nok\n", buffer, 8);
            assert_eq!(lines[0], (1, Line::Text("12345678".to_owned())));
            assert_eq!(lines[1], (2, Line::Bad("the line is longer than 1 MiB")));
            assert_eq!(lines[2], (3, Line::Bad("the line is not UTF-8")));
            assert_eq!(lines[3], (4, Line::Text("ok".to_owned())));
        }
    }

    #[test]
    fn a_byte_order_mark_is_skipped_at_the_start_only() {
        let text = |s: &str| Line::Text(s.to_owned());
        for buffer in [1, 2, 3, 64] {
            let lines = read("\u{feff}a\n\u{feff}b\n".as_bytes(), buffer, 8);
            assert_eq!(lines, [(1, text("a")), (2, text("\u{feff}b"))]);
            assert_eq!(read("\u{feff}\n".as_bytes(), buffer, 8), []);
        }
    }

    #[test]
    fn what_is_at_hand_is_known() {
        let mut reader = LineReader::new(io::BufReader::new(&b"a\nb\nc"[..]));
        assert!(!reader.has_line_at_hand());
        reader.next().unwrap();
        assert!(reader.has_line_at_hand());
        reader.next().unwrap();
        assert!(!reader.has_line_at_hand());
    }
}
