//! One measurement: wall time and the CPU time of this process, over the same stretch.

use std::error::Error;
use std::fmt;
use std::time::{Duration, Instant};

use cpu_time::ProcessTime;

/// A running measurement.
pub(crate) struct Clock {
    wall: Instant,
    cpu: ProcessTime,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { wall: Instant::now(), cpu: ProcessTime::now() }
    }

    pub(crate) fn stop(&self) -> Spent {
        Spent { wall: self.wall.elapsed(), cpu: self.cpu.elapsed() }
    }
}

/// What a stretch of work took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spent {
    pub(crate) wall: Duration,
    pub(crate) cpu: Duration,
}

/// What a contender did in one run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    pub(crate) spent: Spent,
    /// Events that reached the application.
    pub(crate) delivered: usize,
}

/// As one contender's process tells it to the one that started it.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.spent.wall.as_nanos(), self.spent.cpu.as_nanos(), self.delivered)
    }
}

impl Outcome {
    pub(crate) fn parse(line: &str) -> Result<Self, Box<dyn Error>> {
        let mut words = line.split_whitespace();
        let mut number = || -> Result<u64, Box<dyn Error>> {
            Ok(words.next().ok_or_else(|| format!("a result line of three numbers, not {line:?}"))?.parse()?)
        };
        let (wall, cpu) = (Duration::from_nanos(number()?), Duration::from_nanos(number()?));
        Ok(Self { spent: Spent { wall, cpu }, delivered: usize::try_from(number()?)? })
    }
}

/// The median of some figures, with the least and the most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spread {
    pub(crate) min: f64,
    pub(crate) median: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// `None` of no figures.
    pub(crate) fn of(mut figures: Vec<f64>) -> Option<Self> {
        figures.sort_by(f64::total_cmp);
        let (min, max) = (*figures.first()?, *figures.last()?);
        let middle = figures.len() / 2;
        let median =
            if figures.len() % 2 == 1 { figures[middle] } else { f64::midpoint(figures[middle - 1], figures[middle]) };
        Some(Self { min, median, max })
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:8.2}  [{:.2}–{:.2}]", self.median, self.min, self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_between_the_two() {
        let spread = Spread::of(vec![3.0, 1.0, 2.0]).unwrap();
        assert_eq!((spread.min, spread.median, spread.max), (1.0, 2.0, 3.0));
        assert_eq!(Spread::of(vec![4.0, 1.0, 2.0, 3.0]).unwrap().median, 2.5);
        assert!(Spread::of(Vec::new()).is_none());
    }

    #[test]
    fn an_outcome_survives_the_way_between_processes() {
        let spent = Spent { wall: Duration::from_nanos(12), cpu: Duration::from_nanos(34) };
        let back = Outcome::parse(&Outcome { spent, delivered: 5 }.to_string()).unwrap();
        assert_eq!((back.spent.wall, back.spent.cpu, back.delivered), (spent.wall, spent.cpu, 5));
        assert!(Outcome::parse("1 2").is_err());
    }
}
