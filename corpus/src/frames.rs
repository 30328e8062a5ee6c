//! EVENT frames as different relays spell them.

use std::fmt;

use nostr_proto::Event;
use serde_json::Value;

/// The order of an event's fields, and the spacing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// The order of NIP-01, minified: the id comes first.
    IdFirst,
    /// The order of the alphabet, minified: the content comes first, the id between it and the tags.
    ContentFirst,
    /// The order in which clients fill an event in, minified: the id comes last.
    IdLast,
    /// As `IdLast`, with a space after each colon and comma.
    IdLastSpaced,
}

impl Layout {
    /// All layouts.
    pub const ALL: [Self; 4] = [Self::IdFirst, Self::ContentFirst, Self::IdLast, Self::IdLastSpaced];

    /// The name in tables and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::IdFirst => "id-first",
            Self::ContentFirst => "content-first",
            Self::IdLast => "id-last",
            Self::IdLastSpaced => "id-last-spaced",
        }
    }

    /// Whether the id stands before the tags.
    pub fn id_precedes_tags(self) -> bool {
        matches!(self, Self::IdFirst | Self::ContentFirst)
    }

    fn fields(self) -> [&'static str; 7] {
        match self {
            Self::IdFirst => ["id", "pubkey", "created_at", "kind", "tags", "content", "sig"],
            Self::ContentFirst => ["content", "created_at", "id", "kind", "pubkey", "sig", "tags"],
            Self::IdLast | Self::IdLastSpaced => ["kind", "created_at", "tags", "content", "pubkey", "sig", "id"],
        }
    }

    fn space(self) -> &'static str {
        if self == Self::IdLastSpaced { " " } else { "" }
    }

    /// The frame `["EVENT", subscription, event]` in this spelling.
    pub fn frame(self, subscription: &str, event: &Event) -> String {
        let space = self.space();
        let event = self.event(event);
        format!("[\"EVENT\",{space}{},{space}{event}]", Value::from(subscription))
    }

    /// The event in this spelling.
    pub fn event(self, event: &Event) -> String {
        let minified = event.to_json();
        let Ok(Value::Object(values)) = serde_json::from_str(&minified) else { panic!("no object: {minified}") };
        let fields = self.fields().map(|name| format!("\"{name}\":{}{}", self.space(), self.value(&values[name])));
        format!("{{{}}}", self.join(&fields))
    }

    fn value(self, value: &Value) -> String {
        match value {
            Value::Array(items) => {
                let items: Vec<String> = items.iter().map(|item| self.value(item)).collect();
                format!("[{}]", self.join(&items))
            }
            plain => plain.to_string(),
        }
    }

    fn join(self, items: &[String]) -> String {
        items.join(if self == Self::IdLastSpaced { ", " } else { "," })
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Class;
    use nostr_proto::RelayMessage;

    #[test]
    fn every_layout_says_the_same() {
        for class in Class::ALL {
            for event in class.events(3, 20_000) {
                for layout in Layout::ALL {
                    let frame = layout.frame("a\"b", &event);
                    let message = RelayMessage::parse(&frame).unwrap();
                    let RelayMessage::Event { subscription, event: parsed } = message else { panic!("{message:?}") };
                    assert_eq!((&*subscription, &parsed), ("a\"b", &event), "{}", layout.name());
                }
                assert_eq!(Layout::IdFirst.event(&event), event.to_json());
            }
        }
    }

    #[test]
    fn the_id_stands_where_the_layout_says() {
        let events = Class::Zap.events(4, 1);
        let event = &events[0];
        for layout in Layout::ALL {
            let text = layout.event(event);
            let (id, tags) = (text.find("\"id\""), text.find("\"tags\""));
            assert_eq!(id < tags, layout.id_precedes_tags(), "{}", layout.name());
        }
        assert!(Layout::IdLastSpaced.frame("s", event).starts_with("[\"EVENT\", \"s\", {\"kind\": 9735, "));
    }
}
