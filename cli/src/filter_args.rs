//! The filter that arguments ask for, as `req` and `count` take it.

use clap::Args;
use nostr_proto::{EventId, Filter, Kind, PublicKey, Timestamp};

use crate::exit::Stop;
use crate::filter;
use crate::parse::{self, FilterTag};

/// Which events.
#[derive(Debug, Args)]
pub(crate) struct FilterArgs {
    /// A whole filter, as NIP-01 writes it; may be repeated
    #[arg(long = "filter", value_name = "JSON", value_parser = filter::parse)]
    pub(crate) filters: Vec<Filter>,
    /// Events of this kind; may be repeated
    #[arg(long = "kind", value_name = "NUMBER", value_parser = parse::kind, allow_negative_numbers = true)]
    pub(crate) kinds: Vec<Kind>,
    /// Events by this author, in hex or as npub; may be repeated
    #[arg(long = "author", value_name = "KEY", value_parser = parse::author)]
    pub(crate) authors: Vec<PublicKey>,
    /// The event with this id; may be repeated
    #[arg(long = "id", value_name = "ID", value_parser = parse::id)]
    pub(crate) ids: Vec<EventId>,
    /// Events with this tag, such as t=nostr; repeat a letter for either value, another letter for both tags
    #[arg(long = "tag", value_name = "LETTER=VALUE", value_parser = parse::filter_tag)]
    pub(crate) tags: Vec<FilterTag>,
    /// Events created at this unix time or later
    #[arg(long, value_name = "SECONDS", value_parser = parse::timestamp, allow_negative_numbers = true)]
    pub(crate) since: Option<Timestamp>,
    /// Events created at this unix time or earlier
    #[arg(long, value_name = "SECONDS", value_parser = parse::timestamp, allow_negative_numbers = true)]
    pub(crate) until: Option<Timestamp>,
    /// The newest N stored events of each relay
    #[arg(long, value_name = "N", value_parser = parse::limit, allow_negative_numbers = true)]
    pub(crate) limit: Option<u32>,
    /// Events that match these words (relays with NIP-50 only)
    #[arg(long, value_name = "WORDS")]
    pub(crate) search: Option<String>,
}

impl FilterArgs {
    /// The filters that the arguments ask for.
    pub(crate) fn filters(&self) -> Result<Vec<Filter>, Stop> {
        if let (Some(since), Some(until)) = (self.since, self.until)
            && since > until
        {
            return Err(Stop::usage("--since: later than --until, so nothing can match"));
        }
        let mut flags = Filter::new();
        for id in &self.ids {
            flags = flags.id(*id);
        }
        for author in &self.authors {
            flags = flags.author(*author);
        }
        for kind in &self.kinds {
            flags = flags.kind(*kind);
        }
        for tag in &self.tags {
            flags = flags.tag(tag.letter, tag.value.clone());
        }
        flags.since = self.since;
        flags.until = self.until;
        flags.limit = self.limit;
        flags.search = self.search.clone();
        let mut filters = self.filters.clone();
        if filters.is_empty() || flags != Filter::new() {
            filters.push(flags);
        }
        Ok(filters)
    }
}
