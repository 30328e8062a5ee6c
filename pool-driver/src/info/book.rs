//! When a relay's document was fetched last.

use std::collections::BTreeMap;
use std::time::Duration;

use nostr_pool_core::Instant;
use nostr_proto::RelayUrl;

/// A document that is as old as this is fetched again, when a connection opens.
const MAX_AGE: Duration = Duration::from_secs(24 * 60 * 60);
/// After a failure it is not fetched for so long.
const PAUSE: Duration = Duration::from_secs(10 * 60);

/// What is known of the relays of the pool; nothing of others.
#[derive(Debug, Default)]
pub(crate) struct Book(BTreeMap<RelayUrl, Last>);

#[derive(Clone, Copy, Debug)]
enum Last {
    /// It is being fetched because a connection opened.
    UnderWay,
    Fetched(Instant),
    Failed(Instant),
}

impl Book {
    /// Whether a relay's document is to be fetched now; then it is under way.
    pub(crate) fn begin(&mut self, url: &RelayUrl, now: Instant) -> bool {
        let due = match self.0.get(url) {
            None => true,
            Some(Last::UnderWay) => false,
            Some(Last::Fetched(at)) => now.saturating_since(*at) >= MAX_AGE,
            Some(Last::Failed(at)) => now.saturating_since(*at) >= PAUSE,
        };
        if due {
            self.0.insert(url.clone(), Last::UnderWay);
        }
        due
    }

    /// It came, whoever wanted it.
    pub(crate) fn fetched(&mut self, url: &RelayUrl, now: Instant) {
        self.0.insert(url.clone(), Last::Fetched(now));
    }

    /// A fetch is over. If it is still under way, it came to nothing.
    pub(crate) fn end(&mut self, url: &RelayUrl, now: Instant) {
        if let Some(last @ Last::UnderWay) = self.0.get_mut(url) {
            *last = Last::Failed(now);
        }
    }

    /// The relay is no longer in the pool, and what it said is forgotten.
    pub(crate) fn forget(&mut self, url: &RelayUrl) {
        self.0.remove(url);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(n: u8) -> RelayUrl {
        RelayUrl::parse(&format!("wss://r{n}.example.com")).unwrap()
    }

    /// Begins whenever it may, every minute of three days, with fetches that take a minute and fail or not.
    fn begun(fails: impl Fn(usize) -> bool) -> Vec<u64> {
        let (mut book, mut begun, mut under_way) = (Book::default(), Vec::new(), false);
        for minute in 0..3 * 24 * 60 {
            let now = Instant::ZERO + Duration::from_secs(60 * minute);
            if std::mem::take(&mut under_way) {
                assert!(!book.begin(&url(0), now), "one at a time");
                if !fails(begun.len() - 1) {
                    book.fetched(&url(0), now);
                }
                book.end(&url(0), now);
            }
            if book.begin(&url(0), now) {
                begun.push(minute);
                under_way = true;
            }
        }
        begun
    }

    #[test]
    fn a_document_is_fetched_once_a_day() {
        assert_eq!(begun(|_| false), [0, 1_441, 2_882]);
    }

    #[test]
    fn a_failure_is_followed_by_a_pause() {
        let all: Vec<u64> = (0..3 * 24 * 60).step_by(11).collect();
        assert_eq!(begun(|_| true), all);
        assert_eq!(begun(|n| n < 2), [0, 11, 22, 22 + 1_441, 22 + 2 * 1_441]);
    }

    #[test]
    fn each_relay_has_its_own_time_and_one_that_went_has_none() {
        let (mut book, now) = (Book::default(), Instant::ZERO);
        assert!(book.begin(&url(0), now) && book.begin(&url(1), now));
        book.forget(&url(0));
        // Its fetch goes on, and is over now.
        book.end(&url(0), now);
        assert_eq!(book.0.len(), 1, "nothing is remembered of who is not there");
        assert!(book.begin(&url(0), now) && !book.begin(&url(1), now));
    }

    #[test]
    fn one_that_the_application_wanted_counts_and_its_failure_does_not() {
        let (mut book, now) = (Book::default(), Instant::ZERO);
        book.end(&url(0), now);
        assert!(book.begin(&url(0), now));
        book.fetched(&url(1), now);
        assert!(!book.begin(&url(1), now));
        book.end(&url(1), now);
        assert!(!book.begin(&url(1), now + MAX_AGE - Duration::from_secs(1)), "it stays fetched");
        assert!(book.begin(&url(1), now + MAX_AGE));
    }
}
