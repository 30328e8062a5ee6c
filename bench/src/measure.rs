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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_survives_the_way_between_processes() {
        let spent = Spent { wall: Duration::from_nanos(12), cpu: Duration::from_nanos(34) };
        let back = Outcome::parse(&Outcome { spent, delivered: 5 }.to_string()).unwrap();
        assert_eq!((back.spent.wall, back.spent.cpu, back.delivered), (spent.wall, spent.cpu, 5));
        assert!(Outcome::parse("1 2").is_err());
    }
}
