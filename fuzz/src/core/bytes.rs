//! The input as a source of choices.

/// Bytes that are used up one by one; zeros follow the last.
pub(crate) struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self(data)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn next(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    /// True once in so many times, if bytes are equally likely.
    pub(crate) fn once_in(&mut self, n: u8) -> bool {
        self.next().is_multiple_of(n)
    }

    /// One of these.
    pub(crate) fn pick<'b, T>(&mut self, of: &'b [T]) -> Option<&'b T> {
        let at = usize::from(self.next()).checked_rem(of.len())?;
        of.get(at)
    }

    /// Up to so many bytes, as they are.
    pub(crate) fn take(&mut self, most: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(most.min(self.0.len()));
        self.0 = rest;
        taken
    }
}
