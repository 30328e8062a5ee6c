//! How well a relay does: whether dials succeed, how long answers take, and how often it broke the rules.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use core::time::Duration;

use crate::ids::{PublishId, WireId};
use crate::time::Instant;

/// How well a relay does, from what was measured lately.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Of the last dials that came to an end, at most 64, how many percent led to an open connection, rounded down;
    /// `None` before the first.
    pub dial_success: Option<u8>,
    /// From the dial to the open WebSocket.
    pub dial: Latency,
    /// From a REQ to its EOSE, as they pass the core: the time that the application or the verifier takes is not in it.
    pub eose: Latency,
    /// From an EVENT to its OK. Events that had to be sent twice on a connection are not measured, for nothing says which
    /// of the two an OK answers.
    pub ok: Latency,
    /// Rules broken since the pool began, or began anew: forged events, of which every relay that brought the very
    /// signature is answerable; frames that are no message of the protocol; messages larger than the limit. Events that
    /// match no filter and stragglers of closed requests are none: honest relays send them.
    pub violations: u64,
}

/// How long something took, lately: the last 256 to 512 times, or as many as there were.
///
/// A percentile is never below the exact one of these times, and above it by an eighth at most; below 8 µs it is exact.
/// What took longer than 1,000 s counts as 1,073.741823 s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// How many times are counted in; the rest is zero if this is.
    pub samples: u32,
    /// Half of them took no longer.
    pub p50: Duration,
    /// Nine out of ten took no longer.
    pub p90: Duration,
    /// Ninety-nine out of a hundred took no longer.
    pub p99: Duration,
}

/// Each doubling of a time is divided into so many buckets, as a power of two.
const STEPS_LOG2: u32 = 3;
const STEPS: usize = 1 << STEPS_LOG2;
/// Times are cut to this many bits of microseconds.
const BITS: u32 = 30;
const BUCKETS: usize = (BITS - STEPS_LOG2 + 1) as usize * STEPS;
/// Times in a generation. Two are kept: one that grows and one that is full.
const GENERATION: u16 = 256;

type Counts = [u16; BUCKETS];

/// A histogram on a logarithmic scale, of at most two generations: when the younger is full, the older is forgotten.
/// Takes no memory before the first time, and 900 bytes at most.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    young: Option<Box<Counts>>,
    in_young: u16,
    old: Option<Box<Counts>>,
}

impl Histogram {
    pub(crate) fn note(&mut self, took: Duration) {
        if self.in_young >= GENERATION {
            self.old = self.young.take();
            self.in_young = 0;
        }
        let counts = self.young.get_or_insert_with(|| Box::new([0; BUCKETS]));
        if let Some(count) = counts.get_mut(bucket(took)) {
            *count += 1;
            self.in_young += 1;
        }
    }

    pub(crate) fn latency(&self) -> Latency {
        let samples = u32::from(self.in_young) + if self.old.is_some() { u32::from(GENERATION) } else { 0 };
        let at = |percent| self.percentile(samples, percent);
        Latency { samples, p50: at(50), p90: at(90), p99: at(99) }
    }

    /// The smallest bucket up to which so many percent of the times lie, as its upper end.
    fn percentile(&self, samples: u32, percent: u32) -> Duration {
        let rank = (samples * percent).div_ceil(100);
        let count = |counts: &Option<Box<Counts>>, n: usize| counts.as_ref().map_or(0, |c| u32::from(c[n]));
        let mut so_far = 0;
        for n in 0..BUCKETS {
            so_far += count(&self.young, n) + count(&self.old, n);
            if so_far >= rank && so_far > 0 {
                return upper_end(n);
            }
        }
        Duration::ZERO
    }
}

