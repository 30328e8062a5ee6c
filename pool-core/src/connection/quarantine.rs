//! When a relay is left alone for sending forged events, and for how long.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use core::hash::Hasher;
use core::time::Duration;

use nostr_proto::{EventId, HyperLogLog};
use siphasher::sip::SipHasher13;

use crate::config::Config;
use crate::time::Instant;

/// The window is counted in so many parts; the oldest one goes as a whole.
const PARTS: u64 = 10;
/// Forged events told apart exactly. A relay with more of them in one window has them estimated like all others.
const MAX_FORGED: usize = 1_024;
const REGISTERS: usize = 256;

/// The forged events of a relay, the distinct events that it sent, and its quarantines so far.
///
/// Forged events are counted exactly, each id once; all events by a sketch (`HyperLogLog`), with a standard deviation of
/// 7 % at most. The hash that feeds it is keyed from the seed: a relay can't make itself look larger than it is, neither
/// by choosing ids nor by repeating events. Takes 2.7 kB for a relay that sends events, and 50 kB for one that forges.
#[derive(Debug)]
pub(crate) struct Quarantine {
    key: [u8; 16],
    /// The parts of the window in which anything came, oldest first.
    parts: VecDeque<Part>,
    /// The forged events of the window, by the part in which each came last.
    forged: BTreeMap<u64, u64>,
    /// Quarantines in a row, and when the last one ends or ended.
    in_a_row: u32,
    over: Instant,
}

#[derive(Debug)]
struct Part {
    number: u64,
    all: Sketch,
    /// Forged events beyond those that are told apart.
    more_forged: Option<Sketch>,
}

impl Quarantine {
    pub(super) fn new(key: [u8; 16]) -> Self {
        Self { key, parts: VecDeque::new(), forged: BTreeMap::new(), in_a_row: 0, over: Instant::ZERO }
    }

    /// The relay sent an event for a running request, known or not.
    pub(crate) fn event(&mut self, id: &EventId, config: &Config, now: Instant) {
        let hash = self.hash(id);
        self.part(config, now).all.add(hash);
    }

    /// An event of the relay was found to be forged. True: it is one too many.
    pub(crate) fn forged(&mut self, id: &EventId, config: &Config, now: Instant) -> bool {
        let hash = self.hash(id);
        let (full, known) = (self.forged.len() >= MAX_FORGED, self.forged.contains_key(&hash));
        let part = self.part(config, now);
        part.all.add(hash);
        let number = part.number;
        if full && !known {
            part.more_forged.get_or_insert_default().add(hash);
        } else {
            self.forged.insert(hash, number);
        }
        let oldest = self.parts.front().map_or(0, |part| part.number);
        self.forged.retain(|_, last| *last >= oldest);
        let forged = self.forged.len() as u64 + estimate(self.parts.iter().filter_map(|p| p.more_forged.as_ref()));
        let enough = u64::try_from(config.quarantine_min_forged.max(1)).unwrap_or(u64::MAX);
        if forged < enough {
            return false;
        }
        let all = estimate(self.parts.iter().map(|part| &part.all)).max(forged);
        forged.saturating_mul(100) > all.saturating_mul(config.quarantine_percent.into())
    }

    /// A quarantine begins now: until when, and the forgeries that brought it are done with.
    pub(super) fn begin(&mut self, config: &Config, now: Instant) -> Instant {
        if now.saturating_since(self.over) >= config.quarantine_clean {
            self.in_a_row = 0;
        }
        let factor = 1_u32.checked_shl(self.in_a_row).unwrap_or(u32::MAX);
        self.in_a_row = self.in_a_row.saturating_add(1);
        let length = config.quarantine_base.saturating_mul(factor).min(config.quarantine_max);
        self.over = now + length;
        self.parts.clear();
        self.forged.clear();
        self.over
    }

    /// As if nothing had been.
    pub(crate) fn reset(&mut self) {
        *self = Self::new(self.key);
    }

    fn hash(&self, id: &EventId) -> u64 {
        let mut h = SipHasher13::new_with_key(&self.key);
        h.write(id.as_bytes());
        h.finish()
    }

    /// The part of the window that is now; those that have left the window go.
    fn part(&mut self, config: &Config, now: Instant) -> &mut Part {
        let length = (config.quarantine_window / 10).max(Duration::from_micros(1));
        let length = u64::try_from(length.as_micros()).unwrap_or(u64::MAX);
        let number = now.as_micros() / length;
        while self.parts.front().is_some_and(|part| number.saturating_sub(part.number) >= PARTS) {
            self.parts.pop_front();
        }
        if self.parts.back().is_none_or(|part| part.number < number) {
            self.parts.push_back(Part { number, all: Sketch::default(), more_forged: None });
        }
        let last = self.parts.len() - 1;
        &mut self.parts[last]
    }
}

/// The registers of a `HyperLogLog`.
#[derive(Debug)]
struct Sketch(Box<[u8; REGISTERS]>);

impl Default for Sketch {
    fn default() -> Self {
        Self(Box::new([0; REGISTERS]))
    }
}

