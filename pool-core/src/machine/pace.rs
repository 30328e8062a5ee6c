//! How fast a relay is spoken to that has said `rate-limited`.

use core::time::Duration;

use crate::config::Config;
use crate::planted::planted;
use crate::time::Instant;

/// A pause, and a distance between messages after it.
///
/// The *pause* is how long nothing goes out after a refusal; it doubles with each refusal in a row, from `retry_base` up
/// to `backoff_max`. The *interval* is kept between messages after it; it doubles only when the relay refuses after it
/// had taken something, since what is refused right after a pause shows that the pause was too short, and nothing more. It
/// shrinks as messages are taken; but for `pace_memory` after a refusal, one that was doubled does not shrink, and none is
/// lifted, so that refusals end instead of coming back for ever. That makes it twice as long as need be, at most.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Until when the relay asked for peace.
    pause: Option<Instant>,
    /// Pauses in a row.
    pauses: u32,
    /// `None`: as fast as the socket takes it.
    interval: Option<Duration>,
    /// When the next message may go.
    next: Instant,
    /// Whether an interval was refused that it could shrink back to.
    too_fast: bool,
    refused: Instant,
    /// Whether the relay has taken something since.
    taken: bool,
}

impl Pace {
    /// The relay said `rate-limited`. During a pause, more of the same changes nothing: it answers what was sent before.
    pub(super) fn refused(&mut self, config: &Config, now: Instant) {
        if self.pause.is_some_and(|at| at > now) {
            return;
        }
        if self.taken
            && let Some(interval) = self.interval
        {
            self.too_fast = true;
            self.interval = Some(interval.saturating_mul(2).min(config.pace_max));
        }
        if !planted!(config, PaceIgnored) {
            self.interval.get_or_insert(config.pace_base.min(config.pace_max));
        }
        self.taken = false;
        self.refused = now;
        let pause = config.retry_base.saturating_mul(1_u32.checked_shl(self.pauses).unwrap_or(u32::MAX));
        self.pauses = self.pauses.saturating_add(1);
        self.pause = Some(now + pause.min(config.backoff_max));
    }

    /// The relay took something: the next pause is short again, and the distance a little shorter.
    pub(super) fn taken(&mut self, config: &Config, now: Instant) {
        if self.pause.is_some_and(|at| at > now) {
            return;
        }
        self.pauses = 0;
        self.taken = true;
        let Some(interval) = self.interval else { return };
        let (shorter, fast) = (interval - interval / 16, config.pace_base / 8);
        if now.saturating_since(self.refused) >= config.pace_memory {
            self.too_fast = false;
            self.interval = (shorter >= fast).then_some(shorter);
        } else if !self.too_fast {
            self.interval = Some(shorter.max(fast));
        }
    }

    /// A REQ or an EVENT goes out.
    pub(super) fn sent(&mut self, now: Instant) {
        if let Some(interval) = self.interval {
            self.next = now + interval;
        }
    }

    /// Until when nothing may go.
    pub(super) fn held_until(&self, now: Instant) -> Option<Instant> {
        let next = self.interval.is_some().then_some(self.next);
        self.pause.max(next).filter(|at| *at > now)
    }

