//! What a relay takes: what its document says (NIP-11), what its refusals taught, and else what most relays take.
//!
//! The document is a hint: what makes no sense is ignored, and nothing waits for it. What was learnt from a refusal is for
//! one connection, and only ever lowers what is asked for.

use alloc::boxed::Box;

use nostr_proto::Limitation;

use crate::config::Config;

/// No relay that takes events means less (NIP-11's `max_message_length`), in bytes.
const LEAST_MESSAGE_LENGTH: u64 = 1_024;
/// Nobody has more to ask for; what a document says beyond that changes nothing.
const MOST: u32 = 100_000;

/// What bounds the requests of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// REQs that run at once, 1 or more.
    pub(crate) reqs: usize,
    /// Filters in each, 1 or more.
    pub(crate) filters: usize,
    /// Bytes of a message.
    pub(crate) message: usize,
    #[cfg(feature = "planted-bugs")]
    pub(crate) planted: Option<crate::PlantedBug>,
}

impl Limits {
    /// Bytes that the filters of a REQ may have, each with a comma before it: the rest is `["REQ","…"]`.
    pub(crate) fn filter_bytes(&self) -> usize {
        self.message.saturating_sub(32)
    }

    /// Whether something that is too much for others may not be for these.
    pub(crate) fn exceed(&self, others: &Self) -> bool {
        self.reqs > others.reqs || self.filters > others.filters || self.message > others.message
    }

    /// REQs that live subscriptions may take, and that everything else may: where there are two or more, neither takes the last
    /// one from the other.
    pub(crate) fn share(&self) -> usize {
        self.reqs.saturating_sub(1).max(1)
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    /// What the document says; most relays of a large pool have none, or it was not read.
    says: Option<Box<Limitation>>,
    learnt_reqs: Option<usize>,
    learnt_filters: Option<usize>,
}

/// What a relay says that there is too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TooMany {
    Reqs,
    Filters,
}

impl Budget {
    /// A document came, in place of an earlier one.
    pub(crate) fn stated(&mut self, says: &Limitation) {
        self.says = Some(Box::new(*says));
    }

    /// All that the document says.
    pub(crate) fn says(&self) -> Limitation {
        self.says.as_deref().copied().unwrap_or_default()
    }

    pub(crate) fn limits(&self, config: &Config) -> Limits {
        let says = self.says();
        let reqs = count(says.max_subscriptions).unwrap_or(config.unknown_max_requests);
        let filters = count(says.max_filters).unwrap_or(config.unknown_max_filters);
        let message = self.message().map(|max| usize::try_from(max).unwrap_or(usize::MAX));
        Limits {
            reqs: reqs.min(self.learnt_reqs.unwrap_or(reqs)).max(1),
            filters: filters.min(self.learnt_filters.unwrap_or(filters)).max(1),
            message: message.unwrap_or(config.unknown_max_message),
            #[cfg(feature = "planted-bugs")]
            planted: config.planted,
        }
    }

    /// The longest message that the relay says it takes, in bytes.
    pub(crate) fn message(&self) -> Option<u64> {
        self.says().max_message_length.filter(|max| *max >= LEAST_MESSAGE_LENGTH)
    }

    /// Characters in the name of a REQ.
    pub(crate) fn name(&self) -> usize {
        count(self.says().max_subid_length).unwrap_or(usize::MAX)
    }

    /// An answer with fewer events than this is whole as far as the relay says, if it says anything.
    pub(crate) fn page(&self) -> Option<usize> {
        let says = self.says();
        count(says.default_limit).into_iter().chain(count(says.max_limit)).min()
    }

    /// The `limit` of a page, where the relay says that it gives more to who asks for more; at least `least`.
    pub(crate) fn page_limit(&self, least: usize) -> Option<u32> {
        let says = self.says();
        let (default, max) = (count(says.default_limit)?, count(says.max_limit)?);
        says.max_limit.filter(|_| max > default && max >= least)
    }