fn bucket(took: Duration) -> usize {
    let most = (1_u64 << BITS) - 1;
    let micros = u64::try_from(took.as_micros()).unwrap_or(most).min(most);
    // The highest bit says which doubling it is, the next three which part of it.
    let shift = (micros | 1).ilog2().saturating_sub(STEPS_LOG2);
    let part = usize::try_from(micros >> shift).unwrap_or(0);
    if shift == 0 { part } else { shift as usize * STEPS + part }
}

fn upper_end(bucket: usize) -> Duration {
    let (shift, part) = if bucket < 2 * STEPS { (0, bucket) } else { (bucket / STEPS - 1, bucket % STEPS + STEPS) };
    Duration::from_micros((((part as u64) + 1) << shift) - 1)
}

/// What is measured of one relay, and what is under way.
#[derive(Debug, Default)]
pub(crate) struct Vitals {
    dial: Histogram,
    eose: Histogram,
    ok: Histogram,
    /// The last dials, the newest in the lowest bit, and how many there are.
    dials: u64,
    dials_noted: u8,
    pub(crate) violations: u64,
    /// When each running request was sent; it goes with its EOSE, or with the request.
    asked: BTreeMap<WireId, Instant>,
    /// Those of them that nothing came for.
    silent: BTreeSet<WireId>,
    /// When each publish that this relay has not settled was sent on this connection; `None`: more than once.
    sent: BTreeMap<PublishId, Option<Instant>>,
}

impl Vitals {
    pub(crate) fn health(&self) -> Health {
        let good = u64::from(self.dials.count_ones()) * 100;
        Health {
            dial_success: good.checked_div(self.dials_noted.into()).and_then(|n| u8::try_from(n).ok()),
            dial: self.dial.latency(),
            eose: self.eose.latency(),
            ok: self.ok.latency(),
            violations: self.violations,
        }
    }

    /// A dial came to an end: after so long it was open, or it failed.
    pub(crate) fn dialled(&mut self, opened: Option<Duration>) {
        self.dials = (self.dials << 1) | u64::from(opened.is_some());
        self.dials_noted = (self.dials_noted + 1).min(64);
        if let Some(took) = opened {
            self.dial.note(took);
        }
    }

    pub(crate) fn broke_a_rule(&mut self) {
        self.violations = self.violations.saturating_add(1);
    }

    pub(crate) fn asked(&mut self, wire: WireId, now: Instant) {
        self.asked.insert(wire, now);
        self.silent.insert(wire);
    }

    /// An event came for the request. Whether that was the first that came for it.
    pub(crate) fn heard(&mut self, wire: WireId) -> bool {
        !self.silent.is_empty() && self.silent.remove(&wire)
    }

    /// The one request that nothing came for, if it is one.
    pub(crate) fn only_silent(&self) -> Option<WireId> {
        self.silent.first().copied().filter(|_| self.silent.len() == 1)
    }

    /// Whether something came for every request.
    pub(crate) fn is_none_silent(&self) -> bool {
        self.silent.is_empty()
    }

    /// The requests that nothing came for.
    pub(crate) fn silent(&self) -> alloc::vec::Vec<WireId> {
        self.silent.iter().copied().collect()
    }

    /// When the last of the requests without an EOSE was sent.
    pub(crate) fn last_asked(&self) -> Option<Instant> {
        self.asked.last_key_value().map(|(_, at)| *at)
    }

    /// The request's EOSE came.
    pub(crate) fn eose(&mut self, wire: WireId, now: Instant) {
        self.silent.remove(&wire);
        if let Some(at) = self.asked.remove(&wire) {
            self.eose.note(now.saturating_since(at));
        }
    }

    /// The request is over.
    pub(crate) fn forget_request(&mut self, wire: WireId) {
        self.asked.remove(&wire);
        self.silent.remove(&wire);
    }

    pub(crate) fn sent(&mut self, publish: PublishId, now: Instant) {
        self.sent.entry(publish).and_modify(|at| *at = None).or_insert(Some(now));
    }

