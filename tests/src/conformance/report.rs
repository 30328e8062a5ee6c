//! What came of the scripts.

use std::fmt;
use std::time::Duration;

/// What came of all scripts, in order of their names.
#[derive(Debug)]
pub struct Report {
    /// One per script.
    pub outcomes: Vec<Outcome>,
    /// How long all of it took.
    pub took: Duration,
}

/// What came of one script.
#[derive(Debug)]
pub struct Outcome {
    /// The script.
    pub name: &'static str,
    /// What is right.
    pub expected: &'static [&'static str],
    /// What was.
    pub trace: Vec<String>,
    /// How long it took.
    pub took: Duration,
}

impl Outcome {
    /// Whether the trace is the right one, line by line.
    pub fn is_good(&self) -> bool {
        self.trace == self.expected
    }
}

impl Report {
    /// Whether every trace is the right one.
    pub fn is_good(&self) -> bool {
        self.outcomes.iter().all(Outcome::is_good)
    }

    /// The scripts whose trace is not the right one, with both; empty if there is none.
    pub fn differences(&self) -> String {
        let bad = self.outcomes.iter().filter(|outcome| !outcome.is_good());
        bad.map(|outcome| difference(outcome.name, outcome.expected, &outcome.trace)).collect()
    }

    /// The scripts whose trace is another one here than there, with both; empty if there is none.
    pub fn differences_from(&self, other: &Self) -> String {
        let names = |report: &Self| report.outcomes.iter().map(|outcome| outcome.name).collect::<Vec<_>>();
        assert_eq!(names(self), names(other), "both ran the same scripts");
        let pairs = self.outcomes.iter().zip(&other.outcomes).filter(|(here, there)| here.trace != there.trace);
        pairs.map(|(here, there)| difference(here.name, &there.trace, &here.trace)).collect()
    }
}

fn difference(name: &str, expected: &[impl AsRef<str>], found: &[impl AsRef<str>]) -> String {
    let mut text = format!("{name}\n");
    for at in 0..expected.len().max(found.len()) {
        match (expected.get(at).map(AsRef::as_ref), found.get(at).map(AsRef::as_ref)) {
            (Some(a), Some(b)) if a == b => text += &format!("      {a}\n"),
            (a, b) => {
                text.extend(a.map(|line| format!("    - {line}\n")));
                text.extend(b.map(|line| format!("    + {line}\n")));
            }
        }
    }
    text
}

impl fmt::Display for Report {
    /// A line per script, with its seconds, and one about all.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for outcome in &self.outcomes {
            let mark = if outcome.is_good() { "good" } else { "BAD " };
            writeln!(f, "{mark} {:6.2} s  {}", outcome.took.as_secs_f64(), outcome.name)?;
        }
        let good = self.outcomes.iter().filter(|outcome| outcome.is_good()).count();
        writeln!(f, "{good} of {} scripts good in {:.1} s", self.outcomes.len(), self.took.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(lines: &[&str]) -> Report {
        let trace = lines.iter().map(|line| (*line).to_owned()).collect();
        let outcome = Outcome { name: "one", expected: &["a", "b"], trace, took: Duration::ZERO };
        Report { outcomes: vec![outcome], took: Duration::ZERO }
    }

    #[test]
    fn a_difference_in_any_line_is_told() {
        let good = report(&["a", "b"]);
        assert!(good.is_good());
        assert_eq!(good.differences(), "");
        for bad in [&["a"][..], &["a", "c"], &["b", "a"], &["a", "b", "c"], &[]] {
            let bad = report(bad);
            assert!(!bad.is_good());
            assert!(!bad.differences().is_empty());
            assert!(!bad.differences_from(&good).is_empty());
            assert!(bad.differences_from(&bad).is_empty(), "wrong alike is what `differences` is for");
        }
        assert_eq!(report(&["a", "c"]).differences(), "one\n      a\n    - b\n    + c\n");
    }
}
