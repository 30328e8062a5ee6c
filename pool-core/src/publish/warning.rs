//! What a relay's document (NIP-11) says against an event. A warning before it is published, never a refusal: the relay has
//! the last word.

use alloc::vec::Vec;

use nostr_proto::{EventId, Limitation, Timestamp};

/// Why a relay may refuse an event, as far as its document tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublishWarning {
    /// It has more tags than `max_event_tags`.
    Tags {
        /// The limit.
        max: u32,
    },
    /// Its content has more characters than `max_content_length`.
    Content {
        /// The limit, in Unicode characters.
        max: u64,
    },
    /// It was created longer ago than `created_at_lower_limit`.
    TooOld {
        /// The limit, in seconds.
        max: u64,
    },
    /// It is created further ahead than `created_at_upper_limit`.
    TooNew {
        /// The limit, in seconds.
        max: u64,
    },
    /// Its id has less proof of work than `min_pow_difficulty` (NIP-13).
    Work {
        /// The limit, in bits.
        min: u8,
    },
}

/// What a relay can hold against an event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Looks<'a> {
    pub(crate) id: EventId,
    pub(crate) tags: usize,
    pub(crate) content: &'a str,
    pub(crate) created_at: Timestamp,
}

/// What a document says against an event that is published now.
pub(crate) fn warnings(event: Looks<'_>, says: &Limitation, now: Timestamp) -> Vec<PublishWarning> {
    let (tags, content) = (event.tags as u64, event.content.chars().count() as u64);
    let (made, now) = (event.created_at.as_secs(), now.as_secs());
    let (age, ahead) = (now.saturating_sub(made), made.saturating_sub(now));
    let tags = says.max_event_tags.filter(|max| tags > u64::from(*max)).map(|max| PublishWarning::Tags { max });
    let content = says.max_content_length.filter(|max| content > *max).map(|max| PublishWarning::Content { max });
    let old = says.created_at_lower_limit.filter(|max| age > *max).map(|max| PublishWarning::TooOld { max });
    let new = says.created_at_upper_limit.filter(|max| ahead > *max).map(|max| PublishWarning::TooNew { max });
    let work = says.min_pow_difficulty.filter(|min| event.id.difficulty() < *min);
    let work = work.map(|min| PublishWarning::Work { min });
    [tags, content, old, new, work].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_what_may_be() {
        let says = Limitation {
            max_event_tags: Some(2),
            max_content_length: Some(3),
            created_at_lower_limit: Some(10),
            created_at_upper_limit: Some(5),
            min_pow_difficulty: Some(8),
            ..Limitation::default()
        };
        let now = Timestamp::new(1_000);
        let id = |first: u8| {
            let mut id = [255; 32];
            id[0] = first;
            EventId::from_bytes(id)
        };
        let good = Looks { id: id(0), tags: 2, content: "äöü", created_at: Timestamp::new(990) };
        assert_eq!(warnings(good, &says, now), []);
        assert_eq!(warnings(Looks { created_at: Timestamp::new(1_005), ..good }, &says, now), []);
        let bad = Looks { id: id(1), tags: 3, content: "äöü.", created_at: Timestamp::new(989) };
        let (tags, content) = (PublishWarning::Tags { max: 2 }, PublishWarning::Content { max: 3 });
        let (old, work) = (PublishWarning::TooOld { max: 10 }, PublishWarning::Work { min: 8 });
        assert_eq!(warnings(bad, &says, now), [tags, content, old, work]);
        let ahead = Looks { created_at: Timestamp::new(1_006), ..good };
        assert_eq!(warnings(ahead, &says, now), [PublishWarning::TooNew { max: 5 }]);
        assert_eq!(warnings(bad, &Limitation::default(), now), []);
    }
}