impl Sketch {
    fn add(&mut self, hash: u64) {
        let [register, ..] = hash.to_be_bytes();
        // Of the other 56 bits, how many are zero before the first that is one.
        let zeros = ((hash << 8) | 0xff).leading_zeros();
        let rank = u8::try_from(zeros + 1).unwrap_or(u8::MAX);
        let register = &mut self.0[usize::from(register)];
        *register = rank.max(*register);
    }
}

/// How many distinct hashes some sketches saw together.
fn estimate<'a>(sketches: impl Iterator<Item = &'a Sketch>) -> u64 {
    let mut union = HyperLogLog::new();
    for sketch in sketches {
        union.merge(&HyperLogLog::from_bytes(*sketch.0));
    }
    union.estimate()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn id(n: u64) -> EventId {
        let mut bytes = [7; 32];
        bytes[..8].copy_from_slice(&n.to_be_bytes());
        EventId::from_bytes(bytes)
    }

    fn at(s: u32) -> Instant {
        Instant::ZERO + SECOND * s
    }

    #[test]
    fn ten_distinct_ones_are_too_many_and_nine_over_and_over_are_not() {
        let (config, mut q) = (Config::default(), Quarantine::new([1; 16]));
        for round in 0..50 {
            for n in 0..9 {
                assert!(!q.forged(&id(n), &config, at(round)), "nine distinct ones");
            }
        }
        assert!(q.forged(&id(9), &config, at(51)));
    }

    #[test]
    fn one_percent_is_not_too_many_and_repeating_good_ones_does_not_hide_the_bad() {
        let config = Config::default();
        for (good, repeated, expected) in [(2_000, 1, false), (5_000, 1, false), (300, 1, true), (300, 40, true)] {
            let mut q = Quarantine::new([5; 16]);
            for _ in 0..repeated {
                for n in 0..good {
                    q.event(&id(1_000_000 + n), &config, at(1));
                }
            }
            let mut due = false;
            for n in 0..11 {
                q.event(&id(n), &config, at(2));
                due |= q.forged(&id(n), &config, at(2));
            }
            assert_eq!(due, expected, "11 of {good}, each {repeated} times");
        }
    }

    #[test]
    fn forgeries_are_forgotten_with_the_window() {
        let (config, mut q) = (Config::default(), Quarantine::new([1; 16]));
        for n in 0..1_000 {
            // Nine a window, for ever.
            assert!(!q.forged(&id(n), &config, at(u32::try_from(n).unwrap() * 67)), "{n}");
            assert!(q.forged.len() < 10 && q.parts.len() <= 10);
        }
    }

    #[test]
    fn the_books_are_bounded_and_go_on_counting_at_the_bound() {
        let (config, mut q) = (Config::default(), Quarantine::new([3; 16]));
        for n in 0..300_000 {
            q.event(&id(1_000_000 + n), &config, at(0));
        }
        let due = (0..2_000).filter(|n| q.forged(&id(*n), &config, at(1))).count();
        assert_eq!((q.forged.len(), due), (MAX_FORGED, 0), "two thirds of a percent");
        assert!((2_000..8_000).any(|n| q.forged(&id(n), &config, at(2))), "more than two percent");
    }

    #[test]
    fn each_in_a_row_takes_twice_as_long_and_a_clean_day_starts_over() {
        let (config, mut q) = (Config::default(), Quarantine::new([1; 16]));
        let mut now = at(5);
        for minutes in [10, 20, 40, 80, 160, 320, 360, 360] {
            let over = q.begin(&config, now);
            assert_eq!(over.saturating_since(now), SECOND * 60 * minutes);
            now = over + SECOND;
        }
        let now = now + config.quarantine_clean;
        assert_eq!(q.begin(&config, now).saturating_since(now), config.quarantine_base);
    }

    #[test]
    fn what_brought_a_quarantine_is_done_with() {
        let config = Config::default();
        let mut q = Quarantine::new([1; 16]);
        (0..3_000).for_each(|n| q.event(&id(n), &config, at(0)));
        assert!((10_000..10_100).any(|n| q.forged(&id(n), &config, at(0))));
        q.begin(&config, at(0));
        // Nine more are not enough, and ten are, whatever came before.
        assert!(!(20_000..20_009).any(|n| q.forged(&id(n), &config, at(1))));
        assert!(q.forged(&id(20_009), &config, at(1)));
    }

    #[test]
    fn time_that_stands_still_or_ends_is_no_trouble() {
        let config = Config { quarantine_window: Duration::ZERO, ..Config::default() };
        let mut q = Quarantine::new([1; 16]);
        for at in [Instant::ZERO, Instant::ZERO, Instant::FAR, Instant::FAR] {
            q.event(&id(1), &config, at);
            q.forged(&id(1), &config, at);
            q.begin(&config, at);
        }
        let config = Config { quarantine_window: Duration::MAX, quarantine_percent: 255, ..Config::default() };
        assert!(!q.forged(&id(1), &config, Instant::FAR));
    }
}
