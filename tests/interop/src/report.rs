//! What came of it, as a table.

use std::fmt;

use nostr_pool_interop::make::Make;
use nostr_pool_interop::suite::Transport;

use crate::args::Adapter;

/// Every relay that could be had passed.
pub(crate) const PASSED: u8 = 0;
/// One did not.
pub(crate) const FAILED: u8 = 1;
/// Too few could be had.
pub(crate) const TOO_FEW: u8 = 3;
/// An argument is at fault.
pub(crate) const USAGE: u8 = 64;

/// What came of one run of the suite.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    /// All of it went well.
    Passed {
        /// How long it took.
        seconds: f64,
    },
    /// This step did not.
    Failed {
        /// Which.
        step: String,
    },
}

/// What came of all.
#[derive(Debug, Default)]
pub(crate) struct Report {
    runs: Vec<(Make, Transport, Adapter, Outcome)>,
    failed: Vec<(Make, String)>,
    skipped: Vec<(Make, String)>,
    notes: Vec<(Make, String)>,
}

impl Report {
    pub(crate) fn add(
        &mut self,
        make: Make,
        transport: Transport,
        adapter: Adapter,
        outcome: Outcome,
        notes: Vec<String>,
    ) {
        self.runs.push((make, transport, adapter, outcome));
        for note in notes {
            if !self.notes.contains(&(make, note.clone())) {
                self.notes.push((make, note));
            }
        }
    }

    pub(crate) fn skip(&mut self, make: Make, why: String) {
        self.skipped.push((make, why));
    }

    pub(crate) fn fail(&mut self, make: Make, what: &str, why: &str) {
        self.failed.push((make, format!("{what}: {why}")));
    }

    /// The exit code. `looked_at` is how many relays' habits were seen where nothing else was asked for.
    pub(crate) fn exit(&self, looked_at: Option<usize>, at_least: usize) -> u8 {
        let mut makes: Vec<Make> = self.runs.iter().map(|(make, ..)| *make).collect();
        makes.dedup();
        let broken = self.runs.iter().any(|(_, _, _, outcome)| matches!(outcome, Outcome::Failed { .. }));
        if broken || !self.failed.is_empty() {
            FAILED
        } else if looked_at.unwrap_or(makes.len()) < at_least {
            TOO_FEW
        } else {
            PASSED
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (make, transport, adapter, outcome) in &self.runs {
            let way = format!("{transport:?} {adapter:?}").to_lowercase();
            let outcome = match outcome {
                Outcome::Passed { seconds } => format!("passed in {seconds:.1} s"),
                Outcome::Failed { step } => format!("FAILED at `{step}`"),
            };
            writeln!(f, "{:<28} {way:<16} {outcome}", make.package())?;
        }
        for (make, why) in &self.failed {
            writeln!(f, "{:<28} FAILED: {why}", make.package())?;
        }
        for (make, why) in &self.skipped {
            writeln!(f, "{:<28} skipped: {why}", make.package())?;
        }
        for (make, note) in &self.notes {
            writeln!(f, "note: {}: {note}", make.name())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed() -> Outcome {
        Outcome::Passed { seconds: 1.0 }
    }

    #[test]
    fn exit_codes_are_as_documented() {
        let mut report = Report::default();
        assert_eq!(report.exit(None, 1), TOO_FEW);
        assert_eq!(report.exit(Some(1), 1), PASSED);
        report.add(Make::Builder, Transport::Plain, Adapter::Tokio, passed(), Vec::new());
        report.add(Make::Builder, Transport::Tls, Adapter::Tokio, passed(), Vec::new());
        report.skip(Make::Python, "no".to_owned());
        assert_eq!((report.exit(None, 1), report.exit(None, 2)), (PASSED, TOO_FEW));
        report.add(
            Make::Node,
            Transport::Plain,
            Adapter::AsyncStd,
            Outcome::Failed { step: "live".to_owned() },
            Vec::new(),
        );
        assert_eq!(report.exit(None, 1), FAILED);
        assert!(report.to_string().contains("FAILED at `live`"), "{report}");
    }
}