    /// A request was refused because there was too much of something, `had` of it with that request. Whether less will be asked
    /// for from now on.
    pub(crate) fn refused(&mut self, what: TooMany, had: usize, config: &Config) -> bool {
        let limits = self.limits(config);
        let (learnt, now) = match what {
            TooMany::Reqs => (&mut self.learnt_reqs, limits.reqs),
            TooMany::Filters => (&mut self.learnt_filters, limits.filters),
        };
        let less = had.saturating_sub(1).max(1);
        let lower = less < now;
        if lower {
            *learnt = Some(less);
        }
        lower
    }

    /// The connection is gone: what it taught may have been for it alone.
    pub(crate) fn disconnected(&mut self) {
        (self.learnt_reqs, self.learnt_filters) = (None, None);
    }
}

/// A number of a document that makes sense.
fn count(n: Option<u32>) -> Option<usize> {
    n.filter(|n| (1..=MOST).contains(n)).and_then(|n| usize::try_from(n).ok())
}

/// What a refusal complains of, as far as its words tell: they are chosen by each relay as it likes.
pub(crate) fn complaint(text: &str) -> Option<TooMany> {
    let text = text.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if !has(&["too many", "max", "limit", "exceed", "more than"])
        || has(&["rate-limit", "rate limit", "subscription id"])
    {
        return None;
    }
    if has(&["filters"]) {
        Some(TooMany::Filters)
    } else if has(&["subscription", "concurrent", "reqs", "open requests"]) {
        Some(TooMany::Reqs)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_are_known_by_their_words() {
        for text in [
            "error: too many open subscriptions",
            "Too Many Concurrent REQs",
            "ERROR: maximum concurrent subscription count reached",
            "blocked: subscription limit exceeded",
            "Maximum number of subscriptions reached: 20",
        ] {
            assert_eq!(complaint(text), Some(TooMany::Reqs), "{text}");
        }
        for text in ["invalid: more than 3 filters", "ERROR: bad req: too many filters"] {
            assert_eq!(complaint(text), Some(TooMany::Filters), "{text}");
        }
        for text in [
            "rate-limited: too many subscriptions at once",
            "error: busy",
            "",
            "invalid: subscription id beyond the limit",
        ] {
            assert_eq!(complaint(text), None, "{text}");
        }
    }

    #[test]
    fn a_page_asks_for_more_than_is_given_unasked_where_there_is_more() {
        let limit = |default_limit, max_limit| {
            let mut budget = Budget::default();
            budget.stated(&Limitation { default_limit, max_limit, ..Limitation::default() });
            budget.page_limit(10)
        };
        assert_eq!(limit(Some(100), Some(500)), Some(500));
        for (default, max) in [(None, Some(500)), (Some(100), None), (Some(500), Some(500)), (Some(600), Some(500))] {
            assert_eq!(limit(default, max), None);
        }
        assert_eq!((limit(Some(3), Some(9)), limit(Some(3), Some(u32::MAX))), (None, None), "nobody means that");
    }

    #[test]
    fn what_is_absurd_is_ignored_and_what_is_learnt_only_lowers() {
        let config = Config::default();
        let mut budget = Budget::default();
        let unknown = budget.limits(&config);
        assert_eq!((unknown.reqs, unknown.filters), (10, 10));
        let says = Limitation {
            max_subscriptions: Some(u32::MAX),
            max_filters: Some(0),
            max_message_length: Some(7),
            ..Limitation::default()
        };
        budget.stated(&says);
        assert_eq!(budget.limits(&config), unknown);
        assert!(budget.refused(TooMany::Reqs, 4, &config));
        assert_eq!(budget.limits(&config).reqs, 3);
        assert!(!budget.refused(TooMany::Reqs, 9, &config), "it took more before");
        assert!(budget.refused(TooMany::Reqs, 1, &config));
        assert!(!budget.refused(TooMany::Reqs, 1, &config), "never below one");
        assert_eq!((budget.limits(&config).reqs, budget.limits(&config).share()), (1, 1));
        budget.stated(&Limitation { max_subscriptions: Some(300), ..Limitation::default() });
        assert_eq!(budget.limits(&config).reqs, 1);
        budget.disconnected();
        assert_eq!(budget.limits(&config).reqs, 300);
    }
}
