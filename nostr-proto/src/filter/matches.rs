//! Whether an event is one that a filter asks for.

use super::{Filter, SortedSet};
use crate::Event;
use alloc::string::String;

impl Filter {
    /// Whether the event meets `ids`, `authors`, `kinds`, `tags`, `since` and `until`. Of a tag
    /// only the first value counts (NIP-01). `limit` and `search` are not looked at.
    #[must_use]
    pub fn matches(&self, event: &Event) -> bool {
        let created_at = event.created_at();
        self.since.is_none_or(|since| since <= created_at)
            && self.until.is_none_or(|until| created_at <= until)
            && allows(self.kinds.as_ref(), &event.kind())
            && allows(self.authors.as_ref(), &event.pubkey())
            && allows(self.ids.as_ref(), &event.id())
            && self.tags.iter().all(|(&name, values)| has_tag(event, name, values))
    }
}

fn allows<T: Ord>(allowed: Option<&SortedSet<T>>, item: &T) -> bool {
    allowed.is_none_or(|allowed| allowed.contains(item))
}

fn has_tag(event: &Event, name: char, values: &SortedSet<String>) -> bool {
    let mut buffer = [0; 4];
    let name = &*name.encode_utf8(&mut buffer);
    event.tags().any(|tag| {
        let mut strings = tag.iter();
        strings.next() == Some(name)
            && strings
                .next()
                .is_some_and(|value| values.binary_search_by(|allowed| allowed.as_str().cmp(value)).is_ok())
    })
}
