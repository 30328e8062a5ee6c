//! Where choices come from: a seeded generator, or the bytes of a fuzzer.

use nostr_pool_corpus::rng::Rng;

/// A source of choices. The first of several is the plainest, so that what shrinks gets simpler.
pub trait Choices {
    /// A number below `bound`; 0 for a bound of 0.
    fn below(&mut self, bound: usize) -> usize;

    /// A number in `low..=high`.
    fn between(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high - low + 1)
    }

    /// True once in `n` times, if choices are equally likely.
    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) + 1 == n
    }

    /// One of them.
    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }

    /// Any byte.
    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap_or_default()
    }

    /// Any number in `low..=high`.
    fn small(&mut self, low: u16, high: u16) -> u16 {
        u16::try_from(self.between(usize::from(low), usize::from(high))).unwrap_or(low)
    }
}

impl Choices for Rng {
    fn below(&mut self, bound: usize) -> usize {
        Self::below(self, bound)
    }
}

/// Bytes that are used up one by one; zeros follow the last.
#[derive(Clone, Debug)]
pub struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    /// These bytes.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether all were used.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Choices for Bytes<'_> {
    fn below(&mut self, bound: usize) -> usize {
        let mut number = 0;
        let mut span = 1;
        while span < bound {
            let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
            self.0 = rest;
            number = number * 256 + usize::from(*first);
            span *= 256;
        }
        number.checked_rem(bound).unwrap_or_default()
    }
}
