//! What a subscription asks for, and whether an event is that: the filter for the pool, and plain code for the reckoning.

use nostr_proto::{Filter, Kind, PublicKey};
use serde_json::Value;

/// One filter. An empty list asks for nothing in particular.
#[derive(Clone, Debug, Default)]
pub(super) struct Want {
    pub(super) kinds: Vec<u16>,
    pub(super) authors: Vec<PublicKey>,
    /// Values of `t` tags.
    pub(super) topics: Vec<&'static str>,
    /// For the first load only, so that it plays no part in what is due after that.
    pub(super) limit: Option<u32>,
}

impl Want {
    pub(super) fn filter(&self) -> Filter {
        let mut filter = Filter::new();
        for kind in &self.kinds {
            filter = filter.kind(Kind::new(*kind));
        }
        for author in &self.authors {
            filter = filter.author(*author);
        }
        for topic in &self.topics {
            filter = filter.tag('t', *topic);
        }
        filter.limit = self.limit;
        filter
    }

    pub(super) fn is_met_by(&self, event: &Value) -> bool {
        let one_of = |none_asked: bool, any: bool| none_asked || any;
        let kind = event["kind"].as_u64();
        let tagged = |topic: &str| {
            let tags = event["tags"].as_array();
            tags.is_some_and(|tags| tags.iter().any(|tag| tag[0] == "t" && tag[1] == topic))
        };
        one_of(self.kinds.is_empty(), self.kinds.iter().any(|wanted| kind == Some(u64::from(*wanted))))
            && one_of(self.authors.is_empty(), self.authors.iter().any(|wanted| event["pubkey"] == wanted.to_string()))
            && one_of(self.topics.is_empty(), self.topics.iter().any(|topic| tagged(topic)))
    }
}
