//! Rounds in which every contender runs on every set, one after another.

use std::time::{Duration, Instant};

use crate::spread::Spread;

/// Somebody who can do the work, over a whole set at a time.
pub(super) struct Contender<'a> {
    pub(super) name: &'static str,
    pub(super) pass: Box<dyn FnMut() + 'a>,
}

impl<'a> Contender<'a> {
    /// `pass` does the work once for each item of the set.
    pub(super) fn new(name: &'static str, pass: impl FnMut() + 'a) -> Self {
        Self { name, pass: Box::new(pass) }
    }
}

/// A set with those who work on it.
pub(super) struct Heat<'a> {
    /// What the set is, a word a column.
    pub(super) labels: Vec<String>,
    pub(super) items: usize,
    /// The bytes of the set's items in all.
    pub(super) bytes: usize,
    pub(super) contenders: Vec<Contender<'a>>,
}

impl Heat<'_> {
    /// Where this contender is.
    pub(super) fn contender(&self, name: &str) -> Option<usize> {
        self.contenders.iter().position(|contender| contender.name == name)
    }
}

/// How long each contender took for one pass, in each round.
pub(super) struct Times {
    pub(super) labels: Vec<String>,
    pub(super) items: usize,
    pub(super) bytes: usize,
    names: Vec<&'static str>,
    /// In ns, by contender and round.
    passes: Vec<Vec<f64>>,
}

impl Times {
    fn of(&self, name: &str) -> Option<&[f64]> {
        let at = self.names.iter().position(|n| *n == name)?;
        Some(&self.passes[at])
    }

    /// MB (a million bytes) a second.
    pub(super) fn megabytes(&self, name: &str) -> Option<Spread> {
        Spread::of(self.of(name)?.iter().map(|ns| self.bytes as f64 * 1e3 / ns).collect())
    }

    /// ns for an item.
    pub(super) fn nanos(&self, name: &str) -> Option<Spread> {
        Spread::of(self.of(name)?.iter().map(|ns| ns / self.items as f64).collect())
    }

    /// How many times as long the one took as the other, in each round.
    pub(super) fn ratio(&self, slow: &str, fast: &str) -> Option<Spread> {
        Spread::of(self.of(slow)?.iter().zip(self.of(fast)?).map(|(slow, fast)| slow / fast).collect())
    }
}

/// Runs the heats: in every round all of them, and in each all of its contenders in turn.
pub(super) fn run(mut heats: Vec<Heat<'_>>, rounds: usize, slice: Duration) -> Vec<Times> {
    let empty = |heat: &Heat<'_>| Times {
        labels: heat.labels.clone(),
        items: heat.items,
        bytes: heat.bytes,
        names: heat.contenders.iter().map(|c| c.name).collect(),
        passes: vec![Vec::with_capacity(rounds); heat.contenders.len()],
    };
    let mut times: Vec<Times> = heats.iter().map(empty).collect();
    for _ in 0..rounds {
        for (heat, times) in heats.iter_mut().zip(&mut times) {
            for (contender, passes) in heat.contenders.iter_mut().zip(&mut times.passes) {
                passes.push(nanos_per_pass(&mut contender.pass, slice));
            }
        }
    }
    times
}

/// One pass to warm the caches, then as many as fit into the slice.
fn nanos_per_pass(pass: &mut dyn FnMut(), slice: Duration) -> f64 {
    let start = Instant::now();
    pass();
    let once = start.elapsed().as_nanos().max(1);
    let passes = u32::try_from(slice.as_nanos() / once).unwrap_or(u32::MAX).max(1);
    let start = Instant::now();
    for _ in 0..passes {
        pass();
    }
    start.elapsed().as_nanos() as f64 / f64::from(passes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_pair_the_times_of_a_round() {
        let times = Times {
            labels: Vec::new(),
            items: 10,
            bytes: 1_000,
            names: vec!["a", "b"],
            passes: vec![vec![1_000.0, 2_000.0, 4_000.0], vec![500.0, 500.0, 500.0]],
        };
        let ratio = times.ratio("a", "b").unwrap();
        assert_eq!((ratio.min, ratio.median, ratio.max), (2.0, 4.0, 8.0));
        assert_eq!(times.megabytes("a").unwrap().median, 500.0);
        assert_eq!(times.nanos("b").unwrap().median, 50.0);
        assert!(times.ratio("a", "c").is_none());
    }

    #[test]
    fn every_contender_runs_in_every_round() {
        let count = std::cell::Cell::new(0);
        let pass = || count.set(count.get() + 1);
        let contenders = vec![Contender::new("a", pass), Contender::new("b", pass)];
        let heat = Heat { labels: Vec::new(), items: 1, bytes: 1, contenders };
        let times = run(vec![heat], 3, Duration::ZERO);
        // A warming pass and a measured one each.
        assert_eq!(count.get(), 2 * 3 * 2);
        assert_eq!(times[0].of("b").unwrap().len(), 3);
    }
}