    /// The publish's OK came.
    pub(crate) fn answered(&mut self, publish: PublishId, now: Instant) {
        if let Some(at) = self.sent.remove(&publish).flatten() {
            self.ok.note(now.saturating_since(at));
        }
    }

    /// The publish is over here.
    pub(crate) fn forget_publish(&mut self, publish: PublishId) {
        self.sent.remove(&publish);
    }

    /// The connection is gone, and with it what was under way.
    pub(crate) fn disconnected(&mut self) {
        self.asked.clear();
        self.silent.clear();
        self.sent.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    /// The nearest-rank percentile, by sorting.
    fn naive(times: &[u64], percent: usize) -> u64 {
        let mut sorted = times.to_vec();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent).div_ceil(100);
        sorted.get(rank.max(1) - 1).copied().unwrap_or(0)
    }

    #[test]
    fn every_bucket_ends_where_the_next_one_begins() {
        let mut next = 0;
        for n in 0..BUCKETS {
            let end = u64::try_from(upper_end(n).as_micros()).unwrap();
            assert_eq!(bucket(Duration::from_micros(next)), n);
            assert_eq!(bucket(Duration::from_micros(end)), n);
            next = end + 1;
        }
        assert_eq!(next, 1 << BITS);
        assert_eq!(bucket(Duration::MAX), BUCKETS - 1);
    }

    proptest! {
        #[test]
        fn percentiles_are_those_of_the_last_times_and_an_eighth_above_at_most(
            times in proptest::collection::vec((0_u32..34, any::<u64>()).prop_map(|(bits, n)| n & ((1 << bits) - 1)), 0..900)
        ) {
            let mut histogram = Histogram::default();
            for &t in &times {
                histogram.note(Duration::from_micros(t));
            }
            let latency = histogram.latency();
            let samples = latency.samples as usize;
            prop_assert!(samples == times.len() || (256..=512).contains(&samples));
            let cut: Vec<u64> = times.iter().rev().take(samples).map(|t| (*t).min((1 << BITS) - 1)).collect();
            for (percent, is) in [(50, latency.p50), (90, latency.p90), (99, latency.p99)] {
                let (is, exact) = (u64::try_from(is.as_micros()).unwrap(), naive(&cut, percent));
                prop_assert!(exact <= is && is <= exact + exact / 8, "p{percent} of {samples}: {is}, not {exact}");
            }
        }
    }

    #[test]
    fn what_a_relay_was_like_is_forgotten() {
        let mut histogram = Histogram::default();
        (0..10_000).for_each(|_| histogram.note(Duration::from_secs(9)));
        (0..512).for_each(|_| histogram.note(Duration::from_millis(20)));
        assert!(histogram.latency().p99 < Duration::from_millis(23));
    }

    #[test]
    fn the_last_dials_are_what_counts() {
        let mut vitals = Vitals::default();
        assert_eq!(vitals.health().dial_success, None);
        vitals.dialled(None);
        assert_eq!(vitals.health().dial_success, Some(0));
        vitals.dialled(Some(Duration::ZERO));
        vitals.dialled(None);
        assert_eq!(vitals.health().dial_success, Some(33));
        (0..64).for_each(|_| vitals.dialled(Some(Duration::ZERO)));
        assert_eq!(vitals.health().dial_success, Some(100));
    }

    #[test]
    fn what_was_sent_twice_is_not_measured() {
        let (mut vitals, publish) = (Vitals::default(), PublishId::from_u64(1));
        let at = |s| Instant::ZERO + Duration::from_secs(s);
        vitals.sent(publish, at(0));
        vitals.sent(publish, at(10));
        vitals.answered(publish, at(11));
        assert_eq!(vitals.health().ok.samples, 0);
        vitals.sent(publish, at(20));
        vitals.answered(publish, at(21));
        assert_eq!((vitals.health().ok.samples, vitals.health().ok.p50.as_secs()), (1, 1));
    }
}