    /// Whether messages go one by one.
    pub(super) fn is_slow(&self) -> bool {
        self.interval.is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    /// A relay that takes so many messages in any so many seconds, and refuses the others. `fixed`: the count starts over
    /// with each such period, instead of sliding.
    struct Limiter {
        most: usize,
        per: Duration,
        fixed: bool,
        took: VecDeque<Instant>,
    }

    impl Limiter {
        fn takes(&mut self, now: Instant) -> bool {
            let per = u64::try_from(self.per.as_micros()).unwrap();
            let gone = |at: &Instant| match self.fixed {
                true => at.as_micros() / per < now.as_micros() / per,
                false => now.saturating_since(*at) >= self.per,
            };
            while self.took.front().is_some_and(gone) {
                self.took.pop_front();
            }
            let takes = self.took.len() < self.most;
            if takes {
                self.took.push_back(now);
            }
            takes
        }
    }

    /// Sends so many messages, each until it is taken, and hears the answer `rtt` later. Returns how long that took, how
    /// many refusals there were in all, and how many in the second half.
    fn run(limiter: &mut Limiter, messages: usize, rtt: Duration) -> (Duration, usize, usize) {
        let (config, mut pace) = (Config::default(), Pace::default());
        let (mut now, mut left, mut taken) = (Instant::ZERO, messages, 0);
        let mut answers: VecDeque<(Instant, bool)> = VecDeque::new();
        let (mut refusals, mut late_refusals) = (0, 0);
        while taken < messages {
            while let Some(&(at, good)) = answers.front()
                && at <= now
            {
                answers.pop_front();
                if good {
                    taken += 1;
                    pace.taken(&config, now);
                } else {
                    left += 1;
                    refusals += 1;
                    late_refusals += usize::from(taken * 2 > messages);
                    pace.refused(&config, now);
                }
            }
            while left > 0 && pace.held_until(now).is_none() {
                left -= 1;
                pace.sent(now);
                answers.push_back((now + rtt, limiter.takes(now)));
            }
            let next = pace.held_until(now).filter(|_| left > 0);
            let answer = answers.front().map(|(at, _)| *at);
            let Some(at) = next.into_iter().chain(answer).min() else { break };
            now = at.max(now + Duration::from_micros(1));
        }
        (now.saturating_since(Instant::ZERO), refusals, late_refusals)
    }

    proptest! {
        #[test]
        fn whoever_takes_some_in_a_minute_gets_all_in_the_end_without_endless_refusals(
            most in 1_usize..200,
            fixed: bool,
            per in prop_oneof![Just(10_u64), Just(60)],
            rtt_ms in 1_u64..2_000,
        ) {
            let mut limiter =
                Limiter { most, per: Duration::from_secs(per), fixed, took: VecDeque::new() };
            // Slower than that is slower than the slowest pace.
            prop_assume!(per <= 30 * most as u64);
            let messages = 400;
            let (took, refusals, late) = run(&mut limiter, messages, Duration::from_millis(rtt_ms));
            // What is sent before the first refusal is heard is refused together.
            let ideal = per * messages.div_ceil(most) as u64;
            prop_assert!(took <= Duration::from_secs(4 * ideal + 300), "{took:?}, where {ideal} s would do");
            prop_assert!(refusals <= messages + 80, "{refusals} refusals of {messages}");
            prop_assert!(late <= messages / 6, "{late} refusals in the second half");
        }
    }

    #[test]
    fn a_relay_that_never_said_so_is_not_slowed() {
        let (config, mut pace) = (Config::default(), Pace::default());
        for _ in 0..1_000 {
            pace.sent(Instant::ZERO);
            pace.taken(&config, Instant::ZERO);
            assert_eq!(pace.held_until(Instant::ZERO), None);
        }
    }

    #[test]
    fn the_pace_is_lifted_in_the_end_and_never_slower_than_its_bound() {
        let (config, mut pace) = (Config::default(), Pace::default());
        let mut now = Instant::ZERO;
        for _ in 0..100 {
            pace.refused(&config, now);
            now = pace.held_until(now).unwrap();
            pace.sent(now);
            let wait = pace.held_until(now).unwrap().saturating_since(now);
            assert!(wait <= config.pace_max, "{wait:?}");
            pace.taken(&config, now);
        }
        assert!(pace.interval.is_some_and(|i| i >= config.pace_max - config.pace_max / 16));
        now = now + config.pace_memory;
        for _ in 0..100 {
            pace.taken(&config, now);
        }
        assert!(!pace.is_slow());
    }

    #[test]
    fn no_configuration_is_trouble() {
        let zero = Duration::ZERO;
        for base in [zero, Duration::MAX] {
            let config =
                Config { pace_base: base, pace_max: base, pace_memory: base, retry_base: base, ..Config::default() };
            let mut pace = Pace::default();
            for at in [Instant::ZERO, Instant::ZERO, Instant::FAR] {
                pace.refused(&config, at);
                pace.sent(at);
                pace.taken(&config, at);
                pace.refused(&config, at);
            }
        }
    }
}
