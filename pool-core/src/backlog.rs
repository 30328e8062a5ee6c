//! What the applications have not taken, over all subscriptions, and when relays are not read from because of it.
//!
//! | state \ input | beyond the bound | half of it is free | time |
//! |---|---|---|---|
//! | `Reading` | `Paused` | – | – |
//! | `Paused` | – | `Breathing` | `Breathing` |
//! | `Breathing` | – | – | `Reading`, or `Paused` if beyond |
//!
//! `Paused` and `Breathing` last for `queue_pause` each, at most and at least: relays are read from half of the time,
//! however slow the application. What comes while the bound is exceeded is skipped, as by a full queue.
//!
//! Relays are not to blame for what we do not read: their deadlines are kept on a clock that stands still meanwhile
//! ([`Backlog::listening`]). Never pauses what goes out, never ends a pause by itself without being asked for the time.

use alloc::collections::BTreeSet;
use core::time::Duration;

use crate::ids::SubId;
use crate::time::{Instant, Now};

/// Bytes of all subscriptions' queues, against the bound on them.
#[derive(Clone, Debug)]
pub(crate) struct Untaken {
    bytes: usize,
    max: usize,
    /// It was more than may be, since that was last asked: some may have been held up.
    was_beyond: bool,
    /// Subscriptions that skip, or wait for room, or did.
    held_up: BTreeSet<SubId>,
}

impl Default for Untaken {
    fn default() -> Self {
        Self::new(usize::MAX)
    }
}

impl Untaken {
    pub(crate) const fn new(max: usize) -> Self {
        Self { bytes: 0, max, was_beyond: false, held_up: BTreeSet::new() }
    }

    pub(crate) fn add(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
        self.was_beyond |= self.is_beyond();
    }

    pub(crate) fn remove(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// Whether it is more than may be: the last item that was let in exceeded the bound.
    pub(crate) fn is_beyond(&self) -> bool {
        self.bytes > self.max
    }

    /// If it was, and is no longer: who is held up, perhaps by the others, and may go on. Whoever still is then says so again.
    pub(crate) fn has_room_again(&mut self) -> BTreeSet<SubId> {
        let again = !self.is_beyond() && core::mem::take(&mut self.was_beyond);
        if again { core::mem::take(&mut self.held_up) } else { BTreeSet::new() }
    }

    /// A subscription skips, or waits for room.
    pub(crate) fn hold_up(&mut self, sub: SubId) {
        self.held_up.insert(sub);
    }

    #[cfg(any(test, feature = "planted-bugs"))]
    pub(crate) fn holds_up(&self, sub: SubId) -> bool {
        self.held_up.contains(&sub)
    }

    /// A subscription has ended.
    pub(crate) fn forget(&mut self, sub: SubId) {
        self.held_up.remove(&sub);
    }

    fn is_half_free(&self) -> bool {
        self.bytes <= self.max / 2
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Reading,
    Paused {
        since: Instant,
        until: Instant,
    },
    Breathing {
        until: Instant,
    },
}

/// See the module's table.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    state: State,
    /// All pauses that are over, together.
    lag: Duration,
}

/// What is to be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Read from no relay until then.
    Stop { until: Instant },
    /// Read from all of them.
    GoOn,
}

impl Backlog {
    /// Looks at what is untaken, and at the time.
    pub(crate) fn review(&mut self, untaken: &Untaken, pause: Duration, now: Instant) -> Option<Reading> {
        match self.state {
            State::Breathing { until } if until > now => None,
            State::Reading | State::Breathing { .. } => {
                let stops = untaken.is_beyond() && !pause.is_zero();
                let until = now + pause;
                self.state = if stops { State::Paused { since: now, until } } else { State::Reading };
                stops.then_some(Reading::Stop { until })
            }
            State::Paused { since, until } => {
                let over = until <= now || untaken.is_half_free();
                if over {
                    self.lag += now.saturating_since(since);
                    self.state = State::Breathing { until: now + pause };
                }
                over.then_some(Reading::GoOn)
            }
        }
    }

