//! What the relays' answers say together.

use alloc::boxed::Box;
use alloc::vec::Vec;

use nostr_proto::{Filter, HyperLogLog, RelayUrl};

use crate::event::{CountAnswer, CountOutcome, CountReport, Merged};
use crate::planted::planted;

use super::Counting;

impl Counting {
    /// What came of it. What is still open is told as it stands at the deadline.
    pub(crate) fn report(self) -> CountReport {
        let parts = self.parts.values().cloned().map(|part| (part.url.clone(), part.outcome()));
        let mut relays: Vec<(RelayUrl, CountOutcome)> = parts.collect();
        relays.sort_by(|(a, _), (b, _)| a.cmp(b));
        if planted!(self, CountRefusedIsZero) {
            for (_, outcome) in relays.iter_mut().filter(|(_, outcome)| matches!(outcome, CountOutcome::Refused(_))) {
                *outcome = CountOutcome::Counted(CountAnswer { count: 0, approximate: false, hll: None });
            }
        }
        let answers: Vec<&CountAnswer> = relays.iter().filter_map(|(_, outcome)| answer(outcome)).collect();
        let maximum = answers.iter().map(|answer| answer.count).max();
        let merged = if can_merge(&self.filters) { self.merge(&answers) } else { None };
        CountReport { count: self.id, maximum, merged, relays }
    }

    fn merge(&self, answers: &[&CountAnswer]) -> Option<Merged> {
        let sketches = answers.iter().filter_map(|answer| answer.hll.as_deref());
        let mut registers = HyperLogLog::new();
        let mut relays = 0;
        for sketch in sketches {
            relays += 1;
            if planted!(self, CountLastRegistersWin) {
                registers = HyperLogLog::new();
            }
            registers.merge(sketch);
        }
        // Where there are no registers, the number is all that there is, an approximation or not.
        let counts = answers.iter().filter(|answer| !answer.approximate || answer.hll.is_none());
        let least = counts.map(|answer| answer.count).max().unwrap_or(0);
        let most = answers.iter().fold(0_u64, |sum, answer| sum.saturating_add(answer.count));
        let authors = registers.estimate();
        // The largest of some is no more than the sum of all.
        let estimate = authors.min(most).max(least);
        (relays > 0).then(|| Merged { registers: Box::new(registers), relays, authors, estimate })
    }
}

/// Whether all relays must mean the same by their registers: see [`CountReport::merged`].
fn can_merge(filters: &[Filter]) -> bool {
    let [filter] = filters else { return false };
    let mut tags = filter.tags.values();
    matches!((tags.next(), tags.next()), (Some(values), None) if values.len() == 1)
}

fn answer(outcome: &CountOutcome) -> Option<&CountAnswer> {
    match outcome {
        CountOutcome::Counted(answer) => Some(answer),
        _ => None,
    }
}
