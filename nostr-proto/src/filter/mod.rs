//! Filters: what a subscription asks for (NIP-01, `search` from NIP-50).

mod json;
mod matches;
mod set;

use crate::json::Count;
use crate::{EventId, Kind, ParseError, PublicKey, Timestamp};
use alloc::collections::BTreeMap;
use alloc::string::String;

pub(crate) use json::{parse_filter, write_filter};
pub use set::SortedSet;

/// A filter. A constraint that is `None` allows everything; a list that is empty allows nothing.
/// An event must meet every constraint.
///
/// All lists are kept sorted and without duplicates, so that equal filters have equal JSON.
///
/// ```
/// use nostr_proto::{Filter, Kind, Timestamp};
///
/// let filter = Filter::new().kinds([Kind::REACTION, Kind::TEXT_NOTE]).tag('t', "nostr").since(Timestamp::new(5));
/// let json = r##"{"kinds":[1,7],"#t":["nostr"],"since":5}"##;
/// assert_eq!(filter.to_json(), json);
/// assert_eq!(Filter::from_json(json)?, filter);
/// # Ok::<(), nostr_proto::ParseError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    /// The event is one of these.
    pub ids: Option<SortedSet<EventId>>,
    /// The author is one of these.
    pub authors: Option<SortedSet<PublicKey>>,
    /// The kind is one of these.
    pub kinds: Option<SortedSet<Kind>>,
    /// For every letter (`a-z`, `A-Z`): the event has a tag of this name whose value is one of
    /// these. Relays expect the values under `e` and `p` to be 64 lowercase hex characters.
    pub tags: BTreeMap<char, SortedSet<String>>,
    /// Created at this second or later.
    pub since: Option<Timestamp>,
    /// Created at this second or earlier.
    pub until: Option<Timestamp>,
    /// At most this many stored events, the newest; 0 asks for new events only.
    pub limit: Option<u32>,
    /// A text to search for (NIP-50).
    pub search: Option<String>,
}

impl Filter {
    /// A filter without constraints.
    #[must_use]
    pub fn new() -> Filter {
        Filter::default()
    }

    /// Allows an event id, besides those allowed already.
    #[must_use]
    pub fn id(mut self, id: EventId) -> Filter {
        self.ids.get_or_insert_default().insert(id);
        self
    }

    /// Allows event ids, besides those allowed already.
    #[must_use]
    pub fn ids(mut self, ids: impl IntoIterator<Item = EventId>) -> Filter {
        self.ids.get_or_insert_default().extend(ids);
        self
    }

    /// Allows an author, besides those allowed already.
    #[must_use]
    pub fn author(mut self, author: PublicKey) -> Filter {
        self.authors.get_or_insert_default().insert(author);
        self
    }

    /// Allows authors, besides those allowed already.
    #[must_use]
    pub fn authors(mut self, authors: impl IntoIterator<Item = PublicKey>) -> Filter {
        self.authors.get_or_insert_default().extend(authors);
        self
    }

    /// Allows a kind, besides those allowed already.
    #[must_use]
    pub fn kind(mut self, kind: Kind) -> Filter {
        self.kinds.get_or_insert_default().insert(kind);
        self
    }

    /// Allows kinds, besides those allowed already.
    #[must_use]
    pub fn kinds(mut self, kinds: impl IntoIterator<Item = Kind>) -> Filter {
        self.kinds.get_or_insert_default().extend(kinds);
        self
    }

    /// Allows a value of the tag with this one-letter name, besides those allowed already.
    ///
    /// # Panics
    ///
    /// If the name is not an ASCII letter: relays index no other tags. Check names that come
    /// from a user with [`char::is_ascii_alphabetic`].
    #[must_use]
    pub fn tag(mut self, name: char, value: impl Into<String>) -> Filter {
        assert!(name.is_ascii_alphabetic(), "only tags named by one ASCII letter can be filtered");
        self.tags.entry(name).or_default().insert(value.into());
        self
    }

    /// Only events created at this second or later.
    #[must_use]
    pub fn since(mut self, since: Timestamp) -> Filter {
        self.since = Some(since);
        self
    }

    /// Only events created at this second or earlier.
    #[must_use]
    pub fn until(mut self, until: Timestamp) -> Filter {
        self.until = Some(until);
        self
    }

    /// At most this many stored events, the newest.
    #[must_use]
    pub fn limit(mut self, limit: u32) -> Filter {
        self.limit = Some(limit);
        self
    }

    /// Only events that a relay finds for this text (NIP-50).
    #[must_use]
    pub fn search(mut self, text: impl Into<String>) -> Filter {
        self.search = Some(text.into());
        self
    }

    /// Parses one filter object. Unknown fields are ignored. While a list grows, the filter takes up to
    /// 24 times the memory of its text: where that is a list of empty strings.
    ///
    /// # Errors
    ///
    /// A field of the wrong type, `ids`, `authors`, `#e` or `#p` with anything but 64 lowercase
    /// hex characters, a field that appears twice, a text above
    /// [`MAX_MESSAGE_BYTES`](crate::limits::MAX_MESSAGE_BYTES), or no valid JSON.
    pub fn from_json(text: &str) -> Result<Filter, ParseError> {
        json::from_json(text)
    }

    /// The filter as JSON: minified, fields and values in a fixed order.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = String::new();
        self.write_json(&mut text);
        text
    }

    /// Appends [`Filter::to_json`] to a string.
    pub fn write_json(&self, out: &mut String) {
        let mut size = Count::default();
        write_filter(self, &mut size);
        out.reserve(size.0);
        write_filter(self, out);
    }
}
