//! What relays hide from strangers: they answer as if there were nothing, instead of refusing.

use nostr_proto::{Filter, Kind};

/// Direct messages, the muted of a channel, gift wraps.
const PRIVATE: [Kind; 3] = [Kind::ENCRYPTED_DIRECT_MESSAGE, Kind::CHANNEL_MUTE_USER, Kind::GIFT_WRAP];

/// Whether such events are what is asked for.
pub(crate) fn asks_for_private(filters: &[Filter]) -> bool {
    filters.iter().any(|f| f.kinds.as_ref().is_some_and(|kinds| PRIVATE.iter().any(|kind| kinds.contains(kind))))
}

/// Whether such events could be among what is asked for.
pub(crate) fn could_match_private(filters: &[Filter]) -> bool {
    filters.iter().any(|f| f.kinds.as_ref().is_none_or(|kinds| PRIVATE.iter().any(|kind| kinds.contains(kind))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_kinds_by_name_and_by_chance() {
        let named = [Filter::new().kind(Kind::TEXT_NOTE), Filter::new().kinds([Kind::TEXT_NOTE, Kind::GIFT_WRAP])];
        let (open, other) = ([Filter::new()], [Filter::new().kind(Kind::TEXT_NOTE)]);
        assert!(asks_for_private(&named) && could_match_private(&named));
        assert!(!asks_for_private(&open) && could_match_private(&open));
        assert!(!asks_for_private(&other) && !could_match_private(&other));
    }
}