    /// When [`Backlog::review`] wants to be called, however little happens.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Reading => None,
            State::Paused { until, .. } | State::Breathing { until } => Some(until),
        }
    }

    /// Until when no relay is read from.
    pub(crate) fn stopped_until(&self) -> Option<Instant> {
        match self.state {
            State::Paused { until, .. } => Some(until),
            State::Reading | State::Breathing { .. } => None,
        }
    }

    /// The time on the clock that stands still while no relay is read from.
    pub(crate) fn listening(&self, now: Instant) -> Instant {
        match self.state {
            State::Paused { since, .. } => since - self.lag,
            State::Reading | State::Breathing { .. } => now - self.lag,
        }
    }

    /// Now, for whoever waits for relays: the clock that stands still, and the wall clock.
    pub(crate) fn hears(&self, now: Now) -> Now {
        Now { mono: self.listening(now.mono), unix: now.unix }
    }

    /// When that clock will show `at`, as things are.
    pub(crate) fn when(&self, at: Instant) -> Instant {
        let later = at + self.lag;
        match self.state {
            State::Paused { since, until } => later + until.saturating_since(since),
            State::Reading | State::Breathing { .. } => later,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::string::{String, ToString};
    use std::vec::Vec;

    use super::*;

    const PAUSE: Duration = Duration::from_millis(500);

    fn at(ms: u64) -> Instant {
        Instant::from_micros(ms * 1_000)
    }

    fn untaken(bytes: usize) -> Untaken {
        let mut untaken = Untaken::new(100);
        untaken.add(bytes);
        untaken
    }

    /// One in each state, as of 1 s.
    fn in_state(state: &str) -> Backlog {
        let mut backlog = Backlog::default();
        if state != "Reading" {
            assert_eq!(backlog.review(&untaken(101), PAUSE, at(900)), Some(Reading::Stop { until: at(1_400) }));
        }
        if state == "Breathing" {
            assert_eq!(backlog.review(&untaken(50), PAUSE, at(950)), Some(Reading::GoOn));
        }
        backlog
    }

    fn name(backlog: &Backlog) -> &'static str {
        match backlog.state {
            State::Reading => "Reading",
            State::Paused { .. } => "Paused",
            State::Breathing { .. } => "Breathing",
        }
    }

    /// The table, read out of this module's documentation: state, input, next state.
    fn table() -> Vec<(String, String, String)> {
        let rows = include_str!("backlog.rs").lines().filter_map(|line| line.strip_prefix("//! |"));
        let cells = |row: &str| row.trim_end_matches('|').split('|').map(|c| c.trim().to_string()).collect::<Vec<_>>();
        let rows: Vec<Vec<String>> = rows.map(cells).collect();
        let plain = |text: &str| text.split('`').nth(1).unwrap_or("–").to_string();
        let mut table = Vec::new();
        for row in &rows[2..] {
            for (input, cell) in rows[0].iter().zip(row).skip(1) {
                table.push((plain(&row[0]), input.clone(), cell.clone()));
            }
        }
        table
    }

    #[test]
    fn the_table_says_what_happens() {
        let table = table();
        assert_eq!(table.len(), 9);
        for (state, input, cell) in table {
            // What is expected with the bound exceeded, and without.
            let next: Vec<&str> = cell.split('`').skip(1).step_by(2).collect();
            let (with, without) = match next[..] {
                [] => (state.as_str(), state.as_str()),
                [one] => (one, one),
                [without, with] => (with, without),
                _ => panic!("{cell}"),
            };
            let (bytes, now): (&[usize], u64) = match input.as_str() {
                "beyond the bound" => (&[101], 1_000),
                "half of it is free" => (&[50, 0], 1_000),
                "time" => (&[60, 101], 1_450),
                _ => panic!("{input}"),
            };
            for &bytes in bytes {
                let mut backlog = in_state(&state);
                // For `Reading`, time alone is no input: nothing is due.
                if input == "time" && state == "Reading" {
                    assert_eq!(backlog.deadline(), None);
                    continue;
                }
                let _ = backlog.review(&untaken(bytes), PAUSE, at(now));
                let expected = if bytes > 100 { with } else { without };
                assert_eq!(name(&backlog), expected, "{state}, {input}, {bytes} bytes");
            }
        }
    }

    #[test]
    fn relays_are_read_from_half_of_the_time_and_their_clock_shows_that() {
        let (mut backlog, full) = (Backlog::default(), untaken(1_000));
        let mut stopped = 0;
        for ms in 0..10_000 {
            let before = backlog.listening(at(ms));
            let _ = backlog.review(&full, PAUSE, at(ms));
            assert_eq!(backlog.listening(at(ms)), before, "no step of the clock");
            stopped += u64::from(backlog.stopped_until().is_some());
        }
        assert_eq!(stopped, 5_000);
        assert_eq!(backlog.listening(at(10_000)), at(5_000));
    }

    #[test]
    fn an_early_end_gives_back_what_was_not_used() {
        let mut backlog = Backlog::default();
        let _ = backlog.review(&untaken(101), PAUSE, at(1_000));
        assert_eq!(backlog.when(at(2_000)), at(2_500));
        let _ = backlog.review(&untaken(50), PAUSE, at(1_100));
        assert_eq!(backlog.when(at(2_000)), at(2_100));
        assert_eq!(backlog.review(&untaken(101), PAUSE, at(1_200)), None, "it is read for as long as it may be paused");
        assert_eq!(backlog.deadline(), Some(at(1_600)));
    }

    #[test]
    fn without_a_pause_nothing_is_paused() {
        let mut backlog = Backlog::default();
        assert_eq!(backlog.review(&untaken(1_000), Duration::ZERO, at(1)), None);
        assert_eq!(backlog.deadline(), None);
    }
}
