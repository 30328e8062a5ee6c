//! Reading the transition table of a module's documentation, for the test that walks it.

use std::string::{String, ToString};
use std::vec::Vec;

/// The states, and a row for each input: its name, and a cell for each state; all without footnote marks.
pub(crate) fn table(docs: &str) -> (Vec<String>, Vec<Vec<String>>) {
    let lines = docs.lines().skip_while(|line| !line.starts_with("//! | input \\ state |"));
    let mut rows = lines.take_while(|line| line.starts_with("//! |")).map(cells);
    let states = rows.next().expect("the documentation has a table")[1..].to_vec();
    (states, rows.skip(1).collect())
}

fn cells(line: &str) -> Vec<String> {
    let line = line.trim_start_matches("//!").trim().trim_matches('|');
    line.split('|').map(|cell| cell.trim().trim_end_matches(['¹', '²', '³', '⁴', '⁵', '⁶', '⁷']).to_string()).collect()
}
